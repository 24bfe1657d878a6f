//! The systemd driver: the same limits as a transient unit, so that systemd does not undo them.
//!
//! systemd owns the cgroup tree of its hosts and writes every limit that it knows again when it
//! reloads. It is therefore told the limits that it has properties for; all of them, also those, are
//! then written to the files as without it. Names and forms are those of org.freedesktop.systemd1(5).

use std::borrow::Cow;

use lockstep_oci::runtime::Resources;
use serde::Serialize;

use super::layout::{Layout, Mode};
use super::systemd_limit::{device_list, properties};
use super::{CgroupPlan, Devices, Dir, Error};

/// What was learnt from the manager that will own the unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manager {
    /// Socket at which it is reached.
    pub socket: String,
    /// Its version: 252 for `252.38-1`.
    pub version: u32,
    /// Its own cgroup, below which its units stand, absolute; empty or `/` for the root.
    pub control_group: String,
    /// Whether it is a user's.
    pub user: bool,
    /// What decides in which words it is told.
    pub machine: Machine,
}

/// What of the machine decides how systemd understands what it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Text of `/proc/devices`: systemd knows whole majors by the driver's name only.
    pub drivers: String,
    /// Whether the kernel has the scheduler BFQ, to whose weights systemd converts (`io.bfq.weight`).
    pub bfq: bool,
}

/// A transient unit to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// Name with its type: `lockstep-ID.scope`.
    pub name: String,
    /// Socket of the manager.
    pub socket: String,
    /// Version of the manager: younger properties are left out.
    pub version: u32,
    /// Properties; the first process comes on top.
    pub properties: Vec<Property>,
}

/// A property of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Property {
    /// Name.
    pub name: Cow<'static, str>,
    /// Value.
    pub value: Value,
    /// The first version of systemd that knows it.
    pub since: u32,
}

/// A value in one of the types of D-Bus that units have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// `b`
    Bool(bool),
    /// `t`
    Number(u64),
    /// `x`
    Signed64(i64),
    /// `u`
    Unsigned32(u32),
    /// `i`
    Signed32(i32),
    /// `s`
    Text(String),
    /// `as`
    Texts(Vec<String>),
    /// `au`
    Pids(Vec<u32>),
    /// `ay`
    Bytes(Vec<u8>),
    /// `a(ss)`
    Pairs(Vec<(String, String)>),
    /// `a(st)`: of each block device, by a path. Devices that are not named keep theirs.
    Devices(Vec<(String, u64)>),
}

/// Names the unit and where its directories will be.
///
/// `cgroupsPath` is `slice:prefix:name`; empty parts are `system.slice` (of a user on v2
/// `user.slice`), nothing, and an error.
pub(super) fn unit(
    cgroups_path: Option<&str>,
    id: &str,
    layout: &Layout,
    manager: &Manager,
) -> Result<(Unit, Vec<Dir>), Error> {
    let given = cgroups_path.filter(|path| !path.is_empty());
    let default = format!(":lockstep:{id}");
    let text = given.unwrap_or(&default);
    let refuse = |reason: String| Error::new("/linux/cgroupsPath", format!("{text:?}"), reason);
    let [slice, prefix, name] = text.split(':').collect::<Vec<_>>()[..] else {
        let form = "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups";
        return Err(refuse(format!("{form}, got {text:?} instead")));
    };
    let slice = match slice {
        "" if manager.user && layout.mode == Mode::V2 => "user.slice",
        "" => "system.slice",
        "-" => "-.slice",
        given => given,
    };
    let slices =
        expand(slice).ok_or_else(|| refuse(format!("{slice:?} is not the name of a slice")))?;
    if name.is_empty() || text.contains(['/', '\n', '\0']) {
        return Err(refuse(
            "the name of the unit is empty or has a slash".to_owned(),
        ));
    }
    let is_slice = name.ends_with(".slice");
    let unit = match prefix {
        _ if is_slice => name.to_owned(),
        "" => format!("{name}.scope"),
        prefix => format!("{prefix}-{name}.scope"),
    };
    let below = if slices.is_empty() {
        unit.clone()
    } else {
        format!("{slices}/{unit}")
    };
    let dirs = layout
        .hierarchies
        .iter()
        .enumerate()
        .map(|(at, hierarchy)| {
            let base = hierarchy.in_mount(&manager.control_group);
            Dir {
                hierarchy: at,
                path: if base.is_empty() {
                    below.clone()
                } else {
                    format!("{base}/{below}")
                },
                tolerate: false,
            }
        });
    let properties = standing(id, slice, is_slice);
    let unit = Unit {
        name: unit,
        socket: manager.socket.clone(),
        version: manager.version,
        properties,
    };
    Ok((unit, dirs.collect()))
}

/// What the unit is, whatever its limits.
fn standing(id: &str, slice: &str, is_slice: bool) -> Vec<Property> {
    let mut properties = vec![property(
        "Description",
        Value::Text(format!("container {id}")),
    )];
    if is_slice {
        properties.push(property("Wants", Value::Texts(vec![slice.to_owned()])));
    } else {
        properties.push(property("Slice", Value::Text(slice.to_owned())));
        properties.push(property("Delegate", Value::Bool(true)));
    }
    properties.push(property("DefaultDependencies", Value::Bool(false)));
    // A scope whose last process was killed would stay as failed, and its name with it.
    properties.push(property(
        "CollectMode",
        Value::Text("inactive-or-failed".to_owned()),
    ));
    properties
}

/// The directories of a slice: `a-b.slice` stands in `a.slice`; `-.slice` is the root.
fn expand(slice: &str) -> Option<String> {
    let name = slice.strip_suffix(".slice")?;
    if name == "-" {
        return Some(String::new());
    }
    if name.contains('/') || name.split('-').any(str::is_empty) {
        return None;
    }
    let ends = name
        .match_indices('-')
        .map(|(at, _)| at)
        .chain([name.len()]);
    let parts: Vec<String> = ends.map(|end| format!("{}.slice", &name[..end])).collect();
    Some(parts.join("/"))
}

pub(super) fn property(name: &'static str, value: Value) -> Property {
    property_since(0, name, value)
}

pub(super) fn property_since(since: u32, name: &'static str, value: Value) -> Property {
    Property {
        name: name.into(),
        value,
        since,
    }
}

/// The properties of a new unit: its limits, and that everything be accounted for.
pub(super) fn complete(
    plan: &mut CgroupPlan,
    resources: &Resources,
    layout: &Layout,
    manager: &Manager,
) {
    let Some(unit) = &mut plan.unit else {
        return;
    };
    let blocks = if layout.mode == Mode::V2 {
        "IOAccounting"
    } else {
        "BlockIOAccounting"
    };
    for name in [
        "CPUAccounting",
        "MemoryAccounting",
        "TasksAccounting",
        blocks,
    ] {
        unit.properties.push(property(name, Value::Bool(true)));
    }
    let Machine { drivers, bfq } = &manager.machine;
    let limits = properties(resources, &Resources::default(), layout, *bfq);
    unit.properties.extend(limits);
    // On v2 the program is ours and stays; on v1 systemd would write its own list over ours.
    if let Devices::List { writes, .. } = &plan.devices {
        unit.properties.extend(device_list(writes, drivers));
    }
}
