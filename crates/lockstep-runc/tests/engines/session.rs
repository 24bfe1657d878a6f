//! A session: one engine with namespaces, folders and cgroups of its own, and nothing left after.
//!
//! The test starts `unshare`, which becomes this binary again: the session's init. It adopts every
//! daemon, monitor and shim (`PR_SET_CHILD_SUBREAPER`) and kills them all at the session's end, at
//! its deadline, or when the test itself is gone; the mount and the network namespace end with
//! them. A pid namespace would be simpler and is not used: Podman behaves otherwise inside of one
//! (it asks for no rlimits), and a plain machine is what is to be tested.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions};

use crate::case::{Case, Engine, View};
use crate::shell::{Shell, until};

/// How long one session may take. On an idle machine it is a tenth of that.
const LIMIT: Duration = Duration::from_secs(400);
/// All folders and cgroups of sessions begin so; the pid of the test follows.
const PREFIX: &str = "lockstep-engines-";
/// Where the folders are: short, because a unix socket's path has at most 107 bytes.
const TMP: &str = "/tmp";
/// Numbers the sessions of one test process.
static SERIAL: AtomicU32 = AtomicU32::new(0);

/// The result of one check.
pub(crate) struct Line {
    /// The check's name.
    pub(crate) name: String,
    /// How long it took.
    pub(crate) millis: u64,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
}

/// Run the checks named in `only` (all if empty) of a case, with `runtime`.
///
/// # Errors
/// The session could not be started, or did not come to its end.
pub(crate) fn launch(case: &Case, runtime: &Path, only: &[&str]) -> Result<Vec<Line>, String> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let name = format!("{PREFIX}{}-{serial}", std::process::id());
    let work = Path::new(TMP).join(&name);
    fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let result = start(case, runtime, only, &work);
    let left = remove(&name, &work);
    let lines = result?;
    left?;
    Ok(lines)
}

fn start(case: &Case, runtime: &Path, only: &[&str], work: &Path) -> Result<Vec<Line>, String> {
    let io = |error: std::io::Error| format!("session {}: {error}", case.name());
    // Users other than root go through it to their home and to the runtime.
    fs::set_permissions(work, fs::Permissions::from_mode(0o755)).map_err(io)?;
    let (report, log) = (work.join("report"), work.join("log"));
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--net", "--"])
        .arg(std::env::current_exe().map_err(io)?)
        .args(["--init", case.engine.word(), case.view.word()])
        .args([runtime, work])
        .arg(only.join(","))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&report).map_err(io)?)
        .stderr(fs::File::create(&log).map_err(io)?)
        .status()
        .map_err(io)?;
    let lines = parse(&fs::read_to_string(&report).map_err(io)?);
    if status.success() {
        return Ok(lines);
    }
    let last = lines.last().map_or("none", |line| line.name.as_str());
    let log = fs::read_to_string(&log).map_err(io)?;
    Err(format!(
        "session {}: {status}; last check: {last}; log: {log}",
        case.name()
    ))
}

fn parse(report: &str) -> Vec<Line> {
    let line = |line: &str| {
        let mut fields = line.splitn(3, '\t');
        let name = fields.next()?.to_owned();
        let millis = fields.next()?.parse().ok()?;
        let error = fields.next()?;
        let error = (!error.is_empty()).then(|| error.to_owned());
        Some(Line {
            name,
            millis,
            error,
        })
    };
    report.lines().filter_map(line).collect()
}

/// Remove the folder and the cgroups of a session whose processes are gone.
fn remove(name: &str, work: &Path) -> Result<(), String> {
    until(|| {
        remove_cgroups(name)?;
        match fs::remove_dir_all(work) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", work.display()))
            }
            _ => Ok(()),
        }
    })
}

fn remove_cgroups(name: &str) -> Result<(), String> {
    for hierarchy in hierarchies() {
        remove_cgroup(&hierarchy.join(name))?;
    }
    Ok(())
}

