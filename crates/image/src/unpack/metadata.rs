//! Owner, mode, extended attributes and times of what was made, in the order in which the kernel keeps them:
//! a change of owner takes setuid and capabilities away, and every write changes the time.

use super::Destination;
use crate::archive::{Entry, Type};
use crate::error::{During, Error, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_abi::id::NO_ID;
use lockstep_kernel as kernel;
use lockstep_kernel::metadata as inode;
use lockstep_kernel::namespace::Map;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// What becomes of the owners that a layer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owners {
    /// They are kept, as ids of this user namespace. As root of the host that is one copy for every container,
    /// id-mapped when it is mounted; in a user's namespace the copy belongs to that namespace's map.
    Kept,
    /// They are translated by these maps, users and groups: for root on a file system without id-mapped mounts.
    Shifted(Vec<Map>, Vec<Map>),
    /// Everything belongs to the one id that there is, and the owner is noted in [`OWNER_XATTR`].
    Squashed,
}

/// Where [`Owners::Squashed`] notes owners that are not 0: `uid:gid` in decimal.
pub const OWNER_XATTR: &str = "user.lockstep.owner";

/// What could not be done where this was unpacked, by how many entries it concerns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Device nodes, which a user namespace cannot have, and nodes that look like overlay's whiteouts.
    pub devices: u64,
    /// Extended attributes outside the allow-list, or that the file system does not take.
    pub xattrs: u64,
    /// Owners that could not be noted, of links and nodes.
    pub owners: u64,
}

/// What metadata is given to.
#[derive(Clone, Copy)]
pub(crate) enum Settled<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// A symbolic link or node, which cannot be opened: a name in a directory.
    Named(BorrowedFd<'a>, &'a Path),
}

impl Settled<'_> {
    pub(crate) fn chown(self, uid: u32, gid: u32) -> kernel::Result<()> {
        match self {
            Settled::Open(file) => inode::chown(file, uid, gid),
            Settled::Named(dir, name) => kernel::file::chown(dir, name, uid, gid),
        }
    }

    pub(crate) fn set_xattr(self, name: &str, value: &[u8]) -> kernel::Result<()> {
        match self {
            Settled::Open(file) => inode::set_xattr(file, name, value),
            Settled::Named(dir, file) => inode::set_xattr_at(dir, file, name, value),
        }
    }

    /// Not of a symbolic link, which has none. A name in a directory of ours, which nobody else can change.
    pub(crate) fn chmod(self, mode: u32) -> kernel::Result<()> {
        match self {
            Settled::Open(file) => inode::chmod(file, mode),
            Settled::Named(dir, name) => kernel::file::chmod(dir, name, mode),
        }
    }

    pub(crate) fn set_times(
        self,
        accessed: inode::Time,
        modified: inode::Time,
    ) -> kernel::Result<()> {
        match self {
            Settled::Open(file) => inode::set_times(file, accessed, modified),
            Settled::Named(dir, name) => inode::set_times_at(dir, name, accessed, modified),
        }
    }
}

/// Gives an entry's metadata to what was made for it.
pub(super) fn settle(
    what: Settled<'_>,
    entry: &Entry,
    to: &Destination<'_>,
    skipped: &mut Skipped,
) -> Result<()> {
    match to.owners.on_disk(entry.uid, entry.gid)? {
        Some((uid, gid)) => what.chown(uid, gid).map_err(|e| refused_owner(entry, e))?,
        None if (entry.uid, entry.gid) == (0, 0) => {}
        None => {
            let owner = format!("{}:{}", entry.uid, entry.gid);
            let noted = what.set_xattr(OWNER_XATTR, owner.as_bytes());
            let noted = taken(noted).during(|| "an extended attribute".to_owned())?;
            skipped.owners += u64::from(!noted);
        }
    }
    if entry.kind != Type::Symlink {
        what.chmod(entry.mode).during(|| "its mode".to_owned())?;
    }
    for (name, value) in &entry.xattrs {
        let set = is_allowed(name)
            && taken(what.set_xattr(name, value)).during(|| "an extended attribute".to_owned())?;
        skipped.xattrs += u64::from(!set);
    }
    let time = entry.modified;
    what.set_times(time, time).during(|| "its time".to_owned())
}

impl Owners {
    /// The owner on the disk; `None` where owners are squashed.
    pub(super) fn on_disk(&self, uid: u64, gid: u64) -> Result<Option<(u32, u32)>> {
        let id = |what: &str, id: u64| match u32::try_from(id) {
            Ok(id) if id != NO_ID => Ok(id),
            _ => Err(Error::invalid(format!("{what} {id} is no id"))),
        };
        let (uid, gid) = (id("owner", uid)?, id("group", gid)?);
        match self {
            Owners::Kept => Ok(Some((uid, gid))),
            Owners::Squashed => Ok(None),
            Owners::Shifted(users, groups) => Ok(Some((
                shifted("owner", uid, users)?,
                shifted("group", gid, groups)?,
            ))),
        }
    }
}

fn shifted(what: &str, id: u32, maps: &[Map]) -> Result<u32> {
    let of = |map: &Map| {
        let offset = id
            .checked_sub(map.inside)
            .filter(|offset| *offset < map.size)?;
        map.outside.checked_add(offset)
    };
    maps.iter().find_map(of).ok_or_else(|| {
        Error::new(
            Kind::Unsupported,
            format!("{what} {id} is not in the id map"),
        )
    })
}

fn refused_owner(entry: &Entry, error: kernel::Error) -> Error {
    let owner = format!("its owner {}:{}", entry.uid, entry.gid);
    let unmapped = error.is(&[Errno::EINVAL.0]);
    let error = Error::call(owner, error);
    if unmapped {
        return error.hint(
            "this user namespace has no such id; give the user more subordinate ids in /etc/subuid and /etc/subgid",
        );
    }
    error
}

/// What an image may say about its files: capabilities, ACLs, and what programs keep for themselves.
///
/// Not `trusted.*` and `user.overlay.*`, which are overlay's own words (a redirect could name any directory of the
/// host's layers), nor what a security module or the integrity subsystem of the host believes.
pub(crate) fn is_allowed(name: &str) -> bool {
    const OURS: [&str; 3] = ["user.overlay.", "user.lockstep.", "user.containers."];
    let acl = ["system.posix_acl_access", "system.posix_acl_default"];
    name == "security.capability"
        || acl.contains(&name)
        || (name.starts_with("user.") && !OURS.iter().any(|prefix| name.starts_with(prefix)))
}

/// Whether it was set; false where the file, the file system or the namespace cannot have it.
pub(crate) fn taken(set: kernel::Result<()>) -> kernel::Result<bool> {
    match set {
        Ok(()) => Ok(true),
        // EPERM: `user.*` on a link or node, or a capability without the right to give it.
        Err(e) if e.is(&[Errno::EPERM.0, Errno::EOPNOTSUPP.0, Errno::EINVAL.0]) => Ok(false),
        Err(e) => Err(e),
    }
}
