//! The door against two oracles: crates that carry the path through every deserialiser.
//!
//! Ours finds places by walking the text afterwards; on any document both ways have to agree.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MAX_BYTES, parse};
use crate::pointer::Pointer;
use crate::runtime::Spec;
use crate::strict;

const FULL: &str = include_str!("../../tests/data/full.json");

#[test]
fn unknown_fields_are_named_in_file_order() {
    let text = r#"{"zeta": {"hostname": 1}, "ociVersion": "1.0.0", "root": {"path": "/", "a/b": []},
        "mounts": [{"destination": "/a"}, {"destination": "/b", "x": [{"y": 1}]}], "annotations": {"free": "x"},
        "linux": {"timeOffsets": {"monotonic": {"days": 1}}, "vendor": null}, "vm": {"anything": {}}}"#;
    let document = parse::<Spec>(text.as_bytes()).expect("well-formed");
    assert_eq!(
        document.unknown,
        [
            "/zeta",
            "/root/a~1b",
            "/mounts/1/x",
            "/linux/timeOffsets/monotonic/days",
            "/linux/vendor"
        ]
    );
}

#[test]
fn size_is_bounded() {
    let mut text = FULL.as_bytes().to_vec();
    text.resize(MAX_BYTES, b' ');
    parse::<Spec>(&text).expect("as large as allowed");
    text.push(b' ');
    let error = parse::<Spec>(&text).expect_err("one byte more");
    assert_eq!(
        error.to_string(),
        "16777217 bytes exceed the limit of 16777216"
    );
}

#[test]
fn depth_is_bounded() {
    let text = format!(
        r#"{{"ociVersion": "1.0.0", "vm": {}1{}}}"#,
        "[".repeat(1000),
        "]".repeat(1000)
    );
    let error = parse::<Spec>(text.as_bytes()).expect_err("too deep");
    assert_eq!(error.reason, "recursion limit exceeded");
}

#[test]
fn a_long_value_is_cut_at_a_character() {
    let text = format!(
        r#"{{"ociVersion": "1.0.0", "root": {{"other": "{}"}}}}"#,
        "\u{20ac}".repeat(100)
    );
    let error = parse::<Spec>(text.as_bytes()).expect_err("no path");
    let value = error.value.expect("an object stands there");
    assert!(
        value.ends_with("\u{20ac}...") && value.len() <= 123,
        "{value}"
    );
}

/// Every pointer in a document, the root first.
fn pointers(value: &Value) -> Vec<String> {
    fn go(value: &Value, at: &Pointer<'_>, found: &mut Vec<String>) {
        found.push(at.to_string());
        match value {
            Value::Object(members) => members
                .iter()
                .for_each(|(key, value)| go(value, &at.key(key), found)),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(nth, value)| go(value, &at.index(nth), found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    go(value, &Pointer::Root, &mut found);
    found
}

fn some_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,8}".prop_map(Value::from),
        "\\PC{0,4}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[1, "]"], {"}": 1}])),
        ("[a-z~/\"\\\\]{0,5}", "[ -~]{0,5}").prop_map(|(key, value)| json!({ key: value })),
    ]
}

/// Replaces some values, adds some members, and prints with or without white space.
fn mutated() -> impl Strategy<Value = String> {
    let full: Value = serde_json::from_str(FULL).expect("JSON");
    let places = pointers(&full);
    let place = proptest::sample::select(places);
    let replace = proptest::collection::vec((place.clone(), some_value()), 0..3);
    let add = proptest::collection::vec((place, "[a-z~/\"\\\\ ]{1,5}", some_value()), 0..4);
    (replace, add, any::<bool>()).prop_map(move |(replace, add, pretty)| {
        let mut document = full.clone();
        for (place, key, value) in add {
            if let Some(Value::Object(members)) = document.pointer_mut(&place) {
                members.insert(key, value);
            }
        }
        for (place, value) in replace {
            if let Some(old) = document.pointer_mut(&place) {
                *old = value;
            }
        }
        if pretty {
            format!("{document:#}")
        } else {
            document.to_string()
        }
    })
}

/// The pointer of the error by `serde_path_to_error`.
fn path_oracle(text: &str) -> Option<String> {
    use serde_path_to_error::{Deserializer, Segment, Track};
    let mut track = Track::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = strict::deserialize::<_, Spec>(Deserializer::new(&mut reader, &mut track));
    read.is_err().then(|| {
        track.path().iter().fold(String::new(), |place, segment| {
            place
                + &match segment {
                    Segment::Seq { index } => Pointer::Root.index(*index).to_string(),
                    Segment::Map { key } => Pointer::Root.key(key).to_string(),
                    Segment::Enum { .. } | Segment::Unknown => String::new(),
                }
        })
    })
}

/// The unknown fields by `serde_ignored`.
fn ignored_oracle(text: &str) -> Vec<String> {
    fn pointer(path: &serde_ignored::Path<'_>) -> String {
        use serde_ignored::Path;
        match path {
            Path::Root => String::new(),
            Path::Seq { parent, index } => {
                pointer(parent) + &Pointer::Root.index(*index).to_string()
            }
            Path::Map { parent, key } => pointer(parent) + &Pointer::Root.key(key).to_string(),
            Path::Some { parent }
            | Path::NewtypeStruct { parent }
            | Path::NewtypeVariant { parent } => pointer(parent),
        }
    }
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut note = |path: serde_ignored::Path<'_>| found.push(pointer(&path));
    let spec = Spec::deserialize(serde_ignored::Deserializer::new(&mut reader, &mut note));
    spec.expect("the strict reader took it");
    found
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn places_agree_with_the_oracles(text in mutated()) {
        match parse::<Spec>(text.as_bytes()) {
            Ok(document) => {
                prop_assert_eq!(path_oracle(&text), None);
                prop_assert_eq!(document.unknown, ignored_oracle(&text));
            }
            Err(error) => {
                prop_assert_eq!(Some(error.pointer.clone()), path_oracle(&text), "{}", error);
                let document: Value = serde_json::from_str(&text).expect("still JSON");
                let value = document.pointer(&error.pointer).map(ToString::to_string);
                prop_assert!(error.value.is_some());
                if let (Some(found), Some(value)) = (error.value, value) {
                    prop_assert!(value.starts_with(found.trim_end_matches("...")), "{} is not {}", found, value);
                }
            }
        }
    }
}
