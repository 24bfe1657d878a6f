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
mod known;
mod label;
mod machine;
mod stream;
mod verdict;

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::testing::{has_program, is_root, packages};

use job::{Job, Set};
use stream::Ran;
use verdict::Ending;

use kind::Kind;
pub(crate) use kind::{KINDS, WHOLE};
pub(crate) use known::{Known, in_order};

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

/// What all images may take where none is there.
const IMAGES: Duration = Duration::from_secs(360);
/// What the own sets of all kinds may take, images and test binaries being there.
const OWN: Duration = Duration::from_secs(600);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// plain, apparmor, selinux, enforcing, systemd, old; host for this machine; all for each of the virtual ones
    #[arg(required = true, value_name = "KIND")]
    kinds: Vec<String>,
    /// Only build what the kind needs
    #[arg(long)]
    build: bool,
    /// All functional tests, and not only those that the kind is there for
    #[arg(long, conflicts_with = "tests")]
    whole: bool,
    /// Of the whole set only these test targets
    #[arg(
        long,
        requires = "whole",
        value_delimiter = ',',
        value_name = "TARGET,..."
    )]
    suite: Vec<String>,
    /// Write what suites of the whole set did in these kinds into the list of what is known
    #[arg(long)]
    record: bool,
    /// A test target, and the filters and options that its binary gets; the kind's own list if absent
    #[arg(last = true)]
    tests: Vec<String>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let kinds = kind::choose(&options.kinds)?;
    if let Some(reason) = obstacle(&kinds) {
        return skip(&options.kinds.join(" "), &reason);
    }
    let target = crate::target(root);
    let set = match options.tests.as_slice() {
        [] if options.whole => Set::Whole(kind::suites(&options.suite)?),
        [] => Set::Own,
        words => Set::Asked(words),
    };
    let mut jobs = Vec::new();
    let mut images = Duration::ZERO;
    for kind in kinds {
        let prepared = Instant::now();
        let machine = match kind.kernel {
            Some(_) => Some(machine::Machine::prepare(kind, &target)?),
            None => None,
        };
        let took = prepared.elapsed();
        images += took;
        println!("vm {}: ready after {} s", kind.name, took.as_secs());
        if !options.build {
            jobs.push((kind, machine, Job::build(root, &target, kind, &set)?));
        }
    }
    let running = Instant::now();
    let ended = side_by_side(&jobs, |(_, machine, job)| match machine {
        Some(machine) => machine.run(job),
        None => job.run_here(),
    });
    let mut known = Known::read(root)?;
    let mut failed = Vec::new();
    for ((kind, ..), ending) in jobs.iter().zip(ended) {
        let ending = ending?;
        let mut good = report(kind, &ending);
        if let Ending::Done { ran, .. } = &ending {
            for (test, reason) in ran.iter().flat_map(|one| &one.skips) {
                record_skip(test, reason)?;
            }
            if options.record {
                known.record(kind.name, ran);
            }
            if options.tests.is_empty() {
                good &= explained(kind, &known, ran);
            }
            // A share of few tests may be none.
            if std::env::var_os("LOCKSTEP_TEST_SAMPLE").is_none() {
                good &= ran_all(kind, ran);
            }
        }
        if !good {
            failed.push(kind.name);
        }
    }
    if options.record {
        known.write(root)?;
    }
    if options.kinds == ["all"] {
        within("the images", images, IMAGES, &mut failed);
        if !options.build && !options.whole && options.tests.is_empty() {
            within("all kinds", running.elapsed(), OWN, &mut failed);
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        names => Err(Failure::new(format!("failed in {}", names.join(", ")))),
    }
}

/// Holds a bar of `cargo xtask vm all`, on two processors that do nothing else.
fn within(what: &'static str, took: Duration, bar: Duration, failed: &mut Vec<&'static str>) {
    let (took, bar) = (took.as_secs(), bar.as_secs());
    println!("vm: {what} took {took} s of the {bar} s that they may");
    if took > bar {
        failed.push(what);
    }
}

/// Does all of it, as much at once as there are processors: an emulator takes one. The answers in the order of the jobs.
fn side_by_side<J: Sync, A: Send>(jobs: &[J], run: impl Fn(&J) -> A + Sync) -> Vec<A> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            match jobs.get(number) {
                Some(job) => done.push((number, run(job))),
                None => return done,
            }
        }
    };
    let mut answers: Vec<(usize, A)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.min(jobs.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.flatten().collect()
    });
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
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
    record_skip(&format!("all of vm {kind}"), reason)?;
    println!("SKIP vm {kind}: {reason}");
    Ok(())
}

/// Appends to the file of skips that the test groups collect, if they asked for it.
fn record_skip(name: &str, reason: &str) -> Result<(), Failure> {
    if let Some(path) = std::env::var_os("LOCKSTEP_SKIPS") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?;
        file.write_all(format!("{name}\t{reason}\n").as_bytes())?;
    }
    Ok(())
}

/// Whether each test that was skipped is one that is known to be; of this machine nothing is.
fn explained(kind: &Kind, known: &Known, ran: &[Ran]) -> bool {
    if kind.kernel.is_none() {
        return true;
    }
    let unknown = known.unknown(kind.name, ran);
    for skip in &unknown {
        println!("vm {}: skipped, and not known to be: {skip}", kind.name);
    }
    unknown.is_empty()
}

/// Whether each binary ran a test: a filter that matches none would pass for ever.
fn ran_all(kind: &Kind, ran: &[Ran]) -> bool {
    let empty: Vec<&Ran> = ran.iter().filter(|one| one.is_empty()).collect();
    for one in &empty {
        println!("vm {}: no test is called so: {}", kind.name, one.name);
    }
    empty.is_empty()
}

/// Says how a run ended; whether it was good.
fn report(kind: &Kind, ending: &Ending) -> bool {
    if let Ending::Done { complaints, .. } = ending {
        for line in complaints {
            println!("vm {}: its kernel says: {line}", kind.name);
        }
    }
    match ending {
        Ending::Done {
            seconds, failed, ..
        } if failed.is_empty() => {
            println!("vm {}: passed in {seconds} s", kind.name);
            true
        }
        Ending::Done {
            seconds, failed, ..
        } => {
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
        Ending::Reset { at, console } => {
            println!(
                "vm {}: the guest ended itself at {at}\n{console}",
                kind.name
            );
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

/// The kinds that a sample takes: those always, and one of the others by a number of the commit.
const ALWAYS: [&str; 3] = ["plain", "apparmor", "enforcing"];
const BY_TURNS: [&str; 3] = ["systemd", "old", "selinux"];

pub(crate) fn kinds(turn: u64) -> Vec<&'static str> {
    let others = BY_TURNS.len() as u64;
    let mut names = ALWAYS.to_vec();
    names.push(BY_TURNS[(turn % others) as usize]);
    names
}

/// The names of all kinds, for messages.
fn names() -> String {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_turn() {
        let taken: std::collections::BTreeSet<&str> = (0..3).flat_map(kinds).collect();
        let virtual_ones = KINDS.iter().filter(|kind| kind.kernel.is_some());
        assert_eq!(taken, virtual_ones.map(|kind| kind.name).collect());
    }
}
