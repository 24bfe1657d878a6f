//! `bench memory`, `bench memlimit`, `bench storm`: what a runtime needs, and whether it ends.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::bundle::Kind;
use super::sample::{self, Case, percentile};
use super::{Bench, Runtime};
use crate::Failure;

/// Peak memory of `run`, the largest process of it, from a parent of a few pages.
pub(crate) fn memory(bench: &Bench) -> Result<(), Failure> {
    let bundle = bench.bundles.make(Kind::Plain)?;
    let cases: Vec<Case> = bench
        .runtimes
        .iter()
        .map(|runtime| run_case(runtime, &bundle, ""))
        .collect();
    let samples = sample::interleave(&bench.measure, &cases, 20, 1, 30_000)?;
    let peak = |name: &str| {
        let of_case = samples.get(name)?;
        let good = of_case.iter().all(|sample| sample.status == "0");
        let peak = percentile(of_case, 50, |sample| sample.rss_kb);
        println!(
            "{name:<16} peak {peak:>6} kB{}",
            if good { "" } else { " (runs failed)" }
        );
        good.then_some(peak)
    };
    let (ours, crun, _) = (peak("lockstep-runc"), peak("crun"), peak("runc"));
    match (ours, crun) {
        (Some(ours), Some(crun)) if ours < crun => Ok(()),
        (Some(_), Some(_)) => Err(Failure::new("peak memory is not below crun's")),
        _ => Err(Failure::new(format!(
            "not measured: {}",
            sample::errors(&bench.measure)
        ))),
    }
}

/// Whether a container with a memory limit of 1 MiB starts; peers are printed beside it.
pub(crate) fn memory_limit(bench: &Bench) -> Result<(), Failure> {
    let bundle = bench.bundles.make(Kind::MemoryLimit)?;
    let mut ours = false;
    for runtime in &bench.runtimes {
        let case = run_case(runtime, &bundle, "");
        let samples = sample::interleave(&bench.measure, &[case], 20, 1, 30_000)?;
        let started = samples
            .values()
            .flatten()
            .filter(|sample| sample.status == "0")
            .count();
        let errors = if started < 20 {
            sample::errors(&bench.measure)
        } else {
            String::new()
        };
        println!(
            "{:<16} {started} of 20 started with 1 MiB {errors}",
            runtime.name
        );
        ours |= runtime.name == "lockstep-runc" && started == 20;
    }
    if ours {
        Ok(())
    } else {
        Err(Failure::new(
            "a container with 1 MiB of memory does not start",
        ))
    }
}

/// Runs `true` `runs` times, four at once, beside spinning processes. None may hang or fail.
pub(crate) fn storm(bench: &Bench, runs: usize) -> Result<(), Failure> {
    const WORKERS: usize = 4;
    let bundle = bench.bundles.make(Kind::Plain)?;
    let ours = bench.ours()?;
    let load = Load::start(bench)?;
    let started = Instant::now();
    let rounds = runs.div_ceil(WORKERS);
    let workers: Vec<Result<sample::Samples, Failure>> = std::thread::scope(|scope| {
        let (bundle, ours) = (&bundle, &ours);
        let worker = |worker: usize| {
            let case = run_case(ours, bundle, &format!("-{worker}"));
            scope.spawn(move || sample::interleave(&bench.measure, &[case], rounds, 1, 60_000))
        };
        let handles: Vec<_> = (0..WORKERS).map(worker).collect();
        let panicked = || Err(Failure::new("a worker panicked"));
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|_| panicked()))
            .collect()
    });
    drop(load);
    let mut all = Vec::new();
    for samples in workers {
        all.extend(samples?.into_values().flatten());
    }
    let hung = all.iter().filter(|sample| sample.status == "hang").count();
    let failed = all.iter().filter(|sample| sample.status != "0").count() - hung;
    let (median, worst) = (
        percentile(&all, 50, |s| s.wall_us),
        percentile(&all, 100, |s| s.wall_us),
    );
    println!(
        "{} runs in {} s: {hung} hung, {failed} failed, median {} ms, worst {} ms",
        all.len(),
        started.elapsed().as_secs(),
        median / 1000,
        worst / 1000
    );
    if hung + failed > 0 {
        return Err(Failure::new(sample::errors(&bench.measure)));
    }
    Ok(())
}

pub(crate) fn run_case(runtime: &Runtime, bundle: &std::path::Path, suffix: &str) -> Case {
    let id = format!("bench-load-{}{suffix}", runtime.name);
    let words = runtime.words(&["run", "-b", &bundle.to_string_lossy(), &id]);
    Case {
        name: runtime.name.clone(),
        commands: vec![words],
    }
}

/// Two processes that use all they get, killed when the storm is over.
struct Load(Vec<Child>);

impl Load {
    fn start(bench: &Bench) -> Result<Load, Failure> {
        let spin = bench.bundles.rootfs().join("bin/spin");
        let start = || Command::new(&spin).stdin(Stdio::null()).spawn();
        Ok(Load(vec![start()?, start()?]))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // ESRCH if it was killed from outside: it has ended either way.
            if child.kill().is_ok() && child.wait().is_err() {
                println!("a load process could not be waited for");
            }
        }
    }
}
