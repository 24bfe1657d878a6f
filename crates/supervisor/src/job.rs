//! What a supervisor is told when it starts, and what it leaves behind: its files in the container's directory.

use std::path::PathBuf;

use lockstep_plan::create::{MemoryRoot, Neighbour, Supervised};
use lockstep_plan::secret::{self as plan, Hidden};
use lockstep_plan::step::OverlayRoot;
use lockstep_runtime::{ContainerId, CreateRequest, Error, Kind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Name of the socket in the container's directory.
pub const SOCKET: &str = "supervisor.sock";
/// Name of the file that says when the container began and how it ended: [`Started`] and [`Exit`], a line each.
pub const LIFE: &str = "life.json";
/// Name of the directory that holds the log.
pub const LOG: &str = "log";

/// Name of the directory that holds the values of secrets, each readable for its owner alone.
pub const SECRETS: &str = "secrets";
/// Most bytes of a secret, Podman's.
pub const SECRET_BYTES: usize = 512_000;

/// The first descriptor that [`crate::start`] leaves behind the standard streams: first those that the container is to
/// have, then the connection, the directory, and the user namespace of [`Job::users`].
pub(crate) const FIRST: i32 = 3;
/// The last of these, counted from the connection.
pub(crate) const USERS: i32 = 2;

/// Version of [`Job`], [`Started`] and [`Exit`].
pub const SCHEMA: u32 = 1;

/// Everything beside config.json that a supervisor needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The container's id.
    pub id: String,
    /// The runtime's state directory.
    pub state: PathBuf,
    /// The container's directory, which is its bundle.
    pub bundle: PathBuf,
    /// The user that the supervisor becomes and that owns the container's user namespace; `None` where it may
    /// not become another.
    pub owner: Option<u32>,
    /// A root file system in memory.
    pub memory_root: Option<MemoryRoot>,
    /// Layers in the place of the root file system's directory.
    pub overlay: Option<OverlayRoot>,
    /// Whether the root file system's directory is id-mapped.
    pub idmap_root: bool,
    /// Whether our own init is the first process.
    #[serde(default)]
    pub init: bool,
    /// Sysctls of its network namespace that are wanted and not needed.
    #[serde(default)]
    pub network_defaults: Vec<(String, String)>,
    /// Secrets, whose values are in [`SECRETS`].
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// The service manager's socket for what the program says (sd_notify(3)), in this start.
    #[serde(default)]
    pub notify_socket: Option<PathBuf>,
    /// Directories of the host under a layer of the container's own.
    #[serde(default)]
    pub over: Vec<Over>,
    /// Namespaces of other containers that it shares.
    #[serde(default)]
    pub joined: Vec<Joined>,
    /// Whether it comes with a user namespace for this start, behind the container's directory.
    #[serde(default)]
    pub users: bool,
    /// Whether a terminal is made; else pipes are.
    pub terminal: bool,
    /// Whether the container's standard input stays open for clients.
    pub stdin: bool,
    /// Whether that input ends with the first client that gave some.
    pub stdin_once: bool,
    /// Whether the starting process is a client of the output from the first byte on.
    pub attached: bool,
    /// How the output is logged; `None` keeps none.
    pub log: Option<LogJob>,
    /// The host's user who may open the pipes of the standard streams again, as `/dev/stdout` does; `None`
    /// leaves them to the caller.
    pub stream_owner: Option<u32>,
    /// Signal that asks the container to stop.
    pub stop_signal: i32,
    /// Milliseconds after which a stop becomes SIGKILL.
    pub stop_timeout_ms: u64,
    /// Milliseconds after which the container is stopped.
    pub run_time_ms: Option<u64>,
    /// Whether root goes without cgroups, as an ordinary user does, where they cannot be made.
    #[serde(default)]
    pub no_cgroups: bool,
    /// Whether cgroups are made by systemd.
    pub systemd_cgroup: bool,
    /// `$XDG_RUNTIME_DIR` of the caller, where a user's systemd is found.
    pub runtime_dir: Option<String>,
}

