//! `bench speed`: the bars on time, against crun, runc and the floor in one interleaved run.

use std::path::Path;

use super::bundle::Kind;
use super::sample::{self, Case, Sample, Samples, owned, percentile};
use super::{Bench, Runtime};
use crate::Failure;

/// A figure of two cases that must stay below a limit.
struct Bar {
    what: &'static str,
    ours: String,
    other: String,
    limit: f64,
}

/// Measures and prints the table; fails if a bar is missed.
pub(crate) fn run(bench: &Bench, rounds: usize, seed: u64) -> Result<(), Failure> {
    let running = start_paused(bench)?;
    let cases = probe(bench, cases(bench, &running)?)?;
    println!(
        "{rounds} rounds in random order, seed {seed}, cgroup {}",
        bench.layout.name()
    );
    println!("floor: no masked or read-only paths, no parsing, no state\n");
    let samples = sample::interleave(&bench.measure, &cases, rounds, seed, 30_000);
    stop_paused(bench, &running);
    let samples = samples?;
    print(&cases, &samples);
    judge(&samples)
}

fn cases(bench: &Bench, running: &[Runtime]) -> Result<Vec<Case>, Failure> {
    let plain = bench.bundles.make(Kind::Plain)?;
    let seccomp = bench.bundles.make(Kind::Seccomp);
    let mut cases = vec![floor(bench)?];
    if let Err(failure) = &seccomp {
        println!("no seccomp case: {}: {failure}", super::seccomp::PROFILE);
    }
    for runtime in &bench.runtimes {
        cases.push(run_case(runtime, "run", &plain));
        if let Ok(bundle) = &seccomp {
            cases.push(run_case(runtime, "run-seccomp", bundle));
        }
        let id = format!("bench-life-{}", runtime.name);
        let create = runtime.words(&["create", "-b", &plain.to_string_lossy(), &id]);
        let (start, delete) = (
            runtime.words(&["start", &id]),
            runtime.words(&["delete", &id]),
        );
        let commands = vec![create, start, owned(&["@reap"]), delete];
        cases.push(Case {
            name: format!("life {}", runtime.name),
            commands,
        });
    }
    for runtime in running {
        let exec = runtime.words(&["exec", &paused(runtime), "/bin/true"]);
        cases.push(Case {
            name: format!("exec {}", runtime.name),
            commands: vec![exec],
        });
    }
    Ok(cases)
}

fn run_case(runtime: &Runtime, case: &str, bundle: &Path) -> Case {
    let id = format!("bench-{case}-{}", runtime.name);
    let words = runtime.words(&["run", "-b", &bundle.to_string_lossy(), &id]);
    Case {
        name: format!("{case} {}", runtime.name),
        commands: vec![words],
    }
}

fn floor(bench: &Bench) -> Result<Case, Failure> {
    let mode = if bench.layout == super::Layout::V2 {
        "v2"
    } else {
        "v1"
    };
    let rootfs = bench.bundles.rootfs();
    let (floor, rootfs) = (
        bench.floor.to_string_lossy(),
        rootfs.to_string_lossy().into_owned(),
    );
    let mut case = Case::one("run floor", &[&floor, &rootfs, mode]);
    for directory in bench.layout.directories("bench-floor")? {
        case.commands[0].push(directory.to_string_lossy().into_owned());
    }
    Ok(case)
}

fn paused(runtime: &Runtime) -> String {
    format!("bench-exec-{}", runtime.name)
}

/// Starts a container per runtime for `exec`; a runtime that cannot is left out and named.
fn start_paused(bench: &Bench) -> Result<Vec<Runtime>, Failure> {
    let bundle = bench.bundles.make(Kind::Pause)?;
    let mut running = Vec::new();
    for runtime in &bench.runtimes {
        let bundle = bundle.to_string_lossy();
        let words = runtime.words(&["run", "-d", "-b", &bundle, &paused(runtime)]);
        match super::status(&words) {
            Ok(()) => running.push(runtime.clone()),
            Err(failure) => println!("no exec case for {}: {failure}", runtime.name),
        }
    }
    Ok(running)
}

fn stop_paused(bench: &Bench, running: &[Runtime]) {
    for runtime in running {
        if let Err(failure) = super::status(&runtime.words(&["delete", "-f", &paused(runtime)])) {
            println!(
                "{}: {failure}; state in {}",
                paused(runtime),
                bench.folder.display()
            );
        }
    }
}

