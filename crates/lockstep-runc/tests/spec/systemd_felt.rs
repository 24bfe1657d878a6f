//! `--systemd-cgroup` as the program inside feels it: each limit at once, after systemd was reloaded and after it was
//! executed anew; what an update leaves in force; and the verbs that act on a scope.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cgroup_block::disk;
use crate::cgroup_v2::{machine, read};
use crate::harness::{Bundle, Container, Systemd, Test, cases, is_alive, wait_until};

cases! {
    limits_are_felt_in_the_scope: "runc 1.1.5 tells systemd no io.max",
    reading_is_slowed_down_in_the_scope: "runc 1.1.5 tells systemd no io.max",
    an_update_lifts_nothing_else: "runc 1.1.5 writes nothing again",
    devices_are_refused_after_a_reload: "runc 1.1.5 leaves the device hierarchy to the slice",
    verbs_act_on_the_scope,
    kill_all_and_delete_reach_everybody,
    a_failed_unit_is_reset_and_used,
    a_slice_outlives_the_container: "runc 1.1.5 stops the slice",
    systemd_is_waited_for_while_it_is_executed_anew,
}

/// The systemd of the machine. That of a container has process ids of its own, and less to limit.
pub(super) fn host(t: &Test) -> Systemd<'_> {
    let runs = Path::new("/run/systemd/system").exists();
    t.need(runs, "the first process of this machine is not systemd");
    Systemd::of(t)
}

/// A scope of `lockstep-test.slice`.
pub(super) fn scope<'t>(systemd: &Systemd<'t>, bundle: Bundle<'t>) -> Bundle<'t> {
    let path = format!("lockstep-test.slice:test:{}", bundle.id);
    bundle
        .globals(&["--systemd-cgroup"])
        .view(systemd.view())
        .set("/linux/cgroupsPath", path)
}

pub(super) fn unit(c: &Container<'_>) -> String {
    format!("test-{}.scope", c.id)
}

/// Does it at once, after a reload and after systemd was executed anew.
pub(super) fn each_time(systemd: &Systemd<'_>, unit: &str, mut check: impl FnMut(&str)) {
    for verb in ["", "daemon-reload", "daemon-reexec"] {
        if !verb.is_empty() {
            systemd.call(&["systemctl", verb]);
        }
        assert_eq!(systemd.show(unit, "ActiveState"), "active", "after {verb}");
        check(verb);
    }
}

fn forked(c: &Container<'_>, count: &str) -> u32 {
    let output = c.exec(&[], &["/probe", "fork", count]).ok();
    output.value("forked").parse().expect("a number")
}

fn touched(c: &Container<'_>, megabytes: &str) -> bool {
    c.exec(&[], &["/probe", "memory", megabytes]).code == 0
}

fn stat(c: &Container<'_>, tree: &Path, file: &str, name: &str) -> u64 {
    let text = read(c, tree, file);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.expect("a line").trim().parse().expect("a number")
}

/// Whether a busy program is made to wait.
fn throttled(c: &Container<'_>, tree: &Path) -> bool {
    let waits = || stat(c, tree, "cpu.stat", "nr_throttled ");
    let before = waits();
    c.exec(&[], &["timeout", "2", "sh", "-c", "while :; do :; done"]);
    waits() > before + 2
}

/// The processors that a new program may use.
fn processors(c: &Container<'_>) -> String {
    let output = c.exec(&[], &["grep", "_allowed_list", "/proc/self/status"]);
    output.ok().value("Cpus_allowed_list").to_owned()
}

fn limits_are_felt_in_the_scope(t: &Test) {
    let tree = machine(t, "memory");
    let systemd = host(t);
    let limits = json!({"pids": {"limit": 20}, "memory": {"limit": 33_554_432, "swap": 33_554_432},
        "cpu": {"quota": 5000, "period": 50_000, "cpus": "1"}});
    let bundle = scope(&systemd, t.sleeper().with_probe());
    let limited = bundle.edit(|config| {
        for (name, value) in limits.as_object().expect("an object") {
            config["linux"]["resources"][name] = value.clone();
        }
    });
    let c = limited.started();
    let free = scope(&systemd, t.sleeper().with_probe()).started();
    each_time(&systemd, &unit(&c), |verb| {
        let under = forked(&c, "50");
        assert!(
            (10..=19).contains(&under),
            "{under} under a limit of 20 {verb}"
        );
        assert_eq!(forked(&c, "8"), 8, "below the limit {verb}");
        assert!(!touched(&c, "64"), "64 MiB in 32 {verb}");
        assert!(touched(&c, "8"), "8 MiB in 32 {verb}");
        assert_eq!(processors(&c), "1", "{verb}");
        assert!(throttled(&c, &tree), "a tenth of a processor {verb}");
    });
    assert_eq!(forked(&free, "50"), 50, "without a limit");
    assert!(touched(&free, "64") && !throttled(&free, &tree));
    assert_ne!(processors(&free), "1");
    c.call("delete", &["--force"]).ok();
    free.call("delete", &["--force"]).ok();
}

