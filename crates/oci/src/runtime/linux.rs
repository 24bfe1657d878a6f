//! The Linux part of the configuration: namespaces, id maps, devices, and what hangs on them.
//!
//! cgroup resources and seccomp are subsystems of their own size and stand in the neighbouring files.

use serde::{Deserialize, Serialize};

use super::{Resources, Seccomp, map_is_empty};
use crate::absent::{empty_as_none, is_false, null_as_default};
use crate::open_enum::open_enum;
use crate::ordered_map::OrderedMap;

/// The `linux` object (config-linux.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// Namespaces to make or to join, each type once; a type that is absent is inherited.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub namespaces: Vec<Namespace>,
    /// User ids of the user namespace.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of the user namespace.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub gid_mappings: Vec<IdMapping>,
    /// Clock name (`monotonic`, `boottime`) to offset in the time namespace.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub time_offsets: OrderedMap<TimeOffset>,
    /// Device nodes that must exist in the container, beyond the default ones.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub devices: Vec<Device>,
    /// Name on the host to the network device to move into the container.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub net_devices: OrderedMap<NetDevice>,
    /// Where the container's cgroup stands; syntax depends on the cgroup manager.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub cgroups_path: Option<String>,
    /// cgroup limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Mount propagation of the root.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub rootfs_propagation: Option<RootfsPropagation>,
    /// System call filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// Kernel parameter, dots or slashes between its parts, to value.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub sysctl: OrderedMap<String>,
    /// Absolute paths in the container that must not be readable.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub masked_paths: Vec<String>,
    /// Absolute paths in the container that become read-only.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub readonly_paths: Vec<String>,
    /// SELinux label of the container's mounts.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub mount_label: Option<String>,
    /// Cache and memory bandwidth allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<IntelRdt>,
    /// NUMA memory policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy>,
    /// Execution domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
}

impl Linux {
    /// The namespace entry of a type, if the configuration names that type.
    #[must_use]
    pub fn namespace(&self, kind: &NamespaceType) -> Option<&Namespace> {
        self.namespaces.iter().find(|ns| ns.kind == *kind)
    }

    /// Whether the container makes or joins a namespace of this type.
    #[must_use]
    pub fn has_namespace(&self, kind: &NamespaceType) -> bool {
        self.namespace(kind).is_some()
    }
}

/// One namespace of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Which (`type`).
    #[serde(rename = "type")]
    pub kind: NamespaceType,
    /// Absolute path of a namespace file to join; absent means a new namespace.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub path: Option<String>,
}

open_enum! {
    /// Type of a namespace (namespaces(7)).
    NamespaceType {
        Pid = "pid",
        Network = "network",
        Mount = "mount",
        Ipc = "ipc",
        Uts = "uts",
        User = "user",
        Cgroup = "cgroup",
        Time = "time",
    }
}

/// A range of ids (user_namespaces(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMapping {
    /// First id in the container.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// First id on the host.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// Number of ids.
    pub size: u32,
}

/// Offset of a clock (time_namespaces(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOffset {
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secs: Option<i64>,
    /// Nanoseconds, below 10^9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nanosecs: Option<u32>,
}

/// A device node in the container (mknod(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Which sort of node (`type`).
    #[serde(rename = "type")]
    pub kind: DeviceType,
    /// Absolute path in the container.
    pub path: String,
    /// Major number; required unless a fifo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    /// Minor number; required unless a fifo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    /// Permission bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_mode: Option<u32>,
    /// Owner inside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group inside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

open_enum! {
    /// Sort of a device node, the letters of mknod(1).
    DeviceType {
        Char = "c",
        Block = "b",
        /// Unbuffered character device, which Linux treats as `c`.
        Unbuffered = "u",
        Fifo = "p",
    }
}

/// A network device to move into the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetDevice {
    /// Name inside the container; may hold one `%d`; absent means unchanged.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<String>,
}

open_enum! {
    /// Mount propagation of the root (mount_namespaces(7)); each also in its recursive form.
    RootfsPropagation {
        Private = "private",
        Shared = "shared",
        Slave = "slave",
        Unbindable = "unbindable",
        RPrivate = "rprivate",
        RShared = "rshared",
        RSlave = "rslave",
        RUnbindable = "runbindable",
    }
}

/// Resource control group of the CPU's cache and bandwidth allocation (resctrl).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntelRdt {
    /// Class of service: a directory name below the resctrl mount.
    #[serde(
        rename = "closID",
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub clos_id: Option<String>,
    /// Lines for the `schemata` file.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub schemata: Vec<String>,
    /// L3 cache line of `schemata`.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub l3_cache_schema: Option<String>,
    /// Memory bandwidth line of `schemata`, starts with `MB:`.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub mem_bw_schema: Option<String>,
    /// Whether the container gets a monitoring group.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_false"
    )]
    pub enable_monitoring: bool,
}

/// NUMA memory policy (set_mempolicy(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPolicy {
    /// Mode.
    pub mode: MemoryPolicyMode,
    /// List of nodes such as `0-3,7`.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub nodes: Option<String>,
    /// Mode flags.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub flags: Vec<MemoryPolicyFlag>,
}

open_enum! {
    /// Mode of set_mempolicy(2).
    MemoryPolicyMode {
        Default = "MPOL_DEFAULT",
        Bind = "MPOL_BIND",
        Interleave = "MPOL_INTERLEAVE",
        WeightedInterleave = "MPOL_WEIGHTED_INTERLEAVE",
        Preferred = "MPOL_PREFERRED",
        PreferredMany = "MPOL_PREFERRED_MANY",
        Local = "MPOL_LOCAL",
    }
}

open_enum! {
    /// Mode flag of set_mempolicy(2).
    MemoryPolicyFlag {
        NumaBalancing = "MPOL_F_NUMA_BALANCING",
        RelativeNodes = "MPOL_F_RELATIVE_NODES",
        StaticNodes = "MPOL_F_STATIC_NODES",
    }
}

/// Execution domain (personality(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personality {
    /// Domain.
    pub domain: PersonalityDomain,
    /// Flags; the specification defines none.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub flags: Vec<String>,
}

open_enum! {
    /// Execution domain.
    PersonalityDomain {
        Linux = "LINUX",
        Linux32 = "LINUX32",
    }
}
