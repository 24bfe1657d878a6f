//! What must be true whatever was killed.

use std::path::Path;

use crate::stage::{Stage, processes_naming, status, until};

/// Processes of containers whose supervisor is gone, after a grace.
pub(crate) fn orphans(mark: &str, name: &str) -> Vec<String> {
    let of = || -> Vec<u32> {
        let mut all = processes_naming(mark);
        // The command line of whoever starts or looks for one names it too.
        all.retain(|pid| first_word(*pid) == "sleep");
        all.retain(|pid| !is_supervised(*pid, name));
        all
    };
    until(|| of().is_empty());
    of().iter().map(|pid| format!("process {pid}")).collect()
}

fn command_line(pid: &str) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

fn first_word(pid: u32) -> String {
    let line = command_line(&pid.to_string());
    line.split(' ').next().unwrap_or_default().to_owned()
}

fn is_supervised(pid: u32, name: &str) -> bool {
    // It may end while it is looked at.
    let parent = std::panic::catch_unwind(|| status(pid, "PPid"));
    parent.is_ok_and(|parent| {
        command_line(&parent).starts_with(&format!("lockstep supervisor {name}"))
    })
}

/// What is left of containers although all were removed.
pub(crate) fn left(t: &Stage, name: &str) -> Vec<String> {
    let mut left = Vec::new();
    for who in ["root", "user"] {
        for below in [
            "state/containers",
            "state/runtime",
            "data/containers",
            "data/names",
            "data/blocks",
            "data/tmp",
        ] {
            left.extend(names(&t.dir.join(format!("{who}-{below}"))));
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("procfs");
    let own = t.dir.display().to_string();
    let of_test = |line: &&str| {
        line.split(' ')
            .nth(4)
            .is_some_and(|point| point.starts_with(&own))
    };
    left.extend(
        mounts
            .lines()
            .filter(of_test)
            .map(|line| format!("mount {line}")),
    );
    if !until(|| processes_naming(name).is_empty()) {
        let lines = processes_naming(name).into_iter();
        left.extend(lines.map(|pid| format!("process {pid}: {}", command_line(&pid.to_string()))));
    }
    left
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path().display().to_string())
        .collect()
}
