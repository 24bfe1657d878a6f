//! Unpacking of one layer: a stream of entries from strangers becomes a directory, and nothing outside it changes.
//!
//! Every name is resolved below the directory's descriptor (openat2(2), RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS),
//! and of the last component no symbolic link is followed, so the order in which an archive brings links, files
//! and whiteouts makes no difference to what can be reached (CVE-2018-15664, CVE-2019-14271, CVE-2024-23651).

mod copy;
mod metadata;
mod name;
mod place;
mod whiteout;

use crate::archive::{Entry, Reader, Type};
use crate::error::{During, Error, Kind, Result, Within, shown};
use crate::limits::{self, Limits};
pub use copy::copy;
use lockstep_abi::errno::Errno;
use lockstep_kernel::file::{self, NodeKind, OFlags};
use lockstep_kernel::{metadata as inode, tree};
pub use metadata::{OWNER_XATTR, Owners, Skipped};
pub(crate) use metadata::{Settled, is_allowed, taken};
pub(crate) use name::{components, target as link_target};
use place::Places;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where a layer goes, and how.
#[derive(Debug)]
pub struct Destination<'a> {
    /// The layer's directory, empty.
    pub directory: BorrowedFd<'a>,
    /// Directories of the layers below, uppermost first: a directory that the archive does not describe is made
    /// as it is there, and only what is there needs a whiteout.
    pub below: &'a [OwnedFd],
    /// What becomes of owners.
    pub owners: &'a Owners,
    /// Whether overlay's marks go into `user.overlay.*`, which a user namespace may write, instead of
    /// `trusted.overlay.*` (overlayfs documentation, "User xattr"; Linux 5.11).
    pub user_xattrs: bool,
    /// Bounds.
    pub limits: &'a Limits,
}

/// What a layer turned out to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of its files, without holes.
    pub bytes: u64,
    /// What could not be done here, and was left out.
    pub skipped: Skipped,
    /// Whether its root is opaque: nothing of the layers below is to be seen. Overlay does not ask a root.
    pub opaque: bool,
}

/// Unpacks an uncompressed archive, up to its end; the stream's rest is left unread.
///
/// # Errors
///
/// [`Kind::Limit`] names the limit; [`Kind::Invalid`] the entry; [`Kind::Kernel`] the refused call. What was
/// made until then stays for the caller to remove.
pub fn unpack<R: BufRead>(archive: R, to: &Destination<'_>) -> Result<Unpacked> {
    let mut reader = Reader::new(archive, to.limits);
    let mut layer = Layer {
        to,
        places: Places::new(to)?,
        whiteouts: false,
        done: Unpacked::default(),
    };
    while let Some(entry) = reader.next()? {
        layer.done.entries += 1;
        limits::check("entries", layer.done.entries, to.limits.entries)?;
        layer
            .entry(&entry, &mut reader)
            .within(|| format!("entry {}", shown(&entry.path)))?;
    }
    if layer.places.finish()? && layer.whiteouts {
        whiteout::clear_hidden(to)?;
    }
    Ok(layer.done)
}

struct Layer<'a> {
    to: &'a Destination<'a>,
    places: Places<'a>,
    /// Whether it has made one.
    whiteouts: bool,
    done: Unpacked,
}

