//! `features`: what features.md and features-linux.md have, and whether it is true on this machine.

use serde_json::{Value, json};

use lockstep_abi::capability::CapSet;
use lockstep_abi::feature::Feature;

use crate::harness::{Host, Test, cases};

cases! {
    required_fields,
    names_are_the_specifications,
    annotations: "runc has its own",
    linux_part,
    linux_part_is_complete: "runc 1.1.5 is older than most of it",
    seccomp_flags_are_the_kernels: "runc 1.1.5 has no flags",
}

/// Mount options of config.md that runc 1.1.5 has too, sorted.
const MOUNT_OPTIONS: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "iversion",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "sync",
    "tmpcopyup",
    "unbindable",
];

/// Those that it has not.
const NEWER_MOUNT_OPTIONS: &[&str] = &[
    "nosymfollow",
    "symfollow",
    "rnosymfollow",
    "rsymfollow",
    "lazytime",
    "nolazytime",
    "idmap",
    "ridmap",
];

pub(crate) fn features(t: &Test) -> Value {
    t.call(&["features"]).ok().json()
}

fn names(value: &Value) -> Vec<&str> {
    let list = value.as_array().expect("an array");
    list.iter()
        .map(|name| name.as_str().expect("a string"))
        .collect()
}

fn required_fields(t: &Test) {
    let features = features(t);
    assert!(
        features["ociVersionMin"]
            .as_str()
            .is_some_and(|version| version.starts_with("1.0"))
    );
    assert!(
        features["ociVersionMax"]
            .as_str()
            .is_some_and(|version| version.starts_with("1."))
    );
    // Both must be accepted as ociVersion.
    for field in ["ociVersionMin", "ociVersionMax"] {
        let output = t
            .sh("true")
            .set("/ociVersion", features[field].clone())
            .run();
        output.ok();
    }
}

fn names_are_the_specifications(t: &Test) {
    let features = features(t);
    let hooks = [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
        "poststop",
    ];
    assert_eq!(names(&features["hooks"]), hooks);
    let known = names(&features["mountOptions"]);
    let newer = match t.peer_is_other() {
        true => &[],
        false => NEWER_MOUNT_OPTIONS,
    };
    for option in MOUNT_OPTIONS.iter().chain(newer) {
        assert!(known.contains(option), "{option}");
    }
}

/// What engines look for, and which annotations of a bundle are obeyed.
fn annotations(t: &Test) {
    let features = features(t);
    let version = features["annotations"]["org.lockstep.version"].as_str();
    let version = version.expect("a version");
    let line = t.call(&["--version"]).ok();
    assert!(line.lines()[0].contains(version), "{version}: {line:?}");
    let checkpoint = &features["annotations"]["org.opencontainers.runc.checkpoint.enabled"];
    assert_eq!(checkpoint, "true");
    // An engine refuses by this list what it does not trust.
    assert_eq!(
        features["potentiallyUnsafeConfigAnnotations"],
        json!(["org.lockstep.landlock", "org.systemd.property."])
    );
}

fn linux_part(t: &Test) {
    let linux = &features(t)["linux"];
    let mut namespaces = vec!["cgroup", "ipc", "mount", "network", "pid", "user", "uts"];
    if !t.peer_is_other() {
        namespaces.push("time");
    }
    for name in namespaces {
        assert!(names(&linux["namespaces"]).contains(&name), "{name}");
    }
    assert!(names(&linux["capabilities"]).contains(&"CAP_CHECKPOINT_RESTORE"));
    assert_eq!(linux["cgroup"]["v1"], true);
    assert_eq!(linux["cgroup"]["v2"], true);
    let seccomp = &linux["seccomp"];
    assert_eq!(seccomp["enabled"], true);
    for action in [
        "ALLOW",
        "ERRNO",
        "KILL",
        "KILL_PROCESS",
        "KILL_THREAD",
        "LOG",
        "NOTIFY",
        "TRACE",
        "TRAP",
    ] {
        let name = format!("SCMP_ACT_{action}");
        assert!(
            names(&seccomp["actions"]).contains(&name.as_str()),
            "{name}"
        );
    }
    for op in ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"] {
        let name = format!("SCMP_CMP_{op}");
        assert!(
            names(&seccomp["operators"]).contains(&name.as_str()),
            "{name}"
        );
    }
    for arch in ["X86", "X86_64", "X32", "ARM", "AARCH64"] {
        let name = format!("SCMP_ARCH_{arch}");
        assert!(names(&seccomp["archs"]).contains(&name.as_str()), "{name}");
    }
    for module in ["apparmor", "selinux"] {
        // Whether the runtime can, not whether the module is on; runc may be built without.
        let enabled = &linux[module]["enabled"];
        assert!(enabled.is_boolean(), "{module}: {enabled}");
    }
}

