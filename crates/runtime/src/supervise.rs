//! A container in the hands of a process that stays beside it: made, then begun by a word, then attended.
//!
//! In between the supervisor gives up its rights, so what comes after it (removing the cgroups, the state) is
//! for somebody else: [`Runtime::delete`].

use crate::Runtime;
use crate::birth::Born;
use crate::cgroup::{Cgroup, OomCounter};
use crate::error::{Error, Kind, Result};
use crate::notify::Relay;
use crate::prepare::Prepared;
use crate::request::CreateRequest;
use lockstep_kernel::process::Child;
use lockstep_plan::Outcome;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A container whose program has not begun.
pub struct Waiting {
    prepared: Prepared,
    born: Born,
    relay: Option<Relay>,
}

/// A container whose program runs.
#[derive(Debug)]
pub struct Begun {
    /// Its first process, a child of this one.
    pub child: Child,
    /// The terminal's master, if the configuration asks for one.
    pub console: Option<OwnedFd>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting")
            .field("born", &self.born)
            .finish_non_exhaustive()
    }
}

impl Waiting {
    /// The first process, in the caller's pid namespace.
    pub fn pid(&self) -> i32 {
        self.born.child.pid
    }

    /// User and mount namespace of a container that is held ([`lockstep_plan::create::Supervised::held`]).
    pub fn namespaces(&self) -> Option<(BorrowedFd<'_>, BorrowedFd<'_>)> {
        let (user, mount) = self.born.namespaces.as_ref()?;
        Some((user.as_fd(), mount.as_fd()))
    }

    /// What the program says to the service manager, where there is one.
    pub fn take_relay(&mut self) -> Option<Relay> {
        self.relay.take()
    }

    /// What differs from the configuration.
    pub fn outcome(&self) -> &Outcome {
        &self.born.outcome
    }

    /// The count of its processes that the kernel will have killed for want of memory, to be read at its end.
    pub fn oom_counter(&self) -> Result<Option<OomCounter>> {
        Ok(Cgroup::open(&self.prepared.stored.cgroup).oom_counter()?)
    }
}

impl Runtime<'_> {
    /// Makes a container up to its program. Of one that fails nothing is left.
    pub fn make_waiting(&self, request: &CreateRequest) -> Result<Waiting> {
        if request.console_socket.is_some() || request.pidfd_socket.is_some() {
            let text = "a supervised container has no sockets of an engine";
            return Err(Error::new(Kind::Invalid, text));
        }
        let mut prepared = self.prepare(request)?;
        let mut born = self.make(request, &mut prepared, false)?;
        let host = request.notify_socket.as_deref();
        let relay = match host {
            Some(_) => self
                .root
                .container(&request.id)
                .and_then(|directory| Relay::open(&directory, host, &mut born.outcome)),
            None => Ok(None),
        };
        let (relay, result) = match relay {
            Ok(relay) => (relay, Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.finish(request, &prepared, &born, result)?;
        Ok(Waiting {
            prepared,
            born,
            relay,
        })
    }

    /// Lets the program begin; the caller may have given up its rights by now. Of a container that fails the
    /// process has ended, and the rest is left for [`Runtime::delete`].
    pub fn begin(&self, waiting: Waiting) -> Result<Begun> {
        self.go(&waiting.prepared, &waiting.born)?;
        Ok(Begun {
            child: waiting.born.child,
            console: waiting.born.console,
        })
    }
}
