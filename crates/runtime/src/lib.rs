//! Executes plans; owns the processes and the state directory.
//!
//! One process is called (the supervisor), one is born (init). Each carries out its steps of the same plan;
//! barriers order them. Nothing here starts a thread before the program is executed: the child of a fork goes
//! on in the same program, and allocates.

pub mod cgroup;
pub mod clock;
pub mod default_spec;
pub mod error;
pub mod features;
pub mod request;

#[cfg(any(test, fuzzing))]
pub mod foreign;
pub mod user_namespace;

mod birth;
mod checkpoint;
mod create;
mod criu;
mod exec;
mod hook;
mod host;
mod init;
mod keys;
mod label;
mod lifecycle;
mod message;
mod notify;
mod prepare;
mod rdt;
mod restore;
mod setting;
mod start;
mod state;
mod supervise;
mod terminal;
mod wait;
mod words;

pub use cgroup::{Counted, OomCounter, Stats};
pub use error::{Error, Kind, Result};
pub use keys::Keys;
pub use lifecycle::{Info, OomEvents, OomWait, RdtUpdate};
pub use lockstep_oci::runtime::Resources;
pub use notify::{Relay, tell_manager};
pub use request::{
    CgroupDriver, CheckpointRequest, CreateRequest, CriuCgroups, CriuSettings, ExecArgs,
    ExecRequest, ProcessSource, RestoreRequest, RunRequest, Settings, Supervised,
};
pub use state::ContainerId;
pub use supervise::{Begun, Waiting};

/// The version of the specification that this runtime implements.
pub const OCI_VERSION: &str = features::NEWEST;

/// All operations on the containers of one state directory.
pub struct Runtime<'a> {
    root: state::Root,
    rootless: Option<bool>,
    cgroup_driver: CgroupDriver,
    runtime_dir: Option<String>,
    warn: &'a dyn Fn(&str),
}

impl std::fmt::Debug for Runtime<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl<'a> Runtime<'a> {
    /// Opens the state directory, which is made if it is missing.
    pub fn open(settings: Settings<'a>) -> Result<Runtime<'a>> {
        let root = state::Root::open(&settings.root, true)?;
        Ok(Runtime {
            root,
            rootless: settings.rootless,
            cgroup_driver: settings.cgroup_driver,
            runtime_dir: settings.runtime_dir,
            warn: settings.warn,
        })
    }
}

impl From<cgroup::Error> for Error {
    fn from(e: cgroup::Error) -> Error {
        let mut error = match e.refused() {
            Some(call) => Error::call(e.what(), call),
            None => Error::new(Kind::Kernel, e.what()),
        };
        if !e.reason().is_empty() {
            error = error.hint(e.reason());
        }
        if e.pointer().is_empty() {
            error
        } else {
            error.asked(e.pointer())
        }
    }
}
