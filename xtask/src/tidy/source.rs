//! The rules for one source file, as functions of its text.
//!
//! They take the text, not a path on a disk, so that the tests can hand them violations that the
//! tree itself must never contain.

use super::lexer::{Token, tokens};

/// Lines after which a reviewer asks for a split.
pub(crate) const FILE_WARN: usize = 500;
/// Lines after which a file must be split.
pub(crate) const FILE_LIMIT: usize = 800;
/// Lines that a function may have without being named in the ratchet.
pub(crate) const FUNCTION_LIMIT: usize = 70;

/// What a pure crate may not name. Their inputs are arguments, so that a test can invent them.
const IMPURE: [&str; 5] = ["fs", "net", "process", "env", "thread"];
/// Rooms named for nothing fill with everything.
const JUNK: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];

/// A function and its extent in lines, signature included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Name as written after `fn`.
    pub(crate) name: String,
    /// Line of the `fn` keyword, from 1.
    pub(crate) line: usize,
    /// Lines from `fn` to the closing brace.
    pub(crate) length: usize,
}

/// One Rust file, lexed once for all rules.
pub(crate) struct Source<'a> {
    path: &'a str,
    text: &'a str,
    tokens: Vec<Token<'a>>,
    /// Line ranges of items under `#[cfg(test)]`.
    test_lines: Vec<(usize, usize)>,
}

impl<'a> Source<'a> {
    /// Prepares `text`, which stands at `path` below the repository's root.
    pub(crate) fn new(path: &'a str, text: &'a str) -> Self {
        let tokens = tokens(text);
        let test_lines = test_items(&tokens);
        Source {
            path,
            text,
            tokens,
            test_lines,
        }
    }

    /// A file that holds only tests: limits on size and purity are for what ships.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or(self.path);
        let folder = |f: &str| self.path.split('/').any(|part| part == f);
        folder("tests") || folder("benches") || name == "tests.rs" || name.ends_with("_tests.rs")
    }

    /// A table written by a generator says so in its head.
    pub(crate) fn is_generated(&self) -> bool {
        self.text
            .lines()
            .take(6)
            .any(|line| line.contains("@generated"))
    }

    fn in_test(&self, line: usize) -> bool {
        self.is_test()
            || self
                .test_lines
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&line))
    }

    /// Every file opens with `//!`, so that its first line says why it stands where it stands.
    pub(crate) fn module_doc(&self) -> Option<String> {
        let first = self.text.lines().find(|line| !line.starts_with("#!"));
        (!first.unwrap_or("").starts_with("//!")).then(|| "does not open with `//!`".to_owned())
    }

    /// Module names that say nothing, in the path or in a `mod` item.
    pub(crate) fn junk_names(&self) -> Vec<String> {
        let mut found = Vec::new();
        for part in self.path.split('/') {
            let stem = part.strip_suffix(".rs").unwrap_or(part);
            if JUNK.contains(&stem) {
                found.push(format!("a module named `{stem}`"));
            }
        }
        for pair in self.tokens.windows(2) {
            if pair[0].text == "mod" && JUNK.contains(&pair[1].text) {
                found.push(format!(
                    "line {}: a module named `{}`",
                    pair[1].line, pair[1].text
                ));
            }
        }
        found
    }

    /// Lines that count against the limit: tests beside the code do not.
    pub(crate) fn counted_lines(&self) -> usize {
        if self.is_test() || self.is_generated() {
            return 0;
        }
        let tests: usize = self.test_lines.iter().map(|(from, to)| to - from + 1).sum();
        self.text.lines().count().saturating_sub(tests)
    }

    /// Functions that ship and are longer than the limit.
    pub(crate) fn long_functions(&self) -> Vec<Function> {
        if self.is_generated() {
            return Vec::new();
        }
        let mut all = functions(&self.tokens);
        all.retain(|f| f.length > FUNCTION_LIMIT && !self.in_test(f.line));
        all
    }

    /// How many functions the file has, tests included.
    pub(crate) fn function_count(&self) -> usize {
        functions(&self.tokens).len()
    }

    /// `unsafe` where it is not allowed; a test that needs it says why in an attribute.
    pub(crate) fn unsafe_lines(&self) -> Vec<String> {
        let excused = self.text.contains("allow(unsafe_code, reason")
            || self.text.contains("allow(\n    unsafe_code,\n    reason");
        if self.is_test() && excused {
            return Vec::new();
        }
        self.tokens
            .iter()
            .filter(|token| token.text == "unsafe")
            .map(|token| format!("line {}: `unsafe` outside crates/kernel", token.line))
            .collect()
    }

    /// `std::fs` and its like in a crate that must be a function of its arguments.
    pub(crate) fn impure_paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            if token.text != "std" || self.in_test(token.line) {
                continue;
            }
            for (name, line) in children(&self.tokens[at + 1..]) {
                if IMPURE.contains(&name) {
                    found.push(format!("line {line}: `std::{name}` in a pure crate"));
                }
            }
        }
        found
    }
}

