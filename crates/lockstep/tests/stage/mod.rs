//! What a test stands on: a store and a state of its own, and the proof that nothing is left of it.

#![allow(
    dead_code,
    reason = "several test binaries include this module and none uses all of it"
)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

use crate::suite::{self, Skip, Watched};

/// An ordinary user of the tests, whom no password file knows.
pub(crate) const USER: u32 = 54_322;

/// A test's own directories.
pub(crate) struct Stage {
    /// World-readable.
    pub(crate) dir: PathBuf,
    _watched: Watched,
}

/// What an invocation gave.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The output of a success, without its last line feed.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout.trim_end().to_owned()
    }

    /// The complaint of a failure with this code.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.stderr
    }
}

impl Stage {
    pub(crate) fn set(name: &str) -> Stage {
        let stage = Stage {
            dir: run_directory().join(name.replace("::", "-")),
            _watched: Watched::begin(name),
        };
        std::fs::create_dir_all(&stage.dir).expect("a directory for the test");
        if !name.starts_with("modules::") {
            stage.give_to_containers();
        }
        stage
    }

    /// Where SELinux keeps containers from everything that has no label of theirs, what is made in here has one, as an
    /// administrator's directories for containers do. What becomes of files without is what `modules::` is about.
    fn give_to_containers(&self) {
        if Path::new("/sys/fs/selinux/enforce").exists() {
            let mut chcon = Command::new("chcon");
            chcon.arg("system_u:object_r:container_file_t:s0");
            let status = chcon.arg(&self.dir).status();
            assert!(status.expect("chcon runs").success());
        }
    }

    /// Ends the test here unless `condition` holds.
    pub(crate) fn need(&self, condition: bool, reason: &str) {
        if !condition {
            std::panic::resume_unwind(Box::new(Skip {
                reason: reason.to_owned(),
            }));
        }
    }

    /// A C program of the test, compiled once.
    pub(crate) fn compiled(&self, name: &str, source: &str) -> PathBuf {
        let (file, binary) = (self.dir.join(format!("{name}.c")), self.dir.join(name));
        if !binary.exists() {
            self.need(Path::new("/usr/bin/gcc").exists(), "no C compiler");
            std::fs::write(&file, source).expect("own directory");
            let status = Command::new("gcc")
                .args(["-static", "-O1", "-Wall", "-o"])
                .args([&binary, &file])
                .status();
            assert!(status.expect("gcc runs").success());
        }
        binary
    }

    /// The program with this test's store and state, whoever calls it.
    fn words(&self, who: &str, args: &[&str]) -> Vec<String> {
        let place = |kind: &str| self.dir.join(format!("{who}-{kind}")).display().to_string();
        let mut words = vec![program().display().to_string()];
        words.extend([
            "--root".into(),
            place("data"),
            "--runroot".into(),
            place("state"),
        ]);
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        words
    }

