//! Programs that people run, from their packages, in containers: each as root and as an ordinary user with
//! subordinate ids, served from inside, because the default network is none.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../people/stage.rs"]
#[allow(dead_code, reason = "made for the people's tests, which use all of it")]
mod stage;
#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;

mod database;
mod debian;
mod known;
mod limit;
mod player;
mod service;
mod tool;
mod web;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use player::{Player, Who};
use stage::Stage;
use suite::{Sample, Skip, announce_skip};

/// A test: its name and its body.
type Case = (&'static str, fn(&Player));

/// Lists the tests of a file.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(crate) const CASES: &[crate::Case] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use cases;

fn main() -> ExitCode {
    let groups = [
        ("database", database::CASES),
        ("debian", debian::CASES),
        ("limit", limit::CASES),
        ("tool", tool::CASES),
        ("web", web::CASES),
    ];
    let sample = Sample::from_env();
    let mut trials = Vec::new();
    for (group, cases) in groups {
        for who in [Who::Root, Who::User] {
            for (name, body) in cases {
                let name = format!("{group}::{}::{name}", who.word());
                if sample.as_ref().is_none_or(|sample| sample.takes(&name)) {
                    trials.push(trial(name, who, *body));
                }
            }
        }
    }
    let before = stage::cgroups();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    let left = stage::end_of_run(&before);
    match left.is_empty() {
        true => conclusion.exit_code(),
        false => {
            println!("left behind by the run: {left:?}");
            ExitCode::FAILURE
        }
    }
}

fn trial(name: String, who: Who, body: fn(&Player)) -> Trial {
    Trial::test(name.clone(), move || {
        let player = Player::new(Stage::set(&name), who);
        let outcome = catch_unwind(AssertUnwindSafe(|| body(&player)));
        let left = player.finish();
        let skipped = matches!(&outcome, Err(payload) if payload.is::<Skip>());
        match (outcome, known::failure(&name)) {
            (Ok(()), Some(reason)) => Err(Failed::from(format!(
                "it passes: take it out of known.rs ({reason})"
            ))),
            (Ok(()), None) if left.is_empty() => Ok(()),
            (Ok(()), None) => Err(Failed::from(format!("left behind: {}", left.join("; ")))),
            (Err(_), Some(reason)) if !skipped => {
                announce_skip(&name, &format!("known to fail: {reason}"));
                Ok(())
            }
            (Err(payload), _) => match payload.downcast::<Skip>() {
                Ok(skip) => {
                    announce_skip(&name, &skip.reason);
                    Ok(())
                }
                Err(payload) => resume_unwind(payload),
            },
        }
    })
}
