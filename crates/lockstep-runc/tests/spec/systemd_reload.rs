//! `--systemd-cgroup`: systemd writes a scope's files again when it is reloaded or executed anew. What a container was
//! promised, and what it made itself, has to be there afterwards.

use serde_json::json;

use crate::cgroup_block::disk;
use crate::cgroup_v2::{machine, read};
use crate::cgroup_weight::LoopDisk;
use crate::harness::{Container, Test, cases, wait_until};
use crate::systemd_felt::{each_time, host, scope, unit};

cases! {
    every_limit_outlives_it: "runc 1.1.5 tells systemd no io.max",
    weights_outlive_it: "runc 1.1.5 tells systemd no weights of devices",
    memory_comes_of_the_nodes_of_the_set: "runc 1.1.5 tells systemd no sets before systemd 244",
    groups_of_the_container_outlive_it: "runc 1.1.5 gives nothing away",
}

/// Every resource that systemd has a property for, but for weights and devices.
fn every_limit_outlives_it(t: &Test) {
    let tree = machine(t, "io");
    let systemd = host(t);
    let (major, minor) = disk(t);
    let rate = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    let bundle = scope(&systemd, t.sleeper()).edit(|config| {
        config["linux"]["resources"] = json!({
            "pids": {"limit": 42},
            "memory": {"limit": 67_108_864, "reservation": 33_554_432, "swap": 100_663_296},
            "cpu": {"shares": 2048, "quota": 25_000, "period": 50_000, "cpus": "1", "mems": "0"},
            "blockIO": {
                "throttleReadBpsDevice": rate(1_048_576), "throttleWriteBpsDevice": rate(2_097_152),
                "throttleReadIOPSDevice": rate(300), "throttleWriteIOPSDevice": rate(400),
            },
            "unified": {"memory.high": "50331648", "memory.min": "4194304"},
        });
    });
    let c = bundle.started();
    let rates = format!("{major}:{minor} rbps=1048576 wbps=2097152 riops=300 wiops=400");
    let all = [
        ("TasksMax", "42", "pids.max", "42"),
        ("MemoryMax", "67108864", "memory.max", "67108864"),
        ("MemoryLow", "33554432", "memory.low", "33554432"),
        ("MemorySwapMax", "33554432", "memory.swap.max", "33554432"),
        ("MemoryHigh", "50331648", "memory.high", "50331648"),
        ("MemoryMin", "4194304", "memory.min", "4194304"),
        ("CPUQuotaPerSecUSec", "500ms", "cpu.max", "25000 50000"),
        ("CPUQuotaPeriodUSec", "50ms", "cpu.max", "25000 50000"),
        ("CPUWeight", "174", "cpu.weight", "174"),
        ("AllowedCPUs", "1", "cpuset.cpus", "1"),
        ("AllowedMemoryNodes", "0", "cpuset.mems", "0"),
        ("IOReadBandwidthMax", " 1048576", "io.max", &rates),
        ("IOWriteBandwidthMax", " 2097152", "io.max", &rates),
        ("IOReadIOPSMax", " 300", "io.max", &rates),
        ("IOWriteIOPSMax", " 400", "io.max", &rates),
    ];
    each_time(&systemd, &unit(&c), |verb| {
        for (property, told, file, value) in all {
            let shown = systemd.show(&unit(&c), property);
            assert!(shown.ends_with(told), "{property}={shown} {verb}");
            assert_eq!(read(&c, &tree, file), value, "{file} {verb}");
        }
    });
    c.call("delete", &["--force"]).ok();
}