/// The first segments after `std`: one for `std::fs::read`, several for `use std::{fs, io::Read}`.
fn children<'a>(after: &[Token<'a>]) -> Vec<(&'a str, usize)> {
    let text = |at: usize| after.get(at).map_or("", |token| token.text);
    if text(0) != ":" || text(1) != ":" {
        return Vec::new();
    }
    if text(2) != "{" {
        return after
            .get(2)
            .map(|token| (token.text, token.line))
            .into_iter()
            .collect();
    }
    let (mut depth, mut starts, mut found) = (0usize, true, Vec::new());
    for token in &after[2..] {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," => starts = true,
            name if depth == 1 && starts => {
                found.push((name, token.line));
                starts = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// All functions with a body.
fn functions(tokens: &[Token<'_>]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let is_name = pair[1]
            .text
            .starts_with(|c: char| c.is_alphabetic() || c == '_');
        if pair[0].text != "fn" || !is_name {
            continue; // `fn(` is a type
        }
        if let Some(end) = body_end(&tokens[at..]) {
            let length = end - pair[0].line + 1;
            found.push(Function {
                name: pair[1].text.to_owned(),
                line: pair[0].line,
                length,
            });
        }
    }
    found
}

/// Line of the brace that closes the item that begins at `item[0]`; none if it has no body.
fn body_end(item: &[Token<'_>]) -> Option<usize> {
    let (mut braces, mut brackets) = (0usize, 0usize);
    for token in item {
        match token.text {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets = brackets.saturating_sub(1),
            ";" if braces == 0 && brackets == 0 => return None,
            "{" => braces += 1,
            "}" => {
                braces = braces.checked_sub(1)?;
                if braces == 0 && brackets == 0 {
                    return Some(token.line);
                }
            }
            _ => {}
        }
    }
    None
}

/// Identifiers that begin with `prefix` inside a `cfg(...)` of any form.
pub(crate) fn cfg_names(text: &str, prefix: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if !["cfg", "cfg_attr"].contains(&token.text) {
            continue;
        }
        // `cfg!(` has one character more before the parenthesis.
        let Some(open) = (at + 1..at + 3).find(|i| tokens.get(*i).is_some_and(|t| t.text == "("))
        else {
            continue;
        };
        let mut depth = 0usize;
        for token in &tokens[open..] {
            match token.text {
                "(" => depth += 1,
                ")" => depth -= 1,
                name if name.starts_with(prefix) => found.push(name.to_owned()),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// Extents of the items under `#[cfg(test)]` or a `cfg` that names `test` first.
fn test_items(tokens: &[Token<'_>]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, window) in tokens.windows(6).enumerate() {
        let texts: Vec<&str> = window.iter().map(|token| token.text).collect();
        if texts[..5] == ["#", "[", "cfg", "(", "test"] && texts[5] == ")" {
            let item = &tokens[at + 7..];
            let end =
                body_end(item).or_else(|| item.iter().find(|t| t.text == ";").map(|t| t.line));
            found.push((window[0].line, end.unwrap_or(window[0].line)));
        }
    }
    found
}
