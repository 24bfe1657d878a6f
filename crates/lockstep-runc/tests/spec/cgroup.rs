//! `cgroupsPath` and `linux.resources`: each controller's files on version 1, hybrid, version 2 and
//! without any, and the effect where one is cheap to see.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{CgroupLayout, Container, Host, Test, View, cases, cgroup_of, wait_until};

cases! {
    path_in_every_hierarchy,
    path_absent_gets_one_of_the_runtimes,
    path_relative_is_the_runtimes_choice,
    path_cannot_escape,
    removed_by_delete,
    nested_groups_of_the_container_are_removed,
    memory_limit,
    memory_reservation,
    memory_swap,
    memory_unlimited,
    memory_kernel_tcp: "runc 1.1.5 ignores it",
    memory_swappiness,
    memory_disable_oom_killer,
    memory_use_hierarchy: "runc 1.1.5 ignores it",
    memory_kernel_is_not_silent: "runc 1.1.5 ignores it",
    memory_limit_kills,
    memory_swap_below_limit_refused,
    memory_tiny_limit_starts: "runc 1.1.5 needs more memory than that for itself",
    cpu_shares,
    cpu_quota_and_period,
    cpu_burst: "runc 1.1.5 has no burst",
    cpu_idle: "runc 1.1.5 has no idle",
    cpu_realtime,
    cpu_sets,
    cpu_sets_reach_the_program,
    cpu_set_of_absent_cpu_refused,
    memory_set_of_absent_node: "runc 1.1.5 does not show the call",
    cpu_quota_throttles,
    pids_limit,
    pids_limit_unlimited,
    pids_limit_refuses_fork,
    hugepage_limits_in_hybrid: "runc 1.1.5 ignores the version 2 tree",
    hugepage_unknown_size_refused: "runc 1.1.5 ignores the version 2 tree",
    rdma_refused_without_controller: "runc 1.1.5 ignores it",
    unified_refused_on_v1,
    v1_only_view,
    without_any_cgroup: "runc 1.1.5 needs a cgroup mount",
    limit_without_any_cgroup_refused: "runc 1.1.5 needs a cgroup mount",
}

pub(crate) fn need_v1(t: &Test) {
    let v1 = matches!(Host::get().cgroups, CgroupLayout::V1 | CgroupLayout::Hybrid);
    t.need(v1, "no cgroup version 1 hierarchy is mounted here");
}

/// The directory of the container in a version 1 hierarchy.
pub(crate) fn dir(c: &Container<'_>, controller: &str) -> PathBuf {
    let mount = &Host::get().controllers[controller];
    mount.join(c.cgroup.trim_start_matches('/'))
}

pub(crate) fn value(c: &Container<'_>, controller: &str, file: &str) -> String {
    let path = dir(c, controller).join(file);
    let text = std::fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

/// A running container with `resources` merged in, on version 1.
#[track_caller]
pub(crate) fn limited<'t>(t: &'t Test, part: &str, resources: Value) -> Container<'t> {
    need_v1(t);
    t.sleeper()
        .set(&format!("/linux/resources/{part}"), resources)
        .started()
}

fn path_in_every_hierarchy(t: &Test) {
    need_v1(t);
    let c = t.sleeper().started();
    let pid = c.pid();
    for controller in Host::get()
        .controllers
        .keys()
        .filter(|name| !name.is_empty())
    {
        assert_eq!(
            cgroup_of(pid, controller).as_deref(),
            Some(&*c.cgroup),
            "{controller}"
        );
    }
    let output = c.exec(&[], &["cat", "/proc/self/cgroup"]).ok();
    for line in output
        .lines()
        .iter()
        .filter(|line| !line.starts_with("0::"))
    {
        assert!(line.ends_with(&c.cgroup), "exec is elsewhere: {line}");
    }
}

fn path_absent_gets_one_of_the_runtimes(t: &Test) {
    need_v1(t);
    let bundle = t.sleeper().remove("/linux/cgroupsPath");
    let path = cgroup_of(bundle.started().pid(), "pids").expect("a cgroup");
    assert!(path.contains(&bundle.id), "{path}");
}

fn path_relative_is_the_runtimes_choice(t: &Test) {
    need_v1(t);
    let bundle = t.sleeper();
    let name = format!("relative-{}", bundle.id);
    let c = bundle.set("/linux/cgroupsPath", name.as_str()).started();
    let path = cgroup_of(c.pid(), "pids").expect("a cgroup");
    assert!(path.ends_with(&name), "{path}");
}

