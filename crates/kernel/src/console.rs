//! Pseudoterminals: made from the container's own devpts, handed over as descriptors.

use crate::call::{self, Result, Told, check};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Unlocks a new terminal and opens its other end from the master alone; ioctl_tty(2) TIOCGPTPEER (Linux 4.13).
/// The slave is never opened by its path, which the container could have replaced (CVE-2025-52565).
pub fn peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let unlocked: i32 = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    let ret = unsafe {
        libc::ioctl(
            master.as_raw_fd(),
            libc::TIOCSPTLCK,
            std::ptr::from_ref(&unlocked),
        )
    };
    check(ret.into(), || {
        format!("ioctl({}, TIOCSPTLCK)", call::fd(master))
    })?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags as a number and returns a new descriptor.
    let ret = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    let fd = check(ret.into(), || {
        format!("ioctl({}, TIOCGPTPEER)", call::fd(master))
    })?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Makes `terminal` the controlling terminal of this session; ioctl_tty(2) TIOCSCTTY.
pub fn set_controlling(terminal: BorrowedFd<'_>) -> Result<()> {
    rustix::process::ioctl_tiocsctty(terminal)
        .told(|| format!("ioctl({}, TIOCSCTTY)", call::fd(terminal)))
}

/// Sets the size in characters; ioctl_tty(2) TIOCSWINSZ.
pub fn set_size(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> Result<()> {
    let size = rustix::termios::Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(terminal, size)
        .told(|| format!("ioctl({}, TIOCSWINSZ)", call::fd(terminal)))
}

/// The size in characters as (rows, columns); `None` when this is no terminal.
pub fn size(terminal: BorrowedFd<'_>) -> Option<(u16, u16)> {
    rustix::termios::tcgetwinsize(terminal)
        .ok()
        .map(|size| (size.ws_row, size.ws_col))
}

/// A terminal in raw mode until this is dropped.
#[derive(Debug)]
pub struct Raw {
    terminal: OwnedFd,
    saved: rustix::termios::Termios,
}

impl Raw {
    /// Puts a terminal into raw mode (termios(3) cfmakeraw); `None` when this is no terminal.
    pub fn enter(terminal: BorrowedFd<'_>) -> Result<Option<Raw>> {
        let Ok(saved) = rustix::termios::tcgetattr(terminal) else {
            return Ok(None);
        };
        let mut raw = saved.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(terminal, rustix::termios::OptionalActions::Now, &raw)
            .told(|| format!("ioctl({}, TCSETS)", call::fd(terminal)))?;
        let terminal = rustix::io::fcntl_dupfd_cloexec(terminal, 3)
            .told(|| "fcntl(F_DUPFD_CLOEXEC)".into())?;
        Ok(Some(Raw { terminal, saved }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that has gone (EIO) needs no mode back, and a drop cannot report.
        let now = rustix::termios::OptionalActions::Now;
        rustix::termios::tcsetattr(self.terminal.as_fd(), now, &self.saved).unwrap_or_default();
    }
}

/// The three standard streams of this process.
pub fn standard_streams() -> [BorrowedFd<'static>; 3] {
    [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ]
}
