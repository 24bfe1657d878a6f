//! As much of D-Bus as starting a unit takes: a blocking client of one connection.
//!
//! Own, because a D-Bus library brings threads or an async runtime and is larger than all of the rest;
//! the protocol is that of the D-Bus specification, version 0.42, little-endian, without descriptors.

mod wire;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;

#[cfg(any(test, fuzzing))]
pub(crate) use wire::read_all;
pub(super) use wire::{Body, Method, Reply};
use wire::{ERROR, Message, REPLY, SIGNAL, encode, read_message, read_number};

/// How long all of one connection may take, with the job that it waits for: systemd may be busy with those of a boot.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest message that is read; ours and systemd's answers have a few hundred bytes.
const MESSAGE_MAX: usize = 1 << 20;

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing listens.
    Connect(kernel::Error),
    /// The connection.
    Io(io::Error),
    /// There was no answer in that time.
    Late(Duration),
    /// The other side's answer: name and text.
    Refused(String, String),
    /// The job that the call has queued ended with another result than `done`.
    Job(String),
}

impl Failure {
    /// Whether the other side went away, or does not listen at the moment though its socket is there.
    pub(super) fn hung_up(&self) -> bool {
        match self {
            Failure::Connect(call) => call.is(&[Errno::ECONNREFUSED.0]),
            Failure::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
            ),
            // Of a bus, about it.
            Failure::Refused(name, _) => name == "org.freedesktop.DBus.Error.NoReply",
            _ => false,
        }
    }

    /// Whether there is no such socket.
    pub(super) fn no_socket(&self) -> bool {
        matches!(self, Failure::Connect(call) if call.is(&[Errno::ENOENT.0]))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Connect(call) => write!(f, "{call}"),
            Failure::Io(error) => write!(f, "{error}"),
            Failure::Late(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            Failure::Refused(name, text) => write!(f, "{name}: {text}"),
            Failure::Job(result) => write!(f, "the result of its job is {result}"),
        }
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    limit: Duration,
    /// When that is over.
    end: Instant,
    serial: u32,
    /// Signals that came while an answer was waited for.
    signals: Vec<Message>,
}

impl Connection {
    /// Connects, and proves who we are by the socket's credentials (SASL EXTERNAL).
    pub(super) fn open(socket: &Path) -> Result<Connection, Failure> {
        Connection::open_within(socket, TIMEOUT)
    }

    fn open_within(socket: &Path, limit: Duration) -> Result<Connection, Failure> {
        let end = Instant::now() + limit;
        let connected = kernel::socket::connect_stream_within(socket, limit);
        let stream = connected.map_err(|call| match call.is(&[Errno::EAGAIN.0]) {
            true => Failure::Late(limit),
            false => Failure::Connect(call),
        })?;
        let mut connection = Connection {
            stream: UnixStream::from(stream),
            limit,
            end,
            serial: 0,
            signals: Vec::new(),
        };
        connection.authenticate()?;
        Ok(connection)
    }

    fn authenticate(&mut self) -> Result<(), Failure> {
        // Without a name the peer takes the socket's own credentials: inside a user namespace our
        // number is not the one that it sees. BEGIN goes along: systemd's own socket reads on after it
        // only when something new comes, so no call may arrive together with it.
        self.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        loop {
            let line = self.read_line()?;
            match line.split(' ').next() {
                Some("DATA") => {}
                Some("OK") => return Ok(()),
                _ => {
                    let name = "org.freedesktop.DBus.Error.AuthFailed".to_owned();
                    return Err(Failure::Refused(name, line));
                }
            }
        }
    }

    /// Calls a method and waits for its answer, which is returned in wire form.
    pub(super) fn call(&mut self, method: Method<'_>, body: &Body) -> Result<Reply, Failure> {
        self.serial += 1;
        let message = encode(self.serial, method, body);
        self.send(&message)?;
        loop {
            let message = self.receive()?;
            match message.kind {
                REPLY if message.reply_to == self.serial => return Ok(Reply(message.body)),
                ERROR if message.reply_to == self.serial => {
                    let text = Reply(message.body).text(0).unwrap_or_default();
                    return Err(Failure::Refused(message.error, text));
                }
                SIGNAL => self.signals.push(message),
                _ => {}
            }
        }
    }

    /// Waits for a signal that `wanted` makes something of.
    pub(super) fn signal<T>(
        &mut self,
        member: &str,
        wanted: impl Fn(&Reply) -> Option<T>,
    ) -> Result<T, Failure> {
        loop {
            let message = match self.signals.pop() {
                Some(message) => message,
                None => self.receive()?,
            };
            if message.kind == SIGNAL
                && message.member == member
                && let Some(found) = wanted(&Reply(message.body))
            {
                return Ok(found);
            }
        }
    }

    fn receive(&mut self) -> Result<Message, Failure> {
        let mut fixed = [0u8; 16];
        self.fill(&mut fixed)?;
        if fixed[0] != b'l' {
            return Err(malformed());
        }
        let number = |at: usize| read_number(&fixed, at).unwrap_or(u32::MAX) as usize;
        let (body, fields) = (number(4), number(12));
        if body > MESSAGE_MAX || fields > MESSAGE_MAX {
            return Err(malformed());
        }
        let mut rest = vec![0u8; fields.next_multiple_of(8) + body];
        self.fill(&mut rest)?;
        read_message(fixed[1], fields, rest).ok_or_else(malformed)
    }

    fn read_line(&mut self) -> Result<String, Failure> {
        let mut line = Vec::new();
        // Byte by byte: what follows the last line belongs to the messages.
        while !line.ends_with(b"\r\n") && line.len() < 512 {
            let mut byte = [0u8];
            self.fill(&mut byte)?;
            line.extend(byte);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// The socket's own time limits are of one call, and a peer that says other things begins each anew.
    fn left(&self) -> Result<Duration, Failure> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Late(self.limit));
        }
        Ok(left)
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            let sent = self.stream.write(bytes);
            bytes = &bytes[moved(sent)?..];
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        let mut at = 0;
        while at < buffer.len() {
            self.stream.set_read_timeout(Some(self.left()?))?;
            let got = self.stream.read(&mut buffer[at..]);
            at += moved(got)?;
        }
        Ok(())
    }
}

/// How many bytes went. None where the call was interrupted or its time was over, which the clock tells.
fn moved(result: io::Result<usize>) -> Result<usize, Failure> {
    match result {
        Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other side hung up").into()),
        Ok(n) => Ok(n),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
            ) =>
        {
            Ok(0)
        }
        Err(e) => Err(e.into()),
    }
}

fn malformed() -> Failure {
    let text = "the other side does not speak D-Bus as we do";
    Failure::Io(io::Error::new(io::ErrorKind::InvalidData, text))
}

#[cfg(test)]
mod tests;
