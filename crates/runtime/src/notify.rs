//! The service manager's notification socket (sd_notify(3)): one of our own in the container's state directory
//! is mounted into the container, and that the program is ready is passed on, with the process to watch.
//!
//! Nothing else that the container says is passed on: it must not speak for the unit (another main process,
//! `STOPPING=1`, descriptors to store).

use crate::error::{For, Result};
use crate::state::Directory;
use lockstep_abi::errno::Errno;
use lockstep_kernel::{event, file, socket};
use lockstep_oci::runtime::{Mount, Spec};
use lockstep_plan::{Downgrade, Outcome, Plan};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The directory, in the container's state directory, that is mounted.
pub(crate) const DIRECTORY: &str = "notify";
/// The socket in it.
pub(crate) const SOCKET: &str = "notify.sock";
/// Where runc's containers find it, and so ours.
const INSIDE: &str = "/run/notify";
/// How long the service manager may take to read, as in runc.
const BARRIER: Duration = Duration::from_secs(30);

/// Gives the configuration the mount and the variable.
pub(crate) fn add_to(spec: &mut Spec, state: &Path) {
    spec.mounts.push(Mount {
        destination: INSIDE.into(),
        kind: Some("bind".into()),
        source: Some(state.join(DIRECTORY).to_string_lossy().into_owned()),
        options: ["bind", "ro", "nosuid", "nodev", "noexec"]
            .map(String::from)
            .into(),
        uid_mappings: Vec::new(),
        gid_mappings: Vec::new(),
    });
    if let Some(process) = &mut spec.process {
        process
            .env
            .retain(|entry| !entry.starts_with("NOTIFY_SOCKET="));
        process.env.push(format!("NOTIFY_SOCKET={INSIDE}/{SOCKET}"));
    }
}

/// Names the steps of that mount, which is the last one, by what they are for: whoever wrote the configuration
/// finds no such field in it.
pub(crate) fn name_steps(plan: &mut Plan, spec: &Spec) {
    let field = format!("/mounts/{}", spec.mounts.len().saturating_sub(1));
    for step in &mut plan.steps {
        if step.because == field {
            step.because = "<service manager's socket>".into();
        }
    }
}

/// A socket that the program of one container can reach.
#[derive(Debug)]
pub(crate) struct Notify {
    ours: OwnedFd,
    host: PathBuf,
}

impl Notify {
    /// Makes the socket; none where the service manager has none, or had none when the container was created.
    pub(crate) fn bind(directory: &Directory, host: Option<&Path>) -> Result<Option<Notify>> {
        let Some(host) = host else { return Ok(None) };
        let what = || format!("socket for {}", host.display());
        let dir = match file::open_dir(directory.as_fd(), DIRECTORY) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(None),
            other => other.during(what)?,
        };
        let ours = socket::bind_datagram(dir.as_fd(), SOCKET).during(what)?;
        // Whichever user the program becomes: the mount is what keeps others away.
        file::chmod(&dir, SOCKET, 0o777).during(what)?;
        Ok(Some(Notify {
            ours,
            host: host.into(),
        }))
    }

    /// Readable when the program has said something.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    /// Reads one message, which must be there: whether it says that the program is ready.
    pub(crate) fn says_ready(&self) -> Result<bool> {
        let (said, _closed) =
            socket::receive(self.as_fd()).during(|| "reading the program's notification".into())?;
        Ok(is_ready(&said))
    }

    /// Waits until the program is ready, and tells; it may end before.
    pub(crate) fn wait(self, process: BorrowedFd<'_>, main_pid: i32) -> Result<()> {
        loop {
            let ready = event::readable(&[Some(self.as_fd()), Some(process)])
                .during(|| "waiting for the program's notification".into())?;
            if ready[0] && self.says_ready()? {
                let manager = self.tell(main_pid)?;
                return barrier(&manager, &self.host);
            }
            if ready[1] && !ready[0] {
                return Ok(());
            }
        }
    }

    /// Tells the service manager that the unit is ready, and which process to watch.
    pub(crate) fn tell(&self, main_pid: i32) -> Result<OwnedFd> {
        let what = || format!("telling {} that the program is ready", self.host.display());
        let manager = socket::connect_datagram(&self.host).during(what)?;
        let text = format!("READY=1\nMAINPID={main_pid}\n");
        socket::send(manager.as_fd(), text.as_bytes(), &[]).during(what)?;
        Ok(manager)
    }
}

