//! A supervisor whose code is the attacker's: what it still can do.
//!
//! A live one is taken over by ptrace(2), which root of the host may, and made to call what an attacker would. Each
//! call is refused; and each succeeds in a build whose supervisor does not confine itself, or it would prove nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../stage/mod.rs"]
mod stage;
#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall;
use stage::{Background, Stage, lives, until};
use suite::Sample;

/// A test: its name and its body.
type Case = (&'static str, fn(&Stage));

const CASES: &[Case] = &[
    ("it_can_do_nothing_else", it_can_do_nothing_else),
    (
        "without_its_confinement_it_could",
        without_its_confinement_it_could,
    ),
    ("its_log_only_grows", its_log_only_grows),
];

fn main() -> ExitCode {
    let cases = CASES.iter().filter(|(name, _)| Sample::takes_point(name));
    let trials = cases.map(|(name, body)| stage::trial((*name).to_owned(), *body));
    stage::run(trials.collect())
}

const EPERM: i64 = -1;
const EACCES: i64 = -13;
/// Of the filter, for what is newer than anything that it allows.
const ENOSYS: i64 = -38;

/// The calls of an attack: name, call, arguments.
fn attacks(t: &Stage, victim: u32) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let own = |path: &str| format!("@{}", t.dir.join(path).display());
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let victim = victim.to_string();
    const HERE: &str = "-100";
    vec![
        ("secret", "openat", text(&[HERE, "@/etc/shadow", "0"])),
        (
            "store",
            "openat",
            vec![HERE.into(), own("root-data"), "0".into()],
        ),
        (
            "new-file",
            "openat",
            vec![HERE.into(), own("made"), "0x41".into(), "0600".into()],
        ),
        ("old-open", "open", text(&["@/etc/passwd", "0"])),
        ("root-directory", "openat", text(&[HERE, "@/", "0x10000"])),
        ("socket", "socket", text(&["2", "1", "0"])),
        ("unix-socket", "socket", text(&["1", "5", "0"])),
        ("kernel-socket", "socket", text(&["16", "3", "9"])),
        ("trace", "ptrace", text(&["0x4206", &victim, "0", "0"])),
        ("kill", "kill", text(&[&victim, "0"])),
        ("pidfd", "pidfd_open", text(&[&victim, "0"])),
        (
            "memory",
            "process_vm_readv",
            text(&[&victim, "0", "0", "0", "0", "0"]),
        ),
        (
            "mount",
            "mount",
            vec![
                "@none".into(),
                own("point"),
                "@tmpfs".into(),
                "0".into(),
                "0".into(),
            ],
        ),
        ("namespace", "unshare", text(&["0x20000"])),
        ("root", "setuid", text(&["0"])),
        ("child", "fork", text(&[])),
        (
            "link",
            "symlinkat",
            vec!["@x".into(), HERE.into(), own("link")],
        ),
        (
            "remove",
            "unlinkat",
            vec![HERE.into(), own("victim"), "0".into()],
        ),
        (
            "executable-memory",
            "mmap",
            text(&["0", "4096", "7", "0x22", "-1", "0"]),
        ),
        ("memory-file", "memfd_create", text(&["@m", "0"])),
        ("traceable", "prctl", text(&["4", "1", "0", "0", "0"])),
        (
            "core-pattern",
            "openat",
            text(&[HERE, "@/proc/sys/kernel/core_pattern", "0"]),
        ),
        // Last: in its place there is another program then.
        ("program", "execve", text(&["@/bin/true", "0", "0"])),
    ]
}

fn it_can_do_nothing_else(t: &Stage) {
    let (supervisor, victim) = stand(t);
    let answers = take_over(t, supervisor, &attacks(t, victim.pid()));
    for (name, result) in &answers {
        assert!(
            [EPERM, EACCES, ENOSYS].contains(result),
            "{name} gives {result}"
        );
    }
    assert_eq!(answers.len(), attacks(t, 0).len());
    // It goes on as if nothing had been.
    assert!(lives(supervisor));
    assert!(
        t.call(&["ps", "--format", "{{.Status}}"])
            .text()
            .starts_with("Up")
    );
    t.call(&["stop", "-t", "0", "s"]).text();
}

fn without_its_confinement_it_could(t: &Stage) {
    let program = variant(t);
    t.need(
        program.is_file(),
        "no build without protections: cargo xtask variant lockstep_weak",
    );
    let mut command = Command::new(program);
    let plain = t.command(&["run", "-d", "--name", "s", "host:", "sleep", "1000"]);
    command.args(plain.get_args()).stdin(Stdio::null());
    command.env("LOCKSTEP_WEAK", "unconfined-supervisor");
    stage::output(command, b"").text();
    let supervisor = t.supervisor("s");
    let victim = victim(t);
    let answers = take_over(t, supervisor, &attacks(t, victim.pid()));
    drop(Command::new("umount").arg(t.dir.join("point")).status());
    let enforce = std::fs::read_to_string("/sys/fs/selinux/enforce");
    let enforcing = enforce.is_ok_and(|text| text == "1");
    for (name, result) in &answers {
        // A policy may refuse that to everybody (execmem), with EACCES.
        let policy = enforcing && *name == "executable-memory" && *result == -13;
        assert!(
            *result >= 0 || policy,
            "{name} gives {result}: it proves nothing"
        );
    }
    assert_eq!(answers.len(), attacks(t, 0).len());
}

