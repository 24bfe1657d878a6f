//! Cgroup version 2 under a program that runs: what an update does to it, what it may do with groups of its own, and
//! what it keeps while its neighbours want all. Each beside the same without the control.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cgroup_block::disk;
use crate::cgroup_v2::{machine, read};
use crate::harness::{Bundle, Container, Host, Test, View, cases, wait_until};

cases! {
    an_update_kills_who_has_more,
    an_update_refuses_forks_and_allows_them_again,
    an_update_throttles_and_frees,
    somebody_inside_has_groups_of_his_own: "runc 1.1.5 wants a systemd-delegated tree",
    nobody_moves_out_of_the_cgroup_namespace,
    a_delegated_tree_has_every_verb: "runc 1.1.5 wants systemd's delegation",
    memory_below_the_reservation_is_kept,
    memory_comes_of_the_nodes_of_the_set,
    operations_on_a_device_are_counted,
    device_rules_are_replaced_without_the_flag: "runc 1.1.5 takes no devices in an update",
}

/// The first host id of the containers with a user namespace here.
const ROOT: u32 = 300_000;
/// An ordinary user.
const UID: u32 = 54_321;

fn update(t: &Test, c: &Container<'_>, flags: &[&str]) {
    t.call(&[&["update"], flags, &[&c.id]].concat()).ok();
}

/// The last line that begins with `name`, of what a container has printed.
fn last(c: &Container<'_>, name: &str) -> Option<u64> {
    let text = c.stdout();
    let line = text.lines().rev().find_map(|line| line.strip_prefix(name));
    line.and_then(|text| text.trim().parse().ok())
}

fn an_update_kills_who_has_more(t: &Test) {
    machine(t, "memory");
    let both = |bytes: u64| json!({"limit": bytes, "swap": bytes});
    let holding = || {
        let bundle = t.args(&["/probe", "memory", "48", ",", "sleep", "1000000"]);
        let bundle = bundle.with_probe();
        let c = bundle
            .set("/linux/resources/memory", both(256 << 20))
            .started();
        assert!(wait_until(|| last(&c, "memory=") == Some(48)));
        c
    };
    let (killed, spared) = (holding(), holding());
    update(t, &killed, &["--memory", "16M", "--memory-swap", "16M"]);
    killed.wait_stopped();
    update(t, &spared, &["--memory", "64M", "--memory-swap", "64M"]);
    assert_eq!(spared.status(), "running");
}

fn an_update_refuses_forks_and_allows_them_again(t: &Test) {
    machine(t, "pids");
    let script = "while :; do /probe fork 10; usleep 50000; done";
    let c = t.sh(script).with_probe().started();
    let forked = || last(&c, "forked=");
    assert!(wait_until(|| forked() == Some(10)));
    // The shell, the probe and four of its children.
    update(t, &c, &["--pids-limit", "6"]);
    assert!(wait_until(|| forked() == Some(4)), "{:?}", forked());
    update(t, &c, &["--pids-limit", "100"]);
    assert!(wait_until(|| forked() == Some(10)), "{:?}", forked());
}

fn an_update_throttles_and_frees(t: &Test) {
    let tree = machine(t, "cpu");
    let c = t.sh("while :; do :; done").started();
    let stat = |name: &str| -> u64 {
        let text = read(&c, &tree, "cpu.stat");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|text| text.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{name} in {text}"))
    };
    update(t, &c, &["--cpu-quota", "5000", "--cpu-period", "50000"]);
    assert!(wait_until(|| stat("nr_throttled ") > 5));
    update(t, &c, &["--cpu-quota", "-1"]);
    let (throttled, used) = (stat("nr_throttled "), stat("usage_usec "));
    assert!(wait_until(|| stat("usage_usec ") > used + 500_000));
    assert!(stat("nr_throttled ") <= throttled + 1, "it is free");
}

/// With a user and a cgroup namespace and the tree to write in.
fn delegated<'t>(t: &'t Test, script: &str) -> Bundle<'t> {
    let options = ["nosuid", "noexec", "nodev", "rw"];
    let bundle = t.sh(script).with_probe().user_namespace(ROOT, 1000);
    let bundle = bundle.namespace("cgroup");
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", &options)
}

