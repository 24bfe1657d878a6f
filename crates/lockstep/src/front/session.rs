//! A client of a container's streams: output to here, input and signals from here, until it ends or is left.

use std::os::fd::{AsFd, BorrowedFd};

use lockstep_abi::errno::Errno;
use lockstep_abi::signal::{SIGCHLD, SIGPIPE, SIGURG, SIGWINCH};
use lockstep_kernel::console::{self, Raw};
use lockstep_kernel::{event, file, signal};
use lockstep_supervisor::{Connection, Exit, Reply, Request};

use crate::failure::{Doing, Failure};

/// Keys that leave an attached container unless others are named.
const DETACH_KEYS: &str = "ctrl-p,ctrl-q";

/// How a session ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With the container.
    Exited(Exit),
    /// By its keys; the container goes on.
    Detached,
}

/// What is connected.
pub(crate) struct Session<'a> {
    pub(crate) control: Connection,
    /// A connection of its own for input: a container that does not read must not hold up signals.
    pub(crate) input: Option<Connection>,
    pub(crate) terminal: bool,
    /// Which of standard output and standard error are shown.
    pub(crate) shown: [bool; 2],
    pub(crate) detach_keys: &'a [u8],
    pub(crate) pass_signals: bool,
}

impl Session<'_> {
    /// Serves until the container ends or the keys are typed. Every signal of this process is blocked by now.
    pub(crate) fn serve(mut self) -> Result<Ended, Failure> {
        let [stdin, ..] = console::standard_streams();
        let signals = event::signals().doing(|| "signals".into())?;
        let raw = match self.terminal && self.input.is_some() {
            true => Raw::enter(stdin).doing(|| "the terminal's mode".into())?,
            false => None,
        };
        if self.terminal {
            self.resize()?;
        }
        let mut keys = Keys::new(self.detach_keys);
        let ended = loop {
            let input = self.input.as_ref().map(|_| stdin);
            let ready =
                event::readable(&[Some(self.control.as_fd()), Some(signals.as_fd()), input])
                    .doing(|| "waiting for the container".into())?;
            if ready[0]
                && let Some(exit) = self.hear()?
            {
                break Ended::Exited(exit);
            }
            if ready[1] {
                self.signal(event::next_signal(signals.as_fd()).doing(|| "signals".into())?)?;
            }
            if ready[2] && self.pump(stdin, &mut keys) {
                break Ended::Detached;
            }
        };
        drop(raw);
        Ok(ended)
    }

    fn hear(&mut self) -> Result<Option<Exit>, Failure> {
        match self.control.receive()? {
            Reply::Exited(exit) => Ok(Some(exit)),
            Reply::Output(number, bytes) => {
                self.show(number, &bytes)?;
                Ok(None)
            }
            Reply::Started(..) | Reply::Failed(_) => Ok(None),
            Reply::End => Err(
                Failure::new("the container's supervisor has ended without a word")
                    .hint("it was killed, and the container with it"),
            ),
        }
    }

    fn show(&mut self, number: u8, bytes: &[u8]) -> Result<(), Failure> {
        let [_, stdout, stderr] = console::standard_streams();
        let (place, to) = match number {
            2 => (1, stderr),
            _ => (0, stdout),
        };
        if !self.shown[place] {
            return Ok(());
        }
        if file::write_fd(to, bytes).is_err() {
            // EPIPE: nobody reads here, so the program is told as if it had written there itself.
            self.shown[place] = false;
            self.control.send(&Request::Hangup(number))?;
        }
        Ok(())
    }

    /// SIGURG is not passed on, as in runc: language runtimes send it to themselves.
    fn signal(&self, number: i32) -> Result<(), Failure> {
        match number {
            SIGPIPE | SIGCHLD | SIGURG => Ok(()),
            SIGWINCH => self.resize(),
            _ if self.pass_signals => Ok(self.control.send(&Request::Signal(number))?),
            _ => Ok(()),
        }
    }

    fn resize(&self) -> Result<(), Failure> {
        let [stdin, stdout, _] = console::standard_streams();
        if let Some((rows, columns)) = console::size(stdin).or_else(|| console::size(stdout)) {
            self.control.send(&Request::Resize(rows, columns))?;
        }
        Ok(())
    }

    /// Passes input on; whether the keys were typed. Input that nobody takes any more is not an error: the
    /// container is ending, and says so itself.
    fn pump(&mut self, stdin: BorrowedFd<'_>, keys: &mut Keys<'_>) -> bool {
        let Some(input) = &self.input else {
            return false;
        };
        let read = match file::read_some(stdin) {
            Err(e) if e.is(&[Errno::EAGAIN.0]) => return false,
            other => other.unwrap_or_default(),
        };
        if read.is_empty() {
            drop(input.send(&Request::InputEnd));
            self.input = None;
            return false;
        }
        let typed = match self.terminal {
            true => keys.take(&read),
            false => Some(read),
        };
        match typed {
            Some(bytes) => {
                drop(input.send_input(&bytes));
                false
            }
            None => true,
        }
    }
}

