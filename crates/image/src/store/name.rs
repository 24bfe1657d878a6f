//! Names: giving an image one more.

use super::{Image, Store};
use crate::error::{Error, Kind, Result};
use crate::reference::Name;

impl Store {
    /// Gives the image a name, taking it from the image that had it.
    ///
    /// # Errors
    ///
    /// The name has a digest instead of a tag; [`Kind::NotFound`] if the image was removed since it was resolved.
    pub fn tag(&self, image: &Image, name: &Name) -> Result<Image> {
        let Some(full) = name.tagged().filter(|_| name.digest().is_none()) else {
            return Err(Error::invalid(format!(
                "{name}: a digest is no name to give"
            )));
        };
        let gone = || {
            let message = format!("image {} was removed meanwhile", image.digest());
            Error::new(Kind::NotFound, message)
        };
        {
            let _changing = self.changing()?;
            if !self.has_record(image.digest())? {
                return Err(gone());
            }
            self.write_tag(&full, image.digest())?;
        }
        self.image(image.digest())?.ok_or_else(gone)
    }
}
