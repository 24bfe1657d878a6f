//! Verbs on volumes: `volume create` is `volume-create` here, as in the manual pages' names.

use super::{Takes, Verb, flag, refused, value, values, verb};

pub(crate) const CREATE: Verb = Verb {
    min: 0,
    max: Some(1),
    ..verb(
        "volume-create",
        "[options] [VOLUME]",
        "make a volume, or say that it is there",
        &[&[
            values("label", "KEY=VALUE", "a label").short('l'),
            value("driver", "local", "the only one there is").short('d'),
            flag(
                "ignore",
                "one that is there is no error, which is the default",
            ),
            refused(
                "opt",
                Takes::Texts,
                "volumes are directories and have no mount options",
            )
            .short('o'),
        ]],
    )
};

pub(crate) const LS: Verb = Verb {
    min: 0,
    max: Some(0),
    ..verb(
        "volume-ls",
        "[options]",
        "list volumes",
        &[&[
            flag("quiet", "names alone").short('q'),
            values(
                "filter",
                "KEY=VALUE",
                "name, label, label!, dangling, anonymous, driver, since, until",
            )
            .short('f'),
            value(
                "format",
                "FORMAT",
                "json, table or a template as {{.Name}} {{.Mountpoint}}",
            ),
            flag("json", "as --format json"),
            flag("noheading", "no headings").short('n'),
        ]],
    )
};

pub(crate) const INSPECT: Verb = verb(
    "volume-inspect",
    "[options] VOLUME [VOLUME...]",
    "print everything that is known of volumes, as JSON",
    &[&[value(
        "format",
        "FORMAT",
        "json or a Go template as {{.Mountpoint}}",
    )
    .short('f')]],
);

pub(crate) const RM: Verb = verb(
    "volume-rm",
    "[options] VOLUME [VOLUME...]",
    "remove volumes that no container has",
    &[&[flag("force", "a missing volume is no error").short('f')]],
);

pub(crate) const PRUNE: Verb = Verb {
    min: 0,
    max: Some(0),
    ..verb(
        "volume-prune",
        "[options]",
        "remove the volumes that nobody named and no container has",
        &[&[
            flag("all", "also those with a name").short('a'),
            flag("force", "ask no question, which is the default").short('f'),
            values("filter", "KEY=VALUE", "label, label!, until"),
        ]],
    )
};

pub(crate) const EXISTS: Verb = Verb {
    max: Some(1),
    ..verb(
        "volume-exists",
        "VOLUME",
        "whether there is a volume of this name: 0 or 1",
        &[],
    )
};

/// What `lockstep volume VERB` is, by the second word.
pub(crate) const GROUP: [(&str, &str); 8] = [
    ("create", "volume-create"),
    ("ls", "volume-ls"),
    ("list", "volume-ls"),
    ("inspect", "volume-inspect"),
    ("rm", "volume-rm"),
    ("remove", "volume-rm"),
    ("prune", "volume-prune"),
    ("exists", "volume-exists"),
];
