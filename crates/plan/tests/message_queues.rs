//! The SELinux label of message queues, which are there before they are mounted.

use lockstep_oci::runtime as oci;
use lockstep_plan::{Host, Op, cgroup, create};
use serde_json::{Value, json};
use std::path::Path;

const LABEL: &str = "system_u:object_r:container_file_t:s0:c17,c42";
const READ_ONLY: u64 = 1;

fn host() -> Host {
    let all = (1 << 41) - 1;
    Host {
        uid: 0,
        gid: 0,
        capabilities: all,
        bounding: all,
        user_namespace: false,
        set_groups: true,
        apparmor: false,
        selinux: true,
        landlock_abi: 0,
        apparmor_confined: false,
        kcore: false,
        resctrl: None,
        cgroup: cgroup::layout("", "", &[]),
    }
}

/// What init does for a container with these namespaces and one mount of message queues.
fn planned(namespaces: &[&str], options: &[&str]) -> Vec<Op> {
    let namespaces: Vec<Value> = namespaces
        .iter()
        .map(|kind| json!({ "type": kind }))
        .collect();
    let config = json!({
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["sh"], "user": {"uid": 0, "gid": 0}},
        "mounts": [{"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": options}],
        "linux": {"namespaces": namespaces, "mountLabel": LABEL}
    });
    let parsed = oci::parse(config.to_string().as_bytes()).expect("JSON");
    let spec = oci::validate(parsed.spec).expect("valid");
    let request = create::Request {
        id: "id",
        bundle: Path::new("/bundle"),
        cgroups: &[],
        no_pivot: false,
        no_keyring: false,
        processes: None,
        keep: 0,
        sockets: 0,
        supervised: None,
    };
    let plan = create::plan(&spec, &host(), &request).expect("a plan");
    plan.steps.into_iter().map(|step| step.op).collect()
}

/// The label of the mount, and whether it is read-only from the beginning.
fn mounted(ops: &[Op]) -> (Option<&str>, bool) {
    let mount = ops.iter().find_map(|op| match op {
        Op::Mount {
            kind,
            root_label,
            attributes,
            ..
        } if kind == "mqueue" => Some((root_label.as_deref(), attributes.set & READ_ONLY != 0)),
        _ => None,
    });
    mount.expect("mounted")
}

#[test]
fn those_of_a_shared_namespace_keep_their_label() {
    let own = planned(&["mount", "ipc"], &[]);
    assert_eq!(mounted(&own), (Some(LABEL), false));
    let shared = planned(&["mount"], &[]);
    assert_eq!(mounted(&shared), (None, false));
}

#[test]
fn labelled_before_they_are_read_only() {
    let ops = planned(&["mount", "ipc"], &["ro"]);
    assert_eq!(mounted(&ops), (Some(LABEL), false));
    let later = ops
        .iter()
        .skip_while(|op| !matches!(op, Op::Mount { kind, .. } if kind == "mqueue"))
        .any(|op| {
            matches!(op, Op::SetAttributes { target, attributes }
            if target.as_path() == Path::new("/dev/mqueue") && attributes.set & READ_ONLY != 0)
        });
    assert!(later, "{ops:?}");
}
