//! Mounts: the root file system, the list of config.json in its order, masked and read-only paths, the change of root.

use crate::cgroup::{Layout, Version};
use crate::create::MemoryRoot;
use crate::mount_options::Options;
use crate::namespace::Namespaces;
use crate::step::{
    CgroupView, HostPath, IdMap, IdMaps, Op, OverlayRoot, Plan, RootPath, Slot, Source,
};
use crate::{Error, Host, Result};
use lockstep_abi::mount::*;
use lockstep_oci::runtime::{IdMapping, Linux, Mount, RootfsPropagation, Spec};
use std::path::{Path, PathBuf};

/// What the planning of mounts needs to know beside the configuration.
#[derive(Debug)]
pub struct Context<'a> {
    /// The bundle's absolute path.
    pub bundle: &'a Path,
    /// Facts of this host.
    pub host: &'a Host,
    /// The container's namespaces.
    pub namespaces: &'a Namespaces,
    /// The id maps of the container's user namespace.
    pub maps: &'a IdMaps,
    /// The container's own directory in each hierarchy, as absolute host paths, by hierarchy.
    pub cgroups: &'a [(usize, PathBuf)],
    /// Whether pivot_root(2) must not be used.
    pub no_pivot: bool,
    /// A root file system in memory, in place of config.json's directory.
    pub memory_root: Option<&'a MemoryRoot>,
    /// Layers, in place of config.json's directory.
    pub overlay: Option<&'a OverlayRoot>,
    /// Whether config.json's directory is id-mapped with the container's maps.
    pub idmap_root: bool,
    /// Whether cgroups other than the container's own stay out of sight: runc shows its caller's.
    pub own_cgroups: bool,
}

/// Trees that are opened on the host before the init process can no longer see or reach them.
#[derive(Debug, Default)]
pub struct Opened {
    root: Option<Slot>,
    mounts: Vec<Option<Slot>>,
}

/// Plans which trees are opened early, and by whom.
///
/// The init process of a new user namespace may lack the right to walk the host's directories, and cannot
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
    let by_supervisor = context.namespaces.new_user() && context.host.privileged();
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
                nofollow: false,
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
            nofollow: options.source_nofollow,
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

/// The lines of an id map.
pub fn id_lines(mappings: &[IdMapping]) -> Vec<IdMap> {
    mappings
        .iter()
        .map(|m| IdMap {
            inside: m.container_id,
            outside: m.host_id,
            size: m.size,
        })
        .collect()
}

/// Whether this is a bind mount, and whether a recursive one.
fn bind_kind(mount: &Mount, options: &Options) -> Option<bool> {
    if options.remount {
        return None;
    }
    options.bind.or(if mount.kind.as_deref() == Some("bind") {
        Some(false)
    } else {
        None
    })
}

fn source_path(n: usize, mount: &Mount, context: &Context<'_>) -> Result<HostPath> {
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

/// Plans everything from the first mount to the read-only paths, all below the root descriptor.
pub fn plan(plan: &mut Plan, spec: &Spec, opened: &Opened, context: &Context<'_>) -> Result<()> {
    let linux = spec.linux.clone().unwrap_or_default();
    // Shared mounts would carry the container's mounts to the host, and pivot_root(2) refuses them. A
    // received mount (slave) does no harm, and is what runc and Docker users count on. What is said of the root
    // alone is not said of the mounts in it.
    let cut = match linux.rootfs_propagation {
        None
        | Some(
            RootfsPropagation::Slave
            | RootfsPropagation::RSlave
            | RootfsPropagation::Private
            | RootfsPropagation::Unbindable,
        ) => MS_SLAVE,
        _ => MS_PRIVATE,
    };
    plan.init(
        "<mount namespace>",
        Op::HostPropagation {
            flags: cut | MS_REC,
        },
    );
    let root = spec
        .root
        .as_ref()
        .ok_or_else(|| Error::new("/root", "", "a root file system is required"))?;
    let source = match (context.memory_root, context.overlay, opened.root) {
        (Some(_), ..) => Source::Memory,
        (None, Some(overlay), _) => Source::Overlay(overlay.clone()),
        (None, None, Some(slot)) => Source::Slot(slot),
        (None, None, None) => Source::Path(HostPath::new(context.bundle, &root.path)),
    };
    let hooked = spec
        .hooks
        .as_ref()
        .is_some_and(|h| !h.create_container.is_empty());
    let at = match hooked {
        true => HostPath::new(context.bundle, &root.path),
        false => HostPath::new(Path::new("/"), "/"),
    };
    plan.init("/root/path", Op::AttachRoot { source, at });
    let memory_root = context.memory_root;
    links(plan, memory_root.iter().flat_map(|root| &root.links));
    let mut late = Vec::new();
    for (n, mount) in spec.mounts.iter().enumerate() {
        one(plan, n, mount, opened.mounts[n], &linux, context, &mut late)?;
    }
    crate::device::plan(plan, spec, context)?;
    for path in memory_root.iter().flat_map(|root| &root.directories) {
        let path = RootPath::new(path);
        plan.init("/root/path", Op::MakeDirectory { path });
    }
    links(plan, memory_root.iter().flat_map(|root| &root.late_links));
    for (because, op) in late {
        plan.init(because, op);
    }
    Ok(())
}

fn links<'a>(plan: &mut Plan, links: impl Iterator<Item = &'a (String, String)>) {
    for (link, target) in links {
        let op = Op::Symlink {
            target: target.clone().into(),
            link: RootPath::new(link),
        };
        plan.init("/root/path", op);
    }
}

