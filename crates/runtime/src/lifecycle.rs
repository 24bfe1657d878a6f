//! What happens to a container after its birth: state, signals, pause, limits, deletion.

use crate::cgroup::{Cgroup, OomEvent, OomWatch, Stats, systemd};
use crate::error::{Error, For, Kind, Result};
use crate::state::{self, ContainerId, Directory, InitProcess, State as Stored};
use crate::{Runtime, host, setting};
use lockstep_abi::bpf;
use lockstep_abi::signal::SIGKILL;
use lockstep_kernel::file;
use lockstep_oci::ordered_map::OrderedMap;
use lockstep_oci::runtime::{NamespaceType, Resources, SeccompFlag, Spec};
use lockstep_oci::state::{State, Status};
use lockstep_plan::cgroup as plan_cgroup;
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a killed process may take to end before `delete --force` gives up.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// A container as `state` and `list` show it.
#[derive(Debug, Clone)]
pub struct Info {
    /// Version of the specification that this runtime implements.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Its first process in the runtime's pid namespace; 0 when it has ended.
    pub pid: i32,
    /// What the kernel says of it.
    pub status: Status,
    /// The bundle's absolute path.
    pub bundle: PathBuf,
    /// The root file system's absolute path.
    pub rootfs: PathBuf,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Name or number of the user who made it.
    pub owner: String,
    /// Annotations of the configuration.
    pub annotations: OrderedMap<String>,
}

/// What a wait for out-of-memory events ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OomWait {
    /// The container ran out of memory.
    Oom,
    /// The time is over.
    Timeout,
    /// The container has ended.
    Gone,
}

/// A registration for out-of-memory events.
#[derive(Debug)]
pub struct OomEvents {
    watch: RefCell<Option<OomWatch>>,
    init: Option<InitProcess>,
}

impl OomEvents {
    /// Waits for the next event, at most `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<OomWait> {
        let start = Instant::now();
        loop {
            let alive = self.init.as_ref().map(state::is_alive).transpose()?;
            if alive != Some(true) {
                return Ok(OomWait::Gone);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(OomWait::Timeout);
            }
            // Without a memory controller nothing tells of the container's end, so it is looked for.
            let slice = left.min(Duration::from_millis(500));
            let milliseconds = u32::try_from(slice.as_millis()).unwrap_or(u32::MAX).max(1);
            match self.watch.borrow_mut().as_mut() {
                None => std::thread::sleep(slice),
                Some(watch) => match watch.wait(Some(milliseconds))? {
                    OomEvent::Oom => return Ok(OomWait::Oom),
                    OomEvent::Gone => return Ok(OomWait::Gone),
                    OomEvent::Nothing => {}
                },
            }
        }
    }
}

/// Changes of a container's resctrl group.
#[derive(Debug, Clone, Default)]
pub struct RdtUpdate {
    /// L3 cache schema.
    pub l3_cache_schema: Option<String>,
    /// Memory bandwidth schema.
    pub mem_bw_schema: Option<String>,
}

