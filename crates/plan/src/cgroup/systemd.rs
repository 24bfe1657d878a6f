//! The systemd driver: the same limits as a transient unit, so that systemd does not undo them.
//!
//! systemd owns the cgroup tree of its hosts and writes every limit that it knows again when it
//! reloads. It is therefore told the limits that it has properties for; all of them, also those, are
//! then written to the files as without it. Names and forms are those of org.freedesktop.systemd1(5).

use std::borrow::Cow;

use lockstep_oci::runtime::{Cpu, Memory, Resources};
use serde::Serialize;

use super::device::{self, DeviceRule, Kind, ListWrite};
use super::layout::{Layout, Mode};
use super::{CgroupPlan, Devices, Dir, Error, block_io, cpu};

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
    /// Text of `/proc/devices`: systemd knows whole majors by the driver's name only.
    pub drivers: String,
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
}

/// Unlimited, or a weight that is not set.
pub(super) const INFINITY: u64 = u64::MAX;

/// Since 252 a weight of 0 is that of an idle group.
const IDLE_SINCE: u32 = 252;
/// Since 242 a period can be set.
const PERIOD_SINCE: u32 = 242;
/// Since 244 CPU sets can be.
const SETS_SINCE: u32 = 244;

/// systemd's default period of the quota, in microseconds.
const PERIOD: u64 = 100_000;
/// Steps in which systemd counts a quota, in microseconds of a second.
const QUOTA_STEP: u64 = 10_000;

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

fn property(name: &'static str, value: Value) -> Property {
    property_since(0, name, value)
}

fn property_since(since: u32, name: &'static str, value: Value) -> Property {
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
    let limits = properties(resources, &Resources::default(), layout);
    unit.properties.extend(limits);
    // On v2 the program is ours and stays; on v1 systemd would write its own list over ours.
    if let Devices::List { writes, .. } = &plan.devices {
        unit.properties
            .extend(device_list(writes, &manager.drivers));
    }
}

/// The limits that systemd has a property for.
#[must_use]
pub fn properties(new: &Resources, old: &Resources, layout: &Layout) -> Vec<Property> {
    let unified = layout.mode == Mode::V2;
    let mut all = Vec::new();
    if let Some(memory) = &new.memory {
        memory_properties(&mut all, memory, old.memory.as_ref(), unified);
    }
    if let Some(cpu) = &new.cpu {
        cpu_properties(&mut all, cpu, old.cpu.as_ref(), unified);
    }
    if let Some(limit) = new.pids.as_ref().and_then(|pids| pids.limit) {
        // systemd takes no 0; a single task is the same limit for one that may not fork.
        let tasks = u64::try_from(limit).map_or(INFINITY, |limit| limit.max(1));
        all.push(property("TasksMax", Value::Number(tasks)));
    }
    if let Some(weight) = new
        .block_io
        .as_ref()
        .and_then(|io| io.weight)
        .filter(|&w| w != 0)
    {
        all.push(if unified {
            property("IOWeight", Value::Number(block_io::io_weight(weight)))
        } else {
            property("BlockIOWeight", Value::Number(weight.into()))
        });
    }
    all
}

fn bytes(value: Option<i64>) -> Option<u64> {
    value
        .filter(|&n| n != 0)
        .map(|n| u64::try_from(n).unwrap_or(INFINITY))
}

fn memory_properties(
    all: &mut Vec<Property>,
    memory: &Memory,
    old: Option<&Memory>,
    unified: bool,
) {
    let limit = bytes(memory.limit);
    if let Some(limit) = limit {
        let name = if unified { "MemoryMax" } else { "MemoryLimit" };
        all.push(property(name, Value::Number(limit)));
    }
    if !unified {
        return;
    }
    if let Some(low) = bytes(memory.reservation) {
        all.push(property("MemoryLow", Value::Number(low)));
    }
    let limit = limit.or(old.and_then(|m| bytes(m.limit)));
    match (bytes(memory.swap), limit) {
        (Some(INFINITY), _) | (None, Some(INFINITY)) => {
            all.push(property("MemorySwapMax", Value::Number(INFINITY)));
        }
        (Some(swap), Some(limit)) => {
            all.push(property(
                "MemorySwapMax",
                Value::Number(swap.saturating_sub(limit)),
            ));
        }
        _ => {}
    }
}

