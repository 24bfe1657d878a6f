//! `linux.resources.devices`: the allow list of the version 1 controller and, by a BPF program, of
//! version 2, asserted by opening a device.

use serde_json::{Value, json};

use crate::harness::{Test, cases};

cases! {
    devices_default_deny,
    devices_rules_in_order: "runc 1.1.5 merges rules instead of applying them in order",
    devices_access_is_split,
    devices_allow_all,
    devices_rule_of_unknown_type_refused,
    devices_defaults_stay_allowed,
}

/// Opens a device that the container has a node for; the probe's answer.
fn opened(t: &Test, rules: Value, major: u32, minor: u32, flags: &str) -> String {
    let output = t
        .args(&["/probe", "open", "/dev/probed", flags])
        .with_probe()
        .set(
            "/linux/devices",
            json!([{"type": "c", "path": "/dev/probed", "major": major, "minor": minor,
                    "fileMode": 438}]),
        )
        .set("/linux/resources/devices", rules)
        .run()
        .ok();
    output.value("open").to_owned()
}

pub(crate) const RDONLY: &str = "0";
pub(crate) const WRONLY: &str = "1";
pub(crate) const RDWR: &str = "2";

fn deny_all() -> Value {
    json!({"allow": false, "access": "rwm"})
}

pub(crate) fn fuse_rule(allow: bool, access: &str) -> Value {
    json!({"allow": allow, "type": "c", "major": 10, "minor": 229, "access": access})
}

fn devices_default_deny(t: &Test) {
    assert_eq!(opened(t, json!([deny_all()]), 10, 229, RDWR), "-1");
    assert_eq!(
        opened(t, json!([deny_all(), fuse_rule(true, "rw")]), 10, 229, RDWR),
        "0"
    );
}

fn devices_rules_in_order(t: &Test) {
    let rules = json!([deny_all(), fuse_rule(true, "rw"), fuse_rule(false, "w")]);
    assert_eq!(opened(t, rules.clone(), 10, 229, WRONLY), "-1");
    assert_eq!(opened(t, rules, 10, 229, RDONLY), "0");
    let rules = json!([fuse_rule(true, "rw"), deny_all()]);
    assert_eq!(
        opened(t, rules, 10, 229, RDWR),
        "-1",
        "the later rule decides"
    );
}

fn devices_access_is_split(t: &Test) {
    let rules = json!([deny_all(), fuse_rule(true, "r")]);
    assert_eq!(opened(t, rules.clone(), 10, 229, RDONLY), "0");
    assert_eq!(opened(t, rules.clone(), 10, 229, WRONLY), "-1");
    assert_eq!(opened(t, rules, 10, 229, RDWR), "-1");
}

fn devices_allow_all(t: &Test) {
    let rules = json!([{"allow": true, "access": "rwm"}]);
    assert_eq!(opened(t, rules, 10, 229, RDWR), "0");
    let rules = json!([deny_all(), {"allow": true, "type": "c", "access": "rwm"}]);
    assert_eq!(
        opened(t, rules, 10, 229, RDWR),
        "0",
        "type c without numbers means all of them"
    );
    let rules = json!([deny_all(), {"allow": true, "type": "c", "major": 10, "access": "rwm"}]);
    assert_eq!(
        opened(t, rules, 10, 229, RDWR),
        "0",
        "a major number means all its minors"
    );
}

fn devices_rule_of_unknown_type_refused(t: &Test) {
    let output = t
        .sh("true")
        .push(
            "/linux/resources/devices",
            json!({"allow": true, "type": "z", "access": "r"}),
        )
        .run();
    assert_ne!(output.code, 0);
}

fn devices_defaults_stay_allowed(t: &Test) {
    // A configuration that denies all must not take /dev/null from the program.
    let output = t
        .sh("echo x > /dev/null && head -c1 /dev/zero | wc -c; exec 3<>/dev/ptmx && echo ptmx")
        .run()
        .ok();
    assert_eq!(
        output.text().split_whitespace().collect::<Vec<_>>(),
        ["1", "ptmx"]
    );
}
