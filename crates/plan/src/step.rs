//! The vocabulary of plans: one operation per kernel intention, each with its actor and the field that asked for it.

use crate::mount_options::Attributes;
use lockstep_abi::bpf::Insn;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// A path in the container, only ever resolved below the container's root descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootPath(PathBuf);

impl RootPath {
    /// Takes a path of the configuration; a relative one starts at the root (config.md, mounts).
    pub fn new(path: &str) -> RootPath {
        RootPath(Path::new("/").join(path))
    }

    /// For resolution below the root descriptor, nothing else.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// An absolute path of the host that the caller of the runtime chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostPath(PathBuf);

impl HostPath {
    /// Takes an absolute path, or one relative to the bundle.
    pub fn new(bundle: &Path, path: &str) -> HostPath {
        HostPath(bundle.join(path))
    }

    /// For opening on the host.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// Names a descriptor that the plan speaks of but does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Slot(pub u32);

impl Slot {
    /// Our own init; those of trees are counted from 0.
    pub const INIT: Slot = Slot(u32::MAX);
}

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

/// One line of an id map; all three are counts or ids, not strings, because newuidmap wants numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IdMap {
    /// First id inside.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// How many ids.
    pub size: u32,
}

/// User and group maps of a user namespace or an id-mapped mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IdMaps {
    /// uid_map lines.
    pub users: Vec<IdMap>,
    /// gid_map lines.
    pub groups: Vec<IdMap>,
}

/// How the id maps of a new user namespace get written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MapMethod {
    /// By the supervisor itself.
    Direct,
    /// By newuidmap(1) and newgidmap(1), which know the caller's subordinate ids.
    Helper,
    /// By the supervisor itself after setgroups(2) was denied: the one id of an unprivileged user.
    OneId,
}

/// Where the tree of a bind mount comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Source {
    /// Opened by the init process by its host path, before the root changes.
    Path(HostPath),
    /// Opened by an earlier step.
    Slot(Slot),
    /// A new file system in memory that nobody else has.
    Memory,
    /// Layers with a directory for changes over them, mounted in the container's own user namespace.
    Overlay(OverlayRoot),
}

/// Directories of the host that make a root file system together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlayRoot {
    /// Layers, uppermost first.
    pub layers: Vec<PathBuf>,
    /// Where changes go.
    pub upper: PathBuf,
    /// Overlay's own directory, on the same file system.
    pub work: PathBuf,
}

/// What kind of device file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DeviceKind {
    /// Character device.
    Char,
    /// Block device.
    Block,
    /// Named pipe.
    Fifo,
}

/// A device file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Where, in the container.
    pub path: RootPath,
    /// Its kind.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner, in the container.
    pub uid: u32,
    /// Group, in the container.
    pub gid: u32,
}

/// A cgroup hierarchy's place in a container's /sys/fs/cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupView {
    /// Directory name below the mount point; empty for the single v2 hierarchy.
    pub name: String,
    /// File system type: `cgroup` or `cgroup2`.
    pub kind: &'static str,
    /// Option that selects the hierarchy: its controllers, or `name=systemd`.
    pub option: String,
    /// The container's own directory on the host, for hosts without cgroup namespaces.
    pub host: PathBuf,
    /// The caller's own directory, where an unprivileged one's container stays when it may have none itself.
    pub caller: PathBuf,
    /// Other names that lead to the same hierarchy.
    pub links: Vec<String>,
}

