//! `bench people`: what people's tool costs against crun on a bare bundle, Podman and Docker, what stays beside a
//! container, and what listing many takes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Bench;
use super::bundle::Kind;
use super::engines::{Engines, PODMAN};
use super::rootless::User;
use super::sample::{self, Case, Samples, owned, percentile};
use crate::Failure;

/// Most private memory of an idle supervisor, in kibibytes.
const SUPERVISOR_KIB: u64 = 3 << 10;
/// Containers that `ps` is measured with, and most that it may take, as a share of cat(1) on their state files.
const LISTED: usize = 200;
const LIST_LIMIT: f64 = 2.0;
/// Most that a run may take, as a share of crun's on a bare bundle.
const LIMIT: f64 = 1.0;

/// Measures and prints; fails if a bar is missed.
pub(crate) fn run(bench: &Bench, root: &Path, rounds: usize, seed: u64) -> Result<(), Failure> {
    let crun = bench.runtimes.iter().find(|runtime| runtime.name == "crun");
    let crun = crun.ok_or(Failure::new("crun is not installed (crun)"))?;
    let program = crate::release_binary(&crate::target(root), "lockstep");
    let lockstep = Lockstep {
        program: program.to_string_lossy().into_owned(),
        work: bench.folder.to_string_lossy().into_owned(),
    };
    let plain = bench.bundles.make(Kind::Plain)?;
    let directory = format!("rootfs:{}", bench.bundles.rootfs().display());
    let engines = Engines::start(&bench.folder, &bench.bundles.rootfs())?;
    let mut ours = vec![
        lockstep.case("lockstep run host:", &["run", "--rm", "host:", "true"]),
        lockstep.case(
            "lockstep run rootfs:",
            &["run", "--rm", &directory, "/bin/true"],
        ),
    ];
    let image = format!("oci:{}", engines.layout.display());
    let words = ["run", "--rm", &image, "/bin/true"];
    ours.push(lockstep.case("lockstep run oci:", &words));
    let crun = Case {
        name: "crun, bare bundle".into(),
        commands: vec![crun.words(&["run", "-b", &plain.to_string_lossy(), "bench-people"])],
    };
    let mut peers = vec![(crun, LIMIT)];
    peers.extend(engines.cases.iter().cloned());
    let cases: Vec<Case> = peers
        .iter()
        .map(|(case, _)| case)
        .chain(&ours)
        .cloned()
        .collect();
    println!(
        "{rounds} rounds in random order, seed {seed}, cgroup {}\n",
        bench.layout.name()
    );
    let samples = sample::interleave(&bench.measure, &cases, rounds, seed, 30_000)?;
    let mut good = compare(&samples, &ours, &peers);
    good &= rootless(bench, &lockstep, &engines, (rounds, seed))?;
    good &= lockstep.list(rounds)?;
    let memory = lockstep.supervisor()?;
    good &= memory <= SUPERVISOR_KIB;
    println!("\nprivate memory of an idle supervisor: {memory} KiB, at most {SUPERVISOR_KIB}");
    match good {
        true => Ok(()),
        false => Err(Failure::new("a bar is missed, or a run failed")),
    }
}

/// The same as an ordinary user, beside Podman.
fn rootless(
    bench: &Bench,
    lockstep: &Lockstep,
    engines: &Engines,
    (rounds, seed): (usize, u64),
) -> Result<bool, Failure> {
    let user = User::new(&bench.folder, &bench.measure)?;
    let ours = [user.lockstep(&lockstep.program, &engines.layout)?];
    let podman = user.podman(&engines.archive)?;
    let cases = [&ours[..], std::slice::from_ref(&podman)].concat();
    println!("\nas an ordinary user:");
    let samples = sample::interleave(&user.measure, &cases, rounds, seed, 30_000)?;
    Ok(compare(&samples, &ours, &[(podman, PODMAN)]))
}

