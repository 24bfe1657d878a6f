//! `linux.resources` on cgroup version 2: the files of the unified tree, its freezer, device programs.
//!
//! Where the machine's controllers are on version 1, the tree is seen through a mount namespace of
//! the runtime, and what needs a controller that is not there is skipped by name.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cgroup::unified_tree;
use crate::cgroup_block::disk;
use crate::cgroup_device::{RDONLY, RDWR, WRONLY, fuse_rule};
use crate::harness::{CgroupLayout, Container, Host, Test, View, cases, cgroup_of, wait_until};

cases! {
    v2_born_in_the_group: "runc 1.1.5 moves every process",
    v2_group_and_freeze,
    v2_devices_by_bpf,
    v2_hugetlb,
    v2_unified_value,
    v2_unified_unknown_refused,
    v2_limit_without_controller_refused,
    v2_memory,
    v2_memory_check_before_update: "runc 1.1.5 has no checkBeforeUpdate",
    v2_memory_limit_kills,
    v2_cpu,
    v2_cpu_sets,
    v2_pids,
    v2_block_io,
    v2_rdma,
    v2_delegation_to_the_mapped_root: "runc 1.1.5 wants a systemd-delegated tree",
}

fn in_v2(t: &Test) -> PathBuf {
    unified_tree(t)
}

/// With CLONE_INTO_CGROUP no moment of the process is uncounted. A kernel that refuses it has it moved.
fn v2_born_in_the_group(t: &Test) {
    let host = Host::get();
    t.need(host.controllers.contains_key(""), "no version 2 tree");
    t.need(host.has_program("strace"), "no strace(1)");
    for refuses in [false, true] {
        let output = t.dir.join("strace");
        let refusal = match refuses {
            true => "-e inject=clone3:error=EOPNOTSUPP:when=1",
            false => "",
        };
        let view = View::Script(format!(
            "set -- strace -f -qq -e trace=clone3,openat {refusal} -o {} \"$@\"",
            output.display()
        ));
        let bundle = t.sh("cat /proc/self/cgroup").without_namespace("cgroup");
        let bundle = bundle.view(view);
        let seen = bundle.run().ok();
        let group = format!("0::{}", bundle.cgroup());
        assert!(seen.lines().contains(&group.as_str()), "{group}: {seen:?}");
        let text = std::fs::read_to_string(&output).expect("strace has written it");
        let clones: Vec<bool> = text
            .lines()
            .filter(|line| line.contains("clone3({"))
            .map(|line| line.contains("CLONE_INTO_CGROUP"))
            .collect();
        let moved = text.contains("/cgroup.procs\"");
        match refuses {
            false => assert_eq!((clones, moved), (vec![true], false), "{text}"),
            true => assert_eq!((clones, moved), (vec![true, false], true), "{text}"),
        }
    }
}

fn v2_group_and_freeze(t: &Test) {
    let tree = in_v2(t);
    let c = t.sleeper().view(View::CgroupV2).started();
    let path = cgroup_of(c.pid(), "").expect("a version 2 group");
    assert!(path.starts_with(&c.cgroup), "{path}");
    let events = tree
        .join(path.trim_start_matches('/'))
        .join("cgroup.events");
    let frozen = || std::fs::read_to_string(&events).is_ok_and(|text| text.contains("frozen 1"));
    c.call("pause", &[]).ok();
    assert_eq!(c.status(), "paused");
    assert!(frozen());
    c.call("resume", &[]).ok();
    assert_eq!(c.status(), "running");
    assert!(!frozen());
}

fn v2_devices_by_bpf(t: &Test) {
    in_v2(t);
    for (access, flags, want) in [("r", RDONLY, "0"), ("r", WRONLY, "-1"), ("rw", RDWR, "0")] {
        let output = t
            .args(&["/probe", "open", "/dev/probed", flags])
            .with_probe()
            .view(View::CgroupV2)
            .set(
                "/linux/devices",
                json!([{"type": "c", "path": "/dev/probed", "major": 10, "minor": 229}]),
            )
            .push("/linux/resources/devices", fuse_rule(true, access))
            .run()
            .ok();
        assert_eq!(output.value("open"), want, "{access} {flags}");
    }
}

