//! Removing: names and records at once, what only they needed when nobody adds content.
//!
//! A record that is taken away rests in `tmp`, which is also the mark that there is something to collect. So
//! removal never waits for a long load: what it cannot remove now, the next command does.

use super::record::blob_path;
use super::{Guard, Image, Store};
use crate::error::{During, Error, Kind, Result};
use crate::reference::Name;
use lockstep_abi::errno::Errno;
use lockstep_kernel::{file, tree};
use lockstep_oci::image::Digest;
use std::collections::HashSet;
use std::path::Path;

/// What [`Store::remove`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names that stand for nothing now.
    pub untagged: Vec<String>,
    /// The image, if it is gone.
    pub deleted: Option<Digest>,
}

/// What [`Store::prune`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Images that are gone.
    pub images: Vec<Removed>,
    /// Bytes of blobs and layers that were removed.
    pub bytes: u64,
}

/// What the store holds, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blobs.
    pub blobs: u64,
    /// Files of unpacked layers.
    pub layers: u64,
}

impl Store {
    /// Takes a name away, and the image with its last name; by a digest or an id, the image with all names.
    ///
    /// # Errors
    ///
    /// [`Kind::InUse`] if a container needs the image, or if an id stands for several names and `force` is not
    /// given. With `force` an image in use loses its names and stays.
    pub fn remove(&self, name: &Name, force: bool) -> Result<Removed> {
        let removed = {
            let _changing = self.changing()?;
            let found = self.resolve(name)?;
            let image = self.image(found.digest())?.unwrap_or(found);
            let own = name.tagged().filter(|full| image.names.contains(full));
            match own {
                Some(full) if image.names.len() > 1 => {
                    self.retire_tag(&full)?;
                    Removed {
                        untagged: vec![full],
                        deleted: None,
                    }
                }
                None if image.names.len() > 1 && !force => return Err(many_names(&image)),
                _ => self.remove_image(&image, force)?,
            }
        };
        self.try_collect()?;
        Ok(removed)
    }

    /// Removes images that no container needs: those without a name, or with `all` every one.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written.
    pub fn prune(&self, all: bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        {
            let _changing = self.changing()?;
            for image in self.images()? {
                let unnamed = all || image.names.is_empty();
                if unnamed && self.holders(&image)?.is_empty() {
                    pruned.images.push(self.remove_image(&image, false)?);
                }
            }
        }
        pruned.bytes = self.try_collect()?;
        Ok(pruned)
    }

    fn remove_image(&self, image: &Image, force: bool) -> Result<Removed> {
        let holders = self.holders(image)?;
        if !holders.is_empty() && !force {
            let short = |id: &str| id.chars().take(12).collect::<String>();
            let all: Vec<String> = holders.iter().map(|id| short(id)).collect();
            let message = format!(
                "image {} is needed by {}",
                short(image.id().hex()),
                all.join(", ")
            );
            return Err(Error::new(Kind::InUse, message)
                .hint("remove the container first, or only its names with --force"));
        }
        // The record first: killed here, the image is gone as a whole, and `collect` takes its names away.
        if holders.is_empty() {
            self.retire_record(image.digest())?;
        }
        for name in &image.names {
            self.retire_tag(name)?;
        }
        Ok(Removed {
            untagged: image.names.clone(),
            deleted: holders.is_empty().then(|| image.digest().clone()),
        })
    }

    /// Collects unless somebody adds content just now.
    fn try_collect(&self) -> Result<u64> {
        match self.removing()? {
            Some(guard) => self.collect(&guard),
            None => Ok(0),
        }
    }

    /// Removes what no record needs, and the rest. Only who holds `lock` alone may: what is being added has no
    /// record yet. Bytes that were removed.
    pub(super) fn collect(&self, _alone: &Guard) -> Result<u64> {
        let (blobs, chains) = self.live()?;
        let mut bytes = 0;
        for directory in ["blobs/sha256", "blobs/sha512"] {
            for name in self.disk.list(directory)? {
                let path = format!("{directory}/{name}");
                if !blobs.contains(&path) {
                    bytes += self.size(&path)?;
                    self.disk.remove_file(&path)?;
                }
            }
        }
        for key in self.disk.list("layers")? {
            for chain in self.disk.list(&format!("layers/{key}"))? {
                if !chains.contains(&chain) {
                    let path = format!("layers/{key}/{chain}");
                    bytes += self.layer_bytes(&path)?;
                    // First out of sight: half a layer must never be found.
                    self.disk.retire(&path)?;
                }
            }
            // Of a map that no container has chosen since.
            self.disk.remove_if_empty(&format!("layers/{key}"))?;
        }
        for name in self.disk.list("locks")? {
            self.disk.remove_file(&format!("locks/{name}"))?;
        }
        let tmp = self.disk.open_directory("tmp")?;
        for name in self.disk.list("tmp")? {
            match tree::remove(&tmp, Path::new(&name)) {
                // Files of ids that this user namespace does not have: a command inside the right one removes them.
                Err(e) if e.is(&[Errno::EACCES.0, Errno::EPERM.0]) => {}
                other => other.during(|| self.what("tmp"))?,
            }
        }
        Ok(bytes)
    }

    /// Paths of blobs and names of layers that records need. Names of images that are gone go too.
    fn live(&self) -> Result<(HashSet<String>, HashSet<String>)> {
        let _names = self.names()?;
        let (mut blobs, mut chains) = (HashSet::new(), HashSet::new());
        let records = self.records()?;
        for tag in self.tags()? {
            if !records
                .iter()
                .any(|record| record.manifest.digest == tag.image)
            {
                self.retire_tag(&tag.name)?;
            }
        }
        for record in records {
            blobs.insert(blob_path(&record.manifest.digest));
            blobs.insert(blob_path(&record.config.digest));
            blobs.extend(record.index.iter().map(blob_path));
            for layer in &record.layers {
                blobs.insert(blob_path(&layer.blob.digest));
                chains.insert(layer.chain_id.hex().to_owned());
            }
        }
        Ok((blobs, chains))
    }

    pub(super) fn measure(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        for directory in ["blobs/sha256", "blobs/sha512"] {
            for name in self.disk.list(directory)? {
                usage.blobs += self.size(&format!("{directory}/{name}"))?;
            }
        }
        for key in self.disk.list("layers")? {
            let chains = match self.disk.list(&format!("layers/{key}")) {
                // Another command has removed the last of them.
                Err(e) if e.is_errno(Errno::ENOENT.0) => continue,
                other => other?,
            };
            for chain in chains {
                usage.layers += self.layer_bytes(&format!("layers/{key}/{chain}"))?;
            }
        }
        Ok(usage)
    }

    fn size(&self, path: &str) -> Result<u64> {
        let stat = file::stat(self.disk.root(), path, false).during(|| self.what(path))?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    fn layer_bytes(&self, path: &str) -> Result<u64> {
        let file = self
            .disk
            .read::<super::layer::LayerFile>(&format!("{path}/layer.json"))?;
        Ok(file.map_or(0, |file| file.bytes))
    }
}

fn many_names(image: &Image) -> Error {
    let names = image.names.join(", ");
    let message = format!("image {} has several names: {names}", image.id());
    Error::new(Kind::InUse, message).hint("remove one by its name, or all with --force")
}
