//! What the new process needs done to it from the host: id maps, cgroup, limits, network devices.

use super::Birth;
use crate::error::{Error, For, Result};
use crate::{init, setting};
use lockstep_abi::errno::Errno;
use lockstep_kernel::namespace::{self, Ids};
use lockstep_kernel::{network, process, schedule};
use lockstep_plan::IdMaps;
use lockstep_plan::step::MapMethod;
use std::os::fd::AsFd;

impl Birth<'_> {
    pub(super) fn write_maps(&mut self, maps: &IdMaps, method: MapMethod) -> Result<()> {
        let pid = self.pid();
        let (users, groups) = (init::lines(&maps.users), init::lines(&maps.groups));
        let what = |ids: &str| format!("mapping {ids} ids of the user namespace");
        if method == MapMethod::Helper {
            namespace::write_map_by_helper(pid, Ids::User, &users)
                .during(|| what("user"))
                .map_err(helper_hint)?;
            return namespace::write_map_by_helper(pid, Ids::Group, &groups)
                .during(|| what("group"))
                .map_err(|e| helper_hint(e).asked("/linux/gidMappings"));
        }
        namespace::write_map(self.proc, pid, Ids::User, &users).during(|| what("user"))?;
        if method == MapMethod::OneId {
            namespace::deny_setgroups(self.proc, pid)
                .during(|| "setgroups of the user namespace".into())?;
        }
        namespace::write_map(self.proc, pid, Ids::Group, &groups)
            .during(|| what("group"))
            .map_err(|e| e.asked("/linux/gidMappings"))
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
        let path = format!("{}/ns/net", self.pid());
        let namespace = lockstep_kernel::file::openat(
            self.proc,
            path,
            lockstep_kernel::file::OFlags::RDONLY,
            0,
        )
        .during(what)?;
        let moved = network::move_device(host, name, namespace.as_fd()).during(what);
        // Also when it failed: the kernel moves a device first and renames it then.
        self.moved.push((host.into(), name.into(), namespace));
        moved
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
