//! Attends a foreground container: passes signals on, relays its terminal, and learns how it ended.

use crate::error::{For, Result};
use lockstep_kernel::console::{self, Raw};
use lockstep_kernel::process::{self, Child, Exit};
use lockstep_kernel::{event, file, signal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const SIGPIPE: i32 = 13;
const SIGCHLD: i32 = 17;
const SIGURG: i32 = 23;
const SIGWINCH: i32 = 28;

/// Waits for a child while every signal of this process is blocked.
pub(crate) fn attend(child: &Child, terminal: Option<OwnedFd>) -> Result<Exit> {
    match terminal {
        Some(master) => relay(child, &master),
        None => forward(child),
    }
}

fn forward(child: &Child) -> Result<Exit> {
    loop {
        if let Some(exit) = reap(child)? {
            return Ok(exit);
        }
        if let Some(number) = signal::wait(None).during(|| "waiting for the container".into())? {
            pass_on(child, number)?;
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

fn relay(child: &Child, master: &OwnedFd) -> Result<Exit> {
    let what = || "relaying the terminal".to_string();
    let [stdin, stdout, _] = console::standard_streams();
    let signals = event::signals().during(what)?;
    follow_size(stdin, master.as_fd());
    let raw = Raw::enter(stdin).during(what)?;
    let mut open_input = true;
    let exit = loop {
        let input = if open_input { Some(stdin) } else { None };
        let ready =
            event::readable(&[Some(master.as_fd()), Some(signals.as_fd()), input]).during(what)?;
        if ready[0] && !pump(master.as_fd(), stdout) && !ready[1] {
            // EIO: nobody has the terminal open any more; the end of the process is what is left to hear of.
            break forward(child)?;
        }
        if ready[2] {
            open_input = pump(stdin, master.as_fd());
        }
        if ready[1] {
            let number = event::next_signal(signals.as_fd()).during(what)?;
            if number == SIGWINCH {
                follow_size(stdin, master.as_fd());
            } else {
                pass_on(child, number)?;
            }
            if let Some(exit) = reap(child)? {
                while event::readable_now(master.as_fd()) && pump(master.as_fd(), stdout) {}
                break exit;
            }
        }
    };
    drop(raw);
    Ok(exit)
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
