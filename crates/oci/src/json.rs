//! Reading of JSON documents with a bound on size, the place of every error, and the unknown fields.
//!
//! All documents of a runtime (configuration, process, resources, state) come through this one door.
//! A good document is read once; only a bad one is walked again to find out where it is bad, so the
//! bookkeeping of places costs nothing at the start of a container.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::locate::{offset, pointer_at, pointers_of};
use crate::strict;

/// Largest document that is read, in bytes. Real configurations have 10 to 300 KiB.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Longest piece of a document that an error repeats, in bytes.
const MAX_VALUE: usize = 120;

/// A document that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<T> {
    /// What it says.
    pub value: T,
    /// JSON pointers of fields that this crate does not know, in file order. The specification has
    /// them ignored, and allows a warning.
    pub unknown: Vec<String>,
}

/// Why and where a document could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// JSON pointer of the place; empty for the document as a whole.
    pub pointer: String,
    /// What stands there, as compact JSON, cut if long; `None` if the text is not JSON at all.
    pub value: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// Line, from 1; 0 when the document was not looked into.
    pub line: usize,
    /// Column in bytes, from 1; 0 when the document was not looked into.
    pub column: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.reason)?;
        // An "invalid type" or "invalid value" already repeats a scalar.
        if let Some(value) = self
            .value
            .as_ref()
            .filter(|value| !self.reason.contains(value.as_str()))
        {
            write!(f, ", in {value}")?;
        }
        if self.line > 0 {
            write!(f, " at line {} column {}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Reads a document; anything but white space after it is an error.
///
/// # Errors
///
/// The text is longer than [`MAX_BYTES`], not JSON (RFC 8259), nested deeper than 128, or a value has the
/// wrong type or is missing.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<Document<T>, Error> {
    if text.len() > MAX_BYTES {
        return Err(whole(format!(
            "{} bytes exceed the limit of {MAX_BYTES}",
            text.len()
        )));
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(whole("starts with a UTF-8 byte order mark".to_owned()));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = strict::deserialize(&mut reader);
    match read.and_then(|value| reader.end().map(|()| value)) {
        Ok((value, ignored)) => Ok(Document {
            value,
            unknown: pointers_of(text, &ignored),
        }),
        Err(error) => Err(describe(text, &error)),
    }
}

fn whole(reason: String) -> Error {
    Error {
        pointer: String::new(),
        value: None,
        reason,
        line: 0,
        column: 0,
    }
}

/// The place and the value behind an error of serde_json about `text`, for documents of our own that are read
/// without this module's strictness.
#[must_use]
pub fn describe(text: &[u8], first: &serde_json::Error) -> Error {
    let pointer = pointer_at(text, offset(text, first.line(), first.column()));
    let mut reason = first.to_string();
    let place = format!(" at line {} column {}", first.line(), first.column());
    if let Some(bare) = reason.strip_suffix(&place) {
        reason.truncate(bare.len());
    }
    let value = match first.classify() {
        Category::Data => serde_json::from_slice::<serde_json::Value>(text)
            .ok()
            .and_then(|document| {
                document
                    .pointer(&pointer)
                    .map(|value| shorten(value.to_string()))
            }),
        Category::Io | Category::Syntax | Category::Eof => None,
    };
    Error {
        pointer,
        value,
        reason,
        line: first.line(),
        column: first.column(),
    }
}

/// Cuts a value at a character boundary, so that an error stays one line of a log.
pub(crate) fn shorten(mut text: String) -> String {
    if text.len() > MAX_VALUE {
        let end = (0..=MAX_VALUE)
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests;
