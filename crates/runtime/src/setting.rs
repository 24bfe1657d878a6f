//! Files of procfs that change the calling process, always below a /proc that was opened and checked early.
//!
//! A container can put a file of its own at /proc; a label or a sysctl written there would be lost in silence
//! (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).

use crate::error::{Error, For, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_kernel::mount::{PROC_SUPER_MAGIC, filesystem_type};
use lockstep_kernel::{self as kernel, file, process};
use lockstep_plan::Op;
#[cfg(lockstep_weak)]
use std::os::fd::AsFd;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Opens the host's /proc and makes sure that it is one.
pub(crate) fn open_proc() -> Result<OwnedFd> {
    let proc = file::open_dir(file::CWD, "/proc").during(|| "opening /proc".into())?;
    match filesystem_type(&proc).during(|| "checking /proc".into())? {
        PROC_SUPER_MAGIC => Ok(proc),
        other => Err(Error::new(
            Kind::Kernel,
            format!("/proc is not procfs but file system {other:#x}"),
        )),
    }
}

/// The host name of this UTS namespace.
pub(crate) fn hostname(name: &str) -> Result<()> {
    kernel::namespace::sethostname(name).during(|| "setting the host name".into())
}

/// Its NIS domain name.
pub(crate) fn domainname(name: &str) -> Result<()> {
    kernel::namespace::setdomainname(name).during(|| "setting the domain name".into())
}

/// Writes a sysctl of the namespaces that this process is in; dots separate, or slashes (sysctl(8)).
pub(crate) fn sysctl(proc: BorrowedFd<'_>, key: &str, value: &str) -> Result<()> {
    let path = lockstep_oci::runtime::sysctl::Name::parse(key)
        .map(|key| key.path())
        .ok_or_else(|| Error::new(Kind::Invalid, format!("sysctl {key:?} is not a name")))?;
    #[cfg(lockstep_weak)]
    let by_path = weak_proc();
    #[cfg(lockstep_weak)]
    let proc = by_path.as_ref().map_or(proc, AsFd::as_fd);
    file::write(proc, format!("sys/{path}"), value.as_bytes()).during(|| format!("sysctl {key:?}"))
}

/// AppArmor profile of the next execve; the newer file first (Linux 5.8). Stacked (Linux 4.13) it confines besides
/// the profile that the caller has.
pub(crate) fn apparmor_on_exec(proc: BorrowedFd<'_>, op: &Op) -> Result<()> {
    let Op::ApparmorOnExec { profile, stack } = op else {
        return Err(crate::init::not_of_init());
    };
    let how = if *stack { "stack" } else { "exec" };
    let text = format!("{how} {profile}");
    #[cfg(lockstep_weak)]
    let by_path = weak_proc();
    #[cfg(lockstep_weak)]
    let proc = by_path.as_ref().map_or(proc, AsFd::as_fd);
    let written = match file::write(proc, "self/attr/apparmor/exec", text.as_bytes()) {
        // No such profile is the same error number as no such file.
        Err(e) if e.is(&[Errno::ENOENT.0]) => file::write(proc, "self/attr/exec", text.as_bytes()),
        other => other,
    };
    let Err(refused) = written else { return Ok(()) };
    let hint = if refused.is(&[Errno::ENOENT.0]) {
        format!(
            "no profile {profile:?} is loaded into this kernel: apparmor_parser -r FILE loads one"
        )
    } else if refused.is(&[Errno::EACCES.0, Errno::EPERM.0]) {
        "the profile that confines the caller has no change_profile rule for it".to_owned()
    } else {
        String::new()
    };
    let told = Err(refused).during(|| format!("AppArmor profile {profile:?}"));
    match hint.is_empty() {
        true => told,
        false => told.map_err(|e: Error| e.hint(hint)),
    }
}

/// What is at /proc now, whatever it is.
#[cfg(lockstep_weak)]
fn weak_proc() -> Option<OwnedFd> {
    let wanted = kernel::weak::is("fake-proc");
    wanted.then(|| file::open_dir(file::CWD, "/proc").ok())?
}

/// SELinux label of the next execve.
pub(crate) fn selinux_on_exec(proc: BorrowedFd<'_>, label: &str) -> Result<()> {
    file::write(proc, "self/attr/exec", label.as_bytes())
        .during(|| format!("SELinux label {label:?}"))
}

/// A session keyring of its own. Without the container's label it bears the runtime's, and SELinux does not let the
/// container use it.
pub(crate) fn join_keyring(proc: BorrowedFd<'_>, op: &Op) -> Result<()> {
    let Op::JoinKeyring { name, label } = op else {
        return Err(crate::init::not_of_init());
    };
    // An empty line takes the label away again: the program makes its own keys.
    let set = |taken: bool| {
        let Some(label) = label else { return Ok(()) };
        let text = if taken { "\n" } else { label };
        file::write(proc, "self/attr/keycreate", text.as_bytes())
            .during(|| format!("SELinux label {label:?} of keys"))
    };
    let join = || process::join_session_keyring(name).during(|| "session keyring".into());
    // Each is done whatever came of the one before: a label that is refused must not leave the program in the
    // caller's keyring.
    let (labelled, joined, taken) = (set(false), join(), set(true));
    joined.and(labelled).and(taken)
}

/// oom_score_adj of a process. Lowering it needs CAP_SYS_RESOURCE.
pub(crate) fn oom_score_adj(proc: BorrowedFd<'_>, pid: i32, value: i64) -> kernel::Result<()> {
    file::write(
        proc,
        format!("{pid}/oom_score_adj"),
        value.to_string().as_bytes(),
    )
}
