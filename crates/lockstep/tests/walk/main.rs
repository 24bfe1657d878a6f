//! Kill walks of `lockstep`: each process of a command, front, supervisor, keeper and a copy's sides, is killed at each
//! of its system calls, or the call fails; whatever is left, the next command repairs, and the command works again.
//!
//! The stepper is that of `lockstep-runc`. With `LOCKSTEP_TEST_PROGRAM` it is the release binary that is walked.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

mod check;
mod image;
#[path = "../stage/mod.rs"]
mod stage;
#[path = "../../../lockstep-runc/tests/killwalk/stepper.rs"]
mod stepper;
#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;
mod verb;
mod walk;

use std::process::ExitCode;

use stepper::Disturbance;
use suite::Sample;
use verb::VERBS;
use walk::{Caller, Walk};

/// A broken disk, or whatever else nobody reckons with.
const EIO: i32 = 5;

fn main() -> ExitCode {
    let kinds = [
        ("kill", Disturbance::Kill),
        ("fail", Disturbance::Fail(EIO)),
    ];
    let mut ways = Vec::new();
    for caller in [Caller::Root, Caller::User] {
        for (kind, what) in kinds {
            ways.push((kind, what, caller));
        }
    }
    let mut trials = Vec::new();
    for verb in VERBS {
        // In a sample each verb in one way, and a share of the points.
        for (number, (kind, what, caller)) in ways.iter().copied().enumerate() {
            if Sample::takes_alternative(verb.name, number, ways.len()) {
                let name = format!("{kind}::{}::{}", caller.name(), verb.name);
                let walked = name.clone();
                let body = move |t: &_| Walk::new(t, caller, verb, what).run(&walked);
                trials.push(stage::trial(name, body));
            }
        }
    }
    stage::run(trials)
}
