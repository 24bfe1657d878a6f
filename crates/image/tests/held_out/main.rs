//! Hostile layers that nobody had in mind who wrote the unpacking: a set that was held out.
//!
//! It was written from the words of the requirement ("nothing outside the root is touched, limits are named") and of
//! the image specification's layer.md alone, before its author had read any of the code that is tested, and is not
//! changed to fit it. A new kind of attack goes to `attack_layers`; a verdict here is wrong only if the specification
//! says so.
//!
//! Each archive is loaded by a process of its own, with bounded memory and time. Whatever becomes of it: nothing of
//! the host and of other images is changed or read, the error has no control characters, nothing is left of what was
//! refused, nobody else can reach what was unpacked, and an honest image can be loaded afterwards.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::enum_glob_use,
    reason = "a test arranges the world that the product may not touch, and talks on stdout"
)]

mod amounts;
mod case;
mod contents;
mod entry;
mod images;
mod jury;
mod names;
#[path = "../stage/mod.rs"]
mod stage;
#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;
mod whiteouts;

use std::process::ExitCode;

use stage::{ALL, ROOT, Test};

const TESTS: &[Test] = &[
    ("names", ALL, |stage| jury::judge(stage, names::CASES)),
    ("whiteouts", ALL, |stage| {
        jury::judge(stage, whiteouts::CASES)
    }),
    ("contents", ALL, |stage| jury::judge(stage, contents::CASES)),
    ("images", ALL, |stage| jury::judge(stage, images::CASES)),
    ("amounts", ROOT, |stage| jury::judge(stage, amounts::CASES)),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--load", store, source, owners] => match jury::load(store, source, owners) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("error: {e}");
                ExitCode::FAILURE
            }
        },
        ["--inside", ..] => stage::main(TESTS),
        _ => stage::main(&taken()),
    }
}

/// All of them; a sample does without the amounts, which take minutes, and an emulated machine, where they take an hour; both
/// say so.
fn taken() -> Vec<Test> {
    let set = |name: &str| std::env::var_os(name).is_some();
    let reason = match (set("LOCKSTEP_TEST_SAMPLE"), set("LOCKSTEP_TEST_EMULATED")) {
        (_, true) => "takes an hour in an emulator, and is about no feature of a kernel",
        (true, false) => "takes minutes: in the whole run",
        (false, false) => return TESTS.to_vec(),
    };
    suite::announce_skip("held_out::amounts", reason);
    let cheap = |test: &&Test| test.0 != "amounts";
    TESTS.iter().filter(cheap).copied().collect()
}
