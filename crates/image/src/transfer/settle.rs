//! Owner, mode, extended attributes and times of what was copied, in the order in which the kernel keeps them: a change
//! of owner takes setuid and capabilities away, and every write changes the time.

use super::Left;
use crate::archive::Entry;
use crate::error::{During, Result};
use crate::unpack::{is_allowed, taken};
use lockstep_abi::errno::Errno;
use lockstep_kernel::{self as kernel, file, metadata};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Whom copies belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Whoever makes them.
    Maker,
    /// The numbers that the stream says, as this process's user namespace has them.
    Kept,
}

/// What becomes of the owner and of what makes programs more than their caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) owners: Ownership,
    /// Whether setuid, setgid and file capabilities stay.
    pub(super) privileges: bool,
}

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const CAPABILITY: &str = "security.capability";

impl Manner {
    /// For an open file or directory.
    pub(super) fn settle(self, made: &OwnedFd, entry: &Entry, left: &mut Left) -> Result<()> {
        let what = |what: &'static str| move || what.to_owned();
        let owned = match ids(entry, self.owners) {
            None => self.owners == Ownership::Maker,
            Some((uid, gid)) => given(metadata::chown(made, uid, gid)).during(what("its owner"))?,
        };
        left.owners += u64::from(!owned);
        // Those bits were meant for that owner.
        let privileges = self.privileges && owned;
        let mode = match privileges {
            true => entry.mode,
            false => entry.mode & !(SETUID | SETGID),
        };
        metadata::chmod(made.as_fd(), mode).during(what("its mode"))?;
        for (name, value) in &entry.xattrs {
            let set = is_allowed(name)
                && (privileges || name != CAPABILITY)
                && taken(metadata::set_xattr(made, name, value))
                    .during(what("an extended attribute"))?;
            left.xattrs += u64::from(!set);
        }
        let time = entry.modified;
        metadata::set_times(made, time, time).during(what("its time"))
    }

    /// For a link or a FIFO, which has no more than this: one name in a directory, never followed.
    pub(super) fn settle_named(
        self,
        (directory, name): (&OwnedFd, &Path),
        entry: &Entry,
        left: &mut Left,
    ) -> Result<()> {
        if let Some((uid, gid)) = ids(entry, self.owners) {
            let owned = given(file::chown(directory, name, uid, gid));
            left.owners += u64::from(!owned.during(|| "its owner".to_owned())?);
        } else {
            left.owners += u64::from(self.owners == Ownership::Kept);
        }
        // They could be set by name alone, which setxattr(2) would follow; archives of our own have none of them.
        left.xattrs += entry.xattrs.len() as u64;
        let time = entry.modified;
        metadata::set_times_at(directory, name, time, time).during(|| "its time".to_owned())
    }
}

/// The owner to be given, if there is one. u32::MAX is "no change" to chown(2).
fn ids(entry: &Entry, owners: Ownership) -> Option<(u32, u32)> {
    let id = |id: u64| u32::try_from(id).ok().filter(|id| *id != u32::MAX);
    (owners == Ownership::Kept)
        .then(|| Some((id(entry.uid)?, id(entry.gid)?)))
        .flatten()
}

/// Whether it was given; false where this user may not, or the user namespace has no such id.
fn given(result: kernel::Result<()>) -> kernel::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(e) if e.is(&[Errno::EPERM.0, Errno::EINVAL.0]) => Ok(false),
        Err(e) => Err(e),
    }
}
