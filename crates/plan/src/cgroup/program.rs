//! The device filter of cgroup v2: a rule list as a BPF program.
//!
//! The program walks the rules forward and keeps, in one register, the letters that are allowed so
//! far: the order of the specification, to the letter, in three to five instructions a rule.

use super::device::{Access, DeviceRule, Kind};

// Opcodes of linux/bpf_common.h and linux/bpf.h, combined.
const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const MOVE: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const MOVE_REGISTER: u8 = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
const AND: u8 = 0x57; // BPF_ALU64 | BPF_AND | BPF_K
const AND_REGISTER: u8 = 0x5f; // BPF_ALU64 | BPF_AND | BPF_X
const OR: u8 = 0x47; // BPF_ALU64 | BPF_OR | BPF_K
const XOR: u8 = 0xa7; // BPF_ALU64 | BPF_XOR | BPF_K
const SHIFT_RIGHT: u8 = 0x77; // BPF_ALU64 | BPF_RSH | BPF_K
const JUMP_UNLESS: u8 = 0x56; // BPF_JMP32 | BPF_JNE | BPF_K
const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT

/// Types of `struct bpf_cgroup_dev_ctx` (linux/bpf.h).
const BLOCK: u32 = 1;
const CHAR: u32 = 2;

// Registers: what they hold.
const ALLOWED: u8 = 0;
const CONTEXT: u8 = 1;
const SORT: u8 = 2;
const ASKED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// The program; its answer is 1 if all letters that are asked for are allowed, else 0 (`EPERM`).
pub(super) fn device_filter(rules: &[DeviceRule]) -> Vec<u64> {
    // A rule for everything makes those before it irrelevant.
    let last_total = rules.iter().rposition(DeviceRule::is_total);
    let start = last_total.is_some_and(|at| rules[at].allow);
    let rules = &rules[last_total.map_or(0, |at| at + 1)..];

    // struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }, access_type being
    // access << 16 | type.
    let mut program = vec![
        instruction(LOAD_WORD, SORT, CONTEXT, 0, 0),
        instruction(MOVE_REGISTER, ASKED, SORT, 0, 0),
        instruction(AND, SORT, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ASKED, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
        instruction(
            MOVE,
            ALLOWED,
            0,
            0,
            u32::from(if start { Access::ALL.0 } else { 0 }),
        ),
    ];
    for rule in rules {
        program.extend(one(rule));
    }
    // Refused are the letters that are asked for and not allowed.
    program.extend([
        instruction(XOR, ALLOWED, 0, 0, u32::from(Access::ALL.0)),
        instruction(AND_REGISTER, ALLOWED, ASKED, 0, 0),
        instruction(JUMP_UNLESS, ALLOWED, 0, 2, 0),
        instruction(MOVE, ALLOWED, 0, 0, 1),
        instruction(EXIT, 0, 0, 0, 0),
        instruction(MOVE, ALLOWED, 0, 0, 0),
        instruction(EXIT, 0, 0, 0, 0),
    ]);
    program
}

fn one(rule: &DeviceRule) -> Vec<u64> {
    let sort = match rule.kind {
        Kind::All => None,
        Kind::Char => Some(CHAR),
        Kind::Block => Some(BLOCK),
    };
    let conditions: Vec<(u8, u32)> = [(SORT, sort), (MAJOR, rule.major), (MINOR, rule.minor)]
        .into_iter()
        .filter_map(|(register, value)| Some((register, value?)))
        .collect();
    let mut code = Vec::with_capacity(conditions.len() + 1);
    for (at, &(register, value)) in conditions.iter().enumerate() {
        // Past the conditions that follow and the effect.
        let skip = conditions.len() - at;
        code.push(instruction(JUMP_UNLESS, register, 0, skip as u16, value));
    }
    let letters = u32::from(rule.access.0);
    code.push(if rule.allow {
        instruction(OR, ALLOWED, 0, 0, letters)
    } else {
        instruction(AND, ALLOWED, 0, 0, !letters)
    });
    code
}

/// `struct bpf_insn`: code, destination and source register, offset, immediate.
fn instruction(code: u8, to: u8, from: u8, offset: u16, value: u32) -> u64 {
    u64::from(code)
        | u64::from(to) << 8
        | u64::from(from) << 12
        | u64::from(offset) << 16
        | u64::from(value) << 32
}
