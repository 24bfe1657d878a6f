//! libseccomp, driven as runc drives it: the program that it makes of a profile, and its own account of it.
//!
//! The account (`seccomp_export_pfc`) is kept beside the program because the two do not always agree:
//! 2.5.4 sometimes forgets to reload a word. The account then says what was meant.

#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lockstep_abi::arch::Arch;
use lockstep_abi::bpf::Insn;
use lockstep_oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator};
use lockstep_profile::seccomp::Verdict;
use lockstep_profile::seccomp::interpret::Call;

/// Compiles the program that drives libseccomp; `None` where that is impossible.
pub(crate) fn exporter() -> Option<PathBuf> {
    static EXPORTER: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libseccomp/export.c");
    let build = || crate::kernel::gcc("libseccomp-export", &[source, "-lseccomp"]);
    EXPORTER.get_or_init(build).clone()
}

/// What libseccomp made of a profile.
pub(crate) struct Exported {
    pub(crate) program: Vec<Insn>,
    pub(crate) account: Account,
    /// Names that this version does not know.
    pub(crate) unknown: BTreeSet<String>,
}

/// `None` if libseccomp refuses the profile, as runc then does.
pub(crate) fn export(exporter: &Path, profile: &Seccomp) -> Option<Exported> {
    let script = script(profile);
    let (program, messages) = run(exporter, "program", &script);
    if messages.lines().any(|line| line.starts_with("conflict ")) {
        return None;
    }
    let field = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let insn = |raw: &[u8]| {
        Insn::jump(
            u16::from_le_bytes([raw[0], raw[1]]),
            field(&raw[4..]),
            raw[2],
            raw[3],
        )
    };
    let unknown = messages
        .lines()
        .filter_map(|line| line.strip_prefix("unknown "));
    Some(Exported {
        program: program.chunks(8).map(insn).collect(),
        account: Account::parse(&String::from_utf8(run(exporter, "rules", &script).0).unwrap()),
        unknown: unknown.map(str::to_owned).collect(),
    })
}

fn run(exporter: &Path, what: &str, script: &str) -> (Vec<u8>, String) {
    let mut child = Command::new(exporter)
        .arg(what)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = script.to_owned();
    // Its own thread: both pipes can be full at once.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "libseccomp: {messages}\n{script}");
    (output.stdout, messages)
}

/// The calls of the library that runc makes for a profile.
fn script(profile: &Seccomp) -> String {
    let default = action(&profile.default_action, profile.default_errno_ret);
    let mut lines = vec![format!("default {default}")];
    for arch in &profile.architectures {
        lines.push(format!(
            "arch {}",
            token(Arch::from_scmp_name(arch.as_str()).unwrap())
        ));
    }
    for rule in &profile.syscalls {
        let action = action(&rule.action, rule.errno_ret);
        if action == default {
            continue;
        }
        let repeated = rule.args.iter().enumerate().any(|(i, arg)| {
            rule.args[..i]
                .iter()
                .any(|earlier| earlier.index == arg.index)
        });
        let groups: Vec<&[SeccompArg]> = if repeated {
            rule.args.chunks(1).collect()
        } else {
            vec![&rule.args]
        };
        for name in rule.names.iter() {
            for group in &groups {
                let conditions: String = group.iter().map(condition).collect();
                lines.push(format!("rule {action} {name}{conditions}"));
            }
        }
    }
    lines.join("\n") + "\n"
}

fn condition(arg: &SeccompArg) -> String {
    let operator = match arg.op {
        SeccompOperator::NotEqual => 1,
        SeccompOperator::LessThan => 2,
        SeccompOperator::LessEqual => 3,
        SeccompOperator::Equal => 4,
        SeccompOperator::GreaterEqual => 5,
        SeccompOperator::GreaterThan => 6,
        _ => 7,
    };
    format!(" {} {operator} {} {}", arg.index, arg.value, arg.value_two)
}

/// `SCMP_ARCH_*` are `AUDIT_ARCH_*`, but for x32, which the kernel has no value for (seccomp.h).
fn token(arch: Arch) -> u32 {
    if arch == Arch::X32 {
        0x4000_003e
    } else {
        arch.audit_arch()
    }
}

fn action(action: &SeccompAction, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(1);
    match action {
        SeccompAction::Kill | SeccompAction::KillThread => 0,
        SeccompAction::KillProcess => 0x8000_0000,
        SeccompAction::Trap => 0x0003_0000,
        SeccompAction::Errno => 0x0005_0000 | data,
        SeccompAction::Trace => 0x7ff0_0000 | data,
        SeccompAction::Log => 0x7ffc_0000,
        SeccompAction::Notify => 0x7fc0_0000,
        _ => 0x7fff_0000,
    }
}

