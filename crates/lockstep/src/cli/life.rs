//! Verbs that change what a container does.

use super::{Takes, Verb, flag, on_containers, refused, value, values};

pub(crate) const START: Verb = on_containers(
    "start",
    "start containers that were created or have ended",
    &[&[
        flag("attach", "attach to its output").short('a'),
        flag("interactive", "attach to its input too").short('i'),
        value("detach-keys", "KEYS", "keys that leave it (ctrl-p,ctrl-q)"),
        flag("sig-proxy", "pass signals on to the program (default)"),
        refused("all", Takes::Nothing, "name the containers"),
        refused("checkpoint", Takes::Text, "checkpoints are not implemented"),
    ]],
);

pub(crate) const STOP: Verb = Verb {
    min: 0,
    ..on_containers(
        "stop",
        "ask containers to end, and after a time kill them",
        &[&[
            value(
                "time",
                "SECONDS",
                "until SIGKILL; the container's own by default",
            )
            .short('t'),
            value("timeout", "SECONDS", "as --time"),
            value(
                "signal",
                "SIGNAL",
                "in place of the container's stop signal",
            )
            .short('s'),
            flag("ignore", "a missing container is no error").short('i'),
            flag("all", "all running containers").short('a'),
        ]],
    )
};

pub(crate) const KILL: Verb = Verb {
    min: 0,
    ..on_containers(
        "kill",
        "send a signal to the first process",
        &[&[
            value("signal", "SIGNAL", "SIGKILL by default").short('s'),
            flag("all", "all running containers").short('a'),
        ]],
    )
};

pub(crate) const RESTART: Verb = on_containers(
    "restart",
    "stop containers and start them again",
    &[&[
        value(
            "time",
            "SECONDS",
            "until SIGKILL; the container's own by default",
        )
        .short('t'),
        value("timeout", "SECONDS", "as --time"),
        value(
            "signal",
            "SIGNAL",
            "in place of the container's stop signal",
        )
        .short('s'),
    ]],
);

pub(crate) const PAUSE: Verb = on_containers("pause", "stop every process where it is", &[]);

pub(crate) const UNPAUSE: Verb = on_containers("unpause", "let them go on", &[]);

pub(crate) const WAIT: Verb = on_containers(
    "wait",
    "wait until containers have ended and print their exit codes",
    &[&[
        value(
            "condition",
            "not-running|stopped|exited",
            "what to wait for",
        ),
        flag("ignore", "a missing container is no error and prints -1"),
    ]],
);

pub(crate) const RM: Verb = Verb {
    min: 0,
    ..on_containers(
        "rm",
        "remove containers",
        &[&[
            flag("force", "kill what runs; a missing container is no error").short('f'),
            flag("all", "all containers").short('a'),
            flag("ignore", "a missing container is no error").short('i'),
            value(
                "time",
                "SECONDS",
                "with --force, ask first and wait so long",
            )
            .short('t'),
            flag(
                "volumes",
                "with its volumes that nobody gave a name, unless another container has them",
            )
            .short('v'),
            refused(
                "link",
                Takes::Nothing,
                "there are no links between containers",
            )
            .short('l'),
        ]],
    )
};

pub(crate) const RENAME: Verb = Verb {
    usage: "CONTAINER NAME",
    min: 2,
    max: Some(2),
    ..on_containers("rename", "give a container another name", &[])
};

pub(crate) const UPDATE: Verb = on_containers(
    "update",
    "change the limits of containers",
    &[&[
        value("pids-limit", "N", "processes and threads; -1 for no limit"),
        value("memory", "BYTES", "memory").short('m'),
        value(
            "memory-swap",
            "BYTES",
            "memory and swap together; -1 for any swap",
        ),
        value(
            "memory-reservation",
            "BYTES",
            "memory that is taken away last",
        ),
        value("cpus", "N", "processors, as 1.5"),
        value("cpu-shares", "N", "weight against others").short('c'),
        value("cpu-quota", "MICROSECONDS", "of each period"),
        value("cpu-period", "MICROSECONDS", "the period"),
        value("cpuset-cpus", "LIST", "processors, as 0-2,4"),
        value("cpuset-mems", "LIST", "memory nodes"),
        value("blkio-weight", "10-1000", "weight of disk I/O"),
        value(
            "restart",
            "POLICY",
            "no, on-failure[:N], always, unless-stopped",
        ),
        refused(
            "kernel-memory",
            Takes::Text,
            "the kernel no longer limits it (Linux 5.4)",
        ),
    ]],
);

pub(crate) const PRUNE: Verb = Verb {
    usage: "[options]",
    min: 0,
    max: Some(0),
    ..on_containers(
        "container-prune",
        "remove all containers that do not run",
        &[&[
            flag("force", "ask no question, which is the default").short('f'),
            values(
                "filter",
                "KEY=VALUE",
                "those alone that fit: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]",
            ),
        ]],
    )
};

/// What `lockstep container VERB` is, by the second word.
pub(crate) const GROUP: [(&str, &str); 24] = [
    ("run", "run"),
    ("create", "create"),
    ("start", "start"),
    ("exec", "exec"),
    ("attach", "attach"),
    ("cp", "cp"),
    ("ps", "ps"),
    ("ls", "ps"),
    ("list", "ps"),
    ("logs", "logs"),
    ("inspect", "container-inspect"),
    ("top", "top"),
    ("stats", "stats"),
    ("port", "port"),
    ("stop", "stop"),
    ("kill", "kill"),
    ("restart", "restart"),
    ("pause", "pause"),
    ("unpause", "unpause"),
    ("wait", "wait"),
    ("rm", "rm"),
    ("rename", "rename"),
    ("update", "update"),
    ("prune", "container-prune"),
];
