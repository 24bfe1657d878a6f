//! Attacks on the runtime by an image, or by a process inside, a test for each class of known faults.
//!
//! Each attack is made against the runtime as it is shipped, where it must fail, and against a build without
//! the mechanism that stops it, where it must succeed: otherwise it would prove nothing. `SECURITY.md` lists
//! the classes with their mechanisms.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod attack;
mod capability;
mod console;
mod descriptor;
mod mask;
mod own_binary;
mod procfs;
mod race;
mod root;
mod text;
mod trace;
mod user;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(vec![
        ("capability", capability::cases()),
        ("console", console::cases()),
        ("descriptor", descriptor::cases()),
        ("mask", mask::cases()),
        ("own_binary", own_binary::cases()),
        ("procfs", procfs::cases()),
        ("race", race::cases()),
        ("root", root::cases()),
        ("text", text::cases()),
        ("trace", trace::cases()),
        ("user", user::cases()),
    ])
}
