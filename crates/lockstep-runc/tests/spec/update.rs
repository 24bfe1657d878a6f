//! `update`, `pause`, `resume` and `events --stats`: what acts on the cgroup of a running container.

use serde_json::{Value, json};

use crate::cgroup::{limited, need_v1, value};
use crate::harness::{Container, Test, View, cases, wait_until};

cases! {
    update_by_flags,
    update_by_file_and_stdin,
    update_of_a_stopped_container_refused,
    update_names_where_a_value_came_from: "runc names no field",
    pause_stops_and_resume_continues,
    pause_twice_and_of_created,
    exec_in_a_paused_container_refused,
    delete_force_of_a_paused_container,
    stats_shape,
    stats_values,
}

fn update_by_flags(t: &Test) {
    need_v1(t);
    let c = limited(
        t,
        "memory",
        json!({"limit": 67_108_864, "swap": 134_217_728}),
    );
    for (flags, controller, file, want) in [
        (&["--cpu-share", "300"][..], "cpu", "cpu.shares", "300"),
        (
            &["--cpu-quota", "30000"],
            "cpu",
            "cpu.cfs_quota_us",
            "30000",
        ),
        (
            &["--cpu-period", "60000"],
            "cpu",
            "cpu.cfs_period_us",
            "60000",
        ),
        (&["--pids-limit", "55"], "pids", "pids.max", "55"),
        (
            &["--memory", "50331648"],
            "memory",
            "memory.limit_in_bytes",
            "50331648",
        ),
        (
            &["--memory", "96M"],
            "memory",
            "memory.limit_in_bytes",
            "100663296",
        ),
        (
            &["--memory-swap", "150M"],
            "memory",
            "memory.memsw.limit_in_bytes",
            "157286400",
        ),
        (
            &["--memory-reservation", "20M"],
            "memory",
            "memory.soft_limit_in_bytes",
            "20971520",
        ),
        (&["--cpuset-cpus", "0"], "cpuset", "cpuset.cpus", "0"),
        (&["--cpuset-mems", "0"], "cpuset", "cpuset.mems", "0"),
    ] {
        t.call(&[&["update"], flags, &[&c.id]].concat()).ok();
        assert_eq!(value(&c, controller, file), want, "{flags:?}");
    }
    // What was not named stays.
    assert_eq!(value(&c, "cpu", "cpu.shares"), "300");
}

fn update_by_file_and_stdin(t: &Test) {
    need_v1(t);
    let c = t.sleeper().started();
    let file = t.file(
        "resources.json",
        &json!({"pids": {"limit": 66}}).to_string(),
    );
    let file = file.display().to_string();
    t.call(&["update", &format!("--resources={file}"), &c.id])
        .ok();
    assert_eq!(value(&c, "pids", "pids.max"), "66");
    t.call(&["update", "-r", &file, &c.id]).ok();
    let input = t.file("stdin.json", &json!({"cpu": {"shares": 222}}).to_string());
    let mut invocation = t.invocation(&["update", "--resources", "-", &c.id], &View::Plain);
    invocation.stdin = std::fs::File::open(input).expect("own file").into();
    invocation.start().wait().ok();
    assert_eq!(value(&c, "cpu", "cpu.shares"), "222");
    assert_eq!(
        value(&c, "pids", "pids.max"),
        "66",
        "an update of one limit lost another"
    );
}

fn update_of_a_stopped_container_refused(t: &Test) {
    let c = t.sh("true").started();
    c.wait_stopped();
    let output = c.call("update", &["--pids-limit", "5"]);
    if t.peer_is_other() && output.code == 0 {
        t.skip("runc 1.1.5 writes to the left-over cgroup");
    }
    assert_ne!(output.code, 0);
}