/// Prints the times and their ratios; whether all runs succeeded and every ratio is within its peer's limit.
fn compare(samples: &Samples, ours: &[Case], peers: &[(Case, f64)]) -> bool {
    let figure = |case: &Case, percent| {
        let of_case = samples
            .get(&case.name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        percentile(of_case, percent, |s| s.wall_us) as f64 / 1000.0
    };
    let mut good = samples
        .values()
        .flatten()
        .all(|sample| sample.status == "0");
    println!("{:<24} {:>9} {:>9}", "ms", "median", "min");
    for case in peers.iter().map(|(case, _)| case).chain(ours) {
        let (median, min) = (figure(case, 50), figure(case, 0));
        println!("{:<24} {median:>9.2} {min:>9.2}", case.name);
    }
    println!();
    for case in ours {
        for (peer, limit) in peers {
            let share = figure(case, 50) / figure(peer, 50);
            let met = share <= *limit;
            good &= met;
            println!(
                "{:<21} / {:<18} {share:>7.3} x  <= {limit:.3} x  {}",
                case.name,
                peer.name,
                if met { "pass" } else { "FAIL" }
            );
        }
    }
    good
}

/// The program with a store and a state in the benchmark's own file system.
struct Lockstep {
    program: String,
    work: String,
}

impl Lockstep {
    fn words(&self, args: &[&str]) -> Vec<String> {
        let (data, state) = (
            format!("{}/people-data", self.work),
            format!("{}/people-state", self.work),
        );
        let mut words = owned(&[&self.program, "--root", &data, "--runroot", &state]);
        words.extend(owned(args));
        words
    }

    fn case(&self, name: &str, args: &[&str]) -> Case {
        Case {
            name: name.into(),
            commands: vec![self.words(args)],
        }
    }

    fn call(&self, args: &[&str]) -> Result<String, Failure> {
        let words = self.words(args);
        crate::run::output(Command::new(&words[0]).args(&words[1..]))
    }

    /// Whether `ps` of many running containers is fast enough: beside reading what it has to read of each, its record, its
    /// life and the runtime's state.
    fn list(&self, rounds: usize) -> Result<bool, Failure> {
        for _ in 0..LISTED {
            self.call(&["run", "-d", "host:", "sleep", "1000"])?;
        }
        let ids = self.call(&["ps", "-q", "--no-trunc"])?;
        let files = ids.lines().flat_map(|id| {
            let of = |place: &str| format!("{}/people-{place}", self.work);
            [
                of(&format!("data/containers/{id}/record.json")),
                of(&format!("data/containers/{id}/life.json")),
                of(&format!("state/runtime/{id}/state.json")),
            ]
        });
        let read: Vec<String> = std::iter::once("cat".to_owned()).chain(files).collect();
        let commands = [("ps", self.words(&["ps"])), ("cat", read)];
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for ((_, words), times) in commands.iter().zip(&mut times) {
                times.push(time(words)?);
            }
        }
        self.call(&["rm", "-fa"])?;
        let [ours, read] = times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64() * 1000.0
        });
        let share = ours / read;
        let met = share <= LIST_LIMIT && ids.lines().count() == LISTED;
        println!(
            "\nps of {} containers: {ours:.2} ms; cat of their state files: {read:.2} ms; {share:.3} x  <= {LIST_LIMIT:.1} x  {}",
            ids.lines().count(),
            if met { "pass" } else { "FAIL" }
        );
        Ok(met)
    }

    /// Private memory of a supervisor whose container sleeps, in kibibytes.
    fn supervisor(&self) -> Result<u64, Failure> {
        self.call(&["run", "-d", "--name", "idle", "host:", "sleep", "1000"])?;
        let pid = self.call(&["inspect", "--format", "{{.State.Pid}}", "idle"])?;
        // Idle is who has not changed for a while.
        let mut measured = private_memory_of_parent(pid.trim());
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(200));
            let again = private_memory_of_parent(pid.trim());
            let same = again.as_ref().ok() == measured.as_ref().ok();
            measured = again;
            if same {
                break;
            }
        }
        self.call(&["rm", "-f", "idle"])?;
        measured
    }
}

/// How long a command takes that succeeds, from its start to its end.
fn time(words: &[String]) -> Result<Duration, Failure> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdout(Stdio::null());
    let begun = Instant::now();
    let status = command.status()?;
    match status.success() {
        true => Ok(begun.elapsed()),
        false => Err(Failure::new(format!("{}: {status}", words[0]))),
    }
}

fn private_memory_of_parent(pid: &str) -> Result<u64, Failure> {
    let field = |text: &str, name: &str| -> u64 {
        let values = text.lines().filter_map(|line| {
            line.strip_prefix(name)?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        });
        values.sum()
    };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let parent = field(&status, "PPid:");
    let memory = std::fs::read_to_string(format!("/proc/{parent}/smaps_rollup"))?;
    Ok(field(&memory, "Private_Clean:") + field(&memory, "Private_Dirty:"))
}
