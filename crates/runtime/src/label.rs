//! The label that a security module gives a process (`/proc/PID/attr`, proc_pid_attr(5)).

use lockstep_abi::errno::Errno;
use lockstep_kernel::{Result, file};
use std::os::fd::BorrowedFd;

/// Both modules' longest label, in bytes.
const LABEL_MAX: usize = 1 << 16;

/// AppArmor's, `NAME (MODE)` or `unconfined`, of a thread: `self`, `PID` or `PID/task/TID`.
///
/// # Errors
///
/// ENOENT or ESRCH where the thread is gone.
pub(crate) fn apparmor(proc: BorrowedFd<'_>, thread: &str) -> Result<String> {
    match read(proc, thread, "apparmor/current") {
        // KERNEL(5.8): AppArmor's own file.
        Err(e) if e.is(&[Errno::ENOENT.0]) => read(proc, thread, "current"),
        other => other,
    }
}

/// SELinux's context, likewise.
pub(crate) fn selinux(proc: BorrowedFd<'_>, thread: &str) -> Result<String> {
    read(proc, thread, "current")
}

fn read(proc: BorrowedFd<'_>, thread: &str, name: &str) -> Result<String> {
    let text = file::read_at_once(proc, format!("{thread}/attr/{name}"), LABEL_MAX)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.trim_end_matches(['\0', '\n']).to_owned())
}
