//! What a runtime can do: the structure that the `features` command prints.
//!
//! Here an absent value and an empty one differ (features.md), so every list is an `Option`.

use serde::{Deserialize, Serialize};

use crate::absent::null_as_default;
use crate::ordered_map::OrderedMap;
use crate::runtime::{
    MemoryPolicyFlag, MemoryPolicyMode, NamespaceType, SeccompAction, SeccompArch, SeccompFlag,
    SeccompOperator, map_is_empty,
};

/// Features of a runtime (features.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// Oldest `ociVersion` that is accepted.
    pub oci_version_min: String,
    /// Newest `ociVersion` that is accepted.
    pub oci_version_max: String,
    /// Names of hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Vec<String>>,
    /// Names of mount options, without those of single file systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_options: Option<Vec<String>>,
    /// Linux part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<LinuxFeatures>,
    /// Free metadata of the runtime.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub annotations: OrderedMap<String>,
    /// Annotations of a configuration that change what the runtime does; a trailing dot is a prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub potentially_unsafe_config_annotations: Option<Vec<String>>,
}

/// The Linux part (features-linux.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinuxFeatures {
    /// Types of namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<NamespaceType>>,
    /// Names of capabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    /// cgroup managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupFeatures>,
    /// System call filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<SeccompFeatures>,
    /// AppArmor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<Enabled>,
    /// SELinux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux: Option<Enabled>,
    /// Memory policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicyFeatures>,
    /// Cache and bandwidth allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<IntelRdtFeatures>,
    /// Mount extensions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_extensions: Option<MountExtensions>,
    /// Moving of network devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_devices: Option<Enabled>,
}

/// A feature that is there or is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enabled {
    /// Whether the runtime supports it, whatever the host does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// cgroup managers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CgroupFeatures {
    /// cgroup v1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v1: Option<bool>,
    /// cgroup v2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v2: Option<bool>,
    /// systemd's system manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub systemd: Option<bool>,
    /// systemd's user manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub systemd_user: Option<bool>,
    /// RDMA controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rdma: Option<bool>,
}

/// System call filters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeccompFeatures {
    /// Whether filters are supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<SeccompAction>>,
    /// Comparisons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operators: Option<Vec<SeccompOperator>>,
    /// Architectures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archs: Option<Vec<SeccompArch>>,
    /// Flags that are recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_flags: Option<Vec<SeccompFlag>>,
    /// Flags that also work on this kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supported_flags: Option<Vec<SeccompFlag>>,
}

/// Memory policies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPolicyFeatures {
    /// Modes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modes: Option<Vec<MemoryPolicyMode>>,
    /// Mode flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<MemoryPolicyFlag>>,
}

/// Cache and bandwidth allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntelRdtFeatures {
    /// Whether it is supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether the `schemata` field is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schemata: Option<bool>,
    /// Whether the `enableMonitoring` field is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<bool>,
}

/// Mount extensions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountExtensions {
    /// Id-mapped mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idmap: Option<Enabled>,
}
