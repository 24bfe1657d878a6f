//! What an entry becomes: a file, a directory, a link, under its name when it is whole.

use super::{Placing, Stream};
use crate::archive::{Entry, Reader};
use crate::error::{During, Error, Kind, Result, Within};
use crate::transfer::settle::Ownership;
use crate::transfer::stage::{NEW, bring};
use crate::transfer::target::There;
use crate::transfer::{Summary, shown};
use crate::unpack::{Settled, copy_all, copy_piece, link_target};
use lockstep_abi::errno::Errno;
use lockstep_kernel::file::{self, NodeKind, OFlags};
use lockstep_kernel::root::Root;
use lockstep_kernel::{metadata, tree};
use std::ffi::OsStr;
use std::fs::File;
use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Placing<'_> {
    pub(super) fn directory(&mut self, name: &Path, entry: &Entry) -> Result<()> {
        let (above, hidden) = self.here();
        let there = There::at(&above, name)?;
        let described = self.how.stream == Stream::Archive || self.how.owners == Ownership::Kept;
        let leads_on = there == There::Link && self.how.follow && !hidden;
        if leads_on && let Ok(directory) = self.existing(name) {
            self.push(name, directory, hidden, None);
            return Ok(());
        }
        match there {
            There::Nothing => self.make_directory(name, 0o700)?,
            There::Directory => {}
            _ => self.put(name, true, &mut |stage, new, _| {
                file::mkdirat(stage, new, 0o700).during(|| shown(name))
            })?,
        }
        if there == There::Directory && !described && !hidden {
            let directory = self.existing(name)?;
            self.push(name, directory, hidden, None);
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let directory = file::openat(&*above, name, flags, 0).during(|| shown(name))?;
        self.push(name, directory, hidden, Some(entry.clone()));
        Ok(())
    }

    /// Makes something under this name in the open directory: at once where that is hidden, else in a stage.
    fn put(
        &mut self,
        name: &Path,
        directory: bool,
        make: &mut dyn FnMut(&OwnedFd, &Path, &mut Summary) -> Result<()>,
    ) -> Result<()> {
        let (above, hidden) = self.here();
        if hidden {
            return match make(&above, name, &mut self.done) {
                // The stream has brought it before, and brings it once more.
                Err(e) if e.is_errno(Errno::EEXIST.0) => {
                    tree::remove(&*above, name).during(|| shown(name))?;
                    make(&above, name, &mut self.done)
                }
                other => other,
            };
        }
        let replaced = self.may_replace(name, There::at(&above, name)?, directory)?;
        let stage = self.staging.at(&above)?;
        let new = Path::new(NEW);
        make(&stage, new, &mut self.done)?;
        bring((&stage, new), (&above, name), replaced)
    }

    pub(super) fn file<R: BufRead>(
        &mut self,
        name: &Path,
        entry: &Entry,
        data: &mut Reader<'_, R>,
    ) -> Result<()> {
        let manner = self.manner();
        self.put(name, false, &mut |directory, name, done| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let made = file::openat(directory, name, flags, 0o600);
            let made = File::from(made.during(|| "making it".to_owned())?);
            match &entry.sparse {
                None => done.bytes += copy_all(data, &made)?,
                Some(pieces) => {
                    for (offset, length) in pieces {
                        done.bytes += copy_piece(data, &made, *offset, *length)?;
                    }
                    made.set_len(entry.size).within(|| "holes".to_owned())?;
                }
            }
            manner.settle(Settled::Open(made.as_fd()), entry, &mut done.left)
        })
    }

    pub(super) fn symlink(&mut self, name: &Path, entry: &Entry) -> Result<()> {
        let target = link_target(&entry.link, &self.limits)?;
        let manner = self.manner();
        self.put(name, false, &mut |directory, name, done| {
            file::symlink(target, directory, name).during(|| "making it".to_owned())?;
            manner.settle(
                Settled::Named(directory.as_fd(), name),
                entry,
                &mut done.left,
            )
        })
    }

    pub(super) fn fifo(&mut self, name: &Path, entry: &Entry) -> Result<()> {
        let manner = self.manner();
        self.put(name, false, &mut |directory, name, done| {
            // With its mode at once: chmod(2) by name would follow a link that takes its place.
            let made = file::mknodat(directory, name, NodeKind::Fifo, entry.mode & 0o777, (0, 0));
            made.during(|| "making it".to_owned())?;
            manner.settle(
                Settled::Named(directory.as_fd(), name),
                entry,
                &mut done.left,
            )
        })
    }

    /// Another name for a file of the same tree. It has the owner, mode and times of that file.
    pub(super) fn hard_link(&mut self, name: &Path, entry: &Entry) -> Result<()> {
        let target = || format!("hard link to {}", crate::error::shown(&entry.link));
        let path = self.mapped(&entry.link).within(target)?;
        let (last, parents) = path
            .split_last()
            .ok_or_else(|| Error::invalid("a hard link to a directory"))?;
        let last = Path::new(OsStr::from_bytes(last));
        let mut from = PathBuf::from(".");
        from.extend(parents.iter().map(|part| OsStr::from_bytes(part)));
        let bottom = file::duplicate(&*self.levels[0].directory).during(target)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let directory = match self.how.follow && self.goal.is_none() {
            true => self.root.open_if_there(&self.base.join(from), flags),
            false => Root::new(bottom).open_without_links(&from, flags),
        };
        let directory = directory
            .during(target)?
            .ok_or_else(|| Error::invalid("its directory is not there").within(target()))?;
        let (above, _) = self.here();
        let identity = |directory: &OwnedFd, name: &Path| {
            let found = file::stat(directory, name, false).ok()?;
            Some((found.st_dev, found.st_ino))
        };
        let own = identity(&directory, last);
        if own.is_some() && own == identity(&above, name) {
            return Ok(()); // to itself; removing the name first would lose the file
        }
        self.put(name, false, &mut |into, new, _| {
            metadata::link(&directory, last, into, new).during(target)
        })
    }

    /// Nodes are never made: of the host's devices none is the container's to give, nor the other way round.
    pub(super) fn device(&mut self) -> Result<()> {
        if self.done.entries == 1 && self.how.stream == Stream::Copy {
            return Err(Error::new(Kind::Unsupported, "a device is no file"));
        }
        self.done.left.devices += 1;
        Ok(())
    }

    pub(super) fn make_directory(&self, name: &Path, mode: u32) -> Result<()> {
        let (above, hidden) = self.here();
        if !hidden {
            self.staging.admit(&above)?;
        }
        file::mkdirat(&*above, name, mode).during(|| shown(name))
    }
}
