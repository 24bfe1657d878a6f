//! A client of a container's streams: output to here, input and signals from here, until it ends or is left.
//!
//! It never waits for one of them alone. A program may write before it has read everything and the other way round, the
//! reader here may be slow or stopped, and signals have to get through at any moment. One exception: a terminal that may
//! not be opened anew and takes no more (Ctrl-S) holds the one write that has begun, since it is called writable with less
//! room than a piece.

use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_abi::signal::{SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGURG, SIGWINCH};
use lockstep_kernel::console::{self, Raw};
use lockstep_kernel::event::{self, Want};
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::signal;
use lockstep_runtime::Keys;
use lockstep_supervisor::{Connection, Exit, Reply, Request};

use crate::failure::{Doing, Failure};

/// Most bytes of one write: a pipe that poll(2) calls writable takes them without blocking (PIPE_BUF of pipe(7)), and
/// the caller's pipe is not ours to make non-blocking.
const PIECE: usize = 4096;
/// How many signals that end a program come, while nobody takes the output, until the rest of it is given up; as many
/// as end Docker's client.
const PATIENCE: u8 = 3;
/// Keys that leave an attached container unless others are named.
const DETACH_KEYS: &str = "ctrl-p,ctrl-q";

/// How a session ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With the container.
    Exited(Exit),
    /// By its keys; the container goes on.
    Detached,
    /// By a signal that is not the container's; the container goes on.
    Signalled(i32),
    /// Without a word from the supervisor.
    Unheard,
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
    /// Serves until the container ends or is left. Every signal of this process is blocked by now.
    pub(crate) fn serve(self) -> Result<Ended, Failure> {
        let [stdin, ..] = console::standard_streams();
        let signals = event::signals().doing(|| "signals".into())?;
        let raw = match self.terminal && self.input.is_some() {
            true => Raw::enter(stdin).doing(|| "the terminal's mode".into())?,
            false => None,
        };
        let mut served = Served {
            keys: Keys::new(self.detach_keys),
            raw: raw.is_some(),
            input_ends: false,
            output: Vec::new(),
            place: 0,
            anew: Default::default(),
            unheeded: 0,
            session: self,
        };
        served.resize();
        let ended = loop {
            if let Some(ended) = served.round(&signals)? {
                break ended;
            }
        };
        drop(raw);
        Ok(ended)
    }
}

/// What a descriptor in the poll set is.
enum Watched {
    Control,
    Signals,
    Output,
    /// This process's own, to be read.
    Stdin,
    /// The container's, which has not taken everything yet.
    Input,
}

/// A session and what is on its way.
struct Served<'a> {
    session: Session<'a>,
    keys: Keys<'a>,
    /// Whether input is typed at a terminal in raw mode.
    raw: bool,
    /// Whether the input ends behind what is posted.
    input_ends: bool,
    /// Output that is not written yet, and to which of `shown` it belongs.
    output: Vec<u8>,
    place: usize,
    /// Standard output and error opened anew, where they are terminals.
    anew: [OnceCell<Option<OwnedFd>>; 2],
    /// Signals since the last write that end programs.
    unheeded: u8,
}

