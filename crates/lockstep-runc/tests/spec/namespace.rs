//! `linux.namespaces`, `timeOffsets`, `hostname` and `domainname`: each namespace new, joined by
//! path, and absent, seen from outside in /proc/PID/ns.

use std::fs::read_link;

use serde_json::json;

use crate::harness::{Bundle, Test, View, cases, status_field};

cases! {
    new_namespaces_differ_from_ours,
    absent_namespaces_are_ours,
    absent_mount_namespace_is_the_callers,
    pid_new_makes_the_program_the_first_process,
    pid_joined_by_path,
    network_new_has_only_loopback,
    network_joined_by_path,
    ipc_joined_by_path,
    uts_joined_by_path,
    mount_joined_by_path: "runc 1.1.5 needs /proc in the container",
    cgroup_new_hides_the_path,
    cgroup_joined_by_path,
    user_new_with_mappings,
    user_several_mappings,
    user_joined_by_path,
    user_and_network_joined_from_one_owner,
    time_new_without_offsets: "runc 1.1.5 has no time namespace",
    time_offsets: "runc 1.1.5 has no time namespace",
    time_offset_negative_boottime_refused: "runc 1.1.5 has no time namespace",
    time_joined_by_path: "runc 1.1.5 has no time namespace",
    time_offsets_without_namespace_refused: "runc 1.1.5 has no time namespace",
    hostname,
    hostname_without_uts_refused,
    domainname: "runc 1.1.5 ignores domainname",
    domainname_without_uts_refused: "runc 1.1.5 ignores domainname",
    unknown_type_refused,
    duplicate_refused,
    missing_path_refused,
    path_of_another_type_refused,
    relative_path_refused: "runc 1.1.5 takes it from its working directory",
    mappings_without_user_namespace_are_not_silent: "runc 1.1.5 drops them without a word",
    user_without_mappings_refused,
    overlapping_mappings_refused,
}

const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("mount", "mnt"),
    ("cgroup", "cgroup"),
];

