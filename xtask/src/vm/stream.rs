//! The answer of a job: a stream of lines, in which those that begin with `::` are the harness's own.
//!
//! `::up SECONDS` when the guest has started, `::begin NAME` and `::end NAME CODE SECONDS` around each test,
//! `::skip NAME<TAB>REASON` for each test that said it cannot run there, `::done CODE` as the last.

use std::io::Write as _;

use crate::Failure;

/// What was read of a stream until now.
#[derive(Default)]
pub(crate) struct Stream {
    /// Bytes of a line whose end has not come yet.
    rest: Vec<u8>,
    /// The guest has started.
    pub(crate) up: bool,
    /// The job has ended.
    pub(crate) done: bool,
    /// The test that runs.
    pub(crate) running: Option<String>,
    pub(crate) failed: Vec<String>,
    /// Tests that have ended.
    pub(crate) ended: usize,
}

impl Stream {
    /// Reads on, and shows the lines that are not the harness's own.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        let Some(own) = line.strip_prefix("::") else {
            println!("{line}");
            return Ok(());
        };
        let (word, rest) = own.split_once(' ').unwrap_or((own, ""));
        match word {
            "up" => self.up = true,
            "done" => {
                self.done = true;
                // Whatever was not understood before: a job that failed is none that passed.
                if rest != "0" && self.failed.is_empty() {
                    self.failed.push(format!("the job, with {rest}"));
                }
            }
            "begin" => self.running = Some(rest.to_owned()),
            "end" => {
                let mut parts = rest.rsplitn(3, ' ');
                let (seconds, code) = (parts.next(), parts.next());
                let name = parts.next().unwrap_or("?").to_owned();
                println!(
                    "{name}: {} after {} s",
                    verdict(code),
                    seconds.unwrap_or("?")
                );
                if code != Some("0") {
                    self.failed.push(name);
                }
                self.running = None;
                self.ended += 1;
            }
            "skip" => {
                let (name, reason) = rest.split_once('\t').unwrap_or((rest, ""));
                record_skip(name, reason)?;
            }
            _ => println!("{line}"),
        }
        Ok(())
    }
}

fn verdict(code: Option<&str>) -> String {
    match code {
        Some("0") => "ok".to_owned(),
        // What timeout(1) answers for one that it ended.
        Some("124" | "137") => "FAILED, over its limit".to_owned(),
        other => format!("FAILED with {}", other.unwrap_or("?")),
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
        let mut stream = Stream::default();
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
        assert!(stream.up && stream.done && stream.running.is_none());
        assert_eq!((stream.ended, stream.failed.len()), (1, 0));
    }

    #[test]
    fn a_failed_job_is_a_failure() {
        let stream = read(&["::up 3\n::begin a\ntext::end a 124 9\n::done 1\n"]);
        assert_eq!(stream.failed, ["the job, with 1"]);
    }

    #[test]
    fn what_ran_last_is_known() {
        let stream = read(&["::up 3\n::begin a\n::end a 124 600\n::begin b\n::do"]);
        assert_eq!(stream.running.as_deref(), Some("b"));
        assert_eq!(stream.failed, ["a"]);
        assert!(!stream.done);
    }
}
