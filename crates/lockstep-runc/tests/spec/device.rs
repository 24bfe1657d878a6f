//! `linux.devices` and the default devices of the specification.

use serde_json::json;

use crate::harness::{Test, View, cases};

cases! {
    default_devices,
    default_links,
    ptmx_is_of_the_containers_devpts,
    default_devices_work,
    device_of_each_type,
    device_mode_and_owner,
    device_default_mode,
    device_in_a_new_directory,
    device_is_not_usable_without_a_rule,
    device_is_usable_with_a_rule,
    device_unknown_type_refused,
    device_without_path_refused: "runc 1.1.5 makes a node at the root",
    device_of_wildcard_number_refused,
    device_in_a_user_namespace_is_bound,
    dev_as_a_symlink_stays_inside: "runc 1.1.5 follows it (CVE-2026-41579)",
    console_is_absent_without_terminal,
    bound_dev_gets_no_nodes,
}

fn default_devices(t: &Test) {
    let script = "for d in null zero full random urandom tty; do \
                  stat -c '%n %F %t:%T %a %u:%g' /dev/$d; done";
    let output = t.sh(script).run().ok();
    let want = [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("random", "1:8"),
        ("urandom", "1:9"),
        ("tty", "5:0"),
    ];
    let want: Vec<String> = want
        .iter()
        .map(|(name, number)| format!("/dev/{name} character special file {number} 666 0:0"))
        .collect();
    assert_eq!(output.lines(), want);
}

fn default_links(t: &Test) {
    let script = "for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done";
    let output = t.sh(script).run().ok();
    assert_eq!(
        output.lines(),
        [
            "fd /proc/self/fd",
            "stdin /proc/self/fd/0",
            "stdout /proc/self/fd/1",
            "stderr /proc/self/fd/2",
            "ptmx pts/ptmx"
        ]
    );
}

fn ptmx_is_of_the_containers_devpts(t: &Test) {
    // Opening it makes a slave in the container's own /dev/pts.
    let output = t.sh("exec 3<>/dev/ptmx; ls /dev/pts").run().ok();
    assert_eq!(output.lines(), ["0", "ptmx"]);
}

fn default_devices_work(t: &Test) {
    let output = t
        .sh(
            "echo lost > /dev/null; head -c 3 /dev/zero | wc -c; echo x > /dev/full; \
             head -c 2 /dev/random | wc -c; head -c 4 /dev/urandom | wc -c",
        )
        .run();
    assert_eq!(
        output.text().split_whitespace().collect::<Vec<_>>(),
        ["3", "2", "4"]
    );
    assert!(
        output.stderr.contains("No space left on device"),
        "{output:?}"
    );
}

fn device_of_each_type(t: &Test) {
    let output = t
        .sh("for d in c u b; do stat -c '%F %t:%T' /dev/my$d; done")
        .set(
            "/linux/devices",
            json!([
                {"type": "c", "path": "/dev/myc", "major": 10, "minor": 229},
                {"type": "u", "path": "/dev/myu", "major": 10, "minor": 200},
                {"type": "b", "path": "/dev/myb", "major": 7, "minor": 300}
            ]),
        )
        .run()
        .ok();
    assert_eq!(
        output.lines(),
        [
            "character special file a:e5",
            "character special file a:c8",
            "block special file 7:12c"
        ]
    );
    let fifo = t
        .sh("stat -c %F /dev/myp")
        .set("/linux/devices", json!([{"type": "p", "path": "/dev/myp"}]));
    assert_eq!(fifo.run().ok().text(), "fifo");
}

fn device_mode_and_owner(t: &Test) {
    let output = t
        .sh("stat -c '%a %u:%g' /dev/my /dev/fifo")
        .set(
            "/linux/devices",
            json!([
                {"type": "c", "path": "/dev/my", "major": 1, "minor": 3, "fileMode": 0o640,
                 "uid": 5, "gid": 6},
                {"type": "p", "path": "/dev/fifo", "fileMode": 0o622, "uid": 7, "gid": 8}
            ]),
        )
        .run()
        .ok();
    // The caller's umask must not take from the mode that is asked for.
    assert_eq!(output.lines(), ["640 5:6", "622 7:8"]);
}

fn device_default_mode(t: &Test) {
    let device = json!([{"type": "c", "path": "/dev/my", "major": 1, "minor": 3}]);
    let output = t
        .sh("stat -c '%a %u:%g' /dev/my")
        .set("/linux/devices", device)
        .run()
        .ok();
    assert_eq!(output.text(), "666 0:0");
}

