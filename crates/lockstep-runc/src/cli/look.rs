//! Verbs that look and print: state, list, ps, events, features, spec.
//!
//! They change nothing but the file that `spec` makes.

use super::{Opt, Verb, alone, flag, of_container, value};

pub(super) static STATE: Verb = of_container("state", "print the state of a container as JSON");

pub(super) static LIST: Verb = Verb {
    usage: "[command options]",
    options: &[&[FORMAT, flag("quiet", "print ids only").short('q')]],
    ..alone("list", "list the containers below the state directory")
};

const FORMAT: Opt = value("format", "table or json").short('f').default("table");

pub(super) static PS: Verb = Verb {
    usage: "[command options] <container-id> [ps options]",
    description: "The table is what ps(1) prints, -ef by default, cut down to the container's processes; its \
        options must leave the PID column. The json form is an array of process ids of the host.",
    options: &[&[FORMAT]],
    max: None,
    options_first: true,
    ..of_container("ps", "list the processes of a container")
};

pub(super) static EVENTS: Verb = Verb {
    usage: "[command options] <container-id>",
    options: &[&[
        value(
            "interval",
            "time between two lines of statistics, such as 500ms",
        )
        .default("5s"),
        flag("stats", "print the statistics once and end"),
    ]],
    ..of_container(
        "events",
        "print resource use and out-of-memory events as JSON lines",
    )
};

pub(super) static FEATURES: Verb = alone(
    "features",
    "print what this runtime supports, as the specification's JSON",
);

pub(super) static SPEC: Verb = Verb {
    usage: "[command options]",
    description: "Writes config.json into the current directory or the bundle; an existing one is left alone \
        and reported. It runs \"sh\" on a terminal with few capabilities; edit it for anything else.",
    options: &[&[
        value("bundle", "directory of the bundle").short('b'),
        flag(
            "rootless",
            "for a container of the calling user without root",
        ),
    ]],
    ..alone("spec", "write a config.json to start from")
};
