//! Configurations that cannot be honoured: refused with the field named, before anything is left;
//! and what is unknown: warned about and ignored.

use serde_json::{Value, json};

use crate::harness::{Test, cases};

cases! {
    unknown_fields_warn: "runc 1.1.5 ignores them without a word",
    other_platforms_are_ignored,
    null_is_absent,
    wrong_types_name_the_field: "runc 1.1.5 names the Go type",
    wrong_values_name_the_field: "runc 1.1.5 names few fields",
    what_only_the_host_refuses_names_file_field_and_value: "runc 1.1.5 names few fields",
    options_that_a_mount_cannot_have_warn: "runc 1.1.5 drops them without a word",
    a_refusal_leaves_nothing,
    refusal_at_every_stage_leaves_nothing,
    config_is_a_directory,
    config_is_huge,
    config_is_deep,
    duplicate_keys: "runc 1.1.5 takes the last",
    not_utf8_refused,
    fields_of_solaris_and_vm_do_not_matter,
}

fn unknown_fields_warn(t: &Test) {
    for pointer in [
        "/unknownField",
        "/process/unknownField",
        "/linux/resources/unknownField",
    ] {
        let output = t.sh("echo ran").set(pointer, json!({"a": 1})).run().ok();
        assert_eq!(output.text(), "ran", "{pointer}");
        assert!(
            output.stderr.contains("unknownField"),
            "{pointer}: {output:?}"
        );
        assert!(
            output.stderr.contains("level=warning"),
            "{pointer}: {output:?}"
        );
    }
}

fn other_platforms_are_ignored(t: &Test) {
    let output = t
        .sh("echo ran")
        .set(
            "/windows",
            json!({"layerFolders": ["C:\\x"], "ignoreFlushesDuringBoot": true}),
        )
        .set("/solaris", json!({"milestone": "svc:/x:default"}))
        .set("/zos", json!({"namespaces": []}))
        .set("/freebsd", json!({"jail": {}}))
        .run()
        .ok();
    assert_eq!(output.text(), "ran");
}

fn fields_of_solaris_and_vm_do_not_matter(t: &Test) {
    let vm = json!({"hypervisor": {"path": "/x"}, "kernel": {"path": "/y"}});
    assert_eq!(t.sh("echo ran").set("/vm", vm).run().ok().text(), "ran");
}

fn null_is_absent(t: &Test) {
    for pointer in [
        "/hooks",
        "/annotations",
        "/linux/seccomp",
        "/process/rlimits",
        "/linux/maskedPaths",
        "/linux/resources",
        "/process/capabilities",
        "/hostname",
        "/linux/devices",
    ] {
        let output = t.sh("echo ran").set(pointer, Value::Null).run();
        assert_eq!(output.ok().text(), "ran", "{pointer}");
    }
}

fn wrong_types_name_the_field(t: &Test) {
    for (pointer, value) in [
        ("/process/args", json!("sh")),
        ("/process/user/uid", json!("root")),
        ("/process/user/uid", json!(-1)),
        ("/process/env", json!({"A": "b"})),
        ("/mounts", json!({})),
        ("/root/readonly", json!("yes")),
        ("/linux/namespaces", json!("pid")),
        ("/linux/resources/pids/limit", json!("many")),
        ("/hostname", json!(5)),
        ("/process/terminal", json!(1)),
    ] {
        let output = t.sh("true").set(pointer, value).run();
        output.fails_with(&["config.json", pointer]);
    }
}

fn wrong_values_name_the_field(t: &Test) {
    for (pointer, value) in [
        ("/process/cwd", json!("relative")),
        ("/process/user/umask", json!(0o1000)),
        ("/process/env", json!(["A=b\u{0}c"])),
        ("/process/oomScoreAdj", json!(1001)),
        ("/linux/rootfsPropagation", json!("sharedd")),
        ("/linux/sysctl", json!({"kernel.panic": "1"})),
        (
            "/linux/resources/memory",
            json!({"limit": 10_000_000, "swap": 5}),
        ),
        ("/linux/resources/cpu", json!({"period": 1})),
        ("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_NO"})),
        (
            "/linux/devices",
            json!([{"type": "c", "path": "relative", "major": 1, "minor": 3}]),
        ),
    ] {
        let output = t.sh("true").set(pointer, value).run();
        output.fails_with(&[pointer]);
    }
}

