//! Configurations with changed values on every kind of host: refused by name or planned in order.
//!
//! The bounded sibling of the fuzz targets in `fuzz/`, for every run of the tests.

use proptest::prelude::*;
use serde_json::Value;

#[path = "../fuzz/planning.rs"]
mod planning;

const FULL: &str = include_str!("../../oci/tests/data/full.json");

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        proptest::sample::select(vec![
            "",
            "/",
            "..",
            "/../x",
            "a:b:c",
            ":::",
            "-.slice:x:y",
            "0-70000",
            "rro",
            "idmap",
            "ro",
            "rshared",
            "mode=",
            "size=1k",
            "cgroup",
            "proc",
            "bind",
            "/proc/self",
            "user",
            "CAP_SYS_ADMIN",
            "systemd-x.slice",
        ])
        .prop_map(Value::from),
    ]
}

/// Everything in the document, a name and its value at a time.
fn places<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|value| places(value, found)),
        Value::Array(items) => items.iter_mut().for_each(|value| places(value, found)),
        leaf => found.push(leaf),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_configurations(
        choice in any::<u8>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), value()), 0..6),
    ) {
        let mut document: Value = serde_json::from_str(FULL).expect("JSON");
        let mut found = Vec::new();
        places(&mut document, &mut found);
        let count = found.len();
        for (index, value) in changes {
            *found[index.index(count)] = value;
        }
        planning::check(choice, document.to_string().as_bytes());
    }

    #[test]
    fn hosts_and_paths(text in "([0-9]{1,2} [0-9]{1,2} 0:3[0-9] /(|x|[.][.]) /(sys|a b|[\\\\]040)(/[a-z]{0,3}){0,2} rw - cgroup2? c rw(,cpu|,memory|,name=x){0,2}\n){0,4}\u{1}([0-9]:(cpu|name=x|):/[a-z./]{0,6}\n){0,3}\u{1}(cpu |pids ){0,2}\u{1}[a-z:./-]{0,12}\u{1}[0-9'\"\\[\\]a-z, ]{0,12}") {
        planning::check_host(text.as_bytes());
    }

    #[test]
    fn any_text_as_a_host(text in "\\PC{0,60}\u{1}\\PC{0,20}\u{1}\\PC{0,9}\u{1}\\PC{0,20}\u{1}\\PC{0,20}") {
        planning::check_host(text.as_bytes());
    }
}
