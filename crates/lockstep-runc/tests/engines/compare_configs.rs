//! The configurations that are compared: `runc spec` and one change at a time.
//!
//! Only fields that Debian's runc 1.1.5 knows: what it does not know it cannot be compared in.

use serde_json::{Value, json};

/// How the payload is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is the container's first process.
    Run,
    /// It is executed beside a first process that sleeps.
    Exec,
    /// It is the container's first process, on a terminal.
    Terminal,
    /// As `Run`, by a user with one id.
    Rootless,
}

/// One configuration.
pub(crate) struct Config {
    /// Its name in reports.
    pub(crate) name: &'static str,
    /// How the payload is run.
    pub(crate) way: Way,
    change: fn(&mut Value, &str),
}

impl Config {
    /// The `config.json`; `dir` holds a file `file`, a folder `folder` and is the session's.
    pub(crate) fn spec(&self, dir: &str, cgroup: &str) -> Value {
        let mut spec = base();
        if self.way != Way::Rootless {
            spec["linux"]["cgroupsPath"] = json!(cgroup);
        }
        (self.change)(&mut spec, dir);
        spec
    }
}

/// What `runc spec` of 1.1.5 writes, without a terminal.
fn base() -> Value {
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities, "ambient": capabilities
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "runc",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}
        ],
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
            "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        }
    })
}

fn add_mount(spec: &mut Value, mount: Value) {
    if let Some(mounts) = spec["mounts"].as_array_mut() {
        mounts.push(mount);
    }
}

fn bind(spec: &mut Value, source: String, target: &str, options: &[&str]) {
    add_mount(
        spec,
        json!({"destination": target, "type": "bind", "source": source, "options": options}),
    );
}

fn remove_namespace(spec: &mut Value, kind: &str) {
    if let Some(namespaces) = spec["linux"]["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != kind);
    }
}

fn add_namespace(spec: &mut Value, namespace: Value) {
    if let Some(namespaces) = spec["linux"]["namespaces"].as_array_mut() {
        namespaces.push(namespace);
    }
}

fn capabilities(spec: &mut Value, all: &[&str], ambient: &[&str]) {
    spec["process"]["capabilities"] = json!({
        "bounding": all, "effective": all, "permitted": all, "inheritable": ambient, "ambient": ambient
    });
}

fn user_namespace(spec: &mut Value, maps: Value) {
    add_namespace(spec, json!({"type": "user"}));
    spec["linux"]["uidMappings"] = maps.clone();
    spec["linux"]["gidMappings"] = maps;
}

fn filter(spec: &mut Value, syscall: Value) {
    spec["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [syscall]
    });
}

/// Below these ids is nothing of the host.
const MAPPED: u32 = 20_000_000;

macro_rules! configs {
    ($($name:literal $way:ident $change:expr;)*) => {
        &[$(Config { name: $name, way: Way::$way, change: $change }),*]
    };
}