fn weights_outlive_it(t: &Test) {
    let tree = machine(t, "io");
    let systemd = host(t);
    // A weight for each disk takes a scheduler that knows groups.
    let disk = LoopDisk::attach(t);
    let number = format!("{}:{}", disk.major, disk.minor);
    let entry = json!([{"major": disk.major, "minor": disk.minor, "weight": 300}]);
    let weights = json!({"weight": 500, "weightDevice": entry});
    let bundle = scope(&systemd, t.sleeper());
    let c = bundle.set("/linux/resources/blockIO", weights).started();
    let want = format!("default 500\n{number} 300");
    each_time(&systemd, &unit(&c), |verb| {
        assert_eq!(read(&c, &tree, "io.bfq.weight"), want, "{verb}");
    });
    for property in ["IOWeight", "IODeviceWeight"] {
        let told = systemd.show(&unit(&c), property);
        let none = ["", "[not set]"].contains(&&*told);
        assert!(!none, "{property}={told}");
    }
    c.call("update", &["--blkio-weight", "200"]).ok();
    let want = format!("default 200\n{number} 300");
    assert_eq!(read(&c, &tree, "io.bfq.weight"), want, "after an update");
    c.call("delete", &["--force"]).ok();
    let raw = json!({"io.bfq.weight": "700"});
    let bundle = scope(&systemd, t.sleeper());
    let c = bundle.set("/linux/resources/unified", raw).started();
    each_time(&systemd, &unit(&c), |verb| {
        assert_eq!(read(&c, &tree, "io.bfq.weight"), "default 700", "{verb}");
    });
    c.call("delete", &["--force"]).ok();
}

fn memory_comes_of_the_nodes_of_the_set(t: &Test) {
    let tree = machine(t, "cpuset");
    let systemd = host(t);
    let online = std::fs::read_to_string("/sys/devices/system/node/online").unwrap_or_default();
    let two = online.trim() == "0-1";
    t.need(two, "this machine has not two memory nodes");
    let placed = |c: &Container<'_>| {
        let script = "dd if=/dev/zero of=/dev/shm/f bs=1M count=16 2> /dev/null";
        c.exec(&[], &["sh", "-c", script]).ok();
        let text = read(c, &tree, "memory.numa_stat");
        c.exec(&[], &["rm", "/dev/shm/f"]).ok();
        let line = text.lines().find_map(|line| line.strip_prefix("shmem "));
        line.expect("the kernel tells").to_owned()
    };
    let on = |mems: &str| {
        let bundle = scope(&systemd, t.sleeper());
        bundle.set("/linux/resources/cpu/mems", mems).started()
    };
    let c = on("1");
    each_time(&systemd, &unit(&c), |verb| {
        assert_eq!(placed(&c), "N0=0 N1=16777216", "{verb}");
    });
    let other = on("0");
    assert_eq!(placed(&other), "N0=16777216 N1=0");
    for c in [c, other] {
        c.call("delete", &["--force"]).ok();
    }
}

/// What a delegated group is: what is below it is its owner's. systemd takes controllers away below any other.
fn groups_of_the_container_outlive_it(t: &Test) {
    machine(t, "pids");
    let systemd = host(t);
    let script = "cd $0 && mkdir own shop && echo 0 > own/cgroup.procs && \
        echo +pids > cgroup.subtree_control && echo 6 > shop/pids.max && echo made; exec sleep 1000";
    let options = ["nosuid", "noexec", "nodev", "rw"];
    let bundle = t.args(&["sh", "-c", script, "/sys/fs/cgroup"]).with_probe();
    let bundle = bundle
        .namespace("cgroup")
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &options);
    let c = scope(&systemd, bundle).started();
    assert!(wait_until(|| c.stdout().contains("made")), "{}", c.stderr());
    each_time(&systemd, &unit(&c), |verb| {
        let fork = "echo 0 > /sys/fs/cgroup/shop/cgroup.procs && /probe fork 20";
        let output = c.exec(&[], &["sh", "-c", fork]).ok();
        let forked: u32 = output.value("forked").parse().expect("a number");
        // The shell is one of the six, and its parent another.
        assert!((2..=5).contains(&forked), "{forked} {verb}");
    });
    c.call("delete", &["--force"]).ok();
    // The same in a scope that is not delegated.
    let name = format!("test-not-{}.scope", c.id);
    let group = format!("/sys/fs/cgroup/system.slice/{name}");
    let unit = format!("--unit={name}");
    let run = [
        "--quiet",
        "--scope",
        &unit,
        "-p",
        "Delegate=no",
        "sh",
        "-c",
        script,
        &group,
    ];
    t.companion("systemd-run", &run);
    let limit = || std::fs::read_to_string(format!("{group}/shop/pids.max"));
    assert!(wait_until(|| limit().is_ok_and(|text| text == "6\n")));
    systemd.call(&["systemctl", "daemon-reload"]);
    assert!(limit().is_err(), "{limit:?}", limit = limit());
    systemd.call(&["systemctl", "stop", &name]);
}
