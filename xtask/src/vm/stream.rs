//! The answer of a job: a stream of lines, in which those that begin with `::` are the harness's own.
//!
//! `::up SECONDS` when the guest has started, `::begin NAME` and `::end NAME CODE SECONDS` around each test,
//! `::skip NAME<TAB>REASON` for each test that said it cannot run there, `::done CODE` as the last.

use std::io::Write as _;

use crate::Failure;
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
}

/// What was read of a stream until now.
pub(crate) struct Stream {
    /// The kind, for the reader: the output of several machines is mixed.
    kind: &'static str,
    /// Bytes of a line whose end has not come yet.
    rest: Vec<u8>,
    /// Output since the last test ended: shown as a whole.
    said: String,
    skips: Vec<(String, String)>,
    /// The guest has started.
    pub(crate) up: bool,
    /// The job has ended, with this.
    pub(crate) done: Option<String>,
    /// The test that runs.
    pub(crate) running: Option<String>,
    /// Tests that have ended.
    pub(crate) ran: Vec<Ran>,
}

impl Stream {
    pub(crate) fn of(kind: &'static str) -> Stream {
        Stream {
            kind,
            rest: Vec::new(),
            said: String::new(),
            skips: Vec::new(),
            up: false,
            done: None,
            running: None,
            ran: Vec::new(),
        }
    }

    /// Reads on, and shows the output of a test that has ended.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end())?;
        }
        Ok(())
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

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        let (word, rest) = match line.strip_prefix("::") {
            Some(own) => own.split_once(' ').unwrap_or((own, "")),
            None => ("", line),
        };
        match word {
            "up" => self.up = true,
            "done" => self.done = Some(rest.to_owned()),
            "begin" => self.running = Some(rest.to_owned()),
            "end" => self.end(rest),
            "skip" => {
                let (name, reason) = rest.split_once('\t').unwrap_or((rest, ""));
                record_skip(name, reason)?;
                self.skips.push((name.to_owned(), reason.to_owned()));
            }
            _ => {
                self.said.push_str(line);
                self.said.push('\n');
            }
        }
        Ok(())
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
        println!(
            "{said}{}: {}: {verdict} after {} s",
            self.kind, ran.name, ran.seconds
        );
        self.running = None;
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

/// Appends to the file of skips that the test groups collect, if they asked for it.
pub(crate) fn record_skip(name: &str, reason: &str) -> Result<(), Failure> {
    if let Some(path) = std::env::var_os("LOCKSTEP_SKIPS") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?;
        file.write_all(format!("{name}\t{reason}\n").as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&str]) -> Stream {
        let mut stream = Stream::of("plain");
        for part in parts {
            assert!(stream.read(part.as_bytes()).is_ok());
        }
        stream
    }

    #[test]
    fn a_line_may_come_in_parts() {
        let stream = read(&[
            "::u",
            "p 3.1\n::begin a b\nte",
            "xt\n::end a b 0 7\n::done 0\n",
        ]);
        assert!(stream.up && stream.done.is_some() && stream.running.is_none());
        assert_eq!((stream.ran.len(), stream.failed().len()), (1, 0));
    }

    #[test]
    fn a_failed_job_is_a_failure() {
        let stream = read(&["::up 3\n::begin a\ntext::end a 124 9\n::done 1\n"]);
        assert_eq!(stream.failed(), ["the job, with 1"]);
    }

    #[test]
    fn what_ran_last_is_known() {
        let stream = read(&["::up 3\n::begin a\n::end a 124 600\n::begin b\n::do"]);
        assert_eq!(stream.running.as_deref(), Some("b"));
        assert_eq!(stream.failed(), ["a"]);
        assert!(stream.done.is_none());
    }

    #[test]
    fn a_binary_is_its_counts_and_its_skips() {
        let stream = read(&[
            "::up 3\n::begin a b\ntest x ... ok\ntest y ... ok\ntest result: ok. 2 passed; 0 failed; 1 ignored\n",
            "::skip y\tno such thing\n::end a b 0 7\n::begin c\n::end c 0 1\n::done 0\n",
        ]);
        let ran = &stream.ran[0];
        assert_eq!((ran.name.as_str(), ran.seconds), ("a b", 7));
        assert_eq!((ran.counts.passed, ran.counts.skipped), (1, 1));
        assert_eq!(ran.skips, [("y".to_owned(), "no such thing".to_owned())]);
        assert_eq!(stream.ran[1].skips, []);
    }
}
