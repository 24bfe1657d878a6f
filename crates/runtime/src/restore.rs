//! `restore`: a container from what criu has saved. Its state, its cgroup and its limits are made as for a new one; its
//! processes and namespaces are criu's work.
//!
//! criu itself is born in the container's cgroup, so that every process that it makes is in there from its first moment
//! and can be found if this process is killed: until there is a first process, criu stands for it in the state.

use crate::cgroup::Cgroup;
use crate::checkpoint::external_namespaces;
use crate::create::write_pid_file;
use crate::criu::{
    self, Criu, Directories, FIRST_PASSED, Kind as Asked, Moment, Options, Restored, Streams,
    Surroundings,
};
use crate::error::{Error, For, Kind, Result};
use crate::prepare::Prepared;
use crate::request::RestoreRequest;
use crate::state::{self, CRIU_ROOT, Directory, INIT};
use crate::{Runtime, terminal};
use lockstep_kernel::process::{self, Child, Side};
use lockstep_kernel::{console, file, namespace, network, signal};
use lockstep_oci::runtime::{Hooks, NamespaceType, Spec};
use lockstep_oci::state::Status;
use lockstep_plan::cgroup::Write;
use lockstep_plan::namespace::NEWNET;
use lockstep_plan::{Downgrade, Outcome};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// criu's log beside the images.
const LOG: &str = "restore.log";

/// A container whose processes run again.
struct Back {
    child: Child,
    /// The terminal's master, if its first process has one.
    console: Option<OwnedFd>,
}

