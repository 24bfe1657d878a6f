//! The verbs: each turns its options into one request to the runtime library and prints the answer.

mod checkpoint;
mod events;
mod exec;
mod life;
mod look;
mod make;
mod ps;
mod spec;
mod update;

use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::Front;
use lockstep_runtime::ContainerId;

/// Does what a verb says; the exit code.
pub(crate) fn run(front: &Front, name: &str, args: &Arguments) -> Result<u8, Failure> {
    match name {
        "create" => make::create(front, args),
        "run" => make::run(front, args),
        "exec" => exec::exec(front, args),
        "start" => life::start(front, args),
        "kill" => life::kill(front, args),
        "pause" => life::pause(front, args),
        "resume" => life::resume(front, args),
        "delete" => life::delete(front, args),
        "state" => look::state(front, args),
        "list" => look::list(front, args),
        "ps" => ps::ps(front, args),
        "events" => events::events(front, args),
        "update" => update::update(front, args),
        "spec" => spec::spec(args),
        "features" => spec::features(front),
        "checkpoint" => checkpoint::checkpoint(front, args),
        "restore" => checkpoint::restore(front, args),
        verb => Err(Failure::new(format!("verb {verb} is in the table alone"))),
    }
}

/// The container that the verb is about.
fn id(args: &Arguments) -> Result<ContainerId, Failure> {
    let id = args.positionals().first().map(|id| id.to_string_lossy());
    Ok(ContainerId::parse(&id.unwrap_or_default())?)
}
