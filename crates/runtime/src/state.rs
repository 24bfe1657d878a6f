//! The state directory: one directory per container, written before the first thing that it names is made.
//!
//! `state.json` is written once and says what will exist (bundle, intended cgroups); `init.json` says which
//! process it became. So a runtime that is killed at any moment leaves enough behind to be cleaned up after.

mod filter;

pub(crate) use filter::Filter;

use crate::error::{Error, For, Kind, Result};
use crate::notify;
use lockstep_abi::errno::Errno;
use lockstep_kernel::{self as kernel, file, process, socket};
use lockstep_oci::runtime::Spec;
use lockstep_oci::state::Status;
use lockstep_plan::{Downgrade, Outcome};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Version of the files, raised with every change of their form, so that a rewrite cannot lose what it does not
/// know. Older ones are read, a newer one is refused without touching it.
///
/// 2: outcome.json has a version too. 3: state.json has the compiled filter instead of its rules.
pub(crate) const SCHEMA: u32 = 3;
/// The largest state file that is read, in bytes.
const LIMIT: usize = 32 << 20;
const STATE: &str = "state.json";
pub(crate) const INIT: &str = "init.json";
const OUTCOME: &str = "outcome.json";
/// The socket on which a created container waits for `start`.
pub(crate) const START: &str = "start.sock";

/// Where criu has the root file system, in a mount namespace of its own.
pub(crate) const CRIU_ROOT: &str = "criu-root";

/// The program's own notification socket.
const NOTIFY: &str = "notify/notify.sock";

/// A container's name: 1 to 1024 of the characters that runc allows, and no path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContainerId(String);

impl ContainerId {
    /// Checks an id.
    pub fn parse(id: &str) -> Result<ContainerId> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
        if id.is_empty() {
            return Err(Error::new(Kind::Invalid, "container id cannot be empty"));
        }
        if id.len() > 1024 || id == "." || id == ".." || !id.chars().all(allowed) {
            return Err(Error::new(
                Kind::Invalid,
                format!("invalid container ID format: {id:?}"),
            ));
        }
        Ok(ContainerId(id.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a container is, from before its first cgroup to its deletion.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The container's id.
    pub id: ContainerId,
    /// The bundle's absolute path.
    pub bundle: PathBuf,
    /// The root file system's absolute path.
    pub rootfs: PathBuf,
    /// When it was made, RFC 3339 in UTC.
    pub created: String,
    /// User id of the one who made it.
    pub owner: u32,
    /// The intended cgroups.
    pub cgroup: crate::cgroup::CgroupState,
    /// config.json as it was at creation: later changes of the file have no effect (runtime.md, "Create"). Without the
    /// rules of the seccomp filter.
    pub spec: Spec,
    /// What the rules were compiled to, if there is a filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

/// The container's first process, told apart from a later one of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InitProcess {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Process id in the runtime's pid namespace.
    pub pid: i32,
    /// Start time in clock ticks since boot (proc_pid_stat(5), field 22).
    pub start_time: u64,
}

/// outcome.json.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoredOutcome {
    /// [`SCHEMA`]; absent from the first.
    #[serde(default)]
    schema: u32,
    downgrades: Vec<Downgrade>,
}

/// The directory that holds all containers' directories.
#[derive(Debug)]
pub(crate) struct Root {
    dir: OwnedFd,
    path: PathBuf,
}

/// One container's open state directory.
#[derive(Debug)]
pub(crate) struct Directory {
    dir: OwnedFd,
    /// The container's id.
    pub id: ContainerId,
}

impl Root {
    /// Opens the directory; with `create` it and its parents are made, 0711 as runc's.
    pub(crate) fn open(path: &Path, create: bool) -> Result<Root> {
        let open = || file::open_dir(file::CWD, path);
        let dir = match open() {
            Err(e) if create && e.is(&[Errno::ENOENT.0]) => {
                file::make_with_parents(path, 0o711)
                    .during(|| format!("state directory {}", path.display()))?;
                open()
            }
            other => other,
        }
        .during(|| format!("state directory {}", path.display()))?;
        Ok(Root {
            dir,
            path: path.into(),
        })
    }

    /// Where a container's directory is or will be.
    pub(crate) fn path_of(&self, id: &ContainerId) -> PathBuf {
        self.path.join(id.as_str())
    }

