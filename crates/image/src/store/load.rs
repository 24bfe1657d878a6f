//! Loading: images of a layout or an archive become blobs, unpacked layers, records and tags, in one pass.

use super::pending::{Pending, blob_length};
use super::record::{LayerRecord, Record, chain_id};
use super::select::{self, Selected};
use super::{Image, SCHEMA, Store};
use crate::error::{Error, Kind, Result, Within, shown};
use crate::reference::{Name, Source, Transport};
use crate::source::{Member, Members};
use crate::stream;
use crate::unpack::Owners;
use lockstep_oci::image::{
    self, Algorithm, DOCKER_FILE, Descriptor, Digest, DockerImage, ImageConfig, LAYOUT_FILE,
    Manifest, MediaType, Platform,
};
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

/// How images are loaded.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    /// What becomes of owners.
    pub owners: &'a Owners,
    /// Which image of an index.
    pub platform: &'a Platform,
    /// Refuse a source that has several images to choose from.
    pub only_one: bool,
    /// Told after every piece that was read.
    pub progress: Option<&'a dyn Fn(Progress)>,
}

/// How far the current layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which layer, from 0.
    pub layer: usize,
    /// Of how many.
    pub layers: usize,
    /// Bytes read of its archive.
    pub done: u64,
    /// Bytes of its archive.
    pub total: u64,
}

/// An image whose documents were read, before its layers are.
struct Planned {
    manifest: Option<Selected>,
    config_text: Vec<u8>,
    config: ImageConfig,
    /// Where the layers lie in the source, and their descriptors if the source has them.
    layers: Vec<(String, Option<Descriptor>)>,
    config_descriptor: Descriptor,
    names: Vec<Name>,
}

impl Store {
    /// Brings images into the store, layers unpacked, and gives them their names. Several processes may load the
    /// same image: a layer is unpacked once.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] without such an image or file, [`Kind::Ambiguous`] with several if one was asked for,
    /// [`Kind::Mismatch`], [`Kind::Invalid`] and [`Kind::Limit`] for what an image must not be. Nothing of the
    /// image is in the store then.
    pub fn load(&self, source: &Source, how: &Load<'_>) -> Result<Vec<Image>> {
        self.load_from(source, how).within(|| source.to_string())
    }

    /// The images of a layout that are in the store as [`Store::load`] would leave them; `None` if one is not, and for
    /// an archive, which would be read twice.
    ///
    /// # Errors
    ///
    /// As [`Store::load`].
    pub fn loaded(&self, source: &Source, how: &Load<'_>) -> Result<Option<Vec<Image>>> {
        if source.transport != Transport::Oci {
            return Ok(None);
        }
        let (_, planned) = self.planned(source, how)?;
        let mut there = Vec::new();
        for image in planned {
            match self.there(&image, how)? {
                Some(found) => there.push(self.name(found, &image.names)?),
                None => return Ok(None),
            }
        }
        Ok(Some(there))
    }

    fn load_from(&self, source: &Source, how: &Load<'_>) -> Result<Vec<Image>> {
        let (members, planned) = self.planned(source, how)?;
        planned
            .into_iter()
            .map(|image| self.bring(&members, image, how))
            .collect()
    }

    fn planned(&self, source: &Source, how: &Load<'_>) -> Result<(Members, Vec<Planned>)> {
        let wanted = source.image.as_deref();
        let members = self.members(source)?;
        let docker = match source.transport {
            Transport::DockerArchive => true,
            Transport::Oci | Transport::OciArchive => false,
            Transport::Archive => is_docker(&members)?,
        };
        let planned = if docker {
            self.plan_docker(&members, wanted)?
        } else {
            let chosen = select::select(&members, wanted, how.platform, &self.limits)?;
            let plan = |selected| self.plan_oci(&members, selected);
            chosen.into_iter().map(plan).collect::<Result<_>>()?
        };
        if how.only_one && planned.len() > 1 {
            let names = planned.iter().flat_map(|p| &p.names).map(Name::familiar);
            let names: Vec<String> = names.collect();
            let message = format!("{} images: {}", planned.len(), names.join(", "));
            return Err(
                Error::new(Kind::Ambiguous, message).hint("name one after a colon at the end")
            );
        }
        Ok((members, planned))
    }

    fn members(&self, source: &Source) -> Result<Members> {
        match source.transport {
            Transport::Oci => Members::directory(&source.path),
            Transport::OciArchive | Transport::DockerArchive | Transport::Archive => {
                let scratch = self.disk.open_directory("tmp")?;
                Members::archive(&source.path, &scratch, &self.limits)
            }
        }
    }

