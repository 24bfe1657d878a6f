//! The error of every operation on images: which image or entry, what is wrong, and where the kernel refused, the call.

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;
use std::fmt;

/// What kind of thing went wrong, where callers decide on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No such image, file or reference.
    NotFound,
    /// A short id or an archive stands for more than one image.
    Ambiguous,
    /// A container uses the image.
    InUse,
    /// A document, an archive or a name is malformed, or tries what no image may.
    Invalid,
    /// One of [`crate::Limits`] is exceeded, which the message names.
    Limit,
    /// Bytes have another digest or length than was promised.
    Mismatch,
    /// It is well-formed, and this version cannot do it.
    Unsupported,
    /// The kernel refused a call.
    Kernel,
}

/// An operation that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Details>);

/// What there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// What kind of failure.
    pub kind: Kind,
    /// One line: where, and what is wrong with which value.
    pub message: String,
    /// The refused call in strace form.
    pub call: Option<kernel::Error>,
    /// What the user could do.
    pub hint: Option<String>,
}

/// Result of an operation on images.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl std::ops::Deref for Error {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl Error {
    /// An error without a call behind it.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Box::new(Details {
            kind,
            message: message.into(),
            call: None,
            hint: None,
        }))
    }

    /// A malformed or hostile thing.
    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(Kind::Invalid, message)
    }

    /// A refused call and what it was for.
    pub fn call(message: impl Into<String>, call: kernel::Error) -> Error {
        let mut error = Error::new(Kind::Kernel, message);
        error.0.call = Some(call);
        error
    }

    /// Puts the place before the message: `layer sha256:..: entry "a/b": ...`.
    #[must_use]
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Error {
        self.0.message = format!("{place}: {}", self.message);
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint.get_or_insert(hint.into());
        self
    }

    /// Whether the kernel answered with this errno.
    #[must_use]
    pub fn is_errno(&self, errno: i32) -> bool {
        self.call.as_ref().is_some_and(|call| call.is(&[errno]))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.call {
            Some(call) => {
                let reason = Errno(call.errno).description().to_lowercase();
                write!(f, ": {call}: {reason}")
            }
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Streams of the standard library carry our errors inside theirs.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        std::io::Error::other(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        let broken = match error.raw_os_error() {
            Some(errno) => {
                let call = "read or write of a stream".to_owned();
                return Error::call("stream", kernel::Error { call, errno });
            }
            None => Error::invalid(format!("stream: {error}")),
        };
        match error.into_inner().map(|inner| inner.downcast::<Error>()) {
            Some(Ok(own)) => *own,
            _ => broken,
        }
    }
}

/// Adds what was being done to a refused call.
pub(crate) trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> During<T> for kernel::Result<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|call| Error::call(what(), call))
    }
}

/// Adds the place to an error of ours.
pub(crate) trait Within<T> {
    fn within(self, place: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> Within<T> for std::result::Result<T, E> {
    fn within(self, place: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().within(place()))
    }
}

impl From<lockstep_oci::image::Error> for Error {
    fn from(error: lockstep_oci::image::Error) -> Error {
        Error::invalid(error.to_string())
    }
}

/// Hostile bytes as they may stand in an error: quoted, escaped and cut.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 160;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]).into_owned();
    let more = if bytes.len() > LONGEST { "..." } else { "" };
    format!("{text:?}{more}")
}
