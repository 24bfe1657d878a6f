//! From a template's text to pieces: text between actions, and the tokens of each action.

use super::{Error, Result};

/// A part of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// What stands between `{{` and `}}`, and how it is written.
    Action(Vec<Token>, String),
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `.`
    Dot,
    /// `.A.B`; whether it belongs to the parenthesis that it follows without a blank.
    Field(Vec<String>, bool),
    /// `$x.A`; the name is empty for `$`.
    Variable(String, Vec<String>),
    /// A keyword, a function or a constant.
    Word(String),
    Text(String),
    Number(serde_json::Number),
    Pipe,
    Open,
    Close,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    Comma,
}

/// Cuts a template into pieces; `{{-` and `-}}` take the blanks beside them away, and comments are left out.
pub(super) fn lex(text: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim_left = false;
    while let Some((before, inside)) = rest.split_once("{{") {
        let trims = inside.strip_prefix('-').filter(|i| i.starts_with(BLANKS));
        push_text(&mut pieces, before, (trim_left, trims.is_some()));
        let inside = trims.unwrap_or(inside);
        let (tokens, length) = action(inside)
            .map_err(|reason| Error::new(format!("{{{{{}: {reason}", shown(inside))))?;
        let written = inside.get(..length).unwrap_or_default().trim();
        let after = inside.get(length..).unwrap_or_default();
        (rest, trim_left) = match after.strip_prefix("-}}") {
            Some(rest) => (rest, true),
            None => (after.strip_prefix("}}").unwrap_or_default(), false),
        };
        if let Some(tokens) = tokens {
            pieces.push(Piece::Action(tokens, written.to_owned()));
        }
    }
    push_text(&mut pieces, rest, (trim_left, false));
    Ok(pieces)
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

fn push_text(pieces: &mut Vec<Piece>, text: &str, (left, right): (bool, bool)) {
    let text = if left {
        text.trim_start_matches(BLANKS)
    } else {
        text
    };
    let text = if right {
        text.trim_end_matches(BLANKS)
    } else {
        text
    };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// The beginning of an action, for messages.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The tokens up to the closing braces, which are left, and how many bytes those are; `None` for a comment.
fn action(text: &str) -> std::result::Result<(Option<Vec<Token>>, usize), String> {
    let trimmed = text.trim_start_matches(BLANKS);
    if let Some(comment) = trimmed.strip_prefix("/*") {
        let end = comment.find("*/").ok_or("a comment without its end")?;
        let at = text.len() - comment.len() + end + 2;
        let after = &text[at..];
        let blanks = after.len() - after.trim_start_matches(BLANKS).len();
        return match after[blanks..].starts_with("}}") || after[blanks..].starts_with("-}}") {
            true => Ok((None, at + blanks)),
            false => Err("a comment stands alone".into()),
        };
    }
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut after_close = false;
    loop {
        let skipped = rest.trim_start_matches(BLANKS);
        let glued = after_close && skipped.len() == rest.len();
        let blank = skipped.len() < rest.len();
        rest = skipped;
        if rest.starts_with("}}") || (blank && rest.starts_with("-}}")) {
            return Ok((Some(tokens), text.len() - rest.len()));
        }
        let (token, after) = token(rest, glued)?;
        after_close = token == Token::Close;
        tokens.push(token);
        rest = after;
    }
}

fn token(text: &str, glued: bool) -> std::result::Result<(Token, &str), String> {
    let first = text.chars().next().ok_or("{{ without }}")?;
    let after = &text[first.len_utf8()..];
    Ok(match first {
        '|' => (Token::Pipe, after),
        '(' => (Token::Open, after),
        ')' => (Token::Close, after),
        ',' => (Token::Comma, after),
        '=' => (Token::Assign, after),
        ':' if after.starts_with('=') => (Token::Declare, &after[1..]),
        '"' => quoted(after)?,
        '`' => {
            let (raw, after) = after.split_once('`').ok_or("` without its end")?;
            (Token::Text(raw.to_owned()), after)
        }
        '.' if after.starts_with(is_letter) => {
            let (names, after) = chain(text);
            (Token::Field(names, glued), after)
        }
        '.' if !after.starts_with(|c: char| c.is_ascii_digit()) => (Token::Dot, after),
        '$' => {
            let (name, after) = word(after);
            let (names, after) = chain(after);
            (Token::Variable(name.to_owned(), names), after)
        }
        '0'..='9' | '+' | '-' | '.' => number(text)?,
        _ if is_letter(first) => {
            let (name, after) = word(text);
            (Token::Word(name.to_owned()), after)
        }
        _ => return Err(format!("{first:?} is not understood")),
    })
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_letter(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// `.A.B` and what follows.
fn chain(text: &str) -> (Vec<String>, &str) {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(after) = rest.strip_prefix('.').filter(|a| a.starts_with(is_letter)) {
        let (name, after) = word(after);
        names.push(name.to_owned());
        rest = after;
    }
    (names, rest)
}

fn number(text: &str) -> std::result::Result<(Token, &str), String> {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
    let end = text.find(|c| !inside(c)).unwrap_or(text.len());
    let (digits, after) = text.split_at(end);
    let plain = digits.strip_prefix('+').unwrap_or(digits);
    let number = match plain.parse::<i64>() {
        Ok(number) => Some(number.into()),
        Err(_) => plain.parse().ok().and_then(serde_json::Number::from_f64),
    };
    let number = number.ok_or_else(|| format!("{digits:?} is no number"))?;
    Ok((Token::Number(number), after))
}

/// A string of Go in double quotes, behind the first of them.
fn quoted(text: &str) -> std::result::Result<(Token, &str), String> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(out), &text[at + 1..])),
            '\\' => out.push(escaped(&mut chars)?),
            _ => out.push(c),
        }
    }
    Err("\" without its end".into())
}

fn escaped(chars: &mut std::str::CharIndices<'_>) -> std::result::Result<char, String> {
    let (_, c) = chars.next().ok_or("\\ at the end")?;
    let mut code = |digits: usize| {
        let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
        let number = u32::from_str_radix(&hex, 16)
            .ok()
            .filter(|_| hex.len() == digits);
        number
            .and_then(char::from_u32)
            .ok_or_else(|| format!("\\{c}{hex} is no character"))
    };
    Ok(match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '\\' | '"' | '\'' => c,
        'x' => code(2)?,
        'u' => code(4)?,
        'U' => code(8)?,
        _ => return Err(format!("\\{c} is not understood")),
    })
}
