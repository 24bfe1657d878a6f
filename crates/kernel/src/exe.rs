//! Keeps the runtime's own binary out of the reach of containers.
//!
//! A process of the runtime enters the container's namespaces, and an image can make it execute
//! `/proc/self/exe`; through that link the host's binary could be opened and overwritten
//! (CVE-2019-5736). So the runtime first executes a copy of itself that cannot be written: a sealed memfd.

use crate::call::{Result, Told, check};
use crate::file;
use crate::process::Image;
use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Everything that makes a memfd immutable, for ever.
const SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// Returns when this process runs from a sealed copy; otherwise executes one, with the same arguments and
/// environment, and does not return. Call it first: what the process did before is lost.
pub fn seal(args: &[OsString], env: impl Iterator<Item = (OsString, OsString)>) -> Result<()> {
    let exe = file::openat(file::CWD, "/proc/self/exe", OFlags::RDONLY, 0)?;
    if is_sealed(&exe) {
        return Ok(());
    }
    let copy = copy(&exe)?;
    Err(Image::again(args, env)?.exec_fd(copy.as_fd()))
}

/// Whether this is a memfd that nobody can write any more. EINVAL: it is no memfd.
fn is_sealed(exe: &OwnedFd) -> bool {
    rustix::fs::fcntl_get_seals(exe).is_ok_and(|seals| seals.contains(SEALS))
}

fn copy(exe: &OwnedFd) -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_EXEC (Linux 6.3) says that an executable memfd is meant; older kernels refuse the flag.
    let memfd = match rustix::fs::memfd_create("lockstep-runc", flags | MemfdFlags::EXEC) {
        Err(rustix::io::Errno::INVAL) => rustix::fs::memfd_create("lockstep-runc", flags),
        other => other,
    }
    .told(|| "memfd_create(\"lockstep-runc\")".into())?;
    let size = file::fstat(exe)?.st_size as u64;
    let mut offset = 0;
    while offset < size {
        let rest = (size - offset) as usize;
        let sent = rustix::fs::sendfile(&memfd, exe, Some(&mut offset), rest)
            .told(|| format!("sendfile({}, /proc/self/exe)", memfd.as_raw_fd()))?;
        check(if sent == 0 { -1 } else { 0 }, || {
            "sendfile(/proc/self/exe) ended early".into()
        })?;
    }
    rustix::fs::fcntl_add_seals(&memfd, SEALS)
        .told(|| format!("fcntl({}, F_ADD_SEALS)", memfd.as_raw_fd()))?;
    Ok(memfd)
}
