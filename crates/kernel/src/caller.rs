//! What a program shares with the one that called it: log file, inherited descriptors, programs of the host.
//!
//! These stand apart from [`crate::file`] because their paths and numbers come from the command line, in
//! the caller's namespaces and with the caller's rights, before anything of a container exists.

use crate::call::{self, Result, Told as _};
use crate::file;
use rustix::fs::OFlags;
use std::ffi::OsString;
use std::os::fd::{AsFd as _, FromRawFd, OwnedFd};
use std::path::Path;

/// Opens a file to append to, made with `mode` if it is missing; openat(2) with O_APPEND|O_CREAT.
pub fn append(path: impl AsRef<Path>, mode: u32) -> Result<OwnedFd> {
    file::openat(
        file::CWD,
        path,
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE,
        mode,
    )
}

/// Writes a file that must not exist yet; openat(2) with O_CREAT|O_EXCL, so `EEXIST` for a dangling link too.
/// One that cannot be written to its end is removed again.
pub fn create_new(path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<()> {
    let path = path.as_ref();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = file::openat(file::CWD, path, flags, mode)?;
    file::write_fd(&file, bytes).inspect_err(|_| {
        // The error of the write is the one to report.
        drop(file::unlink(file::CWD, path));
    })
}

/// Whether the caller left a descriptor with this number open; fcntl(2) F_GETFD.
pub fn is_open(number: i32) -> bool {
    // SAFETY: F_GETFD takes no pointer and changes nothing; a bad number is EBADF.
    unsafe { libc::fcntl(number, libc::F_GETFD) != -1 }
}

/// Takes over a descriptor that the caller left open for this process, close-on-exec from now on. Each number
/// once: whoever takes it owns it.
pub fn take(number: i32) -> Result<OwnedFd> {
    // SAFETY: changes a flag of a descriptor number; a closed one is EBADF.
    let ret = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    call::check(ret.into(), || {
        format!("fcntl({number}, F_SETFD, FD_CLOEXEC)")
    })?;
    // SAFETY: it is open, and by this function's contract nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Effective user and group id.
pub fn effective_ids() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

/// How a program of the host ended, and what it printed.
#[derive(Debug)]
pub struct Output {
    /// Exit code; `None` when a signal killed it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Runs a program found in `$PATH`, with the caller's environment and no input, to its end.
pub fn output(program: &str, args: &[OsString]) -> Result<Output> {
    // Files and not pipes: the library panics where a pipe cannot be read.
    let (stdout, stderr) = (file::memory("stdout")?, file::memory("stderr")?);
    let mut child = std::process::Command::new(program)
        .args(args)
        .stdin(std::process::Stdio::null())
        .stdout(dup(&stdout)?)
        .stderr(dup(&stderr)?)
        .spawn()
        .told(|| format!("execvp({})", call::path(Path::new(program))))?;
    let status = child.wait().told(|| format!("wait4({})", child.id()))?;
    Ok(Output {
        code: status.code(),
        stdout: printed(&stdout)?,
        stderr: printed(&stderr)?,
    })
}

fn dup(file: &OwnedFd) -> Result<OwnedFd> {
    let duplicate = file.try_clone();
    duplicate.told(|| format!("fcntl({}, F_DUPFD_CLOEXEC)", call::fd(file.as_fd())))
}

fn printed(file: &OwnedFd) -> Result<Vec<u8>> {
    /// ps(1) of a host with the most processes that a kernel can have, and some.
    const LIMIT: usize = 1 << 30;
    file::rewind(file)?;
    file::read_fd(file, LIMIT)
}
