//! Keeps the runtime's own binary out of the reach of containers.
//!
//! A process of the runtime enters the container's namespaces, and an image can make it execute
//! `/proc/self/exe`; through that link the host's binary could be opened and overwritten
//! (CVE-2019-5736). So the runtime first executes itself from a file that cannot be written: through an
//! overlay without an upper layer, which nobody can make writable, or, where it may not mount, from a sealed
//! memfd. The overlay costs 0.05 ms, the copy of 3 MB more than 1 ms.

use crate::call::{Result, Told, check};
use crate::process::Image;
use crate::{file, mount};
use lockstep_abi::mount::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use std::ffi::{CStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Makes `$run`, a function from nothing to an exit status, the program's entry in place of Rust's own
/// start-up, whose twenty system calls (signal stack, stack bounds, SIGPIPE) a runtime that is started for each
/// container, twice, does without. SIGPIPE keeps its default action, which payloads inherit. The crate says
/// `#![no_main]`.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        // SAFETY: the program has no other `main`: Rust makes none with `#![no_main]`.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            _count: ::core::ffi::c_int,
            _arguments: *const *const ::core::ffi::c_char,
        ) -> ::core::ffi::c_int {
            $crate::exe::start();
            $run()
        }
    };
}

/// What has to be true before anything is opened: the standard streams exist, because the first descriptor
/// opened would otherwise become one; and the heap grows in steps that a run needs one or two of.
pub fn start() {
    // SAFETY: only sets a parameter of the allocator.
    unsafe { libc::mallopt(libc::M_TOP_PAD, 512 << 10) };
    let mut streams = [0, 1, 2].map(|fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    });
    // SAFETY: pointer and length of one array, which outlives the call.
    let ready = unsafe { libc::poll(streams.as_mut_ptr(), 3, 0) };
    let closed = |s: &libc::pollfd| s.revents & libc::POLLNVAL != 0;
    if ready > 0 {
        for _missing in streams.iter().filter(|s| closed(s)) {
            // SAFETY: a C string; the lowest free number, which is the missing stream's, stays open.
            if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } < 0 {
                crate::process::exit(1);
            }
        }
    }
}

/// Everything that makes a memfd immutable, for ever.
const SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// Returns when this process runs from a file that cannot be written; otherwise executes itself from one, with
/// the same arguments and environment, and does not return. Call it first: what the process did before is lost.
pub fn seal(args: &[OsString], env: impl Iterator<Item = (OsString, OsString)>) -> Result<()> {
    #[cfg(lockstep_weak)]
    if crate::weak::is("unsealed") {
        return Ok(());
    }
    let exe = file::openat(file::CWD, "/proc/self/exe", OFlags::RDONLY, 0)?;
    if is_sealed(&exe) || is_overlay(&exe) {
        return Ok(());
    }
    let image = Image::again(args, env)?;
    Err(image.exec_fd(unwritable(exe)?.as_fd()))
}

/// This program as a file that cannot be written, to execute another process from: what [`seal`] does for the
/// process itself, at the price of no further execve(2).
pub fn sealed() -> Result<OwnedFd> {
    let exe = file::openat(file::CWD, "/proc/self/exe", OFlags::RDONLY, 0)?;
    if is_sealed(&exe) || is_overlay(&exe) {
        return Ok(exe);
    }
    unwritable(exe)
}

/// Any refusal of the overlay (no right to mount, none here, too many layers already) leaves the copy.
fn unwritable(exe: OwnedFd) -> Result<OwnedFd> {
    match overlay(&exe) {
        Ok(through) => Ok(through),
        Err(_) => copy(&exe),
    }
}

/// Whether this is a memfd that nobody can write any more. EINVAL: it is no memfd.
fn is_sealed(exe: &OwnedFd) -> bool {
    rustix::fs::fcntl_get_seals(exe).is_ok_and(|seals| seals.contains(SEALS))
}

/// Whether this process was executed through a descriptor of a read-only overlay, as [`seal`] does. A binary
/// that merely lies on an overlay, as in a container, was executed by its path.
fn is_overlay(exe: &OwnedFd) -> bool {
    const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
    // SAFETY: the auxiliary vector's AT_EXECFN is a C string that lives as long as the process.
    let executed_as = unsafe {
        let name = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
        if name.is_null() {
            return false;
        }
        CStr::from_ptr(name)
    };
    executed_as.to_bytes().starts_with(b"/dev/fd/")
        && mount::filesystem_type(exe).is_ok_and(|kind| kind == OVERLAYFS_SUPER_MAGIC)
        && mount::mount_flags(exe).is_ok_and(|flags| flags & libc::ST_RDONLY != 0)
}

/// The binary as seen through an overlay of its directory; the second layer is one that every host has, since
/// an overlay without an upper layer needs two.
fn overlay(exe: &OwnedFd) -> Result<OwnedFd> {
    let path = file::readlink(file::CWD, "/proc/self/exe")?;
    let (directory, name) = crate::root::split(&path);
    let directory = file::open_dir(file::CWD, directory)?;
    let context = mount::Context::open("overlay")?;
    // By descriptor, so that no character of the path needs escaping.
    context.set(&format!(
        "lowerdir=/proc/self/fd/{}:/sys",
        directory.as_raw_fd()
    ))?;
    let mounted = context.mount(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)?;
    let through = file::openat(&mounted, name, OFlags::PATH | OFlags::NOFOLLOW, 0)?;
    let (found, own) = (file::fstat(&through)?, file::fstat(exe)?);
    let same = |s: &file::Stat| (s.st_ino, s.st_size, s.st_mtime, s.st_mtime_nsec);
    check(if same(&found) == same(&own) { 0 } else { -1 }, || {
        format!("{} is not this program any more", path.display())
    })?;
    Ok(through)
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
