//! `maskedPaths`, `readonlyPaths`, `sysctl`, `rootfsPropagation`, `personality`,
//! `intelRdt`, `memoryPolicy`: what `linux` changes about the view of the kernel.

use lockstep_abi::feature::Feature;
use serde_json::json;

use crate::harness::{Host, Test, View, cases, mounts_of};

cases! {
    masked_file_reads_empty,
    masked_directory_is_empty,
    masked_cannot_be_written,
    masked_missing_is_skipped,
    masked_through_a_symlink,
    masked_relative_refused,
    readonly_path,
    readonly_missing_is_skipped,
    readonly_keeps_the_flags_of_the_mount,
    readonly_relative_refused,
    the_image_is_not_changed_by_masks,
    sysctl_of_the_network,
    sysctl_of_ipc,
    sysctl_with_slashes,
    sysctl_of_the_host_refused,
    sysctl_without_its_namespace_refused,
    sysctl_unknown_refused,
    sysctl_kernel_hostname_refused,
    rootfs_propagation_shared: "runc 1.1.5 leaves the root private",
    rootfs_propagation_slave_and_private,
    rootfs_propagation_unbindable: "runc 1.1.5 cannot bind its own root then",
    rootfs_propagation_unknown_refused,
    personality_linux32: "runc 1.1.5 has no personality",
    personality_linux: "runc 1.1.5 has no personality",
    personality_unknown_refused: "runc 1.1.5 has no personality",
    intel_rdt_refused_without_resctrl: "runc 1.1.5 drops closID without a word",
    memory_policy_modes: "runc 1.1.5 has no memoryPolicy",
    memory_policy_flags: "runc 1.1.5 has no memoryPolicy",
    memory_policy_wrong_refused: "runc 1.1.5 has no memoryPolicy",
}

fn masked_file_reads_empty(t: &Test) {
    let output = t
        .sh("cat /etc/secret | wc -c; cat /proc/timer_list | wc -c; stat -c %F /etc/secret")
        .file("/etc/secret", "hidden")
        .push("/linux/maskedPaths", json!("/etc/secret"))
        .run()
        .ok();
    let lines: Vec<&str> = output.lines().iter().map(|line| line.trim()).collect();
    assert_eq!(lines, ["0", "0", "character special file"]);
}

fn masked_directory_is_empty(t: &Test) {
    let output = t
        .sh("ls -A /secret | wc -l; ls -A /sys/firmware | wc -l; touch /secret/x")
        .file("/secret/f", "hidden")
        .push("/linux/maskedPaths", json!("/secret"))
        .run();
    let lines: Vec<&str> = output.lines().iter().map(|line| line.trim()).collect();
    assert_eq!(lines, ["0", "0"]);
    assert!(
        output.stderr.contains("Read-only file system"),
        "{output:?}"
    );
}

fn masked_cannot_be_written(t: &Test) {
    let bundle = t
        .sh("echo changed > /etc/secret; true")
        .file("/etc/secret", "hidden")
        .push("/linux/maskedPaths", json!("/etc/secret"));
    bundle.run().ok();
    let own = std::fs::read_to_string(bundle.rootfs().join("etc/secret"));
    assert_eq!(own.expect("own rootfs"), "hidden");
}

fn masked_missing_is_skipped(t: &Test) {
    let bundle = t
        .sh("test ! -e /no/such")
        .push("/linux/maskedPaths", json!("/no/such"));
    bundle.run().ok();
}

fn masked_through_a_symlink(t: &Test) {
    let bundle = t
        .sh("cat /real | wc -c")
        .file("/real", "hidden")
        .push("/linux/maskedPaths", json!("/link"));
    std::os::unix::fs::symlink("/real", bundle.rootfs().join("link")).expect("own rootfs");
    assert_eq!(bundle.run().ok().text(), "0");
}

fn masked_relative_refused(t: &Test) {
    let output = t
        .sh("true")
        .push("/linux/maskedPaths", json!("etc/passwd"))
        .run();
    if t.peer_is_other() {
        t.skip("runc 1.1.5 takes it as relative to the root");
    }
    output.fails_with(&["maskedPaths", "etc/passwd"]);
}

fn readonly_path(t: &Test) {
    let output = t
        .sh("cat /data/f; echo x > /data/f; echo x > /data/new; echo 1 > /proc/sys/kernel/printk")
        .file("/data/f", "kept\n")
        .push("/linux/readonlyPaths", json!("/data"))
        .run();
    assert_eq!(output.text(), "kept");
    assert_eq!(
        output.stderr.matches("Read-only file system").count(),
        3,
        "{output:?}"
    );
}

fn readonly_missing_is_skipped(t: &Test) {
    t.sh("true")
        .push("/linux/readonlyPaths", json!("/no/such"))
        .run()
        .ok();
}

