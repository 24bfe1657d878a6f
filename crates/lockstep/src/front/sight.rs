//! What resolution may look at, looked up for real.

use std::path::{Path, PathBuf};

use lockstep_abi::errno::Errno;
use lockstep_kernel::file;

use super::Front;
use crate::failure::{Doing, Failure, OURS};
use crate::resolve::{Image, Node, Sight, Source};

/// Most bytes of a file that an option names.
const LIMIT: usize = 4 << 20;

/// The image's files are opened when they are asked for.
pub(crate) struct Eyes<'a> {
    roots: Vec<PathBuf>,
    front: &'a Front,
}

impl<'a> Eyes<'a> {
    pub(crate) fn new(image: &Image, front: &'a Front) -> Self {
        Eyes {
            front,
            roots: match &image.source {
                Source::Host { .. } => vec![PathBuf::from("/")],
                Source::Directory(path) => vec![path.clone()],
                Source::Layers(layers) => layers.clone(),
            },
        }
    }

    /// Calls `action` with everything that can be looked up.
    pub(crate) fn with<T>(&self, action: impl FnOnce(&Sight<'_>) -> T) -> T {
        action(&Sight {
            read: &read,
            look: &look,
            mounts: &mounts,
            absolute: &absolute,
            image_file: &|path| self.image_file(path),
            mounts_of: &|typed| {
                let found = self.front.store()?.find(typed);
                // Its absence is a mistake in the line and no answer of it.
                Ok(found.map_err(|failure| failure.code(OURS))?.1.mounts)
            },
            variable: &|name| super::environment(name)?.into_string().ok(),
            variables: &|| {
                let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                };
                super::whole_environment().filter_map(text).collect()
            },
        })
    }

    /// Resolved below the image's root: a link of the image cannot lead to a file of the host.
    fn image_file(&self, path: &str) -> Option<Vec<u8>> {
        crate::stored::file_of(&self.roots, path, LIMIT)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    file::read(file::CWD, path, LIMIT).doing(|| path.display().to_string())
}

/// Mountinfo grows with the number of mounts.
fn mounts() -> Result<String, Failure> {
    const PATH: &str = "/proc/self/mountinfo";
    let text = file::read(file::CWD, PATH, 64 << 20).doing(|| PATH.into())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn look(path: &Path) -> Result<Option<Node>, Failure> {
    let found = match file::stat(file::CWD, path, true) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(None),
        other => other.doing(|| path.display().to_string())?,
    };
    let (major, minor) = (file::major(found.st_rdev), file::minor(found.st_rdev));
    Ok(Some(match found.st_mode & 0o170_000 {
        0o040_000 => Node::Directory,
        0o100_000 => Node::File,
        0o020_000 => Node::Char(major, minor),
        0o060_000 => Node::Block(major, minor),
        _ => Node::Other,
    }))
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let found = file::canonicalize(super::absolute(path)?).doing(|| path.display().to_string())?;
    found
        .into_os_string()
        .into_string()
        .map_err(|name| Failure::new(format!("{name:?} is not UTF-8")))
}
