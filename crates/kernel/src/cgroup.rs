//! What control groups need beyond opening and writing files: cgroups(7).
//!
//! Control files are read with one read(2) where their text is one value, child cgroups are told from
//! files by their type alone, and events are waited for with poll(2), as kernfs offers them.

use crate::call::{self, Result, Told};
use crate::file;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::fs::{AtFlags, FileType, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Longest text that [`value`] reads.
const VALUE_MAX: usize = 4096;

/// The text of a one-value control file (`pids.max`, `freezer.state`), without its newline; a text of
/// 4096 bytes or more is cut.
pub fn value(dir: impl AsFd, path: impl AsRef<Path>) -> Result<String> {
    let open = file::openat(dir, path, OFlags::RDONLY, 0)?;
    let mut buffer = [0u8; VALUE_MAX];
    let got = file::retry(|| rustix::io::read(&open, &mut buffer[..]))
        .told(|| format!("read({})", call::fd(open.as_fd())))?;
    Ok(String::from_utf8_lossy(&buffer[..got])
        .trim_end()
        .to_owned())
}

/// Names of the cgroups directly below a directory.
pub fn children(dir: impl AsFd, path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = path.as_ref();
    let open = file::openat(dir, path, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
    let reader = rustix::fs::Dir::new(open).told(|| format!("getdents64({})", call::path(path)))?;
    let mut names = Vec::new();
    for entry in reader {
        let entry = entry.told(|| format!("getdents64({})", call::path(path)))?;
        let name = entry.file_name().to_string_lossy();
        // cgroup filesystems always tell the type; there are no links in them.
        if entry.file_type() == FileType::Directory && name != "." && name != ".." {
            names.push(name.into_owned());
        }
    }
    Ok(names)
}

/// poll(2) for `POLLPRI` on control files that announce changes (`cgroup.events`, `memory.events`) and
/// for `POLLIN` on an eventfd; whether one was ready before `timeout_ms` (none: without end).
pub fn wait(files: &[BorrowedFd<'_>], timeout_ms: Option<u32>) -> Result<bool> {
    let mut polled: Vec<PollFd<'_>> = files
        .iter()
        .map(|file| PollFd::from_borrowed_fd(*file, PollFlags::PRI))
        .collect();
    wait_for(&mut polled, timeout_ms)
}

/// Like [`wait`], for an eventfd, whose counter is then read and so set back to zero.
pub fn wait_eventfd(event: impl AsFd, timeout_ms: Option<u32>) -> Result<bool> {
    let event = event.as_fd();
    let mut polled = [PollFd::from_borrowed_fd(event, PollFlags::IN)];
    if !wait_for(&mut polled, timeout_ms)? {
        return Ok(false);
    }
    let mut counter = [0u8; 8];
    file::retry(|| rustix::io::read(event, &mut counter[..]))
        .told(|| format!("read({})", call::fd(event)))?;
    Ok(true)
}

fn wait_for(polled: &mut [PollFd<'_>], timeout_ms: Option<u32>) -> Result<bool> {
    let timeout = timeout_ms.map(|ms| Timespec {
        tv_sec: i64::from(ms / 1000),
        tv_nsec: i64::from(ms % 1000) * 1_000_000,
    });
    // A signal ends the wait early instead of starting it anew: the caller counts the time.
    match rustix::event::poll(polled, timeout.as_ref()) {
        Err(rustix::io::Errno::INTR) => Ok(false),
        result => Ok(result.told(|| format!("poll({} fds)", polled.len()))? > 0),
    }
}

/// Opens a control file for reading and for [`wait`].
pub fn open_events(dir: impl AsFd, path: impl AsRef<Path>) -> Result<OwnedFd> {
    file::openat(dir, path, OFlags::RDONLY, 0)
}

/// The text of an open control file, from its start.
pub fn reread(open: impl AsFd) -> Result<String> {
    let open = open.as_fd();
    let mut buffer = [0u8; VALUE_MAX];
    let got = file::retry(|| rustix::io::pread(open, &mut buffer[..], 0))
        .told(|| format!("pread64({})", call::fd(open)))?;
    Ok(String::from_utf8_lossy(&buffer[..got]).into_owned())
}

/// eventfd2(2), close-on-exec.
pub fn eventfd() -> Result<OwnedFd> {
    rustix::event::eventfd(0, EventfdFlags::CLOEXEC).told(|| "eventfd2(0, EFD_CLOEXEC)".into())
}

/// fchownat(2) of the owner alone; the group stays. Links are not followed; `EINVAL` for what is no id.
pub fn chown(dir: impl AsFd, path: impl AsRef<Path>, uid: u32) -> Result<()> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    let told = || {
        format!(
            "fchownat({}, {}, {uid}, -1)",
            call::fd(dir),
            call::path(path)
        )
    };
    call::is_id(&[uid], told)?;
    let owner = Some(rustix::fs::Uid::from_raw(uid));
    rustix::fs::chownat(dir, path, owner, None, AtFlags::SYMLINK_NOFOLLOW).told(told)
}

/// Opens a control file that takes several lines, one per write(2).
pub fn open_for_writing(dir: impl AsFd, path: impl AsRef<Path>) -> Result<OwnedFd> {
    file::openat(dir, path, OFlags::WRONLY, 0)
}
