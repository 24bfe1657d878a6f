//! Saving: images as an archive that the other tools load, the same bytes each time.

use super::record::blob_path;
use super::select::member_path;
use super::{Image, Store};
use crate::error::{Error, Kind, Result, Within};
use lockstep_oci::image::{
    CONTAINERD_NAME, DOCKER_FILE, Descriptor, Digest, DockerImage, INDEX_FILE, Index, LAYOUT_FILE,
    Layout, MediaType, REF_NAME,
};
use serde::Serialize;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The layout of the image specification, in a tar archive.
    OciArchive,
    /// What `docker save` writes and every engine loads.
    DockerArchive,
}

/// An archive that is being written.
struct Archive<W: Write> {
    tar: tar::Builder<W>,
    /// Members that are in it: images share layers.
    members: HashSet<String>,
}

impl Store {
    /// Writes images with their names; `out` is not synced.
    ///
    /// # Errors
    ///
    /// `out` fails, or an image was removed since it was resolved.
    pub fn save(&self, images: &[Image], format: Format, out: impl Write) -> Result<()> {
        // Shared: nothing of it is removed meanwhile.
        let _adding = self.adding()?;
        let mut archive = Archive {
            tar: tar::Builder::new(out),
            members: HashSet::new(),
        };
        match format {
            Format::OciArchive => self.save_oci(images, &mut archive)?,
            Format::DockerArchive => self.save_docker(images, &mut archive)?,
        }
        let mut out = archive.tar.into_inner()?;
        out.flush()?;
        Ok(())
    }

    fn save_oci<W: Write>(&self, images: &[Image], archive: &mut Archive<W>) -> Result<()> {
        let image_layout_version = "1.0.0".to_owned();
        archive.json(
            LAYOUT_FILE,
            &Layout {
                image_layout_version,
            },
        )?;
        let mut manifests = Vec::new();
        for image in images {
            let record = &image.record;
            let layers = record.layers.iter().map(|layer| &layer.blob);
            for blob in [&record.manifest, &record.config].into_iter().chain(layers) {
                self.blob(&blob.digest, &member_path(&blob.digest), archive)?;
            }
            manifests.extend(descriptors(image));
        }
        let index = Index {
            schema_version: 2,
            media_type: Some(MediaType::Index),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: Default::default(),
        };
        archive.json(INDEX_FILE, &index)
    }

    fn save_docker<W: Write>(&self, images: &[Image], archive: &mut Archive<W>) -> Result<()> {
        let mut list = Vec::new();
        for image in images {
            let config = format!("{}.json", image.id().hex());
            self.blob(image.id(), &config, archive)?;
            let mut layers = Vec::new();
            for layer in &image.record.layers {
                let path = format!("{}.tar", layer.diff_id.hex());
                self.blob(&layer.blob.digest, &path, archive)?;
                layers.push(path);
            }
            list.push(DockerImage {
                config,
                repo_tags: image.names.clone(),
                layers,
            });
        }
        archive.json(DOCKER_FILE, &list)
    }

    fn blob<W: Write>(&self, digest: &Digest, path: &str, archive: &mut Archive<W>) -> Result<()> {
        if !archive.members.insert(path.to_owned()) {
            return Ok(());
        }
        let missing = || Error::new(Kind::NotFound, format!("blob {digest} is missing"));
        let blob = self
            .disk
            .open_if_there(&blob_path(digest))?
            .ok_or_else(missing)?;
        let blob = File::from(blob);
        let size = blob.metadata()?.len();
        archive
            .append(path, size, blob.take(size))
            .within(|| format!("blob {digest}"))
    }
}

impl<W: Write> Archive<W> {
    fn json(&mut self, path: &str, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(value).map_err(|e| Error::invalid(format!("{path}: {e}")))?;
        self.append(path, text.len() as u64, text.as_slice())
    }

    fn append(&mut self, path: &str, size: u64, data: impl Read) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(size);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.tar.append_data(&mut header, path, data)?;
        Ok(())
    }
}

/// The image once for each name, as other tools list it.
fn descriptors(image: &Image) -> Vec<Descriptor> {
    let mut plain = image.record.manifest.clone();
    plain.annotations = Default::default();
    if image.names.is_empty() {
        return vec![plain];
    }
    let named = |name: &String| {
        let mut named = plain.clone();
        named.annotations.insert(REF_NAME, name.clone());
        named.annotations.insert(CONTAINERD_NAME, name.clone());
        named
    };
    image.names.iter().map(named).collect()
}
