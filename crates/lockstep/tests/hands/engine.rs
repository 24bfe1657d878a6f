//! The three programs that a line is typed to, and what one answers.

use std::path::{Path, PathBuf};

/// A program that takes the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Docker,
    Podman,
    Lockstep,
}

impl Engine {
    pub(crate) const PEERS: [Engine; 2] = [Engine::Docker, Engine::Podman];

    /// Its name, also of its directories.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::Docker => "docker",
            Engine::Podman => "podman",
            Engine::Lockstep => "lockstep",
        }
    }

    /// The value of `$E` with everything below `dir`.
    pub(crate) fn words(self, dir: &Path, program: &Path) -> String {
        match self {
            Engine::Lockstep => format!(
                "{} --root {dir}/lockstep-data --runroot {dir}/lockstep-state",
                program.display(),
                dir = dir.display(),
            ),
            other => other.name().to_owned(),
        }
    }

    /// The value of `$RM`. Podman waits for ten seconds before it kills.
    pub(crate) fn removal(self, words: &str) -> String {
        let wait = if self == Engine::Podman { " -t 0" } else { "" };
        format!("{words} rm -f{wait}")
    }

    /// What keeps it to `dir`.
    pub(crate) fn environment(self, dir: &Path) -> Vec<(&'static str, PathBuf)> {
        match self {
            Engine::Docker => vec![
                (
                    "DOCKER_HOST",
                    PathBuf::from(format!("unix://{}", socket(dir).display())),
                ),
                ("DOCKER_CONFIG", dir.join("docker-config")),
            ],
            Engine::Podman => vec![
                ("CONTAINERS_CONF", dir.join("containers.conf")),
                ("CONTAINERS_STORAGE_CONF", dir.join("storage.conf")),
            ],
            Engine::Lockstep => Vec::new(),
        }
    }
}

/// Where dockerd listens.
pub(crate) fn socket(dir: &Path) -> PathBuf {
    dir.join("d.sock")
}

/// What a line gave.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Filtered output and exit code: what is compared.
    pub(crate) text: String,
    /// Messages of the line.
    pub(crate) messages: String,
    /// Messages of what led to it.
    pub(crate) before: String,
}

impl Answer {
    /// Whether the line ended with exit code 0.
    pub(crate) fn succeeded(&self) -> bool {
        self.text.ends_with("exit 0\n")
    }

    /// Whether the line itself was declined as something that is not done: no answer, even where it looks like one.
    pub(crate) fn declined(&self) -> bool {
        let says = |line: &str| {
            let words = ["is refused: ", "has no verb ", "not implemented"];
            line.starts_with("error: ") && words.iter().any(|words| line.contains(words))
        };
        self.messages.lines().any(says)
    }

    /// The sentence with which the program declined the line, or something on the way to it.
    pub(crate) fn refusal(&self) -> Option<&str> {
        let mut lines = self.before.lines().chain(self.messages.lines());
        lines.find(|line| line.starts_with("error: "))
    }
}
