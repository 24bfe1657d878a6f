//! `lockstep` as people use it: effects in live containers, as root and as an ordinary user.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;

mod flag;
mod hardened;
mod image;
mod init;
mod killed;
mod life;
mod limit;
mod look;
mod record;
mod stage;
mod stream;
mod user;
mod volume;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use stage::Stage;
use suite::{Sample, Skip, announce_skip};

/// A test: its name and its body.
type Case = (&'static str, fn(&Stage));

/// Lists the tests of a file.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(crate) const CASES: &[crate::Case] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use cases;

fn main() -> ExitCode {
    let groups = [
        ("flag", flag::CASES),
        ("hardened", hardened::CASES),
        ("image", image::CASES),
        ("init", init::CASES),
        ("killed", killed::CASES),
        ("life", life::CASES),
        ("limit", limit::CASES),
        ("look", look::CASES),
        ("record", record::CASES),
        ("stream", stream::CASES),
        ("user", user::CASES),
        ("volume", volume::CASES),
    ];
    let sample = Sample::from_env();
    let mut trials = Vec::new();
    for (group, cases) in groups {
        for (name, body) in cases {
            let name = format!("{group}::{name}");
            if sample.as_ref().is_none_or(|sample| sample.takes(&name)) {
                trials.push(trial(name, *body));
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

fn trial(name: String, body: fn(&Stage)) -> Trial {
    Trial::test(name.clone(), move || {
        let stage = Stage::set(&name);
        let outcome = catch_unwind(AssertUnwindSafe(|| body(&stage)));
        let left = stage.finish();
        match outcome {
            Ok(()) if left.is_empty() => Ok(()),
            Ok(()) => Err(Failed::from(format!("left behind: {}", left.join("; ")))),
            Err(payload) => match payload.downcast::<Skip>() {
                Ok(skip) => {
                    announce_skip(&name, &skip.reason);
                    Ok(())
                }
                Err(payload) => resume_unwind(payload),
            },
        }
    })
}
