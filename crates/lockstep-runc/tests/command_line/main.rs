//! The command line against Debian's runc: same words, exit codes, log lines and files.
//!
//! runc itself is the oracle, run on the same arguments; where it is missing the comparison says loudly
//! that it did not happen. Differences that are meant are written down beside the case.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine; the rules are for what is shipped"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

#[path = "../harness/suite.rs"]
mod suite;
mod verbs;

const RUNC: &str = "/usr/sbin/runc";

/// The program under test.
fn ours() -> &'static str {
    static OURS: OnceLock<String> = OnceLock::new();
    OURS.get_or_init(|| {
        std::env::var("LOCKSTEP_TEST_RUNTIME")
            .unwrap_or_else(|_| env!("CARGO_BIN_EXE_lockstep-runc").to_owned())
    })
}

/// A new empty directory for one test.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("command-line-{name}"));
    if path.exists() {
        fs::remove_dir_all(&path).expect("old directory removed");
    }
    fs::create_dir_all(&path).expect("new directory");
    path
}

fn run(program: &str, args: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(args).current_dir(directory);
    command.stdin(Stdio::null()).output().expect("it runs")
}

/// Whether `test` can compare; a skip of it where it cannot.
fn runc_is_there(test: &str) -> bool {
    is_there(test, RUNC)
}

fn is_there(test: &str, file: &str) -> bool {
    let there = Path::new(file).exists();
    if !there {
        suite::announce_skip(test, &format!("no {file}"));
    }
    there
}

/// First line of standard error with time and program name taken out, and the exit code. Warnings are
/// left out: ours name what a kernel or a configuration loses, where runc is silent.
fn said(program: &str, output: &Output) -> (String, Option<i32>) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut lines = text.lines().filter(|line| !line.contains("level=warning"));
    let line = lines.next().unwrap_or_default();
    let line = match line
        .strip_prefix("time=\"")
        .and_then(|rest| rest.split_once('"'))
    {
        Some((_, rest)) => rest.trim_start(),
        None => line,
    };
    // runc of version 1.1 ends this one message with a newline; nobody wants it.
    let line = line.replace("'\\n\"", "'\"");
    (line.replace(program, "runc"), output.status.code())
}

fn compare(directory: &Path, args: &[&str]) {
    let theirs = said(RUNC, &run(RUNC, args, directory));
    let ours = said(ours(), &run(ours(), args, directory));
    assert_eq!(ours, theirs, "{args:?}");
}

#[test]
fn mistakes_read_as_runcs() {
    let directory = directory("mistakes");
    if !runc_is_there("mistakes_read_as_runcs") {
        return;
    }
    for args in [
        &["nosuch"][..],
        &["--nosuch"],
        &["-root"],
        &["---x"],
        &["-=x", "list"],
        &["--debug=x", "list"],
        &["--log-format", "xx", "state", "c"],
        &["--log", "/nonexistent/log", "list"],
        &["help", "nosuch"],
        &["create"],
        &["create", "a", "b"],
        &["create", "-x", "a"],
        &["create", "--bundle"],
        &["create", "--bundle", "/nonexistent", "a"],
        &["create", "--preserve-fds", "x", "a"],
        &["run"],
        &["kill"],
        &["kill", "a", "b", "c"],
        &["start", "a", "b"],
        &["state"],
        &["list", "x"],
        &["list", "--quiet=maybe"],
        &["exec"],
        &["exec", "-it", "a", "sh"],
        &["exec", "-g", "x", "a", "true"],
        &["ps"],
        &["pause"],
        &["resume"],
        &["update"],
        &["update", "--pids-limit", "x", "a"],
        &["update", "--blkio-weight", "x", "a"],
        &["events"],
        &["events", "--interval", "5", "a"],
        &["spec", "x"],
        &["spec", "--bundle", "/nonexistent"],
        &["features", "x"],
        &["checkpoint"],
        &["restore", "a", "b"],
        // What succeeds, says nothing on standard error.
        &["--version"],
        &["-v"],
        &["--help"],
        &["-h"],
        &["help"],
        &["help", "run"],
        &["state", "-h"],
        &["exec", "--help", "a"],
        &[],
    ] {
        compare(&directory, args);
    }
}

