//! What a run of live tests is made of, whatever program they are of: samples, how a test ends, skips that are
//! counted, and what must not be left behind.

#![allow(
    dead_code,
    reason = "several test binaries include this module and none uses all of it"
)]

#[path = "told.rs"]
mod told;

use std::any::Any;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use told::Told;

/// Runs trials under libtest's command line; `left` says afterwards what all of them left behind.
pub(crate) fn run(trials: Vec<Trial>, left: impl FnOnce() -> Vec<String>) -> ExitCode {
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    let left = left();
    if !left.is_empty() {
        println!("left behind by the run: {left:?}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// A test that runs, of which is told. The run ends with its name where it takes longer than `LOCKSTEP_TEST_LIMIT`
/// seconds.
pub(crate) struct Watched(Told);

/// Names of those that run, and when each of them has had its time.
static RUNNING: Mutex<Vec<(String, Instant)>> = Mutex::new(Vec::new());

impl Watched {
    pub(crate) fn begin(name: &str) -> Self {
        let told = Told::begin(name);
        let limit = std::env::var("LOCKSTEP_TEST_LIMIT");
        if let Some(limit) = limit.ok().and_then(|text| text.parse().ok()) {
            static WATCH: Once = Once::new();
            running().push((name.to_owned(), Instant::now() + Duration::from_secs(limit)));
            WATCH.call_once(|| drop(std::thread::spawn(watch)));
        }
        Self(told)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        running().retain(|(name, _)| *name != self.0.0);
    }
}

fn running() -> MutexGuard<'static, Vec<(String, Instant)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the run, with what timeout(1) answers, when a test has had its time: nothing else can end it.
fn watch() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = Instant::now();
        let late: Vec<String> = running()
            .iter()
            .filter(|(_, end)| *end < now)
            .map(|(name, _)| name.clone())
            .collect();
        if !late.is_empty() {
            println!("over its limit: {}", late.join(", "));
            std::process::exit(124);
        }
    }
}

/// How the body of a test ended.
pub(crate) enum Ending {
    Passed,
    Skipped(String),
    /// With the panic's payload.
    Failed(Box<dyn Any + Send>),
}

/// Runs the body of a test.
pub(crate) fn attempt(body: impl FnOnce()) -> Ending {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(()) => Ending::Passed,
        Err(payload) => match payload.downcast::<Skip>() {
            Ok(skip) => Ending::Skipped(skip.reason),
            Err(payload) => Ending::Failed(payload),
        },
    }
}

impl Ending {
    /// What libtest is told of the test called `name`, which `left` this behind: a failure, but for one that
    /// failed by itself.
    pub(crate) fn told(self, name: &str, left: &[String]) -> Result<(), Failed> {
        match self {
            Ending::Failed(payload) => resume_unwind(payload),
            Ending::Skipped(reason) => announce_skip(name, &reason),
            Ending::Passed => {}
        }
        match left {
            [] => Ok(()),
            left => Err(Failed::from(format!("left behind: {}", left.join("; ")))),
        }
    }
}

/// The panic payload of a test that ends itself as one that cannot run on this machine.
pub(crate) struct Skip {
    /// Which part of the machine is missing.
    pub(crate) reason: String,
}

/// A skipped test is a hole in the proof: it is printed, and counted by whoever collects the file.
pub(crate) fn announce_skip(name: &str, reason: &str) {
    println!("SKIP {name}: {reason}");
    if let Some(path) = std::env::var_os("LOCKSTEP_SKIPS") {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .expect("LOCKSTEP_SKIPS can be appended to");
        // One write: tests run in parallel and lines must not interleave.
        file.write_all(format!("{name}\t{reason}\n").as_bytes())
            .expect("a line can be appended to LOCKSTEP_SKIPS");
    }
}

/// The seeded share of the tests that a short run takes.
pub(crate) struct Sample {
    percent: u64,
    seed: u64,
}

impl Sample {
    /// From `LOCKSTEP_TEST_SAMPLE`, "percent,seed".
    pub(crate) fn from_env() -> Option<Self> {
        let text = std::env::var("LOCKSTEP_TEST_SAMPLE").ok()?;
        let (percent, seed) = text.split_once(',').unwrap_or((&text, "0"));
        Some(Self {
            percent: percent.trim().parse().expect("a percentage"),
            seed: seed.trim().parse().expect("a seed"),
        })
    }

    /// Whether the run takes this part of a case.
    pub(crate) fn takes_point(name: &str) -> bool {
        Self::from_env().is_none_or(|sample| sample.takes(name))
    }

    /// Whether this run takes everything.
    pub(crate) fn is_full() -> bool {
        Self::from_env().is_none()
    }

    /// The sample's share of a number of repetitions, at least one.
    pub(crate) fn share(count: u64) -> u64 {
        Self::from_env().map_or(count, |sample| (count * sample.percent / 100).max(1))
    }

    /// One of `count` alternatives, by the seed; all of them where this run takes everything.
    pub(crate) fn takes_alternative(name: &str, number: usize, count: usize) -> bool {
        let chosen = |sample: Self| sample.hash(name) % count as u64 == number as u64;
        Self::from_env().is_none_or(chosen)
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        self.hash(name) % 100 < self.percent
    }

    /// FNV-1a of seed and name: the choice depends on neither the order nor the number of tests.
    fn hash(&self, name: &str) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in self.seed.to_le_bytes().iter().chain(name.as_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash ^ (hash >> 32)
    }
}
