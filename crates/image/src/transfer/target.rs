//! Where a copy goes: the destination that was named, found once and held by descriptors.

use super::{absent, ends_with_slash, from_root, is_inside, shown};
use crate::error::{During, Error, Result};
use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::root::{Root, split};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Links that are followed at the end of a path; the kernel follows 40 (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Nothing,
    Directory,
    File,
    Link,
    /// A device, FIFO or socket.
    Special,
}

impl There {
    /// Of one name in an open directory, not followed.
    pub(super) fn at(directory: &OwnedFd, name: &Path) -> Result<There> {
        match file::stat(directory, name, false) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(There::Nothing),
            found => Ok(match found.during(|| shown(name))?.st_mode & S_IFMT {
                S_IFDIR => There::Directory,
                S_IFREG => There::File,
                S_IFLNK => There::Link,
                _ => There::Special,
            }),
        }
    }
}

/// The destination of a copy.
pub(super) struct Target {
    /// The destination itself where it is a directory, else the directory that its name is in.
    pub(super) directory: Rc<OwnedFd>,
    /// That directory's path from the root, of which every link was followed.
    pub(super) path: PathBuf,
    /// Its name, where it is no directory.
    pub(super) name: Option<OsString>,
    pub(super) there: There,
    /// Whether only a directory can be meant.
    pub(super) slash: bool,
}

impl Target {
    pub(super) fn find(root: &Root, path: &Path) -> Result<Target> {
        let (slash, inside) = (ends_with_slash(path), is_inside(path));
        let mut path = from_root(path);
        if let Some(target) = Target::directory(root, &path, slash)? {
            return Ok(target);
        }
        if inside {
            return Err(absent(&path));
        }
        for _ in 0..MOST_LINKS {
            let (parent, name) = split(&path);
            let directory = directory(root, parent)?.ok_or_else(|| {
                absent(parent).hint("the directory of a destination has to exist")
            })?;
            let there = There::at(&directory, name)?;
            if there == There::Link {
                let target = file::readlink(&directory, name).during(|| shown(&path))?;
                path = from_root(&parent.join(target));
                if let Some(target) = Target::directory(root, &path, slash)? {
                    return Ok(target);
                }
                continue;
            }
            if slash && there != There::Nothing {
                let message = format!("{} is no directory", shown(&path));
                return Err(Error::invalid(message));
            }
            return Ok(Target {
                directory: Rc::new(directory),
                path: parent.to_owned(),
                name: Some(name.into()),
                there,
                slash,
            });
        }
        Err(Error::invalid(format!("{}: too many links", shown(&path))))
    }

    /// The destination if it is a directory.
    fn directory(root: &Root, path: &Path, slash: bool) -> Result<Option<Target>> {
        Ok(directory(root, path)?.map(|found| Target {
            directory: Rc::new(found),
            path: path.to_owned(),
            name: None,
            there: There::Directory,
            slash,
        }))
    }
}

/// An open directory; `None` if there is none of that name. O_PATH: who may write to one need not be able to read it.
fn directory(root: &Root, path: &Path) -> Result<Option<OwnedFd>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    root.open_if_there(path, flags).during(|| shown(path))
}
