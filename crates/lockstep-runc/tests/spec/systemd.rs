//! `--systemd-cgroup`: a real systemd makes the container's scope, and what it shows of that is asserted.

use serde_json::json;

use crate::harness::{Bundle, Host, Output, Running, Systemd, Test, cases, wait_until};

cases! {
    scope_of_the_path: "runc 1.1.5 leaves the device hierarchy to the slice",
    limits_are_properties,
    properties_of_annotations,
    kill_and_delete_leave_no_unit,
}

/// A container in the scope `test-ID.scope` of `lockstep-test.slice`, run in the foreground.
struct Scope<'t> {
    bundle: Bundle<'t>,
    unit: String,
    running: Running,
}

impl<'t> Scope<'t> {
    fn start(systemd: &Systemd<'t>, bundle: Bundle<'t>) -> Self {
        let unit = format!("test-{}.scope", bundle.id);
        let path = format!("lockstep-test.slice:test:{}", bundle.id);
        let bundle = bundle
            .globals(&["--systemd-cgroup"])
            .view(systemd.view())
            .set("/linux/cgroupsPath", path);
        let running = bundle.run_in_background();
        let text = || running.stdout_so_far();
        assert!(wait_until(|| text().contains("runs")), "{}", text());
        Self {
            bundle,
            unit,
            running,
        }
    }

    fn kill(self, t: &Test) -> Output {
        let args = ["kill", &self.bundle.id, "KILL"];
        t.call_in(&self.bundle.view, &args).ok();
        self.running.wait()
    }
}

const PROGRAM: &str = "cat /proc/self/cgroup; echo runs; exec sleep 1000";

fn scope_of_the_path(t: &Test) {
    let systemd = Systemd::of(t);
    let scope = Scope::start(&systemd, t.sh(PROGRAM));
    let place = format!("/lockstep.slice/lockstep-test.slice/{}", scope.unit);
    let groups = scope.running.stdout_so_far();
    // Of all mounted hierarchies: systemd's own, and those of controllers that it does not know.
    let mounted = |line: &&str| {
        let names = line.split(':').nth(1).unwrap_or("-").split(',');
        let names = names.map(|name| name.trim_start_matches("name="));
        names
            .into_iter()
            .any(|name| Host::get().controllers.contains_key(name))
    };
    let groups: Vec<&str> = groups.lines().filter(mounted).collect();
    assert!(!groups.is_empty());
    assert!(
        groups.iter().all(|line| line.ends_with(&place)),
        "{groups:?}"
    );
    assert_eq!(systemd.show(&scope.unit, "ActiveState"), "active");
    assert_eq!(systemd.show(&scope.unit, "Slice"), "lockstep-test.slice");
    scope.kill(t).exits(137);
}

fn limits_are_properties(t: &Test) {
    let systemd = Systemd::of(t);
    let bundle = t.sh(PROGRAM).set(
        "/linux/resources",
        json!({"pids": {"limit": 42}, "cpu": {"quota": 50_000, "period": 100_000}}),
    );
    let scope = Scope::start(&systemd, bundle);
    assert_eq!(systemd.show(&scope.unit, "TasksMax"), "42");
    assert_eq!(systemd.show(&scope.unit, "CPUQuotaPerSecUSec"), "500ms");
    scope.kill(t).exits(137);
}

fn properties_of_annotations(t: &Test) {
    let systemd = Systemd::of(t);
    let bundle = t.sh(PROGRAM).set(
        "/annotations",
        json!({"org.systemd.property.TimeoutStopUSec": "uint64 123456789"}),
    );
    let scope = Scope::start(&systemd, bundle);
    let shown = systemd.show(&scope.unit, "TimeoutStopUSec");
    assert!(shown.starts_with("2min 3"), "{shown}");
    scope.kill(t).exits(137);
}

fn kill_and_delete_leave_no_unit(t: &Test) {
    let systemd = Systemd::of(t);
    let scope = Scope::start(&systemd, t.sh(PROGRAM));
    let unit = scope.unit.clone();
    scope.kill(t).exits(137);
    let gone = || systemd.show(&unit, "LoadState") == "not-found";
    assert!(wait_until(gone), "{}", systemd.show(&unit, "ActiveState"));
}
