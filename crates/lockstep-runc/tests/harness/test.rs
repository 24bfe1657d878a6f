//! The context of one test: its directory, the containers and processes that it made, its end.
//!
//! Every test has its own `--root`, ids and cgroups, so tests run side by side.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::bundle::Bundle;
use super::forget::Field;
use super::host::Host;
use super::machine::Machine;
use super::runtime::{Invocation, Output, Peer, Running, kill_tree};
use super::suite::{Skip, Watched};
use super::view::View;
use super::{leftovers, probe};

/// A container id that the test used.
pub(crate) struct Used {
    pub(crate) id: String,
    pub(crate) view: View,
    /// Whether `run` in the foreground owned it, which removes it by itself.
    pub(crate) foreground: bool,
}

/// The context of one test.
pub(crate) struct Test {
    /// Directory of the test, world-readable.
    pub(crate) dir: PathBuf,
    pub(crate) used: RefCell<Vec<Used>>,
    pub(crate) pids: RefCell<Vec<u32>>,
    companions: RefCell<Vec<Child>>,
    bundles: RefCell<u32>,
    armed: RefCell<Option<Armed>>,
    /// A systemd that runs for the test.
    pub(crate) machine: RefCell<Option<Machine>>,
    /// The field that the runtime under test is to know nothing of.
    pub(crate) forgotten: Option<Field>,
    number: u32,
    _watched: Watched,
}

