//! Descriptors: what points from one document of an image to the next (image-spec descriptor.md).

use serde::{Deserialize, Serialize};

use super::Digest;
use crate::absent::{empty_as_none, null_as_default};
use crate::open_enum::open_enum;
use crate::ordered_map::OrderedMap;
use crate::runtime::map_is_empty;

open_enum! {
    /// What a blob is. Docker's types name the same documents as the specification's.
    MediaType {
        Index = "application/vnd.oci.image.index.v1+json",
        Manifest = "application/vnd.oci.image.manifest.v1+json",
        Config = "application/vnd.oci.image.config.v1+json",
        Layer = "application/vnd.oci.image.layer.v1.tar",
        LayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip",
        LayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd",
        ForeignLayer = "application/vnd.oci.image.layer.nondistributable.v1.tar",
        ForeignLayerGzip = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        ForeignLayerZstd = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        DockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json",
        DockerManifest = "application/vnd.docker.distribution.manifest.v2+json",
        DockerConfig = "application/vnd.docker.container.image.v1+json",
        DockerLayer = "application/vnd.docker.image.rootfs.diff.tar",
        DockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip",
        DockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd",
        DockerForeignLayerGzip = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    }
}

impl MediaType {
    /// Whether it is a list of manifests.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self, Self::Index | Self::DockerIndex)
    }

    /// Whether it is a manifest.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::Manifest | Self::DockerManifest)
    }

    /// How the archive of a layer is compressed; `None` for what is no layer.
    #[must_use]
    pub fn layer(&self) -> Option<Compression> {
        match self {
            Self::Layer | Self::ForeignLayer | Self::DockerLayer => Some(Compression::None),
            Self::LayerGzip
            | Self::ForeignLayerGzip
            | Self::DockerLayerGzip
            | Self::DockerForeignLayerGzip => Some(Compression::Gzip),
            Self::LayerZstd | Self::ForeignLayerZstd | Self::DockerLayerZstd => {
                Some(Compression::Zstd)
            }
            _ => None,
        }
    }
}

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// A typed, sized and digested pointer to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: MediaType,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's length in bytes.
    pub size: u64,
    /// Where else the blob could be had; never followed.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "map_is_empty"
    )]
    pub annotations: OrderedMap<String>,
    /// The blob itself in base64; not used, the blob is read where it lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Type of the artifact that a manifest describes.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub artifact_type: Option<String>,
    /// What an image in an index runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// A descriptor without the optional fields.
    #[must_use]
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: OrderedMap::new(),
            data: None,
            artifact_type: None,
            platform: None,
        }
    }
}

/// What an image runs on, in the Go names `linux`, `amd64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// GOARCH.
    pub architecture: String,
    /// GOOS.
    pub os: String,
    /// Version of the operating system, which Windows needs.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system that are needed.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// Variant of the processor, `v8`.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub variant: Option<String>,
}