impl Runtime<'_> {
    /// Restores a container; returns its exit status, 0 when detached. Of one that fails nothing is left.
    pub fn restore(&self, request: &RestoreRequest) -> Result<i32> {
        let create = &request.create;
        let mut prepared = ManuallyDrop::new(self.prepare(create)?);
        self.criu_is_possible(&prepared.stored, prepared.proc.as_fd())?;
        let socket = terminal::socket_for(
            &prepared.stored.spec,
            create.console_socket.as_deref(),
            request.detach,
        )?;
        let directories = Directories::open(&request.criu, false, LOG)?;
        directories.check_owner(&request.criu.images)?;
        let streams = Streams::read(&directories.images)?;
        if !request.detach && !request.no_subreaper {
            process::set_child_subreaper(true).during(|| "becoming a subreaper".into())?;
        }
        let mask = signal::block_all().during(|| "blocking signals".into())?;
        let directory = self.root.claim(&create.id)?;
        let back = self.bring_back(request, &mut prepared, &directory, &directories, &streams);
        let back = back.and_then(|back| {
            terminal::hand_over(socket.as_ref(), back.console.as_ref())?;
            file::rmdir(directory.as_fd(), CRIU_ROOT)
                .during(|| format!("state of {}", create.id))?;
            write_pid_file(create.pid_file.as_deref(), back.child.pid)?;
            Ok(back)
        });
        let back = back.map_err(|e| self.undo(create, &prepared, e))?;
        if request.detach {
            mask.restore().during(|| "restoring signals".into())?;
            return Ok(0);
        }
        let console = back.console.filter(|_| socket.is_none());
        let exit = crate::wait::attend(&back.child, console, None, &[], self.warn)?;
        mask.restore().during(|| "restoring signals".into())?;
        self.delete_ended(&create.id, &prepared.stored, true)?;
        Ok(exit.map_or(0, process::Exit::status))
    }

    fn bring_back(
        &self,
        request: &RestoreRequest,
        prepared: &mut Prepared,
        directory: &Directory,
        directories: &Directories,
        streams: &Streams,
    ) -> Result<Back> {
        let mut cgroup = self.prepare_cgroup(request, prepared, directory)?;
        // Without these a cgroup v1 takes no process; the others would hold criu up.
        let writes = prepared.cgroup.writes.iter().cloned();
        let (early, late): (Vec<Write>, Vec<Write>) =
            writes.partition(|write| write.file.starts_with("cpuset."));
        let layout = &prepared.host.cgroup;
        let mut lost = cgroup.apply(&early, layout)?;
        let mut options = restore_options(request, &prepared.stored.spec, directories);
        streams.replace(&mut options);
        let root = self.make_root(directory)?;
        options.text(criu::field::ROOT, &root.to_string_lossy());
        let criu = start_criu(
            request,
            prepared,
            directories,
            &mut cgroup,
            &mut options,
            &root,
        )?;
        let pid = criu.pid();
        directory.write_init(&state::describe(pid)?)?;
        check_version(&criu, request)?;
        criu.need(false, request.criu.lazy_pages)?;
        criu.lock_network(&request.criu, &mut options);
        // Where it was not born there.
        cgroup.join_unified(pid, None)?;
        cgroup.joined();
        name_cgroups(prepared, pid, &mut options)?;
        let mut console = None;
        let mut noted = |moment: Moment<'_>| match moment.name {
            "setup-namespaces" => {
                directory.write(INIT, &state::describe(moment.pid)?)?;
                self.set_up(prepared, moment.pid)
            }
            "orphan-pts-master" => {
                console = moment.fds.into_iter().next();
                Ok(())
            }
            // Everything is there and nothing of it has run.
            "post-restore" => {
                lost.extend(cgroup.apply(&late, layout)?);
                lost.extend(cgroup.apply_devices(&prepared.cgroup.devices, layout)?);
                Ok(())
            }
            "pre-resume" => check_confinement(prepared, &cgroup, pid).inspect_err(|_| {
                // criu lets them run whatever is said now. The error that stands is the one to report.
                drop(cgroup.kill_all());
            }),
            _ => Ok(()),
        };
        let pid = criu.order(Asked::Restore, &options, self.warn, &mut noted)?;
        lost.extend(lost_ambient(prepared, pid)?);
        let pidfd = process::pidfd_open(pid)
            .during(|| format!("process {pid} of the restored container"))?;
        directory.write(INIT, &state::describe(pid)?)?;
        lost.iter().for_each(|lost| (self.warn)(&lost.to_string()));
        directory.write_outcome(&Outcome { downgrades: lost })?;
        Ok(Back {
            child: Child { pid, pidfd },
            console,
        })
    }

    /// The state, then what it names.
    fn prepare_cgroup(
        &self,
        request: &RestoreRequest,
        prepared: &mut Prepared,
        directory: &Directory,
    ) -> Result<Cgroup> {
        let written = directory.write_first_state(&prepared.stored);
        // Until they are made the directories are nobody's or somebody else's: undoing must not touch them.
        let intended = std::mem::take(&mut prepared.stored.cgroup);
        written?;
        if request.create.notify_socket.is_some() {
            directory.make_notify()?;
        }
        let cgroup = Cgroup::create(&prepared.cgroup, &prepared.host.cgroup)?;
        prepared.stored.cgroup = cgroup.state().clone();
        if prepared.stored.cgroup != intended {
            directory.write_state(&prepared.stored)?;
        }
        Ok(cgroup)
    }

    /// The directory that criu's root is mounted on, in criu's mount namespace.
    fn make_root(&self, directory: &Directory) -> Result<PathBuf> {
        let made = file::mkdirat(directory.as_fd(), CRIU_ROOT, 0o700);
        made.during(|| format!("state of {}", directory.id))?;
        Ok(self.root.path_of(&directory.id).join(CRIU_ROOT))
    }

    /// What becomes of new namespaces before there is anything in them, as when a container is made.
    fn set_up(&self, prepared: &Prepared, pid: i32) -> Result<()> {
        let spec = &prepared.stored.spec;
        let linux = spec.linux.as_ref();
        let network = linux.and_then(|linux| linux.namespace(&NamespaceType::Network));
        if network.is_some_and(|network| network.path.as_ref().is_none_or(|path| path.is_empty())) {
            loopback_up(prepared, pid)?;
        }
        let empty = Hooks::default();
        let hooks = spec.hooks.as_ref().unwrap_or(&empty);
        let told = self.oci_state(&prepared.stored, Status::Creating, Some(pid));
        crate::hook::run_all(&hooks.prestart, "prestart", &told)?;
        crate::hook::run_all(&hooks.create_runtime, "createRuntime", &told)
    }
}