fn update_names_where_a_value_came_from(t: &Test) {
    need_v1(t);
    let c = limited(t, "pids", json!({"limit": 55}));
    c.call("update", &["--cpuset-cpus", "0,8000"])
        .fails_with(&["0,8000", "(asked for by /cpu/cpus of the options)"]);
    let file = t.file(
        "wrong.json",
        &json!({"memory": {"limit": 4096, "swap": 1024}}).to_string(),
    );
    let file = file.display().to_string();
    c.call("update", &["--resources", &file])
        .fails_with(&["/memory/swap", &file, "1024"]);
    let file = t.file("r.json", &json!({"cpu": {"cpus": "0,8000"}}).to_string());
    let file = file.display().to_string();
    c.call("update", &["--resources", &file])
        .fails_with(&[&format!("(asked for by /cpu/cpus of {file})")]);
    // A limit of config.json is still one of config.json.
    t.sh("true")
        .set("/linux/resources/cpu", json!({"cpus": "0,8000"}))
        .run()
        .fails_with(&["(asked for by /linux/resources/cpu/cpus of config.json)"]);
}

fn pause_stops_and_resume_continues(t: &Test) {
    let c = t.sh("while :; do echo x; sleep 0.05; done").started();
    assert!(wait_until(|| c.stdout().len() > 2));
    c.call("pause", &[]).ok();
    let at = c.stdout().len();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(c.stdout().len(), at, "the container ran while paused");
    c.call("resume", &[]).ok();
    assert!(wait_until(|| c.stdout().len() > at));
}

fn pause_twice_and_of_created(t: &Test) {
    let c = t.sleeper().create();
    c.call("resume", &[]).fails_with(&["not paused"]);
    c.start();
    c.call("resume", &[]).fails_with(&["not paused"]);
    c.call("pause", &[]).ok();
    c.call("pause", &[]).fails_with(&["container not running"]);
    c.call("resume", &[]).ok();
    c.stop();
    c.call("pause", &[]).fails_with(&["container not running"]);
}

fn exec_in_a_paused_container_refused(t: &Test) {
    let c = t.sleeper().started();
    c.call("pause", &[]).ok();
    c.exec(&[], &["true"]).fails_with(&["paused"]);
    c.call("resume", &[]).ok();
    c.exec(&[], &["true"]).ok();
}

fn delete_force_of_a_paused_container(t: &Test) {
    let c = t.sleeper().started();
    c.call("pause", &[]).ok();
    c.call("delete", &["--force"]).ok();
}

fn stats(c: &Container<'_>) -> Value {
    c.call("events", &["--stats"]).ok().json()
}

fn stats_shape(t: &Test) {
    need_v1(t);
    let c = limited(t, "pids", json!({"limit": 44}));
    let stats = stats(&c);
    assert_eq!(stats["type"], "stats");
    assert_eq!(stats["id"], c.id);
    let data = &stats["data"];
    for path in [
        "/cpu/usage/total",
        "/cpu/usage/percpu",
        "/cpu/usage/kernel",
        "/cpu/usage/user",
        "/cpu/throttling",
        "/memory/usage/limit",
        "/memory/usage/usage",
        "/memory/usage/max",
        "/memory/usage/failcnt",
        "/memory/swap",
        "/memory/kernel",
        "/memory/kernelTCP",
        "/memory/raw",
        "/pids/current",
        "/pids/limit",
        "/blkio",
        "/hugetlb",
        "/intel_rdt",
        "/network_interfaces",
    ] {
        assert!(data.pointer(path).is_some(), "no {path} in {data}");
    }
}

fn stats_values(t: &Test) {
    need_v1(t);
    let c = t
        .sleeper()
        .set(
            "/linux/resources",
            json!({"pids": {"limit": 44}, "memory": {"limit": 67_108_864}}),
        )
        .started();
    let data = &stats(&c)["data"];
    assert_eq!(data["pids"]["limit"], 44);
    assert_eq!(data["pids"]["current"], 1);
    assert_eq!(data["memory"]["usage"]["limit"], 67_108_864);
    assert!(
        data["memory"]["usage"]["usage"]
            .as_u64()
            .is_some_and(|usage| usage > 0)
    );
    assert!(
        data["cpu"]["usage"]["total"]
            .as_u64()
            .is_some_and(|total| total > 0)
    );
}
