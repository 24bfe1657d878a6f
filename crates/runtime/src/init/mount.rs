//! Mounts of the container, made detached and attached below its root descriptor.

use super::Init;
use crate::error::{Error, For, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFDIR, S_IFMT};
use lockstep_abi::mount::{
    MOUNT_ATTR_IDMAP, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_NODEV, MS_REC,
    MS_SLAVE,
};
use lockstep_kernel::file::OFlags;
use lockstep_kernel::mount::{self, Attributes, Context};
use lockstep_kernel::namespace::{self, Map};
use lockstep_kernel::root::{Kind as PointKind, Root, is_root};
use lockstep_kernel::{self as kernel, file, metadata, process};
use lockstep_plan::step::{IdMap, Links, OverlayRoot, Source};
use lockstep_plan::{HostPath, Op, RootPath, mount_options};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

/// Propagation of every mount of this namespace.
pub(super) fn host_propagation(flags: u64) -> Result<()> {
    mount::change_propagation(Path::new("/"), flags)
        .during(|| "cutting mounts off from the host".into())
}

/// Propagation of the container's root, which is `/` by now.
pub(super) fn root_propagation(flags: u64) -> Result<()> {
    mount::change_propagation(Path::new("/"), flags).during(|| "propagation of the root".into())
}

/// Opens a detached copy of a host tree, id-mapped if asked.
pub(crate) fn open_source(proc: BorrowedFd<'_>, op: &Op) -> Result<OwnedFd> {
    let Op::OpenTree {
        source,
        recursive,
        links,
        peer,
        idmap,
        ..
    } = op
    else {
        return Err(Error::new(Kind::Invalid, "not a tree to open"));
    };
    let recursive = *recursive;
    let path = source.as_path();
    let tree = open_path(path, recursive, *links)?;
    if !*peer {
        // A copy of a shared mount is its peer: what is mounted in the container would appear on the host.
        let cut = Attributes {
            propagation: MS_SLAVE,
            ..Attributes::default()
        };
        mount::set_attributes(&tree, &cut, recursive)
            .during(|| format!("cutting off {}", path.display()))?;
    }
    if let Some((maps, deep)) = idmap {
        let (users, groups) = (lines(&maps.users), lines(&maps.groups));
        let namespace = namespace::detached_user_namespace(proc, &users, &groups)
            .during(|| format!("id map for {}", path.display()))?;
        use std::os::fd::AsRawFd;
        let userns_fd = namespace.as_raw_fd() as u64;
        let map = Attributes {
            set: MOUNT_ATTR_IDMAP,
            userns_fd,
            ..Attributes::default()
        };
        mount::set_attributes(&tree, &map, *deep)
            .during(|| format!("id-mapping {}", path.display()))
            .map_err(|mut e| {
                e.kind = Kind::IdMap;
                e.hint("the file system of the source, or one that is mounted in it, may not support id-mapped mounts")
            })?;
    }
    Ok(tree)
}

fn open_path(path: &Path, recursive: bool, links: Links) -> Result<OwnedFd> {
    let opened = match links {
        Links::All => mount::open_tree(file::CWD, path, recursive, false),
        Links::NotTheLast => mount::open_tree(file::CWD, path, recursive, true),
        Links::None => mount::open_tree_without_links(path, recursive),
    };
    chosen(opened, path, links)
}

/// What was opened, or why not.
fn chosen(opened: kernel::Result<OwnedFd>, path: &Path, links: Links) -> Result<OwnedFd> {
    let swapped = matches!(&opened, Err(e) if links == Links::None && e.is(&[Errno::ELOOP.0]));
    let opened = opened.during(|| format!("opening mount source {}", path.display()));
    opened.map_err(|e| match swapped {
        true => {
            e.hint("a symbolic link has taken the place of a directory or file that was chosen")
        }
        false => e,
    })
}

/// Plan's map lines as the kernel room takes them.
pub(crate) fn lines(maps: &[IdMap]) -> Vec<Map> {
    maps.iter()
        .map(|m| Map {
            inside: m.inside,
            outside: m.outside,
            size: m.size,
        })
        .collect()
}

