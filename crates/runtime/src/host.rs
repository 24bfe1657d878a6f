//! Probes what planning needs to know of this host, and no more: each fact costs system calls.

use crate::error::{Error, For, Result};
use crate::label;
use lockstep_kernel::{capability, credential, file};
use lockstep_oci::runtime::{Linux, NamespaceType, Process, Spec};
use lockstep_plan::Host;
use lockstep_plan::cgroup::{Layout, Mode, layout};
use std::os::fd::BorrowedFd;
use std::path::Path;

/// The largest file of /proc that is read here, in bytes: mountinfo grows with the number of mounts.
const LIMIT: usize = 64 << 20;

/// Probes the host for a container and its first process.
pub(crate) fn probe(proc: BorrowedFd<'_>, spec: &Spec, process: Option<&Process>) -> Result<Host> {
    Ok(Host {
        kcore: kcore(proc)?,
        ..probe_further(proc, spec, process)?
    })
}

/// Probes the host for a further process, which gets no devices.
pub(crate) fn probe_further(
    proc: BorrowedFd<'_>,
    spec: &Spec,
    process: Option<&Process>,
) -> Result<Host> {
    let sets = capability::get().during(|| "capabilities of the caller".into())?;
    let linux = spec.linux.as_ref();
    let new_user = linux.is_some_and(|l| l.has_namespace(&NamespaceType::User));
    let labelled = process.is_some_and(|p| p.selinux_label.is_some())
        || linux.is_some_and(|l| l.mount_label.is_some());
    let confined = spec
        .annotations
        .contains_key(lockstep_oci::landlock::ANNOTATION);
    let selinux = labelled && selinux();
    if selinux {
        let process = process.and_then(|p| p.selinux_label.as_deref());
        let mounts = linux.and_then(|l| l.mount_label.as_deref());
        known_label("/process/selinuxLabel", process)?;
        known_label("/linux/mountLabel", mounts)?;
    }
    let apparmor = process.is_some_and(|p| p.apparmor_profile.is_some()) && apparmor();
    let mounts = read(proc, "self/mountinfo")?;
    let inside = in_user_namespace(proc)?;
    Ok(Host {
        uid: credential::euid(),
        gid: credential::egid(),
        capabilities: sets.effective,
        bounding: sets.permitted,
        // Only root's containers without a user namespace of their own are planned differently inside one.
        user_namespace: !new_user && inside,
        set_groups: !inside || !read(proc, "self/setgroups")?.starts_with("deny"),
        apparmor,
        apparmor_confined: apparmor && apparmor_confined(proc)?,
        selinux,
        landlock_abi: if confined {
            lockstep_kernel::landlock::abi()
        } else {
            0
        },
        kcore: false,
        resctrl: linux
            .and_then(|l| l.intel_rdt.as_ref())
            .and_then(|_| resctrl(&mounts)),
        cgroup: cgroups(proc, &mounts, linux.is_some_and(|l| l.resources.is_some()))?,
    })
}

/// Probes everything, for whoever asks what would be done here, or takes the answer elsewhere.
pub(crate) fn probe_all(proc: BorrowedFd<'_>) -> Result<Host> {
    let host = probe(proc, &Spec::default(), None)?;
    let mounts = read(proc, "self/mountinfo")?;
    Ok(Host {
        apparmor: apparmor(),
        apparmor_confined: apparmor() && apparmor_confined(proc)?,
        selinux: selinux(),
        landlock_abi: lockstep_kernel::landlock::abi(),
        resctrl: resctrl(&mounts),
        cgroup: cgroups(proc, &mounts, true)?,
        ..host
    })
}

/// A host that was probed for nothing in particular, as [`probe`] has it for a configuration.
pub(crate) fn seen_from(host: Host, linux: &Linux) -> Host {
    Host {
        user_namespace: host.user_namespace && !linux.has_namespace(&NamespaceType::User),
        ..host
    }
}