/// A filter as libseccomp explains it to people, nested by indentation.
pub(crate) struct Account(Vec<Step>);

enum Step {
    If {
        left: String,
        mask: u32,
        operator: String,
        right: u32,
        then: Vec<Step>,
        otherwise: Vec<Step>,
    },
    Return(Verdict),
}

impl Account {
    fn parse(text: &str) -> Self {
        // Two of the architectures have the same number; only the comment tells them apart.
        let mut text = text.to_owned();
        for (name, variable) in [("x86_64", "$x86_64"), ("x32", "$x32")] {
            let heading =
                format!("# filter for arch {name} (3221225534)\nif ($arch == 3221225534)");
            text = text.replace(&heading, &format!("if ({variable} == 1)"));
        }
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let lines: Vec<(usize, &str)> = lines
            .map(|line| (line.len() - line.trim_start().len(), line.trim()))
            .collect();
        Self(block(&mut lines.as_slice(), 0))
    }

    pub(crate) fn verdict(&self, call: &Call) -> Option<Verdict> {
        walk(&self.0, call)
    }
}

fn block(lines: &mut &[(usize, &str)], depth: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(((found, line), rest)) = lines.split_first() {
        if *found != depth || *line == "else" {
            break;
        }
        *lines = rest;
        if let Some(action) = line.strip_prefix("action ") {
            steps.push(Step::Return(named(action.trim_end_matches(';'))));
            continue;
        }
        let words: Vec<&str> = line
            .trim_start_matches("if (")
            .trim_end_matches(')')
            .split_whitespace()
            .collect();
        let hex = |word: &str| u32::from_str_radix(word.trim_start_matches("0x"), 16).unwrap();
        let (left, mask, operator, right) = match words[..] {
            [left, "&", mask, operator, right] => (left, hex(mask), operator, right),
            [left, operator, right] => (left, u32::MAX, operator, right),
            _ => panic!("libseccomp: {line}"),
        };
        let (left, operator, right) =
            (left.to_owned(), operator.to_owned(), right.parse().unwrap());
        let then = block(lines, depth + 2);
        let mut otherwise = Vec::new();
        if let Some(((found, "else"), rest)) = lines.split_first()
            && *found == depth
        {
            *lines = rest;
            otherwise = block(lines, depth + 2);
        }
        steps.push(Step::If {
            left,
            mask,
            operator,
            right,
            then,
            otherwise,
        });
    }
    steps
}

fn named(action: &str) -> Verdict {
    let (name, data) = action.split_once('(').unwrap_or((action, "0)"));
    let data = data.trim_end_matches(')').parse().unwrap();
    match name {
        "ALLOW" => Verdict::ALLOW,
        "LOG" => Verdict::LOG,
        "TRAP" => Verdict::TRAP,
        "KILL" => Verdict::KILL_THREAD,
        "KILL_PROCESS" => Verdict::KILL_PROCESS,
        "ERRNO" => Verdict::errno(data),
        "TRACE" => Verdict::trace(data),
        "NOTIFY" | "0x7fc00000" => Verdict::NOTIFY,
        _ => panic!("libseccomp: action {action}"),
    }
}

fn walk(steps: &[Step], call: &Call) -> Option<Verdict> {
    steps.iter().find_map(|step| match step {
        Step::Return(verdict) => Some(*verdict),
        Step::If {
            left,
            mask,
            operator,
            right,
            then,
            otherwise,
        } => {
            let word = word(left, call) & mask;
            let holds = match operator.as_str() {
                "==" => word == *right,
                ">" => word > *right,
                ">=" => word >= *right,
                _ => panic!("libseccomp: operator {operator}"),
            };
            walk(if holds { then } else { otherwise }, call)
        }
    })
}

/// `$arch`, `$x32`, `$syscall`, `$a1`, `$a1.hi32` or `$a1.lo32`.
fn word(name: &str, call: &Call) -> u32 {
    match name {
        "$arch" => call.audit_arch,
        "$syscall" => call.number,
        "$x86_64" | "$x32" => {
            let bit = call.number & 0x4000_0000 != 0;
            let here = call.audit_arch == Arch::X86_64.audit_arch();
            u32::from(here && bit == (name == "$x32"))
        }
        _ => {
            let argument = call.arguments[usize::from(name.as_bytes()[2] - b'0')];
            if name.ends_with(".hi32") {
                (argument >> 32) as u32
            } else {
                argument as u32
            }
        }
    }
}