/// Landlock domain in numbers (linux/landlock.h).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LandlockDomain {
    /// LANDLOCK_ACCESS_FS_* that are denied unless allowed.
    pub handled_fs: u64,
    /// LANDLOCK_ACCESS_NET_* that are denied unless allowed.
    pub handled_net: u64,
    /// LANDLOCK_SCOPE_*.
    pub scoped: u64,
    /// Paths with the accesses allowed below them.
    pub paths: Vec<(RootPath, u64)>,
    /// TCP ports with the accesses allowed.
    pub ports: Vec<(u16, u64)>,
    /// Whether an older kernel may drop what it does not know.
    pub best_effort: bool,
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
        nofollow: bool,
        /// Whether mounts made below the copy appear in the source too.
        peer: bool,
        idmap: Option<(IdMaps, bool)>,
    },
    /// Open our own init as a sealed file, before the container's process is there.
    OpenInit { slot: Slot },
    /// Make the new process in these new namespaces (CLONE_NEW*), after joining others. `owner` is the user id
    /// that the new user namespace belongs to, where it is not the caller's.
    Clone {
        new: u64,
        join: Vec<(u64, HostPath)>,
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
    /// A session keyring of its own, so that the caller's keys stay behind.
    JoinKeyring { name: String },
    /// A session of its own.
    NewSession,
    /// Leave further namespaces after the cgroups are joined.
    Unshare { flags: u64 },
    /// Clock offsets of the time namespace that the next execve enters: (clock id, seconds, nanoseconds).
    TimeOffsets {
        offsets: Vec<(&'static str, i64, u32)>,
    },
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
    },
    /// Bind-mount a host tree.
    Bind {
        source: Source,
        recursive: bool,
        source_nofollow: bool,
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
    /// AppArmor profile of the next execve.
    ApparmorOnExec { profile: String },
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

/// The ordered operations that make one container or one further process in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Steps of both actors, in causal order.
    pub steps: Vec<Step>,
    /// What the user should know although nothing fails.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Adds a step of the supervisor.
    pub fn supervisor(&mut self, because: impl Into<Cow<'static, str>>, op: Op) {
        self.steps.push(Step {
            actor: Actor::Supervisor,
            op,
            because: because.into(),
            required: Required::Hard,
        });
    }

    /// Adds a step of the init process.
    pub fn init(&mut self, because: impl Into<Cow<'static, str>>, op: Op) {
        self.steps.push(Step {
            actor: Actor::Init,
            op,
            because: because.into(),
            required: Required::Hard,
        });
    }

    /// Adds a step of the init process whose refusal is a visible downgrade.
    pub fn init_best_effort(&mut self, because: impl Into<Cow<'static, str>>, op: Op) {
        self.steps.push(Step {
            actor: Actor::Init,
            op,
            because: because.into(),
            required: Required::BestEffort,
        });
    }

    /// The supervisor tells, the init process waits.
    pub fn release(&mut self, barrier: Barrier) {
        self.supervisor("<order>", Op::Signal(barrier));
        self.init("<order>", Op::Await(barrier));
    }

    /// The init process tells, the supervisor waits.
    pub fn report(&mut self, barrier: Barrier) {
        self.init("<order>", Op::Signal(barrier));
        self.supervisor("<order>", Op::Await(barrier));
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.steps.iter().enumerate() {
            let actor = match step.actor {
                Actor::Supervisor => "supervisor",
                Actor::Init => "init",
            };
            let optional = if step.required == Required::BestEffort {
                " (best effort)"
            } else {
                ""
            };
            writeln!(
                f,
                "{n:3} {actor:10} {:?}{optional}  <- {}",
                Brief(&step.op),
                step.because
            )?;
        }
        Ok(())
    }
}

/// How the listener of a filter gets from the process that is under it to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum HandOver {
    /// By sendmsg(2), which the filter allows.
    Sent,
    /// The filter stops sendmsg(2): a second thread, which is not under it, sends it.
    Beside,
}

/// Prints a filter by its length: nobody reads hundreds of instructions in a plan.
struct Brief<'a>(&'a Op);

impl fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Op::Seccomp {
                filter,
                flags,
                listener,
            } => {
                let notify = match listener {
                    None => "false",
                    Some(HandOver::Sent) => "true",
                    Some(HandOver::Beside) => "true, from beside it",
                };
                write!(
                    f,
                    "Seccomp {{ filter: {} instructions, flags: {flags:#x}, notify: {notify} }}",
                    filter.len()
                )
            }
            other => write!(f, "{other:?}"),
        }
    }
}