/// criu in the container's cgroup, with the root file system at `root` in a mount namespace of its own.
fn start_criu(
    request: &RestoreRequest,
    prepared: &Prepared,
    directories: &Directories,
    cgroup: &mut Cgroup,
    options: &mut Options,
    root: &Path,
) -> Result<Criu> {
    let stored = &prepared.stored;
    let (spec, bundle) = (&stored.spec, &stored.bundle);
    let mounts = Restored::of(&directories.images, spec, bundle, &stored.rootfs, options)?;
    let joined = join_namespaces(spec, options)?;
    Criu::start(
        &request.criu,
        directories,
        &Surroundings {
            streams: console::standard_streams(),
            passed: joined.iter().map(AsFd::as_fd).collect(),
            tasks: cgroup.tasks()?,
            cgroup: cgroup.clone_into_fd()?,
            // Which criu has not saved before version 3.18.
            no_new_privs: spec.process.as_ref().is_some_and(|p| p.no_new_privileges),
            last: &|| mounts.enter(root),
        },
    )
}

fn restore_options(request: &RestoreRequest, spec: &Spec, directories: &Directories) -> Options {
    use criu::field;
    let mut options = criu::options(&request.criu, directories, &spec.annotations);
    options.flag(field::EVASIVE_DEVICES, true);
    options.flag(field::RST_SIBLING, true);
    // By bind mounts alone: 3.17's other way takes the propagation of bind mounts from the root, and the kernel refuses it.
    options.flag(field::MNTNS_COMPAT_MODE, true);
    if let Some(profile) = &request.lsm_profile {
        options.text(field::LSM_PROFILE, profile);
    }
    if let Some(context) = &request.lsm_mount_context {
        options.text(field::LSM_MOUNT_CONTEXT, context);
    }
    options
}

fn check_version(criu: &Criu, request: &RestoreRequest) -> Result<()> {
    let given = [
        ("--lsm-profile", request.lsm_profile.is_some()),
        ("--lsm-mount-context", request.lsm_mount_context.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) if criu.version < criu::RELABELS => {
            let text = format!("{flag} requires at least CRIU 3.16");
            Err(Error::new(Kind::Invalid, text))
        }
        _ => Ok(()),
    }
}

/// Names the namespaces that are there already; the files of those that criu has left to their owners.
fn join_namespaces(spec: &Spec, options: &mut Options) -> Result<Vec<OwnedFd>> {
    use criu::field;
    let mut opened = Vec::new();
    for (_, key, path) in external_namespaces(spec) {
        let found = file::openat(file::CWD, path, file::OFlags::RDONLY, 0);
        let found = found.during(|| format!("joining the namespace at {path}"))?;
        options.numbered(field::INHERIT_FD, key, FIRST_PASSED + opened.len() as u64);
        opened.push(found);
    }
    let all = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    for namespace in all {
        let name = match namespace.kind {
            NamespaceType::Ipc => "ipc",
            NamespaceType::Uts => "uts",
            _ => continue,
        };
        if let Some(path) = namespace.path.as_ref().filter(|path| !path.is_empty()) {
            options.pair(field::JOIN_NS, name, path);
        }
    }
    Ok(opened)
}

