//! Signalling: every process of the container, also one that is forked meanwhile.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lockstep_abi::errno::Errno;
use lockstep_abi::signal::SIGKILL;
use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;

use super::{Cgroup, Error, FORBIDDEN, GONE};

/// How long processes are looked for that are forked faster than they are signalled.
const CHASE_TIMEOUT: Duration = Duration::from_secs(10);

/// Listings without anybody new after which everybody is taken to have the signal. One is too few: a process may be in the
/// middle of fork(2) when it is signalled, and its child in no list yet.
const QUIET: u32 = 3;

impl Cgroup {
    /// Sends a signal to every process. One that ends meanwhile is no error; one that may not be signalled is, after all
    /// others were.
    ///
    /// A container that is paused stays so, and a handler sees the signal when it is resumed. SIGKILL ends it (see
    /// [`Cgroup::kill_all`]), and on version 2 so does any other signal whose default action is the end, where a process
    /// has no handler: that is the kernel's.
    pub fn signal_all(&self, signal: i32) -> Result<(), Error> {
        if signal == SIGKILL {
            return self.kill_all();
        }
        // One that cannot be asked was not paused by this runtime, which could not have done it.
        let paused = self.frozen().unwrap_or(false);
        self.signal_at_rest(signal, !paused)
    }

    /// Kills every process, also one that forks as fast as it can. It does not wait for their end.
    pub fn kill_all(&self) -> Result<(), Error> {
        match self.kill_at_once()? {
            true => self.release(),
            false => self.signal_at_rest(SIGKILL, true),
        }
    }

    /// Whether the kernel has killed all of them (cgroup.kill, Linux 5.14), which nobody can fork away from.
    fn kill_at_once(&self) -> Result<bool, Error> {
        let Some(dir) = self.unified_dir() else {
            return Ok(false);
        };
        match kernel::file::write(CWD, format!("{}/cgroup.kill", dir.path), b"1") {
            Ok(()) => Ok(true),
            // KERNEL(5.14): before it, and in a directory that is gone, there is no such file.
            Err(call) if call.is(&GONE) => Ok(false),
            // A threaded cgroup: its processes belong to the domain above.
            Err(call) if call.is(&[Errno::EOPNOTSUPP.0]) => Ok(false),
            // A scope in a session is not its user's, but the processes are.
            Err(call) if call.is(&FORBIDDEN) => Ok(false),
            Err(call) => Err(Error::call("cannot kill the container", call)),
        }
    }

    /// Stops them, so that nothing forks between the listing and the signals. A freezer that is missing, or does not come to
    /// rest, spares nobody: then they are listed until nobody is new.
    fn signal_at_rest(&self, signal: i32, release: bool) -> Result<(), Error> {
        let at_rest = self.freeze().is_ok();
        let result = match at_rest {
            true => self.pids().and_then(|pids| signal_each(&pids, signal)),
            false => self.chase(signal),
        };
        // Not before the last signal: who goes on may fork. And whatever came of them, or nobody moves again.
        let released = match release {
            true => self.release(),
            false => Ok(()),
        };
        match at_rest {
            true => result.and(released),
            // It was not this that stopped anybody.
            false => result,
        }
    }

    /// Signals whoever was not signalled yet, until there is nobody such.
    fn chase(&self, signal: i32) -> Result<(), Error> {
        let end = Instant::now() + CHASE_TIMEOUT;
        let (mut signalled, mut quiet) = (BTreeSet::new(), 0);
        let mut result = Ok(());
        loop {
            let mut pids = self.pids()?;
            if pids.is_empty() {
                return result;
            }
            pids.retain(|&pid| signalled.insert(pid));
            result = result.and(signal_each(&pids, signal));
            quiet = if pids.is_empty() { quiet + 1 } else { 0 };
            if quiet == QUIET {
                return result;
            }
            if Instant::now() > end {
                let error = Error::new("cannot signal every process of the container");
                return Err(error.hint("new ones appear faster than they are signalled, and the container cannot be frozen"));
            }
            std::thread::sleep(Duration::from_micros(100) * quiet);
        }
    }

    /// Lets go on what was stopped. On version 1 a process does not even die before. On version 2 it does, but the directory
    /// stays frozen without it: who joined it meanwhile would wait for ever, and no other container could be made there.
    fn release(&self) -> Result<(), Error> {
        match self.thaw() {
            Err(error) if self.freezer_path().is_some() && !gone(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

fn gone(error: &Error) -> bool {
    error.refused().is_some_and(|call| call.is(&GONE))
}

/// All of them, whatever one says; the first refusal is returned.
fn signal_each(pids: &[i32], signal: i32) -> Result<(), Error> {
    let all = pids.iter().map(|&pid| signal_one(pid, signal));
    all.fold(Ok(()), Result::and)
}

pub(super) fn signal_one(pid: i32, signal: i32) -> Result<(), Error> {
    match kernel::process::kill(pid, signal) {
        Err(call) if !call.is(&[Errno::ESRCH.0]) => Err(Error::call(
            "cannot signal a process of the container",
            call,
        )),
        _ => Ok(()),
    }
}
