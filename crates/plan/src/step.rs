//! The vocabulary of plans: one operation per kernel intention, each with its actor and the field that asked for it.

mod operand;
mod plan;
mod text;

pub use operand::{
    CgroupView, Device, DeviceKind, HandOver, HostPath, IdMap, IdMaps, LandlockDomain, Links,
    MapMethod, OverlayRoot, RootPath, Slot, Source,
};
pub use plan::Plan;

use crate::mount_options::Attributes;
use lockstep_abi::bpf::Insn;
use serde::Serialize;
use std::borrow::Cow;

/// Who executes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Actor {
    /// The process that was called, in the host's namespaces.
    Supervisor,
    /// The new process, on its way to becoming the container's.
    Init,
}

/// Whether a step that the kernel refuses ends the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Required {
    /// Fail closed.
    Hard,
    /// Go on with a downgrade in the outcome.
    BestEffort,
}

/// A point in time that two processes agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[repr(u8)]
pub enum Barrier {
    /// Init's user namespace has its id maps.
    Mapped = 1,
    /// Init is in its cgroups, with host-side limits set.
    Joined = 2,
    /// The container's mounts are made and its old root is still there: time for the runtime's hooks.
    Mounted = 3,
    /// The runtime's hooks have run.
    Hooked = 4,
    /// Everything is done but the program.
    Ready = 5,
    /// The program may be executed.
    Go = 6,
}

/// One kernel intention. What it needs to know is in it; how it is done is the executor's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(
    missing_docs,
    reason = "the fields are the arguments of the call that the variant names"
)]
pub enum Op {
    /// Open a detached copy of a host tree, id-mapped if asked.
    OpenTree {
        slot: Slot,
        source: HostPath,
        recursive: bool,
        links: Links,
        /// Whether mounts made below the copy appear in the source too.
        peer: bool,
        idmap: Option<(IdMaps, bool)>,
    },
    /// Open a detached copy of a mount that another container has, through its mount namespace.
    BorrowTree {
        slot: Slot,
        namespaces: HostPath,
        path: RootPath,
    },
    /// Open our own init as a sealed file, before the container's process is there.
    OpenInit { slot: Slot },
    /// Make the new process in these new namespaces (CLONE_NEW*), after joining others, each with the index of its
    /// entry. `owner` is the user id
    /// that the new user namespace belongs to, where it is not the caller's.
    Clone {
        new: u64,
        join: Vec<(u64, HostPath, Option<usize>)>,
        owner: Option<u32>,
    },
    /// Make the new process in the namespaces of the container's first process.
    Enter { namespaces: u64 },
    /// Write the id maps of the new user namespace.
    WriteIdMaps { maps: IdMaps, method: MapMethod },
    /// Put the new process into the container's unified cgroup, unless it was born there.
    JoinCgroup,
    /// /proc/PID/oom_score_adj.
    SetOomScoreAdj { value: i64 },
    /// Raise hard limits that only the host's root may raise.
    RaiseRlimit { resource: u32, hard: u64 },
    /// Move a host network device into the container's network namespace.
    MoveNetDevice { host: String, name: String },
    /// Put the process into a resctrl group.
    JoinResctrl {
        group: String,
        schemata: Vec<String>,
        monitoring: bool,
        create: bool,
    },
    /// CPUs of the process before it is moved into the container's cgroup.
    InitialCpuAffinity { cpus: Vec<u32> },
    /// Run the prestart and createRuntime hooks.
    RunRuntimeHooks,
    /// Tell the other process that a point is reached.
    Signal(Barrier),
    /// Wait for the other process to reach a point.
    Await(Barrier),

