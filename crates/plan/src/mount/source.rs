//! The trees that bind mounts show: who opens them, when, and with which id map.

use super::Context;
use crate::mount_options::Options;
use crate::namespace::id_lines;
use crate::step::{HostPath, IdMaps, Op, Plan, RootPath, Slot};
use crate::{Error, Result};
use lockstep_abi::mount::MS_SHARED;
use lockstep_oci::runtime::{Mount, RootfsPropagation, Spec};
use std::path::Path;

/// Where POSIX shared memory is (shm_overview(7)).
const SHM: &str = "/dev/shm";

/// Trees that are opened on the host before the init process can no longer see or reach them.
#[derive(Debug, Default)]
pub struct Opened {
    pub(super) root: Option<Slot>,
    pub(super) mounts: Vec<Option<Slot>>,
}

/// Plans which trees are opened early, and by whom.
///
/// The init process of a user namespace may lack the right to walk the host's directories, and cannot
/// id-map; so a privileged supervisor opens them for it. With shared propagation they are opened before the
/// init process cuts its mounts off from the host.
pub fn open_sources(plan: &mut Plan, spec: &Spec, context: &Context<'_>) -> Result<Opened> {
    let mut opened = Opened {
        root: None,
        mounts: vec![None; spec.mounts.len()],
    };
    if !context.namespaces.own_mount() {
        return Ok(opened);
    }
    let by_supervisor = context.namespaces.enters_user() && context.host.privileged();
    let early = by_supervisor || wants_shared(spec);
    let mut next = 0;
    let mut slot = || {
        next += 1;
        Slot(next)
    };
    let directory = context.memory_root.is_none() && context.overlay.is_none();
    if let (true, Some(root), true) = (by_supervisor, &spec.root, directory) {
        let here = slot();
        opened.root = Some(here);
        let source = HostPath::new(context.bundle, &root.path);
        plan.supervisor(
            "/root/path",
            Op::OpenTree {
                slot: here,
                source,
                recursive: true,
                links: context.root_links(root),
                peer: false,
                idmap: context.idmap_root.then(|| (context.maps.clone(), true)),
            },
        );
    }
    for (n, mount) in spec.mounts.iter().enumerate() {
        let options = Options::parse(&mount.options);
        let idmap = id_map(n, mount, &options, context)?;
        let Some(recursive) = bind_kind(mount, &options) else {
            continue;
        };
        if let Some(namespaces) = context.shared_memory.filter(|_| mount.destination == SHM) {
            let here = slot();
            opened.mounts[n] = Some(here);
            plan.supervisor(format!("/mounts/{n}"), borrow(here, namespaces));
            continue;
        }
        let source = source_path(n, mount, context)?;
        // The container's root is attached over `/`, and would be what a copy of `/` shows from then on.
        let whole = source.as_path() == Path::new("/");
        if !early && !whole && idmap.is_none() {
            continue;
        }
        let here = slot();
        opened.mounts[n] = Some(here);
        let op = Op::OpenTree {
            slot: here,
            source,
            recursive,
            links: options.source_links,
            peer: wants_shared(spec) && shares(&options),
            idmap,
        };
        let because = format!("/mounts/{n}");
        if by_supervisor || options.idmap.is_some() || !mount.uid_mappings.is_empty() {
            plan.supervisor(because, op);
        } else {
            plan.init(because, op);
        }
    }
    Ok(opened)
}

fn borrow(slot: Slot, namespaces: &Path) -> Op {
    Op::BorrowTree {
        slot,
        namespaces: HostPath::new(namespaces, ""),
        path: RootPath::new(SHM),
    }
}

/// The id map of a mount: its own, or the container's when only the option is given.
fn id_map(
    n: usize,
    mount: &Mount,
    options: &Options,
    context: &Context<'_>,
) -> Result<Option<(IdMaps, bool)>> {
    if options.idmap.is_none() && mount.uid_mappings.is_empty() {
        return Ok(None);
    }
    if bind_kind(mount, options).is_none() {
        return Err(Error::new(
            format!("/mounts/{n}/options"),
            mount.options.join(","),
            "an id-mapped mount has to be a bind mount",
        ));
    }
    let maps = if mount.uid_mappings.is_empty() {
        context.maps.clone()
    } else {
        IdMaps {
            users: id_lines(&mount.uid_mappings),
            groups: id_lines(&mount.gid_mappings),
        }
    };
    if !context.host.privileged() {
        return Err(Error::new(
            format!("/mounts/{n}/options"),
            mount.options.join(","),
            "an id-mapped mount needs CAP_SYS_ADMIN in the user namespace that owns the file system",
        ));
    }
    Ok(Some((maps, options.idmap.unwrap_or(false))))
}

/// Whether this is a bind mount, and whether a recursive one.
pub(super) fn bind_kind(mount: &Mount, options: &Options) -> Option<bool> {
    if options.remount {
        return None;
    }
    options.bind.or(if mount.kind.as_deref() == Some("bind") {
        Some(false)
    } else {
        None
    })
}

pub(super) fn source_path(n: usize, mount: &Mount, context: &Context<'_>) -> Result<HostPath> {
    match mount.source.as_deref() {
        Some(source) if !source.is_empty() => Ok(HostPath::new(context.bundle, source)),
        _ => Err(Error::new(
            format!("/mounts/{n}/source"),
            "",
            "a bind mount needs a source",
        )),
    }
}

/// Whether a mount is to give what is mounted below it back to its source: asked for twice, by the mount and
/// by the propagation of the whole root.
fn shares(options: &Options) -> bool {
    options
        .attributes
        .propagation
        .last()
        .is_some_and(|flags| flags & MS_SHARED != 0)
}

fn wants_shared(spec: &Spec) -> bool {
    matches!(
        spec.linux
            .as_ref()
            .and_then(|l| l.rootfs_propagation.as_ref()),
        Some(RootfsPropagation::Shared | RootfsPropagation::RShared)
    )
}
