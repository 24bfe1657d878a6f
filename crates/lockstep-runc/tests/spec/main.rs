//! Conformance of the runtime with the OCI runtime specification, asserted on live containers.
//!
//! A file per subsystem, as in the crates; `docs/spec-conformance.md` maps every field of the
//! specification to a test here, and `document.rs` checks that map.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod capability;
mod cgroup;
mod cli;
mod device;
mod exec;
mod hooks;
mod idmap;
mod landlock;
mod lifecycle;
mod mount;
mod namespace;
mod network;
mod paths;
mod process;
mod rootless;
mod seccomp;
mod state;
mod terminal;
mod wrong;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(vec![
        ("capability", capability::cases()),
        ("cgroup", cgroup::cases()),
        ("cli", cli::cases()),
        ("device", device::cases()),
        ("exec", exec::cases()),
        ("hooks", hooks::cases()),
        ("idmap", idmap::cases()),
        ("landlock", landlock::cases()),
        ("lifecycle", lifecycle::cases()),
        ("mount", mount::cases()),
        ("namespace", namespace::cases()),
        ("network", network::cases()),
        ("paths", paths::cases()),
        ("process", process::cases()),
        ("rootless", rootless::cases()),
        ("seccomp", seccomp::cases()),
        ("state", state::cases()),
        ("terminal", terminal::cases()),
        ("wrong", wrong::cases()),
    ])
}
