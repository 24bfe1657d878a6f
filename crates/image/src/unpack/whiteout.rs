//! Whiteouts in the form that overlay understands: a character device 0:0 for a removed name, an extended
//! attribute for a directory that hides all below it (overlayfs documentation, "whiteouts and opaque directories").
//!
//! A whiteout hides what is in the layers below, never what its own layer has, in whichever order they come
//! (image-spec layer.md).

use super::name::Whiteout;
use super::place::Places;
use super::{Destination, Found, Layer};
use crate::error::{During, Result};
use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFCHR, S_IFDIR, S_IFMT};
use lockstep_kernel::file::{self, NodeKind, OFlags, Stat};
use lockstep_kernel::metadata as inode;
use lockstep_kernel::root::Root;
use lockstep_kernel::tree::Listing;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Layer<'_> {
    pub(super) fn whiteout(
        &mut self,
        parent: &OwnedFd,
        parents: &[&[u8]],
        whiteout: Whiteout<'_>,
    ) -> Result<()> {
        let name = match whiteout {
            Whiteout::Ignored => return Ok(()),
            Whiteout::Opaque => {
                self.done.opaque |= parents.is_empty();
                return self.places.mark_opaque(parent, Path::new("."));
            }
            Whiteout::Name(name) => Path::new(OsStr::from_bytes(name)),
        };
        if !self.may_be_below(parents, name)? {
            return Ok(());
        }
        self.whiteouts = true;
        match file::mknodat(parent, name, NodeKind::Char, 0, (0, 0)) {
            Err(e) if e.is(&[Errno::EEXIST.0]) => match self.kind_of(parent, name)? {
                Found::Directory => self.places.mark_opaque(parent, name),
                Found::Whiteout | Found::Other => Ok(()),
            },
            other => other
                .and_then(|()| inode::set_times_at(parent, name, (0, 0), (0, 0)))
                .during(|| "making a whiteout".to_owned()),
        }
    }

    pub(super) fn kind_of(&self, parent: &OwnedFd, name: &Path) -> Result<Found> {
        let stat = file::stat(parent, name, false).during(|| "what has its name".to_owned())?;
        Ok(match () {
            () if is_directory(&stat) => Found::Directory,
            () if is_whiteout(&stat) => Found::Whiteout,
            () => Found::Other,
        })
    }

    /// Whether a layer below could have the name. In a directory that only this layer has, overlay would list
    /// a whiteout as a file that cannot be opened.
    fn may_be_below(&self, parents: &[&[u8]], name: &Path) -> Result<bool> {
        let mut path = Path::new("/").to_path_buf();
        path.extend(parents.iter().map(|name| OsStr::from_bytes(name)));
        path.push(name);
        for layer in self.to.below {
            match lookup(layer, &path) {
                Ok(None) => {}
                // Through a symbolic link, so it depends on other layers: better one whiteout too many.
                Ok(Some(_)) => return Ok(true),
                Err(e) if e.is(&[Errno::ELOOP.0]) => return Ok(true),
                Err(e) => return Err(crate::error::Error::call("looking into a layer below", e)),
            }
        }
        Ok(false)
    }
}

/// What a layer has at a path; `ELOOP` when a symbolic link is on the way.
pub(super) fn lookup(layer: &OwnedFd, path: &Path) -> lockstep_kernel::Result<Option<Stat>> {
    let root = Root::new(file::duplicate(layer)?);
    let found = root.open_without_links(path, OFlags::PATH | OFlags::NOFOLLOW)?;
    found.map(file::fstat).transpose()
}

pub(super) fn is_directory(stat: &Stat) -> bool {
    stat.st_mode & S_IFMT == S_IFDIR
}

fn is_whiteout(stat: &Stat) -> bool {
    stat.st_mode & S_IFMT == S_IFCHR && stat.st_rdev == 0
}

/// Whether `name` is a whiteout; an error counts as no.
pub(super) fn is_there(parent: &OwnedFd, name: &Path) -> bool {
    file::stat(parent, name, false).is_ok_and(|stat| is_whiteout(&stat))
}

impl Places<'_> {
    /// Hides everything below this directory, if there is anything to hide.
    pub(super) fn mark_opaque(&mut self, parent: &OwnedFd, name: &Path) -> Result<()> {
        if self.to.below.is_empty() {
            return Ok(());
        }
        self.opaque = true;
        inode::set_xattr_at(parent.as_fd(), name, attribute(self.to), b"y")
            .during(|| "marking a directory as opaque".to_owned())
    }
}

fn attribute(to: &Destination<'_>) -> &'static str {
    match to.user_xattrs {
        true => "user.overlay.opaque",
        false => "trusted.overlay.opaque",
    }
}

/// Removes the whiteouts below opaque directories, in whichever order an archive brought the two: there is nothing
/// left to hide, and overlay lists them as files that cannot be opened.
pub(super) fn clear_hidden(to: &Destination<'_>) -> Result<()> {
    let what = || "whiteouts in opaque directories".to_owned();
    let root = file::openat(to.directory, ".", DIRECTORY, 0).during(what)?;
    clear(root, false, attribute(to)).during(what)
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW);

/// A layer is at most `Limits::depth` deep, and so are descriptors and stack.
fn clear(dir: OwnedFd, hidden: bool, attribute: &str) -> lockstep_kernel::Result<()> {
    let hidden = hidden || inode::xattr(&dir, attribute)?.is_some();
    let times = file::fstat(&dir)?;
    let mut names = Listing::new(dir)?;
    let mut removed = false;
    while let Some(name) = names.next_name()? {
        let (dir, name) = (names.directory()?, Path::new(&name));
        let stat = file::stat(dir, name, false)?;
        if hidden && is_whiteout(&stat) {
            file::unlink(dir, name)?;
            removed = true;
        } else if is_directory(&stat) {
            clear(file::openat(dir, name, DIRECTORY, 0)?, hidden, attribute)?;
        }
    }
    if removed {
        let time = (
            times.st_mtime,
            u32::try_from(times.st_mtime_nsec).unwrap_or(0),
        );
        inode::set_times(names.directory()?, time, time)?;
    }
    Ok(())
}
