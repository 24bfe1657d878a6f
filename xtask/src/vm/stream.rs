//! The answer of a job: a stream of lines, in which those that begin with the job's mark are the harness's own.
//!
//! `up SECONDS` when the guest has started, `lacks NAME` for what it should have and has not, `begin NAME` and `end NAME
//! CODE SECONDS` around each binary, `test NAME` and `tested NAME` around each of its tests, `skip NAME<TAB>REASON` for
//! each test that said it cannot run there, `done CODE` as the last. The mark is random: what a test or a container
//! prints is not obeyed.

use crate::testing::counts::Counts;

/// What one test binary did.
#[derive(Clone)]
pub(crate) struct Ran {
    /// Its target, and its arguments.
    pub(crate) name: String,
    pub(crate) code: String,
    /// By the guest's clock.
    pub(crate) seconds: u64,
    pub(crate) counts: Counts,
    /// Names of tests and why they could not run.
    pub(crate) skips: Vec<(String, String)>,
}

impl Ran {
    pub(crate) fn passed(&self) -> bool {
        self.code == "0"
    }

    /// Its test target.
    pub(crate) fn suite(&self) -> &str {
        self.name.split(' ').next().unwrap_or(&self.name)
    }

    /// Whether none of its tests ran, or said why it cannot: there is none of that name.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts == Counts::default()
    }
}

/// What was read of a stream until now.
pub(crate) struct Stream {
    /// The kind, for the reader: the output of several machines is mixed.
    kind: &'static str,
    /// What its own lines begin with.
    mark: String,
    /// Bytes of a line whose end has not come yet.
    rest: Vec<u8>,
    /// Output since the last test ended: shown as a whole.
    said: String,
    skips: Vec<(String, String)>,
    /// The guest has started.
    pub(crate) up: bool,
    /// The job has ended, with this.
    pub(crate) done: Option<String>,
    /// What the machine should have and has not.
    pub(crate) lacks: Vec<String>,
    /// The binary that runs.
    running: Option<String>,
    /// Those of its tests that have begun and not ended.
    begun: Vec<String>,
    /// Tests that have ended.
    pub(crate) ran: Vec<Ran>,
}

impl Stream {
    pub(crate) fn of(kind: &'static str, mark: &str) -> Stream {
        Stream {
            kind,
            mark: format!("{mark} "),
            rest: Vec::new(),
            said: String::new(),
            skips: Vec::new(),
            up: false,
            done: None,
            lacks: Vec::new(),
            running: None,
            begun: Vec::new(),
            ran: Vec::new(),
        }
    }

    /// What runs now, for people.
    pub(crate) fn at(&self) -> String {
        let binary = self.running.as_deref().unwrap_or("no test");
        match self.begun.as_slice() {
            [] => binary.to_owned(),
            tests => format!("{binary}, in {}", tests.join(", ")),
        }
    }

    /// Reads on, and shows the output of a test that has ended.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end());
        }
    }

    /// What of the output was not shown, because its test did not end.
    pub(crate) fn unfinished(&self) -> &str {
        &self.said
    }

    /// What did not pass.
    pub(crate) fn failed(&self) -> Vec<String> {
        let failed = self.ran.iter().filter(|ran| !ran.passed());
        let failed: Vec<String> = failed.map(|ran| ran.name.clone()).collect();
        match &self.done {
            // Whatever was not understood before: a job that failed is none that passed.
            Some(code) if code != "0" && failed.is_empty() => vec![format!("the job, with {code}")],
            _ => failed,
        }
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = match line.strip_prefix(&self.mark) {
            Some(own) => own.split_once(' ').unwrap_or((own, "")),
            None => ("", line),
        };
        match word {
            "up" => self.up = true,
            "done" => self.done = Some(rest.to_owned()),
            "lacks" => self.lacks.push(rest.to_owned()),
            "begin" => self.running = Some(rest.to_owned()),
            "test" => self.begun.push(rest.to_owned()),
            "tested" => self.begun.retain(|test| test != rest),
            "end" => self.end(rest),
            "skip" => {
                let (name, reason) = rest.split_once('\t').unwrap_or((rest, ""));
                self.skips.push((name.to_owned(), reason.to_owned()));
            }
            _ => {
                self.said.push_str(line);
                self.said.push('\n');
            }
        }
    }

    fn end(&mut self, rest: &str) {
        let mut parts = rest.rsplitn(3, ' ');
        let (seconds, code) = (parts.next(), parts.next());
        let said = std::mem::take(&mut self.said);
        let mut counts = Counts::of_output(&said);
        let skips = std::mem::take(&mut self.skips);
        // Each of them has said so itself.
        counts.skipped = 0;
        let names: Vec<&str> = skips.iter().map(|(name, _)| name.as_str()).collect();
        counts.take_skips(&said, &names);
        let ran = Ran {
            name: parts.next().unwrap_or("?").to_owned(),
            code: code.unwrap_or("?").to_owned(),
            seconds: seconds.and_then(|s| s.parse().ok()).unwrap_or(0),
            counts,
            skips,
        };
        // At once: another machine's thread writes too.
        let verdict = verdict(&ran.code);
        let within = match self.begun.join(", ") {
            none if none.is_empty() => none,
            tests => format!(", in {tests}"),
        };
        println!(
            "{said}{}: {}: {verdict}{within} after {} s",
            self.kind, ran.name, ran.seconds
        );
        self.running = None;
        self.begun.clear();
        self.ran.push(ran);
    }
}

