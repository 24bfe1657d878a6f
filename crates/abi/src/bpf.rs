//! Classic BPF, the language of seccomp filters, and the values that a filter returns.
//!
//! The compiler in `profile` writes these instructions, its interpreter reads them, and `kernel` hands
//! them over unchanged: [`Insn`] has the layout of `struct sock_filter` (linux/filter.h).

use std::fmt;

/// One instruction, `struct sock_filter`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct Insn {
    /// Operation: class, size or operator, and mode or source, or-ed together.
    pub code: u16,
    /// Instructions to skip when a conditional jump holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Instructions that a filter may have (`BPF_MAXINSNS`, linux/bpf_common.h).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// Class: load into the accumulator.
pub const LD: u16 = 0x00;
/// Class: load into the index register.
pub const LDX: u16 = 0x01;
/// Class: store the accumulator.
pub const ST: u16 = 0x02;
/// Class: store the index register.
pub const STX: u16 = 0x03;
/// Class: arithmetic on the accumulator.
pub const ALU: u16 = 0x04;
/// Class: jump, forward only.
pub const JMP: u16 = 0x05;
/// Class: return.
pub const RET: u16 = 0x06;
/// Class: copy between accumulator and index register.
pub const MISC: u16 = 0x07;

/// Size: 32 bits, the only one that seccomp admits.
pub const W: u16 = 0x00;
/// Mode: the operand is the value.
pub const IMM: u16 = 0x00;
/// Mode: `struct seccomp_data` at the operand's offset.
pub const ABS: u16 = 0x20;
/// Mode: scratch memory at the operand's index, 0 to 15.
pub const MEM: u16 = 0x60;
/// Mode: length of `struct seccomp_data`.
pub const LEN: u16 = 0x80;

/// Operator: add.
pub const ADD: u16 = 0x00;
/// Operator: subtract.
pub const SUB: u16 = 0x10;
/// Operator: multiply.
pub const MUL: u16 = 0x20;
/// Operator: divide.
pub const DIV: u16 = 0x30;
/// Operator: or.
pub const OR: u16 = 0x40;
/// Operator: and.
pub const AND: u16 = 0x50;
/// Operator: shift left.
pub const LSH: u16 = 0x60;
/// Operator: shift right.
pub const RSH: u16 = 0x70;
/// Operator: negate.
pub const NEG: u16 = 0x80;
/// Operator: exclusive or.
pub const XOR: u16 = 0xa0;

/// Jump: always, by `k`.
pub const JA: u16 = 0x00;
/// Jump: if equal.
pub const JEQ: u16 = 0x10;
/// Jump: if greater, unsigned.
pub const JGT: u16 = 0x20;
/// Jump: if greater or equal, unsigned.
pub const JGE: u16 = 0x30;
/// Jump: if any bit of the operand is set.
pub const JSET: u16 = 0x40;

/// Source: the operand `k`.
pub const K: u16 = 0x00;
/// Source: the index register.
pub const X: u16 = 0x08;
/// Return source: the accumulator.
pub const A: u16 = 0x10;
/// Copy: accumulator to index register.
pub const TAX: u16 = 0x00;
/// Copy: index register to accumulator.
pub const TXA: u16 = 0x80;

/// Offset of the call's number in `struct seccomp_data` (linux/seccomp.h).
pub const DATA_NR: u32 = 0;
/// Offset of the `AUDIT_ARCH_*` value.
pub const DATA_ARCH: u32 = 4;
/// Offset of the instruction pointer, 64 bits.
pub const DATA_INSTRUCTION_POINTER: u32 = 8;
/// Offset of the first of six arguments, 64 bits each in the machine's byte order.
pub const DATA_ARGS: u32 = 16;
/// Size of `struct seccomp_data`.
pub const DATA_SIZE: u32 = 64;

