//! Rights of the caller: capabilities, limits, and how deep it may look into the kernel.

use lockstep_abi::capability::{CapSet as Set, Capability};
use lockstep_abi::rlimit;
use lockstep_kernel::bpf::{self, Watcher};
use lockstep_kernel::{file, schedule, seccomp, socket};
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
/// below it: T0 seccomp notification, T1 audit records, T2 BPF tracepoints, T3 BPF at kernel functions, T4 BPF as a
/// security module.
pub(super) fn tier() -> Fact {
    type Attempt = fn() -> Result<(), String>;
    let tiers: [(&str, Attempt); 4] = [
        ("audit records", || {
            socket::audit_records().map(drop).map_err(|e| e.to_string())
        }),
        ("BPF tracepoints", || loads(Watcher::RawTracepoint)),
        ("BPF at kernel functions", || {
            loads(Watcher::FunctionExit)?;
            // Functions are named by their types, which a kernel may be built without.
            file::stat(file::CWD, "/sys/kernel/btf/vmlinux", true)
                .map(drop)
                .map_err(|e| e.to_string())
        }),
        ("BPF as a security module", || {
            loads(Watcher::Lsm)?;
            called(&super::first_line("/sys/kernel/security/lsm"))
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

fn loads(watcher: Watcher) -> Result<(), String> {
    bpf::try_loading(watcher).map_err(|e| e.to_string())
}

/// Whether programs that load as a security module are called: the module is in the `list` of those that are on.
fn called(list: &str) -> Result<(), String> {
    match list {
        "" => Err("securityfs is not mounted, so nobody says whether it is on".into()),
        _ if list.split(',').any(|module| module == "bpf") => Ok(()),
        _ => Err(format!(
            "bpf is not among the modules that are on ({list}): lsm=...,bpf on the kernel's command line"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_off_is_no_tier() {
        assert_eq!(called("lockdown,capability,landlock,bpf"), Ok(()));
        for off in ["", "lockdown,capability,bpfilter"] {
            assert!(called(off).is_err(), "{off}");
        }
    }
}