/// The log's descriptor can be written, or it would be none; but nothing in it can be changed.
fn its_log_only_grows(t: &Stage) {
    for options in [
        &[][..],
        &["--log-opt", "max-size=1m", "--log-opt", "max-file=3"],
    ] {
        let mut args = vec!["run", "-d", "--name", "s"];
        args.extend(options);
        args.extend(["host:", "sh", "-c", "echo first; sleep 1000"]);
        let id = t.call(&args).text();
        assert!(until(|| t.call(&["logs", "s"]).stdout == "first\n"));
        let log = t
            .dir
            .join("root-data/containers")
            .join(&id)
            .join("log/current");
        let supervisor = t.supervisor("s");
        let fds = std::fs::read_dir(format!("/proc/{supervisor}/fd")).expect("descriptors");
        let fd = fds
            .flatten()
            .find(|fd| std::fs::read_link(fd.path()).is_ok_and(|path| path == log))
            .expect("the log is open");
        let fd = fd.file_name().to_string_lossy().into_owned();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let path = format!("@{}", log.display());
        let answers = take_over(
            t,
            supervisor,
            &[
                ("position", "lseek", words(&[&fd, "0", "0"])),
                ("behind", "pwrite64", words(&[&fd, "@forged", "6", "0"])),
                ("cut", "ftruncate", words(&[&fd, "0"])),
                ("flags", "fcntl", words(&[&fd, "4", "1"])),
                ("open", "openat", words(&["-100", &path, "1"])),
                ("open-empty", "openat", words(&["-100", &path, "0x601"])),
                ("write", "write", words(&[&fd, "@forged", "6"])),
            ],
        );
        for (name, result) in &answers {
            match name.as_str() {
                "write" => assert_eq!(*result, 6),
                _ => assert!([EPERM, EACCES].contains(result), "{name} gives {result}"),
            }
        }
        let text = std::fs::read_to_string(&log).expect("the log");
        assert!(
            text.contains(" stdout F first\n") && text.ends_with("\nforged"),
            "{text}"
        );
        t.call(&["rm", "-f", "s"]).text();
    }
}

/// A container's supervisor and a process of root beside it.
fn stand(t: &Stage) -> (u32, Background) {
    t.call(&["run", "-d", "--name", "s", "host:", "sleep", "1000"])
        .text();
    (t.supervisor("s"), victim(t))
}

fn victim(t: &Stage) -> Background {
    std::fs::create_dir(t.dir.join("point")).expect("own directory");
    std::fs::write(t.dir.join("victim"), "x").expect("own directory");
    let mut command = Command::new("sleep");
    command.arg("1000");
    Background::start(command)
}

/// Makes the process call these; what the kernel answered, by name.
fn take_over(
    t: &Stage,
    pid: u32,
    calls: &[(&'static str, &'static str, Vec<String>)],
) -> BTreeMap<String, i64> {
    // It is asleep in poll(2), where it can be interrupted between two instructions.
    let place = format!("/proc/{pid}/syscall");
    let in_poll = || {
        let text = std::fs::read_to_string(&place).unwrap_or_default();
        let number = text.split(' ').next().and_then(|word| word.parse().ok());
        number
            .and_then(|number| syscall::name(Arch::X86_64, number))
            .is_some_and(|name| name.contains("poll"))
    };
    assert!(until(in_poll));
    let mut lines = String::new();
    for (name, call, arguments) in calls {
        let number = syscall::number(Arch::X86_64, call).expect("a call");
        lines.push_str(&format!("{name} {number} {}\n", arguments.join(" ")));
    }
    let mut child = Command::new(compiled(t))
        .arg(pid.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(lines.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers = text.lines().filter_map(|line| {
        let (name, result) = line.split_once(' ')?;
        Some((name.to_owned(), result.parse().ok()?))
    });
    answers.collect()
}

fn compiled(t: &Stage) -> PathBuf {
    t.compiled("takeover", include_str!("takeover.c"))
}

/// The build whose supervisor can be told not to confine itself.
fn variant(_: &Stage) -> PathBuf {
    let folder = std::env::var_os("LOCKSTEP_TEST_VARIANTS").map_or_else(
        || {
            // TARGET/TRIPLE/debug/lockstep
            let binary = Path::new(env!("CARGO_BIN_EXE_lockstep"));
            binary
                .ancestors()
                .nth(3)
                .expect("a target directory")
                .join("variants")
        },
        PathBuf::from,
    );
    folder.join("lockstep_weak/lockstep")
}
