//! The process that was called: what its verbs share.

mod create;
mod foresee;
mod handed;
mod image;
mod keeper;
mod launch;
mod neighbour;
mod notify;
mod own;
mod place;
mod saved;
mod session;
mod sight;

use image::open as open_image;
use sight::Eyes;
use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::PathBuf;

use lockstep_runtime::{CgroupDriver, Runtime, Settings};
use lockstep_supervisor::Job;

use crate::argv::Arguments;
use crate::asker::Asker;
use crate::config::Config;
use crate::container::{Directory, Found, Record, Status, Store};
use crate::failure::Failure;
use crate::print::note;
use crate::resolve::Caller;

pub(crate) use create::{Created, create};
pub(crate) use foresee::{explain, foresee};
pub(crate) use handed::{claim as claim_handed, count as count_handed};
pub(crate) use keeper::{
    KEEPER, begin as begin_keeping, finish, keep, run as run_keeper, succeed, watch,
};
pub(crate) use launch::{Launched, launch, launch_new, ready};
pub(crate) use notify::{PID_FILES, check_pid_file, tell as tell_manager, write_pid};
pub(crate) use saved::{SCHEMA as SAVED_SCHEMA, Saved};
pub(crate) use session::{Ended, Session, block_signals, detach_keys};

/// The hidden first argument of a supervisor.
pub(crate) const SUPERVISOR: &str = "supervisor";

/// The global options, as every verb needs them.
pub(crate) struct Front {
    root: Option<PathBuf>,
    runroot: Option<PathBuf>,
    /// The whole command line, for a process that has to execute itself again.
    pub(crate) args: Vec<OsString>,
    /// What the configuration files say.
    pub(crate) config: Config,
    store: OnceCell<Store>,
    caller: OnceCell<Caller>,
}

impl Front {
    pub(crate) fn new(global: &Arguments, args: &[OsString]) -> Result<Front, Failure> {
        let config = place::configuration()?;
        let place = |name| {
            let configured = || config.place(name).map(|(path, _)| path.to_owned());
            global.path(name).or_else(configured)
        };
        Ok(Front {
            root: place("root"),
            runroot: place("runroot"),
            args: args.to_vec(),
            config,
            store: OnceCell::new(),
            caller: OnceCell::new(),
        })
    }

    /// One of a process that was told where everything is.
    fn at(data: PathBuf, state: PathBuf) -> Front {
        Front {
            root: Some(data),
            runroot: Some(state),
            args: Vec::new(),
            config: Config::default(),
            store: OnceCell::new(),
            caller: OnceCell::new(),
        }
    }

    /// The containers, opened at the first use.
    pub(crate) fn store(&self) -> Result<&Store, Failure> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let store = Store::open(self.locations()?)?;
        Ok(self.store.get_or_init(|| store))
    }

    /// Who calls, probed at the first use.
    pub(crate) fn caller(&self) -> Result<&Caller, Failure> {
        if let Some(caller) = self.caller.get() {
            return Ok(caller);
        }
        let caller = crate::caller::probe()?;
        Ok(self.caller.get_or_init(|| caller))
    }

    /// The store with what killed commands left repaired, as far as that can be done.
    pub(crate) fn swept(&self) -> Result<&Store, Failure> {
        self.containers(|_, _| Ok(()))?;
        self.store()
    }

    /// Shows `look` every container that can be read, as it is found; of the others what is wrong is told.
    pub(crate) fn containers(
        &self,
        mut look: impl FnMut(&Runtime<'_>, Found) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let store = self.store()?;
        let told = |failure: Failure| note(&failure.as_warning());
        self.with_runtime(store, |runtime| {
            let wrong = store.sweep(runtime, |one| {
                keeper::revive(self, &one.directory, (&one.record, &one.status))
                    .unwrap_or_else(told);
                look(runtime, one)
            })?;
            wrong.into_iter().for_each(told);
            Ok(())
        })
    }

    /// One container with what killed commands left of it repaired; `None` where it is there no more.
    pub(crate) fn look_after(
        &self,
        directory: &Directory,
    ) -> Result<Option<(Record, Status)>, Failure> {
        let store = self.store()?;
        let found = self.with_runtime(store, |runtime| store.look_after(runtime, directory))?;
        if let Some((record, status)) = &found
            && let Err(failure) = keeper::revive(self, directory, (record, status))
        {
            note(&failure.as_warning());
        }
        Ok(found)
    }

    /// Calls `action` with the runtime library on this store's state.
    pub(crate) fn with_runtime<T>(
        &self,
        store: &Store,
        action: impl FnOnce(&Runtime<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_runtime_for(store, None, action)
    }

    /// The same for making the container of a job, as its supervisor would.
    pub(crate) fn with_runtime_for<T>(
        &self,
        store: &Store,
        job: Option<&Job>,
        action: impl FnOnce(&Runtime<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let warn = |text: &str| warn(text);
        action(&self.runtime(store, job, &warn)?)
    }

    /// The same for changing a container, with errors and warnings that name who asked for a field.
    pub(crate) fn with_runtime_asked<T>(
        &self,
        asker: Asker<'_>,
        action: impl FnOnce(&Runtime<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let warn = |text: &str| warn(&asker.lost(text));
        let done = action(&self.runtime(self.store()?, None, &warn)?);
        done.map_err(|failure| asker.name(failure))
    }

    fn runtime<'w>(
        &self,
        store: &Store,
        job: Option<&Job>,
        warn: &'w dyn Fn(&str),
    ) -> Result<Runtime<'w>, Failure> {
        Ok(Runtime::open(Settings {
            root: store.runtime(),
            cgroup_driver: CgroupDriver::Cgroupfs,
            rootless: job.filter(|job| job.no_cgroups).map(|_| true),
            runtime_dir: store.at.runtime_dir.clone(),
            warn,
        })?)
    }
}

fn warn(text: &str) {
    note(&format!("warning: {}", crate::escape::text(text)));
}

/// A variable of the caller's environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads the environment, by name, here alone"
)]
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// All of them, for a container that is to have them (`--env-host`) and for this program's own second execution.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads the environment"
)]
pub(crate) fn whole_environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// A path made absolute by the working directory.
pub(crate) fn absolute(path: &std::path::Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}
