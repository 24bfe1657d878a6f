//! Random profiles whose rules get in each other's way: few calls, few values, every operator and action.

use lockstep_oci::runtime::Seccomp;
use proptest::prelude::*;
use serde_json::{Value, json};

const NAMES: [&str; 20] = [
    "read",
    "write",
    "getpid",
    "ioctl",
    "clone",
    "socket",
    "socketcall",
    "connect",
    "accept4",
    "semop",
    "ipc",
    "personality",
    "openat",
    "openat2",
    "clone3",
    "mseal",
    "send",
    "stat64",
    "ptrace",
    "no_such_call",
];
const VALUES: [u64; 12] = [
    0,
    1,
    2,
    7,
    8,
    0xff,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0007,
    0xffff_ffff_0000_0000,
    u64::MAX,
];

const OPERATORS: [&str; 7] = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
const PLAIN: [&str; 6] = [
    "KILL",
    "KILL_PROCESS",
    "KILL_THREAD",
    "TRAP",
    "ALLOW",
    "LOG",
];
const ARCHES: [&str; 3] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];

pub(crate) fn action(notify: bool) -> impl Strategy<Value = (&'static str, Option<u32>)> {
    prop_oneof![
        6 => prop::sample::select(&PLAIN[..]).prop_map(|name| (name, None)),
        3 => prop::option::of(0..3u32).prop_map(|errno| ("ERRNO", errno)),
        1 => prop::option::of(0..3u32).prop_map(|message| ("TRACE", message)),
        u32::from(notify) => Just(("NOTIFY", None)),
    ]
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![9 => prop::sample::select(&VALUES[..]), 1 => any::<u64>()]
}

fn argument() -> impl Strategy<Value = Value> {
    let index = prop_oneof![6 => 0..2u32, 1 => 2..6u32];
    (index, prop::sample::select(&OPERATORS[..]), value(), value()).prop_map(|(index, op, value, two)| {
        json!({"index": index, "op": format!("SCMP_CMP_{op}"), "value": value, "valueTwo": two})
    })
}

fn rule(arguments: impl Strategy<Value = Vec<Value>>) -> impl Strategy<Value = Value> {
    // Half of all rules are about one call, so that they overlap.
    let name = prop_oneof![1 => Just("getpid"), 1 => prop::sample::select(&NAMES[..])];
    let names = prop::collection::vec(name, 1..4);
    (names, action(true), arguments).prop_map(|(names, (action, errno), args)| {
        let write = names.contains(&"write") && action == "NOTIFY";
        let action = if write { "ALLOW" } else { action };
        let mut rule =
            json!({"names": names, "action": format!("SCMP_ACT_{action}"), "args": args});
        if let Some(errno) = errno {
            rule["errnoRet"] = json!(errno);
        }
        rule
    })
}

/// Profiles of up to `rules` rules.
pub(crate) fn profiles(rules: usize) -> impl Strategy<Value = Seccomp> {
    let arguments = prop_oneof![
        1 => Just(Vec::new()),
        5 => prop::collection::vec(argument(), 1..3),
        1 => prop::collection::vec(argument(), 3..6),
    ];
    let arches = prop::sample::subsequence(ARCHES.to_vec(), 0..=3);
    (action(false), arches, prop::collection::vec(rule(arguments), 0..rules)).prop_map(
        |((action, errno), arches, syscalls)| {
            let mut profile = json!({"defaultAction": format!("SCMP_ACT_{action}"), "architectures": arches,
                "syscalls": syscalls});
            if let Some(errno) = errno {
                profile["defaultErrnoRet"] = json!(errno);
            }
            super::profile(profile)
        },
    )
}

/// The same, with every call only in the first rule that names it. Calls behind a multiplexer count as one.
pub(crate) fn each_call_once(mut profile: Seccomp) -> Seccomp {
    let mut seen = std::collections::BTreeSet::new();
    for rule in &mut profile.syscalls {
        rule.names.retain(|name| {
            let behind = ["socket", "connect", "accept4", "send", "semop", "ipc"];
            let call = if behind.contains(&name) {
                "socketcall"
            } else {
                name
            };
            seen.insert(call.to_owned())
        });
    }
    profile
}
