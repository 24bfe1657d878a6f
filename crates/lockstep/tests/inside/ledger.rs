//! What ours has and a peer's has not, and why. It may only shrink.

/// Newer than the filters of the peers in Debian 12 (Docker 20.10, Podman 4.3); each is a form of a call that both
/// allow, and C libraries fall back to nothing when they get EPERM for it.
const NEWER: &[&str] = &[
    "cachestat",
    "fchmodat2",
    "file_getattr",
    "file_setattr",
    "futex_requeue",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "getxattrat",
    "listmount",
    "listxattrat",
    "mseal",
    "removexattrat",
    "setxattrat",
    "statmount",
];

/// A program uses them to give rights up, or to ask which it has.
const RESTRAINT: &[&str] = &[
    "landlock_restrict_self",
    "lsm_get_self_attr",
    "lsm_list_modules",
    "lsm_set_self_attr",
];

/// One of the two peers allows it, and Docker's filter of 2026 does.
const ONE_PEER: &[&str] = &[
    "io_pgetevents",
    "name_to_handle_at",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "process_vm_readv",
    "process_vm_writev",
    "vmsplice",
];

/// A user's container without a cgroup of its own sees those below its caller's, read-only: names and figures of
/// others. To be hidden; a delegated cgroup does it.
const WITHOUT_CGROUP: &str = "sysfs read /sys/fs/cgroup/";

/// Whether this fact is a known difference.
pub(crate) fn holds(who: &str, fact: &str) -> bool {
    if who == "user" && fact.starts_with(WITHOUT_CGROUP) {
        return true;
    }
    let call = fact.strip_prefix("call ");
    call.is_some_and(|call| {
        [NEWER, RESTRAINT, ONE_PEER]
            .iter()
            .any(|list| list.contains(&call))
    })
}
