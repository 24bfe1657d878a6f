//! Namespaces other than the user's: all of them are the container's own unless a flag shares one with the host or with
//! another container.

use lockstep_oci::runtime::{Namespace, NamespaceType};
use lockstep_supervisor::Joined;

use super::{Input, Resolved, wrong};
use crate::failure::Failure;
use crate::why::Origin;

/// Digits of the id that make a host name.
const SHORT: usize = 12;

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let args = input.args;
    let namespaces = [
        (NamespaceType::Pid, "pid"),
        (NamespaceType::Ipc, "ipc"),
        (NamespaceType::Uts, "uts"),
        (NamespaceType::Cgroup, "cgroupns"),
    ];
    for (kind, option) in namespaces {
        let mode = args.text(option)?;
        one(input, out, kind, option, mode)?;
    }
    out.linux().namespaces.push(Namespace {
        kind: NamespaceType::Mount,
        path: None,
    });
    network(input, out)?;
    let shared = Joined::of(&out.joined, "uts").is_some();
    let uts = out.linux().has_namespace(&NamespaceType::Uts) && !shared;
    let named = args.text("hostname")?;
    match (named, uts) {
        (Some(_), false) => {
            let mode = args.text("uts")?.unwrap_or_default();
            return Err(Failure::new(format!(
                "--hostname and --uts {mode} exclude each other"
            )));
        }
        (Some(name), true) => {
            out.spec.hostname = Some(name.into());
            out.note("hostname", name, Origin::Flag, "--hostname");
        }
        (None, true) => {
            out.spec.hostname = Some(input.id.chars().take(SHORT).collect());
            let text = "its id's first 12 digits";
            out.note("hostname", text, Origin::Default, "--hostname");
        }
        (None, false) => {}
    }
    if let Some(name) = args.text("domainname")? {
        out.spec.domainname = Some(name.into());
    }
    Ok(())
}

fn one(
    input: &Input<'_>,
    out: &mut Resolved,
    kind: NamespaceType,
    option: &str,
    mode: Option<&str>,
) -> Result<(), Failure> {
    let mode = match mode.and_then(super::join::container) {
        Some(_) if kind == NamespaceType::Cgroup => {
            return Err(Failure::new(
                "--cgroupns container:NAME is refused: a cgroup namespace shows the cgroups below one's own",
            ));
        }
        Some(name) => match super::join::one(input, out, (kind.clone(), option), name)? {
            true => return Ok(()),
            false => Some("host"),
        },
        None => mode,
    };
    let path = match mode {
        None | Some("" | "private" | "shareable") => None,
        Some("host") => {
            out.note(
                &format!("{option} namespace"),
                "the host's",
                Origin::Flag,
                &format!("--{option}"),
            );
            return Ok(());
        }
        // What it does not have beside is `mount`'s.
        Some("none") if kind == NamespaceType::Ipc => None,
        Some(mode) => match mode.strip_prefix("ns:") {
            Some(path) if path.starts_with('/') => Some(path.to_owned()),
            _ => {
                let none = if kind == NamespaceType::Ipc {
                    "none, "
                } else {
                    ""
                };
                let takes = format!("private, {none}host, container:NAME or ns:PATH");
                return Err(wrong(option, mode, &takes));
            }
        },
    };
    if mode.is_some() {
        let own = match mode {
            Some("none") => "its own, without /dev/shm",
            _ => "its own",
        };
        let shown = path.clone().unwrap_or_else(|| own.into());
        out.note(
            &format!("{option} namespace"),
            shown,
            Origin::Flag,
            &format!("--{option}"),
        );
    }
    out.linux().namespaces.push(Namespace { kind, path });
    Ok(())
}

fn network(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let (long, short) = (input.args.text("network")?, input.args.text("net")?);
    let given = long.or(short);
    let mode = match given.and_then(super::join::container) {
        Some(name) => {
            let about = (NamespaceType::Network, "network");
            match super::join::one(input, out, about, name)? {
                true => return Ok(()),
                false => "host",
            }
        }
        None => given.unwrap_or("none"),
    };
    let path = match mode {
        "none" => None,
        "host" => {
            out.note("network", "the host's", Origin::Flag, "--network");
            out.warn(
                "--network host: the container reaches the host's loopback and every service on it",
            );
            return Ok(());
        }
        mode => match mode.strip_prefix("ns:") {
            Some(path) if path.starts_with('/') => Some(path.to_owned()),
            _ => {
                return Err(Failure::new(format!("--network {mode} is refused: networks with addresses and ports are not implemented yet"))
                    .hint("--network none, host, container:NAME and ns:PATH are"));
            }
        },
    };
    let shown = path
        .clone()
        .unwrap_or_else(|| "none: a loopback of its own".into());
    out.note(
        "network",
        shown,
        super::origin(given.is_some()),
        "--network",
    );
    out.linux().namespaces.push(Namespace {
        kind: NamespaceType::Network,
        path,
    });
    Ok(())
}
