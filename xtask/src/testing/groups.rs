//! The table of test groups: what each runs, needs, and may take.
//!
//! Test targets are found in Cargo's metadata and put into a group by name, so that a new test
//! file runs without anybody remembering to list it.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::Context;
use crate::Failure;

/// One group of tests.
pub(crate) struct Group {
    /// Name on the command line, in the table and of the log file.
    pub(crate) name: &'static str,
    /// Programs without which nothing of the group can run.
    pub(crate) needs: &'static [&'static str],
    /// A cargo subcommand that is installed from the registry where it is missing.
    pub(crate) tool: Option<&'static str>,
    /// Why the group cannot run here, beyond a missing program.
    pub(crate) hindrance: fn() -> Option<String>,
    /// Whether the group needs root.
    pub(crate) root: bool,
    /// Share of the cases in the sample that CI runs, in percent; all of them in the full run.
    pub(crate) sample: u32,
    /// Time limit in minutes: of the sample, and of the full run.
    minutes: (u64, u64),
    /// Whether people's program is the one that is shipped: a debug build makes other calls.
    pub(crate) released: bool,
    /// Only in the full run, or when named.
    pub(crate) full_only: bool,
    /// Prefixes of test targets that belong here.
    prefixes: &'static [&'static str],
    commands: fn(&Context, &Targets, &Group) -> Vec<Command>,
}

impl Group {
    /// The limit after which the group is killed and has failed.
    pub(crate) fn limit(&self, full: bool) -> Duration {
        Duration::from_secs(60 * if full { self.minutes.1 } else { self.minutes.0 })
    }

    /// What the group runs, in order; empty if this tree has no test for it.
    pub(crate) fn commands(&self, context: &Context, targets: &Targets) -> Vec<Command> {
        (self.commands)(context, targets, self)
    }
}

const CHEAP: Group = Group {
    name: "",
    needs: &["cargo"],
    tool: None,
    hindrance: || None,
    root: false,
    sample: 100,
    minutes: (5, 10),
    released: false,
    full_only: false,
    prefixes: &[],
    commands: |_, _, _| Vec::new(),
};

/// A group of live tests: root, and a share of the cases in the sample.
const LIVE: Group = Group {
    root: true,
    minutes: (6, 60),
    commands: integration,
    ..CHEAP
};

/// All groups, cheap ones first, so that a typing error is reported before the first container.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "fmt",
        needs: &["cargo-fmt"],
        commands: |_, _, _| {
            vec![cargo(&[
                "fmt", "--all", "--check", "--", "--color", "never",
            ])]
        },
        ..CHEAP
    },
    Group {
        name: "tidy",
        commands: |_, _, _| vec![this(&["tidy"])],
        ..CHEAP
    },
    Group {
        name: "gen-check",
        commands: |_, _, _| vec![this(&["gen", "--check"]), this(&["man", "--check"])],
        ..CHEAP
    },
    Group {
        name: "clippy",
        needs: &["cargo-clippy"],
        minutes: (8, 15),
        commands: clippy,
        ..CHEAP
    },
    Group {
        name: "unit",
        minutes: (10, 30),
        commands: unit,
        ..CHEAP
    },
    Group {
        name: "wrong-config",
        prefixes: &["wrong", "bad"],
        minutes: (5, 15),
        ..LIVE
    },
    Group {
        name: "people",
        prefixes: &["people"],
        sample: 30,
        ..LIVE
    },
    Group {
        name: "programs",
        prefixes: &["programs", "inside"],
        sample: 40,
        ..LIVE
    },
    Group {
        name: "kernel",
        sample: 50,
        ..LIVE
    },
    Group {
        name: "forget",
        sample: 20,
        minutes: (4, 20),
        commands: forget,
        ..LIVE
    },
    Group {
        name: "attacks",
        prefixes: &["attack"],
        minutes: (6, 30),
        commands: with_variants,
        ..LIVE
    },
    Group {
        name: "kill-walk",
        needs: &["gcc"],
        prefixes: &["kill", "fail", "walk"],
        sample: 5,
        minutes: (8, 210),
        released: true,
        commands: with_variants,
        ..LIVE
    },
    Group {
        name: "soak",
        prefixes: &["soak", "leak", "nothing"],
        sample: 5,
        ..LIVE
    },
    Group {
        name: "engines",
        needs: &["podman", "runc"],
        prefixes: &["engine", "podman", "docker", "containerd", "cri"],
        sample: 20,
        ..LIVE
    },
    Group {
        name: "hands",
        needs: &["podman", "dockerd", "docker", "runc", "skopeo"],
        prefixes: &["hands"],
        sample: 10,
        ..LIVE
    },
    Group {
        name: "vm",
        sample: 10,
        minutes: (14, 300),
        commands: virtual_machines,
        ..LIVE
    },
    Group {
        name: "fuzz-smoke",
        root: false,
        prefixes: &["fuzz", "properties"],
        sample: 5,
        ..LIVE
    },
    Group {
        name: "fuzz",
        tool: Some("cargo-fuzz"),
        minutes: (90, 90),
        full_only: true,
        commands: |context, _, _| super::fuzz::commands(context),
        ..CHEAP
    },
    Group {
        name: "bench-gate",
        needs: &["strace"],
        minutes: (3, 5),
        commands: |_, _, _| vec![this(&["bench", "gate"])],
        ..LIVE
    },
    Group {
        name: "bench",
        // All peers: one that is absent makes the group a counted skip, and one that fails a failure.
        needs: &[
            "crun",
            "runc",
            "gcc",
            "podman",
            "dockerd",
            "docker",
            "newuidmap",
            "debootstrap",
        ],
        minutes: (15, 90),
        full_only: true,
        commands: bench,
        ..LIVE
    },
    Group {
        name: "deny",
        tool: Some("cargo-deny"),
        full_only: true,
        commands: deny,
        ..CHEAP
    },
    Group {
        name: "advisories",
        tool: Some("cargo-deny"),
        full_only: true,
        hindrance: no_advisories,
        commands: |_, _, _| vec![cargo(&["deny", "check", "advisories"])],
        ..CHEAP
    },
];

