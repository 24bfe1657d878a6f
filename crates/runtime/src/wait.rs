//! Attends a foreground container: passes signals on, relays its terminal, and learns how it ended.

use crate::error::{For, Result};
use crate::notify::Notify;
use lockstep_kernel::console::{self, Raw};
use lockstep_kernel::process::{self, Child, Exit};
use lockstep_kernel::{event, file, signal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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
        (None, None) => forward(child),
        (terminal, notify) => relay(child, terminal.as_ref(), notify, warn),
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
            break forward(child)?;
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
