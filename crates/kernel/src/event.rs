//! Waiting for several descriptors, signals among them.

use crate::call::{Error, Result, Told, check};
use crate::file::retry;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Blocks until one of the descriptors is readable or at its end; which ones.
pub fn readable<const N: usize>(fds: &[Option<BorrowedFd<'_>>; N]) -> Result<[bool; N]> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .flatten()
        .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
        .collect();
    retry(|| poll(&mut polled, None)).told(|| "poll()".into())?;
    let mut ready = polled.iter().map(|fd| !fd.revents().is_empty());
    Ok(std::array::from_fn(|n| {
        fds[n].is_some() && ready.next().unwrap_or(false)
    }))
}

/// Blocks until one of the descriptors is ready for what it is waited for, or at its end; at most `timeout_ms`
/// milliseconds. The same order comes back, all false when the time is over.
pub fn ready(fds: &[(BorrowedFd<'_>, Want)], timeout_ms: Option<u64>) -> Result<Vec<Ready>> {
    let flags = |want: Want| match want {
        Want::Read => PollFlags::IN,
        Want::Write => PollFlags::OUT,
        Want::Both => PollFlags::IN | PollFlags::OUT,
    };
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .map(|(fd, want)| PollFd::from_borrowed_fd(*fd, flags(*want)))
        .collect();
    let timeout = timeout_ms.map(|ms| Timespec {
        tv_sec: (ms / 1000) as i64,
        tv_nsec: (ms % 1000 * 1_000_000) as i64,
    });
    match poll(&mut polled, timeout.as_ref()) {
        // A signal is a reason to look again too.
        Err(rustix::io::Errno::INTR) => return Ok(vec![Ready::default(); fds.len()]),
        other => other.told(|| "poll()".into())?,
    };
    // What has ended is ready for whatever was asked of it: the call says how.
    let ended = PollFlags::HUP | PollFlags::ERR;
    let state = |(fd, (_, want)): (&PollFd<'_>, &(_, Want))| Ready {
        read: *want != Want::Write && fd.revents().intersects(PollFlags::IN | ended),
        write: *want != Want::Read && fd.revents().intersects(PollFlags::OUT | ended),
    };
    Ok(polled.iter().zip(fds).map(state).collect())
}

/// What a descriptor is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Something to read.
    Read,
    /// Room for something to write.
    Write,
    /// Either.
    Both,
}

/// What a descriptor is ready for, of what it was waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, or the end.
    pub read: bool,
    /// A write would not block; it fails where nobody reads any more.
    pub write: bool,
}

/// Whether a descriptor is readable at once.
pub fn readable_now(fd: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut polled, Some(&now)).is_ok_and(|n| n > 0)
        && polled[0].revents().contains(PollFlags::IN)
}

/// Waits until a descriptor is readable or at its end, at most so long; whether it is.
pub fn within(fd: BorrowedFd<'_>, time: std::time::Duration) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let time = Timespec {
        tv_sec: time.as_secs().cast_signed(),
        tv_nsec: time.subsec_nanos().into(),
    };
    poll(&mut polled, Some(&time)).is_ok_and(|n| n > 0)
}

/// A descriptor that delivers every signal of this process, which has to block them; signalfd(2).
pub fn signals() -> Result<OwnedFd> {
    // SAFETY: sigset_t is an array of integers; sigfillset fills it.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a valid set.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: the set outlives the call, which returns a new descriptor.
    let ret = unsafe { libc::signalfd(-1, &raw const all, libc::SFD_CLOEXEC) };
    let fd = check(ret.into(), || "signalfd4()".into())?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Takes the next signal of [`signals`].
pub fn next_signal(fd: BorrowedFd<'_>) -> Result<i32> {
    let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
    let n = retry(|| rustix::io::read(fd, &mut info[..]))
        .told(|| format!("read({}<signalfd>)", fd.as_raw_fd()))?;
    if n < 4 {
        return Err(Error {
            call: format!("read({}<signalfd>) is short", fd.as_raw_fd()),
            errno: libc::EIO,
        });
    }
    Ok(u32::from_ne_bytes([info[0], info[1], info[2], info[3]]) as i32)
}
