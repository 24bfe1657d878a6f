//! Every hand-written table against the kernel headers of the machine, because a wrong constant would
//! otherwise be found only by a wrong system call.
//!
//! Apart from the crate, which itself opens no file. Headers of any kernel since 5.14 do.

#![allow(
    clippy::disallowed_methods,
    reason = "the headers are the test's input"
)]

use std::collections::BTreeMap;

use lockstep_abi::arch::{self, Arch};
use lockstep_abi::capability::Capability;
use lockstep_abi::errno::Errno;
use lockstep_abi::{bpf, mount, rlimit, signal};

/// `#define NAME VALUE` of headers below /usr/include, for values that are plain numbers or shifts.
/// The first definition counts: later ones stand under an `#ifndef` for other architectures.
fn defines(headers: &[&str]) -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    for header in headers {
        let path = format!("/usr/include/{header}");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{path}: {e}; install linux-libc-dev"));
        for line in text.replace("# define", "#define").lines() {
            let mut words = line
                .strip_prefix("#define")
                .unwrap_or_default()
                .split_ascii_whitespace();
            let (Some(name), Some(value)) = (words.next(), words.next()) else {
                continue;
            };
            let shift = line
                .find("(1UL << ")
                .map(|start| &line[start + "(1UL << ".len()..]);
            let value = match shift.or(value.strip_prefix("(1<<")) {
                Some(rest) => rest.split(')').next().and_then(number).map(|n| 1 << n),
                None => number(value.trim_end_matches('U')),
            };
            if let Some(value) = value {
                found.entry(name.to_owned()).or_insert(value);
            }
        }
    }
    found
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[test]
fn errnos() {
    let defines = defines(&["asm-generic/errno-base.h", "asm-generic/errno.h"]);
    assert!(defines.len() > 120, "{}", defines.len());
    for (name, value) in &defines {
        assert_eq!(
            Errno::from_name(name).map(|errno| i64::from(errno.0)),
            Some(*value),
            "{name}"
        );
    }
    for value in 1..200 {
        let name = Errno(value).name();
        assert!(
            name == "errno" || defines.contains_key(name),
            "{name} is not in the header"
        );
    }
}

#[test]
fn capabilities() {
    let mut defines = defines(&["linux/capability.h"]);
    defines.retain(|name, value| name.starts_with("CAP_") && *value < 64);
    assert_eq!(
        defines.len(),
        usize::try_from(lockstep_abi::capability::CapSet::ALL.len()).unwrap()
    );
    for (name, value) in defines {
        let ours = Capability::from_name(&name).map(|capability| i64::from(capability.number()));
        assert_eq!(ours, Some(value), "{name}");
    }
}

#[test]
fn signals() {
    let mut defines = defines(&["asm-generic/signal.h"]);
    // The kernel's SIGRTMIN is 32, of which the C library keeps two; SIGLOST stands in a comment.
    defines.retain(|name, value| {
        name.starts_with("SIG") && *value < 64 && name != "SIGRTMIN" && name != "SIGLOST"
    });
    assert!(defines.len() >= 31, "{}", defines.len());
    for (name, value) in defines {
        assert_eq!(signal::number(&name).map(i64::from), Some(value), "{name}");
    }
}

#[test]
fn resource_limits() {
    let mut defines = defines(&["asm-generic/resource.h"]);
    defines.retain(|name, _| name.starts_with("RLIMIT_"));
    assert_eq!(defines.len(), rlimit::ALL.len());
    for (name, value) in defines {
        assert_eq!(rlimit::number(&name).map(i64::from), Some(value), "{name}");
    }
}

#[test]
fn mount_flags() {
    let defines = defines(&["linux/mount.h"]);
    for (name, value) in mount::MS_NAMES.iter().chain(mount::MOUNT_ATTR_NAMES) {
        assert_eq!(
            defines.get(*name).copied(),
            i64::try_from(*value).ok(),
            "{name}"
        );
    }
    assert_eq!(
        defines["MOUNT_ATTR__ATIME"],
        i64::try_from(mount::MOUNT_ATTR__ATIME).unwrap()
    );
}

