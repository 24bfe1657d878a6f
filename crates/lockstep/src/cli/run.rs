//! `run` and `create`: everything that a container can be told.

use super::absent::REFUSED;
use super::{Opt, Verb, flag, value, values};

pub(crate) const RUN: Verb = Verb {
    name: "run",
    aliases: &[],
    usage: "[options] IMAGE [COMMAND [ARG...]]",
    about: "run a program in a new container",
    description: "IMAGE is host: (programs of this host, nothing of its data), oci:DIR[:REF], oci-archive:FILE, \
                  docker-archive:FILE, a name in the store, or rootfs:DIR. Exit codes: the \
                  program's own, 128+n for signal n, 127 not found, 126 not executable, 125 for Lockstep's own.",
    options: &[
        &[
            flag("detach", "leave it running and print its id").short('d'),
            value(
                "detach-keys",
                "KEYS",
                "keys that leave an attached container (ctrl-p,ctrl-q)",
            ),
            flag("rm", "remove the container when it has ended"),
            flag("sig-proxy", "pass signals on to the program (default)"),
            value("cidfile", "FILE", "write the container's id to a new file"),
            flag("replace", "remove a container of the same name first"),
        ],
        HANDED,
        IDENTITY,
        IMAGE,
        PROCESS,
        PRIVILEGE,
        NAMESPACES,
        FILES,
        LIMITS,
        LIFE,
        super::health::HEALTH,
        WHY,
        REFUSED,
    ],
    min: 1,
    max: None,
    options_first: true,
};

pub(crate) const CREATE: Verb = Verb {
    name: "create",
    aliases: &[],
    usage: "[options] IMAGE [COMMAND [ARG...]]",
    about: "make a container without starting it",
    description: "",
    options: &[
        &[
            flag("rm", "remove the container when it has ended"),
            value("cidfile", "FILE", "write the container's id to a new file"),
            flag("replace", "remove a container of the same name first"),
        ],
        IDENTITY,
        IMAGE,
        PROCESS,
        PRIVILEGE,
        NAMESPACES,
        FILES,
        LIMITS,
        LIFE,
        super::health::HEALTH,
        WHY,
        REFUSED,
    ],
    min: 1,
    max: None,
    options_first: true,
};

/// Descriptors of the caller, which last for one start.
pub(super) const HANDED: &[Opt] = &[
    value(
        "preserve-fds",
        "N",
        "hand descriptors 3 to 2+N of the caller over to the program",
    ),
    values(
        "preserve-fd",
        "NUMBER[,NUMBER...]",
        "hand these over; one in between that is not named is /dev/null",
    ),
];

/// Of Docker's and Podman's options about registries those that need none.
const IMAGE: &[Opt] = &[
    value(
        "pull",
        "never|missing",
        "both: an image that is not in the store is an error",
    ),
    value("platform", "OS/ARCH", "that of this host, no other"),
    value("os", "OS", "linux"),
    value("arch", "ARCH", "that of this host, no other"),
    value(
        "variant",
        "VARIANT",
        "the one that every machine of this kind executes",
    ),
    flag("quiet", "print nothing about an image's way here").short('q'),
];

const IDENTITY: &[Opt] = &[
    value("name", "NAME", "a name; else one is made up"),
    values("label", "KEY=VALUE", "a label").short('l'),
    values("label-file", "FILE", "labels, one a line"),
    values(
        "annotation",
        "KEY=VALUE",
        "an annotation of the OCI configuration",
    ),
];

