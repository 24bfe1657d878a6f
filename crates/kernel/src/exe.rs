//! Keeps the runtime's own binary out of the reach of containers.
//!
//! A process of the runtime enters the container's namespaces, and an image can make it execute
//! `/proc/self/exe`; through that link the host's binary could be opened and overwritten
//! (CVE-2019-5736). So the runtime first lets go of its file ([`early`]), or, where it may not, executes itself
//! from a sealed memfd. The first costs 0.1 ms, the copy of 3 MB and a second execve more than 1 ms.

#[cfg(target_arch = "x86_64")]
#[doc(hidden)]
pub mod early;

use crate::call::{Error, Result, Told, check};
use crate::process::{self, Image, Side};
use crate::{file, mount, socket};
use lockstep_abi::mount::MOUNT_ATTR_RDONLY;
use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};

/// The file, through a mount that cannot be written: for the process that is going to execute it again. What lets
/// go of the file before the C library starts keeps it, because a word of the command line does not tell such a
/// process from one that enters a container; and so does [`keep`].
static FILE: AtomicI32 = AtomicI32::new(-1);

/// Where a child of this process says what [`sealed`] wants of it.
static ASKED: AtomicI32 = AtomicI32::new(-1);

/// Makes `$run`, a function from nothing to an exit status, the program's entry in place of Rust's own
/// start-up, whose twenty system calls (signal stack, stack bounds, SIGPIPE) a runtime that is started for each
/// container does without. SIGPIPE keeps its default action, which payloads inherit. The crate says
/// `#![no_main]`.
///
/// `$entering` becomes the verbs whose process enters a container: with one of them among its arguments the program
/// lets go of its file before anything else ([`early`](mod@early)), if it is linked with `--entry=lockstep_start`.
#[macro_export]
macro_rules! entry {
    ($run:path, $entering:ident = [$($word:literal),+]) => {
        /// The verbs whose process enters a container.
        #[allow(dead_code, reason = "a program may know by another way that it enters one")]
        const $entering: &[&str] = &[$($word),+];

        // The kernel's initial stack is handed on unchanged, and so is rdx, which _start takes for a function to
        // call at exit: System V ABI, AMD64 supplement, section 3.4.1.
        #[cfg(all(target_arch = "x86_64", not(test)))]
        ::core::arch::global_asm!(
            ".pushsection .rodata.lockstep_entering, \"a\"",
            ".Llockstep_entering:",
            $(concat!(".asciz \"", $word, "\""),)+
            ".byte 0",
            ".popsection",
            ".globl lockstep_start",
            ".type lockstep_start, @function",
            "lockstep_start:",
            "xor ebp, ebp",
            "mov r12, rsp",
            "mov r13, rdx",
            "mov rdi, rsp",
            "lea rsi, [rip + .Llockstep_entering]",
            "and rsp, -16",
            "call {early}",
            "mov rsp, r12",
            "mov rdx, r13",
            "jmp _start",
            early = sym $crate::exe::early::early,
        );

        // SAFETY: the program has no other `main`: Rust makes none with `#![no_main]`. A test harness has its own.
        #[cfg(not(test))]
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

/// Whether one of these arguments is a verb of `entering`, whose process enters a container. It looks for the words
/// anywhere, so it seals once too often for `list run`, which does no harm.
pub fn enters(args: &[OsString], entering: &[&str]) -> bool {
    args.iter()
        .any(|arg| entering.iter().any(|word| arg == word))
}

/// Returns when this process's file is out of reach; otherwise executes the program from a sealed copy, with
/// the same arguments and environment, and does not return. Call it first: what the process did before is lost.
pub fn seal(args: &[OsString], env: impl Iterator<Item = (OsString, OsString)>) -> Result<()> {
    #[cfg(lockstep_weak)]
    if crate::weak::is("unsealed") {
        return Ok(());
    }
    if let_go() {
        return Ok(());
    }
    let exe = file::openat(file::CWD, EXE, OFlags::RDONLY, 0)?;
    if is_sealed(&exe) {
        return Ok(());
    }
    Err(Image::again(args, env)?.exec_fd(copy(&exe)?.as_fd()))
}

/// Closes this program's file, if it is kept for [`sealed`]; whether it is out of reach. For a process that enters a
/// container or has a child that does.
pub fn let_go() -> bool {
    forget(FILE.swap(-1, Ordering::Relaxed));
    is_out_of_reach()
}

fn is_out_of_reach() -> bool {
    #[cfg(target_arch = "x86_64")]
    return early::OUT_OF_REACH.load(Ordering::Relaxed);
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Makes sure that a later [`sealed`] needs no copy: behind unshare(2) of the mount namespace the file's mount is
/// another namespace's, which open_tree(2) does not clone.
pub fn keep() -> Result<()> {
    if FILE.load(Ordering::Relaxed) < 0 && !is_out_of_reach() {
        FILE.store(sealed()?.into_raw_fd(), Ordering::Relaxed);
    }
    Ok(())
}

/// This program as a file that cannot be written, to execute another process from: what [`seal`] does for the
/// process itself, at the price of no further execve(2). Through a read-only mount of the file alone, for which
/// an ordinary user makes namespaces of the moment; where nobody may mount, a sealed copy.
pub fn sealed() -> Result<OwnedFd> {
    let kept = FILE.load(Ordering::Relaxed);
    if kept >= 0 || is_out_of_reach() {
        // SAFETY: takes a descriptor, which may be none any more, and a number.
        let fd = unsafe { libc::fcntl(kept, libc::F_DUPFD_CLOEXEC, 3) };
        check(fd.into(), || format!("fcntl({kept}, F_DUPFD_CLOEXEC)"))?;
        // SAFETY: a new descriptor.
        return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    let mounted = asked().or_else(|_| read_only());
    mounted.or_else(|_| read_only_elsewhere()).or_else(|_| {
        let exe = file::openat(file::CWD, EXE, OFlags::RDONLY, 0)?;
        if is_sealed(&exe) {
            return Ok(exe);
        }
        copy(&exe)
    })
}

fn read_only() -> Result<OwnedFd> {
    read_only_mount(Path::new(EXE)).map(|(file, _)| file)
}

/// The same by a child with the rights for it in namespaces of its own: 0.5 ms in the place of the 2 ms of a copy.
fn read_only_elsewhere() -> Result<OwnedFd> {
    let answer = ask()?;
    let namespaces = (libc::CLONE_NEWUSER | libc::CLONE_NEWNS) as u64;
    let child = match process::clone(namespaces, None)? {
        Side::Parent(child) => child,
        Side::Child => {
            answer();
            process::exit(0)
        }
    };
    drop(answer);
    let file = asked();
    process::wait(child.pid, false)?;
    file
}

/// Prepares a child of this process to make for [`sealed`] what this process has no right to, while it goes on: a child in
/// a user and a mount namespace of its own, which calls this. Its copy of the tree of mounts has the file by its name
/// alone, so that is compared.
pub fn ask() -> Result<impl FnOnce()> {
    let path = file::readlink(file::CWD, EXE)?;
    let (ours, theirs) = socket::pair()?;
    forget(ASKED.swap(ours.into_raw_fd(), Ordering::Relaxed));
    Ok(move || {
        // Whoever waits for it sees the end of the connection.
        if let Ok((file, mount)) = read_only_mount(&path) {
            drop(socket::send(theirs.as_fd(), b".", &[file.as_fd()]));
            drop(mount);
        }
    })
}

fn asked() -> Result<OwnedFd> {
    let none = || Error {
        call: "a read-only mount of /proc/self/exe".into(),
        errno: libc::ENOENT,
    };
    let socket = ASKED.swap(-1, Ordering::Relaxed);
    if socket < 0 {
        return Err(none());
    }
    // SAFETY: it was opened for this place, which nobody can take it from any more.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let file = socket::receive(socket.as_fd())?.1.pop().ok_or_else(none)?;
    let (running, found) = (file::stat(file::CWD, EXE, true)?, file::fstat(&file)?);
    match (found.st_dev, found.st_ino) == (running.st_dev, running.st_ino) {
        true => Ok(file),
        false => Err(none()),
    }
}

/// Closes what was in a place of this module.
fn forget(fd: i32) {
    if fd >= 0 {
        // SAFETY: it was opened for that place, which nobody can take it from any more.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

/// The file behind the mount, and the mount, which needs not stay open. To close it takes as long as every processor needs to
/// pass a quiescent state, up to 1 ms.
fn read_only_mount(path: &Path) -> Result<(OwnedFd, OwnedFd)> {
    let mount = mount::open_tree(file::CWD, path, false, false)?;
    let attributes = mount::Attributes {
        set: MOUNT_ATTR_RDONLY,
        ..Default::default()
    };
    mount::set_attributes(&mount, &attributes, false)?;
    let name = format!("/proc/self/fd/{}", mount.as_raw_fd());
    Ok((file::openat(file::CWD, name, OFlags::RDONLY, 0)?, mount))
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
    // EBUSY: the kernel has waited 150 ms for somebody else's short use of a page that was just written, such as its
    // own lists of pages on a loaded machine (mm/memfd.c).
    let mut left = 20;
    loop {
        match rustix::fs::fcntl_add_seals(&memfd, SEALS) {
            Err(rustix::io::Errno::BUSY) if left > 0 => left -= 1,
            sealed => {
                break sealed.told(|| format!("fcntl({}, F_ADD_SEALS)", memfd.as_raw_fd()))?;
            }
        }
    }
    Ok(memfd)
}