impl Layer<'_> {
    fn entry<R: BufRead>(&mut self, entry: &Entry, data: &mut Reader<'_, R>) -> Result<()> {
        let path = name::components(&entry.path, self.to.limits)?;
        let Some((last, parents)) = path.split_last() else {
            return self.root(entry);
        };
        name::refuse_reserved(parents)?;
        let parent = self.places.parent(parents)?;
        if let Some(whiteout) = name::whiteout(last)? {
            return self.whiteout(&parent, parents, whiteout);
        }
        let name = Path::new(OsStr::from_bytes(last));
        match entry.kind {
            Type::Directory => self.directory(&parent, name, entry),
            Type::File => self.file(&parent, name, entry, data),
            Type::Symlink => self.symlink(&parent, name, entry),
            Type::HardLink => self.hard_link(&parent, name, entry),
            Type::Char | Type::Block | Type::Fifo => self.node(&parent, name, entry),
        }
    }

    /// The layer's own directory, which archives call `./`.
    fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != Type::Directory {
            return Err(Error::invalid("the root is not a directory"));
        }
        let root = self.places.root()?;
        self.settle(Settled::Open(root.as_fd()), entry)?;
        self.places.described_root(entry.modified);
        Ok(())
    }

    fn directory(&mut self, parent: &OwnedFd, name: &Path, entry: &Entry) -> Result<()> {
        let what = || "making a directory".to_owned();
        match file::mkdirat(parent, name, 0o700) {
            Err(e) if e.is(&[Errno::EEXIST.0]) => match self.kind_of(parent, name)? {
                // What it has stays: an archive may describe a directory after its files.
                Found::Directory => {}
                Found::Whiteout => {
                    self.replace(parent, name)?;
                    file::mkdirat(parent, name, 0o700).during(what)?;
                    self.places.mark_opaque(parent, name)?;
                }
                Found::Other => {
                    self.replace(parent, name)?;
                    file::mkdirat(parent, name, 0o700).during(what)?;
                }
            },
            other => other.during(what)?,
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let made = file::openat(parent, name, flags, 0).during(what)?;
        self.settle(Settled::Open(made.as_fd()), entry)?;
        self.places.described(parent, name, entry.modified)
    }

    fn file<R: BufRead>(
        &mut self,
        parent: &OwnedFd,
        name: &Path,
        entry: &Entry,
        data: &mut Reader<'_, R>,
    ) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let made = self.fresh(parent, name, || file::openat(parent, name, flags, 0o600))?;
        let made = File::from(made);
        match &entry.sparse {
            None => self.done.bytes += copy_all(data, &made)?,
            Some(pieces) => {
                for (offset, length) in pieces {
                    self.done.bytes += copy_piece(data, &made, *offset, *length)?;
                }
                made.set_len(entry.size).within(|| "holes".to_owned())?;
            }
        }
        self.settle(Settled::Open(made.as_fd()), entry)
    }

    fn symlink(&mut self, parent: &OwnedFd, name: &Path, entry: &Entry) -> Result<()> {
        let target = name::target(&entry.link, self.to.limits)?;
        self.fresh(parent, name, || file::symlink(target, parent, name))?;
        self.settle(Settled::Named(parent.as_fd(), name), entry)
    }

    /// Another name for a file of this layer. It has the owner, mode and times of that file.
    fn hard_link(&mut self, parent: &OwnedFd, name: &Path, entry: &Entry) -> Result<()> {
        let target =
            name::components(&entry.link, self.to.limits).within(|| "target".to_owned())?;
        let (last, parents) = target
            .split_last()
            .ok_or_else(|| Error::invalid("a hard link to the root"))?;
        let target = || format!("hard link to {}", shown(&entry.link));
        let from = self.places.existing(parents).within(target)?;
        let last = Path::new(OsStr::from_bytes(last));
        let stat = file::stat(&from, last, false).during(target)?;
        if let Ok(there) = file::stat(parent, name, false)
            && (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)
        {
            return Ok(()); // to itself; removing the name first would lose the file
        }
        if whiteout::is_directory(&stat) {
            return Err(Error::invalid("a hard link to a directory").within(target()));
        }
        self.fresh(parent, name, || inode::link(&from, last, parent, name))
            .within(target)
    }

    fn node(&mut self, parent: &OwnedFd, name: &Path, entry: &Entry) -> Result<()> {
        let kind = match entry.kind {
            Type::Char => NodeKind::Char,
            Type::Block => NodeKind::Block,
            _ => NodeKind::Fifo,
        };
        // Overlay's own mark for "removed": only a whiteout entry makes one.
        if kind == NodeKind::Char && entry.device == (0, 0) {
            self.done.skipped.devices += 1;
            return Ok(());
        }
        let make = || file::mknodat(parent, name, kind, 0o600, entry.device);
        match self.fresh(parent, name, make) {
            // Nobody may make a device in a user namespace (user_namespaces(7)); the container could not use it.
            Err(e) if e.is_errno(Errno::EPERM.0) && kind != NodeKind::Fifo => {
                self.done.skipped.devices += 1;
                Ok(())
            }
            other => {
                other?;
                self.settle(Settled::Named(parent.as_fd(), name), entry)
            }
        }
    }

    /// Makes something where nothing may be; what is there, the archive has brought before, and goes.
    fn fresh<T>(
        &mut self,
        parent: &OwnedFd,
        name: &Path,
        make: impl Fn() -> lockstep_kernel::Result<T>,
    ) -> Result<T> {
        let made = match make() {
            Err(e) if e.is(&[Errno::EEXIST.0]) => {
                self.replace(parent, name)?;
                make()
            }
            other => other,
        };
        made.during(|| "making it".to_owned())
    }

    fn replace(&mut self, parent: &OwnedFd, name: &Path) -> Result<()> {
        // An open parent may lie in what is removed, or be reached through it.
        self.places.forget()?;
        tree::remove(parent, name).during(|| "removing what had its name".to_owned())
    }

    fn settle(&mut self, what: Settled<'_>, entry: &Entry) -> Result<()> {
        metadata::settle(what, entry, self.to, &mut self.done.skipped)
    }
}

/// What has a name already.
enum Found {
    Directory,
    Whiteout,
    Other,
}

/// Copies all data of the entry.
pub(crate) fn copy_all(data: &mut impl BufRead, mut to: &File) -> Result<u64> {
    let mut done = 0;
    loop {
        let there = data.fill_buf()?;
        if there.is_empty() {
            return Ok(done);
        }
        to.write_all(there).within(|| "writing".to_owned())?;
        let n = there.len();
        data.consume(n);
        done += n as u64;
    }
}

/// Copies data to a place in the file.
pub(crate) fn copy_piece(
    data: &mut impl BufRead,
    to: &File,
    offset: u64,
    length: u64,
) -> Result<u64> {
    let mut done = 0;
    while done < length {
        let there = data.fill_buf()?;
        if there.is_empty() {
            return Err(Error::new(
                Kind::Invalid,
                "a piece of a sparse file is missing",
            ));
        }
        let n = there
            .len()
            .min(usize::try_from(length - done).unwrap_or(usize::MAX));
        to.write_all_at(&there[..n], offset + done)
            .within(|| "writing".to_owned())?;
        data.consume(n);
        done += n as u64;
    }
    Ok(done)
}