fn hierarchies() -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let mut all = folders(&root);
    all.push(root);
    all
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove_cgroup(dir: &Path) -> Result<(), String> {
    if !dir.exists() {
        return Ok(());
    }
    for child in folders(dir) {
        remove_cgroup(&child)?;
    }
    // Where no hierarchy is mounted these are folders with files (crun writes `cgroup.procs` there);
    // in a hierarchy the second call refuses at the first control file.
    fs::remove_dir(dir)
        .or_else(|_busy| fs::remove_dir_all(dir))
        .map_err(|error| format!("{}: {error}", dir.display()))
}

/// Remove what sessions of a test left that was killed without warning.
pub(crate) fn sweep() {
    for dir in hierarchies()
        .iter()
        .map(PathBuf::as_path)
        .chain([Path::new(TMP)])
    {
        for found in folders(dir) {
            let name = found
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let pid = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').next());
            let dead = pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
            if dead && let Err(error) = remove(&name, &Path::new(TMP).join(&name)) {
                println!("left by an earlier run: {error}");
            }
        }
    }
}

/// The session's init: reap everything, and see to it that nothing outlives the session.
pub(crate) fn init(words: &[String]) -> ExitCode {
    let test = rustix::process::getppid();
    match supervise(words, test) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("init: {error}");
            ExitCode::FAILURE
        }
    }
}

fn supervise(words: &[String], test: Option<Pid>) -> Result<(), String> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| error.to_string())?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let session = Command::new(own)
        .arg("--session")
        .args(words)
        .spawn()
        .map_err(|error| error.to_string())?;
    let session = i32::try_from(session.id()).unwrap_or(-1);
    let deadline = Instant::now() + LIMIT;
    let result = loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == session => {
                break if status.exit_status() == Some(0) {
                    Ok(())
                } else {
                    Err(format!("{status:?}"))
                };
            }
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) if Instant::now() > deadline => {
                break Err("the session's deadline is over".into());
            }
            Ok(None) if rustix::process::getppid() != test => break Err("the test is gone".into()),
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => break Err(format!("wait: {error}")),
        }
    };
    let work = words
        .get(3)
        .map(Path::new)
        .unwrap_or(Path::new("/nonexistent"));
    let name = work.file_name().unwrap_or_default().to_string_lossy();
    // Here too, in this view: a runtime may have made folders where a hierarchy is not mounted.
    let ended = end_all(&name).and_then(|()| until(|| remove_cgroups(&name)));
    if rustix::process::getppid() != test {
        // Nobody else will: the launcher that removes them is gone.
        remove(&name, work)?;
    }
    result.and(ended)
}

/// Kill every descendant, also those that are frozen.
fn end_all(name: &str) -> Result<(), String> {
    until(|| {
        thaw(&Path::new("/sys/fs/cgroup/freezer").join(name));
        let mut left = Vec::new();
        for (pid, comm) in descendants(rustix::process::getpid()) {
            // ESRCH: it went by itself in between, and needs no more waiting for.
            let kill = |pid| rustix::process::kill_process(pid, Signal::KILL);
            if Pid::from_raw(pid).map(kill) != Some(Err(rustix::io::Errno::SRCH)) {
                left.push(format!("{pid} ({comm})"));
            }
        }
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("alive: {}", left.join(", ")))
        }
    })
}

/// A task in a frozen v1 cgroup does not even die.
fn thaw(dir: &Path) {
    for child in folders(dir) {
        thaw(&child);
    }
    // ENOENT without a freezer hierarchy or without such a cgroup: nothing is frozen.
    drop(fs::write(dir.join("freezer.state"), "THAWED"));
}

