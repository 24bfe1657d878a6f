//! The cgroup of a container, decided: directories, limits, device rules.
//!
//! Nothing here knows a descriptor. The specification speaks the units of cgroup v1; what a hierarchy
//! of version 2 is told instead is computed here, so that a test on texts shows it. Semantics are
//! runc's with its cgroupfs driver.

mod block_io;
mod cpu;
mod device;
mod device_list;
mod layout;
mod memory;
mod place;
mod program;
mod small;
pub mod systemd;
mod systemd_limit;
pub mod systemd_property;
#[cfg(test)]
mod tests;
pub mod undo;
mod update;

use std::fmt;

use lockstep_oci::runtime::Resources;
use serde::Serialize;

pub use device::{Access, DeviceRule, Devices, Kind, default_devices};
pub use device_list::{Change, ListWrite, change as change_of_list};
pub use layout::{Hierarchy, Layout, Mode, Version, layout};
pub use update::{Update, update};

/// What cannot be planned: which field, its value, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Error {
    /// JSON pointer into config.json, or into the resources that `update` was given.
    pub pointer: String,
    /// The value as it stands there.
    pub value: String,
    /// Why not.
    pub reason: String,
}

impl Error {
    pub(crate) fn new(
        pointer: impl Into<String>,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> Self {
        Error {
            pointer: pointer.into(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}: {}", self.pointer, self.value, self.reason)
    }
}

impl std::error::Error for Error {}

/// One directory to make and join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dir {
    /// Index into [`Layout::hierarchies`].
    pub hierarchy: usize,
    /// Path below the mount, without leading slash.
    pub path: String,
    /// Whether a refusal by permission leaves the hierarchy out: an unprivileged user who asked for
    /// no path may run without a cgroup of his own.
    pub tolerate: bool,
}

/// What to do where the file of a write does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IfMissing {
    /// It is an error.
    Fail,
    /// The kernel has no such control and none is needed.
    Skip,
    /// The same intention in another file, which must exist.
    Instead {
        /// File.
        file: String,
        /// Value.
        value: String,
    },
}

/// Whether a refusal ends the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Required {
    /// It does.
    Hard,
    /// It is reported as a downgrade.
    BestEffort,
}

/// One write to a control file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Write {
    /// Index into [`Layout::hierarchies`].
    pub hierarchy: usize,
    /// File in the container's directory.
    pub file: String,
    /// What to write, without newline.
    pub value: String,
    /// JSON pointer of the field that asks for it.
    pub because: String,
    /// Whether a refusal is an error.
    pub required: Required,
    /// What a missing file means.
    pub if_missing: IfMissing,
    /// On `EINVAL` the next write is made first and then this one again. Pairs such as memory and
    /// memory+swap constrain each other; which goes first depends on the values that are in force,
    /// and trying is cheaper than reading them.
    pub after_next: bool,
    /// A file of the same directory whose number must not exceed the value (`checkBeforeUpdate`).
    pub at_least: Option<String>,
}

/// The controllers that children of the v2 hierarchy need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enable {
    /// Index into [`Layout::hierarchies`].
    pub hierarchy: usize,
    /// Without these a limit could not be set: failing to enable one is an error.
    pub needed: Vec<String>,
    /// These are for statistics and for what the container makes itself: failing is no error.
    pub wanted: Vec<String>,
}

/// Everything about the container's cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupPlan {
    /// Directories, one per hierarchy.
    pub dirs: Vec<Dir>,
    /// Controllers to enable on the way to the v2 directory.
    pub enable: Option<Enable>,
    /// Limits, in the order in which they must be written, before a process joins.
    pub writes: Vec<Write>,
    /// The most processes that there may be, where this user may have no right to a cgroup that counts them: the
    /// write of that limit is best effort then, and RLIMIT_NPROC the rest.
    pub processes: Option<u64>,
    /// Device access.
    pub devices: Devices,
    /// The systemd unit that owns the directories; none with the cgroupfs driver.
    pub unit: Option<systemd::Unit>,
    /// Fields that have no effect, with the reason, for the log.
    pub warnings: Vec<String>,
}

/// Plans the cgroup of a new container.
///
/// `rootless` says that this process is not root of the host: it may have no right to make a cgroup or
/// to load a device program. `default_devices` are allowed after the rules of the configuration.
pub fn plan(
    cgroups_path: Option<&str>,
    id: &str,
    resources: Option<&Resources>,
    default_devices: &[DeviceRule],
    layout: &Layout,
    rootless: bool,
) -> Result<CgroupPlan, Error> {
    let asked_for_path = cgroups_path.is_some_and(|path| !path.is_empty());
    let dirs = place::dirs(cgroups_path, id, layout, rootless && !asked_for_path)?;
    plan_in(dirs, None, resources, default_devices, layout, rootless)
}

/// Plans the cgroup of a new container as a transient unit of systemd; the rest is as in [`plan()`].
pub fn plan_systemd(
    cgroups_path: Option<&str>,
    id: &str,
    resources: Option<&Resources>,
    default_devices: &[DeviceRule],
    layout: &Layout,
    rootless: bool,
    manager: &systemd::Manager,
) -> Result<CgroupPlan, Error> {
    let (unit, dirs) = systemd::unit(cgroups_path, id, layout, manager)?;
    let mut plan = plan_in(
        dirs,
        Some(unit),
        resources,
        default_devices,
        layout,
        rootless,
    )?;
    let none = Resources::default();
    systemd::complete(&mut plan, resources.unwrap_or(&none), layout, manager);
    Ok(plan)
}

