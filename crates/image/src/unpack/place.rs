//! Directories that entries go into: resolved once, kept open while entries follow each other, made if missing.
//!
//! Making an entry changes its directory's time, so the time is put back when the directory is left: no list of
//! directories has to be remembered, however many a layer has.

use super::{Destination, Owners};
use crate::error::{During, Error, Result};
use lockstep_abi::errno::Errno;
use lockstep_kernel::file::{self, OFlags, Stat};
use lockstep_kernel::metadata::{self as inode, Time};
use lockstep_kernel::root::Root;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

pub(super) struct Places<'a> {
    pub(super) to: &'a Destination<'a>,
    /// Whether a directory was marked as opaque.
    pub(super) opaque: bool,
    root: Root,
    current: Option<Current>,
}

/// The directory of the last entry.
struct Current {
    path: PathBuf,
    directory: Rc<OwnedFd>,
    inode: (u64, u64),
    /// What it had before entries were made in it, or what its own entry says.
    modified: Time,
}

impl<'a> Places<'a> {
    pub(super) fn new(to: &'a Destination<'a>) -> Result<Places<'a>> {
        let what = || "the layer's directory".to_owned();
        let root = file::openat(to.directory, ".", DIRECTORY, 0).during(what)?;
        if let Some(below) = to.below.first() {
            resemble(&root, &file::fstat(below).during(what)?, to.owners)?;
        } else {
            plain(&root, to.owners)?;
        }
        Ok(Places {
            to,
            opaque: false,
            root: Root::new(root),
            current: None,
        })
    }

    /// The layer's own directory.
    pub(super) fn root(&mut self) -> Result<Rc<OwnedFd>> {
        self.enter(Path::new("/"))
    }

    /// The open directory for an entry; missing ones are made.
    pub(super) fn parent(&mut self, parents: &[&[u8]]) -> Result<Rc<OwnedFd>> {
        let path = below_root(parents);
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.path == path)
        {
            return self.enter(&path);
        }
        match self.enter(&path) {
            Err(e) if e.is_errno(Errno::ENOENT.0) || e.is_errno(Errno::ENOTDIR.0) => {
                self.make(parents)?;
                self.enter(&path)
            }
            other => other,
        }
    }

    /// The directory for a hard link's target, which is not made.
    pub(super) fn existing(&self, parents: &[&[u8]]) -> Result<OwnedFd> {
        let path = below_root(parents);
        self.root
            .open(&path, OFlags::PATH | OFlags::DIRECTORY, 0)
            .during(|| "its directory".to_owned())
    }

    fn enter(&mut self, path: &Path) -> Result<Rc<OwnedFd>> {
        if let Some(current) = self.current.as_ref().filter(|current| current.path == path) {
            return Ok(Rc::clone(&current.directory));
        }
        self.forget()?;
        let what = || "its directory".to_owned();
        let directory = Rc::new(self.root.open(path, DIRECTORY, 0).during(what)?);
        let stat = file::fstat(&*directory).during(what)?;
        self.current = Some(Current {
            path: path.into(),
            directory: Rc::clone(&directory),
            inode: identity(&stat),
            modified: modified(&stat),
        });
        Ok(directory)
    }

    /// Makes the missing directories of a path, each as a layer below has it, else 0755 of root.
    fn make(&mut self, parents: &[&[u8]]) -> Result<()> {
        for end in 1..=parents.len() {
            let path = below_root(&parents[..end]);
            if self
                .root
                .open_if_there(&path, OFlags::PATH | OFlags::DIRECTORY)
                .during(|| "its directory".to_owned())?
                .is_some()
            {
                continue;
            }
            let above = self.enter(&below_root(&parents[..end - 1]))?;
            let name = Path::new(OsStr::from_bytes(parents[end - 1]));
            let what = || format!("making the directory {}", path.display());
            match file::mkdirat(&*above, name, 0o755) {
                // A whiteout that came before what it hides the lower part of.
                Err(e) if e.is(&[Errno::EEXIST.0]) && super::whiteout::is_there(&above, name) => {
                    file::unlink(&*above, name).during(what)?;
                    file::mkdirat(&*above, name, 0o755).during(what)?;
                    self.mark_opaque(&above, name)?;
                }
                Err(e) if e.is(&[Errno::EEXIST.0]) => {
                    let message = format!("{} is no directory, or leads nowhere", path.display());
                    return Err(Error::call(message, e));
                }
                other => other.during(what)?,
            }
            let flags = DIRECTORY | OFlags::NOFOLLOW;
            let made = file::openat(&*above, name, flags, 0).during(what)?;
            if let Some(stat) = self.below(&path)? {
                resemble(&made, &stat, self.to.owners)?;
            } else {
                plain(&made, self.to.owners)?;
            }
        }
        Ok(())
    }

    /// The directory of this path in the uppermost layer below that has it.
    fn below(&self, path: &Path) -> Result<Option<Stat>> {
        for layer in self.to.below {
            match super::whiteout::lookup(layer, path) {
                Ok(Some(stat)) => return Ok(Some(stat).filter(super::whiteout::is_directory)),
                Ok(None) => {}
                // Through a symbolic link it is another directory.
                Err(e) if e.is(&[Errno::ELOOP.0]) => {}
                Err(e) => return Err(Error::call("looking into a layer below", e)),
            }
        }
        Ok(None)
    }

    /// The root's entry was read: its time is the one to put back.
    pub(super) fn described_root(&mut self, time: Time) {
        if let Some(current) = &mut self.current {
            current.modified = time;
        }
    }

    /// A directory's own entry was read, which may be the one that is open.
    pub(super) fn described(&mut self, parent: &OwnedFd, name: &Path, time: Time) -> Result<()> {
        let stat = file::stat(parent, name, false).during(|| "its directory".to_owned())?;
        if let Some(current) = self.current.as_mut().filter(|c| c.inode == identity(&stat)) {
            current.modified = time;
        }
        Ok(())
    }

    /// Leaves the open directory, with the time that it should have.
    pub(super) fn forget(&mut self) -> Result<()> {
        match self.current.take() {
            None => Ok(()),
            Some(left) => inode::set_times(&*left.directory, left.modified, left.modified)
                .during(|| format!("time of the directory {}", left.path.display())),
        }
    }

    /// Whether a directory was marked as opaque.
    pub(super) fn finish(&mut self) -> Result<bool> {
        self.forget()?;
        Ok(self.opaque)
    }
}

