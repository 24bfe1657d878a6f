//! Devices beyond the six that every container has.

use std::path::Path;

use lockstep_oci::runtime::{Device, DeviceCgroup, DeviceCgroupType, DeviceType};

use super::{Input, Node, Resolved, wrong};
use crate::failure::Failure;
use crate::why::Origin;

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let deny = DeviceCgroup {
        allow: false,
        access: Some("rwm".into()),
        ..DeviceCgroup::default()
    };
    let mut rules = vec![deny];
    for text in input.args.texts("device")? {
        let (device, access) = device(input, text)?;
        rules.push(DeviceCgroup {
            allow: true,
            kind: Some(match device.kind {
                DeviceType::Block => DeviceCgroupType::Block,
                _ => DeviceCgroupType::Char,
            }),
            major: device.major,
            minor: device.minor,
            access: Some(access),
        });
        out.note("linux.devices", text, Origin::Flag, "--device");
        out.linux().devices.push(device);
    }
    for text in input.args.texts("device-cgroup-rule")? {
        rules.push(
            rule(text)
                .ok_or_else(|| wrong("device-cgroup-rule", text, "'c|b|a MAJOR:MINOR rwm'"))?,
        );
        out.note("device cgroup", text, Origin::Flag, "--device-cgroup-rule");
    }
    // An ordinary user has no device cgroup; no device file can be made there either.
    if input.caller.uid == 0 {
        out.linux().resources.get_or_insert_default().devices = rules;
    }
    Ok(())
}

fn device(input: &Input<'_>, text: &str) -> Result<(Device, String), Failure> {
    let parts: Vec<&str> = text.split(':').collect();
    let access = |text: &str| !text.is_empty() && text.bytes().all(|b| b"rwm".contains(&b));
    let (host, inside, mode) = match parts.as_slice() {
        [name] if name.contains('=') => {
            return Err(Failure::new(format!(
                "--device {text} is refused: CDI devices are not implemented yet"
            )));
        }
        [host] => (*host, *host, "rwm"),
        [host, mode] if access(mode) && !mode.starts_with('/') => (*host, *host, *mode),
        [host, inside] => (*host, *inside, "rwm"),
        [host, inside, mode] if access(mode) => (*host, *inside, *mode),
        _ => return Err(wrong("device", text, "HOST[:INSIDE[:rwm]]")),
    };
    if !host.starts_with('/') || !inside.starts_with('/') {
        return Err(wrong("device", text, "absolute paths"));
    }
    let (kind, major, minor) = match (input.sight.look)(Path::new(host))? {
        Some(Node::Char(major, minor)) => (DeviceType::Char, major, minor),
        Some(Node::Block(major, minor)) => (DeviceType::Block, major, minor),
        Some(_) => {
            return Err(Failure::new(format!(
                "--device {text}: {host} is no device"
            )));
        }
        None => {
            return Err(Failure::new(format!(
                "--device {text}: {host} does not exist"
            )));
        }
    };
    // In a user namespace a device file is the host's, bound, so it has one name on both sides.
    if host != inside {
        return Err(Failure::new(format!(
            "--device {text} is refused: a device keeps its path, because a user namespace can only bind the host's"
        )));
    }
    let device = Device {
        kind,
        path: inside.into(),
        major: Some(major.into()),
        minor: Some(minor.into()),
        file_mode: None,
        uid: None,
        gid: None,
    };
    Ok((device, mode.into()))
}

/// `c 1:3 rwm`, where `*` stands for every number.
fn rule(text: &str) -> Option<DeviceCgroup> {
    let mut words = text.split_whitespace();
    let kind = match words.next()? {
        "c" => DeviceCgroupType::Char,
        "b" => DeviceCgroupType::Block,
        "a" => DeviceCgroupType::All,
        _ => return None,
    };
    let number = |text: &str| match text {
        "*" => Some(None),
        digits => digits.parse::<u32>().ok().map(|n| Some(i64::from(n))),
    };
    let (major, minor) = words.next()?.split_once(':')?;
    let access = words.next()?;
    let valid = !access.is_empty() && access.bytes().all(|b| b"rwm".contains(&b));
    if !valid || words.next().is_some() {
        return None;
    }
    Some(DeviceCgroup {
        allow: true,
        kind: Some(kind),
        major: number(major)?,
        minor: number(minor)?,
        access: Some(access.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_docker_s() {
        let read = rule("c 10:* rw").expect("a rule");
        assert_eq!((read.major, read.minor), (Some(10), None));
        for wrong in [
            "",
            "c",
            "c 1:3",
            "x 1:3 r",
            "c 1 r",
            "c 1:3 rx",
            "c 1:3 r more",
            "c -1:3 r",
        ] {
            assert!(rule(wrong).is_none(), "{wrong}");
        }
    }
}