/// A directory of the host that a container sees with changes of its own, which last for one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// On the host.
    pub source: PathBuf,
    /// In the container.
    pub target: String,
}

impl Over {
    /// The directory of a container's `n`th, in the container's directory: `upper`, `work`, and where root mounts it.
    pub fn place(n: usize) -> String {
        format!("{OVER}/{n}")
    }
}

/// Name of the directory of those.
pub const OVER: &str = "over";

/// A namespace of another container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Its type in config.json's words.
    pub namespace: String,
    /// The other container's id.
    pub container: String,
    /// Its first process when this one was started last; 0 before that.
    pub pid: i32,
}

impl Joined {
    /// The one of this type, in config.json's words, among those that a container shares.
    pub fn of<'a>(all: &'a [Joined], kind: &str) -> Option<&'a Joined> {
        all.iter().find(|joined| joined.namespace == kind)
    }
}

/// A secret of a container without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Name of the file with the value, in [`SECRETS`].
    pub file: String,
    /// Where the container has it.
    pub place: SecretPlace,
}

/// Where a container has a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPlace {
    /// A file in memory.
    File {
        /// A name in /run/secrets, or an absolute path.
        target: String,
        /// Permission bits.
        mode: u32,
        /// Owner, in the container.
        uid: u32,
        /// Group, in the container.
        gid: u32,
    },
    /// A variable of the program's environment, by its name.
    Variable(String),
}

/// Limits of a container's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogJob {
    /// Bytes after which a new file is begun; 0 never.
    pub max_size: u64,
    /// How many files are kept, the current one included.
    pub max_files: u32,
}

impl Job {
    /// What the runtime is asked for by who holds a container without a program; so without the secrets, of which only a
    /// program has a use, and with a user namespace of its own.
    pub fn request(&self) -> Result<CreateRequest> {
        let own = Job {
            users: false,
            ..self.clone()
        };
        own.request_with(Vec::new(), 0)
    }

    /// What a supervisor asks for, which has the values of the secrets, in their order, and `handed` descriptors for the
    /// program.
    pub fn request_with(&self, values: Vec<Vec<u8>>, handed: u8) -> Result<CreateRequest> {
        Ok(CreateRequest {
            id: ContainerId::parse(&self.id)?,
            bundle: self.bundle.clone(),
            console_socket: None,
            pid_file: None,
            pidfd_socket: None,
            no_pivot: false,
            no_new_keyring: false,
            preserve_fds: handed.into(),
            listen_fds: 0,
            notify_socket: self.notify_socket.clone(),
            supervised: Some(Supervised {
                users: self.users.then(|| {
                    let number = FIRST + i32::from(handed) + USERS;
                    format!("/proc/self/fd/{number}")
                }),
                ..self.supervised(values)
            }),
        })
    }

    fn supervised(&self, values: Vec<Vec<u8>>) -> Supervised {
        let (mut secrets, mut secret_env) = (Vec::new(), Vec::new());
        for (secret, value) in self.secrets.iter().zip(values) {
            match &secret.place {
                SecretPlace::File {
                    target,
                    mode,
                    uid,
                    gid,
                } => secrets.push(plan::Secret {
                    target: target.clone(),
                    value: Hidden::new(value),
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                }),
                SecretPlace::Variable(name) => {
                    secret_env.push(Hidden::new([name.as_bytes(), b"=", &*value].concat()));
                }
            }
        }
        Supervised {
            secrets,
            secret_env,
            owner: self.owner,
            memory_root: self.memory_root.clone(),
            overlay: self.overlay.clone(),
            idmap_root: self.idmap_root,
            init: self.init,
            network_defaults: self.network_defaults.clone(),
            held: false,
            over: self.over_by_user(),
            neighbours: self.neighbours(),
            shared_memory: self.shared_memory(),
            users: None,
        }
    }

