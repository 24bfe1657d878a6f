//! Verbs that act on a container that is there: start, kill, pause, resume, delete.

use clap::ArgMatches;

use crate::failure::Failure;
use crate::front::{self, Front};
use crate::number;

pub(super) fn start(front: &Front, matches: &ArgMatches) -> Result<u8, Failure> {
    let id = super::id(matches)?;
    front.with_runtime(|runtime| runtime.start(&id))?;
    Ok(0)
}

pub(super) fn kill(front: &Front, matches: &ArgMatches) -> Result<u8, Failure> {
    let id = super::id(matches)?;
    let signal = front::text(matches, "signal").unwrap_or_else(|| "SIGTERM".to_owned());
    let signal = number::signal(&signal).map_err(Failure::new)?;
    front.with_runtime(|runtime| runtime.kill(&id, signal, matches.get_flag("all")))?;
    Ok(0)
}

pub(super) fn pause(front: &Front, matches: &ArgMatches) -> Result<u8, Failure> {
    let id = super::id(matches)?;
    front.with_runtime(|runtime| runtime.pause(&id))?;
    Ok(0)
}

pub(super) fn resume(front: &Front, matches: &ArgMatches) -> Result<u8, Failure> {
    let id = super::id(matches)?;
    front.with_runtime(|runtime| runtime.resume(&id))?;
    Ok(0)
}

pub(super) fn delete(front: &Front, matches: &ArgMatches) -> Result<u8, Failure> {
    let id = super::id(matches)?;
    front.with_runtime(|runtime| runtime.delete(&id, matches.get_flag("force")))?;
    Ok(0)
}
