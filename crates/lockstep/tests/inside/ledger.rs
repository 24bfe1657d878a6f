//! What ours has and a peer's has not, and why. It may only shrink.

/// uretprobe(2) is made by the kernel's trampoline alone and by nobody else; refused, it ends the programs that the
/// host traces. Docker's filter of 2025 allows it (kernels with CONFIG_UPROBES show it, from 6.11 on).
const CALL: &str = "call uretprobe";

/// Docker's default since 20.10, which images count on; Podman has it not. It ends with the container's own network.
const PORT: &str = "special user-listens-on-port-80";

/// Root's container has a cgroup of its own and its files to read; a user's has one on a delegating host alone.
const CGROUP: &str = "sysfs read /sys/fs/cgroup/";

/// Whether this fact of ours is a known difference from the peer.
pub(crate) fn holds(peer: &str, ours: &str, fact: &str) -> bool {
    fact == CALL
        || (fact == PORT && peer.ends_with("podman"))
        || (ours == "root" && peer.starts_with("rootless") && fact.starts_with(CGROUP))
}
