//! Runs a filter program as the kernel would, over the facts of one call.
//!
//! It makes every claim about a program checkable without loading it: that it means what its rules
//! say, and what another runtime's program would have answered.

use std::fmt;

use lockstep_abi::bpf::{self, Insn};

use super::Verdict;

/// What a filter sees of a call (`struct seccomp_data`, linux/seccomp.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    /// Number, with x32's bit.
    pub number: u32,
    /// `AUDIT_ARCH_*` of the interface.
    pub audit_arch: u32,
    /// Address of the instruction after the call.
    pub instruction_pointer: u64,
    /// Arguments, zero-extended.
    pub arguments: [u64; 6],
}

/// Why a program has no answer; the kernel would not have loaded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An instruction that seccomp does not admit.
    Instruction {
        /// Its position.
        at: usize,
        /// The instruction.
        insn: Insn,
    },
    /// A jump or the end of the program leads outside.
    Outside {
        /// Position that was reached.
        at: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instruction { at, insn } => write!(f, "instruction {at} is not admitted: {insn}"),
            Self::Outside { at } => write!(f, "position {at} is outside the program"),
        }
    }
}

impl std::error::Error for Fault {}

/// The verdict of `program` about `call`.
///
/// # Errors
/// A [`Fault`] if the program is not one that seccomp(2) accepts and the call's path shows it.
pub fn interpret(program: &[Insn], call: &Call) -> Result<Verdict, Fault> {
    trace(program, call).map(|run| run.verdict)
}

/// An answer and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The answer.
    pub verdict: Verdict,
    /// Instructions on the way, the return included.
    pub steps: usize,
}

/// As [`interpret`], with the length of the path.
///
/// # Errors
/// As [`interpret`].
pub fn trace(program: &[Insn], call: &Call) -> Result<Run, Fault> {
    let mut machine = Machine {
        accumulator: 0,
        index: 0,
        memory: [0; 16],
    };
    let mut at = 0;
    let mut steps = 0;
    loop {
        let insn = *program.get(at).ok_or(Fault::Outside { at })?;
        steps += 1;
        match machine
            .step(insn, call)
            .ok_or(Fault::Instruction { at, insn })?
        {
            Flow::Skip(count) => at += 1 + count,
            Flow::Return(value) => {
                return Ok(Run {
                    verdict: Verdict::from_return(value),
                    steps,
                });
            }
        }
    }
}

struct Machine {
    accumulator: u32,
    index: u32,
    memory: [u32; 16],
}

enum Flow {
    Skip(usize),
    Return(u32),
}

impl Machine {
    fn step(&mut self, insn: Insn, call: &Call) -> Option<Flow> {
        let operand = if insn.code & bpf::X == 0 {
            insn.k
        } else {
            self.index
        };
        match insn.code & 0x07 {
            bpf::LD => self.accumulator = self.load(insn, call)?,
            bpf::LDX => self.index = self.load_index(insn)?,
            bpf::ST if insn.code == bpf::ST => {
                *self.memory.get_mut(insn.k as usize)? = self.accumulator
            }
            bpf::STX if insn.code == bpf::STX => {
                *self.memory.get_mut(insn.k as usize)? = self.index
            }
            bpf::ALU => self.accumulator = self.compute(insn.code & 0xf0, operand)?,
            bpf::JMP => return self.jump(insn, operand),
            bpf::RET if insn.code == bpf::RET | bpf::K => return Some(Flow::Return(insn.k)),
            bpf::RET if insn.code == bpf::RET | bpf::A => {
                return Some(Flow::Return(self.accumulator));
            }
            bpf::MISC if insn.code == bpf::MISC | bpf::TAX => self.index = self.accumulator,
            bpf::MISC if insn.code == bpf::MISC | bpf::TXA => self.accumulator = self.index,
            _ => return None,
        }
        Some(Flow::Skip(0))
    }

    fn load(&self, insn: Insn, call: &Call) -> Option<u32> {
        match insn.code & !bpf::LD {
            bpf::ABS => word(call, insn.k),
            bpf::IMM => Some(insn.k),
            bpf::LEN => Some(bpf::DATA_SIZE),
            bpf::MEM => self.memory.get(insn.k as usize).copied(),
            _ => None,
        }
    }

    fn load_index(&self, insn: Insn) -> Option<u32> {
        match insn.code & !bpf::LDX {
            bpf::IMM => Some(insn.k),
            bpf::LEN => Some(bpf::DATA_SIZE),
            bpf::MEM => self.memory.get(insn.k as usize).copied(),
            _ => None,
        }
    }

