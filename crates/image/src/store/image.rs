//! An image of the store, and what people ask about it.

use super::record::{Record, blob_path};
use super::{Store, collect::Usage};
use crate::error::{During, Error, Kind, Result, Within};
use crate::reference::Name;
use lockstep_kernel::file;
use lockstep_oci::image::{self, Digest, History, ImageConfig};

/// An image: its manifest was read, and its digests agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub(super) record: Record,
    /// The configuration.
    pub config: ImageConfig,
    /// Names that stand for it, whole ones, sorted. Resolved by a name: that one alone, which is what is run, saved or
    /// inspected, and spares every run a look at all names.
    pub names: Vec<String>,
}

impl Image {
    /// Digest of the manifest: what a signature and a profile are bound to.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.record.manifest.digest
    }

    /// Digest of the index by which the image was found, if there was one.
    #[must_use]
    pub fn index_digest(&self) -> Option<&Digest> {
        self.record.index.as_ref()
    }

    /// Digest of the configuration, which people call the image's id.
    #[must_use]
    pub fn id(&self) -> &Digest {
        &self.record.config.digest
    }

    /// Digests of the uncompressed layers, lowest first.
    pub fn diff_ids(&self) -> impl Iterator<Item = &Digest> {
        self.record.layers.iter().map(|layer| &layer.diff_id)
    }

    /// Bytes of all blobs, as they came.
    #[must_use]
    pub fn blob_bytes(&self) -> u64 {
        let layers: u64 = self.record.layers.iter().map(|layer| layer.blob.size).sum();
        layers + self.record.manifest.size + self.record.config.size
    }

    /// When it was loaded, in seconds since the epoch.
    #[must_use]
    pub fn loaded(&self) -> u64 {
        self.record.loaded
    }

    /// The steps of its making, newest first, each with the bytes of its blob; `None` for a step without a layer.
    #[must_use]
    pub fn history(&self) -> Vec<(&History, Option<u64>)> {
        let mut layers = self.record.layers.iter();
        let steps = self.config.history.iter();
        let mut found: Vec<_> = steps
            .map(|step| {
                let layer = if step.empty_layer {
                    None
                } else {
                    layers.next()
                };
                (step, layer.map(|layer| layer.blob.size))
            })
            .collect();
        found.reverse();
        found
    }
}

impl Store {
    /// The image that a name, a digest or the beginning of an id stands for.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`], or [`Kind::Ambiguous`] for digits with which several ids begin.
    pub fn resolve(&self, name: &Name) -> Result<Image> {
        if let Some(digest) = name.digest() {
            return self.by_digest(name, digest);
        }
        if let Some(full) = name.tagged()
            && let Some(tag) = self.tag_of(&full)?
        {
            let record = self.record(&tag.image)?.ok_or_else(|| absent(name))?;
            return self
                .with_config(record, vec![full])?
                .ok_or_else(|| absent(name));
        }
        match name.short_id() {
            Some(digits) => self.by_digits(name, digits),
            None => Err(absent(name)),
        }
    }

    /// All images, those loaded last first.
    ///
    /// # Errors
    ///
    /// A record or configuration cannot be read.
    pub fn images(&self) -> Result<Vec<Image>> {
        let mut records = self.records()?;
        records.sort_by(|a, b| (b.loaded, &a.manifest.digest).cmp(&(a.loaded, &b.manifest.digest)));
        let tags = self.tags()?;
        let mut images = Vec::new();
        for record in records {
            let names = tags
                .iter()
                .filter(|tag| tag.image == record.manifest.digest);
            let names = names.map(|tag| tag.name.clone()).collect();
            // Removed since the record was read.
            if let Some(image) = self.with_config(record, names)? {
                images.push(image);
            }
        }
        Ok(images)
    }

    /// The image of a manifest, with all its names; `None` where it is not in the store.
    ///
    /// # Errors
    ///
    /// A record or its configuration cannot be read.
    pub fn image(&self, manifest: &Digest) -> Result<Option<Image>> {
        let Some(record) = self.record(manifest)? else {
            return Ok(None);
        };
        let tags = self.tags()?.into_iter();
        let mut names: Vec<String> = tags
            .filter(|tag| tag.image == *manifest)
            .map(|tag| tag.name)
            .collect();
        names.sort_unstable();
        self.with_config(record, names)
    }

    fn with_config(&self, record: Record, names: Vec<String>) -> Result<Option<Image>> {
        let Some(text) = self.blob_text(&record.config.digest)? else {
            return Ok(None);
        };
        let what = || format!("configuration {}", record.config.digest);
        let config = image::parse_config(&text).within(what)?.value;
        Ok(Some(Image {
            record,
            config,
            names,
        }))
    }

    /// The manifest's own bytes, for whoever verifies signatures.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn manifest(&self, image: &Image) -> Result<Vec<u8>> {
        let gone = || Error::new(Kind::NotFound, format!("image {} is gone", image.digest()));
        self.blob_text(image.digest())?.ok_or_else(gone)
    }

    /// A document among the blobs.
    pub(super) fn blob_text(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let path = blob_path(digest);
        let Some(blob) = self.disk.open_if_there(&path)? else {
            return Ok(None);
        };
        let limit = usize::try_from(self.limits.document_bytes).unwrap_or(usize::MAX);
        file::read_fd(&blob, limit)
            .map(Some)
            .during(|| self.what(&path))
    }

    /// `NAME@sha256:...`: the digest decides; the name only has to be one that people could have meant.
    fn by_digest(&self, name: &Name, digest: &Digest) -> Result<Image> {
        if let Some(image) = self.image(digest)? {
            return Ok(image);
        }
        let by_index = |record: &Record| record.index.as_ref() == Some(digest);
        match self.records()?.into_iter().find(by_index) {
            Some(record) => self
                .image(&record.manifest.digest)?
                .ok_or_else(|| absent(name)),
            None => Err(absent(name)),
        }
    }

    fn by_digits(&self, name: &Name, digits: &str) -> Result<Image> {
        let mut records = self.records()?;
        records.retain(|record| {
            let begins = |digest: &Digest| digest.hex().starts_with(digits);
            begins(&record.config.digest) || begins(&record.manifest.digest)
        });
        records.sort_by_key(|record| std::cmp::Reverse(record.loaded));
        let Some(first) = records.first() else {
            return Err(absent(name));
        };
        // The same configuration twice, compressed in two ways, is one image to people.
        if let Some(other) = records
            .iter()
            .find(|r| r.config.digest != first.config.digest)
        {
            let (one, two) = (&first.config.digest, &other.config.digest);
            let message = format!("image {digits}: both {one} and {two} begin so");
            return Err(Error::new(Kind::Ambiguous, message).hint("give more digits"));
        }
        self.image(&first.manifest.digest)?
            .ok_or_else(|| absent(name))
    }

    /// Bytes that the store holds.
    ///
    /// # Errors
    ///
    /// A directory cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        self.measure()
    }
}

fn absent(name: &Name) -> Error {
    Error::new(Kind::NotFound, format!("no image {name} in the store"))
}