/// Cgroup ownership of the specification, by what it is for.
fn somebody_inside_has_groups_of_his_own(t: &Test) {
    machine(t, "pids");
    let script = "cd /sys/fs/cgroup; mkdir own work && echo 0 > own/cgroup.procs && echo moved; \
        echo +pids > cgroup.subtree_control && echo 6 > work/pids.max && echo limited; \
        (echo 0 > work/cgroup.procs; /probe fork 20 | grep forked=); /probe fork 20 | grep forked=; \
        echo 1 > work/cgroup.freeze && echo frozen; echo 1 > work/cgroup.kill && echo killed; \
        (echo max > pids.max) 2> /dev/null; echo pids $?; (echo max > memory.max) 2> /dev/null; echo memory $?; \
        rmdir work && echo removed";
    let limits = json!({"pids": {"limit": 50}, "memory": {"limit": 134_217_728}});
    let run = |delegates: bool| {
        let mut bundle = delegated(t, script);
        for (name, value) in limits.as_object().expect("an object") {
            bundle = bundle.set(&format!("/linux/resources/{name}"), value.clone());
        }
        // Of a read-only tree nothing is given away.
        match delegates {
            true => bundle.run().stdout,
            false => {
                let mounts = |config: &mut Value| {
                    let all = config["mounts"].as_array_mut().expect("a list");
                    let mount = all.last_mut().expect("the tree");
                    mount["options"] = json!(["nosuid", "noexec", "nodev", "ro"]);
                };
                bundle.edit(mounts).run().stdout
            }
        }
    };
    // The shell is the probe's parent, and one of the six; its own limit is not his to change.
    let said = run(true);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["moved", "limited"], "{said}");
    let inside: u32 = lines[2]["forked=".len()..].parse().expect("a number");
    assert!((2..=5).contains(&inside), "{said}");
    let rest = [
        "forked=20",
        "frozen",
        "killed",
        "pids 1",
        "memory 1",
        "removed",
    ];
    assert_eq!(lines[3..], rest, "{said}");
    let refused = run(false);
    assert_eq!(
        refused, "forked=20\nforked=20\npids 1\nmemory 1\n",
        "{refused}"
    );
}

/// A directory of the tree, removed with what is below it at the end of the test.
struct Group(PathBuf);

impl Group {
    fn new(tree: &Path, name: &str) -> Self {
        let dir = tree.join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir(&dir).expect("root makes groups");
        Self(dir)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// The path of a container's group in it.
    fn member(&self, tree: &Path, name: &str) -> String {
        let below = self.0.strip_prefix(tree).expect("of the tree");
        format!("/{}/{name}", below.display())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let path = self.0.display();
        let script = format!("find {path} -depth -type d -exec rmdir {{}} +");
        drop(
            std::process::Command::new("sh")
                .args(["-c", &script])
                .status(),
        );
    }
}

/// With `nsdelegate` the kernel refuses it also to who owns both groups and sees the tree.
fn nobody_moves_out_of_the_cgroup_namespace(t: &Test) {
    let tree = machine(t, "pids");
    let mounts = std::fs::read_to_string("/proc/mounts").expect("own mounts");
    let delegating = |line: &str| line.contains(" cgroup2 ") && line.contains("nsdelegate");
    t.need(
        mounts.lines().any(delegating),
        "the tree is mounted without nsdelegate",
    );
    let outer = Group::new(&tree, "outer");
    std::fs::create_dir(outer.0.join("other")).expect("root makes groups");
    let path = outer.0.display().to_string();
    t.host("chown", &["-R", &format!("{ROOT}:{ROOT}"), &path]);
    let script = "(echo 0 > /outer/other/cgroup.procs) && echo out; cat /proc/self/cgroup";
    let bundle = |inside: &str| {
        let bundle = delegated(t, script).file("/outer/none", "");
        let bundle = bundle.bind(&outer.0, "/outer", &["rw"]);
        bundle.set("/linux/cgroupsPath", outer.member(&tree, inside))
    };
    let confined = bundle("a").run();
    assert!(!confined.stdout.contains("out\n"), "{confined:?}");
    assert!(
        confined.stdout.starts_with("0::/\n"),
        "nothing of the path outside: {confined:?}"
    );
    let free = bundle("b").without_namespace("cgroup").run();
    assert!(free.stdout.starts_with("out\n0::"), "{free:?}");
    assert!(free.stdout.contains("/outer-"), "{free:?}");
}

/// An ordinary user whom root gave a part of the tree: limits, updates, pause, exec and the end, all without root.
fn a_delegated_tree_has_every_verb(t: &Test) {
    let tree = machine(t, "memory");
    let group = Group::new(&tree, "delegated");
    group.write("cgroup.subtree_control", "+pids +memory +cpu");
    std::fs::create_dir(group.0.join("own")).expect("root makes groups");
    let path = group.0.display();
    let files = [
        "",
        "/cgroup.procs",
        "/cgroup.subtree_control",
        "/cgroup.threads",
    ];
    let files = files.map(|file| format!("{path}{file}")).join(" ");
    let give = format!("chown {UID}:{UID} {files} && chown -R {UID}:{UID} {path}/own");
    t.host("sh", &["-c", &give]);
    let view = View::Delegated {
        uid: UID,
        group: format!("{path}/own"),
    };
    let ids = json!([{"containerID": 0, "hostID": UID, "size": 1}]);
    let bundle = t.sleeper().with_probe().view(view).namespace("user");
    let bundle = bundle.remove("/linux/resources/devices");
    let bundle = bundle.set("/linux/uidMappings", ids.clone());
    let bundle = bundle.set("/linux/gidMappings", ids);
    let bundle = bundle.set("/linux/cgroupsPath", group.member(&tree, "container"));
    let limit = json!({"limit": 33_554_432, "swap": 33_554_432});
    let c = bundle.set("/linux/resources/memory", limit).started();
    let touches = || c.exec(&[], &["/probe", "memory", "64"]).code;
    let forks = || {
        let said = c.exec(&[], &["/probe", "fork", "50"]).ok();
        said.value("forked").parse::<u32>().expect("a number")
    };
    assert_eq!((touches(), forks()), (137, 50));
    let raised = ["--memory", "256M", "--memory-swap", "256M"];
    let more = [
        "--pids-limit",
        "20",
        "--cpu-quota",
        "20000",
        "--cpu-period",
        "50000",
    ];
    c.call("update", &[&raised[..], &more].concat()).ok();
    assert_eq!(touches(), 0);
    assert!((10..=19).contains(&forks()), "a limit of 20");
    assert_eq!(read(&c, &tree, "cpu.max"), "20000 50000");
    c.call("pause", &[]).ok();
    assert!(read(&c, &tree, "cgroup.events").contains("frozen 1"));
    c.call("resume", &[]).ok();
    assert!(read(&c, &tree, "cgroup.events").contains("frozen 0"));
    let pid = c.pid();
    c.call("delete", &["--force"]).ok();
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!group.0.join("container").exists());
}

