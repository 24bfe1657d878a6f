//! What a filter costs: time to compile it, its length, and the instructions that a call runs through.
//!
//! Lengths are facts and are asserted always; time is only measured on request and in release mode:
//! `cargo test --release -p lockstep-profile --test seccomp_speed -- --ignored --nocapture`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files, runs peers and says what it compared"
)]

mod corpus;

use std::time::{Duration, Instant};

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall;
use lockstep_profile::seccomp::interpret::{Call, trace};
use lockstep_profile::seccomp::{Program, compile};

#[test]
#[ignore = "timing, for people"]
fn compiling_the_docker_like_profile_takes() {
    let Some(profile) = corpus::docker_like() else {
        return corpus::skip(
            "compiling_the_docker_like_profile_takes",
            "podman's profile is missing",
        );
    };
    let mut times: Vec<Duration> = (0..500)
        .map(|_| {
            let started = Instant::now();
            let program = std::hint::black_box(compile(&profile, Arch::X86_64)).unwrap();
            let time = started.elapsed();
            drop(program);
            time
        })
        .collect();
    times.sort();
    println!(
        "compile: first quartile {:?}, median {:?}, of 500",
        times[125], times[250]
    );
}

#[test]
fn programs_are_short_and_so_are_their_paths() {
    let Some(profile) = corpus::docker_like() else {
        return corpus::skip(
            "programs_are_short_and_so_are_their_paths",
            "podman's profile is missing",
        );
    };
    let program = compile(&profile, Arch::X86_64).unwrap();
    let length = program.insns.len();
    let (mean, longest) = paths(&program);
    println!(
        "{length} instructions for 3 interfaces; native calls run {mean:.1} of them, at most {longest}"
    );
    // libseccomp 2.5.4 makes 1012 of the same rules.
    assert!(length < 300, "{length}");
    assert!(mean < 12.0 && longest < 30, "{mean} {longest}");
}

/// Instructions per native call: mean and maximum over all calls.
fn paths(program: &Program) -> (f64, usize) {
    let lengths: Vec<usize> = syscall::table(Arch::X86_64)
        .iter()
        .map(|(_, number)| {
            let audit_arch = Arch::X86_64.audit_arch();
            let call = Call {
                number,
                audit_arch,
                instruction_pointer: 0,
                arguments: [1; 6],
            };
            trace(&program.insns, &call).unwrap().steps
        })
        .collect();
    let sum: usize = lengths.iter().sum();
    (
        sum as f64 / lengths.len() as f64,
        lengths.into_iter().max().unwrap_or_default(),
    )
}