/// Layers as one file system, with overlay's own marks where a user may set them. An image cannot be trusted with
/// marks of renamed directories and of data kept elsewhere, so neither is followed.
fn overlay(root: &OverlayRoot, links: Links, label: Option<&str>) -> Result<OwnedFd> {
    let mut opened = Vec::new();
    if links == Links::None {
        for layer in &root.layers {
            let found = file::open_without_links(layer, OFlags::PATH | OFlags::DIRECTORY);
            opened.push(chosen(found, layer, links)?);
        }
    }
    let made = || -> kernel::Result<OwnedFd> {
        let context = Context::open("overlay")?;
        context.source("overlay")?;
        if opened.is_empty() {
            for layer in &root.layers {
                context.set(&format!("lowerdir+={}", layer.display()))?;
            }
        }
        // By what was opened: overlay follows links in a path. The host's /proc is still here.
        for layer in &opened {
            context.set(&format!("lowerdir+=/proc/self/fd/{}", layer.as_raw_fd()))?;
        }
        context.set(&format!("upperdir={}", root.upper.display()))?;
        context.set(&format!("workdir={}", root.work.display()))?;
        for option in ["userxattr", "redirect_dir=nofollow", "metacopy=off"] {
            context.set(option)?;
        }
        if let Some(label) = label {
            context.set(&format!("context={label}"))?;
        }
        context.mount(MOUNT_ATTR_NODEV)
    };
    let made = match made() {
        Err(refused) if refused.is(&[Errno::EINVAL.0]) => {
            // Before Linux 6.8. Where another thing was wrong it still is, and the first answer tells more.
            overlay_of_a_page(root, opened, label).or(Err(refused))
        }
        made => made,
    };
    made.during(|| "overlay of the image's layers".into())
        .map_err(|e| e.hint("an overlay in a user namespace needs Linux 5.11, and 6.8 for more than a page of layers"))
}

/// The same by mount(2), whose options are one page, over the directory of changes; gives it without a place.
fn overlay_of_a_page(
    root: &OverlayRoot,
    mut layers: Vec<OwnedFd>,
    label: Option<&str>,
) -> kernel::Result<OwnedFd> {
    let open = |path: &Path| file::openat(file::CWD, path, OFlags::PATH | OFlags::DIRECTORY, 0);
    if layers.is_empty() {
        let opened: kernel::Result<_> = root.layers.iter().map(|layer| open(layer)).collect();
        layers = opened?;
    }
    let (upper, work) = (open(&root.upper)?, open(&root.work)?);
    let place = |directory: &OwnedFd| format!("/proc/self/fd/{}", directory.as_raw_fd());
    let lower: Vec<String> = layers.iter().map(place).collect();
    let mut data = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,redirect_dir=nofollow,metacopy=off",
        lower.join(":"),
        place(&upper),
        place(&work)
    );
    if let Some(label) = label {
        // In quotes: a label has commas.
        data += &format!(",context=\"{label}\"");
    }
    mount::mount("overlay", &upper, MS_NODEV, &data)?;
    let mounted = open(&root.upper)?;
    let made = mount::open_tree(&mounted, Path::new(""), false, false);
    mount::detach(&mounted)?;
    made
}

/// Attributes of a root file system in memory: nothing in it is a device or grants anything.
const ROOT_IN_MEMORY: u64 = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

