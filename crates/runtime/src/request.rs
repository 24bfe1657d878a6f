//! What callers ask for, as values: the command line of the binaries is theirs.

use crate::state::ContainerId;
pub use lockstep_plan::create::Supervised;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// How cgroups are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CgroupDriver {
    /// By the runtime itself.
    #[default]
    Cgroupfs,
    /// By systemd over D-Bus.
    Systemd,
}

/// Settings of all operations.
pub struct Settings<'a> {
    /// The state directory of all containers.
    pub root: PathBuf,
    /// Who makes cgroups.
    pub cgroup_driver: CgroupDriver,
    /// Whether refused cgroups are tolerated as for an unprivileged user; `None` decides by the user id.
    pub rootless: Option<bool>,
    /// The user's runtime directory (`$XDG_RUNTIME_DIR`), where a user's systemd is found.
    pub runtime_dir: Option<String>,
    /// Takes warnings: what is not enforced or not known, one line each.
    pub warn: &'a dyn Fn(&str),
}

/// `create`.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    /// The new container's id.
    pub id: ContainerId,
    /// The bundle's directory, absolute and without symbolic links: the state keeps it.
    pub bundle: PathBuf,
    /// Unix socket that receives the terminal's master.
    pub console_socket: Option<PathBuf>,
    /// File that receives the process id.
    pub pid_file: Option<PathBuf>,
    /// Unix socket that receives a pidfd of the container's process.
    pub pidfd_socket: Option<PathBuf>,
    /// Do not use pivot_root(2).
    pub no_pivot: bool,
    /// Do not make a session keyring.
    pub no_new_keyring: bool,
    /// Further descriptors, from 3 on, that the program gets.
    pub preserve_fds: u32,
    /// Descriptors of socket activation, in front of those (sd_listen_fds(3)).
    pub listen_fds: u32,
    /// Socket of the service manager (sd_notify(3)).
    pub notify_socket: Option<PathBuf>,
    /// What only a container with a supervisor of its own has.
    pub supervised: Option<Supervised>,
}

/// `run`.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// What to create.
    pub create: CreateRequest,
    /// Return when the program is executed.
    pub detach: bool,
    /// Do not delete the container when it has ended.
    pub keep: bool,
    /// Do not adopt the container's orphans.
    pub no_subreaper: bool,
}

/// How cgroups are saved and brought back (criu(8), `--manage-cgroups`), by the numbers of criu's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CriuCgroups {
    /// They stay as the runtime has made them.
    Ignore = 0,
    /// Of a cgroup that is there the properties stay as they are.
    Soft = 3,
    /// All properties are set.
    Full = 4,
    /// None may be there.
    Strict = 5,
    /// Whatever criu does by itself, which is soft.
    Default = 6,
}

/// What `checkpoint` and `restore` tell criu(8) in common.
#[derive(Debug, Clone)]
pub struct CriuSettings {
    /// Its program: a path, or a name that is looked for in PATH.
    pub program: String,
    /// Its environment.
    pub env: Vec<String>,
    /// Directory of the images, absolute.
    pub images: PathBuf,
    /// Directory of its log and other files that are no images.
    pub work: Option<PathBuf>,
    /// Open TCP connections are saved.
    pub tcp_established: bool,
    /// Unix sockets may lead out of the container.
    pub ext_unix_sk: bool,
    /// The terminal may be one of outside.
    pub shell_job: bool,
    /// File locks are kept.
    pub file_locks: bool,
    /// Memory is served when it is touched.
    pub lazy_pages: bool,
    /// Pages that an earlier image holds are dropped from there.
    pub auto_dedup: bool,
    /// What becomes of cgroups.
    pub cgroups: CriuCgroups,
}

/// `checkpoint`.
#[derive(Debug)]
pub struct CheckpointRequest {
    /// The container's id.
    pub id: ContainerId,
    /// What criu is told.
    pub criu: CriuSettings,
    /// Images of the dump before, relative to the directory of the new ones.
    pub parent: Option<String>,
    /// The container goes on afterwards.
    pub leave_running: bool,
    /// Memory alone, for a later dump that names this one as its parent; the container goes on.
    pub pre_dump: bool,
    /// Connections that are being made are left out.
    pub tcp_skip_in_flight: bool,
    /// Files without a name get one.
    pub link_remap: bool,
    /// Address and port that pages are sent to.
    pub page_server: Option<(String, u16)>,
    /// Gets a zero byte when pages are served.
    pub status: Option<OwnedFd>,
}

/// `restore`.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// What is restored, and by which configuration it is known from then on.
    pub create: CreateRequest,
    /// What criu is told.
    pub criu: CriuSettings,
    /// Return when the processes run.
    pub detach: bool,
    /// Do not adopt the container's orphans.
    pub no_subreaper: bool,
    /// Another label of the security module for the processes, `apparmor:NAME` or `selinux:LABEL`.
    pub lsm_profile: Option<String>,
    /// Another SELinux context for mounts.
    pub lsm_mount_context: Option<String>,
}

/// What to execute in a container.
#[derive(Debug, Clone)]
pub enum ProcessSource {
    /// A `process` object of the specification.
    Json(Vec<u8>),
    /// The container's own process with changes.
    Args(ExecArgs),
}

/// Changes to the container's own process.
#[derive(Debug, Clone, Default)]
pub struct ExecArgs {
    /// Program and arguments.
    pub args: Vec<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Additional environment.
    pub env: Vec<String>,
    /// Whether to make a terminal.
    pub tty: bool,
    /// `uid[:gid]`, in the container.
    pub user: Option<String>,
    /// Additional groups.
    pub additional_gids: Vec<u32>,
    /// Additional capabilities.
    pub caps: Vec<String>,
    /// Whether to set no_new_privs although the container has not.
    pub no_new_privs: bool,
    /// Another AppArmor profile.
    pub apparmor: Option<String>,
    /// Another SELinux label.
    pub process_label: Option<String>,
}

/// `exec`.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// The container's id.
    pub id: ContainerId,
    /// What to execute.
    pub process: ProcessSource,
    /// Return when the program is executed.
    pub detach: bool,
    /// Unix socket that receives the terminal's master.
    pub console_socket: Option<PathBuf>,
    /// File that receives the process id.
    pub pid_file: Option<PathBuf>,
    /// Unix socket that receives a pidfd of the process.
    pub pidfd_socket: Option<PathBuf>,
    /// Further descriptors, from 3 on, that the program gets.
    pub preserve_fds: u32,
    /// Execute although the container is paused; the process waits then.
    pub ignore_paused: bool,
    /// Sub-cgroups for the process, as `controllers:path` or `path`.
    pub cgroup: Vec<String>,
    /// Time after which a process without a terminal that is waited for gets SIGKILL.
    pub time_limit: Option<Duration>,
    /// Bytes that leave the caller's terminal when they are typed there; the process goes on. Empty: none do.
    pub detach_keys: Vec<u8>,
}

impl ExecRequest {
    /// A program that is waited for, without anything of an engine.
    #[must_use]
    pub fn new(id: ContainerId, process: ProcessSource) -> ExecRequest {
        ExecRequest {
            id,
            process,
            detach: false,
            console_socket: None,
            pid_file: None,
            pidfd_socket: None,
            preserve_fds: 0,
            ignore_paused: false,
            cgroup: Vec::new(),
            time_limit: None,
            detach_keys: Vec::new(),
        }
    }
}
