//! Copies of files between a container and whoever asked for them, as a stream of tar from one process to another.
//!
//! [`pack`] reads one side, [`place`] makes the other. Either may stand in the file system of a hostile container that
//! exchanges directories for links meanwhile, and what [`place`] reads may come from there. So nothing is opened by a
//! path but once, below the root that the caller gives (openat2(2), RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS); from there on
//! there are descriptors and single names, of which no link is followed (CVE-2018-15664, CVE-2022-1227). A file is opened
//! after it is known to be one, through its own descriptor: no FIFO blocks, and no device notices.

mod janitor;
mod pack;
mod place;
mod settle;
mod stage;
mod target;

pub use pack::{Pack, pack};
pub use place::{Place, Stream, place};
pub use settle::Ownership;

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};

/// What one side did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of the files, without holes.
    pub bytes: u64,
    /// What was left out.
    pub left: Left,
}

/// What a copy is without, by how many entries it concerns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Device nodes, which are never made.
    pub devices: u64,
    /// Sockets, which no archive can have.
    pub sockets: u64,
    /// Directories of procfs, sysfs and their kind, which were copied without what the kernel shows in them.
    pub pseudo: u64,
    /// Owners that could not be given.
    pub owners: u64,
    /// Extended attributes that are of the system, or that this file system does not take.
    pub xattrs: u64,
}

impl Left {
    /// Of both sides together.
    #[must_use]
    pub fn and(self, other: Left) -> Left {
        Left {
            devices: self.devices + other.devices,
            sockets: self.sockets + other.sockets,
            pseudo: self.pseudo + other.pseudo,
            owners: self.owners + other.owners,
            xattrs: self.xattrs + other.xattrs,
        }
    }
}

/// Called with the directory (or file) that all further work is below, before a byte of it is read: where the process
/// gives up everything else.
pub type Ready<'a> = &'a dyn Fn(BorrowedFd<'_>) -> crate::Result<()>;

/// The message of an archive that was cut off: what went wrong is known to whoever wrote it.
pub const CUT_OFF: &str = "the other side of the copy ended too early";

/// Whether a path means what is inside of a directory, and not one that may be missing: `/`, `a/.`, `a/..`.
fn is_inside(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_os_str().as_bytes();
    let last = bytes.rsplit(|byte| *byte == b'/').next();
    matches!(last, Some(b"." | b"..")) || bytes.iter().all(|byte| *byte == b'/')
}

/// Whether a path ends so that a link at its end is followed: to a directory.
fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// A path from the root, without what means nothing.
fn from_root(path: &Path) -> PathBuf {
    let mut found = PathBuf::from("/");
    found.extend(
        path.components()
            .filter(|part| !matches!(part, Component::RootDir)),
    );
    found
}

fn shown(path: &Path) -> String {
    crate::error::shown(path.as_os_str().as_encoded_bytes())
}

fn absent(path: &Path) -> Error {
    Error::new(
        crate::Kind::NotFound,
        format!("no such file or directory: {}", shown(path)),
    )
}
