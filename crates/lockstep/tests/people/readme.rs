//! What README.md says about `lockstep`, typed as it stands there: who reads it first has nothing else to go by.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::cases;
use crate::stage::{Output, Stage, output};

cases! {
    first_hour,
    first_look,
}

/// The first block of commands below a line: each command, and what is shown below it.
fn typed(t: &Stage, below: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    t.need(path.is_file(), "the sources are not on this machine");
    let text = std::fs::read_to_string(path).expect("README.md is in the repository");
    let (_, text) = text.split_once(below).expect("the line");
    let (_, text) = text.split_once("```console\n").expect("a block");
    let (block, _) = text.split_once("```").expect("its end");
    let mut typed: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), typed.last_mut()) {
            (Some(line), _) => {
                let (line, _remark) = line.split_once("   #").unwrap_or((line, ""));
                typed.push((line.trim_end().to_owned(), String::new()));
            }
            (None, Some((_, shown))) => shown.push_str(line),
            (None, None) => panic!("no command: {line}"),
        }
    }
    typed
}

/// Runs a line in a shell that finds `lockstep` by its name, with the test's directories.
fn run(t: &Stage, line: &str) -> Output {
    let own = t.command(&[]);
    let words = std::iter::once(own.get_program()).chain(own.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let programs = t.dir.join("bin");
    std::fs::create_dir_all(programs.join("../here/pages")).expect("own directory");
    let own = programs.join("lockstep");
    if !own.exists() {
        let script = format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "));
        // By another process: what a test beside this one forks has what this one writes open, and that is not executed.
        let mut write = Command::new("sh");
        write.args([
            "-c",
            "printf %s \"$0\" >\"$1\" && chmod 755 \"$1\"",
            &script,
        ]);
        write.arg(&own);
        assert_eq!(output(write, b"").code, 0);
    }
    let path = std::env::var("PATH").expect("a PATH");
    let mut command = Command::new("timeout");
    command
        .args(["120", "bash", "-c", line])
        .current_dir(t.dir.join("here"))
        .env("PATH", format!("{}:{path}", programs.display()))
        .stdin(Stdio::null());
    output(command, b"")
}

fn first_hour(t: &Stage) {
    let lines = typed(t, "## A first hour with `lockstep`\n");
    assert!(lines.len() > 5, "{lines:?}");
    let script = Path::new("/usr/bin/script").exists();
    t.need(script, "no script(1) (bsdutils)");
    for (line, _) in lines {
        // Stands for whatever image the reader has.
        if line.contains("oci:some/layout") {
            continue;
        }
        let line = match line.contains(" -it ") {
            // A terminal, and a person who leaves the shell.
            true => format!("echo exit | script -qec '{line}' /dev/null"),
            false => line,
        };
        // More memory than it may have.
        let wanted = if line.contains("-m 64m") { 137 } else { 0 };
        let done = run(t, &line);
        assert_eq!(done.code, wanted, "{line}: {done:?}");
    }
}

fn first_look(t: &Stage) {
    let python = Path::new("/usr/bin/python3").exists();
    t.need(python, "no python3(1)");
    let lines = typed(t, "# Lockstep\n");
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, shown) in lines {
        let done = run(t, &line);
        // What is shown is a refusal.
        assert_eq!(done.code, i32::from(!shown.is_empty()), "{line}: {done:?}");
        assert_eq!(done.stderr.trim_end(), shown, "{line}");
    }
}
