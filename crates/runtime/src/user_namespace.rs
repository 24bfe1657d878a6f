//! Why this host refuses user namespaces: the settings by which distributions and administrators do. Asked after a refusal
//! alone.

use crate::label;
use lockstep_abi::errno::Errno;
use lockstep_kernel::{credential, file};
use std::os::fd::AsFd;

/// Debian's and Arch's kernels; 0 refuses with EPERM.
const CLONE: &str = "/proc/sys/kernel/unprivileged_userns_clone";
/// Ubuntu's; 1 refuses with EACCES, or refuses with EPERM whatever the namespace would be made for (profile
/// `unprivileged_userns`).
const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
/// namespaces(7); 0 refuses everybody with ENOSPC.
const MOST: &str = "/proc/sys/user/max_user_namespaces";
/// Which setting refuses user namespaces to this process with that error number (or with any), and what lifts it; `None` where
/// it is none of those that are known.
#[must_use]
pub fn refusal(errno: Option<i32>) -> Option<String> {
    let read = |path: &str| {
        let text = file::read_at_once(file::CWD, path, 4096).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.trim_end_matches(['\0', '\n']).to_owned()
    };
    let label = || {
        let proc = file::open_dir(file::CWD, "/proc");
        let label = proc.and_then(|proc| label::apparmor(proc.as_fd(), "self"));
        label.unwrap_or_default()
    };
    refusal_where(errno, credential::euid() == 0, &read, &label)
}

/// The same of a host whose files `read` gives, empty where there is none, to a process with this label of AppArmor.
fn refusal_where(
    errno: Option<i32>,
    root: bool,
    read: &dyn Fn(&str) -> String,
    label: &dyn Fn() -> String,
) -> Option<String> {
    let with = |errnos: &[Errno]| errno.is_none_or(|n| errnos.iter().any(|e| e.0 == n));
    if with(&[Errno::EPERM]) && !root && read(CLONE) == "0" {
        return Some(
            "kernel.unprivileged_userns_clone is 0, which refuses user namespaces to users: \
             as root, sysctl -w kernel.unprivileged_userns_clone=1"
                .into(),
        );
    }
    if with(&[Errno::EPERM, Errno::EACCES])
        && read(APPARMOR) == "1"
        && is_restricted(root, &label())
    {
        return Some(
            "kernel.apparmor_restrict_unprivileged_userns is 1: this host's AppArmor lets users' programs have user namespaces \
             only by a profile that says so. That of lockstep, as root: \
             lockstep doctor --apparmor-profile > /etc/apparmor.d/lockstep && apparmor_parser -r /etc/apparmor.d/lockstep"
                .into(),
        );
    }
    if with(&[Errno::ENOSPC]) && read(MOST) == "0" {
        return Some(
            "user.max_user_namespaces is 0, which refuses user namespaces to everybody: \
             as root, sysctl -w user.max_user_namespaces=15000"
                .into(),
        );
    }
    None
}

/// Whether this process has no profile of its own, but for the one that Ubuntu's kernel changes to in a namespace.
fn is_restricted(root: bool, label: &str) -> bool {
    match label {
        "" | "unconfined" => !root,
        label => label.starts_with("unprivileged_userns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host with these files alone, to a process without a label.
    fn host(errno: Option<Errno>, root: bool, files: &[(&str, &str)]) -> String {
        labelled(errno, root, files, "")
    }

    fn labelled(errno: Option<Errno>, root: bool, files: &[(&str, &str)], label: &str) -> String {
        let read = |asked: &str| {
            let found = files.iter().find(|(path, _)| *path == asked);
            found.map_or_else(String::new, |(_, text)| (*text).to_owned())
        };
        let label = || label.to_owned();
        refusal_where(errno.map(|errno| errno.0), root, &read, &label).unwrap_or_default()
    }

    #[test]
    fn what_refuses_user_namespaces_is_named() {
        for errno in [None, Some(Errno::EPERM)] {
            assert!(host(errno, false, &[(CLONE, "0")]).contains("unprivileged_userns_clone=1"));
            assert_eq!(host(errno, false, &[(CLONE, "1")]), "");
            assert_eq!(host(errno, true, &[(CLONE, "0")]), "");
        }
        for errno in [None, Some(Errno::ENOSPC)] {
            assert!(host(errno, true, &[(MOST, "0")]).contains("max_user_namespaces=15000"));
            assert_eq!(host(errno, true, &[(MOST, "96365")]), "");
        }
    }

    #[test]
    fn a_program_without_a_profile_is_told_of_it() {
        let told = |root: bool, value: &str, label: &str| {
            labelled(Some(Errno::EACCES), root, &[(APPARMOR, value)], label)
                .contains("doctor --apparmor-profile")
        };
        assert!(told(false, "1", ""));
        assert!(told(false, "1", "unconfined"));
        assert!(told(true, "1", "unprivileged_userns (enforce)"));
        // Root is not restricted, nor is who has a profile, which then says no by itself.
        assert!(!told(true, "1", "unconfined"));
        assert!(!told(false, "1", "lockstep (unconfined)"));
        assert!(!told(false, "0", "unconfined"));
    }

    #[test]
    fn another_error_has_another_reason() {
        let all = [(CLONE, "0"), (APPARMOR, "1"), (MOST, "0")];
        assert!(host(Some(Errno::EACCES), false, &all).contains("apparmor_restrict"));
        assert!(host(Some(Errno::EPERM), false, &all).contains("unprivileged_userns_clone"));
        assert!(host(Some(Errno::ENOSPC), false, &all).contains("max_user_namespaces"));
        assert_eq!(host(Some(Errno::EINVAL), false, &all), "");
        assert_eq!(host(None, false, &[]), "");
    }
}
