//! `create`, `start` and `run`: from a bundle to a container.

use crate::birth::{Birth, Born};
use crate::cgroup::{Cgroup, CgroupState, driver};
use crate::error::{Error, For, Kind, Result};
use crate::exec::PIDS;
use crate::message::{self, Message};
use crate::notify::{self, Notify};
use crate::request::{CreateRequest, RunRequest};
use crate::state::{self, ContainerId, Directory, SCHEMA, START, State as Stored};
use crate::{Runtime, clock, host, setting, terminal};
use lockstep_kernel::{file, process, signal, socket};
use lockstep_oci::runtime::{self as oci, Hooks, Linux, ValidSpec};
use lockstep_oci::state::{ContainerProcessState, SECCOMP_FD_NAME, State, Status};
use lockstep_plan::secret::Hidden;
use lockstep_plan::{Barrier, Host, Op, Plan, cgroup as plan_cgroup, create as plan_create};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The largest config.json that is read, in bytes; the parser has its own, smaller limit.
const CONFIG_LIMIT: usize = 16 << 20;

/// Everything decided before anything is made.
pub(crate) struct Prepared {
    pub(crate) stored: Stored,
    plan: Plan,
    cgroup: plan_cgroup::CgroupPlan,
    host: Host,
    proc: OwnedFd,
}

