//! Verbs that change containers: create, run, start, exec, kill, pause, resume, update, delete.
//!
//! Apart from the verbs that look, so that a reader of an option's meaning finds everything that can
//! change a container in one place.

use clap::{Arg, ArgAction, Command};

use super::{container_id, flag, frame, number, rest, value, values};

const ID_USAGE: &str = "[command options] <container-id>";

pub(super) fn create() -> Command {
    frame(
        "create",
        ID_USAGE,
        "make a container whose process waits for \"start\"",
    )
    .long_about(
        "Makes the namespaces, cgroups and mounts that config.json asks for and leaves the process \
         waiting just before its program. The id must be unused below the state directory.",
    )
    .args(making())
    .arg(container_id())
}

pub(super) fn run() -> Command {
    frame("run", ID_USAGE, "create and start a container and wait for it")
        .long_about(
            "Does what \"create\" and \"start\" do, passes signals and terminal on, deletes the \
             container when its process ends, and exits with that process's code (128 and the signal's \
             number if it was killed).",
        )
        .args(making())
        .args([
            flag("detach", "do not wait for the container").short('d'),
            flag("keep", "do not delete the container when it ends"),
            flag(
                "no-subreaper",
                "do not adopt processes whose parent in the container ended",
            ),
        ])
        .arg(container_id())
}

/// Options of both `create` and `run`.
fn making() -> [Arg; 7] {
    [
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
        preserve_fds(),
    ]
}

fn preserve_fds() -> Arg {
    number::<u32>(
        "preserve-fds",
        "pass this many descriptors after standard streams and $LISTEN_FDS",
    )
    .default_value("0")
}

pub(super) fn start() -> Command {
    frame(
        "start",
        "<container-id>",
        "let the process of a created container go on",
    )
    .arg(container_id())
}

pub(super) fn exec() -> Command {
    frame(
        "exec",
        "[command options] <container-id> <command> [arguments...] | --process <file> <container-id>",
        "run another process in a running container",
    )
    .long_about(
        "Joins the container's namespaces and cgroup and applies its seccomp filter, labels and \
         no_new_privs before the program starts. Exits with the program's code, 255 if it could not be \
         started. Options after the container id belong to the program.",
    )
    .args([
        value(
            "console-socket",
            "unix socket that gets the master of the process's terminal",
        ),
        value("pidfd-socket", "unix socket that gets a pidfd of the process"),
        value("cwd", "working directory in the container"),
        values("env", "add an environment variable, NAME=value").short('e'),
        flag("tty", "give the process a terminal").short('t'),
        value("user", "user id and optionally group id: uid[:gid]").short('u'),
        number::<u32>("additional-gids", "add a supplementary group id")
            .short('g')
            .action(ArgAction::Append),
        value("process", "take the process from this JSON file").short('p'),
        flag("detach", "do not wait for the process").short('d'),
        value("pid-file", "write the process id to this file"),
        value("process-label", "SELinux label of the process"),
        value("apparmor", "AppArmor profile of the process"),
        flag("no-new-privs", "set no_new_privs"),
        values("cap", "add a capability to the process").short('c'),
        preserve_fds(),
        values(
            "cgroup",
            "run in an existing sub-cgroup: [controller,...:]path",
        ),
        flag("ignore-paused", "allow it in a paused container"),
    ])
    .args([container_id(), rest("command")])
}

pub(super) fn kill() -> Command {
    frame(
        "kill",
        "[command options] <container-id> [signal]",
        "send a signal to the container's first process",
    )
    .long_about(
        "The signal is a number or a name with or without SIG; SIGTERM by default. For example: \
         lockstep-runc kill ubuntu01 KILL",
    )
    .arg(flag("all", "send it to every process of the container").short('a'))
    .args([container_id(), rest("signal")])
}

pub(super) fn pause() -> Command {
    frame(
        "pause",
        "<container-id>",
        "freeze all processes of a container",
    )
    .arg(container_id())
}

pub(super) fn resume() -> Command {
    frame(
        "resume",
        "<container-id>",
        "thaw the processes of a paused container",
    )
    .arg(container_id())
}

pub(super) fn delete() -> Command {
    frame(
        "delete",
        ID_USAGE,
        "remove what is left of a stopped container",
    )
    .arg(
        flag(
            "force",
            "kill a container that still runs; succeed if there is none",
        )
        .short('f'),
    )
    .arg(container_id())
}

pub(super) fn update() -> Command {
    frame(
        "update",
        ID_USAGE,
        "change the resource limits of a container",
    )
    .long_about(
        "With --resources, the limits come as the \"resources\" object of config.json and the other \
         limit options are ignored. What is not named stays as it is. Sizes are bytes or take a \
         suffix k, m, g, t or p.",
    )
    .args([
        value("resources", "JSON file with the limits, - for standard input").short('r'),
        number::<u16>("blkio-weight", "block I/O weight, 10 to 1000"),
        value("cpu-period", "CFS period in microseconds"),
        value("cpu-quota", "CFS run time per period in microseconds"),
        value("cpu-burst", "CFS run time that may be saved up, in microseconds"),
        value("cpu-share", "CPU weight against other containers"),
        value("cpu-rt-period", "realtime period in microseconds"),
        value(
            "cpu-rt-runtime",
            "realtime run time per period in microseconds",
        ),
        value("cpuset-cpus", "CPUs that may be used, such as 0-3,7"),
        value("cpuset-mems", "memory nodes that may be used"),
        value("cpu-idle", "1 schedules only when no one else wants to run"),
        value("kernel-memory", "obsolete, ignored").hide(true),
        value("kernel-memory-tcp", "obsolete, ignored").hide(true),
        value("memory", "memory limit"),
        value(
            "memory-reservation",
            "memory that is reclaimed down to under pressure",
        ),
        value("memory-swap", "memory and swap together; -1 is unlimited"),
        number::<i64>("pids-limit", "most tasks; -1 is unlimited"),
        value("l3-cache-schema", "Intel RDT schema of the L3 cache"),
        value("mem-bw-schema", "Intel RDT schema of memory bandwidth"),
    ])
    .arg(container_id())
}