    /// The ids of all containers.
    pub(crate) fn ids(&self) -> Result<Vec<ContainerId>> {
        let names = file::list(&self.dir, ".")
            .during(|| format!("state directory {}", self.path.display()))?;
        let mut ids: Vec<_> = names
            .iter()
            .filter_map(|name| ContainerId::parse(name).ok())
            .collect();
        ids.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(ids)
    }

    /// Makes a container's directory, which claims its id.
    pub(crate) fn claim(&self, id: &ContainerId) -> Result<Directory> {
        match file::mkdirat(&self.dir, id.as_str(), 0o711) {
            Ok(()) => self.container(id),
            Err(e) if e.is(&[Errno::EEXIST.0]) => Err(Error::new(
                Kind::Exists,
                "container with given ID already exists",
            )
            .hint(format!("id {id}"))),
            Err(e) => Err(Error::call(format!("state directory of {id}"), &e)),
        }
    }

    /// Opens a container's directory.
    pub(crate) fn container(&self, id: &ContainerId) -> Result<Directory> {
        match file::open_dir(&self.dir, id.as_str()) {
            Ok(dir) => Ok(Directory {
                dir,
                id: id.clone(),
            }),
            Err(e) if e.is(&[Errno::ENOENT.0]) => {
                Err(Error::new(Kind::NotFound, "container does not exist"))
            }
            Err(e) => Err(Error::call(format!("state directory of {id}"), &e)),
        }
    }

    /// A container's cgroups alone, without a descriptor of its directory: `ps` asks this of every container.
    pub(crate) fn cgroup_of(&self, id: &ContainerId) -> Result<Option<crate::cgroup::CgroupState>> {
        let text = match file::read_at_once(&self.dir, Path::new(id.as_str()).join(STATE), LIMIT) {
            // There is no container, or its maker was killed.
            Err(e) if e.is(&[Errno::ENOENT.0]) => return self.container(id).map(|_| None),
            other => other.during(|| format!("state of {id}"))?,
        };
        Ok(parse::<Cgroups>(&text, STATE, id)?.map(|state| state.cgroup))
    }

    /// Removes a container's directory with the files that the runtime makes in it.
    pub(crate) fn remove(&self, id: &ContainerId) -> Result<()> {
        let directory = self.container(id)?;
        let what = || format!("state of {id}");
        for name in [STATE, INIT] {
            // ENOENT: a concurrent `delete` was here first, or creation was killed before the file was made.
            absent_is_fine(file::unlink(&directory.dir, name)).during(what)?;
        }
        match file::rmdir(&self.dir, id.as_str()) {
            Err(e) if e.is(&[Errno::ENOTEMPTY.0]) => {}
            other => return absent_is_fine(other).during(what),
        }
        absent_is_fine(file::unlink(&directory.dir, NOTIFY)).during(what)?;
        for name in [notify::DIRECTORY, CRIU_ROOT] {
            absent_is_fine(file::rmdir(&directory.dir, name)).during(what)?;
        }
        for name in file::list(&directory.dir, ".").during(what)? {
            absent_is_fine(file::unlink(&directory.dir, &name)).during(what)?;
        }
        absent_is_fine(file::rmdir(&self.dir, id.as_str())).during(what)
    }
}

fn absent_is_fine(result: kernel::Result<()>) -> kernel::Result<()> {
    match result {
        Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(()),
        other => other,
    }
}

impl Directory {
    /// The directory itself.
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Makes the directory for the program's notification socket, which the container's mount names.
    pub(crate) fn make_notify(&self) -> Result<()> {
        let what = || format!("state of {}", self.id);
        file::mkdirat(&self.dir, notify::DIRECTORY, 0o755).during(what)?;
        // Whatever the caller's umask.
        file::chmod(&self.dir, notify::DIRECTORY, 0o755).during(what)
    }

    /// Writes the state, before anything that it names is made.
    pub(crate) fn write_state(&self, state: &State) -> Result<()> {
        self.write(STATE, state)
    }

