//! The supervisor's side of a plan: makes the new process and helps it from the host, step by step.

use crate::cgroup::Cgroup;
use crate::error::{Error, For, Kind, Result};
use crate::init::{self, Init};
use crate::message::{self, Message};
use crate::setting;
use lockstep_abi::errno::Errno;
use lockstep_kernel::namespace::{self, Ids};
use lockstep_kernel::process::{self, Child, Side};
use lockstep_kernel::{network, schedule, socket};
use lockstep_oci::runtime::Hooks;
use lockstep_oci::state::{State, Status};
use lockstep_plan::step::MapMethod;
use lockstep_plan::{
    Actor, Barrier, Downgrade, HostPath, IdMaps, Op, Outcome, Plan, Required, Slot,
};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What makes the new process what it becomes.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    /// The plan of both processes.
    pub(crate) plan: &'a Plan,
    /// The host's /proc.
    pub(crate) proc: BorrowedFd<'a>,
    /// The container's cgroup.
    pub(crate) cgroup: &'a mut Cgroup,
    /// The container's first process, when this is a further one.
    pub(crate) target: Option<BorrowedFd<'a>>,
    /// That process's id.
    pub(crate) target_pid: i32,
    /// Where `start` will connect.
    pub(crate) listener: Option<OwnedFd>,
    /// The configuration's hooks.
    pub(crate) hooks: &'a Hooks,
    /// What hooks are told.
    pub(crate) state: State,
    /// Where the terminal's master goes.
    pub(crate) console: Option<OwnedFd>,
    slots: HashMap<Slot, OwnedFd>,
    /// Network devices that were moved: name on the host, name in the container, its namespace.
    moved: Vec<(String, String, OwnedFd)>,
    tasks: Vec<OwnedFd>,
    peer: Option<OwnedFd>,
    child: Option<Child>,
    cloned_into_cgroup: bool,
    outcome: Outcome,
}

/// On which side of a birth through another process this is.
enum Through {
    /// The new process, with its end of the connection.
    New(OwnedFd),
    /// The supervisor, with the new process.
    Old(Child),
}

/// A process that has done everything up to its last barrier.
#[derive(Debug)]
pub(crate) struct Born {
    /// The process.
    pub(crate) child: Child,
    /// The connection to it: closes when the program is executed.
    pub(crate) peer: OwnedFd,
    /// What differs from the plan.
    pub(crate) outcome: Outcome,
    /// The terminal's master, if the plan makes one.
    pub(crate) console: Option<OwnedFd>,
}

impl<'a> Birth<'a> {
    /// Prepares a birth.
    pub(crate) fn new(
        plan: &'a Plan,
        proc: BorrowedFd<'a>,
        cgroup: &'a mut Cgroup,
        hooks: &'a Hooks,
        state: State,
    ) -> Self {
        Birth {
            plan,
            proc,
            cgroup,
            target: None,
            target_pid: 0,
            listener: None,
            hooks,
            state,
            console: None,
            slots: HashMap::new(),
            moved: Vec::new(),
            tasks: Vec::new(),
            peer: None,
            child: None,
            cloned_into_cgroup: false,
            outcome: Outcome::default(),
        }
    }

    /// Carries out the supervisor's steps up to the moment when only the program is left to execute.
    /// `made` is told of the new process as soon as it exists. On an error the process is gone.
    pub(crate) fn run(mut self, made: impl FnOnce(&Child) -> Result<()>) -> Result<Born> {
        let mut made = Some(made);
        let mut result = Ok(());
        for step in self
            .plan
            .steps
            .iter()
            .filter(|step| step.actor == Actor::Supervisor)
        {
            result = self.step(&step.op);
            if let Err(e) = result {
                if step.required == Required::BestEffort {
                    self.lost(&step.because, e);
                    result = Ok(());
                    continue;
                }
                result = Err(if step.because.starts_with('/') {
                    e.asked(&*step.because)
                } else {
                    e
                });
                break;
            }
            if let (Some(child), Some(tell)) = (&self.child, made.take_if(|_| self.child.is_some()))
            {
                result = tell(child);
                if result.is_err() {
                    break;
                }
            }
            if step.op == Op::Await(Barrier::Ready) {
                break;
            }
        }
        if let Err(e) = result {
            return Err(self.abandon(e));
        }
        let (Some(child), Some(peer)) = (self.child, self.peer) else {
            return Err(Error::new(Kind::Invalid, "the plan makes no process"));
        };
        Ok(Born {
            child,
            peer,
            outcome: self.outcome,
            console: self.console,
        })
    }

