//! Devices by a vendor's name (`--device vendor.com/class=name`, `--gpus`): what the vendor's description changes in a
//! container.
//!
//! A description is a file of root's and may ask for anything. What it gets is what the command line could ask for: device
//! files, mounts without setuid programs and devices that show nothing of Lockstep's own, variables. Its hooks are programs
//! that would run as the caller beside the container, so a device that has one is refused.

use std::path::PathBuf;

use lockstep_oci::runtime::Mount;

use super::mount::from_description;
use super::{Input, Resolved, wrong};
use crate::failure::Failure;
use crate::why::Origin;

pub(crate) mod spec;

use spec::{Edits, Spec};

/// Where descriptions are; what a later directory says of a device counts.
pub(crate) const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// A description: its file, and the place of its directory in [`DIRECTORIES`].
pub(crate) struct Described {
    pub(crate) path: PathBuf,
    pub(crate) rank: usize,
    /// What it says, or why that cannot be known.
    pub(crate) spec: Result<Spec, String>,
}

/// Whether a device was typed as `VENDOR/CLASS=NAME`, and not as a path.
pub(super) fn is_vendors(text: &str) -> bool {
    !text.starts_with('/') && text.contains('=')
}

/// The devices that are wanted by a vendor's name, as they were typed, with the option.
fn wanted(input: &Input<'_>) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut all = Vec::new();
    for text in input.args.texts("device")? {
        if is_vendors(text) {
            all.push(("device", text.to_owned()));
        }
    }
    if let Some(text) = input.args.text("gpus")? {
        all.extend(gpus(text).ok_or_else(|| {
            let failure = wrong("gpus", text, "all, a number or device=ID[,ID...]");
            match spec::qualified(text) {
                Some(_) => failure.hint(format!("--device {text} has a device by its whole name")),
                None => failure,
            }
        })?);
    }
    Ok(all)
}

/// Docker's spelling of one vendor's devices. It reads a line of comma-separated values, so its manual has several ids in
/// quotes that the shell leaves.
fn gpus(text: &str) -> Option<Vec<(&'static str, String)>> {
    let quoted = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let text = quoted.unwrap_or(text);
    let names: Vec<String> = match (text, text.strip_prefix("device=")) {
        ("all" | "-1", _) => vec!["all".into()],
        (_, Some(ids)) => ids.split(',').map(str::to_owned).collect(),
        (count, None) => {
            let count: u8 = count.parse().ok().filter(|count| *count > 0)?;
            (0..count).map(|n| n.to_string()).collect()
        }
    };
    let device = |name| ("gpus", format!("nvidia.com/gpu={name}"));
    Some(names.into_iter().map(device).collect())
}

/// Everything that the wanted devices change.
pub(super) fn edits(input: &Input<'_>, out: &mut Resolved) -> Result<Edits, Failure> {
    let mut all = Edits::default();
    let wanted = wanted(input)?;
    if wanted.is_empty() {
        return Ok(all);
    }
    let described = (input.sight.descriptions)()?;
    let mut files: Vec<&PathBuf> = Vec::new();
    for (option, text) in wanted {
        let (kind, name) = spec::qualified(&text)
            .ok_or_else(|| wrong(option, &text, "a path, or a device as VENDOR/CLASS=NAME"))?;
        let found = find(&described, (option, &text), (kind, name))?;
        let Ok(spec) = &found.spec else { continue };
        // What all devices of a file need is needed once.
        if !files.contains(&&found.path) {
            files.push(&found.path);
            add(
                &mut all,
                (option, &text, &found.path),
                &spec.container_edits,
            )?;
        }
        let devices = spec.devices.iter().filter(|device| device.name == name);
        for device in devices {
            add(
                &mut all,
                (option, &text, &found.path),
                &device.container_edits,
            )?;
        }
        let value = format!("{text}, as {} describes it", found.path.display());
        out.note("device", value, Origin::Flag, &format!("--{option}"));
    }
    Ok(all)
}

