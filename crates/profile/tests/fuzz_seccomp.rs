//! Damaged profiles: whatever still parses is refused with words or compiled to what it says.
//!
//! The bounded sibling of the fuzz target in `fuzz/`, for a stable compiler.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files, runs peers and says what it compared"
)]

mod corpus;

use std::cell::Cell;

use proptest::prelude::*;
use serde_json::{Value, json};

/// A profile with values in wrong places.
fn damaged() -> impl Strategy<Value = Value> {
    let words = [
        json!(null),
        json!(0),
        json!(6),
        json!(-1),
        json!(u64::MAX),
        json!(0xffff),
        json!(70_000),
        json!([]),
        json!({}),
        json!(""),
        json!("write"),
        json!("socketcall"),
        json!("SCMP_ACT_NOTIFY"),
        json!("SCMP_ACT_LOG"),
        json!("SCMP_ARCH_X32"),
        json!("SCMP_ARCH_S390X"),
        json!("SCMP_CMP_MASKED_EQ"),
        json!("SCMP_CMP_LT"),
        json!([{"names": ["ipc"], "action": "SCMP_ACT_TRAP"}]),
    ];
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (
        corpus::random::profiles(5),
        prop::collection::vec(edit, 1..5),
    )
        .prop_map(move |(profile, edits)| {
            let mut profile = serde_json::to_value(profile).unwrap();
            for (place, word) in edits {
                let mut places = Vec::new();
                collect(&profile, String::new(), &mut places);
                let old = profile
                    .pointer_mut(&places[place.index(places.len())])
                    .unwrap();
                let first = word.index(words.len());
                let mut candidates = words[first..].iter().chain(&words[..first]);
                // Mostly of the same type: other types are refused before there is anything to compile.
                let fits = |word: &&Value| {
                    first % 8 == 0 || std::mem::discriminant(*word) == std::mem::discriminant(old)
                };
                *old = candidates.find(fits).unwrap_or(&words[first]).clone();
            }
            profile
        })
}

/// JSON pointers to everything below the top.
fn collect(value: &Value, path: String, places: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, value)| (i.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let path = format!("{path}/{key}");
        places.push(path.clone());
        collect(child, path, places);
    }
}

#[test]
fn damaged_profiles_are_refused_or_mean_what_they_say() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let (parsed, compiled) = (Cell::new(0), Cell::new(0));
    let outcome = runner.run(&damaged(), |value| {
        let Ok(profile) = serde_json::from_value(value) else {
            return Ok(());
        };
        parsed.set(parsed.get() + 1);
        match corpus::check_if_compilable(&profile) {
            Ok(answers) => compiled.set(compiled.get() + u32::from(answers > 0)),
            Err(difference) => return Err(TestCaseError::fail(difference)),
        }
        Ok(())
    });
    outcome.unwrap();
    let (parsed, compiled) = (parsed.get(), compiled.get());
    assert!(
        compiled > 40 && parsed > compiled,
        "{parsed} parsed, {compiled} compiled"
    );
}
