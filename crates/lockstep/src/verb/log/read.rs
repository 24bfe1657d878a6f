//! Reading a log in pieces, forwards and from its end: it may be larger than memory, and written to meanwhile.

use std::os::fd::{AsFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_kernel::file;
use lockstep_supervisor::{Line, LogFiles};

use crate::failure::{Doing, Failure};

/// Bytes of one read.
const PIECE: usize = 64 << 10;

/// Reads entries, from the oldest file on.
pub(super) struct Reader {
    files: Vec<OwnedFd>,
    /// How much of the first file was read.
    at: u64,
    /// An entry whose end is not written yet.
    rest: Vec<u8>,
}

impl Reader {
    /// At the first entry, or at the first of the last lines that are wanted.
    pub(super) fn open(files: &LogFiles, lines: Option<usize>) -> Result<Reader, Failure> {
        let mut files = files.open_all().doing(what)?;
        let at = match lines {
            Some(lines) => {
                let (skipped, at) = before_last(&files, lines).doing(what)?;
                files.drain(..skipped);
                at
            }
            None => 0,
        };
        Ok(Reader {
            files,
            at,
            rest: Vec::new(),
        })
    }

    /// Hands over every entry that is there, until nobody wants more; whether there was one.
    pub(super) fn read(
        &mut self,
        mut wants: impl FnMut(&[u8]) -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        let mut buffer = vec![0; PIECE];
        let mut any = false;
        while let Some(log) = self.files.first() {
            let read = file::read_at(log, self.at, &mut buffer).doing(what)?;
            if read == 0 && self.files.len() > 1 {
                self.files.remove(0);
                self.at = 0;
                continue;
            }
            if read == 0 {
                break;
            }
            self.at += read as u64;
            let mut pieces = buffer[..read].split(|b| *b == b'\n');
            let last = pieces.next_back().unwrap_or_default();
            for piece in pieces {
                any = true;
                self.rest.extend_from_slice(piece);
                let goes_on = wants(&self.rest)?;
                self.rest.clear();
                if !goes_on {
                    return Ok(any);
                }
            }
            self.rest.extend_from_slice(last);
        }
        Ok(any)
    }

    /// Finds the files that took the place of the one that was read last, or that it begins anew.
    pub(super) fn turn_over(&mut self, files: &LogFiles) -> Result<(), Failure> {
        let Some(open) = self.files.last() else {
            self.files = files.open_all().doing(what)?;
            return Ok(());
        };
        let known = file::fstat(open).doing(what)?;
        if self.files.len() == 1 && u64::try_from(known.st_size).is_ok_and(|size| size < self.at) {
            (self.at, self.rest) = (0, Vec::new());
        }
        match files.has_rotated(open) {
            Ok(true) => {}
            // In the middle of a rotation there is none for a moment.
            Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(()),
            other => return other.map(drop).doing(what),
        }
        let now = files.open_all().doing(what)?;
        let mut behind = 0;
        for (n, log) in now.iter().enumerate() {
            if file::fstat(log).doing(what)?.st_ino == known.st_ino {
                behind = n + 1;
            }
        }
        self.files.extend(now.into_iter().skip(behind));
        Ok(())
    }
}

fn what() -> String {
    "the log".into()
}

/// Where the last so many lines begin: the files before them, and bytes of the next one. A line may have several
/// entries; one that has no end yet is one too.
fn before_last(files: &[OwnedFd], count: usize) -> lockstep_kernel::Result<(usize, u64)> {
    let mut lines = 0;
    let mut place = None;
    for (n, log) in files.iter().enumerate().rev() {
        let size = u64::try_from(file::fstat(log)?.st_size).unwrap_or(0);
        let found = each_from_end(log, size, |entry, start, end| {
            // The first that is looked at is the last one.
            let last = place.is_none();
            let whole = Line::parse(entry).is_none_or(|line| line.whole);
            lines += usize::from(whole || last);
            if lines > count {
                place = place.or(Some((n, end)));
                return false;
            }
            place = Some((n, start));
            true
        })?;
        if !found {
            break;
        }
    }
    Ok(place.unwrap_or((files.len().saturating_sub(1), 0)))
}

/// Hands over the entries of a file from the last to the first, with their first byte and the byte behind their line
/// feed, until nobody wants more; whether everything was wanted.
fn each_from_end(
    log: &OwnedFd,
    size: u64,
    mut wants: impl FnMut(&[u8], u64, u64) -> bool,
) -> lockstep_kernel::Result<bool> {
    // What was read and belongs to an entry whose beginning was not; until the last line feed is seen, to none.
    let (mut held, mut end) = (Vec::new(), None::<u64>);
    let mut at = size;
    while at > 0 {
        let from = at.saturating_sub(PIECE as u64);
        let mut block = vec![0; usize::try_from(at - from).unwrap_or(PIECE)];
        let mut filled = 0;
        while filled < block.len() {
            match file::read_at(log.as_fd(), from + filled as u64, &mut block[filled..])? {
                // It was cut meanwhile.
                0 => break,
                n => filled += n,
            }
        }
        let mut upto = block.len();
        while let Some(feed) = block[..upto].iter().rposition(|b| *b == b'\n') {
            let start = from + feed as u64 + 1;
            if let Some(end) = end {
                let entry = [&block[feed + 1..upto], &held].concat();
                if !wants(&entry, start, end) {
                    return Ok(false);
                }
            }
            (upto, end) = (feed, Some(start));
            held.clear();
        }
        if end.is_some() {
            held.splice(..0, block[..upto].iter().copied());
        }
        at = from;
    }
    Ok(end.is_none_or(|end| wants(&held, 0, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> OwnedFd {
        let memory = file::memory("log").expect("a file in memory");
        file::write_fd(&memory, text.as_bytes()).expect("room");
        memory
    }

    /// What is read behind the place of the last lines.
    fn last(files: &[&str], count: usize) -> String {
        let files: Vec<OwnedFd> = files.iter().map(|text| log(text)).collect();
        let (skipped, at) = before_last(&files, count).expect("a place");
        let mut text = String::new();
        for (n, log) in files.iter().enumerate().skip(skipped) {
            file::rewind(log).expect("its beginning");
            let all = file::read_fd(log, usize::MAX / 2).expect("its text");
            let from = if n == skipped { at as usize } else { 0 };
            text.push_str(std::str::from_utf8(&all[from..]).expect("text"));
        }
        text
    }

    #[test]
    fn the_last_lines_are_whole_ones() {
        let entry = |text: &str| format!("T stdout {text}\n");
        let (a, b, c, d) = (entry("F a"), entry("P b"), entry("F c"), entry("F d"));
        let all = [&*a, &b, &c, &d].concat();
        assert_eq!(last(&[&all], 0), "");
        assert_eq!(last(&[&all], 1), d);
        assert_eq!(last(&[&all], 2), [&*b, &c, &d].concat());
        assert_eq!(last(&[&all], 3), all);
        assert_eq!(last(&[&all], 9), all);
        // In several files, of which the last may be empty yet.
        assert_eq!(
            last(&[&[&*a, &b].concat(), &[&*c, &d].concat()], 2),
            [&*b, &c, &d].concat()
        );
        assert_eq!(last(&[&all, ""], 1), d);
        assert_eq!(last(&[], 1), "");
        // An end that is not written is no line, and a line without its end is one.
        assert_eq!(
            last(&[&[&*all, "T stdout F half"].concat()], 1),
            [&*d, "T stdout F half"].concat()
        );
        assert_eq!(last(&[&[&*all, &b].concat()], 1), b);
    }

    #[test]
    fn entries_longer_than_a_read_are_found() {
        let long = format!("T stdout F {}\n", "x".repeat(3 * PIECE));
        let all = format!("T stdout F a\n{long}T stdout F b\n");
        assert_eq!(last(&[&all], 2), all["T stdout F a\n".len()..]);
    }
}
