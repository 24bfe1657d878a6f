//! Programs that people run, from their packages, in containers: each as root and as an ordinary user with
//! subordinate ids, served from inside, because the default network is none.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../stage/mod.rs"]
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

use std::process::ExitCode;

use libtest_mimic::{Failed, Trial};
use player::{Player, Who};
use stage::Stage;
use suite::{Ending, Sample, announce_skip};

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
    let mut trials = Vec::new();
    for (group, cases) in groups {
        for who in [Who::Root, Who::User] {
            for (name, body) in cases {
                let name = format!("{group}::{}::{name}", who.word());
                if Sample::takes_point(&name) {
                    trials.push(trial(name, who, *body));
                }
            }
        }
    }
    stage::run(trials)
}

fn trial(name: String, who: Who, body: fn(&Player)) -> Trial {
    Trial::test(name.clone(), move || {
        let player = Player::new(Stage::set(&name), who);
        let ending = suite::attempt(|| body(&player));
        let left = player.stage.finish();
        match (ending, known::failure(&name)) {
            (Ending::Passed, Some(reason)) => Err(Failed::from(format!(
                "it passes: take it out of known.rs ({reason})"
            ))),
            (Ending::Failed(_), Some(reason)) => {
                announce_skip(&name, &format!("known to fail: {reason}"));
                Ok(())
            }
            (ending, _) => ending.told(&name, &left),
        }
    })
}
