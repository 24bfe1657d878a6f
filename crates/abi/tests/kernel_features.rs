//! `docs/kernel-features.md` against the table of features, because a document that lags behind the code is
//! believed all the same.

#![allow(
    clippy::disallowed_methods,
    reason = "the document is the test's input"
)]

use std::path::{Path, PathBuf};

use lockstep_abi::feature::{self, Feature};

/// The cells of every row of the tables between two headings.
fn rows<'t>(text: &'t str, from: &str, to: &str) -> Vec<Vec<&'t str>> {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from:?}"));
    let end = text.find(to).unwrap_or_else(|| panic!("no {to:?}"));
    cells(&text[start..end], 6)
}

/// The cells of every row of a text's tables, `columns` each.
fn cells(text: &str, columns: usize) -> Vec<Vec<&str>> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").map(str::trim).collect::<Vec<_>>())
        .inspect(|cells| {
            assert!(
                cells.len() == columns && cells.iter().all(|c| !c.is_empty()),
                "{cells:?}"
            )
        })
        .filter(|cells| !["feature", "what"].contains(&cells[0]))
        .collect()
}

fn expected(keep: impl Fn(&Feature) -> bool) -> Vec<(String, String)> {
    let kept = feature::ALL.iter().copied().filter(keep);
    kept.map(|feature| (feature.name().to_owned(), feature.since().to_string()))
        .collect()
}

fn page() -> String {
    std::fs::read_to_string(repository().join("docs/kernel-features.md")).unwrap()
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_feature_has_a_row_and_every_row_a_feature() {
    let text = page();
    let floor = format!("## The floor: Linux {}", feature::FLOOR);
    for (from, to, mut expected) in [
        (
            floor.as_str(),
            "## Above the floor",
            expected(|f| f.since() <= feature::FLOOR),
        ),
        (
            "## Above the floor",
            "## Not a matter",
            expected(|f| f.since() > feature::FLOOR),
        ),
    ] {
        let found = rows(&text, from, to);
        let mut found: Vec<(String, String)> = found
            .iter()
            .map(|cells| (cells[0].to_owned(), cells[1].to_owned()))
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

/// How the reason of a row that names no test begins.
const WITHOUT: [&str; 2] = ["nothing to test: ", "a unit test "];

/// Whether a file of a test target `TARGET/FILE::TEST` has the test.
fn exists(crates: &[PathBuf], name: &str) -> bool {
    let Some((file, test)) = name.split_once("::") else {
        return false;
    };
    let mut files = crates.iter().map(|it| it.join(format!("tests/{file}.rs")));
    let declared = |file: &Path| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        // In a test target with a list of its own a function that is not in it does not compile.
        text.contains(&format!("fn {test}("))
    };
    files.any(|file| declared(&file))
}

#[test]
fn every_row_names_tests_that_exist() {
    let text = page();
    let entries = std::fs::read_dir(repository().join("crates")).unwrap();
    let crates: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let mut rows = rows(&text, "## The floor", "## Not a matter");
    assert!(rows.len() > 40, "only {} rows", rows.len());
    let other = text.find("## Not a matter").expect("the last table");
    let other = cells(&text[other..], 5);
    assert!(other.len() > 15, "only {} other rows", other.len());
    rows.extend(other);
    let mut wrong = Vec::new();
    for cells in rows {
        let tested = cells[cells.len() - 1];
        let named: Vec<&str> = tested.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && !WITHOUT.iter().any(|start| tested.starts_with(start)) {
            wrong.push(format!("{}: names no test", cells[0]));
        }
        let missing = named.iter().filter(|name| !exists(&crates, name));
        wrong.extend(missing.map(|name| format!("{}: no test {name}", cells[0])));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