/// What a configuration alone does not show: paths that are not there, what this kernel has not or does not permit.
fn what_only_the_host_refuses_names_file_field_and_value(t: &Test) {
    let absent = "/no/such/thing";
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        ("/root/path", json!(absent), "/root/path", absent),
        ("/process/args", json!([absent]), "/process/args/0", absent),
        ("/process/args", json!(["/tmp"]), "/process/args/0", "/tmp"),
        (
            "/linux/namespaces/0",
            json!({"type": "pid", "path": absent}),
            "/linux/namespaces/0/path",
            absent,
        ),
        (
            "/linux/namespaces/0",
            json!({"type": "pid", "path": "/proc/self/ns/net"}),
            "/linux/namespaces/0/path",
            "/proc/self/ns/net",
        ),
        (
            "/mounts/0",
            json!({"destination": "/m", "type": "bind", "source": absent, "options": ["bind"]}),
            "/mounts/0",
            absent,
        ),
        (
            "/mounts/0",
            json!({"destination": "/m", "type": "nofs", "source": "x"}),
            "/mounts/0",
            "nofs",
        ),
        (
            "/mounts/0",
            json!({"destination": "/m", "type": "tmpfs", "source": "x", "options": ["nooption=1"]}),
            "/mounts/0",
            "nooption=1",
        ),
        (
            "/hooks/createRuntime",
            json!([{"path": absent}]),
            "/hooks/createRuntime/0",
            absent,
        ),
        (
            "/hooks/startContainer",
            json!([{"path": absent}]),
            "/hooks/startContainer/0",
            absent,
        ),
        (
            "/linux/sysctl",
            json!({"net.no.such": "1"}),
            "/linux/sysctl/net.no.such",
            "1",
        ),
        (
            "/linux/sysctl",
            json!({"net.ipv4.ip_forward": "x"}),
            "/linux/sysctl/net.ipv4.ip_forward",
            "x",
        ),
        (
            "/linux/netDevices",
            json!({"nodev0": {}}),
            "/linux/netDevices/nodev0",
            "nodev0",
        ),
        (
            "/linux/resources/memory",
            json!({"limit": 1000}),
            "/linux/resources/memory/limit",
            "1000",
        ),
        (
            "/linux/resources/cpu",
            json!({"cpus": "4000"}),
            "/linux/resources/cpu/cpus",
            "4000",
        ),
        (
            "/linux/resources/cpu",
            json!({"mems": "900"}),
            "/linux/resources/cpu/mems",
            "900",
        ),
        (
            "/linux/resources/hugepageLimits",
            json!([{"pageSize": "3MB", "limit": 0}]),
            "/linux/resources/hugepageLimits/0",
            "3MB",
        ),
        (
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_BIND", "nodes": "900"}),
            "/linux/memoryPolicy",
            "900",
        ),
        (
            "/process/scheduler",
            json!({"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 1, "period": 1}),
            "/process/scheduler",
            "SCHED_DEADLINE",
        ),
        (
            "/linux/intelRdt",
            json!({"closID": "c"}),
            "/linux/intelRdt",
            "resctrl",
        ),
        (
            "/process/apparmorProfile",
            json!("prof"),
            "/process/apparmorProfile",
            "prof",
        ),
        (
            "/process/selinuxLabel",
            json!("a:b:c:s0"),
            "/process/selinuxLabel",
            "a:b:c:s0",
        ),
        (
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": absent, "syscalls": [
                {"names": ["chroot"], "action": "SCMP_ACT_NOTIFY"}]}),
            "/linux/seccomp/listenerPath",
            absent,
        ),
    ];
    let mut bad = Vec::new();
    for (pointer, value, field, told) in cases {
        let bundle = t.sh("true").set(pointer, value.clone());
        let output = bundle.run();
        let named = ["config.json", field, told]
            .iter()
            .all(|word| output.stderr.contains(word));
        if output.code != 1 || !named {
            bad.push(format!(
                "{pointer} {value}: {} {}",
                output.code, output.stderr
            ));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// They go to the file system where one is made; here there is none that could say anything.
fn options_that_a_mount_cannot_have_warn(t: &Test) {
    let options = ["rbind", "ro", "nosuchoption"];
    let mount =
        json!({"destination": "/m", "type": "bind", "source": "/proc/self", "options": options});
    let output = t.sh("true").set("/mounts/0", mount).run().ok();
    output.warns("/mounts/0/options/2: \\\"nosuchoption\\\"");
}

fn nothing_is_left(t: &Test, bundle: &crate::harness::Bundle<'_>, what: &str) {
    let state = std::fs::read_dir(t.state_root())
        .into_iter()
        .flatten()
        .flatten();
    let names: Vec<_> = state.map(|entry| entry.file_name()).collect();
    let of_this: Vec<_> = names
        .iter()
        .filter(|name| name.to_string_lossy().contains(&bundle.id))
        .collect();
    assert!(of_this.is_empty(), "{what}: {of_this:?}");
    for mount in crate::harness::Host::get().controllers.values() {
        let dir = mount.join(bundle.cgroup().trim_start_matches('/'));
        assert!(!dir.exists(), "{what}: {}", dir.display());
    }
}

fn a_refusal_leaves_nothing(t: &Test) {
    let bundle = t.sleeper().set("/linux/rootfsPropagation", "nonsense");
    assert_ne!(bundle.try_create().code, 0);
    nothing_is_left(t, &bundle, "validation");
}

fn refusal_at_every_stage_leaves_nothing(t: &Test) {
    let stages: [(&str, &str, Value); 7] = [
        (
            "namespace",
            "/linux/namespaces/0",
            json!({"type": "pid", "path": "/no/such"}),
        ),
        ("cgroup", "/linux/resources/cpu", json!({"cpus": "4000"})),
        ("mount", "/mounts/0/type", json!("nonsensefs")),
        (
            "hook",
            "/hooks/createRuntime",
            json!([{"path": "/bin/false"}]),
        ),
        ("program", "/process/args", json!(["/no/such/program"])),
        (
            "rlimit",
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}]),
        ),
        ("sysctl", "/linux/sysctl", json!({"net.no.such": "1"})),
    ];
    for (what, pointer, value) in stages {
        let bundle = t.sleeper().set(pointer, value);
        let output = bundle.run();
        assert_ne!(output.code, 0, "{what} was accepted");
        nothing_is_left(t, &bundle, what);
    }
}

