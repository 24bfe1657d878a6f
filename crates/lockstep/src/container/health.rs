//! A container's health: the check that it was given, and `health.json`, what the check's runs have said so far.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Version of `health.json`.
const SCHEMA: u32 = 1;
/// How many results are kept, Docker's.
const KEPT: usize = 5;

/// How it is found out whether a container works; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// Docker's form: `CMD` and words, or `CMD-SHELL` and a line.
    pub(crate) test: Vec<String>,
    /// Between the end of a run and the next; `None`: only by hand.
    pub(crate) interval_ms: Option<u64>,
    pub(crate) timeout_ms: u64,
    /// Failures in a row until the container is unhealthy.
    pub(crate) retries: u32,
    /// Time after the start in which failures do not count, until a run has succeeded.
    pub(crate) start_period_ms: u64,
    /// The interval in that time.
    pub(crate) start_interval_ms: u64,
    pub(crate) on_failure: OnFailure,
}

/// What is done with a container that has become unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnFailure {
    #[default]
    None,
    Kill,
    Restart,
    Stop,
}

/// Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Starting,
    Healthy,
    Unhealthy,
}

/// What is known of one life of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Health {
    schema: u32,
    /// When that life began, as its supervisor says: of another one nothing here holds.
    pub(crate) life: String,
    pub(crate) verdict: Verdict,
    /// Failures since the last success.
    pub(crate) failing_streak: u32,
    /// The last results, oldest first.
    pub(crate) log: Vec<Probe>,
}

/// One run of the check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Probe {
    /// RFC 3339 in UTC.
    pub(crate) start: String,
    pub(crate) end: String,
    /// The program's status; -1 where it had to be killed.
    pub(crate) exit_code: i32,
    pub(crate) output: String,
}

impl Check {
    /// Program and arguments.
    pub(crate) fn command(&self) -> Vec<String> {
        match self.test.split_first() {
            Some((kind, line)) if kind == "CMD-SHELL" => {
                let mut words = vec!["/bin/sh".to_owned(), "-c".to_owned()];
                words.extend_from_slice(line);
                words
            }
            Some((_, words)) => words.to_vec(),
            None => Vec::new(),
        }
    }
}

impl Health {
    /// A life of which nothing is known yet.
    pub(crate) fn new(life: &str) -> Health {
        Health {
            schema: SCHEMA,
            life: life.to_owned(),
            verdict: Verdict::Starting,
            failing_streak: 0,
            log: Vec::new(),
        }
    }

    /// What a file says of the life that began then; of another life, of another version's, or of one that was cut
    /// short nothing is known.
    pub(super) fn parse(text: &[u8], life: &str) -> Health {
        serde_json::from_slice(text)
            .ok()
            .filter(|health: &Health| health.schema == SCHEMA && health.life == life)
            .unwrap_or_else(|| Health::new(life))
    }

    /// Takes a result in. `period`: whether the container is still given time to start.
    pub(crate) fn note(&mut self, check: &Check, probe: Probe, period: bool) {
        if probe.exit_code == 0 {
            (self.verdict, self.failing_streak) = (Verdict::Healthy, 0);
        } else if self.verdict != Verdict::Starting || !period {
            self.failing_streak += 1;
            if self.failing_streak >= check.retries {
                self.verdict = Verdict::Unhealthy;
            }
        }
        self.log.push(probe);
        let old = self.log.len().saturating_sub(KEPT);
        self.log.drain(..old);
    }
}

impl OnFailure {
    /// Reads Podman's spelling.
    pub(crate) fn parse(text: &str) -> Option<OnFailure> {
        Some(match text {
            "none" => OnFailure::None,
            "kill" => OnFailure::Kill,
            "restart" => OnFailure::Restart,
            "stop" => OnFailure::Stop,
            _ => return None,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Starting => "starting",
            Verdict::Healthy => "healthy",
            Verdict::Unhealthy => "unhealthy",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> Check {
        Check {
            test: vec!["CMD-SHELL".into(), "true".into()],
            interval_ms: Some(1),
            timeout_ms: 1,
            retries: 2,
            start_period_ms: 0,
            start_interval_ms: 1,
            on_failure: OnFailure::None,
        }
    }

    fn probe(exit_code: i32) -> Probe {
        Probe {
            start: String::new(),
            end: String::new(),
            exit_code,
            output: String::new(),
        }
    }

    #[test]
    fn so_many_failures_in_a_row_and_one_success() {
        let (check, mut health) = (check(), Health::new("then"));
        let mut after = |code, period| {
            health.note(&check, probe(code), period);
            (health.verdict, health.failing_streak)
        };
        assert_eq!(after(1, true), (Verdict::Starting, 0));
        assert_eq!(after(1, false), (Verdict::Starting, 1));
        assert_eq!(after(0, false), (Verdict::Healthy, 0));
        // Once it has been healthy its time to start is over.
        assert_eq!(after(1, true), (Verdict::Healthy, 1));
        assert_eq!(after(-1, true), (Verdict::Unhealthy, 2));
        assert_eq!(after(0, false), (Verdict::Healthy, 0));
        assert_eq!(health.log.len(), KEPT);
    }

    #[test]
    fn another_life_is_another_health() {
        let mut health = Health::new("then");
        health.note(&check(), probe(0), false);
        let text = serde_json::to_vec(&health).expect("JSON");
        assert_eq!(Health::parse(&text, "then").verdict, Verdict::Healthy);
        assert_eq!(Health::parse(&text, "now").verdict, Verdict::Starting);
        let cut = &text[..text.len() / 2];
        assert_eq!(Health::parse(cut, "then").verdict, Verdict::Starting);
    }

    #[test]
    fn commands() {
        assert_eq!(check().command(), ["/bin/sh", "-c", "true"]);
        let words = Check {
            test: vec!["CMD".into(), "a".into(), "b".into()],
            ..check()
        };
        assert_eq!(words.command(), ["a", "b"]);
    }
}
