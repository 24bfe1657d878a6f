//! `linux.resources.network`: net_cls and net_prio, which nobody mounts any more.
//!
//! Where the kernel has them they are mounted for the test alone, in a namespace of its own, and returned to the
//! unified hierarchy afterwards.

use std::process::{Command, Stdio};
use std::sync::MutexGuard;

use serde_json::json;

use crate::harness::{Host, Test, View, cases, hierarchies_alone, wait_until};

cases! {
    network_class_and_priorities: "runc 1.1.5 needs the device controller",
    network_class_refused_without_controller: "runc 1.1.5 ignores it",
}

const MOUNT: &str = "mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/net && \
                     mount -t cgroup -o net_cls,net_prio none /sys/fs/cgroup/net";

/// The hierarchy of both controllers, for one test at a time.
struct Hierarchy {
    /// The group above the container's, which the runtime leaves.
    parent: String,
    _alone: MutexGuard<'static, ()>,
}

impl Hierarchy {
    fn of(t: &Test, parent: String) -> Self {
        let alone = hierarchies_alone();
        let free = ["net_cls", "net_prio"].map(|name| number_of(name).as_deref() == Some("0"));
        t.need(
            free == [true, true],
            "net_cls and net_prio are not in this kernel, or in use",
        );
        Self {
            parent,
            _alone: alone,
        }
    }
}

impl Drop for Hierarchy {
    fn drop(&mut self) {
        // The kernel keeps a hierarchy that has a group when its last mount goes, and takes a moment otherwise.
        let script = format!(
            "{MOUNT} && find /sys/fs/cgroup/net{} -depth -type d -exec rmdir {{}} ';'; \
             umount /sys/fs/cgroup/net; sleep 0.3",
            self.parent
        );
        let gone = wait_until(|| {
            let mut command = Command::new("unshare");
            command.args(["-m", "--propagation", "private", "sh", "-c", &script]);
            command.stderr(Stdio::null());
            command.status().is_ok() && number_of("net_prio").as_deref() == Some("0")
        });
        assert!(gone || std::thread::panicking(), "net_prio stays mounted");
    }
}

/// Number of the hierarchy that has a controller; 0 is the unified one.
fn number_of(controller: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cgroups").ok()?;
    let mut lines = text.lines().map(|line| line.split_whitespace());
    let mut line = lines.find(|line| line.clone().next() == Some(controller))?;
    line.nth(1).map(str::to_owned)
}

fn network_class_and_priorities(t: &Test) {
    let network = json!({"classID": 1_048_577, "priorities": [{"name": "lo", "priority": 5}]});
    let bundle = t
        .sh("echo runs; exec sleep 1000")
        .set("/linux/resources", json!({"network": network}))
        .view(View::Script(MOUNT.to_owned()));
    let parent = bundle.cgroup().replace(&format!("/{}", bundle.id), "");
    let hierarchy = Hierarchy::of(t, parent);
    let running = bundle.run_in_background();
    assert!(wait_until(|| running.stdout_so_far().contains("runs")));
    let group = format!(
        "/proc/{}/root/sys/fs/cgroup/net{}",
        running.pid(),
        bundle.cgroup()
    );
    let read = |file: &str| std::fs::read_to_string(format!("{group}/{file}")).unwrap_or_default();
    let class = read("net_cls.classid");
    let priorities = read("net_prio.ifpriomap");
    t.call_in(&bundle.view, &["kill", &bundle.id, "KILL"]).ok();
    running.wait().exits(137);
    drop(hierarchy);
    assert_eq!(class.trim(), "1048577");
    assert!(
        priorities.lines().any(|line| line == "lo 5"),
        "{priorities}"
    );
}

fn network_class_refused_without_controller(t: &Test) {
    let host = Host::get();
    t.need(
        !host.controllers.contains_key("net_cls"),
        "net_cls is mounted here",
    );
    for (value, words) in [
        (json!({"classID": 1_048_577}), ["net_cls", "1048577"]),
        (
            json!({"priorities": [{"name": "lo", "priority": 5}]}),
            ["net_prio", "lo 5"],
        ),
    ] {
        let bundle = t.sh("true").set("/linux/resources/network", value);
        bundle.run().fails_with(&words);
    }
}
