//! A copy of a directory of an image: what a new volume begins with.
//!
//! Nothing else changes either side meanwhile: layers are never written, and the copy has no name yet. A directory
//! is opened by its path from the top, so depth costs neither descriptors nor stack.

use super::metadata::{Settled, is_allowed, taken};
use crate::error::{During, Result};
use lockstep_abi::inode::{S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG};
use lockstep_kernel::file::{self, NodeKind, OFlags, Stat};
use lockstep_kernel::metadata as inode;
use lockstep_kernel::root::Root;
use lockstep_kernel::sparse;
use lockstep_kernel::tree::Listing;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Copies all that is below `from`, and what `from` itself has, to the empty directory `to`: owners as they are on the
/// disk, modes, times, the extended attributes that an image may have, hard links, holes. Devices and sockets are left
/// out, which no volume can have.
///
/// # Errors
///
/// [`crate::Kind::Kernel`]; what was made until then stays for the caller to remove.
pub fn copy(from: OwnedFd, to: OwnedFd) -> Result<()> {
    let mut copy = Copy {
        from: Root::new(from),
        to: Root::new(to),
        names: HashMap::new(),
    };
    let (mut waiting, mut made) = (vec![PathBuf::from(".")], Vec::new());
    while let Some(path) = waiting.pop() {
        let pair = copy.open(&path)?;
        let read = || shown(&path);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = file::openat(&pair.from, ".", flags, 0).during(read)?;
        let mut listing = Listing::new(opened).during(read)?;
        while let Some(name) = listing.next_name().during(read)? {
            let name = PathBuf::from(name);
            if copy.entry(&pair, &path, &name)? {
                waiting.push(path.join(&name));
            }
        }
        made.push(path);
    }
    // Each file below changes a directory's times, and the inner ones come last in the list.
    for path in made.iter().rev() {
        let pair = copy.open(path)?;
        let stat = file::fstat(&pair.from).during(|| shown(path))?;
        let what = Settled::Open(pair.to.as_fd());
        settle(what, (&pair.from, Path::new(".")), &stat).during(|| shown(path))?;
    }
    Ok(())
}

struct Copy {
    from: Root,
    to: Root,
    /// Where a file of several names was copied to, by device and inode.
    names: HashMap<(u64, u64), PathBuf>,
}

/// One directory on both sides.
struct Pair {
    from: OwnedFd,
    to: OwnedFd,
}

impl Copy {
    fn open(&self, path: &Path) -> Result<Pair> {
        let open = |root: &Root| root.open(path, OFlags::RDONLY | OFlags::DIRECTORY, 0);
        Ok(Pair {
            from: open(&self.from).during(|| shown(path))?,
            to: open(&self.to).during(|| shown(path))?,
        })
    }

    /// Copies one name of a directory; whether it is a directory itself, whose content is still to be copied.
    fn entry(&mut self, pair: &Pair, path: &Path, name: &Path) -> Result<bool> {
        let what = || shown(&path.join(name));
        let stat = file::stat(&pair.from, name, false).during(what)?;
        let kind = stat.st_mode & S_IFMT;
        if kind == S_IFDIR {
            file::mkdirat(&pair.to, name, 0o700).during(what)?;
            return Ok(true);
        }
        if stat.st_nlink > 1 {
            let inode = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.names.get(&inode) {
                let top = self.to.open(Path::new("."), OFlags::PATH, 0).during(what)?;
                inode::link(&top, first, &pair.to, name).during(what)?;
                return Ok(false);
            }
            self.names.insert(inode, path.join(name));
        }
        let source = (&pair.from, name);
        match kind {
            S_IFREG => self::regular(pair, name, &stat),
            S_IFLNK => file::readlink(&pair.from, name)
                .and_then(|target| file::symlink(target, &pair.to, name))
                .and_then(|()| settle(Settled::Named(pair.to.as_fd(), name), source, &stat)),
            S_IFIFO => file::mknodat(&pair.to, name, NodeKind::Fifo, 0o600, (0, 0))
                .and_then(|()| settle(Settled::Named(pair.to.as_fd(), name), source, &stat)),
            _ => {
                self.names.remove(&(stat.st_dev, stat.st_ino));
                Ok(())
            }
        }
        .during(what)?;
        Ok(false)
    }
}

fn regular(pair: &Pair, name: &Path, stat: &Stat) -> lockstep_kernel::Result<()> {
    let from = file::openat(&pair.from, name, OFlags::RDONLY | OFlags::NOFOLLOW, 0)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let to = file::openat(&pair.to, name, flags, 0o600)?;
    sparse::copy(&from, &to)?;
    settle(Settled::Open(to.as_fd()), (&pair.from, name), stat)
}

/// Gives a copy what its original has, in the order of [`super::metadata`].
fn settle(
    what: Settled<'_>,
    (dir, name): (&OwnedFd, &Path),
    stat: &Stat,
) -> lockstep_kernel::Result<()> {
    what.chown(stat.st_uid, stat.st_gid)?;
    if stat.st_mode & S_IFMT != S_IFLNK {
        what.chmod(stat.st_mode & 0o7777)?;
    }
    for attribute in inode::xattrs_at(dir, name)? {
        if is_allowed(&attribute)
            && let Some(value) = inode::xattr_at(dir, name, &attribute)?
        {
            // As when it was unpacked: what this file system cannot have is left out.
            taken(what.set_xattr(&attribute, &value))?;
        }
    }
    let time = |seconds: i64, nanoseconds: u64| (seconds, u32::try_from(nanoseconds).unwrap_or(0));
    what.set_times(
        time(stat.st_atime, stat.st_atime_nsec),
        time(stat.st_mtime, stat.st_mtime_nsec),
    )
}

fn shown(path: &Path) -> String {
    let name: OsString = path.into();
    format!("copying {}", crate::error::shown(name.as_encoded_bytes()))
}