    fn plan_oci(&self, members: &Members, selected: Selected) -> Result<Planned> {
        let what = || format!("manifest {}", selected.manifest.digest);
        let manifest = image::parse_manifest(&selected.text).within(what)?.value;
        if let Some(stranger) = manifest
            .layers
            .iter()
            .find(|l| l.media_type.layer().is_none())
        {
            let message = format!("{}: a layer of type {}", what(), stranger.media_type);
            return Err(Error::new(Kind::Unsupported, message));
        }
        let config_text = select::document(members, &manifest.config, &self.limits)?;
        let layers = manifest.layers.into_iter();
        let layers = layers.map(|layer| (select::member_path(&layer.digest), Some(layer)));
        planned(
            config_text,
            layers.collect(),
            manifest.config,
            Some(selected),
        )
    }

    /// What `docker save` and `podman save` write has no manifest: the store makes one, always the same.
    fn plan_docker(&self, members: &Members, wanted: Option<&str>) -> Result<Vec<Planned>> {
        let text = members.read(DOCKER_FILE, &self.limits)?;
        let list = image::parse_docker(&text)
            .within(|| DOCKER_FILE.to_owned())?
            .value;
        let all = list.len();
        let mut found = Vec::new();
        for image in list
            .into_iter()
            .filter(|i| wanted.is_none_or(|w| is_wanted(i, w)))
        {
            let config_text = members.read(&image.config, &self.limits)?;
            let digest = stream::digest(Algorithm::Sha256, &config_text);
            let size = config_text.len() as u64;
            let config = Descriptor::new(MediaType::Config, digest, size);
            let layers = image
                .layers
                .iter()
                .map(|path| (path.clone(), None))
                .collect();
            let mut image_planned = planned(config_text, layers, config, None)?;
            image_planned.names = docker_names(&image)?;
            found.push(image_planned);
        }
        if found.is_empty() {
            let wanted = shown(wanted.unwrap_or_default().as_bytes());
            let message = format!("{DOCKER_FILE}: none of {all} images is {wanted}");
            return Err(Error::new(Kind::NotFound, message));
        }
        Ok(found)
    }

    fn bring(&self, members: &Members, image: Planned, how: &Load<'_>) -> Result<Image> {
        if let Some(there) = self.there(&image, how)? {
            return self.name(there, &image.names);
        }
        let mut pending = Pending::new(self, how.owners)?;
        let mut layers = Vec::new();
        for (n, (path, promised)) in image.layers.iter().enumerate() {
            let diff_id = &image.config.rootfs.diff_ids[n];
            let open = || {
                let member = members.open(path)?;
                // Before a byte is read: a longer file would be unpacked first.
                if let Some(blob) = promised {
                    blob_length(blob, member.len())?;
                }
                watched(member, how.progress, n, image.layers.len())
            };
            let below = pending.chain_id().cloned();
            let blob = pending
                .layer(diff_id, promised.as_ref(), open)
                .within(|| format!("layer {n} ({diff_id})"))?;
            layers.push(LayerRecord {
                blob,
                diff_id: diff_id.clone(),
                chain_id: chain_id(below.as_ref(), diff_id),
            });
        }
        let record = document(
            &mut pending,
            image.manifest,
            &image.config_descriptor,
            layers,
        )?;
        pending.document(&image.config_text, &record.config.digest)?;
        // Until the record is written, another process may not take the new blobs for rest.
        let _adding = self.adding()?;
        pending.commit()?;
        let digest = record.manifest.digest.clone();
        {
            let _changing = self.changing()?;
            self.write_record(&record)?;
        }
        let gone = || {
            Error::new(
                Kind::NotFound,
                format!("image {digest} was removed meanwhile"),
            )
        };
        let there = self.image(&digest)?.ok_or_else(gone)?;
        self.name(there, &image.names)
    }

    fn there(&self, image: &Planned, how: &Load<'_>) -> Result<Option<Image>> {
        match &image.manifest {
            Some(manifest) => self.unchanged(&manifest.manifest.digest, how.owners),
            None => Ok(None),
        }
    }

    /// The image if it is in the store, with all its layers as they are needed.
    fn unchanged(&self, manifest: &Digest, owners: &Owners) -> Result<Option<Image>> {
        let Some(image) = self.image(manifest)? else {
            return Ok(None);
        };
        for path in self.layer_paths(&image.record, owners)? {
            if !self.disk.exists(&path)? {
                return Ok(None);
            }
        }
        Ok(Some(image))
    }

