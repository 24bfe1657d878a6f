//! What happens to a container after its birth: state, signals, pause, limits, deletion.

use crate::birth::SIGKILL;
use crate::cgroup::{Cgroup, Stats};
use crate::error::{Error, For, Kind, Result};
use crate::state::{self, ContainerId, Directory, InitProcess, State as Stored};
use crate::{Runtime, host, setting};
use lockstep_oci::runtime::Resources;
use lockstep_oci::state::{State, Status};
use lockstep_plan::cgroup as plan_cgroup;
use serde::Serialize;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long a killed process may take to end before `delete --force` gives up.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// A container as `state` and `list` show it.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// The specification's state.
    #[serde(flatten)]
    pub state: State,
    /// User id of the one who made it.
    #[serde(skip)]
    pub owner_uid: u32,
}

impl Runtime<'_> {
    pub(crate) fn stored(&self, directory: &Directory) -> Result<Stored> {
        directory.state()?.ok_or_else(|| {
            Error::new(Kind::WrongState, format!("container {} was never finished", directory.id))
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
        let pid = if status == Status::Stopped { Some(0) } else { init.map(|init| init.pid) };
        Ok(Info { state: self.oci_state(&stored, status, pid), owner_uid: stored.owner })
    }

    fn status(&self, directory: &Directory, stored: &Stored) -> Result<(Status, Option<InitProcess>)> {
        let (status, init) = directory.status()?;
        let running = status == Status::Running;
        // A cgroup that cannot be asked is not paused by us.
        let paused = running && Cgroup::open(&stored.cgroup).frozen().unwrap_or(false);
        Ok((if paused { Status::Paused } else { status }, init))
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

    /// Sends a signal to the first process, or to all (runtime.md, "Kill").
    pub fn kill(&self, id: &ContainerId, signal: i32, all: bool) -> Result<()> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        let (status, init) = self.status(&directory, &stored)?;
        let cgroup = Cgroup::open(&stored.cgroup);
        if all {
            return Ok(cgroup.signal_all(signal)?);
        }
        let gone = || Error::new(Kind::WrongState, "container not running");
        let init = match init {
            Some(init) if status != Status::Stopped => init,
            _ => return Err(gone()),
        };
        if !state::signal(&init, signal).during(|| format!("signalling container {id}"))? {
            return Err(gone());
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
            Status::Created if cgroup.frozen().unwrap_or(false) => Ok(cgroup.thaw()?),
            _ => Err(Error::new(Kind::WrongState, "container not paused")),
        }
    }

    /// The host's ids of all processes in the container.
    pub fn processes(&self, id: &ContainerId) -> Result<Vec<i32>> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        let cgroup = Cgroup::open(&stored.cgroup);
        if cgroup.is_empty() {
            return Err(Error::new(Kind::WrongState, "container has no cgroup, so its processes are not known"));
        }
        Ok(cgroup.pids()?)
    }

    /// What the container uses.
    pub fn stats(&self, id: &ContainerId) -> Result<Stats> {
        let directory = self.root.container(id)?;
        let stored = self.stored(&directory)?;
        if self.status(&directory, &stored)?.0 == Status::Stopped {
            return Err(Error::new(Kind::WrongState, format!("container with id {id} is not running")));
        }
        Ok(Cgroup::open(&stored.cgroup).stats()?)
    }

    /// The container's cgroup, for events.
    pub fn cgroup(&self, id: &ContainerId) -> Result<Cgroup> {
        let directory = self.root.container(id)?;
        Ok(Cgroup::open(&self.stored(&directory)?.cgroup))
    }

    /// Changes the limits of a container.
    pub fn update(&self, id: &ContainerId, resources: &Resources) -> Result<()> {
        let directory = self.root.container(id)?;
        let mut stored = self.stored(&directory)?;
        if directory.status()?.0 == Status::Stopped {
            return Err(Error::new(Kind::WrongState, "container not running"));
        }
        let proc = setting::open_proc()?;
        let layout = host::cgroup_layout(proc.as_fd())?;
        let linux = stored.spec.linux.get_or_insert_default();
        let existing = linux.resources.clone().unwrap_or_default();
        let unprivileged = lockstep_kernel::credential::euid() != 0;
        let planned =
            plan_cgroup::update(resources, &existing, &plan_cgroup::default_devices(), &layout, unprivileged)
                .map_err(|e| Error::new(Kind::Invalid, format!("{}: {} (value {:?})", e.pointer, e.reason, e.value)))?;
        for warning in &planned.warnings {
            (self.warn)(warning);
        }
        let mut cgroup = Cgroup::open(&stored.cgroup);
        let mut lost = cgroup.apply(&planned.writes, &layout)?;
        lost.extend(cgroup.apply_devices(&planned.devices, &layout)?);
        for downgrade in lost {
            (self.warn)(&format!("{}: {}", downgrade.because, downgrade.reason));
        }
        linux.resources = Some(merge(&existing, resources)?);
        directory.write_state(&stored)
    }

    /// Removes a container (runtime.md, "Delete"); with `force` also a running one, and none at all is no error.
    pub fn delete(&self, id: &ContainerId, force: bool) -> Result<()> {
        let directory = match self.root.container(id) {
            Err(e) if force && e.kind == Kind::NotFound => return Ok(()),
            other => other?,
        };
        let Some(stored) = directory.state()? else { return self.root.remove(id) };
        let (status, init) = self.status(&directory, &stored)?;
        match (status, &init) {
            (Status::Stopped, _) | (_, None) => {}
            (Status::Created, Some(init)) => self.end(id, &stored, init)?,
            (_, Some(init)) if force => self.end(id, &stored, init)?,
            (other, _) => {
                let message = format!("cannot delete container {id} that is not stopped: {other}");
                return Err(Error::new(Kind::WrongState, message));
            }
        }
        self.delete_ended(id, &stored, true)
    }

    fn end(&self, id: &ContainerId, stored: &Stored, init: &InitProcess) -> Result<()> {
        state::signal(init, SIGKILL).during(|| format!("killing container {id}"))?;
        let cgroup = Cgroup::open(&stored.cgroup);
        if cgroup.frozen().unwrap_or(false) {
            cgroup.thaw()?;
        }
        let start = Instant::now();
        let mut pause = Duration::from_micros(100);
        while state::is_alive(init) {
            if start.elapsed() > KILL_TIMEOUT {
                return Err(Error::new(Kind::WrongState, format!("container {id} does not end after SIGKILL")));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Undoes what creation did, newest first, then runs the poststop hooks.
    pub(crate) fn delete_ended(&self, id: &ContainerId, stored: &Stored, hooks: bool) -> Result<()> {
        // The state on disk knows best which directories are the container's own.
        let directory = match self.root.container(id) {
            Err(e) if e.kind == Kind::NotFound => return Ok(()),
            other => other?,
        };
        let on_disk = directory.state()?;
        let cgroup = on_disk.as_ref().map_or(&stored.cgroup, |s| &s.cgroup);
        // Processes outlive the first one only where the container shares its pid namespace.
        Cgroup::open(cgroup).delete(true)?;
        self.root.remove(id)?;
        if let Some(hooks) = stored.spec.hooks.as_ref().filter(|_| hooks) {
            let told = self.oci_state(stored, Status::Stopped, None);
            for (n, hook) in hooks.poststop.iter().enumerate() {
                // A failed one is a warning, and the others run all the same (runtime.md, step 13).
                if let Err(e) = crate::hook::run_all(std::slice::from_ref(hook), "poststop", &told) {
                    (self.warn)(&format!("poststop hook #{n}: {e}"));
                }
            }
        }
        Ok(())
    }
}

/// The limits after an update: what it names replaces what was there.
fn merge(existing: &Resources, update: &Resources) -> Result<Resources> {
    let json = |r: &Resources| serde_json::to_value(r).map_err(|e| Error::new(Kind::Invalid, e.to_string()));
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