#[test]
fn seccomp() {
    let defines = defines(&["linux/seccomp.h"]);
    for (name, value) in bpf::SECCOMP_FILTER_FLAG_NAMES {
        assert_eq!(
            defines.get(*name).copied(),
            i64::try_from(*value).ok(),
            "{name}"
        );
    }
    for (name, value) in [
        ("SECCOMP_RET_KILL_PROCESS", bpf::SECCOMP_RET_KILL_PROCESS),
        ("SECCOMP_RET_KILL_THREAD", bpf::SECCOMP_RET_KILL_THREAD),
        ("SECCOMP_RET_TRAP", bpf::SECCOMP_RET_TRAP),
        ("SECCOMP_RET_ERRNO", bpf::SECCOMP_RET_ERRNO),
        ("SECCOMP_RET_USER_NOTIF", bpf::SECCOMP_RET_USER_NOTIF),
        ("SECCOMP_RET_TRACE", bpf::SECCOMP_RET_TRACE),
        ("SECCOMP_RET_LOG", bpf::SECCOMP_RET_LOG),
        ("SECCOMP_RET_ALLOW", bpf::SECCOMP_RET_ALLOW),
        ("SECCOMP_RET_ACTION_FULL", bpf::SECCOMP_RET_ACTION_FULL),
        ("SECCOMP_RET_DATA", bpf::SECCOMP_RET_DATA),
        ("SECCOMP_SET_MODE_FILTER", bpf::SECCOMP_SET_MODE_FILTER),
        ("SECCOMP_GET_ACTION_AVAIL", bpf::SECCOMP_GET_ACTION_AVAIL),
    ] {
        assert_eq!(defines.get(name).copied(), Some(i64::from(value)), "{name}");
    }
}

#[test]
fn bpf_opcodes() {
    let defines = defines(&["linux/bpf_common.h"]);
    for (name, value) in [
        ("BPF_LD", bpf::LD),
        ("BPF_LDX", bpf::LDX),
        ("BPF_ST", bpf::ST),
        ("BPF_STX", bpf::STX),
        ("BPF_ALU", bpf::ALU),
        ("BPF_JMP", bpf::JMP),
        ("BPF_RET", bpf::RET),
        ("BPF_MISC", bpf::MISC),
        ("BPF_W", bpf::W),
        ("BPF_IMM", bpf::IMM),
        ("BPF_ABS", bpf::ABS),
        ("BPF_MEM", bpf::MEM),
        ("BPF_LEN", bpf::LEN),
        ("BPF_ADD", bpf::ADD),
        ("BPF_SUB", bpf::SUB),
        ("BPF_MUL", bpf::MUL),
        ("BPF_DIV", bpf::DIV),
        ("BPF_OR", bpf::OR),
        ("BPF_AND", bpf::AND),
        ("BPF_LSH", bpf::LSH),
        ("BPF_RSH", bpf::RSH),
        ("BPF_NEG", bpf::NEG),
        ("BPF_XOR", bpf::XOR),
        ("BPF_JA", bpf::JA),
        ("BPF_JEQ", bpf::JEQ),
        ("BPF_JGT", bpf::JGT),
        ("BPF_JGE", bpf::JGE),
        ("BPF_JSET", bpf::JSET),
        ("BPF_K", bpf::K),
        ("BPF_X", bpf::X),
    ] {
        assert_eq!(defines.get(name).copied(), Some(i64::from(value)), "{name}");
    }
    assert_eq!(
        defines["BPF_MAXINSNS"],
        i64::try_from(bpf::MAX_INSTRUCTIONS).unwrap()
    );
}

/// linux/audit.h writes `(EM_X|__AUDIT_ARCH_64BIT|...)`, with the ELF numbers in linux/elf-em.h.
#[test]
fn audit_architectures() {
    let machines = defines(&["linux/elf-em.h"]);
    let text = std::fs::read_to_string("/usr/include/linux/audit.h").unwrap();
    let mut compared = 0;
    for &arch in arch::ALL {
        let name = match arch {
            Arch::X86 => "I386",
            Arch::X32 => "X86_64",
            Arch::Sh => "SHEL",
            Arch::Sheb => "SH",
            other => &other.scmp_name()["SCMP_ARCH_".len()..],
        };
        let define = format!("#define AUDIT_ARCH_{name}");
        let Some(value) = text.lines().find_map(|line| {
            line.strip_prefix(&define)?
                .trim()
                .strip_prefix('(')?
                .strip_suffix(')')
        }) else {
            continue;
        };
        let expected: i64 = value
            .split('|')
            .map(|part| match part.trim_start_matches('\\') {
                "__AUDIT_ARCH_64BIT" => 0x8000_0000,
                "__AUDIT_ARCH_LE" => 0x4000_0000,
                "__AUDIT_ARCH_CONVENTION_MIPS64_N32" => 0x2000_0000,
                machine => machines[machine],
            })
            .sum();
        assert_eq!(i64::from(arch.audit_arch()), expected, "{arch}");
        compared += 1;
    }
    // The definitions of the two N32 kinds go over two lines.
    assert_eq!(compared, arch::ALL.len() - 2);
}
