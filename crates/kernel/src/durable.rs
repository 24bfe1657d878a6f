//! What makes a change to files last, or makes it seen at once and as a whole: fsync, syncfs, rename, flock.
//!
//! They stand together because only together they keep a promise: a name that appears is complete, and after a
//! crash either the old or the new content is there.

use crate::call::{self, Result, Told};
use crate::file::{self, OFlags, retry};
use rustix::fs::{self, FlockOperation, RenameFlags};
use std::os::fd::AsFd;
use std::path::Path;

/// fsync(2) of a file or a directory.
pub fn sync(file: impl AsFd) -> Result<()> {
    let file = file.as_fd();
    fs::fsync(file).told(|| format!("fsync({})", call::fd(file)))
}

/// syncfs(2): everything of the file system that `file` is on. Reports errors since Linux 5.8.
pub fn sync_filesystem(file: impl AsFd) -> Result<()> {
    let file = file.as_fd();
    fs::syncfs(file).told(|| format!("syncfs({})", call::fd(file)))
}

/// renameat(2): replaces `to` at once if there is one.
pub fn rename(
    from_dir: impl AsFd,
    from: impl AsRef<Path>,
    to_dir: impl AsFd,
    to: impl AsRef<Path>,
) -> Result<()> {
    rename_with(
        from_dir.as_fd(),
        from.as_ref(),
        to_dir.as_fd(),
        to.as_ref(),
        RenameFlags::empty(),
    )
}

/// renameat2(2) with RENAME_NOREPLACE: `EEXIST` if there is something at `to`.
pub fn rename_new(
    from_dir: impl AsFd,
    from: impl AsRef<Path>,
    to_dir: impl AsFd,
    to: impl AsRef<Path>,
) -> Result<()> {
    rename_with(
        from_dir.as_fd(),
        from.as_ref(),
        to_dir.as_fd(),
        to.as_ref(),
        RenameFlags::NOREPLACE,
    )
}

/// renameat2(2) with RENAME_EXCHANGE: both names exist at every moment, each with what the other had.
pub fn exchange(
    one_dir: impl AsFd,
    one: impl AsRef<Path>,
    other_dir: impl AsFd,
    other: impl AsRef<Path>,
) -> Result<()> {
    rename_with(
        one_dir.as_fd(),
        one.as_ref(),
        other_dir.as_fd(),
        other.as_ref(),
        RenameFlags::EXCHANGE,
    )
}

/// Replaces a file as a whole and lastingly: written as `.NAME.new`, synced, renamed, and the name synced. Whatever
/// ends it leaves the old or the new content, a full disk the old one.
pub fn replace(dir: impl AsFd, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let dir = dir.as_fd();
    let temporary = format!(".{name}.new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let made = file::openat(dir, &temporary, flags, mode)?;
    let written = file::write_fd(&made, bytes).and_then(|()| sync(&made));
    if let Err(full) = written {
        // It takes the room that is missing; the next one would replace it.
        drop(file::unlink(dir, &temporary));
        return Err(full);
    }
    rename(dir, &temporary, dir, name)?;
    sync(dir)
}

fn rename_with(
    from_dir: std::os::fd::BorrowedFd<'_>,
    from: &Path,
    to_dir: std::os::fd::BorrowedFd<'_>,
    to: &Path,
    flags: RenameFlags,
) -> Result<()> {
    fs::renameat_with(from_dir, from, to_dir, to, flags).told(|| {
        let flags = call::flags(&flags, "RENAME_", "0");
        format!(
            "renameat2({}, {}, {}, {}, {flags})",
            call::fd(from_dir),
            call::path(from),
            call::fd(to_dir),
            call::path(to)
        )
    })
}

/// How a file is locked by [`lock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// With others that share.
    Shared,
    /// Alone.
    Exclusive,
}

/// flock(2) of an open file, until every copy of the descriptor is closed, also by a crash. Without `wait`,
/// whether it was free; with it always true.
pub fn lock(file: impl AsFd, how: Lock, wait: bool) -> Result<bool> {
    let file = file.as_fd();
    let operation = match (how, wait) {
        (Lock::Shared, true) => FlockOperation::LockShared,
        (Lock::Shared, false) => FlockOperation::NonBlockingLockShared,
        (Lock::Exclusive, true) => FlockOperation::LockExclusive,
        (Lock::Exclusive, false) => FlockOperation::NonBlockingLockExclusive,
    };
    match retry(|| fs::flock(file, operation)) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        other => other.map(|()| true).told(|| {
            let how = match how {
                Lock::Shared => "LOCK_SH",
                Lock::Exclusive => "LOCK_EX",
            };
            let wait = if wait { "" } else { "|LOCK_NB" };
            format!("flock({}, {how}{wait})", call::fd(file))
        }),
    }
}

/// flock(2) LOCK_UN: lets a lock go before its last descriptor is closed.
pub fn unlock(file: impl AsFd) -> Result<()> {
    let file = file.as_fd();
    fs::flock(file, FlockOperation::Unlock).told(|| format!("flock({}, LOCK_UN)", call::fd(file)))
}