    fn name(&self, mut image: Image, names: &[Name]) -> Result<Image> {
        for name in names {
            let full = name.tagged();
            if full.is_some_and(|full| !image.names.contains(&full)) {
                image = self.tag(&image, name)?;
            }
        }
        Ok(image)
    }
}

/// Of an archive of either kind: one that is both, as newer `docker save` writes, is a layout.
fn is_docker(members: &Members) -> Result<bool> {
    if members.open(LAYOUT_FILE).is_ok() {
        return Ok(false);
    }
    match members.open(DOCKER_FILE) {
        Ok(_) => Ok(true),
        Err(_) => Err(Error::invalid(format!(
            "neither an OCI archive, it has no {LAYOUT_FILE:?}, nor Docker's, it has no {DOCKER_FILE:?}"
        ))),
    }
}

fn planned(
    config_text: Vec<u8>,
    layers: Vec<(String, Option<Descriptor>)>,
    config_descriptor: Descriptor,
    mut manifest: Option<Selected>,
) -> Result<Planned> {
    let what = || format!("configuration {}", config_descriptor.digest);
    let config = image::parse_config(&config_text).within(what)?.value;
    let (promised, there) = (config.rootfs.diff_ids.len(), layers.len());
    if promised != there {
        let message = format!("{}: {promised} diff_ids for {there} layers", what());
        return Err(Error::invalid(message));
    }
    let names = manifest
        .as_mut()
        .map(|selected| std::mem::take(&mut selected.names));
    Ok(Planned {
        manifest,
        config_text,
        config,
        layers,
        config_descriptor,
        names: names.unwrap_or_default(),
    })
}

fn is_wanted(image: &DockerImage, wanted: &str) -> bool {
    let same = |tag: &String| match (tag.parse::<Name>(), wanted.parse::<Name>()) {
        (Ok(tag), Ok(wanted)) => tag == wanted,
        _ => tag == wanted,
    };
    image.repo_tags.iter().any(same) || image.config.starts_with(wanted)
}

fn docker_names(image: &DockerImage) -> Result<Vec<Name>> {
    let names = image.repo_tags.iter().map(|tag| tag.parse());
    names
        .collect::<Result<_>>()
        .within(|| DOCKER_FILE.to_owned())
}

/// Puts the documents of an image among the blobs, and makes its record.
fn document(
    pending: &mut Pending<'_>,
    selected: Option<Selected>,
    config: &Descriptor,
    layers: Vec<LayerRecord>,
) -> Result<Record> {
    let (manifest, text, index) = match selected {
        Some(selected) => (selected.manifest, selected.text, selected.index),
        None => {
            let text = manifest_of(config, &layers)?;
            let digest = stream::digest(Algorithm::Sha256, &text);
            let size = text.len() as u64;
            (
                Descriptor::new(MediaType::Manifest, digest, size),
                text,
                None,
            )
        }
    };
    pending.document(&text, &manifest.digest)?;
    if let Some((digest, text)) = &index {
        pending.document(text, digest)?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Record {
        schema: SCHEMA,
        manifest: Descriptor::new(manifest.media_type, manifest.digest, manifest.size),
        index: index.map(|(digest, _)| digest),
        config: config.clone(),
        layers,
        loaded: now.map_or(0, |now| now.as_secs()),
    })
}

fn manifest_of(config: &Descriptor, layers: &[LayerRecord]) -> Result<Vec<u8>> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::Manifest),
        artifact_type: None,
        config: config.clone(),
        layers: layers.iter().map(|layer| layer.blob.clone()).collect(),
        subject: None,
        annotations: Default::default(),
    };
    serde_json::to_vec(&manifest).map_err(|e| Error::invalid(format!("manifest: {e}")))
}

/// A member whose reading is told to whoever wants to know.
struct Watched<'a> {
    member: Member,
    tell: Option<&'a dyn Fn(Progress)>,
    progress: Progress,
}

fn watched<'a>(
    member: Member,
    tell: Option<&'a dyn Fn(Progress)>,
    layer: usize,
    layers: usize,
) -> Result<Watched<'a>> {
    let progress = Progress {
        layer,
        layers,
        done: 0,
        total: member.len(),
    };
    Ok(Watched {
        member,
        tell,
        progress,
    })
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.member.read(buffer)?;
        self.progress.done += n as u64;
        if let Some(tell) = self.tell {
            tell(self.progress);
        }
        Ok(n)
    }
}
