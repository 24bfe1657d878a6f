//! `lockstep` as people use it: effects in live containers, as root and as an ordinary user.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../stage/mod.rs"]
mod stage;
#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;

mod apparmor;
mod config;
mod copy;
mod copy_attack;
mod disk;
mod flag;
mod full;
mod hardened;
mod health;
mod image;
mod init;
mod killed;
mod life;
mod limit;
mod look;
mod modules;
mod neighbour;
mod nested;
mod notify;
mod own_binary;
mod plan;
mod progress;
mod readme;
mod record;
mod restart;
mod secret;
mod secrets;
mod selinux;
mod session;
mod stream;
mod user;
mod vendor;
mod volume;
mod volumes;

use std::process::ExitCode;

use stage::Stage;
use suite::Sample;

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
    let words: Vec<String> = std::env::args().collect();
    if let [_, word, directory, who] = &*words
        && word == plan::PLAN_OF
    {
        return plan::plan_of(directory, who == "root");
    }
    let groups = [
        ("apparmor", apparmor::CASES),
        ("copy", copy::CASES),
        ("copy_attack", copy_attack::CASES),
        ("config", config::CASES),
        ("disk", disk::CASES),
        ("flag", flag::CASES),
        ("full", full::CASES),
        ("hardened", hardened::CASES),
        ("health", health::CASES),
        ("image", image::CASES),
        ("init", init::CASES),
        ("killed", killed::CASES),
        ("life", life::CASES),
        ("limit", limit::CASES),
        ("look", look::CASES),
        ("modules", modules::CASES),
        ("neighbour", neighbour::CASES),
        ("nested", nested::CASES),
        ("notify", notify::CASES),
        ("own_binary", own_binary::CASES),
        ("plan", plan::CASES),
        ("secret", secret::CASES),
        ("readme", readme::CASES),
        ("progress", progress::CASES),
        ("record", record::CASES),
        ("restart", restart::CASES),
        ("secrets", secrets::CASES),
        ("selinux", selinux::CASES),
        ("session", session::CASES),
        ("stream", stream::CASES),
        ("user", user::CASES),
        ("vendor", vendor::CASES),
        ("volume", volume::CASES),
        ("volumes", volumes::CASES),
    ];
    let mut trials = Vec::new();
    for (group, cases) in groups {
        for (name, body) in cases {
            let name = format!("{group}::{name}");
            if Sample::takes_point(&name) {
                trials.push(stage::trial(name, *body));
            }
        }
    }
    for (name, body) in selinux::ALONE {
        let name = format!("selinux::{name}");
        if Sample::takes_point(&name) {
            trials.push(stage::trial_alone(name, *body));
        }
    }
    stage::run(trials)
}
