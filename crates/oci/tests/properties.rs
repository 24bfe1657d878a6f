//! Properties of reading and writing, on mutations of a full configuration.
//!
//! What was read is written and read again without a difference, and nothing that is read, valid or
//! not, makes the crate panic. The fuzz target `config` does the same without bounds; this is its
//! smoke run on a stable toolchain.

use lockstep_oci::features::Features;
use lockstep_oci::runtime::{Spec, parse};
use lockstep_oci::state::{ContainerProcessState, State};
use lockstep_oci::{cpu_list::CpuList, landlock};
use proptest::prelude::*;
use serde_json::Value;

#[path = "../fuzz/configuration.rs"]
mod configuration;
#[path = "../fuzz/round_trip.rs"]
mod round_trip;

const FULL: &str = include_str!("data/full.json");

#[test]
fn no_field_of_the_full_configuration_is_lost() {
    let spec: Spec = parse(FULL.as_bytes()).expect("the base parses").spec;
    let mut expected: Value = serde_json::from_str(FULL).expect("JSON");
    // Zero is the default of this one field, and left out.
    let arg = expected
        .pointer_mut("/linux/seccomp/syscalls/2/args/0")
        .and_then(Value::as_object_mut);
    arg.expect("the base has an argument")
        .shift_remove("valueTwo");
    assert_eq!(serde_json::to_value(&spec).expect("serialises"), expected);
    let annotations: Vec<&str> = spec.annotations.keys().collect();
    assert_eq!(
        annotations,
        [
            "com.example.zebra",
            "com.example.apple",
            "org.lockstep.landlock"
        ],
        "file order"
    );
}

#[test]
fn null_and_empty_mean_absent() {
    let text = r#"{"ociVersion": "1.0.0", "root": {"path": "/r", "readonly": null}, "hostname": "", "mounts": null,
        "hooks": {"prestart": null}, "annotations": null, "process": {"cwd": "/", "args": null, "user": null,
        "terminal": null, "apparmorProfile": ""}, "linux": {"namespaces": null, "cgroupsPath": "", "sysctl": null,
        "rootfsPropagation": "", "resources": {"devices": [{"allow": false, "type": "", "access": ""}], "pids": null,
        "memory": {"swappiness": 18446744073709551615}}}}"#;
    let absent = r#"{"ociVersion": "1.0.0", "root": {"path": "/r"}, "hooks": {}, "process": {"cwd": "/"},
        "linux": {"resources": {"devices": [{"allow": false}], "memory": {}}}}"#;
    let read = |text: &str| parse(text.as_bytes()).expect("well-formed").spec;
    assert_eq!(read(text), read(absent));
}

#[test]
fn of_two_equal_keys_of_a_map_the_last_stays_in_the_first_place() {
    let text = r#"{"ociVersion": "1.0.0", "annotations": {"b": "1", "a": "2", "b": "3"}}"#;
    let spec = parse(text.as_bytes()).expect("well-formed").spec;
    let pairs: Vec<(&str, &str)> = spec
        .annotations
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(pairs, [("b", "3"), ("a", "2")]);
}

/// Pieces that meet the special cases of the readers.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..4),
        proptest::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "null",
            "-1",
            "1e9",
            "18446744073709551616",
            "true",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "\u{feff}",
            "\"%d\"",
            "\"/\"",
            "4294967295",
            "[[[[",
            "{\"\":"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let cut = (any::<prop::sample::Index>(), 0_usize..6, piece());
    proptest::collection::vec(cut, 1..4).prop_map(|cuts| {
        let mut text = FULL.as_bytes().to_vec();
        for (index, length, piece) in cuts {
            let start = index.index(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, piece);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_texts_never_panic(text in damaged()) {
        configuration::check(&text);
    }

    #[test]
    fn changed_values_never_panic_and_survive_writing(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), number_or_text()), 1..8)
    ) {
        let mut document: Value = serde_json::from_str(FULL).expect("JSON");
        let mut leaves = Vec::new();
        collect(&mut document, &mut leaves);
        let count = leaves.len();
        for (index, value) in changes {
            let leaf = &mut leaves[index.index(count)];
            // A value of the same type, so that most documents get as far as validation.
            if leaf.is_number() == value.is_number() && leaf.is_string() == value.is_string() {
                **leaf = value;
            }
        }
        configuration::check(document.to_string().as_bytes());
    }

    #[test]
    fn cpu_lists_survive_writing(text in "[0-9, -]{0,12}") {
        if let Ok(list) = CpuList::parse(&text) {
            prop_assert_eq!(CpuList::parse(&list.to_string()).expect("own output"), list.clone());
            prop_assert_eq!(list.iter().count(), list.len());
            prop_assert_eq!(list.mask().iter().map(|word| word.count_ones() as usize).sum::<usize>(), list.len());
        }
    }

    #[test]
    fn damaged_states_never_panic(at in any::<prop::sample::Index>(), length in 0_usize..4, piece in "[ -~]{0,3}") {
        let mut text = r#"{"ociVersion":"1.0.2","fds":["seccompFd"],"pid":44,"metadata":"m","state":{"ociVersion":"1.0.2","id":"c","status":"paused","pid":44,"bundle":"/c","annotations":{"k":"v"}}}"#.to_owned();
        let start = at.index(text.len());
        text.replace_range(start..(start + length).min(text.len()), &piece);
        round_trip::document::<ContainerProcessState>(text.as_bytes());
        round_trip::document::<State>(text.as_bytes());
        round_trip::document::<Features>(text.as_bytes());
    }

    #[test]
    fn landlock_annotations_never_panic(text in "[\\[\\]{}:,\"a-zA-Z0-9/]{0,40}") {
        drop(landlock::parse(&text));
    }
}

fn number_or_text() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        proptest::sample::select(vec![
            "", "/", "..", "0-70000", "a=b\0", "c", "eth%d%d", "1.0.0-0", "net.//.x", "user"
        ])
        .prop_map(Value::from),
    ]
}

fn collect<'a>(value: &'a mut Value, leaves: &mut Vec<&'a mut Value>) {
    match value {
        Value::Object(members) => members
            .values_mut()
            .for_each(|value| collect(value, leaves)),
        Value::Array(items) => items.iter_mut().for_each(|value| collect(value, leaves)),
        leaf => leaves.push(leaf),
    }
}
