//! Every call of every process of a verb fails once: an error that names it, and never half a container.

use crate::agents::Agents;
use crate::exempt;
use crate::stepper::{Disturbance, Ended, Hit, Point};
use crate::walk::{Kind, Walk, name_of};

const EPERM: i32 = 1;
const EIO: i32 = 5;
const ENOMEM: i32 = 12;

pub(crate) const KIND: Kind = Kind {
    name: "fail",
    disturbances: &[
        Disturbance::Fail(EPERM),
        Disturbance::Fail(EIO),
        Disturbance::Fail(ENOMEM),
    ],
    judge,
    again: false,
};

/// Calls of the container's process that are made because a field of config.json asks for them.
const ASKED: [&str; 14] = [
    "fsopen",
    "fsconfig",
    "fsmount",
    "mount_setattr",
    "sethostname",
    "setdomainname",
    "setresuid",
    "setresgid",
    "setgroups",
    "capset",
    "prlimit64",
    "seccomp",
    "faccessat2",
    "execve",
];

/// What is wrong with how the verb took the failure.
fn judge(walk: &Walk<'_>, ended: &Ended, hit: &Hit, point: Point) -> Option<String> {
    let call = name_of(point.call);
    if exempt::ignored(walk, call, hit, point) {
        return None;
    }
    let said = ended.stderr.trim_end();
    let last = said.lines().last().unwrap_or_default();
    let named = std::iter::once(format!("{call}("))
        .chain(exempt::words(call).iter().map(|word| (*word).to_owned()))
        .any(|word| said.contains(&word));
    if !named {
        return Some(format!(
            "exit code {}, the call is not named: {last}",
            ended.code
        ));
    }
    let by_field = walk.verb.births() && point.process > 0 && ASKED.contains(&call);
    if by_field && ended.code != 0 && !said.contains("asked for by /") {
        return Some(format!("the asking field is not named: {last}"));
    }
    if ended.code == 0 && !said.contains("level=warning") {
        return Some(format!("exit code 0: {said}"));
    }
    // A container that could not be made is not there; one that could not be removed can be, later.
    if walk.verb.makes() && walk.state().exists() && !exempt::leaves(call) {
        return Some(format!("half a container is left: {last}"));
    }
    let gone = |agents: &Agents| !agents.has_device();
    let none = walk.verb.makes() && ended.code != 0 && !walk.state().exists();
    if none && walk.agents.as_ref().is_some_and(gone) {
        return Some(format!("the device is not given back: {last}"));
    }
    None
}