fn verdict(code: &str) -> String {
    match code {
        "0" => "ok".to_owned(),
        // What timeout(1) answers for one that it ended.
        "124" | "137" => "FAILED, over its limit".to_owned(),
        other => format!("FAILED with {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&str]) -> Stream {
        let mut stream = Stream::of("plain", "::m");
        for part in parts {
            stream.read(part.as_bytes());
        }
        stream
    }

    #[test]
    fn a_line_may_come_in_parts() {
        let stream = read(&[
            "::m u",
            "p 3.1\n::m begin a b\nte",
            "xt\n::m end a b 0 7\n::m done 0\n",
        ]);
        assert!(stream.up && stream.done.is_some());
        assert_eq!(stream.at(), "no test");
        assert_eq!((stream.ran.len(), stream.failed().len()), (1, 0));
    }

    #[test]
    fn a_failed_job_is_a_failure() {
        let stream = read(&["::m up 3\n::m begin a\ntext::m end a 124 9\n::m done 1\n"]);
        assert_eq!(stream.failed(), ["the job, with 1"]);
    }

    #[test]
    fn what_ran_last_is_known() {
        let stream = read(&["::m up 3\n::m begin a\n::m end a 124 600\n::m begin b\n::m do"]);
        assert_eq!(stream.at(), "b");
        assert_eq!(stream.failed(), ["a"]);
        assert!(stream.done.is_none());
    }

    #[test]
    fn a_binary_is_its_counts_and_its_skips() {
        let stream = read(&[
            "::m up 3\n::m begin a b\ntest x ... ok\ntest y ... ok\ntest result: ok. 2 passed; 0 failed; 1 ignored\n",
            "::m skip y\tno such thing\n::m end a b 0 7\n::m begin c\n::m end c 0 1\n::m done 0\n",
        ]);
        let ran = &stream.ran[0];
        assert_eq!((ran.name.as_str(), ran.seconds), ("a b", 7));
        assert_eq!((ran.counts.passed, ran.counts.skipped), (1, 1));
        assert_eq!(ran.skips, [("y".to_owned(), "no such thing".to_owned())]);
        assert_eq!(stream.ran[1].skips, []);
        assert!(!ran.is_empty() && stream.ran[1].is_empty());
    }

    #[test]
    fn a_test_that_has_begun_and_not_ended_has_a_name() {
        let stream = read(&["::m begin spec\n::m test a::b\n::m test c::d\n::m tested a::b\n"]);
        assert_eq!(stream.at(), "spec, in c::d");
        let stream = read(&["::m begin spec\n::m test a::b\n::m end spec 124 9\n::m begin c\n"]);
        assert_eq!(stream.at(), "c");
    }

    #[test]
    fn what_a_test_prints_is_not_obeyed() {
        let stream = read(&[
            "::m up 3\n::m begin a\n::done 0\n::other done 0\n::mdone 0\n :: m done 0\n",
            "text::m done 0\n",
        ]);
        assert!(stream.done.is_none() && stream.at() == "a");
        assert_eq!(stream.unfinished().lines().count(), 5);
    }
}