fn device_in_a_new_directory(t: &Test) {
    let device = json!([{"type": "c", "path": "/dev/a/b/my", "major": 1, "minor": 3}]);
    t.sh("echo x > /dev/a/b/my; test -c /dev/a/b/my")
        .set("/linux/devices", device)
        .run()
        .ok();
}

const FUSE: &str =
    r#"[{"type": "c", "path": "/dev/myfuse", "major": 10, "minor": 229, "fileMode": 438}]"#;

fn fuse() -> serde_json::Value {
    serde_json::from_str(FUSE).expect("literal JSON")
}

fn device_is_not_usable_without_a_rule(t: &Test) {
    // The node is there, the device controller refuses it.
    for view in [View::Plain, View::CgroupV2] {
        let output = t
            .args(&["/probe", "open", "/dev/myfuse", "2"])
            .with_probe()
            .set("/linux/devices", fuse())
            .view(view.clone())
            .run()
            .ok();
        assert_eq!(output.value("open"), "-1", "{view:?}: not EPERM");
    }
}

fn device_is_usable_with_a_rule(t: &Test) {
    for view in [View::Plain, View::CgroupV2] {
        let output = t
            .args(&["/probe", "open", "/dev/myfuse", "2"])
            .with_probe()
            .set("/linux/devices", fuse())
            .push(
                "/linux/resources/devices",
                json!({"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}),
            )
            .view(view.clone())
            .run()
            .ok();
        assert_eq!(output.value("open"), "0", "{view:?}");
    }
}

fn device_unknown_type_refused(t: &Test) {
    let device = json!([{"type": "x", "path": "/dev/my", "major": 1, "minor": 3}]);
    let output = t.sh("true").set("/linux/devices", device).run();
    assert_ne!(output.code, 0);
    assert!(
        output.stderr.contains('x') && output.stderr.contains("device"),
        "{output:?}"
    );
}

fn device_without_path_refused(t: &Test) {
    let output = t
        .sh("true")
        .set(
            "/linux/devices",
            json!([{"type": "c", "major": 1, "minor": 3}]),
        )
        .run();
    assert_ne!(output.code, 0);
}

fn device_of_wildcard_number_refused(t: &Test) {
    let device = json!([{"type": "c", "path": "/dev/my", "major": -1, "minor": 3}]);
    let output = t.sh("true").set("/linux/devices", device).run();
    assert_ne!(output.code, 0, "a node with number -1 was made");
}

fn device_in_a_user_namespace_is_bound(t: &Test) {
    // mknod(2) is refused there: the host's node is bound instead.
    let output = t
        .sh(
            "stat -c '%F %t:%T' /dev/null; echo x > /dev/null && echo works; \
             grep -c ' /dev/null ' /proc/self/mountinfo",
        )
        .user_namespace(300_000, 1000)
        .run()
        .ok();
    assert_eq!(output.lines(), ["character special file 1:3", "works", "1"]);
}

fn dev_as_a_symlink_stays_inside(t: &Test) {
    let outside = t.subdir("outside");
    let bundle = t.sh("true").edit(|config| {
        config["mounts"] = json!([{"destination": "/proc", "type": "proc", "source": "proc"}]);
    });
    std::fs::remove_dir(bundle.rootfs().join("dev")).expect("own rootfs");
    std::os::unix::fs::symlink(&outside, bundle.rootfs().join("dev")).expect("own rootfs");
    bundle.run();
    let made = std::fs::read_dir(&outside).expect("own directory").count();
    assert_eq!(made, 0, "nodes were made outside of the root");
}

fn console_is_absent_without_terminal(t: &Test) {
    t.sh("test ! -e /dev/console").run().ok();
}

fn bound_dev_gets_no_nodes(t: &Test) {
    // A host's /dev that is bound in is left alone.
    let dev = t.subdir("dev");
    let null = dev.join("null").display().to_string();
    t.host("mknod", &["-m", "666", &null, "c", "1", "3"]);
    let bundle = t.sh("ls /dev").edit(|config| {
        config["mounts"] = json!([
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "bind", "source": dev, "options": ["rbind"]}
        ]);
    });
    let output = bundle.run();
    assert_eq!(output.ok().text(), "null");
}
