//! From a byte offset in a JSON text to the pointer of the value that stands there.
//!
//! serde's errors know line and column but not the field. Wrapping every deserialiser to carry the path
//! along makes the binary 390 KiB larger (measured without LTO) for something that only a bad document
//! needs; so the bad document is walked once more, by hand.

use crate::pointer::Pointer;
use crate::strict::Ordinals;

/// An open object or array on the way.
struct Frame {
    /// How many members or elements came before the one that is being read.
    ordinal: usize,
    slot: Slot,
}

enum Slot {
    /// The key whose value is being read, or none between two members.
    Object(Option<String>),
    /// Whether an element is being read, or none between two of them.
    Array(bool),
}

/// What the walk met.
#[derive(PartialEq, Eq)]
enum Step {
    Key,
    ValueEnd,
    Between,
}

/// A walk over a JSON text, token by token.
struct Walk<'t> {
    text: &'t [u8],
    at: usize,
    open: Vec<Frame>,
}

impl<'t> Walk<'t> {
    fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            open: Vec::new(),
        }
    }

    /// Takes one token. After `ValueEnd` the place is still that of the value; [`Self::leave`] ends it.
    fn step(&mut self) -> Option<Step> {
        let rest = self.text.get(self.at..)?;
        let mut length = 1;
        let step = match *rest.first()? {
            b'{' => self.enter(Slot::Object(None)),
            b'[' => self.enter(Slot::Array(true)),
            b'}' | b']' => {
                self.open.pop();
                Step::ValueEnd
            }
            b',' => self.next_member(),
            b':' | b' ' | b'\t' | b'\r' | b'\n' => Step::Between,
            b'"' => {
                length = string_length(rest);
                match self.open.last_mut() {
                    Some(Frame {
                        slot: Slot::Object(key @ None),
                        ..
                    }) => {
                        *key = Some(unquote(&rest[..length]));
                        Step::Key
                    }
                    _ => Step::ValueEnd,
                }
            }
            _ => {
                length = scalar_length(rest);
                Step::ValueEnd
            }
        };
        self.at += length;
        Some(step)
    }

    fn enter(&mut self, slot: Slot) -> Step {
        self.open.push(Frame { ordinal: 0, slot });
        Step::Between
    }

    fn next_member(&mut self) -> Step {
        if let Some(frame) = self.open.last_mut() {
            frame.ordinal += 1;
            if let Slot::Array(reading) = &mut frame.slot {
                *reading = true;
            }
        }
        Step::Between
    }

    fn leave(&mut self) {
        match self.open.last_mut().map(|frame| &mut frame.slot) {
            Some(Slot::Object(key)) => *key = None,
            Some(Slot::Array(reading)) => *reading = false,
            None => {}
        }
    }

    fn pointer(&self) -> String {
        self.open
            .iter()
            .fold(String::new(), |place, frame| match &frame.slot {
                Slot::Object(Some(key)) => place + &Pointer::Root.key(key).to_string(),
                Slot::Array(true) => place + &Pointer::Root.index(frame.ordinal).to_string(),
                Slot::Object(None) | Slot::Array(false) => place,
            })
    }
}

/// Offset of a position as serde_json counts it: lines from 1, columns in bytes.
pub(crate) fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let before = line.saturating_sub(1);
    let start: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(before)
        .map(<[u8]>::len)
        .sum();
    start.saturating_add(column).min(text.len())
}

/// Pointer of the value that ends at `end`, is cut by it, or would start there; else of the object or
/// array around. The text has to be JSON up to that offset.
pub(crate) fn pointer_at(text: &[u8], end: usize) -> String {
    let mut walk = Walk::new(text);
    while walk.at < end {
        match walk.step() {
            Some(Step::ValueEnd) if walk.at < end => walk.leave(),
            Some(_) => {}
            None => break,
        }
    }
    walk.pointer()
}

/// Pointers of members that are given by their ordinals, in file order. The text has to be JSON.
pub(crate) fn pointers_of(text: &[u8], members: &[Ordinals]) -> Vec<String> {
    let mut walk = Walk::new(text);
    let mut pointers = Vec::with_capacity(members.len());
    while let Some(member) = members.get(pointers.len()) {
        match walk.step() {
            Some(Step::Key) if walk.open.iter().map(|frame| &frame.ordinal).eq(member) => {
                pointers.push(walk.pointer())
            }
            Some(Step::ValueEnd) => walk.leave(),
            Some(_) => {}
            None => break,
        }
    }
    pointers
}

/// Length of a string with its quotes, or of the rest if it does not end.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|byte| match byte {
        _ if std::mem::take(&mut escaped) => false,
        b'\\' => {
            escaped = true;
            false
        }
        byte => *byte == b'"',
    });
    end.map_or(text.len(), |end| end + 2)
}

fn scalar_length(text: &[u8]) -> usize {
    let stop = |byte: &u8| {
        matches!(byte, b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"') || byte.is_ascii_whitespace()
    };
    text.iter()
        .skip(1)
        .position(stop)
        .map_or(text.len(), |end| end + 1)
}

fn unquote(text: &[u8]) -> String {
    // A key that is cut or not UTF-8 is itself the error; its bytes are the best name there is.
    serde_json::from_slice(text)
        .unwrap_or_else(|_| String::from_utf8_lossy(text).trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{offset, pointer_at};

    #[test]
    fn every_offset_of_a_document() {
        let text = br#"{"a": [1, {"b/c": "x\"y"}], "d": {}}"#;
        for (end, pointer) in [
            (0, ""),
            (1, ""),
            (4, "/a"),
            (6, "/a"),
            (7, "/a/0"),
            (8, "/a/0"),
            (9, "/a/1"),
            (11, "/a/1"),
            (16, "/a/1/b~1c"),
            (24, "/a/1/b~1c"),
            (25, "/a/1"),
            (26, "/a"),
            (27, ""),
            (33, "/d"),
            (35, "/d"),
            (36, ""),
            (999, ""),
        ] {
            assert_eq!(pointer_at(text, end), pointer, "at {end}");
        }
    }

    #[test]
    fn broken_texts_do_not_panic() {
        for text in [
            "",
            "\"",
            "\"\\",
            "{\"",
            "{\"\\ud800\":1",
            "]]}",
            ",,,",
            "[1 2",
            "{1:2}",
            "\u{e9}",
            "{\"a\":\"b",
        ] {
            for end in 0..=text.len() + 1 {
                let pointer = pointer_at(text.as_bytes(), end);
                assert!(
                    pointer.is_empty() || pointer.starts_with('/'),
                    "{text:?} at {end}: {pointer}"
                );
            }
        }
    }

    #[test]
    fn positions() {
        assert_eq!(offset(b"ab\ncd\n", 1, 2), 2);
        assert_eq!(offset(b"ab\ncd\n", 2, 1), 4);
        assert_eq!(offset(b"ab\ncd\n", 9, 9), 6);
    }
}