    /// The same in two steps, for what must not be done unless the state can be written.
    pub(crate) fn prepare_state(&self, state: &State) -> Result<file::Replacement<&OwnedFd>> {
        let text = self.text(STATE, state)?;
        file::Replacement::write(&self.dir, STATE, &text, 0o600)
            .during(|| format!("state of {}", self.id))
    }

    /// Writes the state for the first time: there is no older one to keep whole.
    pub(crate) fn write_first_state(&self, state: &State) -> Result<()> {
        self.write_new(STATE, state)
    }

    fn write_new<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let what = || format!("state of {}", self.id);
        let text = self.text(name, value)?;
        let flags = file::OFlags::WRONLY | file::OFlags::CREATE | file::OFlags::EXCL;
        let made = file::openat(&self.dir, name, flags, 0o600).during(what)?;
        file::write_fd(made, &text).during(what)
    }

    /// Reads the state; `None` when its writer was killed before it had written it.
    pub(crate) fn state(&self) -> Result<Option<State>> {
        self.read(STATE)
    }

    /// Writes which process the container became.
    pub(crate) fn write_init(&self, init: &InitProcess) -> Result<()> {
        self.write_new(INIT, init)
    }

    /// The container's first process.
    pub(crate) fn init(&self) -> Result<Option<InitProcess>> {
        self.read(INIT)
    }

    /// Writes what differs from the plan; nothing when nothing does.
    pub(crate) fn write_outcome(&self, outcome: &Outcome) -> Result<()> {
        if outcome.downgrades.is_empty() {
            Ok(())
        } else {
            let stored = StoredOutcome {
                schema: SCHEMA,
                downgrades: outcome.downgrades.clone(),
            };
            self.write(OUTCOME, &stored)
        }
    }

    /// What differed from the plan.
    pub(crate) fn outcome(&self) -> Result<Outcome> {
        let stored: StoredOutcome = self.read(OUTCOME)?.unwrap_or_default();
        Ok(Outcome {
            downgrades: stored.downgrades,
        })
    }

    /// Forgets that the container waits for `start`.
    pub(crate) fn started(&self) -> Result<()> {
        absent_is_fine(file::unlink(&self.dir, START)).during(|| format!("state of {}", self.id))
    }

    fn text<T: Serialize>(&self, name: &str, value: &T) -> Result<Vec<u8>> {
        serde_json::to_vec(value)
            .map_err(|e| Error::new(Kind::Invalid, format!("{name} of {}: {e}", self.id)))
    }

    /// Writes a file of the container as a whole.
    pub(crate) fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let text = self.text(name, value)?;
        file::replace(&self.dir, name, &text, 0o600).during(|| format!("state of {}", self.id))
    }

    /// Reads one; `None` where there is none, or only its beginning.
    pub(crate) fn read<T: Versioned>(&self, name: &str) -> Result<Option<T>> {
        let text = match file::read_at_once(&self.dir, name, LIMIT) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(None),
            other => other.during(|| format!("state of {}", self.id))?,
        };
        parse(&text, name, &self.id)
    }

    /// The container's status and its first process, asked of the kernel.
    pub(crate) fn status(&self) -> Result<(Status, Option<InitProcess>)> {
        let Some(init) = self.init()? else {
            return Ok((Status::Stopped, None));
        };
        if !is_alive(&init)? {
            return Ok((Status::Stopped, Some(init)));
        }
        Ok((
            if self.waits()? {
                Status::Created
            } else {
                Status::Running
            },
            Some(init),
        ))
    }

    /// Whether the first process still waits for `start`. The socket's file alone would lie after a killed
    /// `start`; the listener itself does not, and a connection without a message is ignored by it.
    fn waits(&self) -> Result<bool> {
        let answer = file::stat(&self.dir, START, false)
            .and_then(|_| socket::connect(self.dir.as_fd(), START));
        match answer {
            Ok(_) => Ok(true),
            Err(e) if e.is(&[Errno::ENOENT.0, Errno::ECONNREFUSED.0]) => Ok(false),
            Err(e) => Err(Error::call(format!("asking container {}", self.id), &e)),
        }
    }
}

/// A file with a version.
pub(crate) trait Versioned: serde::de::DeserializeOwned {
    /// Its version.
    fn schema(&self) -> u32;
}

impl Versioned for State {
    fn schema(&self) -> u32 {
        self.schema
    }
}

