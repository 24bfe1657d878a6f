//! Rust source as identifiers and punctuation with line numbers.
//!
//! The rules of `tidy` are about code, so a comment or a string that mentions `unsafe` must not
//! trip them. A full parser would have to be compiled before the first check can run.

/// One identifier, keyword or punctuation character. Literals and comments are not tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// The identifier, or the one punctuation character.
    pub(crate) text: &'a str,
    /// Line of the source file, from 1.
    pub(crate) line: usize,
}

/// Splits `source` into tokens.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        source,
        at: 0,
        line: 1,
        out: Vec::new(),
    };
    while lexer.at < source.len() {
        lexer.step();
    }
    lexer.out
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    out: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let rest = &self.source[self.at..];
        let first = rest.chars().next().unwrap_or('\0');
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(block_comment(rest));
        } else if first == '"' {
            self.skip(string(rest));
        } else if first == '\'' {
            self.skip(char_or_lifetime(rest));
        } else if let Some(length) = prefixed_literal(rest) {
            self.skip(length);
        } else if first.is_alphabetic() || first == '_' {
            self.push(word(rest));
        } else if first.is_ascii_digit() {
            self.skip(word(rest));
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else {
            self.push(first.len_utf8());
        }
    }

    fn skip(&mut self, length: usize) {
        self.line += self.source[self.at..self.at + length].matches('\n').count();
        self.at += length;
    }

    fn push(&mut self, length: usize) {
        let text = &self.source[self.at..self.at + length];
        self.out.push(Token {
            text,
            line: self.line,
        });
        self.at += length;
    }
}

fn word(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len())
}

/// Block comments nest in Rust.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0usize);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'a'`, `'\n'` and `'\u{1f}'` end with a quote; the lifetime `'a` does not.
fn char_or_lifetime(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            // The escaped character may itself be a quote.
            chars.next();
            chars
                .find(|(_, c)| *c == '\'')
                .map_or(rest.len(), |(at, _)| at + 1)
        }
        Some((_, _)) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// `b"..."`, `c"..."`, `b'.'`, `r"..."`, `r#"..."#`, `br#"..."#`: the prefix is not an identifier.
fn prefixed_literal(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|p| {
        rest.strip_prefix(p)
            .is_some_and(|after| after.starts_with(['"', '#', '\'']))
    })?;
    let after = &rest[prefix.len()..];
    if prefix == "b" && after.starts_with('\'') {
        return Some(prefix.len() + char_or_lifetime(after));
    }
    if !prefix.ends_with('r') {
        return after.starts_with('"').then(|| prefix.len() + string(after));
    }
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return None; // a raw identifier such as r#type
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = &after[hashes + 1..];
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(prefix.len() + hashes + 1 + length)
}