fn one(
    plan: &mut Plan,
    n: usize,
    mount: &Mount,
    slot: Option<Slot>,
    linux: &Linux,
    context: &Context<'_>,
    late: &mut Vec<(String, Op)>,
) -> Result<()> {
    let because = format!("/mounts/{n}");
    let options = Options::parse(&mount.options);
    let target = RootPath::new(&mount.destination);
    let kind = mount.kind.as_deref().unwrap_or_default();
    outside_proc(n, mount)?;
    if options.remount {
        plan.init(
            because,
            Op::Remount {
                target,
                flags: options.flags,
                data: options.data.join(","),
            },
        );
        return Ok(());
    }
    if let Some(recursive) = bind_kind(mount, &options) {
        let source = match slot {
            Some(slot) => Source::Slot(slot),
            None => Source::Path(source_path(n, mount, context)?),
        };
        let op = Op::Bind {
            source,
            recursive,
            source_nofollow: options.source_nofollow,
            attributes: options.attributes,
            target,
            nofollow: options.target_nofollow,
        };
        plan.init(because, op);
        return Ok(());
    }
    if kind.is_empty() || kind == "none" {
        return propagation_only(plan, n, because, target, &options);
    }
    if matches!(kind, "cgroup" | "cgroup2") {
        plan.init(because, cgroup(target, options, context));
        return Ok(());
    }
    plan.init(
        because.clone(),
        filesystem(n, mount, options, linux, context, late)?,
    );
    Ok(())
}

/// What stands in for a part of procfs could be written to by the runtime in its place (CVE-2019-19921), so
/// nothing may but the files that LXCFS gives a container's view of.
fn outside_proc(n: usize, mount: &Mount) -> Result<()> {
    const FILES: [&str; 10] = [
        "cpuinfo",
        "diskstats",
        "loadavg",
        "meminfo",
        "net/dev",
        "slabinfo",
        "stat",
        "swaps",
        "sys/kernel/ns_last_pid",
        "uptime",
    ];
    let mut path = PathBuf::from("/");
    for component in Path::new(&mount.destination).components() {
        match component {
            std::path::Component::Normal(name) => path.push(name),
            std::path::Component::ParentDir => drop(path.pop()),
            _ => {}
        }
    }
    match path.strip_prefix("/proc") {
        Ok(below)
            if !below.as_os_str().is_empty() && !FILES.iter().any(|f| below == Path::new(f)) =>
        {
            Err(Error::new(
                format!("/mounts/{n}/destination"),
                &mount.destination,
                "cannot be mounted because it is inside /proc",
            ))
        }
        _ => Ok(()),
    }
}

fn propagation_only(
    plan: &mut Plan,
    n: usize,
    because: String,
    target: RootPath,
    options: &Options,
) -> Result<()> {
    if options.attributes.is_empty() {
        return Err(Error::new(
            format!("/mounts/{n}/type"),
            "",
            "no file system type and not a bind mount",
        ));
    }
    plan.init(
        because,
        Op::SetAttributes {
            target,
            attributes: options.attributes.clone(),
        },
    );
    Ok(())
}

fn filesystem(
    n: usize,
    mount: &Mount,
    options: Options,
    linux: &Linux,
    context: &Context<'_>,
    late: &mut Vec<(String, Op)>,
) -> Result<Op> {
    let kind = mount.kind.clone().unwrap_or_default();
    let mut attributes = options.attributes;
    attributes.clear = 0;
    let mut data = options.data;
    let readonly = attributes.set & MOUNT_ATTR_RDONLY != 0;
    let target = RootPath::new(&mount.destination);
    if kind == "tmpfs" && readonly {
        // Devices, copied-up files and further mount points have to be made in it first.
        attributes.set &= !MOUNT_ATTR_RDONLY;
        let readonly = crate::mount_options::Attributes {
            set: MOUNT_ATTR_RDONLY,
            ..Default::default()
        };
        late.push((
            format!("/mounts/{n}"),
            Op::SetAttributes {
                target: target.clone(),
                attributes: readonly,
            },
        ));
    }
    data.extend(options.superblock);
    if let Some(label) = &linux.mount_label {
        if !context.host.selinux {
            return Err(Error::new(
                "/linux/mountLabel",
                label,
                "SELinux is not enabled on this host",
            ));
        }
        if !matches!(kind.as_str(), "proc" | "sysfs") {
            data.push(format!("context={label}"));
        }
    }
    // sysfs shows the network namespace's devices and so belongs to its owner; without one of our own the
    // kernel refuses it in a user namespace, and the host's tree is bound instead.
    let user = context.namespaces.new_user() || context.host.user_namespace;
    let fallback = (kind == "sysfs" && user && !context.namespaces.new_network())
        .then(|| HostPath::new(Path::new("/"), "/sys"));
    Ok(Op::Mount {
        source: mount.source.clone().unwrap_or_else(|| kind.clone()),
        kind,
        data,
        attributes,
        target,
        copy_up: options.copy_up,
        nofollow: options.target_nofollow,
        fallback,
    })
}

