//! `exec`: one more process in a running container.

use crate::birth::Birth;
use crate::cgroup::{Cgroup, CgroupState};
use crate::create::{memory_limit, write_pid_file};
use crate::error::{Error, For, Kind, Result};
use crate::message;
use crate::request::{ExecArgs, ExecRequest, ProcessSource};
use crate::start::hand_to_agent;
use crate::state::{Directory, InitProcess, State as Stored};
use crate::{Runtime, host, setting, terminal};
use lockstep_abi::id::{LAST_ID, NO_ID};
use lockstep_abi::signal::SIGKILL;
use lockstep_kernel::{process, signal, socket};
use lockstep_oci::json;
use lockstep_oci::runtime::{self as oci, Hooks, Linux, Process, Spec};
use lockstep_oci::state::Status;
use lockstep_plan::step::MapMethod;
use lockstep_plan::{exec as plan_exec, namespace};
use std::os::fd::AsFd;

impl Runtime<'_> {
    /// Executes a program in a container; returns its exit status, 0 when detached or left by the keys.
    pub fn exec(&self, request: &ExecRequest) -> Result<i32> {
        self.execute(request).map_err(|mut e| {
            let field = e
                .asked
                .as_deref()
                .and_then(|asked| asked.strip_prefix("/process/"));
            let document = field.and_then(|field| document(&request.process, field));
            if let (Some(field), Some(document)) = (field, document) {
                e.asked = Some(format!("/{field}"));
                return e.of(document);
            }
            e
        })
    }

    fn execute(&self, request: &ExecRequest) -> Result<i32> {
        let directory = self.root.container(&request.id)?;
        let stored = self.stored(&directory)?;
        let init = running(&directory)?;
        let mut cgroup = Cgroup::open(&below(&stored.cgroup, &request.cgroup)?);
        if !request.ignore_paused && cgroup.frozen()? {
            let message = "cannot exec in a paused container (use --ignore-paused to override)";
            return Err(Error::new(Kind::WrongState, message));
        }
        let spec = &stored.spec;
        let wanted = process_of(spec, &request.process, self.warn)?;
        terminal::check(
            wanted.terminal,
            request.console_socket.as_deref(),
            request.detach,
        )?;
        let console = terminal::connect(request.console_socket.as_deref())?;
        let proc = setting::open_proc()?;
        let host = host::probe_further(proc.as_fd(), spec, Some(&wanted))?;
        let plan = self.plan_exec(&stored, &wanted, &host, request)?;
        for warning in &plan.warnings {
            (self.warn)(warning);
        }
        let pidfd = process::pidfd_open(init.pid)
            .during(|| format!("reaching container {}", request.id))?;
        // Asked again, now that the id cannot come to mean another process.
        if !crate::state::is_alive(&init)? {
            return Err(stopped());
        }
        let mask = signal::block_all().during(|| "blocking signals".into())?;
        let told = self.oci_state(&stored, Status::Running, Some(init.pid));
        let hooks = Hooks::default();
        let mut birth = Birth::new(&plan, proc.as_fd(), &mut cgroup, &hooks, told.clone());
        birth.target = Some(pidfd.as_fd());
        birth.target_pid = init.pid;
        birth.memory_limit = memory_limit(spec);
        let mut born = birth.run(|_| Ok(()))?;
        let executed = await_exec(&mut born, |listener, pid| {
            hand_to_agent(spec, &told, pid, &listener)
        });
        let result = executed
            .and_then(|()| terminal::hand_over(console.as_ref(), born.console.as_ref()))
            .and_then(|()| publish(request, &born.child));
        result.inspect_err(|_| abandon(&born.child))?;
        for downgrade in &born.outcome.downgrades {
            (self.warn)(&downgrade.to_string());
        }
        if request.detach {
            return Ok(0);
        }
        let terminal = if console.is_some() {
            None
        } else {
            born.console
        };
        let exit = match (terminal, request.time_limit) {
            (None, Some(limit)) => Some(crate::wait::attend_for(&born.child, limit)?),
            (terminal, _) => {
                let keys = &request.detach_keys;
                crate::wait::attend(&born.child, terminal, None, keys, self.warn)?
            }
        };
        mask.restore().during(|| "restoring signals".into())?;
        Ok(exit.map_or(0, process::Exit::status))
    }

    /// The limit of processes where creation found no cgroup for it.
    fn uncounted(&self, stored: &Stored) -> Result<Option<u64>> {
        let resources = stored
            .spec
            .linux
            .as_ref()
            .and_then(|l| l.resources.as_ref());
        let limit = resources
            .and_then(|r| r.pids.as_ref())
            .and_then(|p| p.limit);
        let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok()) else {
            return Ok(None);
        };
        let lost = self.root.container(&stored.id)?.outcome()?;
        let uncounted = lost.downgrades.iter().any(|lost| lost.because == PIDS);
        Ok(uncounted.then_some(limit))
    }

    fn plan_exec(
        &self,
        stored: &Stored,
        wanted: &Process,
        host: &lockstep_plan::Host,
        request: &ExecRequest,
    ) -> Result<lockstep_plan::Plan> {
        let empty = Linux::default();
        let linux = stored.spec.linux.as_ref().unwrap_or(&empty);
        let namespaces = namespace::Namespaces::of(linux)?;
        let all = namespaces
            .join
            .iter()
            .fold(namespaces.new, |all, (flag, ..)| all | flag);
        let (_, method) = namespace::id_maps(linux, host)?;
        let request = plan_exec::Request {
            id: request.id.as_str(),
            namespaces: all,
            set_groups: host.set_groups && method != MapMethod::OneId,
            user_namespace: namespaces.enters_user(),
            processes: self.uncounted(stored)?,
            keep: request.preserve_fds,
            filter: stored.program()?,
        };
        Ok(plan_exec::plan(&stored.spec, wanted, host, &request)?)
    }
}