    /// The command as root.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let words = self.words("root", args);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        command
    }

    /// The command as an ordinary user, who has subordinate ids from `first` on, or none.
    pub(crate) fn user_command(&self, first: Option<u32>, args: &[&str]) -> Command {
        self.as_user(first, &self.words("user", args))
    }

    /// Any command of this user's.
    pub(crate) fn as_user(&self, first: Option<u32>, words: &[String]) -> Command {
        for kind in ["data", "state"] {
            let path = self.dir.join(format!("user-{kind}"));
            std::fs::create_dir_all(&path).expect("a directory for the user");
            std::os::unix::fs::chown(&path, Some(USER), Some(USER)).expect("it is the user's");
            let only = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            std::fs::set_permissions(&path, only).expect("and nobody else's");
        }
        let line = first.map_or(String::new(), |first| format!("{USER}:{first}:65536\n"));
        // Bound over the host's in a mount namespace of the call's own, where a keeper of an earlier call still maps its
        // ids by it: it must not be empty while it is written again.
        let file = self.dir.join(format!("subordinate-{}", first.unwrap_or(0)));
        if std::fs::read_to_string(&file).ok().as_ref() != Some(&line) {
            std::fs::write(&file, line).expect("a file of subordinate ids");
        }
        // newuidmap(1) wants to know its caller's name.
        let mut users = std::fs::read_to_string("/etc/passwd").expect("users");
        users.push_str(&format!("people:x:{USER}:{USER}::/tmp:/bin/sh\n"));
        // Containers of host: have it as their /etc/passwd: it must not be empty while it is written again.
        let passwd = self.dir.join("passwd");
        if std::fs::read_to_string(&passwd).ok().as_ref() != Some(&users) {
            std::fs::write(passwd, users).expect("a file of users");
        }
        let script = format!(
            "mount --bind {0} /etc/subuid && mount --bind {0} /etc/subgid && \
             mount --bind {1}/passwd /etc/passwd && cd / && exec setpriv --clear-groups --reuid={USER} --regid={USER} env -i PATH=/usr/bin:/bin HOME=/tmp \"$@\"",
            file.display(),
            self.dir.display(),
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
        command.args(words).stdin(Stdio::null());
        command
    }

    /// Runs it as root to its end.
    #[track_caller]
    pub(crate) fn call(&self, args: &[&str]) -> Output {
        output(self.command(args), b"")
    }

    /// As [`Stage::call`], with this on standard input.
    #[track_caller]
    pub(crate) fn call_with(&self, input: &[u8], args: &[&str]) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped());
        output(command, input)
    }

    /// Runs a script in a container that goes away; its output.
    #[track_caller]
    pub(crate) fn sh(&self, options: &[&str], script: &str) -> Output {
        let mut args = vec!["run", "--rm"];
        args.extend(options);
        args.extend(["host:", "sh", "-c", script]);
        self.call(&args)
    }

    /// A field of `inspect`.
    #[track_caller]
    pub(crate) fn field(&self, name: &str, format: &str) -> String {
        self.call(&["inspect", "--format", format, name]).text()
    }

    /// The first process of a container, as the host knows it.
    #[track_caller]
    pub(crate) fn pid(&self, name: &str) -> u32 {
        self.field(name, "{{.State.Pid}}")
            .parse()
            .expect("a process id")
    }

    /// The supervisor of a container.
    #[track_caller]
    pub(crate) fn supervisor(&self, name: &str) -> u32 {
        status(self.pid(name), "PPid")
            .parse()
            .expect("a process id")
    }

    /// Whether a container whose supervisor was killed ends. Where its program has a label of its own, execve(2) takes the
    /// signal away that would kill it (AppArmor, SELinux), and `next`, any command that looks at it, does so.
    pub(crate) fn ends_without_supervisor(&self, pid: u32, next: impl Fn()) -> bool {
        let labelled = apparmor_is_on() || Path::new("/sys/fs/selinux/enforce").exists();
        until(|| {
            if labelled {
                next();
            }
            !lives(pid)
        })
    }

    /// Removes all that the test made; what was left although it was removed.
    pub(crate) fn finish(&self) -> Vec<String> {
        let mut left = Vec::new();
        // Keepers and fronts may be at work still: who starts a container holds it, and is waited for ten seconds alone.
        let held = |seen: &Output| seen.stderr.contains("is held by another command");
        until(|| !held(&self.call(&["rm", "-fa"])));
        if self.dir.join("user-data").exists() {
            output(self.user_command(None, &["rm", "-fa"]), b"");
        }
        for who in ["root", "user"] {
            for below in [
                "state/containers",
                "state/runtime",
                "data/containers",
                "data/names",
                "data/blocks",
            ] {
                let path = self.dir.join(format!("{who}-{below}"));
                let names = std::fs::read_dir(&path).into_iter().flatten().flatten();
                left.extend(names.map(|entry| format!("{}", entry.path().display())));
            }
        }
        let mark = self.dir.display().to_string();
        let gone = until(|| processes_naming(&mark).is_empty());
        if !gone {
            left.push(format!("processes {:?}", processes_naming(&mark)));
        }
        drop(std::fs::remove_dir_all(&self.dir));
        left
    }
}

/// Runs trials under libtest's command line, and removes what all of them shared.
pub(crate) fn run(trials: Vec<Trial>) -> ExitCode {
    let before = cgroups();
    suite::run(trials, || end_of_run(&before))
}

/// Held by every test; by one that changes the machine for all, alone.
static MACHINE: RwLock<()> = RwLock::new(());

/// A test on a stage of its own, which it must leave as it was.
pub(crate) fn trial(name: String, body: impl FnOnce(&Stage) + Send + 'static) -> Trial {
    Trial::test(name.clone(), move || {
        let _machine = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        perform(&name, body)
    })
}

/// A test beside which no other of this run takes place.
pub(crate) fn trial_alone(name: String, body: impl FnOnce(&Stage) + Send + 'static) -> Trial {
    Trial::test(name.clone(), move || {
        let _machine = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        perform(&name, body)
    })
}