/// One round to warm up; a case that fails is left out and named.
fn probe(bench: &Bench, cases: Vec<Case>) -> Result<Vec<Case>, Failure> {
    let mut kept = Vec::new();
    for case in cases {
        let samples =
            sample::interleave(&bench.measure, std::slice::from_ref(&case), 2, 1, 30_000)?;
        let failed = samples
            .values()
            .flatten()
            .find(|sample| sample.status != "0");
        match failed {
            None => kept.push(case),
            Some(sample) => {
                let errors = sample::errors(&bench.measure);
                println!(
                    "left out: {}: status {}: {errors}",
                    case.name, sample.status
                );
            }
        }
    }
    Ok(kept)
}

fn print(cases: &[Case], samples: &Samples) {
    println!(
        "{:<28} {:>9} {:>9} {:>9} {:>9} {:>9} {:>6}",
        "ms", "wall", "min", "p90", "cpu", "cpu min", "failed"
    );
    let ms = |us: u64| us as f64 / 1000.0;
    let mut names: Vec<&String> = cases.iter().map(|case| &case.name).collect();
    names.sort();
    for name in names {
        let Some(of_case) = samples.get(name) else {
            continue;
        };
        let wall = |percent| ms(percentile(of_case, percent, |s| s.wall_us));
        let cpu = |percent| ms(percentile(of_case, percent, |s| s.cpu_us));
        let failed = of_case.iter().filter(|s| s.status != "0").count();
        println!(
            "{name:<28} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {failed:>6}",
            wall(50),
            wall(0),
            wall(90),
            cpu(50),
            cpu(0)
        );
    }
}

/// The bars of the issue: medians, wall and CPU.
fn bars() -> Vec<Bar> {
    let bar = |what, case: &str, other: &str, limit| Bar {
        what,
        ours: format!("{case} lockstep-runc"),
        other: other.to_owned(),
        limit,
    };
    vec![
        bar("run / crun", "run", "run crun", 0.5),
        bar("run / runc", "run", "run runc", 0.2),
        bar("run / floor", "run", "run floor", 2.0),
        bar("exec / crun", "exec", "exec crun", 0.5),
    ]
}

type Figure = fn(&Sample) -> u64;
const FIGURES: [(&str, Figure); 2] = [("wall", |s| s.wall_us), ("cpu", |s| s.cpu_us)];

/// A line of the verdict: what, the figure, its limit, whether it holds.
type Verdict = (String, String, String, bool);

fn judge(samples: &Samples) -> Result<(), Failure> {
    let mut verdicts = Vec::new();
    for (kind, figure) in FIGURES {
        let median = |case: &str| samples.get(case).map(|found| percentile(found, 50, figure));
        verdicts.extend(bars().iter().map(|bar| ratio(bar, kind, &median)));
        verdicts.push(seccomp_cost(kind, &median));
    }
    println!();
    for (what, value, limit, good) in &verdicts {
        println!(
            "{what:<28} {value:>12} {limit:>14}  {}",
            if *good { "pass" } else { "FAIL" }
        );
    }
    let missed = verdicts.iter().filter(|(_, _, _, good)| !good).count();
    let failed = samples
        .values()
        .flatten()
        .filter(|s| s.status != "0")
        .count();
    if missed > 0 || failed > 0 {
        return Err(Failure::new(format!(
            "{missed} bars missed, {failed} runs failed"
        )));
    }
    Ok(())
}

fn ratio(bar: &Bar, kind: &str, median: &dyn Fn(&str) -> Option<u64>) -> Verdict {
    let (what, limit) = (
        format!("{} {kind}", bar.what),
        format!("<= {} x", bar.limit),
    );
    let (Some(ours), Some(other)) = (median(&bar.ours), median(&bar.other)) else {
        return (what, "not measured".to_owned(), limit, false);
    };
    let ratio = ours as f64 / other.max(1) as f64;
    (what, format!("{ratio:.2} x"), limit, ratio <= bar.limit)
}

/// The engines' default profile may cost half a millisecond or a tenth of the run.
fn seccomp_cost(kind: &str, median: &dyn Fn(&str) -> Option<u64>) -> Verdict {
    let what = format!("seccomp profile {kind}");
    let found = (
        median("run-seccomp lockstep-runc"),
        median("run lockstep-runc"),
    );
    let (Some(with), Some(without)) = found else {
        return (what, "not measured".to_owned(), String::new(), false);
    };
    let (more, limit) = (
        with as f64 - without as f64,
        (without as f64 / 10.0).max(500.0),
    );
    let value = format!("{:+.2} ms", more / 1000.0);
    (
        what,
        value,
        format!("<= {:.2} ms", limit / 1000.0),
        more <= limit,
    )
}
