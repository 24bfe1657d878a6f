//! The change of a running container's limits.

use lockstep_oci::runtime::Resources;
use serde::Serialize;

use super::systemd::{self, Machine};
use super::undo::{self, former_properties};
use super::{DeviceRule, Devices, Draft, Enable, Error, IfMissing, Layout, Write};
use super::{device, limits, systemd_limit};

/// What `update` does to a running container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    /// Controllers to enable; a controller is never taken away.
    pub enable: Option<Enable>,
    /// Properties for the unit, where the container has one.
    pub properties: Vec<systemd::Property>,
    /// What they were, for an update that is refused.
    pub former: Vec<systemd::Property>,
    /// With a unit: the limits that stay. systemd writes files of its own accord when a property changes, and does not
    /// know all of them.
    pub again: Vec<Write>,
    /// Limits, in the order in which they must be written.
    pub writes: Vec<Write>,
    /// Device access; [`Devices::Keep`] where the update names no device.
    pub devices: Devices,
    /// What the container was given so far, without what of `unified` the update overrules.
    pub rest: Resources,
    /// Fields that have no effect, with the reason, for the log.
    pub warnings: Vec<String>,
}

/// Plans the change of a running container's limits.
///
/// Only what `resources` names is changed; `existing` (what the container was given so far) completes
/// pairs of which only one half is named. `machine` is for a container with a unit of systemd.
pub fn update(
    resources: &Resources,
    existing: &Resources,
    default_devices: &[DeviceRule],
    layout: &Layout,
    rootless: bool,
    machine: Option<&Machine>,
) -> Result<Update, Error> {
    let mut draft = Draft::new(layout, "");
    limits(&mut draft, resources, existing)?;
    let mut update = Update {
        enable: draft.enable(),
        rest: rest(existing, resources, &draft.writes, layout),
        writes: draft.writes,
        warnings: draft.warnings,
        devices: Devices::Keep,
        properties: Vec::new(),
        former: Vec::new(),
        again: Vec::new(),
    };
    if !resources.devices.is_empty() {
        let rules = device::rules(&resources.devices, "/devices")?;
        update.devices = device::devices(rules, default_devices, layout, rootless, "/devices")?;
    }
    if let Devices::List { former, .. } = &mut update.devices {
        // One that has no form was never in force.
        *former = Some(device::former(&existing.devices, default_devices).unwrap_or_default());
    }
    if let Some(machine) = machine {
        tell(&mut update, resources, existing, layout, machine)?;
    }
    Ok(update)
}

/// Completes the update of a unit.
fn tell(
    update: &mut Update,
    resources: &Resources,
    existing: &Resources,
    layout: &Layout,
    Machine { drivers, bfq }: &Machine,
) -> Result<(), Error> {
    update.properties = systemd_limit::properties(resources, existing, layout, *bfq);
    update.former = former_properties(&update.properties, existing, layout, *bfq);
    if let Devices::List { writes, former, .. } = &update.devices {
        let told = systemd_limit::device_list(writes, drivers);
        update.properties.extend(told);
        let told = systemd_limit::device_list(former.as_deref().unwrap_or_default(), drivers);
        update.former.extend(told);
    }
    let mut draft = Draft::new(layout, "/linux/resources");
    limits(&mut draft, &update.rest, &Resources::default())?;
    let idle = resources
        .cpu
        .as_ref()
        .is_some_and(|cpu| cpu.idle == Some(1));
    let replaced = |old: &Write| {
        let changed = update.writes.iter().any(|new| replaces(new, old));
        // The kernel refuses a weight for an idle group.
        changed || idle && matches!(old.file.as_str(), "cpu.weight" | "cpu.shares")
    };
    draft.writes.retain(|old| !replaced(old));
    for write in &mut draft.writes {
        // It is in force already, or was until a moment ago.
        write.at_least = None;
    }
    update.again = draft.writes;
    Ok(())
}

/// Whether nothing of the old write is left after the new one: of a file with a line for each device each has its own.
fn replaces(new: &Write, old: &Write) -> bool {
    new.hierarchy == old.hierarchy && new.file == old.file && undo::unset(&new.file).is_none()
}

/// `existing` without the lines of `unified` for which the update has others, and without a limit of memory and swap
/// where there is none of memory any more.
fn rest(existing: &Resources, new: &Resources, writes: &[Write], layout: &Layout) -> Resources {
    let mut rest = existing.clone();
    let lifted = new.memory.as_ref().and_then(|memory| memory.limit) == Some(-1);
    if let Some(swap) = rest.memory.as_mut().and_then(|memory| memory.swap.as_mut())
        && lifted
    {
        *swap = -1;
    }
    for write in writes
        .iter()
        .filter(|w| Some(w.hierarchy) == layout.unified())
    {
        let mut files = vec![(&write.file, &write.value)];
        if let IfMissing::Instead { file, value } = &write.if_missing {
            files.push((file, value));
        }
        for (file, value) in files {
            let Some(text) = rest.unified.remove(file) else {
                continue;
            };
            let device = undo::device(value);
            let others = text.lines().filter(|line| undo::device(line) != device);
            let others: Vec<&str> = others.collect();
            if undo::unset(file).is_some() && !others.is_empty() {
                rest.unified.insert(file.clone(), others.join("\n"));
            }
        }
    }
    rest
}
