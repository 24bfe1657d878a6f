//! `create` and `run`: from what was decided to a container, or to nothing of one.

use crate::birth::{Birth, Born};
use crate::cgroup::{Cgroup, CgroupState, driver};
use crate::error::{Error, For, Kind, Result};
use crate::exec::PIDS;
use crate::notify::Notify;
use crate::prepare::Prepared;
use crate::request::{CreateRequest, RunRequest};
use crate::state::{self, ContainerId, Directory, START};
use crate::{Runtime, terminal};
use lockstep_kernel::{file, process, signal, socket};
use lockstep_oci::runtime::{Hooks, Spec};
use lockstep_oci::state::Status;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

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
        let exit = crate::wait::attend(&born.child, terminal, notify, &[], self.warn)?;
        mask.restore().during(|| "restoring signals".into())?;
        if !request.keep {
            self.delete_ended(&create.id, &prepared.stored, true)?;
        }
        Ok(exit.map_or(0, process::Exit::status))
    }

    fn notify(&self, create: &CreateRequest) -> Result<Option<Notify>> {
        match &create.notify_socket {
            Some(host) => Notify::bind(&self.root.container(&create.id)?, Some(host)),
            None => Ok(None),
        }
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
            let neighbours = self.neighbours(request)?;
            self.bear(&directory, prepared, &intended, (listener, neighbours))
        });
        made.map_err(|e| self.undo(request, prepared, e))
    }

    /// The containers whose namespaces are joined.
    fn neighbours(&self, request: &CreateRequest) -> Result<Vec<(Directory, i32)>> {
        let all = request.supervised.iter().flat_map(|s| &s.neighbours);
        all.map(|other| {
            let directory = self.root.container(&ContainerId::parse(&other.id)?)?;
            Ok((directory, other.pid))
        })
        .collect()
    }

    fn bear(
        &self,
        directory: &Directory,
        prepared: &mut Prepared,
        intended: &CgroupState,
        (listener, neighbours): (Option<OwnedFd>, Vec<(Directory, i32)>),
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
        let waits = listener.is_some();
        birth.listener = listener;
        birth.counted = counted;
        birth.memory_limit = memory_limit(&prepared.stored.spec);
        birth.neighbours = neighbours;
        let mut born = birth.run(|child| directory.write_init(&state::describe(child.pid)?))?;
        cgroup.joined();
        born.outcome.downgrades.extend(lost);
        for downgrade in &born.outcome.downgrades {
            (self.warn)(&downgrade.to_string());
        }
        // Who waits for `start` is given up by another process.
        let lent = match waits {
            true => born.lent.keep(directory),
            false => Ok(()),
        };
        let written = lent.and_then(|()| directory.write_outcome(&born.outcome));
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

    pub(crate) fn finish(
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
    pub(crate) fn undo(&self, request: &CreateRequest, prepared: &Prepared, error: Error) -> Error {
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

/// The memory limit that a cgroup holds a container to, in bytes.
pub(crate) fn memory_limit(spec: &Spec) -> Option<i64> {
    let resources = spec.linux.as_ref()?.resources.as_ref()?;
    resources.memory.as_ref()?.limit.filter(|limit| *limit > 0)
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
