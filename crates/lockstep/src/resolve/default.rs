//! What stands for options that are not given, where it is no answer of the kernel's: read where the option is, and shown
//! by `--why`.

/// Whoever needs another says so; that of the caller is nothing that a container should depend on.
pub(crate) const UMASK: &str = "0022";
pub(crate) const STOP_SIGNAL: &str = "SIGTERM";
/// Seconds from the stop signal to SIGKILL, Docker's.
pub(crate) const STOP_TIMEOUT: &str = "10";
pub(crate) const RESTART: &str = "no";
pub(crate) const LOG_DRIVER: &str = "k8s-file";
pub(crate) const SDNOTIFY: &str = "container";

/// `--log-opt` of a container that goes away: its log is in the state, which is often memory.
pub(crate) const LOG_OF_PASSING: [&str; 2] = ["max-size=16m", "max-file=2"];

/// By the names of the options.
pub(super) const ALL: [(&str, &str); 6] = [
    ("umask", UMASK),
    ("stop-signal", STOP_SIGNAL),
    ("stop-timeout", STOP_TIMEOUT),
    ("restart", RESTART),
    ("log-driver", LOG_DRIVER),
    ("sdnotify", SDNOTIFY),
];
