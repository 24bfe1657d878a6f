//! SIGKILL at every call of every process of a verb: `delete --force` leaves nothing, the id works again.

use crate::harness::{Sample, Test, cases};
use crate::stepper::{Disturbance, HUNG, Point};
use crate::verb::{Verb, Walk};

cases! {
    run,
    create,
    start,
    exec,
    delete,
}

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
        let name = format!("kill {verb:?} {}.{}", point.process, point.call);
        if !Sample::takes_point(&name) {
            continue;
        }
        let (hit, complaints) = disturb(&walk, *point);
        hits += usize::from(hit);
        wrong.extend(complaints.into_iter().map(|text| format!("{name}: {text}")));
    }
    println!("{verb:?}: killed at {hits} of {} calls", points.len());
    assert!(
        wrong.is_empty(),
        "{} wrong of {}:\n{}",
        wrong.len(),
        points.len(),
        wrong.join("\n")
    );
    assert!(hits > 0 || !Sample::is_full(), "no point was hit");
}

fn disturb(walk: &Walk<'_>, point: Point) -> (bool, Vec<String>) {
    let container = walk.prepare();
    let ended = walk.step(Disturbance::Kill, point);
    drop(container);
    let mut wrong = Vec::new();
    if ended.code == HUNG {
        wrong.push("it hangs".to_owned());
    }
    wrong.extend(walk.remove(&ended));
    if let Err(text) = walk.again() {
        wrong.push(text);
    }
    (ended.hit.is_some(), wrong)
}
