//! The verbs: each turns its options into one request to the runtime library and prints the answer.

mod events;
mod exec;
mod life;
mod look;
mod make;
mod ps;
mod spec;
mod update;

use std::ffi::OsString;

use clap::ArgMatches;

use crate::failure::Failure;
use crate::front::Front;
use lockstep_runtime::ContainerId;

/// Does what a verb says; the exit code.
pub(crate) fn run(front: &Front, name: &str, matches: &ArgMatches) -> Result<u8, Failure> {
    match name {
        "create" => make::create(front, matches),
        "run" => make::run(front, matches),
        "exec" => exec::exec(front, matches),
        "start" => life::start(front, matches),
        "kill" => life::kill(front, matches),
        "pause" => life::pause(front, matches),
        "resume" => life::resume(front, matches),
        "delete" => life::delete(front, matches),
        "state" => look::state(front, matches),
        "list" => look::list(front, matches),
        "ps" => ps::ps(front, matches),
        "events" => events::events(front, matches),
        "update" => update::update(front, matches),
        "spec" => spec::spec(matches),
        "features" => spec::features(front),
        verb => Err(refuse_criu(verb)),
    }
}

fn refuse_criu(verb: &str) -> Failure {
    let text = format!("{verb} is not in this version of {}", crate::cli::NAME);
    Failure::new(text).with_detail("hint: stop the container and start it again".to_owned())
}

/// The container that the verb is about.
fn id(matches: &ArgMatches) -> Result<ContainerId, Failure> {
    let id = matches.get_one::<OsString>("container-id");
    let id = id.map(|id| id.to_string_lossy()).unwrap_or_default();
    Ok(ContainerId::parse(&id)?)
}

/// Values that must be UTF-8, because the specification's JSON holds nothing else.
fn utf8(matches: &ArgMatches, name: &str) -> Result<Vec<String>, Failure> {
    let values = matches.get_many::<OsString>(name).unwrap_or_default();
    let checked = values.map(|value| match value.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Failure::new(format!("{name} is not UTF-8: {value:?}"))),
    });
    checked.collect()
}
