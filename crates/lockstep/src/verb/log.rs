//! `logs`: what a container has written.

use std::time::Duration;

use lockstep_abi::errno::Errno;
use lockstep_kernel::{console, file};
use lockstep_supervisor::{Line, LogFiles, Stream};

use crate::argv::Arguments;
use crate::container::{Directory, Keeping, Restart, Status};
use crate::escape;
use crate::failure::{Doing, Failure};
use crate::front::Front;
use crate::verb::list::instant;
use read::Reader;

mod read;

/// Time between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(100);

/// Bytes that are kept for one write.
const FULL: usize = 32 << 10;

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
    let mut reader = Reader::open(&files, tail)?;
    let mut shown = Shown::new(&wanted, record.job.terminal);
    reader.read(|entry| shown.take(entry))?;
    shown.flush()?;
    if args.flag("follow") {
        follow(&directory, &files, &mut reader, &mut shown)?;
    }
    shown.finish()?;
    Ok(0)
}

/// Until the container has ended and everything of it was shown, or nobody reads any more.
fn follow(
    directory: &Directory,
    files: &LogFiles,
    reader: &mut Reader,
    shown: &mut Shown<'_>,
) -> Result<(), Failure> {
    while !shown.unread {
        // Asked first: what is written before the end is there after it.
        let over = is_over(directory)?;
        // Read to its end before what took its place.
        let mut any = reader.read(|entry| shown.take(entry))?;
        reader.turn_over(files)?;
        any |= reader.read(|entry| shown.take(entry))?;
        shown.flush()?;
        if over {
            break;
        }
        if !any {
            std::thread::sleep(LOOK);
        }
    }
    Ok(())
}

/// Whether nothing more will be written: it has ended, and nobody is there to start it again. The policy alone does not
/// say it: a start is counted before it is made.
fn is_over(directory: &Directory) -> Result<bool, Failure> {
    if matches!(directory.status()?, Status::Running(_) | Status::Busy) {
        return Ok(false);
    }
    // Read each time, because `update` changes the policy.
    Ok(match directory.record()? {
        Some(record) if record.restart != Restart::No => directory.keeping()? != Keeping::Held,
        _ => true,
    })
}

/// Writes entries to the stream that they came from.
struct Shown<'a> {
    wanted: &'a Wanted,
    /// Whether a stream's text is made harmless: of the two standard streams.
    escaped: [bool; 2],
    /// What an entry ends with whose meaning the next one tells, of both.
    begun: [Vec<u8>; 2],
    /// What is not written yet, and to which of the two.
    text: Vec<u8>,
    place: usize,
    /// Whether nobody reads any more.
    unread: bool,
}

impl Shown<'_> {
    /// A log line is the container's text, which a terminal here must not obey. One that had a terminal of its own
    /// was meant to talk to one.
    fn new(wanted: &Wanted, terminal: bool) -> Shown<'_> {
        let [_, stdout, stderr] = console::standard_streams();
        Shown {
            wanted,
            escaped: [stdout, stderr].map(|to| !terminal && console::size(to).is_some()),
            begun: Default::default(),
            text: Vec::new(),
            place: 0,
            unread: false,
        }
    }

    /// Whether more is wanted.
    fn take(&mut self, entry: &[u8]) -> Result<bool, Failure> {
        let Some(line) = Line::parse(entry) else {
            return Ok(true);
        };
        let at = super::list::seconds(line.time).unwrap_or(0);
        if self.wanted.since.is_some_and(|since| at < since)
            || self.wanted.until.is_some_and(|until| at > until)
        {
            return Ok(true);
        }
        let place = usize::from(line.stream == Stream::Err);
        if place != self.place || self.text.len() > FULL {
            self.flush()?;
            self.place = place;
        }
        if self.wanted.timestamps {
            self.text.extend_from_slice(line.time.as_bytes());
            self.text.push(b' ');
        }
        match self.escaped[place] {
            true => {
                let text = harmless(&mut self.begun[place], &line);
                self.text.extend_from_slice(text.as_bytes());
            }
            false => self.text.extend_from_slice(line.text),
        }
        if line.whole {
            self.text.push(b'\n');
        }
        Ok(!self.unread)
    }

    /// Shows what no entry has followed.
    fn finish(&mut self) -> Result<(), Failure> {
        for place in 0..2 {
            let begun = std::mem::take(&mut self.begun[place]);
            if !begun.is_empty() {
                self.place = place;
                self.text = escape::line(&begun, false).into_bytes();
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let [_, stdout, stderr] = console::standard_streams();
        let text = std::mem::take(&mut self.text);
        match file::write_fd([stdout, stderr][self.place], &text) {
            Err(e) if e.is(&[Errno::EPIPE.0]) => self.unread = true,
            other => other.doing(|| "standard output".into())?,
        }
        Ok(())
    }
}

/// An entry for a terminal, behind what was `begun` before it; its own end stays there if the next one tells what it is.
fn harmless(begun: &mut Vec<u8>, line: &Line<'_>) -> String {
    let mut raw = std::mem::take(begun);
    raw.extend_from_slice(line.text);
    if !line.whole {
        *begun = raw.split_off(escape::whole_characters(&raw));
    }
    escape::line(&raw, line.whole)
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
    fn parts_of_a_line_move_no_cursor() {
        let show = |parts: &[&[u8]]| {
            let (mut begun, last) = (Vec::new(), parts.len() - 1);
            let shown = parts.iter().enumerate().map(|(at, text)| {
                let line = Line {
                    time: "",
                    stream: Stream::Out,
                    whole: at == last,
                    text,
                };
                harmless(&mut begun, &line)
            });
            shown.collect::<Vec<_>>()
        };
        assert_eq!(show(&[b"ok\r", b"forged"]), ["ok", "\\rforged"]);
        assert_eq!(show(&[b"ok\r\r", b""]), ["ok\\r", "\r"]);
        assert_eq!(show(&[b"\xe2\x82", b"\xac"]), ["", "\u{20ac}"]);
    }
}
