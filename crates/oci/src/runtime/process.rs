//! The container process: who it is, what it executes, and the limits it starts with.
//!
//! The same type describes the process of `exec` (`--process`), so it stands apart from the rest of
//! the configuration.

use serde::{Deserialize, Serialize};

use crate::absent::{empty_as_none, is_false, null_as_default};
use crate::open_enum::open_enum;

/// The process (config.md, Process).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Whether a pseudoterminal becomes the standard streams.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_false"
    )]
    pub terminal: bool,
    /// Size of that terminal; ignored without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// Who the process is, inside the container.
    #[serde(default, deserialize_with = "null_as_default")]
    pub user: User,
    /// Argument vector; at least one entry.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub args: Vec<String>,
    /// Command line of Windows, kept unread.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub command_line: Option<String>,
    /// Environment, `NAME=value` each.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// Working directory, absolute.
    pub cwd: String,
    /// The five capability sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Resource limits, each type once.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub rlimits: Vec<Rlimit>,
    /// Whether `no_new_privs` is set (prctl(2)).
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_false"
    )]
    pub no_new_privileges: bool,
    /// AppArmor profile to enter at exec.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub apparmor_profile: Option<String>,
    /// `oom_score_adj`, -1000 to 1000; absent means untouched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    /// SELinux label of the process.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub selinux_label: Option<String>,
    /// Scheduling policy (sched_setattr(2)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// I/O priority (ioprio_set(2)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<IoPriority>,
    /// CPUs of an exec'd process; does not concern the container's first process.
    #[serde(rename = "execCPUAffinity", skip_serializing_if = "Option::is_none")]
    pub exec_cpu_affinity: Option<ExecCpuAffinity>,
}

/// Terminal size in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u64,
    /// Columns.
    pub width: u64,
}

/// User and groups, as ids of the container's user namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// User id.
    #[serde(default, deserialize_with = "null_as_default")]
    pub uid: u32,
    /// Group id.
    #[serde(default, deserialize_with = "null_as_default")]
    pub gid: u32,
    /// File mode creation mask; absent means that of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Supplementary groups.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub additional_gids: Vec<u32>,
    /// User name of Windows, kept unread.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub username: Option<String>,
}

/// Capability sets, names such as `CAP_CHOWN` (capabilities(7)). Unknown names only warn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Bounding set.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub bounding: Vec<String>,
    /// Effective set.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub effective: Vec<String>,
    /// Inheritable set.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub inheritable: Vec<String>,
    /// Permitted set.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub permitted: Vec<String>,
    /// Ambient set.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ambient: Vec<String>,
}

impl Capabilities {
    /// The sets with their names in the file.
    #[must_use]
    pub fn sets(&self) -> [(&'static str, &[String]); 5] {
        [
            ("bounding", &self.bounding),
            ("effective", &self.effective),
            ("inheritable", &self.inheritable),
            ("permitted", &self.permitted),
            ("ambient", &self.ambient),
        ]
    }
}

/// One resource limit (getrlimit(2)); `u64::MAX` is `RLIM_INFINITY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Which resource (`type`).
    #[serde(rename = "type")]
    pub kind: RlimitType,
    /// The limit that is enforced.
    pub soft: u64,
    /// The ceiling of the soft limit.
    pub hard: u64,
}

open_enum! {
    /// Resource of a limit (getrlimit(2)).
    RlimitType {
        As = "RLIMIT_AS",
        Core = "RLIMIT_CORE",
        Cpu = "RLIMIT_CPU",
        Data = "RLIMIT_DATA",
        Fsize = "RLIMIT_FSIZE",
        Locks = "RLIMIT_LOCKS",
        Memlock = "RLIMIT_MEMLOCK",
        Msgqueue = "RLIMIT_MSGQUEUE",
        Nice = "RLIMIT_NICE",
        Nofile = "RLIMIT_NOFILE",
        Nproc = "RLIMIT_NPROC",
        Rss = "RLIMIT_RSS",
        Rtprio = "RLIMIT_RTPRIO",
        Rttime = "RLIMIT_RTTIME",
        Sigpending = "RLIMIT_SIGPENDING",
        Stack = "RLIMIT_STACK",
    }
}

/// Scheduling attributes (sched_setattr(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    /// Policy.
    pub policy: SchedulerPolicy,
    /// Nice value, -20 to 19; for `SCHED_OTHER` and `SCHED_BATCH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nice: Option<i32>,
    /// Static priority, 1 to 99; for `SCHED_FIFO` and `SCHED_RR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Flags.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub flags: Vec<SchedulerFlag>,
    /// Nanoseconds of run time per period; for `SCHED_DEADLINE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<u64>,
    /// Nanoseconds until the deadline; for `SCHED_DEADLINE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// Nanoseconds of a period; for `SCHED_DEADLINE`, 0 means the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<u64>,
}

open_enum! {
    /// Scheduling policy (sched(7)).
    SchedulerPolicy {
        Other = "SCHED_OTHER",
        Fifo = "SCHED_FIFO",
        Rr = "SCHED_RR",
        Batch = "SCHED_BATCH",
        Iso = "SCHED_ISO",
        Idle = "SCHED_IDLE",
        Deadline = "SCHED_DEADLINE",
    }
}

open_enum! {
    /// Flag of sched_setattr(2).
    SchedulerFlag {
        ResetOnFork = "SCHED_FLAG_RESET_ON_FORK",
        Reclaim = "SCHED_FLAG_RECLAIM",
        DlOverrun = "SCHED_FLAG_DL_OVERRUN",
        KeepPolicy = "SCHED_FLAG_KEEP_POLICY",
        KeepParams = "SCHED_FLAG_KEEP_PARAMS",
        UtilClampMin = "SCHED_FLAG_UTIL_CLAMP_MIN",
        UtilClampMax = "SCHED_FLAG_UTIL_CLAMP_MAX",
    }
}

/// I/O priority (ioprio_set(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoPriority {
    /// Scheduling class.
    pub class: IoPriorityClass,
    /// Level in the class, 0 (highest) to 7 (lowest).
    #[serde(default, deserialize_with = "null_as_default")]
    pub priority: i64,
}

open_enum! {
    /// I/O scheduling class.
    IoPriorityClass {
        Rt = "IOPRIO_CLASS_RT",
        Be = "IOPRIO_CLASS_BE",
        Idle = "IOPRIO_CLASS_IDLE",
    }
}

/// CPU lists such as `0-3,7` for an exec'd process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecCpuAffinity {
    /// CPUs of the runtime's parent process, before it enters the container's cgroup.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub initial: Option<String>,
    /// CPUs of the process after it entered the cgroup.
    #[serde(
        rename = "final",
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub final_: Option<String>,
}