fn path_cannot_escape(t: &Test) {
    need_v1(t);
    let bundle = t.sleeper();
    let path = format!("/../../../../../tmp/{}", bundle.id);
    let bundle = bundle.set("/linux/cgroupsPath", path);
    if bundle.try_create().code == 0 {
        assert!(
            !std::path::Path::new("/tmp").join(&bundle.id).exists(),
            "made outside"
        );
    }
}

fn removed_by_delete(t: &Test) {
    need_v1(t);
    let c = t.sleeper().started();
    assert!(dir(&c, "pids").exists());
    c.call("delete", &["--force"]).ok();
    for controller in Host::get()
        .controllers
        .keys()
        .filter(|name| !name.is_empty())
    {
        assert!(!dir(&c, controller).exists(), "{controller}");
    }
}

fn nested_groups_of_the_container_are_removed(t: &Test) {
    need_v1(t);
    let c = t.sleeper().started();
    std::fs::create_dir_all(dir(&c, "pids").join("a/b")).expect("root makes groups");
    let pid = c.pid().to_string();
    std::fs::write(dir(&c, "pids").join("a/b/cgroup.procs"), pid).expect("root moves tasks");
    c.call("delete", &["--force"]).ok();
    assert!(!dir(&c, "pids").exists());
}

fn memory_limit(t: &Test) {
    let c = limited(t, "memory", json!({"limit": 67_108_864}));
    assert_eq!(value(&c, "memory", "memory.limit_in_bytes"), "67108864");
}

fn memory_reservation(t: &Test) {
    let c = limited(
        t,
        "memory",
        json!({"limit": 67_108_864, "reservation": 33_554_432}),
    );
    assert_eq!(
        value(&c, "memory", "memory.soft_limit_in_bytes"),
        "33554432"
    );
}

fn memory_swap(t: &Test) {
    let c = limited(
        t,
        "memory",
        json!({"limit": 67_108_864, "swap": 134_217_728}),
    );
    assert_eq!(
        value(&c, "memory", "memory.memsw.limit_in_bytes"),
        "134217728"
    );
}

fn memory_unlimited(t: &Test) {
    let c = limited(t, "memory", json!({"limit": -1, "swap": -1}));
    assert_eq!(
        value(&c, "memory", "memory.limit_in_bytes"),
        "9223372036854771712"
    );
}

fn memory_kernel_tcp(t: &Test) {
    let c = limited(
        t,
        "memory",
        json!({"limit": 67_108_864, "kernelTCP": 16_777_216}),
    );
    assert_eq!(
        value(&c, "memory", "memory.kmem.tcp.limit_in_bytes"),
        "16777216"
    );
}

fn memory_swappiness(t: &Test) {
    let c = limited(t, "memory", json!({"swappiness": 17}));
    assert_eq!(value(&c, "memory", "memory.swappiness"), "17");
    let output = t
        .sh("true")
        .set("/linux/resources/memory/swappiness", 300)
        .run();
    assert_ne!(output.code, 0, "a swappiness of 300 was accepted");
}

fn memory_disable_oom_killer(t: &Test) {
    let c = limited(
        t,
        "memory",
        json!({"limit": 67_108_864, "disableOOMKiller": true}),
    );
    assert!(value(&c, "memory", "memory.oom_control").starts_with("oom_kill_disable 1"));
}

fn memory_use_hierarchy(t: &Test) {
    let c = limited(t, "memory", json!({"useHierarchy": true}));
    assert_eq!(value(&c, "memory", "memory.use_hierarchy"), "1");
    // Since Linux 5.11 there is no other way, which must not be silent.
    let flat = t
        .sh("true")
        .set("/linux/resources/memory", json!({"useHierarchy": false}));
    flat.run().ok().warns("memory.use_hierarchy");
}

fn memory_kernel_is_not_silent(t: &Test) {
    need_v1(t);
    // The limit has no effect since Linux 5.16: said, not dropped.
    let output = t
        .sh("true")
        .set("/linux/resources/memory/kernel", 33_554_432)
        .run();
    output.warns("kernel");
}

fn memory_limit_kills(t: &Test) {
    need_v1(t);
    let bundle = t.args(&["/probe", "memory", "64"]).with_probe().set(
        "/linux/resources/memory",
        json!({"limit": 16_777_216, "swap": 16_777_216}),
    );
    bundle.run().exits(137);
    let enough = t
        .args(&["/probe", "memory", "8"])
        .with_probe()
        .set("/linux/resources/memory", json!({"limit": 67_108_864}));
    assert_eq!(enough.run().ok().value("memory"), "8");
}

