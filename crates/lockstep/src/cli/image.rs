//! Verbs on images of the store.

use super::{Takes, Verb, flag, refused, value, values, verb};

pub(crate) const LOAD: Verb = Verb {
    min: 0,
    max: Some(1),
    ..verb(
        "load",
        "[options] [oci:DIR[:REF] | oci-archive:FILE | docker-archive:FILE]",
        "bring images from a directory or an archive into the store",
        &[&[
            value(
                "input",
                "FILE",
                "an archive of either kind; standard input by default",
            )
            .short('i'),
            flag("quiet", "print nothing").short('q'),
        ]],
    )
};

pub(crate) const IMAGES: Verb = Verb {
    min: 0,
    max: Some(1),
    ..verb(
        "images",
        "[options] [REPOSITORY[:TAG]]",
        "list images",
        &[&[
            flag("quiet", "ids alone").short('q'),
            flag("no-trunc", "whole ids"),
            value(
                "format",
                "FORMAT",
                "json, table or a template as {{.Repository}} {{.Tag}}",
            ),
            flag("json", "as --format json"),
            flag("noheading", "no headings"),
            flag("all", "all of them, which is the default").short('a'),
            flag("digests", "a column with the digests"),
            values(
                "filter",
                "KEY=VALUE",
                "reference, dangling, label, label!, before, since, until, id, digest",
            )
            .short('f'),
        ]],
    )
};

pub(crate) const RMI: Verb = verb(
    "rmi",
    "[options] IMAGE [IMAGE...]",
    "remove images, or one of their names",
    &[&[flag(
        "force",
        "also by an id with several names; one in use loses its names",
    )
    .short('f')]],
);

pub(crate) const TAG: Verb = Verb {
    min: 2,
    ..verb(
        "tag",
        "IMAGE NAME [NAME...]",
        "give an image further names",
        &[],
    )
};

pub(crate) const SAVE: Verb = verb(
    "save",
    "[options] IMAGE [IMAGE...]",
    "write images to an archive",
    &[&[
        value("output", "FILE", "the archive; standard output by default").short('o'),
        value(
            "format",
            "oci-archive|docker-archive",
            "its form (docker-archive)",
        ),
        flag("quiet", "say nothing on a terminal either").short('q'),
    ]],
);

pub(crate) const HISTORY: Verb = Verb {
    max: Some(1),
    ..verb(
        "history",
        "[options] IMAGE",
        "list the steps of an image's making",
        &[&[
            flag("no-trunc", "whole ids and commands"),
            flag("quiet", "ids alone").short('q'),
            flag("human", "sizes and times for people (default)").short('H'),
            value(
                "format",
                "FORMAT",
                "json, table or a template as {{.CreatedBy}} {{.Size}}",
            ),
            flag("json", "as --format json"),
        ]],
    )
};

pub(crate) const PRUNE: Verb = Verb {
    min: 0,
    max: Some(0),
    ..verb(
        "prune",
        "[options]",
        "remove images without a name, or with --all those that no container needs",
        &[&[
            flag("all", "also those with a name").short('a'),
            flag("force", "ask no question, which is the default").short('f'),
            refused(
                "volumes",
                Takes::Nothing,
                "volumes with a name are removed by nobody but you",
            ),
            refused("filter", Takes::Texts, "images are not filtered yet"),
        ]],
    )
};

/// What `lockstep image VERB` is, by the second word.
pub(crate) const GROUP: [(&str, &str); 10] = [
    ("inspect", "image-inspect"),
    ("ls", "images"),
    ("list", "images"),
    ("rm", "rmi"),
    ("load", "load"),
    ("save", "save"),
    ("tag", "tag"),
    ("history", "history"),
    ("prune", "prune"),
    ("remove", "rmi"),
];
