//! Instructions from the last to the first.
//!
//! A filter only jumps forward, so written backwards every target is already in place when a jump is
//! written; a target that is out of a jump's reach gets a nearer copy or a longer jump in between.

use lockstep_abi::bpf::{self, Insn};

use super::Verdict;

/// An instruction already written, counted from the end of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Where a jump goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Return(Verdict),
    At(Label),
}

/// A program under construction.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// Last instruction first.
    backwards: Vec<Insn>,
    returns: Vec<(Verdict, Label)>,
    /// Long jumps, by where they lead.
    bridges: Vec<(Label, Label)>,
}

/// How far a conditional jump reaches.
const REACH: usize = u8::MAX as usize;

impl Assembler {
    /// The program, first instruction first.
    pub(super) fn finish(mut self) -> Vec<Insn> {
        self.backwards.reverse();
        self.backwards
    }

    /// Writes a conditional jump in front of everything.
    pub(super) fn branch(&mut self, operator: u16, operand: u32, yes: Goal, no: Goal) -> Label {
        let (yes, no) = (self.near(yes), self.near(no));
        let (jt, jf) = (self.distance(yes), self.distance(no));
        // `near` leaves room for the one instruction that the other goal may have needed.
        debug_assert!(jt <= REACH && jf <= REACH);
        self.push(Insn::jump(
            bpf::JMP | operator | bpf::K,
            operand,
            jt as u8,
            jf as u8,
        ))
    }

    /// Writes a load of a word of `struct seccomp_data`; what was written last follows it.
    pub(super) fn load(&mut self, offset: u32) -> Label {
        self.push(Insn::load(offset))
    }

    /// Writes a mask of the accumulator; what was written last follows it.
    pub(super) fn mask(&mut self, mask: u32) -> Label {
        self.push(Insn::stmt(bpf::ALU | bpf::AND | bpf::K, mask))
    }

    /// Makes `goal` what follows when the next instruction is written.
    pub(super) fn fall_into(&mut self, goal: Goal) {
        match goal {
            Goal::At(label) if self.distance(label) == 0 => {}
            Goal::At(label) => {
                self.jump(label);
            }
            Goal::Return(verdict) => {
                self.push(Insn::ret(verdict.to_return()));
            }
        }
    }

    fn push(&mut self, insn: Insn) -> Label {
        self.backwards.push(insn);
        Label(self.backwards.len() - 1)
    }

    /// Instructions that a jump written now would skip.
    fn distance(&self, label: Label) -> usize {
        self.backwards.len() - 1 - label.0
    }

    /// Whether a jump reaches `label` even after one more instruction.
    fn is_near(&self, label: Label) -> bool {
        self.distance(label) < REACH
    }

    fn jump(&mut self, label: Label) -> Label {
        let skip = self.distance(label);
        let bridge = self.push(Insn::stmt(bpf::JMP | bpf::JA, skip as u32));
        self.bridges.push((label, bridge));
        bridge
    }

    fn near(&mut self, goal: Goal) -> Label {
        match goal {
            Goal::At(label) if self.is_near(label) => label,
            Goal::At(label) => {
                let bridge = self.bridges.iter().rev().find(|(to, _)| *to == label);
                match bridge {
                    Some((_, bridge)) if self.is_near(*bridge) => *bridge,
                    _ => self.jump(label),
                }
            }
            Goal::Return(verdict) => {
                let known = self.returns.iter().rev().find(|(of, _)| *of == verdict);
                match known {
                    Some((_, label)) if self.is_near(*label) => *label,
                    _ => {
                        let label = self.push(Insn::ret(verdict.to_return()));
                        self.returns.push((verdict, label));
                        label
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_goals_get_a_bridge_that_later_jumps_share() {
        let mut assembler = Assembler::default();
        let end = Goal::At(assembler.branch(
            bpf::JEQ,
            0,
            Goal::Return(Verdict::TRAP),
            Goal::Return(Verdict::LOG),
        ));
        let mut label = end;
        for number in 0..600 {
            label = Goal::At(assembler.branch(bpf::JEQ, number, end, label));
        }
        let program = assembler.finish();
        let bridges = program
            .iter()
            .filter(|insn| insn.code == bpf::JMP | bpf::JA)
            .count();
        assert_eq!(bridges, 2);
        for (at, insn) in program.iter().enumerate() {
            if insn.code & 0x07 == bpf::JMP {
                let skip = (insn.jt.max(insn.jf) as usize)
                    .max(insn.k as usize * usize::from(insn.code == bpf::JMP));
                assert!(at + 1 + skip < program.len(), "{at}: {insn}");
            }
        }
    }
}