impl Init<'_> {
    /// Attaches the root file system in this namespace and keeps its descriptor.
    pub(super) fn attach_root(&mut self, source: &Source, at: &HostPath) -> Result<()> {
        let tree = self.tree(source, true)?;
        mount::attach_at(&tree, file::CWD, at.as_path())
            .during(|| "attaching the root file system".into())?;
        self.root_elsewhere = at.as_path() != Path::new("/");
        self.root = Some(Root::new(tree));
        Ok(())
    }

    /// Mount options of a file system that nobody asked for by name, with the container's label.
    pub(super) fn labelled<const N: usize>(&self, options: [String; N]) -> Vec<String> {
        let label = self.plan.mount_label.iter();
        let label = label.map(|label| format!("context={label}"));
        options.into_iter().chain(label).collect()
    }

    fn tree(&mut self, source: &Source, recursive: bool) -> Result<OwnedFd> {
        match source {
            Source::Slot(slot) => self
                .slots
                .remove(slot)
                .ok_or_else(|| Error::new(Kind::Invalid, format!("{slot:?} was not opened"))),
            Source::Path(path, links) => open_path(path.as_path(), recursive, *links),
            Source::Memory => {
                let data = self.labelled(["mode=755".to_owned()]);
                filesystem("tmpfs", "rootfs", &data, ROOT_IN_MEMORY)
                    .during(|| "root file system in memory".into())
            }
            Source::Overlay(layers, links) => {
                overlay(layers, *links, self.plan.mount_label.as_deref())
            }
            Source::Secrets(_) => Err(Error::new(Kind::Invalid, "secrets are not a tree")),
        }
    }

    /// A file system of config.json.
    pub(super) fn mount(&mut self, op: &Op) -> Result<()> {
        let Op::Mount {
            kind,
            source,
            data,
            attributes,
            target,
            copy_up,
            nofollow,
            fallback,
            root_label,
        } = op
        else {
            return Err(super::not_of_init());
        };
        let what = || format!("mounting {kind:?} at {}", target.as_path().display());
        let mut data = data.clone();
        if kind == "tmpfs" && !data.iter().any(|option| option.starts_with("mode=")) {
            data.extend(self.mode_of(target)?);
        }
        let made = match filesystem(kind, source, &data, attributes.set) {
            Err(e) if fallback.is_some() && e.is(&[Errno::EPERM.0]) => None,
            other => Some(other.during(what).map_err(|e| explain_mount(e, kind))?),
        };
        let (made, fallen_back) = match (made, fallback) {
            (Some(made), _) => (made, false),
            (None, Some(host)) => (
                mount::open_tree(file::CWD, host.as_path(), true, false).during(what)?,
                true,
            ),
            (None, None) => return Err(Error::new(Kind::Kernel, what())),
        };
        if let Some(label) = root_label {
            label_root(&made, label).during(what)?;
        }
        if *copy_up {
            let point = self.point(target, PointKind::Directory, *nofollow)?;
            super::paths::copy_up(point.as_fd(), made.as_fd()).during(what)?;
        }
        self.attach_directory(&made, target, *nofollow)?;
        let rest = mount_options::Attributes {
            set: if fallen_back { attributes.set } else { 0 },
            ..attributes.clone()
        };
        change(made.as_fd(), &rest).during(what)?;
        file::leave_to_exec(made);
        Ok(())
    }

    /// A bind mount of config.json.
    pub(super) fn bind(&mut self, op: &Op) -> Result<()> {
        let Op::Bind {
            source,
            recursive,
            attributes,
            target,
            nofollow,
        } = op
        else {
            return Err(super::not_of_init());
        };
        if let Source::Secrets(secrets) = source {
            return self.secrets(secrets, op);
        }
        let what = || format!("bind-mounting at {}", target.as_path().display());
        let tree = self.tree(source, *recursive)?;
        let directory = file::fstat(&tree).during(what)?.st_mode & S_IFMT == S_IFDIR;
        if directory {
            self.attach_directory(&tree, target, *nofollow)?;
        } else {
            let point = self.point(target, PointKind::File, *nofollow)?;
            mount::attach(&tree, &point).during(what)?;
            file::leave_to_exec(point);
        }
        change(tree.as_fd(), attributes).during(what)?;
        file::leave_to_exec(tree);
        Ok(())
    }

    /// Attaches a directory's tree. The target is tried by its name in its own directory, where nothing can
    /// lead elsewhere; a symbolic link of the image is resolved below the root instead.
    pub(super) fn attach_directory(
        &mut self,
        tree: &OwnedFd,
        target: &RootPath,
        nofollow: bool,
    ) -> Result<()> {
        let path = target.as_path();
        let what = || format!("mounting at {}", path.display());
        self.mounted_at(path);
        if !is_root(path) && path.file_name().is_some() {
            let (directory, name) = self.directory_of(path)?;
            let mut tried = mount::try_attach_at(tree, directory, name);
            if tried == Err(Errno::ENOENT.0) {
                match file::mkdirat(directory, name, 0o755) {
                    // EEXIST: a dangling link, or somebody else was here in between; the resolution below decides.
                    Err(e) if !e.is(&[Errno::EEXIST.0]) => {
                        return Err(Error::call(format!("mount point {}", path.display()), &e));
                    }
                    _ => tried = mount::try_attach_at(tree, directory, name),
                }
            }
            if tried.is_ok() {
                return Ok(());
            }
        }
        let point = self.point(target, PointKind::Directory, nofollow)?;
        mount::attach(tree, &point).during(what)?;
        // Where a link led is not known by name.
        self.device_directory = None;
        file::leave_to_exec(point);
        Ok(())
    }

    /// A tmpfs that is not told its mode takes that of the directory that it covers, as with runc.
    fn mode_of(&self, target: &RootPath) -> Result<Option<String>> {
        let what = || format!("what {} covers", target.as_path().display());
        let covered = match self.root()?.locate(target.as_path()) {
            // Nothing, and mount_point makes it or says what is wrong with the path.
            Err(e) if e.is(&[Errno::ENOENT.0, Errno::ENOTDIR.0, Errno::ELOOP.0]) => {
                return Ok(None);
            }
            other => other.during(what)?,
        };
        let stat = file::fstat(&covered).during(what)?;
        Ok(Some(format!("mode={:o}", stat.st_mode & 0o7777)))
    }

    pub(super) fn point(
        &self,
        target: &RootPath,
        kind: PointKind,
        nofollow: bool,
    ) -> Result<OwnedFd> {
        let path = target.as_path();
        self.root()?
            .mount_point(path, kind, nofollow)
            .during(|| format!("mount point {}", path.display()))
    }

    pub(super) fn remount(&mut self, op: &Op) -> Result<()> {
        let Op::Remount {
            target,
            flags,
            data,
        } = op
        else {
            return Err(super::not_of_init());
        };
        let what = || format!("remounting {}", target.as_path().display());
        let point = self.root()?.locate(target.as_path()).during(what)?;
        mount::remount(point.as_fd(), *flags, data).during(what)
    }

    pub(super) fn set_attributes(
        &mut self,
        target: &RootPath,
        wanted: &mount_options::Attributes,
    ) -> Result<()> {
        let what = || format!("attributes of {}", target.as_path().display());
        let point = self.root()?.locate(target.as_path()).during(what)?;
        change(point.as_fd(), wanted).during(what)
    }

    /// Makes the container's root this namespace's root. The old root ends up on top of the new one and is
    /// detached from there, so that no directory has to exist for it.
    pub(super) fn pivot_root(&mut self) -> Result<()> {
        let what = || "changing the root".to_string();
        process::fchdir(self.root()?.as_fd()).during(what)?;
        mount::pivot_root_here().during(what)?;
        mount::detach_here().during(what)
    }

    pub(super) fn move_root(&mut self) -> Result<()> {
        let what = || "changing the root".to_string();
        process::fchdir(self.root()?.as_fd()).during(what)?;
        if self.root_elsewhere {
            mount::move_here_to_root().during(what)?;
        }
        // Attached over `/`, it is where whoever enters the mount namespace arrives.
        mount::chroot_here().during(what)
    }

    pub(super) fn chroot(&mut self) -> Result<()> {
        let what = || "changing the root".to_string();
        if self.root.is_none() {
            let path = self.state.rootfs.clone().unwrap_or_default();
            let dir =
                file::open_dir(file::CWD, &path).during(|| format!("root file system {path}"))?;
            self.root = Some(Root::new(dir));
        }
        process::fchdir(self.root()?.as_fd()).during(what)?;
        mount::chroot_here().during(what)
    }

    pub(super) fn make_directory(&mut self, path: &RootPath) -> Result<()> {
        let path = path.as_path();
        let made = self.root()?.make_directories(path, 0o755);
        made.map(drop)
            .during(|| format!("making directory {}", path.display()))
    }

    pub(super) fn readonly_root(&mut self) -> Result<()> {
        let readonly = Attributes {
            set: MOUNT_ATTR_RDONLY,
            ..Attributes::default()
        };
        mount::set_attributes(self.root()?, &readonly, false)
            .during(|| "making the root read-only".into())
    }
}

