//! The configuration that `spec` writes for a first bundle, as data.
//!
//! It is runc's: tutorials and test suites edit exactly this file. It stands beside the executor
//! because it is the one configuration that must always run.

use lockstep_oci::runtime::{
    Capabilities, DeviceCgroup, IdMapping, Linux, Mount, Namespace, NamespaceType, Process,
    Resources, Rlimit, RlimitType, Root, Spec, User,
};

/// The oldest version that has every field used here, so that other runtimes take the file too.
const OCI_VERSION: &str = "1.0.2";

/// The configuration; `rootless` is the user and group id of a caller without root, `unified` tells
/// whether the host mounts cgroup v2 alone, where the container gets a cgroup namespace.
pub fn spec(rootless: Option<(u32, u32)>, unified: bool) -> Spec {
    let mut spec = Spec {
        oci_version: OCI_VERSION.to_owned(),
        process: Some(process()),
        root: Some(Root {
            path: "rootfs".to_owned(),
            readonly: true,
        }),
        hostname: Some("runc".to_owned()),
        mounts: mounts(rootless.is_some()),
        ..Spec::default()
    };
    let mut namespaces = vec![NamespaceType::Pid];
    if rootless.is_none() {
        namespaces.push(NamespaceType::Network);
    }
    namespaces.extend([NamespaceType::Ipc, NamespaceType::Uts, NamespaceType::Mount]);
    if unified {
        namespaces.push(NamespaceType::Cgroup);
    }
    if rootless.is_some() {
        namespaces.push(NamespaceType::User);
    }
    let own = |host_id| {
        vec![IdMapping {
            container_id: 0,
            host_id,
            size: 1,
        }]
    };
    spec.linux = Some(Linux {
        namespaces: namespaces
            .into_iter()
            .map(|kind| Namespace { kind, path: None })
            .collect(),
        uid_mappings: rootless.map(|(uid, _)| own(uid)).unwrap_or_default(),
        gid_mappings: rootless.map(|(_, gid)| own(gid)).unwrap_or_default(),
        // A user without root may not set device rules.
        resources: rootless.is_none().then(|| Resources {
            devices: vec![DeviceCgroup {
                allow: false,
                access: Some("rwm".to_owned()),
                ..DeviceCgroup::default()
            }],
            ..Resources::default()
        }),
        masked_paths: owned(MASKED),
        readonly_paths: owned(READONLY),
        ..Linux::default()
    });
    spec
}

fn process() -> Process {
    let capabilities = owned(&["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    Process {
        terminal: true,
        user: User::default(),
        args: owned(&["sh"]),
        env: owned(&[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM=xterm",
        ]),
        cwd: "/".to_owned(),
        capabilities: Some(Capabilities {
            bounding: capabilities.clone(),
            effective: capabilities.clone(),
            permitted: capabilities,
            ..Capabilities::default()
        }),
        rlimits: vec![Rlimit {
            kind: RlimitType::Nofile,
            soft: 1024,
            hard: 1024,
        }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mounts(rootless: bool) -> Vec<Mount> {
    let devpts: &[&str] = match rootless {
        // Group 5 is not mapped.
        true => &[
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
        ],
        false => &[
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
        ],
    };
    // The host's network namespace is kept, and only its owner may mount a sysfs of it.
    let sys = match rootless {
        true => mount(
            "/sys",
            "none",
            "/sys",
            &["rbind", "nosuid", "noexec", "nodev", "ro"],
        ),
        false => mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", "ro"],
        ),
    };
    vec![
        mount("/proc", "proc", "proc", &[]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount("/dev/pts", "devpts", "devpts", devpts),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        ),
        mount(
            "/dev/mqueue",
            "mqueue",
            "mqueue",
            &["nosuid", "noexec", "nodev"],
        ),
        sys,
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"],
        ),
    ]
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: Some(kind.to_owned()),
        source: Some(source.to_owned()),
        options: owned(options),
        ..Mount::default()
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// What would show the host's hardware, keys or timers, or let a container act on them.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
    "/sys/devices/virtual/tpm",
];

/// What a container may look at but must not write.
const READONLY: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
