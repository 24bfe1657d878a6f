//! Index and manifest: from a name to a configuration and its layers (image-spec image-index.md, manifest.md).

use serde::{Deserialize, Serialize};

use super::{Descriptor, MediaType, Parsed, Result, place};
use crate::absent::{empty_as_none, null_as_default};
use crate::ordered_map::OrderedMap;
use crate::runtime::map_is_empty;

/// Most manifests in an index, and most layers of a manifest: overlay(5) stacks at most 500.
pub const MAX_DESCRIPTORS: usize = 500;

/// An image index, Docker's manifest list, or a layout's `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Its own type.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub media_type: Option<MediaType>,
    /// Type of the artifact, if it is one.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub artifact_type: Option<String>,
    /// What it lists.
    #[serde(default, deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// What it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub annotations: OrderedMap<String>,
}

/// An image manifest, the specification's or Docker's schema 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Its own type.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub media_type: Option<MediaType>,
    /// Type of the artifact, if it is no image.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<Descriptor>,
    /// What it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub annotations: OrderedMap<String>,
}

/// Reads an index.
///
/// # Errors
///
/// As [`crate::json::parse`]; another `schemaVersion` than 2, more than [`MAX_DESCRIPTORS`], or a document that
/// is also a manifest: one text with two meanings would be signed as one and run as the other (CVE-2021-41190).
pub fn parse_index(text: &[u8]) -> Result<Parsed<Index>> {
    let read = crate::json::parse::<Index>(text)?;
    version(read.value.schema_version)?;
    if let Some(kind) = read.value.media_type.as_ref().filter(|m| !m.is_index()) {
        return Err(place(
            "/mediaType",
            "is not that of an index",
            kind.as_str(),
        ));
    }
    single_meaning(&read.unknown, &["/config", "/layers", "/fsLayers"], "index")?;
    bounded("/manifests", read.value.manifests.len())?;
    Ok(read)
}

/// Reads a manifest.
///
/// # Errors
///
/// As [`parse_index`], for a document that is also an index.
pub fn parse_manifest(text: &[u8]) -> Result<Parsed<Manifest>> {
    let read = crate::json::parse::<Manifest>(text)?;
    version(read.value.schema_version)?;
    if let Some(kind) = read.value.media_type.as_ref().filter(|m| !m.is_manifest()) {
        return Err(place(
            "/mediaType",
            "is not that of a manifest",
            kind.as_str(),
        ));
    }
    single_meaning(&read.unknown, &["/manifests", "/fsLayers"], "manifest")?;
    bounded("/layers", read.value.layers.len())?;
    Ok(read)
}

fn version(found: u32) -> Result<()> {
    if found == 2 {
        return Ok(());
    }
    Err(place("/schemaVersion", "is not 2", &found.to_string()))
}

fn single_meaning(unknown: &[String], strangers: &[&str], what: &str) -> Result<()> {
    match unknown.iter().find(|p| strangers.contains(&p.as_str())) {
        None => Ok(()),
        Some(pointer) => Err(place(pointer, &format!("has no place in an {what}"), "")),
    }
}

fn bounded(pointer: &str, found: usize) -> Result<()> {
    if found <= MAX_DESCRIPTORS {
        return Ok(());
    }
    let reason = format!("has more than {MAX_DESCRIPTORS} entries");
    Err(place(pointer, &reason, &found.to_string()))
}