/// Another build of the runtime, and what is in its environment.
type Armed = (PathBuf, Vec<(String, String)>);

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Test {
    pub(crate) fn new(name: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = run_directory().join(name.replace("::", "-"));
        for sub in ["state", "capture"] {
            std::fs::create_dir_all(dir.join(sub)).expect("a test directory can be made");
        }
        Self {
            dir,
            used: RefCell::default(),
            pids: RefCell::default(),
            companions: RefCell::default(),
            bundles: RefCell::default(),
            armed: RefCell::default(),
            machine: RefCell::default(),
            forgotten: None,
            number,
            _watched: Watched::begin(name),
        }
    }

    /// As [`Test::new`], with a runtime that knows nothing of a field. Several may run of one test.
    pub(crate) fn forgetting(name: &str, field: Field) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut test = Self::new(&format!("{name}-{number}"));
        test.forgotten = Some(field);
        test
    }

    /// Ends the test here, as one that cannot run on this machine.
    pub(crate) fn skip(&self, reason: &str) -> ! {
        std::panic::resume_unwind(Box::new(Skip {
            reason: reason.to_owned(),
        }))
    }

    /// Ends the test here unless `condition` holds.
    pub(crate) fn need(&self, condition: bool, reason: &str) {
        if !condition {
            self.skip(reason);
        }
    }

    /// Whether another runtime than ours is under test.
    pub(crate) fn peer_is_other(&self) -> bool {
        Host::get().peer == Peer::Other
    }

    /// A bundle whose process runs `script` in busybox's shell.
    pub(crate) fn sh(&self, script: &str) -> Bundle<'_> {
        self.args(&["sh", "-c", script])
    }

    /// A bundle whose process has these arguments.
    pub(crate) fn args(&self, args: &[&str]) -> Bundle<'_> {
        let number = self.bundles.replace_with(|number| *number + 1);
        let id = format!("ls{}-{}-{number}", std::process::id(), self.number);
        Bundle::new(self, id, args)
    }

    /// A bundle whose process sleeps until it is killed.
    pub(crate) fn sleeper(&self) -> Bundle<'_> {
        self.args(&["sleep", "1000"])
    }

    /// A number that no other test of this run has.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The `--root` of this test.
    pub(crate) fn state_root(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// A new directory of the test.
    pub(crate) fn subdir(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::create_dir_all(&path).expect("a directory can be made in the test's own");
        path
    }

    /// Writes a file in the test's directory; its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a directory can be made in the test's own");
        }
        std::fs::write(&path, content).expect("a file can be written in the test's directory");
        path
    }

    /// From here on the test calls this build instead of the runtime under test.
    pub(crate) fn arm(&self, runtime: &Path, env: Vec<(String, String)>) {
        self.armed.replace(Some((runtime.to_owned(), env)));
    }

    /// Back to the runtime under test.
    pub(crate) fn disarm(&self) {
        self.armed.replace(None);
    }

    /// The build that is called instead of the runtime under test.
    pub(crate) fn armed(&self) -> Option<Armed> {
        self.armed.borrow().clone()
    }

    /// Runs the runtime with the test's `--root` and these arguments.
    #[track_caller]
    pub(crate) fn call(&self, args: &[&str]) -> Output {
        self.call_in(&View::Plain, args)
    }

    /// As [`Test::call`], in another view.
    #[track_caller]
    pub(crate) fn call_in(&self, view: &View, args: &[&str]) -> Output {
        let mut output = self.begin(args, view).wait();
        if let Some(field) = &self.forgotten
            && let Some(text) = field.forget_printed(args[0], &output.stdout)
        {
            output.stdout = text;
        }
        output
    }

    /// Starts the runtime with the test's `--root` and these arguments.
    pub(crate) fn begin(&self, args: &[&str], view: &View) -> Running {
        self.invocation(args, view).start()
    }

    /// The invocation that [`Test::begin`] starts, to be changed first.
    pub(crate) fn invocation(&self, args: &[&str], view: &View) -> Invocation {
        let armed = self.armed();
        let runtime = armed
            .as_ref()
            .map_or(&Host::get().runtime, |(path, _)| path);
        let mut argv = vec![
            runtime.display().to_string(),
            "--root".to_owned(),
            self.state_root().display().to_string(),
        ];
        argv.extend(args.iter().map(|arg| (*arg).to_owned()));
        Invocation {
            argv,
            view: view.clone(),
            env: armed.map_or_else(Vec::new, |(_, env)| env),
            stdin: Stdio::null(),
            cwd: self.dir.clone(),
            capture: self.dir.join("capture"),
            timeout: Duration::from_secs(60),
        }
    }

    /// Runs a program of the host that a test needs beside the runtime; its standard output.
    #[track_caller]
    pub(crate) fn host(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        assert!(
            output.status.success(),
            "{program} {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a process beside the runtime, killed at the end of the test; its pid.
    pub(crate) fn companion(&self, program: &str, args: &[&str]) -> u32 {
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        let pid = child.id();
        self.companions.borrow_mut().push(child);
        pid
    }

    /// The compiled probe; skips the test where there is no C compiler.
    pub(crate) fn probe(&self) -> &'static Path {
        match probe::compiled() {
            Ok(path) => path,
            Err(reason) => self.skip(reason),
        }
    }

    /// Removes all that the test made; what it had to remove by force, or could not.
    pub(crate) fn finish(self) -> Vec<String> {
        let mut left = leftovers::delete_containers(&self);
        // Only then: containers may be in it.
        drop(self.machine.take());
        // Only then: a companion may be the agent that a container waits for.
        for mut child in self.companions.take() {
            kill_tree(child.id());
            drop(child.wait());
        }
        left.extend(leftovers::remaining(&self));
        leftovers::remove_directory(&self.dir);
        left
    }
}

/// The directory of this run of the test binary, made at the first call.
pub(crate) fn run_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("lockstep-spec-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        path
    })
}

/// Removes the run's directory and cgroups; what could not be removed.
pub(crate) fn remove_run_directory() -> Vec<String> {
    let left = leftovers::remove_run_cgroups();
    leftovers::remove_directory(run_directory());
    left
}

/// A path for a unix socket: those are limited to 107 bytes, and directories of tests are long.
pub(crate) fn short_path(test: &Test, name: &str) -> PathBuf {
    run_directory().join(format!("{}-{name}", test.number))
}