/// What is executed, shared with `plan`.
pub(super) const PROCESS: &[Opt] = &[
    flag("interactive", "keep standard input open").short('i'),
    flag("tty", "make a terminal").short('t'),
    values(
        "attach",
        "STREAM",
        "stdin, stdout or stderr; all by default",
    )
    .short('a'),
    values(
        "env",
        "NAME[=VALUE]",
        "an environment variable; without a value the caller's",
    )
    .short('e'),
    values("env-file", "FILE", "environment variables, one a line"),
    flag("env-host", "the caller's whole environment"),
    flag(
        "http-proxy",
        "the caller's variables of proxies, as http_proxy",
    ),
    values("unsetenv", "NAME", "take a variable of the image away"),
    flag("unsetenv-all", "take all variables of the image away"),
    value("workdir", "DIR", "working directory").short('w'),
    value(
        "user",
        "USER[:GROUP]",
        "names or numbers inside the container",
    )
    .short('u'),
    values("group-add", "GROUP", "a further group"),
    value("umask", "OCTAL", "file mode creation mask (0022)"),
    value("entrypoint", "PROGRAM", "in place of the image's"),
    flag(
        "init",
        "our own first process starts the program, passes signals on and reaps orphans",
    ),
    value(
        "stop-signal",
        "SIGNAL",
        "asks the container to stop (SIGTERM)",
    ),
    value(
        "stop-timeout",
        "SECONDS",
        "from that signal to SIGKILL (10)",
    ),
    value("timeout", "SECONDS", "stop the container after this time"),
];

/// What it may do.
pub(super) const PRIVILEGE: &[Opt] = &[
    values("cap-add", "CAP", "a capability more, or all"),
    values("cap-drop", "CAP", "a capability less, or all"),
    values(
        "security-opt",
        "OPTION",
        "no-new-privileges[=false], seccomp=FILE|unconfined|builtin, apparmor=NAME, label=..., mask=PATHS, \
         unmask=PATHS|ALL, systempaths=unconfined, proc-opts=OPTIONS",
    ),
    flag("privileged", "give nearly everything back, and say what"),
    values(
        "device",
        "HOST[:INSIDE[:rwm]]",
        "a device, or one by its vendor's name (CDI) as vendor.com/class=name",
    ),
    value(
        "gpus",
        "all|N|device=ID,...",
        "as --device nvidia.com/gpu=ID for each",
    ),
    values(
        "device-cgroup-rule",
        "RULE",
        "a rule of the device cgroup, as 'c 1:3 rwm'",
    ),
    values(
        "sysctl",
        "KEY=VALUE",
        "a sysctl of the container's own namespaces",
    ),
];

/// What it shares with the host.
pub(super) const NAMESPACES: &[Opt] = &[
    value(
        "network",
        "none|host|container:NAME|ns:PATH",
        "none by default: a loopback of its own",
    ),
    value("net", "MODE", "as --network"),
    value(
        "userns",
        "auto[:size=N]|keep-id|nomap|host|container:NAME|ns:PATH",
        "user ids inside and on the host",
    ),
    values(
        "uidmap",
        "INSIDE:HOST:COUNT",
        "user ids, in place of a block of its own",
    ),
    values("gidmap", "INSIDE:HOST:COUNT", "group ids"),
    value("pid", "private|host|container:NAME|ns:PATH", "process ids"),
    value(
        "ipc",
        "private|none|host|container:NAME|ns:PATH",
        "System V IPC and message queues; none: without /dev/shm",
    ),
    value("uts", "private|host|container:NAME|ns:PATH", "host name"),
    value("cgroupns", "private|host|ns:PATH", "view of the cgroups"),
    value("hostname", "NAME", "host name; the id by default").short('h'),
    value("domainname", "NAME", "NIS domain name"),
    values("add-host", "NAME:ADDRESS", "a line of /etc/hosts"),
    flag("no-hosts", "leave the image's /etc/hosts"),
    flag("no-hostname", "leave the image's /etc/hostname"),
];

