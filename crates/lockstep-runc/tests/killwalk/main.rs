//! Disturbs the runtime at every system call, and asserts that nothing of a container is left.
//!
//! A process of the runtime is killed at a call, or the call fails; both for every process that a verb makes and
//! every call of it, for every verb, in every setting that this machine can make. It walks the release binary as
//! it is shipped, without a hook in it.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod agents;
mod exempt;
mod fail;
mod kill;
mod left;
mod setting;
mod stepper;
mod verb;
mod walk;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Points are sampled inside the walks: each of the walks runs.
    harness::run_all(vec![
        ("kill", walk::cases(&kill::KIND)),
        ("fail", walk::cases(&fail::KIND)),
    ])
}
