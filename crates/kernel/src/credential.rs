//! Users and groups of this process; every change applies to the one thread there is.

use crate::call::{Result, check, is_id};

/// setgroups(2).
pub fn setgroups(groups: &[u32]) -> Result<()> {
    // SAFETY: the pointer and length are of one slice of gid_t (u32).
    let ret = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    check(ret, || format!("setgroups({groups:?})")).map(drop)
}

/// setresgid(2) of all three group ids; `EINVAL` for what is no id.
pub fn setgid(gid: u32) -> Result<()> {
    let call = || format!("setresgid({gid}, {gid}, {gid})");
    is_id(&[gid], call)?;
    // SAFETY: takes integers; the raw call, since this process has one thread.
    let ret = unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) };
    check(ret, call).map(drop)
}

/// setresuid(2) of all three user ids; `EINVAL` for what is no id.
pub fn setuid(uid: u32) -> Result<()> {
    let call = || format!("setresuid({uid}, {uid}, {uid})");
    is_id(&[uid], call)?;
    // SAFETY: takes integers; the raw call, since this process has one thread.
    let ret = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
    check(ret, call).map(drop)
}

/// setresuid(2) of the effective user id alone. Away from 0 it takes the effective capabilities, back to 0 it
/// returns the permitted ones (capabilities(7)).
pub fn set_effective_user(uid: u32) -> Result<()> {
    let call = || format!("setresuid(-1, {uid}, -1)");
    is_id(&[uid], call)?;
    // SAFETY: takes integers, -1 leaving an id as it is; the raw call, since this process has one thread.
    let ret = unsafe { libc::syscall(libc::SYS_setresuid, -1, uid, -1) };
    check(ret, call).map(drop)
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

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_abi::id::NO_ID;

    /// The kernel itself does nothing for it and answers 0: who asked would go on as who it was.
    #[test]
    fn what_is_no_id_is_refused() {
        for refused in [setuid(NO_ID), setgid(NO_ID), set_effective_user(NO_ID)] {
            assert!(refused.expect_err("no id").is(&[libc::EINVAL]));
        }
        assert!(setgroups(&[NO_ID]).is_err());
    }
}
