//! `events`: statistics at an interval and out-of-memory events, one JSON object per line.

use std::time::{Duration, Instant};

use lockstep_oci::state::Status;
use serde::Serialize;

use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::{self, Front};
use crate::log::Log;
use crate::{number, quote};
use lockstep_runtime::{ContainerId, OomWait, Runtime, Stats};

/// One line of output.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Stats>,
}

pub(super) fn events(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let id = super::id(args)?;
    let interval = interval(&args.text("interval").unwrap_or_default())?;
    let info = front.with_runtime(|runtime| runtime.info(&id))?;
    if info.status == Status::Stopped {
        let text = format!("container with id {} is not running", id.as_str());
        return Err(Failure::new(text));
    }
    if args.flag("stats") {
        let stats = front.with_runtime(|runtime| runtime.stats(&id))?;
        print(&id, "stats", Some(stats))?;
        return Ok(0);
    }
    front.with_runtime(|runtime| Ok(follow(runtime, &id, interval, &front.log)))??;
    Ok(0)
}

fn interval(text: &str) -> Result<Duration, Failure> {
    match number::duration(text) {
        Some(Duration::ZERO) => Err(Failure::new("duration interval must be greater than 0")),
        Some(interval) => Ok(interval),
        None => {
            let text = quote::go(text);
            Err(Failure::new(format!(
                "invalid value {text} for flag -interval: parse error"
            )))
        }
    }
}

/// Prints until the container or the reader is gone.
fn follow(
    runtime: &Runtime<'_>,
    id: &ContainerId,
    interval: Duration,
    log: &Log,
) -> Result<(), Failure> {
    let oom = runtime.oom_events(id)?;
    let mut next = Instant::now() + interval;
    let mut reader = true;
    while reader {
        match oom.wait(next.saturating_duration_since(Instant::now()))? {
            OomWait::Gone => return Ok(()),
            OomWait::Oom => reader = print(id, "oom", None)?,
            OomWait::Timeout => {
                next += interval;
                match runtime.stats(id) {
                    Ok(stats) => reader = print(id, "stats", Some(stats))?,
                    // The container may be ending; the next wait tells.
                    Err(error) => log.warning(&error.to_string()),
                }
            }
        }
    }
    Ok(())
}

/// Prints one line; whether there still is a reader.
fn print(id: &ContainerId, kind: &'static str, data: Option<Stats>) -> Result<bool, Failure> {
    let id = id.as_str();
    let line = serde_json::to_string(&Event { kind, id, data });
    let line = line.map_err(|error| Failure::new(error.to_string()))?;
    front::print(&(line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_durations_above_zero() {
        assert_eq!(interval("1m"), Ok(Duration::from_secs(60)));
        let text = |text| interval(text).expect_err("refused").text;
        assert_eq!(text("0"), "duration interval must be greater than 0");
        assert_eq!(
            text("5"),
            "invalid value \"5\" for flag -interval: parse error"
        );
    }
}
