//! Verbs on secrets.

use super::{Takes, Verb, flag, refused, value, values, verb};

pub(crate) const CREATE: Verb = Verb {
    min: 2,
    max: Some(2),
    ..verb(
        "secret-create",
        "[options] SECRET FILE|-",
        "keep the content of a file, or of standard input, as a secret",
        &[&[
            values("label", "KEY=VALUE", "a label").short('l'),
            flag(
                "env",
                "the value is that of an environment variable, which FILE names",
            ),
            flag("replace", "take the place of one of the same name"),
            value("driver", "file", "the only one there is").short('d'),
            refused("driver-opts", Takes::Texts, "the driver has no options"),
        ]],
    )
};

pub(crate) const LS: Verb = Verb {
    min: 0,
    max: Some(0),
    ..verb(
        "secret-ls",
        "[options]",
        "list secrets, without their values",
        &[&[
            flag("quiet", "ids alone").short('q'),
            values("filter", "KEY=VALUE", "name, id").short('f'),
            value(
                "format",
                "FORMAT",
                "json, table or a template as {{.Name}} {{.CreatedAt}}",
            ),
            flag("noheading", "no headings").short('n'),
        ]],
    )
};

pub(crate) const INSPECT: Verb = verb(
    "secret-inspect",
    "[options] SECRET [SECRET...]",
    "print what is known of secrets but their values, as JSON",
    &[&[
        value(
            "format",
            "FORMAT",
            "json or a Go template as {{.Spec.Name}}",
        )
        .short('f'),
        refused(
            "showsecret",
            Takes::Nothing,
            "a value is shown to containers alone",
        ),
    ]],
);

pub(crate) const RM: Verb = Verb {
    min: 0,
    ..verb(
        "secret-rm",
        "[options] SECRET [SECRET...]",
        "remove secrets; a container that has one keeps it",
        &[&[
            flag("all", "all of them").short('a'),
            flag("ignore", "a missing secret is no error").short('i'),
        ]],
    )
};

pub(crate) const EXISTS: Verb = Verb {
    max: Some(1),
    ..verb(
        "secret-exists",
        "SECRET",
        "whether there is a secret of this name: 0 or 1",
        &[],
    )
};

/// What `lockstep secret VERB` is, by the second word.
pub(crate) const GROUP: [(&str, &str); 7] = [
    ("create", "secret-create"),
    ("ls", "secret-ls"),
    ("list", "secret-ls"),
    ("inspect", "secret-inspect"),
    ("rm", "secret-rm"),
    ("remove", "secret-rm"),
    ("exists", "secret-exists"),
];
