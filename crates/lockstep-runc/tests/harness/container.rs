//! A created container and the verbs that act on it.

use std::path::PathBuf;

use serde_json::Value;

use super::bundle::Bundle;
use super::procfs::{is_alive, wait_until};
use super::runtime::{Output, Running};
use super::test::Test;
use super::view::View;

/// A container that `create` made.
pub(crate) struct Container<'t> {
    test: &'t Test,
    /// Container id.
    pub(crate) id: String,
    /// Its root file system on the host.
    pub(crate) rootfs: PathBuf,
    /// The cgroup path that its configuration asks for.
    pub(crate) cgroup: String,
    view: View,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl<'t> Container<'t> {
    pub(crate) fn new(bundle: &Bundle<'t>, creator: &Running) -> Self {
        let (stdout, stderr) = creator.captures();
        Self {
            test: bundle.test,
            id: bundle.id.clone(),
            rootfs: bundle.rootfs(),
            cgroup: bundle.cgroup(),
            view: bundle.view.clone(),
            stdout,
            stderr,
        }
    }

    pub(crate) fn remember_pid(&self) {
        self.test.pids.borrow_mut().push(self.pid());
    }

    /// A verb on this container: `verb [options] ID`.
    #[track_caller]
    pub(crate) fn call(&self, verb: &str, options: &[&str]) -> Output {
        let mut args = vec![verb];
        args.extend(options);
        args.push(&self.id);
        self.test.call_in(&self.view, &args)
    }

    /// `start`, which must succeed.
    #[track_caller]
    pub(crate) fn start(&self) {
        self.call("start", &[]).ok();
    }

    /// The state as JSON.
    #[track_caller]
    pub(crate) fn state(&self) -> Value {
        self.call("state", &[]).ok().json()
    }

    /// The status of the state.
    #[track_caller]
    pub(crate) fn status(&self) -> String {
        self.state()["status"]
            .as_str()
            .expect("a status")
            .to_owned()
    }

    /// Process id of the container's first process.
    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        let pid = self.state()["pid"].as_u64().expect("a pid");
        u32::try_from(pid).expect("a pid")
    }

    /// Sends a signal by name or number.
    #[track_caller]
    pub(crate) fn kill(&self, signal: &str) -> Output {
        self.test.call_in(&self.view, &["kill", &self.id, signal])
    }

    /// Runs a command in the container.
    #[track_caller]
    pub(crate) fn exec(&self, options: &[&str], command: &[&str]) -> Output {
        self.begin_exec(options, command).wait()
    }

    /// Starts a command in the container.
    pub(crate) fn begin_exec(&self, options: &[&str], command: &[&str]) -> Running {
        let mut args = vec!["exec"];
        args.extend(options);
        args.push(&self.id);
        args.extend(command);
        self.test.begin(&args, &self.view)
    }

    /// Waits until the first process has ended.
    #[track_caller]
    pub(crate) fn wait_stopped(&self) {
        let pid = self.pid();
        if pid == 0 {
            return;
        }
        assert!(
            wait_until(|| !is_alive(pid)),
            "{} still runs; stdout: {}; stderr: {}",
            self.id,
            self.stdout(),
            self.stderr()
        );
    }

    /// Kills the first process and waits for its end.
    #[track_caller]
    pub(crate) fn stop(&self) {
        let pid = self.pid();
        self.kill("KILL").ok();
        assert!(
            wait_until(|| !is_alive(pid)),
            "{} survives SIGKILL",
            self.id
        );
    }

    /// `delete`, which must succeed.
    #[track_caller]
    pub(crate) fn delete(&self) {
        self.call("delete", &[]).ok();
    }

    /// `delete --force`, which must succeed.
    #[track_caller]
    pub(crate) fn delete_by_force(&self) {
        self.call("delete", &["--force"]).ok();
    }

    /// What the container has written to the standard output that `create` had.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stdout).unwrap_or_default()).into_owned()
    }

    /// What `create` and the container have written to standard error.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }
}
