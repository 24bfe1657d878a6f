//! The state of a container, as hooks and the `state` command see it, and the state that goes with a
//! seccomp notification descriptor.
//!
//! One type serves both: hooks get the specification's fields alone, `state` adds the four of runc
//! (`rootfs`, `created`, `owner`, and a `paused` status), which callers of runc read.

use serde::{Deserialize, Serialize};

use crate::absent::null_as_default;
use crate::open_enum::open_enum;
use crate::ordered_map::OrderedMap;
use crate::runtime::map_is_empty;

/// State of a container (runtime.md, State).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification that the state complies with.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Process id of the container's first process in the runtime's pid namespace; `runc state` prints
    /// 0 for a stopped container, the specification leaves the key out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Where in its life the container stands.
    pub status: Status,
    /// Absolute path of the bundle.
    pub bundle: String,
    /// Absolute path of the root (runc's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rootfs: Option<String>,
    /// Time of creation, RFC 3339 with nanoseconds, UTC (runc's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Annotations of the configuration.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub annotations: OrderedMap<String>,
    /// Name of the user who owns the container, empty for root (runc's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

open_enum! {
    /// Where in its life a container stands.
    Status {
        Creating = "creating",
        Created = "created",
        Running = "running",
        Stopped = "stopped",
        /// Frozen; runc's, not in the specification.
        Paused = "paused",
    }
}

/// What is sent with the descriptors to a seccomp agent (config-linux.md, The Container Process State).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProcessState {
    /// Version of the specification that this complies with.
    pub oci_version: String,
    /// Names of the descriptors, in the order of the `SCM_RIGHTS` message.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub fds: Vec<String>,
    /// Process id of the container process, as the runtime sees it.
    pub pid: i32,
    /// The configuration's `listenerMetadata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// State of the container.
    pub state: State,
}

/// Name in `fds` of the seccomp notification descriptor.
pub const SECCOMP_FD_NAME: &str = "seccompFd";
