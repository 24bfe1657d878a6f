//! Text as a Go string literal and as a JSON string.
//!
//! Log lines carry names and arguments that a container or an image chose. runc's callers read these two
//! forms; both also keep control characters, and what only looks harmless, away from a terminal.

use std::fmt::Write;

/// Go's `%q`: quoted, with everything unprintable escaped.
pub(crate) fn go(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c => escape_into(&mut out, c),
        }
    }
    out.push('"');
    out
}

/// Text with everything unprintable escaped but without quotes, for a line on a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| escape_into(&mut out, c));
    out
}

fn escape_into(out: &mut String, c: char) {
    match c {
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if is_printable(c) => out.push(c),
        c if c.is_ascii() => push(out, format_args!("\\x{:02x}", u32::from(c))),
        c if u32::from(c) < 0x1_0000 => push(out, format_args!("\\u{:04x}", u32::from(c))),
        c => push(out, format_args!("\\U{:08x}", u32::from(c))),
    }
}

/// A JSON string: as Go's encoder with HTML escaping, and nothing unprintable left in it.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' => push(&mut out, format_args!("\\u{:04x}", u32::from(c))),
            c if is_printable(c) => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    push(&mut out, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
    out
}

/// JSON text with what is unprintable escaped, for a terminal: only strings can hold such characters.
pub(crate) fn clean_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\x7f' && (c.is_ascii() || is_printable(c)) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                push(&mut out, format_args!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// Whether a character shows as itself: no control or format character, no space but the one.
fn is_printable(c: char) -> bool {
    // The standard library escapes exactly these categories, besides quotes and backslash.
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_shows_as_text() {
        let text = serde_json::to_string("a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0001}é").expect("JSON");
        let clean = clean_json(&text);
        assert_eq!(clean, r#""a\u001b\u007f\u009b\u202e\udb40\udc01é""#);
        let same: String = serde_json::from_str(&clean).expect("JSON");
        assert_eq!(same, "a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0001}é");
    }

    #[test]
    fn go_literals_escape_as_go_does() {
        assert_eq!(go("a\u{1b}[31m\nb"), r#""a\x1b[31m\nb""#);
        assert_eq!(go("say \"hi\" \\"), r#""say \"hi\" \\""#);
        assert_eq!(
            go("\u{7f}\u{85}\u{202e}\u{e0001}"),
            r#""\x7f\u0085\u202e\U000e0001""#
        );
        assert_eq!(go("é λ 語"), "\"é λ 語\"");
    }

    #[test]
    fn json_strings_hide_every_control_character() {
        assert_eq!(
            json("a\u{1b}[31m\n<&>\u{9b}\""),
            r#""a\u001b[31m\n\u003c\u0026\u003e\u009b\"""#
        );
        let text = "\u{0}\u{1f}\u{7f}\u{2028}\u{e0001}é";
        let back: String = serde_json::from_str(&json(text)).expect("own output");
        assert_eq!(back, text);
        assert!(json(text).chars().all(|c| !c.is_control()));
    }

    #[test]
    fn plain_lines_stay_one_line() {
        assert_eq!(plain("it's \"x\"\n\u{1b}c"), r#"it's "x"\n\x1bc"#);
    }
}
