//! Owner, mode, extended attributes and times of what was copied, in the order in which the kernel keeps them: a change
//! of owner takes setuid and capabilities away, and every write changes the time.

use super::Left;
use crate::archive::Entry;
use crate::error::{During, Result};
use crate::unpack::{Settled, is_allowed, taken};
use lockstep_abi::errno::Errno;
use lockstep_abi::id::NO_ID;
use lockstep_kernel as kernel;

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
    /// Gives an entry's metadata to what was made for it, and counts what it could not get.
    pub(super) fn settle(self, made: Settled<'_>, entry: &Entry, left: &mut Left) -> Result<()> {
        let what = |what: &'static str| move || what.to_owned();
        let owned = match ids(entry, self.owners) {
            None => self.owners == Ownership::Maker,
            Some((uid, gid)) => given(made.chown(uid, gid)).during(what("its owner"))?,
        };
        left.owners += u64::from(!owned);
        match made {
            // Those bits were meant for that owner.
            Settled::Open(_) => self.permit(made, self.privileges && owned, entry, left)?,
            // A link has no mode, and a FIFO got its own when it was made. Attributes could be set by name alone, which
            // setxattr(2) would follow; archives of our own have none of them.
            Settled::Named(..) => left.xattrs += entry.xattrs.len() as u64,
        }
        let time = entry.modified;
        made.set_times(time, time).during(what("its time"))
    }

    /// Mode and extended attributes.
    fn permit(
        self,
        made: Settled<'_>,
        privileges: bool,
        entry: &Entry,
        left: &mut Left,
    ) -> Result<()> {
        let mode = match privileges {
            true => entry.mode,
            false => entry.mode & !(SETUID | SETGID),
        };
        made.chmod(mode).during(|| "its mode".to_owned())?;
        for (name, value) in &entry.xattrs {
            let set = is_allowed(name)
                && (privileges || name != CAPABILITY)
                && taken(made.set_xattr(name, value))
                    .during(|| "an extended attribute".to_owned())?;
            left.xattrs += u64::from(!set);
        }
        Ok(())
    }
}

/// The owner to be given, if there is one.
fn ids(entry: &Entry, owners: Ownership) -> Option<(u32, u32)> {
    let id = |id: u64| u32::try_from(id).ok().filter(|id| *id != NO_ID);
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
