//! What the two processes of a container's birth say to each other, one message per datagram.

use crate::error::{Error, For, Result};
use lockstep_abi::errno::Errno;
use lockstep_kernel::{self as kernel, socket};
use lockstep_plan::{Barrier, Outcome};
use std::os::fd::{BorrowedFd, OwnedFd};

/// A message of one process to the other.
#[derive(Debug)]
pub(crate) enum Message {
    /// A barrier is reached or opened.
    Barrier(u8),
    /// The init process is done but for the program, and this is what differs from the plan.
    Ready(Outcome),
    /// The master of the container's terminal.
    Console(OwnedFd),
    /// The listener of the container's seccomp filter.
    Listener(OwnedFd),
    /// The container's user and mount namespace.
    Namespaces(OwnedFd, OwnedFd),
    /// The init process has failed and is ending.
    Failed(Error),
    /// The other side has closed: it died, or it executed the program.
    End,
}

const BARRIER: u8 = b'B';
const READY: u8 = b'R';
const CONSOLE: u8 = b'C';
const LISTENER: u8 = b'L';
const NAMESPACES: u8 = b'N';
/// The bytes that go with the filter's listener.
pub(crate) const LISTENER_MESSAGE: &[u8] = &[LISTENER];
const FAILED: u8 = b'E';

/// Opens or reports a barrier.
pub(crate) fn send_barrier(socket: BorrowedFd<'_>, barrier: Barrier) -> kernel::Result<()> {
    socket::send(socket, &[BARRIER, barrier as u8], &[])
}

/// Opens a barrier for a process that may have ended meanwhile: then what it said before is the error.
pub(crate) fn open_barrier(socket: BorrowedFd<'_>, barrier: Barrier, what: &str) -> Result<()> {
    match send_barrier(socket, barrier) {
        Err(e) if e.is(&[Errno::EPIPE.0]) => match receive(socket) {
            Ok(Message::Failed(said)) => Err(said),
            _ => Err(Error::call(what, &e)),
        },
        other => other.during(|| what.to_owned()),
    }
}

/// Reports that all is done but the program.
pub(crate) fn send_ready(socket: BorrowedFd<'_>, outcome: &Outcome) -> kernel::Result<()> {
    socket::send(socket, &json(READY, outcome), &[])
}

/// Hands over the terminal's master.
pub(crate) fn send_console(socket: BorrowedFd<'_>, master: BorrowedFd<'_>) -> kernel::Result<()> {
    socket::send(socket, &[CONSOLE], &[master])
}

/// Hands over the filter's listener; a single sendmsg(2), since the filter is already in force.
pub(crate) fn send_listener(
    socket: BorrowedFd<'_>,
    listener: BorrowedFd<'_>,
) -> kernel::Result<()> {
    socket::send(socket, LISTENER_MESSAGE, &[listener])
}

/// Hands over the user and the mount namespace.
pub(crate) fn send_namespaces(
    socket: BorrowedFd<'_>,
    namespaces: [BorrowedFd<'_>; 2],
) -> kernel::Result<()> {
    socket::send(socket, &[NAMESPACES], &namespaces)
}

/// Reports a failure.
pub(crate) fn send_failure(socket: BorrowedFd<'_>, error: &Error) -> kernel::Result<()> {
    socket::send(socket, &json(FAILED, &shortened(error)), &[])
}

fn json<T: serde::Serialize>(tag: u8, value: &T) -> Vec<u8> {
    let mut message = vec![tag];
    // Our own types of strings and numbers: serialising them cannot fail.
    serde_json::to_writer(&mut message, value).unwrap_or_default();
    message
}

/// An error that fits into a message: hooks and paths can make it as long as they like.
fn shortened(error: &Error) -> Error {
    const LONGEST: usize = 2 << 10;
    let cut = |text: &String| match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.clone(),
    };
    let mut short = Error::new(error.kind, cut(&error.message));
    short.call = error.call.as_ref().map(cut);
    short.reason = error.reason.as_ref().map(cut);
    short.asked = error.asked.as_ref().map(cut);
    short.document.clone_from(&error.document);
    short.hint = error.hint.as_ref().map(cut);
    short
}

/// Waits for the next message.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> Result<Message> {
    let (bytes, fds) = socket::receive(socket)
        .map_err(|e| Error::call("waiting for the container's process", &e))?;
    parse(&bytes, fds)
}

/// A message from its datagram.
pub(crate) fn parse(bytes: &[u8], fds: Vec<OwnedFd>) -> Result<Message> {
    let broken = |what: &str| {
        Error::new(
            crate::error::Kind::Kernel,
            format!("broken message from init: {what}"),
        )
    };
    let Some((tag, body)) = bytes.split_first() else {
        return Ok(Message::End);
    };
    let mut fds = fds.into_iter();
    Ok(match *tag {
        BARRIER => Message::Barrier(body.first().copied().unwrap_or(0)),
        READY => Message::Ready(serde_json::from_slice(body).map_err(|e| broken(&e.to_string()))?),
        FAILED => {
            Message::Failed(serde_json::from_slice(body).map_err(|e| broken(&e.to_string()))?)
        }
        CONSOLE => Message::Console(fds.next().ok_or_else(|| broken("no terminal"))?),
        NAMESPACES => {
            let mut next = || fds.next().ok_or_else(|| broken("no namespaces"));
            Message::Namespaces(next()?, next()?)
        }
        LISTENER => Message::Listener(fds.next().ok_or_else(|| broken("no listener"))?),
        _ => return Err(broken("unknown tag")),
    })
}
