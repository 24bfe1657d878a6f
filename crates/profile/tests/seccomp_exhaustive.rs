//! Every number of every interface, with the arguments that its rules name: the program and the rules agree.
//!
//! The two ways to the answer share no code, and both are pure, so this needs no kernel.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files, runs peers and says what it compared"
)]

mod corpus;

use lockstep_abi::arch::Arch;
use lockstep_oci::runtime::SeccompArch;
use lockstep_profile::seccomp::interpret::{Call, trace};
use lockstep_profile::seccomp::{Counts, compile, compile_with_counts};

#[test]
fn programs_say_what_the_rules_say() {
    let mut total = 0;
    for (name, profile) in corpus::profiles("programs_say_what_the_rules_say") {
        let (program, asked) = corpus::check(&name, &profile, 2000).unwrap();
        println!(
            "{name}: {} instructions, {asked} answers",
            program.insns.len()
        );
        total += asked;
    }
    assert!(total > 150_000, "only {total} answers were compared");
}

#[test]
fn programs_for_other_machines_say_what_the_rules_say() {
    let machines: [(Arch, &[SeccompArch]); 4] = [
        (Arch::S390x, &[SeccompArch::S390x, SeccompArch::S390]),
        (Arch::Aarch64, &[SeccompArch::Aarch64, SeccompArch::Arm]),
        (Arch::Mips64, &[]),
        (
            Arch::Riscv64,
            &[SeccompArch::Riscv64, SeccompArch::X86_64, SeccompArch::X32],
        ),
    ];
    for (native, architectures) in machines {
        for (name, mut profile) in corpus::nasty() {
            profile.architectures = architectures.to_vec();
            let name = format!("{name} on {native}");
            corpus::check_on(native, &name, &profile, 200).unwrap();
        }
    }
}

#[test]
fn counts_change_the_way_and_not_the_answer() {
    let mut shorter = 0;
    for (name, profile) in corpus::profiles("counts_change_the_way_and_not_the_answer") {
        let hot = [
            (Arch::X86_64, 1),
            (Arch::X86_64, 202),
            (Arch::X86, 4),
            (Arch::X32, 0x4000_0001),
        ];
        let counts: Counts = hot
            .into_iter()
            .zip([u64::MAX, 1 << 30, 1 << 20, 1 << 40])
            .collect();
        let plain = compile(&profile, Arch::X86_64).unwrap();
        let counted = compile_with_counts(&profile, Arch::X86_64, &counts).unwrap();
        for call in corpus::calls(&profile, 20) {
            let (a, b) = (
                trace(&plain.insns, &call).unwrap(),
                trace(&counted.insns, &call).unwrap(),
            );
            assert_eq!(a.verdict, b.verdict, "{name}: {call:x?}");
        }
        let write = Call {
            number: 1,
            audit_arch: Arch::X86_64.audit_arch(),
            instruction_pointer: 0,
            arguments: [0; 6],
        };
        let (a, b) = (
            trace(&plain.insns, &write).unwrap(),
            trace(&counted.insns, &write).unwrap(),
        );
        assert!(
            b.steps <= a.steps,
            "{name}: {} steps with counts, {} without",
            b.steps,
            a.steps
        );
        shorter += u32::from(b.steps < a.steps);
    }
    // Where the way is the shortest already, counts change nothing; they must somewhere.
    assert!(shorter > 0, "no program is shorter with counts");
}

#[test]
fn every_jump_stays_inside_and_the_last_instruction_returns() {
    use lockstep_abi::bpf;
    for (name, profile) in
        corpus::profiles("every_jump_stays_inside_and_the_last_instruction_returns")
    {
        let program = compile(&profile, Arch::X86_64).unwrap().insns;
        for (at, insn) in program.iter().enumerate() {
            let furthest = match insn.code & 0x07 {
                bpf::JMP if insn.code == bpf::JMP | bpf::JA => insn.k as usize,
                bpf::JMP => usize::from(insn.jt.max(insn.jf)),
                bpf::RET => continue,
                _ => 0,
            };
            assert!(at + 1 + furthest < program.len(), "{name}: {at}: {insn}");
        }
    }
}
