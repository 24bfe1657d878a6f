//! What a supervisor and its clients say to each other: one message per datagram, a version and a tag in front.
//!
//! Both ends are this program, perhaps of another release: a version that is not known ends the connection.
//! Messages are bounded by [`socket::MESSAGE_LIMIT`]; what is longer is cut before it is sent.

use lockstep_kernel::socket;
use lockstep_runtime::{Error, Kind};
use serde::{Serialize, de::DeserializeOwned};

use crate::job::{Exit, Job};

/// Version of the messages.
const VERSION: u8 = 1;
/// Most bytes of a stream in one message.
pub(crate) const CHUNK: usize = socket::MESSAGE_LIMIT - 3;

/// A client's message.
#[derive(Debug)]
pub enum Request {
    /// The first one, from the process that started the supervisor.
    Begin(Box<Job>),
    /// Send the output from now on.
    Attach,
    /// Standard input of the container; without bytes, that this client is who gives it.
    Input(Vec<u8>),
    /// There is no more of it.
    InputEnd,
    /// Nobody reads this output (1 or 2) any more, so that a writer learns of it as from a broken pipe.
    Hangup(u8),
    /// The terminal's size: rows, columns.
    Resize(u16, u16),
    /// Send a signal to the first process.
    Signal(i32),
    /// Tell when the container has ended.
    Wait,
    /// Signal, and milliseconds until SIGKILL; `None` is the container's own.
    Stop(Option<i32>, Option<u64>),
}

/// A supervisor's message.
#[derive(Debug)]
pub enum Reply {
    /// The program runs, as this process; with the downgrades, one line each.
    Started(i32, Vec<String>),
    /// It does not, and nothing is left of it.
    Failed(Error),
    /// Output: stream 1 or 2, and bytes.
    Output(u8, Vec<u8>),
    /// The container has ended.
    Exited(Exit),
    /// The connection has ended without that.
    End,
}

impl Request {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Request::Begin(job) => json(b'B', job),
            Request::Attach => vec![VERSION, b'A'],
            Request::Input(bytes) => raw(b'I', bytes),
            Request::InputEnd => vec![VERSION, b'E'],
            Request::Hangup(stream) => vec![VERSION, b'H', *stream],
            Request::Resize(rows, columns) => json(b'R', &(rows, columns)),
            Request::Signal(number) => json(b'S', number),
            Request::Wait => vec![VERSION, b'W'],
            Request::Stop(signal, timeout) => json(b'T', &(signal, timeout)),
        }
    }

    /// From bytes; `None` for what this version does not understand.
    pub fn decode(bytes: &[u8]) -> Option<Request> {
        let [VERSION, tag, body @ ..] = bytes else {
            return None;
        };
        Some(match tag {
            b'B' => Request::Begin(parse(body)?),
            b'A' => Request::Attach,
            b'I' => Request::Input(body.to_vec()),
            b'E' => Request::InputEnd,
            b'H' => Request::Hangup(*body.first()?),
            b'R' => parse(body).map(|(rows, columns)| Request::Resize(rows, columns))?,
            b'S' => Request::Signal(parse(body)?),
            b'W' => Request::Wait,
            b'T' => parse(body).map(|(signal, timeout)| Request::Stop(signal, timeout))?,
            _ => return None,
        })
    }
}

impl Reply {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Reply::Started(pid, lost) => {
                let mut lost = lost.clone();
                loop {
                    let message = json(b'S', &(pid, &lost));
                    if message.len() <= socket::MESSAGE_LIMIT || lost.is_empty() {
                        return message;
                    }
                    lost.pop();
                }
            }
            Reply::Failed(error) => json(b'F', &shortened(error)),
            Reply::Output(stream, bytes) => {
                let mut message = vec![VERSION, b'O', *stream];
                message.extend_from_slice(bytes);
                message
            }
            Reply::Exited(exit) => json(b'X', exit),
            Reply::End => Vec::new(),
        }
    }

    /// From bytes; what this version does not understand is the end, as nothing at all is.
    pub fn decode(bytes: &[u8]) -> Reply {
        let [VERSION, tag, body @ ..] = bytes else {
            return Reply::End;
        };
        let decoded = match (tag, body) {
            (b'S', body) => parse(body).map(|(pid, lost)| Reply::Started(pid, lost)),
            (b'F', body) => parse(body).map(Reply::Failed),
            (b'O', [stream, bytes @ ..]) => Some(Reply::Output(*stream, bytes.to_vec())),
            (b'X', body) => parse(body).map(Reply::Exited),
            _ => None,
        };
        decoded.unwrap_or(Reply::End)
    }
}

/// An error that fits: paths and messages can be as long as anybody likes.
fn shortened(error: &Error) -> Error {
    // In JSON a character takes six bytes at most.
    const LONGEST: usize = (socket::MESSAGE_LIMIT - 256) / 6 / 5;
    let cut = |text: &str| match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    };
    let mut short = Error::new(error.kind, cut(&error.message));
    short.call = error.call.as_deref().map(cut);
    short.reason = error.reason.as_deref().map(cut);
    short.asked = error.asked.as_deref().map(cut);
    short.hint = error.hint.as_deref().map(cut);
    short
}

fn raw(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![VERSION, tag];
    message.extend_from_slice(bytes);
    message
}

fn json<T: Serialize>(tag: u8, value: &T) -> Vec<u8> {
    let mut message = vec![VERSION, tag];
    // Our own types of strings and numbers: serialising them cannot fail.
    serde_json::to_writer(&mut message, value).unwrap_or_default();
    message
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// An error of the conversation itself.
pub(crate) fn broken(what: &str) -> Error {
    Error::new(Kind::Kernel, format!("the supervisor {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_out_as_they_went_in() {
        let all = [
            Request::Attach,
            Request::Input(vec![0, 255, b'\n']),
            Request::InputEnd,
            Request::Hangup(2),
            Request::Resize(24, 80),
            Request::Signal(15),
            Request::Wait,
            Request::Stop(Some(2), None),
        ];
        for request in all {
            let decoded = Request::decode(&request.encode());
            assert_eq!(format!("{decoded:?}"), format!("{:?}", Some(&request)));
        }
    }

    #[test]
    fn another_version_and_nonsense_end_the_conversation() {
        assert!(Request::decode(&[2, b'A']).is_none());
        assert!(Request::decode(&[VERSION, b'?']).is_none());
        assert!(Request::decode(&[VERSION, b'R', b'x']).is_none());
        assert!(Request::decode(&[]).is_none());
        assert!(matches!(Reply::decode(&[2, b'S']), Reply::End));
        assert!(matches!(Reply::decode(&[VERSION, b'O']), Reply::End));
    }

    #[test]
    fn an_endless_error_fits_into_a_message() {
        let long = "\u{1}".repeat(100 << 10);
        let mut error = Error::new(Kind::Kernel, long.as_str()).hint(long.as_str());
        error = error.asked(long.as_str());
        error.call = Some(long.clone());
        error.reason = Some(long);
        let bytes = Reply::Failed(error).encode();
        assert!(bytes.len() <= socket::MESSAGE_LIMIT, "{}", bytes.len());
        let many = vec!["x".repeat(1000); 100];
        let bytes = Reply::Started(1, many).encode();
        assert!(bytes.len() <= socket::MESSAGE_LIMIT, "{}", bytes.len());
    }
}