/// Gives a directory that no entry describes the owner, mode and time of the one below.
fn resemble(made: &OwnedFd, like: &Stat, owners: &Owners) -> Result<()> {
    let what = || "a directory as in the layer below".to_owned();
    if *owners != Owners::Squashed {
        // Already as they lie on the disk: no mapping once more.
        inode::chown(made, like.st_uid, like.st_gid).during(what)?;
    }
    inode::chmod(made.as_fd(), like.st_mode & 0o7777).during(what)?;
    inode::set_times(made, modified(like), modified(like)).during(what)
}

/// A directory that nothing describes. Its time is a constant, so that a layer is the same wherever it is unpacked.
fn plain(made: &OwnedFd, owners: &Owners) -> Result<()> {
    let what = || "a directory without an entry".to_owned();
    if let Some((uid, gid)) = owners.on_disk(0, 0)? {
        inode::chown(made, uid, gid).during(what)?;
    }
    inode::chmod(made, 0o755).during(what)?;
    inode::set_times(made, (0, 0), (0, 0)).during(what)
}

fn below_root(parents: &[&[u8]]) -> PathBuf {
    let mut path = PathBuf::from("/");
    path.extend(parents.iter().map(|name| OsStr::from_bytes(name)));
    path
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn modified(stat: &Stat) -> Time {
    (
        stat.st_mtime,
        u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    )
}
