//! Limits and device rules, by what a process inside can and cannot do.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use lockstep_plan::cgroup::{Mode, Version};
use lockstep_runtime::cgroup::{Cgroup, OomEvent};

use crate::stage::{Stage, eventually};
use crate::{Skip, Test};

pub(crate) const TESTS: &[Test] = &[
    ("pids_limit_refuses_a_fork", pids_limit_refuses_a_fork),
    ("memory_limit_kills", memory_limit_kills),
    (
        "memory_and_swap_move_in_both_directions",
        memory_and_swap_move_in_both_directions,
    ),
    (
        "a_bad_pair_says_what_is_in_force",
        a_bad_pair_says_what_is_in_force,
    ),
    ("cpuset_narrows_the_affinity", cpuset_narrows_the_affinity),
    (
        "cpuset_names_what_may_be_used",
        cpuset_names_what_may_be_used,
    ),
    ("cpu_quota_throttles", cpu_quota_throttles),
    ("cpu_values_are_in_force", cpu_values_are_in_force),
    (
        "real_time_bandwidth_is_the_parents",
        real_time_bandwidth_is_the_parents,
    ),
    ("block_io_values_are_in_force", block_io_values_are_in_force),
    (
        "a_block_io_weight_is_in_force",
        a_block_io_weight_is_in_force,
    ),
    (
        "a_refused_update_changes_nothing",
        a_refused_update_changes_nothing,
    ),
    ("huge_pages_are_limited", huge_pages_are_limited),
    ("unified_writes_files", unified_writes_files),
    ("default_devices_and_no_other", default_devices_and_no_other),
    ("device_rules_by_letter", device_rules_by_letter),
    (
        "an_update_replaces_the_device_rules",
        an_update_replaces_the_device_rules,
    ),
    (
        "a_privileged_container_has_every_device",
        a_privileged_container_has_every_device,
    ),
    ("a_denying_parent_is_named", a_denying_parent_is_named),
    ("statistics_count", statistics_count),
];