/// The one description of a device that counts.
fn find<'d>(
    described: &'d [Described],
    (option, text): (&str, &str),
    (kind, name): (&str, &str),
) -> Result<&'d Described, Failure> {
    let has = |one: &&Described| {
        one.spec.as_ref().is_ok_and(|spec| {
            spec.kind == kind && spec.devices.iter().any(|device| device.name == name)
        })
    };
    let rank = described.iter().filter(has).map(|one| one.rank).max();
    let mut found = described
        .iter()
        .filter(has)
        .filter(|one| Some(one.rank) == rank);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => Err(Failure::new(format!(
            "--{option} {text}: {} and {} both describe it",
            one.path.display(),
            other.path.display()
        ))),
        (None, _) => {
            let places = DIRECTORIES.join(" and ");
            let unread = described.iter().filter_map(|one| {
                let why = one.spec.as_ref().err()?;
                Some(format!("{}: {why}", one.path.display()))
            });
            let unread: Vec<String> = unread.collect();
            let failure = Failure::new(format!(
                "--{option} {text}: no file in {places} describes it"
            ));
            Err(match unread.is_empty() {
                true => failure,
                false => failure.hint(format!("not read: {}", unread.join("; "))),
            })
        }
    }
}

/// Adds what can be honoured; everything else is refused by name.
fn add(
    all: &mut Edits,
    (option, text, path): (&str, &str, &PathBuf),
    edits: &Edits,
) -> Result<(), Failure> {
    let refused = |what: String, why: &str| {
        Err(Failure::new(format!(
            "--{option} {text} is refused: {what} in {}: {why}",
            path.display()
        )))
    };
    if let Some(hook) = edits.hooks.first() {
        let why = "a program of the host beside a container has the caller's rights and no bounds";
        return refused(format!("hook {} ({})", hook.hook_name, hook.path), why).map_err(|failure| {
            failure.hint("name the device's files with --device /dev/... and bring its libraries with -v")
        });
    }
    if edits.intel_rdt.is_some() {
        return refused("intelRdt".into(), "resctrl groups are not offered here yet");
    }
    if let Some(group) = edits.additional_gids.first() {
        let why = "a group of the host is nobody's in a user namespace";
        return refused(format!("additionalGids {group}"), why);
    }
    if !edits.net_devices.is_empty() {
        return refused("netDevices".into(), "devices of networks are not moved yet");
    }
    all.env.extend(edits.env.iter().cloned());
    all.device_nodes.extend(edits.device_nodes.iter().cloned());
    all.mounts.extend(edits.mounts.iter().cloned());
    Ok(())
}

/// The mounts that descriptions ask for; what the command line has at the same place is a contradiction.
pub(super) fn mounts(
    input: &Input<'_>,
    out: &mut Resolved,
    (edits, taken): (&Edits, &[String]),
) -> Result<Vec<Mount>, Failure> {
    let mut all: Vec<Mount> = Vec::new();
    for wanted in &edits.mounts {
        let text = format!("mount of {} at {}", wanted.host_path, wanted.container_path);
        if !matches!(wanted.kind.as_str(), "" | "bind" | "none") {
            let why = format!(
                "a vendor's {text} has type {:?}, and bind is known",
                wanted.kind
            );
            return Err(Failure::new(why));
        }
        let known = all
            .iter()
            .find(|other| other.destination == wanted.container_path);
        if known.is_some_and(|other| other.source.as_deref() == Some(&wanted.host_path)) {
            continue;
        }
        if known.is_some() || taken.contains(&wanted.container_path) {
            return Err(Failure::new(format!(
                "{} is a mount target twice",
                wanted.container_path
            )));
        }
        let options: Vec<&str> = wanted.options.iter().map(String::as_str).collect();
        // What opens devices and setuid programs is no vendor's to decide.
        if let Some(option) = options
            .iter()
            .find(|option| matches!(**option, "dev" | "suid" | "U" | "O" | "z" | "Z"))
        {
            return Err(Failure::new(format!(
                "a vendor's {text} asks for {option:?}, which is refused"
            )));
        }
        all.push(from_description(input, out, wanted, &options)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
