//! The container's log: lines as the Kubernetes runtimes write them, `TIME STREAM F|P TEXT`, in files of a
//! bounded size.
//!
//! `P` marks a part of a line that goes on in the next entry of the same stream, so any bytes come back as they
//! were. The newest file is `current`, older ones are `1`, `2` and so on.

use std::os::fd::{AsFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_kernel::{self as kernel, durable, file};
use lockstep_runtime::clock;

use crate::job::LogJob;

/// Most bytes of a line before it is cut into parts.
const LINE: usize = 16 << 10;

/// Which of the two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or the terminal.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    /// Its descriptor's number.
    pub fn number(self) -> u8 {
        match self {
            Stream::Out => 1,
            Stream::Err => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        }
    }
}

/// Writes the log.
#[derive(Debug)]
pub(crate) struct Writer {
    directory: OwnedFd,
    file: OwnedFd,
    limits: LogJob,
    written: u64,
    /// Entries that go to the file in one write(2).
    batch: Vec<u8>,
    /// Bytes of output in them.
    held: u64,
    /// Bytes of output that could not be written since the last entry that could.
    lost: u64,
}

impl Writer {
    /// Name of the newest file.
    pub(crate) const CURRENT: &str = "current";

    /// Opens the log in its directory, behind what is there from earlier runs.
    pub(crate) fn open(directory: OwnedFd, limits: LogJob) -> kernel::Result<Writer> {
        let file = open_current(&directory)?;
        let written = u64::try_from(file::fstat(&file)?.st_size).unwrap_or(0);
        Ok(Writer {
            directory,
            file,
            limits,
            written,
            batch: Vec::new(),
            held: 0,
            lost: 0,
        })
    }

    /// Writes output as it came, an entry for each line or part of one. A full disk loses log, never the
    /// container; the next entry that can be written then stands behind one that says how much is missing.
    pub(crate) fn write(&mut self, stream: Stream, mut bytes: &[u8]) {
        let now = clock::now_rfc3339();
        let head = now.len() + " stdout F \n".len();
        while !bytes.is_empty() {
            let window = &bytes[..bytes.len().min(LINE)];
            let (text, tag, taken) = match window.iter().position(|b| *b == b'\n') {
                Some(end) => (&bytes[..end], b'F', end + 1),
                None => (window, b'P', window.len()),
            };
            bytes = &bytes[taken..];
            if self.make_room(head + text.len()).is_err() {
                self.lost += taken as u64;
                continue;
            }
            self.entry(&now, stream, tag, text);
            self.held += taken as u64;
        }
        self.flush();
    }

    /// Says what is missing at the end, if it can be said by now.
    pub(crate) fn close(&mut self) {
        if self.lost > 0 {
            self.flush();
        }
    }

    fn entry(&mut self, now: &str, stream: Stream, tag: u8, text: &[u8]) {
        self.batch.extend_from_slice(now.as_bytes());
        self.batch.push(b' ');
        self.batch.extend_from_slice(stream.name().as_bytes());
        self.batch.extend_from_slice(&[b' ', tag, b' ']);
        self.batch.extend_from_slice(text);
        self.batch.push(b'\n');
    }

    fn flush(&mut self) {
        if self.lost > 0 {
            let later = std::mem::take(&mut self.batch);
            let text = format!(
                "lockstep: {} bytes of output are missing here: the log could not be written",
                self.lost
            );
            self.entry(&clock::now_rfc3339(), Stream::Err, b'F', text.as_bytes());
            self.batch.extend_from_slice(&later);
        }
        match file::write_fd(&self.file, &self.batch) {
            Ok(()) => {
                self.written += self.batch.len() as u64;
                self.lost = 0;
            }
            Err(_) => {
                self.lost += self.held;
                // The next entry would run on in one that was cut short. A file that cannot even be shortened (EIO)
                // keeps that piece.
                drop(file::truncate(&self.file, self.written));
            }
        }
        self.batch.clear();
        self.held = 0;
    }