fn pids_limit_refuses_a_fork(stage: &Stage) -> Result<(), Skip> {
    stage.needs("pids")?;
    let mut container = stage.container(r#"{"pids":{"limit":3}}"#);
    let output = container.run("sleep 0.2 & sleep 0.2 & sleep 0.2 & wait");
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.to_lowercase().contains("fork"), "{text}");
    container.update("{}", r#"{"pids":{"limit":-1}}"#).unwrap();
    assert_eq!(container.read("pids", "pids.max"), "max");
    assert!(container.succeeds("sleep 0.1 & sleep 0.1 & sleep 0.1 & wait"));
    Ok(())
}

fn memory_limit_kills(stage: &Stage) -> Result<(), Skip> {
    stage.needs("memory")?;
    let mut container = stage.container(r#"{"memory":{"limit":16777216,"swap":16777216}}"#);
    // Version 2 calls a cgroup gone when its last process is.
    let mut sleeper = container.spawn("exec sleep 1000");
    let mut watch = container
        .cgroup
        .oom_watch()
        .unwrap()
        .expect("a memory controller");
    assert_eq!(watch.wait(Some(1)).unwrap(), OomEvent::Nothing);
    // The kernel counts when it is asked, not when the file was opened.
    let counters = [(); 2].map(|()| container.cgroup.oom_counter().unwrap().expect("a counter"));
    let [before, after] = counters;
    assert_eq!(before.read(), 0);
    let hog = "exec dd if=/dev/zero of=/dev/null bs=64M count=1";
    assert_eq!(container.run(hog).status.signal(), Some(9));
    assert_eq!(watch.wait(Some(5000)).unwrap(), OomEvent::Oom);
    assert_eq!(after.read(), 1);
    // The same program lives where there is room.
    let roomy = r#"{"memory":{"limit":268435456,"swap":268435456}}"#;
    assert!(stage.container(roomy).succeeds(hog));
    container.cgroup.delete(true).unwrap();
    assert_eq!(watch.wait(Some(5000)).unwrap(), OomEvent::Gone);
    sleeper.wait().unwrap();
    Ok(())
}

fn memory_and_swap_move_in_both_directions(stage: &Stage) -> Result<(), Skip> {
    stage.needs("memory")?;
    let pair = |mib: u64| {
        let bytes = mib << 20;
        format!(r#"{{"memory":{{"limit":{bytes},"swap":{}}}}}"#, 2 * bytes)
    };
    let mut container = stage.container(&pair(32));
    for (old, new) in [(32, 128), (128, 16), (16, 17), (17, 64)] {
        container.update(&pair(old), &pair(new)).unwrap();
        let bytes = new << 20;
        assert_eq!(
            memory_and_swap(stage, &container),
            (bytes.to_string(), both(stage, bytes))
        );
    }
    container
        .update(&pair(64), r#"{"memory":{"limit":-1}}"#)
        .unwrap();
    let unlimited = match stage.is_v2("memory") {
        true => "max",
        false => "9223372036854771712",
    };
    let (memory, swap) = memory_and_swap(stage, &container);
    assert_eq!((memory.as_str(), swap.as_str()), (unlimited, unlimited));
    Ok(())
}

/// The limit of memory, and of memory and swap together on version 1, of swap alone on version 2.
fn memory_and_swap(stage: &Stage, container: &crate::stage::Container<'_>) -> (String, String) {
    let files = match stage.is_v2("memory") {
        true => ["memory.max", "memory.swap.max"],
        false => ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
    };
    let [memory, swap] = files.map(|file| container.read("memory", file));
    (memory, swap)
}

/// What the second is where twice the memory was asked for both together.
fn both(stage: &Stage, bytes: u64) -> String {
    let swap = if stage.is_v2("memory") {
        bytes
    } else {
        2 * bytes
    };
    swap.to_string()
}

fn a_bad_pair_says_what_is_in_force(stage: &Stage) -> Result<(), Skip> {
    stage.needs("memory")?;
    if stage.is_v2("memory") {
        return Err("version 2 counts memory and swap apart");
    }
    let old = r#"{"memory":{"limit":16777216,"swap":16777216}}"#;
    let mut container = stage.container(old);
    let error = container
        .update(old, r#"{"memory":{"limit":33554432}}"#)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("EINVAL") && text.contains("16777216 now"),
        "{text}"
    );
    assert_eq!(error.pointer(), "/memory/limit");
    Ok(())
}

fn cpuset_narrows_the_affinity(stage: &Stage) -> Result<(), Skip> {
    stage.needs("cpuset")?;
    let mut container = stage.container(r#"{"cpu":{"cpus":"0","mems":"0"}}"#);
    let output = container.run("grep Cpus_allowed_list /proc/self/status");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.trim(), "Cpus_allowed_list:\t0");
    Ok(())
}

fn cpuset_names_what_may_be_used(stage: &Stage) -> Result<(), Skip> {
    stage.needs("cpuset")?;
    let plan = stage.plan_at(&stage.path(), r#"{"cpu":{"cpus":"4000"}}"#);
    let mut cgroup = Cgroup::create(&plan, &stage.layout).unwrap();
    let error = cgroup
        .apply(&plan.writes, &stage.layout)
        .unwrap_err()
        .to_string();
    cgroup.delete(false).unwrap();
    assert!(error.contains("may use at most 0"), "{error}");
    assert!(
        error.ends_with("(asked by /linux/resources/cpu/cpus)"),
        "{error}"
    );
    Ok(())
}

fn cpu_quota_throttles(stage: &Stage) -> Result<(), Skip> {
    stage.needs("cpu")?;
    let mut container = stage.container(r#"{"cpu":{"quota":2000,"period":20000}}"#);
    container.run("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    let stats = container.cgroup.stats().unwrap();
    assert!(
        stats.cpu.throttling.throttled_periods > 0,
        "{:?}",
        stats.cpu
    );
    Ok(())
}

fn cpu_values_are_in_force(stage: &Stage) -> Result<(), Skip> {
    stage.needs("cpu")?;
    let old = r#"{"cpu":{"shares":512,"quota":40000,"period":50000,"burst":30000}}"#;
    let mut container = stage.container(old);
    if stage.is_v2("cpu") {
        let values = |c: &crate::stage::Container<'_>| {
            ["cpu.weight", "cpu.max", "cpu.max.burst"].map(|file| c.read("cpu", file))
        };
        let weight = container.read("cpu", "cpu.weight");
        assert!((20..100).contains(&weight.parse().unwrap_or(0)), "{weight}");
        assert_eq!(values(&container)[1..], ["40000 50000", "30000"]);
        container
            .update(old, r#"{"cpu":{"quota":20000,"burst":10000}}"#)
            .unwrap();
        assert_eq!(
            values(&container),
            [weight.as_str(), "20000 50000", "10000"]
        );
        return Ok(());
    }
    let values = |c: &crate::stage::Container<'_>| {
        [
            "cpu.shares",
            "cpu.cfs_quota_us",
            "cpu.cfs_period_us",
            "cpu.cfs_burst_us",
        ]
        .map(|file| c.read("cpu", file))
    };
    assert_eq!(values(&container), ["512", "40000", "50000", "30000"]);
    // The new quota is less than the burst in force: only with the new burst first is it valid.
    container
        .update(old, r#"{"cpu":{"quota":20000,"burst":10000}}"#)
        .unwrap();
    assert_eq!(values(&container), ["512", "20000", "50000", "10000"]);
    container.update(old, r#"{"cpu":{"idle":1}}"#).unwrap();
    assert_eq!(container.read("cpu", "cpu.idle"), "1");
    Ok(())
}

fn real_time_bandwidth_is_the_parents(stage: &Stage) -> Result<(), Skip> {
    stage.needs("cpu")?;
    if stage.is_v2("cpu") {
        return Err("version 2 has no real-time bandwidth");
    }
    let text = r#"{"cpu":{"realtimePeriod":200000,"realtimeRuntime":1000}}"#;
    if !stage.has_file("cpu", "cpu.rt_period_us") {
        return Err("no realtime groups (CONFIG_RT_GROUP_SCHED)");
    }
    // Only the root has some to give: our common directory was made without.
    let container = stage.container_at(&format!("/{}-rt", stage.base), text);
    assert_eq!(container.read("cpu", "cpu.rt_period_us"), "200000");
    assert_eq!(container.read("cpu", "cpu.rt_runtime_us"), "1000");
    let plan = stage.plan_at(&stage.path(), text);
    let mut cgroup = Cgroup::create(&plan, &stage.layout).unwrap();
    let error = cgroup
        .apply(&plan.writes, &stage.layout)
        .unwrap_err()
        .to_string();
    cgroup.delete(false).unwrap();
    assert!(
        error.contains("the parent cgroup has not that much"),
        "{error}"
    );
    Ok(())
}

/// Only where the scheduler with groups is in the kernel (CONFIG_BFQ_GROUP_IOSCHED).
const WEIGHT: &str = "blkio.bfq.weight";

/// The number of a block device.
fn block_device() -> Result<String, Skip> {
    let devices = fs::read_dir("/sys/block").expect("block devices");
    let number = devices
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("dev")).ok())
        .next()
        .ok_or("no block device")?;
    Ok(number.trim().to_owned())
}

/// The last of its limits is refused: those of other files and of devices are what they were.
fn a_refused_update_changes_nothing(stage: &Stage) -> Result<(), Skip> {
    stage.needs("blkio")?;
    stage.needs("pids")?;
    let number = block_device()?;
    let (major, minor) = number.split_once(':').unwrap();
    let weighs = stage.has_file("blkio", WEIGHT);
    let rates = |read: u32, more: &str| {
        let weight = if weighs {
            format!(r#""weight":{read},"#)
        } else {
            String::new()
        };
        format!(
            r#"{{"pids":{{"limit":{read}}},"blockIO":{{{weight}"throttleReadBpsDevice":[
                {{"major":{major},"minor":{minor},"rate":{read}}}]{more}}}}}"#
        )
    };
    let container = &mut stage.container(&rates(100, ""));
    let files = |container: &crate::stage::Container<'_>| {
        [
            ("pids", "pids.max"),
            ("blkio", "blkio.throttle.read_bps_device"),
            ("blkio", "blkio.throttle.write_bps_device"),
            ("blkio", WEIGHT),
        ]
        .iter()
        .filter(|(_, file)| *file != WEIGHT || weighs)
        .map(|(controller, file)| container.read(controller, file))
        .collect::<Vec<_>>()
    };
    let before = files(container);
    let refused = format!(
        r#","throttleWriteBpsDevice":[{{"major":{major},"minor":{minor},"rate":7}},
            {{"major":4000,"minor":1,"rate":1}}]"#
    );
    let parse = |text: &str| serde_json::from_str(text).expect("resources");
    let (new, old) = (parse(&rates(200, &refused)), parse(&rates(100, "")));
    let layout = &stage.layout;
    let update =
        lockstep_plan::cgroup::update(&new, &old, &[], layout, false, None).expect("a plan");
    let error = container.cgroup.update(&update, layout).unwrap_err();
    assert!(
        error.to_string().contains("no such block device"),
        "{error}"
    );
    assert_eq!(files(container), before);
    Ok(())
}

