//! One invocation of the runtime under test, with a hard timeout for its whole process tree.
//!
//! Output goes to files, not pipes: a detached container inherits the descriptors, and reading a
//! pipe to its end would wait for the container.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::procfs::{descendants, is_alive};
use super::view::{View, in_view};

/// Whose runtime is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Ours.
    Lockstep,
    /// Another runtime, whose answers say whether a test is right.
    Other,
}

/// Exit code and captured output of an invocation.
#[derive(Debug)]
pub(crate) struct Output {
    /// What was called, for messages.
    pub(crate) command: String,
    /// The exit code; 128 + n for a death by signal n.
    pub(crate) code: i32,
    /// All that was written to standard output.
    pub(crate) stdout: String,
    /// All that was written to standard error.
    pub(crate) stderr: String,
}

impl Output {
    /// Requires exit code 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// Requires that exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert!(
            self.code == code,
            "{}\nexit code {}, expected {code}\nstdout: {}\nstderr: {}",
            self.command,
            self.code,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Requires a failure whose message contains each of `words`.
    #[track_caller]
    pub(crate) fn fails_with(self, words: &[&str]) -> Self {
        assert!(
            self.code != 0,
            "{}\nsucceeded, expected a failure that says {words:?}\nstdout: {}\nstderr: {}",
            self.command,
            self.stdout,
            self.stderr
        );
        for word in words {
            assert!(
                self.stderr.contains(word),
                "{}\nstderr lacks {word:?}\nstdout: {}\nstderr: {}",
                self.command,
                self.stdout,
                self.stderr
            );
        }
        self
    }

    /// Requires that standard error contains `word`.
    #[track_caller]
    pub(crate) fn warns(self, word: &str) -> Self {
        assert!(
            self.stderr.contains(word),
            "{}\nno warning {word:?}\nstdout: {}\nstderr: {}",
            self.command,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output without surrounding white space.
    pub(crate) fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// Standard output as lines.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{}\nno JSON ({error}): {}", self.command, self.stdout))
    }

    /// The value after "NAME=" or "NAME:" at the start of a line of standard output.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> &str {
        self.stdout
            .lines()
            .find_map(|line| {
                let rest = line.strip_prefix(name)?;
                Some(rest.strip_prefix(['=', ':'])?.trim())
            })
            .unwrap_or_else(|| panic!("{}\nno {name} in {}", self.command, self.stdout))
    }
}

/// A started invocation.
pub(crate) struct Running {
    command: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    timeout: Duration,
}

/// How an invocation differs from the plainest one.
pub(crate) struct Invocation {
    /// Program and arguments.
    pub(crate) argv: Vec<String>,
    /// The view in which it runs.
    pub(crate) view: View,
    /// Additional environment.
    pub(crate) env: Vec<(String, String)>,
    /// Standard input.
    pub(crate) stdin: Stdio,
    /// Working directory.
    pub(crate) cwd: PathBuf,
    /// Where captured output goes.
    pub(crate) capture: PathBuf,
    /// When the tree is killed.
    pub(crate) timeout: Duration,
}

impl Invocation {
    /// Starts it.
    pub(crate) fn start(self) -> Running {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let stdout = self.capture.join(format!("{number}.stdout"));
        let stderr = self.capture.join(format!("{number}.stderr"));
        let argv = in_view(&self.view, self.argv);
        let create = |path: &PathBuf| File::create(path).expect("a capture file can be made");
        let child = Command::new(&argv[0])
            .args(&argv[1..])
            .envs(self.env)
            .current_dir(&self.cwd)
            .stdin(self.stdin)
            .stdout(create(&stdout))
            .stderr(create(&stderr))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {argv:?}: {error}"));
        Running {
            command: argv.join(" "),
            child,
            stdout,
            stderr,
            timeout: self.timeout,
        }
    }
}

impl Running {
    /// Process id of the runtime (or of the wrapper that became it).
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The files that standard output and standard error go to.
    pub(crate) fn captures(&self) -> (PathBuf, PathBuf) {
        (self.stdout.clone(), self.stderr.clone())
    }

    /// What it has written to standard output so far.
    pub(crate) fn stdout_so_far(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// Waits for its end; a tree that outlives the timeout is killed and fails the test.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Output {
        if !ends_within(&self.child, self.timeout) {
            kill_tree(self.child.id());
            // Killed just now: the wait ends at once, and the status is of no interest.
            drop(self.child.wait());
            panic!(
                "{}\nno end after {:?}\nstdout: {}\nstderr: {}",
                self.command,
                self.timeout,
                read_lossy(&self.stdout),
                read_lossy(&self.stderr)
            );
        }
        let status = self.child.wait().expect("a child can be waited for");
        let code = status.code().unwrap_or_else(|| {
            use std::os::unix::process::ExitStatusExt as _;
            128 + status.signal().unwrap_or(0)
        });
        Output {
            command: self.command,
            code,
            stdout: read_lossy(&self.stdout),
            stderr: read_lossy(&self.stderr),
        }
    }
}

/// Whether the child ends in that time; not by looking again and again, which would cost more than what it does.
fn ends_within(child: &Child, timeout: Duration) -> bool {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let handle = pidfd_open(pid.expect("a child has an id"), PidfdFlags::empty())
        .expect("a child that was not waited for has a descriptor");
    let end = Instant::now() + timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a timeout of seconds");
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(error) => assert_eq!(error, Errno::INTR, "a process descriptor can be polled"),
        }
    }
}

fn read_lossy(path: &PathBuf) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Kills `pid` and all below it, by number: nothing that the test did not start is touched.
pub(crate) fn kill_tree(pid: u32) {
    let mut tree = descendants(pid);
    tree.push(pid);
    for pid in tree {
        kill(pid, Signal::KILL);
    }
}

/// Sends a signal to a process that may have ended already.
pub(crate) fn kill(pid: u32, signal: Signal) {
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(target) = target.filter(|_| is_alive(pid)) {
        // ESRCH: it ended between the look and the signal.
        kill_process(target, signal).ok();
    }
}
