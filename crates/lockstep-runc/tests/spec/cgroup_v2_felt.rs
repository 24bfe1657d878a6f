//! Limits on cgroup version 2 as the program inside feels them: what is over the limit is refused, what is below it
//! succeeds, and the same program without the limit is not refused.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cgroup_block::disk;
use crate::cgroup_v2::{limited, machine, read};
use crate::harness::{Bundle, Container, Host, Test, View, cases, cgroup_of, wait_until};

cases! {
    forks_over_the_limit_are_refused,
    memory_over_the_limit_kills,
    memory_beyond_the_limit_is_swapped,
    huge_pages_over_the_limit_are_refused,
    a_program_over_its_quota_waits,
    a_weight_is_a_share_of_the_processor,
    an_idle_group_gets_what_is_left,
    unused_quota_is_saved_up,
    processors_outside_the_set_are_not_used,
    reading_is_slowed_down,
    writing_is_slowed_down,
    a_unified_value_is_felt,
    an_update_reaches_what_runs,
    an_update_is_felt,
    an_update_of_devices_replaces_the_program: "runc 1.1.5 takes no devices in an update",
    one_write_kills_all: "runc 1.1.5 signals one process after the other",
    all_are_killed_without_cgroup_kill: "runc 1.1.5 never has it",
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

/// What is over the limit of memory goes to the swap device, as far as the limit of both reaches.
fn memory_beyond_the_limit_is_swapped(t: &Test) {
    machine(t, "memory");
    let info = std::fs::read_to_string("/proc/meminfo").expect("the kernel tells");
    let free = info.lines().find_map(|line| line.strip_prefix("SwapFree:"));
    let free = free.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    t.need(free.is_some_and(|kib| kib > 64 << 10), "no 64 MiB of swap");
    let touch = |both: Option<u64>| {
        let mut memory = json!({"limit": 16 << 20});
        if let Some(both) = both {
            memory["swap"] = json!(both << 20);
        }
        let bundle = t.args(&["/probe", "memory", "40"]).with_probe();
        with(bundle, Some(json!({"memory": memory}))).run()
    };
    touch(Some(16)).exits(137);
    touch(Some(24)).exits(137);
    touch(Some(64)).exits(0);
    touch(None).exits(0);
}

fn huge_pages_over_the_limit_are_refused(t: &Test) {
    machine(t, "hugetlb");
    let free = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
    let free = std::fs::read_to_string(free).unwrap_or_default();
    let free = free.trim().parse::<u32>().unwrap_or(0);
    t.need(free >= 4, "no four huge pages of 2 MiB (vm.nr_hugepages)");
    let touch = |megabytes: &str, how: &str, limits: Option<Value>| {
        let bundle = t.args(&["/probe", "huge", megabytes, how]).with_probe();
        with(bundle, limits).run()
    };
    let limit = json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]});
    // Who reserves is refused by mmap(2), who does not by SIGBUS at the first page too many.
    let refused = touch("8", "reserved", Some(limit.clone())).ok();
    assert_eq!(refused.value("huge"), "-12", "ENOMEM");
    touch("8", "unreserved", Some(limit.clone())).exits(128 + 7);
    for how in ["reserved", "unreserved"] {
        let below = touch("4", how, Some(limit.clone())).ok();
        assert_eq!(below.value("huge"), "4", "{how}");
        assert_eq!(touch("8", how, None).ok().value("huge"), "8", "{how}");
    }
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

/// What the first of two that want all of one processor gets of it, as a multiple of what the second gets.
fn ratio(t: &Test, limits: [Value; 2]) -> f64 {
    let tree = machine(t, "cpu");
    let busy = limits.map(|mut limits| {
        limits["cpus"] = json!("1");
        let bundle = t.sh("while :; do :; done");
        with(bundle, Some(json!({"cpu": limits}))).create()
    });
    // The second may get next to nothing: all that it has to do besides is done before the first runs, or after.
    busy[1].start();
    busy[0].start();
    let usage = || {
        busy.each_ref()
            .map(|c| stat(c, &tree, "cpu.stat", "usage_usec "))
    };
    let before = usage();
    let used = |now: [u64; 2]| [now[0] - before[0], now[1] - before[1]];
    assert!(wait_until(|| used(usage()).iter().sum::<u64>() > 2_000_000));
    let [first, second] = used(usage());
    for c in &busy {
        c.call("delete", &["--force"]).ok();
    }
    first as f64 / second as f64
}