fn ns(pid: impl std::fmt::Display, file: &str) -> String {
    let path = format!("/proc/{pid}/ns/{file}");
    let link = read_link(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    link.display().to_string()
}

/// A process that holds namespaces which `unshare` makes with `flags`; its pid.
fn holder(t: &Test, flags: &[&str]) -> u32 {
    let mut args = flags.to_vec();
    args.extend(["sleep", "1000"]);
    let pid = t.companion("unshare", &args);
    let ready =
        || std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
    assert!(
        crate::harness::wait_until(ready),
        "unshare {flags:?} did not come up"
    );
    pid
}

fn new_namespaces_differ_from_ours(t: &Test) {
    let pid = t.sleeper().namespace("cgroup").started().pid();
    for (kind, file) in KINDS {
        assert_ne!(ns(pid, file), ns("self", file), "{kind}");
    }
    assert_eq!(ns(pid, "user"), ns("self", "user"));
    assert_eq!(ns(pid, "time"), ns("self", "time"));
}

fn absent_namespaces_are_ours(t: &Test) {
    let mut bundle = t
        .sleeper()
        .remove("/hostname")
        .unmount("/sys")
        .unmount("/dev/mqueue");
    for kind in ["pid", "network", "ipc", "uts"] {
        bundle = bundle.without_namespace(kind);
    }
    let pid = bundle.started().pid();
    for (kind, file) in KINDS {
        if kind != "mount" {
            assert_eq!(ns(pid, file), ns("self", file), "{kind}");
        }
    }
}

fn absent_mount_namespace_is_the_callers(t: &Test) {
    // The caller has a mount namespace of its own here: nothing reaches the machine's.
    let outside = t.dir.join("outside");
    let script = format!("readlink /proc/self/ns/mnt > {}", outside.display());
    let output = t
        .sh("readlink /proc/self/ns/mnt")
        .without_namespace("mount")
        .set(
            "/mounts",
            json!([{"destination": "/proc", "type": "proc", "source": "proc"}]),
        )
        .remove("/linux/maskedPaths")
        .remove("/linux/readonlyPaths")
        .view(View::Script(script))
        .run();
    if output.code != 0 {
        // A runtime may refuse it, but must say what is missing.
        assert!(output.stderr.contains("mount"), "{}", output.stderr);
        return;
    }
    let callers = std::fs::read_to_string(outside).expect("the wrapper wrote it");
    assert_eq!(output.text(), callers.trim());
}

fn pid_new_makes_the_program_the_first_process(t: &Test) {
    assert_eq!(t.sh("echo $$").run().ok().text(), "1");
    let pid = t.sleeper().started().pid();
    assert_eq!(status_field(pid, "NSpid"), format!("{pid} 1"));
}

fn pid_joined_by_path(t: &Test) {
    let first = t.sleeper().started().pid();
    let path = format!("/proc/{first}/ns/pid");
    let second = t.sleeper().join("pid", &path).started();
    assert_eq!(ns(second.pid(), "pid"), ns(first, "pid"));
    assert!(status_field(second.pid(), "NSpid").ends_with(|c: char| c != '1'));
    let seen = second.exec(&[], &["ps", "-o", "args"]).ok();
    assert_eq!(
        seen.stdout.matches("sleep 1000").count(),
        2,
        "{}",
        seen.stdout
    );
}

fn network_new_has_only_loopback(t: &Test) {
    let seen = t
        .sh("tail -n +3 /proc/net/dev; cat /sys/class/net/lo/flags")
        .run()
        .ok();
    assert_eq!(seen.stdout.matches(':').count(), 1, "{}", seen.stdout);
    assert!(seen.stdout.contains("lo:"));
    // Bit 0 is IFF_UP: engines and people expect 127.0.0.1 to answer.
    assert!(
        seen.stdout.trim_end().ends_with('9'),
        "loopback is down: {}",
        seen.stdout
    );
}

fn network_joined_by_path(t: &Test) {
    let owner = holder(t, &["-n"]);
    let pid = t
        .sleeper()
        .join("network", &format!("/proc/{owner}/ns/net"))
        .started()
        .pid();
    assert_eq!(ns(pid, "net"), ns(owner, "net"));
}

fn ipc_joined_by_path(t: &Test) {
    let owner = holder(t, &["-i"]);
    let pid = t
        .sleeper()
        .join("ipc", &format!("/proc/{owner}/ns/ipc"))
        .started()
        .pid();
    assert_eq!(ns(pid, "ipc"), ns(owner, "ipc"));
}

fn uts_joined_by_path(t: &Test) {
    let first = t.sleeper().set("/hostname", "first").started().pid();
    let output = t
        .sh("hostname")
        .join("uts", &format!("/proc/{first}/ns/uts"))
        .remove("/hostname")
        .run()
        .ok();
    assert_eq!(output.text(), "first");
}

fn mount_joined_by_path(t: &Test) {
    // The root is pivoted inside the joined namespace: it must be one that only this test uses, and so must the
    // caller's, where the root is if nothing is joined.
    let owner = holder(t, &["-m", "--propagation", "private"]);
    let pid = t
        .sleeper()
        .join("mount", &format!("/proc/{owner}/ns/mnt"))
        .set("/mounts", json!([]))
        .remove("/linux/maskedPaths")
        .remove("/linux/readonlyPaths")
        .view(View::Script(":".to_owned()))
        .started()
        .pid();
    assert_eq!(ns(pid, "mnt"), ns(owner, "mnt"));
}

fn cgroup_new_hides_the_path(t: &Test) {
    let output = t.sh("cat /proc/self/cgroup").namespace("cgroup").run().ok();
    let joined = output
        .lines()
        .iter()
        .filter(|line| line.ends_with(":/"))
        .count();
    assert_eq!(joined, output.lines().len(), "{}", output.stdout);
}

fn cgroup_joined_by_path(t: &Test) {
    let owner = holder(t, &["-C"]);
    let pid = t
        .sleeper()
        .join("cgroup", &format!("/proc/{owner}/ns/cgroup"))
        .started()
        .pid();
    assert_eq!(ns(pid, "cgroup"), ns(owner, "cgroup"));
}

fn map_of(pid: u32, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a live process");
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn user_new_with_mappings(t: &Test) {
    let c = t.sleeper().user_namespace(300_000, 1000).started();
    let pid = c.pid();
    assert_ne!(ns(pid, "user"), ns("self", "user"));
    assert_eq!(map_of(pid, "uid_map"), ["0 300000 1000"]);
    assert_eq!(map_of(pid, "gid_map"), ["0 300000 1000"]);
    assert_eq!(status_field(pid, "Uid"), "300000 300000 300000 300000");
    assert_eq!(status_field(pid, "Gid"), "300000 300000 300000 300000");
    assert_eq!(c.exec(&[], &["id", "-u"]).ok().text(), "0");
}

fn user_several_mappings(t: &Test) {
    let map = json!([
        {"containerID": 0, "hostID": 310_000, "size": 1},
        {"containerID": 1, "hostID": 320_000, "size": 10},
        {"containerID": 1000, "hostID": 5000, "size": 2}
    ]);
    let c = t
        .sleeper()
        .namespace("user")
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
        .set(
            "/process/user",
            json!({"uid": 1001, "gid": 3, "additionalGids": [0, 1000]}),
        )
        .started();
    let pid = c.pid();
    let want = ["0 310000 1", "1 320000 10", "1000 5000 2"];
    assert_eq!(map_of(pid, "uid_map"), want);
    assert_eq!(map_of(pid, "gid_map"), want);
    assert_eq!(status_field(pid, "Uid"), "5001 5001 5001 5001");
    assert_eq!(status_field(pid, "Gid"), "320002 320002 320002 320002");
    assert_eq!(status_field(pid, "Groups"), "5000 310000");
}

/// Joins a user namespace. The mappings are those of the namespace: runc 1.1.5 wants them repeated.
fn joining<'t>(bundle: Bundle<'t>, path: &str) -> Bundle<'t> {
    if bundle.test.peer_is_other() {
        let map = json!([{"containerID": 0, "hostID": 300_000, "size": 1000}]);
        return bundle
            .set("/linux/uidMappings", map.clone())
            .set("/linux/gidMappings", map)
            .join("user", path);
    }
    bundle.join("user", path)
}