/// memory.low: what a group has below it stays while others of the same parent want more than there is.
fn memory_below_the_reservation_is_kept(t: &Test) {
    let tree = machine(t, "memory");
    let kept = |reservation: Option<u64>| {
        let name = reservation.map_or("without", |_| "with");
        let parent = Group::new(&tree, name);
        std::fs::write(tree.join("cgroup.subtree_control"), "+memory").expect("root enables");
        parent.write("cgroup.subtree_control", "+memory");
        parent.write("memory.max", "41943040");
        let member = |name: &str, script: &str| {
            let bundle = t.sh(script);
            bundle.set("/linux/cgroupsPath", parent.member(&tree, name))
        };
        let own = "dd if=/dev/zero of=/own bs=1M count=16 conv=fsync 2> /dev/null; echo wrote 1; sleep 1000";
        let mut first = member("a", own);
        if let Some(bytes) = reservation {
            first = first.set("/linux/resources/memory/reservation", bytes);
        }
        let first = first.started();
        assert!(wait_until(|| last(&first, "wrote ") == Some(1)));
        let cached = || {
            let text = read(&first, &tree, "memory.stat");
            let line = text.lines().find_map(|line| line.strip_prefix("file "));
            let bytes: u64 = line.and_then(|text| text.parse().ok()).expect("a number");
            bytes >> 20
        };
        assert!(cached() >= 16, "{} MiB at first", cached());
        let all = "dd if=/dev/zero of=/all bs=1M count=80 conv=fsync 2> /dev/null";
        member("b", all).run().ok();
        let kept = cached();
        first.call("delete", &["--force"]).ok();
        kept
    };
    let (with, without) = (kept(Some(25_165_824)), kept(None));
    assert!(
        with >= 15 && without <= with - 4,
        "{with} MiB of 16 with a reservation, {without} without"
    );
}

