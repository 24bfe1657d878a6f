//! Text that a container controls, made harmless: for a terminal, and for a shell in a printed remedy.

use std::borrow::Cow;

/// Without control characters, which would move the cursor or forge lines, and without the characters that
/// turn the direction of writing (CVE-2021-42574).
pub(crate) fn text(raw: &str) -> Cow<'_, str> {
    if !raw.contains(hostile) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match hostile(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A line of a program's output for a terminal, or a part of one that is not `whole`: tabs stay, and a carriage return
/// before the line feed, where it moves nothing. What is no UTF-8 is shown in hexadecimal.
pub(crate) fn line(raw: &[u8], whole: bool) -> String {
    let (raw, end) = match raw.strip_suffix(b"\r") {
        Some(raw) if whole => (raw, "\r"),
        _ => (raw, ""),
    };
    let mut out = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        for c in chunk.valid().chars() {
            match hostile(c) && c != '\t' {
                true => out.extend(c.escape_default()),
                false => out.push(c),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out.push_str(end);
    out
}

/// How many bytes there are before a character that only begins at their end, or a carriage return whose line feed may
/// follow.
pub(crate) fn whole_characters(raw: &[u8]) -> usize {
    if let Some(raw) = raw.strip_suffix(b"\r") {
        return raw.len();
    }
    // A character has four bytes at most.
    let tail = raw.len().saturating_sub(3);
    let begins = |at: &usize| {
        std::str::from_utf8(&raw[*at..])
            .is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
    };
    (tail..raw.len()).find(begins).unwrap_or(raw.len())
}

/// JSON in which nothing is left that a terminal obeys: JSON itself escapes only the controls of ASCII, and those that
/// stand outside of its strings are blanks.
pub(crate) fn json(raw: &str) -> Cow<'_, str> {
    let hostile = |c: char| c > '~' && hostile(c);
    if !raw.contains(hostile) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match hostile(c) {
            // All of them are in the first plane.
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// As one word of a POSIX shell.
pub(crate) fn shell(raw: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !raw.is_empty() && raw.chars().all(plain) {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(format!("'{}'", raw.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(text("plain \u{e9}"), "plain \u{e9}");
        assert_eq!(text("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(text("\u{202e}gpj"), "\\u{202e}gpj");
    }

    #[test]
    fn a_line_moves_no_cursor() {
        assert_eq!(line("plain\t\u{e9}".as_bytes(), true), "plain\t\u{e9}");
        assert_eq!(line(b"a\x1b[2Jb\rc\r", true), "a\\u{1b}[2Jb\\rc\r");
        assert_eq!(line(b"\xc2\x9b31m\xff", true), "\\u{9b}31m\\xff");
        let euro = "a\u{20ac}".as_bytes();
        let wholes: Vec<usize> = (0..=4).map(|n| whole_characters(&euro[..n])).collect();
        assert_eq!(wholes, [0, 1, 1, 1, 4]);
        assert_eq!(whole_characters(b"a\xff"), 2);
    }

    #[test]
    fn json_stays_the_same_json() {
        let hostile = serde_json::json!({"k\u{9b}": ["\u{202e}gpj\u{7f}", "\u{e9}\n"]});
        let text = serde_json::to_string_pretty(&hostile).expect("JSON");
        let shown = json(&text);
        assert!(!shown.contains(['\u{9b}', '\u{202e}', '\u{7f}']), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).ok(),
            Some(hostile)
        );
    }

    #[test]
    fn a_remedy_can_be_pasted() {
        assert_eq!(shell("a/b=c"), "a/b=c");
        assert_eq!(shell("it's $(x)"), "'it'\\''s $(x)'");
        assert_eq!(shell(""), "''");
    }
}
