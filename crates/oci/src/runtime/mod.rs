//! The container configuration, `config.json`: the types as the specification (1.3) writes them.
//!
//! Every field carries the specification's name in snake case; `type` is called `kind`. A missing key,
//! JSON null and, for optional strings, the empty string are all `None`; optional arrays and maps are
//! empty; what is empty or `None` is left out on output.

mod hooks;
mod linux;
mod process;
mod resources;
mod seccomp;
pub mod sysctl;
mod validate;

use serde::{Deserialize, Serialize};

pub use hooks::{Hook, Hooks};
pub use linux::{
    Device, DeviceType, IdMapping, IntelRdt, Linux, MemoryPolicy, MemoryPolicyFlag,
    MemoryPolicyMode, Namespace, NamespaceType, NetDevice, Personality, PersonalityDomain,
    RootfsPropagation, TimeOffset,
};
pub use process::{
    Capabilities, ConsoleSize, ExecCpuAffinity, IoPriority, IoPriorityClass, Process, Rlimit,
    RlimitType, Scheduler, SchedulerFlag, SchedulerPolicy, User,
};
pub use resources::{
    BlockIo, Cpu, DeviceCgroup, DeviceCgroupType, HugepageLimit, InterfacePriority, Memory,
    Network, Pids, Rdma, Resources, ThrottleDevice, WeightDevice,
};
pub use seccomp::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompFlag, SeccompOperator, SeccompSyscall,
    SyscallNames,
};

pub use crate::json::Error;
pub(crate) use validate::Report;
pub use validate::{
    Invalid, Problem, ValidSpec, check, validate, validate_process, validate_resources,
};

use crate::absent::{empty_as_none, is_false, null_as_default};
use crate::ordered_map::OrderedMap;

/// A configuration that was read but not yet validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The configuration.
    pub spec: Spec,
    /// JSON pointers of fields that this crate does not know; they are ignored, and worth a warning.
    pub unknown: Vec<String>,
}

/// Reads a `config.json`.
///
/// # Errors
///
/// As [`json::parse`](crate::json::parse).
pub fn parse(text: &[u8]) -> Result<Parsed, Error> {
    crate::json::parse(text).map(|document| Parsed {
        spec: document.value,
        unknown: document.unknown,
    })
}

/// A whole `config.json` (config.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Version of the specification that the bundle complies with, as semantic version.
    pub oci_version: String,
    /// The root file system; required on Linux, which validation checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// Mounts beyond the root, done in this order.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub mounts: Vec<Mount>,
    /// The container process; may be absent at create, required at start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Host name inside the container.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub hostname: Option<String>,
    /// NIS domain name inside the container.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub domainname: Option<String>,
    /// Programs to run at points of the container's life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub annotations: OrderedMap<String>,
    /// Linux part (config-linux.md).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
    /// Solaris part, kept unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solaris: Option<serde_json::Value>,
    /// Windows part, kept unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<serde_json::Value>,
    /// Virtual machine part, kept unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm: Option<serde_json::Value>,
    /// z/OS part, kept unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zos: Option<serde_json::Value>,
    /// FreeBSD part, kept unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freebsd: Option<serde_json::Value>,
}

/// The container's root file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Directory, absolute or relative to the bundle.
    pub path: String,
    /// Whether the root is read-only inside the container.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_false"
    )]
    pub readonly: bool,
}

/// One mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Path inside the container; a relative one counts from `/`.
    pub destination: String,
    /// File system type (`type`).
    #[serde(
        rename = "type",
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<String>,
    /// Device, or for a bind mount a path, absolute or relative to the bundle.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub source: Option<String>,
    /// Mount options, names of the specification's table and data of the file system mixed.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub options: Vec<String>,
    /// User ids of an id-mapped mount.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of an id-mapped mount.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub gid_mappings: Vec<IdMapping>,
}

/// Whether a map has no entries (serde wants a path to a function of `&OrderedMap`).
pub(crate) fn map_is_empty<V>(map: &OrderedMap<V>) -> bool {
    map.is_empty()
}