/// All that features-linux.md has, with the value of a runtime that can do it. Most of it is not a matter of the
/// machine: that a value is true is asserted by the tests of the field that it is about.
fn linux_part_is_complete(t: &Test) {
    let linux = &features(t)["linux"];
    let on = json!({"enabled": true});
    for (member, wanted) in [
        (
            "cgroup",
            json!({"v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true}),
        ),
        ("apparmor", on.clone()),
        ("selinux", on.clone()),
        (
            "memoryPolicy",
            json!({
                "modes": ["MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
                          "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL"],
                "flags": ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"],
            }),
        ),
        (
            "intelRdt",
            json!({"enabled": true, "schemata": true, "monitoring": true}),
        ),
        ("mountExtensions", json!({"idmap": on})),
        ("netDevices", on.clone()),
    ] {
        assert_eq!(linux[member], wanted, "{member}");
    }
    // The kernel has no namespace that is not known, and no capability.
    let mut kinds = names(&linux["namespaces"]);
    for entry in std::fs::read_dir("/proc/self/ns")
        .expect("procfs")
        .flatten()
    {
        let file = entry.file_name().to_string_lossy().into_owned();
        let kind = match file.as_str() {
            "mnt" => "mount",
            "net" => "network",
            kind => kind.trim_end_matches("_for_children"),
        };
        assert!(names(&linux["namespaces"]).contains(&kind), "{file}");
        kinds.retain(|other| *other != kind);
    }
    assert!(kinds.is_empty(), "this kernel has no {kinds:?}");
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("procfs");
    let last: usize = last.trim().parse().expect("a number");
    let capabilities = names(&linux["capabilities"]);
    let all: Vec<&str> = CapSet::ALL.iter().map(|cap| cap.name()).collect();
    assert_eq!(capabilities, all);
    assert!(capabilities.len() > last, "of {last}: {capabilities:?}");
}

/// Known are those of config-linux.md, supported those that the kernel takes.
fn seccomp_flags_are_the_kernels(t: &Test) {
    let seccomp = &features(t)["linux"]["seccomp"];
    // With SECCOMP_FILTER_FLAG_NEW_LISTENER where the kernel takes the flag with nothing else.
    let flags = [
        ("TSYNC", 1),
        ("LOG", 2),
        ("SPEC_ALLOW", 4),
        ("WAIT_KILLABLE_RECV", 32 | 8),
    ];
    let name = |flag: &str| format!("SECCOMP_FILTER_FLAG_{flag}");
    let known: Vec<String> = flags.iter().map(|(flag, _)| name(flag)).collect();
    assert_eq!(names(&seccomp["knownFlags"]), known);
    let probe = t.probe().display().to_string();
    let takes = |bits: u32| {
        // seccomp(SECCOMP_SET_MODE_FILTER, bits, NULL): EFAULT, unless the flags are wrong.
        let answer = t.host(&probe, &["syscall", "317", "1", &bits.to_string(), "0"]);
        answer.trim() == "syscall=-14"
    };
    let supported: Vec<String> = flags
        .iter()
        .filter(|(_, bits)| takes(*bits))
        .map(|(flag, _)| name(flag))
        .collect();
    assert!(supported.len() >= 2, "{supported:?}");
    assert_eq!(names(&seccomp["supportedFlags"]), supported);
    let has_wait = Host::get().kernel >= Feature::SeccompWaitKillable.since();
    assert!(!has_wait || supported.len() == flags.len(), "{supported:?}");
}
