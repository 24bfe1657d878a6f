//! Signals as a queue: blocked before anything is forked, taken one at a time afterwards.

use crate::call::{Result, check};

/// Blocks every signal of this thread, so that none is lost between clone and wait; the former mask.
pub fn block_all() -> Result<Mask> {
    let mut all = empty();
    // SAFETY: fills the set.
    unsafe { libc::sigfillset(&raw mut all) };
    set_mask(&all)
}

/// A signal mask.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

impl Mask {
    /// Makes this the thread's mask.
    pub fn restore(&self) -> Result<()> {
        set_mask(&self.0).map(drop)
    }
}

/// Blocks what a terminal stops a process group by: for one of which this process, which takes its signals later, waits.
pub fn block_stops() -> Result<()> {
    let mut stops = empty();
    for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        // SAFETY: a valid set and the number of a signal.
        unsafe { libc::sigaddset(&raw mut stops, signal) };
    }
    // SAFETY: the set outlives the call; a null former mask is allowed.
    let ret = unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const stops, std::ptr::null_mut()) };
    check(ret.into(), || "rt_sigprocmask(SIG_BLOCK)".into()).map(drop)
}

/// Unblocks every signal, as a payload expects it.
pub fn unblock_all() -> Result<()> {
    set_mask(&empty()).map(drop)
}

fn empty() -> libc::sigset_t {
    // SAFETY: sigset_t is an array of integers, for which zero is the empty set.
    unsafe { std::mem::zeroed() }
}

fn set_mask(set: &libc::sigset_t) -> Result<Mask> {
    let mut old = empty();
    // SAFETY: both pointers are to sets that outlive the call.
    let ret = unsafe { libc::sigprocmask(libc::SIG_SETMASK, set, &raw mut old) };
    check(ret.into(), || "rt_sigprocmask(SIG_SETMASK)".into())?;
    Ok(Mask(old))
}

/// Waits for any signal, for at most `timeout_ms` milliseconds; `None` when the time is over. sigtimedwait(2).
pub fn wait(timeout_ms: Option<u64>) -> Result<Option<i32>> {
    let mut all = empty();
    // SAFETY: fills the set.
    unsafe { libc::sigfillset(&raw mut all) };
    let timeout = timeout_ms.map(|ms| libc::timespec {
        tv_sec: (ms / 1000) as libc::time_t,
        tv_nsec: (ms % 1000 * 1_000_000) as libc::c_long,
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the set and the timeout outlive the call; a null siginfo is allowed.
    let ret = unsafe { libc::sigtimedwait(&raw const all, std::ptr::null_mut(), timeout) };
    match check(ret.into(), || "rt_sigtimedwait()".into()) {
        Ok(signal) => Ok(Some(signal as i32)),
        Err(e) if e.is(&[libc::EAGAIN, libc::EINTR]) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Gives every signal that the caller had ignored its default action back: execve(2) hands what is ignored on, and an
/// ignored SIGCHLD would make wait(2) forget children.
pub fn default_ignored() -> Result<()> {
    let status = crate::file::read_at_once(crate::file::CWD, "/proc/self/status", 1 << 16)?;
    for signal in ignored(&String::from_utf8_lossy(&status)) {
        // SAFETY: SIG_DFL installs no code.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    Ok(())
}

/// Makes a write to what nobody reads an error (EPIPE) of this process and of those that it starts from now on, in the
/// place of their end by SIGPIPE.
pub fn ignore_pipe() {
    // SAFETY: SIG_IGN installs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// The numbers in the `SigIgn` mask of proc_pid_status(5).
fn ignored(status: &str) -> impl Iterator<Item = i32> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    (1..=64).filter(move |signal| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_mask_counts_from_one() {
        let status = "SigBlk:\t0000000000000001\nSigIgn:\t8000000000001004\n";
        assert_eq!(super::ignored(status).collect::<Vec<_>>(), [3, 13, 64]);
        assert_eq!(super::ignored("").count(), 0);
    }
}