/// Packages whose test targets need no kernel.
const PURE: [&str; 5] = [
    "lockstep-abi",
    "lockstep-oci",
    "lockstep-profile",
    "lockstep-plan",
    "xtask",
];

fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(args);
    command
}

/// This program again. Not by its path: `cargo test --workspace` replaces the file.
fn this(args: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(args);
    command
}

/// What ships under the whole wall; then the tests, which may print, open and execute.
fn clippy(_: &Context, _: &Targets, _: &Group) -> Vec<Command> {
    let shipped = cargo(&[
        "clippy",
        "--workspace",
        "--lib",
        "--bins",
        "--",
        "-D",
        "warnings",
    ]);
    let mut tests = cargo(&["clippy", "--workspace", "--tests", "--", "-D", "warnings"]);
    for lint in ["disallowed_methods", "print_stdout", "print_stderr", "exit"] {
        tests.arg("-A").arg(format!("clippy::{lint}"));
    }
    tests.args(["-A", "missing_docs", "-A", "unreachable_pub"]);
    vec![shipped, tests]
}

fn unit(context: &Context, targets: &Targets, _: &Group) -> Vec<Command> {
    let runner: &[&str] = if context.has("cargo-nextest") {
        &["nextest", "run", "--no-fail-fast", "--no-tests", "pass"]
    } else {
        &["test", "--no-fail-fast"]
    };
    let mut tests = cargo(runner);
    tests.args(["--workspace", "--lib", "--bins"]);
    for name in targets.of("unit") {
        tests.args(["--test", name]);
    }
    vec![
        tests,
        cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]),
    ]
}

fn integration(_: &Context, targets: &Targets, group: &Group) -> Vec<Command> {
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    let names = targets.of(group.name);
    for name in names {
        tests.args(["--test", name]);
    }
    if names.is_empty() {
        Vec::new()
    } else {
        vec![tests]
    }
}

/// What is in the product, without what only tests use; then what is in the tree at all.
fn deny(_: &Context, _: &Targets, _: &Group) -> Vec<Command> {
    vec![
        cargo(&["deny", "--exclude-dev", "check", "bans"]),
        cargo(&["deny", "check", "licenses", "sources"]),
    ]
}

/// The advisories are a git repository, and a machine may have no way to it.
fn no_advisories() -> Option<String> {
    let url = "https://github.com/RustSec/advisory-db";
    let mut ask = Command::new("timeout");
    ask.args(["30", "git", "ls-remote", "--exit-code", url, "HEAD"]);
    let asked = crate::run::output(&mut ask);
    asked.err().map(|_| format!("{url} cannot be reached"))
}

/// The conformance tests again, each field of the specification taken from them in turn: one must notice.
fn forget(_: &Context, _: &Targets, _: &Group) -> Vec<Command> {
    let mut tests = cargo(&["test", "-p", "lockstep-runc", "--test", "spec"]);
    tests.env("LOCKSTEP_TEST_FORGET", "1");
    vec![tests]
}