/// Kill the process, with SIGSYS (Linux 4.14).
pub const SECCOMP_RET_KILL_PROCESS: u32 = 0x8000_0000;
/// Kill the thread, with SIGSYS.
pub const SECCOMP_RET_KILL_THREAD: u32 = 0x0000_0000;
/// Send SIGSYS.
pub const SECCOMP_RET_TRAP: u32 = 0x0003_0000;
/// Fail with the errno in the low half, at most 4095.
pub const SECCOMP_RET_ERRNO: u32 = 0x0005_0000;
/// Ask the listener (Linux 5.0); ENOSYS if there is none.
pub const SECCOMP_RET_USER_NOTIF: u32 = 0x7fc0_0000;
/// Ask the tracer, which gets the low half; ENOSYS if there is none.
pub const SECCOMP_RET_TRACE: u32 = 0x7ff0_0000;
/// Allow and log (Linux 4.14).
pub const SECCOMP_RET_LOG: u32 = 0x7ffc_0000;
/// Allow.
pub const SECCOMP_RET_ALLOW: u32 = 0x7fff_0000;
/// The half of the returned value that is the action. Of several filters' actions the lowest wins,
/// compared as a signed number.
pub const SECCOMP_RET_ACTION_FULL: u32 = 0xffff_0000;
/// The half of the returned value that is the action's data.
pub const SECCOMP_RET_DATA: u32 = 0x0000_ffff;

/// seccomp(2) operation: load a filter.
pub const SECCOMP_SET_MODE_FILTER: u32 = 1;
/// seccomp(2) operation: ask whether an action is known (Linux 4.14).
pub const SECCOMP_GET_ACTION_AVAIL: u32 = 2;

/// All threads of the process get the filter.
pub const SECCOMP_FILTER_FLAG_TSYNC: u32 = 1 << 0;
/// Log every action but allow (Linux 4.14).
pub const SECCOMP_FILTER_FLAG_LOG: u32 = 1 << 1;
/// Do not switch speculative store bypass off (Linux 4.17).
pub const SECCOMP_FILTER_FLAG_SPEC_ALLOW: u32 = 1 << 2;
/// Return a listener (Linux 5.0).
pub const SECCOMP_FILTER_FLAG_NEW_LISTENER: u32 = 1 << 3;
/// A thread that cannot get the filter is ESRCH (Linux 5.7); wanted with TSYNC and NEW_LISTENER together.
pub const SECCOMP_FILTER_FLAG_TSYNC_ESRCH: u32 = 1 << 4;
/// Once the listener has a notification, only fatal signals interrupt the call (Linux 5.19).
pub const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// Names of the filter flags, as config.json's `linux.seccomp.flags` has them.
pub const SECCOMP_FILTER_FLAG_NAMES: &[(&str, u64)] = &[
    (
        "SECCOMP_FILTER_FLAG_TSYNC",
        SECCOMP_FILTER_FLAG_TSYNC as u64,
    ),
    ("SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG as u64),
    (
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        SECCOMP_FILTER_FLAG_SPEC_ALLOW as u64,
    ),
    (
        "SECCOMP_FILTER_FLAG_NEW_LISTENER",
        SECCOMP_FILTER_FLAG_NEW_LISTENER as u64,
    ),
    (
        "SECCOMP_FILTER_FLAG_TSYNC_ESRCH",
        SECCOMP_FILTER_FLAG_TSYNC_ESRCH as u64,
    ),
    (
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV as u64,
    ),
];

impl Insn {
    /// The instruction as one number, its fields one behind the other: the form in which a filter is kept.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.code as u64) << 48 | (self.jt as u64) << 40 | (self.jf as u64) << 32 | self.k as u64
    }

    /// The instruction of such a number.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            code: (bits >> 48) as u16,
            jt: (bits >> 40) as u8,
            jf: (bits >> 32) as u8,
            k: bits as u32,
        }
    }

    /// A statement that does not jump.
    #[must_use]
    pub const fn stmt(code: u16, k: u32) -> Self {
        Self {
            code,
            jt: 0,
            jf: 0,
            k,
        }
    }

    /// A conditional jump.
    #[must_use]
    pub const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Self {
        Self { code, jt, jf, k }
    }

    /// Loads 32 bits of `struct seccomp_data`.
    #[must_use]
    pub const fn load(offset: u32) -> Self {
        Self::stmt(LD | W | ABS, offset)
    }

    /// Returns a value.
    #[must_use]
    pub const fn ret(value: u32) -> Self {
        Self::stmt(RET | K, value)
    }
}

