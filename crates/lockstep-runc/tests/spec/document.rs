//! Checks `docs/spec-conformance.md`: that the tests it names exist, that no field is forgotten.
//!
//! A map that nobody checks is wrong within a week.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Test, cases};

cases! {
    every_named_test_exists,
    every_field_has_a_row: "the options and features are ours",
    virtual_machine_kinds_are_known,
    every_test_is_reached_by_a_file,
}

/// As `cargo xtask vm` has them.
const KINDS: [&str; 6] = [
    "plain",
    "apparmor",
    "selinux",
    "enforcing",
    "systemd",
    "old",
];

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// In a virtual machine there are the binaries alone.
pub(crate) fn need_sources(t: &Test) {
    t.need(
        repository().join("docs").is_dir(),
        "the sources are not on this machine",
    );
}

/// A row of the page.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) fields: Vec<String>,
    pub(crate) class: String,
    quoted: Vec<String>,
    note: String,
}

impl Row {
    /// The tests that the row names.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &String> {
        self.quoted.iter().filter(|name| name.contains("::"))
    }
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

pub(crate) fn rows() -> Vec<Row> {
    let path = repository().join("docs/spec-conformance.md");
    let text =
        std::fs::read_to_string(&path).expect("docs/spec-conformance.md is in the repository");
    let rows: Vec<Row> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
            assert!(cells.len() >= 3, "not a row: {line}");
            Row {
                fields: quoted(cells[0]),
                class: cells[1].trim().to_owned(),
                quoted: quoted(cells[2]),
                note: cells.get(3).unwrap_or(&"").trim().to_owned(),
            }
        })
        .collect();
    assert!(rows.len() > 100, "the page has only {} rows", rows.len());
    rows
}

fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (group, cases) in crate::groups() {
        for case in cases {
            names.insert(format!("{group}::{}", case.name()));
        }
    }
    names
}

fn every_named_test_exists(t: &Test) {
    need_sources(t);
    let names = names();
    let mut wrong = Vec::new();
    for row in rows() {
        let tests: Vec<&String> = row.tests().collect();
        if row.class != "untestable" && tests.is_empty() {
            wrong.push(format!("{:?} names no test", row.fields));
        }
        for test in tests {
            if !names.contains(test) {
                wrong.push(format!(
                    "{:?} names {test}, which does not exist",
                    row.fields
                ));
            }
        }
        for test in quoted(&row.note).iter().filter(|name| name.contains("::")) {
            if !names.contains(test) {
                wrong.push(format!("the note of {:?} names {test}", row.fields));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn virtual_machine_kinds_are_known(t: &Test) {
    need_sources(t);
    for row in rows() {
        match row.class.as_str() {
            "vm" => {
                let kind = row.quoted.first().expect("a kind");
                assert!(KINDS.contains(&kind.as_str()), "{:?}: {kind}", row.fields);
            }
            "untestable" => assert!(!row.note.is_empty(), "{:?} gives no reason", row.fields),
            "here" | "refused" => {}
            other => panic!("{:?}: no class {other:?}", row.fields),
        }
    }
}

/// Every leaf of the full configuration that the parser's tests keep.
fn leaves(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    // Keys of these are data, not fields.
    let data = [
        "annotations",
        "linux.sysctl",
        "linux.resources.unified",
        "linux.netDevices",
        "linux.resources.rdma",
        "linux.timeOffsets",
        "features.annotations",
    ];
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let key = if data.contains(&at) { "*" } else { key };
                let path = if at.is_empty() {
                    key.to_owned()
                } else {
                    format!("{at}.{key}")
                };
                leaves(member, &path, found);
            }
            if members.is_empty() {
                found.insert(at.to_owned());
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                leaves(item, &format!("{at}[]"), found);
            }
        }
        _ => {
            found.insert(at.to_owned());
        }
    }
}

fn every_field_has_a_row(t: &Test) {
    need_sources(t);
    let rows = rows();
    let text = include_str!("../../../oci/tests/data/full.json");
    let full: Value = serde_json::from_str(text).expect("it is JSON");
    let mut wanted = BTreeSet::new();
    leaves(&full, "", &mut wanted);
    // Whether these are all that the specification has is asserted by the tests in features.rs.
    let features = crate::features::features(t);
    leaves(&features, "features", &mut wanted);
    let options = features["mountOptions"].as_array().expect("options");
    let row = |option: &Value| format!("mounts[].options: {}", option.as_str().expect("a name"));
    wanted.extend(options.iter().map(row));
    assert!(
        wanted.len() > 150,
        "the full configuration has only {} fields",
        wanted.len()
    );
    let have: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| &row.fields)
        .map(String::as_str)
        .collect();
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|field| !have.contains(field.as_str()))
        .collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let ours =
        |field: &&&str| field.starts_with("features.") || field.starts_with("mounts[].options: ");
    let other: Vec<&&str> = have
        .iter()
        .filter(ours)
        .filter(|field| !wanted.contains(**field))
        .collect();
    assert!(other.is_empty(), "rows for what there is not: {other:?}");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *counts.entry(&row.class).or_default() += row.fields.len();
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(class, count)| format!("{class} {count}"))
        .collect();
    println!("SPEC fields by class: {}", counts.join(", "));
}

fn every_test_is_reached_by_a_file(t: &Test) {
    need_sources(t);
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let groups: BTreeSet<&str> = crate::groups()
        .into_iter()
        .map(|(group, _)| group)
        .collect();
    for entry in std::fs::read_dir(dir)
        .expect("the sources are here")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".rs") else {
            continue; // Data of a test.
        };
        assert!(
            stem == "main" || groups.contains(stem),
            "{name} is in no group"
        );
        let text = std::fs::read_to_string(entry.path()).expect("a source file");
        let listed: usize =
            text.matches("(t: &Test) {").count() + text.matches("(_: &Test) {").count();
        assert!(stem == "main" || listed > 0, "{name} has no test");
    }
}
