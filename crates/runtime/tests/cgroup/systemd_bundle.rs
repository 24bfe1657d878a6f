//! A bundle whose first process is a systemd, for the tests of the systemd driver, here and of lockstep-runc.
//!
//! Everything that this systemd can write is a tmpfs of its own, its network, host name and processes are its own,
//! and /proc/sys is read-only: a boot must not happen to the machine.

use std::fs;

use serde_json::json;

pub(crate) const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// Writes the bundle into `work`: below `cgroup` it boots into lockstep.target, which wants these units, and has these
/// directories, each at its destination.
pub(crate) fn write(work: &str, cgroup: &str, wants: &[&str], binds: &[(&str, &str)]) {
    fs::create_dir_all(format!("{work}/rootfs/etc/systemd/system")).expect("a directory");
    for link in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{link}"), format!("{work}/rootfs/{link}"))
            .expect("a link");
    }
    let etc = |file: &str, text: &str| {
        fs::write(format!("{work}/rootfs/etc/{file}"), text).expect("writable");
    };
    etc("machine-id", "0123456789abcdef0123456789abcdef\n");
    etc(
        "passwd",
        "root:x:0:0::/:/bin/sh\nmessagebus:x:101:101::/:/bin/false\n",
    );
    etc("group", "root:x:0:\nmessagebus:x:101:\n");
    let wants = wants.join(" ");
    etc(
        "systemd/system/lockstep.target",
        &format!("[Unit]\nDefaultDependencies=no\nWants={wants}\n"),
    );
    let text = serde_json::to_string(&config(work, cgroup, binds)).expect("JSON");
    fs::write(format!("{work}/config.json"), text).expect("writable");
}

fn config(work: &str, cgroup: &str, binds: &[(&str, &str)]) -> serde_json::Value {
    let capabilities: Vec<String> =
        "CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD SETGID SETUID SETPCAP SYS_ADMIN SYS_PTRACE \
         NET_ADMIN BPF PERFMON SYS_CHROOT AUDIT_WRITE"
            .split_whitespace()
            .map(|name| format!("CAP_{name}"))
            .collect();
    let tmpfs = |place: &str| {
        json!({"destination": place, "type": "tmpfs", "source": "tmpfs",
               "options": ["nosuid", "nodev", "mode=755"]})
    };
    let special = |place: &str, kind: &str, options: &[&str]| json!({"destination": place, "type": kind, "source": kind, "options": options});
    let mut config = json!({
        "ociVersion": "1.0.2",
        "root": {"path": format!("{work}/rootfs")},
        "hostname": "lockstep-test",
        "process": {
            "args": [SYSTEMD, "--system", "--unit=lockstep.target", "--log-target=console", "--show-status=no"],
            "env": ["PATH=/usr/sbin:/usr/bin", "container=lockstep"],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "mounts": [
            special("/proc", "proc", &[]),
            special("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755"]),
            special("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666"]),
            special("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev"]),
            special("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            special("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "rw"]),
            {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro", "nosuid"]},
            tmpfs("/tmp"), tmpfs("/run"), tmpfs("/var"),
        ],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                           {"type": "mount"}, {"type": "cgroup"}],
            "resources": {"devices": [{"allow": true, "access": "rwm"}]},
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
        },
    });
    // Last, for one may lie below the tmpfs at /tmp.
    for (source, destination) in binds {
        let mount = json!({"destination": destination, "type": "bind", "source": source, "options": ["bind", "rw"]});
        config["mounts"].as_array_mut().expect("mounts").push(mount);
    }
    config
}
