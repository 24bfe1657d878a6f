//! Removing the container's directories, with those that it made below them.

use std::time::Duration;

use lockstep_abi::errno::Errno;
use lockstep_abi::signal::SIGKILL;
use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;

use super::{Cgroup, DirState, Error, GONE, control, signal, systemd};

/// Waits after a refusal: a killed process leaves its cgroup a moment after its parent has learnt of
/// its end. About two seconds in all.
const PAUSES_MS: [u64; 12] = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

impl Cgroup {
    /// Removes every directory that was made for the container, and all below it. What systemd could not be told of
    /// that is returned: it notices by itself.
    ///
    /// Processes that are left make it fail, unless `kill` says that they be killed. A directory that
    /// is gone already is no error; one that was there before the container stays, with whoever is in it.
    pub fn delete(&self, kill: bool) -> Result<Option<Error>, Error> {
        let mut untold = None;
        if let Some(unit) = &self.state.unit
            && !unit.found
            && (kill || self.placeholder.is_some())
        {
            // systemd would ask first, with SIGTERM, and wait for a minute and a half.
            self.kill_all()?;
            untold = systemd::stop(unit).err();
        }
        self.remove(kill).map(|()| untold)
    }

    fn remove(&self, kill: bool) -> Result<(), Error> {
        // Others of a slice that was there may have come into the directories that we made in its name.
        let shared = self.state.unit.as_ref().is_some_and(|unit| unit.found);
        let mut left: Vec<&DirState> = self.state.dirs.iter().filter(|d| !d.found).collect();
        let mut last = None;
        for pause in PAUSES_MS {
            left.retain(|dir| match kernel::file::rmdir(CWD, &dir.path) {
                Ok(()) => false,
                Err(call) if call.is(&GONE) => false,
                Err(call) => {
                    last = Some(call);
                    true
                }
            });
            let busy = last.as_ref().is_none_or(|call| call.is(&[Errno::EBUSY.0]));
            if left.is_empty() || !busy {
                break;
            }
            if kill && !shared {
                self.kill_in(&left)?;
            }
            for dir in &left {
                remove_children(&dir.path)?;
            }
            std::thread::sleep(Duration::from_millis(pause));
        }
        let (Some(dir), Some(call)) = (left.first(), last) else {
            return Ok(());
        };
        if shared && call.is(&[Errno::EBUSY.0]) {
            return Ok(());
        }
        let pids = control::pids_below(&dir.path)?;
        let error = Error::call("cannot remove the container's cgroup", call);
        Err(if pids.is_empty() {
            error
        } else {
            let shown: Vec<String> = pids.iter().take(8).map(i32::to_string).collect();
            error.hint(format!(
                "{} process(es) are left: {}",
                pids.len(),
                shown.join(" ")
            ))
        })
    }
}

impl Cgroup {
    /// Kills what holds directories of ours. Every process of the container is in each, and whoever is in one that we
    /// found need not be of the container.
    fn kill_in(&self, ours: &[&DirState]) -> Result<(), Error> {
        if !self.state.dirs.iter().any(|dir| dir.found) {
            return self.kill_all();
        }
        for dir in ours {
            for pid in control::pids_below(&dir.path)? {
                signal::signal_one(pid, SIGKILL)?;
            }
        }
        Ok(())
    }
}

/// The directories below one, deepest first; one with processes stays, and so do those above it.
fn remove_children(path: &str) -> Result<(), Error> {
    for child in children(path)? {
        let child = format!("{path}/{child}");
        match kernel::file::rmdir(CWD, &child) {
            Err(call) if call.is(&[Errno::EBUSY.0]) => {
                remove_children(&child)?;
                match kernel::file::rmdir(CWD, &child) {
                    Err(call) if !call.is(&GONE) && !call.is(&[Errno::EBUSY.0]) => {
                        return Err(Error::call("cannot remove a cgroup of the container", call));
                    }
                    _ => {}
                }
            }
            Err(call) if !call.is(&GONE) => {
                return Err(Error::call("cannot remove a cgroup of the container", call));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The cgroups directly below one; none where it is gone.
pub(super) fn children(path: &str) -> Result<Vec<String>, Error> {
    let fail = |call| Error::call("cannot list the container's cgroups", call);
    // The link count of a directory is two and one for each directory in it: one call instead of four
    // in the usual case of none.
    match kernel::file::stat(CWD, path, false) {
        Ok(stat) if stat.st_nlink == 2 => return Ok(Vec::new()),
        Err(call) if call.is(&GONE) => return Ok(Vec::new()),
        other => other.map_err(fail)?,
    };
    match kernel::cgroup::children(CWD, path) {
        Err(call) if call.is(&GONE) => Ok(Vec::new()),
        other => other.map_err(fail),
    }
}
