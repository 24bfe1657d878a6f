//! Devices beyond the six that every container has.

use std::path::Path;

use lockstep_oci::runtime::{Device, DeviceCgroup, DeviceCgroupType, DeviceType, Mount};

use super::cdi::spec;
use super::{Input, Node, Resolved, wrong};
use crate::failure::Failure;
use crate::why::Origin;

pub(super) fn apply(
    input: &Input<'_>,
    vendors: &[spec::Node],
    out: &mut Resolved,
) -> Result<(), Failure> {
    let deny = DeviceCgroup {
        allow: false,
        access: Some("rwm".into()),
        ..DeviceCgroup::default()
    };
    let mut rules = vec![deny];
    for text in input.args.texts("device")? {
        if !super::cdi::is_vendors(text) {
            let wanted = Wanted::typed(text)?;
            one(
                input,
                out,
                &mut rules,
                (&format!("--device {text}"), &wanted),
            )?;
            out.note("linux.devices", text, Origin::Flag, "--device");
        }
    }
    for node in vendors {
        let wanted = described(node)?;
        let known = |wanted: &Wanted<'_>| {
            let linux = out.spec.linux.iter();
            let mut paths = linux.flat_map(|linux| &linux.devices).map(|d| &*d.path);
            paths.any(|path| path == wanted.inside)
        };
        if known(&wanted) {
            continue;
        }
        let what = format!("a vendor's device {}", node.path);
        let found = one(input, out, &mut rules, (&what, &wanted))?;
        same_device(node, &found).map_err(|why| Failure::new(format!("{what}: {why}")))?;
        if node.uid.is_some() || node.gid.is_some() || node.file_mode.is_some() {
            out.warn(format!("{what} has the owner and mode of the host's file"));
        }
        out.note("linux.devices", &*node.path, Origin::Flag, "--device");
    }
    for text in input.args.texts("device-cgroup-rule")? {
        rules.push(
            rule(text)
                .ok_or_else(|| wrong("device-cgroup-rule", text, "'c|b|a MAJOR:MINOR rwm'"))?,
        );
        out.note("device cgroup", text, Origin::Flag, "--device-cgroup-rule");
    }
    // An ordinary user has no device cgroup; no device file can be made there either.
    if input.caller.is_root_with_cgroups() {
        out.linux().resources.get_or_insert_default().devices = rules;
    }
    Ok(())
}

/// A device file of the host, and where it is to be.
pub(crate) struct Wanted<'a> {
    pub(crate) host: &'a str,
    pub(crate) inside: &'a str,
    /// Of `r`, `w` and `m`.
    pub(crate) access: &'a str,
}

fn is_access(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b"rwm".contains(&b))
}

impl Wanted<'_> {
    /// Reads what `--device` takes.
    pub(crate) fn typed(text: &str) -> Result<Wanted<'_>, Failure> {
        let parts: Vec<&str> = text.split(':').collect();
        let (host, inside, access) = match parts.as_slice() {
            [host] => (*host, *host, "rwm"),
            [host, mode] if is_access(mode) => (*host, *host, *mode),
            [host, inside] => (*host, *inside, "rwm"),
            [host, inside, mode] if is_access(mode) => (*host, *inside, *mode),
            _ => return Err(wrong("device", text, "HOST[:INSIDE[:rwm]]")),
        };
        if !host.starts_with('/') || !inside.starts_with('/') {
            return Err(wrong("device", text, "absolute paths"));
        }
        Ok(Wanted {
            host,
            inside,
            access,
        })
    }
}

fn described(node: &spec::Node) -> Result<Wanted<'_>, Failure> {
    let access = node.permissions.as_deref().unwrap_or("rwm");
    if !is_access(access) {
        return Err(Failure::new(format!(
            "a vendor's device {}: permissions {access:?} are not of r, w and m",
            node.path
        )));
    }
    Ok(Wanted {
        host: node.host_path.as_deref().unwrap_or(&node.path),
        inside: &node.path,
        access,
    })
}

/// A description may say which device it means, and the file of that name is perhaps another by now.
fn same_device(
    node: &spec::Node,
    (kind, (major, minor)): &(DeviceType, (u32, u32)),
) -> Result<(), String> {
    let (is, names): (_, &[&str]) = match kind {
        DeviceType::Block => ("block", &["b"]),
        // mknod(1): `u` is an unbuffered character device.
        _ => ("character", &["c", "u"]),
    };
    if let Some(given) = node.kind.as_deref().filter(|given| !names.contains(given)) {
        return Err(format!(
            "the host's file is a {is} device, the description says type {given:?}"
        ));
    }
    let given = (node.major, node.minor);
    let other =
        |given: Option<i64>, found: u32| given.is_some_and(|given| given != i64::from(found));
    match other(given.0, *major) || other(given.1, *minor) {
        true => Err(format!(
            "the host's file is {major}:{minor}, the description says {}:{}",
            given.0.unwrap_or_default(),
            given.1.unwrap_or_default()
        )),
        false => Ok(()),
    }
}

/// Brings one device in; its type and number.
fn one(
    input: &Input<'_>,
    out: &mut Resolved,
    rules: &mut Vec<DeviceCgroup>,
    (what, wanted): (&str, &Wanted<'_>),
) -> Result<(DeviceType, (u32, u32)), Failure> {
    let Wanted {
        host,
        inside,
        access,
    } = *wanted;
    let (kind, major, minor) = match (input.sight.look)(Path::new(host))? {
        Some(Node::Char(major, minor)) => (DeviceType::Char, major, minor),
        Some(Node::Block(major, minor)) => (DeviceType::Block, major, minor),
        Some(_) => return Err(Failure::new(format!("{what}: {host} is no device"))),
        None => return Err(Failure::new(format!("{what}: {host} does not exist"))),
    };
    rules.push(DeviceCgroup {
        allow: true,
        kind: Some(match kind {
            DeviceType::Block => DeviceCgroupType::Block,
            _ => DeviceCgroupType::Char,
        }),
        major: Some(major.into()),
        minor: Some(minor.into()),
        access: Some(access.into()),
    });
    if host == inside {
        out.linux().devices.push(Device {
            kind: kind.clone(),
            path: inside.into(),
            major: Some(major.into()),
            minor: Some(minor.into()),
            file_mode: None,
            uid: None,
            gid: None,
        });
    } else {
        // In a user namespace a device file is the host's, bound; under another name that is a mount like any other.
        out.spec.mounts.push(Mount {
            destination: inside.into(),
            kind: Some("bind".into()),
            source: Some((input.sight.absolute)(Path::new(host))?),
            options: ["bind", "nosuid", "noexec", "private"]
                .map(String::from)
                .into(),
            ..Mount::default()
        });
    }
    Ok((kind, (major, minor)))
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
    if !is_access(access) || words.next().is_some() {
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
