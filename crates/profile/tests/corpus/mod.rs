//! Profiles to compile and calls to ask about, for every test that compares two answers.
//!
//! The calls are chosen from the profile: a wrong comparison shows at the values that its rules name,
//! next to them, and where the halves of an argument differ, hardly anywhere else.

#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use lockstep_abi::arch::Arch;
use lockstep_abi::capability::CapSet;
use lockstep_abi::syscall;
use lockstep_oci::runtime::Seccomp;
use lockstep_profile::seccomp::interpret::{Call, interpret};
use lockstep_profile::seccomp::{Program, compile, default_profile, semantics};
use serde_json::{Value, json};

/// Says that a test did not run, to people and to the runner's list.
pub(crate) fn skip(name: &str, reason: &str) {
    println!("SKIPPED {name}: {reason}");
    if let Some(path) = std::env::var_os("LOCKSTEP_SKIPS") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        writeln!(file, "{name}\t{reason}").unwrap();
    }
}

pub(crate) fn profile(value: Value) -> Seccomp {
    serde_json::from_value(value).unwrap()
}

/// Podman's own profile, resolved as an engine does for a container with these capabilities. `None` where
/// the package is not installed.
pub(crate) fn podman(capabilities: &[&str]) -> Option<Seccomp> {
    let text = std::fs::read_to_string("/usr/share/containers/seccomp.json").ok()?;
    let source: Value = serde_json::from_str(&text).unwrap();
    let holds = |filter: &Value, all: bool| {
        let caps = strings(&filter["caps"]);
        let arches = strings(&filter["arches"]);
        let arch = arches.iter().any(|arch| *arch == "amd64");
        let cap = |name: &String| capabilities.contains(&name.as_str());
        if all {
            caps.iter().all(cap) && (arches.is_empty() || arch)
        } else {
            caps.iter().any(cap) || arch
        }
    };
    let mut syscalls = Vec::new();
    for rule in source["syscalls"].as_array().unwrap() {
        if !holds(&rule["includes"], true) || holds(&rule["excludes"], false) {
            continue;
        }
        let mut rule = rule.as_object().unwrap().clone();
        rule.retain(|key, value| {
            ["names", "action", "errnoRet", "args"].contains(&key.as_str()) && !value.is_null()
        });
        syscalls.push(Value::Object(rule));
    }
    Some(profile(json!({
        "defaultAction": source["defaultAction"],
        "defaultErrnoRet": source["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": syscalls,
    })))
}

fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

/// The same with EPERM by default, as Docker has it, so that newer calls differ from refused ones.
pub(crate) fn docker_like() -> Option<Seccomp> {
    let mut profile = podman(&["CAP_SYS_CHROOT", "CAP_AUDIT_WRITE"])?;
    profile.default_errno_ret = Some(1);
    Some(profile)
}

/// Profiles made by hand, each for a place where compilers go wrong.
pub(crate) fn nasty() -> Vec<(&'static str, Seccomp)> {
    let all = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
    let rule = |name: &str, action: &str, args: Value| json!({"names": [name], "action": action, "args": args});
    let arg = |index: u32, op: &str, value: u64, two: u64| json!({"index": index, "op": format!("SCMP_CMP_{op}"), "value": value, "valueTwo": two});
    let operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    let edges = [
        0,
        1,
        0xffff_ffff,
        0x1_0000_0000,
        0x8000_0000_8000_0000,
        u64::MAX,
    ];
    let names = [
        "read",
        "write",
        "close",
        "fstat",
        "lseek",
        "mmap",
        "brk",
        "ioctl",
        "pipe",
        "getpid",
        "sendfile",
        "connect",
        "fork",
        "kill",
        "uname",
        "fsync",
        "chmod",
        "time",
        "prctl",
        "sync",
        "ptrace",
        "mount",
        "futex",
        "openat",
        "clone",
        "socket",
        "bind",
        "listen",
        "semget",
        "shmat",
        "ipc",
        "socketcall",
        "dup",
        "dup2",
        "pause",
        "alarm",
        "getuid",
        "getgid",
        "setuid",
        "setgid",
        "msgget",
        "flock",
    ];
    let every_comparison: Vec<Value> = operators
        .iter()
        .flat_map(|op| edges.iter().map(move |edge| (op, edge)))
        .zip(names)
        .map(|((op, edge), name)| {
            rule(
                name,
                "SCMP_ACT_ALLOW",
                json!([arg(1, op, *edge, 0x1_0000_0001)]),
            )
        })
        .collect();
    let many: Vec<Value> = (0..300u64)
        .map(|i| {
            let mut rule = rule(
                "ioctl",
                "SCMP_ACT_ERRNO",
                json!([arg(1, "EQ", i * 7, 0), arg(2, "NE", i, 0)]),
            );
            rule["errnoRet"] = json!(i % 90 + 2);
            rule
        })
        .collect();
    // Whether x32 has map_shadow_stack, tables disagree.
    let table: Vec<&str> = syscall::table(Arch::X86_64)
        .iter()
        .map(|(name, _)| name)
        .filter(|name| *name != "map_shadow_stack")
        .collect();
    let every_other: Vec<Value> = table
        .iter()
        .enumerate()
        .map(|(i, name)| json!({"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": i % 400 + 2}))
        .collect();
    let deny = |syscalls: Value| json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": all, "syscalls": syscalls});
    let allow = |syscalls: Value| json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": all, "syscalls": syscalls});
    let log_personality = rule(
        "personality",
        "SCMP_ACT_LOG",
        json!([arg(0, "EQ", 8, 0), arg(0, "EQ", 0x2_0008, 0)]),
    );
    vec![
        ("empty, allow", allow(json!([]))),
        ("empty, deny", deny(json!([]))),
        ("empty, native only", json!({"defaultAction": "SCMP_ACT_KILL_PROCESS"})),
        ("native by default", json!({"defaultAction": "SCMP_ACT_KILL", "syscalls": [{"names": ["read", "mseal"],
            "action": "SCMP_ACT_ALLOW"}]})),
        ("foreign listed without native", json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures":
            ["SCMP_ARCH_X86"], "syscalls": [{"names": ["read", "exit_group"], "action": "SCMP_ACT_ALLOW"}]})),
        ("x32 without x86", json!({"defaultAction": "SCMP_ACT_TRAP", "architectures": ["SCMP_ARCH_X32"],
            "syscalls": [{"names": ["read", "ptrace", "execve"], "action": "SCMP_ACT_ALLOW"}]})),
        ("aarch64 and arm beside", json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures":
            ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64"], "syscalls": [{"names":
            ["read", "openat", "breakpoint", "set_tls", "clone3"], "action": "SCMP_ACT_ALLOW"}, rule("clone",
            "SCMP_ACT_ALLOW", json!([arg(0, "MASKED_EQ", 0x7e02_0000, 0)]))]})),
        ("every comparison, allowed", deny(json!(every_comparison))),
        ("every comparison, trapped", allow(json!(every_comparison.iter().map(|rule| {
            let mut rule = rule.clone();
            rule["action"] = json!("SCMP_ACT_TRAP");
            rule
        }).collect::<Vec<_>>()))),
        ("one call, many alternatives", allow(json!(many))),
        ("no two calls alike", deny(json!(every_other))),
        ("unconditional wins, first or last", deny(json!([
            rule("read", "SCMP_ACT_LOG", json!([arg(0, "EQ", 3, 0)])), rule("read", "SCMP_ACT_TRAP", json!([])),
            rule("read", "SCMP_ACT_ALLOW", json!([])), rule("write", "SCMP_ACT_KILL", json!([])),
            rule("write", "SCMP_ACT_LOG", json!([arg(0, "NE", 3, 0)])),
            rule("close", "SCMP_ACT_ERRNO", json!([])), rule("close", "SCMP_ACT_LOG", json!([arg(2, "GT", 3, 0)]))]))),
        ("a mask without bits", deny(json!([
                rule("getuid", "SCMP_ACT_TRAP", json!([arg(0, "MASKED_EQ", 0x1_0000_0000, 0)])),
                rule("getuid", "SCMP_ACT_ALLOW", json!([])),
            rule("dup", "SCMP_ACT_ALLOW", json!([arg(0, "MASKED_EQ", 0, 5)])),
            rule("dup2", "SCMP_ACT_ALLOW", json!([arg(0, "MASKED_EQ", 0, 5), arg(1, "EQ", 7, 0)])),
            rule("lseek", "SCMP_ACT_LOG", json!([arg(1, "MASKED_EQ", 0xff_0000_0000u64, 0x1_0000_0000u64)])),
            rule("lseek", "SCMP_ACT_ALLOW", json!([arg(1, "EQ", 7, 0)]))]))),
        ("overlapping alternatives", deny(json!([
            rule("getpid", "SCMP_ACT_ALLOW", json!([arg(0, "EQ", 1, 0), arg(1, "EQ", 2, 0)])),
            rule("getpid", "SCMP_ACT_LOG", json!([arg(1, "EQ", 3, 0)])),
            rule("getpid", "SCMP_ACT_TRAP", json!([arg(0, "GT", 0, 0)])),
            rule("getpid", "SCMP_ACT_KILL", json!([arg(0, "EQ", 7, 0)])),
            rule("getpid", "SCMP_ACT_KILL_PROCESS", json!([arg(0, "LT", 9, 0)])),
            rule("getpid", "SCMP_ACT_TRACE", json!([arg(0, "MASKED_EQ", 0xff00, 0x1200)])),
            log_personality, rule("personality", "SCMP_ACT_ALLOW", json!([arg(0, "LE", 0x2_0000, 0)]))]))),
        ("multiplexers", deny(json!([
            {"names": ["bind", "accept4", "semtimedop", "msgctl"], "action": "SCMP_ACT_ALLOW"},
            rule("socket", "SCMP_ACT_ALLOW", json!([arg(0, "NE", 40, 0)])),
            rule("connect", "SCMP_ACT_LOG", json!([arg(2, "LT", 40, 0)])),
            rule("connect", "SCMP_ACT_TRAP", json!([arg(2, "GT", 400, 0)])),
            rule("socketcall", "SCMP_ACT_LOG", json!([arg(0, "GT", 15, 0)])),
            rule("socketcall", "SCMP_ACT_TRACE", json!([arg(0, "EQ", 2, 0)]))]))),
        ("multiplexers, denied", allow(json!([
            rule("socket", "SCMP_ACT_ERRNO", json!([arg(0, "EQ", 40, 0)])),
            rule("socket", "SCMP_ACT_KILL", json!([arg(0, "EQ", 41, 0)])),
            rule("shmat", "SCMP_ACT_ERRNO", json!([])), rule("socketcall", "SCMP_ACT_NOTIFY", json!([arg(0, "EQ", 1, 0)]))]))),
        ("all actions", json!({"defaultAction": "SCMP_ACT_LOG", "architectures": all, "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_KILL"}, {"names": ["open"], "action": "SCMP_ACT_KILL_PROCESS"},
            {"names": ["close"], "action": "SCMP_ACT_KILL_THREAD"}, {"names": ["stat"], "action": "SCMP_ACT_TRAP"},
            {"names": ["fstat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4094}, {"names": ["lstat"],
            "action": "SCMP_ACT_TRACE", "errnoRet": 65535}, {"names": ["poll"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["lseek"], "action": "SCMP_ACT_LOG"}, {"names": ["mmap"], "action": "SCMP_ACT_NOTIFY"}]})),
        ("newest call is refused", deny(json!([
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"}, {"names": ["clone3"], "action": "SCMP_ACT_ERRNO"}]))),
        ("trace by default", json!({"defaultAction": "SCMP_ACT_TRACE", "syscalls": [{"names": ["read"],
            "action": "SCMP_ACT_ALLOW"}]})),
    ]
    .into_iter()
    .map(|(name, value)| (name, profile(value)))
    .collect()
}

/// Everything there is to compile here; the machine's interface is x86-64's wherever the test runs.
pub(crate) fn profiles(test: &str) -> Vec<(String, Seccomp)> {
    let mut profiles: Vec<(String, Seccomp)> = nasty()
        .into_iter()
        .map(|(name, profile)| (name.to_owned(), profile))
        .collect();
    let sets: [&[&str]; 3] = [
        &[],
        &["CAP_SYS_CHROOT", "CAP_AUDIT_WRITE"],
        &["CAP_SYS_ADMIN", "CAP_SYS_TIME"],
    ];
    for set in sets {
        profiles.extend(podman(set).map(|profile| (format!("podman with {set:?}"), profile)));
    }
    profiles.extend(docker_like().map(|profile| ("docker-like".to_owned(), profile)));
    for (name, granted) in [
        ("none", CapSet::from_bits(0)),
        ("all", CapSet::from_bits(u64::MAX)),
    ] {
        let profile = default_profile(Arch::X86_64, granted);
        profiles.push((format!("default, {name} of the capabilities"), profile));
    }
    if podman(&[]).is_none() {
        skip(
            test,
            "/usr/share/containers/seccomp.json is missing (golang-github-containers-common)",
        );
    }
    profiles
}

/// Values of each argument of each call that are worth asking about.
pub(crate) struct Edges(BTreeMap<(Arch, u32), BTreeMap<u32, BTreeSet<u64>>>);

impl Edges {
    pub(crate) fn of(profile: &Seccomp, arches: &[Arch]) -> Self {
        let mut edges: BTreeMap<_, BTreeMap<u32, BTreeSet<u64>>> = BTreeMap::new();
        for rule in &profile.syscalls {
            for name in rule.names.iter() {
                for &arch in arches {
                    let Some(number) = syscall::number(arch, name) else {
                        continue;
                    };
                    let call = edges.entry((arch, number)).or_default();
                    for arg in &rule.args {
                        let values = call.entry(arg.index).or_default();
                        for value in [arg.value, arg.value_two, arg.value & arg.value_two] {
                            values.extend(around(value));
                        }
                        values.extend([0, u64::MAX, arg.value | arg.value_two]);
                    }
                }
            }
        }
        for &arch in arches {
            for multiplexer in ["socketcall", "ipc"] {
                if let Some(number) = syscall::number(arch, multiplexer) {
                    let call = edges.entry((arch, number)).or_default();
                    let numbers = call.entry(0).or_default();
                    numbers.extend(0..26);
                    numbers.extend((0..26).flat_map(|n| [n | 0x1_0000, n | 0x1_0000_0000]));
                }
            }
        }
        Self(edges)
    }

    /// Argument lists for one call: all combinations, or `limit` of them.
    pub(crate) fn arguments(&self, arch: Arch, number: u32, limit: usize) -> Vec<[u64; 6]> {
        let none = BTreeMap::new();
        let edges = self.0.get(&(arch, number)).unwrap_or(&none);
        let sets: Vec<(usize, Vec<u64>)> = edges
            .iter()
            .map(|(index, values)| (*index as usize, values.iter().copied().collect()))
            .collect();
        let all = sets
            .iter()
            .map(|(_, values)| values.len())
            .try_fold(1usize, usize::checked_mul);
        let mut state = u64::from(number) + 1;
        (0..all.map_or(limit, |all| all.min(limit)))
            .map(|mut pick| {
                let mut arguments = [0x5555_5555_0000_0003; 6];
                for (index, values) in &sets {
                    if all.is_none_or(|all| all > limit) {
                        state = state
                            .wrapping_mul(6364136223846793005)
                            .wrapping_add(1442695040888963407);
                        pick = (state >> 33) as usize;
                    }
                    arguments[*index] = values[pick % values.len()];
                    pick /= values.len();
                }
                arguments
            })
            .collect()
    }
}

fn around(value: u64) -> [u64; 7] {
    [
        value,
        value.wrapping_sub(1),
        value.wrapping_add(1),
        value ^ 0x1_0000_0000,
        value & 0xffff_ffff,
        value & 0xffff_ffff_0000_0000,
        value ^ 0x8000_0000,
    ]
}

/// Interfaces that a test on x86-64 asks about, listed or not.
pub(crate) const ASKED: [Arch; 9] = [
    Arch::X86_64,
    Arch::X32,
    Arch::X86,
    Arch::Aarch64,
    Arch::Arm,
    Arch::Riscv64,
    Arch::S390x,
    Arch::S390,
    Arch::Mips64,
];

/// Every number worth asking about on one interface.
pub(crate) fn numbers(arch: Arch) -> Vec<u32> {
    let base = if arch == Arch::X32 { 0x4000_0000 } else { 0 };
    let edges = [
        0x3fff_ffff,
        0x4000_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xbfff_ffff,
        0xc000_0000,
        u32::MAX - 1,
        u32::MAX,
    ];
    let private = 0xf_0000..0xf_0008;
    (base..base + 1024).chain(edges).chain(private).collect()
}

/// Every call that the tests ask a profile about, up to `limit` argument lists per number.
pub(crate) fn calls(profile: &Seccomp, limit: usize) -> impl Iterator<Item = Call> {
    let edges = Edges::of(profile, &ASKED);
    ASKED.into_iter().flat_map(move |arch| {
        numbers(arch)
            .into_iter()
            .flat_map(|number| {
                edges
                    .arguments(arch, number, limit)
                    .into_iter()
                    .map(move |arguments| Call {
                        number,
                        audit_arch: arch.audit_arch(),
                        instruction_pointer: 0x7fff_1234_5678,
                        arguments,
                    })
            })
            .collect::<Vec<_>>()
    })
}

/// Compiles for x86-64 and compares every answer with the rules. Gives the number of answers compared.
pub(crate) fn check(
    name: &str,
    profile: &Seccomp,
    limit: usize,
) -> Result<(Program, usize), String> {
    check_on(Arch::X86_64, name, profile, limit)
}

/// As [`check`], for another machine.
pub(crate) fn check_on(
    native: Arch,
    name: &str,
    profile: &Seccomp,
    limit: usize,
) -> Result<(Program, usize), String> {
    let program = compile(profile, native).map_err(|error| format!("{name}: {error}"))?;
    let rules = semantics::Rules::new(profile, native);
    let mut asked = 0;
    for call in calls(profile, limit) {
        asked += 1;
        let compiled =
            interpret(&program.insns, &call).map_err(|fault| format!("{name}: {fault}"))?;
        let ruled = rules.verdict(&call);
        if compiled != ruled {
            return Err(format!(
                "{name}: compiled to {compiled}, ruled {ruled}: {call:x?}"
            ));
        }
    }
    Ok((program, asked))
}

/// As [`check`] for a profile from anywhere: it may be refused, and then nothing is compared.
pub(crate) fn check_if_compilable(profile: &Seccomp) -> Result<usize, String> {
    match compile(profile, Arch::X86_64) {
        Ok(_) => check("profile", profile, 20).map(|(_, asked)| asked),
        Err(error) if error.to_string().is_empty() => Err("an error without words".to_owned()),
        Err(_) => Ok(0),
    }
}
