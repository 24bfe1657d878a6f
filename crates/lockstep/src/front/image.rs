//! From an image's name to the image.

use std::path::Path;

use lockstep_abi::errno::Errno;
use lockstep_kernel::file;

use super::absolute;
use crate::failure::{Doing, Failure};
use crate::resolve::{Image, ImageConfig, Source};

const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFLNK: u32 = 0o120_000;

/// Opens the image of this name.
pub(crate) fn open(name: &str) -> Result<Image, Failure> {
    let image = |source, config| Image {
        name: name.to_owned(),
        source,
        config,
    };
    if name == "host:" {
        let config = ImageConfig {
            cmd: vec!["/bin/sh".into()],
            ..ImageConfig::default()
        };
        return Ok(image(host()?, config));
    }
    if let Some(path) = name.strip_prefix("rootfs:") {
        let path =
            file::canonicalize(absolute(Path::new(path))?).doing(|| format!("image {name}"))?;
        return Ok(image(Source::Directory(path), ImageConfig::default()));
    }
    Err(Failure::new(format!(
        "image {name:?} is refused: pulling from registries is not implemented yet"
    ))
    .hint("host: runs programs of this host, rootfs:DIR a directory's"))
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
