//! The process that tidies up after one that was killed: nothing unfinished stays behind a SIGKILL.
//!
//! It is forked before a byte of a stranger is read, handles none, and is told directories alone: the one name that it
//! removes in them was fixed before, so a corrupted sender cannot aim it at anything.

use crate::error::{During, Error, Result};
use lockstep_kernel::process::{self, Child, Side};
use lockstep_kernel::{signal, socket, tree};
use std::os::fd::{AsFd, OwnedFd};

/// Most directories that it watches: a copy has one for each mount that it crosses.
const MOST: usize = 128;

pub(super) struct Janitor {
    /// Its end tells the other side that this process has ended, however it did.
    socket: Option<OwnedFd>,
    child: Child,
    told: usize,
}

impl Janitor {
    /// Starts it, to remove `name`.
    pub(super) fn start(name: &str) -> Result<Janitor> {
        let what = || "a process that tidies up".to_owned();
        let (ours, theirs) = socket::pair().during(what)?;
        match process::clone(0, None).during(what)? {
            Side::Child => {
                drop(ours);
                process::exit(i32::from(serve(&theirs, name).is_err()))
            }
            Side::Parent(child) => Ok(Janitor {
                socket: Some(ours),
                child,
                told: 0,
            }),
        }
    }

    /// Before something of that name is made in a directory.
    pub(super) fn watch(&mut self, directory: impl AsFd) -> Result<()> {
        self.told += 1;
        if self.told > MOST {
            return Err(Error::new(
                crate::Kind::Limit,
                format!("the copy crosses more than {MOST} mounts"),
            ));
        }
        match &self.socket {
            Some(socket) => socket::send(socket.as_fd(), b".", &[directory.as_fd()])
                .during(|| "telling the process that tidies up".to_owned()),
            None => Ok(()),
        }
    }
}

impl Janitor {
    /// Has it tidy up; whether nothing is left.
    pub(super) fn end(&mut self) -> Result<bool> {
        self.socket = None;
        let ended = process::wait(self.child.pid, false)
            .during(|| "waiting for the process that tidies up".to_owned())?;
        Ok(ended.is_some_and(|(_, exit)| exit.status() == 0))
    }
}

/// Away from the terminal, whose keys end the others.
fn serve(socket: &OwnedFd, name: &str) -> lockstep_kernel::Result<()> {
    process::setsid()?;
    signal::block_all()?;
    process::die_with_parent(false)?;
    process::close_all_but(&[socket.as_fd()])?;
    let mut directories: Vec<OwnedFd> = Vec::new();
    loop {
        let (message, sent) = socket::receive(socket.as_fd())?;
        if message.is_empty() {
            break;
        }
        directories.extend(sent.into_iter().take(1));
    }
    // What cannot be removed in one of them is no reason to leave the others as they are.
    let removed = directories.iter().map(|dir| tree::remove(dir, name));
    removed.fold(Ok(()), lockstep_kernel::Result::and)
}
