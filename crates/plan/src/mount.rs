//! Mounts: the root file system, then the list of config.json in its order.

mod cgroup;
mod root;
mod source;

pub use root::{change_root, restrict_paths};
pub use source::{Opened, open_sources};

use crate::create::MemoryRoot;
use crate::mount_options::Options;
use crate::namespace::Namespaces;
use crate::step::{HostPath, IdMaps, Links, Op, OverlayRoot, Plan, RootPath, Slot, Source};
use crate::{Error, Host, Result};
use lockstep_abi::mount::*;
use lockstep_oci::runtime::{Linux, Mount, Root, RootfsPropagation, Spec};
use source::{bind_kind, source_path};
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
    /// Files in memory, over everything else.
    pub secrets: &'a [crate::secret::Secret],
    /// Whether config.json's directory is id-mapped with the container's maps.
    pub idmap_root: bool,
    /// Whether cgroups other than the container's own stay out of sight: runc shows its caller's.
    pub own_cgroups: bool,
    /// Overlays in the place of the bind mounts at these targets.
    pub over: &'a [(String, OverlayRoot)],
    /// The namespace files of the container whose /dev/shm is shared.
    pub shared_memory: Option<&'a Path>,
}

impl Context<'_> {
    /// Our own tool names a root file system by a path without links; one of its own directory's is relative.
    fn root_links(&self, root: &Root) -> Links {
        match self.own_cgroups && Path::new(&root.path).is_absolute() {
            true => Links::None,
            false => Links::All,
        }
    }
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
        (None, Some(overlay), _) => Source::Overlay(overlay.clone(), Links::All),
        (None, None, Some(slot)) => Source::Slot(slot),
        (None, None, None) => Source::Path(
            HostPath::new(context.bundle, &root.path),
            context.root_links(root),
        ),
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
    crate::secret::plan(plan, context.secrets)
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
        left_out(plan, n, (mount, &options), "a bind mount");
        let over = context.over.iter().find(|(at, _)| *at == mount.destination);
        let source = match (over, slot) {
            (Some((_, layers)), _) => Source::Overlay(layers.clone(), Links::None),
            (None, Some(slot)) => Source::Slot(slot),
            (None, None) => Source::Path(source_path(n, mount, context)?, options.source_links),
        };
        let op = Op::Bind {
            source,
            recursive,
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
        left_out(plan, n, (mount, &options), "a cgroup mount");
        plan.init(because, cgroup::mount(target, options, context));
        return Ok(());
    }
    plan.init(
        because.clone(),
        filesystem(n, mount, options, linux, context, late)?,
    );
    Ok(())
}

/// Says which options were taken for those of a file system where none is made that could have them.
fn left_out(plan: &mut Plan, n: usize, (mount, options): (&Mount, &Options), what: &str) {
    if options.data.is_empty() {
        return;
    }
    for (nth, option) in mount.options.iter().enumerate() {
        let data = Options::parse(std::slice::from_ref(option)).data;
        if !data.is_empty() && !option.is_empty() {
            let text =
                format!("/mounts/{n}/options/{nth}: {option:?} is no option of {what}, ignored");
            plan.warnings.push(text);
        }
    }
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

/// The SELinux label of the container's file systems.
pub(crate) fn label(linux: &Linux) -> Option<&str> {
    linux
        .mount_label
        .as_deref()
        .filter(|label| !label.is_empty())
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
    if matches!(&*kind, "tmpfs" | "mqueue") && readonly {
        // Devices, copied-up files and further mount points have to be made in it first; message queues labelled.
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
    let label = label(linux);
    if let Some(label) = label.filter(|_| !context.host.selinux) {
        let reason = "SELinux is not enabled on this host";
        return Err(Error::new("/linux/mountLabel", label, reason));
    }
    let user = context.namespaces.enters_user() || context.host.user_namespace;
    // The kernel's own files keep the kernel's labels. Message queues are a file system that is there before it is
    // mounted (mq_overview(7)): it takes a label as any file does, from its owner, which root of a user namespace
    // is not; and one that is shared keeps the label that it has for those who had it before.
    let (option, root_label) = match kind.as_str() {
        "proc" | "sysfs" => (None, None),
        "mqueue" if user || !context.namespaces.new_ipc() => (None, None),
        "mqueue" => (None, label.map(str::to_owned)),
        _ => (label, None),
    };
    data.extend(option.map(|label| format!("context={label}")));
    // sysfs shows the network namespace's devices and so belongs to its owner; without one of our own the
    // kernel refuses it in a user namespace, and the host's tree is bound instead.
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
        root_label,
    })
}