fn v2_hugetlb(t: &Test) {
    let tree = in_v2(t);
    let limits = json!([{"pageSize": "2MB", "limit": 4_194_304}]);
    let c = t
        .sleeper()
        .view(View::CgroupV2)
        .set("/linux/resources/hugepageLimits", limits)
        .started();
    let path = cgroup_of(c.pid(), "").expect("a version 2 group");
    let file = tree
        .join(path.trim_start_matches('/'))
        .join("hugetlb.2MB.max");
    assert_eq!(
        std::fs::read_to_string(file).expect("set").trim(),
        "4194304"
    );
}

fn v2_unified_value(t: &Test) {
    let tree = in_v2(t);
    let c = t
        .sleeper()
        .view(View::CgroupV2)
        .set(
            "/linux/resources/unified",
            json!({"hugetlb.2MB.max": "6291456",
                                                "cgroup.max.depth": "3"}),
        )
        .started();
    let path = cgroup_of(c.pid(), "").expect("a version 2 group");
    let dir = tree.join(path.trim_start_matches('/'));
    let read = |name| {
        std::fs::read_to_string(dir.join(name))
            .expect("set")
            .trim()
            .to_owned()
    };
    assert_eq!(read("hugetlb.2MB.max"), "6291456");
    assert_eq!(read("cgroup.max.depth"), "3");
}

fn v2_unified_unknown_refused(t: &Test) {
    in_v2(t);
    for key in ["nonsense.max", "../cgroup.procs"] {
        let output = t
            .sh("true")
            .view(View::CgroupV2)
            .edit(|config| config["linux"]["resources"]["unified"] = json!({key: "1"}))
            .run();
        output.fails_with(&["unified"]);
    }
}

fn v2_limit_without_controller_refused(t: &Test) {
    in_v2(t);
    t.need(
        Host::get().cgroups != CgroupLayout::V2,
        "the controllers of this machine are on cgroup version 2",
    );
    let output = t
        .sh("true")
        .view(View::CgroupV2)
        .set("/linux/resources/memory", json!({"limit": 67_108_864}))
        .run();
    output.fails_with(&["memory"]);
}

/// The machine's own tree, if it has that controller; else the reason to skip.
pub(crate) fn machine(t: &Test, controller: &str) -> PathBuf {
    let host = Host::get();
    t.need(
        host.cgroups == CgroupLayout::V2,
        "the controllers of this machine are on cgroup version 1",
    );
    let tree = host.controllers[""].clone();
    let names = std::fs::read_to_string(tree.join("cgroup.controllers")).unwrap_or_default();
    t.need(
        names.split_whitespace().any(|name| name == controller),
        &format!("this kernel has no {controller} controller on cgroup version 2"),
    );
    tree
}

pub(crate) fn limited<'t>(t: &'t Test, part: &str, resources: Value) -> Container<'t> {
    t.sleeper()
        .set(&format!("/linux/resources/{part}"), resources)
        .started()
}

