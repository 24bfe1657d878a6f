//! Calls that make other calls: `socketcall` and `ipc`, by which old interfaces reach whole families.
//!
//! A rule about `connect` that said nothing about `socketcall` would be walked around there, and one that
//! allows `connect` would not be enough for the C libraries that only know the older way.

use lockstep_abi::arch::Arch;

use super::Verdict;
use super::filter::{Alternative, Comparison, Condition, Outcome};

/// A call that makes other calls, chosen by its first argument.
#[derive(Clone, Copy)]
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

    /// The calls that can be reached a second time through it, by their numbers there (linux/net.h, linux/ipc.h).
    #[rustfmt::skip]
    pub(super) fn calls(self) -> &'static [(u8, &'static str)] {
        match self {
            Self::Socketcall => &[
                (1, "socket"), (2, "bind"), (3, "connect"), (4, "listen"), (5, "accept"), (6, "getsockname"),
                (7, "getpeername"), (8, "socketpair"), (9, "send"), (10, "recv"), (11, "sendto"), (12, "recvfrom"),
                (13, "shutdown"), (14, "setsockopt"), (15, "getsockopt"), (16, "sendmsg"), (17, "recvmsg"),
                (18, "accept4"), (19, "recvmmsg"), (20, "sendmmsg"),
            ],
            Self::Ipc => &[
                (1, "semop"), (2, "semget"), (3, "semctl"), (4, "semtimedop"), (11, "msgsnd"), (12, "msgrcv"),
                (13, "msgget"), (14, "msgctl"), (21, "shmat"), (22, "shmdt"), (23, "shmget"), (24, "shmctl"),
            ],
        }
    }
}

/// Adds the calls behind a multiplexer to the multiplexer's own outcome: what it decides then, unless that is the same.
pub(super) fn join<'a>(
    multiplexer: Multiplexer,
    own: Option<&Outcome>,
    inner: impl Iterator<Item = (u8, &'a Outcome)>,
    default: Verdict,
) -> Option<Vec<Alternative>> {
    let own = match own {
        Some(Outcome::Always(_)) => return None,
        Some(Outcome::ByArguments(own)) => own.clone(),
        None => Vec::new(),
    };
    let inner = inner
        .map(|(call, outcome)| Alternative {
            conditions: vec![Condition {
                argument: 0,
                comparison: Comparison::Masked(multiplexer.mask()),
                value: u64::from(call),
            }],
            verdict: strictest(outcome, default),
        })
        .filter(|alternative| alternative.verdict != default);
    let all: Vec<_> = own.into_iter().chain(inner).collect();
    (!all.is_empty()).then_some(all)
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
