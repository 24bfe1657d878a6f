//! What is known of a container beside its configuration: `record.json` in its directory.

use std::collections::BTreeMap;

use lockstep_oci::json;
use lockstep_supervisor::{Exit, Job};
use serde::{Deserialize, Serialize};

use super::Check;
use crate::failure::Failure;
use crate::resolve::Brought;
use crate::why::Setting;

/// Version of the file, raised with every change of its form, so that a rewrite cannot lose what it does not know.
/// Older ones are read: what was added later has a default. A newer one is refused without touching it.
///
/// 2: older versions of this program would have lost `user`. 3: `image_id`, `entrypoint`, `mounts`. 4: `health`. 5: the job's `secrets`. 6: its `joined` and `over`. 7: `sdnotify`.
pub(crate) const SCHEMA: u32 = 7;

/// A container as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    pub(crate) name: String,
    /// When, RFC 3339 in UTC.
    pub(crate) created: String,
    /// The image as it was named.
    pub(crate) image: String,
    /// Digest of the image's configuration, of an image of the store.
    #[serde(default)]
    pub(crate) image_id: Option<String>,
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// How many words of that are the entrypoint.
    #[serde(default)]
    pub(crate) entrypoint: usize,
    /// Volumes and paths of the host that it was given.
    #[serde(default)]
    pub(crate) mounts: Vec<Brought>,
    /// The user as the command line or else the image names it; empty where neither does.
    #[serde(default)]
    pub(crate) user: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Whether it is removed when it has ended.
    pub(crate) auto_remove: bool,
    /// Whether it was made to be started by a later command (`create`).
    pub(crate) awaits_start: bool,
    pub(crate) restart: Restart,
    /// Whether its root file system is made of an image's layers, which it has a claim on.
    pub(crate) layered: bool,
    /// Its block of user ids, where it has one.
    pub(crate) block: Option<u32>,
    /// How its health is asked for, where it is.
    #[serde(default)]
    pub(crate) health: Option<Check>,
    /// Who tells the service manager that it is ready.
    #[serde(default)]
    pub(crate) sdnotify: Sdnotify,
    /// How often it was started again without being asked.
    pub(crate) restarts: u32,
    /// What its supervisor is told.
    pub(crate) job: Job,
    /// Each setting with its origin.
    pub(crate) settings: Vec<Setting>,
    /// What the user should know although nothing fails.
    pub(crate) warnings: Vec<String>,
}

/// Whether a container that has ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restart {
    #[default]
    No,
    /// After a status other than 0, so many times; 0 is without end.
    OnFailure(u32),
    Always,
    UnlessStopped,
}

/// Who tells a service manager (sd_notify(3)) that a container is ready; Podman's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sdnotify {
    /// The program itself.
    #[default]
    Container,
    /// We, when it has begun.
    Conmon,
    /// We, when its health check has succeeded.
    Healthy,
    /// Nobody.
    Ignore,
}

impl Sdnotify {
    pub(crate) fn parse(text: &str) -> Option<Sdnotify> {
        Some(match text {
            "container" => Sdnotify::Container,
            "conmon" => Sdnotify::Conmon,
            "healthy" => Sdnotify::Healthy,
            "ignore" => Sdnotify::Ignore,
            _ => return None,
        })
    }
}

/// What a record's text says; `None` when its writer was killed in the middle. An error names field and value.
pub(super) fn parse(text: &[u8]) -> Result<Option<Record>, Failure> {
    #[derive(Deserialize)]
    struct Header {
        schema: u32,
    }
    let newer = |schema: u32| {
        let text = format!("schema {schema} is newer than {SCHEMA}, which this version reads");
        Failure::new(text)
    };
    // A good record is read once: `ps` reads all of them.
    match serde_json::from_slice::<Record>(text) {
        Ok(record) if record.schema > SCHEMA => Err(newer(record.schema)),
        Ok(record) => Ok(Some(record)),
        Err(error) if error.is_eof() => Ok(None),
        Err(error) => match serde_json::from_slice::<Header>(text) {
            Ok(Header { schema }) if schema > SCHEMA => Err(newer(schema)),
            _ => Err(Failure::new(json::describe(text, &error).to_string())),
        },
    }
}

impl Record {
    /// Whether its policy starts it again after this end.
    pub(crate) fn goes_on(&self, exit: &Exit) -> bool {
        !exit.asked && self.restart.again(exit.status, self.restarts)
    }

    /// Whether somebody has to be beside it while it lives: for its next start, or its health.
    pub(crate) fn needs_keeper(&self) -> bool {
        self.restart != Restart::No || self.health.is_some()
    }

    /// Whether nobody is going to start it.
    pub(crate) fn goes_unstarted(&self) -> bool {
        self.auto_remove && !self.awaits_start
    }
}

impl Restart {
    /// Reads Docker's spelling.
    pub(crate) fn parse(text: &str) -> Result<Restart, String> {
        let wrong = || {
            format!("--restart takes no, on-failure[:N], always or unless-stopped, not {text:?}")
        };
        Ok(match text.split_once(':') {
            None => match text {
                "no" | "" => Restart::No,
                "on-failure" => Restart::OnFailure(0),
                "always" => Restart::Always,
                "unless-stopped" => Restart::UnlessStopped,
                _ => return Err(wrong()),
            },
            Some(("on-failure", count)) => Restart::OnFailure(
                count
                    .parse()
                    .map_err(|_wrong: std::num::ParseIntError| wrong())?,
            ),
            Some(_) => return Err(wrong()),
        })
    }

    /// Docker's name of the policy, and how often at most; 0 is without end.
    pub(crate) fn words(self) -> (&'static str, u32) {
        match self {
            Restart::No => ("no", 0),
            Restart::OnFailure(most) => ("on-failure", most),
            Restart::Always => ("always", 0),
            Restart::UnlessStopped => ("unless-stopped", 0),
        }
    }

    /// Whether to start again after an end with this status that nobody asked for, when that was done so many times
    /// since somebody started it. A long run between does not make the count begin anew, as in Docker.
    pub(crate) fn again(self, status: i32, restarts: u32) -> bool {
        match self {
            Restart::No => false,
            Restart::OnFailure(0) => status != 0,
            Restart::OnFailure(most) => status != 0 && restarts < most,
            Restart::Always | Restart::UnlessStopped => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_policies_are_docker_s() {
        assert_eq!(Restart::parse("on-failure:3"), Ok(Restart::OnFailure(3)));
        assert_eq!(Restart::parse("unless-stopped"), Ok(Restart::UnlessStopped));
        for wrong in ["sometimes", "always:3", "on-failure:x"] {
            assert!(Restart::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Restart::OnFailure(2).again(1, 1));
        assert!(!Restart::OnFailure(2).again(1, 2));
        assert!(!Restart::OnFailure(0).again(0, 0));
        assert!(Restart::Always.again(0, 99));
    }
}