fn cgroup(target: RootPath, options: Options, context: &Context<'_>) -> Op {
    let layout = &context.host.cgroup;
    let host = |n: usize| {
        context
            .cgroups
            .iter()
            .find(|(h, _)| *h == n)
            .map_or_else(PathBuf::new, |(_, path)| path.clone())
    };
    let single = layout.hierarchies.iter().all(|h| h.version == Version::V2);
    let views = layout
        .hierarchies
        .iter()
        .enumerate()
        .filter_map(|(n, h)| view(layout, h, host(n)));
    let mut attributes = options.attributes;
    attributes.clear = 0;
    Op::CgroupMount {
        target,
        views: views.collect(),
        single,
        namespaced: context.namespaces.new_cgroup(),
        own: context.own_cgroups,
        attributes,
    }
}

fn view(
    layout: &Layout,
    hierarchy: &crate::cgroup::Hierarchy,
    host: PathBuf,
) -> Option<CgroupView> {
    let caller = Path::new(&hierarchy.mount).join(hierarchy.own_in_mount().trim_start_matches('/'));
    // A hybrid layout's v2 hierarchy has no place of its own in the v1 view that programs expect.
    let hybrid = layout.hierarchies.iter().any(|h| h.version == Version::V1);
    if hierarchy.version == Version::V2 {
        return (!hybrid).then(|| CgroupView {
            name: String::new(),
            kind: "cgroup2",
            option: String::new(),
            host,
            caller,
            links: Vec::new(),
        });
    }
    let directory = Path::new(&hierarchy.mount)
        .file_name()?
        .to_string_lossy()
        .into_owned();
    let option = match &hierarchy.name {
        Some(name) => format!("name={name}"),
        None => hierarchy.controllers.join(","),
    };
    let links = hierarchy
        .controllers
        .iter()
        .filter(|c| **c != directory && hierarchy.controllers.len() > 1);
    Some(CgroupView {
        name: directory.clone(),
        kind: "cgroup",
        option,
        host,
        caller,
        links: links.cloned().collect(),
    })
}

/// Plans masked and read-only paths; by runc's order the read-only ones come first.
pub fn restrict_paths(plan: &mut Plan, linux: &Linux) {
    for (n, path) in linux.readonly_paths.iter().enumerate() {
        plan.init(
            format!("/linux/readonlyPaths/{n}"),
            Op::ReadonlyPath {
                path: RootPath::new(path),
            },
        );
    }
    for (n, path) in linux.masked_paths.iter().enumerate() {
        plan.init(
            format!("/linux/maskedPaths/{n}"),
            Op::MaskPath {
                path: RootPath::new(path),
            },
        );
    }
}

/// Plans the change of root and what is done to the root mount after it.
pub fn change_root(plan: &mut Plan, spec: &Spec, context: &Context<'_>) {
    let op = match (context.namespaces.own_mount(), context.no_pivot) {
        (true, false) => Op::PivotRoot,
        (true, true) => Op::MoveRoot,
        (false, _) => Op::Chroot,
    };
    plan.init("/root/path", op);
    if !context.namespaces.own_mount() {
        return;
    }
    if let Some(propagation) = spec
        .linux
        .as_ref()
        .and_then(|l| l.rootfs_propagation.as_ref())
    {
        let flags = match propagation {
            RootfsPropagation::Shared => MS_SHARED,
            RootfsPropagation::RShared => MS_SHARED | MS_REC,
            RootfsPropagation::Slave => MS_SLAVE,
            RootfsPropagation::RSlave => MS_SLAVE | MS_REC,
            RootfsPropagation::Unbindable => MS_UNBINDABLE,
            RootfsPropagation::RUnbindable => MS_UNBINDABLE | MS_REC,
            RootfsPropagation::RPrivate => MS_PRIVATE | MS_REC,
            RootfsPropagation::Private | RootfsPropagation::Unknown(_) => MS_PRIVATE,
        };
        plan.init("/linux/rootfsPropagation", Op::RootPropagation { flags });
    }
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        // As long as it can be made: images name working directories that they do not contain.
        if let Some(process) = spec.process.as_ref().filter(|p| p.cwd != "/") {
            let path = RootPath::new(&process.cwd);
            plan.init("/process/cwd", Op::MakeDirectory { path });
        }
        plan.init("/root/readonly", Op::ReadonlyRoot);
    }
}