fn plan_in(
    dirs: Vec<Dir>,
    unit: Option<systemd::Unit>,
    resources: Option<&Resources>,
    default_devices: &[DeviceRule],
    layout: &Layout,
    rootless: bool,
) -> Result<CgroupPlan, Error> {
    let none = Resources::default();
    let resources = resources.unwrap_or(&none);
    let mut draft = Draft::new(layout, "/linux/resources");
    // Without the right to a cgroup there is another way for this one limit, though not an equal one.
    let limit = resources.pids.as_ref().and_then(|pids| pids.limit);
    let processes = limit.and_then(|limit| u64::try_from(limit).ok());
    draft.processes = processes.filter(|&limit| rootless && limit > 0);
    limits(&mut draft, resources, &none)?;
    let pointer = "/linux/resources/devices";
    let rules = device::rules(&resources.devices, pointer)?;
    let devices = device::devices(rules, default_devices, layout, rootless, pointer)?;
    Ok(CgroupPlan {
        enable: draft.enable(),
        processes: draft.processes,
        dirs,
        writes: draft.writes,
        devices,
        unit,
        warnings: draft.warnings,
    })
}

fn limits(draft: &mut Draft<'_>, new: &Resources, old: &Resources) -> Result<(), Error> {
    if let Some(memory) = &new.memory {
        memory::limits(draft, memory, old.memory.as_ref())?;
    }
    if let Some(cpu) = &new.cpu {
        cpu::limits(draft, cpu, old.cpu.as_ref())?;
    }
    if let Some(pids) = &new.pids {
        small::pids(draft, pids)?;
    }
    if let Some(io) = &new.block_io {
        block_io::limits(draft, io, old.block_io.as_ref())?;
    }
    small::hugepages(draft, &new.hugepage_limits)?;
    small::rdma(draft, &new.rdma)?;
    if let Some(network) = &new.network {
        small::network(draft, network)?;
    }
    // Last: it is the kernel's own language and so has the last word over what was converted.
    small::unified(draft, &new.unified)
}

/// A plan in the making.
struct Draft<'a> {
    layout: &'a Layout,
    /// JSON pointer of the resources object.
    prefix: &'static str,
    /// As of [`CgroupPlan`].
    processes: Option<u64>,
    writes: Vec<Write>,
    needed: Vec<String>,
    warnings: Vec<String>,
}

/// A controller of this host.
#[derive(Clone, Copy)]
struct Controller {
    hierarchy: usize,
    version: Version,
}

impl<'a> Draft<'a> {
    fn new(layout: &'a Layout, prefix: &'static str) -> Self {
        Draft {
            layout,
            prefix,
            processes: None,
            writes: Vec::new(),
            needed: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn pointer(&self, field: &str) -> String {
        format!("{}/{field}", self.prefix)
    }

    fn error(&self, field: &str, value: impl ToString, reason: impl Into<String>) -> Error {
        Error::new(self.pointer(field), value, reason)
    }

    fn warn(&mut self, field: &str, reason: &str) {
        let pointer = self.pointer(field);
        self.warnings
            .push(format!("{pointer} has no effect: {reason}"));
    }

    /// The hierarchy of the controller that `field` needs.
    fn controller(
        &mut self,
        name: &str,
        field: &str,
        value: impl ToString,
    ) -> Result<Controller, Error> {
        let Some(hierarchy) = self.layout.find(name) else {
            let reason = match self.layout.mode {
                Mode::None => "no cgroup filesystem is mounted".to_owned(),
                _ => format!("this host has no {name} cgroup controller"),
            };
            return Err(self.error(field, value, reason));
        };
        let version = self.layout.hierarchies[hierarchy].version;
        if version == Version::V2 && !self.needed.iter().any(|n| n == name) {
            self.needed.push(name.to_owned());
        }
        Ok(Controller { hierarchy, version })
    }

    /// Adds a write; the caller sets what differs from the usual.
    fn write(
        &mut self,
        to: Controller,
        file: impl Into<String>,
        value: impl ToString,
        field: &str,
    ) -> &mut Write {
        let because = self.pointer(field);
        self.writes.push(Write {
            hierarchy: to.hierarchy,
            file: file.into(),
            value: value.to_string(),
            because,
            required: Required::Hard,
            if_missing: IfMissing::Fail,
            after_next: false,
            at_least: None,
        });
        let last = self.writes.len() - 1;
        &mut self.writes[last]
    }

    fn enable(&self) -> Option<Enable> {
        let hierarchy = self.layout.unified()?;
        // A hybrid host keeps its accounting in v1: nothing is wanted of v2 beyond what is needed.
        let wanted = match self.layout.mode {
            Mode::V2 => self.layout.hierarchies[hierarchy].controllers.clone(),
            _ => Vec::new(),
        };
        let wanted: Vec<String> = wanted
            .into_iter()
            .filter(|c| !self.needed.contains(c))
            .collect();
        if self.needed.is_empty() && wanted.is_empty() {
            return None;
        }
        Some(Enable {
            hierarchy,
            needed: self.needed.clone(),
            wanted,
        })
    }
}
