//! Runs tests against a live OCI runtime: bundles, invocations with a hard timeout, and the proof
//! that nothing is left behind.
//!
//! It stands beside the tests, not in a crate, because only tests of the binary may start it. The
//! runtime under test is `lockstep-runc`, or the program that `LOCKSTEP_TEST_RUNTIME` names: a
//! suite that another runtime passes is one whose failures can be believed.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "several test binaries include this module and none uses all of it"
)]

mod bundle;
mod container;
mod forget;
mod host;
mod leftovers;
mod machine;
mod mountinfo;
mod probe;
mod procfs;
mod runtime;
mod suite;
#[path = "../../../runtime/tests/cgroup/systemd_bundle.rs"]
mod systemd_bundle;
mod test;
mod view;

pub(crate) use bundle::Bundle;
pub(crate) use container::Container;
pub(crate) use forget::Field;
pub(crate) use host::{CgroupLayout, Host};
pub(crate) use machine::{Systemd, hierarchies_alone};
pub(crate) use mountinfo::{Mount, mounts_of, parse_mounts};
pub(crate) use probe::build;
pub(crate) use procfs::{cgroup_of, is_alive, status_field, wait_until};
pub(crate) use runtime::{Output, Peer, Running, kill};
pub(crate) use suite::{Ending, Sample, Skip, announce_skip};
pub(crate) use test::{Test, Used, run_directory, short_path};
pub(crate) use view::{View, hold, in_view};

use std::process::ExitCode;

use libtest_mimic::Trial;

/// One test: its name, its body and, if the comparison runtime cannot pass it, why not.
pub(crate) struct Case {
    name: String,
    body: Box<dyn Fn(&Test) + Send>,
    ours_only: Option<&'static str>,
}

impl Case {
    /// A case from a function, through [`cases!`], or from what a loop makes.
    pub(crate) fn new(
        name: impl Into<String>,
        body: impl Fn(&Test) + Send + 'static,
        ours_only: Option<&'static str>,
    ) -> Self {
        Self {
            name: name.into(),
            body: Box::new(body),
            ours_only,
        }
    }

    /// Its name within its file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Lists the tests of a file. `name` alone runs against every runtime; `name: "reason"` only
/// against Lockstep, because the comparison runtime lacks the field or differs, for that reason.
macro_rules! cases {
    ($($name:ident $(: $reason:literal)?),* $(,)?) => {
        pub(crate) fn cases() -> Vec<$crate::harness::Case> {
            vec![$($crate::harness::Case::new(
                stringify!($name),
                $name,
                cases!(@reason $($reason)?),
            )),*]
        }
    };
    (@reason $reason:literal) => { Some($reason) };
    (@reason) => { None };
}
pub(crate) use cases;

/// Runs the sample's cases of `groups` (file name, cases) under libtest's command line.
pub(crate) fn run(groups: Vec<(&'static str, Vec<Case>)>) -> ExitCode {
    run_those(groups, Sample::from_env())
}

/// Runs all cases, which take their sample themselves.
pub(crate) fn run_all(groups: Vec<(&'static str, Vec<Case>)>) -> ExitCode {
    run_those(groups, None)
}

fn run_those(groups: Vec<(&'static str, Vec<Case>)>, sample: Option<Sample>) -> ExitCode {
    let mut trials = Vec::new();
    for (group, cases) in groups {
        for case in cases {
            let name = format!("{group}::{}", case.name);
            if sample.as_ref().is_none_or(|sample| sample.takes(&name)) {
                trials.push(trial(name, case));
            }
        }
    }
    run_trials(trials)
}

/// Runs trials under libtest's command line, and removes what all of them shared.
pub(crate) fn run_trials(trials: Vec<Trial>) -> ExitCode {
    suite::run(trials, test::remove_run_directory)
}

fn trial(name: String, case: Case) -> Trial {
    Trial::test(name.clone(), move || {
        let host = Host::get();
        if let (Peer::Other, Some(reason)) = (host.peer, case.ours_only) {
            announce_skip(&name, &format!("only for lockstep-runc: {reason}"));
            return Ok(());
        }
        let (ending, leftovers) = perform(Test::new(&name), &case);
        ending.told(&name, &leftovers)
    })
}

/// Runs a test and cleans up; its end, and what it left behind.
pub(crate) fn perform(test: Test, case: &Case) -> (Ending, Vec<String>) {
    let ending = suite::attempt(|| (case.body)(&test));
    (ending, test.finish())
}