/// Live tests that also need builds without a mechanism, which are made first.
fn with_variants(context: &Context, targets: &Targets, group: &Group) -> Vec<Command> {
    let tests = integration(context, targets, group);
    if tests.is_empty() {
        return tests;
    }
    let build = |name: &String| this(&["variant", name]);
    context.variants.iter().map(build).chain(tests).collect()
}

/// All kinds in the full run: what each is there for, which is measured against its bar, and the whole set. In the sample
/// those kinds whose turn it is at this commit.
fn virtual_machines(context: &Context, _: &Targets, _: &Group) -> Vec<Command> {
    if context.full {
        return vec![this(&["vm", "all"]), this(&["vm", "--whole", "all"])];
    }
    let mut vm = this(&["vm"]);
    vm.args(crate::vm::kinds(context.turn));
    vec![vm]
}

/// What the full run measures against its bars.
const MEASURED: &[&[&str]] = &[
    &["bench", "speed"],
    &["bench", "memory"],
    &["bench", "memlimit"],
    &["bench", "storm", "10000"],
    &["bench", "unpack"],
    &["bench", "people"],
];

fn bench(_: &Context, _: &Targets, _: &Group) -> Vec<Command> {
    MEASURED.iter().map(|args| this(args)).collect()
}

/// Test targets of the workspace by group.
pub(crate) struct Targets(BTreeMap<&'static str, Vec<String>>);

impl Targets {
    /// Reads the targets from Cargo's metadata.
    pub(crate) fn of_workspace(context: &Context) -> Result<Targets, Failure> {
        let mut command = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
        let text = crate::run::output(command.current_dir(&context.root))?;
        Ok(Targets::sort(&serde_json::from_str(&text)?))
    }

    fn sort(metadata: &Metadata) -> Targets {
        let mut by_group: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for package in &metadata.packages {
            for target in package
                .targets
                .iter()
                .filter(|t| t.kind.iter().any(|k| k == "test"))
            {
                let group = group_of(&package.name, &target.name);
                by_group.entry(group).or_default().push(target.name.clone());
            }
        }
        Targets(by_group)
    }

    fn of(&self, group: &str) -> &[String] {
        self.0.get(group).map_or(&[], Vec::as_slice)
    }
}

fn group_of(package: &str, target: &str) -> &'static str {
    let named = |group: &&Group| {
        group
            .prefixes
            .iter()
            .any(|prefix| target.starts_with(prefix))
    };
    match GROUPS.iter().find(named) {
        Some(group) => group.name,
        None if PURE.contains(&package) => "unit",
        None => "kernel",
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_target_has_one_group() {
        assert_eq!(group_of("lockstep-runc", "attack_exe"), "attacks");
        assert_eq!(group_of("lockstep-runc", "wrong_configs"), "wrong-config");
        assert_eq!(group_of("lockstep-oci", "fuzz_config"), "fuzz-smoke");
        assert_eq!(group_of("lockstep-runc", "kill_walk"), "kill-walk");
        assert_eq!(group_of("lockstep-runc", "podman"), "engines");
        assert_eq!(group_of("lockstep", "hands"), "hands");
        assert_eq!(group_of("lockstep-runc", "mounts"), "kernel");
        assert_eq!(group_of("lockstep-kernel", "mounts"), "kernel");
        assert_eq!(group_of("lockstep-plan", "order"), "unit");
        let names: std::collections::BTreeSet<_> = GROUPS.iter().map(|g| g.name).collect();
        assert_eq!(names.len(), GROUPS.len());
    }

    #[test]
    fn targets_come_from_metadata() {
        let text = r#"{"packages":[{"name":"lockstep-runc","targets":[
            {"name":"lockstep-runc","kind":["bin"]},
            {"name":"exec","kind":["test"]},{"name":"soak","kind":["test"]}]}]}"#;
        let targets = Targets::sort(&serde_json::from_str(text).expect("metadata"));
        assert_eq!(targets.of("kernel"), ["exec"]);
        assert_eq!(targets.of("soak"), ["soak"]);
        assert!(targets.of("unit").is_empty());
    }

    #[test]
    fn the_full_run_measures_peoples_tool_and_needs_its_peers() {
        let group = GROUPS.iter().find(|g| g.name == "bench").expect("a group");
        assert!(MEASURED.contains(&["bench", "people"].as_slice()));
        for peer in ["podman", "dockerd", "docker"] {
            assert!(group.needs.contains(&peer), "{peer}");
        }
    }
}