fn user_joined_by_path(t: &Test) {
    let first = t.sleeper().user_namespace(300_000, 1000).started().pid();
    let second = joining(t.sleeper(), &format!("/proc/{first}/ns/user")).started();
    let pid = second.pid();
    assert_eq!(ns(pid, "user"), ns(first, "user"));
    assert_eq!(status_field(pid, "Uid"), "300000 300000 300000 300000");
    assert_eq!(second.exec(&[], &["id", "-u"]).ok().text(), "0");
}

fn user_and_network_joined_from_one_owner(t: &Test) {
    // What a pod with its own user namespace is: the second container joins all of the first's.
    let first = t.sleeper().user_namespace(300_000, 1000).started().pid();
    let bundle = t.sleeper().remove("/hostname");
    let mut bundle = joining(bundle, &format!("/proc/{first}/ns/user"));
    for (kind, file) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        bundle = bundle.join(kind, &format!("/proc/{first}/ns/{file}"));
    }
    let pid = bundle.started().pid();
    for file in ["user", "net", "ipc", "uts"] {
        assert_eq!(ns(pid, file), ns(first, file));
    }
    assert_ne!(ns(pid, "pid"), ns(first, "pid"));
}

fn time_new_without_offsets(t: &Test) {
    let pid = t.sleeper().namespace("time").started().pid();
    assert_ne!(ns(pid, "time"), ns("self", "time"));
}

fn uptime(text: &str) -> f64 {
    text.split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .expect("an uptime")
}

fn time_offsets(t: &Test) {
    let output = t
        .sh("cat /proc/uptime; /probe clocks; cat /proc/self/timens_offsets")
        .with_probe()
        .namespace("time")
        .set(
            "/linux/timeOffsets/monotonic",
            json!({"secs": 100_000, "nanosecs": 5}),
        )
        .set("/linux/timeOffsets/boottime", json!({"secs": 500_000}))
        .run()
        .ok();
    let host = uptime(&std::fs::read_to_string("/proc/uptime").expect("an uptime"));
    let inside = uptime(&output.stdout);
    assert!(
        (inside - host - 500_000.0).abs() < 60.0,
        "boottime {inside}, host {host}"
    );
    let monotonic: f64 = output.value("monotonic").parse().expect("a number");
    assert!(
        (monotonic - host - 100_000.0).abs() < 60.0,
        "monotonic {monotonic}, host {host}"
    );
    let fields: Vec<&str> = output.stdout.split_whitespace().collect();
    assert!(
        fields.windows(3).any(|w| w == ["monotonic", "100000", "5"]),
        "{fields:?}"
    );
    assert!(
        fields.windows(3).any(|w| w == ["boottime", "500000", "0"]),
        "{fields:?}"
    );
}

