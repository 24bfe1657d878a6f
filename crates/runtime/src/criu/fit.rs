//! What of a configuration criu cannot bring back: refused before anything is saved or made.
//!
//! Without this a container would come back with less confinement, another owner of its files, or not at all.

use super::CONFIGURED;
use crate::error::{Error, Kind, Result};
use crate::state::State;
use lockstep_oci::runtime::{Linux, NamespaceType, RootfsPropagation, Spec};
use lockstep_plan::mount_options::Options;

/// Refuses a container that could not be restored as it is. `v1` on a host with cgroups of version 1.
pub(crate) fn check(stored: &State, v1: bool) -> Result<()> {
    let refuse = |(field, why): (String, &str)| {
        let text = format!("this container cannot be checkpointed or restored: {why}");
        Err(Error::new(Kind::Invalid, text).asked(field))
    };
    if stored
        .filter
        .as_ref()
        .is_some_and(|filter| filter.notifies())
    {
        let field = "/linux/seccomp/listenerPath".to_owned();
        return refuse((field, "a filter with a listener is not saved by criu"));
    }
    match misfit(&stored.spec, v1) {
        Some(found) => refuse(found),
        None => Ok(()),
    }
}

/// The first field that does not fit, and why.
fn misfit(spec: &Spec, v1: bool) -> Option<(String, &'static str)> {
    let empty = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&empty);
    let whole = [
        (
            spec.annotations
                .contains_key(lockstep_oci::landlock::ANNOTATION),
            "/annotations/org.lockstep.landlock",
            "a Landlock domain cannot be saved, so that the processes would come back without it",
        ),
        (
            spec.annotations
                .get(CONFIGURED)
                .is_some_and(|path| !path.is_empty()),
            "/annotations/org.criu.config",
            "a file of criu's settings, which can name programs to execute, is not taken from an annotation; \
             the administrator's is /etc/criu/runc.conf",
        ),
        (
            linux.intel_rdt.is_some(),
            "/linux/intelRdt",
            "a resctrl group is not saved by criu",
        ),
        (
            !linux.net_devices.is_empty(),
            "/linux/netDevices",
            "a network device of the host would be lost with the network namespace",
        ),
        (
            linux.memory_policy.is_some(),
            "/linux/memoryPolicy",
            "a memory policy is not saved by criu",
        ),
        (
            spec.process
                .as_ref()
                .is_some_and(|process| process.io_priority.is_some()),
            "/process/ioPriority",
            "an I/O priority is not saved by criu",
        ),
        (
            matches!(
                linux.rootfs_propagation,
                Some(RootfsPropagation::Shared | RootfsPropagation::RShared)
            ),
            "/linux/rootfsPropagation",
            "mounts that the host shares cannot be made again",
        ),
        (
            !linux.has_namespace(&NamespaceType::Mount),
            "/linux/namespaces",
            "it has no mount namespace of its own",
        ),
    ];
    let whole = whole.into_iter().find(|(is, ..)| *is);
    whole
        .map(|(_, field, why)| (field.to_owned(), why))
        .or_else(|| misfit_of_namespace(linux))
        .or_else(|| misfit_of_mount(spec, linux, v1))
}

fn misfit_of_namespace(linux: &Linux) -> Option<(String, &'static str)> {
    linux
        .namespaces
        .iter()
        .enumerate()
        .find_map(|(n, namespace)| {
            let joined = namespace.path.as_ref().is_some_and(|path| !path.is_empty());
            let (field, why) = match namespace.kind {
                NamespaceType::Cgroup if joined => ("path", "criu cannot join a cgroup namespace"),
                NamespaceType::Mount if joined => (
                    "path",
                    "criu cannot restore into a mount namespace that is there",
                ),
                NamespaceType::Time if joined => ("path", "criu makes the time namespace itself"),
                // The images hold the memory of all processes, and would have to be open to all users.
                NamespaceType::User => (
                    "type",
                    "in a user namespace criu opens its images with the rights of nobody",
                ),
                _ => return None,
            };
            Some((format!("/linux/namespaces/{n}/{field}"), why))
        })
}

fn misfit_of_mount(spec: &Spec, linux: &Linux, v1: bool) -> Option<(String, &'static str)> {
    let own_cgroups = linux.has_namespace(&NamespaceType::Cgroup);
    spec.mounts.iter().enumerate().find_map(|(n, mount)| {
        let mapped =
            !mount.uid_mappings.is_empty() || Options::parse(&mount.options).idmap.is_some();
        if mapped {
            let why = "an id-mapped mount would come back without its map";
            return Some((format!("/mounts/{n}"), why));
        }
        let bound = mount.kind.as_deref() == Some("cgroup") && v1 && !own_cgroups;
        bound.then(|| {
            let why = "cgroups of version 1 without a cgroup namespace name the host's directories";
            (format!("/mounts/{n}"), why)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::misfit;

    fn field(text: &str) -> Option<String> {
        let mut spec = serde_json::json!({
            "ociVersion": "1.2.0", "process": {"cwd": "/", "args": ["x"]},
            "linux": {"namespaces": [{"type": "mount"}]}
        });
        let more: serde_json::Value = serde_json::from_str(text).expect("JSON");
        for (at, value) in more.as_object().expect("an object") {
            let (parent, name) = at.rsplit_once('/').expect("a pointer");
            spec.pointer_mut(parent).expect("a parent")[name] = value.clone();
        }
        let spec = serde_json::from_value(spec).expect("a configuration");
        misfit(&spec, true).map(|(field, _)| field)
    }

    #[test]
    fn what_criu_loses_is_refused_by_its_field() {
        assert_eq!(field("{}"), None);
        for (more, expected) in [
            (
                r#"{"/annotations": {"org.lockstep.landlock": "{}"}}"#,
                "/annotations/org.lockstep.landlock",
            ),
            (
                r#"{"/annotations": {"org.criu.config": "/x"}}"#,
                "/annotations/org.criu.config",
            ),
            (r#"{"/linux/intelRdt": {}}"#, "/linux/intelRdt"),
            (
                r#"{"/linux/netDevices": {"eth0": {}}}"#,
                "/linux/netDevices",
            ),
            (
                r#"{"/linux/memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"}}"#,
                "/linux/memoryPolicy",
            ),
            (
                r#"{"/process/ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0}}"#,
                "/process/ioPriority",
            ),
            (
                r#"{"/linux/rootfsPropagation": "rshared"}"#,
                "/linux/rootfsPropagation",
            ),
            (r#"{"/linux/namespaces": []}"#, "/linux/namespaces"),
            (
                r#"{"/linux/namespaces": [{"type": "mount"}, {"type": "cgroup", "path": "/x"}]}"#,
                "/linux/namespaces/1/path",
            ),
            (
                r#"{"/mounts": [{"destination": "/a", "options": ["bind", "idmap"]}]}"#,
                "/mounts/0",
            ),
            (
                r#"{"/mounts": [{"destination": "/a", "type": "cgroup"}]}"#,
                "/mounts/0",
            ),
        ] {
            assert_eq!(field(more).as_deref(), Some(expected), "{more}");
        }
        assert_eq!(field(r#"{"/annotations": {"org.criu.config": ""}}"#), None);
    }
}
