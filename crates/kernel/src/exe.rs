//! Keeps the runtime's own binary out of the reach of containers.
//!
//! A process of the runtime enters the container's namespaces, and an image can make it execute
//! `/proc/self/exe`; through that link the host's binary could be opened and overwritten
//! (CVE-2019-5736). So the runtime first lets go of its file ([`early`]), or, where it may not, executes itself
//! from a sealed memfd. The first costs 0.1 ms, the copy of 3 MB and a second execve more than 1 ms.

#[cfg(target_arch = "x86_64")]
mod early;

use crate::call::{Result, Told, check};
use crate::process::Image;
use crate::{file, mount};
use lockstep_abi::mount::MOUNT_ATTR_RDONLY;
use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
#[cfg(target_arch = "x86_64")]
use std::sync::atomic::Ordering;

/// Makes `$run`, a function from nothing to an exit status, the program's entry in place of Rust's own
/// start-up, whose twenty system calls (signal stack, stack bounds, SIGPIPE) a runtime that is started for each
/// container does without. SIGPIPE keeps its default action, which payloads inherit. The crate says
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
/// opened would otherwise become one; and the heap grows in steps that a run needs one or two of, and does not shrink.
pub fn start() {
    // SAFETY: only sets parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, 512 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 << 20);
    }
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

const EXE: &str = "/proc/self/exe";

/// The words of a command line that make a process enter a container, each with its terminator.
const ENTERING: &[u8] = b"create\0run\0exec\0";

/// Takes the pages of this program's own text out of this process, for one that is going to sleep: what it still
/// needs comes back from the page cache, a few pages of three megabytes. madvise(2) MADV_DONTNEED.
pub fn release_text() {
    unsafe extern "C" {
        // The linker's: the first byte of the program and the first behind its instructions.
        #[link_name = "__executable_start"]
        safe static START: u8;
        #[link_name = "etext"]
        safe static END: u8;
    }
    let (start, end) = (&raw const START as usize, &raw const END as usize);
    let (first, last) = (start.next_multiple_of(4096), end & !4095);
    if first < last {
        // SAFETY: read-only private mappings of the program's file, which are read from it again when they are
        // touched; the relocated parts that could not be lie behind them. A refusal changes nothing.
        unsafe {
            libc::madvise(
                first as *mut libc::c_void,
                last - first,
                libc::MADV_DONTNEED,
            )
        };
    }
}

/// Everything that makes a memfd immutable, for ever.
const SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// Whether these arguments make a process enter a container. It looks for the words anywhere, so it seals once
/// too often for `list run`, which does no harm.
pub fn enters(args: &[OsString]) -> bool {
    let mut words = ENTERING.split(|byte| *byte == 0).filter(|w| !w.is_empty());
    words.any(|word| args.iter().any(|arg| arg.as_encoded_bytes() == word))
}

/// Returns when this process's file is out of reach; otherwise executes the program from a sealed copy, with
/// the same arguments and environment, and does not return. Call it first: what the process did before is lost.
pub fn seal(args: &[OsString], env: impl Iterator<Item = (OsString, OsString)>) -> Result<()> {
    #[cfg(lockstep_weak)]
    if crate::weak::is("unsealed") {
        return Ok(());
    }
    #[cfg(target_arch = "x86_64")]
    if early::OUT_OF_REACH.load(Ordering::Relaxed) {
        return Ok(());
    }
    let exe = file::openat(file::CWD, EXE, OFlags::RDONLY, 0)?;
    if is_sealed(&exe) {
        return Ok(());
    }
    Err(Image::again(args, env)?.exec_fd(copy(&exe)?.as_fd()))
}

/// This program as a file that cannot be written, to execute another process from: what [`seal`] does for the
/// process itself, at the price of no further execve(2). Through a read-only mount of the file alone, or, where
/// it may not mount, a sealed copy.
pub fn sealed() -> Result<OwnedFd> {
    read_only().or_else(|_| {
        let exe = file::openat(file::CWD, EXE, OFlags::RDONLY, 0)?;
        if is_sealed(&exe) {
            return Ok(exe);
        }
        copy(&exe)
    })
}

fn read_only() -> Result<OwnedFd> {
    let mount = mount::open_tree(file::CWD, Path::new(EXE), false, false)?;
    let attributes = mount::Attributes {
        set: MOUNT_ATTR_RDONLY,
        ..Default::default()
    };
    mount::set_attributes(&mount, &attributes, false)?;
    let name = format!("/proc/self/fd/{}", mount.as_raw_fd());
    file::openat(file::CWD, name, OFlags::RDONLY, 0)
}

/// Whether this is a memfd that nobody can write any more. EINVAL: it is no memfd.
fn is_sealed(exe: &OwnedFd) -> bool {
    rustix::fs::fcntl_get_seals(exe).is_ok_and(|seals| seals.contains(SEALS))
}

fn copy(exe: &OwnedFd) -> Result<OwnedFd> {
    sealed_file("lockstep-runc", |memfd| {
        let size = file::fstat(exe)?.st_size as u64;
        let mut offset = 0;
        while offset < size {
            let rest = (size - offset) as usize;
            let sent = rustix::fs::sendfile(memfd, exe, Some(&mut offset), rest)
                .told(|| format!("sendfile({}, /proc/self/exe)", memfd.as_raw_fd()))?;
            check(if sent == 0 { -1 } else { 0 }, || {
                "sendfile(/proc/self/exe) ended early".into()
            })?;
        }
        Ok(())
    })
}

/// An executable memfd with what `fill` writes, which nobody can change any more.
pub(crate) fn sealed_file(
    name: &str,
    fill: impl FnOnce(&OwnedFd) -> Result<()>,
) -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_EXEC (Linux 6.3) says that an executable memfd is meant; older kernels refuse the flag.
    let memfd = match rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC) {
        Err(rustix::io::Errno::INVAL) => rustix::fs::memfd_create(name, flags),
        other => other,
    }
    .told(|| format!("memfd_create({name:?})"))?;
    fill(&memfd)?;
    rustix::fs::fcntl_add_seals(&memfd, SEALS)
        .told(|| format!("fcntl({}, F_ADD_SEALS)", memfd.as_raw_fd()))?;
    Ok(memfd)
}
