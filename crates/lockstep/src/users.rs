//! The user namespace of an ordinary user's command: the command works on the store's files in it, and the container that `run`
//! makes lives in it, where it has the same maps. Nobody else gets it: two containers in one would be root over each other.
//!
//! Two setuid programs write its maps, which takes longer than everything else that a start does to the store. So it is begun
//! as early as it is known to be needed, and waited for as late as possible.

use std::cell::{Cell, OnceCell, RefCell};
use std::os::fd::OwnedFd;

use lockstep_kernel::namespace::{self, Map, Mapper, Writing};
use lockstep_kernel::{Error, exe, file};
use lockstep_oci::runtime::{IdMapping, NamespaceType, Spec};
use lockstep_plan::namespace::NEWNS;
use lockstep_runtime::user_namespace;

use crate::argv::Arguments;
use crate::failure::{Doing, Failure};
use crate::resolve::{self, Caller, Maps};

/// The namespace, if the command has one.
#[derive(Debug, Default)]
pub(crate) struct Users {
    made: OnceCell<(OwnedFd, Maps)>,
    writing: RefCell<Option<Writing>>,
    /// Why it has no maps.
    failed: OnceCell<Error>,
    /// Whether a container may have it: once, and only what was begun for one. A command may start several.
    lendable: Cell<bool>,
}

/// What the namespace is for.
pub(crate) fn what() -> String {
    "working on the store in a user namespace".into()
}

impl Users {
    /// Begins it for a container that is going to be started. Its first process makes the mount from which the supervisor is
    /// executed, which this one has no right to.
    pub(crate) fn begin(&self, caller: &Caller) -> Result<(), Failure> {
        // One that is there already was begun for the command's own work.
        if self.made.get().is_some() {
            return Ok(());
        }
        match exe::ask() {
            Ok(answer) => self.make(caller, (NEWNS, answer)),
            Err(_) => self.make(caller, (0, || ())),
        }?;
        self.lendable.set(true);
        Ok(())
    }

    /// Begins it if nobody has, and waits until it can be entered.
    pub(crate) fn ready(&self, caller: &Caller) -> Result<&OwnedFd, Failure> {
        let made = self.make(caller, (0, || ()))?;
        self.finish()?;
        Ok(made)
    }

    /// With the ids that containers of this caller have.
    fn make(&self, caller: &Caller, first: (u64, impl FnOnce())) -> Result<&OwnedFd, Failure> {
        if let Some((made, _)) = self.made.get() {
            return Ok(made);
        }
        let mapper = match caller.has_subordinates() {
            true if caller.writes_maps() => Mapper::Privileged,
            true => Mapper::Helpers,
            false => Mapper::OwnIds,
        };
        let maps = resolve::default_maps(caller);
        let (users, groups) = (lines(&maps.0), lines(&maps.1));
        let proc = file::open_dir(file::CWD, "/proc").doing(|| "/proc".into())?;
        let begun = namespace::begin(&proc, (&users, &groups), mapper, first);
        let (made, writing) = begun.map_err(|error| refused(&error))?;
        self.writing.replace(Some(writing));
        Ok(&self.made.get_or_init(|| (made, maps)).0)
    }

    /// Waits for its maps, and until this command's process that was in it has gone. Where it has none, whoever asks is told.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        if let Some(Err(error)) = self.writing.take().map(Writing::finish) {
            self.failed.get_or_init(|| error);
        }
        match self.failed.get() {
            Some(error) => Err(refused(error)),
            None => Ok(()),
        }
    }

    /// The namespace for a container with these very maps, if it was begun for one; nobody else is given it.
    pub(crate) fn lend(&self, spec: &Spec) -> Option<&OwnedFd> {
        let (made, maps) = self.made.get()?;
        (fits(maps, spec) && self.lendable.take()).then_some(made)
    }
}

/// With the setting of this host that refuses it, where one does.
fn refused(error: &Error) -> Failure {
    let failure = Failure::call(what(), error);
    match user_namespace::refusal(Some(error.errno)) {
        Some(setting) => failure.hint(setting),
        None => failure,
    }
}

/// Whether a container is to have a new user namespace with these maps.
fn fits((users, groups): &Maps, spec: &Spec) -> bool {
    let Some(linux) = &spec.linux else {
        return false;
    };
    let wanted = linux.namespace(&NamespaceType::User);
    let same = linux.uid_mappings == *users && linux.gid_mappings == *groups;
    wanted.is_some_and(|wanted| wanted.path.is_none()) && same
}

/// Whether `run` begins one for this caller.
pub(crate) fn are_begun(args: &Arguments, caller: &Caller) -> Result<bool, Failure> {
    Ok(!caller.maps_any_id() && resolve::wants_default_ids(args)?)
}

/// Whether the container that `run` makes of this configuration gets that one.
pub(crate) fn will_be_lent(
    args: &Arguments,
    caller: &Caller,
    spec: &Spec,
) -> Result<bool, Failure> {
    Ok(are_begun(args, caller)? && fits(&resolve::default_maps(caller), spec))
}

/// The lines of a map.
pub(crate) fn lines(maps: &[IdMapping]) -> Vec<Map> {
    let line = |map: &IdMapping| Map {
        inside: map.container_id,
        outside: map.host_id,
        size: map.size,
    };
    maps.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_lent_once_to_a_container_with_the_same_maps() {
        let map = |size| vec![serde_json::json!({"containerID": 0, "hostID": 1000, "size": size})];
        let spec = |path: Option<&str>, size| -> Spec {
            let mut user = serde_json::json!({"type": "user"});
            if let Some(path) = path {
                user["path"] = path.into();
            }
            let linux = serde_json::json!({
                "namespaces": [user], "uidMappings": map(size), "gidMappings": map(1)
            });
            let spec = serde_json::json!({"ociVersion": "1.2.0", "linux": linux});
            serde_json::from_value(spec).expect("a configuration")
        };
        let maps = spec(None, 1).linux.expect("linux");
        let users = Users::default();
        assert!(users.lend(&spec(None, 1)).is_none());
        let file = file::open_dir(file::CWD, "/").expect("a descriptor");
        let made = (file, (maps.uid_mappings, maps.gid_mappings));
        users.made.set(made).expect("nothing was made");
        let why = "made for the store alone";
        assert!(users.lend(&spec(None, 1)).is_none(), "{why}");
        users.lendable.set(true);
        assert!(users.lend(&spec(None, 2)).is_none());
        assert!(users.lend(&spec(Some("/proc/1/ns/user"), 1)).is_none());
        assert!(users.lend(&spec(None, 1)).is_some());
        assert!(users.lend(&spec(None, 1)).is_none(), "a second one");
    }

    #[test]
    fn maps_that_failed_are_missing_for_everybody() {
        let users = Users::default();
        users.finish().expect("nothing was begun");
        let error = Error {
            call: "newuidmap".into(),
            errno: 1,
        };
        users.failed.set(error).expect("nothing has failed");
        for who in ["the first", "the next"] {
            let failure = users.finish().expect_err(who);
            let told = format!("{failure:?}");
            assert!(told.contains("newuidmap"), "{told}");
        }
    }
}
