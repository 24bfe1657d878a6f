//! Device nodes and network devices.

use std::collections::BTreeMap;

use lockstep_abi::id::NO_ID;
use lockstep_abi::inode::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT};

use super::Report;
use crate::pointer::Pointer;
use crate::runtime::{Device, DeviceType, Linux, NamespaceType};

/// Longest name of a network device in bytes, without the NUL (`IFNAMSIZ`, netdevice(7)).
const MAX_INTERFACE_NAME: usize = 15;

/// Largest major and minor number (`MINORBITS` is 20 in the kernel's `dev_t`).
const MAX_MAJOR: i64 = (1 << 12) - 1;
const MAX_MINOR: i64 = (1 << 20) - 1;

pub(super) fn check(report: &mut Report, at: &Pointer<'_>, linux: &Linux) {
    let place = at.key("devices");
    for (nth, device) in linux.devices.iter().enumerate() {
        check_device(report, &place.index(nth), device);
    }
    check_duplicates(report, &place, &linux.devices);
    check_net_devices(report, &at.key("netDevices"), linux);
}

fn check_device(report: &mut Report, at: &Pointer<'_>, device: &Device) {
    report.known(
        &at.key("type"),
        &device.kind,
        device.kind.is_known(),
        "device type",
    );
    report.absolute_path(&at.key("path"), &device.path);
    for (field, number, largest) in [
        ("major", device.major, MAX_MAJOR),
        ("minor", device.minor, MAX_MINOR),
    ] {
        match number {
            None if device.kind != DeviceType::Fifo => {
                report.missing(
                    &at.key(field),
                    format!(
                        "is missing, and required for a device of type {}",
                        device.kind
                    ),
                );
            }
            Some(number) if !(0..=largest).contains(&number) => {
                report.refuse(
                    &at.key(field),
                    &number,
                    format!("must be from 0 to {largest}"),
                );
            }
            Some(_) | None => {}
        }
    }
    if let Some(mode) = device.file_mode {
        check_mode(report, &at.key("fileMode"), &device.kind, mode);
    }
    for (field, id) in [("uid", device.uid), ("gid", device.gid)] {
        if let Some(id) = id.filter(|id| *id == NO_ID) {
            report.refuse(&at.key(field), &id, "is no id, the last one is 4294967294");
        }
    }
}

/// Engines copy the whole `st_mode` of a host's device, so the type bits may be there; they must agree.
fn check_mode(report: &mut Report, at: &Pointer<'_>, kind: &DeviceType, mode: u32) {
    let expected = match kind {
        DeviceType::Block => S_IFBLK,
        DeviceType::Fifo => S_IFIFO,
        DeviceType::Char | DeviceType::Unbuffered => S_IFCHR,
        DeviceType::Unknown(_) => mode & S_IFMT,
    };
    let bits = mode & S_IFMT;
    if mode & !(S_IFMT | 0o7777) != 0 {
        report.refuse(
            at,
            &mode,
            format!("octal {mode:o} has bits that are no file mode"),
        );
    } else if bits != 0 && bits != expected {
        report.refuse(
            at,
            &mode,
            format!("octal {mode:o} is the mode of another file type than {kind}"),
        );
    }
}

fn check_duplicates(report: &mut Report, at: &Pointer<'_>, devices: &[Device]) {
    let mut paths: BTreeMap<&str, usize> = BTreeMap::new();
    let mut numbers: BTreeMap<(&str, Option<i64>, Option<i64>), usize> = BTreeMap::new();
    for (nth, device) in devices.iter().enumerate() {
        let number = (device.kind.as_str(), device.major, device.minor);
        if let Some(&first) = paths.get(device.path.as_str()) {
            let reason = format!("is already given by {}", at.index(first));
            let before = &devices[first];
            if (before.kind.as_str(), before.major, before.minor) == number {
                report.warn(&at.index(nth).key("path"), &device.path, reason);
            } else {
                report.refuse(
                    &at.index(nth).key("path"),
                    &device.path,
                    reason + " as another device",
                );
            }
            continue;
        }
        paths.insert(&device.path, nth);
        if device.kind == DeviceType::Fifo {
            continue;
        }
        if let Some(&first) = numbers.get(&number) {
            report.warn(
                &at.index(nth),
                device,
                format!("is the same device as {}", at.index(first)),
            );
        } else {
            numbers.insert(number, nth);
        }
    }
}

fn check_net_devices(report: &mut Report, at: &Pointer<'_>, linux: &Linux) {
    if linux.net_devices.is_empty() {
        return;
    }
    if !linux.has_namespace(&NamespaceType::Network) {
        report.refuse(at, &linux.net_devices, "needs a network namespace");
    }
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (host, device) in &linux.net_devices {
        let at = at.key(host);
        if let Some(reason) = bad_interface_name(host) {
            report.refuse(&at, host, reason);
        }
        let name = device.name.as_ref().unwrap_or(host);
        if device.name.is_some() {
            // One %d is a template that the kernel fills with a free number.
            if let Some(reason) = bad_interface_name(&name.replacen("%d", "0", 1)) {
                report.refuse(&at.key("name"), name, reason);
            }
        }
        if let Some(other) = taken.insert(name, host).filter(|_| !name.contains("%d")) {
            report.refuse(
                &at.key("name"),
                name,
                format!("is also the new name of {other}"),
            );
        }
    }
}

/// The kernel's `dev_valid_name`, and no stray `%`, which it would take for a template.
pub(super) fn bad_interface_name(name: &str) -> Option<String> {
    if name.is_empty() || matches!(name, "." | "..") {
        Some("is not a name of a network device".to_owned())
    } else if name.len() > MAX_INTERFACE_NAME {
        Some(format!(
            "{} bytes are more than the {MAX_INTERFACE_NAME} of a network device's name",
            name.len()
        ))
    } else {
        let bad = name.chars().find(|c| {
            matches!(c, '/' | ':' | '%' | '\0') || c.is_ascii_whitespace() || *c == '\x0b'
        })?;
        Some(format!(
            "has the character {bad:?}, which no network device's name may have"
        ))
    }
}
