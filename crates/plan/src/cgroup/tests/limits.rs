//! Limits converted and ordered.

use super::hosts::{hybrid, v1, v2};
use super::*;

fn writes(text: &str, layout: &Layout) -> Vec<String> {
    lines(&planned(text, layout).expect("a plan").writes)
}

fn refused(text: &str, layout: &Layout) -> String {
    planned(text, layout).expect_err(text).to_string()
}

#[test]
fn shares_become_weights_on_the_curve_of_runc() {
    for (shares, weight) in [
        (0, 1),
        (2, 1),
        (3, 2),
        (512, 59),
        (1024, 100),
        (2048, 174),
        (262_143, 10_000),
        (262_144, 10_000),
        (u64::MAX, 10_000),
    ] {
        assert_eq!(cpu::weight_of_shares(shares), weight, "{shares} shares");
    }
}

#[test]
fn block_weights_are_linear() {
    assert_eq!(block_io::io_weight(10), 1);
    assert_eq!(block_io::io_weight(500), 4950);
    assert_eq!(block_io::io_weight(1000), 10_000);
}

#[test]
fn memory_and_swap_wait_for_each_other_on_v1() {
    let plan = planned(
        r#"{"memory":{"limit":100,"swap":200,"reservation":50}}"#,
        &v1(),
    )
    .unwrap();
    assert_eq!(
        lines(&plan.writes),
        [
            "memory.limit_in_bytes = 100",
            "memory.memsw.limit_in_bytes = 200",
            "memory.soft_limit_in_bytes = 50",
        ]
    );
    assert!(plan.writes[0].after_next);
    assert_eq!(plan.writes[0].because, "/linux/resources/memory/limit");
    assert_eq!(plan.writes[1].because, "/linux/resources/memory/swap");
}

