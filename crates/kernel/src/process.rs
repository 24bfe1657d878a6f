//! Making, awaiting and ending processes.
//!
//! Only single-threaded processes may fork here: the child goes on in the same program and allocates,
//! which is sound only when no other thread can hold the allocator's lock at that moment.

use crate::call::{Error, Result, Told, check};
use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Which side of a clone this is.
#[derive(Debug)]
pub enum Side {
    /// The caller, with the new process.
    Parent(Child),
    /// The new process.
    Child,
}

/// A process that this one made.
#[derive(Debug)]
pub struct Child {
    /// Its process id, in this process's pid namespace.
    pub pid: i32,
    /// Its pidfd (Linux 5.3), close-on-exec.
    pub pidfd: OwnedFd,
}

/// `struct clone_args` of clone3(2), as of Linux 5.7.
#[derive(Default)]
#[repr(C, align(8))]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// CLONE_INTO_CGROUP (Linux 5.7), which libc types as an int that it does not fit.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// CLONE_CLEAR_SIGHAND (Linux 5.5).
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// The caller goes on when the new process executes something or ends.
pub const CLONE_VFORK: u64 = libc::CLONE_VFORK as u64;
/// Parent of the new process is the caller's parent.
pub const CLONE_PARENT: u64 = libc::CLONE_PARENT as u64;