fn cpu_properties(all: &mut Vec<Property>, cpu: &Cpu, old: Option<&Cpu>, unified: bool) {
    let shares = cpu.shares.filter(|&s| s != 0);
    match (unified, cpu.idle, shares) {
        (true, Some(1), _) => {
            all.push(property_since(IDLE_SINCE, "CPUWeight", Value::Number(0)));
        }
        (_, Some(1), _) | (_, _, None) => {}
        (true, _, Some(shares)) => {
            all.push(property(
                "CPUWeight",
                Value::Number(cpu::weight_of_shares(shares)),
            ));
        }
        (false, _, Some(shares)) => all.push(property("CPUShares", Value::Number(shares))),
    }
    let period = cpu.period.filter(|&p| p != 0);
    let quota = cpu.quota.filter(|&q| q != 0);
    if period.is_some() || quota.is_some() {
        let period = period
            .or(old.and_then(|c| c.period))
            .filter(|&p| p != 0)
            .unwrap_or(PERIOD);
        let quota = quota
            .or(old.and_then(|c| c.quota))
            .and_then(|q| u64::try_from(q).ok());
        let per_second = match quota.filter(|&q| q != 0) {
            // systemd rounds down, the container was promised no less.
            Some(quota) => (quota.saturating_mul(1_000_000) / period).next_multiple_of(QUOTA_STEP),
            None => INFINITY,
        };
        if period != PERIOD {
            let value = Value::Number(period);
            all.push(property_since(PERIOD_SINCE, "CPUQuotaPeriodUSec", value));
        }
        all.push(property("CPUQuotaPerSecUSec", Value::Number(per_second)));
    }
    if !unified {
        return;
    }
    for (name, list) in [
        ("AllowedCPUs", &cpu.cpus),
        ("AllowedMemoryNodes", &cpu.mems),
    ] {
        if let Some(mask) = list.as_deref().and_then(bit_mask) {
            all.push(property_since(SETS_SINCE, name, Value::Bytes(mask)));
        }
    }
}

/// `0-2,7` as bytes of bits, lowest first; nothing for a list in another form.
fn bit_mask(list: &str) -> Option<Vec<u8>> {
    /// CPUs that the kernel can be built for at most.
    const MAX: usize = 8192;
    let mut mask = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if first > last || last >= MAX {
            return None;
        }
        for bit in first..=last {
            if mask.len() <= bit / 8 {
                mask.resize(bit / 8 + 1, 0);
            }
            mask[bit / 8] |= 1 << (bit % 8);
        }
    }
    Some(mask)
}

/// A v1 list as `DevicePolicy` and `DeviceAllow`. What systemd has no form for (a driver without name,
/// denials from an open default) is left out: it is in the kernel's list until systemd reloads.
fn device_list(writes: &[ListWrite], drivers: &str) -> Vec<Property> {
    let open = writes.first().is_some_and(|write| write.allow);
    let policy = if open { "auto" } else { "strict" };
    let mut allow = Vec::new();
    if !open {
        for rule in writes.iter().filter_map(|write| write.rule.as_ref()) {
            allow.extend(specifiers(rule, drivers).map(|name| (name, rule.access.to_string())));
        }
    }
    vec![
        property("DevicePolicy", Value::Text(policy.to_owned())),
        property("DeviceAllow", Value::Pairs(allow)),
    ]
}

fn specifiers(rule: &DeviceRule, drivers: &str) -> impl Iterator<Item = String> {
    let sort = match rule.kind {
        Kind::Block => "block",
        Kind::Char | Kind::All => "char",
    };
    let names = match (rule.major, rule.minor) {
        (Some(major), Some(minor)) => vec![format!("/dev/{sort}/{major}:{minor}")],
        (Some(major), None) => device::driver_names(drivers, rule.kind, major)
            .map(|name| format!("{sort}-{name}"))
            .collect(),
        (None, None) => vec![format!("{sort}-*")],
        (None, Some(_)) => Vec::new(),
    };
    names.into_iter()
}
