//! `logs`: what a container has written.

use std::os::fd::OwnedFd;
use std::time::Duration;

use lockstep_abi::errno::Errno;
use lockstep_kernel::{console, file};
use lockstep_supervisor::{Line, LogFiles, Stream};

use crate::argv::Arguments;
use crate::container::{Directory, Status};
use crate::failure::{Doing, Failure};
use crate::front::Front;
use crate::verb::list::instant;

/// Time between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(100);

/// What is to be shown.
struct Wanted {
    since: Option<u64>,
    until: Option<u64>,
    timestamps: bool,
}

pub(super) fn logs(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let typed = args.words(0)?[0];
    let (directory, record) = front.store()?.find(typed)?;
    let wanted = Wanted {
        since: moment(args, "since")?,
        until: moment(args, "until")?,
        timestamps: args.flag("timestamps"),
    };
    let tail = match args.text("tail")? {
        None | Some("all" | "-1") => None,
        Some(text) => Some(
            text.parse::<usize>()
                .map_err(|_wrong: std::num::ParseIntError| {
                    Failure::new(format!("--tail takes a number or all, not {text:?}"))
                })?,
        ),
    };
    let Some(files) = directory.log()? else {
        if record.job.log.is_none() {
            return Err(Failure::new(format!(
                "container {typed} keeps no log: --log-driver none"
            )));
        }
        return Ok(0);
    };
    let mut reader = Reader::open(&files)?;
    let mut entries = reader.rest()?;
    if let Some(count) = tail {
        keep_last(&mut entries, count);
    }
    show(&entries, &wanted)?;
    if args.flag("follow") {
        follow(&directory, &files, &mut reader, &wanted)?;
    }
    Ok(0)
}

/// Until the container has ended and everything of it was shown.
fn follow(
    directory: &Directory,
    files: &LogFiles,
    reader: &mut Reader,
    wanted: &Wanted,
) -> Result<(), Failure> {
    loop {
        // Asked first: what is written before the end is there after it.
        let over = !matches!(directory.status()?, Status::Running(_) | Status::Busy);
        let entries = reader.more(files)?;
        show(&entries, wanted)?;
        if over {
            return Ok(());
        }
        if entries.is_empty() {
            std::thread::sleep(LOOK);
        }
    }
}

/// Reads entries, from the oldest file on.
struct Reader {
    files: Vec<OwnedFd>,
    /// An entry whose end is not written yet.
    rest: Vec<u8>,
}

impl Reader {
    fn open(files: &LogFiles) -> Result<Reader, Failure> {
        Ok(Reader {
            files: files.open_all().doing(|| "the log".into())?,
            rest: Vec::new(),
        })
    }

    /// Everything that is there, entry by entry.
    fn rest(&mut self) -> Result<Vec<Vec<u8>>, Failure> {
        let mut text = std::mem::take(&mut self.rest);
        let last = self.files.len().saturating_sub(1);
        for log in &self.files {
            text.extend(file::read_fd(log, usize::MAX / 2).doing(|| "the log".into())?);
        }
        self.files.drain(..last);
        let mut entries: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        self.rest = entries.pop().unwrap_or_default();
        Ok(entries)
    }

    /// What was written since, also behind a rotation.
    fn more(&mut self, files: &LogFiles) -> Result<Vec<Vec<u8>>, Failure> {
        let rotated = match self.files.last() {
            Some(open) => match files.has_rotated(open) {
                // In the middle of a rotation there is none for a moment.
                Err(e) if e.is(&[Errno::ENOENT.0]) => false,
                other => other.doing(|| "the log".into())?,
            },
            None => true,
        };
        let mut entries = self.rest()?;
        if rotated {
            let newest = files.open_all().doing(|| "the log".into())?.pop();
            self.files = newest.into_iter().collect();
            entries.extend(self.rest()?);
        }
        Ok(entries)
    }
}

/// Keeps the last whole lines: a line may have several entries.
fn keep_last(entries: &mut Vec<Vec<u8>>, count: usize) {
    let mut lines = 0;
    let mut from = entries.len();
    for (n, entry) in entries.iter().enumerate().rev() {
        let whole = Line::parse(entry).is_none_or(|line| line.whole);
        lines += usize::from(whole || n + 1 == entries.len());
        if lines > count {
            break;
        }
        from = n;
    }
    entries.drain(..from);
}

/// Writes entries to the stream that they came from, as they were written.
fn show(entries: &[Vec<u8>], wanted: &Wanted) -> Result<(), Failure> {
    let [_, stdout, stderr] = console::standard_streams();
    for entry in entries {
        let Some(line) = Line::parse(entry) else {
            continue;
        };
        let at = super::list::seconds(line.time).unwrap_or(0);
        if wanted.since.is_some_and(|since| at < since)
            || wanted.until.is_some_and(|until| at > until)
        {
            continue;
        }
        let mut text = Vec::new();
        if wanted.timestamps {
            text.extend_from_slice(line.time.as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(line.text);
        if line.whole {
            text.push(b'\n');
        }
        let to = match line.stream {
            Stream::Out => stdout,
            Stream::Err => stderr,
        };
        match file::write_fd(to, &text) {
            Err(e) if e.is(&[Errno::EPIPE.0]) => return Ok(()),
            other => other.doing(|| "standard output".into())?,
        }
    }
    Ok(())
}

fn moment(args: &Arguments, option: &str) -> Result<Option<u64>, Failure> {
    let text = args.text(option)?;
    text.map(|text| instant(&format!("--{option}"), text))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole_ones() {
        let entry = |text: &str| format!("2026-01-01T00:00:00Z stdout {text}").into_bytes();
        let all = || vec![entry("F a"), entry("P b"), entry("F c"), entry("F d")];
        let kept = |count: usize| {
            let mut entries = all();
            keep_last(&mut entries, count);
            entries.len()
        };
        assert_eq!(
            (kept(0), kept(1), kept(2), kept(3), kept(9)),
            (0, 1, 3, 4, 4)
        );
    }
}
