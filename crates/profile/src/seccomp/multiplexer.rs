//! Calls that make other calls: `socketcall` and `ipc`, by which old interfaces reach whole families.
//!
//! A rule about `connect` that said nothing about `socketcall` would be walked around there, and one that
//! allows `connect` would not be enough for the C libraries that only know the older way.

use lockstep_abi::arch::Arch;

use super::Verdict;
use super::filter::{Alternative, Comparison, Condition, NumberRule, Outcome};

/// A call that makes other calls, chosen by its first argument.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Multiplexer {
    Socketcall,
    Ipc,
}

impl Multiplexer {
    pub(super) const ALL: [Self; 2] = [Self::Socketcall, Self::Ipc];

    /// The bits of the first argument that the kernel looks at: an `int`, and for `ipc` a version above it.
    fn mask(self) -> u64 {
        match self {
            Self::Socketcall => 0xffff_ffff,
            Self::Ipc => 0xffff,
        }
    }

    pub(super) fn number(self, arch: Arch) -> Option<u32> {
        let name = match self {
            Self::Socketcall => "socketcall",
            Self::Ipc => "ipc",
        };
        lockstep_abi::syscall::number(arch, name)
    }

    /// Where `name` can be reached a second time (linux/net.h, linux/ipc.h).
    pub(super) fn of(name: &str) -> Option<(Self, u8)> {
        let (multiplexer, number) = match name {
            "socket" => (Self::Socketcall, 1),
            "bind" => (Self::Socketcall, 2),
            "connect" => (Self::Socketcall, 3),
            "listen" => (Self::Socketcall, 4),
            "accept" => (Self::Socketcall, 5),
            "getsockname" => (Self::Socketcall, 6),
            "getpeername" => (Self::Socketcall, 7),
            "socketpair" => (Self::Socketcall, 8),
            "send" => (Self::Socketcall, 9),
            "recv" => (Self::Socketcall, 10),
            "sendto" => (Self::Socketcall, 11),
            "recvfrom" => (Self::Socketcall, 12),
            "shutdown" => (Self::Socketcall, 13),
            "setsockopt" => (Self::Socketcall, 14),
            "getsockopt" => (Self::Socketcall, 15),
            "sendmsg" => (Self::Socketcall, 16),
            "recvmsg" => (Self::Socketcall, 17),
            "accept4" => (Self::Socketcall, 18),
            "recvmmsg" => (Self::Socketcall, 19),
            "sendmmsg" => (Self::Socketcall, 20),
            "semop" => (Self::Ipc, 1),
            "semget" => (Self::Ipc, 2),
            "semctl" => (Self::Ipc, 3),
            "semtimedop" => (Self::Ipc, 4),
            "msgsnd" => (Self::Ipc, 11),
            "msgrcv" => (Self::Ipc, 12),
            "msgget" => (Self::Ipc, 13),
            "msgctl" => (Self::Ipc, 14),
            "shmat" => (Self::Ipc, 21),
            "shmdt" => (Self::Ipc, 22),
            "shmget" => (Self::Ipc, 23),
            "shmctl" => (Self::Ipc, 24),
            _ => return None,
        };
        Some((multiplexer, number))
    }
}

/// Adds the calls behind a multiplexer to the multiplexer's own rule.
pub(super) fn join<'a>(
    numbers: &mut Vec<NumberRule>,
    (multiplexer, number): (Multiplexer, u32),
    inner: impl Iterator<Item = (u8, &'a Outcome)>,
    default: Verdict,
) {
    let mut alternatives: Vec<_> = inner
        .map(|(call, outcome)| Alternative {
            conditions: vec![Condition {
                argument: 0,
                comparison: Comparison::Masked(multiplexer.mask()),
                value: u64::from(call),
            }],
            verdict: strictest(outcome, default),
        })
        .filter(|alternative| alternative.verdict != default)
        .collect();
    match numbers.binary_search_by_key(&number, |rule| rule.number) {
        Ok(position) => {
            if let Outcome::ByArguments(own) = &mut numbers[position].outcome {
                own.append(&mut alternatives);
            }
        }
        Err(position) if !alternatives.is_empty() => {
            let outcome = Outcome::ByArguments(alternatives);
            numbers.insert(position, NumberRule { number, outcome });
        }
        Err(_) => {}
    }
}

/// By the kernel's own order: of several filters, it obeys the one whose action is the lowest, signed.
fn strictest(outcome: &Outcome, default: Verdict) -> Verdict {
    match outcome {
        Outcome::Always(verdict) => *verdict,
        Outcome::ByArguments(alternatives) => alternatives
            .iter()
            .map(|alternative| alternative.verdict)
            .chain([default])
            .min_by_key(|verdict| verdict.action().cast_signed())
            .unwrap_or(default),
    }
}
