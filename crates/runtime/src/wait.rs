//! Attends a foreground container: passes signals on, relays its terminal, and learns how it ended.

use crate::error::{For, Result};
use crate::notify::Notify;
use lockstep_kernel::process::{self, Child, Exit};
use lockstep_kernel::signal;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use lockstep_abi::signal::{SIGCHLD, SIGKILL, SIGPIPE, SIGURG};
use relay::Attended;

mod relay;

/// Waits for a child while every signal of this process is blocked; `None` if its terminal was left by the keys.
pub(crate) fn attend(
    child: &Child,
    terminal: Option<OwnedFd>,
    notify: Option<Notify>,
    detach_keys: &[u8],
    warn: &dyn Fn(&str),
) -> Result<Option<Exit>> {
    match (terminal, notify) {
        (None, None) => forward(child, None).map(Some),
        ends => Attended::new(child, ends, detach_keys, warn).run(),
    }
}

/// The same with SIGKILL after a time; the process's end is waited for all the same.
pub(crate) fn attend_for(child: &Child, limit: Duration) -> Result<Exit> {
    forward(child, Instant::now().checked_add(limit))
}

fn forward(child: &Child, mut deadline: Option<Instant>) -> Result<Exit> {
    loop {
        if let Some(exit) = reap(child)? {
            return Ok(exit);
        }
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX) + 1);
        if let Some(number) = signal::wait(left).during(|| "waiting for the container".into())? {
            pass_on(child, number)?;
        }
        if deadline.take_if(|at| *at <= Instant::now()).is_some() {
            pass_on(child, SIGKILL)?;
        }
    }
}

/// Takes every ended child; orphans of the container come here too when this is their subreaper.
fn reap(child: &Child) -> Result<Option<Exit>> {
    while let Some((pid, exit)) =
        process::wait(-1, true).during(|| "waiting for the container".into())?
    {
        if pid == child.pid {
            return Ok(Some(exit));
        }
    }
    Ok(None)
}

/// SIGURG is not passed on, as in runc: language runtimes send it to themselves. SIGPIPE tells of this
/// process's own output.
fn pass_on(child: &Child, number: i32) -> Result<()> {
    if matches!(number, SIGPIPE | SIGCHLD | SIGURG) {
        return Ok(());
    }
    match process::pidfd_send_signal(child.pidfd.as_fd(), number) {
        // ESRCH: it has just ended, which the next round finds out.
        Err(e) if e.is(&[lockstep_abi::errno::Errno::ESRCH.0]) => Ok(()),
        other => other.during(|| format!("passing signal {number} on")),
    }
}

/// Passes on that the program is ready; then nobody listens any more. This process stays to be watched.
fn hear(notify: Option<Notify>, warn: &dyn Fn(&str)) -> Option<Notify> {
    let notify = notify?;
    let told = notify.says_ready().and_then(|ready| {
        if ready {
            notify.tell(process::id()).map(Some)
        } else {
            Ok(None)
        }
    });
    match told {
        Ok(None) => Some(notify),
        Ok(Some(_manager)) => None,
        Err(e) => {
            warn(&e.to_string());
            None
        }
    }
}
