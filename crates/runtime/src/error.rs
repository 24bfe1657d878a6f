//! The error of every runtime operation: one line that engines match on, and what stands behind it.
//!
//! The first line keeps the wording that scripts written for runc look for; the call, the asking field and
//! the hint are separate, so that they are shown without being parsed out again.

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of thing went wrong, where callers decide on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// No container of that id.
    NotFound,
    /// A container of that id exists.
    Exists,
    /// The container is in a state in which this cannot be done.
    WrongState,
    /// The request or the configuration is wrong.
    Invalid,
    /// The program to execute does not exist or is no program.
    Program,
    /// The kernel does not id-map a file system that a mount brings.
    IdMap,
    /// The kernel refused.
    Kernel,
}

/// An operation that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Error(Box<Details>);

/// What there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// What kind of failure.
    pub kind: Kind,
    /// One line, without the details below.
    pub message: String,
    /// The refused call in strace form with its errno's name.
    pub call: Option<String>,
    /// The errno's description, as strerror(3) words it.
    pub reason: Option<String>,
    /// The JSON pointer of the field that asked for it.
    pub asked: Option<String>,
    /// Which document that is, where it is not config.json.
    pub document: Option<String>,
    /// What the user could do.
    pub hint: Option<String>,
}

impl std::ops::Deref for Error {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl std::ops::DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

/// Result of a runtime operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of the request, without a call behind it.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Box::new(Details {
            kind,
            message: message.into(),
            call: None,
            reason: None,
            asked: None,
            document: None,
            hint: None,
        }))
    }

    /// A refused call and what it was for.
    pub fn call(message: impl Into<String>, call: &kernel::Error) -> Error {
        let mut error = Error::new(Kind::Kernel, message);
        error.call = Some(call.to_string());
        error.reason = Some(Errno(call.errno).description().to_lowercase());
        error.hint = call.missing();
        error
    }

    /// The same with the reason at once, as runc words it, and the call behind it.
    pub fn refused(message: impl Into<String>, call: &kernel::Error) -> Error {
        let mut error = Error::call(message, call);
        if let Some(reason) = error.reason.take() {
            error.message = format!("{}: {reason}", error.message);
        }
        error
    }

    /// Adds the asking field.
    #[must_use]
    pub fn asked(mut self, pointer: impl Into<String>) -> Error {
        self.asked.get_or_insert(pointer.into());
        self
    }

    /// Says which document the asking field is in, by what a user knows it.
    #[must_use]
    pub fn of(mut self, document: impl Into<String>) -> Error {
        self.document = Some(document.into());
        self
    }

    /// The asking field and its document, `/process/cwd of config.json`.
    pub fn asker(&self) -> Option<String> {
        let document = self.document.as_deref().unwrap_or("config.json");
        self.asked
            .as_ref()
            .map(|asked| format!("{asked} of {document}"))
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint.get_or_insert(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(call) = &self.call {
            write!(f, ": {call}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        if let Some(asked) = self.asker() {
            write!(f, " (asked for by {asked})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Says what a kernel call was for, where it failed.
pub trait For<T> {
    /// Turns a refused call into an error of the runtime.
    fn during(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> For<T> for kernel::Result<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::call(what(), &e))
    }
}

impl From<lockstep_plan::Error> for Error {
    fn from(e: lockstep_plan::Error) -> Error {
        let asked = e.pointer.clone();
        let message = if e.value.is_empty() {
            e.reason
        } else {
            format!("{} (value {:?})", e.reason, e.value)
        };
        Error::new(Kind::Invalid, message).asked(asked)
    }
}