fn time_offset_negative_boottime_refused(t: &Test) {
    // A clock below zero: the kernel says ERANGE, the message must say which offset.
    t.sleeper()
        .namespace("time")
        .set(
            "/linux/timeOffsets/boottime",
            json!({"secs": -4_000_000_000_i64}),
        )
        .run()
        .fails_with(&["timeOffsets"]);
}

fn time_joined_by_path(t: &Test) {
    // unshare(1) itself stays outside: its child is in the new namespace.
    let mut args = vec!["-T", "--fork", "--kill-child", "--boottime", "777777"];
    args.extend(["sleep", "1000"]);
    let owner = t.companion("unshare", &args);
    let children = format!("/proc/{owner}/task/{owner}/children");
    let child = || {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        text.trim().to_owned()
    };
    assert!(crate::harness::wait_until(|| {
        std::fs::read_to_string(format!("/proc/{}/comm", child()))
            .is_ok_and(|name| name == "sleep\n")
    }));
    let child = child();
    let c = t
        .sleeper()
        .join("time", &format!("/proc/{child}/ns/time"))
        .started();
    assert_eq!(ns(c.pid(), "time"), ns(&child, "time"));
    let host = uptime(&std::fs::read_to_string("/proc/uptime").expect("an uptime"));
    let inside = uptime(&c.exec(&[], &["cat", "/proc/uptime"]).ok().stdout);
    assert!(
        (inside - host - 777_777.0).abs() < 60.0,
        "exec sees {inside}, host {host}"
    );
}

fn time_offsets_without_namespace_refused(t: &Test) {
    t.sleeper()
        .set("/linux/timeOffsets/boottime", json!({"secs": 5}))
        .run()
        .fails_with(&["timeOffsets", "time"]);
}

fn hostname(t: &Test) {
    let output = t
        .sh("hostname; cat /proc/sys/kernel/hostname")
        .set("/hostname", "box-1")
        .run();
    assert_eq!(output.ok().lines(), ["box-1", "box-1"]);
}

fn hostname_without_uts_refused(t: &Test) {
    let before = t.host("uname", &["-n"]);
    t.sh("true")
        .without_namespace("uts")
        .run()
        .fails_with(&["hostname"]);
    assert_eq!(t.host("uname", &["-n"]), before);
}

fn domainname(t: &Test) {
    let output = t
        .sh("cat /proc/sys/kernel/domainname")
        .set("/domainname", "example.test")
        .run();
    assert_eq!(output.ok().text(), "example.test");
}

fn domainname_without_uts_refused(t: &Test) {
    t.sh("true")
        .remove("/hostname")
        .without_namespace("uts")
        .set("/domainname", "example.test")
        .run()
        .fails_with(&["domainname"]);
}

fn unknown_type_refused(t: &Test) {
    t.sh("true")
        .namespace("nonsense")
        .run()
        .fails_with(&["nonsense"]);
}

fn duplicate_refused(t: &Test) {
    t.sh("true").namespace("pid").run().fails_with(&["pid"]);
}

fn missing_path_refused(t: &Test) {
    t.sh("true")
        .join("network", "/proc/self/ns/absent")
        .run()
        .fails_with(&["/proc/self/ns/absent", "no such file or directory"]);
}

fn path_of_another_type_refused(t: &Test) {
    let owner = holder(t, &["-u"]);
    let output = t
        .sh("true")
        .join("ipc", &format!("/proc/{owner}/ns/uts"))
        .run();
    assert_ne!(output.code, 0, "joined a uts namespace as ipc");
}

fn relative_path_refused(t: &Test) {
    t.sh("true")
        .join("network", "ns/net")
        .run()
        .fails_with(&["namespaces", "ns/net"]);
}

fn mappings_without_user_namespace_are_not_silent(t: &Test) {
    let map = json!([{"containerID": 0, "hostID": 300_000, "size": 1000}]);
    let output = t.sh("true").set("/linux/uidMappings", map).run();
    output.warns("apping");
}

fn user_without_mappings_refused(t: &Test) {
    let output = t.sh("true").namespace("user").run();
    assert_ne!(output.code, 0, "a user namespace without any mapping ran");
}

fn overlapping_mappings_refused(t: &Test) {
    let map = json!([
        {"containerID": 0, "hostID": 300_000, "size": 10},
        {"containerID": 5, "hostID": 400_000, "size": 10}
    ]);
    let output = t
        .sh("true")
        .namespace("user")
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
        .run();
    assert_ne!(output.code, 0, "overlapping mappings ran");
}
