//! The cgroup of a container, on the kernel: make, limit, join, freeze, watch, remove.
//!
//! Paths are absolute and short and each file is opened once, because this is a good part of what a
//! container's start costs: with nine v1 hierarchies and no limits it is nine directories, nine joins
//! and nine removals. Nothing here follows a path that a container can change: cgroup filesystems have
//! no links, and the mounts are those of the runtime's own namespace.

mod apply;
mod control;
mod create;
pub(crate) mod dbus;
mod device;
pub(crate) mod driver;
mod oom;
mod remove;
mod room;
mod signal;
mod stats;
pub mod systemd;
mod usage;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;
use lockstep_plan::Downgrade;
use lockstep_plan::cgroup::{CgroupPlan, Hierarchy, Layout, Version};
use serde::{Deserialize, Serialize};

pub use oom::{OomCounter, OomEvent, OomWatch};
pub use stats::{Counted, Stats};

/// Largest text of proc and control files that may grow: mountinfo of a host with many containers, the
/// processes of one cgroup.
const TEXT_MAX: usize = 64 << 20;

/// What went wrong with a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Repr>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Repr {
    what: String,
    call: Option<kernel::Error>,
    hint: String,
    because: String,
}

impl Error {
    fn new(what: impl Into<String>) -> Self {
        Error(Box::new(Repr {
            what: what.into(),
            call: None,
            hint: String::new(),
            because: String::new(),
        }))
    }

    fn call(what: impl Into<String>, call: kernel::Error) -> Self {
        let mut error = Error::new(what);
        error.0.call = Some(call);
        error
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    fn because(mut self, pointer: impl Into<String>) -> Self {
        self.0.because = pointer.into();
        self
    }

    /// What was to be done.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// Why it was refused, as far as it is known; else empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.hint
    }

    /// The same as a downgrade of `pointer`, where it was best effort.
    fn downgrade(&self, pointer: &str) -> Downgrade {
        let colon = if self.0.hint.is_empty() { "" } else { ": " };
        Downgrade {
            because: pointer.to_owned(),
            lost: format!("{}{colon}{}", self.0.what, self.0.hint),
            call: self
                .0
                .call
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }

    /// The refused call, where there was one.
    #[must_use]
    pub fn refused(&self) -> Option<&kernel::Error> {
        self.0.call.as_ref()
    }

    /// JSON pointer of the field that asked for it; empty where none did.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.0.because
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repr {
            what,
            call,
            hint,
            because,
        } = &*self.0;
        f.write_str(what)?;
        if let Some(call) = call {
            write!(f, ": {call}")?;
        }
        if !hint.is_empty() {
            write!(f, ": {hint}")?;
        }
        if !because.is_empty() {
            write!(f, " (asked by {because})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The container's directories, for the state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupState {
    /// One per hierarchy.
    pub dirs: Vec<DirState>,
    /// The systemd unit that owns them; none with the cgroupfs driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<systemd::UnitState>,
}

/// One directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirState {
    /// Which hierarchy: its controllers with commas, `name=systemd`, or nothing for the unified one.
    pub label: String,
    /// Version of the hierarchy.
    pub version: Version,
    /// Absolute path.
    pub path: String,
    /// Whether the directory was there before the container, and so is left there.
    #[serde(default)]
    pub found: bool,
}

impl CgroupState {
    /// What a plan intends to make: known, and written down, before anything is made.
    #[must_use]
    pub fn intended(plan: &CgroupPlan, layout: &Layout) -> Self {
        let dirs = plan.dirs.iter().map(|dir| {
            let hierarchy = &layout.hierarchies[dir.hierarchy];
            DirState {
                label: hierarchy.label(),
                version: hierarchy.version,
                path: absolute(hierarchy, &dir.path),
                found: false,
            }
        });
        CgroupState {
            dirs: dirs.collect(),
            unit: plan.unit.as_ref().map(|unit| systemd::UnitState {
                name: unit.name.clone(),
                socket: unit.socket.clone(),
                version: unit.version,
                found: false,
            }),
        }
    }
}

/// `MOUNT/PATH`.
fn absolute(hierarchy: &Hierarchy, path: &str) -> String {
    format!("{}/{path}", hierarchy.mount.trim_end_matches('/'))
}

/// The cgroup of one container: a directory in every hierarchy where it has one.
#[derive(Debug)]
pub struct Cgroup {
    state: CgroupState,
    unified: Option<OwnedFd>,
    /// Labels of the hierarchies that may be given up for want of permission.
    tolerated: Vec<String>,
    /// Labels of those in which a limit was set, which may not.
    limited: Vec<String>,
    /// What holds a scope open until the first process joins.
    placeholder: Option<systemd::Placeholder>,
}

impl Cgroup {
    /// The cgroup that a state file describes. Nothing is opened: a directory may be gone already.
    #[must_use]
    pub fn open(state: &CgroupState) -> Self {
        Cgroup {
            state: state.clone(),
            unified: None,
            tolerated: Vec::new(),
            limited: Vec::new(),
            placeholder: None,
        }
    }

    /// What the state file should say from now on.
    #[must_use]
    pub fn state(&self) -> &CgroupState {
        &self.state
    }

    /// Whether there is a directory at all: an unprivileged user's container may have none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.dirs.is_empty()
    }

    /// The directory of the unified hierarchy for `CLONE_INTO_CGROUP` (Linux 5.7), opened at the first
    /// call; none on a host without one, and none where a scope waits for its first process: that joins
    /// by its number, which no limit of tasks refuses.
    pub fn clone_into_fd(&mut self) -> Result<Option<BorrowedFd<'_>>, Error> {
        if self.placeholder.is_some() {
            return Ok(None);
        }
        if self.unified.is_none() {
            let Some(dir) = self.unified_dir() else {
                return Ok(None);
            };
            self.unified = Some(open_dir(&dir.path)?);
        }
        Ok(self.unified.as_ref().map(std::os::fd::AsFd::as_fd))
    }

    /// The directory in the hierarchy with this controller.
    fn with(&self, controller: &str) -> Option<&DirState> {
        let holds = |d: &&DirState| d.label.split(',').any(|c| c == controller);
        self.state.dirs.iter().find(holds)
    }

    fn unified_dir(&self) -> Option<&DirState> {
        self.state.dirs.iter().find(|d| d.version == Version::V2)
    }

    /// The directory that holds every process of the container.
    ///
    /// The unified one where there is one: a process cannot be left out of it.
    fn main_dir(&self) -> Option<&DirState> {
        self.unified_dir()
            .or_else(|| self.with("devices"))
            .or_else(|| self.state.dirs.first())
    }
}

/// Probes the host's hierarchies, with the unified one's controllers.
pub fn probe() -> crate::Result<Layout> {
    let proc = crate::setting::open_proc()?;
    crate::host::cgroup_layout(proc.as_fd())
}

fn open_dir(path: &str) -> Result<OwnedFd, Error> {
    kernel::file::open_dir(CWD, path).map_err(|call| Error::call("cannot open the cgroup", call))
}

/// Errnos of a directory that was removed under a reader.
const GONE: [i32; 2] = [Errno::ENOENT.0, Errno::ENODEV.0];

/// Errnos that say "not yours".
const FORBIDDEN: [i32; 3] = [Errno::EPERM.0, Errno::EACCES.0, Errno::EROFS.0];
