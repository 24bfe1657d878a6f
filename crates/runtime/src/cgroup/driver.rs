//! Which driver makes a container's cgroup, and who owns it: decisions that need the whole
//! configuration and the caller's settings, so that the cgroup's own files know neither.

use std::os::fd::BorrowedFd;

use lockstep_kernel::credential;
use lockstep_oci::runtime::{Linux, NamespaceType, Spec};
use lockstep_plan::Host;
use lockstep_plan::cgroup::{self as plan, CgroupPlan};

use super::systemd;
use crate::error::{Error, Result};
use crate::{CgroupDriver, Runtime, host};

impl Runtime<'_> {
    /// Plans the container's cgroup with the driver of the settings.
    pub(crate) fn plan_cgroup(
        &self,
        id: &str,
        spec: &Spec,
        linux: &Linux,
        host: &Host,
        proc: BorrowedFd<'_>,
    ) -> Result<CgroupPlan> {
        // The host's fact is about the namespace that the container's process will have: with a new one
        // it says nothing about ours.
        let rootless = self.is_rootless(|| match linux.has_namespace(&NamespaceType::User) {
            true => host::in_user_namespace(proc),
            false => Ok(host.user_namespace),
        })?;
        let path = linux.cgroups_path.as_deref();
        let resources = linux.resources.as_ref();
        let devices = plan::default_devices();
        let planned = match self.cgroup_driver {
            CgroupDriver::Cgroupfs => {
                plan::plan(path, id, resources, &devices, &host.cgroup, rootless)
            }
            CgroupDriver::Systemd => {
                let manager = systemd::find_manager(rootless, self.runtime_dir.as_deref())?;
                let layout = &host.cgroup;
                plan::plan_systemd(path, id, resources, &devices, layout, rootless, &manager)
                    .and_then(|planned| with_annotations(planned, spec))
            }
        };
        planned.map_err(|e| Error::from(lockstep_plan::Error::new(e.pointer, e.value, e.reason)))
    }

    /// `--rootless`, and without it: not root, or root of a user namespace only, who may or may not have
    /// a right to cgroups. What such a caller is refused may be a downgrade; each is tried all the same.
    /// `inside` tells whether this process is in a user namespace.
    pub(crate) fn is_rootless(&self, inside: impl FnOnce() -> Result<bool>) -> Result<bool> {
        match self.rootless {
            Some(told) => Ok(told),
            None => Ok(credential::euid() != 0 || inside()?),
        }
    }
}

/// What annotations ask for comes last: systemd takes the last value of a property.
fn with_annotations(
    mut planned: CgroupPlan,
    spec: &Spec,
) -> std::result::Result<CgroupPlan, plan::Error> {
    if let Some(unit) = &mut planned.unit {
        let asked = plan::systemd_property::of_annotations(&spec.annotations)?;
        unit.properties.extend(asked);
    }
    Ok(planned)
}

/// The host's uid that shall own the v2 directory: that of the container's user, where the container
/// has its own cgroup namespace and may write to its cgroup mount (config-linux.md, "Cgroup ownership").
pub(crate) fn owner(spec: &Spec) -> Option<u32> {
    let linux = spec.linux.as_ref()?;
    let namespace = linux.namespace(&NamespaceType::Cgroup)?;
    let is_new = namespace.path.as_ref().is_none_or(|path| path.is_empty());
    let writable = spec.mounts.iter().any(|mount| {
        mount.source.as_deref() == Some("cgroup")
            && mount.destination.trim_end_matches('/') == "/sys/fs/cgroup"
            && !mount.options.iter().any(|option| option == "ro")
    });
    if !is_new || !writable {
        return None;
    }
    let uid = spec.process.as_ref()?.user.uid;
    if linux.uid_mappings.is_empty() {
        // Without a user namespace of its own, root's container keeps its cgroup as it is.
        return (uid != 0).then_some(uid);
    }
    let within = |first: u32, size: u32| uid.checked_sub(first).filter(|&at| at < size);
    linux.uid_mappings.iter().find_map(|map| {
        let at = within(map.container_id, map.size)?;
        map.host_id.checked_add(at)
    })
}

#[cfg(test)]
mod tests {
    use super::owner;

    fn owner_of(mount_options: &str, namespaces: &str, uid: u32, maps: &str) -> Option<u32> {
        let text = format!(
            r#"{{"ociVersion":"1.2.0",
                "process":{{"cwd":"/","args":["x"],"user":{{"uid":{uid},"gid":0}}}},
                "mounts":[{{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup",
                    "options":[{mount_options}]}}],
                "linux":{{"namespaces":[{namespaces}],"uidMappings":[{maps}]}}}}"#
        );
        owner(&serde_json::from_str(&text).expect("a configuration"))
    }

    #[test]
    fn the_cgroup_goes_to_the_containers_user_where_it_may_write() {
        let cgroup = r#"{"type":"cgroup"}"#;
        let map = r#"{"containerID":0,"hostID":1000,"size":10}"#;
        assert_eq!(owner_of(r#""rw""#, cgroup, 0, map), Some(1000));
        assert_eq!(owner_of(r#""rw""#, cgroup, 9, map), Some(1009));
        assert_eq!(owner_of(r#""rw""#, cgroup, 10, map), None);
        assert_eq!(owner_of(r#""ro""#, cgroup, 0, map), None);
        assert_eq!(owner_of(r#""rw""#, "", 0, map), None);
        let joined = r#"{"type":"cgroup","path":"/proc/1/ns/cgroup"}"#;
        assert_eq!(owner_of(r#""rw""#, joined, 0, map), None);
        assert_eq!(owner_of(r#""rw""#, cgroup, 7, ""), Some(7));
        assert_eq!(owner_of(r#""rw""#, cgroup, 0, ""), None);
    }
}