fn readonly_keeps_the_flags_of_the_mount(t: &Test) {
    let pid = t
        .sleeper()
        .mount("/m", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"])
        .push("/linux/readonlyPaths", json!("/m"))
        .started()
        .pid();
    let mounts = mounts_of(pid);
    let mount = mounts
        .iter()
        .rev()
        .find(|mount| mount.point == "/m")
        .expect("mounted");
    for flag in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(mount.has(flag), "{flag}: {mount:?}");
    }
}

fn readonly_relative_refused(t: &Test) {
    let output = t
        .sh("true")
        .push("/linux/readonlyPaths", json!("etc"))
        .run();
    if t.peer_is_other() {
        t.skip("runc 1.1.5 takes it as relative to the root");
    }
    output.fails_with(&["readonlyPaths", "etc"]);
}

fn the_image_is_not_changed_by_masks(t: &Test) {
    let bundle = t
        .sh("true")
        .push("/linux/maskedPaths", json!("/not/there"))
        .push("/linux/readonlyPaths", json!("/nor/there"));
    bundle.run().ok();
    assert!(!bundle.rootfs().join("not").exists() && !bundle.rootfs().join("nor").exists());
}

fn sysctl_of_the_network(t: &Test) {
    let output = t
        .sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/core/somaxconn")
        .set(
            "/linux/sysctl",
            json!({"net.ipv4.ip_forward": "1", "net.core.somaxconn": "77"}),
        )
        .run()
        .ok();
    assert_eq!(output.lines(), ["1", "77"]);
}

fn sysctl_of_ipc(t: &Test) {
    let output = t
        .sh("cat /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max")
        .set(
            "/linux/sysctl",
            json!({"kernel.shmmni": "99", "fs.mqueue.msg_max": "12"}),
        )
        .run()
        .ok();
    assert_eq!(output.lines(), ["99", "12"]);
}

fn sysctl_with_slashes(t: &Test) {
    let output = t
        .sh("cat /proc/sys/net/ipv4/ip_default_ttl")
        .set("/linux/sysctl", json!({"net/ipv4/ip_default_ttl": "33"}))
        .run()
        .ok();
    assert_eq!(output.text(), "33");
}

fn sysctl_of_the_host_refused(t: &Test) {
    for name in ["vm.swappiness", "kernel.pid_max", "fs.file-max"] {
        t.sh("true")
            .edit(|config| config["linux"]["sysctl"] = json!({name: "10"}))
            .run()
            .fails_with(&["sysctl", name]);
    }
}

fn sysctl_without_its_namespace_refused(t: &Test) {
    t.sh("true")
        .without_namespace("network")
        .unmount("/sys")
        .set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}))
        .run()
        .fails_with(&["net.ipv4.ip_forward"]);
    t.sh("true")
        .without_namespace("ipc")
        .unmount("/dev/mqueue")
        .set("/linux/sysctl", json!({"kernel.shmmni": "1"}))
        .run()
        .fails_with(&["kernel.shmmni"]);
}

fn sysctl_unknown_refused(t: &Test) {
    let output = t
        .sh("true")
        .set("/linux/sysctl", json!({"net.nonsense.value": "1"}))
        .run();
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("nonsense"), "{output:?}");
}

fn sysctl_kernel_hostname_refused(t: &Test) {
    t.sh("true")
        .set("/linux/sysctl", json!({"kernel.hostname": "other"}))
        .run()
        .fails_with(&["kernel.hostname"]);
}

fn root_mount(t: &Test, propagation: &str) -> crate::harness::Mount {
    let bundle = t
        .sleeper()
        .set("/linux/rootfsPropagation", propagation)
        .view(View::Script("mount --make-rshared /".to_owned()));
    let mounts = mounts_of(bundle.started().pid());
    mounts
        .into_iter()
        .find(|mount| mount.point == "/")
        .expect("a root")
}

fn rootfs_propagation_shared(t: &Test) {
    for name in ["shared", "rshared"] {
        let root = root_mount(t, name);
        assert!(root.propagates("shared"), "{name}: {root:?}");
    }
}

fn rootfs_propagation_slave_and_private(t: &Test) {
    for name in ["slave", "rslave"] {
        let root = root_mount(t, name);
        assert!(!root.propagates("shared"), "{name}: {root:?}");
    }
    for name in ["private", "rprivate"] {
        let root = root_mount(t, name);
        assert!(root.propagation.is_empty(), "{name}: {root:?}");
    }
}

fn rootfs_propagation_unbindable(t: &Test) {
    for name in ["unbindable", "runbindable"] {
        let root = root_mount(t, name);
        assert!(root.propagates("unbindable"), "{name}: {root:?}");
    }
}

