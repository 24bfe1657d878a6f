//! `start`: from a container that waits to a program that runs.

use crate::birth::{Born, Lent};
use crate::error::{Error, For, Kind, Result};
use crate::message::{self, Message};
use crate::notify::Notify;
use crate::prepare::Prepared;
use crate::state::{self, ContainerId, Directory, InitProcess, START, State as Stored};
use crate::{Runtime, setting};
use lockstep_abi::signal::SIGKILL;
use lockstep_kernel::{process, socket};
use lockstep_oci::runtime::{self as oci, Hooks};
use lockstep_oci::state::{ContainerProcessState, SECCOMP_FD_NAME, State, Status};
use lockstep_plan::Barrier;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

impl Runtime<'_> {
    /// Lets a created container execute its program (runtime.md, "Start").
    /// Where the caller has a service manager, returns when the program is ready (sd_notify(3)).
    pub fn start(&self, id: &ContainerId, notify_socket: Option<&Path>) -> Result<()> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        let wrong = |why: &str| Err(Error::new(Kind::WrongState, why));
        let init = match directory.status()? {
            (Status::Created, Some(init)) => init,
            (Status::Stopped, _) => return wrong("cannot start a container that has stopped"),
            _ => return wrong("cannot start an already running container"),
        };
        let peer = socket::connect(directory.as_fd(), START)
            .during(|| format!("reaching container {id}"))?;
        let lent = lent(&directory, &stored, &init)?;
        // Behind what may be refused: a start that is tried again finds its name free.
        let notify = Notify::bind(&directory, notify_socket)?;
        message::send_barrier(peer.as_fd(), Barrier::Go)
            .during(|| format!("starting container {id}"))?;
        let begun = self.release(&stored, init.pid, peer.as_fd(), || {
            // The program runs, and the socket without its listener says so too.
            if let Err(e) = directory.started() {
                (self.warn)(&e.to_string());
            }
        });
        begun.inspect_err(|_| {
            // The error that ended it is the one to report; it may have ended by itself.
            drop(state::signal(&init, SIGKILL));
            lent.give_back();
        })?;
        self.await_ready(notify, init.pid)
    }

    /// From the last barrier to a program that runs, of which the poststart hooks are told; without them the container
    /// has to be stopped (runtime.md, step 9).
    fn release(
        &self,
        stored: &Stored,
        pid: i32,
        peer: BorrowedFd<'_>,
        executed: impl FnOnce(),
    ) -> Result<()> {
        // As agents of runc know it: the program has not begun when they are told.
        let begun = self.oci_state(stored, Status::Creating, Some(pid));
        await_execution(peer, |listener| {
            hand_to_agent(&stored.spec, &begun, pid, &listener)
        })?;
        executed();
        let told = self.oci_state(stored, Status::Running, Some(pid));
        let empty = Hooks::default();
        let hooks = stored.spec.hooks.as_ref().unwrap_or(&empty);
        crate::hook::run_all(&hooks.poststart, "poststart", &told)
    }

    /// The program runs whether or not its readiness can be told.
    pub(crate) fn await_ready(&self, notify: Option<Notify>, pid: i32) -> Result<()> {
        let Some(notify) = notify else { return Ok(()) };
        // ESRCH: it has ended already, and there is nothing to tell.
        if let Ok(process) = process::pidfd_open(pid)
            && let Err(e) = notify.wait(process.as_fd(), pid)
        {
            (self.warn)(&e.to_string());
        }
        Ok(())
    }

    /// `start` by who has made the container, and ends it when this fails.
    pub(crate) fn go(&self, prepared: &Prepared, born: &Born) -> Result<()> {
        message::open_barrier(born.peer.as_fd(), Barrier::Go, "starting the program")?;
        let (pid, peer) = (born.child.pid, born.peer.as_fd());
        let begun = self.release(&prepared.stored, pid, peer, || ());
        // ESRCH: it has ended by itself, and said why.
        begun.inspect_err(|_| {
            drop(process::pidfd_send_signal(
                born.child.pidfd.as_fd(),
                SIGKILL,
            ));
        })
    }
}

/// What `create` took of the host's network for a container.
fn lent(directory: &Directory, stored: &Stored, init: &InitProcess) -> Result<Lent> {
    let linux = stored.spec.linux.as_ref();
    if linux.is_none_or(|linux| linux.net_devices.is_empty()) {
        return Ok(Lent::default());
    }
    let proc = setting::open_proc()?;
    let lent = Lent::kept(directory, proc.as_fd(), init.pid)?;
    // Asked again, now that the namespaces cannot be those of another process with its id.
    match state::is_alive(init)? {
        true => Ok(lent),
        false => Err(Error::new(
            Kind::WrongState,
            "cannot start a container that has stopped",
        )),
    }
}

/// Waits until the program is executed, which closes the connection, or has failed to be.
pub(crate) fn await_execution(
    peer: BorrowedFd<'_>,
    mut listener: impl FnMut(OwnedFd) -> Result<()>,
) -> Result<()> {
    loop {
        match message::receive(peer)? {
            Message::End => return Ok(()),
            Message::Failed(e) => return Err(e),
            Message::Listener(fd) => listener(fd)?,
            Message::Barrier(_)
            | Message::Ready(_)
            | Message::Console(_)
            | Message::Namespaces(..) => {}
        }
    }
}

/// Sends the filter's listener to the seccomp agent (config-linux.md, "The Container Process State").
pub(crate) fn hand_to_agent(
    spec: &oci::Spec,
    state: &State,
    pid: i32,
    listener: &OwnedFd,
) -> Result<()> {
    let Some(seccomp) = spec.linux.as_ref().and_then(|l| l.seccomp.as_ref()) else {
        return Ok(());
    };
    let path = seccomp.listener_path.as_deref().unwrap_or_default();
    let what = || format!("seccomp agent at {path:?}");
    let told = ContainerProcessState {
        oci_version: crate::OCI_VERSION.into(),
        fds: vec![SECCOMP_FD_NAME.into()],
        pid,
        metadata: seccomp.listener_metadata.clone(),
        state: state.clone(),
    };
    let text = serde_json::to_vec(&told).map_err(|e| Error::new(Kind::Invalid, e.to_string()))?;
    let peer = socket::connect_stream(Path::new(path))
        .during(what)
        .map_err(|e| e.asked("/linux/seccomp/listenerPath"))?;
    socket::send(peer.as_fd(), &text, &[listener.as_fd()]).during(what)
}
