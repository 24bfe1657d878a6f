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
use std::borrow::Cow;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// What becomes of the owners that a layer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owners {
    /// They are kept, as ids of this user namespace. As root of the host that is one copy for every container,
    /// id-mapped when it is mounted; in a user's namespace the copy belongs to that namespace's map.
    Kept,
    /// They are translated by these maps, users and groups, to ids of this user namespace: for root on a file system without
    /// id-mapped mounts, and for a user's containers with another map than the namespace's.
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
        let value = to
            .owners
            .value_on_disk(name, value)
            .filter(|_| is_allowed(name));
        let set = match value {
            Some(value) => {
                taken(what.set_xattr(name, &value)).during(|| "an extended attribute".to_owned())?
            }
            None => false,
        };
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

    /// An extended attribute as it has to be on the disk: some name ids too. `None` where it cannot be there.
    fn value_on_disk<'v>(&self, name: &str, value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        let Owners::Shifted(users, groups) = self else {
            return Some(value.into());
        };
        match name {
            "security.capability" => capability(value, users).map(Cow::Owned),
            "system.posix_acl_access" | "system.posix_acl_default" => {
                acl(value, users, groups).map(Cow::Owned)
            }
            _ => Some(value.into()),
        }
    }
}

/// An id through a map, if it is in it.
fn through(id: u32, maps: &[Map]) -> Option<u32> {
    let of = |map: &Map| {
        let offset = id
            .checked_sub(map.inside)
            .filter(|offset| *offset < map.size)?;
        map.outside.checked_add(offset)
    };
    maps.iter().find_map(of)
}

/// `security.capability` for root of who has these ids (struct vfs_ns_cap_data, Linux 4.14); what is no such value stays,
/// for the kernel to refuse.
fn capability(value: &[u8], users: &[Map]) -> Option<Vec<u8>> {
    const REVISION: u8 = 3;
    let mut value = value.to_vec();
    if let ([_, _, _, 2 | REVISION, ..], 20 | 24) = (value.as_slice(), value.len()) {
        value[3] = REVISION;
        value.truncate(20);
        value.extend(through(0, users)?.to_le_bytes());
    }
    Some(value)
}

/// An ACL with the ids of its entries translated (acl(5); struct posix_acl_xattr_entry); `None` if one is in no map.
fn acl(value: &[u8], users: &[Map], groups: &[Map]) -> Option<Vec<u8>> {
    let (head, entries) = value.split_at_checked(4)?;
    let mut made = head.to_vec();
    for entry in entries.chunks(8) {
        let (tag, id) = match entry {
            [low, high, _, _, id @ ..] => (u16::from_le_bytes([*low, *high]), id),
            _ => return None,
        };
        let maps = match tag {
            0x02 => users,
            0x08 => groups,
            _ => {
                made.extend(entry);
                continue;
            }
        };
        let id = u32::from_le_bytes(id.try_into().ok()?);
        made.extend(&entry[..4]);
        made.extend(through(id, maps)?.to_le_bytes());
    }
    Some(made)
}

fn shifted(what: &str, id: u32, maps: &[Map]) -> Result<u32> {
    through(id, maps).ok_or_else(|| {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(inside: u32, outside: u32) -> Vec<Map> {
        vec![Map {
            inside,
            outside,
            size: 10,
        }]
    }

    #[test]
    fn ids_in_attributes_are_translated() {
        let owners = Owners::Shifted(maps(0, 100), maps(0, 200));
        let plain = [&[1, 0, 0, 2][..], &[7; 16]].concat();
        let wanted = [&[1, 0, 0, 3][..], &[7; 16], &[100, 0, 0, 0]].concat();
        let told = owners.value_on_disk("security.capability", &plain);
        assert_eq!(told.as_deref(), Some(&*wanted));
        assert_eq!(
            Owners::Kept.value_on_disk("security.capability", &plain),
            Some(plain.as_slice().into())
        );
        let none = Owners::Shifted(maps(1, 100), maps(1, 100));
        assert_eq!(none.value_on_disk("security.capability", &wanted), None);

        let entry = |tag: u8, id: u8| [tag, 0, 4, 0, id, 0, 0, 0];
        let acl = |user: u8, group: u8| {
            let entries = [
                entry(1, 255),
                entry(2, user),
                entry(8, group),
                entry(32, 255),
            ];
            [&[2, 0, 0, 0][..], &entries.concat()].concat()
        };
        let name = "system.posix_acl_access";
        assert_eq!(
            owners.value_on_disk(name, &acl(3, 4)).as_deref(),
            Some(&*acl(103, 204))
        );
        for wrong in [&acl(11, 4)[..], &acl(3, 4)[..7], &[]] {
            assert_eq!(owners.value_on_disk(name, wrong), None, "{wrong:?}");
        }
        assert_eq!(
            owners.value_on_disk("user.x", b"1").as_deref(),
            Some(&b"1"[..])
        );
    }
}
