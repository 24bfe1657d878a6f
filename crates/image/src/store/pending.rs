//! Content on its way into the store: written to `tmp`, checked while it passes, made lasting at once, then shown.
//!
//! Whatever goes wrong before the renames leaves nothing but rest, which is removed here, or after a crash by the
//! next command.

use super::disk::tmp;
use super::layer::{Layer, LayerFile, layer_path, visible};
use super::record::{blob_path, chain_id};
use super::{Guard, Store};
use crate::error::{During, Error, Kind, Result};
use crate::overlay;
use crate::stream::{Bounded, Decoder, Digesting, buffered, compression, digest, verify};
use crate::unpack::{self, Destination, Owners, Unpacked};
use lockstep_kernel::durable::{self, Lock};
use lockstep_kernel::file::{self, OFlags};
use lockstep_oci::image::{Compression, Descriptor, Digest, MediaType};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

/// Blobs and layers that are being made.
pub(super) struct Pending<'a> {
    store: &'a Store,
    owners: &'a Owners,
    key: String,
    /// While this lives, nothing is removed from the store.
    _adding: Guard,
    blobs: Vec<(String, Digest)>,
    made: Vec<Made>,
    /// The chain so far, uppermost first.
    layers: Vec<Layer>,
    chain: Option<Digest>,
}

/// A layer in `tmp`.
struct Made {
    temporary: String,
    path: String,
    /// Others that want the same layer wait for this.
    _lock: OwnedFd,
}

