//! Making the new process: directly, or through one between where namespaces are joined first.

use super::Birth;
use crate::error::{Error, For, Kind, Result};
use crate::init::{self, Init};
use crate::message::{self, Message};
use crate::user_namespace;
use lockstep_abi::errno::Errno;
use lockstep_kernel::namespace;
use lockstep_kernel::process::{self, Child, Side};
use lockstep_kernel::{capability, credential, socket};
use lockstep_plan::namespace::NEWUSER;
use lockstep_plan::{HostPath, Outcome};
use std::os::fd::{AsFd, OwnedFd};

/// On which side of a birth through another process this is.
enum Through {
    /// The new process, with its end of the connection.
    New(OwnedFd),
    /// The supervisor, with the new process.
    Old(Child),
}

impl Birth<'_> {
    /// Makes the new process, through one between when it has to join namespaces first: those of a pid
    /// namespace can only be born into it.
    pub(super) fn clone(&mut self, new: u64, join: &[Joined], owner: Option<u32>) -> Result<()> {
        let mut opened = Vec::new();
        for joined in join {
            let (flag, path, _) = joined;
            let path = path.as_path();
            let file = namespace::open(path, *flag);
            if file.is_err() {
                // Where it is another container's that has ended, that is the reason.
                self.confirm_neighbours()?;
            }
            let file = file
                .during(|| joining(joined))
                .map_err(|e| e.asked(pointer(joined)))?;
            opened.push((joined, file));
        }
        self.confirm_neighbours()?;
        if !init::waits_for_maps(self.plan) {
            self.hide()?;
        }
        self.tasks = self.cgroup.tasks()?;
        let (ours, theirs) = socket::pair().during(|| "making the container's process".into())?;
        if opened.is_empty() {
            let made = self.fork_owned(new, owner)?;
            match made {
                Side::Child => {
                    drop(ours);
                    self.become_init(theirs)
                }
                Side::Parent(child) => self.child = Some(child),
            }
        } else {
            let join = move || join_all(&opened);
            match self.through_middle(new, &ours, theirs, join)? {
                Through::New(theirs) => {
                    drop(ours);
                    self.become_init(theirs)
                }
                Through::Old(child) => self.child = Some(child),
            }
        }
        self.tasks.clear();
        self.peer = Some(ours);
        Ok(())
    }

    pub(super) fn enter(&mut self, namespaces: u64) -> Result<()> {
        self.hide()?;
        self.tasks = self.cgroup.tasks()?;
        let (ours, theirs) = socket::pair().during(|| "making the process".into())?;
        let target = self
            .target
            .ok_or_else(|| Error::new(Kind::Invalid, "no container to enter"))?;
        let join = move || {
            namespace::setns(target, namespaces)
                .during(|| "joining the container's namespaces".into())
        };
        match self.through_middle(0, &ours, theirs, join)? {
            Through::New(theirs) => {
                drop(ours);
                self.become_init(theirs)
            }
            Through::Old(child) => self.child = Some(child),
        }
        self.tasks.clear();
        self.peer = Some(ours);
        Ok(())
    }

    /// A process born into namespaces where others live already is untraceable from its first moment, because
    /// its parent is.
    pub(super) fn hide(&self) -> Result<()> {
        process::set_dumpable(false).during(|| "becoming untraceable".into())
    }

    /// The owner of the new user namespace is its maker's effective user. All capabilities are kept for the
    /// moment, because hosts that restrict user namespaces ask for one.
    fn fork_owned(&mut self, new: u64, owner: Option<u32>) -> Result<Side> {
        let Some(owner) = owner else {
            return self.fork(new);
        };
        let what = || format!("making a user namespace for user {owner}");
        let sets = capability::get().during(what)?;
        credential::set_effective_user(owner).during(what)?;
        capability::set(&sets).during(what)?;
        let made = self.fork(new);
        // The child has the rights of its new namespace, and is to change its user by its own step.
        if !matches!(made, Ok(Side::Child)) {
            credential::set_effective_user(0).during(what)?;
        }
        made
    }

    /// Into the cgroup by birth where the host has the unified hierarchy, so that no moment is uncounted.
    fn fork(&mut self, new: u64) -> Result<Side> {
        let cgroup = self.cgroup.clone_into_fd().unwrap_or(None);
        let into = cgroup.is_some();
        match process::clone(new, cgroup) {
            Ok(side) => {
                self.cloned_into_cgroup = into;
                Ok(side)
            }
            // EBADF, EACCES, EBUSY, EOPNOTSUPP: not into this cgroup; joined afterwards, or refused there by name.
            Err(e) if into && !e.is(&[Errno::EPERM.0, Errno::ENOSPC.0, Errno::EAGAIN.0]) => {
                process::clone(new, None).map_err(|e| clone_error(&e, new))
            }
            Err(e) => Err(clone_error(&e, new)),
        }
    }

    /// The new process is a sibling of the one that joined.
    fn through_middle(
        &mut self,
        new: u64,
        ours: &OwnedFd,
        theirs: OwnedFd,
        join: impl FnOnce() -> Result<()>,
    ) -> Result<Through> {
        let what = || "making the process".to_string();
        let (read, write) = socket::pipe().during(what)?;
        let middle = match process::clone(0, None).during(what)? {
            Side::Child => {
                let made = join().and_then(|()| {
                    process::clone(new | process::CLONE_PARENT, None)
                        .map_err(|e| clone_error(&e, new))
                });
                match made {
                    Ok(Side::Child) => return Ok(Through::New(theirs)),
                    Ok(Side::Parent(child)) => {
                        let pid = child.pid.to_ne_bytes();
                        let told = lockstep_kernel::file::write_fd(&write, &pid).during(what);
                        let sent = told.map_err(|e| message::send_failure(theirs.as_fd(), &e));
                        process::exit(match sent {
                            Ok(()) => 0,
                            Err(Ok(())) => FAILED,
                            Err(Err(_)) => UNTOLD,
                        })
                    }
                    Err(e) => {
                        drop(message::send_failure(theirs.as_fd(), &e));
                        process::exit(FAILED)
                    }
                }
            }
            Side::Parent(child) => child,
        };
        drop(write);
        // Else nobody would be told when both processes are killed now: this end would be open here.
        drop(theirs);
        let said = lockstep_kernel::file::read_fd(&read, 64).during(what)?;
        let exit = process::wait(middle.pid, false).during(what)?;
        match <[u8; 4]>::try_from(said) {
            Ok(bytes) => {
                let pid = i32::from_ne_bytes(bytes);
                let pidfd = process::pidfd_open(pid).during(what)?;
                Ok(Through::Old(Child { pid, pidfd }))
            }
            // It has said why it failed. After another end nothing may be waited for: the new process may be there.
            Err(_) if exit.is_some_and(|(_, exit)| exit == process::Exit::Code(FAILED)) => {
                match message::receive(ours.as_fd())? {
                    Message::Failed(e) => Err(e),
                    _ => Err(Error::new(Kind::Kernel, "joining the namespaces failed")),
                }
            }
            Err(_) => Err(Error::new(
                Kind::Kernel,
                "the process that joins the namespaces was killed",
            )),
        }
    }

    fn become_init(&mut self, peer: OwnedFd) -> ! {
        #[cfg(lockstep_weak)]
        {
            lockstep_kernel::weak::mistake("panic-in-init");
            lockstep_kernel::weak::pause("slow-birth");
        }
        let ready = init::fresh_start(self.plan)
            .during(|| "starting afresh".into())
            .and_then(|umask| {
                // Of this process's own mount namespace: a descriptor of the supervisor's could not be copied here.
                let masks = init::Masks::open(self.plan)?;
                let root = init::entered_root(self.target.is_some())?;
                Ok((umask, masks, root))
            });
        let (umask, masks, root) = match ready {
            Ok(ready) => ready,
            Err(e) => {
                // EPIPE: the supervisor is gone, and nobody is left to tell.
                drop(message::send_failure(peer.as_fd(), &e));
                process::exit(1)
            }
        };
        let init = Init {
            plan: self.plan,
            proc: self.proc,
            peer,
            listener: self.listener.take(),
            counted: self.counted,
            root,
            root_elsewhere: false,
            slots: std::mem::take(&mut self.slots),
            tasks: std::mem::take(&mut self.tasks),
            hooks: self.hooks,
            state: self.state.clone(),
            umask,
            // What was lost so far the supervisor keeps: this one tells its own.
            outcome: Outcome::default(),
            program: None,
            home: None,
            masks,
            device_directory: None,
        };
        init.run()
    }
}

