//! Where a terminal's master goes: to the engine's socket, or to the caller's own terminal.

use crate::error::{Error, For, Kind, Result};
use lockstep_kernel::socket;
use lockstep_oci::runtime::Spec;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Connects to the engine's socket where one has to be, and refuses combinations that would lose a terminal.
pub(crate) fn socket_for(
    spec: &Spec,
    path: Option<&Path>,
    detached: bool,
) -> Result<Option<OwnedFd>> {
    let terminal = spec.process.as_ref().is_some_and(|p| p.terminal);
    check(terminal, path, detached)?;
    connect(path)
}

/// As [`socket_for`], for a process of its own.
pub(crate) fn check(terminal: bool, path: Option<&Path>, detached: bool) -> Result<()> {
    match (terminal, path.is_some(), detached) {
        (true, false, true) => Err(Error::new(
            Kind::Invalid,
            "cannot allocate tty if runc will detach without setting console socket",
        )),
        (false, true, true) | (_, true, false) => Err(Error::new(
            Kind::Invalid,
            "cannot use console socket if runc will not detach or allocate tty",
        )),
        _ => Ok(()),
    }
}

/// Connects to the engine's socket.
pub(crate) fn connect(path: Option<&Path>) -> Result<Option<OwnedFd>> {
    let Some(path) = path else { return Ok(None) };
    socket::connect_stream(path)
        .map(Some)
        .during(|| format!("console socket {}", path.display()))
}

/// Sends the master to the engine.
pub(crate) fn hand_over(socket: Option<&OwnedFd>, master: Option<&OwnedFd>) -> Result<()> {
    let (Some(socket), Some(master)) = (socket, master) else {
        return Ok(());
    };
    socket::send(socket.as_fd(), b"/dev/ptmx", &[master.as_fd()]).during(|| "console socket".into())
}
