//! Thousands of containers, in a row, at once and under load: none hangs, and nothing of them is left.
//!
//! Counts are those of the full run; a sample takes its share of each.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../harness/mod.rs"]
mod harness;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::{Bundle, Host, Sample, Test, View, cases};

cases! {
    two_thousand_in_a_row,
    sixty_four_at_once,
    ten_thousand_under_load,
}

fn main() -> ExitCode {
    harness::run_all(vec![("soak", cases())])
}

/// What the machine has of containers, mounts and this test's descriptors.
#[derive(Debug, PartialEq, Eq)]
struct Possessions {
    states: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    mounts: usize,
    descriptors: usize,
}

impl Possessions {
    fn of(test: &Test, bundle: &Bundle<'_>) -> Self {
        let names = |path: std::path::PathBuf| -> Vec<String> {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path().display().to_string())
                .filter(|path| path.contains(&bundle.id))
                .collect()
        };
        // Without a path of its own a container's cgroup is named by its id, at the top.
        let parents = Host::get().controllers.values().cloned();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts");
        let dir = test.dir.display().to_string();
        Self {
            states: names(test.state_root()).into_iter().collect(),
            cgroups: parents.flat_map(names).collect(),
            mounts: mounts.lines().filter(|line| line.contains(&dir)).count(),
            // Those of this thread's test alone: other tests open files meanwhile.
            descriptors: std::fs::read_dir("/proc/self/fd")
                .expect("own descriptors")
                .flatten()
                .filter_map(|entry| std::fs::read_link(entry.path()).ok())
                .filter(|path| path.display().to_string().contains(&dir))
                .count(),
        }
    }
}

/// Processes whose arguments name the test's directory: the runtime's own.
fn processes(test: &Test) -> Vec<String> {
    let needle = test.dir.display().to_string();
    let entries = std::fs::read_dir("/proc")
        .expect("/proc is readable")
        .flatten();
    let texts = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    texts
        .map(|text| String::from_utf8_lossy(&text).replace('\0', " "))
        .filter(|text| text.contains(&needle))
        .collect()
}

fn check(test: &Test, bundle: &Bundle<'_>, before: &Possessions) {
    assert!(
        harness::wait_until(|| processes(test).is_empty()),
        "left: {:?}",
        processes(test)
    );
    assert_eq!(Possessions::of(test, bundle), *before);
}

fn two_thousand_in_a_row(test: &Test) {
    let bundle = test.args(&["/bin/true"]).remove("/linux/cgroupsPath");
    bundle.write();
    let dir = bundle.dir().display().to_string();
    let before = Possessions::of(test, &bundle);
    let count = Sample::share(2000);
    for number in 0..count {
        let id = format!("{}-{number}", bundle.id);
        test.call(&["run", "--bundle", &dir, &id]).ok();
    }
    println!("{count} containers in a row");
    check(test, &bundle, &before);
}

fn sixty_four_at_once(test: &Test) {
    let bundle = test.sleeper().remove("/linux/cgroupsPath");
    bundle.write();
    let dir = bundle.dir().display().to_string();
    let before = Possessions::of(test, &bundle);
    let ids: Vec<String> = (0..64).map(|n| format!("{}-{n}", bundle.id)).collect();
    let all = |verb: &[&str]| {
        let started: Vec<_> = ids
            .iter()
            .map(|id| {
                let mut args = verb.to_vec();
                args.push(id);
                test.begin(&args, &View::Plain)
            })
            .collect();
        started.into_iter().for_each(|running| {
            running.wait().ok();
        });
    };
    all(&["create", "--bundle", &dir]);
    all(&["start"]);
    let list = test.call(&["list", "--format", "json"]).ok().json();
    let running = |state: &&serde_json::Value| state["status"] == "running";
    let running = list
        .as_array()
        .expect("a list")
        .iter()
        .filter(running)
        .count();
    assert_eq!(running, 64);
    all(&["delete", "--force"]);
    check(test, &bundle, &before);
}

/// Four callers, while two programs keep both processors busy.
fn ten_thousand_under_load(test: &Test) {
    let bundle = test.args(&["/bin/true"]).remove("/linux/cgroupsPath");
    bundle.write();
    let dir = bundle.dir().display().to_string();
    let before = Possessions::of(test, &bundle);
    for _ in 0..2 {
        test.companion("sh", &["-c", "while :; do :; done"]);
    }
    let count = Sample::share(10_000);
    let next = AtomicU64::new(0);
    let state = test.state_root().display().to_string();
    let prefix = bundle.id.clone();
    let worker = || {
        let mut failed = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return failed;
            }
            let id = format!("{prefix}-{number}");
            // The limit is timeout(1)'s: a hang is exit code 124 or 137.
            let output = std::process::Command::new("timeout")
                .args(["-k", "1", "60"])
                .arg(&Host::get().runtime)
                .args(["--root", &state, "run", "--bundle", &dir, &id])
                .stdin(std::process::Stdio::null())
                .output()
                .expect("timeout(1) is there");
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                failed.push(format!("{id}: {} {text}", output.status));
            }
        }
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        let joined = workers.into_iter();
        joined
            .flat_map(|one| one.join().expect("a worker"))
            .collect()
    });
    println!("{count} containers under load");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    check(test, &bundle, &before);
}