/// The way of a program's word to the service manager through a process that has no rights: both ends are open.
#[derive(Debug)]
pub struct Relay {
    notify: Notify,
    /// None where the address leads nowhere: what the program says is read and goes no further.
    manager: Option<OwnedFd>,
    /// The program is ready, and the manager's queue was full then.
    untold: bool,
}

impl Relay {
    /// Both ends; none where the service manager has none. One that cannot be reached is a downgrade: the address is often
    /// inherited from a unit that has gone, and the program was promised a socket that takes what it says.
    pub(crate) fn open(
        directory: &Directory,
        host: Option<&Path>,
        outcome: &mut Outcome,
    ) -> Result<Option<Relay>> {
        let Some(notify) = Notify::bind(directory, host)? else {
            return Ok(None);
        };
        let manager = socket::connect_datagram(&notify.host)
            .inspect_err(|error| {
                outcome.downgrades.push(Downgrade {
                    because: "NOTIFY_SOCKET".into(),
                    lost: "no service manager is told that the program is ready".into(),
                    call: error.to_string(),
                });
            })
            .ok();
        Ok(Some(Relay {
            notify,
            manager,
            untold: false,
        }))
    }

    /// Readable when the program has said something.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }

    /// The manager, if it has yet to be told: when this can be written to, [`Relay::tell`] is to be called.
    pub fn untold(&self) -> Option<BorrowedFd<'_>> {
        let manager = self.manager.as_ref().filter(|_| self.untold);
        manager.map(AsFd::as_fd)
    }

    /// Reads what must be there; whether the program is ready, which the manager has been told then, and there is no more to
    /// pass on.
    pub fn pass_on(&mut self) -> Result<bool> {
        match self.notify.says_ready()? {
            true => self.tell(),
            false => Ok(false),
        }
    }

    /// Tells the manager, whether it has been told. One whose queue is full (unix(7): `max_dgram_qlen`) is not waited for
    /// here.
    pub fn tell(&mut self) -> Result<bool> {
        let Some(manager) = &self.manager else {
            return Ok(false);
        };
        let what = || {
            format!(
                "telling {} that the program is ready",
                self.notify.host.display()
            )
        };
        let told = socket::try_send(manager.as_fd(), b"READY=1\n").during(what)?;
        self.untold = !told;
        Ok(told)
    }
}

/// Tells the service manager at this address (`$NOTIFY_SOCKET`), and returns when it has read it or gives no sign that it
/// does, 30 s later.
pub fn tell_manager(host: &Path, text: &str) -> Result<()> {
    let what = || format!("telling the service manager at {}", host.display());
    let manager = socket::connect_datagram(host).during(what)?;
    socket::send(manager.as_fd(), text.as_bytes(), &[]).during(what)?;
    barrier(&manager, host)
}

/// The manager finds the unit by the sender's cgroup, so the sender has to live until it is read
/// (sd_notify_barrier(3)).
fn barrier(manager: &OwnedFd, host: &Path) -> Result<()> {
    let what = || format!("waiting for {} to read", host.display());
    let (read, write) = socket::pipe().during(what)?;
    socket::send(manager.as_fd(), b"BARRIER=1", &[write.as_fd()]).during(what)?;
    drop(write);
    event::within(read.as_fd(), BARRIER);
    Ok(())
}

/// Whether one of the lines says so.
pub(crate) fn is_ready(message: &[u8]) -> bool {
    message
        .split(|byte| *byte == b'\n')
        .any(|line| line == b"READY=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_a_line_of_its_own() {
        for text in ["READY=1", "STATUS=up\nREADY=1", "READY=1\nMAINPID=1\n"] {
            assert!(is_ready(text.as_bytes()), "{text:?}");
        }
        for text in [
            "",
            "READY=0",
            "STATUS=READY=1",
            "XREADY=1",
            "READY=1x",
            "READY=1\r\n",
        ] {
            assert!(!is_ready(text.as_bytes()), "{text:?}");
        }
    }
}
