//! The verbs that need CRIU, whose options are accepted so that a caller gets an answer about the verb.
//!
//! They stand apart because this version refuses them: see `verb::refuse_criu`.

use super::{Opt, Verb, flag, of_container, value, values};

pub(super) static CHECKPOINT: Verb = Verb {
    usage: "[command options] <container-id>",
    options: &[BOTH, CHECKPOINTING],
    ..of_container(
        "checkpoint",
        "save a running container to disk (not in this version)",
    )
};

const CHECKPOINTING: &[Opt] = &[
    value("parent-path", "directory of the images of the dump before"),
    flag("leave-running", "do not stop the container"),
    value(
        "status-fd",
        "descriptor that tells when lazy pages are served",
    ),
    value("page-server", "address:port of the page server"),
    flag(
        "pre-dump",
        "save memory only and leave the container running",
    ),
];

pub(super) static RESTORE: Verb = Verb {
    usage: "[command options] <container-id>",
    options: &[BOTH, RESTORING],
    ..of_container(
        "restore",
        "start a container from a checkpoint (not in this version)",
    )
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
    flag("no-pivot", "move the root instead of pivot_root(2)"),
    value("lsm-profile", "type:name of the LSM profile"),
    value("lsm-mount-context", "SELinux context of the mounts"),
];

/// Options of both verbs.
const BOTH: &[Opt] = &[
    value("image-path", "directory of the images"),
    value("work-path", "directory of work files and logs"),
    flag("tcp-established", "allow open TCP connections"),
    flag("tcp-skip-in-flight", "leave out connections being opened"),
    flag("link-remap", "keep files that were unlinked"),
    flag("ext-unix-sk", "allow unix sockets to the outside"),
    flag("shell-job", "allow a terminal of the outside"),
    flag("lazy-pages", "load memory when it is used"),
    flag("file-locks", "keep file locks"),
    value("manage-cgroups-mode", "soft, full, strict or ignore"),
    values("empty-ns", "make this namespace without its properties"),
    flag("auto-dedup", "drop pages that an earlier image holds"),
];