fn perform(name: &str, body: impl FnOnce(&Stage)) -> Result<(), Failed> {
    let stage = Stage::set(name);
    let ending = suite::attempt(|| body(&stage));
    ending.told(name, &stage.finish())
}

/// The directory of this run, which holds those of its tests.
pub(crate) fn run_directory() -> PathBuf {
    PathBuf::from(format!("/tmp/ls-people-{}", std::process::id()))
}

/// The cgroups of all containers of root.
fn cgroups() -> BTreeSet<PathBuf> {
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten();
    let below = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    hierarchies
        .flat_map(|hierarchy| below(hierarchy.path().join("lockstep")))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.path())
        .collect()
}

/// Removes what all tests shared; empty cgroups of containers that were not there `before` and stay.
fn end_of_run(before: &BTreeSet<PathBuf>) -> Vec<String> {
    let empty = |path: &PathBuf| {
        std::fs::read_to_string(path.join("cgroup.procs")).is_ok_and(|text| text.is_empty())
    };
    let mut left: Vec<PathBuf> = cgroups()
        .difference(before)
        .filter(|path| empty(path))
        .cloned()
        .collect();
    // Another run beside this one makes and removes its own at any moment.
    left.retain(|path| !until(|| !path.exists()));
    drop(std::fs::remove_dir_all(run_directory()));
    left.iter().map(|path| path.display().to_string()).collect()
}

/// The binary, where every user can execute it.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let dir = run_directory();
        std::fs::create_dir_all(&dir).expect("a directory for the run");
        let path = dir.join("lockstep");
        let built = std::env::var_os("LOCKSTEP_TEST_PROGRAM").map_or_else(
            || PathBuf::from(env!("CARGO_BIN_EXE_lockstep")),
            PathBuf::from,
        );
        std::fs::copy(built, &path).expect("the binary can be copied");
        path
    })
}

pub(crate) fn apparmor_is_on() -> bool {
    let enabled = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    enabled.is_ok_and(|text| text.starts_with('Y'))
}

/// Whether the kernel is as new as that.
pub(crate) fn kernel_since(major: u32, minor: u32) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().ok());
    let mut number = || numbers.next().flatten().expect("a number of it");
    (number(), number()) >= (major, minor)
}

/// Runs a command to its end, within a minute.
#[track_caller]
pub(crate) fn output(command: Command, input: &[u8]) -> Output {
    output_within(Duration::from_secs(60), command, input)
}

/// Runs a command to its end, and kills it after so long.
#[track_caller]
pub(crate) fn output_within(most: Duration, mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let given = child.stdin.take();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || given.map(|mut given| given.write_all(&input)));
    let pid = child.id();
    let watch = std::thread::spawn(move || {
        let over = || !Path::new(&format!("/proc/{pid}")).exists();
        let end = Instant::now() + most;
        while Instant::now() < end {
            if over() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        kill(pid, "KILL");
    });
    let output = child.wait_with_output().expect("it can be waited for");
    drop((writer.join(), watch));
    let code = output.status.code().unwrap_or(-1);
    Output {
        code,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends a signal to one process.
pub(crate) fn kill(pid: u32, signal: &str) {
    // It may have ended already.
    drop(
        Command::new("kill")
            .args(["-s", signal, &pid.to_string()])
            .stderr(Stdio::null())
            .status(),
    );
}

/// Waits up to a minute for something to become true, for an emulated machine takes long; whether it did.
pub(crate) fn until(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    holds()
}

/// A field of /proc/PID/status, blanks reduced.
#[track_caller]
pub(crate) fn status(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a live process");
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = found.expect("a field of status");
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a process exists and is no zombie.
pub(crate) fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap_or(0)..].starts_with(") Z"))
}

/// Processes whose command line contains a text.
pub(crate) fn processes_naming(text: &str) -> Vec<u32> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("procfs").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if pid != own && String::from_utf8_lossy(&line).contains(text) {
            found.push(pid);
        }
    }
    found
}

/// Starts a command in the background, killed when the test is over.
pub(crate) struct Background(pub(crate) Child);

impl Background {
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Background {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        Background(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Its exit code.
    #[track_caller]
    pub(crate) fn code(mut self) -> i32 {
        let mut code = None;
        until(|| {
            code = self.0.try_wait().expect("it can be waited for");
            code.is_some()
        });
        code.expect("it ends").code().unwrap_or(-1)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop((self.0.kill(), self.0.wait()));
    }
}
