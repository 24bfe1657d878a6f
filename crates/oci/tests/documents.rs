//! State, features and the seccomp state: the specification's examples by shape, and runc's output.

use lockstep_oci::features::Features;
use lockstep_oci::json::parse;
use lockstep_oci::runtime::{SeccompAction, SeccompArch};
use lockstep_oci::state::{ContainerProcessState, State, Status};
use serde_json::{Value, json};

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("a value serialises")
}

#[test]
fn the_state_of_a_hook_has_the_fields_of_the_specification_alone() {
    let state = State {
        oci_version: "1.3.0".to_owned(),
        id: "box".to_owned(),
        pid: Some(4422),
        status: Status::Creating,
        bundle: "/containers/box".to_owned(),
        rootfs: None,
        created: None,
        annotations: [("k", "v".to_owned())].into_iter().collect(),
        owner: None,
    };
    assert_eq!(
        serde_json::to_string(&state).expect("serialises"),
        r#"{"ociVersion":"1.3.0","id":"box","pid":4422,"status":"creating","bundle":"/containers/box","annotations":{"k":"v"}}"#
    );
}

#[test]
fn runc_s_state_is_read_and_written_key_for_key() {
    // The order and the empty owner are those of runc 1.1.5.
    let text = r#"{"ociVersion":"1.0.2-dev","id":"st","pid":0,"status":"stopped","bundle":"/b","rootfs":"/b/rootfs","created":"2026-11-26T04:32:40.048752498Z","annotations":{"a":"2","z":"1"},"owner":""}"#;
    let state = parse::<State>(text.as_bytes()).expect("well-formed");
    assert_eq!(state.unknown, [""; 0]);
    assert_eq!(state.value.status, Status::Stopped);
    assert_eq!(
        serde_json::to_string(&state.value).expect("serialises"),
        text
    );
}

#[test]
fn the_seccomp_state_is_the_specification_s_example() {
    let text = json!({
        "ociVersion": "1.0.2", "fds": ["seccompFd"], "pid": 4422, "metadata": "MKNOD=/dev/null",
        "state": {"ociVersion": "1.0.2", "id": "c1", "status": "creating", "pid": 4422, "bundle": "/c/redis",
                  "annotations": {"myKey": "myValue"}}
    });
    let state = parse::<ContainerProcessState>(&bytes(&text)).expect("well-formed");
    assert_eq!(state.value.fds, [lockstep_oci::state::SECCOMP_FD_NAME]);
    assert_eq!(
        serde_json::to_value(&state.value).expect("serialises"),
        text
    );
}

#[test]
fn features_keep_absent_and_empty_apart() {
    let minimal = json!({"ociVersionMin": "1.0.0", "ociVersionMax": "1.3.0"});
    let features = parse::<Features>(&bytes(&minimal))
        .expect("well-formed")
        .value;
    assert_eq!(features.hooks, None);
    assert_eq!(
        serde_json::to_value(&features).expect("serialises"),
        minimal
    );
    let empty = json!({"ociVersionMin": "1.0.0", "ociVersionMax": "1.3.0", "hooks": [], "linux": {"seccomp": {"archs": []}}});
    let features = parse::<Features>(&bytes(&empty))
        .expect("well-formed")
        .value;
    assert_eq!(features.hooks, Some(Vec::new()));
    assert_eq!(serde_json::to_value(&features).expect("serialises"), empty);
    let error = parse::<Features>(br#"{"ociVersionMin": "1.0.0"}"#).expect_err("no maximum");
    assert_eq!(error.reason, "missing field `ociVersionMax`");
}

#[test]
fn features_have_every_field() {
    let full = json!({
        "ociVersionMin": "1.0.0", "ociVersionMax": "1.3.0", "hooks": ["prestart"], "mountOptions": ["ro"],
        "linux": {
            "namespaces": ["cgroup", "time"], "capabilities": ["CAP_CHOWN"],
            "cgroup": {"v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true},
            "seccomp": {"enabled": true, "actions": ["SCMP_ACT_LOG"], "operators": ["SCMP_CMP_NE"], "archs": ["SCMP_ARCH_X32"],
                        "knownFlags": ["SECCOMP_FILTER_FLAG_LOG"], "supportedFlags": []},
            "apparmor": {"enabled": true}, "selinux": {"enabled": false},
            "memoryPolicy": {"modes": ["MPOL_BIND"], "flags": ["MPOL_F_STATIC_NODES"]},
            "intelRdt": {"enabled": true, "schemata": true, "monitoring": true},
            "mountExtensions": {"idmap": {"enabled": true}}, "netDevices": {"enabled": true}
        },
        "annotations": {"a": "b"}, "potentiallyUnsafeConfigAnnotations": ["org.example."]
    });
    let features = parse::<Features>(&bytes(&full)).expect("well-formed");
    assert_eq!(features.unknown, [""; 0]);
    assert_eq!(
        serde_json::to_value(&features.value).expect("serialises"),
        full
    );
}

#[test]
fn open_enums_keep_what_they_do_not_know() {
    assert_eq!(SeccompAction::from("SCMP_ACT_LOG"), SeccompAction::Log);
    let strange = SeccompArch::from("SCMP_ARCH_Z80");
    assert!(!strange.is_known() && SeccompArch::KNOWN.iter().all(SeccompArch::is_known));
    assert_eq!(strange.as_str(), "SCMP_ARCH_Z80");
    for arch in SeccompArch::KNOWN {
        assert_eq!(&SeccompArch::from(arch.as_str()), arch);
    }
}