    /// Turns over to the next file where an entry of so many bytes would make this one too long.
    fn make_room(&mut self, length: usize) -> kernel::Result<()> {
        let before = self.written + self.batch.len() as u64;
        let full = before > 0 && before + length as u64 > self.limits.max_size;
        if self.limits.max_size == 0 || !full {
            return Ok(());
        }
        self.flush();
        if self.limits.max_files <= 1 {
            file::truncate(&self.file, 0)?;
        } else {
            for number in (1..self.limits.max_files - 1).rev() {
                move_on(&self.directory, &number.to_string(), number + 1)?;
            }
            move_on(&self.directory, Writer::CURRENT, 1)?;
            self.file = open_current(&self.directory)?;
        }
        self.written = 0;
        Ok(())
    }
}

fn move_on(directory: &OwnedFd, from: &str, to: u32) -> kernel::Result<()> {
    match durable::rename(directory, from, directory, to.to_string()) {
        // There are not that many yet.
        Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(()),
        other => other,
    }
}

fn open_current(directory: &OwnedFd) -> kernel::Result<OwnedFd> {
    use file::OFlags;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW;
    file::openat(directory, Writer::CURRENT, flags, 0o600)
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// When, RFC 3339 in UTC.
    pub time: &'a str,
    /// Which output.
    pub stream: Stream,
    /// Whether it ends with a line feed, which is not in `text`.
    pub whole: bool,
    /// What was written.
    pub text: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads an entry without its line feed; `None` for what no supervisor wrote.
    pub fn parse(entry: &'a [u8]) -> Option<Line<'a>> {
        let mut parts = entry.splitn(4, |b| *b == b' ');
        let time = std::str::from_utf8(parts.next()?).ok()?;
        let stream = match parts.next()? {
            b"stdout" => Stream::Out,
            b"stderr" => Stream::Err,
            _ => return None,
        };
        let whole = match parts.next()? {
            b"F" => true,
            b"P" => false,
            _ => return None,
        };
        let text = parts.next()?;
        Some(Line {
            time,
            stream,
            whole,
            text,
        })
    }
}

/// The files of a log, for its readers.
#[derive(Debug)]
pub struct LogFiles {
    directory: OwnedFd,
}

impl LogFiles {
    /// A log's directory.
    pub fn new(directory: OwnedFd) -> LogFiles {
        LogFiles { directory }
    }

    /// The files, oldest first, the current one last.
    pub fn open_all(&self) -> kernel::Result<Vec<OwnedFd>> {
        let mut numbers: Vec<u32> = file::list(&self.directory, ".")?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let names = numbers.iter().map(u32::to_string);
        let mut open = Vec::new();
        for name in names.chain([Writer::CURRENT.to_owned()]) {
            match file::openat(&self.directory, &name, file::OFlags::RDONLY, 0) {
                // It was rotated away meanwhile.
                Err(e) if e.is(&[Errno::ENOENT.0]) => {}
                other => open.push(other?),
            }
        }
        Ok(open)
    }

    /// Whether `open` is no longer the file that is written to.
    pub fn has_rotated(&self, open: &OwnedFd) -> kernel::Result<bool> {
        let now = file::stat(&self.directory, Writer::CURRENT, false)?;
        Ok(now.st_ino != file::fstat(open.as_fd())?.st_ino)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_they_are_written() {
        let entry = b"2026-01-02T03:04:05.000000006Z stderr P a b  c";
        let line = Line::parse(entry).expect("an entry");
        assert_eq!((line.stream, line.whole), (Stream::Err, false));
        assert_eq!(line.text, b"a b  c");
        let empty = Line::parse(b"T stdout F ").expect("an empty line");
        assert_eq!((empty.text, empty.whole), (&b""[..], true));
        for wrong in [&b""[..], b"T stdout F", b"T other F x", b"T stdout X x"] {
            assert_eq!(Line::parse(wrong), None);
        }
    }
}
