//! From an image's name to the image.

use std::borrow::Cow;
use std::path::PathBuf;

use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFDIR, S_IFLNK, S_IFMT};
use lockstep_image::Reference;
use lockstep_kernel::file;

use super::absolute;
use crate::argv::Arguments;
use crate::failure::{Doing, Failure};
use crate::resolve::{Image, ImageConfig, Source};
use crate::stored::Images;

/// The image as it was named.
pub(crate) fn typed(args: &Arguments) -> Result<Cow<'_, str>, Failure> {
    let name = args.words(0)?[0];
    Ok(match args.flag("rootfs") {
        true => format!("rootfs:{name}").into(),
        false => name.into(),
    })
}

/// What stands behind an image's name.
pub(crate) enum Opened {
    /// Nothing has to be unpacked.
    Plain(Box<Image>),
    /// An image of the store, whose layers are known when it is claimed.
    Stored(Box<lockstep_image::Image>),
}

/// Opens the image of this name; `images` is where it is looked for, or loaded to.
pub(crate) fn open(name: &str, images: &Images<'_>) -> Result<Opened, Failure> {
    let image = |source, config| {
        Opened::Plain(Box::new(Image {
            name: name.to_owned(),
            id: None,
            source,
            config,
        }))
    };
    match name.parse::<Reference>()? {
        Reference::Host => {
            let config = ImageConfig {
                cmd: vec!["/bin/sh".into()],
                ..ImageConfig::default()
            };
            Ok(image(host()?, config))
        }
        Reference::Rootfs(path) => {
            let path = file::canonicalize(absolute(&path)?).doing(|| format!("image {name}"))?;
            Ok(image(Source::Directory(path), ImageConfig::default()))
        }
        Reference::Source(_) | Reference::Name(_) => {
            Ok(Opened::Stored(Box::new(images.find(name)?)))
        }
    }
}

impl Opened {
    /// The image for resolution, with these layers if it is of the store.
    pub(crate) fn with_layers(&self, name: &str, layers: Vec<PathBuf>) -> Image {
        match self {
            Opened::Plain(image) => Image::clone(image),
            Opened::Stored(image) => Image {
                name: name.to_owned(),
                id: Some(image.id().to_string()),
                source: Source::Layers(layers),
                config: crate::stored::config(image),
            },
        }
    }
}

/// The parts of this host that hold programs. On a merged /usr most are links, which are links inside too.
fn host() -> Result<Source, Failure> {
    let (mut directories, mut links) = (Vec::new(), Vec::new());
    for path in crate::resolve::HOST_DIRECTORIES {
        let found = match file::stat(file::CWD, path, false) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => continue,
            other => other.doing(|| path.into())?,
        };
        match found.st_mode & S_IFMT {
            S_IFDIR => directories.push(path.to_owned()),
            S_IFLNK => {
                let target = file::readlink(file::CWD, path).doing(|| path.into())?;
                links.push((path.to_owned(), target.to_string_lossy().into_owned()));
            }
            _ => {}
        }
    }
    Ok(Source::Host { directories, links })
}