    fn lost(&mut self, because: &str, e: Error) {
        self.outcome.downgrades.push(Downgrade {
            because: because.into(),
            lost: e.message.clone(),
            call: e.call.clone().unwrap_or_default(),
        });
    }

    /// Ends the new process. What it said about its end is better than what its end looked like from here.
    fn abandon(&mut self, error: Error) -> Error {
        let Some(child) = self.child.take() else {
            return error;
        };
        // ESRCH: it has ended by itself.
        drop(process::pidfd_send_signal(child.pidfd.as_fd(), SIGKILL));
        drop(process::wait(child.pid, false));
        for (host, name, namespace) in self.moved.drain(..) {
            // The error that ended the container is the one to report; a device of a template has no known name.
            let returned = network::return_device(&host, &name, namespace.as_fd());
            drop(returned.or_else(|_| network::return_device(&host, &host, namespace.as_fd())));
        }
        // It is dead, so this does not block: its last word, its end, or the error of a socket.
        let broken = error
            .call
            .as_deref()
            .is_some_and(|call| call.ends_with("= EPIPE"));
        match self
            .peer
            .as_ref()
            .filter(|_| broken)
            .map(|peer| message::receive(peer.as_fd()))
        {
            Some(Ok(Message::Failed(said))) => said,
            _ => error,
        }
    }

