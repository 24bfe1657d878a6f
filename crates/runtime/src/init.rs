//! The container's side of a plan: the new process carries out its steps, one arm per operation.
//!
//! It runs in the child of a single-threaded fork, so it may allocate. It never prints: a failure goes to
//! the other process as data. What an operation needs to decide is in the plan; how it is done is here and,
//! for each subsystem, in the files beside.

mod cgroup;
mod device;
mod mount;
mod paths;
mod privilege;
mod program;
mod secret;
mod terminal;

use crate::error::{Error, For, Result};
use crate::message::{self, Message};
use crate::{setting, words};
use lockstep_abi::errno::Errno;
use lockstep_kernel::root::Root;
use lockstep_kernel::{
    self as kernel, credential, file, namespace, network, process, signal, socket,
};
use lockstep_oci::runtime::Hooks;
use lockstep_oci::state::{State, Status};
use lockstep_plan::namespace::NEWTIME;
use lockstep_plan::{Actor, Barrier, Downgrade, Op, Outcome, Plan, Required, Slot};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Everything the new process holds while it becomes the container's.
#[derive(Debug)]
pub(crate) struct Init<'a> {
    /// The plan, inherited by fork.
    pub(crate) plan: &'a Plan,
    /// The host's /proc, opened before anything of the container was near.
    pub(crate) proc: BorrowedFd<'a>,
    /// The connection to the supervisor, or since `start` to its caller.
    pub(crate) peer: OwnedFd,
    /// Where `start` will connect; none for `run` and `exec`, which do not wait.
    pub(crate) listener: Option<OwnedFd>,
    /// Whether a cgroup counts the container's processes.
    pub(crate) counted: bool,
    /// The container's root, once it is attached.
    pub(crate) root: Option<Root>,
    /// Whether it is attached at a path of the host instead of over `/`.
    pub(crate) root_elsewhere: bool,
    /// Trees opened by earlier steps.
    pub(crate) slots: BTreeMap<Slot, OwnedFd>,
    /// The `tasks` files of the container's v1 cgroups.
    pub(crate) tasks: Vec<OwnedFd>,
    /// Hooks to run in the container's namespaces.
    pub(crate) hooks: &'a Hooks,
    /// What hooks get on their standard input.
    pub(crate) state: State,
    /// The umask of the caller, for the program.
    pub(crate) umask: u32,
    /// What differs from the plan so far.
    pub(crate) outcome: Outcome,
    /// The program's path, once it is found.
    pub(crate) program: Option<String>,
    /// HOME of the program where its environment does not say.
    pub(crate) home: Option<String>,
    /// The hiding things: /dev/null and an empty directory, once they are needed.
    pub(crate) masks: paths::Masks,
    /// The directory in which devices were made last.
    pub(crate) device_directory: Option<(std::path::PathBuf, OwnedFd)>,
}

