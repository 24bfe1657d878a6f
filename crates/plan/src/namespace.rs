//! Namespaces: which are new, which are joined by path, and how a new user namespace gets its id maps.

use crate::step::{HostPath, IdMap, IdMaps, MapMethod, Op, Plan};
use crate::{Error, Host, Result};
use lockstep_oci::runtime::{IdMapping, Linux, NamespaceType};
use std::path::Path;

/// CLONE_NEW* of clone(2).
pub const NEWTIME: u64 = 0x80;
/// Mount namespace.
pub const NEWNS: u64 = 0x2_0000;
/// Cgroup namespace.
pub const NEWCGROUP: u64 = 0x200_0000;
/// UTS namespace.
pub const NEWUTS: u64 = 0x400_0000;
/// IPC namespace.
pub const NEWIPC: u64 = 0x800_0000;
/// User namespace.
pub const NEWUSER: u64 = 0x1000_0000;
/// PID namespace.
pub const NEWPID: u64 = 0x2000_0000;
/// Network namespace.
pub const NEWNET: u64 = 0x4000_0000;

/// The namespaces of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// CLONE_NEW* of the new ones.
    pub new: u64,
    /// Those joined by path, with the index of their entry, if they have one.
    pub join: Vec<(u64, HostPath, Option<usize>)>,
    /// Whether the user namespace is one that was made for this container.
    pub taken_user: bool,
}

/// The CLONE_NEW* flag of a namespace type.
pub fn flag(kind: &NamespaceType) -> Option<u64> {
    Some(match kind {
        NamespaceType::Pid => NEWPID,
        NamespaceType::Network => NEWNET,
        NamespaceType::Mount => NEWNS,
        NamespaceType::Ipc => NEWIPC,
        NamespaceType::Uts => NEWUTS,
        NamespaceType::User => NEWUSER,
        NamespaceType::Cgroup => NEWCGROUP,
        NamespaceType::Time => NEWTIME,
        NamespaceType::Unknown(_) => return None,
    })
}

impl Namespaces {
    /// Reads /linux/namespaces.
    pub fn of(linux: &Linux) -> Result<Namespaces> {
        let mut out = Namespaces::default();
        for (n, namespace) in linux.namespaces.iter().enumerate() {
            let flag = flag(&namespace.kind).ok_or_else(|| {
                Error::new(
                    format!("/linux/namespaces/{n}/type"),
                    &namespace.kind,
                    "not a namespace type",
                )
            })?;
            match namespace.path.as_deref() {
                Some(path) if !path.is_empty() => {
                    out.join
                        .push((flag, HostPath::new(Path::new("/"), path), Some(n)))
                }
                _ => out.new |= flag,
            }
        }
        Ok(out)
    }

    /// Takes the user namespace of this file in the place of a new one.
    pub fn take_user(&mut self, file: &str) {
        self.taken_user = self.new_user();
        if self.taken_user {
            self.new &= !NEWUSER;
            let file = HostPath::new(Path::new("/"), file);
            self.join.push((NEWUSER, file, None));
        }
    }

    /// Whether mounts are the container's own: in a new mount namespace, or in one that is handed to it.
    pub fn own_mount(&self) -> bool {
        let joined = self.join.iter().any(|(flag, _, _)| *flag == NEWNS);
        joined || self.new & NEWNS != 0
    }

    /// Whether the user namespace is new.
    pub fn new_user(&self) -> bool {
        self.new & NEWUSER != 0
    }

    /// Whether the network namespace is new.
    pub fn new_network(&self) -> bool {
        self.new & NEWNET != 0
    }

    /// Whether the IPC namespace is new.
    pub fn new_ipc(&self) -> bool {
        self.new & NEWIPC != 0
    }

    /// Whether the cgroup namespace is new.
    pub fn new_cgroup(&self) -> bool {
        self.new & NEWCGROUP != 0
    }

    /// Whether a user namespace is entered, new or by path.
    pub fn enters_user(&self) -> bool {
        self.new_user() || self.join.iter().any(|(flag, ..)| *flag == NEWUSER)
    }

