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

mod apparmor;
mod bind;
mod capability;
mod cgroup;
mod cgroup_block;
mod cgroup_device;
mod cgroup_network;
mod cgroup_v2;
mod cgroup_v2_felt;
mod cgroup_v2_running;
mod cgroup_weight;
mod checkpoint;
mod checkpoint_refused;
mod cli;
mod device;
mod document;
mod exec;
mod features;
mod filesystem;
mod forget;
mod full_disk;
mod hooks;
mod idmap;
mod kill_all;
mod landlock;
mod lifecycle;
mod mount;
mod namespace;
mod network;
mod notify;
mod old_kernel;
mod paths;
mod process;
mod propagation;
mod readme;
mod rootless;
mod schema;
mod seccomp;
mod selinux;
mod selinux_refused;
mod service;
mod state;
mod systemd;
mod systemd_felt;
mod systemd_reload;
mod systemd_user;
mod terminal;
mod update;
mod wrong;

use std::process::ExitCode;

fn main() -> ExitCode {
    if forget::asked() {
        harness::run_trials(forget::trials())
    } else {
        harness::run(groups())
    }
}

/// All tests, by file.
fn groups() -> Vec<(&'static str, Vec<harness::Case>)> {
    vec![
        ("apparmor", apparmor::cases()),
        ("bind", bind::cases()),
        ("capability", capability::cases()),
        ("cgroup", cgroup::cases()),
        ("cgroup_block", cgroup_block::cases()),
        ("cgroup_device", cgroup_device::cases()),
        ("cgroup_network", cgroup_network::cases()),
        ("cgroup_v2", cgroup_v2::cases()),
        ("cgroup_v2_felt", cgroup_v2_felt::cases()),
        ("cgroup_v2_running", cgroup_v2_running::cases()),
        ("cgroup_weight", cgroup_weight::cases()),
        ("checkpoint", checkpoint::cases()),
        ("checkpoint_refused", checkpoint_refused::cases()),
        ("cli", cli::cases()),
        ("device", device::cases()),
        ("document", document::cases()),
        ("exec", exec::cases()),
        ("features", features::cases()),
        ("filesystem", filesystem::cases()),
        ("full_disk", full_disk::cases()),
        ("forget", forget::cases()),
        ("hooks", hooks::cases()),
        ("idmap", idmap::cases()),
        ("kill_all", kill_all::cases()),
        ("landlock", landlock::cases()),
        ("lifecycle", lifecycle::cases()),
        ("mount", mount::cases()),
        ("namespace", namespace::cases()),
        ("network", network::cases()),
        ("notify", notify::cases()),
        ("old_kernel", old_kernel::cases()),
        ("paths", paths::cases()),
        ("process", process::cases()),
        ("propagation", propagation::cases()),
        ("readme", readme::cases()),
        ("rootless", rootless::cases()),
        ("schema", schema::cases()),
        ("seccomp", seccomp::cases()),
        ("selinux", selinux::cases()),
        ("selinux_refused", selinux_refused::cases()),
        ("service", service::cases()),
        ("state", state::cases()),
        ("systemd", systemd::cases()),
        ("systemd_felt", systemd_felt::cases()),
        ("systemd_reload", systemd_reload::cases()),
        ("systemd_user", systemd_user::cases()),
        ("terminal", terminal::cases()),
        ("update", update::cases()),
        ("wrong", wrong::cases()),
    ]
}
