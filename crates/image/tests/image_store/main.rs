//! The store on a real file system: what people do with images, several processes at once, a full disk, mounts.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test arranges the world that the product may not touch, and talks on stdout"
)]

mod crowd;
mod life;
mod mount;

#[path = "../stage/mod.rs"]
mod stage;

use std::process::ExitCode;

fn main() -> ExitCode {
    let tests: Vec<stage::Test> = [life::TESTS, mount::TESTS, crowd::TESTS].concat();
    stage::main(&tests)
}