fn memory_swap_below_limit_refused(t: &Test) {
    need_v1(t);
    let resources = json!({"limit": 67_108_864, "swap": 33_554_432});
    let output = t.sh("true").set("/linux/resources/memory", resources).run();
    output.fails_with(&["memory"]);
}

fn memory_tiny_limit_starts(t: &Test) {
    need_v1(t);
    let bundle = t
        .args(&["/bin/busybox", "true"])
        .set("/linux/resources/memory", json!({"limit": 1_048_576}));
    bundle.run().ok();
}

fn cpu_shares(t: &Test) {
    let c = limited(t, "cpu", json!({"shares": 512}));
    assert_eq!(value(&c, "cpu", "cpu.shares"), "512");
}

fn cpu_quota_and_period(t: &Test) {
    let c = limited(t, "cpu", json!({"quota": 25_000, "period": 50_000}));
    assert_eq!(value(&c, "cpu", "cpu.cfs_quota_us"), "25000");
    assert_eq!(value(&c, "cpu", "cpu.cfs_period_us"), "50000");
    let c = limited(t, "cpu", json!({"quota": -1}));
    assert_eq!(value(&c, "cpu", "cpu.cfs_quota_us"), "-1");
}

fn cpu_burst(t: &Test) {
    let c = limited(
        t,
        "cpu",
        json!({"quota": 25_000, "period": 50_000, "burst": 10_000}),
    );
    assert_eq!(value(&c, "cpu", "cpu.cfs_burst_us"), "10000");
}

fn cpu_idle(t: &Test) {
    let c = limited(t, "cpu", json!({"idle": 1}));
    assert_eq!(value(&c, "cpu", "cpu.idle"), "1");
}

fn cpu_realtime(t: &Test) {
    need_v1(t);
    let root = &Host::get().controllers["cpu"];
    t.need(
        root.join("cpu.rt_runtime_us").exists(),
        "no realtime groups (CONFIG_RT_GROUP_SCHED)",
    );
    // The parent of the container's group has no realtime share: the kernel decides.
    let resources = json!({"realtimePeriod": 500_000, "realtimeRuntime": 0});
    let c = t.sleeper().set("/linux/resources/cpu", resources).started();
    assert_eq!(value(&c, "cpu", "cpu.rt_period_us"), "500000");
    assert_eq!(value(&c, "cpu", "cpu.rt_runtime_us"), "0");
    let too_much = json!({"realtimePeriod": 1_000_000, "realtimeRuntime": 500_000});
    t.sh("true")
        .set("/linux/resources/cpu", too_much)
        .run()
        .fails_with(&["cpu.rt_runtime_us"]);
}

fn cpu_sets(t: &Test) {
    let c = limited(t, "cpu", json!({"cpus": "0", "mems": "0"}));
    assert_eq!(value(&c, "cpuset", "cpuset.cpus"), "0");
    assert_eq!(value(&c, "cpuset", "cpuset.mems"), "0");
}

fn cpu_sets_reach_the_program(t: &Test) {
    need_v1(t);
    let output = t
        .sh("grep _allowed_list /proc/self/status; nproc")
        .set("/linux/resources/cpu", json!({"cpus": "1"}))
        .run()
        .ok();
    assert_eq!(output.value("Cpus_allowed_list"), "1");
    assert_eq!(output.lines().last(), Some(&"1"));
}

fn cpu_set_of_absent_cpu_refused(t: &Test) {
    need_v1(t);
    let output = t
        .sh("true")
        .set("/linux/resources/cpu", json!({"cpus": "4000"}))
        .run();
    output.fails_with(&["cpuset.cpus"]);
}

fn memory_set_of_absent_node(t: &Test) {
    // There may be one node only, which every group has: that the kernel is asked for another is what can be seen.
    need_v1(t);
    let output = t
        .sh("true")
        .set("/linux/resources/cpu", json!({"mems": "63"}))
        .run();
    output.fails_with(&["cannot set cpuset.mems to", "63", "EINVAL"]);
}

fn cpu_quota_throttles(t: &Test) {
    need_v1(t);
    let c = t
        .sh("while :; do :; done")
        .set(
            "/linux/resources/cpu",
            json!({"quota": 5000, "period": 50_000}),
        )
        .started();
    let throttled = || {
        let stat = value(&c, "cpu", "cpu.stat");
        let line = stat
            .lines()
            .find(|line| line.starts_with("nr_throttled"))
            .map(str::to_owned);
        line.is_some_and(|line| !line.ends_with(" 0"))
    };
    assert!(wait_until(throttled), "{}", value(&c, "cpu", "cpu.stat"));
}