/// runc takes its own descriptors for the caller's here, so it is no oracle.
#[test]
fn descriptors_that_are_not_there_are_not_passed_on() {
    let directory = directory("preserve");
    let wanted = "level=error msg=\"runc create failed: unable to stat preserved-fd 0 (of 2): stat \
                  /proc/self/fd/3: no such file or directory\"";
    let args = ["create", "--preserve-fds", "2", "a"];
    assert_eq!(said(ours(), &run(ours(), &args, &directory)).0, wanted);
    // The log is open by then; its number must not pass for the caller's.
    run(ours(), &[&["--log", "log"][..], &args].concat(), &directory);
    let log = fs::read_to_string(directory.join("log")).expect("a log");
    assert!(log.contains(wanted), "{log}");
    let given = format!(
        "{} create --preserve-fds 2 a 3</dev/null 4</dev/null",
        ours()
    );
    let output = run("/bin/sh", &["-c", &given], &directory);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("preserved-fd"), "{stderr}");
}

#[test]
fn mistakes_reach_the_log_file_too() {
    let directory = directory("log");
    for (format, wanted) in [
        (
            "text",
            "level=error msg=\"flag provided but not defined: -x\"\n",
        ),
        (
            "json",
            "{\"level\":\"error\",\"msg\":\"flag provided but not defined: -x\",\"time\":\"",
        ),
    ] {
        let log = directory.join(format);
        let log = log.to_str().expect("UTF-8");
        let args = ["--log", log, "--log-format", format, "state", "-x", "a"];
        let output = run(ours(), &args, &directory);
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr, "flag provided but not defined: -x\n");
        let line = fs::read_to_string(log).expect("a log");
        assert!(line.contains(wanted), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        // Appended to, never cut: several calls share a container's log.
        run(ours(), &args, &directory);
        assert_eq!(fs::read_to_string(log).expect("a log").lines().count(), 2);
    }
}

#[test]
fn debug_lines_go_where_the_log_goes() {
    let directory = directory("debug");
    let output = run(ours(), &["--debug", "list", "-q"], &directory);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let wanted = "level=debug msg=\"lockstep-runc list [\\\"-q\\\"]\"\n";
    assert!(stderr.ends_with(wanted), "{stderr}");
    let args = ["--debug", "--log", "log", "list", "-q"];
    let output = run(ours(), &args, &directory);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let log = fs::read_to_string(directory.join("log")).expect("a log");
    assert!(log.ends_with(wanted), "{log}");
}

#[test]
fn hostile_arguments_do_not_reach_the_terminal() {
    let directory = directory("hostile");
    let hostile = "a\u{1b}[31m\u{9b}2J\nb\u{202e}";
    let args = [
        "--log",
        "log.json",
        "--log-format",
        "json",
        "kill",
        "c",
        hostile,
    ];
    let output = run(ours(), &args, &directory);
    let log = fs::read_to_string(directory.join("log.json")).expect("a log");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    for text in [log.as_str(), stderr.as_str()] {
        let shown = text
            .chars()
            .all(|c| c == '\n' || !c.is_control() && c != '\u{202e}');
        assert!(shown, "{text:?}");
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(text.contains("unknown signal"), "{text:?}");
    }
    let value: serde_json::Value = serde_json::from_str(&log).expect("JSON");
    assert_eq!(value["level"], "error");
}

