//! Rights of the caller: capabilities, limits, and how deep it may look into the kernel.

use lockstep_abi::capability::{CapSet as Set, Capability};
use lockstep_abi::rlimit;
use lockstep_kernel::bpf::watcher::{Attempt, Watcher};
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
/// below it: T0 seccomp notification, T1 audit records, T2 BPF tracepoints, T3 BPF at kernel functions, T4 BPF as a
/// security module. Then every way in which BPF can watch, and what became of trying it.
pub(super) fn tier() -> [Fact; 2] {
    let watchers = Watcher::ALL.map(|watcher| (watcher, watcher.attempt()));
    let notified = match seccomp::action_available(USER_NOTIF) {
        true => Ok(()),
        false => Err("a kernel of 5.0 or later with CONFIG_SECCOMP_FILTER has it".to_owned()),
    };
    let audited = socket::audit_records().map(drop);
    let first = [
        ("seccomp notification", notified),
        ("audit records", audited.map_err(|e| e.to_string())),
    ];
    let tiers = first.into_iter().chain(of_bpf(&watchers));
    [fact("tier", reached(tiers)), fact("bpf", each(&watchers))]
}

type Tried = [(Watcher, Attempt)];

/// What each tier of BPF stands on.
fn of_bpf(tried: &Tried) -> [(&'static str, Result<(), String>); 3] {
    let called = |wanted: &[Watcher]| {
        let mut of_these = tried.iter().filter(|(watcher, _)| wanted.contains(watcher));
        of_these
            .find_map(|(_, attempt)| refusal(attempt))
            .map_or(Ok(()), Err)
    };
    [
        (
            "BPF tracepoints",
            called(&[Watcher::RawTracepoint, Watcher::TypedTracepoint]),
        ),
        (
            "BPF at kernel functions",
            called(&[Watcher::FunctionEntry, Watcher::FunctionExit]),
        ),
        ("BPF as a security module", called(&[Watcher::Lsm])),
    ]
}

fn refusal(attempt: &Attempt) -> Option<String> {
    match attempt {
        Attempt::Called => None,
        Attempt::NeverCalled => Some(
            "it is loaded and never called: lsm=...,bpf on the kernel's command line turns it on"
                .to_owned(),
        ),
        Attempt::Refused(error) => Some(error.to_string()),
    }
}

/// The highest tier with those below it, and what keeps the next one away.
fn reached(tiers: impl Iterator<Item = (&'static str, Result<(), String>)>) -> String {
    let mut reached: Vec<&str> = Vec::new();
    for (what, attempt) in tiers {
        match (attempt, reached.len()) {
            (Ok(()), _) => reached.push(what),
            (Err(why), 0) => return format!("none: no {what}: {why}"),
            (Err(why), have) => {
                let reached = reached.join(", ");
                return format!("T{}: {reached}; not {what}: {why}", have - 1);
            }
        }
    }
    format!("T4: {}", reached.join(", "))
}

/// Those that were called, and the others with the reason that they share.
fn each(tried: &Tried) -> String {
    let mut groups: Vec<(Option<String>, Vec<&str>)> = Vec::new();
    for (watcher, attempt) in tried {
        let why = refusal(attempt);
        match groups.iter_mut().find(|(other, _)| *other == why) {
            Some((_, names)) => names.push(watcher.name()),
            None => groups.push((why, vec![watcher.name()])),
        }
    }
    let texts = groups.iter().map(|(why, names)| match why {
        None => names.join(", "),
        Some(why) => format!("not {} ({why})", names.join(", ")),
    });
    texts.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_kernel::Error;

    fn told(attempt: impl Fn(Watcher) -> Attempt) -> (String, String) {
        let tried = Watcher::ALL.map(|watcher| (watcher, attempt(watcher)));
        let first = [("seccomp notification", Ok(())), ("audit records", Ok(()))];
        let tiers = first.into_iter().chain(of_bpf(&tried));
        (reached(tiers), each(&tried))
    }

    fn refused(call: &str) -> Attempt {
        Attempt::Refused(Error {
            call: call.to_owned(),
            errno: 1,
        })
    }

    #[test]
    fn a_tier_is_what_is_called() {
        let (tier, bpf) = told(|_| Attempt::Called);
        assert!(tier.starts_with("T4: "), "{tier}");
        assert_eq!(bpf.split(", ").count(), Watcher::ALL.len());
        let (tier, bpf) = told(|watcher| match watcher {
            Watcher::Lsm => Attempt::NeverCalled,
            _ => Attempt::Called,
        });
        assert!(
            tier.starts_with("T3: ") && tier.contains("lsm=...,bpf"),
            "{tier}"
        );
        assert!(bpf.contains("fexit; not lsm (it is loaded"), "{bpf}");
        let (tier, bpf) = told(|watcher| match watcher {
            Watcher::FunctionEntry | Watcher::FunctionExit | Watcher::Lsm => refused("bpf(X)"),
            _ => Attempt::Called,
        });
        assert!(
            tier.starts_with("T2: ") && tier.contains("bpf(X) = EPERM"),
            "{tier}"
        );
        assert!(
            bpf.contains("not fentry, fexit, lsm (bpf(X) = EPERM"),
            "{bpf}"
        );
        let (tier, _) = told(|_| refused("bpf(Y)"));
        assert!(
            tier.starts_with("T1: ") && tier.contains("not BPF tracepoints"),
            "{tier}"
        );
        assert!(reached([("a", Err("b".to_owned()))].into_iter()).starts_with("none: no a: b"));
    }
}
