//! What the rules of config.json say about one call, read straight from the rules.
//!
//! This is the oracle for the compiler. It must stay slow, obvious and free of the compiler's types: it
//! knows nothing of lowering, runs or graphs, so that one mistake cannot be in both.

use std::cmp::Ordering;

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall::{self, Syscall};
use lockstep_oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompSyscall};

use super::Verdict;
use super::interpret::Call;

/// The rules of a profile, to be asked about calls.
#[derive(Debug, Clone)]
pub struct Rules<'a> {
    seccomp: &'a Seccomp,
    native: Arch,
    default: Verdict,
    names: Vec<Name<'a>>,
}

/// One name of one rule, looked up.
#[derive(Debug, Clone)]
struct Name<'a> {
    rule: &'a SeccompSyscall,
    position: usize,
    verdict: Verdict,
    call: Option<Syscall>,
    /// The multiplexer that reaches the call too, and the call's number there.
    behind: Option<(&'static str, u64)>,
}

impl Name<'_> {
    fn is(&self, arch: Arch, number: u32) -> bool {
        self.call.and_then(|call| call.number(arch)) == Some(number)
    }
}

/// Conditions that must all hold, and the verdict that follows.
type Candidate<'a> = (Vec<&'a SeccompArg>, Verdict);

impl<'a> Rules<'a> {
    /// The rules of `seccomp` on a machine whose own interface is `native`.
    ///
    /// The profile must be one that [`compile`](super::compile) accepts; values outside the
    /// specification are read as rules that never match.
    #[must_use]
    pub fn new(seccomp: &'a Seccomp, native: Arch) -> Self {
        let mut names = Vec::new();
        for (position, rule) in seccomp.syscalls.iter().enumerate() {
            let verdict = of_action(&rule.action, rule.errno_ret);
            names.extend(rule.names.iter().map(|name| Name {
                rule,
                position,
                verdict,
                call: Syscall::from_name(name),
                behind: behind(name),
            }));
        }
        let default = of_action(&seccomp.default_action, seccomp.default_errno_ret);
        Self {
            seccomp,
            native,
            default,
            names,
        }
    }

    /// The verdict about `call`.
    #[must_use]
    pub fn verdict(&self, call: &Call) -> Verdict {
        let Some(arch) = interface(call, self.lists(Arch::X32)) else {
            return Verdict::KILL_THREAD;
        };
        if !self.lists(arch) {
            return Verdict::KILL_THREAD;
        }
        let newest = self.newest(arch);
        if arch == Arch::X86_64 && call.number >= 0x4000_0000 {
            // No call: a number with bit 31, or -1.
            return if call.number & 0x4000_0000 != 0 {
                self.default
            } else if newest.is_some() {
                Verdict::ENOSYS
            } else if self.lists(Arch::X32) {
                self.default
            } else {
                Verdict::KILL_THREAD
            };
        }
        if newest.is_some() && call.number == 0 && matches!(arch, Arch::S390 | Arch::S390x) {
            return Verdict::ENOSYS;
        }
        let is_newer = newest.is_some_and(|newest| call.number > newest);
        match self.by_rules(arch, call) {
            Some(verdict) => verdict,
            None if is_newer && !self.has_rule(arch, call.number) => Verdict::ENOSYS,
            None => self.default,
        }
    }

    fn lists(&self, arch: Arch) -> bool {
        let mut names = self.seccomp.architectures.iter();
        arch == self.native || names.any(|name| name.as_str() == arch.scmp_name())
    }

    /// The newest call that is named, if newer ones are hidden.
    fn newest(&self, arch: Arch) -> Option<u32> {
        if matches!(
            self.seccomp.default_action,
            SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace
        ) {
            return None;
        }
        let numbers = self.names.iter().filter_map(|name| name.call?.number(arch));
        numbers
            .filter(|number| arch != Arch::Arm || *number < 0xf_0000)
            .max()
    }

