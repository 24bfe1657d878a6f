//! The connection to the new process: barriers, what it reports, and its end.

use super::Birth;
use crate::error::{Error, For, Kind, Result};
use crate::message::{self, Message};
use lockstep_abi::errno::Errno;
use lockstep_abi::signal::SIGKILL;
use lockstep_kernel::process;
use lockstep_plan::Barrier;
use std::os::fd::{AsFd, BorrowedFd};

impl Birth<'_> {
    /// Ends the new process. What it said about its end is better than what its end looked like from here.
    pub(super) fn abandon(&mut self, error: Error) -> Error {
        let Some(child) = self.child.take() else {
            self.lent.give_back();
            return error;
        };
        // ESRCH: it has ended by itself.
        drop(process::pidfd_send_signal(child.pidfd.as_fd(), SIGKILL));
        drop(process::wait(child.pid, false));
        self.lent.give_back();
        // It is dead, so this does not block. What failed here may only be what its death looks like from here:
        // a closed socket, files of its /proc that are the host root's.
        let Some(peer) = &self.peer else {
            return error;
        };
        loop {
            match message::receive(peer.as_fd()) {
                Ok(Message::Failed(said)) => return said,
                Ok(Message::End) | Err(_) => return error,
                Ok(_) => {}
            }
        }
    }

    pub(super) fn peer(&self) -> Result<BorrowedFd<'_>> {
        self.peer
            .as_ref()
            .map(AsFd::as_fd)
            .ok_or_else(|| Error::new(Kind::Invalid, "no process was made yet"))
    }

    pub(super) fn signal(&mut self, barrier: Barrier) -> Result<()> {
        let peer = self.peer()?;
        match message::send_barrier(peer, barrier) {
            // EPIPE: it has ended, and what it said before is better than that nobody listens.
            Err(e) if e.is(&[Errno::EPIPE.0]) => match message::receive(peer) {
                Ok(Message::Failed(said)) => Err(said),
                _ => Err(self.died()),
            },
            other => other.during(|| format!("opening {barrier:?}")),
        }
    }

    pub(super) fn wait(&mut self, barrier: Barrier) -> Result<()> {
        loop {
            match message::receive(self.peer()?)? {
                Message::Barrier(reached) if reached == barrier as u8 => return Ok(()),
                Message::Ready(outcome) if barrier == Barrier::Ready => {
                    self.outcome.downgrades.extend(outcome.downgrades);
                    return Ok(());
                }
                Message::Console(master) => self.console = Some(master),
                Message::Namespaces(user, mount) => self.namespaces = Some((user, mount)),
                Message::Failed(e) => return Err(e),
                _ => return Err(self.died()),
            }
        }
    }

    /// What is known of a process that ended without a word.
    fn died(&mut self) -> Error {
        let exit = self
            .child
            .take()
            .and_then(|child| process::wait(child.pid, false).ok().flatten());
        match exit {
            Some((_, process::Exit::Signal(SIGKILL))) => {
                let text = "the container's process was killed while it was being made";
                let error = Error::new(Kind::Kernel, text);
                match self.memory_limit {
                    None => error.hint("somebody sent SIGKILL"),
                    Some(limit) => error.asked("/linux/resources/memory/limit").hint(format!(
                        "its memory limit of {limit} bytes may be too small, or somebody sent SIGKILL"
                    )),
                }
            }
            other => Error::new(
                Kind::Kernel,
                format!("the container's process ended while it was being made: {other:?}"),
            ),
        }
    }
}