impl Served<'_> {
    fn round(&mut self, signals: &OwnedFd) -> Result<Option<Ended>, Failure> {
        let [stdin, ..] = console::standard_streams();
        let (mut watched, mut fds) = (Vec::with_capacity(4), Vec::with_capacity(4));
        let mut watch = |what, fd, want| {
            watched.push(what);
            fds.push((fd, want));
        };
        let Session { control, input, .. } = &self.session;
        // What was heard is written before more is heard: a program waits for a slow reader as at a pipe.
        match (self.output.is_empty(), control.is_behind()) {
            (true, false) => watch(Watched::Control, control.as_fd(), Want::Read),
            (true, true) => watch(Watched::Control, control.as_fd(), Want::Both),
            (false, true) => watch(Watched::Control, control.as_fd(), Want::Write),
            (false, false) => {}
        }
        watch(Watched::Signals, signals.as_fd(), Want::Read);
        if !self.output.is_empty() {
            watch(Watched::Output, self.destination(), Want::Write);
        }
        match input {
            Some(input) if input.is_behind() => watch(Watched::Input, input.as_fd(), Want::Write),
            Some(_) => watch(Watched::Stdin, stdin, Want::Read),
            None => {}
        }
        let ready = event::ready(&fds, None).doing(|| "waiting for the container".into())?;
        drop(fds);
        for (what, ready) in watched.into_iter().zip(ready) {
            let ended = self.serve(&what, ready, signals)?;
            if ended.is_some() {
                return Ok(ended);
            }
        }
        Ok(None)
    }

    fn serve(
        &mut self,
        what: &Watched,
        ready: event::Ready,
        signals: &OwnedFd,
    ) -> Result<Option<Ended>, Failure> {
        match what {
            Watched::Control => {
                if ready.write {
                    self.session.control.flush();
                }
                if ready.read {
                    return self.hear();
                }
            }
            Watched::Signals if ready.read => {
                let number = event::next_signal(signals.as_fd()).doing(|| "signals".into())?;
                return Ok(self.signal(number));
            }
            Watched::Output if ready.write => self.write()?,
            Watched::Stdin if ready.read => {
                return Ok(self.pump().then_some(Ended::Detached));
            }
            Watched::Input if ready.write => {
                if let Some(input) = &mut self.session.input {
                    input.flush();
                }
                self.settle_input();
            }
            _ => {}
        }
        Ok(None)
    }

    fn hear(&mut self) -> Result<Option<Ended>, Failure> {
        match self.session.control.receive()? {
            Reply::Exited(exit) => Ok(Some(Ended::Exited(exit))),
            Reply::Output(number, bytes) => {
                let place = usize::from(number == 2);
                if self.session.shown[place] {
                    (self.output, self.place) = (bytes, place);
                }
                Ok(None)
            }
            Reply::Started(..) | Reply::Failed(_) => Ok(None),
            Reply::End => Ok(Some(Ended::Unheard)),
        }
    }

    /// Where the output belongs. A terminal is opened anew for writes that do not wait while it is stopped: the caller's own
    /// open file is not ours to change.
    fn destination(&self) -> BorrowedFd<'_> {
        let [_, stdout, stderr] = console::standard_streams();
        let given = [stdout, stderr][self.place];
        let anew = self.anew[self.place].get_or_init(|| {
            console::size(given)?;
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
            let path = format!("/proc/self/fd/{}", self.place + 1);
            // EACCES: a terminal of another user's, after su(1).
            file::openat(file::CWD, path, flags, 0).ok()
        });
        anew.as_ref().map_or(given, AsFd::as_fd)
    }

    fn write(&mut self) -> Result<(), Failure> {
        let piece = &self.output[..self.output.len().min(PIECE)];
        match file::write_some(self.destination(), piece) {
            Ok(taken) => {
                self.output.drain(..taken);
                self.unheeded = 0;
            }
            // Nobody reads here, so the program is told as if it had written there itself. EIO: of a terminal that was hung up.
            Err(e) if e.is(&[Errno::EPIPE.0, Errno::ECONNRESET.0, Errno::EIO.0]) => {
                self.output.clear();
                self.session.shown[self.place] = false;
                let number = if self.place == 0 { 1 } else { 2 };
                self.session.control.post(&Request::Hangup(number));
            }
            // ENOSPC above all. What is lost cannot be made good, and the log has it.
            Err(e) => {
                let name = ["standard output", "standard error"][self.place];
                let failure = Failure::call(format!("writing to {name}"), &e);
                return Err(failure.hint("the container goes on; its log has what it writes"));
            }
        }
        Ok(())
    }

    /// SIGURG is not passed on, as in runc: language runtimes send it to themselves.
    fn signal(&mut self, number: i32) -> Option<Ended> {
        let ends = matches!(number, SIGTERM | SIGINT | SIGHUP | SIGQUIT);
        match number {
            SIGPIPE | SIGCHLD | SIGURG => {}
            SIGWINCH => self.resize(),
            _ if !self.session.pass_signals => return ends.then_some(Ended::Signalled(number)),
            _ => {
                self.session.control.post(&Request::Signal(number));
                self.unheeded += u8::from(ends && !self.output.is_empty());
                if self.unheeded >= PATIENCE {
                    self.session.shown = [false; 2];
                    self.output.clear();
                }
            }
        }
        None
    }

    fn resize(&mut self) {
        let [stdin, stdout, _] = console::standard_streams();
        let size = || console::size(stdin).or_else(|| console::size(stdout));
        if self.session.terminal
            && let Some((rows, columns)) = size()
        {
            self.session.control.post(&Request::Resize(rows, columns));
        }
    }

    /// Passes input on; whether the keys were typed. Input that nobody takes any more is not an error: the
    /// container is ending, and says so itself.
    fn pump(&mut self) -> bool {
        let [stdin, ..] = console::standard_streams();
        let Some(input) = &mut self.session.input else {
            return false;
        };
        let read = match file::read_some(stdin) {
            Err(e) if e.is(&[Errno::EAGAIN.0]) => return false,
            other => other.unwrap_or_default(),
        };
        let mut left = false;
        match (self.session.terminal, read.is_empty()) {
            // The terminal here was hung up, which is no key that was typed at it.
            (true, true) if self.raw => self.session.input = None,
            (_, true) => {
                input.post(&Request::InputEnd);
                self.input_ends = true;
            }
            (true, false) => {
                let typed;
                (typed, left) = self.keys.take(&read);
                input.post_input(&typed);
            }
            (false, false) => input.post_input(&read),
        }
        self.settle_input();
        left
    }

    /// Closes the input behind its last byte, or where nobody takes any.
    fn settle_input(&mut self) {
        let ends = self.input_ends;
        self.session
            .input
            .take_if(|input| input.is_gone() || (ends && !input.is_behind()));
    }
}

/// Blocks every signal, so that none is lost between two waits.
pub(crate) fn block_signals() -> Result<signal::Mask, Failure> {
    signal::block_all().doing(|| "blocking signals".into())
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
}
