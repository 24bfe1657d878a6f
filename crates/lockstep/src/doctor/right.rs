//! Rights of the caller: capabilities, limits, and how deep it may look into the kernel.

use lockstep_abi::capability::{CapSet as Set, Capability};
use lockstep_abi::rlimit;
use lockstep_kernel::bpf::{self, Watcher};
use lockstep_kernel::{schedule, seccomp, socket};
use lockstep_plan::Host;

use super::{Fact, USER_NOTIF, fact, lacking};
use crate::failure::{Doing, Failure};

/// Limits that containers run into: what is asked for above the second number is clamped to it.
const LIMITS: [&str; 3] = ["RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_MEMLOCK"];

pub(super) fn facts(host: &Host) -> Result<[Fact; 2], Failure> {
    let (all, own) = (Set::ALL, Set::from_bits(host.capabilities & host.bounding));
    let names = |set: Set| -> String {
        let names: Vec<&str> = set.iter().map(|one| one.name()).collect();
        names.join(" ")
    };
    let absent = all.difference(own);
    let capabilities = match (own.is_empty(), absent.is_empty()) {
        (true, _) => "none here, all in a user namespace of your own".to_owned(),
        (_, true) => "all".to_owned(),
        _ if absent.len() < own.len() => format!("all but {}", names(absent)),
        _ => names(own),
    };
    let mut limits = Vec::new();
    for name in LIMITS {
        let Some(number) = rlimit::number(name) else {
            continue;
        };
        let (soft, hard) = schedule::prlimit(0, number, None).doing(|| name.into())?;
        let text = |limit: u64| match limit {
            rlimit::INFINITY => "unlimited".to_owned(),
            limit => limit.to_string(),
        };
        let short = name.trim_start_matches("RLIMIT_").to_lowercase();
        limits.push(format!("{short} {} of {}", text(soft), text(hard)));
    }
    let capabilities = match host.uid == 0 && !host.has(Capability::SETFCAP.number()) {
        true => lacking(
            "capabilities",
            capabilities,
            "id 0 is mapped by who has CAP_SETFCAP alone (Linux 5.12); inside another container: its --cap-add SETFCAP",
        ),
        false => fact("capabilities", capabilities),
    };
    Ok([capabilities, fact("limits", limits.join(", "))])
}

/// How much of what containers do can be seen and decided here, each tier by trying what it stands on; a tier has those
/// below it.
pub(super) fn tier() -> Fact {
    type Attempt = fn() -> lockstep_kernel::Result<()>;
    let tiers: [(&str, Attempt); 4] = [
        ("audit records", || socket::audit_records().map(drop)),
        ("BPF tracepoints", || {
            bpf::try_loading(Watcher::RawTracepoint)
        }),
        ("BPF at kernel functions", || {
            bpf::try_loading(Watcher::FunctionExit)
        }),
        ("BPF as a security module", || {
            bpf::try_loading(Watcher::Lsm)
        }),
    ];
    let mut reached = match seccomp::action_available(USER_NOTIF) {
        true => vec!["seccomp notification"],
        false => return fact("tier", "none: no seccomp notification"),
    };
    for (what, attempt) in tiers {
        match attempt() {
            Ok(()) => reached.push(what),
            Err(why) => {
                let (tier, reached) = (reached.len() - 1, reached.join(", "));
                return fact("tier", format!("T{tier}: {reached}; not {what}: {why}"));
            }
        }
    }
    fact("tier", format!("T4: {}", reached.join(", ")))
}
