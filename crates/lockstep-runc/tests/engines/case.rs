//! One case: an engine in a view, run with the runtime under test and judged against runc.
//!
//! The judgement stands apart from the sessions so that no engine can excuse itself: only a check
//! that fails with Debian's runc as well, in a session of the same kind, becomes a skip.

use std::io::Write;
use std::path::Path;

use crate::session::{self, Line};
use crate::{BASELINE, compare, containerd, cri, docker, podman};

/// What makes and keeps the containers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    /// Podman as root, its default rlimits lowered to what this machine lets runc set.
    PodmanRootful,
    /// Podman as root with its own default rlimits, which a root without `CAP_SYS_RESOURCE` may
    /// not set: runc fails there, Lockstep clamps.
    PodmanOwnUlimits,
    /// Podman as a user with subordinate ids.
    PodmanRootless,
    /// Podman as a user without any subordinate id.
    PodmanNoSubids,
    /// dockerd with its own containerd.
    Docker,
    /// containerd through `ctr`.
    Containerd,
    /// containerd through the Container Runtime Interface of Kubernetes.
    Cri,
    /// No engine: bundles run by both runtimes and compared from inside.
    Compare,
}

impl Engine {
    const ALL: [(Engine, &'static str, &'static [&'static str]); 8] = [
        (
            Engine::PodmanRootful,
            "podman-rootful",
            &["podman", "conmon"],
        ),
        (
            Engine::PodmanOwnUlimits,
            "podman-own-ulimits",
            &["podman", "conmon"],
        ),
        (
            Engine::PodmanRootless,
            "podman-rootless",
            &["podman", "conmon", "newuidmap", "setpriv"],
        ),
        (
            Engine::PodmanNoSubids,
            "podman-no-subids",
            &["podman", "conmon", "setpriv"],
        ),
        (
            Engine::Docker,
            "docker",
            &["dockerd", "docker", "containerd"],
        ),
        (Engine::Containerd, "containerd", &["containerd", "ctr"]),
        (Engine::Cri, "cri", &["containerd", "ctr"]),
        (Engine::Compare, "compare", &[]),
    ];

    /// The word for it in test names and on the session's command line.
    pub(crate) fn word(self) -> &'static str {
        Engine::ALL
            .iter()
            .find(|row| row.0 == self)
            .map_or("", |row| row.1)
    }

    /// The engine of that word.
    pub(crate) fn of(word: &str) -> Option<Engine> {
        Engine::ALL
            .iter()
            .find(|row| row.1 == word)
            .map(|row| row.0)
    }

    fn programs(self) -> impl Iterator<Item = &'static str> {
        let own = Engine::ALL
            .iter()
            .find(|row| row.0 == self)
            .map_or(&[][..], |row| row.2);
        ["unshare", "mount", "ip", "script", "tar", "busybox"]
            .into_iter()
            .chain(own.iter().copied())
    }

    /// Whether runc can be the judge: not where it is known to fail, nor of a comparison with it.
    fn judged_by_runc(self) -> bool {
        !matches!(self, Engine::PodmanOwnUlimits | Engine::Compare)
    }

    /// Run its checks in a session.
    pub(crate) fn play(self, session: &session::Session) {
        match self {
            Engine::PodmanRootful | Engine::PodmanOwnUlimits => podman::rootful(session, self),
            Engine::PodmanRootless | Engine::PodmanNoSubids => podman::rootless(session, self),
            Engine::Docker => docker::play(session),
            Engine::Containerd => containerd::play(session),
            Engine::Cri => cri::play(session),
            Engine::Compare => compare::play(session),
        }
    }
}

/// What of the machine the engine sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum View {
    /// Cgroups, devices and propagation as they are.
    Plain,
    /// `unified` unmounted, the root shared, tun and fuse open to all.
    Private,
}

impl View {
    /// The word for it in test names and on the session's command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            View::Plain => "plain",
            View::Private => "private",
        }
    }

    /// The view of that word.
    pub(crate) fn of(word: &str) -> Option<View> {
        [View::Plain, View::Private]
            .into_iter()
            .find(|view| view.word() == word)
    }
}

/// An engine in a view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Who runs the containers.
    pub(crate) engine: Engine,
    /// In what surroundings.
    pub(crate) view: View,
}

impl Case {
    /// The test's name.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.engine.word(), self.view.word())
    }

    /// Run all checks with `runtime`, and those that fail with runc too.
    ///
    /// # Errors
    /// The checks that fail although runc passes them.
    pub(crate) fn run(&self, runtime: &Path) -> Result<(), String> {
        if let Some(reason) = self.cannot_run() {
            skip(&self.name(), &reason);
            return Ok(());
        }
        let lines = session::launch(self, runtime, &[])?;
        let failed: Vec<&Line> = lines.iter().filter(|line| line.error.is_some()).collect();
        let excused = self.excuses(runtime, &failed)?;
        let mut text = String::new();
        let mut faults = Vec::new();
        for line in &lines {
            let name = format!("{}::{}", self.name(), line.name);
            let verdict = match (
                &line.error,
                excused.iter().find(|(known, _)| *known == line.name),
            ) {
                (None, _) => "ok",
                (Some(_), Some((_, reason))) => {
                    skip(&name, &format!("fails with {BASELINE} too: {reason}"));
                    "skip"
                }
                (Some(error), None) => {
                    faults.push(format!("{name}: {error}"));
                    "FAIL"
                }
            };
            text.push_str(&format!("  {name} ... {verdict} ({} ms)\n", line.millis));
        }
        print!("{text}");
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("\n"))
        }
    }

    fn cannot_run(&self) -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("needs root for an own mount and network namespace".into());
        }
        let path = [
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
        ];
        let absent: Vec<&str> = self
            .engine
            .programs()
            .filter(|program| !path.iter().any(|dir| Path::new(dir).join(program).exists()))
            .collect();
        if absent.is_empty() {
            return None;
        }
        Some(format!("not installed: {}", absent.join(", ")))
    }

    /// The failed checks that fail with runc too, with its error.
    fn excuses(&self, runtime: &Path, failed: &[&Line]) -> Result<Vec<(String, String)>, String> {
        if failed.is_empty() || !Path::new(BASELINE).exists() {
            return Ok(Vec::new());
        }
        if runtime == Path::new(BASELINE) && self.engine != Engine::Compare {
            let own = |line: &&Line| (line.name.clone(), line.error.clone().unwrap_or_default());
            return Ok(failed.iter().map(own).collect());
        }
        if !self.engine.judged_by_runc() {
            return Ok(Vec::new());
        }
        let only: Vec<&str> = failed.iter().map(|line| line.name.as_str()).collect();
        let lines = session::launch(self, Path::new(BASELINE), &only)?;
        Ok(lines
            .into_iter()
            .filter_map(|line| line.error.map(|error| (line.name, error)))
            .collect())
    }
}

/// Say loudly that something was not tested, and count it where the caller wants it counted.
pub(crate) fn skip(name: &str, reason: &str) {
    let reason: String = reason
        .replace(['\n', '\t'], " ")
        .chars()
        .take(300)
        .collect();
    println!("SKIP engines::{name}: {reason}");
    let Some(path) = std::env::var_os("LOCKSTEP_SKIPS") else {
        return;
    };
    let appended = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(format!("engines::{name}\t{reason}\n").as_bytes()));
    if let Err(error) = appended {
        println!("LOCKSTEP_SKIPS {}: {error}", Path::new(&path).display());
    }
}
