//! Verbs that reach into a container.

use super::{Takes, Verb, flag, on_containers, refused, value, values};

pub(crate) const EXEC: Verb = Verb {
    usage: "[options] CONTAINER COMMAND [ARG...]",
    min: 2,
    max: None,
    options_first: true,
    ..on_containers(
        "exec",
        "run another program in a running container",
        &[
            &[
                flag("detach", "do not wait for it").short('d'),
                flag("interactive", "keep standard input open").short('i'),
                flag("tty", "make a terminal").short('t'),
                values("env", "NAME[=VALUE]", "an environment variable").short('e'),
                values("env-file", "FILE", "environment variables, one a line"),
                value(
                    "workdir",
                    "DIR",
                    "working directory; the container's by default",
                )
                .short('w'),
                value(
                    "user",
                    "USER[:GROUP]",
                    "names or numbers inside the container",
                )
                .short('u'),
                value(
                    "detach-keys",
                    "KEYS",
                    "keys that leave a terminal (ctrl-p,ctrl-q)",
                ),
                refused(
                    "privileged",
                    Takes::Nothing,
                    "a later process never gets more than the container's first one",
                ),
            ],
            super::run::HANDED,
        ],
    )
};

pub(crate) const ATTACH: Verb = Verb {
    usage: "[options] CONTAINER",
    min: 1,
    max: Some(1),
    ..on_containers(
        "attach",
        "connect to a running container's standard streams",
        &[&[
            value("detach-keys", "KEYS", "keys that leave it (ctrl-p,ctrl-q)"),
            flag("no-stdin", "the output alone"),
            flag("sig-proxy", "pass signals on to the program (default)"),
        ]],
    )
};

pub(crate) const CP: Verb = Verb {
    usage: "[options] CONTAINER:PATH DEST|-
       lockstep cp [options] SRC|- CONTAINER:PATH
       lockstep cp [options] CONTAINER:PATH CONTAINER:PATH",
    description: "Paths in a container begin at its root. A file or directory goes into a directory that is there, \
                  and becomes the destination where there is nothing; SRC/. means what is in a directory. - is a tar \
                  archive on standard input or output. The container need not run. What is new comes to its name when \
                  all of it is there. A name with a colon is of a file here if it begins with / or a dot.",
    min: 2,
    max: Some(2),
    ..on_containers(
        "cp",
        "copy files between a container and here, or another container",
        &[&[
            flag(
                "archive",
                "keep owners, by number, and setuid programs; else files belong to the container's root, or to you",
            )
            .short('a'),
            flag("follow-link", "copy what a link leads to, if SRC is one").short('L'),
            flag("quiet", "say nothing on a terminal either").short('q'),
            flag(
                "overwrite",
                "let a directory take the place of something else, and the other way round",
            ),
        ]],
    )
};