#[test]
fn unlimited_memory_lifts_the_swap_limit() {
    let v1 = planned(r#"{"memory":{"limit":-1}}"#, &v1()).unwrap().writes;
    assert_eq!(
        lines(&v1),
        [
            "memory.limit_in_bytes = -1",
            "memory.memsw.limit_in_bytes = -1"
        ]
    );
    assert_eq!(v1[1].if_missing, IfMissing::Skip);
    let v2 = writes(r#"{"memory":{"limit":-1}}"#, &v2());
    assert_eq!(v2, ["memory.swap.max = max", "memory.max = max"]);
}

#[test]
fn swap_is_what_exceeds_memory_on_v2() {
    let host = v2();
    let both = planned(
        r#"{"memory":{"limit":100,"swap":250,"reservation":-1}}"#,
        &host,
    )
    .unwrap();
    assert_eq!(
        lines(&both.writes),
        [
            "memory.swap.max = 150",
            "memory.max = 100",
            "memory.low = max"
        ]
    );
    assert_eq!(both.writes[0].if_missing, IfMissing::Fail);
    let equal = planned(r#"{"memory":{"limit":100,"swap":100}}"#, &host).unwrap();
    assert_eq!(equal.writes[0].value, "0");
    assert_eq!(equal.writes[0].if_missing, IfMissing::Skip);
    assert_eq!(
        writes(r#"{"memory":{"swap":-1}}"#, &host),
        ["memory.swap.max = max"]
    );
    assert_eq!(
        refused(r#"{"memory":{"swap":5}}"#, &host),
        "/linux/resources/memory/swap is 5: a limit of memory and swap needs a limit of memory on cgroup v2"
    );
    assert!(refused(r#"{"memory":{"limit":9,"swap":5}}"#, &host).contains("less than memory, 9"));
    assert!(refused(r#"{"memory":{"limit":-2}}"#, &host).contains("nor -1"));
}

#[test]
fn zero_means_not_set() {
    let text = r#"{"memory":{"limit":0,"swap":0,"reservation":0},
        "cpu":{"shares":0,"quota":0,"period":0,"realtimeRuntime":0,"realtimePeriod":0,"cpus":""},
        "blockIO":{"weight":0},"network":{"classID":0}}"#;
    assert!(writes(text, &v1()).is_empty());
    assert!(writes(text, &v2()).is_empty());
}

#[test]
fn usage_is_checked_on_v2_only_where_asked() {
    let text = r#"{"memory":{"limit":100,"checkBeforeUpdate":true}}"#;
    assert_eq!(
        planned(text, &v2()).unwrap().writes[0].at_least.as_deref(),
        Some("memory.current")
    );
    assert_eq!(planned(text, &v1()).unwrap().writes[0].at_least, None);
}

#[test]
fn usage_is_checked_at_every_update_once_asked_for() {
    let resources = |text| serde_json::from_str::<Resources>(text).unwrap();
    let old = resources(r#"{"memory":{"limit":100,"checkBeforeUpdate":true}}"#);
    for (new, file) in [
        (r#"{"memory":{"limit":50}}"#, Some("memory.current")),
        (r#"{"memory":{"limit":50,"checkBeforeUpdate":false}}"#, None),
    ] {
        let update = update(&resources(new), &old, &[], &v2(), false, None).unwrap();
        assert_eq!(update.writes[0].at_least.as_deref(), file, "{new}");
    }
}

#[test]
fn old_memory_knobs() {
    let text = r#"{"memory":{"swappiness":10,"disableOOMKiller":true,"useHierarchy":true,
        "kernel":1,"kernelTCP":2}}"#;
    let plan = planned(text, &v1()).unwrap();
    assert_eq!(
        lines(&plan.writes),
        [
            "memory.kmem.tcp.limit_in_bytes = 2",
            "memory.swappiness = 10",
            "memory.oom_control = 1",
            "memory.use_hierarchy = 1",
        ]
    );
    assert_eq!(plan.warnings.len(), 1);
    assert!(refused(r#"{"memory":{"swappiness":101}}"#, &v1()).contains("0 to 100"));
    assert!(refused(r#"{"memory":{"swappiness":10}}"#, &v2()).contains("no swappiness"));
    assert!(refused(r#"{"memory":{"disableOOMKiller":true}}"#, &v2()).contains("OOM killer"));
    assert!(writes(r#"{"memory":{"disableOOMKiller":false}}"#, &v2()).is_empty());
}

#[test]
fn cpu_bandwidth() {
    let text = r#"{"cpu":{"quota":50000,"period":100000,"burst":10000,"shares":1024,
        "cpus":"0-1","mems":"0"}}"#;
    assert_eq!(
        writes(text, &v1()),
        [
            "cpu.shares = 1024",
            "cpu.cfs_period_us = 100000",
            "cpu.cfs_quota_us = 50000",
            "cpu.cfs_burst_us = 10000",
            "cpuset.cpus = 0-1",
            "cpuset.mems = 0",
        ]
    );
    assert_eq!(
        writes(text, &v2()),
        [
            "cpu.weight = 100",
            "cpu.max = 50000 100000",
            "cpu.max.burst = 10000",
            "cpuset.cpus = 0-1",
            "cpuset.mems = 0",
        ]
    );
    assert_eq!(writes(r#"{"cpu":{"quota":-1}}"#, &v2()), ["cpu.max = max"]);
    assert_eq!(
        writes(r#"{"cpu":{"quota":-5}}"#, &v1()),
        ["cpu.cfs_quota_us = -1"]
    );
    assert!(refused(r#"{"cpu":{"quota":5,"burst":6}}"#, &v2()).contains("the quota, 5"));
    assert!(refused(r#"{"cpu":{"shares":1}}"#, &v1()).contains("minimum allowed cpu-shares"));
    assert!(refused(r#"{"cpu":{"shares":262145}}"#, &v1()).contains("maximum allowed cpu-shares"));
    assert!(refused(r#"{"cpu":{"cpus":"a"}}"#, &v1()).contains("0-3,7"));
}

#[test]
fn an_idle_group_has_no_weight() {
    let plan = planned(r#"{"cpu":{"idle":1,"shares":100}}"#, &v2()).unwrap();
    assert_eq!(lines(&plan.writes), ["cpu.idle = 1"]);
    assert_eq!(plan.warnings.len(), 1);
    let normal = writes(r#"{"cpu":{"idle":0,"shares":2}}"#, &v2());
    assert_eq!(normal, ["cpu.idle = 0", "cpu.weight = 1"]);
}

#[test]
fn real_time_is_of_v1() {
    let text = r#"{"cpu":{"realtimeRuntime":9500,"realtimePeriod":10000}}"#;
    assert_eq!(
        writes(text, &v1()),
        ["cpu.rt_period_us = 10000", "cpu.rt_runtime_us = 9500"]
    );
    assert!(refused(text, &v2()).contains("no real-time bandwidth"));
}

#[test]
fn pids_zero_is_a_limit_and_less_is_none() {
    for (limit, value) in [(0, "0"), (5, "5"), (-1, "max")] {
        let text = format!(r#"{{"pids":{{"limit":{limit}}}}}"#);
        assert_eq!(writes(&text, &v1()), [format!("pids.max = {value}")]);
    }
    assert!(writes(r#"{"pids":{}}"#, &v1()).is_empty());
}

#[test]
fn block_io() {
    let text = r#"{"blockIO":{"weight":100,
        "weightDevice":[{"major":8,"minor":0,"weight":500}],
        "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}],
        "throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":0}]}}"#;
    assert_eq!(
        writes(text, &v1()),
        [
            "blkio.bfq.weight = 100",
            "blkio.bfq.weight_device = 8:0 500",
            "blkio.throttle.read_bps_device = 8:0 600",
            "blkio.throttle.write_iops_device = 8:16 0",
        ]
    );
    let on_v2 = planned(text, &v2()).unwrap().writes;
    assert_eq!(
        lines(&on_v2),
        [
            "io.bfq.weight = 100",
            "io.bfq.weight = 8:0 500",
            "io.max = 8:0 rbps=600",
            "io.max = 8:16 wiops=max",
        ]
    );
    assert_eq!(
        on_v2[1].if_missing,
        IfMissing::Instead {
            file: "io.weight".to_owned(),
            value: "8:0 4950".to_owned()
        }
    );
    assert!(refused(r#"{"blockIO":{"weight":9}}"#, &v1()).contains("10 to 1000"));
    assert!(refused(r#"{"blockIO":{"leafWeight":10}}"#, &v2()).contains("no leaf weight"));
    let bare = r#"{"blockIO":{"weightDevice":[{"major":8,"minor":0}]}}"#;
    assert!(refused(bare, &v1()).contains("weightDevice/0 is 8:0"));
}

#[test]
fn an_update_of_the_weight_keeps_those_of_devices() {
    let old = r#"{"blockIO":{"weight":100,"weightDevice":[{"major":8,"minor":0,"weight":500},
        {"major":8,"minor":16,"leafWeight":20}]}}"#;
    let parse = |text| serde_json::from_str::<Resources>(text).unwrap();
    let written = |new, layout: &Layout| {
        let update = update(&parse(new), &parse(old), &[], layout, false, None);
        lines(&update.unwrap().writes)
    };
    let new = r#"{"blockIO":{"weight":200}}"#;
    let kept = ["io.bfq.weight = 200", "io.bfq.weight = 8:0 500"];
    assert_eq!(written(new, &v2()), kept);
    let kept = [
        "blkio.bfq.weight = 200",
        "blkio.bfq.weight_device = 8:0 500",
    ];
    assert_eq!(written(new, &v1()), kept);
    // One that is named anew is the last.
    let new = r#"{"blockIO":{"weight":200,"weightDevice":[{"major":8,"minor":0,"weight":600}]}}"#;
    assert_eq!(
        written(new, &v2()).last().unwrap(),
        "io.bfq.weight = 8:0 600"
    );
    let rates = r#"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}]}}"#;
    assert_eq!(written(rates, &v2()), ["io.max = 8:0 rbps=600"]);
}

#[test]
fn huge_pages_go_where_the_controller_is() {
    let text = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#;
    let plan = planned(text, &hybrid()).unwrap();
    assert_eq!(
        lines(&plan.writes),
        [
            "hugetlb.2MB.max = 4194304",
            "hugetlb.2MB.rsvd.max = 4194304"
        ]
    );
    let enable = plan.enable.expect("a v2 controller");
    assert_eq!(
        (enable.needed, enable.wanted),
        (vec!["hugetlb".to_owned()], vec![])
    );
    assert!(refused(text, &v1()).contains("no hugetlb cgroup controller"));
    let bad = r#"{"hugepageLimits":[{"pageSize":"2M","limit":1}]}"#;
    assert!(refused(bad, &v2()).contains("pageSize is \"2M\""));
}

#[test]
fn rdma_and_network() {
    let text = r#"{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10},"rxe/3":{"hcaObjects":1}}}"#;
    let plan = planned(text, &v2()).unwrap();
    assert_eq!(
        lines(&plan.writes),
        [
            "rdma.max = mlx5_1 hca_handle=3 hca_object=10",
            "rdma.max = rxe/3 hca_object=1"
        ]
    );
    assert_eq!(plan.writes[1].because, "/linux/resources/rdma/rxe~13");
    assert!(refused(r#"{"rdma":{"a":{}}}"#, &v2()).contains("neither hcaHandles"));
    let network = r#"{"network":{"classID":1}}"#;
    assert!(refused(network, &v2()).contains("no net_cls cgroup controller"));
    let named = r#"{"network":{"priorities":[{"name":"eth0","priority":5}]}}"#;
    assert!(refused(named, &v1()).contains("no net_prio cgroup controller"));
}

#[test]
fn unified_is_written_as_given_after_all_else() {
    let text = r#"{"unified":{"memory.high":"5","io.max":"8:0 rbps=1\n8:16 rbps=2",
        "cgroup.max.depth":"1"},"pids":{"limit":1}}"#;
    let plan = planned(text, &v2()).unwrap();
    assert_eq!(
        lines(&plan.writes),
        [
            "pids.max = 1",
            "memory.high = 5",
            "io.max = 8:0 rbps=1",
            "io.max = 8:16 rbps=2",
            "cgroup.max.depth = 1",
        ]
    );
    assert_eq!(plan.enable.unwrap().needed, ["pids", "memory", "io"]);
    assert!(refused(text, &v1()).contains("cannot use unified on cgroup v1"));
    let mixed = r#"{"unified":{"memory.high":"5"}}"#;
    assert!(refused(mixed, &hybrid()).contains("on cgroup v1, which holds memory"));
    assert!(refused(r#"{"unified":{"misc.max":"5"}}"#, &v2()).contains("no misc cgroup"));
    assert!(refused(r#"{"unified":{"../x":"5"}}"#, &v2()).contains("not the name"));
    let hybrid = writes(r#"{"unified":{"hugetlb.2MB.max":"max"}}"#, &hybrid());
    assert_eq!(hybrid, ["hugetlb.2MB.max = max"]);
}

#[test]
fn without_cgroups_a_limit_is_refused_and_nothing_else() {
    let none = layout("", "", &[]);
    let error = refused(r#"{"pids":{"limit":1}}"#, &none);
    assert_eq!(
        error,
        "/linux/resources/pids/limit is 1: no cgroup filesystem is mounted"
    );
    let rootless = plan(None, "id", None, &default_devices(), &none, true).unwrap();
    assert!(rootless.dirs.is_empty());
    assert!(matches!(rootless.devices, Devices::Unenforced { .. }));
    let root = plan(None, "id", None, &default_devices(), &none, false).unwrap();
    assert!(matches!(root.devices, Devices::Unenforced { .. }));
    let error = planned(r#"{"devices":[{"allow":false,"access":"rwm"}]}"#, &none).unwrap_err();
    assert_eq!(error.pointer, "/linux/resources/devices");
}

#[test]
fn every_controller_of_v2_is_wanted_below_the_needed_ones() {
    let enable = planned(r#"{"pids":{"limit":1}}"#, &v2())
        .unwrap()
        .enable
        .unwrap();
    assert_eq!(enable.needed, ["pids"]);
    assert_eq!(
        enable.wanted,
        ["cpuset", "cpu", "io", "memory", "hugetlb", "rdma"]
    );
    assert_eq!(planned("{}", &hybrid()).unwrap().enable, None);
}

#[test]
fn an_update_completes_pairs_from_what_is_in_force() {
    let parse = |text| serde_json::from_str::<Resources>(text).unwrap();
    let old = parse(r#"{"memory":{"limit":100},"cpu":{"quota":5000},"devices":[]}"#);
    let new = parse(r#"{"memory":{"swap":150},"cpu":{"period":20000}}"#);
    let update = update(&new, &old, &[], &v2(), false, None).unwrap();
    assert_eq!(
        lines(&update.writes),
        ["memory.swap.max = 50", "cpu.max = 5000 20000"]
    );
    assert_eq!(update.writes[0].because, "/memory/swap");
    assert_eq!(update.devices, Devices::Keep);
}

#[test]
fn a_limit_of_memory_alone_leaves_that_of_both_together() {
    let parse = |text| serde_json::from_str::<Resources>(text).unwrap();
    let old = parse(r#"{"memory":{"limit":100,"swap":150},"cpu":{"idle":1,"shares":1024}}"#);
    let change = |text, layout: &Layout| update(&parse(text), &old, &[], layout, false, None);
    let more = change(r#"{"memory":{"limit":120}}"#, &v2()).unwrap();
    assert_eq!(
        lines(&more.writes),
        ["memory.swap.max = 30", "memory.max = 120"]
    );
    let error = change(r#"{"memory":{"limit":160}}"#, &v2()).unwrap_err();
    assert_eq!(error.pointer, "/memory/swap");
    let free = change(r#"{"memory":{"limit":-1}}"#, &v2()).unwrap();
    assert_eq!(free.rest.memory.and_then(|memory| memory.swap), Some(-1));
    // A group that is idle no longer has the weight that it was given.
    let woken = change(r#"{"cpu":{"idle":0}}"#, &v2()).unwrap();
    assert_eq!(lines(&woken.writes), ["cpu.idle = 0", "cpu.weight = 100"]);
}
