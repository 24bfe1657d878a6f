//! The walked verbs: how to get to where each begins, what it is called with, and the proof that a
//! container is gone.

use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Bundle, Container, Host, Test, is_alive, parse_mounts, wait_until};
use crate::stepper::{self, Disturbance, Ended, Point};

/// A verb of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Run,
    Create,
    Start,
    Exec,
    Delete,
}

/// A verb on one bundle.
pub(crate) struct Walk<'t> {
    pub(crate) test: &'t Test,
    pub(crate) verb: Verb,
    bundle: Bundle<'t>,
}

impl<'t> Walk<'t> {
    pub(crate) fn new(test: &'t Test, verb: Verb) -> Self {
        // A debug build makes other calls, for assertions of the Rust library.
        let named = std::env::var_os("LOCKSTEP_TEST_RUNTIME").is_some();
        test.need(
            named,
            "LOCKSTEP_TEST_RUNTIME does not name the release binary",
        );
        let script = match verb {
            Verb::Run => "exit 0",
            _ => "exec sleep 1000",
        };
        let bundle = rich(test.sh(script), test);
        bundle.write();
        Self { test, verb, bundle }
    }

    /// All points of the undisturbed verb.
    pub(crate) fn points(&self) -> Vec<Point> {
        let container = self.prepare();
        let nowhere = Point {
            process: 0,
            call: 0,
        };
        let ended = self.step(Disturbance::Count, nowhere);
        drop(container);
        assert_eq!(
            ended.code, 0,
            "{:?} undisturbed: {}",
            self.verb, ended.stderr
        );
        let left = self.remove(&ended);
        assert!(
            left.is_empty(),
            "{:?} undisturbed leaves {left:?}",
            self.verb
        );
        ended.points
    }

    /// Makes what the verb needs.
    pub(crate) fn prepare(&self) -> Option<Container<'t>> {
        match self.verb {
            Verb::Run | Verb::Create => None,
            Verb::Start | Verb::Delete => Some(self.bundle.create()),
            Verb::Exec => Some(self.bundle.started()),
        }
    }

    /// Calls the verb and disturbs it.
    pub(crate) fn step(&self, what: Disturbance, point: Point) -> Ended {
        stepper::step(self.test, what, point, &self.command())
    }

    fn command(&self) -> Vec<String> {
        let mut command = vec![
            Host::get().runtime.display().to_string(),
            "--root".to_owned(),
            self.test.state_root().display().to_string(),
        ];
        let bundle = self.bundle.dir().display().to_string();
        let id = self.bundle.id.as_str();
        let words: Vec<&str> = match self.verb {
            Verb::Run => vec!["run", "--bundle", &bundle, id],
            Verb::Create => vec!["create", "--bundle", &bundle, id],
            Verb::Start => vec!["start", id],
            Verb::Exec => vec!["exec", id, "/bin/true"],
            Verb::Delete => vec!["delete", id],
        };
        command.extend(words.into_iter().map(str::to_owned));
        command
    }

    /// Where the container's state is.
    pub(crate) fn state(&self) -> PathBuf {
        self.test.state_root().join(&self.bundle.id)
    }

    /// `delete --force`, and what is left after it.
    pub(crate) fn remove(&self, ended: &Ended) -> Vec<String> {
        let output = self.test.call(&["delete", "--force", &self.bundle.id]);
        let mut left = self.left(ended);
        if output.code != 0 {
            left.push(format!("delete --force: {} {}", output.code, output.stderr));
        }
        left
    }

    /// What is left of the container.
    pub(crate) fn left(&self, ended: &Ended) -> Vec<String> {
        let mut left = Vec::new();
        if self.state().exists() {
            left.push(format!("state {}", self.state().display()));
        }
        let cgroup = self.bundle.cgroup();
        for point in Host::get().controllers.values() {
            let path = point.join(cgroup.trim_start_matches('/'));
            if path.exists() {
                left.push(format!("cgroup {}", path.display()));
            }
        }
        for &pid in &ended.left {
            if !wait_until(|| !is_alive(pid)) {
                left.push(format!("process {pid}"));
            }
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts");
        let dir = self.test.dir.as_path();
        let below = |point: &str| std::path::Path::new(point).starts_with(dir);
        left.extend(
            parse_mounts(&mounts)
                .iter()
                .filter(|mount| below(&mount.point))
                .map(|mount| format!("mount {}", mount.point)),
        );
        left
    }

    /// The same id works again.
    pub(crate) fn again(&self) -> Result<(), String> {
        let dir = self.bundle.dir().display().to_string();
        let options = ["create", "--bundle", &dir, &self.bundle.id];
        let output = self.test.call(&options);
        if output.code != 0 {
            return Err(format!("the same id again: {}", output.stderr));
        }
        let output = self.test.call(&["delete", "--force", &self.bundle.id]);
        match output.code {
            0 => Ok(()),
            _ => Err(format!("delete of the same id again: {}", output.stderr)),
        }
    }
}

/// A configuration with a step of every kind that this machine allows.
fn rich<'t>(bundle: Bundle<'t>, test: &Test) -> Bundle<'t> {
    let volume = test.subdir("volume");
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    bundle
        .bind(&volume, "/volume", &["rbind", "ro", "rprivate"])
        .push(
            "/mounts",
            json!({"destination": "/mapped", "type": "bind", "source": volume.display().to_string(),
                   "options": ["bind"], "uidMappings": map, "gidMappings": map}),
        )
        .namespace("cgroup")
        .namespace("time")
        .set(
            "/linux/timeOffsets",
            json!({"monotonic": {"secs": 100, "nanosecs": 0}}),
        )
        .set("/domainname", "example")
        .set("/root/readonly", true)
        .set(
            "/process/user",
            json!({"uid": 1000, "gid": 1000, "additionalGids": [2000], "umask": 18}),
        )
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]),
        )
        .set("/process/oomScoreAdj", 100)
        .set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}))
        .set("/linux/resources/memory", json!({"limit": 256 << 20}))
        .set("/linux/resources/pids", json!({"limit": 100}))
        .set(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]
            }),
        )
}
