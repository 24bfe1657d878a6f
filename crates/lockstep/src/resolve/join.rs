//! Namespaces of another container (`container:NAME`), and whose user namespace comes with them.
//!
//! The kernel lets somebody into a namespace who has rights over the user namespace that owns it, and a container has
//! such rights in its own alone. So who shares one namespace shares the user namespace too: the ids are the same.

use lockstep_oci::runtime::{IdMapping, Namespace, NamespaceType};
use lockstep_supervisor::Joined;

use super::{Input, Resolved, Source, default_maps};
use crate::argv::Arguments;
use crate::failure::Failure;
use crate::why::Origin;

/// A container whose namespaces are shared.
#[derive(Debug, Clone)]
pub(crate) struct Neighbour {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Its first process, if it runs.
    pub(crate) pid: Option<i32>,
    /// Types of the namespaces that are not the host's.
    pub(crate) namespaces: Vec<NamespaceType>,
    /// Whether it has a /dev/shm, which is shared with its IPC namespace.
    pub(crate) shared_memory: bool,
    /// The container whose user namespace it is in, itself if it shares none.
    pub(crate) users: String,
    pub(crate) uid_mappings: Vec<IdMapping>,
    pub(crate) gid_mappings: Vec<IdMapping>,
    /// The user that owns that namespace, where it is not the caller.
    pub(crate) owner: Option<u32>,
    /// Its block of user ids.
    pub(crate) block: Option<u32>,
    /// Its level for SELinux.
    pub(crate) level: Option<String>,
}

const OPTIONS: [&str; 6] = ["userns", "pid", "ipc", "uts", "network", "net"];

/// What `mode` names, if a container.
pub(super) fn container(mode: &str) -> Option<&str> {
    mode.strip_prefix("container:")
}

/// The containers that the command line shares namespaces with, as they were typed.
pub(crate) fn named(args: &Arguments) -> Result<Vec<(&'static str, &str)>, String> {
    let mut all = Vec::new();
    for option in OPTIONS {
        if let Some(name) = args.text(option)?.and_then(container) {
            all.push((option, name));
        }
    }
    Ok(all)
}

/// Shares one namespace; `false` where the other container has the host's.
pub(super) fn one(
    input: &Input<'_>,
    out: &mut Resolved,
    (kind, option): (NamespaceType, &str),
    name: &str,
) -> Result<bool, Failure> {
    let other = (input.sight.neighbour)(name)?;
    if !other.namespaces.contains(&kind) {
        return Ok(false);
    }
    if kind == NamespaceType::Ipc && !other.shared_memory {
        return Err(Failure::new(format!(
            "--ipc container:{name} is refused: container {} has no /dev/shm to share (--ipc none)",
            other.name
        )));
    }
    push(out, kind.clone(), &other);
    let loss = match kind {
        NamespaceType::Pid => {
            "each sees, signals and traces the processes of the other; this one ends with it"
        }
        NamespaceType::Ipc => "each reads and writes the other's shared memory and queues",
        NamespaceType::Network => "each reaches what the other serves on its loopback",
        NamespaceType::Uts => "the host name is that one's",
        _ => "",
    };
    let text = format!("that of container {}: {loss}", other.name);
    let about = match kind {
        NamespaceType::Network => "network".to_owned(),
        _ => format!("{option} namespace"),
    };
    out.note(&about, text, Origin::Flag, &format!("--{option}"));
    Ok(true)
}

/// Shares the user namespace where any other is shared; whether it does.
pub(super) fn users(input: &Input<'_>, out: &mut Resolved) -> Result<bool, Failure> {
    let args = input.args;
    let named = named(args)?;
    let Some((option, typed)) = named.first() else {
        return Ok(false);
    };
    let first = (input.sight.neighbour)(typed)?;
    let asked = args
        .text("userns")?
        .filter(|mode| container(mode).is_none());
    let by_hand = !args.texts("uidmap")?.is_empty() || !args.texts("gidmap")?.is_empty();
    for (option, typed) in named.iter().skip(1) {
        let other = (input.sight.neighbour)(typed)?;
        if other.users != first.users || other.uid_mappings != first.uid_mappings {
            return Err(Failure::new(format!(
                "--{option} container:{typed} is refused: containers {} and {} have user namespaces of their own",
                first.name, other.name
            ))
            .hint("a container can share namespaces with those that share one user namespace"));
        }
    }
    if !first.namespaces.contains(&NamespaceType::User) {
        return match asked {
            Some("host") => Ok(false),
            _ => Err(Failure::new(format!(
                "--{option} container:{typed} is refused: container {} has the host's user namespace, and this one would \
                 have it too",
                first.name
            ))
            .hint("--userns host agrees to that: root in the container is root of the host then")),
        };
    }
    if asked.is_some() || by_hand {
        return Err(Failure::new(format!(
            "--{option} container:{typed} brings that container's user namespace with it; --userns, --uidmap and --gidmap \
             choose another"
        ))
        .hint("leave them out"));
    }
    if let (Source::Layers(_), false) = (&input.image.source, input.caller.maps_any_id())
        && default_maps(input.caller) != (first.uid_mappings.clone(), first.gid_mappings.clone())
    {
        return Err(Failure::new(format!(
            "--{option} container:{typed} is refused: the files of a user's image have owners for one map, and container {} \
             has another",
            first.name
        ))
        .hint("it works with host: and rootfs:DIR"));
    }
    push(out, NamespaceType::User, &first);
    let linux = out.linux();
    linux.uid_mappings.clone_from(&first.uid_mappings);
    linux.gid_mappings.clone_from(&first.gid_mappings);
    out.owner = first.owner;
    let text = format!(
        "that of container {}: root of one is root of both, with the same ids of the host",
        first.name
    );
    out.note("user namespace", text, Origin::Flag, &format!("--{option}"));
    Ok(true)
}

/// The path is settled when the container is started, by the other's first process then.
fn push(out: &mut Resolved, kind: NamespaceType, other: &Neighbour) {
    let joined = Joined {
        namespace: kind.as_str().to_owned(),
        container: other.id.clone(),
        pid: other.pid.unwrap_or(0),
    };
    out.linux().namespaces.push(Namespace {
        kind,
        path: Some(path(&joined)),
    });
    out.joined.push(joined);
}

/// The file of a namespace that is shared. There is no process 0, so a path that is not settled leads nowhere.
pub(crate) fn path(joined: &Joined) -> String {
    let file = match joined.namespace.as_str() {
        "network" => "net",
        other => other,
    };
    format!("/proc/{}/ns/{file}", joined.pid)
}