/// Where a field of the process comes from; `None` where it is the container's own.
fn document(source: &ProcessSource, field: &str) -> Option<&'static str> {
    let args = match source {
        ProcessSource::Json(_) => return Some("process.json"),
        ProcessSource::Args(args) => args,
    };
    let given = match field.split('/').next().unwrap_or_default() {
        "args" => true,
        "cwd" => args.cwd.is_some(),
        "env" => !args.env.is_empty(),
        "user" => args.user.is_some() || !args.additional_gids.is_empty(),
        "capabilities" => !args.caps.is_empty(),
        "apparmorProfile" => args.apparmor.is_some(),
        "selinuxLabel" => args.process_label.is_some(),
        _ => false,
    };
    given.then_some("the options")
}

/// The asking field of a limit of processes.
pub(crate) const PIDS: &str = "/linux/resources/pids/limit";

/// The first process of a container that has not ended.
fn running(directory: &Directory) -> Result<InitProcess> {
    let (status, init) = directory.status()?;
    init.filter(|_| status != Status::Stopped)
        .ok_or_else(stopped)
}

fn stopped() -> Error {
    Error::new(Kind::WrongState, "cannot exec in a stopped container")
}

/// Ends a process whose caller could not be told of it. ESRCH: it has ended, which is why there is an error.
fn abandon(child: &process::Child) {
    drop(process::pidfd_send_signal(child.pidfd.as_fd(), SIGKILL));
    drop(process::wait(child.pid, false));
}

/// The container's cgroups, or those below them that `--cgroup [controllers:]path` names.
fn below(own: &CgroupState, wanted: &[String]) -> Result<CgroupState> {
    let mut all = own.clone();
    for text in wanted {
        let (labels, path) = match text.split_once(':') {
            Some((labels, path)) => (Some(labels), path),
            None => (None, text.as_str()),
        };
        let path = path.trim_start_matches('/');
        if path.split('/').any(|part| part == "..") {
            return Err(not_below(&format!("{text} is not a sub cgroup path"), text));
        }
        let named = |label: &str| {
            labels.is_none_or(|l| l.split(',').any(|l| label.split(',').any(|o| o == l)))
        };
        let mut found = false;
        for dir in all.dirs.iter_mut().filter(|dir| named(&dir.label)) {
            dir.path = format!("{}/{path}", dir.path);
            found = true;
        }
        if !found {
            let label = labels.unwrap_or_default();
            return Err(not_below(
                &format!("unknown controller {label} in SubCgroupPaths"),
                text,
            ));
        }
    }
    Ok(all)
}

/// In runc's words.
fn not_below(why: &str, text: &str) -> Error {
    let message = format!("unable to create new parent process: {why}: {text:?}");
    Error::new(Kind::Invalid, message)
}

fn await_exec(
    born: &mut crate::birth::Born,
    mut listener: impl FnMut(std::os::fd::OwnedFd, i32) -> Result<()>,
) -> Result<()> {
    let pid = born.child.pid;
    let console = &mut born.console;
    loop {
        match message::receive(born.peer.as_fd())? {
            message::Message::Console(master) => *console = Some(master),
            message::Message::Listener(fd) => listener(fd, pid)?,
            message::Message::Ready(lost) => born.outcome.downgrades.extend(lost.downgrades),
            message::Message::Failed(e) => return Err(e),
            message::Message::End => return Ok(()),
            message::Message::Barrier(_) | message::Message::Namespaces(..) => {}
        }
    }
}

