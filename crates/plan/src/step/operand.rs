//! What operations are about: paths, descriptors, id maps, devices.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A path in the container, only ever resolved below the container's root descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootPath(PathBuf);

impl RootPath {
    /// Takes a path of the configuration; a relative one starts at the root (config.md, mounts).
    pub fn new(path: &str) -> RootPath {
        RootPath(Path::new("/").join(path))
    }

    /// For resolution below the root descriptor, nothing else.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// An absolute path of the host that the caller of the runtime chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostPath(PathBuf);

impl HostPath {
    /// Takes an absolute path, or one relative to the bundle.
    pub fn new(bundle: &Path, path: &str) -> HostPath {
        HostPath(bundle.join(path))
    }

    /// For opening on the host.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// Names a descriptor that the plan speaks of but does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Slot(pub u32);

impl Slot {
    /// Our own init; those of trees are counted from 0.
    pub const INIT: Slot = Slot(u32::MAX);
}

/// One line of an id map; all three are counts or ids, not strings, because newuidmap wants numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IdMap {
    /// First id inside.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// How many ids.
    pub size: u32,
}

/// User and group maps of a user namespace or an id-mapped mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IdMaps {
    /// uid_map lines.
    pub users: Vec<IdMap>,
    /// gid_map lines.
    pub groups: Vec<IdMap>,
}

/// How the id maps of a new user namespace get written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MapMethod {
    /// By the supervisor itself.
    Direct,
    /// By newuidmap(1) and newgidmap(1), which know the caller's subordinate ids.
    Helper,
    /// By the supervisor itself after setgroups(2) was denied: the one id of an unprivileged user.
    OneId,
}

/// Which symbolic links on the way to a host path are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Links {
    /// All, as path_resolution(7) does.
    #[default]
    All,
    /// All but one at its end.
    NotTheLast,
    /// None: it had none when it was chosen, and one that has come since is somebody else's choice.
    None,
}

/// Where the tree of a bind mount comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Source {
    /// Opened by the init process by its host path, before the root changes.
    Path(HostPath, Links),
    /// Opened by an earlier step.
    Slot(Slot),
    /// A new file system in memory that nobody else has.
    Memory,
    /// Layers with a directory for changes over them, mounted in the container's own user namespace; and which links on the
    /// way to the layers are followed.
    Overlay(OverlayRoot, Links),
    /// Files that are made in memory.
    Secrets(Vec<crate::secret::Secret>),
}

/// Directories of the host that make a root file system together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlayRoot {
    /// Layers, uppermost first.
    pub layers: Vec<PathBuf>,
    /// Where changes go.
    pub upper: PathBuf,
    /// Overlay's own directory, on the same file system.
    pub work: PathBuf,
}

/// What kind of device file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DeviceKind {
    /// Character device.
    Char,
    /// Block device.
    Block,
    /// Named pipe.
    Fifo,
}

/// A device file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Where, in the container.
    pub path: RootPath,
    /// Its kind.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner, in the container.
    pub uid: u32,
    /// Group, in the container.
    pub gid: u32,
}

/// A cgroup hierarchy's place in a container's /sys/fs/cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupView {
    /// Directory name below the mount point; empty for the single v2 hierarchy.
    pub name: String,
    /// File system type: `cgroup` or `cgroup2`.
    pub kind: &'static str,
    /// Option that selects the hierarchy: its controllers, or `name=systemd`.
    pub option: String,
    /// The container's own directory on the host, for hosts without cgroup namespaces.
    pub host: PathBuf,
    /// The caller's own directory, where an unprivileged one's container stays when it may have none itself.
    pub caller: PathBuf,
    /// Other names that lead to the same hierarchy.
    pub links: Vec<String>,
}

/// Landlock domain in numbers (linux/landlock.h).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LandlockDomain {
    /// LANDLOCK_ACCESS_FS_* that are denied unless allowed.
    pub handled_fs: u64,
    /// LANDLOCK_ACCESS_NET_* that are denied unless allowed.
    pub handled_net: u64,
    /// LANDLOCK_SCOPE_*.
    pub scoped: u64,
    /// Paths with the accesses allowed below them.
    pub paths: Vec<(RootPath, u64)>,
    /// TCP ports with the accesses allowed.
    pub ports: Vec<(u16, u64)>,
    /// Whether an older kernel may drop what it does not know.
    pub best_effort: bool,
}

/// How the listener of a filter gets from the process that is under it to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum HandOver {
    /// By sendmsg(2), which the filter allows.
    Sent,
    /// The filter stops sendmsg(2): a second thread, which is not under it, sends it.
    Beside,
}
