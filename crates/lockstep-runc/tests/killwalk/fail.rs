//! Every call of every process of a verb fails once: an error that names it, and never half a container.

use crate::exempt;
use crate::harness::{Sample, Test, cases};
use crate::stepper::{Disturbance, Ended, HUNG, Hit, Point};
use crate::verb::{Verb, Walk};

cases! {
    run,
    create,
    start,
    exec,
    delete,
}

/// EPERM, EIO, ENOMEM.
const ERRNOS: [i32; 3] = [1, 5, 12];

fn run(test: &Test) {
    walk(test, Verb::Run);
}

fn create(test: &Test) {
    walk(test, Verb::Create);
}

fn start(test: &Test) {
    walk(test, Verb::Start);
}

fn exec(test: &Test) {
    walk(test, Verb::Exec);
}

fn delete(test: &Test) {
    walk(test, Verb::Delete);
}

fn walk(test: &Test, verb: Verb) {
    let walk = Walk::new(test, verb);
    let points = walk.points();
    let mut wrong = Vec::new();
    let mut hits = 0;
    for point in &points {
        for errno in ERRNOS {
            let name = format!("fail {verb:?} {}.{} {errno}", point.process, point.call);
            if !Sample::takes_point(&name) {
                continue;
            }
            let (hit, complaints) = disturb(&walk, *point, errno);
            hits += usize::from(hit);
            wrong.extend(complaints.into_iter().map(|text| format!("{name}: {text}")));
        }
    }
    println!("{verb:?}: {hits} failures at {} calls", points.len());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(hits > 0 || !Sample::is_full(), "no point was hit");
}

fn disturb(walk: &Walk<'_>, point: Point, errno: i32) -> (bool, Vec<String>) {
    let container = walk.prepare();
    let ended = walk.step(Disturbance::Fail(errno), point);
    drop(container);
    let mut wrong = Vec::new();
    if let Some(hit) = &ended.hit {
        if ended.code == HUNG {
            wrong.push("it hangs".to_owned());
        }
        wrong.extend(judge(walk, &ended, hit, point.process));
        for text in &mut wrong {
            *text = format!("{} {}: {text}", hit.call, hit.object);
        }
    }
    wrong.extend(walk.remove(&ended));
    (ended.hit.is_some(), wrong)
}

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
fn judge(walk: &Walk<'_>, ended: &Ended, hit: &Hit, process: u32) -> Option<String> {
    let call = hit.call.as_str();
    if exempt::ignored(hit, process) {
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
    let by_field = process > 0 && ASKED.contains(&call);
    if by_field && ended.code != 0 && !said.contains("asked for by /") {
        return Some(format!("the asking field is not named: {last}"));
    }
    if ended.code == 0 && !said.contains("level=warning") {
        return Some(format!("exit code 0: {said}"));
    }
    // A container that could not be made is not there; one that could not be removed can be, later.
    let making = matches!(walk.verb, Verb::Create | Verb::Run);
    if making && walk.state().exists() && !exempt::leaves(call) {
        return Some(format!("half a container is left: {last}"));
    }
    None
}