    /// Those that are to be mounted in the container's user namespace, as the root file system is.
    fn over_by_user(&self) -> Vec<(String, OverlayRoot)> {
        let root = |(n, over): (usize, &Over)| {
            let place = self.bundle.join(Over::place(n));
            let layers = OverlayRoot {
                layers: vec![over.source.clone()],
                upper: place.join("upper"),
                work: place.join("work"),
            };
            (over.target.clone(), layers)
        };
        self.over.iter().enumerate().map(root).collect()
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        let mut all: Vec<Neighbour> = Vec::new();
        for joined in &self.joined {
            if all.iter().all(|known| known.id != joined.container) {
                all.push(Neighbour {
                    id: joined.container.clone(),
                    pid: joined.pid,
                });
            }
        }
        all
    }

    /// Who shares System V objects and message queues shares /dev/shm too (ipc_namespaces(7) leaves that to mounts).
    fn shared_memory(&self) -> Option<PathBuf> {
        let ipc = Joined::of(&self.joined, "ipc");
        ipc.map(|joined| format!("/proc/{}/ns", joined.pid).into())
    }
}

/// That a container was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its first process, in the supervisor's pid namespace.
    pub pid: i32,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What differs from its configuration, one line each.
    pub downgrades: Vec<String>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Exit status, 128 + n for signal n.
    pub status: i32,
    /// When, RFC 3339 in UTC; empty when nobody saw it.
    pub at: String,
    /// Whether somebody had asked for it (`stop`, `kill`).
    pub asked: bool,
    /// Whether the kernel killed one of its processes for want of memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// Why there is no status of the program's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Exit {
    /// An end at this moment.
    pub fn now(status: i32, asked: bool) -> Exit {
        Exit {
            schema: SCHEMA,
            status,
            at: lockstep_runtime::clock::now_rfc3339(),
            asked,
            oom_killed: false,
            reason: None,
        }
    }
}

/// What [`LIFE`] says so far; a line that was cut short by a full disk or a kill is none.
///
/// # Errors
///
/// A line of another version, or one that is whole and none of ours: what it means is not known, so nothing may be done
/// that would write over it.
pub fn read_life(text: &[u8]) -> Result<(Option<Started>, Option<Exit>)> {
    let mut lines = text.split(|b| *b == b'\n');
    let started = read_line(lines.next().unwrap_or_default())?;
    let exit = read_line(lines.next().unwrap_or_default())?;
    Ok((started, exit))
}

fn read_line<T: DeserializeOwned>(line: &[u8]) -> Result<Option<T>> {
    #[derive(Deserialize)]
    struct Header {
        schema: u32,
    }
    let wrong = |text: String| Error::new(Kind::Invalid, text);
    let header = serde_json::from_slice::<Header>(line);
    if let Ok(Header { schema }) = header
        && schema != SCHEMA
    {
        let text = format!("schema {schema} is not {SCHEMA}, which this version reads");
        return Err(wrong(text));
    }
    match serde_json::from_slice(line) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_data() => Err(wrong(error.to_string())),
        Err(_cut_off) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_of_another_version_is_not_taken_for_none() {
        let started = r#"{"schema":1,"pid":7,"at":"then","downgrades":[]}"#;
        let exit = r#"{"schema":1,"status":3,"at":"now","asked":false}"#;
        let read = |text: &str| read_life(text.as_bytes());
        let (from, to) = read(&format!("{started}\n{exit}\n")).expect("a life");
        assert_eq!((from.expect("it").pid, to.expect("it").status), (7, 3));
        assert_eq!(read("").expect("none"), (None, None));
        // Without a beginning: it could not be started.
        assert!(read(&format!("\n{exit}\n")).expect("an end").1.is_some());
        // Cut short by a kill.
        for end in 0..exit.len() {
            let text = format!("{started}\n{}", &exit[..end]);
            assert_eq!(read(&text).expect("a life").1, None, "{text}");
        }
        for (wrong, word) in [
            (started.replacen('1', "2", 1), "schema 2"),
            (
                format!("{started}\n{}", exit.replacen('1', "99", 1)),
                "schema 99",
            ),
            (started.replace('7', "\"7\""), "expected i32"),
            ("{\"schema\":1}".into(), "`pid`"),
        ] {
            let error = read(&wrong).expect_err(&wrong).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
