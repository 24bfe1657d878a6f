//! Unpacked layers: one directory for each chain of layers and each way in which owners lie on the disk.

use super::pending::Pending;
use super::record::{LayerRecord, blob_path};
use super::{Image, SCHEMA, Store};
use crate::error::{During, Error, Kind, Result, Within};
use crate::unpack::{Owners, Unpacked};
use crate::{overlay, stream};
use lockstep_kernel::file::{self, OFlags};
use lockstep_oci::image::{Algorithm, Digest};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A layer that is ready to be mounted.
#[derive(Debug)]
pub struct Layer {
    pub(super) tree: OwnedFd,
    /// What could not be unpacked here.
    pub unpacked: Unpacked,
}

impl AsFd for Layer {
    /// The layer's directory.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tree.as_fd()
    }
}

/// How many of these layers, uppermost first, anything is seen of.
pub(super) fn visible(layers: &[Layer]) -> usize {
    let opaque = layers.iter().position(|layer| layer.unpacked.opaque);
    opaque.map_or(layers.len(), |last| last + 1)
}

/// What stands beside a layer's tree.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct LayerFile {
    pub schema: u32,
    pub entries: u64,
    pub bytes: u64,
    pub skipped_devices: u64,
    pub skipped_xattrs: u64,
    pub skipped_owners: u64,
    #[serde(default)]
    pub opaque: bool,
}

impl LayerFile {
    pub(super) fn new(unpacked: &Unpacked) -> LayerFile {
        LayerFile {
            schema: SCHEMA,
            entries: unpacked.entries,
            bytes: unpacked.bytes,
            skipped_devices: unpacked.skipped.devices,
            skipped_xattrs: unpacked.skipped.xattrs,
            skipped_owners: unpacked.skipped.owners,
            opaque: unpacked.opaque,
        }
    }

    fn unpacked(&self) -> Unpacked {
        Unpacked {
            entries: self.entries,
            bytes: self.bytes,
            skipped: crate::unpack::Skipped {
                devices: self.skipped_devices,
                xattrs: self.skipped_xattrs,
                owners: self.skipped_owners,
            },
            opaque: self.opaque,
        }
    }
}

fn uppermost_first(mut layers: Vec<Layer>) -> Vec<Layer> {
    layers.reverse();
    let seen = visible(&layers);
    layers.truncate(seen);
    layers
}

/// How the files of a copy are owned, as the name of its directory: the caller's id map is part of it, because
/// the same id in another user namespace is another one on the disk.
fn copy_key(owners: &Owners, map: &str) -> String {
    let of_host = overlay::is_map_of_host(map);
    let mut map = map.to_owned();
    let name = match owners {
        Owners::Kept => "kept",
        Owners::Shifted(users, groups) => {
            map.push_str(&format!("{users:?} {groups:?}"));
            "shifted"
        }
        Owners::Squashed => "squashed",
    };
    if of_host && !matches!(owners, Owners::Shifted(..)) {
        return name.to_owned();
    }
    let digest = stream::digest(Algorithm::Sha256, map.as_bytes());
    format!("{name}-{}", &digest.hex()[..16])
}

pub(super) fn layer_path(key: &str, chain_id: &Digest) -> String {
    format!("layers/{key}/{}", chain_id.hex())
}

impl Store {
    /// [`copy_key`] of this process, whose id map does not change while the store is open.
    pub(super) fn copy_key(&self, owners: &Owners) -> Result<String> {
        let map = match self.id_map.get() {
            Some(map) => map,
            None => {
                let map = overlay::id_map()?;
                self.id_map.get_or_init(|| map)
            }
        };
        Ok(copy_key(owners, map))
    }

    /// The image's layers, uppermost first, ready to be mounted; those that are not unpacked for these owners
    /// yet are unpacked from their blobs now, once, however many processes ask for it.
    ///
    /// Takes a moment where they are there. [`Store::claim`] the image before.
    ///
    /// # Errors
    ///
    /// A blob is missing or damaged; the disk is full; a limit is exceeded.
    pub fn layers(&self, image: &Image, owners: &Owners) -> Result<Vec<Layer>> {
        let layers = &image.record.layers;
        let found = self.found(image, owners)?;
        let ready = if found.len() < layers.len() {
            self.unpack_blobs(layers, owners, found)?
        } else {
            found.into_iter().map(|(layer, _)| layer).collect()
        };
        Ok(uppermost_first(ready))
    }

    /// The same if all are unpacked.
    ///
    /// # Errors
    ///
    /// A layer cannot be read.
    pub fn unpacked(&self, image: &Image, owners: &Owners) -> Result<Option<Vec<Layer>>> {
        let found = self.found(image, owners)?;
        let all = found.len() == image.record.layers.len();
        Ok(all.then(|| uppermost_first(found.into_iter().map(|(layer, _)| layer).collect())))
    }

    /// The lowest layers that are unpacked, the lowest first.
    fn found(&self, image: &Image, owners: &Owners) -> Result<Vec<(Layer, Digest)>> {
        let key = self.copy_key(owners)?;
        let mut found = Vec::new();
        for layer in &image.record.layers {
            match self.ready(&layer_path(&key, &layer.chain_id))? {
                Some(ready) => found.push((ready, layer.chain_id.clone())),
                None => break,
            }
        }
        Ok(found)
    }

    /// A layer that is unpacked.
    pub(super) fn ready(&self, path: &str) -> Result<Option<Layer>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let path_of_tree = format!("{path}/tree");
        let tree = match file::openat(self.disk.root(), &path_of_tree, flags, 0) {
            Err(e) if e.is(&[lockstep_abi::errno::Errno::ENOENT.0]) => return Ok(None),
            other => other.during(|| self.what(&path_of_tree))?,
        };
        let path = format!("{path}/layer.json");
        let file: Option<LayerFile> = self.disk.read(&path)?;
        let file =
            file.ok_or_else(|| Error::invalid(format!("{} is missing", self.what(&path))))?;
        let unpacked = file.unpacked();
        Ok(Some(Layer { tree, unpacked }))
    }

    fn unpack_blobs(
        &self,
        layers: &[LayerRecord],
        owners: &Owners,
        ready: Vec<(Layer, Digest)>,
    ) -> Result<Vec<Layer>> {
        let mut pending = Pending::new(self, owners)?;
        pending.below(ready);
        for layer in &layers[pending.count()..] {
            let path = blob_path(&layer.blob.digest);
            let open = || {
                let blob = self.disk.open_if_there(&path)?.ok_or_else(|| {
                    Error::new(Kind::NotFound, format!("{} is missing", self.what(&path)))
                })?;
                Ok(File::from(blob))
            };
            pending
                .layer(&layer.diff_id, Some(&layer.blob), open)
                .within(|| format!("layer {}", layer.diff_id))?;
        }
        pending.commit()
    }
}
