//! Decides, before anything is done, which kernel operations make one container, and in which order.
//!
//! `ValidSpec + Host -> Plan`: pure, so that it is printed for people, compared by tests, and asked what
//! would happen on another host. The executor in `runtime` chooses how, never what. Steps are intentions;
//! what they did to the kernel is an [`Outcome`], and only effects prove it.

pub mod capability;
pub mod cgroup;
pub mod create;
pub mod device;
pub mod exec;
pub mod host;
pub mod landlock;
pub mod mount;
pub mod mount_options;
pub mod namespace;
pub mod order;
pub mod outcome;
pub mod process;
pub mod seccomp;
pub mod secret;
pub mod step;

pub use host::Host;
pub use outcome::{Downgrade, Outcome};
pub use step::{Actor, Barrier, HostPath, IdMaps, Op, Plan, Required, RootPath, Slot, Step};

use std::fmt;

/// A configuration that this host cannot carry out, found before anything is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// JSON pointer of the asking field (RFC 6901).
    pub pointer: String,
    /// Its value as JSON or text.
    pub value: String,
    /// What is wrong with it here.
    pub reason: String,
}

impl Error {
    /// An error about one field.
    pub fn new(
        pointer: impl Into<String>,
        value: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Error {
        Error {
            pointer: pointer.into(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "config.json: {} = {:?}: {}",
            self.pointer, self.value, self.reason
        )
    }
}

impl std::error::Error for Error {}

/// Result of planning.
pub type Result<T> = std::result::Result<T, Error>;