/// All of them.
pub(crate) const CONFIGS: &[Config] = configs! {
    "default" Run |_, _| {};
    "default-exec" Exec |_, _| {};
    "terminal" Terminal |spec, _| spec["process"]["terminal"] = json!(true);
    "writable-root" Run |spec, _| spec["root"]["readonly"] = json!(false);
    "root-shared" Run |spec, _| spec["linux"]["rootfsPropagation"] = json!("shared");
    "root-slave" Run |spec, _| spec["linux"]["rootfsPropagation"] = json!("slave");
    "root-private" Run |spec, _| spec["linux"]["rootfsPropagation"] = json!("private");
    "bind-options" Run |spec, dir| {
        bind(spec, format!("{dir}/folder"), "/mnt", &["bind", "ro", "nosuid", "nodev", "noexec"]);
        bind(spec, format!("{dir}/folder"), "/home", &["rbind", "rw", "noatime", "nodiratime"]);
        bind(spec, format!("{dir}/file"), "/etc/passwd", &["bind", "ro"]);
    };
    "bind-propagation" Run |spec, dir| {
        bind(spec, format!("{dir}/folder"), "/mnt", &["rbind", "rshared"]);
        bind(spec, format!("{dir}/folder"), "/home", &["rbind", "rslave"]);
        bind(spec, format!("{dir}/folder"), "/root", &["bind", "private"]);
        bind(spec, format!("{dir}/folder"), "/run", &["bind", "unbindable"]);
    };
    "bind-makes-targets" Run |spec, dir| {
        bind(spec, format!("{dir}/folder"), "/tmp/new/place", &["bind"]);
        bind(spec, format!("{dir}/file"), "/tmp/new/file", &["bind"]);
        bind(spec, format!("{dir}/folder"), "/link/inside", &["bind"]);
    };
    "tmpfs-options" Run |spec, _| {
        add_mount(spec, json!({"destination": "/mnt", "type": "tmpfs", "source": "named", "options": ["size=1m", "nr_inodes=100", "mode=1770", "uid=5", "gid=6", "noexec", "nosuid", "nodev"]}));
        add_mount(spec, json!({"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "ro", "mode=755"]}));
    };
    "mount-flags" Run |spec, _| {
        for (target, flag) in [("/mnt", "noatime"), ("/home", "nodiratime"), ("/run", "strictatime"), ("/root", "relatime"), ("/tmp", "sync"), ("/var", "dirsync")] {
            add_mount(spec, json!({"destination": target, "type": "tmpfs", "source": "tmpfs", "options": [flag, "rw"]}));
        }
    };
    "nested-mounts" Run |spec, dir| {
        add_mount(spec, json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"}));
        bind(spec, format!("{dir}/folder"), "/mnt/a/b", &["bind", "ro"]);
        add_mount(spec, json!({"destination": "/mnt/a/b", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}));
    };
    "proc-and-sys-alone" Run |spec, _| {
        spec["mounts"] = json!([
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "ro"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}
        ]);
    };
    "dev-of-the-host" Run |spec, _| {
        if let Some(mounts) = spec["mounts"].as_array_mut() {
            mounts.retain(|mount| !mount["destination"].as_str().unwrap_or_default().starts_with("/dev"));
        }
        bind(spec, "/dev".into(), "/dev", &["rbind", "rslave"]);
    };
    "masked-and-read-only" Run |spec, _| {
        spec["linux"]["maskedPaths"] = json!(["/proc/meminfo", "/etc/passwd", "/home", "/absent"]);
        spec["linux"]["readonlyPaths"] = json!(["/proc/sys", "/var", "/etc/group", "/absent", "/dev/shm"]);
    };
    "nothing-masked" Run |spec, _| {
        spec["linux"]["maskedPaths"] = Value::Null;
        spec["linux"]["readonlyPaths"] = Value::Null;
    };
    "capabilities-none" Run |spec, _| capabilities(spec, &[], &[]);
    "capabilities-many" Run |spec, _| capabilities(spec, &["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETUID", "CAP_SYS_ADMIN", "CAP_BPF"], &["CAP_CHOWN"]);
    "capabilities-exec" Exec |spec, _| capabilities(spec, &["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETUID"], &["CAP_CHOWN"]);
    "capabilities-absent" Run |spec, _| spec["process"]["capabilities"] = Value::Null;
    "user" Run |spec, _| spec["process"]["user"] = json!({"uid": 1000, "gid": 2000, "additionalGids": [3000, 4000], "umask": 0o027});
    "user-exec" Exec |spec, _| spec["process"]["user"] = json!({"uid": 1000, "gid": 2000, "additionalGids": [3000], "umask": 0o077});
    "user-without-ambient" Run |spec, _| {
        spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        capabilities(spec, &["CAP_CHOWN", "CAP_NET_RAW"], &[]);
    };
    "user-namespace" Run |spec, _| user_namespace(spec, json!([{"containerID": 0, "hostID": MAPPED, "size": 65536}]));
    "user-namespace-exec" Exec |spec, _| user_namespace(spec, json!([{"containerID": 0, "hostID": MAPPED, "size": 65536}]));
    "user-namespace-two-ranges" Run |spec, _| {
        user_namespace(spec, json!([
            {"containerID": 0, "hostID": MAPPED, "size": 1000},
            {"containerID": 1000, "hostID": MAPPED + 5000, "size": 1000}
        ]));
        spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    };
    "network-of-the-host" Run |spec, _| remove_namespace(spec, "network");
    "pid-of-the-host" Run |spec, _| remove_namespace(spec, "pid");
    "ipc-and-uts-of-the-host" Run |spec, _| {
        remove_namespace(spec, "ipc");
        remove_namespace(spec, "uts");
        spec["hostname"] = json!("");
    };
    "network-by-path" Run |spec, _| {
        remove_namespace(spec, "network");
        add_namespace(spec, json!({"type": "network", "path": "/proc/self/ns/net"}));
    };
    "cgroup-namespace" Run |spec, _| add_namespace(spec, json!({"type": "cgroup"}));
    "cgroup-mount" Run |spec, _| add_mount(spec, json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}));
    "cgroup-mount-in-its-namespace" Run |spec, _| {
        add_namespace(spec, json!({"type": "cgroup"}));
        add_mount(spec, json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime"]}));
    };
    "resources" Run |spec, _| spec["linux"]["resources"] = json!({
        "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}],
        "memory": {"limit": 67_108_864, "reservation": 33_554_432},
        "cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0"},
        "pids": {"limit": 50}
    });
    "rlimits" Run |spec, _| spec["process"]["rlimits"] = json!([
        {"type": "RLIMIT_NOFILE", "hard": 300, "soft": 200},
        {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
        {"type": "RLIMIT_NPROC", "hard": 1000, "soft": 900},
        {"type": "RLIMIT_STACK", "hard": 16_777_216, "soft": 8_388_608}
    ]);
    "oom-score" Run |spec, _| spec["process"]["oomScoreAdj"] = json!(500);
    "privileges-allowed" Run |spec, _| spec["process"]["noNewPrivileges"] = json!(false);
    "seccomp" Run |spec, _| filter(spec, json!({"names": ["chmod", "getcwd"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}));
    "seccomp-privileges-allowed" Run |spec, _| {
        spec["process"]["noNewPrivileges"] = json!(false);
        spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        filter(spec, json!({"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}));
    };
    "seccomp-exec" Exec |spec, _| filter(spec, json!({"names": ["chmod", "getcwd"], "action": "SCMP_ACT_ERRNO"}));
    "sysctls" Run |spec, _| spec["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096", "net.ipv4.ping_group_range": "0 100"});
    "devices" Run |spec, _| spec["linux"]["devices"] = json!([
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 5, "gid": 6},
        {"path": "/dev/disk/one", "type": "b", "major": 254, "minor": 0, "fileMode": 0o600},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o666}
    ]);
    "environment" Run |spec, _| {
        spec["process"]["env"] = json!(["PATH=/bin", "WORD=two words", "EMPTY=", "WORD=again"]);
        spec["process"]["cwd"] = json!("/etc");
    };
    "environment-exec" Exec |spec, _| {
        spec["process"]["env"] = json!(["PATH=/bin", "HOME=/elsewhere"]);
        spec["process"]["cwd"] = json!("/etc");
    };
    "hostname" Run |spec, _| spec["hostname"] = json!("other-name");
    "rootless" Rootless |spec, _| rootless(spec);
    "rootless-host-network" Rootless |spec, _| {
        rootless(spec);
        remove_namespace(spec, "network");
        // A sysfs shows a network namespace: its owner alone may mount a new one.
        spec["mounts"][5] = json!({"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]});
        spec["process"]["rlimits"] = json!([]);
    };
};

/// What `runc spec --rootless` changes, for the session's user.
fn rootless(spec: &mut Value) {
    add_namespace(spec, json!({"type": "user"}));
    let id = crate::podman::USER;
    spec["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": id, "size": 1}]);
    spec["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": id, "size": 1}]);
    spec["linux"]["resources"] = Value::Null;
    // One id: no group 5 for terminals.
    spec["mounts"][2]["options"] = json!([
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620"
    ]);
}