fn a_weight_is_a_share_of_the_processor(t: &Test) {
    let shares = |shares: u64| json!({"shares": shares});
    let unequal = ratio(t, [shares(8192), shares(1024)]);
    assert!(
        unequal > 3.0,
        "eight times the shares got {unequal} times the time"
    );
    let equal = ratio(t, [shares(1024), shares(1024)]);
    assert!(
        (0.5..2.0).contains(&equal),
        "the same shares got {equal} times the time"
    );
}

fn an_idle_group_gets_what_is_left(t: &Test) {
    let least = ratio(t, [json!({"shares": 1024}), json!({"idle": 1})]);
    assert!(least > 10.0, "{least} times the time of an idle group");
}

fn unused_quota_is_saved_up(t: &Test) {
    let tree = machine(t, "cpu");
    // Nothing for a while, and then more than the quota of a period.
    let script = "while :; do sleep 0.3; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done";
    let saving = |burst: u64| {
        let limits = json!({"cpu": {"quota": 20_000, "period": 50_000, "burst": burst}});
        with(t.sh(script), Some(limits)).started()
    };
    let bursts = |c: &Container<'_>| stat(c, &tree, "cpu.stat", "nr_bursts ");
    let (saver, spender) = (saving(20_000), saving(0));
    assert!(wait_until(|| bursts(&saver) > 0));
    let periods = || stat(&spender, &tree, "cpu.stat", "nr_throttled ");
    assert!(wait_until(|| periods() > 2));
    assert_eq!(bursts(&spender), 0, "without a burst");
}

fn processors_outside_the_set_are_not_used(t: &Test) {
    machine(t, "cpuset");
    let script = "for mask in 1 2; do taskset $mask grep _allowed_list /proc/self/status; done";
    let taken = |limits| with(t.sh(script), limits).run();
    // Who asks for another one is refused: sched_setaffinity(2) answers EINVAL.
    let confined = taken(Some(json!({"cpu": {"cpus": "1"}})));
    assert!(confined.stderr.contains("Invalid argument"), "{confined:?}");
    let list = |output: &str| -> Vec<String> {
        let lists = output.lines().filter(|line| line.starts_with("Cpus"));
        lists
            .filter_map(|line| Some(line.split_once(':')?.1.trim().to_owned()))
            .collect()
    };
    assert_eq!(list(&confined.stdout), ["1"]);
    assert_eq!(list(&taken(None).stdout), ["0", "1"], "without a set");
}

fn reading_is_slowed_down(t: &Test) {
    machine(t, "io");
    let (major, minor) = disk(t);
    let device = json!({"type": "b", "path": "/dev/probed", "major": major, "minor": minor});
    let rule = json!({"allow": true, "type": "b", "major": major, "minor": minor, "access": "r"});
    let took = |limits| {
        // Not by the page cache, which has what other tests' directories lie in.
        let script = "dd if=/dev/probed of=/dev/null bs=1M count=6 iflag=direct";
        let bundle = t.sh(script).push("/linux/devices", device.clone());
        let bundle = bundle.push("/linux/resources/devices", rule.clone());
        let began = Instant::now();
        with(bundle, limits).run().ok();
        began.elapsed()
    };
    let rate = json!([{"major": major, "minor": minor, "rate": 1_048_576}]);
    let slow = took(Some(json!({"blockIO": {"throttleReadBpsDevice": rate}})));
    assert!(
        slow > Duration::from_secs(4),
        "6 MiB at 1 MiB/s in {slow:?}"
    );
    let fast = took(None);
    assert!(
        fast < slow / 2,
        "{fast:?} without a limit, {slow:?} with one"
    );
}

