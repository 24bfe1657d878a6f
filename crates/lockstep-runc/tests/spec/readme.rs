//! What README.md says about `lockstep-runc`, done as it stands there: who reads it first has nothing else to go by.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::document::{need_sources, repository};
use crate::harness::{Host, Test, Used, View, cases};

cases! {
    first_hour: "it is about lockstep-runc",
    example_of_an_error: "it is about lockstep-runc",
}

fn readme(t: &Test) -> String {
    need_sources(t);
    std::fs::read_to_string(repository().join("README.md")).expect("README.md is in the repository")
}

/// The lines of the first hour that are typed; between two of them what is to be changed in config.json.
fn typed(text: &str) -> Vec<String> {
    let (_, section) = text
        .split_once("## A first hour with `lockstep-runc`")
        .expect("the section");
    // The third block is of engines.
    let (section, _) = section
        .split_once("With engines")
        .expect("the end of what is typed");
    let lines = section.lines();
    lines
        .filter_map(|line| match line.strip_prefix("# ") {
            Some(line) => Some(line.to_owned()),
            None => line.contains("(set ").then(|| edit(line)),
        })
        .collect()
}

/// "(set `"key": value` and `"key": value`)" as a command: in the written file each key is there once.
fn edit(sentence: &str) -> String {
    let members: Vec<&str> = sentence
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| text.starts_with('"'))
        .collect();
    let members: Value = serde_json::from_str(&format!("{{{}}}", members.join(","))).expect("JSON");
    assert!(members.as_object().is_some_and(|it| it.len() == 2));
    format!("EDIT {members}")
}

/// lockstep-runc by its bare name, with the test's state directory.
fn called_by_name(t: &Test) -> PathBuf {
    let script = format!(
        "#!/bin/sh\nexec {} --root {} \"$@\"\n",
        Host::get().runtime.display(),
        t.state_root().display()
    );
    let path = t.dir.join("bin/lockstep-runc");
    if path.exists() {
        return path;
    }
    // By another process: what a test beside this one forks has what this one writes open, and that is not executed.
    let write = "mkdir -p \"${1%/*}\" && printf %s \"$0\" >\"$1\" && chmod 755 \"$1\"";
    let written = Command::new("sh")
        .args(["-c", write, &script])
        .arg(&path)
        .status();
    assert!(written.expect("sh runs").success());
    path
}

/// Runs a line in `dir`; what it wrote. Into a file, because a container keeps its standard streams.
fn run(t: &Test, dir: &Path, line: &str) -> String {
    let programs = called_by_name(t);
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!(
        "{}:{path}",
        programs.parent().expect("a directory").display()
    );
    let written = t.dir.join("written");
    let file = || {
        std::fs::File::options()
            .append(true)
            .create(true)
            .open(&written)
    };
    drop(std::fs::remove_file(&written));
    let status = Command::new("timeout")
        .args(["60", "bash", "-c", line])
        .current_dir(dir)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(file().expect("own file"))
        .stderr(file().expect("own file"))
        .status()
        .expect("bash");
    let text = String::from_utf8_lossy(&std::fs::read(&written).expect("own file")).into_owned();
    assert!(status.success(), "{line}: {status}\n{text}");
    text
}

fn first_hour(t: &Test) {
    let text = readme(t);
    t.need(Host::get().has_program("script"), "no script(1) (bsdutils)");
    let lines = typed(&text);
    assert!(lines.len() > 10, "{lines:?}");
    // The names are free; these are nobody else's.
    let ids =
        ["first", "second"].map(|id| (id, format!("ls{}-{}-{id}", std::process::id(), t.number())));
    for (_, id) in &ids {
        t.used.borrow_mut().push(Used {
            id: id.clone(),
            view: View::Plain,
            foreground: false,
        });
    }
    let mut dir = t.subdir("hour");
    let mut seen = String::new();
    for line in lines {
        let (line, _) = line.split_once("   #").unwrap_or((&line, ""));
        if let Some(members) = line.strip_prefix("EDIT ") {
            change_process(&dir.join("config.json"), members);
            continue;
        }
        let (line, into) = match line.split_once(" && cd ") {
            Some((line, into)) => (line, Some(into)),
            None => (line, None),
        };
        let words: Vec<String> = line
            .split(' ')
            .map(|word| {
                let id = ids.iter().find(|(id, _)| word.trim_end_matches(';') == *id);
                id.map_or_else(|| word.to_owned(), |(id, own)| word.replace(id, own))
            })
            .collect();
        let line = words.join(" ");
        let line = match line.starts_with("lockstep-runc run ") {
            // Its terminal, and a person who leaves the shell.
            true => format!("echo exit | script -qec '{line}' /dev/null"),
            false => line,
        };
        seen += &run(t, &dir, &line);
        if let Some(into) = into {
            dir.push(into);
        }
    }
    for wanted in [
        "\"status\": \"created\"",
        "CapEff:",
        "Seccomp:",
        "\"type\":\"stats\"",
    ] {
        assert!(seen.contains(wanted), "no {wanted} in {seen}");
    }
    assert_eq!(t.call(&["list", "-q"]).ok().text(), "");
}

fn change_process(path: &Path, members: &str) {
    let text = std::fs::read_to_string(path).expect("spec has written it");
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    let members: Value = serde_json::from_str(members).expect("JSON");
    for (key, value) in members.as_object().expect("an object") {
        let old = config["process"].get_mut(key);
        *old.unwrap_or_else(|| panic!("no {key} in the written process")) = value.clone();
    }
    std::fs::write(path, config.to_string()).expect("own file");
}

/// The number of a descriptor says nothing.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split('<');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.truncate(out.trim_end_matches(|c: char| c.is_ascii_digit()).len());
        out = out + "<" + part;
    }
    out
}

fn example_of_an_error(t: &Test) {
    let text = readme(t);
    let mut lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("      runc create failed: "));
    let example = lines.next().expect("an example");
    let output = t
        .sleeper()
        .set("/linux/sysctl/net.ipv4.ping_group_range", "0 -1")
        .try_create();
    let told = output.stderr.replace("\\\"", "\"");
    let (example, told) = (without_numbers(example), without_numbers(&told));
    assert!(told.contains(&example), "README: {example}\nhere:   {told}");
}