fn publish(request: &ExecRequest, child: &process::Child) -> Result<()> {
    if let Some(path) = &request.pidfd_socket {
        let what = || format!("pidfd socket {}", path.display());
        let peer = socket::connect_stream(path).during(what)?;
        socket::send(
            peer.as_fd(),
            request.id.as_str().as_bytes(),
            &[child.pidfd.as_fd()],
        )
        .during(what)?;
    }
    write_pid_file(request.pid_file.as_deref(), child.pid)
}

/// The process to execute: never with fewer restrictions than the container's own.
fn process_of(spec: &Spec, source: &ProcessSource, warn: &dyn Fn(&str)) -> Result<Process> {
    let own = spec.process.clone();
    let mut process = match source {
        ProcessSource::Json(text) => {
            let wrong = |e: String| Error::new(Kind::Invalid, format!("process.json: {e}"));
            let parsed = json::parse::<Process>(text).map_err(|e| wrong(e.to_string()))?;
            for pointer in &parsed.unknown {
                warn(&format!("process.json: unknown field {pointer} ignored"));
            }
            let warnings =
                oci::validate_process(&parsed.value).map_err(|e| wrong(e.to_string()))?;
            for warning in warnings {
                warn(&format!("process.json: {warning}"));
            }
            parsed.value
        }
        ProcessSource::Args(args) => {
            let own = own
                .clone()
                .ok_or_else(|| Error::new(Kind::Invalid, "the container has no process"))?;
            changed(own, args)?
        }
    };
    if process.args.is_empty() {
        return Err(Error::new(Kind::Invalid, "process args cannot be empty"));
    }
    if let Some(own) = own {
        process.no_new_privileges |= own.no_new_privileges;
        process.apparmor_profile = process.apparmor_profile.or(own.apparmor_profile);
        process.selinux_label = process.selinux_label.or(own.selinux_label);
        // Left out, they are the container's, as in runc.
        process.capabilities = process.capabilities.or_else(|| {
            let mut capabilities = own.capabilities?;
            drop_inherited(&mut capabilities);
            Some(capabilities)
        });
    }
    if process.cwd.is_empty() {
        process.cwd = "/".into();
    }
    if !process.cwd.starts_with('/') {
        let text = format!("cwd must be an absolute path, not {:?}", process.cwd);
        return Err(Error::new(Kind::Invalid, text));
    }
    Ok(process)
}

/// Inheritable capabilities would be gained again by files that carry them (CVE-2022-29162, CVE-2022-27650);
/// ambient ones cannot be without them.
fn drop_inherited(capabilities: &mut oci::Capabilities) {
    #[cfg(lockstep_weak)]
    if lockstep_kernel::weak::is("keep-inheritable") {
        return;
    }
    capabilities.inheritable.clear();
    capabilities.ambient.clear();
}

fn changed(mut process: Process, args: &ExecArgs) -> Result<Process> {
    process.args.clone_from(&args.args);
    process.env.extend(args.env.iter().cloned());
    process.terminal = args.tty;
    process.console_size = None;
    if let Some(cwd) = &args.cwd {
        process.cwd.clone_from(cwd);
    }
    if let Some(user) = &args.user {
        let (uid, gid) = parse_user(user)?;
        process.user.uid = uid;
        process.user.gid = gid.unwrap_or(process.user.gid);
    }
    if args.additional_gids.contains(&NO_ID) {
        let text = format!("group {NO_ID} is no id, the last one is {LAST_ID}");
        return Err(Error::new(Kind::Invalid, text));
    }
    process.user.additional_gids.extend(&args.additional_gids);
    process.no_new_privileges |= args.no_new_privs;
    if args.apparmor.is_some() {
        process.apparmor_profile.clone_from(&args.apparmor);
    }
    if args.process_label.is_some() {
        process.selinux_label.clone_from(&args.process_label);
    }
    let capabilities = process.capabilities.get_or_insert_default();
    drop_inherited(capabilities);
    for list in [
        &mut capabilities.bounding,
        &mut capabilities.effective,
        &mut capabilities.permitted,
    ] {
        list.extend(args.caps.iter().cloned());
    }
    Ok(process)
}

/// Strict: a number that is not one, or that the kernel takes for "leave as it is", must not become another user, or
/// stay root (CVE-2026-30892).
fn parse_user(text: &str) -> Result<(u32, Option<u32>)> {
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let wrong = || {
            Error::new(
                Kind::Invalid,
                format!("user {text:?} is not uid or uid:gid"),
            )
        };
        #[cfg(lockstep_weak)]
        if lockstep_kernel::weak::is("lenient-user") {
            return Ok(part.parse().unwrap_or(0));
        }
        match part.parse() {
            Ok(id) if digits && id != NO_ID => Ok(id),
            _ => Err(wrong()),
        }
    };
    match text.split_once(':') {
        Some((uid, gid)) => Ok((number(uid)?, Some(number(gid)?))),
        None => Ok((number(text)?, None)),
    }
}
