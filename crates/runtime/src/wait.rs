//! Attends a foreground container: passes signals on, relays its terminal, and learns how it ended.

use crate::error::{For, Result};
use crate::notify::Notify;
use lockstep_kernel::console::{self, Raw};
use lockstep_kernel::process::{self, Child, Exit};
use lockstep_kernel::{event, file, signal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::birth::SIGKILL;

const SIGPIPE: i32 = 13;
const SIGCHLD: i32 = 17;
const SIGURG: i32 = 23;
const SIGWINCH: i32 = 28;

/// Waits for a child while every signal of this process is blocked.
pub(crate) fn attend(
    child: &Child,
    terminal: Option<OwnedFd>,
    notify: Option<Notify>,
    warn: &dyn Fn(&str),
) -> Result<Exit> {
    match (terminal, notify) {
        (None, None) => forward(child, None),
        (terminal, notify) => relay(child, terminal.as_ref(), notify, warn),
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

fn relay(
    child: &Child,
    master: Option<&OwnedFd>,
    mut notify: Option<Notify>,
    warn: &dyn Fn(&str),
) -> Result<Exit> {
    let what = || "relaying the terminal".to_string();
    let [stdin, stdout, _] = console::standard_streams();
    let signals = event::signals().during(what)?;
    let raw = master.map(|master| {
        follow_size(stdin, master.as_fd());
        Raw::enter(stdin).during(what)
    });
    let raw = raw.transpose()?;
    let mut open_input = master.is_some();
    let exit = loop {
        let input = if open_input { Some(stdin) } else { None };
        let [output, signal, typed, said] = event::readable(&[
            master.map(AsFd::as_fd),
            Some(signals.as_fd()),
            input,
            notify.as_ref().map(Notify::as_fd),
        ])
        .during(what)?;
        if let Some(master) = master.filter(|_| output)
            && !pump(master.as_fd(), stdout)
            && !signal
        {
            // EIO: nobody has the terminal open any more; the end of the process is what is left to hear of.
            break forward(child, None)?;
        }
        if let Some(master) = master.filter(|_| typed) {
            open_input = pump(stdin, master.as_fd());
        }
        if said {
            notify = hear(notify, warn);
        }
        if signal {
            let number = event::next_signal(signals.as_fd()).during(what)?;
            match master {
                Some(master) if number == SIGWINCH => follow_size(stdin, master.as_fd()),
                _ => pass_on(child, number)?,
            }
            if let Some(exit) = reap(child)? {
                if let Some(master) = master {
                    while event::readable_now(master.as_fd()) && pump(master.as_fd(), stdout) {}
                }
                break exit;
            }
        }
    };
    drop(raw);
    Ok(exit)
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

fn follow_size(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    if let Some((rows, columns)) = console::size(from) {
        // The container may have closed its terminal; a size that nobody sees is no loss.
        drop(console::set_size(to, rows, columns));
    }
}

/// Moves what is there; false at the end.
fn pump(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    match file::read_some(from) {
        Ok(bytes) if !bytes.is_empty() => file::write_fd(to, &bytes).is_ok(),
        _ => false,
    }
}
