//! What this kernel and this user can do, as a value: probed by `runtime`, invented by tests.

use crate::cgroup::Layout;
use serde::{Deserialize, Serialize};

/// The probed facts that planning depends on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Effective user id of the caller.
    pub uid: u32,
    /// Effective group id of the caller.
    pub gid: u32,
    /// Effective capabilities of the caller, bit n being capability n.
    pub capabilities: u64,
    /// Bounding set of the caller: what can be granted at all.
    pub bounding: u64,
    /// Whether the caller is in a user namespace other than the first.
    pub user_namespace: bool,
    /// Whether setgroups(2) is allowed to the caller, and so to namespaces below (user_namespaces(7)).
    pub set_groups: bool,
    /// Whether AppArmor is on.
    pub apparmor: bool,
    /// Whether the caller is confined by an AppArmor profile itself.
    #[serde(default)]
    pub apparmor_confined: bool,
    /// Whether SELinux is on.
    pub selinux: bool,
    /// Landlock ABI version; 0 where there is none.
    pub landlock_abi: i32,
    /// Whether the host has /proc/kcore (CONFIG_PROC_KCORE).
    pub kcore: bool,
    /// Whether resctrl is mounted, and where.
    pub resctrl: Option<String>,
    /// Cgroup hierarchies.
    pub cgroup: Layout,
}

impl Host {
    /// Whether the caller has CAP_SYS_ADMIN where it is.
    pub fn privileged(&self) -> bool {
        self.has(21)
    }

    /// Whether a capability, by number, is effective.
    pub fn has(&self, capability: u8) -> bool {
        self.capabilities & 1 << capability != 0
    }

    /// Whether the caller may map any id: root of the first user namespace, or with CAP_SETUID where it is.
    pub fn maps_any_id(&self) -> bool {
        self.has(7) && self.has(6)
    }
}
