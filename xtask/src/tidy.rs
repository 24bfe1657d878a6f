//! House rules that no compiler checks: doors between crates, sizes, words, `unsafe`.
//!
//! Each rule is a function of text or of Cargo's metadata; this file only reads the tree and
//! prints. A rule that is not checked by machine erodes within weeks.

mod edges;
mod lexer;
mod ratchet;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::Failure;
pub(crate) use source::cfg_names;
use source::{FILE_LIMIT, FILE_WARN, Source};

const RATCHET: &str = "xtask/tidy-ratchet.txt";

/// What the rules found in a tree.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) failures: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) long_functions: BTreeMap<String, usize>,
    pub(crate) functions: usize,
}

/// Checks the tree at `root`; with `shrink`, lowers the ratchet to what is there.
pub(crate) fn run(root: &Path, shrink: bool) -> Result<(), Failure> {
    let files = read_tree(root)?;
    let mut report = check_files(
        files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    );
    report.failures.extend(check_crates(root)?);
    report.failures.extend(unmapped_crates(&files));
    let list = std::fs::read_to_string(root.join(RATCHET)).unwrap_or_default();
    let mut allowed = ratchet::parse(&list).map_err(|e| Failure::new(format!("{RATCHET}: {e}")))?;
    if shrink {
        let list = ratchet::shrink(&allowed, &report.long_functions);
        std::fs::write(root.join(RATCHET), &list)?;
        allowed = ratchet::parse(&list).map_err(Failure::new)?;
    }
    let compared = ratchet::compare(&allowed, &report.long_functions, report.functions);
    report.failures.extend(compared);
    for line in &report.warnings {
        println!("warning: {line}");
    }
    for line in &report.failures {
        println!("error: {line}");
    }
    let (files, failures) = (files.len(), report.failures.len());
    println!(
        "tidy: {files} files, {} functions, {failures} violations",
        report.functions
    );
    if failures > 0 {
        return Err(Failure::new(format!("{failures} house rules broken")));
    }
    Ok(())
}

/// Applies the rules for files.
pub(crate) fn check_files<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Report {
    let mut report = Report::default();
    for (path, text) in files {
        let mut failures = words(text);
        if path.ends_with(".rs") {
            failures.extend(check_source(&Source::new(path, text), path, &mut report));
        }
        report.failures.extend(
            failures
                .into_iter()
                .map(|failure| format!("{path}: {failure}")),
        );
    }
    report
}

fn check_source(source: &Source<'_>, path: &str, report: &mut Report) -> Vec<String> {
    let mut failures = Vec::new();
    failures.extend(source.module_doc());
    failures.extend(source.junk_names());
    if !path.starts_with("crates/kernel/") {
        failures.extend(source.unsafe_lines());
    }
    let pure =
        |room: &&edges::Room| room.pure && path.starts_with(&format!("crates/{}/src/", room.name));
    if edges::HOUSE.iter().any(|room| pure(&room)) {
        failures.extend(source.impure_paths());
    }
    let lines = source.counted_lines();
    if lines > FILE_LIMIT {
        failures.push(format!("{lines} lines, at most {FILE_LIMIT}"));
    } else if lines > FILE_WARN {
        report
            .warnings
            .push(format!("{path}: {lines} lines, more than {FILE_WARN}"));
    }
    report.functions += source.function_count();
    for function in source.long_functions() {
        report
            .long_functions
            .insert(format!("{path}::{}", function.name), function.length);
    }
    failures
}

/// Words that no committed file may contain. They are put together here so that this file
/// passes its own rule.
fn words(text: &str) -> Vec<String> {
    let unfinished = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for word in unfinished {
            if line
                .split(|c: char| !c.is_alphanumeric() && c != ':')
                .any(|w| w.trim_end_matches(':') == word.trim_end_matches(':'))
            {
                found.push(format!("line {}: {word} instead of finished work", at + 1));
            }
        }
        // An absolute path of the machine where a line was written.
        if line.contains(concat!("/wo", "rk/")) {
            found.push(format!("line {}: a path of one machine", at + 1));
        }
    }
    found
}

/// Crates that the map of the house does not show.
fn unmapped_crates(files: &[(String, String)]) -> Vec<String> {
    const MAP: &str = "ARCHITECTURE.md";
    let Some((_, map)) = files.iter().find(|(path, _)| path == MAP) else {
        return vec![format!("{MAP} is missing")];
    };
    let of_crate = |path: &str| {
        path.strip_prefix("crates/")?
            .strip_suffix("/Cargo.toml")
            .map(str::to_owned)
    };
    let names = files.iter().filter_map(|(path, _)| of_crate(path));
    let absent = names.filter(|name| {
        !map.contains(&format!("`{name}`")) && !map.contains(&format!("crates/{name}"))
    });
    absent
        .map(|name| format!("{MAP}: no word about crates/{name}"))
        .collect()
}

/// Applies the rules for crates.
fn check_crates(root: &Path) -> Result<Vec<String>, Failure> {
    let text = cargo(root, &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: edges::Metadata = serde_json::from_str(&text)?;
    let mut found = edges::wrong_doors(&metadata);
    found.extend(edges::features(&metadata));
    found.extend(edges::kernel_callers(&metadata));
    let mut trees = BTreeMap::new();
    for room in edges::HOUSE.iter().filter(|room| room.pure) {
        let package = format!("lockstep-{}", room.name);
        if metadata.packages.iter().any(|p| p.name == package) {
            trees.insert(room.name.to_owned(), tree(root, &package)?);
        }
    }
    found.extend(edges::impure_trees(&trees));
    found.extend(edges::heavy(&tree(root, "lockstep-runc")?));
    Ok(found)
}

/// Names of all crates that `package` links. `cargo tree -p` resolves features for that package
/// alone, as a release build does; `cargo metadata` would unify them over the workspace.
fn tree(root: &Path, package: &str) -> Result<BTreeSet<String>, Failure> {
    let args = [
        "tree", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}",
    ];
    let text = cargo(root, &args)?;
    Ok(text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect())
}

fn cargo(root: &Path, args: &[&str]) -> Result<String, Failure> {
    crate::run::output(Command::new("cargo").args(args).current_dir(root))
}

/// Paths and text of all files that are or could be committed.
fn read_tree(root: &Path) -> Result<Vec<(String, String)>, Failure> {
    // A clone that another user made is listed as well: nothing of it is executed here.
    let args = [
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let list = crate::run::output(Command::new("git").args(args).current_dir(root))?;
    let mut files = Vec::new();
    for path in list.lines() {
        // Not text, or deleted but not yet committed: neither has lines to check.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push((path.to_owned(), text));
        }
    }
    Ok(files)
}
