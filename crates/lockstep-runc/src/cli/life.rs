//! Verbs that change containers: create, run, start, exec, kill, pause, resume, update, delete.
//!
//! Apart from the verbs that look, so that a reader of an option's meaning finds everything that can
//! change a container in one place.

use super::{Opt, Takes, Verb, flag, number, of_container, value, values};

const OPTIONS_AND_ID: &str = "[command options] <container-id>";

pub(super) static CREATE: Verb = Verb {
    usage: OPTIONS_AND_ID,
    description: "Makes the namespaces, cgroups and mounts that config.json asks for and leaves the process \
        waiting just before its program. The id must be unused below the state directory.",
    options: &[MAKING],
    ..of_container(
        "create",
        "make a container whose process waits for \"start\"",
    )
};

pub(super) static RUN: Verb = Verb {
    usage: OPTIONS_AND_ID,
    description: "Does what \"create\" and \"start\" do, passes signals and terminal on, deletes the \
        container when its process ends, and exits with that process's code (128 and the signal's \
        number if it was killed).",
    options: &[MAKING, RUNNING],
    ..of_container("run", "create and start a container and wait for it")
};

/// Options of both `create` and `run`.
const MAKING: &[Opt] = &[
    value(
        "bundle",
        "directory of the bundle; the current one by default",
    )
    .short('b'),
    value(
        "console-socket",
        "unix socket that gets the master of the container's terminal",
    ),
    value(
        "pidfd-socket",
        "unix socket that gets a pidfd of the process",
    ),
    value("pid-file", "write the process id to this file"),
    flag(
        "no-pivot",
        "move the root instead of pivot_root(2); needed on a ramdisk, weaker",
    ),
    flag(
        "no-new-keyring",
        "keep the caller's session keyring instead of making one",
    ),
    PRESERVE_FDS,
];

const RUNNING: &[Opt] = &[
    flag("detach", "do not wait for the container").short('d'),
    flag("keep", "do not delete the container when it ends"),
    flag(
        "no-subreaper",
        "do not adopt processes whose parent in the container ended",
    ),
];

const PRESERVE_FDS: Opt = number(
    "preserve-fds",
    Takes::Number(0, i32::MAX as i64),
    "pass this many descriptors after standard streams and $LISTEN_FDS",
)
.default("0");

pub(super) static START: Verb =
    of_container("start", "let the process of a created container go on");

pub(super) static EXEC: Verb = Verb {
    usage: "[command options] <container-id> <command> [arguments...] | --process <file> <container-id>",
    description: "Joins the container's namespaces and cgroup and applies its seccomp filter, labels and \
        no_new_privs before the program starts. Exits with the program's code, 255 if it could not be \
        started. Options after the container id belong to the program.",
    options: &[EXECUTING],
    max: None,
    options_first: true,
    ..of_container("exec", "run another process in a running container")
};

const EXECUTING: &[Opt] = &[
    value(
        "console-socket",
        "unix socket that gets the master of the process's terminal",
    ),
    value(
        "pidfd-socket",
        "unix socket that gets a pidfd of the process",
    ),
    value("cwd", "working directory in the container"),
    values("env", "add an environment variable, NAME=value").short('e'),
    flag("tty", "give the process a terminal").short('t'),
    value("user", "user id and optionally group id: uid[:gid]").short('u'),
    number(
        "additional-gids",
        // (gid_t)-1 is no group.
        Takes::Numbers(0, u32::MAX as i64 - 1),
        "add a supplementary group id",
    )
    .short('g'),
    value("process", "take the process from this JSON file").short('p'),
    flag("detach", "do not wait for the process").short('d'),
    value("pid-file", "write the process id to this file"),
    value("process-label", "SELinux label of the process"),
    value("apparmor", "AppArmor profile of the process"),
    flag("no-new-privs", "set no_new_privs"),
    values("cap", "add a capability to the process").short('c'),
    PRESERVE_FDS,
    values(
        "cgroup",
        "run in an existing sub-cgroup: [controller,...:]path",
    ),
    flag("ignore-paused", "allow it in a paused container"),
];

pub(super) static KILL: Verb = Verb {
    usage: "[command options] <container-id> [signal]",
    description: "The signal is a number or a name with or without SIG; SIGTERM by default. For example: \
        lockstep-runc kill ubuntu01 KILL",
    options: &[&[flag("all", "send it to every process of the container").short('a')]],
    max: Some(2),
    ..of_container("kill", "send a signal to the container's first process")
};

pub(super) static PAUSE: Verb = of_container("pause", "freeze all processes of a container");

pub(super) static RESUME: Verb = of_container("resume", "thaw the processes of a paused container");

pub(super) static DELETE: Verb = Verb {
    usage: OPTIONS_AND_ID,
    options: &[&[flag(
        "force",
        "kill a container that still runs; succeed if there is none",
    )
    .short('f')]],
    ..of_container("delete", "remove what is left of a stopped container")
};

pub(super) static UPDATE: Verb = Verb {
    usage: OPTIONS_AND_ID,
    description: "With --resources, the limits come as the \"resources\" object of config.json and the other \
        limit options are ignored. What is not named stays as it is. Sizes are bytes or take a \
        suffix k, m, g, t or p.",
    options: &[LIMITS],
    ..of_container("update", "change the resource limits of a container")
};

const LIMITS: &[Opt] = &[
    value(
        "resources",
        "JSON file with the limits, - for standard input",
    )
    .short('r'),
    number(
        "blkio-weight",
        Takes::Number(0, u16::MAX as i64),
        "block I/O weight, 10 to 1000",
    ),
    value("cpu-period", "CFS period in microseconds"),
    value("cpu-quota", "CFS run time per period in microseconds"),
    value(
        "cpu-burst",
        "CFS run time that may be saved up, in microseconds",
    ),
    value("cpu-share", "CPU weight against other containers"),
    value("cpu-rt-period", "realtime period in microseconds"),
    value(
        "cpu-rt-runtime",
        "realtime run time per period in microseconds",
    ),
    value("cpuset-cpus", "CPUs that may be used, such as 0-3,7"),
    value("cpuset-mems", "memory nodes that may be used"),
    value("cpu-idle", "1 schedules only when no one else wants to run"),
    value("kernel-memory", "obsolete, ignored").hidden(),
    value("kernel-memory-tcp", "obsolete, ignored").hidden(),
    value("memory", "memory limit"),
    value(
        "memory-reservation",
        "memory that is reclaimed down to under pressure",
    ),
    value("memory-swap", "memory and swap together; -1 is unlimited"),
    number(
        "pids-limit",
        Takes::Number(i64::MIN, i64::MAX),
        "most tasks; -1 is unlimited",
    ),
    value("l3-cache-schema", "Intel RDT schema of the L3 cache"),
    value("mem-bw-schema", "Intel RDT schema of memory bandwidth"),
];