    /// Move itself into the container's cgroups of v1 hierarchies.
    JoinHierarchies,
    /// Become uid and gid 0 of the new user namespace.
    BecomeRoot { groups: bool },
    /// A session keyring of its own, so that the caller's keys stay behind; SELinux lets the container use it by
    /// its label.
    JoinKeyring { name: String, label: Option<String> },
    /// A session of its own.
    NewSession,
    /// Leave further namespaces after the cgroups are joined.
    Unshare { flags: u64 },
    /// Clock offsets of the new time namespace: (clock id, seconds, nanoseconds).
    TimeOffsets {
        offsets: Vec<(&'static str, i64, u32)>,
    },
    /// Enter the new time namespace, whose offsets are fixed then.
    EnterTime,
    /// Bring the loopback device up.
    LoopbackUp,
    /// Propagation of every mount of this namespace before mounting begins.
    HostPropagation { flags: u64 },
    /// Attach the root file system: over `/`, where no path of the host is in the way, or where createContainer
    /// hooks expect to find it and to mount into it.
    AttachRoot { source: Source, at: HostPath },
    /// Mount a file system.
    Mount {
        kind: String,
        source: String,
        data: Vec<String>,
        attributes: Attributes,
        target: RootPath,
        copy_up: bool,
        nofollow: bool,
        fallback: Option<HostPath>,
        /// SELinux label of its root, where the file system takes no `context=`.
        root_label: Option<String>,
    },
    /// Bind-mount a host tree.
    Bind {
        source: Source,
        recursive: bool,
        attributes: Attributes,
        target: RootPath,
        nofollow: bool,
    },
    /// Reconfigure an existing mount.
    Remount {
        target: RootPath,
        flags: u64,
        data: String,
    },
    /// The container's own cgroups. A container that could not be given one shows those of its caller, unless
    /// only its `own` are to be shown; without one there is then no mount, and the outcome says so.
    CgroupMount {
        target: RootPath,
        views: Vec<CgroupView>,
        single: bool,
        namespaced: bool,
        own: bool,
        attributes: Attributes,
    },
    /// Attributes of an existing mount, or of a path made a mount by binding it onto itself.
    SetAttributes {
        target: RootPath,
        attributes: Attributes,
    },
    /// Make a device file.
    MakeDevice(Device),
    /// Bind-mount a device file of the host where device files cannot be made.
    BindDevice { device: Device, source: HostPath },
    /// Make a symbolic link unless something is there.
    Symlink {
        target: Cow<'static, str>,
        link: RootPath,
    },
    /// Make a terminal, send its master away, and make it the standard streams and /dev/console.
    Console {
        size: Option<(u16, u16)>,
        mount: bool,
    },
    /// Hide a path behind /dev/null or an empty directory.
    MaskPath { path: RootPath },
    /// Make a path read-only, with everything below it.
    ReadonlyPath { path: RootPath },
    /// Run the createContainer hooks.
    RunContainerHooks,
    /// Make the root file system this namespace's root and detach the old one.
    PivotRoot,
    /// Like `PivotRoot` for hosts whose root cannot be pivoted (initramfs).
    MoveRoot,
    /// Change the root directory only, in a mount namespace that is not ours.
    Chroot,
    /// Propagation of the container's root.
    RootPropagation { flags: u64 },
    /// Make a directory below the root, with its parents, if it is missing.
    MakeDirectory { path: RootPath },
    /// Make the root mount read-only.
    ReadonlyRoot,
    /// sethostname(2).
    SetHostname { name: String },
    /// setdomainname(2).
    SetDomainname { name: String },
    /// Write a sysctl of the container's namespaces.
    Sysctl { key: String, value: String },

    /// setrlimit(2); clamped to what may be set.
    SetRlimit { resource: u32, soft: u64, hard: u64 },
    /// Where no cgroup counts the processes: RLIMIT_NPROC, and what it counts instead as a downgrade.
    LimitProcesses { limit: u64 },
    /// sched_setattr(2).
    SetScheduler {
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    },
    /// ioprio_set(2).
    SetIoPriority { class: u8, level: u8 },
    /// sched_setaffinity(2) after the cgroup is joined.
    SetCpuAffinity { cpus: Vec<u32> },
    /// set_mempolicy(2).
    SetMemoryPolicy { mode: u32, nodes: Vec<u32> },
    /// personality(2).
    SetPersonality { persona: u64 },
    /// umask(2).
    SetUmask { mask: u32 },
    /// AppArmor profile of the next execve; stacked, it confines besides the caller's own.
    ApparmorOnExec { profile: String, stack: bool },
    /// SELinux label of the next execve.
    SelinuxOnExec { label: String },
    /// prctl(PR_SET_NO_NEW_PRIVS).
    NoNewPrivs,
    /// Drop capabilities from the bounding set for ever.
    DropBounding { keep: u64 },
    /// Groups, group, user, keeping the permitted capabilities over the change.
    SwitchUser {
        uid: u32,
        gid: u32,
        groups: Vec<u32>,
        set_groups: bool,
    },
    /// Capability sets as bit masks; `extra` stays until the filter is loaded.
    SetCapabilities {
        effective: u64,
        permitted: u64,
        inheritable: u64,
        ambient: u64,
        extra: u64,
    },
    /// End with the supervisor: PR_SET_PDEATHSIG, which a change of the user would clear.
    DieWithSupervisor,
    /// Hand the process's user and mount namespace to the supervisor: nobody else may reach them through its /proc
    /// files (ptrace(2), "Ptrace access mode checking").
    TellNamespaces,
    /// Working directory, below the root, made if it is missing.
    ChangeDirectory { path: RootPath },
    /// Look the user's home up in the container's /etc/passwd: the value of HOME, which is not set.
    FindHome { uid: u32 },
    /// Find the program along PATH, as the container's user.
    FindProgram { program: String, path: String },
    /// Landlock domain.
    Landlock(LandlockDomain),
    /// Run the startContainer hooks.
    RunStartHooks,
    /// Mark every descriptor but the standard streams and the handed-over ones close-on-exec.
    CloseDescriptors { keep: u32 },
    /// Load the seccomp filter.
    Seccomp {
        #[serde(serialize_with = "length")]
        filter: Vec<Insn>,
        flags: u32,
        /// Whether there is a listener, and how it gets out of the process that is under its filter.
        listener: Option<HandOver>,
    },
    /// Capability sets after the filter, without `extra`.
    FinalCapabilities {
        effective: u64,
        permitted: u64,
        inheritable: u64,
    },
    /// Execute the program, or the init that starts it.
    Execute {
        args: Vec<String>,
        env: Vec<String>,
        init: Option<Slot>,
    },
}

fn length<S: serde::Serializer>(filter: &[Insn], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(filter.len() as u64)
}

/// An operation, who does it, and which field asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Who.
    pub actor: Actor,
    /// What.
    pub op: Op,
    /// JSON pointer into config.json, or a default's name in angle brackets.
    pub because: Cow<'static, str>,
    /// What a refusal means.
    pub required: Required,
}
