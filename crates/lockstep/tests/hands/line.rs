//! The lines: sections of `lines/*.sh`.

use std::path::{Path, PathBuf};

use crate::engine::Engine;

/// One command line with what stands around it.
pub(crate) struct Line {
    /// Unique among all files.
    pub(crate) name: String,
    /// Which engines have it.
    pub(crate) peers: Vec<Engine>,
    /// Functions of bash.
    pub(crate) script: String,
}

impl Line {
    /// What is typed, for people.
    pub(crate) fn typed(&self) -> &str {
        self.script
            .lines()
            .find_map(|line| line.strip_prefix("hand() { "))
            .map_or("", |line| line.trim_end_matches("; }"))
    }
}

/// This exercise's directory.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hands")
}

/// All lines, in the order of their files.
pub(crate) fn all() -> Vec<Line> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory().join("lines"))
        .expect("the lines")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let mut lines: Vec<Line> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file of lines");
        for section in text.split("\n## ").skip(1) {
            let line = parse(section);
            let again = lines.iter().any(|other| other.name == line.name);
            assert!(!again, "{}: {} is there twice", file.display(), line.name);
            lines.push(line);
        }
    }
    lines
}

fn parse(section: &str) -> Line {
    let (name, script) = section.split_once('\n').expect("a name and a script");
    assert!(
        script.contains("\nhand() {") || script.starts_with("hand() {"),
        "{name}: no hand"
    );
    let only = script.lines().find_map(|line| line.strip_prefix("# as: "));
    let peers = match only {
        None => Engine::PEERS.to_vec(),
        Some("docker") => vec![Engine::Docker],
        Some("podman") => vec![Engine::Podman],
        Some(other) => panic!("{name}: no engine {other}"),
    };
    Line {
        name: name.to_owned(),
        peers,
        script: script.to_owned(),
    }
}