fn read(proc: BorrowedFd<'_>, path: &str) -> Result<String> {
    let bytes = file::read(proc, path, LIMIT).during(|| format!("reading /proc/{path}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The cgroup hierarchies of this process.
fn cgroups(proc: BorrowedFd<'_>, mounts: &str, limits: bool) -> Result<Layout> {
    let own = file::read_at_once(proc, "self/cgroup", LIMIT)
        .during(|| "reading /proc/self/cgroup".into())?;
    let own = String::from_utf8_lossy(&own).into_owned();
    let found = layout(mounts, &own, &[]);
    // Beside v1 hierarchies the unified one matters for limits alone, and then for few.
    if found.mode == Mode::Hybrid && !limits {
        return Ok(found);
    }
    found.with_controllers(|mount| {
        let text = read_controllers(&Path::new(mount).join("cgroup.controllers"))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    })
}

/// None where the mount only looks like one, or not for this user.
fn read_controllers(path: &Path) -> Result<Vec<u8>> {
    use lockstep_abi::errno::Errno;
    match file::read_at_once(file::CWD, path, 4096) {
        Err(e) if e.is(&[Errno::ENOENT.0, Errno::EACCES.0]) => Ok(Vec::new()),
        other => other.during(|| "controllers of cgroup v2".into()),
    }
}

/// Reads mountinfo for the layout alone.
pub(crate) fn cgroup_layout(proc: BorrowedFd<'_>) -> Result<Layout> {
    cgroups(proc, &read(proc, "self/mountinfo")?, true)
}

/// Whether the kernel shows its memory (proc(5), /proc/kcore; CONFIG_PROC_KCORE).
fn kcore(proc: BorrowedFd<'_>) -> Result<bool> {
    match file::stat(proc, "kcore", false) {
        Err(e) if e.is(&[lockstep_abi::errno::Errno::ENOENT.0]) => Ok(false),
        other => other
            .map(|_| true)
            .during(|| "looking for /proc/kcore".into()),
    }
}

/// The first user namespace maps every id onto itself.
pub(crate) fn in_user_namespace(proc: BorrowedFd<'_>) -> Result<bool> {
    let map = file::read_at_once(proc, "self/uid_map", LIMIT)
        .during(|| "reading /proc/self/uid_map".into())?;
    let map = String::from_utf8_lossy(&map).into_owned();
    Ok(map.split_whitespace().ne(["0", "0", "4294967295"]))
}

/// Whether AppArmor is on (its module's parameter).
pub(crate) fn apparmor() -> bool {
    #[cfg(lockstep_weak)]
    if lockstep_kernel::weak::is("assume-apparmor") {
        return true;
    }
    file::read(file::CWD, "/sys/module/apparmor/parameters/enabled", 16)
        .is_ok_and(|text| text.starts_with(b"Y"))
}

/// Whether this process is confined by an AppArmor profile.
fn apparmor_confined(proc: BorrowedFd<'_>) -> Result<bool> {
    #[cfg(lockstep_weak)]
    if lockstep_kernel::weak::is("assume-apparmor") {
        return Ok(false);
    }
    let current = label::apparmor(proc, "self");
    let text = current.during(|| "the caller's own AppArmor profile".into())?;
    // `NAME (unconfined)` is a profile that confines nothing (flags=(unconfined)).
    Ok(text != "unconfined" && !text.ends_with("(unconfined)"))
}

/// Asks the loaded policy whether it knows a label: what the kernel would say at its use is EINVAL alone.
fn known_label(pointer: &str, label: Option<&str>) -> Result<()> {
    use lockstep_abi::errno::Errno;
    let Some(label) = label.filter(|label| !label.is_empty()) else {
        return Ok(());
    };
    match file::write(file::CWD, "/sys/fs/selinux/context", label.as_bytes()) {
        Err(e) if e.is(&[Errno::EINVAL.0]) => {
            let message = format!("the loaded SELinux policy does not know the label {label:?}");
            Err(Error::call(message, &e).asked(pointer).hint(
                "a user, role, type or level in it is not of this policy; `seinfo` lists what is",
            ))
        }
        // Who may not ask is told by the kernel when the label is used.
        Err(e)
            if e.is(&[
                Errno::EACCES.0,
                Errno::EPERM.0,
                Errno::ENOENT.0,
                Errno::EROFS.0,
            ]) =>
        {
            Ok(())
        }
        other => other.during(|| format!("asking whether the policy knows {label:?}")),
    }
}

/// Whether SELinux is on (its file system is mounted).
pub(crate) fn selinux() -> bool {
    file::stat(file::CWD, "/sys/fs/selinux/enforce", true).is_ok()
}

fn resctrl(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        right
            .starts_with("resctrl ")
            .then(|| left.split(' ').nth(4).map(String::from))?
    })
}