/// All processes below `root`, with their names.
fn descendants(root: Pid) -> Vec<(i32, String)> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().parse::<i32>();
        let (Ok(pid), Ok(stat)) = (pid, fs::read_to_string(entry.path().join("stat"))) else {
            continue;
        };
        // The name stands in parentheses and may hold some itself.
        let (head, tail) = stat.rsplit_once(')').unwrap_or_default();
        let comm = head.split_once('(').unwrap_or_default().1.to_owned();
        let parent = tail
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse::<i32>().ok());
        parents.extend(parent.map(|parent| (pid, parent, comm)));
    }
    let mut wanted = vec![root.as_raw_nonzero().get()];
    let mut found = Vec::new();
    while let Some(parent) = wanted.pop() {
        for (pid, _, comm) in parents.iter().filter(|row| row.1 == parent) {
            wanted.push(*pid);
            found.push((*pid, comm.clone()));
        }
    }
    found
}

/// The session itself: `ENGINE VIEW RUNTIME WORK ONLY`.
pub(crate) fn child(words: &[String]) -> ExitCode {
    let [engine, view, runtime, work, only] = words else {
        eprintln!("session: wrong words {words:?}");
        return ExitCode::FAILURE;
    };
    let (Some(engine), Some(view)) = (Engine::of(engine), View::of(view)) else {
        eprintln!("session: unknown case {engine} {view}");
        return ExitCode::FAILURE;
    };
    match Session::enter(view, Path::new(runtime), Path::new(work), only) {
        Ok(session) => {
            engine.play(&session);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("session: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The surroundings in which an engine's checks run.
pub(crate) struct Session {
    /// The session's folder; all that the engine keeps is below it.
    pub(crate) work: PathBuf,
    /// The runtime under test, where every user can execute it.
    pub(crate) runtime: PathBuf,
    /// What of the machine is seen.
    pub(crate) view: View,
    /// Also the name of the cgroup below which all containers are.
    pub(crate) name: String,
    /// Commands as root.
    pub(crate) shell: Shell,
    only: Vec<String>,
}

impl Session {
    fn enter(view: View, runtime: &Path, work: &Path, only: &str) -> Result<Session, String> {
        let io = |error: std::io::Error| format!("{}: {error}", work.display());
        for dir in ["bin", "scratch", "home", "tmp"] {
            fs::create_dir(work.join(dir)).map_err(io)?;
        }
        for dir in ["scratch", "tmp"] {
            fs::set_permissions(work.join(dir), fs::Permissions::from_mode(0o1777)).map_err(io)?;
        }
        let copy = work
            .join("bin")
            .join(runtime.file_name().unwrap_or_default());
        fs::copy(runtime, &copy).map_err(|error| format!("{}: {error}", runtime.display()))?;
        let shell = Shell::new(&work.join("scratch"))
            .env("HOME", work.join("home"))
            .env("TMPDIR", work.join("tmp"));
        // Sockets and state that an engine keeps at fixed places are the session's own, too.
        for dir in ["/run", "/var/lib"] {
            shell.ok(&["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", dir])?;
        }
        shell.ok(&["ip", "link", "set", "lo", "up"])?;
        if view == View::Private {
            private_view(work, &shell)?;
        }
        Ok(Session {
            work: work.to_path_buf(),
            runtime: copy,
            view,
            name: work
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            shell,
            only: only
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }

    /// Run one check, unless others were asked for, and report it.
    pub(crate) fn check(&self, name: &str, body: impl FnOnce() -> Result<(), String>) {
        if !self.only.is_empty() && !self.only.iter().any(|only| only == name) {
            return;
        }
        let started = Instant::now();
        self.report(name, started, body().err());
    }

    /// Run what all other checks need; reported as a check only if it fails.
    pub(crate) fn need<T>(
        &self,
        name: &str,
        body: impl FnOnce() -> Result<T, String>,
    ) -> Option<T> {
        let started = Instant::now();
        match body() {
            Ok(value) => Some(value),
            Err(error) => {
                self.report(name, started, Some(error));
                None
            }
        }
    }

    fn report(&self, name: &str, started: Instant, error: Option<String>) {
        let error = error
            .unwrap_or_default()
            .replace('\n', "\\n")
            .replace('\t', " ");
        let line = format!("{name}\t{}\t{error}\n", started.elapsed().as_millis());
        if let Err(error) = std::io::stdout().write_all(line.as_bytes()) {
            eprintln!("report: {error}");
        }
    }

    /// The runtime's path as a word.
    pub(crate) fn runtime(&self) -> String {
        self.runtime.display().to_string()
    }

    /// A path below the session's folder as a word.
    pub(crate) fn path(&self, name: &str) -> String {
        self.work.join(name).display().to_string()
    }

    /// Start a daemon whose output goes to `NAME.log`; it dies with the session.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn daemon(&self, name: &str, words: &[&str]) -> Result<Daemon, String> {
        let io = |error: std::io::Error| format!("{name}: {error}");
        let log = self.work.join(format!("{name}.log"));
        let out = fs::File::create(&log).map_err(io)?;
        let mut command = self.shell.command(words);
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(io)?)
            .stderr(out);
        Ok(Daemon {
            child: command.spawn().map_err(io)?,
            log,
        })
    }

    /// That no container of this session has left a process, a cgroup or an entry in `states`.
    ///
    /// # Errors
    /// What is left after a grace period.
    pub(crate) fn nothing_left(&self, states: &[PathBuf]) -> Result<(), String> {
        until(|| {
            let mut left = strangers();
            for state in states {
                left.extend(folders(state).iter().map(|dir| dir.display().to_string()));
            }
            for hierarchy in hierarchies() {
                let own = folders(&hierarchy.join(&self.name));
                left.extend(
                    own.iter()
                        .filter(|dir| !dir.ends_with("conmon"))
                        .map(|dir| dir.display().to_string()),
                );
            }
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("left: {}", left.join(", ")))
            }
        })
    }
}

/// Processes of containers (another pid namespace than ours) and their monitors.
fn strangers() -> Vec<String> {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace("self");
    let init = rustix::process::getppid().unwrap_or(Pid::INIT);
    let mut found = Vec::new();
    for (pid, comm) in descendants(init) {
        let monitor = comm.starts_with("conmon") || comm.starts_with("containerd-shim");
        // A dead process has no namespaces: unreadable means that it is about to go.
        let contained = namespace(&pid.to_string()).is_some_and(|ns| Some(ns) != own);
        if monitor || contained {
            found.push(format!("process {pid} ({comm})"));
        }
    }
    found
}

/// A background process of the session, asked to end when dropped.
pub(crate) struct Daemon {
    child: std::process::Child,
    log: PathBuf,
}

impl Daemon {
    /// The last lines of its output, for messages.
    pub(crate) fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    /// Ask it to end and wait for that.
    ///
    /// # Errors
    /// It is still there after the grace period; the session's end kills it.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
        }
        // ECHILD: init, or nobody, reaped it already.
        until(|| match self.child.try_wait() {
            Ok(None) => Err(format!("still running: {}", self.tail())),
            Ok(Some(_)) | Err(_) => Ok(()),
        })
    }
}

/// What an engine's packager would set up: a shared root, cgroup v1 alone, tun and fuse for all.
fn private_view(work: &Path, shell: &Shell) -> Result<(), String> {
    let unified = "/sys/fs/cgroup/unified";
    if shell.run(&["mountpoint", "-q", unified])?.code == 0 {
        shell.ok(&["umount", unified])?;
    }
    shell.ok(&["mount", "--make-rshared", "/"])?;
    for (name, minor, target) in [("tun", "200", "/dev/net/tun"), ("fuse", "229", "/dev/fuse")] {
        if Path::new(target).exists() {
            let node = work.join(name).display().to_string();
            shell.ok(&["mknod", "-m", "666", &node, "c", "10", minor])?;
            shell.ok(&["mount", "--bind", &node, target])?;
        }
    }
    Ok(())
}
