//! Fields of an invented configuration, and what was typed for them.

use lockstep_oci::runtime::{Mount, Process, Rlimit, RlimitType};

use super::*;

fn setting(name: &str, value: &str, origin: Origin, change: &str) -> Setting {
    Setting {
        name: name.into(),
        value: value.into(),
        origin,
        change: change.into(),
        place: String::new(),
    }
}

fn spec() -> Spec {
    let mount = |destination: &str| Mount {
        destination: destination.into(),
        ..Mount::default()
    };
    let limit = |kind: &str| Rlimit {
        kind: RlimitType::from(kind),
        soft: 1,
        hard: 1,
    };
    Spec {
        mounts: vec![mount("/proc"), mount("/a"), mount("/b")],
        process: Some(Process {
            rlimits: vec![limit("RLIMIT_NPROC"), limit("RLIMIT_NOFILE")],
            ..Process::default()
        }),
        ..Spec::default()
    }
}

#[test]
fn a_field_is_told_as_it_was_typed() {
    let mut of_file = setting("memory", "64m", Origin::Config, "--memory");
    of_file.place = "/c.toml:3".into();
    let settings = [
        setting("root", "/r", Origin::Image, "the image"),
        setting("root.readonly", "true", Origin::Flag, "--read-only"),
        setting("process.user", "0:7", Origin::Flag, "--user"),
        setting("mount", "/x:/a", Origin::Flag, "--volume"),
        setting("mount", "/x:/b", Origin::Flag, "--volume"),
        setting("sysctl", "kernel.a=1", Origin::Flag, "--sysctl"),
        setting("sysctl", "net.b/c=2", Origin::Flag, "--sysctl"),
        setting("process.rlimits", "nofile=1", Origin::Flag, "--ulimit"),
        setting("pids-limit", "2048", Origin::Default, "--pids-limit"),
        setting(
            "linux.seccomp",
            "f.json",
            Origin::Flag,
            "--security-opt seccomp=FILE|unconfined",
        ),
        setting("cpus", "2", Origin::Flag, "--cpus"),
        of_file,
    ];
    for (field, asker) in [
        ("/process/user/gid", Some("--user 0:7")),
        ("/process/user/additionalGids/0", Some("--user 0:7")),
        ("/mounts/2/options", Some("--volume /x:/b")),
        ("/mounts/1", Some("--volume /x:/a")),
        ("/mounts/0", Some("the mount at /proc")),
        ("/linux/sysctl/net.b~1c", Some("--sysctl net.b/c=2")),
        ("/process/rlimits/1/soft", Some("--ulimit nofile=1")),
        (
            "/process/rlimits/0",
            Some("the default of --pids-limit (2048)"),
        ),
        (
            "/linux/seccomp/syscalls/3",
            Some("--security-opt seccomp=f.json"),
        ),
        ("/linux/resources/cpu/quota", Some("--cpus 2")),
        (
            "/linux/resources/memory/limit",
            Some("/c.toml:3: memory 64m"),
        ),
        ("/root/readonly", Some("--read-only")),
        (
            "/root/path",
            Some("the image (root: /r); the image changes it"),
        ),
        ("/linux/personality", None),
        ("/rootless", None),
    ] {
        assert_eq!(of(field, &spec(), &settings).as_deref(), asker, "{field}");
    }
    let spec = spec();
    let lost = |text: &str| Asker::new(&spec, &settings).lost(text);
    assert_eq!(
        lost("/process/rlimits: RLIMIT_NOFILE clamped (call: x)"),
        "--ulimit nofile=1: RLIMIT_NOFILE clamped (call: x)"
    );
    for other in ["/linux/personality: lost", "no field", "<network>: lost"] {
        assert_eq!(lost(other), other);
    }
}
