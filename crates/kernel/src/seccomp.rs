//! Loads seccomp filters and hands over their notification descriptor (seccomp(2)).

use crate::call::{Error, Result, check};
use lockstep_abi::bpf::Insn;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// SECCOMP_FILTER_FLAG_NEW_LISTENER (Linux 5.0).
pub const NEW_LISTENER: u32 = 1 << 3;

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    len: u16,
    filter: *const Insn,
}

/// seccomp(2) SECCOMP_SET_MODE_FILTER; the descriptor is of the listener when `flags` ask for one.
pub fn load(filter: &[Insn], flags: u32) -> Result<Option<OwnedFd>> {
    const SECCOMP_SET_MODE_FILTER: u32 = 1;
    let program = Program {
        len: filter.len() as u16,
        filter: filter.as_ptr(),
    };
    // SAFETY: `program` points at `len` instructions that have the layout of struct sock_filter; the kernel
    // copies and checks them before the call returns.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_SET_MODE_FILTER,
            flags,
            std::ptr::from_ref(&program),
        )
    };
    let ret = check(ret, || {
        format!(
            "seccomp(SECCOMP_SET_MODE_FILTER, {flags:#x}, {{len={}}})",
            filter.len()
        )
    })?;
    if flags & NEW_LISTENER == 0 {
        return Ok(None);
    }
    // SAFETY: with that flag the result is a new descriptor that nobody else owns.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(ret as i32) }))
}

/// What the two threads of [`load_beside`] share.
struct Beside<'a> {
    socket: BorrowedFd<'a>,
    message: &'a [u8],
    /// The listener's number, once there is one; [`WAIT`] before, [`STOP`] if there will be none.
    listener: AtomicI32,
    /// [`WAIT`], then 0 or the errno of sendmsg(2).
    sent: AtomicI32,
}

const WAIT: i32 = -1;
const STOP: i32 = -2;

/// As [`load`], for a filter that stops the call by which its listener would be sent: `message` and the listener
/// go to `socket` from a second thread, which is not under the filter. This thread makes no call until that is
/// done, so nothing of what the filter does to it matters before the listener has somebody who answers.
///
/// The only thread that is ever started before execve(2), which ends it: it allocates nothing and takes no lock.
pub fn load_beside(
    filter: &[Insn],
    flags: u32,
    socket: BorrowedFd<'_>,
    message: &[u8],
) -> Result<()> {
    /// Far more than one sendmsg(2) takes, in bytes.
    const STACK: usize = 64 << 10;
    /// The second thread must stay out of it, and there is no third.
    const TSYNC: u32 = 1 | 1 << 4;
    let shared = Beside {
        socket,
        message,
        listener: AtomicI32::new(WAIT),
        sent: AtomicI32::new(WAIT),
    };
    let stack = vec![0u128; STACK / size_of::<u128>()].leak();
    let thread = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM;
    // SAFETY: the stack is leaked, and grows down from its end, which is aligned to 16 bytes. `shared` outlives
    // the thread's use of it: this function returns after the thread has stored its last word there, or after
    // STOP, and then the caller ends the process. The thread has this one's thread-local storage, of which the
    // system calls of rustix use nothing.
    let ret = unsafe {
        libc::clone(
            hand_over,
            stack.as_mut_ptr_range().end.cast(),
            thread,
            std::ptr::from_ref(&shared).cast_mut().cast(),
        )
    };
    check(ret.into(), || "clone(CLONE_THREAD|...)".into())?;
    let listener = match load(filter, (flags & !TSYNC) | NEW_LISTENER) {
        Ok(Some(listener)) => listener,
        other => {
            shared.listener.store(STOP, Ordering::Release);
            while shared.sent.load(Ordering::Acquire) == WAIT {
                std::hint::spin_loop();
            }
            return other.map(drop);
        }
    };
    shared
        .listener
        .store(listener.as_raw_fd(), Ordering::Release);
    let errno = loop {
        match shared.sent.load(Ordering::Acquire) {
            WAIT => std::hint::spin_loop(),
            errno => break errno,
        }
    };
    // Closed by execve(2): closing it here would be a call under the filter.
    crate::file::leave_open(listener);
    match errno {
        0 => Ok(()),
        errno => Err(Error {
            call: format!("sendmsg({}, 1 fd)", socket.as_raw_fd()),
            errno,
        }),
    }
}

/// The second thread.
extern "C" fn hand_over(shared: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `load_beside` passes its own `Beside`, and waits for the last store below.
    let shared = unsafe { &*shared.cast::<Beside<'_>>() };
    let number = loop {
        match shared.listener.load(Ordering::Acquire) {
            WAIT => rustix::thread::sched_yield(),
            number => break number,
        }
    };
    let errno = if number == STOP {
        0
    } else {
        // SAFETY: the listener, which the other thread keeps open.
        let listener = unsafe { BorrowedFd::borrow_raw(number) };
        let sent = crate::socket::send_quietly(shared.socket, shared.message, &[listener]);
        sent.err().map_or(0, rustix::io::Errno::raw_os_error)
    };
    shared.sent.store(errno, Ordering::Release);
    0
}

/// Whether the kernel knows an action (SECCOMP_RET_*); seccomp(2) SECCOMP_GET_ACTION_AVAIL (Linux 4.14).
pub fn action_available(action: u32) -> bool {
    const SECCOMP_GET_ACTION_AVAIL: u32 = 2;
    // SAFETY: the kernel reads one u32.
    unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_GET_ACTION_AVAIL,
            0,
            std::ptr::from_ref(&action),
        ) == 0
    }
}

/// Whether the kernel knows a filter flag: with a null program an unknown one is EINVAL, a known one EFAULT.
pub fn flag_available(flag: u32) -> bool {
    const SECCOMP_SET_MODE_FILTER: u32 = 1;
    // SAFETY: the kernel refuses the null program before it uses it.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_SET_MODE_FILTER,
            flag,
            std::ptr::null::<Program>(),
        )
    };
    check(ret, String::new).is_err_and(|e| e.errno == libc::EFAULT)
}
