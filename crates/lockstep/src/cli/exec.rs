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
        &[&[
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
            refused(
                "detach-keys",
                Takes::Text,
                "an exec session is not left by keys; end it or use -d",
            ),
            refused(
                "privileged",
                Takes::Nothing,
                "a later process never gets more than the container's first one",
            ),
            refused(
                "preserve-fds",
                Takes::Text,
                "descriptors of the caller are not handed over yet",
            ),
        ]],
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