fn writing_is_slowed_down(t: &Test) {
    machine(t, "io");
    let (major, minor) = disk(t);
    let took = |limits| {
        let began = Instant::now();
        let script = "dd if=/dev/zero of=/file bs=1M count=6 conv=fsync 2>/dev/null";
        with(t.sh(script), limits).run().ok();
        began.elapsed()
    };
    let rate = json!([{"major": major, "minor": minor, "rate": 1_048_576}]);
    // What a group writes is told from what others write where its memory is counted too.
    let slow = took(Some(json!({"memory": {"limit": 268_435_456},
        "blockIO": {"throttleWriteBpsDevice": rate}})));
    assert!(
        slow > Duration::from_secs(4),
        "6 MiB at 1 MiB/s in {slow:?}"
    );
    let fast = took(Some(json!({"memory": {"limit": 268_435_456}})));
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

/// Limits of a running container, changed in both directions; what is in it is what feels them.
fn an_update_is_felt(t: &Test) {
    let tree = machine(t, "memory");
    let c = t.sh("while :; do :; done").with_probe().started();
    let update = |flags: &[&str]| t.call(&[&["update"], flags, &[&c.id]].concat()).ok();
    let forks = || {
        let said = c.exec(&[], &["/probe", "fork", "50"]).ok();
        said.value("forked").parse::<u32>().expect("a number")
    };
    let touches = || c.exec(&[], &["/probe", "memory", "64"]).code;
    let throttled = || stat(&c, &tree, "cpu.stat", "nr_throttled ");
    assert_eq!((forks(), touches(), throttled()), (50, 0, 0));
    update(&["--pids-limit", "20"]);
    assert!((10..=19).contains(&forks()), "a limit of 20");
    update(&["--pids-limit", "100"]);
    assert_eq!(forks(), 50);
    update(&["--memory", "16M", "--memory-swap", "16M"]);
    assert_eq!(touches(), 137);
    update(&["--memory", "256M", "--memory-swap", "256M"]);
    assert_eq!(touches(), 0);
    update(&["--cpu-quota", "5000", "--cpu-period", "50000"]);
    assert!(wait_until(|| throttled() > 2));
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

/// A container that forks all the time, and its group. In a pid namespace of its own the end of the first process would be
/// that of all.
fn forking(t: &Test) -> (Container<'_>, PathBuf) {
    let tree = machine(t, "pids");
    t.need(Host::get().has_program("strace"), "no strace(1)");
    let bundle = t.args(&["/probe", "successors", "4"]).with_probe();
    let c = bundle.without_namespace("pid").started();
    assert!(wait_until(|| c.stdout().contains("successors=")));
    let path = cgroup_of(c.pid(), "").expect("a version 2 group");
    let group = tree.join(path.trim_start_matches('/'));
    (c, group)
}

/// Ends the container by a verb under strace(1) with these options; what that has seen.
fn end_traced(c: &Container<'_>, t: &Test, verb: &str, options: &str) -> String {
    let output = t.dir.join("strace");
    let script = format!(
        "set -- strace -f -qq {options} -o {} \"$@\"",
        output.display()
    );
    let args: &[&str] = match verb {
        "kill" => &["kill", "--all", &c.id, "KILL"],
        _ => &["delete", "--force", &c.id],
    };
    t.call_in(&View::Script(script), args).ok();
    std::fs::read_to_string(&output).expect("strace has written it")
}

fn is_empty(group: &std::path::Path) -> bool {
    let listed = std::fs::read_to_string(group.join("cgroup.procs"));
    // A deleted container's is gone.
    listed.is_ok_and(|list| list.is_empty()) || !group.exists()
}

/// Nobody can fork faster than cgroup.kill.
fn one_write_kills_all(t: &Test) {
    for verb in ["kill", "delete"] {
        let (c, group) = forking(t);
        let seen = end_traced(&c, t, verb, "-e trace=openat,pidfd_send_signal,kill");
        assert!(seen.contains("cgroup.kill\", O_WRONLY"), "{verb}: {seen}");
        // The first process has its own, by which it is waited for.
        let signalled = seen.matches("SIGKILL").count();
        assert!(signalled <= 1, "{verb}, one after the other: {seen}");
        assert!(wait_until(|| is_empty(&group)), "{verb}: some are left");
        t.call(&["delete", "--force", &c.id]).ok();
    }
}

/// On a kernel without that file the group is frozen and each process signalled; what is left of the group is not frozen.
fn all_are_killed_without_cgroup_kill(t: &Test) {
    for verb in ["kill", "delete"] {
        let (c, group) = forking(t);
        let path = group.join("cgroup.kill").display().to_string();
        let withheld = format!("-P {path} -e trace=openat -e inject=openat:error=ENOENT");
        let seen = end_traced(&c, t, verb, &withheld);
        assert!(seen.contains("(INJECTED)"), "{verb}: {seen}");
        assert!(wait_until(|| is_empty(&group)), "{verb}: some are left");
        if verb == "kill" {
            let frozen = std::fs::read_to_string(group.join("cgroup.freeze"));
            assert_eq!(frozen.expect("a group").trim(), "0", "it stays frozen");
        }
        t.call(&["delete", "--force", &c.id]).ok();
    }
}

fn kill_reaches_those_below(t: &Test) {
    let tree = machine(t, "pids");
    let bundle = t
        .sh("sleep 1000 & sleep 1000 & echo $!; wait")
        .namespace("cgroup")
        .without_namespace("pid");
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
