//! Users and groups of this process; every change applies to the one thread there is.

use crate::call::{Result, check};

/// setgroups(2).
pub fn setgroups(groups: &[u32]) -> Result<()> {
    // SAFETY: the pointer and length are of one slice of gid_t (u32).
    let ret = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    check(ret, || format!("setgroups({groups:?})")).map(drop)
}

/// setresgid(2) of all three group ids.
pub fn setgid(gid: u32) -> Result<()> {
    // SAFETY: takes integers; the raw call, since this process has one thread.
    let ret = unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) };
    check(ret, || format!("setresgid({gid}, {gid}, {gid})")).map(drop)
}

/// setresuid(2) of all three user ids.
pub fn setuid(uid: u32) -> Result<()> {
    // SAFETY: takes integers; the raw call, since this process has one thread.
    let ret = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
    check(ret, || format!("setresuid({uid}, {uid}, {uid})")).map(drop)
}

/// setresuid(2) of the effective user id alone. Away from 0 it takes the effective capabilities, back to 0 it
/// returns the permitted ones (capabilities(7)).
pub fn set_effective_user(uid: u32) -> Result<()> {
    // SAFETY: takes integers, -1 leaving an id as it is; the raw call, since this process has one thread.
    let ret = unsafe { libc::syscall(libc::SYS_setresuid, -1, uid, -1) };
    check(ret, || format!("setresuid(-1, {uid}, -1)")).map(drop)
}

/// Effective user id; geteuid(2).
pub fn euid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Effective group id; getegid(2).
pub fn egid() -> u32 {
    rustix::process::getegid().as_raw()
}

/// PR_SET_KEEPCAPS: the permitted capabilities survive the next change from uid 0.
pub fn keep_capabilities(yes: bool) -> Result<()> {
    crate::process::prctl(libc::PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS", u64::from(yes))
}