    fn step(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::OpenTree { slot, .. } => {
                let tree = init::open_source(self.proc, op)?;
                self.slots.insert(*slot, tree);
                Ok(())
            }
            Op::Clone { new, join } => self.clone(*new, join),
            Op::Enter { namespaces } => self.enter(*namespaces),
            Op::WriteIdMaps { maps, method } => self.write_maps(maps, *method),
            Op::JoinCgroup => self.join_cgroup(),
            Op::SetOomScoreAdj { value } => self.oom_score_adj(*value),
            Op::RaiseRlimit { resource, hard } => self.raise_rlimit(*resource, *hard),
            Op::MoveNetDevice { host, name } => self.move_device(host, name),
            Op::JoinResctrl {
                group,
                schemata,
                monitoring,
                create,
            } => crate::rdt::join(
                &self.state.id,
                self.pid(),
                group,
                schemata,
                *monitoring,
                *create,
            ),
            Op::InitialCpuAffinity { cpus } => {
                schedule::sched_setaffinity(0, cpus).during(|| "initial CPU affinity".into())
            }
            Op::RunRuntimeHooks => self.runtime_hooks(),
            Op::Signal(barrier) => self.signal(*barrier),
            Op::Await(barrier) => self.wait(*barrier),
            _ => Err(Error::new(
                Kind::Invalid,
                "a step of init in the plan of the supervisor",
            )),
        }
    }

    fn peer(&self) -> Result<BorrowedFd<'_>> {
        self.peer
            .as_ref()
            .map(AsFd::as_fd)
            .ok_or_else(|| Error::new(Kind::Invalid, "no process was made yet"))
    }

    fn pid(&self) -> i32 {
        self.child.as_ref().map_or(0, |child| child.pid)
    }

    /// Makes the new process, through one between when it has to join namespaces first: those of a pid
    /// namespace can only be born into it.
    fn clone(&mut self, new: u64, join: &[(u64, HostPath)]) -> Result<()> {
        let mut opened = Vec::new();
        for (flag, path) in join {
            let path = path.as_path();
            let file = namespace::open(path, *flag)
                .during(|| format!("joining the namespace at {}", path.display()))
                .map_err(|e| e.asked("/linux/namespaces"))?;
            opened.push((*flag, file));
        }
        if !init::waits_for_maps(self.plan) {
            self.hide()?;
        }
        self.tasks = self.cgroup.tasks()?;
        let (ours, theirs) = socket::pair().during(|| "making the container's process".into())?;
        if opened.is_empty() {
            let made = self.fork(new)?;
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

    fn enter(&mut self, namespaces: u64) -> Result<()> {
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
    fn hide(&self) -> Result<()> {
        process::set_dumpable(false).during(|| "becoming untraceable".into())
    }

    /// Into the cgroup by birth where the host has the unified hierarchy, so that no moment is uncounted.
    fn fork(&mut self, new: u64) -> Result<Side> {
        let what = || "making the container's process".to_string();
        let cgroup = self.cgroup.clone_into_fd().unwrap_or(None);
        let into = cgroup.is_some();
        match process::clone(new, cgroup) {
            Ok(side) => {
                self.cloned_into_cgroup = into;
                Ok(side)
            }
            // EBADF, EACCES, EBUSY, EOPNOTSUPP: not into this cgroup; joined afterwards, or refused there by name.
            Err(e) if into && !e.is(&[Errno::EPERM.0, Errno::ENOSPC.0, Errno::EAGAIN.0]) => {
                process::clone(new, None).during(what)
            }
            Err(e) => Err(clone_error(&e)),
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
                    process::clone(new | process::CLONE_PARENT, None).map_err(|e| clone_error(&e))
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
        lockstep_kernel::weak::pause("slow-birth");
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
            root,
            root_elsewhere: false,
            slots: std::mem::take(&mut self.slots),
            tasks: std::mem::take(&mut self.tasks),
            hooks: self.hooks,
            state: self.state.clone(),
            umask,
            outcome: std::mem::take(&mut self.outcome),
            program: None,
            home: None,
            masks,
            device_directory: None,
        };
        init.run()
    }

    fn write_maps(&mut self, maps: &IdMaps, method: MapMethod) -> Result<()> {
        let pid = self.pid();
        let (users, groups) = (init::lines(&maps.users), init::lines(&maps.groups));
        let what = |ids: &str| format!("mapping {ids} ids of the user namespace");
        if method == MapMethod::Helper {
            namespace::write_map_by_helper(pid, Ids::User, &users)
                .during(|| what("user"))
                .map_err(helper_hint)?;
            return namespace::write_map_by_helper(pid, Ids::Group, &groups)
                .during(|| what("group"))
                .map_err(|e| helper_hint(e).asked("/linux/gidMappings"));
        }
        namespace::write_map(self.proc, pid, Ids::User, &users).during(|| what("user"))?;
        if method == MapMethod::OneId {
            namespace::deny_setgroups(self.proc, pid)
                .during(|| "setgroups of the user namespace".into())?;
        }
        namespace::write_map(self.proc, pid, Ids::Group, &groups)
            .during(|| what("group"))
            .map_err(|e| e.asked("/linux/gidMappings"))
    }

    fn join_cgroup(&mut self) -> Result<()> {
        if self.cloned_into_cgroup {
            return Ok(());
        }
        let beside = self.target.map(|_| self.target_pid);
        self.cgroup
            .join_unified(self.pid(), beside)
            .map_err(Error::from)
    }

    /// Without CAP_SYS_RESOURCE a value can only be raised; keeping a higher one is a visible downgrade.
    fn oom_score_adj(&mut self, value: i64) -> Result<()> {
        let pid = self
            .child
            .as_ref()
            .map_or_else(process::id, |child| child.pid);
        match setting::oom_score_adj(self.proc, pid, value) {
            Err(e) if e.is(&[Errno::EACCES.0, Errno::EPERM.0]) => {
                let lost = Error::call(format!("oom_score_adj {value} not set"), &e);
                self.lost("/process/oomScoreAdj", lost);
                Ok(())
            }
            other => other.during(|| format!("oom_score_adj {value}")),
        }
    }

    fn raise_rlimit(&mut self, resource: u32, hard: u64) -> Result<()> {
        let what = || {
            format!(
                "raising {}",
                lockstep_abi::rlimit::name(resource).unwrap_or("a limit")
            )
        };
        let (soft, present) = schedule::prlimit(self.pid(), resource, None).during(what)?;
        if hard <= present {
            return Ok(());
        }
        schedule::prlimit(self.pid(), resource, Some((soft, hard)))
            .map(drop)
            .during(what)
    }

    fn move_device(&mut self, host: &str, name: &str) -> Result<()> {
        let what = || format!("moving network device {host:?} into the container as {name:?}");
        let path = format!("{}/ns/net", self.pid());
        let namespace = lockstep_kernel::file::openat(
            self.proc,
            path,
            lockstep_kernel::file::OFlags::RDONLY,
            0,
        )
        .during(what)?;
        let moved = network::move_device(host, name, namespace.as_fd()).during(what);
        // Also when it failed: the kernel moves a device first and renames it then.
        self.moved.push((host.into(), name.into(), namespace));
        moved
    }

    fn runtime_hooks(&mut self) -> Result<()> {
        let state = State {
            pid: Some(self.pid()),
            status: Status::Creating,
            ..self.state.clone()
        };
        crate::hook::run_all(&self.hooks.prestart, "prestart", &state)?;
        crate::hook::run_all(&self.hooks.create_runtime, "createRuntime", &state)
    }

    fn signal(&mut self, barrier: Barrier) -> Result<()> {
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

    fn wait(&mut self, barrier: Barrier) -> Result<()> {
        loop {
            match message::receive(self.peer()?)? {
                Message::Barrier(reached) if reached == barrier as u8 => return Ok(()),
                Message::Ready(outcome) if barrier == Barrier::Ready => {
                    self.outcome.downgrades.extend(outcome.downgrades);
                    return Ok(());
                }
                Message::Console(master) => self.console = Some(master),
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
            Some((_, process::Exit::Signal(SIGKILL))) => Error::new(
                Kind::Kernel,
                "the container's process was killed while it was being made",
            )
            .hint("its memory limit may be too small, or somebody sent SIGKILL"),
            other => Error::new(
                Kind::Kernel,
                format!("the container's process ended while it was being made: {other:?}"),
            ),
        }
    }
}

pub(crate) const SIGKILL: i32 = 9;

/// How the process that joins namespaces ends when it has said why it failed.
const FAILED: i32 = 1;
/// How it ends when the supervisor could not be told of the new one.
const UNTOLD: i32 = 2;

/// Joins namespaces by path: the user namespace gives the right to join those that it owns, and takes the
/// right to join those that it does not; so it comes first, or last where that fails.
fn join_all(opened: &[(u64, OwnedFd)]) -> Result<()> {
    use lockstep_plan::namespace::NEWUSER;
    let mut refused = Vec::new();
    for (flag, file) in opened.iter().filter(|(flag, _)| *flag != NEWUSER) {
        match namespace::setns(file.as_fd(), *flag) {
            Err(e) if e.is(&[Errno::EPERM.0]) => refused.push((*flag, file)),
            other => other.during(|| "joining a namespace".into())?,
        }
    }
    for (flag, file) in opened.iter().filter(|(flag, _)| *flag == NEWUSER) {
        namespace::setns(file.as_fd(), *flag).during(|| "joining a user namespace".into())?;
    }
    for (flag, file) in refused {
        namespace::setns(file.as_fd(), flag)
            .during(|| format!("joining namespace {}", file.as_raw_fd()))?;
    }
    Ok(())
}

fn helper_hint(e: Error) -> Error {
    if e.call
        .as_deref()
        .is_some_and(|call| call.ends_with("= ENOENT"))
    {
        return e.hint("install newuidmap and newgidmap (Debian: uidmap), or map only your own id");
    }
    e.hint("the ids have to be in /etc/subuid and /etc/subgid for this user")
}

fn clone_error(e: &lockstep_kernel::Error) -> Error {
    let error = Error::call("making the container's process", e);
    if e.is(&[Errno::EPERM.0]) {
        return error
            .asked("/linux/namespaces")
            .hint("new namespaces need CAP_SYS_ADMIN or a new user namespace");
    }
    if e.is(&[Errno::ENOSPC.0]) {
        return error
            .asked("/linux/namespaces")
            .hint("a limit in /proc/sys/user is reached");
    }
    error
}