impl Versioned for InitProcess {
    fn schema(&self) -> u32 {
        self.schema
    }
}

impl Versioned for StoredOutcome {
    fn schema(&self) -> u32 {
        self.schema
    }
}

/// The state without the configuration, which is most of it and is passed over.
#[derive(Debug, Deserialize)]
struct Cgroups {
    schema: u32,
    cgroup: crate::cgroup::CgroupState,
}

impl Versioned for Cgroups {
    fn schema(&self) -> u32 {
        self.schema
    }
}

/// What a state file says; `None` when its writer was killed in the middle, which is the same as before. A good file
/// is read once; of one that cannot be read it is found out whether another version wrote it.
pub(crate) fn parse<T: Versioned>(text: &[u8], name: &str, id: &ContainerId) -> Result<Option<T>> {
    #[derive(Deserialize)]
    struct Header {
        schema: u32,
    }
    let newer = |found: u32| {
        let message = format!(
            "{name} of container {id} has schema {found}, this version reads up to {SCHEMA}"
        );
        Error::new(Kind::Invalid, message).hint("use the version of lockstep-runc that made it")
    };
    let broken = match serde_json::from_slice::<T>(text) {
        Ok(value) if value.schema() > SCHEMA => return Err(newer(value.schema())),
        Ok(value) => return Ok(Some(value)),
        Err(e) => e,
    };
    // A wrong field may stand before the place where the text is cut short.
    if serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err_and(|e| e.is_eof()) {
        return Ok(None);
    }
    match serde_json::from_slice::<Header>(text) {
        Ok(Header { schema }) if schema > SCHEMA => Err(newer(schema)),
        _ => {
            let message = format!("{name} of container {id}: {broken}");
            Err(Error::new(Kind::Invalid, message))
        }
    }
}

/// Whether this very process exists and is no zombie.
pub(crate) fn is_alive(init: &InitProcess) -> Result<bool> {
    let found = process_stat(init.pid)?;
    Ok(found.is_some_and(|(state, start)| start == init.start_time && !matches!(state, 'Z' | 'X')))
}

/// Run state and start time of a process (proc_pid_stat(5), fields 3 and 22). `None` only where there is none:
/// a container whose process could not be asked about must not be taken for one that has ended.
fn process_stat(pid: i32) -> Result<Option<(char, u64)>> {
    let path = format!("/proc/{pid}/stat");
    let text = match file::read_at_once(file::CWD, &path, 4096) {
        // ESRCH: it ended between open and read.
        Err(e) if e.is(&[Errno::ENOENT.0, Errno::ESRCH.0]) => return Ok(None),
        other => other.during(|| format!("asking for process {pid}"))?,
    };
    let broken = || Error::new(Kind::Kernel, format!("{path} has an unknown form"));
    stat_fields(&text).map(Some).ok_or_else(broken)
}

/// Fields 3 and 22. The command name stands in parentheses, is the container's choice, and may contain
/// anything, also parentheses and blanks.
pub(crate) fn stat_fields(text: &[u8]) -> Option<(char, u64)> {
    let text = String::from_utf8_lossy(text);
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Describes a process for `init.json`.
pub(crate) fn describe(pid: i32) -> Result<InitProcess> {
    let (_, start_time) = process_stat(pid)?
        .ok_or_else(|| Error::new(Kind::Kernel, format!("process {pid} has ended")))?;
    Ok(InitProcess {
        schema: SCHEMA,
        pid,
        start_time,
    })
}

/// Sends a signal to this very process: a pidfd cannot come to mean another one.
pub(crate) fn signal(init: &InitProcess, signal: i32) -> Result<bool> {
    let what = || format!("signalling process {}", init.pid);
    let pidfd = match process::pidfd_open(init.pid) {
        Err(e) if e.is(&[Errno::ESRCH.0, Errno::EINVAL.0]) => {
            return Ok(false);
        }
        other => other.during(what)?,
    };
    if !is_alive(init)? {
        return Ok(false);
    }
    match process::pidfd_send_signal(pidfd.as_fd(), signal) {
        Err(e) if e.is(&[Errno::ESRCH.0]) => Ok(false),
        Err(e) => Err(Error::refused("unable to signal init", &e)),
        Ok(()) => Ok(true),
    }
}
