//! What the new process needs done to it from the host: id maps, cgroup, limits, network devices.

use super::Birth;
use super::lent::network_of;
use crate::error::{Error, For, Result};
use crate::{init, setting};
use lockstep_abi::errno::Errno;
use lockstep_kernel::namespace::{self, Ids, Mapper};
use lockstep_kernel::{process, schedule};
use lockstep_plan::IdMaps;
use lockstep_plan::step::MapMethod;

impl Birth<'_> {
    pub(super) fn write_maps(&mut self, maps: &IdMaps, method: MapMethod) -> Result<()> {
        let maps = (&*init::lines(&maps.users), &*init::lines(&maps.groups));
        let mapper = match method {
            MapMethod::Direct => Mapper::Privileged,
            MapMethod::OneId => Mapper::OwnIds,
            MapMethod::Helper => Mapper::Helpers,
        };
        let written = namespace::write_maps(self.proc, self.pid(), maps, mapper);
        written.map_err(|(ids, error)| {
            let of = match ids {
                Ids::User => "user",
                Ids::Group => "group",
            };
            let mut told = Error::call(format!("mapping {of} ids of the user namespace"), &error);
            if method == MapMethod::Helper {
                told = helper_hint(told);
            } else if error.is(&[Errno::EPERM.0]) && maps.0.iter().any(|map| map.outside == 0) {
                told = told.hint("id 0 is mapped by who has CAP_SETFCAP alone (Linux 5.12)");
            }
            match ids {
                // The step itself was asked for by the other field.
                Ids::User => told,
                Ids::Group => told.asked("/linux/gidMappings"),
            }
        })
    }

    pub(super) fn join_cgroup(&mut self) -> Result<()> {
        if self.cloned_into_cgroup {
            return Ok(());
        }
        let beside = self.target.map(|_| self.target_pid);
        self.cgroup
            .join_unified(self.pid(), beside)
            .map_err(Error::from)
    }

    /// Without CAP_SYS_RESOURCE a value can only be raised; keeping a higher one is a visible downgrade.
    pub(super) fn oom_score_adj(&mut self, value: i64) -> Result<()> {
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

    pub(super) fn raise_rlimit(&mut self, resource: u32, hard: u64) -> Result<()> {
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

    pub(super) fn move_device(&mut self, host: &str, name: &str) -> Result<()> {
        let what = || format!("moving network device {host:?} into the container as {name:?}");
        let namespace = network_of(self.proc, self.pid()).during(what)?;
        self.lent.lend(host, name, namespace)
    }
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