/// How the process that joins namespaces ends when it has said why it failed.
const FAILED: i32 = 1;
/// How it ends when the supervisor could not be told of the new one.
const UNTOLD: i32 = 2;

/// Joins namespaces by path: the user namespace gives the right to join those that it owns, and takes the
/// right to join those that it does not; so it comes first, or last where that fails.
fn join_all(opened: &[(&Joined, OwnedFd)]) -> Result<()> {
    let enter = |joined: &Joined, file: &OwnedFd| namespace::setns(file.as_fd(), joined.0);
    let told = |result: lockstep_kernel::Result<()>, joined: &Joined| {
        let result = result.during(|| joining(joined));
        result.map_err(|e| e.asked(pointer(joined)))
    };
    let mut refused = Vec::new();
    for (joined, file) in opened.iter().filter(|(joined, _)| joined.0 != NEWUSER) {
        match enter(joined, file) {
            Err(e) if e.is(&[Errno::EPERM.0]) => refused.push((*joined, file)),
            other => told(other, joined)?,
        }
    }
    for (joined, file) in opened.iter().filter(|(joined, _)| joined.0 == NEWUSER) {
        told(enter(joined, file), joined)?;
    }
    for (joined, file) in refused {
        told(enter(joined, file), joined)?;
    }
    Ok(())
}

/// A namespace that is joined: CLONE_NEW*, its file and the index of its entry, if it has one.
type Joined = (u64, HostPath, Option<usize>);

fn joining((_, path, _): &Joined) -> String {
    format!("joining the namespace at {}", path.as_path().display())
}

fn pointer((_, _, n): &Joined) -> String {
    match n {
        Some(n) => format!("/linux/namespaces/{n}/path"),
        None => "/linux/namespaces".into(),
    }
}

fn clone_error(e: &lockstep_kernel::Error, new: u64) -> Error {
    let error = Error::call("making the container's process", e);
    let setting = match new & NEWUSER {
        0 => None,
        _ => user_namespace::refusal(Some(e.errno)),
    };
    let hint = match (setting, Errno(e.errno)) {
        (Some(setting), _) => setting,
        (None, Errno::EPERM) => "new namespaces need CAP_SYS_ADMIN or a new user namespace".into(),
        (None, Errno::ENOSPC) => "a limit in /proc/sys/user is reached".into(),
        _ => return error,
    };
    error.asked("/linux/namespaces").hint(hint)
}
