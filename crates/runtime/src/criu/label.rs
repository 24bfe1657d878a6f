//! The label of a process, AppArmor's profile or SELinux's context: criu brings back the one that was saved, if it was built
//! to. One that config.json promises and a process has not is refused, before anything is saved and before anything runs.

use super::wire::{self, Value};
use crate::error::{Error, For, Kind, Result};
use crate::label;
use lockstep_abi::errno::Errno;
use lockstep_kernel::file;
use lockstep_oci::runtime::{Process, Spec};
use std::os::fd::BorrowedFd;

/// Longest inventory, in bytes.
const INVENTORY_MAX: usize = 1 << 16;
/// What criu writes of its own machine: magic numbers of four bytes for images and for this one, its length, a message.
const INVENTORY: &str = "inventory.img";
const BEFORE_MESSAGE: usize = 12;
/// `lsmtype` of `images/inventory.proto`, and what it may be.
const LSM: u64 = 6;
const SELINUX: u64 = 1;
const APPARMOR: u64 = 2;

/// A label that config.json promises of every process.
struct Promised<'a> {
    field: &'static str,
    module: &'static str,
    label: &'a str,
    number: u64,
}

fn promised(spec: &Spec) -> Option<Promised<'_>> {
    let process = spec.process.as_ref()?;
    let given = |label: fn(&Process) -> Option<&String>| {
        let label = label(process).map(String::as_str);
        label.filter(|label| !label.is_empty() && *label != "unconfined")
    };
    let profile = given(|process| process.apparmor_profile.as_ref()).map(|label| Promised {
        field: "/process/apparmorProfile",
        module: "AppArmor",
        label,
        number: APPARMOR,
    });
    profile.or_else(|| {
        given(|process| process.selinux_label.as_ref()).map(|label| Promised {
            field: "/process/selinuxLabel",
            module: "SELinux",
            label,
            number: SELINUX,
        })
    })
}

/// Refuses a thread (`PID` or `PID/task/TID`) without the label that the configuration promises. One that is gone
/// needs none.
pub(crate) fn check(proc: BorrowedFd<'_>, spec: &Spec, thread: &str) -> Result<()> {
    let Some(promised) = promised(spec) else {
        return Ok(());
    };
    let current = match promised.number {
        APPARMOR => label::apparmor(proc, thread),
        _ => label::selinux(proc, thread),
    };
    let current = match current {
        Err(e) if e.is(&[Errno::ENOENT.0, Errno::ESRCH.0]) => return Ok(()),
        read => read.during(|| format!("{} label of process {thread}", promised.module))?,
    };
    let has = match promised.number {
        APPARMOR => confines(&current, promised.label),
        _ => current == canonical(promised.label),
    };
    if has {
        return Ok(());
    }
    let pid = thread.split('/').next().unwrap_or_default();
    let text = format!(
        "process {pid} has the {} label {current:?}, and not {:?}",
        promised.module, promised.label
    );
    Err(Error::new(Kind::Invalid, text).asked(promised.field))
}

/// Refuses images that criu saved without labels, where one is promised: not every criu was built with SELinux.
pub(crate) fn check_saved(images: BorrowedFd<'_>, spec: &Spec) -> Result<()> {
    let Some(promised) = promised(spec) else {
        return Ok(());
    };
    let what = || format!("{INVENTORY} of the checkpoint");
    let image = file::read(images, INVENTORY, INVENTORY_MAX).during(what)?;
    let (mut saved, message) = (0, image.get(BEFORE_MESSAGE..).unwrap_or_default());
    let read = wire::read(message, &mut |field, value| {
        if let (LSM, Value::Number(number)) = (field, value) {
            saved = number;
        }
    });
    if read.is_some() && saved == promised.number {
        return Ok(());
    }
    let text = format!(
        "this criu does not save the label {:?} of {}",
        promised.label, promised.module
    );
    let error = Error::new(Kind::Invalid, text).asked(promised.field);
    Err(error.hint("the container would come back without it; `criu --version` and its build say whether it has the module"))
}

/// Whether AppArmor's `current` is of these profiles, or of others below or stacked upon them, to which they let it go.
fn confines(current: &str, profiles: &str) -> bool {
    // `NAME (MODE)`
    let name = match current.rsplit_once(" (") {
        Some((name, _)) => name,
        None => current,
    };
    let wanted = profiles.trim_start_matches('&').split("//&");
    wanted.into_iter().all(|wanted| {
        name.split("//&").any(|has| {
            let below = has.strip_prefix(wanted);
            below.is_some_and(|below| below.is_empty() || below.starts_with("//"))
        })
    })
}

/// A context as the kernel writes it: `c1,c2,c3` is `c1.c3` there.
fn canonical(label: &str) -> String {
    let asked = file::openat(file::CWD, "/sys/fs/selinux/context", file::OFlags::RDWR, 0);
    let asked = asked.and_then(|asked| {
        file::write_fd(&asked, label.as_bytes())?;
        file::read_some(&asked)
    });
    // Who may not ask compares what was given.
    let text = asked.unwrap_or_else(|_| label.as_bytes().to_vec());
    let text = String::from_utf8_lossy(&text).into_owned();
    text.trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::confines;

    #[test]
    fn a_profile_confines_what_is_of_it_below_it_or_stacked_upon_it() {
        for (current, profiles) in [
            ("a (enforce)", "a"),
            ("a (complain)", "&a"),
            ("a//hat (enforce)", "a"),
            ("b//&a (mixed)", "a"),
            ("b//&a//hat (enforce)", "&a"),
            ("a b (enforce)", "a b"),
            ("b//&a (enforce)", "a//&b"),
            (":ns:a (enforce)", ":ns:a"),
        ] {
            assert!(confines(current, profiles), "{current} of {profiles}");
        }
        for (current, profiles) in [
            ("unconfined", "a"),
            ("b (enforce)", "a"),
            ("ab (enforce)", "a"),
            ("b//a (enforce)", "a"),
            ("a (enforce)", "a//&b"),
            ("", "a"),
        ] {
            assert!(!confines(current, profiles), "{current} of {profiles}");
        }
    }
}