/// The notation of the kernel's `bpf_asm` (Documentation/networking/filter.rst), with jumps relative to
/// the next instruction.
impl fmt::Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, jt, jf, k } = *self;
        let source_is_x = code & X != 0;
        match code & 0x07 {
            LD | LDX => {
                let register = if code & 0x07 == LD { "ld" } else { "ldx" };
                match code & 0xe0 {
                    IMM => write!(f, "{register} #{k:#x}"),
                    ABS => write!(f, "{register} [{k}]"),
                    MEM => write!(f, "{register} M[{k}]"),
                    LEN => write!(f, "{register} #len"),
                    _ => unknown(self, f),
                }
            }
            ST => write!(f, "st M[{k}]"),
            STX => write!(f, "stx M[{k}]"),
            ALU => match operator(code & 0xf0) {
                Some("neg") => f.write_str("neg"),
                Some(name) if source_is_x => write!(f, "{name} x"),
                Some(name) => write!(f, "{name} #{k:#x}"),
                None => unknown(self, f),
            },
            JMP if code & 0xf0 == JA => write!(f, "ja +{k}"),
            JMP => {
                let name = match code & 0xf0 {
                    JEQ => "jeq",
                    JGT => "jgt",
                    JGE => "jge",
                    JSET => "jset",
                    _ => return unknown(self, f),
                };
                if source_is_x {
                    write!(f, "{name} x")?
                } else {
                    write!(f, "{name} #{k:#x}")?
                }
                write!(f, ", +{jt}, +{jf}")
            }
            RET if code & 0x18 == A => f.write_str("ret a"),
            RET if source_is_x => f.write_str("ret x"),
            RET => write!(f, "ret #{k:#010x}"),
            _ if code & 0xf8 == TXA => f.write_str("txa"),
            _ => f.write_str("tax"),
        }
    }
}

fn operator(bits: u16) -> Option<&'static str> {
    Some(match bits {
        ADD => "add",
        SUB => "sub",
        MUL => "mul",
        DIV => "div",
        OR => "or",
        AND => "and",
        LSH => "lsh",
        RSH => "rsh",
        NEG => "neg",
        XOR => "xor",
        _ => return None,
    })
}

fn unknown(insn: &Insn, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "{{ {:#06x}, {}, {}, {:#010x} }}",
        insn.code, insn.jt, insn.jf, insn.k
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_the_same_after_it_was_a_number() {
        for insn in [
            Insn::jump(JMP | JSET | K, 0x8765_4321, 255, 1),
            Insn::ret(0),
            Insn::load(u32::MAX),
        ] {
            assert_eq!(Insn::from_bits(insn.to_bits()), insn);
        }
        assert_eq!(Insn::jump(0x1234, 5, 6, 7).to_bits(), 0x1234_0607_0000_0005);
    }

    #[test]
    fn layout_is_that_of_sock_filter() {
        assert_eq!((size_of::<Insn>(), align_of::<Insn>()), (8, 4));
        let offsets = (
            std::mem::offset_of!(Insn, jt),
            std::mem::offset_of!(Insn, jf),
            std::mem::offset_of!(Insn, k),
        );
        assert_eq!(offsets, (2, 3, 4));
    }

    #[test]
    fn a_filter_is_readable() {
        let program = [
            Insn::load(DATA_ARCH),
            Insn::jump(JMP | JEQ | K, 0xc000_003e, 1, 0),
            Insn::ret(SECCOMP_RET_KILL_PROCESS),
            Insn::stmt(ALU | AND | K, 0xff),
            Insn::stmt(ALU | XOR | X, 0),
            Insn::stmt(MISC | TAX, 0),
            Insn::stmt(LD | MEM, 3),
            Insn::stmt(JMP | JA, 7),
            Insn::stmt(RET | A, 0),
            Insn::stmt(JMP | 0xf0, 1),
        ];
        let text: Vec<String> = program.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "ld [4]",
                "jeq #0xc000003e, +1, +0",
                "ret #0x80000000",
                "and #0xff",
                "xor x",
                "tax",
                "ld M[3]",
                "ja +7",
                "ret a",
                "{ 0x00f5, 0, 0, 0x00000001 }",
            ]
        );
    }
}
