//! The ways to the terminal: data, remarks, and how far long work is.

use std::cell::Cell;
use std::time::{Duration, Instant};

use lockstep_abi::errno::Errno;
use lockstep_kernel::{console, file};

use crate::failure::{Doing, Failure};

/// Writes data to standard output. A reader that has gone (EPIPE) is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let [_, stdout, _] = console::standard_streams();
    // Unbuffered, so that a full disk is an error and not a success with half an answer.
    match file::write_fd(stdout, text.as_bytes()) {
        Err(error) if error.is(&[Errno::EPIPE.0]) => Ok(()),
        other => other.doing(|| "standard output".into()),
    }
}

/// Writes a remark for people to standard error.
pub(crate) fn note(text: &str) {
    let [_, _, stderr] = console::standard_streams();
    // There is no further place to complain to.
    drop(file::write_fd(stderr, format!("{text}\n").as_bytes()));
}

/// Work that is over by then says nothing of itself.
const QUIET: Duration = Duration::from_millis(500);
/// Time between two looks at the same work.
const TURN: Duration = Duration::from_millis(100);

/// How far long work is: one line of a terminal that is written anew, and taken away at the end. Nothing where standard
/// error is no terminal, or where nothing is to be said.
pub(crate) struct Meter {
    /// Columns of the terminal.
    width: Option<usize>,
    next: Cell<Instant>,
    begun: Instant,
}

impl Meter {
    pub(crate) fn new(quiet: bool) -> Meter {
        let [_, _, stderr] = console::standard_streams();
        let size = console::size(stderr).filter(|_| !quiet);
        let begun = Instant::now();
        Meter {
            // One that does not say how wide it is has its traditional width.
            width: size.map(|(_, columns)| match columns {
                0 => 80,
                columns => usize::from(columns),
            }),
            next: Cell::new(begun + QUIET),
            begun,
        }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_seen(&self) -> bool {
        self.width.is_some()
    }

    /// Shows what `text` says, if it is time to.
    pub(crate) fn show(&self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if let Some(width) = self.width
            && now >= self.next.get()
        {
            self.next.set(now + TURN);
            let text: String = text().chars().take(width - 1).collect();
            rewrite(&text);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        // It may have been shown by a process that was forked.
        if self.is_seen() && self.begun.elapsed() >= QUIET {
            rewrite("");
        }
    }
}

/// Goes to the beginning of the line, erases it (ECMA-48 EL), and writes.
fn rewrite(text: &str) {
    let [_, _, stderr] = console::standard_streams();
    // There is no further place to complain to.
    drop(file::write_fd(stderr, format!("\r\x1b[K{text}").as_bytes()));
}

/// Bytes that are done, of how many if that is known.
pub(crate) fn part(done: u64, total: u64) -> String {
    match total {
        0 => crate::number::human(done),
        total => format!(
            "{} of {} ({} %)",
            crate::number::human(done),
            crate::number::human(total),
            u128::from(done.min(total)) * 100 / u128::from(total)
        ),
    }
}