/// Blocks every signal, so that none is lost between two waits.
pub(crate) fn block_signals() -> Result<signal::Mask, Failure> {
    signal::block_all().doing(|| "blocking signals".into())
}

/// Looks for a sequence of keys in what is typed, and holds back what may be its beginning.
struct Keys<'a> {
    sequence: &'a [u8],
    matched: usize,
}

impl<'a> Keys<'a> {
    fn new(sequence: &'a [u8]) -> Keys<'a> {
        Keys {
            sequence,
            matched: 0,
        }
    }

    /// What goes to the container; `None` when the sequence is complete.
    fn take(&mut self, typed: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(typed.len());
        for byte in typed {
            if self.sequence.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == self.sequence.len() {
                    return None;
                }
                continue;
            }
            // It was something else after all.
            out.extend_from_slice(&self.sequence[..self.matched]);
            self.matched = usize::from(self.sequence.first() == Some(byte));
            if self.matched == 0 {
                out.push(*byte);
            }
        }
        Some(out)
    }
}

/// Reads keys as Docker writes them: letters, and `ctrl-` with a letter or one of `@[\]^_`.
pub(crate) fn detach_keys(text: Option<&str>) -> Result<Vec<u8>, Failure> {
    let text = text.unwrap_or(DETACH_KEYS);
    let wrong = || {
        Failure::new(format!(
            "--detach-keys takes keys as {DETACH_KEYS}, not {text:?}"
        ))
    };
    let key = |name: &str| match (name.strip_prefix("ctrl-"), name.as_bytes()) {
        (Some(letter), _) => match letter.to_ascii_uppercase().as_bytes() {
            [letter @ b'@'..=b'_'] => Ok(letter - b'@'),
            _ => Err(wrong()),
        },
        (None, [letter]) => Ok(*letter),
        _ => Err(wrong()),
    };
    text.split(',')
        .filter(|name| !name.is_empty())
        .map(key)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_docker_s() {
        assert_eq!(detach_keys(None).expect("keys"), [16, 17]);
        assert_eq!(detach_keys(Some("ctrl-a,d")).expect("keys"), [1, b'd']);
        assert!(detach_keys(Some("")).expect("no keys").is_empty());
        assert!(detach_keys(Some("ctrl-ab")).is_err());
    }

    #[test]
    fn a_beginning_that_leads_nowhere_is_typed_after_all() {
        let mut keys = Keys::new(&[16, 17]);
        assert_eq!(keys.take(b"ab"), Some(b"ab".to_vec()));
        assert_eq!(keys.take(&[16]), Some(vec![]));
        assert_eq!(keys.take(b"x"), Some(vec![16, b'x']));
        assert_eq!(keys.take(&[16, 16]), Some(vec![16]));
        assert_eq!(keys.take(&[17]), None);
        assert_eq!(Keys::new(&[]).take(&[16, 17]), Some(vec![16, 17]));
    }
}