/// What it sees.
pub(super) const FILES: &[Opt] = &[
    flag(
        "read-only",
        "a root file system that cannot be written; host: has one anyway",
    ),
    flag(
        "read-only-tmpfs",
        "with --read-only, /tmp, /var/tmp and /run can be written (default)",
    ),
    values(
        "volume",
        "[SOURCE:]TARGET[:OPTIONS]",
        "a directory or file of the host, or a volume by its name; a new volume without a source",
    )
    .short('v'),
    values(
        "volumes-from",
        "CONTAINER[:ro]",
        "what another container was given",
    ),
    value(
        "image-volume",
        "anonymous|tmpfs|ignore",
        "what the volumes are that the image asks for (anonymous)",
    ),
    values("mount", "type=TYPE,...", "bind or tmpfs, with options"),
    values(
        "secret",
        "NAME[,OPTION...]",
        "a secret as a file of /run/secrets (target=, uid=, gid=, mode=), or as a variable (type=env)",
    ),
    values("tmpfs", "TARGET[:OPTIONS]", "a file system in memory"),
    flag("rootfs", "IMAGE is a directory, as rootfs:DIR"),
    value("shm-size", "BYTES", "size of /dev/shm (64m)"),
    value(
        "tz",
        "ZONE|local",
        "/etc/localtime: a zone of this host's, as Europe/Berlin, or its own",
    ),
];

/// How much it may use.
pub(super) const LIMITS: &[Opt] = &[
    value(
        "pids-limit",
        "N",
        "processes and threads (2048); -1 for no limit",
    ),
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
    value(
        "memory-swappiness",
        "0-100",
        "how readily memory is swapped out",
    ),
    value("cpus", "N", "processors, as 1.5"),
    value("cpu-shares", "N", "weight against others").short('c'),
    value("cpu-quota", "MICROSECONDS", "of each period"),
    value("cpu-period", "MICROSECONDS", "the period"),
    value("cpuset-cpus", "LIST", "processors, as 0-2,4"),
    value("cpuset-mems", "LIST", "memory nodes"),
    value("blkio-weight", "10-1000", "weight of disk I/O"),
    values("blkio-weight-device", "DEVICE:WEIGHT", "weight on one disk"),
    values(
        "device-read-bps",
        "DEVICE:BYTES",
        "bytes read from a disk per second",
    ),
    values("device-write-bps", "DEVICE:BYTES", "bytes written"),
    values(
        "device-read-iops",
        "DEVICE:N",
        "reads from a disk per second",
    ),
    values("device-write-iops", "DEVICE:N", "writes"),
    values("ulimit", "NAME=SOFT[:HARD]", "a limit of each process"),
    value(
        "oom-score-adj",
        "-1000..1000",
        "who is killed first when memory is out",
    ),
    flag(
        "oom-kill-disable",
        "wait instead of being killed when memory is out",
    ),
    value("cgroup-parent", "PATH", "the cgroup above the container's"),
    values("cgroup-conf", "FILE=VALUE", "a setting of cgroup v2"),
];

const LIFE: &[Opt] = &[
    value(
        "restart",
        "POLICY",
        "no, on-failure[:N], always, unless-stopped",
    ),
    value(
        "log-driver",
        "DRIVER",
        "k8s-file (default; json-file and local are other names of it) or none",
    ),
    values("log-opt", "KEY=VALUE", "max-size=BYTES, max-file=N"),
    value("pidfile", "FILE", "write the first process's id to a file"),
    value(
        "conmon-pidfile",
        "FILE",
        "write the supervisor's id to a file",
    ),
    value(
        "sdnotify",
        "container|conmon|healthy|ignore",
        "who tells the service manager (NOTIFY_SOCKET) that the container is ready: its program (default), lockstep when it has \
         begun or when it is healthy, nobody",
    ),
    value(
        "cgroups",
        "enabled|no-conmon|disabled",
        "the first two are what is done: the supervisor stays in the caller's cgroup; disabled: no cgroup",
    ),
];

/// How the settings came about.
pub(super) const WHY: &[Opt] = &[flag(
    "why",
    "print every setting, who asked for it, and what gives it back; start nothing",
)];