/// The container's cgroups take the place of those that it was saved in.
fn name_cgroups(prepared: &Prepared, pid: i32, options: &mut Options) -> Result<()> {
    let text = file::read_at_once(prepared.proc.as_fd(), format!("{pid}/cgroup"), 1 << 16)
        .during(|| "cgroups of criu".into())?;
    for line in String::from_utf8_lossy(&text).lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        if let (Some(controllers), Some(path)) = (fields.next(), fields.next()) {
            options.pair(criu::field::CG_ROOT, controllers, path);
        }
    }
    Ok(())
}

/// Every thread has what the configuration promises of all: no_new_privs, a filter, the label. The images decide the rest.
fn check_confinement(prepared: &Prepared, cgroup: &Cgroup, criu: i32) -> Result<()> {
    let process = prepared.stored.spec.process.as_ref();
    let promised = [
        (
            process.is_some_and(|process| process.no_new_privileges),
            "NoNewPrivs:\t1",
            "/process/noNewPrivileges",
        ),
        (
            prepared.stored.filter.is_some(),
            "Seccomp:\t2",
            "/linux/seccomp",
        ),
    ];
    let proc = prepared.proc.as_fd();
    for pid in cgroup.pids()?.into_iter().filter(|pid| *pid != criu) {
        let threads = file::list(proc, format!("{pid}/task"));
        for tid in threads.during(|| format!("threads of process {pid}"))? {
            let thread = format!("{pid}/task/{tid}");
            let text = status_of(prepared, &thread)?;
            let lacks = |line: &str| !text.lines().any(|other| other == line);
            if let Some((_, line, field)) = promised.iter().find(|(is, line, _)| *is && lacks(line))
            {
                let text = format!(
                    "the checkpoint has a process without {:?}",
                    line.replace('\t', " ")
                );
                return Err(Error::new(Kind::Invalid, text).asked(*field));
            }
            criu::check_label(proc, &prepared.stored.spec, &thread)?;
        }
    }
    Ok(())
}

/// What a first process of another user needs at its next execve(2); not every criu saves it.
fn lost_ambient(prepared: &Prepared, pid: i32) -> Result<Option<Downgrade>> {
    let process = prepared.stored.spec.process.as_ref();
    let sets = process.and_then(|process| process.capabilities.as_ref());
    if sets.is_none_or(|sets| sets.ambient.is_empty()) {
        return Ok(None);
    }
    let text = status_of(prepared, &pid.to_string())?;
    let lost = text.lines().any(|line| line == "CapAmb:\t0000000000000000");
    Ok(lost.then(|| Downgrade {
        because: "/process/capabilities/ambient".into(),
        lost: "the ambient capabilities of the saved process are not restored by criu".into(),
        call: String::new(),
    }))
}

fn status_of(prepared: &Prepared, process: &str) -> Result<String> {
    let text = file::read_at_once(prepared.proc.as_fd(), format!("{process}/status"), 1 << 16);
    let text = text.during(|| format!("asking for process {process}"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Sets the loopback device up from a process that goes there: 127.0.0.1 can be bound to only then.
fn loopback_up(prepared: &Prepared, pid: i32) -> Result<()> {
    let what = || "loopback device of the restored container".to_owned();
    let proc = prepared.proc.as_fd();
    let target =
        file::openat(proc, format!("{pid}/ns/net"), file::OFlags::RDONLY, 0).during(what)?;
    match process::clone(0, None).during(what)? {
        Side::Child => {
            let up = namespace::setns(target.as_fd(), NEWNET).and_then(|()| network::loopback_up());
            process::exit(up.map_or_else(|e| e.errno.clamp(1, 255), |()| 0))
        }
        Side::Parent(child) => match process::wait(child.pid, false).during(what)? {
            Some((_, process::Exit::Code(0))) => Ok(()),
            Some((_, exit)) => {
                let call = lockstep_kernel::Error {
                    call: "ioctl(SIOCSIFFLAGS, lo)".into(),
                    errno: exit.status(),
                };
                Err(Error::call(what(), &call))
            }
            None => Err(Error::new(Kind::Kernel, what())),
        },
    }
}
