//! The container's standard streams: pipes or a terminal, with what could not be written yet.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_kernel::{console, file, process, socket};
use lockstep_runtime::Result;
use lockstep_runtime::error::For;

use crate::log::Stream;

/// Most bytes of input that wait for the container before clients that give more have to wait too.
const INPUT_LIMIT: usize = 64 << 10;

/// The supervisor's ends of the streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// Both outputs, as long as somebody has the other end: pipes, or the terminal as the first.
    outputs: [Option<OwnedFd>; 2],
    input: Option<OwnedFd>,
    pending: Vec<u8>,
    /// Whether the input ends behind what is pending.
    ending: bool,
    terminal: bool,
}

impl Streams {
    /// Puts pipes where the next process inherits its standard streams from; without `stdin` it reads nothing.
    /// `owner` is the host's user who may open them again, as `/dev/stdout` does.
    pub(crate) fn pipes(stdin: bool, owner: Option<u32>) -> Result<Streams> {
        let what = || "standard streams".to_owned();
        let mut streams = Streams::default();
        let own = |end: &OwnedFd| match owner {
            Some(owner) => file::fchown(end, owner),
            None => Ok(()),
        };
        if stdin {
            let (read, write) = socket::pipe().during(what)?;
            own(&read).during(what)?;
            process::dup_onto(read.as_fd(), 0).during(what)?;
            file::set_nonblocking(&write).during(what)?;
            streams.input = Some(write);
        }
        for (number, place) in [1, 2].into_iter().zip(&mut streams.outputs) {
            let (read, write) = socket::pipe().during(what)?;
            own(&write).during(what)?;
            process::dup_onto(write.as_fd(), number).during(what)?;
            *place = Some(read);
        }
        Ok(streams)
    }

    /// Takes the container's ends away from this process, whose own streams lead nowhere again.
    pub(crate) fn let_go() -> Result<()> {
        let what = || "standard streams".to_owned();
        let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0).during(what)?;
        for number in 0..3 {
            process::dup_onto(null.as_fd(), number).during(what)?;
        }
        Ok(())
    }

    /// A terminal's master, which is input and output at once.
    pub(crate) fn terminal(master: OwnedFd, stdin: bool) -> Result<Streams> {
        let what = || "terminal".to_owned();
        file::set_nonblocking(&master).during(what)?;
        let input = match stdin {
            true => Some(file::duplicate(&master).during(what)?),
            false => None,
        };
        Ok(Streams {
            outputs: [Some(master), None],
            input,
            terminal: true,
            ..Streams::default()
        })
    }

    /// The outputs that may still bring something.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = (Stream, BorrowedFd<'_>)> {
        let streams = [Stream::Out, Stream::Err];
        let pairs = streams.into_iter().zip(&self.outputs);
        pairs.filter_map(|(stream, output)| Some((stream, output.as_ref()?.as_fd())))
    }

    /// The input, while it has bytes to take.
    pub(crate) fn waiting_input(&self) -> Option<BorrowedFd<'_>> {
        let waiting = !self.pending.is_empty();
        self.input.as_ref().filter(|_| waiting).map(AsFd::as_fd)
    }

    /// Whether clients should keep their input for now.
    pub(crate) fn input_is_full(&self) -> bool {
        self.pending.len() >= INPUT_LIMIT
    }

    /// Reads from an output; `None` at its end. Nothing to read now is no bytes.
    pub(crate) fn read<'b>(&mut self, stream: Stream, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let place = &mut self.outputs[usize::from(stream.number()) - 1];
        let read = file::read_into(place.as_ref()?, buffer);
        match read {
            Ok(0) => {}
            Ok(n) => return Some(&buffer[..n]),
            Err(e) if e.is(&[Errno::EAGAIN.0]) => return Some(&buffer[..0]),
            // EIO: nobody has the terminal open any more.
            Err(_) => {}
        }
        *place = None;
        None
    }

    /// Takes input for the container; it is lost where nobody reads.
    pub(crate) fn give(&mut self, bytes: &[u8]) {
        if self.input.is_some() && !self.ending {
            self.pending.extend_from_slice(bytes);
            self.flush();
        }
    }

    /// No input follows. A terminal has no end of its own, but a key that says so.
    pub(crate) fn end_input(&mut self) {
        if self.terminal {
            return self.give(&[0x04]);
        }
        self.ending = true;
        self.flush();
    }

    /// Who gave the input has gone. A terminal is still there for the next one, as a real one is.
    pub(crate) fn lose_giver(&mut self) {
        if !self.terminal {
            self.end_input();
        }
    }

    /// Writes what the container takes now.
    pub(crate) fn flush(&mut self) {
        if let Some(input) = &self.input {
            match file::write_some(input, &self.pending) {
                Ok(taken) => drop(self.pending.drain(..taken)),
                // EPIPE: nobody reads.
                Err(_) => {
                    self.pending.clear();
                    self.ending = true;
                }
            }
        }
        if self.ending && self.pending.is_empty() {
            self.input = None;
        }
    }

    /// Closes an output: who writes to it gets EPIPE or, from a terminal, a hangup.
    pub(crate) fn hang_up(&mut self, number: u8) {
        if let Some(place) = usize::from(number)
            .checked_sub(1)
            .and_then(|n| self.outputs.get_mut(n))
        {
            *place = None;
        }
    }

    /// The terminal's size in characters.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        if let (true, Some(master)) = (self.terminal, &self.outputs[0]) {
            // The container may have closed its terminal; a size that nobody sees is no loss.
            drop(console::set_size(master.as_fd(), rows, columns));
        }
    }
}
