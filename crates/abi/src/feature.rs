//! Kernel features and the version that brought each.
//!
//! For messages and documentation ("needs Linux 5.12, this is 5.10") and for inventing hosts in tests.
//! Never to decide what to try: distributions backport, and sandboxes withhold; `kernel` probes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kernel release, as far as features depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KernelVersion {
    /// 6 of 6.12.
    pub major: u16,
    /// 12 of 6.12.
    pub minor: u16,
}

impl KernelVersion {
    /// The version `major.minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads the release of uname(2): `6.1.0-13-amd64`, `5.15+`.
    #[must_use]
    pub fn parse(release: &str) -> Option<Self> {
        let mut parts = release.splitn(3, '.');
        let major = parts.next()?.parse().ok()?;
        let rest = parts.next()?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        Some(Self {
            major,
            minor: rest[..end].parse().ok()?,
        })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Debug for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! features {
    ($($variant:ident, $name:literal, $major:literal . $minor:literal;)*) => {
        /// Something of the kernel that Lockstep uses and that not every kernel has.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Feature {
            $(
                #[doc = concat!($name, ", Linux ", stringify!($major), ".", stringify!($minor), ".")]
                #[serde(rename = $name)]
                $variant,
            )*
        }

        /// Every feature, by subsystem.
        pub const ALL: &[Feature] = &[$(Feature::$variant),*];

        impl Feature {
            /// The words for it in messages and in `docs/kernel-features.md`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The mainline release that brought it.
            #[must_use]
            pub const fn since(self) -> KernelVersion {
                match self { $(Self::$variant => KernelVersion::new($major, $minor),)* }
            }
        }
    };
}

features! {
    // Up to the floor: the runtime has no other way, or config.json asks for them.
    Clone3, "clone3", 5 . 3;
    CloneClearSighand, "CLONE_CLEAR_SIGHAND", 5 . 5;
    CloneIntoCgroup, "CLONE_INTO_CGROUP", 5 . 7;
    PidfdOpen, "pidfd_open", 5 . 3;
    PidfdSendSignal, "pidfd_send_signal", 5 . 1;
    CloseRangeCloexec, "CLOSE_RANGE_CLOEXEC", 5 . 11;
    Openat2, "openat2", 5 . 6;
    MountApi, "fsopen, fsconfig, fsmount, open_tree, move_mount", 5 . 2;
    MountSetattr, "mount_setattr", 5 . 12;
    IdmappedMounts, "id-mapped mounts", 5 . 12;
    TimeNamespace, "time namespace", 5 . 6;
    CgroupNamespace, "cgroup namespace", 4 . 6;
    CgroupV2, "memory, io and pids controllers of cgroup v2", 4 . 5;
    CgroupV2Cpu, "cpu controller of cgroup v2", 4 . 15;
    CgroupV2Cpuset, "cpuset controller of cgroup v2", 5 . 0;
    CgroupV2Devices, "BPF_CGROUP_DEVICE", 4 . 15;
    CgroupV2DevicesReplace, "BPF_F_REPLACE", 5 . 6;
    CgroupV2Freezer, "cgroup.freeze", 5 . 2;
    CgroupV2Hugetlb, "hugetlb controller of cgroup v2", 5 . 6;
    SeccompLog, "SECCOMP_RET_LOG, SECCOMP_RET_KILL_PROCESS", 4 . 14;
    SeccompSpecAllow, "SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4 . 17;
    SeccompNotify, "SECCOMP_RET_USER_NOTIF", 5 . 0;
    SeccompTsyncEsrch, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH", 5 . 7;
    MountNosymfollow, "MS_NOSYMFOLLOW", 5 . 10;
    CapPerfmonBpf, "CAP_PERFMON, CAP_BPF", 5 . 8;
    CapCheckpointRestore, "CAP_CHECKPOINT_RESTORE", 5 . 9;
    SchedulerFlags, "SCHED_FLAG_KEEP_ALL, SCHED_FLAG_UTIL_CLAMP", 5 . 3;
    MempolicyNumaBalancing, "MPOL_F_NUMA_BALANCING", 5 . 12;
    OverlayUserXattr, "overlay userxattr", 5 . 11;
    OverlayVolatile, "overlay volatile", 5 . 10;
    BpfRawTracepoint, "BPF_PROG_TYPE_RAW_TRACEPOINT", 4 . 17;
    BpfTracing, "BPF_TRACE_RAW_TP, BPF_TRACE_FENTRY, BPF_TRACE_FEXIT", 5 . 5;
    BpfLsm, "BPF_LSM_MAC", 5 . 7;
    // Above the floor.
    MountAttrNosymfollow, "MOUNT_ATTR_NOSYMFOLLOW", 5 . 14;
    IdmappedOverlayLayers, "overlay on id-mapped layers", 5 . 19;
    OverlayAppendedLayers, "overlay lowerdir+", 6 . 8;
    OverlayLayersByDescriptor, "overlay layers by descriptor", 6 . 13;
    OverlayDetachedLayers, "overlay on detached mounts", 6 . 15;
    IdmappedTmpfs, "id-mapped tmpfs", 6 . 3;
    MemfdExec, "MFD_EXEC", 6 . 3;
    CgroupKill, "cgroup.kill", 5 . 14;
    CpuBurst, "cpu.max.burst", 5 . 14;
    CpuIdle, "cpu.idle", 5 . 15;
    MemoryPeak, "memory.peak", 5 . 19;
    BpfKprobeMulti, "BPF_TRACE_KPROBE_MULTI", 5 . 18;
    SeccompWaitKillable, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 5 . 19;
    Landlock1, "Landlock ABI 1", 5 . 13;
    Landlock2, "Landlock ABI 2", 5 . 19;
    Landlock3, "Landlock ABI 3", 6 . 2;
    Landlock4, "Landlock ABI 4", 6 . 7;
    Landlock5, "Landlock ABI 5", 6 . 10;
    Landlock6, "Landlock ABI 6", 6 . 12;
    Landlock7, "Landlock ABI 7", 6 . 15;
    Landlock9, "Landlock ABI 9", 7 . 1;
    Landlock10, "Landlock ABI 10", 7 . 2;
    MempolicyPreferredMany, "MPOL_PREFERRED_MANY", 5 . 15;
    MempolicyWeightedInterleave, "MPOL_WEIGHTED_INTERLEAVE", 6 . 9;
}

/// The oldest kernel that can make a container: the newest call without a fallback, mount_setattr(2),
/// came with it.
pub const FLOOR: KernelVersion = Feature::MountSetattr.since();

impl Feature {
    /// The Landlock ABI version that this feature stands for.
    #[must_use]
    pub const fn landlock_abi(self) -> Option<u32> {
        Some(match self {
            Self::Landlock1 => 1,
            Self::Landlock2 => 2,
            Self::Landlock3 => 3,
            Self::Landlock4 => 4,
            Self::Landlock5 => 5,
            Self::Landlock6 => 6,
            Self::Landlock7 => 7,
            Self::Landlock9 => 9,
            Self::Landlock10 => 10,
            _ => return None,
        })
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_as_uname_gives_them() {
        for (release, version) in [
            ("6.1.0-13-amd64", Some((6, 1))),
            ("5.15+", Some((5, 15))),
            ("6.18.44-x", Some((6, 18))),
            ("6.12-rc1", Some((6, 12))),
            ("6", None),
            ("6.", None),
            ("", None),
            ("x.1", None),
        ] {
            let expected = version.map(|(major, minor)| KernelVersion::new(major, minor));
            assert_eq!(KernelVersion::parse(release), expected, "{release}");
        }
        assert!(KernelVersion::new(5, 9) < KernelVersion::new(5, 12));
    }

    #[test]
    fn a_feature_that_is_a_call_agrees_with_the_table_of_calls() {
        let mut compared = 0;
        for feature in ALL {
            for word in feature.name().split(", ") {
                if let Some(since) = crate::syscall::since(word) {
                    assert_eq!(feature.since(), since, "{word}");
                    compared += 1;
                }
            }
        }
        assert!(compared >= 10, "{compared} compared");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|feature| feature.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
