//! The kernel as the judge: small C programs that load a filter, make calls, or read a filter back.
//!
//! They are C because a system call is made there without a runtime that makes others, and because the
//! house keeps unsafe code in one crate.

#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use lockstep_abi::arch::Arch;
use lockstep_abi::bpf::Insn;
use lockstep_oci::runtime::Seccomp;
use lockstep_profile::seccomp::Verdict;
use lockstep_profile::seccomp::interpret::{Call, interpret};

use super::corpus;

/// Compiles one of the C programs, statically, so that it runs in an empty container too.
pub(crate) fn program(name: &'static str) -> Option<PathBuf> {
    static BUILT: Mutex<BTreeMap<&str, Option<PathBuf>>> = Mutex::new(BTreeMap::new());
    let source = format!("{}/tests/kernel/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let build = || gcc(name, &["-O1", "-static", &source]);
    BUILT
        .lock()
        .unwrap()
        .entry(name)
        .or_insert_with(build)
        .clone()
}

/// Compiles a program of this name; `None` where that is impossible.
pub(crate) fn gcc(name: &str, arguments: &[&str]) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (program, fresh) = (
        folder.join(name),
        folder.join(format!("{name}-{}", std::process::id())),
    );
    let mut gcc = Command::new("gcc");
    gcc.arg("-Wall").arg("-o").arg(&fresh).args(arguments);
    if !gcc.status().is_ok_and(|status| status.success()) {
        return None;
    }
    // Renamed into place: another test program may be running the old one.
    std::fs::rename(&fresh, &program).unwrap();
    Some(program)
}

/// What making a call showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Returned(i64),
    Signal(i64),
}

/// What a verdict that stops a call looks like from outside, without tracer and listener.
pub(crate) fn expected(verdict: Verdict) -> Option<Seen> {
    const SIGSYS: i64 = 31;
    let killed = [Verdict::KILL_PROCESS, Verdict::KILL_THREAD, Verdict::TRAP];
    if killed.contains(&verdict) {
        Some(Seen::Signal(SIGSYS))
    } else if verdict.action() == Verdict::errno(0).action() {
        Some(Seen::Returned(-i64::from(verdict.data().min(4095))))
    } else if verdict == Verdict::NOTIFY || verdict.action() == Verdict::trace(0).action() {
        Some(Seen::Returned(-38))
    } else {
        None
    }
}

/// Calls that a profile stops, by its rules and by its program: nothing happens when they are made.
/// Deaths cost a process each, so there are at most `deaths` of them.
pub(crate) fn stopped(profile: &Seccomp, program: &[Insn], deaths: usize) -> Vec<(Call, Seen)> {
    use lockstep_profile::seccomp::semantics;
    let rules = semantics::Rules::new(profile, Arch::X86_64);
    let mut left = deaths;
    corpus::calls(profile, 40)
        .filter(|call| {
            [Arch::X86_64, Arch::X86]
                .iter()
                .any(|a| a.audit_arch() == call.audit_arch)
        })
        // uretprobe and uprobe pass every filter since 6.14: user space has no say in making them.
        .filter(|call| {
            call.audit_arch != Arch::X86_64.audit_arch() || ![335, 336].contains(&call.number)
        })
        .filter_map(|call| {
            let ruled = expected(rules.verdict(&call))?;
            let compiled = expected(interpret(program, &call).unwrap())?;
            let spread = call.number.is_multiple_of(13) || call.number > 1023;
            let dies = matches!(compiled, Seen::Signal(_));
            if dies && (left == 0 || !spread) {
                return None;
            }
            left -= usize::from(dies);
            assert_eq!(ruled, compiled, "{call:x?}");
            Some((call, ruled))
        })
        .collect()
}

pub(crate) fn filter_text(insns: &[Insn]) -> String {
    let mut text = format!("filter {}\n", insns.len());
    for insn in insns {
        writeln!(text, "{} {} {} {}", insn.code, insn.jt, insn.jf, insn.k).unwrap();
    }
    text
}

pub(crate) fn calls_text(calls: &[(Call, Seen)]) -> String {
    let mut text = String::new();
    for (call, _) in calls {
        let kind = if call.audit_arch == Arch::X86.audit_arch() {
            "i386"
        } else {
            "native"
        };
        write!(text, "{kind} {}", call.number).unwrap();
        for argument in call.arguments {
            write!(text, " {argument}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// Runs a command with `input` on its standard input.
pub(crate) fn feed(command: &mut Command, input: &str) -> Output {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // EPIPE when it ends early; its status says why.
        drop(stdin.write_all(input.as_bytes()));
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Makes calls under a filter of their own.
pub(crate) fn make(probe: &Path, insns: &[Insn], calls: &[(Call, Seen)]) -> Vec<Seen> {
    let input = filter_text(insns) + &calls_text(calls);
    seen(&feed(&mut Command::new(probe), &input))
}

pub(crate) fn seen(output: &Output) -> Vec<Seen> {
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "probe: {messages} {:?}",
        output.status
    );
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| {
            let (kind, value) = line.split_once(' ').unwrap();
            let value = value.parse().unwrap();
            if kind == "signal" {
                Seen::Signal(value)
            } else {
                Seen::Returned(value)
            }
        })
        .collect()
}