fn spec(program: &str, directory: &Path, args: &[&str]) -> serde_json::Value {
    fs::create_dir_all(directory).expect("a bundle");
    let output = run(program, &[&["spec"], args].concat(), directory);
    assert!(output.status.success(), "{output:?}");
    let text = fs::read(directory.join("config.json")).expect("a configuration");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn spec_writes_runcs_configuration() {
    let directory = directory("spec");
    if !runc_is_there("spec_writes_runcs_configuration") {
        return;
    }
    for (name, args) in [("root", &[][..]), ("rootless", &["--rootless"])] {
        let mut theirs = spec(RUNC, &directory.join(format!("runc-{name}")), args);
        let mut ours = spec(ours(), &directory.join(format!("ours-{name}")), args);
        // Each writes a version that it knows; ours is the oldest that has every field.
        assert_eq!(ours["ociVersion"], "1.0.2");
        theirs["ociVersion"].take();
        ours["ociVersion"].take();
        // Since version 1.2 runc gives no ambient capabilities, which were never in effect without
        // inheritable ones, and masks the TPM.
        let capabilities = theirs["process"]["capabilities"].as_object_mut();
        capabilities.expect("capabilities").remove("ambient");
        let masked = ours["linux"]["maskedPaths"]
            .as_array_mut()
            .expect("masked paths");
        assert_eq!(masked.pop(), Some("/sys/devices/virtual/tpm".into()));
        assert_eq!(ours, theirs, "{args:?}");
    }
}

#[test]
fn spec_leaves_an_existing_file_alone() {
    let directory = directory("spec-exists");
    fs::write(directory.join("config.json"), "mine").expect("a file");
    let output = run(ours(), &["spec"], &directory);
    let (line, code) = said(ours(), &output);
    assert_eq!(
        line,
        "level=error msg=\"File config.json exists. Remove it first\""
    );
    assert_eq!(code, Some(1));
    let kept = fs::read_to_string(directory.join("config.json")).expect("the file");
    assert_eq!(kept, "mine");
    // A dangling link would make the file somewhere else.
    let bundle = directory.join("link");
    fs::create_dir(&bundle).expect("a directory");
    std::os::unix::fs::symlink(directory.join("elsewhere"), bundle.join("config.json"))
        .expect("a link");
    let output = run(ours(), &["spec", "-b", "link"], &directory);
    assert_eq!(output.status.code(), Some(1));
    assert!(!directory.join("elsewhere").exists());
}

#[test]
fn help_lists_every_option_that_runcs_help_lists() {
    let directory = directory("help");
    if !runc_is_there("help_lists_every_option_that_runcs_help_lists") {
        return;
    }
    let options = |program: &str, args: &[&str]| -> Vec<String> {
        let text = String::from_utf8_lossy(&run(program, args, &directory).stdout).into_owned();
        let lines = text.lines().map(str::trim_start);
        let lines = lines.filter(|line| line.starts_with("--"));
        lines
            .map(|line| line.split("  ").next().unwrap_or_default().to_owned())
            .collect()
    };
    let verbs = [
        "checkpoint",
        "create",
        "delete",
        "events",
        "exec",
        "features",
        "kill",
        "list",
        "pause",
        "ps",
        "restore",
        "resume",
        "run",
        "spec",
        "start",
        "state",
        "update",
    ];
    let mut count = 0;
    for args in verbs
        .iter()
        .map(|verb| vec![*verb, "--help"])
        .chain([vec!["--help"]])
    {
        let ours = options(ours(), &args);
        for option in options(RUNC, &args) {
            assert!(ours.contains(&option), "{args:?} has no {option}: {ours:?}");
            count += 1;
        }
    }
    assert!(count > 90, "only {count} options compared");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let directory = directory("pipe");
    let script = format!("{} --help | true; exit ${{PIPESTATUS[0]}}", ours());
    let output = run("/bin/bash", &["-c", &script], &directory);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(matches!(output.status.code(), Some(0 | 141)), "{output:?}");
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let directory = directory("full");
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let mut command = Command::new(ours());
    command.arg("features").current_dir(&directory).stdout(full);
    let output = command.output().expect("it runs");
    let (line, code) = said(ours(), &output);
    assert_eq!(
        line,
        "level=error msg=\"write /dev/stdout: no space left on device\""
    );
    assert_eq!(code, Some(1));
}

#[test]
fn a_person_gets_the_details_on_lines_of_their_own() {
    let directory = directory("person");
    // script(1) gives the program a terminal.
    let call = format!("{} create --bundle /nonexistent a", ours());
    let output = run("/usr/bin/script", &["-qec", &call, "/dev/null"], &directory);
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let lines: Vec<&str> = text.lines().collect();
    let summary = "error: runc create failed: chdir /nonexistent: no such file or directory";
    assert_eq!(lines[0], summary);
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[1].starts_with("  call: openat(AT_FDCWD, \"/nonexistent\", O_PATH"),
        "{text}"
    );
    assert!(lines[1].ends_with(") = ENOENT"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}
