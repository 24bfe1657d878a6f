//! runc's words for what engines and scripts see most. An error begins with them; what is known beside them follows.
//!
//! Only beginnings: what is wrong with which field is said by whoever found it.

use crate::error::{Error, Kind};
use lockstep_oci::runtime::{Invalid, Problem};
use lockstep_plan::step::Source;
use lockstep_plan::{Op, Plan, RootPath};
use std::path::Path;

/// The error of a configuration that is not valid.
pub(crate) fn invalid(path: &Path, invalid: &Invalid) -> Error {
    let text = format!("{}: {invalid}", path.display());
    let known = invalid.problems.first().and_then(of_problem);
    let text = known.map_or(text.clone(), |words| format!("{words}: {text}"));
    Error::new(Kind::Invalid, text)
}

fn of_problem(problem: &Problem) -> Option<String> {
    let value = problem.value.as_deref().unwrap_or_default();
    let text = value.trim_matches('"');
    let place: Vec<&str> = problem.pointer.split('/').skip(1).collect();
    Some(match (place.as_slice(), &*problem.reason) {
        (["process", "cwd"], "must be an absolute path") if text.is_empty() => {
            "Cwd property must not be empty".into()
        }
        (["process", "cwd"], "must be an absolute path") => "Cwd must be an absolute path".into(),
        (["process", "args"], _) => "args must not be empty".into(),
        (["process", "rlimits", _, "type"], "is not a known resource limit") => {
            format!("wrong rlimit value: {text}")
        }
        (["root"], _) if value.is_empty() => "root must be specified".into(),
        (["hostname"], "needs a uts namespace") => {
            "unable to set hostname without a private UTS namespace".into()
        }
        (["linux", "maskedPaths" | "readonlyPaths"], "needs a mount namespace") => {
            "unable to restrict sys entries without a private MNT namespace".into()
        }
        (["linux", "sysctl", name], "belongs to no namespace, so it would change the host") => {
            format!("sysctl {name:?} is not in a separate kernel namespace")
        }
        (["linux", "namespaces", _, "type"], "is not a known namespace type") => {
            format!("namespace {{{value} \"\"}} does not exist")
        }
        (["linux", "rootfsPropagation"], _) => format!("rootfsPropagation={text} is not supported"),
        (["linux", "devices", _, "type"], "is not a known device type") => {
            format!("invalid device type {value}")
        }
        (["linux", "seccomp", ..], "is not a known seccomp action") => {
            format!("string {text} is not a valid action for seccomp")
        }
        (["linux", "seccomp", ..], "is not a known seccomp architecture") => {
            format!("string {text} is not a valid arch for seccomp")
        }
        (["linux", "seccomp", ..], "is not a known seccomp operator") => {
            format!("string {text} is not a valid operator for seccomp")
        }
        _ => return None,
    })
}

/// The error of a step; of one that mounts something it begins with what and where.
pub(crate) fn of_step(plan: &Plan, op: &Op, mut error: Error) -> Error {
    if let Some((source, target)) = mounts(plan, op) {
        let target = target.as_path().display().to_string();
        let begin = format!("error mounting {source:?} to rootfs at {target:?}");
        error.message = format!("error during container init: {begin}: {}", error.message);
    }
    error
}

/// Source and target of the mount that a step is for.
fn mounts<'a>(plan: &'a Plan, op: &'a Op) -> Option<(String, &'a RootPath)> {
    let mut all = plan.steps.iter().map(|step| &step.op);
    match op {
        Op::Mount { source, target, .. } => Some((source.clone(), target)),
        Op::Bind {
            source: Source::Path(path, _),
            target,
            ..
        } => Some((path.as_path().display().to_string(), target)),
        Op::Bind {
            source: Source::Slot(slot),
            target,
            ..
        } => all.find_map(|op| match op {
            Op::OpenTree {
                slot: opened,
                source,
                ..
            } if opened == slot => Some((source.as_path().display().to_string(), target)),
            _ => None,
        }),
        Op::OpenTree { slot, source, .. } => all.find_map(|op| match op {
            Op::Bind {
                source: Source::Slot(bound),
                target,
                ..
            } if bound == slot => Some((source.as_path().display().to_string(), target)),
            _ => None,
        }),
        _ => None,
    }
}