fn pids_limit(t: &Test) {
    let c = limited(t, "pids", json!({"limit": 42}));
    assert_eq!(value(&c, "pids", "pids.max"), "42");
}

fn pids_limit_unlimited(t: &Test) {
    let c = limited(t, "pids", json!({"limit": -1}));
    assert_eq!(value(&c, "pids", "pids.max"), "max");
}

fn pids_limit_refuses_fork(t: &Test) {
    need_v1(t);
    let output = t
        .args(&["/probe", "fork", "50"])
        .with_probe()
        .set("/linux/resources/pids", json!({"limit": 20}))
        .run()
        .ok();
    let forked: u32 = output.value("forked").parse().expect("a number");
    // The runtime's own tasks may still be counted for a moment.
    assert!(
        (10..=19).contains(&forked),
        "{forked} children under a limit of 20"
    );
    assert_eq!(output.value("forkerrno"), "11");
}

pub(crate) fn unified_tree(t: &Test) -> PathBuf {
    let tree = Host::get().controllers.get("").cloned();
    let tree = tree.unwrap_or_else(|| t.skip("no version 2 tree is mounted here"));
    let names = std::fs::read_to_string(tree.join("cgroup.controllers")).unwrap_or_default();
    t.need(
        names.contains("hugetlb"),
        "the version 2 tree has no hugetlb controller here",
    );
    tree
}

fn hugepage_limits_in_hybrid(t: &Test) {
    need_v1(t);
    let tree = unified_tree(t);
    let limits = json!([{"pageSize": "2MB", "limit": 4_194_304}]);
    let c = t
        .sleeper()
        .set("/linux/resources/hugepageLimits", limits)
        .started();
    let path = cgroup_of(c.pid(), "").expect("a version 2 group");
    assert_ne!(
        path, "/",
        "the container is in the root of the version 2 tree"
    );
    let file = tree
        .join(path.trim_start_matches('/'))
        .join("hugetlb.2MB.max");
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(text.trim(), "4194304");
}

fn hugepage_unknown_size_refused(t: &Test) {
    unified_tree(t);
    let limits = json!([{"pageSize": "3MB", "limit": 4_194_304}]);
    t.sh("true")
        .set("/linux/resources/hugepageLimits", limits)
        .run()
        .fails_with(&["hugepageLimits", "3MB"]);
}

fn rdma_refused_without_controller(t: &Test) {
    let host = Host::get();
    let unified = host
        .controllers
        .get("")
        .map(|tree| tree.join("cgroup.controllers"));
    let names = unified.and_then(|file| std::fs::read_to_string(file).ok());
    t.need(
        !host.controllers.contains_key("rdma") && !names.unwrap_or_default().contains("rdma"),
        "this machine has the rdma controller",
    );
    t.sh("true")
        .set(
            "/linux/resources/rdma",
            json!({"mlx5_1": {"hcaHandles": 3, "hcaObjects": 100}}),
        )
        .run()
        .fails_with(&["no rdma", "mlx5_1 hca_handle=3 hca_object=100"]);
}

fn unified_refused_on_v1(t: &Test) {
    need_v1(t);
    t.sh("true")
        .set(
            "/linux/resources/unified",
            json!({"memory.high": "1000000"}),
        )
        .run()
        .fails_with(&["unified"]);
}

fn v1_only_view(t: &Test) {
    need_v1(t);
    let c = t
        .sleeper()
        .view(View::CgroupV1)
        .set("/linux/resources/pids", json!({"limit": 33}))
        .started();
    assert_eq!(value(&c, "pids", "pids.max"), "33");
    c.call("delete", &["--force"]).ok();
    assert!(!dir(&c, "pids").exists());
}

fn without_any_cgroup(t: &Test) {
    let output = t
        .sh("echo ran")
        .view(View::NoCgroup)
        .remove("/linux/resources")
        .remove("/linux/cgroupsPath")
        .run()
        .ok();
    assert_eq!(output.text(), "ran");
}

fn limit_without_any_cgroup_refused(t: &Test) {
    let output = t
        .sh("true")
        .view(View::NoCgroup)
        .remove("/linux/cgroupsPath")
        .set("/linux/resources", json!({"memory": {"limit": 67_108_864}}))
        .run();
    // Refused, or visibly downgraded: never dropped in silence.
    assert!(output.stderr.contains("memory"), "{output:?}");
}