impl Runtime<'_> {
    pub(crate) fn stored(&self, directory: &Directory) -> Result<Stored> {
        directory.state()?.ok_or_else(|| {
            Error::new(
                Kind::WrongState,
                format!("container {} was never finished", directory.id),
            )
            .hint("its creation was killed; delete it")
        })
    }

    /// The specification's state of a container.
    pub(crate) fn oci_state(&self, stored: &Stored, status: Status, pid: Option<i32>) -> State {
        State {
            oci_version: crate::OCI_VERSION.into(),
            id: stored.id.to_string(),
            pid,
            status,
            bundle: stored.bundle.to_string_lossy().into_owned(),
            rootfs: Some(stored.rootfs.to_string_lossy().into_owned()),
            created: Some(stored.created.clone()),
            annotations: stored.spec.annotations.clone(),
            owner: Some(String::new()),
        }
    }

    /// One container.
    pub fn info(&self, id: &ContainerId) -> Result<Info> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        let (status, init) = self.status(&directory, &stored)?;
        let alive = init.filter(|_| status != Status::Stopped);
        Ok(Info {
            oci_version: crate::OCI_VERSION.into(),
            id: stored.id.to_string(),
            pid: alive.map_or(0, |init| init.pid),
            status,
            bundle: stored.bundle,
            rootfs: stored.rootfs,
            created: stored.created,
            owner: user_name(stored.owner),
            annotations: stored.spec.annotations,
        })
    }

    /// Whether the processes of a container are stopped where they are. For who asks about many that are known to run:
    /// of the state no more is read than the cgroups.
    pub fn paused(&self, id: &ContainerId) -> Result<bool> {
        match self.root.cgroup_of(id)? {
            Some(cgroup) => Ok(Cgroup::open(&cgroup).frozen()?),
            None => Ok(false),
        }
    }

    fn status(
        &self,
        directory: &Directory,
        stored: &Stored,
    ) -> Result<(Status, Option<InitProcess>)> {
        let (status, init) = directory.status()?;
        let running = status == Status::Running;
        let paused = running && Cgroup::open(&stored.cgroup).frozen()?;
        Ok((if paused { Status::Paused } else { status }, init))
    }

    /// What differs from the container's configuration, because this host or user could not do it.
    pub fn outcome(&self, id: &ContainerId) -> Result<lockstep_plan::Outcome> {
        self.root.container(id)?.outcome()
    }

    /// All containers, by id; one that cannot be read is reported and left out.
    pub fn list(&self) -> Result<Vec<Info>> {
        let mut all = Vec::new();
        for id in self.root.ids()? {
            match self.info(&id) {
                Ok(info) => all.push(info),
                Err(e) if e.kind == Kind::NotFound => {}
                Err(e) => (self.warn)(&format!("container {id}: {e}")),
            }
        }
        Ok(all)
    }

    /// Sends a signal to the first process, or to all (runtime.md, "Kill"). SIGKILL ends a paused container too; with any
    /// other signal it stays paused.
    pub fn kill(&self, id: &ContainerId, signal: i32, all: bool) -> Result<()> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        let (status, init) = self.status(&directory, &stored)?;
        let cgroup = Cgroup::open(&stored.cgroup);
        if all && !cgroup.is_empty() {
            return Ok(cgroup.signal_all(signal)?);
        }
        if all && status == Status::Stopped {
            return Ok(());
        }
        let gone = || Error::new(Kind::WrongState, "container not running");
        let init = match init {
            Some(init) if status != Status::Stopped => init,
            _ => return Err(gone()),
        };
        if !state::signal(&init, signal)? {
            return Err(gone());
        }
        // Of a pid namespace the first process's end is that of all.
        if all && !(signal == SIGKILL && has_own_pids(&stored.spec)) {
            (self.warn)(&format!(
                "container {id} has no cgroup, so only its first process is known and was signalled"
            ));
        }
        // The v1 freezer keeps even a killed process; v2 lets it die.
        if signal == SIGKILL && status == Status::Paused {
            cgroup.thaw()?;
        }
        Ok(())
    }

    /// Stops every process of the container.
    pub fn pause(&self, id: &ContainerId) -> Result<()> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        match self.status(&directory, &stored)?.0 {
            Status::Running | Status::Created => Ok(Cgroup::open(&stored.cgroup).freeze()?),
            _ => Err(Error::new(Kind::WrongState, "container not running")),
        }
    }

    /// Lets them go on.
    pub fn resume(&self, id: &ContainerId) -> Result<()> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        let cgroup = Cgroup::open(&stored.cgroup);
        match self.status(&directory, &stored)?.0 {
            Status::Paused => Ok(cgroup.thaw()?),
            Status::Created if cgroup.frozen()? => Ok(cgroup.thaw()?),
            _ => Err(Error::new(Kind::WrongState, "container not paused")),
        }
    }

    /// The host's ids of all processes in the container.
    pub fn processes(&self, id: &ContainerId) -> Result<Vec<i32>> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        let cgroup = Cgroup::open(&stored.cgroup);
        if cgroup.is_empty() {
            return Err(Error::new(
                Kind::WrongState,
                "container has no cgroup, so its processes are not known",
            ));
        }
        Ok(cgroup.pids()?)
    }

    /// What the container uses.
    pub fn stats(&self, id: &ContainerId) -> Result<Stats> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        if self.status(&directory, &stored)?.0 == Status::Stopped {
            return Err(Error::new(
                Kind::WrongState,
                format!("container with id {id} is not running"),
            ));
        }
        Ok(Cgroup::open(&stored.cgroup).stats()?)
    }

    /// Registers for out-of-memory events.
    pub fn oom_events(&self, id: &ContainerId) -> Result<OomEvents> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        let watch = Cgroup::open(&stored.cgroup).oom_watch()?;
        Ok(OomEvents {
            watch: RefCell::new(watch),
            init: directory.init()?,
        })
    }

    /// What this build and this kernel can do.
    pub fn features(&self) -> lockstep_oci::features::Features {
        crate::features::features(kernel_flags(), true)
    }

    /// Changes the limits of a container. `document` is what the user knows the resources' origin by.
    pub fn update(
        &self,
        id: &ContainerId,
        resources: &Resources,
        document: &str,
        rdt: &RdtUpdate,
    ) -> Result<()> {
        let wrong = |e: lockstep_oci::runtime::Invalid| {
            Error::new(Kind::Invalid, format!("{document}: {e}"))
        };
        for warning in lockstep_oci::runtime::validate_resources(resources).map_err(wrong)? {
            (self.warn)(&warning.to_string());
        }
        let directory = self.root.container(id)?;
        let mut stored = self.stored(&directory)?;
        if directory.status()?.0 == Status::Stopped {
            return Err(Error::new(Kind::WrongState, "container not running"));
        }
        let schemata = [&rdt.l3_cache_schema, &rdt.mem_bw_schema];
        let schemata: Vec<String> = schemata.into_iter().flatten().cloned().collect();
        if !schemata.is_empty() {
            crate::rdt::update(id.as_str(), &stored.spec, &schemata)?;
        }
        let proc = setting::open_proc()?;
        let layout = host::cgroup_layout(proc.as_fd())?;
        let linux = stored.spec.linux.get_or_insert_default();
        let existing = linux.resources.clone().unwrap_or_default();
        let machine = stored.cgroup.unit.as_ref().map(|_| systemd::machine());
        let planned = plan_cgroup::update(
            resources,
            &existing,
            &plan_cgroup::default_devices(),
            &layout,
            self.is_rootless(|| host::in_user_namespace(proc.as_fd()))?,
            machine.as_ref(),
        )
        .map_err(|e| Error::from(lockstep_plan::Error::new(e.pointer, e.value, e.reason)))
        .map_err(|e| asked_in(e, document))?;
        for warning in &planned.warnings {
            (self.warn)(warning);
        }
        linux.resources = Some(merge(&planned.rest, resources)?);
        // On the disk before a limit is changed: where there is no room for it, nothing is changed.
        let new_state = directory.prepare_state(&stored)?;
        let cgroup = Cgroup::open(&stored.cgroup);
        let lost = cgroup.update(&planned, &layout);
        for mut downgrade in lost.map_err(|e| asked_in(e.into(), document))? {
            downgrade.because = in_resources(&downgrade.because).into();
            (self.warn)(&downgrade.to_string());
        }
        new_state.commit().during(|| format!("state of {id}"))
    }

    /// Removes a container (runtime.md, "Delete"); with `force` also a running one, and none at all is no error.
    pub fn delete(&self, id: &ContainerId, force: bool) -> Result<()> {
        let directory = match self.root.container(id) {
            Err(e) if force && e.kind == Kind::NotFound => return Ok(()),
            other => other?,
        };
        let Some(stored) = directory.state()? else {
            return self.root.remove(id);
        };
        let (status, init) = directory.status()?;
        match (status, &init) {
            (_, None) => return self.delete_unborn(id, &stored),
            (Status::Stopped, _) => {}
            (Status::Created, Some(init)) => self.end(id, &stored, init)?,
            (_, Some(init)) if force => self.end(id, &stored, init)?,
            _ => {
                let other = self.status(&directory, &stored)?.0;
                let message = format!("cannot delete container {id} that is not stopped: {other}");
                return Err(Error::new(Kind::WrongState, message));
            }
        }
        self.delete_ended(id, &stored, true)
    }

    /// Creation was killed before there was a process. Its cgroups may have been somebody else's before, so
    /// nothing in them is killed; what is empty is removed.
    fn delete_unborn(&self, id: &ContainerId, stored: &Stored) -> Result<()> {
        match Cgroup::open(&stored.cgroup).delete(false) {
            Ok(untold) => self.warn_of(untold),
            Err(e) => (self.warn)(&format!("cgroup of unfinished container {id} left: {e}")),
        }
        self.root.remove(id)
    }

    fn warn_of(&self, untold: Option<crate::cgroup::Error>) {
        if let Some(e) = untold {
            (self.warn)(&e.to_string());
        }
    }

    pub(crate) fn end(&self, id: &ContainerId, stored: &Stored, init: &InitProcess) -> Result<()> {
        state::signal(init, SIGKILL)?;
        let cgroup = Cgroup::open(&stored.cgroup);
        // One that cannot be asked is thawed all the same.
        if cgroup.frozen().unwrap_or(true) {
            cgroup.thaw()?;
        }
        let start = Instant::now();
        let mut pause = Duration::from_micros(100);
        while state::is_alive(init)? {
            if start.elapsed() > KILL_TIMEOUT {
                return Err(Error::new(
                    Kind::WrongState,
                    format!("container {id} does not end after SIGKILL"),
                ));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Undoes what creation did, newest first, then runs the poststop hooks.
    pub(crate) fn delete_ended(
        &self,
        id: &ContainerId,
        stored: &Stored,
        hooks: bool,
    ) -> Result<()> {
        // Processes outlive the first one only where the container shares its pid namespace.
        let untold = Cgroup::open(&stored.cgroup).delete(true)?;
        self.warn_of(untold);
        match self.root.remove(id) {
            Err(e) if e.kind == Kind::NotFound => {}
            other => other?,
        }
        if let Some(hooks) = stored.spec.hooks.as_ref().filter(|_| hooks) {
            let told = self.oci_state(stored, Status::Stopped, None);
            for (n, hook) in hooks.poststop.iter().enumerate() {
                // A failed one is a warning, and the others run all the same (runtime.md, step 13).
                if let Err(e) = crate::hook::run_all(std::slice::from_ref(hook), "poststop", &told)
                {
                    (self.warn)(&format!("poststop hook #{n}: {e}"));
                }
            }
        }
        Ok(())
    }
}

/// Whether the container's processes are in a pid namespace that was made for them.
fn has_own_pids(spec: &Spec) -> bool {
    let linux = spec.linux.as_ref();
    let namespace = linux.and_then(|linux| linux.namespace(&NamespaceType::Pid));
    namespace.is_some_and(|pid| pid.path.as_ref().is_none_or(|path| path.is_empty()))
}

/// A pointer of config.json as one of its resources alone.
fn in_resources(pointer: &str) -> &str {
    pointer.strip_prefix("/linux/resources").unwrap_or(pointer)
}

/// An error of the resources in a document of their own.
fn asked_in(mut error: Error, document: &str) -> Error {
    error.asked = error
        .asked
        .as_deref()
        .map(|asked| in_resources(asked).into());
    error.of(document)
}

/// The filter flags that this kernel knows.
fn kernel_flags() -> Vec<SeccompFlag> {
    let known = |flag: &&SeccompFlag| {
        let bit = bpf::SECCOMP_FILTER_FLAG_NAMES
            .iter()
            .find(|(name, _)| *name == flag.as_str());
        // One is of listeners, and refused without.
        let beside = match flag {
            SeccompFlag::WaitKillableRecv => bpf::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            _ => 0,
        };
        bit.is_some_and(|(_, bit)| lockstep_kernel::seccomp::flag_available(*bit as u32 | beside))
    };
    SeccompFlag::KNOWN.iter().filter(known).cloned().collect()
}

/// The name of a user of the host, else the number (passwd(5)).
fn user_name(uid: u32) -> String {
    let text = file::read(file::CWD, "/etc/passwd", PASSWD_LIMIT).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("#{uid}"))
}

/// The largest passwd file that is read, in bytes.
const PASSWD_LIMIT: usize = 4 << 20;

/// The limits after an update: what it names replaces what was there.
fn merge(existing: &Resources, update: &Resources) -> Result<Resources> {
    let json = |r: &Resources| {
        serde_json::to_value(r).map_err(|e| Error::new(Kind::Invalid, e.to_string()))
    };
    let mut all = json(existing)?;
    overlay(&mut all, json(update)?);
    serde_json::from_value(all).map_err(|e| Error::new(Kind::Invalid, e.to_string()))
}

fn overlay(under: &mut serde_json::Value, over: serde_json::Value) {
    match (under, over) {
        (serde_json::Value::Object(under), serde_json::Value::Object(over)) => {
            for (key, value) in over {
                overlay(under.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}
