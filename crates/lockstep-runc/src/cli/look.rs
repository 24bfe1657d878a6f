//! Verbs that look and print: state, list, ps, events, features, spec.
//!
//! They change nothing but the file that `spec` makes.

use clap::Command;

use super::{container_id, flag, frame, rest, value};

pub(super) fn state() -> Command {
    frame(
        "state",
        "<container-id>",
        "print the state of a container as JSON",
    )
    .arg(container_id())
}

pub(super) fn list() -> Command {
    frame(
        "list",
        "[command options]",
        "list the containers below the state directory",
    )
    .args([
        value("format", "table or json")
            .short('f')
            .default_value("table"),
        flag("quiet", "print ids only").short('q'),
    ])
}

pub(super) fn ps() -> Command {
    frame(
        "ps",
        "[command options] <container-id> [ps options]",
        "list the processes of a container",
    )
    .long_about(
        "The table is what ps(1) prints, -ef by default, cut down to the container's processes; its \
         options must leave the PID column. The json form is an array of process ids of the host.",
    )
    .arg(
        value("format", "table or json")
            .short('f')
            .default_value("table"),
    )
    .args([container_id(), rest("ps-options")])
}

pub(super) fn events() -> Command {
    frame(
        "events",
        "[command options] <container-id>",
        "print resource use and out-of-memory events as JSON lines",
    )
    .args([
        value(
            "interval",
            "time between two lines of statistics, such as 500ms",
        )
        .default_value("5s"),
        flag("stats", "print the statistics once and end"),
    ])
    .arg(container_id())
}

pub(super) fn features() -> Command {
    frame(
        "features",
        "",
        "print what this runtime supports, as the specification's JSON",
    )
}

pub(super) fn spec() -> Command {
    frame(
        "spec",
        "[command options]",
        "write a config.json to start from",
    )
    .long_about(
        "Writes config.json into the current directory or the bundle; an existing one is left alone \
         and reported. It runs \"sh\" on a terminal with few capabilities; edit it for anything else.",
    )
    .args([
        value("bundle", "directory of the bundle").short('b'),
        flag("rootless", "for a container of the calling user without root"),
    ])
}