fn reading_is_slowed_down_in_the_scope(t: &Test) {
    machine(t, "io");
    let systemd = host(t);
    let (major, minor) = disk(t);
    let node = json!({"type": "b", "path": "/dev/probed", "major": major, "minor": minor});
    let rule = json!({"allow": true, "type": "b", "major": major, "minor": minor, "access": "r"});
    let rate = json!([{"major": major, "minor": minor, "rate": 1_048_576}]);
    let bundle = scope(&systemd, t.sleeper()).push("/linux/devices", node);
    let bundle = bundle.push("/linux/resources/devices", rule);
    let c = bundle
        .set("/linux/resources/blockIO/throttleReadBpsDevice", rate)
        .started();
    let took = || {
        // Not by the page cache, which has what other tests' directories lie in.
        let script = "dd if=/dev/probed of=/dev/null bs=1M count=4 iflag=direct";
        let began = Instant::now();
        c.exec(&[], &["sh", "-c", script]).ok();
        began.elapsed()
    };
    each_time(&systemd, &unit(&c), |verb| {
        let slow = took();
        assert!(
            slow > Duration::from_millis(2500),
            "4 MiB at 1 MiB/s in {slow:?} {verb}"
        );
    });
    c.call("update", &["--pids-limit", "50"]).ok();
    let slow = took();
    assert!(
        slow > Duration::from_millis(2500),
        "{slow:?} after an update"
    );
    c.call("delete", &["--force"]).ok();
}

/// systemd writes all files of a controller when one property of it changes.
fn an_update_lifts_nothing_else(t: &Test) {
    let tree = machine(t, "memory");
    let systemd = host(t);
    let unified =
        json!({"memory.high": "16777216", "cpu.max": "5000 50000", "memory.oom.group": "1"});
    let bundle = scope(&systemd, t.sleeper().with_probe());
    let c = bundle.set("/linux/resources/unified", unified).started();
    let held = |verb: &str| {
        let slowed = || stat(&c, &tree, "memory.events", "high ");
        let before = slowed();
        // It has a tenth of an emulated processor to get there.
        let over = ["5", "20", "60"].iter().any(|seconds| {
            c.exec(&[], &["timeout", seconds, "/probe", "memory", "24"]);
            slowed() > before
        });
        assert!(over, "24 MiB over memory.high of 16 {verb}");
        assert!(throttled(&c, &tree), "{verb}");
        assert_eq!(read(&c, &tree, "memory.oom.group"), "1", "{verb}");
    };
    held("at first");
    c.call("update", &["--memory", "67108864"]).ok();
    c.call("update", &["--cpu-share", "512"]).ok();
    held("after updates");
    for (file, want) in [
        ("memory.high", "16777216"),
        ("cpu.max", "5000 50000"),
        ("memory.max", "67108864"),
    ] {
        assert_eq!(read(&c, &tree, file), want, "{file}");
    }
    c.call("delete", &["--force"]).ok();
}

fn devices_are_refused_after_a_reload(t: &Test) {
    machine(t, "pids");
    let systemd = host(t);
    let node = json!({"type": "c", "path": "/dev/probed", "major": 10, "minor": 229});
    let bundle = scope(&systemd, t.sleeper().with_probe());
    let c = bundle.push("/linux/devices", node).started();
    let opens = |path: &str| {
        let output = c.exec(&[], &["/probe", "open", path, "0"]);
        output.value("open") == "0"
    };
    each_time(&systemd, &unit(&c), |verb| {
        assert!(!opens("/dev/probed") && opens("/dev/null"), "{verb}");
    });
    let rule = json!([{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}]);
    let file = t.file("devices.json", &json!({"devices": rule}).to_string());
    c.call("update", &["-r", &file.display().to_string()]).ok();
    each_time(&systemd, &unit(&c), |verb| {
        assert!(opens("/dev/probed") && opens("/dev/null"), "{verb}");
    });
    c.call("delete", &["--force"]).ok();
}

/// The place of a process in the first hierarchy that the machine has.
fn place(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("a process");
    let line = text.lines().next().expect("a hierarchy");
    line.rsplit(':').next().expect("a path").to_owned()
}

/// The processes that the runtime lists.
fn pids(c: &Container<'_>) -> Vec<u32> {
    let listed = c.call("ps", &["--format", "json"]).ok().json();
    let all = listed.as_array().expect("a list").iter();
    let number = |pid: &Value| u32::try_from(pid.as_u64().expect("a pid")).expect("a pid");
    all.map(number).collect()
}