fn raw(t: &Test, text: &[u8]) -> crate::harness::Output {
    let bundle = t.sleeper();
    std::fs::write(bundle.dir().join("config.json"), text).expect("own bundle");
    let dir = bundle.dir().display().to_string();
    t.call(&["run", "--bundle", &dir, &bundle.id])
}

fn config_is_a_directory(t: &Test) {
    let bundle = t.sleeper();
    std::fs::create_dir(bundle.dir().join("config.json")).expect("own bundle");
    let dir = bundle.dir().display().to_string();
    assert_ne!(t.call(&["run", "--bundle", &dir, &bundle.id]).code, 0);
}

fn config_is_huge(t: &Test) {
    let bundle = t
        .sh("echo ran")
        .set("/annotations", json!({"big": "x".repeat(5_000_000)}));
    assert_eq!(bundle.run().ok().text(), "ran");
}

fn config_is_deep(t: &Test) {
    let text = format!(
        "{{\"annotations\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let output = raw(t, text.as_bytes());
    assert!(
        output.code > 0 && output.code < 128,
        "no crash: {}",
        output.code
    );
}

fn duplicate_keys(t: &Test) {
    let text = br#"{"ociVersion":"1.0.2","ociVersion":"1.0.0","root":{"path":"rootfs"}}"#;
    raw(t, text).fails_with(&["ociVersion"]);
}

fn not_utf8_refused(t: &Test) {
    let output = raw(t, b"{\"ociVersion\":\"1.0.2\xff\"}");
    assert_ne!(output.code, 0);
}