#[track_caller]
pub(crate) fn read(c: &Container<'_>, tree: &std::path::Path, file: &str) -> String {
    let path = cgroup_of(c.pid(), "").expect("a version 2 group");
    let path = tree.join(path.trim_start_matches('/')).join(file);
    let text = std::fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

fn v2_memory(t: &Test) {
    let tree = machine(t, "memory");
    let alone = limited(t, "memory", json!({"limit": 67_108_864}));
    assert_eq!(read(&alone, &tree, "memory.max"), "67108864");
    let c = limited(
        t,
        "memory",
        json!({"limit": 67_108_864, "reservation": 33_554_432, "swap": 100_663_296}),
    );
    assert_eq!(read(&c, &tree, "memory.max"), "67108864");
    assert_eq!(read(&c, &tree, "memory.low"), "33554432");
    // Memory and swap together in the configuration, swap alone in the kernel.
    assert_eq!(read(&c, &tree, "memory.swap.max"), "33554432");
}

fn v2_memory_check_before_update(t: &Test) {
    // On version 1 the kernel itself refuses a limit below the usage.
    let tree = machine(t, "memory");
    let c = t
        .sh("dd if=/dev/zero of=/dev/shm/f bs=1M count=24 2> /dev/null; echo full; sleep 1000")
        .set(
            "/linux/resources/memory",
            json!({"limit": 67_108_864, "checkBeforeUpdate": true}),
        )
        .started();
    assert!(wait_until(|| c.stdout().contains("full")));
    // What the configuration asks for holds for every update, unless that says otherwise.
    c.call("update", &["--memory", "4194304"])
        .fails_with(&["checkBeforeUpdate"]);
    assert_eq!(read(&c, &tree, "memory.max"), "67108864");
    assert_eq!(c.status(), "running");
}

fn v2_memory_limit_kills(t: &Test) {
    machine(t, "memory");
    let bundle = t.args(&["/probe", "memory", "64"]).with_probe().set(
        "/linux/resources/memory",
        json!({"limit": 16_777_216, "swap": 16_777_216}),
    );
    bundle.run().exits(137);
}

fn v2_cpu(t: &Test) {
    let tree = machine(t, "cpu");
    let c = limited(
        t,
        "cpu",
        json!({"shares": 1024, "quota": 25_000, "period": 50_000}),
    );
    assert_eq!(read(&c, &tree, "cpu.max"), "25000 50000");
    let weight: u32 = read(&c, &tree, "cpu.weight").parse().expect("a number");
    assert!(
        (39..=100).contains(&weight),
        "1024 shares became a weight of {weight}"
    );
    let c = limited(
        t,
        "cpu",
        json!({"quota": 25_000, "period": 50_000, "burst": 10_000}),
    );
    assert_eq!(read(&c, &tree, "cpu.max.burst"), "10000");
    let c = limited(t, "cpu", json!({"idle": 1}));
    assert_eq!(read(&c, &tree, "cpu.idle"), "1");
}

fn v2_cpu_sets(t: &Test) {
    let tree = machine(t, "cpuset");
    let c = limited(t, "cpu", json!({"cpus": "0", "mems": "0"}));
    assert_eq!(read(&c, &tree, "cpuset.cpus"), "0");
    assert_eq!(read(&c, &tree, "cpuset.mems"), "0");
}

fn v2_pids(t: &Test) {
    let tree = machine(t, "pids");
    let c = limited(t, "pids", json!({"limit": 42}));
    assert_eq!(read(&c, &tree, "pids.max"), "42");
}

fn v2_block_io(t: &Test) {
    let tree = machine(t, "io");
    let (major, minor) = disk(t);
    let entry = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    let c = limited(
        t,
        "blockIO",
        json!({"throttleReadBpsDevice": entry(1_000_000), "throttleWriteIOPSDevice": entry(400)}),
    );
    let text = read(&c, &tree, "io.max");
    assert!(
        text.contains(&format!("{major}:{minor} rbps=1000000")),
        "{text}"
    );
    assert!(text.contains("wiops=400"), "{text}");
}

fn v2_rdma(t: &Test) {
    let tree = machine(t, "rdma");
    t.need(
        std::fs::read_dir("/sys/class/infiniband").is_ok_and(|mut dir| dir.next().is_some()),
        "no RDMA device",
    );
    let dir = std::fs::read_dir("/sys/class/infiniband").expect("just read");
    let name = dir.flatten().next().expect("a device").file_name();
    let name = name.to_string_lossy().into_owned();
    let c = limited(
        t,
        "rdma",
        json!({&*name: {"hcaHandles": 3, "hcaObjects": 100}}),
    );
    let text = read(&c, &tree, "rdma.max");
    assert!(text.contains("hca_handle=3 hca_object=100"), "{text}");
}

fn v2_delegation_to_the_mapped_root(t: &Test) {
    // Cgroup ownership of the specification: a private cgroup namespace, a writable mount.
    in_v2(t);
    let c = t
        .sleeper()
        .view(View::CgroupV2)
        .user_namespace(300_000, 1000)
        .namespace("cgroup")
        .mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "rw"],
        )
        .started();
    let tree = &Host::get().controllers[""];
    let path = cgroup_of(c.pid(), "").expect("a version 2 group");
    let dir = tree.join(path.trim_start_matches('/'));
    use std::os::unix::fs::MetadataExt as _;
    for name in [
        "",
        "cgroup.procs",
        "cgroup.subtree_control",
        "cgroup.threads",
    ] {
        let owner = std::fs::metadata(dir.join(name)).expect("it exists").uid();
        assert_eq!(owner, 300_000, "{name:?}");
    }
    let owner = std::fs::metadata(dir.join("cgroup.max.depth"))
        .expect("it exists")
        .uid();
    assert_eq!(owner, 0, "a limit of the container is the container's");
}
