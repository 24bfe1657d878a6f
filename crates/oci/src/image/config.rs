//! The image configuration: what to execute, and which layers make the root file system (image-spec config.md).
//!
//! Docker's additions (health check, shell) are read because images carry them whatever their type says.

use serde::{Deserialize, Serialize};

use super::{Digest, Parsed, Result, place};
use crate::absent::{empty_as_none, is_false, null_as_default};
use crate::ordered_map::OrderedMap;
use crate::runtime::map_is_empty;

/// An image configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub author: Option<String>,
    /// GOARCH that its programs are for.
    #[serde(default, deserialize_with = "null_as_default")]
    pub architecture: String,
    /// GOOS that its programs are for.
    #[serde(default, deserialize_with = "null_as_default")]
    pub os: String,
    /// Variant of the processor.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub variant: Option<String>,
    /// How to run it.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_default"
    )]
    pub config: Execution,
    /// The layers.
    pub rootfs: RootFs,
    /// How it came to be, oldest first.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
}

fn is_default(value: &Execution) -> bool {
    *value == Execution::default()
}

/// What a container of the image runs unless told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Execution {
    /// `user`, `uid`, `user:group`, `uid:gid` or mixed.
    #[serde(
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub user: Option<String>,
    /// `port`, `port/tcp`, `port/udp`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub exposed_ports: OrderedMap<Empty>,
    /// `NAME=value`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// What is executed whatever the arguments.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub entrypoint: Vec<String>,
    /// Arguments, or without an entry point the command.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub cmd: Vec<String>,
    /// Directories whose content is data of the container.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub volumes: OrderedMap<Empty>,
    /// Where it starts; relative or empty counts from `/`.
    #[serde(
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub working_dir: Option<String>,
    /// Free metadata.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub labels: OrderedMap<String>,
    /// What ends it politely, `SIGTERM` or a number.
    #[serde(
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub stop_signal: Option<String>,
    /// Docker: seconds to wait after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// Docker: how to find out whether it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Docker: the shell of commands in shell form.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub shell: Vec<String>,
    /// Docker for Windows: the command is one line already.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub args_escaped: bool,
}

/// `{}`, Go's way to write a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Docker's health check; times in nanoseconds, 0 for the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", arg...]` or `["CMD-SHELL", line]`; empty inherits.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// Longest time of a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Time in which failures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    /// Between two checks during that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    /// Failures in a row until it is unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}

/// Digests of the uncompressed layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Lowest layer first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<Digest>,
}

/// One step of the image's making.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who.
    #[serde(
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub author: Option<String>,
    /// By which command.
    #[serde(
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub created_by: Option<String>,
    /// With which remark.
    #[serde(
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub comment: Option<String>,
    /// Whether the step changed no file, and so has no layer.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub empty_layer: bool,
}

/// Reads an image configuration.
///
/// # Errors
///
/// As [`crate::json::parse`]; another `rootfs.type` than `layers`, or too many layers.
pub fn parse_config(text: &[u8]) -> Result<Parsed<ImageConfig>> {
    let read = crate::json::parse::<ImageConfig>(text)?;
    let rootfs = &read.value.rootfs;
    if rootfs.kind != "layers" {
        return Err(place("/rootfs/type", "is not `layers`", &rootfs.kind));
    }
    if rootfs.diff_ids.len() > super::MAX_DESCRIPTORS {
        let reason = format!("has more than {} entries", super::MAX_DESCRIPTORS);
        let found = rootfs.diff_ids.len().to_string();
        return Err(place("/rootfs/diff_ids", &reason, &found));
    }
    Ok(read)
}
