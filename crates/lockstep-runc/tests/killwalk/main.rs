//! Disturbs the runtime at every system call, and asserts that nothing of a container is left.
//!
//! A process of the runtime is killed at its nth call, or the call fails; both for every process that a
//! verb makes and every n. It walks the release binary as it is shipped, without a hook in it.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod exempt;
mod fail;
mod kill;
mod stepper;
mod verb;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Points are sampled inside the walks: each of the walks runs.
    harness::run_all(vec![("kill", kill::cases()), ("fail", fail::cases())])
}