    /// Those that clone3(2) makes. A cgroup namespace shows the cgroup that its maker is in, so it is left
    /// for later, when the cgroups are joined; a time namespace takes its offsets before anybody is in it.
    pub fn at_clone(&self) -> u64 {
        self.new & !(NEWCGROUP | NEWTIME)
    }
}

/// The lines of an id map.
pub(crate) fn id_lines(mappings: &[IdMapping]) -> Vec<IdMap> {
    mappings
        .iter()
        .map(|m| IdMap {
            inside: m.container_id,
            outside: m.host_id,
            size: m.size,
        })
        .collect()
}

/// The container's id maps, checked against what this caller can write.
pub fn id_maps(linux: &Linux, host: &Host) -> Result<(IdMaps, MapMethod)> {
    let maps = IdMaps {
        users: id_lines(&linux.uid_mappings),
        groups: id_lines(&linux.gid_mappings),
    };
    if host.maps_any_id() {
        return Ok((maps, MapMethod::Direct));
    }
    let one = |maps: &[IdMap], id: u32| matches!(maps, [m] if m.size == 1 && m.outside == id);
    if one(&maps.users, host.uid) && one(&maps.groups, host.gid) {
        return Ok((maps, MapMethod::OneId));
    }
    Ok((maps, MapMethod::Helper))
}

/// Plans the birth of the new process: clone with namespaces, then id maps.
pub fn clone(plan: &mut Plan, namespaces: &Namespaces, owner: Option<u32>) {
    plan.supervisor(
        "/linux/namespaces",
        Op::Clone {
            new: namespaces.at_clone(),
            join: namespaces.join.clone(),
            owner,
        },
    );
}

/// Plans a new time namespace: unshare(2) makes it for children alone, and only since Linux 6.2 does execve(2) enter it.
pub fn time(plan: &mut Plan, linux: &Linux) {
    plan.init("/linux/namespaces", Op::Unshare { flags: NEWTIME });
    let mut offsets = Vec::new();
    for (clock, offset) in &linux.time_offsets {
        let clock = if clock == "monotonic" {
            "monotonic"
        } else {
            "boottime"
        };
        offsets.push((
            clock,
            offset.secs.unwrap_or(0),
            offset.nanosecs.unwrap_or(0),
        ));
    }
    if !offsets.is_empty() {
        plan.init("/linux/timeOffsets", Op::TimeOffsets { offsets });
    }
    plan.init("/linux/namespaces", Op::EnterTime);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_namespace_is_entered_after_its_offsets() {
        let text = r#"{"timeOffsets":{"monotonic":{"secs":3}}}"#;
        let linux = serde_json::from_str(text).expect("linux");
        let mut plan = Plan::default();
        time(&mut plan, &linux);
        let ops: Vec<_> = plan.steps.iter().map(|step| &step.op).collect();
        let offsets = vec![("monotonic", 3, 0)];
        assert_eq!(
            ops,
            [
                &Op::Unshare { flags: NEWTIME },
                &Op::TimeOffsets { offsets },
                &Op::EnterTime
            ]
        );
    }

    #[test]
    fn only_a_new_user_namespace_can_be_taken() {
        let parse = |text: &str| serde_json::from_str::<Linux>(text).expect("linux");
        let new = parse(r#"{"namespaces":[{"type":"user"},{"type":"mount"}]}"#);
        let mut of = Namespaces::of(&new).expect("namespaces");
        of.take_user("/proc/self/fd/5");
        assert!(of.taken_user && of.enters_user() && !of.new_user());
        assert_eq!(of.at_clone(), NEWNS);
        assert_eq!((of.join[0].0, of.join.len()), (NEWUSER, 1));
        // Of another container, or the host's: the container is to have that one and no other.
        for text in [
            r#"{"namespaces":[{"type":"user","path":"/proc/1/ns/user"}]}"#,
            r#"{"namespaces":[{"type":"mount"}]}"#,
        ] {
            let mut of = Namespaces::of(&parse(text)).expect("namespaces");
            let before = of.clone();
            of.take_user("/proc/self/fd/5");
            assert_eq!(of, before, "{text}");
        }
    }
}
