//! The health check: the image's, with what the command line changes, or the command line's alone.

use lockstep_oci::image::Healthcheck;

use super::{Input, Resolved, wrong};
use crate::argv::Arguments;
use crate::container::{Check, OnFailure};
use crate::failure::Failure;
use crate::number;
use crate::why::Origin;

/// Docker's defaults, in milliseconds.
const INTERVAL_MS: u64 = 30_000;
const TIMEOUT_MS: u64 = 30_000;
const START_INTERVAL_MS: u64 = 5_000;
const RETRIES: u32 = 3;

/// What the check's behaviour is changed with.
const OPTIONS: [&str; 7] = [
    "health-cmd",
    "health-interval",
    "health-timeout",
    "health-retries",
    "health-start-period",
    "health-start-interval",
    "health-on-failure",
];

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let args = input.args;
    let mut given = None;
    for option in OPTIONS {
        given = given.or(args.text(option)?.map(|_| option));
    }
    if args.flag("no-healthcheck") {
        return match given {
            Some(option) => Err(Failure::new(format!(
                "--no-healthcheck and --{option} exclude each other"
            ))),
            None => Ok(()),
        };
    }
    let image = input.image.config.health.clone().unwrap_or_default();
    let (test, origin) = match args.text("health-cmd")? {
        Some(text) => (test(text)?, Origin::Flag),
        None => (image.test.clone(), Origin::Image),
    };
    match test.first().map(String::as_str) {
        Some("NONE") => return Ok(()),
        Some("CMD" | "CMD-SHELL") if test.len() > 1 => {}
        None => {
            return match given {
                None => Ok(()),
                Some(option) => Err(
                    Failure::new(format!("--{option}: there is no health check"))
                        .hint("give one with --health-cmd; the image has none"),
                ),
            };
        }
        Some(_) => {
            let text = format!("the image's health check {test:?} is neither CMD nor CMD-SHELL");
            return Err(Failure::new(text).hint("--no-healthcheck leaves it out"));
        }
    }
    let check = check(args, &image, test)?;
    let text = format!("{:?}", check.command());
    out.note(
        "health check",
        text,
        origin,
        "--health-cmd, --no-healthcheck",
    );
    out.health = Some(check);
    Ok(())
}

/// The check of `test` as the command line, or else the image, or else Docker wants it.
fn check(args: &Arguments, image: &Healthcheck, test: Vec<String>) -> Result<Check, Failure> {
    Ok(Check {
        interval_ms: match args.text("health-interval")? {
            Some("disable") => None,
            _ => Some(time(args, "health-interval", image.interval, INTERVAL_MS)?),
        },
        timeout_ms: time(args, "health-timeout", image.timeout, TIMEOUT_MS)?,
        retries: match args.number::<u32>("health-retries")? {
            Some(retries) if retries > 0 => retries,
            _ => positive(image.retries)
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(RETRIES),
        },
        start_period_ms: time(args, "health-start-period", image.start_period, 0)?,
        start_interval_ms: time(
            args,
            "health-start-interval",
            image.start_interval,
            START_INTERVAL_MS,
        )?,
        on_failure: match args.text("health-on-failure")? {
            None => OnFailure::None,
            Some(text) => OnFailure::parse(text)
                .ok_or_else(|| wrong("health-on-failure", text, "none, kill, restart or stop"))?,
        },
        test,
    })
}

/// A shell line; or words, if it is a JSON array as in an image.
fn test(text: &str) -> Result<Vec<String>, Failure> {
    if text == "none" {
        return Ok(vec!["NONE".into()]);
    }
    if !text.trim_start().starts_with('[') {
        return match text {
            "" => Err(wrong("health-cmd", text, "a command")),
            line => Ok(vec!["CMD-SHELL".into(), line.into()]),
        };
    }
    let mut words: Vec<String> = serde_json::from_str(text).map_err(|e| {
        Failure::new(format!(
            "--health-cmd takes words in JSON: {e}, in {text:?}"
        ))
    })?;
    match words.first().map(String::as_str) {
        Some("CMD" | "CMD-SHELL") if words.len() > 1 => {}
        Some("NONE") if words.len() == 1 => {}
        Some("CMD" | "CMD-SHELL" | "NONE") | None => {
            return Err(wrong("health-cmd", text, "a command"));
        }
        Some(_) => words.insert(0, "CMD".into()),
    }
    Ok(words)
}

/// The command line's time, or the image's, or `default`; 0 is not given, as in Docker.
fn time(
    args: &Arguments,
    option: &str,
    image_ns: Option<i64>,
    default: u64,
) -> Result<u64, Failure> {
    let typed = match args.text(option)? {
        None => None,
        Some(text) => {
            let unit = text == "0" || text.ends_with(|c: char| c.is_ascii_alphabetic());
            let ms = number::milliseconds(text).filter(|_| unit);
            Some(ms.ok_or_else(|| wrong(option, text, "a time as 1m30s"))?)
        }
    };
    let image = positive(image_ns).map(|ns| (ns / 1_000_000).max(1));
    Ok(typed.filter(|ms| *ms > 0).or(image).unwrap_or(default))
}

fn positive(number: Option<i64>) -> Option<u64> {
    u64::try_from(number?).ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_docker_s_and_podman_s() {
        let read = |text| test(text).map(|words| words.join("|")).ok();
        assert_eq!(read("test -f /x").as_deref(), Some("CMD-SHELL|test -f /x"));
        assert_eq!(read("[\"a\", \"b\"]").as_deref(), Some("CMD|a|b"));
        assert_eq!(read("[\"CMD\", \"a\"]").as_deref(), Some("CMD|a"));
        assert_eq!(read("none").as_deref(), Some("NONE"));
        for bad in ["", "[]", "[\"CMD\"]", "[1]", "[\"a\""] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
