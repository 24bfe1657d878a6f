//! Containers whose namespaces another one shares: what is known of them, and where they are when it is started.

use lockstep_profile::selinux;
use lockstep_supervisor::{Job, Joined};

use super::{Eyes, Front};
use crate::argv::Arguments;
use crate::container::{Directory, Status};
use crate::failure::{Failure, OURS};
use crate::resolve::{Neighbour, joined_path, neighbours};

/// The container of this name, for who is to share namespaces with it.
pub(super) fn find(front: &Front, typed: &str) -> Result<Neighbour, Failure> {
    // Its absence is a mistake in the line and no answer of it.
    let found = front.store()?.find(typed);
    let (directory, record) = found.map_err(|failure| failure.code(OURS))?;
    let spec = directory.spec()?;
    let shared_memory = spec
        .mounts
        .iter()
        .any(|mount| mount.destination == "/dev/shm");
    let linux = spec.linux.unwrap_or_default();
    let label = spec.process.and_then(|process| process.selinux_label);
    let users = Joined::of(&record.job.joined, "user");
    Ok(Neighbour {
        pid: match directory.status()? {
            Status::Running(started) => Some(started.pid),
            _ => None,
        },
        users: users.map_or(record.id.clone(), |joined| joined.container.clone()),
        id: record.id,
        name: record.name,
        namespaces: linux.namespaces.into_iter().map(|n| n.kind).collect(),
        shared_memory,
        uid_mappings: linux.uid_mappings,
        gid_mappings: linux.gid_mappings,
        owner: record.job.owner,
        block: record.block,
        level: label.as_deref().and_then(selinux::level),
    })
}

/// The block of user ids that comes with the namespaces which the command line shares, with the container that it is of.
pub(super) fn block(eyes: &Eyes<'_>, args: &Arguments) -> Result<Option<(u32, String)>, Failure> {
    let Some((_, typed)) = neighbours(args)?.first().copied() else {
        return Ok(None);
    };
    let found = eyes.neighbour(typed)?;
    Ok(found.block.map(|block| (block, found.id.clone())))
}

/// The level that comes with those namespaces: as its ids are the same, SELinux does not keep it from the other either.
pub(super) fn level(eyes: &Eyes<'_>, args: &Arguments) -> Result<Option<String>, Failure> {
    match neighbours(args)?.first() {
        Some((_, typed)) => Ok(eyes.neighbour(typed)?.level.clone()),
        None => Ok(None),
    }
}

/// Finds the namespaces that a container shares, which are others after each start of the containers that they are of.
/// Whether they are still those when they are opened is asked there.
pub(super) fn settle(front: &Front, directory: &Directory, job: &mut Job) -> Result<(), Failure> {
    if job.joined.is_empty() {
        return Ok(());
    }
    // An update of its limits writes the same file.
    directory
        .edit(|_| find_namespaces(front, directory, job))
        .map(drop)
}

fn find_namespaces(front: &Front, directory: &Directory, job: &mut Job) -> Result<(), Failure> {
    let store = front.store()?;
    let mut spec = directory.spec()?;
    let mut changed = false;
    let linux = spec.linux.get_or_insert_default();
    for joined in &mut job.joined {
        let gone = |text: &str| {
            Failure::new(format!(
                "container {}, whose {} namespace is shared, {text}",
                joined.container.get(..12).unwrap_or_default(),
                joined.namespace
            ))
        };
        let Some(other) = store.by_id(&joined.container)? else {
            return Err(gone("was removed"));
        };
        let Status::Running(started) = other.status()? else {
            let start = format!("lockstep start {}", joined.container);
            return Err(gone("does not run").hint(start));
        };
        joined.pid = started.pid;
        let mine = |n: &&mut lockstep_oci::runtime::Namespace| n.kind.as_str() == joined.namespace;
        if let Some(namespace) = linux.namespaces.iter_mut().find(mine) {
            let path = Some(joined_path(joined));
            changed |= namespace.path != path;
            namespace.path = path;
        }
    }
    match changed {
        true => directory.reconfigure(&spec),
        // As at the first start, right after it was written.
        false => Ok(()),
    }
}
