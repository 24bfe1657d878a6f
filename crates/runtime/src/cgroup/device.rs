//! Device rules in force: lines of version 1, a program of version 2.

use std::os::fd::{AsFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;
use lockstep_kernel::bpf;
use lockstep_kernel::file::CWD;
use lockstep_plan::cgroup::ListWrite;

use super::apply::DEVICES;
use super::{DirState, Error, TEXT_MAX, open_dir};

/// The list that is in force (cgroup v1).
pub(super) fn list(dir: &DirState) -> Result<String, Error> {
    let read = kernel::file::read(CWD, format!("{}/devices.list", dir.path), TEXT_MAX);
    let fail = |call| Error::call("cannot read the container's devices", call).because(DEVICES);
    Ok(String::from_utf8_lossy(&read.map_err(fail)?).into_owned())
}

/// Writes lines. Each control file is opened once for all its lines; the kernel takes one line per write(2).
pub(super) fn write_list(dir: &DirState, writes: &[ListWrite]) -> Result<(), Error> {
    write_lines(dir, writes).map_err(|(_, error)| error)
}

/// Writes exceptions to a list that has none of those that are added and all of those that are taken away. Where one is
/// refused, the others are taken back.
pub(super) fn write_changes(dir: &DirState, writes: &[ListWrite]) -> Result<(), Error> {
    write_lines(dir, writes).map_err(|(done, error)| {
        let mut back = writes[..done].to_vec();
        back.reverse();
        back.iter_mut().for_each(|write| write.allow = !write.allow);
        // The first error is the one to report.
        drop(write_lines(dir, &back));
        error
    })
}

/// An error comes with the number of lines that are written.
fn write_lines(dir: &DirState, writes: &[ListWrite]) -> Result<(), (usize, Error)> {
    let mut open = [None, None];
    for (at, write) in writes.iter().enumerate() {
        let name = if write.allow {
            "devices.allow"
        } else {
            "devices.deny"
        };
        let refused = |call: kernel::Error| (at, refused(write, name, call));
        let slot = &mut open[usize::from(write.allow)];
        if slot.is_none() {
            let path = format!("{}/{name}", dir.path);
            *slot = Some(kernel::cgroup::open_for_writing(CWD, path).map_err(refused)?);
        }
        if let Some(file) = slot {
            kernel::file::write_fd(&*file, write.entry.as_bytes()).map_err(refused)?;
        }
    }
    Ok(())
}

fn refused(write: &ListWrite, name: &str, call: kernel::Error) -> Error {
    let hint = match Errno(call.errno) {
        Errno::EPERM => "the parent cgroup denies it: this runtime may itself run in a container",
        Errno::EINVAL if write.entry == "a" => {
            "the container has cgroups of its own, and cgroup v1 then lets nobody change whether everything is allowed"
        }
        _ => "",
    };
    let because = if write.because.is_empty() {
        DEVICES
    } else {
        &write.because
    };
    let what = format!("cannot write {:?} to {name}", write.entry);
    Error::call(what, call).hint(hint).because(because)
}

fn bpf_refused(call: kernel::Error) -> Error {
    let forbidden = call.is(&[Errno::EPERM.0, Errno::EACCES.0]);
    let error = Error::call("cannot restrict the container's devices", call).because(DEVICES);
    if forbidden {
        error.hint("device programs need CAP_BPF and CAP_NET_ADMIN in the initial user namespace")
    } else {
        error
    }
}

/// Puts a program in the place of the one that is in force (cgroup v2).
pub(super) fn put_program(path: &str, program: &[u64]) -> Result<(), Error> {
    let dir = open_dir(path)?;
    let loaded = bpf::load_device_filter(bpf::DEVICE_FILTER, program).map_err(bpf_refused)?;
    let attached = ours(&dir).map_err(bpf_refused)?;
    if let [old] = attached.as_slice() {
        match bpf::attach_device_filter(&dir, &loaded, Some(old.as_fd())) {
            // KERNEL(5.6): without BPF_F_REPLACE the new one is added and the old one taken away.
            Err(call) if call.is(&[Errno::EINVAL.0]) => {}
            other => return other.map_err(bpf_refused),
        }
    }
    // The new one first: between two calls both hold, never none.
    bpf::attach_device_filter(&dir, &loaded, None).map_err(bpf_refused)?;
    detach(&dir, &attached)
}

/// Takes the program that is in force away.
pub(super) fn take_programs(path: &str) -> Result<(), Error> {
    let dir = open_dir(path)?;
    match ours(&dir) {
        // Who may not look at programs has put none there.
        Err(call) if call.is(&[Errno::EPERM.0, Errno::EINVAL.0]) => Ok(()),
        found => detach(&dir, &found.map_err(bpf_refused)?),
    }
}

/// The programs of Lockstep at a cgroup. Those of others only deny, and hold beside them.
fn ours(dir: &OwnedFd) -> kernel::Result<Vec<OwnedFd>> {
    let mut ours = Vec::new();
    for program in bpf::device_filters(dir)? {
        if bpf::name(&program)? == bpf::DEVICE_FILTER {
            ours.push(program);
        }
    }
    Ok(ours)
}

fn detach(dir: impl AsFd, programs: &[OwnedFd]) -> Result<(), Error> {
    for old in programs {
        bpf::detach_device_filter(dir.as_fd(), old).map_err(bpf_refused)?;
    }
    Ok(())
}
