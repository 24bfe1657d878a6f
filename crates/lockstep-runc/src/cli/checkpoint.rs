//! The verbs that have criu(8) save a container and bring it back.
//!
//! They stand apart because most of their options are criu's, under the names that runc has for them.

use super::{Opt, Takes, Verb, flag, number, of_container, refused, value, values};

pub(super) static CHECKPOINT: Verb = Verb {
    usage: "[command options] <container-id>",
    description: "Has criu(8) save the container's processes to a directory, from which \"restore\" makes them \
        again. The container is removed then, unless --leave-running or --pre-dump says otherwise. If it fails, \
        the container runs on, and the end of criu's log is shown.",
    options: &[BOTH, CHECKPOINTING],
    ..of_container("checkpoint", "save a running container to disk")
};

const CHECKPOINTING: &[Opt] = &[
    value(
        "parent-path",
        "directory of the images of the dump before, relative to --image-path",
    ),
    flag("leave-running", "do not stop the container"),
    flag("tcp-skip-in-flight", "leave out connections being opened"),
    flag("link-remap", "keep files that were unlinked"),
    number(
        "status-fd",
        Takes::Number(-1, i32::MAX as i64),
        "descriptor that gets a zero byte when lazy pages are served",
    )
    .default("-1"),
    value("page-server", "address:port of the page server"),
    flag(
        "pre-dump",
        "save memory only and leave the container running",
    ),
];

pub(super) static RESTORE: Verb = Verb {
    usage: "[command options] <container-id>",
    description: "Makes a container of a new id from what \"checkpoint\" has saved. Its bundle is to have the root \
        file system and the mounts of the one that was saved; its configuration says the cgroup, the limits, and \
        what \"exec\" gets.",
    options: &[BOTH, RESTORING],
    ..of_container("restore", "start a container from a checkpoint")
};

const RESTORING: &[Opt] = &[
    value(
        "console-socket",
        "unix socket that gets the terminal's master",
    ),
    value("bundle", "directory of the bundle").short('b'),
    flag("detach", "do not wait for the container").short('d'),
    value("pid-file", "write the process id to this file"),
    flag("no-subreaper", "do not adopt orphaned processes"),
    refused(
        "no-pivot",
        Takes::Nothing,
        "criu changes the root by pivot_root(2) always",
    ),
    value("lsm-profile", "type:name of the LSM profile"),
    value("lsm-mount-context", "SELinux context of the mounts"),
];

/// Options of both verbs.
const BOTH: &[Opt] = &[
    value(
        "image-path",
        "directory of the images; \"checkpoint\" in the current one by default",
    ),
    value("work-path", "directory of work files and logs"),
    flag("tcp-established", "allow open TCP connections"),
    flag("ext-unix-sk", "allow unix sockets to the outside"),
    flag("shell-job", "allow a terminal of the outside"),
    flag("lazy-pages", "load memory when it is used"),
    flag("file-locks", "keep file locks"),
    value("manage-cgroups-mode", "soft, full, strict or ignore"),
    values(
        "empty-ns",
        "make this namespace without its properties: network, which always is",
    ),
    flag("auto-dedup", "drop pages that an earlier image holds"),
];
