//! Loads seccomp filters and hands over their notification descriptor (seccomp(2)).

use crate::call::{Result, check};
use lockstep_abi::bpf::Insn;
use std::os::fd::{FromRawFd, OwnedFd};

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
