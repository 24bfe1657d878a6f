//! The numbers of one `AUDIT_ARCH` value as a line that is cut into runs of equal answers.
//!
//! A program finds its answer by bisecting this line, so neighbouring calls with the same answer
//! cost one test together, and gaps, newer calls and x32's bit need no test of their own.

use lockstep_abi::arch::{Arch, X32_SYSCALL_BIT};

use super::Verdict;
use super::filter::{Filter, Interface, Outcome};

/// The numbers from `start` up to the next run's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u32,
    pub(super) leaf: Leaf,
}

/// What holds for all numbers of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Return(Verdict),
    /// The interface's outcome at this place looks at arguments.
    Decide {
        arch: Arch,
        outcome: u32,
    },
}

/// All runs of `audit_arch`, from 0, adjacent ones different.
pub(super) fn line(filter: &Filter, audit_arch: u32) -> Vec<Run> {
    let find = |arch| {
        filter
            .interfaces
            .iter()
            .find(|interface| interface.arch == arch)
    };
    let mut line = Line(Vec::new());
    if audit_arch != Arch::X86_64.audit_arch() {
        let interface = filter
            .interfaces
            .iter()
            .find(|i| i.arch.audit_arch() == audit_arch);
        match interface {
            Some(interface) => line.interface(interface, 0, filter.default),
            None => line.push(0, Leaf::Return(filter.foreign)),
        }
        return line.0;
    }
    let (x86_64, x32) = (find(Arch::X86_64), find(Arch::X32));
    let foreign = Leaf::Return(filter.foreign);
    match x86_64 {
        Some(interface) => line.interface(interface, 0, filter.default),
        None => line.push(0, foreign),
    }
    match x32 {
        Some(interface) => line.interface(interface, X32_SYSCALL_BIT, filter.default),
        None => line.push(X32_SYSCALL_BIT, foreign),
    }
    // With bit 31 the kernel has no call at all; libseccomp tests for x32 by comparing, runc by bit 30.
    let beyond = |interface: Option<&Interface>| match interface {
        Some(Interface {
            newest: Some(_), ..
        }) => Leaf::Return(Verdict::ENOSYS),
        Some(_) if x32.is_some() => Leaf::Return(filter.default),
        _ => foreign,
    };
    line.push(0x8000_0000, beyond(x86_64));
    line.push(0x8000_0000 | X32_SYSCALL_BIT, beyond(x32));
    if x86_64.is_some() && x32.is_none() {
        // -1 is how a tracer skips a call, and the kernel does not count it as x32's.
        line.push(u32::MAX, Leaf::Return(filter.default));
    }
    line.0
}

struct Line(Vec<Run>);

impl Line {
    /// From `start` on, until the next push.
    fn push(&mut self, start: u32, leaf: Leaf) {
        if self.0.last().is_some_and(|last| last.start == start) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|last| last.leaf != leaf) {
            self.0.push(Run { start, leaf });
        }
    }

    fn interface(&mut self, interface: &Interface, base: u32, default: Verdict) {
        let newest = interface.newest.unwrap_or(u32::MAX);
        let gap = |number| {
            Leaf::Return(if number > newest {
                Verdict::ENOSYS
            } else {
                default
            })
        };
        let leaf = |(place, outcome): (usize, &Outcome)| match outcome {
            Outcome::Always(verdict) => Leaf::Return(*verdict),
            Outcome::ByArguments(_) => Leaf::Decide {
                arch: interface.arch,
                outcome: place as u32,
            },
        };
        let leaves: Vec<Leaf> = interface.outcomes.iter().enumerate().map(leaf).collect();
        let mut next = base;
        for rule in &interface.rules {
            if rule.number != next {
                self.push(next, gap(next));
                self.gap_until(rule.number, newest, gap(u32::MAX));
            }
            self.push(rule.number, leaves[rule.outcome as usize]);
            next = rule.number.saturating_add(1);
        }
        self.push(next, gap(next));
        self.gap_until(u32::MAX, newest, gap(u32::MAX));
    }

    /// Newer calls begin between two rules, or after the last.
    fn gap_until(&mut self, number: u32, newest: u32, newer: Leaf) {
        let reached = self.0.last().map_or(0, |last| last.start);
        if reached <= newest && newest < number {
            self.push(newest + 1, newer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::filter::NumberRule;

    fn allowed(arch: Arch, newest: Option<u32>, numbers: &[u32]) -> Filter {
        let rule = |number: &u32| NumberRule {
            number: *number,
            outcome: 0,
        };
        let rules = numbers.iter().map(rule).collect();
        Filter {
            default: Verdict::errno(1),
            foreign: Verdict::KILL_THREAD,
            interfaces: vec![Interface {
                arch,
                newest,
                rules,
                outcomes: vec![Outcome::Always(Verdict::ALLOW)],
            }],
            warnings: Vec::new(),
        }
    }

    fn shown(filter: &Filter, arch: Arch) -> Vec<(u32, String)> {
        let text = |leaf| match leaf {
            Leaf::Return(verdict) => verdict.to_string(),
            Leaf::Decide { outcome, .. } => format!("outcome {outcome}"),
        };
        line(filter, arch.audit_arch())
            .iter()
            .map(|run| (run.start, text(run.leaf)))
            .collect()
    }

    fn runs(list: &[(u32, &str)]) -> Vec<(u32, String)> {
        list.iter()
            .map(|(start, text)| (*start, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn neighbours_share_a_run_and_newer_calls_begin_after_the_newest() {
        let filter = allowed(Arch::Aarch64, Some(9), &[0, 1, 2, 5, 9]);
        let expected = [
            (0, "allow"),
            (3, "errno 1"),
            (5, "allow"),
            (6, "errno 1"),
            (9, "allow"),
            (10, "errno 38"),
        ];
        assert_eq!(shown(&filter, Arch::Aarch64), runs(&expected));
    }

    #[test]
    fn newer_calls_begin_inside_a_gap_and_rules_above_still_hold() {
        let filter = allowed(Arch::Arm, Some(7), &[3, 0xf0001]);
        let expected = [
            (0, "errno 1"),
            (3, "allow"),
            (4, "errno 1"),
            (8, "errno 38"),
            (0xf0001, "allow"),
            (0xf0002, "errno 38"),
        ];
        assert_eq!(shown(&filter, Arch::Arm), runs(&expected));
    }

    #[test]
    fn numbers_with_x32s_bit_are_foreign_unless_x32_is_listed() {
        let filter = allowed(Arch::X86_64, Some(4), &[4]);
        let expected = [
            (0, "errno 1"),
            (4, "allow"),
            (5, "errno 38"),
            (0x4000_0000, "kill thread"),
            (0x8000_0000, "errno 38"),
            (0xc000_0000, "kill thread"),
            (u32::MAX, "errno 1"),
        ];
        assert_eq!(shown(&filter, Arch::X86_64), runs(&expected));

        let mut both = allowed(Arch::X86_64, Some(4), &[4]);
        both.interfaces
            .extend(allowed(Arch::X32, Some(0x4000_0006), &[0x4000_0006]).interfaces);
        let expected = [
            (0, "errno 1"),
            (4, "allow"),
            (5, "errno 38"),
            (0x4000_0000, "errno 1"),
            (0x4000_0006, "allow"),
            (0x4000_0007, "errno 38"),
        ];
        assert_eq!(shown(&both, Arch::X86_64), runs(&expected));
    }
}