/// clone3(2) as fork(2) with CLONE_* `flags`, signal handlers reset, optionally into a cgroup v2.
pub fn clone(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Side> {
    debug_assert!(single_threaded(), "fork while multithreaded");
    let mut pidfd: i32 = -1;
    let mut args = CloneArgs {
        flags: flags | CLONE_CLEAR_SIGHAND | libc::CLONE_PIDFD as u64,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        exit_signal: if flags & CLONE_PARENT == 0 {
            libc::SIGCHLD as u64
        } else {
            0
        },
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` has the layout of struct clone_args and its size is given; without CLONE_VM the child
    // runs on a copy of this stack and memory, and this process has one thread, so no lock is held by another.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_mut(&mut args),
            size_of::<CloneArgs>(),
        )
    };
    let pid = check(ret, || format!("clone3({{flags={:#x}}})", args.flags))?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel wrote a new descriptor that nobody else owns, since CLONE_PIDFD was asked for.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent(Child {
        pid: pid as i32,
        pidfd,
    }))
}

/// Whether this process has exactly one thread; true where /proc cannot tell. By the number of links, a call alone:
/// std panics where a directory cannot be closed, and the walks let every call fail once.
fn single_threaded() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/task").map_or(true, |tasks| tasks.nlink() == 3)
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// exit(2) with this status.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

impl Exit {
    /// The status that shells and engines use: 128 + n for signal n.
    pub fn status(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// waitpid(2): blocks until `pid` (or any child for -1) ends; `nohang` asks without blocking.
/// `Ok(None)`: nothing to report (with `nohang`), or no such child.
pub fn wait(pid: i32, nohang: bool) -> Result<Option<(i32, Exit)>> {
    let mut status = 0;
    let flags = libc::__WALL | if nohang { libc::WNOHANG } else { 0 };
    loop {
        // SAFETY: `status` is a valid place for an int.
        let ret = unsafe { libc::waitpid(pid, &raw mut status, flags) };
        match check(ret.into(), || format!("wait4({pid}, {flags:#x})")) {
            Err(e) if e.is(&[libc::EINTR]) => {}
            Err(e) if e.is(&[libc::ECHILD]) => return Ok(None),
            Err(e) => return Err(e),
            Ok(0) => return Ok(None),
            Ok(pid) if libc::WIFSIGNALED(status) => {
                return Ok(Some((pid as i32, Exit::Signal(libc::WTERMSIG(status)))));
            }
            Ok(pid) => return Ok(Some((pid as i32, Exit::Code(libc::WEXITSTATUS(status))))),
        }
    }
}

/// kill(2).
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: takes two integers.
    let ret = unsafe { libc::kill(pid, signal) };
    check(ret.into(), || format!("kill({pid}, {signal})")).map(drop)
}

/// pidfd_open(2) (Linux 5.3).
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: takes two integers and returns a new descriptor or -1.
    let ret = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = check(ret, || format!("pidfd_open({pid}, 0)"))?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// pidfd_send_signal(2) (Linux 5.1): cannot hit a process that reuses the id.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: a null siginfo makes the kernel fill in what kill(2) would.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    check(ret, || {
        format!("pidfd_send_signal({}, {signal})", pidfd.as_raw_fd())
    })
    .map(drop)
}

/// Executes `image` from the open file `program` in a new process with a session of its own, whose only
/// descriptors are `fds`: the first becomes number 0, and so on.
///
/// Whoever ends at once behind it gives [`CLONE_VFORK`]: with its end the terminal may be hung up for all that are in its
/// session yet.
pub fn spawn(
    flags: u64,
    program: BorrowedFd<'_>,
    image: &Image,
    fds: &[BorrowedFd<'_>],
) -> Result<Child> {
    match clone(flags, None)? {
        Side::Parent(child) => Ok(child),
        Side::Child => {
            let ready = setsid().and_then(|()| only(fds, program));
            if let Ok(program) = ready {
                drop(image.exec_fd(program.as_fd()));
            }
            // The parent learns of it by the end of what it waits on; there is no other way to tell it.
            exit(127)
        }
    }
}

/// Makes `fds` the only descriptors that this process keeps on execve(2): the first becomes number 0, and so on. `beside`
/// may have one of the numbers that they get, so it comes back with another one.
pub fn only(fds: &[BorrowedFd<'_>], beside: BorrowedFd<'_>) -> Result<OwnedFd> {
    let beside = move_behind(beside, fds.len())?;
    drop(place(fds)?);
    close_on_exec_from(u32::try_from(fds.len()).unwrap_or(u32::MAX))?;
    Ok(beside)
}

/// Moves descriptors to the numbers from 0 on, out of the way of each other first.
fn place(fds: &[BorrowedFd<'_>]) -> Result<Vec<OwnedFd>> {
    let far = fds.iter().map(|fd| move_behind(*fd, fds.len()));
    let far = far.collect::<Result<Vec<OwnedFd>>>()?;
    for (number, fd) in far.iter().enumerate() {
        dup_onto(fd.as_fd(), i32::try_from(number).unwrap_or(i32::MAX))?;
    }
    Ok(far)
}

/// The descriptor again, with a number behind the first `count`.
fn move_behind(fd: BorrowedFd<'_>, count: usize) -> Result<OwnedFd> {
    let above = i32::try_from(count).unwrap_or(i32::MAX).max(16);
    rustix::io::fcntl_dupfd_cloexec(fd, above)
        .told(|| format!("fcntl({}, F_DUPFD_CLOEXEC)", fd.as_raw_fd()))
}

/// Strings for execve(2), made before the last security step because they allocate.
#[derive(Debug)]
pub struct Image {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Image {
    /// A program with its arguments and environment; a NUL byte in any is `EINVAL`.
    pub fn new<'a>(
        path: &str,
        args: impl IntoIterator<Item = &'a str>,
        env: impl IntoIterator<Item = &'a str>,
    ) -> Result<Image> {
        let c = |s: &str| {
            CString::new(s).map_err(|_nul| Error {
                call: format!("execve({s:?})"),
                errno: libc::EINVAL,
            })
        };
        Ok(Image {
            path: c(path)?,
            args: args.into_iter().map(c).collect::<Result<_>>()?,
            env: env.into_iter().map(c).collect::<Result<_>>()?,
        })
    }

    /// This program's own arguments and environment once more, whatever bytes they are.
    pub fn again(
        args: &[OsString],
        env: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Image> {
        let c = |bytes: Vec<u8>| {
            CString::new(bytes).map_err(|_nul| Error {
                call: "execve(/proc/self/exe)".into(),
                errno: libc::EINVAL,
            })
        };
        let pair = |(mut name, value): (OsString, OsString)| {
            name.push("=");
            name.push(value);
            c(name.into_vec())
        };
        Ok(Image {
            path: CString::default(),
            args: args
                .iter()
                .map(|a| c(a.as_bytes().to_vec()))
                .collect::<Result<_>>()?,
            env: env.map(pair).collect::<Result<_>>()?,
        })
    }

    /// The arguments as strace abbreviates them: they may be many.
    fn told_args(&self) -> String {
        match self.args.as_slice() {
            [] => "[]".into(),
            [only] => format!("[{only:?}]"),
            [first, ..] => format!("[{first:?}, ...]"),
        }
    }

    /// execve(2); returns only on failure.
    pub fn exec(&self) -> Error {
        let (args, env) = (pointers(&self.args), pointers(&self.env));
        // SAFETY: both arrays are null-terminated arrays of C strings, and all outlive the call.
        let ret = unsafe { libc::execve(self.path.as_ptr(), args.as_ptr(), env.as_ptr()) };
        failure(ret, || {
            format!("execve({:?}, {})", self.path, self.told_args())
        })
    }

    /// execveat(2) of an open file with AT_EMPTY_PATH; returns only on failure.
    pub fn exec_fd(&self, file: BorrowedFd<'_>) -> Error {
        let (args, env) = (pointers(&self.args), pointers(&self.env));
        // SAFETY: as in `exec`; the path is an empty C string.
        let ret = unsafe {
            libc::syscall(
                libc::SYS_execveat,
                file.as_raw_fd(),
                c"".as_ptr(),
                args.as_ptr(),
                env.as_ptr(),
                libc::AT_EMPTY_PATH,
            )
        };
        failure(ret as i32, || {
            format!(
                "execveat({}, \"\", {}, AT_EMPTY_PATH)",
                file.as_raw_fd(),
                self.told_args()
            )
        })
    }
}

fn failure(ret: i32, call: impl FnOnce() -> String) -> Error {
    match check(ret.into(), call) {
        Err(e) => e,
        Ok(_) => Error {
            call: "execve returned".into(),
            errno: 0,
        },
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|s| CStr::as_ptr(s))
        .chain([std::ptr::null()])
        .collect()
}

/// _exit(2): ends this process without running anything that the parent registered.
pub fn exit(status: i32) -> ! {
    // SAFETY: ends the process; nothing runs afterwards.
    unsafe { libc::_exit(status) }
}

/// setsid(2).
pub fn setsid() -> Result<()> {
    rustix::process::setsid()
        .map(drop)
        .told(|| "setsid()".into())
}

/// This process's id.
pub fn id() -> i32 {
    std::process::id() as i32
}

/// prctl(2) options that take one number and return nothing of interest.
pub fn prctl(option: i32, name: &str, value: u64) -> Result<()> {
    // SAFETY: the options used here (PR_SET_DUMPABLE, PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER,
    // PR_SET_NO_NEW_PRIVS, PR_SET_KEEPCAPS) take plain integers.
    let ret = unsafe { libc::prctl(option, value, 0, 0, 0) };
    check(ret.into(), || format!("prctl({name}, {value})")).map(drop)
}

/// Dies with its parent; PR_SET_PDEATHSIG SIGKILL, or lives on with `false`.
pub fn die_with_parent(yes: bool) -> Result<()> {
    prctl(
        libc::PR_SET_PDEATHSIG,
        "PR_SET_PDEATHSIG",
        if yes { libc::SIGKILL as u64 } else { 0 },
    )
}

/// PR_SET_DUMPABLE: no other process may trace this one or open its /proc links without CAP_SYS_PTRACE.
pub fn set_dumpable(yes: bool) -> Result<()> {
    #[cfg(lockstep_weak)]
    if crate::weak::is("dumpable") {
        return Ok(());
    }
    prctl(libc::PR_SET_DUMPABLE, "PR_SET_DUMPABLE", u64::from(yes))
}

/// PR_SET_CHILD_SUBREAPER (Linux 3.4).
pub fn set_child_subreaper(yes: bool) -> Result<()> {
    prctl(
        libc::PR_SET_CHILD_SUBREAPER,
        "PR_SET_CHILD_SUBREAPER",
        u64::from(yes),
    )
}

/// PR_SET_NO_NEW_PRIVS (Linux 3.5): no execve of this process or its children grants a privilege.
pub fn set_no_new_privs() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS", 1)
}

/// Joins a new anonymous-by-name session keyring; keyctl(2) KEYCTL_JOIN_SESSION_KEYRING.
pub fn join_session_keyring(name: &str) -> Result<()> {
    let c = CString::new(name).map_err(|_nul| Error {
        call: format!("keyctl({name:?})"),
        errno: libc::EINVAL,
    })?;
    // SAFETY: a C string that outlives the call.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            c.as_ptr(),
        )
    };
    check(ret, || {
        format!("keyctl(KEYCTL_JOIN_SESSION_KEYRING, {name:?})")
    })
    .map(drop)
}

/// Marks every descriptor from `first` on close-on-exec; close_range(2) with CLOSE_RANGE_CLOEXEC (Linux 5.11).
pub fn close_on_exec_from(first: u32) -> Result<()> {
    // SAFETY: takes integers and changes descriptor flags only.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    check(ret, || {
        format!("close_range({first}, ~0, CLOSE_RANGE_CLOEXEC)")
    })
    .map(drop)
}

/// Closes every descriptor of this process but these and the standard streams; close_range(2) (Linux 5.9). For the child
/// of a fork that is about to handle bytes of strangers: whatever its parent's variables still own is closed under their
/// hands, so the child has to end by [`exit`] and touch none of them.
pub fn close_all_but(kept: &[BorrowedFd<'_>]) -> Result<()> {
    let mut kept: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    kept.sort_unstable();
    let mut first = 3;
    for end in kept.into_iter().chain([u32::MAX]) {
        if end > first {
            let last = if end == u32::MAX { end } else { end - 1 };
            // SAFETY: by this function's contract no owner of a closed number is used any more.
            let ret = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            check(ret, || format!("close_range({first}, {last}, 0)"))?;
        }
        first = end.max(first).saturating_add(1).max(3);
    }
    Ok(())
}

/// Duplicates a descriptor onto a number, without close-on-exec; dup2(2).
pub fn dup_onto(fd: BorrowedFd<'_>, number: i32) -> Result<()> {
    // SAFETY: what was open at `number` is replaced; the callers use it for the standard streams and the
    // payload's inherited descriptors, which no OwnedFd of this process holds.
    let ret = unsafe { libc::dup2(fd.as_raw_fd(), number) };
    check(ret.into(), || format!("dup2({}, {number})", fd.as_raw_fd())).map(drop)
}

/// Keeps an inherited descriptor open across execve(2).
pub fn keep_on_exec(number: i32) -> Result<()> {
    // SAFETY: changes a flag of a descriptor number; a closed one is EBADF.
    let ret = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    check(ret.into(), || format!("fcntl({number}, F_SETFD, 0)")).map(drop)
}

/// umask(2); the former mask.
pub fn umask(mask: u32) -> u32 {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask)).as_raw_mode()
}

/// fchdir(2).
pub fn fchdir(dir: BorrowedFd<'_>) -> Result<()> {
    rustix::process::fchdir(dir).told(|| format!("fchdir({})", crate::call::fd(dir)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_program_reads_as_in_strace() {
        let refused = |args: &[&str]| {
            let image = Image::new("/no/such", args.iter().copied(), []);
            image.expect("an image").exec().to_string()
        };
        assert_eq!(
            refused(&["/no/such"]),
            r#"execve("/no/such", ["/no/such"]) = ENOENT"#
        );
        assert_eq!(
            refused(&["a", "b"]),
            r#"execve("/no/such", ["a", ...]) = ENOENT"#
        );
    }
}
