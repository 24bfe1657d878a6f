//! What the store writes down: which layers an image has, which name stands for which image.

use super::layer::layer_path;
use super::{SCHEMA, Store};
use crate::error::{Error, Kind, Result};
use crate::stream;
use crate::unpack::Owners;
use lockstep_oci::image::{Algorithm, Descriptor, Digest};
use serde::{Deserialize, Serialize};

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The manifest, which is what a signature binds.
    pub manifest: Descriptor,
    /// The index by which it was found, which people also use as the image's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// The configuration; its digest is the image's id.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<LayerRecord>,
    /// When it was loaded, seconds since the epoch.
    pub loaded: u64,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    /// The archive as it came.
    pub blob: Descriptor,
    /// Digest of the uncompressed archive.
    pub diff_id: Digest,
    /// Digest of this and all layers below.
    pub chain_id: Digest,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tag {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `registry/repository:tag`.
    pub name: String,
    /// The manifest that it stands for.
    pub image: Digest,
}

/// What identifies a layer together with all below it (image-spec config.md, "Layer ChainID").
pub(super) fn chain_id(below: Option<&Digest>, diff_id: &Digest) -> Digest {
    match below {
        None => diff_id.clone(),
        Some(below) => stream::digest(Algorithm::Sha256, format!("{below} {diff_id}").as_bytes()),
    }
}

/// A digest as a file name: two algorithms cannot be confused by their lengths.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

fn record_path(manifest: &Digest) -> String {
    format!("images/{}.json", manifest.hex())
}

/// Names may be longer than file names, and contain slashes.
fn tag_path(name: &str) -> String {
    let digest = stream::digest(Algorithm::Sha256, name.as_bytes());
    format!("tags/{}.json", digest.hex())
}

impl Store {
    /// Directories of an image's layers, lowest first.
    pub(super) fn layer_paths(&self, record: &Record, owners: &Owners) -> Result<Vec<String>> {
        let key = self.copy_key(owners)?;
        let layers = record.layers.iter();
        Ok(layers
            .map(|layer| layer_path(&key, &layer.chain_id))
            .collect())
    }

    pub(super) fn record(&self, manifest: &Digest) -> Result<Option<Record>> {
        let path = record_path(manifest);
        let found: Option<Record> = self.disk.read(&path)?;
        found
            .map(|record| readable(record.schema, &path).map(|()| record))
            .transpose()
    }

    pub(super) fn has_record(&self, manifest: &Digest) -> Result<bool> {
        self.disk.exists(&record_path(manifest))
    }

    pub(super) fn write_record(&self, record: &Record) -> Result<()> {
        self.disk
            .replace(&record_path(&record.manifest.digest), record)
    }

    /// Takes a record away; what only it needed becomes rest.
    pub(super) fn retire_record(&self, manifest: &Digest) -> Result<bool> {
        self.disk.retire(&record_path(manifest))
    }

    pub(super) fn records(&self) -> Result<Vec<Record>> {
        self.documents("images", |record: &Record| record.schema)
    }

    pub(super) fn tag_of(&self, name: &str) -> Result<Option<Tag>> {
        let path = tag_path(name);
        let found: Option<Tag> = self.disk.read(&path)?;
        found
            .map(|tag| readable(tag.schema, &path).map(|()| tag))
            .transpose()
    }

    pub(super) fn write_tag(&self, name: &str, image: &Digest) -> Result<()> {
        let tag = Tag {
            schema: SCHEMA,
            name: name.to_owned(),
            image: image.clone(),
        };
        self.disk.replace(&tag_path(name), &tag)
    }

    pub(super) fn retire_tag(&self, name: &str) -> Result<bool> {
        self.disk.retire(&tag_path(name))
    }

    pub(super) fn tags(&self) -> Result<Vec<Tag>> {
        self.documents("tags", |tag: &Tag| tag.schema)
    }

    /// All documents of a directory; one that is removed in this moment is left out.
    pub(super) fn documents<T: serde::de::DeserializeOwned>(
        &self,
        directory: &str,
        schema: impl Fn(&T) -> u32,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for name in self.disk.list(directory)? {
            let path = format!("{directory}/{name}");
            if let Some(document) = self.disk.read(&path)? {
                readable(schema(&document), &path)?;
                found.push(document);
            }
        }
        Ok(found)
    }
}

fn readable(schema: u32, path: &str) -> Result<()> {
    if schema <= SCHEMA {
        return Ok(());
    }
    let message = format!("{path} has schema {schema}, this version reads up to {SCHEMA}");
    Err(Error::new(Kind::Unsupported, message))
}
