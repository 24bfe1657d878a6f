//! What a volume's options do to the host's disk: `U` gives what is there to the container's user, `O` keeps every change
//! away from it.

use std::path::Path;

use lockstep_oci::runtime::Mount;
use lockstep_profile::selinux;
use lockstep_supervisor::Over;

use super::flag::refused;
use super::idmap::Idmap;
use super::mount;
use crate::failure::Failure;
use crate::modules::Selinux;
use crate::resolve::userns::outside;
use crate::resolve::{Input, Node, Resolved};
use crate::why::Origin;

/// Directories of the host's own, whose owners and labels no container decides about; nor about those that contain one.
const HOSTS: [&str; 30] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/mail",
    "/var/run",
    "/var/spool",
    "/var/tmp",
    "/var/lock",
    "/run/lock",
];
/// Those of which nothing is anybody else's either.
const WHOLE: [&str; 13] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root",
    "/sbin", "/sys", "/usr",
];

/// Notes what has to be done before the container is started; the mount, where it is not the directory itself.
pub(super) fn apply(
    input: &Input<'_>,
    out: &mut Resolved,
    (option, text, options): (&str, &str, &[&str]),
    (source, target): (&Path, &str),
    (all, idmap): (&[String], &Idmap),
) -> Result<Option<Mount>, Failure> {
    relabel(input, out, (option, text, options), source)?;
    match (options.contains(&"U"), options.contains(&"O")) {
        (false, false) => Ok(None),
        (true, true) => Err(refused(option, text, "U changes the disk and O does not")),
        (true, false) => {
            give(input, out, (option, text), source, *idmap == Idmap::Same)?;
            Ok(None)
        }
        (false, true) => {
            // A volume is made later, and is a directory.
            if let Some(Node::File | Node::Char(..) | Node::Block(..) | Node::Other) =
                (input.sight.look)(source)?
            {
                return Err(refused(option, text, "an overlay is of directories"));
            }
            let over = Over {
                source: source.to_owned(),
                target: target.to_owned(),
            };
            let place = format!("{}/rootfs", Over::place(out.over.len()));
            out.over.push(over);
            let value = format!(
                "{target}: changes last for one run, {} stays as it is",
                source.display()
            );
            out.note("overlay", value, Origin::Flag, &format!("--{option}"));
            let mut options: Vec<&str> = all.iter().map(String::as_str).collect();
            options[0] = "bind";
            Ok(Some(mount(target, "bind", &place, &options)))
        }
    }
}

/// `z` and `Z`: SELinux lets every container at what is there, or this one alone. What is in a volume is for containers in
/// any case, and nothing of the source is touched under an overlay, which has a label of its own.
fn relabel(
    input: &Input<'_>,
    out: &mut Resolved,
    (option, text, options): (&str, &str, &[&str]),
    source: &Path,
) -> Result<(), Failure> {
    let asked = options.iter().find(|name| matches!(**name, "z" | "Z"));
    let Some(own) = out.linux().mount_label.clone() else {
        if asked.is_some() {
            let why = match (input.sight.selinux)()? {
                Selinux::Off => "SELinux is off on this host",
                Selinux::Ready | Selinux::WithoutContainers => "this container has no label",
            };
            out.warn(format!("--{option} {text}: {why}, nothing is relabelled"));
        }
        return Ok(());
    };
    let volume = source.starts_with((input.sight.volumes)());
    let label = match asked {
        _ if options.contains(&"O") => return Ok(()),
        Some(&"Z") => own,
        None if !volume => return Ok(()),
        _ => selinux::SHARED_FILES.to_owned(),
    };
    if !volume {
        let why = "the host needs the labels that its files have there";
        not_the_hosts(input, (option, text), source, why)?;
    }
    let value = format!("{} and all in it: {label}", source.display());
    out.note("label", value, Origin::Flag, &format!("--{option}"));
    out.relabelled.push((source.to_owned(), label));
    Ok(())
}

/// Refuses to change what is the host's own, the caller's home, or Lockstep's. Places are compared: `/home` may be a link,
/// and `/` may be mounted in a second place.
fn not_the_hosts(
    input: &Input<'_>,
    (option, text): (&str, &str),
    source: &Path,
    why: &str,
) -> Result<(), Failure> {
    if source.starts_with((input.sight.volumes)()) {
        return Ok(());
    }
    let mounts = (input.sight.mounts)()?;
    let place = mounts.place(source);
    // One that is not there, or cannot be reached, has nothing but its name.
    let real = |own: &str| (input.sight.absolute)(Path::new(own)).unwrap_or_else(|_| own.into());
    let place_of = |own: &str| mounts.place(Path::new(&real(own)));
    let hosts = HOSTS.iter().any(|own| place_of(own).is_in(&place));
    let whole = WHOLE.iter().any(|own| place.is_in(&place_of(own)));
    if source == Path::new("/") || hosts || whole {
        return Err(
            refused(option, text, why).hint("give it a directory that is meant for the container")
        );
    }
    let home = (input.sight.variable)("HOME").filter(|home| home.starts_with('/'));
    if home.is_some_and(|home| place_of(&home).is_in(&place)) {
        return Err(refused(option, text, "your home is in it")
            .hint("give it a directory that is meant for the container"));
    }
    let hidden = (input.sight.kept_out)()?;
    if let Some(own) = hidden.iter().find(|own| mounts.place(own).is_in(&place)) {
        let why = format!("{} is Lockstep's own", own.display());
        return Err(refused(option, text, &why));
    }
    Ok(())
}

fn give(
    input: &Input<'_>,
    out: &mut Resolved,
    (option, text): (&str, &str),
    source: &Path,
    idmap: bool,
) -> Result<(), Failure> {
    let why = "the host needs the owners that its files have there";
    not_the_hosts(input, (option, text), source, why)?;
    let linux = out.linux();
    let maps = match idmap {
        // The disk has the ids that the container sees.
        true => (Vec::new(), Vec::new()),
        false => (linux.uid_mappings.clone(), linux.gid_mappings.clone()),
    };
    let user = out.process().user.clone();
    let (Some(uid), Some(gid)) = (outside(&maps.0, user.uid), outside(&maps.1, user.gid)) else {
        return Err(refused(
            option,
            text,
            "the container's user has no id on the host",
        ));
    };
    let value = format!(
        "{} and all in it become user {uid}'s and group {gid}'s on the disk",
        source.display()
    );
    out.note("owner", value, Origin::Flag, &format!("--{option}"));
    out.given.push((source.to_owned(), (uid, gid)));
    Ok(())
}
