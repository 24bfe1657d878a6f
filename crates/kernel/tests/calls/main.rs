//! The wrappers whose effect no test of a caller asserts by itself, each against the real kernel.
//!
//! What a container shows of the others is in `crates/lockstep-runc/tests/spec`. Here is what it cannot show: where a
//! path leads, what a crash or a full disk leaves, what a fork inherits. One thread, because half of the wrappers fork,
//! in a mount namespace of its own.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test arranges the world that the product may not touch"
)]

mod bpf;
mod content;
mod durable;
mod process;
mod root;
mod socket;
#[path = "../../../lockstep-runc/tests/harness/told.rs"]
mod told;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::{Error, Result, mount, namespace};
use told::Told;

/// A test, in a directory of its own.
type Case = (&'static str, fn(&Path));

fn main() -> ExitCode {
    namespace::unshare(libc::CLONE_NEWNS as u64).expect("root may have a mount namespace");
    let private = libc::MS_REC | libc::MS_PRIVATE;
    mount::change_propagation(Path::new("/"), private).expect("and keep it private");
    // Seen by this process alone, so that nothing is left of it, whatever ends it.
    let scratch = std::env::temp_dir();
    mount_tmpfs(&scratch, 64 << 20);
    let groups = [
        ("bpf", bpf::CASES),
        ("content", content::CASES),
        ("durable", durable::CASES),
        ("process", process::CASES),
        ("root", root::CASES),
        ("socket", socket::CASES),
    ];
    let cases = groups
        .into_iter()
        .flat_map(|(group, cases)| cases.iter().map(move |case| (group, case)));
    let trials = cases.map(|(group, (name, body))| {
        let dir = scratch.join(name);
        let name = format!("{group}::{name}");
        Trial::test(name.clone(), move || {
            let _told = Told::begin(&name);
            std::fs::create_dir(&dir).expect("a directory");
            body(&dir);
            Ok(())
        })
    });
    let mut arguments = Arguments::from_args();
    // On this thread, one after the other.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// A directory, for reading it or below it.
fn open(path: &Path) -> OwnedFd {
    file::openat(file::CWD, path, OFlags::RDONLY | OFlags::DIRECTORY, 0).expect("a directory")
}

/// A new directory with a tmpfs of so many bytes.
fn tmpfs(dir: &Path, name: &str, size: u32) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir(&path).expect("a directory");
    mount_tmpfs(&path, size);
    path
}

fn mount_tmpfs(path: &Path, size: u32) {
    let context = mount::Context::open("tmpfs").expect("tmpfs");
    context.set(&format!("size={size}")).expect("a size");
    let tree = context.mount(0).expect("a mount");
    mount::attach(tree, open(path)).expect("attached");
}

/// The errno of a call that has to fail.
#[track_caller]
fn errno<T: std::fmt::Debug>(result: Result<T>) -> i32 {
    let Error { errno, .. } = result.expect_err("it is refused");
    errno
}