    /// Names of rules that are not dropped.
    fn kept(&self) -> impl Iterator<Item = &Name<'a>> {
        self.names
            .iter()
            .filter(|name| name.verdict != self.default)
    }

    fn has_rule(&self, arch: Arch, number: u32) -> bool {
        self.kept().any(|name| {
            name.is(arch, number)
                || name.behind.is_some_and(|inner| {
                    syscall::number(arch, inner.0) == Some(number)
                        && self.behind_multiplexer(arch, inner).is_some()
                })
        })
    }

    fn by_rules(&self, arch: Arch, call: &Call) -> Option<Verdict> {
        let mut candidates = self.candidates(arch, |name| name.is(arch, call.number));
        if let Some(always) = unconditional(&candidates) {
            return Some(always);
        }
        candidates.retain(|(conditions, _)| conditions.iter().all(|arg| holds(arg, arch, call)));
        // A stable minimum: of equals the first in the profile.
        let mut own = candidates.first();
        for candidate in &candidates {
            if own.is_some_and(|own| before(arch, &candidate.0, &own.0) == Ordering::Less) {
                own = Some(candidate);
            }
        }
        let outer =
            syscall::name(arch, call.number).filter(|name| ["socketcall", "ipc"].contains(name));
        // The kernel takes an int, and of ipc's its lower half.
        let mask = if outer == Some("ipc") {
            0xffff
        } else {
            0xffff_ffff
        };
        let number = call.arguments[0] & mask;
        let inner = outer.and_then(|outer| self.behind_multiplexer(arch, (outer, number)));
        match (own, inner) {
            (Some(own), Some(inner)) => {
                let as_condition = SeccompArg {
                    index: 0,
                    value: number,
                    value_two: 0,
                    op: SeccompOperator::Equal,
                };
                let inner_first = before(arch, &[&as_condition], &own.0) == Ordering::Less;
                Some(if inner_first { inner } else { own.1 })
            }
            (Some(own), None) => Some(own.1),
            (None, inner) => inner,
        }
    }

    /// Kept rules with such a name, one per alternative, in the profile's order.
    fn candidates(&self, arch: Arch, wanted: impl Fn(&Name<'a>) -> bool) -> Vec<Candidate<'a>> {
        let mut named: Vec<&Name<'a>> = self.kept().filter(|name| wanted(name)).collect();
        named.dedup_by_key(|name| name.position);
        let mut candidates = Vec::new();
        for Name { rule, verdict, .. } in named {
            let repeats = rule.args.iter().enumerate().any(|(i, a)| {
                rule.args
                    .iter()
                    .enumerate()
                    .any(|(j, b)| i != j && a.index == b.index)
            });
            let mut groups: Vec<Vec<&SeccompArg>> = if repeats {
                rule.args.iter().map(|arg| vec![arg]).collect()
            } else {
                vec![rule.args.iter().collect()]
            };
            for group in &mut groups {
                group.retain(|arg| {
                    arg.op != SeccompOperator::MaskedEqual || cut(arch, arg.value) != 0
                });
                group.sort_by_key(|arg| arg.index);
            }
            candidates.extend(groups.into_iter().map(|group| (group, *verdict)));
        }
        candidates
    }

    /// What rules for the call with this number inside `socketcall` or `ipc` say, if not the default.
    fn behind_multiplexer(&self, arch: Arch, inner: (&str, u64)) -> Option<Verdict> {
        let rules = self.candidates(arch, |name| name.behind == Some(inner));
        if rules.is_empty() {
            return None;
        }
        // Conditions are about arguments that are in memory here: the strictest answer is the safe one.
        let strictest = unconditional(&rules).or_else(|| {
            let verdicts = rules
                .iter()
                .map(|(_, verdict)| *verdict)
                .chain([self.default]);
            verdicts.min_by_key(|verdict| verdict.action().cast_signed())
        })?;
        (strictest != self.default).then_some(strictest)
    }
}

/// The interface that a call belongs to. x32's bit means x32 if that is listed, with any upper bits.
fn interface(call: &Call, x32_listed: bool) -> Option<Arch> {
    let number = call.number;
    if call.audit_arch == Arch::X86_64.audit_arch() && number & 0x4000_0000 != 0 {
        return Some(if number == u32::MAX && !x32_listed {
            Arch::X86_64
        } else {
            Arch::X32
        });
    }
    let mut arches = lockstep_abi::arch::ALL.iter().copied();
    arches.find(|arch| arch.audit_arch() == call.audit_arch)
}

fn unconditional(candidates: &[Candidate<'_>]) -> Option<Verdict> {
    candidates
        .iter()
        .find(|(conditions, _)| conditions.is_empty())
        .map(|(_, verdict)| *verdict)
}

fn behind(name: &str) -> Option<(&'static str, u64)> {
    const SOCKETCALL: [&str; 20] = [
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "recv",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "accept4",
        "recvmmsg",
        "sendmmsg",
    ];
    const IPC: [(&str, u64); 12] = [
        ("semop", 1),
        ("semget", 2),
        ("semctl", 3),
        ("semtimedop", 4),
        ("msgsnd", 11),
        ("msgrcv", 12),
        ("msgget", 13),
        ("msgctl", 14),
        ("shmat", 21),
        ("shmdt", 22),
        ("shmget", 23),
        ("shmctl", 24),
    ];
    if let Some(position) = SOCKETCALL.iter().position(|known| *known == name) {
        return Some(("socketcall", position as u64 + 1));
    }
    IPC.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| ("ipc", *number))
}

fn of_action(action: &SeccompAction, errno: Option<u32>) -> Verdict {
    let data = errno.unwrap_or(1) as u16;
    match action {
        SeccompAction::Allow => Verdict::ALLOW,
        SeccompAction::Log => Verdict::LOG,
        SeccompAction::Trace => Verdict::trace(data),
        SeccompAction::Notify => Verdict::NOTIFY,
        SeccompAction::Errno => Verdict::errno(data),
        SeccompAction::Trap => Verdict::TRAP,
        SeccompAction::KillProcess => Verdict::KILL_PROCESS,
        SeccompAction::Kill | SeccompAction::KillThread | SeccompAction::Unknown(_) => {
            Verdict::KILL_THREAD
        }
    }
}

/// A value as far as the interface's arguments reach.
fn cut(arch: Arch, value: u64) -> u64 {
    match arch {
        Arch::X32 | Arch::Mips64N32 | Arch::Mipsel64N32 => value & 0xffff_ffff,
        _ if arch.is_64_bit() => value,
        _ => value & 0xffff_ffff,
    }
}

fn holds(arg: &SeccompArg, arch: Arch, call: &Call) -> bool {
    let argument = cut(arch, call.arguments[arg.index as usize]);
    let value = cut(arch, arg.value);
    match arg.op {
        SeccompOperator::NotEqual => argument != value,
        SeccompOperator::LessThan => argument < value,
        SeccompOperator::LessEqual => argument <= value,
        SeccompOperator::Equal => argument == value,
        SeccompOperator::GreaterEqual => argument >= value,
        SeccompOperator::GreaterThan => argument > value,
        SeccompOperator::MaskedEqual => argument & value == cut(arch, arg.value_two) & value,
        SeccompOperator::Unknown(_) => false,
    }
}

/// Which of two sets of conditions is tried first.
fn before(arch: Arch, a: &[&SeccompArg], b: &[&SeccompArg]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        let higher_index_first = b.index.cmp(&a.index);
        let kinds = kind(&a.op).cmp(&kind(&b.op));
        let (a_value, b_value) = (datum(arch, a), datum(arch, b));
        let values = match kind(&a.op) {
            1 => a_value.cmp(&b_value),
            _ => b_value.cmp(&a_value),
        };
        let order = higher_index_first.then(kinds).then(values);
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn kind(op: &SeccompOperator) -> u8 {
    match op {
        SeccompOperator::Equal | SeccompOperator::NotEqual | SeccompOperator::MaskedEqual => 0,
        SeccompOperator::LessThan | SeccompOperator::LessEqual => 1,
        _ => 2,
    }
}

fn datum(arch: Arch, arg: &SeccompArg) -> u64 {
    match arg.op {
        SeccompOperator::MaskedEqual => cut(arch, arg.value & arg.value_two),
        _ => cut(arch, arg.value),
    }
}
