//! What this runtime can do, as the `features` command prints it (features.md).
//!
//! The lists are the parsers' own tables where there is one, so that a name cannot be claimed and not
//! read. What depends on the kernel is an argument: the same function answers for another host in tests.

use lockstep_abi::arch;
use lockstep_abi::capability::CapSet;
use lockstep_oci::features::{
    CgroupFeatures, Enabled, Features, IntelRdtFeatures, LinuxFeatures, MemoryPolicyFeatures,
    MountExtensions, SeccompFeatures,
};
use lockstep_oci::landlock;
use lockstep_oci::ordered_map::OrderedMap;
use lockstep_oci::runtime::{
    Hooks, MemoryPolicyFlag, MemoryPolicyMode, NamespaceType, SeccompAction, SeccompArch,
    SeccompFlag, SeccompOperator,
};
use lockstep_plan::cgroup::systemd_property;

/// Oldest `ociVersion` that is accepted.
const OLDEST: &str = "1.0.0";

/// Newest version of the specification whose fields are all known; any 1.x is accepted.
pub const NEWEST: &str = "1.3.0";

/// Features of this build; `seccomp_flags` are those that the kernel knows.
pub fn features(seccomp_flags: Vec<SeccompFlag>, systemd: bool) -> Features {
    let hooks = Hooks::default();
    let hooks = hooks.lists().map(|(name, _)| name.to_owned());
    Features {
        oci_version_min: OLDEST.to_owned(),
        oci_version_max: NEWEST.to_owned(),
        hooks: Some(hooks.to_vec()),
        mount_options: Some(sorted(MOUNT_OPTIONS.iter().map(|name| (*name).to_owned()))),
        linux: Some(LinuxFeatures {
            namespaces: Some(sorted(NamespaceType::KNOWN.iter().cloned())),
            capabilities: Some(
                CapSet::ALL
                    .iter()
                    .map(|cap| cap.name().to_owned())
                    .collect(),
            ),
            cgroup: Some(CgroupFeatures {
                v1: Some(true),
                v2: Some(true),
                systemd: Some(systemd),
                systemd_user: Some(systemd),
                rdma: Some(true),
            }),
            seccomp: Some(seccomp(seccomp_flags)),
            apparmor: yes(),
            selinux: yes(),
            memory_policy: Some(MemoryPolicyFeatures {
                modes: Some(MemoryPolicyMode::KNOWN.to_vec()),
                flags: Some(MemoryPolicyFlag::KNOWN.to_vec()),
            }),
            intel_rdt: Some(IntelRdtFeatures {
                enabled: Some(true),
                schemata: Some(true),
                monitoring: Some(true),
            }),
            mount_extensions: Some(MountExtensions { idmap: yes() }),
            net_devices: yes(),
        }),
        annotations: annotations(),
        potentially_unsafe_config_annotations: Some(obeyed()),
    }
}

/// Annotations of a configuration that change what is done; one that ends with a dot stands for all that begin so.
fn obeyed() -> Vec<String> {
    let all = [landlock::ANNOTATION, systemd_property::PREFIX];
    all.map(str::to_owned).to_vec()
}

fn yes() -> Option<Enabled> {
    Some(Enabled {
        enabled: Some(true),
    })
}

fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values
}

fn seccomp(supported: Vec<SeccompFlag>) -> SeccompFeatures {
    // An architecture is known when the compiler has its table of calls.
    let archs = arch::ALL
        .iter()
        .map(|arch| SeccompArch::from(arch.scmp_name()));
    SeccompFeatures {
        enabled: Some(true),
        actions: Some(sorted(SeccompAction::KNOWN.iter().cloned())),
        operators: Some(sorted(SeccompOperator::KNOWN.iter().cloned())),
        archs: Some(sorted(archs)),
        known_flags: Some(SeccompFlag::KNOWN.to_vec()),
        supported_flags: Some(supported),
    }
}

fn annotations() -> OrderedMap<String> {
    let pairs = [
        ("org.lockstep.version", env!("CARGO_PKG_VERSION")),
        // Engines look for this name before they offer checkpoints.
        ("org.opencontainers.runc.checkpoint.enabled", "true"),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

/// Options of any mount; those of single file systems pass through and are not listed.
const MOUNT_OPTIONS: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dest-nofollow",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "src-nofollow",
    "src-nosymlinks",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_known_names_only() {
        let features = features(vec![SeccompFlag::Log], false);
        let linux = features.linux.expect("linux");
        let seccomp = linux.seccomp.expect("seccomp");
        let archs = seccomp.archs.expect("archs");
        assert!(archs.contains(&SeccompArch::X86_64));
        assert!(archs.iter().all(SeccompArch::is_known), "{archs:?}");
        assert_eq!(seccomp.supported_flags, Some(vec![SeccompFlag::Log]));
        let capabilities = linux.capabilities.expect("capabilities");
        assert_eq!(capabilities.len(), 41);
        assert_eq!(capabilities[0], "CAP_CHOWN");
        assert!(MOUNT_OPTIONS.is_sorted());
    }
}