impl<'a> Pending<'a> {
    pub(super) fn new(store: &'a Store, owners: &'a Owners) -> Result<Pending<'a>> {
        let key = store.copy_key(owners)?;
        let adding = store.adding()?;
        store.disk.make_directory(&format!("layers/{key}"))?;
        Ok(Pending {
            store,
            owners,
            key,
            _adding: adding,
            blobs: Vec::new(),
            made: Vec::new(),
            layers: Vec::new(),
            chain: None,
        })
    }

    /// How many layers the chain has.
    pub(super) fn count(&self) -> usize {
        self.layers.len()
    }

    /// Chain id of the uppermost layer.
    pub(super) fn chain_id(&self) -> Option<&Digest> {
        self.chain.as_ref()
    }

    /// A document, whose digest was checked.
    pub(super) fn document(&mut self, text: &[u8], named: &Digest) -> Result<()> {
        debug_assert_eq!(&digest(named.algorithm(), text), named);
        if self.has_blob(named)? {
            return Ok(());
        }
        let (temporary, file) = self.store.disk.new_file()?;
        self.blobs.push((temporary, named.clone()));
        file::write_fd(&file, text).during(|| format!("blob {named}"))
    }

    fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let pending = self.blobs.iter().any(|(_, found)| found == digest);
        Ok(pending || self.store.disk.exists(&blob_path(digest))?)
    }

    /// Puts a layer upon the chain, with as little work as what is there already allows. `promised` is its blob,
    /// if that is known before it is read.
    pub(super) fn layer<R: Read>(
        &mut self,
        diff_id: &Digest,
        promised: Option<&Descriptor>,
        open: impl FnOnce() -> Result<R>,
    ) -> Result<Descriptor> {
        let chain = chain_id(self.chain.as_ref(), diff_id);
        let path = layer_path(&self.key, &chain);
        // An uncompressed blob is its own content.
        let plain = || Descriptor::new(MediaType::Layer, diff_id.clone(), 0);
        let known = promised.cloned().unwrap_or_else(plain);
        let mut lock = None;
        let mut ready = self.find(&path)?;
        if ready.is_none() {
            lock = Some(self.lock(&chain)?);
            ready = self.find(&path)?;
        }
        if ready.is_some() && self.has_blob(&known.digest)? {
            self.push(ready, chain);
            return self.sized(known);
        }
        let unpack = match lock {
            Some(lock) if ready.is_none() => Some(self.place(path, lock)?),
            _ => None,
        };
        // Not promised, not known: it may be the same archive compressed in another way.
        let copy = promised.is_none() || !self.has_blob(&known.digest)?;
        let member = open()?;
        let (blob, layer) = self.pass(member, diff_id, promised, copy, unpack.as_deref())?;
        self.push(ready.or(layer), chain);
        Ok(blob)
    }

    fn push(&mut self, layer: Option<Layer>, chain: Digest) {
        self.layers.splice(0..0, layer);
        self.chain = Some(chain);
    }

    /// Layers that are there, lowest first, as the beginning of the chain.
    pub(super) fn below(&mut self, ready: Vec<(Layer, Digest)>) {
        for (layer, chain) in ready {
            self.push(Some(layer), chain);
        }
    }

    /// A layer in the store, or one that an image before this one has brought.
    fn find(&self, path: &str) -> Result<Option<Layer>> {
        if let Some(made) = self.made.iter().find(|made| made.path == path) {
            return self.store.ready(&tmp(&made.temporary));
        }
        self.store.ready(path)
    }

    /// The length of a blob that was not read.
    fn sized(&self, mut blob: Descriptor) -> Result<Descriptor> {
        if blob.size == 0 {
            let path = match self.blobs.iter().find(|(_, found)| *found == blob.digest) {
                Some((temporary, _)) => tmp(temporary),
                None => blob_path(&blob.digest),
            };
            let stat = file::stat(self.store.disk.root(), &path, false);
            let stat = stat.during(|| format!("blob {}", blob.digest))?;
            blob.size = u64::try_from(stat.st_size).unwrap_or(0);
        }
        Ok(blob)
    }

    /// Waits until nobody else unpacks this layer.
    fn lock(&self, chain: &Digest) -> Result<OwnedFd> {
        let name = format!("locks/{}", chain.hex());
        let what = || self.store.what(&name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
        let file = file::openat(self.store.disk.root(), &name, flags, 0o600).during(what)?;
        durable::lock(&file, Lock::Exclusive, true).during(what)?;
        Ok(file)
    }

    /// A directory in `tmp` for a layer.
    fn place(&mut self, path: String, lock: OwnedFd) -> Result<String> {
        let temporary = self.store.disk.new_directory()?;
        self.made.push(Made {
            temporary: temporary.clone(),
            path,
            _lock: lock,
        });
        self.store
            .disk
            .make_directory(&format!("{}/tree", tmp(&temporary)))?;
        Ok(temporary)
    }

    /// Passes an archive through all that has to see it: digest, copy, decompression, bounds, digest, unpacking.
    fn pass<R: Read>(
        &mut self,
        member: R,
        diff_id: &Digest,
        promised: Option<&Descriptor>,
        copy: bool,
        unpack: Option<&str>,
    ) -> Result<(Descriptor, Option<Layer>)> {
        let copied = copy.then(|| self.store.disk.new_file()).transpose()?;
        let (temporary, file) = copied.map(|(name, file)| (name, File::from(file))).unzip();
        let algorithm = promised.map_or(diff_id, |blob| &blob.digest).algorithm();
        // In the list before it has a name, so that it is removed whatever happens.
        let at = self.blobs.len();
        self.blobs
            .extend(temporary.map(|name| (name, diff_id.clone())));

        let raw = Digesting::new(member, algorithm, file);
        let compressed = raw.counter();
        let mut raw = buffered(raw);
        let kind = compression(&mut raw)?;
        let bounded = Bounded::new(Decoder::new(raw)?, compressed, &self.store.limits);
        let mut archive = buffered(Digesting::new(
            bounded,
            diff_id.algorithm(),
            None::<io::Sink>,
        ));
        let layer = match unpack {
            Some(temporary) => Some(self.unpack(&mut archive, temporary)?),
            None => None,
        };
        let mut archive = archive.into_inner();
        match &layer {
            Some(_) => archive.drain_tail(self.store.limits.tail_bytes)?,
            None => archive.drain()?,
        }
        let (found, _, bounded) = archive.finish();
        verify("uncompressed layer", diff_id, &found)?;
        let mut raw = bounded.into_inner().into_inner().into_inner();
        raw.drain()?;
        let (found, size, _) = raw.finish();
        if let Some(blob) = promised {
            blob_length(blob, size)?;
            verify("blob", &blob.digest, &found)?;
        }
        if let Some((_, digest)) = self.blobs.get_mut(at) {
            digest.clone_from(&found);
        }
        let blob = match promised {
            Some(blob) => blob.clone(),
            None => Descriptor::new(media_type(kind), found, size),
        };
        Ok((blob, layer))
    }

    fn unpack(&self, archive: &mut impl io::BufRead, temporary: &str) -> Result<Layer> {
        let disk = &self.store.disk;
        let path = tmp(temporary);
        let tree = disk.open_directory(&format!("{path}/tree"))?;
        let below = &self.layers[..visible(&self.layers)];
        let below = below.iter().map(file::duplicate);
        let below: Vec<OwnedFd> = below
            .collect::<Result<_, _>>()
            .during(|| "layers below".to_owned())?;
        let unpacked = unpack::unpack(
            archive,
            &Destination {
                directory: tree.as_fd(),
                below: &below,
                owners: self.owners,
                user_xattrs: overlay::needs_user_xattrs()?,
                limits: &self.store.limits,
            },
        )?;
        self.describe(&path, &unpacked)?;
        Ok(Layer { tree, unpacked })
    }

    fn describe(&self, path: &str, unpacked: &Unpacked) -> Result<()> {
        let name = format!("{path}/layer.json");
        let text = serde_json::to_vec(&LayerFile::new(unpacked))
            .map_err(|e| Error::invalid(format!("{name}: {e}")))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        file::openat(self.store.disk.root(), &name, flags, 0o600)
            .and_then(|file| file::write_fd(file, &text))
            .during(|| self.store.what(&name))
    }

    /// Makes all of it last, then shows it. The layers of the last chain, lowest first.
    pub(super) fn commit(mut self) -> Result<Vec<Layer>> {
        let disk = &self.store.disk;
        if !self.blobs.is_empty() || !self.made.is_empty() {
            disk.sync()?;
        }
        for (temporary, digest) in &self.blobs {
            if !disk.publish(temporary, &blob_path(digest))? {
                self.store.discard(temporary); // another process was first with the same bytes
            }
        }
        for made in &self.made {
            if !disk.publish(&made.temporary, &made.path)? {
                self.store.discard(&made.temporary);
            }
        }
        let mut changed: Vec<String> = self.blobs.iter().map(|(_, d)| blob_path(d)).collect();
        changed.extend(self.made.iter().map(|made| made.path.clone()));
        changed.sort_unstable_by(|a, b| parent(a).cmp(parent(b)));
        changed.dedup_by(|a, b| parent(a) == parent(b));
        for path in &changed {
            disk.sync_directory_of(path)?;
        }
        self.blobs.clear();
        self.made.clear();
        let mut layers = std::mem::take(&mut self.layers);
        layers.reverse();
        Ok(layers)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        for (temporary, _) in &self.blobs {
            self.store.discard(temporary);
        }
        for made in &self.made {
            self.store.discard(&made.temporary);
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Refuses a blob of another length than its descriptor says.
pub(super) fn blob_length(promised: &Descriptor, found: u64) -> Result<()> {
    if found == promised.size {
        return Ok(());
    }
    let (digest, size) = (&promised.digest, promised.size);
    let message = format!("blob {digest}: {found} bytes, promised were {size}");
    Err(Error::new(Kind::Mismatch, message))
}

fn media_type(compression: Compression) -> MediaType {
    match compression {
        Compression::None => MediaType::Layer,
        Compression::Gzip => MediaType::LayerGzip,
        Compression::Zstd => MediaType::LayerZstd,
    }
}
