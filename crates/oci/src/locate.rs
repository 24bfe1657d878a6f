//! From a byte offset in a JSON text to the pointer of the value that stands there.
//!
//! serde's errors know line and column but not the field. Wrapping every deserialiser to carry the path
//! along makes the binary 390 KiB larger (measured without LTO) for something that only a bad document
//! needs; so the bad document is walked once more, by hand.

use crate::pointer::Pointer;

/// An open object or array on the way.
enum Frame {
    /// The key whose value is being read, or none between two members.
    Object(Option<String>),
    /// The index of the element, and whether it is being read or already ended.
    Array(usize, bool),
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
    let mut open: Vec<Frame> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at).filter(|_| at < end) {
        let mut ended = false;
        match byte {
            b'{' => open.push(Frame::Object(None)),
            b'[' => open.push(Frame::Array(0, true)),
            b'}' | b']' => {
                open.pop();
                ended = true;
            }
            b',' => {
                if let Some(Frame::Array(index, reading)) = open.last_mut() {
                    *index += 1;
                    *reading = true;
                }
            }
            b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            b'"' => {
                let length = string_length(&text[at..]);
                if let Some(Frame::Object(key @ None)) = open.last_mut() {
                    *key = Some(unquote(&text[at..at + length]));
                } else {
                    ended = true;
                }
                at += length - 1;
            }
            _ => {
                at += scalar_length(&text[at..]) - 1;
                ended = true;
            }
        }
        at += 1;
        if ended && at < end {
            match open.last_mut() {
                Some(Frame::Object(key)) => *key = None,
                Some(Frame::Array(_, reading)) => *reading = false,
                None => {}
            }
        }
    }
    render(&open)
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

fn render(open: &[Frame]) -> String {
    open.iter().fold(String::new(), |place, frame| match frame {
        Frame::Object(Some(key)) => place + &Pointer::Root.key(key).to_string(),
        Frame::Array(index, true) => place + &Pointer::Root.index(*index).to_string(),
        Frame::Object(None) | Frame::Array(_, false) => place,
    })
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
