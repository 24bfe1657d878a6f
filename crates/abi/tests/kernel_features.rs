//! `docs/kernel-features.md` against the table of features, because a document that lags behind the code is
//! believed all the same.

#![allow(
    clippy::disallowed_methods,
    reason = "the document is the test's input"
)]

use lockstep_abi::feature::{self, Feature};

/// Name and version of every row of the tables between two headings.
fn rows(text: &str, from: &str, to: &str) -> Vec<(String, String)> {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from:?}"));
    let end = text.find(to).unwrap_or_else(|| panic!("no {to:?}"));
    text[start..end]
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").map(str::trim).collect::<Vec<_>>())
        .inspect(|cells| {
            assert!(
                cells.len() == 6 && cells.iter().all(|c| !c.is_empty()),
                "{cells:?}"
            )
        })
        .filter(|cells| cells[0] != "feature")
        .map(|cells| (cells[0].to_owned(), cells[1].to_owned()))
        .collect()
}

fn expected(keep: impl Fn(&Feature) -> bool) -> Vec<(String, String)> {
    let kept = feature::ALL.iter().copied().filter(keep);
    kept.map(|feature| (feature.name().to_owned(), feature.since().to_string()))
        .collect()
}

#[test]
fn every_feature_has_a_row_and_every_row_a_feature() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/kernel-features.md");
    let text = std::fs::read_to_string(path).unwrap();
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
        let mut found = rows(&text, from, to);
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}
