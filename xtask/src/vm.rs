//! `cargo xtask vm KIND -- TEST...`: runs tests of this project inside a small virtual machine that has the kernel
//! features which a build machine may lack.
//!
//! A *kind* is a kernel, the security modules it is started with, a layout of control groups and a first process.
//! All kinds share one root file system, made of Debian's packages. A *job* is a folder with test binaries and a
//! script; its answer is a stream of lines, and the console says what the kernel had to say. All tests of a kind
//! run in one boot. The same job runs on this machine as kind `host`.

mod cache;
mod image;
mod job;
mod kernel;
mod kind;
mod label;
mod machine;
mod stream;

use std::path::Path;
use std::time::Instant;

use crate::Failure;
use crate::testing::{has_program, is_root, packages};

use job::Job;
use kind::{KINDS, Kind};
use machine::Ending;

/// What the host needs to build images and to run them.
const PACKAGES: &[&str] = &[
    "qemu-system-x86",
    "mmdebstrap",
    "e2fsprogs",
    "cpio",
    "zstd",
    "xz-utils",
    "kmod",
    "busybox-static",
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// plain, apparmor, selinux, enforcing, systemd, old; host for this machine; all for each of the virtual ones
    kind: String,
    /// Only build what the kind needs
    #[arg(long)]
    build: bool,
    /// A test target, and the filters and options that its binary gets; the kind's own list if absent
    #[arg(last = true)]
    tests: Vec<String>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let kinds = kind::choose(&options.kind)?;
    if let Some(reason) = obstacle(&kinds) {
        return skip(&options.kind, &reason);
    }
    let target = crate::target(root);
    let mut failed = Vec::new();
    for kind in kinds {
        let prepared = Instant::now();
        let machine = match kind.kernel {
            Some(_) => Some(machine::Machine::prepare(kind, &target)?),
            None => None,
        };
        println!(
            "vm {}: ready after {} s",
            kind.name,
            prepared.elapsed().as_secs()
        );
        if options.build {
            continue;
        }
        let job = Job::build(root, &target, kind, &options.tests)?;
        let ending = match &machine {
            Some(machine) => machine.run(&job)?,
            None => job.run_here()?,
        };
        if !report(kind, &ending) {
            failed.push(kind.name);
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        names => Err(Failure::new(format!("failed in {}", names.join(", ")))),
    }
}

/// Why no virtual machine can be made here, after what is missing was tried to be installed.
fn obstacle(kinds: &[&Kind]) -> Option<String> {
    if kinds.iter().all(|kind| kind.kernel.is_none()) {
        return None;
    }
    if !is_root() {
        return Some("not root: the guest's root file system cannot be made".to_owned());
    }
    let installed = packages::install(PACKAGES);
    if has_program("qemu-system-x86_64") && has_program("mmdebstrap") {
        return None;
    }
    let why = installed.err().map(|failure| failure.to_string());
    Some(format!(
        "qemu-system-x86_64 or mmdebstrap is not installed: {}",
        why.unwrap_or_default()
    ))
}

/// A machine that cannot be made is a hole in the proof: loud, and counted by whoever collects skips.
fn skip(kind: &str, reason: &str) -> Result<(), Failure> {
    stream::record_skip(&format!("all of vm {kind}"), reason)?;
    println!("SKIP vm {kind}: {reason}");
    Ok(())
}

/// Says how a run ended; whether it was good.
fn report(kind: &Kind, ending: &Ending) -> bool {
    match ending {
        Ending::Done { seconds, failed } if failed.is_empty() => {
            println!("vm {}: passed in {seconds} s", kind.name);
            true
        }
        Ending::Done { seconds, failed } => {
            println!(
                "vm {}: failed in {seconds} s: {}",
                kind.name,
                failed.join(", ")
            );
            false
        }
        Ending::Hang { at, console } => {
            println!("vm {}: hung at {at}\n{console}", kind.name);
            false
        }
        Ending::Panic { at, console } => {
            println!("vm {}: the kernel panicked at {at}\n{console}", kind.name);
            false
        }
        Ending::Infrastructure { reason, console } => {
            println!(
                "vm {}: the machine failed, not a test: {reason}\n{console}",
                kind.name
            );
            false
        }
    }
}

/// The kinds that a run of the test groups takes: all, or by a seed the first and one other.
pub(crate) fn kinds(seed: Option<u64>) -> Vec<&'static str> {
    let names: Vec<&str> = KINDS
        .iter()
        .filter(|kind| kind.kernel.is_some())
        .map(|kind| kind.name)
        .collect();
    match (seed, names.split_first()) {
        (Some(seed), Some((first, others))) => {
            let other = others[(seed % others.len() as u64) as usize];
            vec![first, other]
        }
        _ => names,
    }
}

/// The names of all kinds, for messages.
fn names() -> String {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    names.join(", ")
}