fn rootfs_propagation_unknown_refused(t: &Test) {
    t.sh("true")
        .set("/linux/rootfsPropagation", "nonsense")
        .run()
        .fails_with(&["rootfsPropagation", "nonsense"]);
}

fn personality_linux32(t: &Test) {
    let c = t
        .sh("uname -m; sleep 1000")
        .set("/linux/personality", json!({"domain": "LINUX32"}))
        .started();
    assert!(crate::harness::wait_until(|| !c.stdout().is_empty()));
    assert_eq!(c.stdout().trim(), "i686");
    let own = std::fs::read_to_string(format!("/proc/{}/personality", c.pid()));
    assert_eq!(own.expect("root reads it").trim(), "00000008");
    // An exec gets the same.
    assert_eq!(c.exec(&[], &["uname", "-m"]).ok().text(), "i686");
}

fn personality_linux(t: &Test) {
    let output = t
        .sh("uname -m")
        .set("/linux/personality", json!({"domain": "LINUX"}))
        .run()
        .ok();
    assert_eq!(output.text(), "x86_64");
}

fn personality_unknown_refused(t: &Test) {
    t.sh("true")
        .set("/linux/personality", json!({"domain": "NONSENSE"}))
        .run()
        .fails_with(&["personality", "NONSENSE"]);
    let flags = json!({"domain": "LINUX", "flags": ["NONSENSE_FLAG"]});
    t.sh("true")
        .set("/linux/personality", flags)
        .run()
        .fails_with(&["personality"]);
}

fn intel_rdt_refused_without_resctrl(t: &Test) {
    let info = std::fs::read_to_string("/proc/filesystems").expect("readable");
    t.need(!info.contains("resctrl"), "this kernel has resctrl");
    for (field, value) in [
        ("closID", json!("group")),
        ("l3CacheSchema", json!("L3:0=f")),
        ("memBwSchema", json!("MB:0=20")),
        ("schemata", json!(["L3:0=f"])),
        ("enableMonitoring", json!(true)),
    ] {
        let pointer = format!("/linux/intelRdt/{field}");
        let output = t.sh("true").set(&pointer, value).run();
        output.fails_with(&["resctrl", &pointer]);
    }
}

fn policy(t: &Test, policy: serde_json::Value) -> crate::harness::Output {
    t.args(&["/probe", "mempolicy"])
        .with_probe()
        .set("/linux/memoryPolicy", policy)
        .run()
}

fn memory_policy_modes(t: &Test) {
    for (mode, number, nodes) in [
        ("MPOL_DEFAULT", 0, None),
        ("MPOL_PREFERRED", 1, Some("0")),
        ("MPOL_BIND", 2, Some("0")),
        ("MPOL_INTERLEAVE", 3, Some("0")),
        ("MPOL_LOCAL", 4, None),
        ("MPOL_PREFERRED_MANY", 5, Some("0")),
        ("MPOL_WEIGHTED_INTERLEAVE", 6, Some("0")),
    ] {
        let mut value = json!({"mode": mode});
        if let Some(nodes) = nodes {
            value["nodes"] = json!(nodes);
        }
        let output = policy(t, value);
        if number == 6 && Host::get().kernel < Feature::MempolicyWeightedInterleave.since() {
            output.fails_with(&["memoryPolicy", "EINVAL"]);
            continue;
        }
        let output = output.ok();
        assert_eq!(output.value("mempolicy"), number.to_string(), "{mode}");
        let want = if nodes.is_some() { "1" } else { "0" };
        assert_eq!(output.value("nodes"), want, "{mode}");
    }
}

fn memory_policy_flags(t: &Test) {
    for (flag, bit) in [
        ("MPOL_F_STATIC_NODES", 1 << 15),
        ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ] {
        let output = policy(
            t,
            json!({"mode": "MPOL_BIND", "nodes": "0", "flags": [flag]}),
        )
        .ok();
        assert_eq!(output.value("mempolicy"), (2 | bit).to_string(), "{flag}");
    }
    let output = policy(
        t,
        json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}),
    );
    // Needs CONFIG_NUMA_BALANCING: its effect or a refusal that names it.
    if output.code == 0 {
        assert_eq!(output.value("mempolicy"), (2 | (1 << 13)).to_string());
    } else {
        assert!(output.stderr.contains("memoryPolicy"), "{output:?}");
    }
}

fn memory_policy_wrong_refused(t: &Test) {
    for value in [
        json!({"mode": "MPOL_NONSENSE"}),
        json!({"mode": "MPOL_BIND", "nodes": "x"}),
        json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_NONSENSE"]}),
        json!({"mode": "MPOL_BIND"}),
        json!({"mode": "MPOL_BIND", "nodes": "63"}),
    ] {
        policy(t, value).fails_with(&["memoryPolicy"]);
    }
}
