//! Verbs that show something.

use super::{Opt, Takes, Verb, flag, on_containers, refused, value, values};

pub(crate) const PS: Verb = Verb {
    name: "ps",
    aliases: &["ls", "list"],
    usage: "[options]",
    about: "list containers",
    description: "",
    options: &[&[
        flag("all", "also those that do not run").short('a'),
        flag("quiet", "ids alone").short('q'),
        flag("no-trunc", "whole ids and commands"),
        values(
            "filter",
            "KEY=VALUE",
            "id, name, status, label, label!, exited, ancestor, before, since, until, volume, network, command, health",
        )
        .short('f'),
        value(
            "format",
            "FORMAT",
            "json, table or a template as {{.ID}} {{.Names}}",
        ),
        flag("json", "as --format json"),
        value("last", "N", "the N newest, whatever they do").short('n'),
        flag("latest", "the newest, whatever it does").short('l'),
        flag("noheading", "no headings"),
        refused(
            "size",
            Takes::Nothing,
            "the size of a container's own files is not computed",
        )
        .short('s'),
    ]],
    min: 0,
    max: Some(0),
    options_first: false,
};

pub(crate) const LOGS: Verb = Verb {
    usage: "[options] CONTAINER",
    max: Some(1),
    ..on_containers(
        "logs",
        "print what a container has written",
        &[&[
            flag("follow", "go on until it has ended").short('f'),
            value("tail", "N", "the last N lines, or all").short('n'),
            value("since", "TIME", "not older: RFC 3339, seconds, or as 10m"),
            value("until", "TIME", "not newer"),
            flag("timestamps", "with the time of each line").short('t'),
            refused(
                "details",
                Takes::Nothing,
                "lines have no further attributes",
            ),
        ]],
    )
};

pub(crate) const INSPECT: Verb = on_containers(
    "inspect",
    "print everything that is known of containers, images and volumes, as JSON",
    &[
        INSPECTING,
        &[value(
            "type",
            "container|image|volume",
            "what the names are of; any by default, in this order",
        )],
    ],
);

const INSPECTING: &[Opt] = &[
    value(
        "format",
        "FORMAT",
        "json or a Go template as {{.State.Status}}",
    )
    .short('f'),
    refused(
        "size",
        Takes::Nothing,
        "the size of a container's own files is not computed",
    )
    .short('s'),
];

pub(crate) const CONTAINER_INSPECT: Verb = on_containers(
    "container-inspect",
    "as inspect, of containers alone",
    &[INSPECTING],
);

pub(crate) const IMAGE_INSPECT: Verb = Verb {
    usage: "[options] IMAGE [IMAGE...]",
    ..on_containers(
        "image-inspect",
        "as inspect, of images alone",
        &[INSPECTING],
    )
};

pub(crate) const TOP: Verb = Verb {
    usage: "CONTAINER [FIELD... | -ef | -o FIELDS | aux]",
    options_first: true,
    ..on_containers("top", "list the processes of a container", &[])
};

pub(crate) const STATS: Verb = Verb {
    usage: "[options] [CONTAINER...]",
    min: 0,
    ..on_containers(
        "stats",
        "print what containers use",
        &[&[
            flag("no-stream", "once"),
            flag("all", "also those that do not run").short('a'),
            flag("no-trunc", "whole ids"),
            value(
                "format",
                "FORMAT",
                "json, table or a template as {{.Name}} {{.MemUsage}}",
            ),
            flag("json", "as --format json"),
            value("interval", "SECONDS", "time between two prints (5)").short('i'),
        ]],
    )
};

pub(crate) const PORT: Verb = on_containers(
    "port",
    "list published ports: a container of this release has none",
    &[],
);
