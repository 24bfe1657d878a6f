//! What a configuration file may say: places, and defaults for options of `run` and `create`, by the options' names.

/// Settings of the program itself.
pub(crate) const PLACES: &[&str] = &["root", "runroot"];

/// The table of defaults for `run` and `create`.
pub(crate) const RUN: &str = "run";

/// Options that may have a default. Not those that are about one container (its name, its program, its terminal), and
/// none that gives rights away as a whole: `--privileged` has to be typed to be had.
#[rustfmt::skip]
pub(crate) const DEFAULTS: &[&str] = &[
    "add-host", "annotation", "blkio-weight", "cap-add", "cap-drop", "cgroup-conf", "cgroup-parent", "cgroupns",
    "cpu-period", "cpu-quota", "cpu-shares", "cpus", "cpuset-cpus", "cpuset-mems", "device-read-bps",
    "device-read-iops", "device-write-bps", "device-write-iops", "env", "env-file", "group-add", "init", "ipc", "label",
    "log-driver", "log-opt", "memory", "memory-reservation", "memory-swap", "memory-swappiness", "mount", "network",
    "no-hosts", "oom-score-adj", "pids-limit", "read-only", "read-only-tmpfs", "restart", "security-opt", "shm-size",
    "stop-signal", "stop-timeout", "sysctl", "timeout", "tmpfs", "ulimit", "umask", "unsetenv", "userns", "uts", "volume",
];

/// What the page of the files says.
pub(crate) const ABOUT: &[&str] = &[
    "Two files of TOML: /etc/lockstep/config.toml for everybody, then $XDG_CONFIG_HOME/lockstep/config.toml \
     (~/.config/lockstep/config.toml) of the user, which root has not. What they say is read as if it had been typed \
     before the command line: of an option that takes one value the last one counts, the values of one that takes \
     several add up, and --OPTION=false takes a flag back.",
    "Nothing in a file is ignored: an unknown key, a value of the wrong kind and an option that cannot be honoured are \
     errors that name the file and the line. A file that others than root and its user may write is refused.",
    "lockstep run --why names the file and the line behind each setting, lockstep doctor the files that were read.",
];