    fn compute(&self, operator: u16, operand: u32) -> Option<u32> {
        let value = self.accumulator;
        match operator {
            bpf::ADD => Some(value.wrapping_add(operand)),
            bpf::SUB => Some(value.wrapping_sub(operand)),
            bpf::MUL => Some(value.wrapping_mul(operand)),
            // A constant zero is refused at load time; one in the register ends the program with 0.
            bpf::DIV => Some(value.checked_div(operand).unwrap_or_default()),
            bpf::OR => Some(value | operand),
            bpf::AND => Some(value & operand),
            bpf::XOR => Some(value ^ operand),
            bpf::LSH => Some(value.wrapping_shl(operand)),
            bpf::RSH => Some(value.wrapping_shr(operand)),
            bpf::NEG => Some(value.wrapping_neg()),
            _ => None,
        }
    }

    fn jump(&self, insn: Insn, operand: u32) -> Option<Flow> {
        let holds = match insn.code & 0xf0 {
            bpf::JA if insn.code == bpf::JMP | bpf::JA => return Some(Flow::Skip(insn.k as usize)),
            bpf::JEQ => self.accumulator == operand,
            bpf::JGT => self.accumulator > operand,
            bpf::JGE => self.accumulator >= operand,
            bpf::JSET => self.accumulator & operand != 0,
            _ => return None,
        };
        Some(Flow::Skip(usize::from(if holds {
            insn.jt
        } else {
            insn.jf
        })))
    }
}

/// The 32 bits at `offset`, in the byte order of the call's interface.
fn word(call: &Call, offset: u32) -> Option<u32> {
    const LITTLE_ENDIAN: u32 = 0x4000_0000;
    let half = |value: u64, second: bool| {
        let high = second == (call.audit_arch & LITTLE_ENDIAN != 0);
        if high {
            (value >> 32) as u32
        } else {
            value as u32
        }
    };
    let second = offset & 4 != 0;
    match offset {
        bpf::DATA_NR => Some(call.number),
        bpf::DATA_ARCH => Some(call.audit_arch),
        8 | 12 => Some(half(call.instruction_pointer, second)),
        16..bpf::DATA_SIZE if offset.is_multiple_of(4) => {
            Some(half(call.arguments[(offset as usize - 16) / 8], second))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call = Call {
        number: 41,
        audit_arch: 0xc000_003e,
        instruction_pointer: 0x1111_2222_3333_4444,
        arguments: [0xaaaa_bbbb_cccc_dddd, 1, 2, 3, 4, 5],
    };

    fn loaded(offset: u32, call: &Call) -> u32 {
        let program = [Insn::load(offset), Insn::stmt(bpf::RET | bpf::A, 0)];
        interpret(&program, call)
            .map(Verdict::to_return)
            .unwrap_or(0xbad)
    }

    #[test]
    fn words_are_read_in_the_interfaces_byte_order() {
        assert_eq!(
            [0, 4, 8, 12].map(|o| loaded(o, &CALL)),
            [41, 0xc000_003e, 0x3333_4444, 0x1111_2222]
        );
        assert_eq!(
            [16, 20, 56, 60].map(|o| loaded(o, &CALL)),
            [0xcccc_dddd, 0xaaaa_bbbb, 5, 0]
        );
        let big = Call {
            audit_arch: 0x8000_0016,
            ..CALL
        };
        assert_eq!(
            [16, 20, 56, 60].map(|o| loaded(o, &big)),
            [0xaaaa_bbbb, 0xcccc_dddd, 0, 5]
        );
        assert_eq!([2, 17, 64].map(|o| loaded(o, &CALL)), [0xbad; 3]);
    }

    #[test]
    fn programs_that_the_kernel_would_refuse_have_no_answer() {
        assert_eq!(interpret(&[], &CALL), Err(Fault::Outside { at: 0 }));
        let beyond = [
            Insn::jump(bpf::JMP | bpf::JEQ | bpf::K, 0, 3, 0),
            Insn::ret(0),
        ];
        assert_eq!(interpret(&beyond, &CALL), Err(Fault::Outside { at: 4 }));
        let half = Insn::stmt(bpf::LD | bpf::ABS | 0x08, 0);
        assert_eq!(
            interpret(&[half], &CALL),
            Err(Fault::Instruction { at: 0, insn: half })
        );
    }

    #[test]
    fn arithmetic_and_scratch_memory_work_as_in_the_kernel() {
        let program = [
            Insn::load(bpf::DATA_NR),
            Insn::stmt(bpf::ALU | bpf::LSH | bpf::K, 4),
            Insn::stmt(bpf::ST, 3),
            Insn::stmt(bpf::MISC | bpf::TAX, 0),
            Insn::stmt(bpf::LD | bpf::IMM, 7),
            Insn::stmt(bpf::ALU | bpf::ADD | bpf::X, 0),
            Insn::stmt(bpf::ALU | bpf::XOR | bpf::K, 1),
            Insn::stmt(bpf::LDX | bpf::MEM, 3),
            Insn::stmt(bpf::ALU | bpf::SUB | bpf::X, 0),
            Insn::stmt(bpf::RET | bpf::A, 0),
        ];
        assert_eq!(
            interpret(&program, &CALL),
            Ok(Verdict::from_return((((41 << 4) + 7) ^ 1) - (41 << 4)))
        );
    }
}
