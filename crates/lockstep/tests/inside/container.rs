//! The containers that are compared, and the facts that the probe finds in each, found once.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::OnceLock;

use crate::engine;
use crate::probe::{self, Image};
use crate::stage::{Stage, output};
use crate::suite::Skip;

/// Facts, "kind value".
pub(crate) type Facts = BTreeSet<String>;

/// What a container's probe said, or why it was not asked.
type Answer = Result<String, String>;

/// One container to be asked.
pub(crate) struct Container {
    /// As a test's name has it.
    pub(crate) name: &'static str,
    /// As a table's head has it.
    pub(crate) title: &'static str,
    ask: fn(&Stage, &Image) -> Answer,
    found: OnceLock<Found>,
}

enum Found {
    Facts(Facts),
    /// It cannot be had on this machine.
    Missing(String),
    /// It left something behind.
    Wrong(String),
}

const fn container(
    name: &'static str,
    title: &'static str,
    ask: fn(&Stage, &Image) -> Answer,
) -> Container {
    Container {
        name,
        title,
        ask,
        found: OnceLock::new(),
    }
}

pub(crate) static PEERS: [Container; 4] = [
    container("docker", "Docker", engine::docker),
    container("podman", "Podman", engine::podman),
    container("rootless-docker", "Docker, user", engine::rootless_docker),
    container("rootless-podman", "Podman, user", engine::rootless_podman),
];

pub(crate) static OURS: [Container; 2] = [
    container("root", "Lockstep", |t, image| {
        Ok(t.call(&arguments(image)).text())
    }),
    container("user", "Lockstep, user", |t, image| {
        Ok(output(t.user_command(Some(700_000), &arguments(image)), b"").text())
    }),
];

fn arguments(image: &Image) -> Vec<&str> {
    let mut args = vec!["run", "--rm", &image.source, "/inside"];
    args.extend(image.calls.iter().map(String::as_str));
    args
}

impl Container {
    /// What the probe found; ends the test where this container cannot be had.
    pub(crate) fn facts(&self) -> &Facts {
        self.told(self.found.get_or_init(|| self.find()))
    }

    /// The same, found once more.
    pub(crate) fn ask_again(&self) -> Facts {
        self.told(&self.find()).clone()
    }

    fn told<'f>(&self, found: &'f Found) -> &'f Facts {
        match found {
            Found::Facts(facts) => facts,
            Found::Missing(reason) => resume_unwind(Box::new(Skip {
                reason: format!("{}: {reason}", self.name),
            })),
            Found::Wrong(text) => panic!("{}: {text}", self.name),
        }
    }

    fn find(&self) -> Found {
        let t = Stage::set(&format!("facts::{}", self.name));
        let answer = probe::image(&t.dir).and_then(|image| (self.ask)(&t, &image));
        let left = t.finish();
        match answer {
            Err(reason) => Found::Missing(reason),
            Ok(_) if !left.is_empty() => Found::Wrong(format!("left behind: {}", left.join("; "))),
            // A whole answer: its last line says that it is one.
            Ok(text) if text.trim_end().lines().last() != Some("end") => Found::Wrong(text),
            Ok(text) => {
                let facts = text.lines().filter(|line| *line != "end");
                Found::Facts(facts.map(str::to_owned).collect())
            }
        }
    }
}
