//! Validation: everything about a configuration that can be judged without asking a kernel.
//!
//! It reports all problems at once, each with pointer, value and reason, and its result is a type of
//! its own, so that nothing can plan from a configuration that nobody checked. The parts follow the
//! sections of the specification, one file each.

mod devices;
mod linux;
mod mounts;
mod namespaces;
mod process;
mod report;
mod resources;
mod scheduling;
mod seccomp;
mod version;

use std::fmt;
use std::ops::Deref;

pub use report::Problem;

pub(crate) use report::Report;

use super::{Hooks, Process, Resources, Spec};
use crate::landlock;
use crate::ordered_map::OrderedMap;
use crate::pointer::Pointer;

/// A configuration without problems. Only [`validate`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidSpec {
    spec: Spec,
    warnings: Vec<Problem>,
}

impl ValidSpec {
    /// What is odd but allowed, in file order; worth a line in the log.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The configuration, no longer known to be valid.
    #[must_use]
    pub fn into_inner(self) -> Spec {
        self.spec
    }
}

impl Deref for ValidSpec {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        &self.spec
    }
}

/// All problems of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The problems, in the order of the checks.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.problems.iter().enumerate() {
            if nth > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// Validates a whole configuration. `process` may be absent: only `start` needs one.
///
/// # Errors
///
/// All problems, if there is any.
pub fn validate(spec: Spec) -> Result<ValidSpec, Invalid> {
    check(&spec).map(|warnings| ValidSpec { spec, warnings })
}

/// The same of a configuration that its caller keeps; gives the warnings.
///
/// # Errors
///
/// All problems, if there is any.
pub fn check(spec: &Spec) -> Result<Vec<Problem>, Invalid> {
    let mut report = Report::default();
    let root = Pointer::Root;
    version::check(&mut report, &root, &spec.oci_version);
    mounts::check(&mut report, &root, spec);
    if let Some(process) = &spec.process {
        process::check(&mut report, &root.key("process"), process);
        process::check_ids_are_mapped(
            &mut report,
            &root.key("process").key("user"),
            &process.user,
            spec.linux.as_ref(),
        );
    }
    if let Some(hooks) = &spec.hooks {
        check_hooks(&mut report, &root.key("hooks"), hooks);
    }
    namespaces::check_names(&mut report, &root, spec);
    check_annotations(&mut report, &root.key("annotations"), &spec.annotations);
    if let Some(linux) = &spec.linux {
        linux::check(&mut report, &root.key("linux"), linux);
    }
    report.finish()
}

/// Validates a process on its own, as `exec --process` reads it; gives the warnings.
///
/// # Errors
///
/// All problems, if there is any.
pub fn validate_process(process: &Process) -> Result<Vec<Problem>, Invalid> {
    let mut report = Report::default();
    process::check(&mut report, &Pointer::Root, process);
    report.finish()
}

/// Validates resources on their own, as `update --resources` reads them; gives the warnings.
///
/// # Errors
///
/// All problems, if there is any.
pub fn validate_resources(resources: &Resources) -> Result<Vec<Problem>, Invalid> {
    let mut report = Report::default();
    resources::check(&mut report, &Pointer::Root, resources);
    report.finish()
}

fn check_hooks(report: &mut Report, at: &Pointer<'_>, hooks: &Hooks) {
    for (name, list) in hooks.lists() {
        let at = at.key(name);
        for (nth, hook) in list.iter().enumerate() {
            let at = at.index(nth);
            report.absolute_path(&at.key("path"), &hook.path);
            report.no_nul_in_each(&at.key("args"), &hook.args);
            process::check_env(report, &at.key("env"), &hook.env);
            if let Some(timeout) = hook.timeout.filter(|&seconds| seconds < 1) {
                report.refuse(&at.key("timeout"), &timeout, "must be at least 1 second");
            }
        }
    }
}

fn check_annotations(report: &mut Report, at: &Pointer<'_>, annotations: &OrderedMap<String>) {
    for (key, value) in annotations {
        if key.is_empty() {
            report.refuse(&at.key(key), value, "the key must not be empty");
        }
        if key == landlock::ANNOTATION
            && let Err(error) = landlock::parse(value)
        {
            report.refuse(&at.key(key), value, error.to_string());
        }
    }
}