impl Runtime<'_> {
    /// Makes a container that waits for `start` (runtime.md, "Create").
    pub fn create(&self, request: &CreateRequest) -> Result<()> {
        let mut prepared = self.prepare(request)?;
        let socket = terminal::socket_for(
            &prepared.stored.spec,
            request.console_socket.as_deref(),
            true,
        )?;
        let born = self.make(request, &mut prepared, true)?;
        let handed = terminal::hand_over(socket.as_ref(), born.console.as_ref());
        self.finish(
            request,
            &prepared,
            &born,
            handed.and_then(|()| self.publish(request, &prepared, &born)),
        )
    }

    /// Lets a created container execute its program (runtime.md, "Start").
    /// Where the caller has a service manager, returns when the program is ready (sd_notify(3)).
    pub fn start(&self, id: &ContainerId, notify_socket: Option<&Path>) -> Result<()> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        let (status, init) = directory.status()?;
        let pid = init.map_or(0, |init| init.pid);
        match status {
            Status::Created => {}
            Status::Stopped => {
                return Err(Error::new(
                    Kind::WrongState,
                    "cannot start a container that has stopped",
                ));
            }
            _ => {
                return Err(Error::new(
                    Kind::WrongState,
                    "cannot start an already running container",
                ));
            }
        }
        let peer = socket::connect(directory.as_fd(), START)
            .during(|| format!("reaching container {id}"))?;
        let notify = Notify::bind(&directory, notify_socket)?;
        message::send_barrier(peer.as_fd(), Barrier::Go)
            .during(|| format!("starting container {id}"))?;
        let hooks = stored.spec.hooks.clone().unwrap_or_default();
        // As agents of runc know it: the program has not begun when they are told.
        let begun = self.oci_state(&stored, Status::Creating, Some(pid));
        await_execution(peer.as_fd(), |listener| {
            hand_to_agent(&stored.spec, &begun, pid, &listener)
        })?;
        let told = self.oci_state(&stored, Status::Running, Some(pid));
        // The program runs, and the socket without its listener says so too.
        if let Err(e) = directory.started() {
            (self.warn)(&e.to_string());
        }
        self.poststart(id, &hooks, &told)?;
        self.await_ready(notify, pid)
    }

    /// The program runs whether or not its readiness can be told.
    fn await_ready(&self, notify: Option<Notify>, pid: i32) -> Result<()> {
        let Some(notify) = notify else { return Ok(()) };
        // ESRCH: it has ended already, and there is nothing to tell.
        if let Ok(process) = process::pidfd_open(pid)
            && let Err(e) = notify.wait(process.as_fd(), pid)
        {
            (self.warn)(&e.to_string());
        }
        Ok(())
    }

    /// `create`, `start`, wait and `delete` in one; returns the program's exit status, 128+n for signal n.
    pub fn run(&self, request: &RunRequest) -> Result<i32> {
        let create = &request.create;
        // These two are never dropped: the process ends soon after, and taking thousands of small pieces apart is
        // work that the kernel does at once.
        let mut prepared = ManuallyDrop::new(self.prepare(create)?);
        let socket = terminal::socket_for(
            &prepared.stored.spec,
            create.console_socket.as_deref(),
            request.detach,
        )?;
        if !request.detach && !request.no_subreaper {
            process::set_child_subreaper(true).during(|| "becoming a subreaper".into())?;
        }
        // From here on no signal is lost: they are taken one at a time while waiting for the container.
        let mask = signal::block_all().during(|| "blocking signals".into())?;
        let mut born = ManuallyDrop::new(self.make(create, &mut prepared, false)?);
        let mut notify = None;
        let result = terminal::hand_over(socket.as_ref(), born.console.as_ref())
            .and_then(|()| self.publish(create, &prepared, &born))
            .and_then(|()| {
                notify = self.notify(create)?;
                self.go(&prepared, &born)
            });
        self.finish(create, &prepared, &born, result)?;
        if request.detach {
            // Whoever waits for readiness must be able to give up.
            mask.restore().during(|| "restoring signals".into())?;
            self.await_ready(notify, born.child.pid)?;
            return Ok(0);
        }
        let console = born.console.take();
        let terminal = if socket.is_some() { None } else { console };
        let exit = crate::wait::attend(&born.child, terminal, notify, self.warn)?;
        mask.restore().during(|| "restoring signals".into())?;
        if !request.keep {
            self.delete_ended(&create.id, &prepared.stored, true)?;
        }
        Ok(exit.status())
    }

    fn notify(&self, create: &CreateRequest) -> Result<Option<Notify>> {
        match &create.notify_socket {
            Some(host) => Notify::bind(&self.root.container(&create.id)?, Some(host)),
            None => Ok(None),
        }
    }

    pub(crate) fn go(&self, prepared: &Prepared, born: &Born) -> Result<()> {
        let pid = born.child.pid;
        message::open_barrier(born.peer.as_fd(), Barrier::Go, "starting the program")?;
        let begun = self.oci_state(&prepared.stored, Status::Creating, Some(pid));
        await_execution(born.peer.as_fd(), |listener| {
            hand_to_agent(&prepared.stored.spec, &begun, pid, &listener)
        })?;
        let told = self.oci_state(&prepared.stored, Status::Running, Some(pid));
        let empty = Hooks::default();
        self.poststart(
            &prepared.stored.id,
            prepared.stored.spec.hooks.as_ref().unwrap_or(&empty),
            &told,
        )
    }

    /// A failed poststart hook stops the container (runtime.md, step 9).
    fn poststart(&self, id: &ContainerId, hooks: &Hooks, told: &State) -> Result<()> {
        crate::hook::run_all(&hooks.poststart, "poststart", told).inspect_err(|_| {
            if let Ok(Some(init)) = self.root.container(id).and_then(|d| d.init()) {
                // The hook's error is the one to report.
                drop(state::signal(&init, crate::birth::SIGKILL));
            }
        })
    }

    pub(crate) fn prepare(&self, request: &CreateRequest) -> Result<Prepared> {
        #[cfg(lockstep_weak)]
        lockstep_kernel::weak::mistake("panic");
        let spec = self.load(&request.bundle, request)?;
        let rootfs = |path: &str| {
            let path = request.bundle.join(path);
            file::canonicalize(&path)
                .during(|| format!("root file system {}", path.display()))
                .map_err(|e| e.asked("/root/path"))
        };
        let mut prepared = self.decide(request, spec, &rootfs, None)?;
        if request.notify_socket.is_some() {
            notify::name_steps(&mut prepared.plan, &prepared.stored.spec);
        }
        Ok(prepared)
    }

    /// Everything that planning may want to know of this host.
    pub fn host(&self) -> Result<Host> {
        host::probe_all(setting::open_proc()?.as_fd())
    }

    /// What would be done for a configuration, none of which is: on this host, or on the one that is given.
    pub fn plan(
        &self,
        request: &CreateRequest,
        spec: oci::Spec,
        host: Option<Host>,
    ) -> Result<Plan> {
        let spec = oci::validate(spec).map_err(|e| Error::new(Kind::Invalid, e.to_string()))?;
        let rootfs = |path: &str| Ok(request.bundle.join(path));
        Ok(self.decide(request, spec, &rootfs, host)?.plan)
    }

    fn decide(
        &self,
        request: &CreateRequest,
        spec: ValidSpec,
        rootfs: &dyn Fn(&str) -> Result<PathBuf>,
        other: Option<Host>,
    ) -> Result<Prepared> {
        let bundle = request.bundle.clone();
        if spec.process.is_none() {
            return Err(Error::new(Kind::Invalid, "process is required").asked("/process"));
        }
        let proc = setting::open_proc()?;
        let empty = Linux::default();
        let linux = spec.linux.as_ref().unwrap_or(&empty);
        let host = match other {
            Some(host) => host::seen_from(host, linux),
            None => host::probe(proc.as_fd(), &spec, spec.process.as_ref())?,
        };
        let cgroup = self.plan_cgroup(request.id.as_str(), &spec, linux, &host, proc.as_fd())?;
        let intended = CgroupState::intended(&cgroup, &host.cgroup);
        let cgroups: Vec<(usize, PathBuf)> = cgroup
            .dirs
            .iter()
            .zip(&intended.dirs)
            .map(|(d, s)| (d.hierarchy, PathBuf::from(&s.path)))
            .collect();
        let mut planned = plan_create::plan(
            &spec,
            &host,
            &plan_create::Request {
                id: request.id.as_str(),
                bundle: &bundle,
                cgroups: &cgroups,
                no_pivot: request.no_pivot,
                no_keyring: request.no_new_keyring,
                processes: cgroup.processes,
                keep: request.preserve_fds + request.listen_fds,
                sockets: request.listen_fds,
                supervised: request.supervised.as_ref(),
            },
        )?;
        if let Some(supervised) = &request.supervised {
            // Not by the configuration, which the state keeps.
            add_variables(&mut planned, &supervised.secret_env)?;
        }
        for warning in planned.warnings.iter().chain(&cgroup.warnings) {
            (self.warn)(warning);
        }
        let rootfs = rootfs(spec.root.as_ref().map_or("", |root| &root.path))?;
        let stored = Stored {
            schema: SCHEMA,
            id: request.id.clone(),
            bundle,
            rootfs,
            created: clock::now_rfc3339(),
            owner: host.uid,
            cgroup: intended,
            spec: spec.into_inner(),
        };
        Ok(Prepared {
            stored,
            plan: planned,
            cgroup,
            host,
            proc,
        })
    }

    fn load(&self, bundle: &Path, request: &CreateRequest) -> Result<ValidSpec> {
        let path = bundle.join("config.json");
        let text = file::read_at_once(file::CWD, &path, CONFIG_LIMIT).map_err(|e| {
            let mut error = Error::call(format!("reading {}", path.display()), &e);
            if e.is(&[lockstep_abi::errno::Errno::ENOENT.0]) {
                error.message = format!("JSON specification file {} not found", path.display());
            }
            error
        })?;
        let wrong = |e: String| Error::new(Kind::Invalid, format!("{}: {e}", path.display()));
        let mut parsed = oci::parse(&text).map_err(|e| wrong(e.to_string()))?;
        for pointer in &parsed.unknown {
            (self.warn)(&format!(
                "{}: unknown field {pointer} ignored",
                path.display()
            ));
        }
        if let (count @ 1.., Some(process)) = (request.listen_fds, &mut parsed.spec.process) {
            // sd_listen_fds(3) checks that they are meant for it: the program is the container's first process.
            let variables = [format!("LISTEN_FDS={count}"), "LISTEN_PID=1".into()];
            process.env.extend(variables);
        }
        if request.notify_socket.is_some() {
            notify::add_to(&mut parsed.spec, &self.root.path_of(&request.id));
        }
        let spec = oci::validate(parsed.spec).map_err(|e| wrong(e.to_string()))?;
        for warning in spec.warnings() {
            (self.warn)(&format!("{}: {warning}", path.display()));
        }
        Ok(spec)
    }

    /// Makes everything that the state names, in the order: state, cgroups, process.
    pub(crate) fn make(
        &self,
        request: &CreateRequest,
        prepared: &mut Prepared,
        waits: bool,
    ) -> Result<Born> {
        let directory = self.root.claim(&request.id)?;
        let written = directory.write_first_state(&prepared.stored);
        // Until they are made the directories are nobody's or somebody else's: undoing must not touch them.
        let intended = std::mem::take(&mut prepared.stored.cgroup);
        let made = written.and_then(|()| {
            if request.notify_socket.is_some() {
                directory.make_notify()?;
            }
            let listener = if waits {
                Some(
                    socket::listen(directory.as_fd(), START)
                        .during(|| "socket for start".into())?,
                )
            } else {
                None
            };
            self.bear(&directory, prepared, &intended, listener)
        });
        made.map_err(|e| self.undo(request, prepared, e))
    }

    fn bear(
        &self,
        directory: &Directory,
        prepared: &mut Prepared,
        intended: &CgroupState,
        listener: Option<OwnedFd>,
    ) -> Result<Born> {
        let layout = &prepared.host.cgroup;
        let mut cgroup = Cgroup::create(&prepared.cgroup, layout)?;
        prepared.stored.cgroup = cgroup.state().clone();
        if prepared.stored.cgroup != *intended {
            directory.write_state(&prepared.stored)?;
        }
        let mut lost = cgroup.apply(&prepared.cgroup.writes, layout)?;
        lost.extend(cgroup.apply_devices(&prepared.cgroup.devices, layout)?);
        if let Some(uid) = driver::owner(&prepared.stored.spec) {
            lost.extend(cgroup.delegate(uid)?);
        }
        let counted = prepared.cgroup.writes.iter().any(|w| w.file == "pids.max")
            && !lost.iter().any(|lost| lost.because == PIDS);
        let told = self.oci_state(&prepared.stored, Status::Creating, None);
        let empty = Hooks::default();
        let hooks = prepared.stored.spec.hooks.as_ref().unwrap_or(&empty);
        let mut birth = Birth::new(
            &prepared.plan,
            prepared.proc.as_fd(),
            &mut cgroup,
            hooks,
            told,
        );
        birth.listener = listener;
        birth.counted = counted;
        let mut born = birth.run(|child| directory.write_init(&state::describe(child.pid)?))?;
        cgroup.joined();
        born.outcome.downgrades.extend(lost);
        for downgrade in &born.outcome.downgrades {
            (self.warn)(&downgrade.to_string());
        }
        let written = directory.write_outcome(&born.outcome);
        written.inspect_err(|_| born.lent.give_back())?;
        Ok(born)
    }

    /// What engines wait for: the pid file, last.
    fn publish(&self, request: &CreateRequest, prepared: &Prepared, born: &Born) -> Result<()> {
        if let Some(path) = &request.pidfd_socket {
            let peer = socket::connect_stream(path)
                .during(|| format!("pidfd socket {}", path.display()))?;
            socket::send(
                peer.as_fd(),
                prepared.stored.id.as_str().as_bytes(),
                &[born.child.pidfd.as_fd()],
            )
            .during(|| format!("pidfd socket {}", path.display()))?;
        }
        write_pid_file(request.pid_file.as_deref(), born.child.pid)
    }

    fn finish(
        &self,
        request: &CreateRequest,
        prepared: &Prepared,
        born: &Born,
        result: Result<()>,
    ) -> Result<()> {
        result.map_err(|e| {
            let error = self.undo(request, prepared, e);
            born.lent.give_back();
            error
        })
    }

    /// Leaves nothing of a container that could not be made; the first error is the one to report.
    fn undo(&self, request: &CreateRequest, prepared: &Prepared, error: Error) -> Error {
        if error.kind == Kind::Exists {
            return error;
        }
        // Without a cgroup the process is known by its id alone.
        let ended = match self.root.container(&request.id).and_then(|d| d.init()) {
            Ok(Some(init)) => self.end(&request.id, &prepared.stored, &init),
            _ => Ok(()),
        };
        let left = ended.and_then(|()| self.delete_ended(&request.id, &prepared.stored, false));
        if let Err(second) = left {
            (self.warn)(&format!(
                "cleaning up after container {}: {second}",
                request.id
            ));
        }
        error
    }
}