impl Init<'_> {
    /// Carries out all steps of the init process; returns only to end the process.
    pub(crate) fn run(mut self) -> ! {
        let plan = self.plan;
        for step in plan.steps.iter().filter(|step| step.actor == Actor::Init) {
            match self.step(&step.op) {
                Ok(()) => {}
                Err(e) if step.required == Required::BestEffort => {
                    self.outcome.downgrades.push(Downgrade {
                        because: step.because.clone().into_owned(),
                        lost: e.message.clone(),
                        call: e.call.clone().unwrap_or_default(),
                    })
                }
                Err(e) => {
                    let e = words::of_step(plan, &step.op, e);
                    let e = if step.because.starts_with('/') {
                        e.asked(&*step.because)
                    } else {
                        e
                    };
                    // EPIPE: the other process is gone; then nobody is left to tell.
                    drop(message::send_failure(self.peer.as_fd(), &e));
                    process::exit(1)
                }
            }
        }
        process::exit(1)
    }

    /// One operation. The arms call; what takes more than a call stands in its subsystem's file.
    fn step(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::OpenTree { slot, .. } => self.open_tree(*slot, op),
            Op::Signal(barrier) => self.signal(*barrier),
            Op::Await(barrier) => self.wait(*barrier),
            Op::JoinHierarchies => self.join_hierarchies(),
            Op::BecomeRoot { groups } => become_root(*groups),
            Op::JoinKeyring { .. } => setting::join_keyring(self.proc, op),
            Op::NewSession => new_session(),
            Op::Unshare { flags } => unshare(*flags),
            Op::TimeOffsets { offsets } => self.time_offsets(offsets),
            Op::EnterTime => self.enter_time(),
            Op::LoopbackUp => loopback_up(),
            Op::HostPropagation { flags } => mount::host_propagation(*flags),
            Op::AttachRoot { source, at } => self.attach_root(source, at),
            Op::Mount { .. } => self.mount(op),
            Op::Bind { .. } => self.bind(op),
            Op::Remount { .. } => self.remount(op),
            Op::CgroupMount { .. } => self.cgroup_mount(op),
            Op::SetAttributes { target, attributes } => self.set_attributes(target, attributes),
            Op::MakeDevice(device) => self.make_device(device),
            Op::BindDevice { device, source } => self.bind_device(device, source),
            Op::Symlink { target, link } => self.symlink(target, link),
            Op::Console { size, mount } => self.console(*size, *mount),
            Op::MaskPath { path } => self.mask(path),
            Op::ReadonlyPath { path } => self.make_readonly(path),
            Op::RunContainerHooks => self.container_hooks(),
            Op::PivotRoot => self.pivot_root(),
            Op::MoveRoot => self.move_root(),
            Op::Chroot => self.chroot(),
            Op::RootPropagation { flags } => mount::root_propagation(*flags),
            Op::MakeDirectory { path } => self.make_directory(path),
            Op::ReadonlyRoot => self.readonly_root(),
            Op::SetHostname { name } => setting::hostname(name),
            Op::SetDomainname { name } => setting::domainname(name),
            Op::Sysctl { key, value } => setting::sysctl(self.proc, key, value),
            Op::SetRlimit { .. } => self.set_rlimit(op),
            Op::LimitProcesses { limit } => self.limit_processes(*limit),
            Op::SetScheduler { .. } => privilege::set_scheduler(op),
            Op::SetIoPriority { class, level } => privilege::set_io_priority(*class, *level),
            Op::SetCpuAffinity { cpus } => privilege::set_cpu_affinity(cpus),
            Op::SetMemoryPolicy { mode, nodes } => privilege::set_memory_policy(*mode, nodes),
            Op::SetPersonality { persona } => privilege::set_personality(*persona),
            Op::SetUmask { mask } => self.set_umask(*mask),
            Op::ApparmorOnExec { .. } => setting::apparmor_on_exec(self.proc, op),
            Op::SelinuxOnExec { label } => setting::selinux_on_exec(self.proc, label),
            Op::NoNewPrivs => process::set_no_new_privs().during(|| "no_new_privs".into()),
            Op::DropBounding { keep } => privilege::drop_bounding(*keep),
            Op::SwitchUser { .. } => privilege::switch_user(op),
            Op::SetCapabilities { .. } => privilege::set_capabilities(op),
            Op::FinalCapabilities { .. } => privilege::final_capabilities(op),
            Op::DieWithSupervisor => privilege::die_with_supervisor(),
            Op::TellNamespaces => self.tell_namespaces(),
            Op::ChangeDirectory { path } => self.change_directory(path),
            Op::FindHome { uid } => self.find_home(*uid),
            Op::FindProgram { program, path } => self.find_program(program, path),
            Op::Landlock(domain) => self.landlock(domain),
            Op::RunStartHooks => self.start_hooks(),
            Op::CloseDescriptors { keep } => self.close_descriptors(*keep),
            Op::Seccomp { .. } => self.load_filter(op),
            Op::Execute { args, env, init } => self.execute(args, env, *init),
            // In rows: a list of what is not done here.
            #[rustfmt::skip]
            Op::OpenInit { .. } | Op::BorrowTree { .. } | Op::Clone { .. } | Op::Enter { .. } | Op::WriteIdMaps { .. }
            | Op::JoinCgroup | Op::SetOomScoreAdj { .. } | Op::RaiseRlimit { .. } | Op::MoveNetDevice { .. }
            | Op::JoinResctrl { .. } | Op::InitialCpuAffinity { .. } | Op::RunRuntimeHooks => Err(not_of_init()),
        }
    }

    fn open_tree(&mut self, slot: Slot, op: &Op) -> Result<()> {
        let tree = mount::open_source(self.proc, op)?;
        self.slots.insert(slot, tree);
        Ok(())
    }

    /// `0` is this thread, which is all there is of the process.
    fn join_hierarchies(&mut self) -> Result<()> {
        for tasks in self.tasks.drain(..) {
            file::write_fd(&tasks, b"0")
                .during(|| "joining the container's cgroup".into())
                .map_err(|e| match e.call.as_deref() {
                    Some(call) if call.ends_with("= ENOSPC") => {
                        e.hint("the cpuset has no CPUs or memory nodes")
                    }
                    Some(call) if call.ends_with("= EINVAL") => {
                        e.hint("a real-time process needs a cgroup with real-time bandwidth")
                    }
                    _ => e,
                })?;
            file::leave_to_exec(tasks);
        }
        Ok(())
    }

    fn signal(&mut self, barrier: Barrier) -> Result<()> {
        let peer = self.peer.as_fd();
        let waited_for = |op: &Op| matches!(op, Op::Await(Barrier::Go));
        let sent = match barrier {
            // `exec` asks only for what differs.
            Barrier::Ready
                if self.outcome.downgrades.is_empty()
                    && !self.plan.steps.iter().any(|step| waited_for(&step.op)) =>
            {
                Ok(())
            }
            Barrier::Ready => message::send_ready(peer, &self.outcome),
            _ => message::send_barrier(peer, barrier),
        };
        sent.during(|| format!("reporting {barrier:?}"))
    }

    fn wait(&mut self, barrier: Barrier) -> Result<()> {
        if let (Barrier::Go, Some(listener)) = (barrier, &self.listener) {
            self.peer = wait_for_start(listener.as_fd())?;
            self.listener = None;
            return Ok(());
        }
        match message::receive(self.peer.as_fd())? {
            Message::Barrier(reached) if reached == barrier as u8 => match barrier {
                Barrier::Mapped => {
                    process::set_dumpable(false).during(|| "becoming untraceable".into())
                }
                _ => Ok(()),
            },
            // The supervisor was killed: nothing was promised to anybody yet, so nothing goes on.
            _ => process::exit(1),
        }
    }

    fn start_hooks(&self) -> Result<()> {
        let hooks = &self.hooks.start_container;
        self.run_hooks(hooks, "startContainer", Status::Created)
    }

    fn container_hooks(&self) -> Result<()> {
        let hooks = &self.hooks.create_container;
        self.run_hooks(hooks, "createContainer", Status::Creating)
    }

    fn run_hooks(
        &self,
        hooks: &[lockstep_oci::runtime::Hook],
        kind: &str,
        status: Status,
    ) -> Result<()> {
        let state = State {
            status,
            pid: Some(process::id()),
            ..self.state.clone()
        };
        crate::hook::run_all(hooks, kind, &state)
    }

    /// Kept for the end: until then modes are what they are asked to be.
    fn set_umask(&mut self, mask: u32) -> Result<()> {
        self.umask = mask;
        Ok(())
    }

    fn time_offsets(&self, offsets: &[(&'static str, i64, u32)]) -> Result<()> {
        let text: String = offsets
            .iter()
            .map(|(clock, secs, nanos)| format!("{clock} {secs} {nanos}\n"))
            .collect();
        file::write(self.proc, "self/timens_offsets", text.as_bytes())
            .during(|| "time offsets".into())
    }

    fn enter_time(&self) -> Result<()> {
        let during = || "entering the time namespace".into();
        let new = file::openat(
            self.proc,
            "self/ns/time_for_children",
            file::OFlags::RDONLY,
            0,
        );
        let new = new.during(during)?;
        namespace::setns(new.as_fd(), NEWTIME).during(during)
    }

    /// The root descriptor; attached before anything that asks for it.
    fn root(&self) -> Result<&Root> {
        self.root
            .as_ref()
            .ok_or_else(|| Error::new(crate::Kind::Invalid, "no root file system is attached"))
    }
}

/// Waits for `start`. A connection that closes without a message was a question whether this waits.
fn wait_for_start(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    loop {
        let connection = socket::accept(listener).during(|| "waiting for start".into())?;
        if let Ok(Message::Barrier(reached)) = message::receive(connection.as_fd())
            && reached == Barrier::Go as u8
        {
            return Ok(connection);
        }
    }
}

pub(crate) fn not_of_init() -> Error {
    let text = "a step that is not done here, in the plan";
    Error::new(crate::Kind::Invalid, text)
}

fn unshare(flags: u64) -> Result<()> {
    namespace::unshare(flags).during(|| "unsharing namespaces".into())
}

/// Root of the user namespace, which owns what the container's root owns. Its /proc files become the host
/// root's with the change, and nobody in a shared pid namespace can trace it.
fn become_root(groups: bool) -> Result<()> {
    if groups {
        credential::setgroups(&[]).during(|| "groups of the user namespace's root".into())?;
    }
    credential::setgid(0).during(|| "group of the user namespace's root".into())?;
    credential::setuid(0).during(|| "user of the user namespace's root".into())
}

fn loopback_up() -> Result<()> {
    network::loopback_up().during(|| "bringing the loopback device up".into())
}

fn new_session() -> Result<()> {
    match process::setsid() {
        // EPERM: it leads its process group already, as an exec of a shell's job does.
        Err(e) if e.is(&[Errno::EPERM.0]) => Ok(()),
        other => other.during(|| "new session".into()),
    }
}

/// The state in which the new process starts: signals as a program expects them, no core, no tracer.
pub(crate) fn fresh_start(plan: &Plan) -> kernel::Result<u32> {
    /// Fewer open files than this are not enough for what is left to execve(2) and a few more.
    const ENOUGH: u64 = 256;
    let few = |op: &Op| {
        matches!(op, Op::SetRlimit { resource, soft, .. }
            if lockstep_abi::rlimit::name(*resource) == Some("RLIMIT_NOFILE") && *soft < ENOUGH)
    };
    if plan.steps.iter().any(|step| few(&step.op)) {
        file::leave_nothing_to_exec();
    }
    signal::unblock_all()?;
    // With id maps still to be written, this comes after them: /proc/PID/uid_map of a process that is not
    // dumpable is the host root's.
    if !waits_for_maps(plan) {
        process::set_dumpable(false)?;
    }
    Ok(process::umask(0))
}

/// Whether the new process has a user namespace whose id maps the supervisor writes.
pub(crate) fn waits_for_maps(plan: &Plan) -> bool {
    let mapped = |op: &Op| matches!(op, Op::Await(Barrier::Mapped));
    plan.steps.iter().any(|step| mapped(&step.op))
}

pub(crate) use mount::{lines, open_source};
pub(crate) use paths::Masks;
#[cfg(any(test, fuzzing))]
pub(crate) use program::home_of;

/// The root of a container that was entered: `/` of the mount namespace that was joined.
pub(crate) fn entered_root(entered: bool) -> Result<Option<Root>> {
    if !entered {
        return Ok(None);
    }
    let root = file::open_dir(file::CWD, "/").during(|| "opening the container's root".into())?;
    Ok(Some(Root::new(root)))
}
