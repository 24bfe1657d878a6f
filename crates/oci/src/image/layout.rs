//! Where images lie on a disk: the specification's layout (image-layout.md), and the list in `docker save`.

use serde::{Deserialize, Serialize};

use super::{Parsed, Result, place};
use crate::absent::null_as_default;

/// Name of the file that marks a directory as a layout.
pub const LAYOUT_FILE: &str = "oci-layout";
/// Name of a layout's index.
pub const INDEX_FILE: &str = "index.json";
/// Name of the list in a Docker archive.
pub const DOCKER_FILE: &str = "manifest.json";
/// Annotation of a descriptor in `index.json`: the name, or only the tag, of the image.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The same annotation as containerd and Docker write it: always the whole name.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The file `oci-layout`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// `1.0.0`.
    pub image_layout_version: String,
}

/// One image of a Docker archive; the names are paths in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DockerImage {
    /// The configuration.
    pub config: String,
    /// `name:tag`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub repo_tags: Vec<String>,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<String>,
}

/// Reads `oci-layout`.
///
/// # Errors
///
/// As [`crate::json::parse`]; a version other than 1.x.
pub fn parse_layout(text: &[u8]) -> Result<Parsed<Layout>> {
    let read = crate::json::parse::<Layout>(text)?;
    let version = &read.value.image_layout_version;
    if !version.starts_with("1.") {
        return Err(place("/imageLayoutVersion", "is not 1.x", version));
    }
    Ok(read)
}

/// Reads `manifest.json` of a Docker archive.
///
/// # Errors
///
/// As [`crate::json::parse`]; too many images or layers.
pub fn parse_docker(text: &[u8]) -> Result<Parsed<Vec<DockerImage>>> {
    let read = crate::json::parse::<Vec<DockerImage>>(text)?;
    let reason = || format!("has more than {} entries", super::MAX_DESCRIPTORS);
    if read.value.len() > super::MAX_DESCRIPTORS {
        return Err(place("", &reason(), &read.value.len().to_string()));
    }
    for (n, image) in read.value.iter().enumerate() {
        if image.layers.len() > super::MAX_DESCRIPTORS {
            let found = image.layers.len().to_string();
            return Err(place(&format!("/{n}/Layers"), &reason(), &found));
        }
    }
    Ok(read)
}
