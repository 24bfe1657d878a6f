//! Claims: which container needs which image, so that nothing is removed under it.
//!
//! A claim is a symbolic link from the container's id to the manifest's digest, and not a lock: it outlives the
//! processes of a stopped container, is made by one call, and is never half written.

use super::{Image, Store};
use crate::error::{During, Error, Kind, Result, shown};
use lockstep_abi::errno::Errno;
use lockstep_kernel::file;
use lockstep_oci::image::Digest;

impl Store {
    /// Notes that `holder`, a container's id, needs the image, until [`Store::release`]. Before this, the image may be
    /// removed at any moment; after it, it is not.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if the image was removed since it was resolved.
    pub fn claim(&self, image: &Image, holder: &str) -> Result<()> {
        let path = path(holder)?;
        let _names = self.names()?;
        if !self.has_record(image.digest())? {
            let message = format!("image {} was removed meanwhile", image.digest());
            return Err(Error::new(Kind::NotFound, message));
        }
        let target = image.digest().to_string();
        let make = || file::symlink(&target, self.disk.root(), &path);
        match make() {
            Err(e) if e.is(&[Errno::EEXIST.0]) => {
                self.disk.remove_file(&path)?;
                make()
            }
            other => other,
        }
        .during(|| self.what(&path))
    }

    /// Takes a claim back; that there is none is fine.
    ///
    /// # Errors
    ///
    /// The claim cannot be removed.
    pub fn release(&self, holder: &str) -> Result<()> {
        self.disk.remove_file(&path(holder)?)
    }

    /// Containers that need the image.
    ///
    /// # Errors
    ///
    /// The claims cannot be read.
    pub fn holders(&self, image: &Image) -> Result<Vec<String>> {
        self.holders_of(image.digest())
    }

    pub(super) fn holders_of(&self, manifest: &Digest) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for holder in self.disk.list("claims")? {
            let path = format!("claims/{holder}");
            match file::readlink(self.disk.root(), &path) {
                Ok(target) if target.as_os_str() == manifest.to_string().as_str() => {
                    found.push(holder);
                }
                Ok(_) => {}
                // Released since the directory was read.
                Err(e) if e.is(&[Errno::ENOENT.0]) => {}
                Err(e) => return Err(Error::call(self.what(&path), e)),
            }
        }
        Ok(found)
    }
}

fn path(holder: &str) -> Result<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    let is_path = holder == "." || holder == "..";
    if holder.is_empty() || holder.len() > 255 || is_path || !holder.chars().all(allowed) {
        let message = format!("container id {} cannot claim", shown(holder.as_bytes()));
        return Err(Error::invalid(message));
    }
    Ok(format!("claims/{holder}"))
}
