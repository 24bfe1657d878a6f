//! The committed list of functions over the limit, which may only shrink.
//!
//! Zero on day one is not credible and a plain limit invites a larger number; a list of names
//! makes each exception visible and lets no small function grow past the line.

use std::collections::BTreeMap;

use super::source::FUNCTION_LIMIT;

/// Share of all functions that may be on the list, in percent.
const SHARE: usize = 2;

/// `path::function` to the lines that it may have.
pub(crate) type Allowed = BTreeMap<String, usize>;

/// Reads the list: `path::function lines`, `#` begins a comment.
pub(crate) fn parse(text: &str) -> Result<Allowed, String> {
    let mut allowed = Allowed::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let entry = line.split_once(' ').and_then(|(name, lines)| {
            lines
                .trim()
                .parse::<usize>()
                .ok()
                .map(|lines| (name.to_owned(), lines))
        });
        let (name, lines) = entry.ok_or(format!("line {}: not `name lines`: {line}", at + 1))?;
        allowed.insert(name, lines);
    }
    Ok(allowed)
}

/// Compares the list with the functions over the limit; `functions` is how many there are in all.
pub(crate) fn compare(
    allowed: &Allowed,
    found: &BTreeMap<String, usize>,
    functions: usize,
) -> Vec<String> {
    let mut out = Vec::new();
    for (name, lines) in found {
        match allowed.get(name) {
            None => out.push(format!("{name}: {lines} lines, at most {FUNCTION_LIMIT}")),
            Some(was) if lines > was => {
                out.push(format!("{name}: grew from {was} to {lines} lines"))
            }
            Some(was) if lines < was => {
                out.push(format!(
                    "{name}: shrank from {was} to {lines} lines: lower its entry"
                ));
            }
            Some(_) => {}
        }
    }
    for name in allowed.keys().filter(|name| !found.contains_key(*name)) {
        out.push(format!(
            "{name}: no longer over the limit: remove its entry"
        ));
    }
    if allowed.len() * 100 > functions * SHARE {
        let count = allowed.len();
        out.push(format!(
            "{count} exceptions for {functions} functions: more than {SHARE} %"
        ));
    }
    out
}

/// The list with entries removed and lowered, never added or raised.
pub(crate) fn shrink(allowed: &Allowed, found: &BTreeMap<String, usize>) -> String {
    let mut text = String::from(HEADER);
    for (name, was) in allowed {
        if let Some(lines) = found.get(name) {
            text.push_str(&format!("{name} {}\n", lines.min(was)));
        }
    }
    text
}

const HEADER: &str = "# Functions over the limit of 70 lines, with their length. The list may only shrink:\n\
    # `cargo xtask tidy --shrink` removes and lowers entries; adding one is a decision of a review.\n";
