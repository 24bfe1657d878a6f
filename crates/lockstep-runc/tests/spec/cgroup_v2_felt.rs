//! Limits on cgroup version 2 as the program inside feels them: what is over the limit is refused, what is below it
//! succeeds, and the same program without the limit is not refused.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cgroup_block::disk;
use crate::cgroup_v2::{limited, machine, read};
use crate::harness::{Bundle, Container, Test, View, cases, cgroup_of, wait_until};

cases! {
    forks_over_the_limit_are_refused,
    memory_over_the_limit_kills,
    a_program_over_its_quota_waits,
    processors_outside_the_set_are_not_used,
    reading_is_slowed_down,
    a_unified_value_is_felt,
    an_update_reaches_what_runs,
    an_update_of_devices_replaces_the_program: "runc 1.1.5 takes no devices in an update",
    kill_reaches_those_below: "runc 1.1.5 kills what the version 1 hierarchies list",
    a_delegated_tree_serves_its_user: "runc 1.1.5 wants systemd's delegation",
}

/// An ordinary user.
const UID: u32 = 54_321;

fn with(bundle: Bundle<'_>, limits: Option<Value>) -> Bundle<'_> {
    match limits {
        Some(limits) => bundle.edit(|config| {
            let all = &mut config["linux"]["resources"];
            for (name, value) in limits.as_object().expect("an object") {
                all[name] = value.clone();
            }
        }),
        None => bundle,
    }
}

/// How many of `count` children the probe could make at once.
fn forked(t: &Test, count: u32, limits: Option<Value>) -> u32 {
    let count = count.to_string();
    let bundle = t.args(&["/probe", "fork", &count]).with_probe();
    let output = with(bundle, limits).run().ok();
    output.value("forked").parse().expect("a number")
}

fn forks_over_the_limit_are_refused(t: &Test) {
    machine(t, "pids");
    let limit = json!({"pids": {"limit": 20}});
    // The runtime's own tasks may still be counted for a moment.
    let under = forked(t, 50, Some(limit.clone()));
    assert!(
        (10..=19).contains(&under),
        "{under} children under a limit of 20"
    );
    assert_eq!(forked(t, 8, Some(limit)), 8, "what is below the limit");
    assert_eq!(forked(t, 50, None), 50, "without a limit");
}

fn memory_over_the_limit_kills(t: &Test) {
    machine(t, "memory");
    let touch = |megabytes: &str, limits: Option<Value>| {
        with(
            t.args(&["/probe", "memory", megabytes]).with_probe(),
            limits,
        )
        .run()
    };
    let limit = json!({"memory": {"limit": 16_777_216, "swap": 16_777_216}});
    touch("64", Some(limit.clone())).exits(137);
    touch("4", Some(limit)).exits(0);
    touch("64", None).exits(0);
}

fn stat(c: &Container<'_>, tree: &std::path::Path, file: &str, name: &str) -> u64 {
    let text = read(c, tree, file);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.trim().parse().expect("a number")
}

fn a_program_over_its_quota_waits(t: &Test) {
    let tree = machine(t, "cpu");
    let limit = json!({"cpu": {"quota": 5000, "period": 50_000}});
    let busy = |limits| with(t.sh("while :; do :; done"), limits).started();
    let slow = busy(Some(limit));
    assert!(wait_until(|| stat(
        &slow,
        &tree,
        "cpu.stat",
        "nr_throttled "
    ) > 2));
    let free = busy(None);
    let used = || stat(&free, &tree, "cpu.stat", "usage_usec ");
    assert!(wait_until(|| used() > 300_000));
    assert_eq!(
        stat(&free, &tree, "cpu.stat", "nr_throttled "),
        0,
        "without a quota"
    );
}

fn processors_outside_the_set_are_not_used(t: &Test) {
    machine(t, "cpuset");
    let allowed = |limits| {
        let output = with(t.sh("grep _allowed_list /proc/self/status"), limits)
            .run()
            .ok();
        output.value("Cpus_allowed_list").to_owned()
    };
    assert_eq!(allowed(Some(json!({"cpu": {"cpus": "1"}}))), "1");
    assert_ne!(allowed(None), "1", "without a set");
}

fn reading_is_slowed_down(t: &Test) {
    machine(t, "io");
    let (major, minor) = disk(t);
    let device = json!({"type": "b", "path": "/dev/probed", "major": major, "minor": minor});
    let rule = json!({"allow": true, "type": "b", "major": major, "minor": minor, "access": "r"});
    let took = |from: u32, limits| {
        // Each its own part of the disk, so that nothing is in the page cache.
        let script = format!("dd if=/dev/probed of=/dev/null bs=1M count=6 skip={from}");
        let bundle = t.sh(&script).push("/linux/devices", device.clone());
        let bundle = bundle.push("/linux/resources/devices", rule.clone());
        let began = Instant::now();
        with(bundle, limits).run().ok();
        began.elapsed()
    };
    let rate = json!([{"major": major, "minor": minor, "rate": 1_048_576}]);
    let slow = took(
        700,
        Some(json!({"blockIO": {"throttleReadBpsDevice": rate}})),
    );
    assert!(
        slow > Duration::from_secs(4),
        "6 MiB at 1 MiB/s in {slow:?}"
    );
    let fast = took(800, None);
    assert!(
        fast < slow / 2,
        "{fast:?} without a limit, {slow:?} with one"
    );
}

fn a_unified_value_is_felt(t: &Test) {
    machine(t, "pids");
    let under = forked(t, 50, Some(json!({"unified": {"pids.max": "20"}})));
    assert!(
        (10..=19).contains(&under),
        "{under} children under a limit of 20"
    );
}

fn an_update_reaches_what_runs(t: &Test) {
    let tree = machine(t, "memory");
    let c = limited(
        t,
        "memory",
        json!({"limit": 67_108_864, "swap": 134_217_728}),
    );
    for (flags, file, want) in [
        (&["--pids-limit", "55"][..], "pids.max", "55"),
        (&["--memory", "50331648"], "memory.max", "50331648"),
        (&["--memory-swap", "150M"], "memory.swap.max", "106954752"),
        (&["--memory-reservation", "20M"], "memory.low", "20971520"),
        (
            &["--cpu-quota", "30000", "--cpu-period", "60000"],
            "cpu.max",
            "30000 60000",
        ),
        (&["--cpuset-cpus", "0"], "cpuset.cpus", "0"),
    ] {
        t.call(&[&["update"], flags, &[&c.id]].concat()).ok();
        assert_eq!(read(&c, &tree, file), want, "{flags:?}");
    }
    assert_eq!(
        read(&c, &tree, "pids.max"),
        "55",
        "what was not named stays"
    );
    // Felt by what is running, not only by what comes.
    let said = c
        .exec(&[], &["sh", "-c", "grep _allowed_list /proc/1/status"])
        .ok();
    assert_eq!(said.value("Cpus_allowed_list"), "0");
}

fn an_update_of_devices_replaces_the_program(t: &Test) {
    machine(t, "pids");
    let null = json!({"type": "c", "path": "/dev/probed", "major": 10, "minor": 229});
    let c = t
        .sleeper()
        .push("/linux/devices", null)
        .with_probe()
        .started();
    let opens = || {
        let output = c.exec(&[], &["/probe", "open", "/dev/probed", "0"]);
        output.value("open") == "0"
    };
    assert!(!opens(), "no rule allows it");
    let rules = |allow: bool| {
        let rules = json!([{"allow": false, "access": "rwm"},
            {"allow": allow, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]);
        let file = t.file("devices.json", &json!({"devices": rules}).to_string());
        t.call(&["update", "-r", &file.display().to_string(), &c.id])
    };
    rules(true).ok();
    assert!(opens(), "the update allows it");
    rules(false).ok();
    assert!(!opens(), "the update takes it back");
}

fn kill_reaches_those_below(t: &Test) {
    let tree = machine(t, "pids");
    let bundle = t
        .sh("sleep 1000 & sleep 1000 & echo $!; wait")
        .namespace("cgroup");
    let c = bundle.started();
    assert!(wait_until(|| !c.stdout().is_empty()));
    let path = cgroup_of(c.pid(), "").expect("a version 2 group");
    let group = tree.join(path.trim_start_matches('/'));
    let below = group.join("below");
    std::fs::create_dir(&below).expect("a group below");
    let pids = std::fs::read_to_string(group.join("cgroup.procs")).expect("a list");
    let last = pids.lines().last().expect("a process").to_owned();
    std::fs::write(below.join("cgroup.procs"), &last).expect("moved below");
    c.call("delete", &["--force"]).ok();
    assert!(!group.exists(), "the groups are gone");
    assert!(
        !PathBuf::from(format!("/proc/{last}")).exists(),
        "{last} lives"
    );
}

/// A user to whom a part of the tree was given, as systemd gives it: limits are set and felt without root.
fn a_delegated_tree_serves_its_user(t: &Test) {
    let tree = machine(t, "pids");
    let name = format!("delegated-{}", std::process::id());
    let group = tree.join(&name);
    let script = format!(
        "mkdir -p {0}/own && echo '+pids +memory' > {0}/cgroup.subtree_control && \
         chown {1}:{1} {0} {0}/cgroup.procs {0}/cgroup.subtree_control {0}/cgroup.threads && \
         chown -R {1}:{1} {0}/own",
        group.display(),
        UID
    );
    t.host("sh", &["-c", &script]);
    let view = View::Delegated {
        uid: UID,
        group: format!("{}/own", group.display()),
    };
    let ids = json!([{"containerID": 0, "hostID": UID, "size": 1}]);
    let run = |limits: Option<Value>| {
        let bundle = t.args(&["/probe", "fork", "50"]).with_probe();
        let bundle = bundle
            .view(view.clone())
            .namespace("user")
            .remove("/linux/resources/devices");
        let bundle = bundle
            .set("/linux/uidMappings", ids.clone())
            .set("/linux/gidMappings", ids.clone());
        let bundle = bundle.set("/linux/cgroupsPath", format!("/{name}/container"));
        let output = with(bundle, limits).run().ok();
        output.value("forked").parse::<u32>().expect("a number")
    };
    let (under, free) = (run(Some(json!({"pids": {"limit": 20}}))), run(None));
    t.host(
        "sh",
        &["-c", &format!("rmdir {0}/own {0}", group.display())],
    );
    assert!(
        (10..=19).contains(&under),
        "{under} children under a limit of 20"
    );
    assert_eq!(free, 50, "without a limit");
}