fn verbs_act_on_the_scope(t: &Test) {
    let systemd = host(t);
    let script = "n=0; while :; do n=$((n+1)); echo $n > /tmp/n; sleep 0.02; done";
    let c = scope(&systemd, t.sh(script)).started();
    let inside = format!("/proc/{}/root/tmp/n", c.pid());
    let counted = || std::fs::read_to_string(&inside).unwrap_or_default();
    assert!(wait_until(|| !counted().is_empty()));
    c.call("pause", &[]).ok();
    assert_eq!(c.status(), "paused");
    let before = counted();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(counted(), before, "it goes on though it is paused");
    c.call("resume", &[]).ok();
    assert!(wait_until(|| counted() != before));
    let more = c.begin_exec(&[], &["sleep", "1000"]);
    let listed = || pids(&c);
    assert!(wait_until(|| listed().len() > 2), "{:?}", listed());
    let name = unit(&c);
    for pid in listed() {
        assert!(
            !is_alive(pid) || place(pid).ends_with(&name),
            "{}",
            place(pid)
        );
    }
    c.call("delete", &["--force"]).ok();
    more.wait();
    let gone = || systemd.show(&name, "LoadState") == "not-found";
    assert!(wait_until(gone));
}

fn kill_all_and_delete_reach_everybody(t: &Test) {
    let systemd = host(t);
    for verb in ["kill", "delete"] {
        // With the host's process ids nobody ends because the first process does.
        let script = "sleep 1000 & echo $!; trap '' TERM; sleep 1000 & wait; wait";
        let bundle = scope(&systemd, t.sh(script)).without_namespace("pid");
        let c = bundle.started();
        assert!(wait_until(|| !c.stdout().is_empty()));
        let pids = pids(&c);
        assert_eq!(pids.len(), 3, "{pids:?}");
        let name = unit(&c);
        if verb == "kill" {
            let output = t.call_in(&systemd.view(), &["kill", "--all", &c.id, "KILL"]);
            output.ok();
            c.wait_stopped();
            c.call("delete", &[]).ok();
        } else {
            c.call("delete", &["--force"]).ok();
        }
        let gone = || systemd.show(&name, "LoadState") == "not-found";
        assert!(
            wait_until(gone),
            "{verb}: {}",
            systemd.show(&name, "ActiveState")
        );
        for pid in pids {
            assert!(wait_until(|| !is_alive(pid)), "{verb}: {pid} lives");
        }
    }
}

fn a_failed_unit_is_reset_and_used(t: &Test) {
    let systemd = host(t);
    let bundle = scope(&systemd, t.sleeper());
    let name = format!("test-{}.scope", bundle.id);
    // What does not stop within its time has failed.
    let script = format!(
        "systemd-run --quiet --scope --unit={name} -p TimeoutStopSec=100ms \
         sh -c 'trap \"\" TERM; while :; do sleep 1; done' > /dev/null 2>&1 & \
         for n in $(seq 500); do systemctl is-active --quiet {name} && break; sleep 0.05; done; \
         sleep 0.5; systemctl stop {name}; true"
    );
    systemd.call(&["sh", "-c", &script]);
    assert!(wait_until(|| systemd.show(&name, "ActiveState") == "failed"));
    let c = bundle.started();
    assert_eq!(systemd.show(&name, "ActiveState"), "active");
    assert!(place(c.pid()).ends_with(&name));
    c.call("delete", &["--force"]).ok();
}

fn a_slice_outlives_the_container(t: &Test) {
    let systemd = host(t);
    let bundle = t
        .sleeper()
        .globals(&["--systemd-cgroup"])
        .view(systemd.view());
    let slice = format!("lockstep-test-{}.slice", bundle.id.replace('-', "_"));
    let path = format!("lockstep-test.slice:x:{slice}");
    let bundle = bundle.set("/linux/cgroupsPath", path);
    systemd.call(&["systemctl", "start", &slice]);
    let c = bundle.started();
    c.kill("KILL").ok();
    c.wait_stopped();
    let neighbour = format!("neighbour-{}", bundle.id);
    let run = ["systemd-run", "--quiet", "--slice", &slice, "--unit"];
    systemd.call(&[&run[..], &[&neighbour, "sleep", "1000"]].concat());
    let service = format!("{neighbour}.service");
    let pid = systemd.show(&service, "MainPID");
    c.call("delete", &[]).ok();
    assert_eq!(systemd.show(&service, "ActiveState"), "active");
    assert_eq!(systemd.show(&service, "MainPID"), pid);
    assert_eq!(systemd.show(&slice, "ActiveState"), "active");
    // In use now, and refused by name.
    let again = scope(&systemd, t.sleeper()).set(
        "/linux/cgroupsPath",
        format!("lockstep-test.slice:x:{slice}"),
    );
    again.run().fails_with(&["not empty", &slice]);
    systemd.call(&["systemctl", "stop", &service, &slice]);
}

fn systemd_is_waited_for_while_it_is_executed_anew(t: &Test) {
    let systemd = host(t);
    for _ in 0..3 {
        let mut again = std::process::Command::new("systemctl");
        let mut again = again.arg("daemon-reexec").spawn().expect("systemctl");
        // systemctl ends when systemd has begun: what comes next meets all of it.
        for _ in 0..3 {
            let c = scope(&systemd, t.sleeper()).started();
            c.call("update", &["--pids-limit", "50"]).ok();
            assert_eq!(systemd.show(&unit(&c), "TasksMax"), "50");
            c.call("delete", &["--force"]).ok();
        }
        assert!(again.wait().expect("it ends").success());
    }
}