fn block_io_values_are_in_force(stage: &Stage) -> Result<(), Skip> {
    stage.needs("blkio")?;
    let number = block_device()?;
    let (major, minor) = number.split_once(':').unwrap();
    let container = stage.container(&format!(
        r#"{{"blockIO":{{"throttleReadBpsDevice":[
            {{"major":{major},"minor":{minor},"rate":1048576}}]}}}}"#
    ));
    let rate = container.read("blkio", "blkio.throttle.read_bps_device");
    assert_eq!(rate, format!("{number} 1048576"));
    let missing = r#"{"blockIO":{"throttleReadBpsDevice":[{"major":4000,"minor":1,"rate":1}]}}"#;
    let plan = stage.plan_at(&stage.path(), missing);
    let mut cgroup = Cgroup::create(&plan, &stage.layout).unwrap();
    let error = cgroup
        .apply(&plan.writes, &stage.layout)
        .unwrap_err()
        .to_string();
    cgroup.delete(false).unwrap();
    assert!(error.contains("no such block device"), "{error}");
    Ok(())
}

fn a_block_io_weight_is_in_force(stage: &Stage) -> Result<(), Skip> {
    stage.needs("blkio")?;
    if !stage.has_file("blkio", WEIGHT) {
        return Err("no weight file (CONFIG_BFQ_GROUP_IOSCHED)");
    }
    let container = stage.container(r#"{"blockIO":{"weight":321}}"#);
    let weight = container.read("blkio", WEIGHT);
    assert!(weight.contains("321"), "{weight}");
    Ok(())
}

fn huge_pages_are_limited(stage: &Stage) -> Result<(), Skip> {
    stage.needs("hugetlb")?;
    let container = stage.container(r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#);
    let limit = if stage.is_v2("hugetlb") {
        "max"
    } else {
        "limit_in_bytes"
    };
    for file in ["hugetlb.2MB", "hugetlb.2MB.rsvd"] {
        let file = format!("{file}.{limit}");
        assert_eq!(container.read("hugetlb", &file), "4194304", "{file}");
    }
    let wrong = r#"{"hugepageLimits":[{"pageSize":"3MB","limit":0}]}"#;
    let plan = stage.plan_at(&stage.path(), wrong);
    let mut cgroup = Cgroup::create(&plan, &stage.layout).unwrap();
    let error = cgroup
        .apply(&plan.writes, &stage.layout)
        .unwrap_err()
        .to_string();
    cgroup.delete(false).unwrap();
    assert!(error.contains("the kernel has no such control"), "{error}");
    assert!(
        error.contains("/linux/resources/hugepageLimits/0/limit"),
        "{error}"
    );
    Ok(())
}

fn unified_writes_files(stage: &Stage) -> Result<(), Skip> {
    stage.needs_unified()?;
    let container = stage.container(r#"{"unified":{"cgroup.max.descendants":"7"}}"#);
    assert_eq!(container.read("", "cgroup.max.descendants"), "7");
    Ok(())
}

const OPEN_NULL: &str = "(: < /dev/null) && (: > /dev/null)";
/// A device that no default allows: 1:11.
const READ_KMSG: &str = "(: < /dev/kmsg)";
const WRITE_KMSG: &str = "(: > /dev/kmsg)";

fn can_restrict(stage: &Stage) -> Result<(), Skip> {
    match stage.layout.mode {
        Mode::V2 => Ok(()),
        _ => stage.needs("devices"),
    }
}

fn default_devices_and_no_other(stage: &Stage) -> Result<(), Skip> {
    can_restrict(stage)?;
    for text in ["{}", r#"{"devices":[{"allow":false,"access":"rwm"}]}"#] {
        let mut container = stage.container(text);
        assert!(container.succeeds(OPEN_NULL));
        let output = container.run(READ_KMSG);
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("Operation not permitted"), "{text}");
        // mknod of anything, as the default says; opening it is another matter.
        let node = format!("/tmp/{}-node", stage.base);
        assert!(container.succeeds(&format!("mknod {node} b 7 200")));
        assert!(!container.succeeds(&format!("(: < {node})")));
        fs::remove_file(node).unwrap();
    }
    Ok(())
}

fn device_rules_by_letter(stage: &Stage) -> Result<(), Skip> {
    can_restrict(stage)?;
    let mut container = stage.container(
        r#"{"devices":[{"allow":false,"access":"rwm"},
            {"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#,
    );
    assert!(container.succeeds(READ_KMSG));
    assert!(!container.succeeds(WRITE_KMSG));
    // The last word counts: what was allowed is denied again.
    let mut container = stage.container(
        r#"{"devices":[{"allow":true,"type":"c","major":1,"minor":11,"access":"rw"},
            {"allow":false,"type":"c","major":1,"minor":11,"access":"r"}]}"#,
    );
    assert!(!container.succeeds(READ_KMSG));
    assert!(container.succeeds(WRITE_KMSG));
    Ok(())
}

fn an_update_replaces_the_device_rules(stage: &Stage) -> Result<(), Skip> {
    can_restrict(stage)?;
    let mut container = stage.container("{}");
    assert!(!container.succeeds(READ_KMSG));
    let allow = r#"{"devices":[{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#;
    container.update("{}", allow).unwrap();
    assert!(container.succeeds(READ_KMSG));
    container.update("{}", allow).unwrap();
    if stage.layout.mode == Mode::V2 {
        // Replaced, not added to: the old program would still deny.
        let dir = fs::File::open(container.dir("")).unwrap();
        assert_eq!(lockstep_kernel::bpf::device_filters(&dir).unwrap().len(), 1);
    }
    let deny = r#"{"devices":[{"allow":false,"access":"rwm"}]}"#;
    container.update("{}", deny).unwrap();
    assert!(!container.succeeds(READ_KMSG));
    let all = r#"{"devices":[{"allow":true,"access":"rwm"}]}"#;
    container.update("{}", all).unwrap();
    assert!(container.succeeds(READ_KMSG));
    Ok(())
}

fn a_privileged_container_has_every_device(stage: &Stage) -> Result<(), Skip> {
    can_restrict(stage)?;
    let mut container = stage.container(r#"{"devices":[{"allow":true,"access":"rwm"}]}"#);
    assert!(container.succeeds(READ_KMSG));
    assert!(container.succeeds(WRITE_KMSG));
    Ok(())
}

fn a_denying_parent_is_named(stage: &Stage) -> Result<(), Skip> {
    stage.needs("devices")?;
    let outer = stage.path();
    let parent = stage.plan_at(&outer, "{}");
    let parent_cgroup = Cgroup::create(&parent, &stage.layout).unwrap();
    parent_cgroup
        .apply_devices(&parent.devices, &stage.layout)
        .unwrap();
    let inner = stage.plan_at(
        &format!("{outer}/inner"),
        r#"{"devices":[{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#,
    );
    let cgroup = Cgroup::create(&inner, &stage.layout).unwrap();
    let error = cgroup
        .apply_devices(&inner.devices, &stage.layout)
        .unwrap_err()
        .to_string();
    cgroup.delete(false).unwrap();
    parent_cgroup.delete(false).unwrap();
    assert!(
        error.contains("\"c 1:11 r\"") && error.contains("EPERM"),
        "{error}"
    );
    assert!(error.contains("the parent cgroup denies it"), "{error}");
    assert!(
        error.ends_with("(asked by /linux/resources/devices/0)"),
        "{error}"
    );
    Ok(())
}

fn statistics_count(stage: &Stage) -> Result<(), Skip> {
    let mut container = stage.container("{}");
    let mut child = container.spawn("i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; sleep 100");
    eventually("it has worked", || {
        container.cgroup.pids().unwrap().len() == 2
    });
    let stats = container.cgroup.stats().unwrap();
    assert!(stats.cpu.usage.total > 1_000_000, "{:?}", stats.cpu);
    assert_eq!(stats.pids.current, 2);
    assert_eq!(stats.pids.limit, 0);
    let json = serde_json::to_value(&stats).unwrap();
    for key in [
        "cpu",
        "cpuset",
        "memory",
        "pids",
        "blkio",
        "hugetlb",
        "intel_rdt",
    ] {
        assert!(json[key].is_object(), "{key}");
    }
    assert!(json["network_interfaces"].is_null());
    if stage.layout.find("memory").is_some() {
        let used = json["memory"]["usage"]["usage"].as_u64();
        assert!(used > Some(4096));
        // Of version 2 since Linux 5.19; without it the figure is left out.
        let peak = format!("{}/memory.peak", container.dir("memory"));
        let is_known = !stage.is_v2("memory") || std::path::Path::new(&peak).exists();
        let highest = json["memory"]["usage"]["max"].as_u64();
        assert_eq!(highest.is_some(), is_known, "{json}");
        assert!(!is_known || highest >= used, "{json}");
        // As runc reports "max" of version 2.
        let unlimited = match stage.is_v2("memory") {
            true => u64::MAX,
            false => 9_223_372_036_854_771_712,
        };
        assert_eq!(json["memory"]["usage"]["limit"].as_u64(), Some(unlimited));
        let resident = if stage.is_v2("memory") { "anon" } else { "rss" };
        assert!(json["memory"]["raw"][resident].as_u64().is_some());
    }
    let set = stage
        .layout
        .find("cpuset")
        .map(|at| stage.layout.hierarchies[at].version);
    if set == Some(Version::V1) {
        assert!(!stats.cpuset.cpus.is_empty());
        assert_eq!(
            json["cpuset"]["sched_relax_domain_level"].as_i64(),
            Some(-1)
        );
    }
    container.cgroup.kill_all().unwrap();
    child.wait().unwrap();
    Ok(())
}
