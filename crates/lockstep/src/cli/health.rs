//! Health checks: how a container says that it works, and the verb that asks it.

use super::{Opt, Takes, Verb, flag, on_containers, refused, value};

/// `run` and `create`.
pub(super) const HEALTH: &[Opt] = &[
    value(
        "health-cmd",
        "COMMAND",
        "a shell line, or a JSON array of words, that succeeds in a healthy container; none for no check",
    ),
    value(
        "health-interval",
        "TIME",
        "between two checks (30s); disable leaves them to healthcheck run",
    ),
    value("health-timeout", "TIME", "longest time of a check (30s)"),
    value(
        "health-retries",
        "N",
        "failures in a row until it is unhealthy (3)",
    ),
    value(
        "health-start-period",
        "TIME",
        "time after the start in which failures do not count (0s)",
    ),
    value(
        "health-start-interval",
        "TIME",
        "between two checks in that time, until one succeeds (5s)",
    ),
    value(
        "health-on-failure",
        "none|kill|restart|stop",
        "what is done with an unhealthy container",
    ),
    flag("no-healthcheck", "without the image's check"),
    refused("health-startup-cmd", Takes::Text, STARTUP),
    refused("health-startup-interval", Takes::Text, STARTUP),
    refused("health-startup-retries", Takes::Text, STARTUP),
    refused("health-startup-success", Takes::Text, STARTUP),
    refused("health-startup-timeout", Takes::Text, STARTUP),
    refused("health-log-destination", Takes::Text, LOG),
    refused("health-max-log-count", Takes::Text, LOG),
    refused("health-max-log-size", Takes::Text, LOG),
];

const STARTUP: &str = "--health-start-period and --health-start-interval are for the start";
const LOG: &str = "the last five results are kept, 4096 bytes of each, beside the container";

pub(crate) const RUN: Verb = Verb {
    usage: "CONTAINER",
    min: 1,
    max: Some(1),
    description: "Exit codes: 0 it succeeded, 1 it failed, 125 there is no check or the container does not run.",
    ..on_containers("healthcheck-run", "run a container's health check now", &[])
};

/// What `lockstep healthcheck VERB` is, by the second word.
pub(crate) const GROUP: [(&str, &str); 1] = [("run", "healthcheck-run")];