fn memory_comes_of_the_nodes_of_the_set(t: &Test) {
    machine(t, "cpuset");
    let online = std::fs::read_to_string("/sys/devices/system/node/online").unwrap_or_default();
    t.need(
        online.trim() == "0-1",
        "this machine has not two memory nodes",
    );
    let pages = |mems: &str| {
        let bundle = t.args(&["/probe", "memory", "32", ",", "sleep", "1000000"]);
        let bundle = bundle.with_probe();
        let c = bundle.set("/linux/resources/cpu/mems", mems).started();
        assert!(wait_until(|| last(&c, "memory=") == Some(32)));
        let maps = std::fs::read_to_string(format!("/proc/{}/numa_maps", c.pid()));
        let maps = maps.expect("the kernel tells");
        // Of what is the program's own; pages of its file were read before.
        let own = maps.lines().filter(|line| !line.contains(" file="));
        let words: Vec<&str> = own.flat_map(str::split_whitespace).collect();
        ["N0=", "N1="].map(|node| {
            let counts = words.iter().filter_map(|word| word.strip_prefix(node));
            counts
                .filter_map(|count| count.parse::<u64>().ok())
                .sum::<u64>()
        })
    };
    let [on_0, on_1] = pages("1");
    assert!(on_0 == 0 && on_1 >= 8192, "{on_0} and {on_1} in a set of 1");
    let [on_0, on_1] = pages("0");
    assert!(on_1 == 0 && on_0 >= 8192, "{on_0} and {on_1} in a set of 0");
}

/// Limits of operations per second, where few of them are many bytes no less than one.
fn operations_on_a_device_are_counted(t: &Test) {
    machine(t, "io");
    let (major, minor) = disk(t);
    let device = json!({"type": "b", "path": "/dev/probed", "major": major, "minor": minor});
    let rule = json!({"allow": true, "type": "b", "major": major, "minor": minor, "access": "r"});
    let took = |script: &str, throttle: Option<&str>| {
        let mut bundle = t.sh(script).push("/linux/devices", device.clone());
        bundle = bundle.push("/linux/resources/devices", rule.clone());
        if let Some(name) = throttle {
            let rate = json!([{"major": major, "minor": minor, "rate": 10}]);
            bundle = bundle.set(&format!("/linux/resources/blockIO/{name}"), rate);
        }
        let began = Instant::now();
        bundle.run().ok();
        began.elapsed()
    };
    let read = "dd if=/dev/probed of=/dev/null bs=4096 count=50 iflag=direct 2> /dev/null";
    let write = "dd if=/dev/zero of=/file bs=4096 count=50 oflag=direct 2> /dev/null";
    for (script, throttle) in [
        (read, "throttleReadIOPSDevice"),
        (write, "throttleWriteIOPSDevice"),
    ] {
        let slow = took(script, Some(throttle));
        assert!(
            slow > Duration::from_secs(4),
            "{throttle}: 50 at 10/s in {slow:?}"
        );
        let fast = took(script, None);
        assert!(
            fast < slow / 2,
            "{throttle}: {fast:?} without, {slow:?} with"
        );
    }
}

/// As before Linux 5.6: the new program is added, and the old one taken away.
fn device_rules_are_replaced_without_the_flag(t: &Test) {
    machine(t, "pids");
    t.need(Host::get().has_program("strace"), "no strace(1)");
    let node = json!({"type": "c", "path": "/dev/probed", "major": 10, "minor": 229});
    let bundle = t.sleeper().push("/linux/devices", node).with_probe();
    let c = bundle.started();
    let opens = || {
        let output = c.exec(&[], &["/probe", "open", "/dev/probed", "0"]);
        output.value("open") == "0"
    };
    let trace = t.dir.join("strace");
    let rules = |allow: bool, inject: &str| {
        let rules = json!([{"allow": false, "access": "rwm"},
            {"allow": allow, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]);
        let file = t.file("devices.json", &json!({"devices": rules}).to_string());
        let view = View::Script(format!(
            "set -- strace -qq -e trace=bpf {inject} -o {} \"$@\"",
            trace.display()
        ));
        let args = ["update", "-r", &file.display().to_string(), &c.id];
        t.call_in(&view, &args).ok();
        let text = std::fs::read_to_string(&trace).expect("strace has written it");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let replaces = |line: &String| line.contains("BPF_F_REPLACE");
    let calls = rules(true, "");
    assert!(opens());
    let number = calls.iter().position(replaces).expect("it is asked for") + 1;
    for allow in [false, true, false] {
        let calls = rules(allow, &format!("-e inject=bpf:error=EINVAL:when={number}"));
        let refused = calls.iter().position(replaces).map(|at| at + 1);
        assert_eq!(refused, Some(number), "{calls:?}");
        // Were the old one still there, what one of the two denies would be denied.
        assert_eq!(opens(), allow, "{calls:?}");
        let taken = calls.iter().filter(|line| line.contains("BPF_PROG_DETACH"));
        assert_eq!(taken.count(), 1, "{calls:?}");
    }
}