/// A new detached mount of a file system.
pub(super) fn filesystem(
    kind: &str,
    source: &str,
    data: &[String],
    attributes: u64,
) -> kernel::Result<OwnedFd> {
    let make = |readonly_superblock: bool| {
        let context = Context::open(kind)?;
        context.source(source)?;
        for option in data {
            context.set(option)?;
        }
        if readonly_superblock {
            context.set("ro")?;
        }
        context.mount(attributes)
    };
    let readonly = attributes & MOUNT_ATTR_RDONLY != 0;
    match make(readonly) {
        // EBUSY: the superblock is in use elsewhere, writable; then only this mount of it is read-only.
        Err(e) if readonly && e.is(&[Errno::EBUSY.0]) => make(false),
        other => other,
    }
}

/// Labels the root of a file system that is attached nowhere; its descriptor is a path alone.
fn label_root(made: &OwnedFd, label: &str) -> kernel::Result<()> {
    let root = file::openat(made, ".", file::OFlags::RDONLY | file::OFlags::DIRECTORY, 0)?;
    metadata::set_xattr(&root, "security.selinux", label.as_bytes())
}

/// Applies attributes and propagation to an attached mount.
pub(super) fn change(
    made: BorrowedFd<'_>,
    wanted: &mount_options::Attributes,
) -> kernel::Result<()> {
    if wanted.set | wanted.clear != 0 {
        let one = Attributes {
            set: wanted.set,
            clear: wanted.clear,
            ..Attributes::default()
        };
        mount::set_attributes(made, &one, false)?;
    }
    if wanted.recursive_set | wanted.recursive_clear != 0 {
        let set = wanted.recursive_set;
        let all = Attributes {
            set,
            clear: wanted.recursive_clear,
            ..Attributes::default()
        };
        mount::set_attributes(made, &all, true)?;
    }
    for flags in &wanted.propagation {
        let one = Attributes {
            propagation: flags & !MS_REC,
            ..Attributes::default()
        };
        mount::set_attributes(made, &one, flags & MS_REC != 0)?;
    }
    Ok(())
}

/// Names what stands behind the refusals that users meet most.
fn explain_mount(error: Error, kind: &str) -> Error {
    let eperm = error
        .call
        .as_deref()
        .is_some_and(|call| call.ends_with("= EPERM"));
    match kind {
        "proc" if eperm => error.hint(
            "in a user namespace the kernel allows a new /proc only where the present one is not partly covered by other mounts",
        ),
        "sysfs" if eperm => error.hint("in a user namespace a new /sys needs a network namespace of its own"),
        _ => error,
    }
}
