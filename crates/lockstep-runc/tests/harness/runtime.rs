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

use rustix::process::{Pid, Signal, kill_process};

use super::host::Host;
use super::procfs::{descendants, is_alive};

/// Whose runtime is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Ours.
    Lockstep,
    /// Another runtime, whose answers say whether a test is right.
    Other,
}

/// In which view of the machine the runtime is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// As the tests themselves.
    Plain,
    /// In a mount namespace in which /sys/fs/cgroup is one version 2 tree.
    CgroupV2,
    /// In a mount namespace without the version 2 tree.
    CgroupV1,
    /// In a mount namespace with no cgroup file system at all.
    NoCgroup,
    /// As an ordinary user, group of the same number, without or with subordinate ids.
    User {
        /// User and group id.
        uid: u32,
        /// First of 65536 subordinate ids.
        subordinate: Option<u32>,
    },
    /// On a kernel that answers a call with an error: one that is too old for it, or that withholds it.
    Withheld {
        /// The call's number.
        number: u32,
        /// What it returns.
        errno: i32,
    },
    /// After a shell script, which ends with `exec "$@"`.
    Script(String),
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
        let end = Instant::now() + self.timeout;
        let mut pause = Duration::from_micros(500);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if Instant::now() > end {
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
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        };
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

/// The command that runs `argv` in that view; it ends by executing it.
pub(crate) fn in_view(view: &View, argv: Vec<String>) -> Vec<String> {
    let script = match view {
        View::Plain => return argv,
        View::Withheld { number, errno } => {
            let probe = super::probe::compiled().expect("a test that withholds calls asks first");
            let wrapper = [
                probe.display().to_string(),
                "withhold".to_owned(),
                number.to_string(),
                errno.to_string(),
            ];
            return wrapper.into_iter().chain(argv).collect();
        }
        View::User { uid, subordinate } => {
            let files = user_files(*uid, *subordinate);
            format!("{files}; set -- setpriv --clear-groups --reuid={uid} --regid={uid} \"$@\"")
        }
        View::CgroupV2 => {
            "umount -l -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup".to_owned()
        }
        View::CgroupV1 => Host::get().controllers.get("").map_or_else(
            || ":".to_owned(),
            |unified| format!("umount {}", unified.display()),
        ),
        View::NoCgroup => "umount -l -R /sys/fs/cgroup".to_owned(),
        View::Script(script) => script.clone(),
    };
    let mut wrapped: Vec<String> = [
        "unshare",
        "-m",
        "--propagation",
        "private",
        "sh",
        "-c",
        &format!("{script}; exec \"$@\""),
        "sh",
    ]
    .map(str::to_owned)
    .into();
    wrapped.extend(argv);
    wrapped
}

/// Mounts that make the user known: the machine's own files are not changed.
fn user_files(uid: u32, subordinate: Option<u32>) -> String {
    let dir = super::test::run_directory();
    let name = format!("{uid}-{}", subordinate.unwrap_or(0));
    let mut script = "mount --make-rprivate /".to_owned();
    let own = subordinate.map_or_else(String::new, |first| format!("lstest:{first}:65536\n"));
    for (file, text) in [
        (
            "passwd",
            format!("root:x:0:0::/root:/bin/sh\nlstest:x:{uid}:{uid}::/:/bin/sh\n"),
        ),
        ("group", format!("root:x:0:\nlstest:x:{uid}:\n")),
        ("subuid", own.clone()),
        ("subgid", own),
    ] {
        let path = dir.join(format!("{file}-{name}"));
        // Once: another test's newuidmap(1) may be reading it.
        if !path.exists() {
            let draft = dir.join(format!("{file}-{name}-{:?}", std::thread::current().id()));
            std::fs::write(&draft, text).expect("the run's directory is writable");
            std::fs::rename(&draft, &path).expect("the run's directory is writable");
        }
        script = format!("{script}; mount --bind {} /etc/{file}", path.display());
    }
    script
}