/// Writes a process id where an engine reads it, as a whole.
pub(crate) fn write_pid_file(path: Option<&Path>, pid: i32) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let what = || format!("pid file {}", path.display());
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    let name =
        name.ok_or_else(|| Error::new(Kind::Invalid, format!("{} names no file", what())))?;
    let dir = file::open_dir(file::CWD, parent).during(what)?;
    #[cfg(lockstep_weak)]
    if lockstep_kernel::weak::is("follow-pid-file") {
        let flags = file::OFlags::WRONLY | file::OFlags::CREATE | file::OFlags::TRUNC;
        let opened = file::openat(&dir, &name, flags, 0o644).during(what)?;
        return file::write_fd(&opened, pid.to_string().as_bytes()).during(what);
    }
    file::replace(&dir, &name, pid.to_string().as_bytes(), 0o644).during(what)
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

/// Variables of the program that take the place of others of their names.
fn add_variables(plan: &mut Plan, variables: &[Hidden]) -> Result<()> {
    let executed = plan.steps.iter_mut().find_map(|step| match &mut step.op {
        Op::Execute { env, .. } => Some(env),
        _ => None,
    });
    let Some(env) = executed else {
        return Ok(());
    };
    for variable in variables {
        let text = String::from_utf8(variable.reveal().to_vec()).map_err(|_not_text| {
            Error::new(
                Kind::Invalid,
                "a secret that is not UTF-8 is to be a variable",
            )
        })?;
        let name = text.find('=').map_or(&*text, |end| &text[..=end]);
        env.retain(|entry| !entry.starts_with(name));
        env.push(text);
    }
    Ok(())
}
