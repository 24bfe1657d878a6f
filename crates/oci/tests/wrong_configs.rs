//! Wrong configurations and the exact error that each gives: pointer, value and reason.
//!
//! Every case changes one thing in a full, valid configuration, so that the error it gets can come
//! from nothing else. The cases are data (`data/wrong_configs.json`): `set` and `remove` change the
//! base by JSON pointer, `text` stands for the whole file, `error` is the whole message.

use std::collections::BTreeSet;

use lockstep_oci::runtime::{parse, validate};
use serde::Deserialize;
use serde_json::{Map, Value};

const BASE: &str = include_str!("data/full.json");
const CASES: &str = include_str!("data/wrong_configs.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    kind: String,
    #[serde(default)]
    set: Map<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    text: Option<String>,
    error: String,
}

impl Case {
    fn config(&self) -> Vec<u8> {
        if let Some(text) = &self.text {
            return text.clone().into_bytes();
        }
        let mut document: Value = serde_json::from_str(BASE).expect("the base is JSON");
        for pointer in &self.remove {
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer below the root");
            let parent = document
                .pointer_mut(parent)
                .and_then(Value::as_object_mut)
                .expect("the parent is an object");
            parent
                .shift_remove(key)
                .expect("the base has what is removed");
        }
        for (pointer, value) in &self.set {
            set(&mut document, pointer, value.clone());
        }
        serde_json::to_vec(&document).expect("a document serialises")
    }
}

/// Sets a value; in an array the index after the last appends.
fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer below the root");
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.insert(key, value);
        }
        Some(Value::Array(items)) => {
            let index: usize = key.parse().expect("an index");
            if index == items.len() {
                items.push(value);
            } else {
                items[index] = value;
            }
        }
        _ => panic!("{pointer}: the parent is neither object nor array"),
    }
}

/// The errors of a text, one per line as the user gets them.
fn errors(text: &[u8]) -> Vec<String> {
    match parse(text) {
        Err(error) => vec![error.to_string()],
        Ok(parsed) => match validate(parsed.spec) {
            Ok(_) => Vec::new(),
            Err(invalid) => invalid.problems.iter().map(ToString::to_string).collect(),
        },
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(CASES).expect("the table is JSON of this form")
}

/// Lines and columns depend on how the base is printed, which no case is about.
fn without_place(error: &str) -> String {
    match error.rsplit_once(" at line ") {
        Some((before, _)) => before.to_owned(),
        None => error.to_owned(),
    }
}

#[test]
fn each_gives_its_error_and_no_other() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found: Vec<String> = errors(&case.config())
            .iter()
            .map(|error| {
                if case.text.is_some() {
                    error.clone()
                } else {
                    without_place(error)
                }
            })
            .collect();
        if found != [case.error.as_str()] {
            wrong.push(format!(
                "{}:\n  expected {}\n  found    {found:#?}",
                case.kind, case.error
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_table_is_as_broad_as_it_claims() {
    let cases = cases();
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.kind.as_str()).collect();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    assert!(kinds.len() >= 20, "{} kinds", kinds.len());
    let texts: BTreeSet<Vec<u8>> = cases.iter().map(Case::config).collect();
    assert_eq!(
        texts.len(),
        cases.len(),
        "two cases are the same configuration"
    );
}

#[test]
fn the_base_is_without_fault() {
    let parsed = parse(BASE.as_bytes()).expect("the base parses");
    assert_eq!(parsed.unknown, [""; 0]);
    let valid = validate(parsed.spec).expect("the base is valid");
    assert_eq!(valid.warnings(), []);
}

#[test]
fn many_problems_are_all_reported() {
    let mut document: Value = serde_json::from_str(BASE).expect("the base is JSON");
    for (pointer, value) in [
        ("/ociVersion", "2.0.0".into()),
        ("/root/path", "".into()),
        ("/process/cwd", "home".into()),
        ("/process/args", Value::Array(Vec::new())),
        ("/linux/namespaces/0/type", "pids".into()),
        ("/linux/sysctl/kernel.panic", "1".into()),
        ("/linux/resources/memory/swappiness", 101.into()),
        ("/linux/seccomp/syscalls/0/action", "SCMP_ACT_MAYBE".into()),
    ] {
        set(&mut document, pointer, value);
    }
    let text = serde_json::to_vec(&document).expect("a document serialises");
    insta::assert_snapshot!("many_problems", errors(&text).join("\n"));
    let parsed = parse(&text).expect("well-formed");
    let message = validate(parsed.spec).expect_err("invalid").to_string();
    assert!(
        !message.contains('\n'),
        "one line, as logs want it: {message}"
    );
}

#[test]
fn warnings_do_not_make_a_configuration_invalid() {
    let mut document: Value = serde_json::from_str(BASE).expect("the base is JSON");
    for (pointer, value) in [
        ("/process/capabilities/bounding/0", "CAP_FLY".into()),
        ("/process/capabilities/effective/1", "CAP_SYSLOG".into()),
        ("/process/capabilities/ambient/1", "CAP_CHOWN".into()),
        ("/process/env/2", "LONELY".into()),
        ("/mounts/0/destination", "proc".into()),
        (
            "/linux/devices/3",
            serde_json::json!({"type": "c", "path": "/dev/fuse2", "major": 10, "minor": 229}),
        ),
        ("/linux/resources/cpu/shares", 1.into()),
        ("/linux/resources/devices/0/major", 8.into()),
        ("/linux/resources/memory/reservation", 1_073_741_824.into()),
        ("/linux/intelRdt/l3CacheSchema", "L2:0=f".into()),
        ("/novelty", true.into()),
    ] {
        set(&mut document, pointer, value);
    }
    let parsed =
        parse(&serde_json::to_vec(&document).expect("a document serialises")).expect("well-formed");
    assert_eq!(parsed.unknown, ["/novelty"]);
    let valid = validate(parsed.spec).expect("valid");
    let lines: Vec<String> = valid.warnings().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("warnings", lines.join("\n"));
}
