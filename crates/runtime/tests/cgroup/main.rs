//! Cgroups on the real kernel, in three layouts: hybrid as the machine has it, v1 only, v2 only.
//!
//! No libtest: the two other layouts need a mount namespace of their own, so this program executes
//! itself once in each, and inside runs every test in turn on one thread. Everything it makes lies
//! below a directory named after its process and is removed again.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test arranges the world that the product may not touch, and talks on stdout"
)]

mod devices;
mod life;
mod limits;
mod rootless;
mod stage;
mod systemd;
mod systemd_bundle;
#[path = "../../../lockstep-runc/tests/harness/told.rs"]
mod told;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode};

use lockstep_plan::cgroup::Mode;

use stage::Stage;
use told::Told;

/// Why a test cannot run here.
type Skip = &'static str;

/// A test: what it asserts is the effect on a process, or that nothing is left.
type Test = (&'static str, fn(&Stage) -> Result<(), Skip>);

const TESTS: &[&[Test]] = &[
    life::TESTS,
    limits::TESTS,
    devices::TESTS,
    rootless::TESTS,
    systemd::TESTS,
];

/// Where a hybrid has version 2.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// How each layout is arranged inside a private mount namespace. A mount with other options than the machine's own would
/// change that one's, which is of the same file system.
const LAYOUTS: &[(&str, Mode, &str)] = &[
    (
        "hybrid",
        Mode::Hybrid,
        "cd /sys/fs/cgroup/unified 2>/dev/null || exit 0; mountpoint -q . || mount -t cgroup2 -o \"$options\" cgroup2 .",
    ),
    (
        "v1",
        Mode::V1,
        "! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified",
    ),
    (
        "v2",
        Mode::V2,
        "umount -lR /sys/fs/cgroup && mount -t cgroup2 -o \"$options\" cgroup2 /sys/fs/cgroup",
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--inside", name] => inside(name, ""),
        ["--inside", name, filter] => inside(name, filter),
        ["--systemd", name] => systemd::outside(name, ""),
        ["--systemd", name, filter] => systemd::outside(name, filter),
        ["--inside-systemd", name] => run_all(&format!("systemd_{name}"), &[systemd::INSIDE], ""),
        ["--inside-systemd", name, filter] => {
            run_all(&format!("systemd_{name}"), &[systemd::INSIDE], filter)
        }
        ["--rootless", what] => rootless::as_user(what),
        ["--list"] => ExitCode::SUCCESS,
        _ => outside(&arguments),
    }
}

fn outside(arguments: &[String]) -> ExitCode {
    let filter = arguments.iter().find(|a| !a.starts_with('-'));
    if !stage::is_root() {
        stage::skip("cgroup", "needs root");
        return ExitCode::SUCCESS;
    }
    let myself = std::env::current_exe().expect("own path");
    // On a machine of version 1 alone a hybrid is made, in the namespace of its tests.
    let made = Path::new("/sys/fs/cgroup/memory").is_dir() && fs::create_dir(UNIFIED).is_ok();
    let mut failed = false;
    // A systemd in the v1 view mounts the unified hierarchy by itself, and would stand in its root.
    let with_systemd = [&LAYOUTS[0], &LAYOUTS[2]];
    let views = LAYOUTS.iter().map(|layout| ("--inside", layout));
    for (mode, (name, _, arrange)) in views.chain(with_systemd.map(|layout| ("--systemd", layout)))
    {
        let options = "grep -q ' cgroup2 .*nsdelegate' /proc/mounts && echo nsdelegate || echo rw";
        let script = format!("options=$({options}); ({arrange}) || exit 77; exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
        command.arg(&myself).args([mode, name]).args(filter);
        let status = command.status().expect("unshare runs");
        match status.code() {
            Some(0) => {}
            Some(77) => stage::skip(name, "this layout cannot be arranged here"),
            _ => failed = true,
        }
    }
    if made {
        fs::remove_dir(UNIFIED).expect("an empty directory");
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn inside(name: &str, filter: &str) -> ExitCode {
    let expected = LAYOUTS
        .iter()
        .find(|(n, ..)| *n == name)
        .map(|(_, mode, _)| *mode);
    if Some(Stage::new().layout.mode) != expected {
        stage::skip(name, "this machine has another cgroup layout");
        return ExitCode::SUCCESS;
    }
    run_all(name, TESTS, filter)
}

fn run_all(name: &str, tests: &[&[Test]], filter: &str) -> ExitCode {
    let stage = Stage::new();
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    for (test, run) in tests.iter().copied().flatten() {
        let test = format!("{name}::{test}");
        if !test.contains(filter) {
            continue;
        }
        let _told = Told::begin(&test);
        match catch_unwind(AssertUnwindSafe(|| run(&stage))) {
            Ok(Ok(())) => {
                println!("test {test} ... ok");
                passed += 1;
            }
            Ok(Err(reason)) => {
                stage::skip(&test, reason);
                skipped += 1;
            }
            Err(_) => {
                println!("test {test} ... FAILED");
                failed.push(test);
            }
        }
    }
    let left = stage.leave();
    if !left.is_empty() {
        println!("left behind: {left:?}");
        failed.push(format!("{name}::nothing_left"));
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {passed} passed; {} failed; {skipped} ignored",
        failed.len()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
