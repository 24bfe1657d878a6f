//! `--systemd-cgroup` of an ordinary user: the user's own manager makes the scope, below what the system's has given it.

use std::path::Path;
use std::sync::MutexGuard;

use serde_json::{Value, json};

use crate::harness::{
    Bundle, Container, Test, View, cases, cgroup_of, hierarchies_alone, wait_until,
};

cases! {
    scope_of_a_user: "runc 1.1.5 names the group of the manager itself",
    from_within_the_manager,
    limits_of_a_user_are_properties,
    limits_of_a_user_are_felt,
    an_update_of_a_user_is_felt,
    exec_joins_the_scope,
    exec_joins_where_the_first_process_is,
    delete_leaves_no_unit,
    a_name_that_is_taken_refused,
    a_failed_unit_s_name_is_free,
    without_the_runtime_directory_refused,
}

/// The user whose manager the machine of the kind `systemd` starts at boot.
const UID: u32 = 1000;
const RUNTIME_DIR: &str = "/run/user/1000";

/// A user's manager has the system's move processes: not while another test has that one executed anew.
fn alone(t: &Test) -> MutexGuard<'static, ()> {
    user(t);
    hierarchies_alone()
}

fn user(t: &Test) -> View {
    let there = Path::new(RUNTIME_DIR).join("systemd/private").exists();
    t.need(there, "no systemd of an ordinary user");
    View::User {
        uid: UID,
        subordinate: None,
    }
}

fn of_user<'t>(t: &'t Test, bundle: Bundle<'t>) -> Bundle<'t> {
    let own = json!([{"containerID": 0, "hostID": UID, "size": 1}]);
    let path = format!("lockstep-test.slice:test:{}", bundle.id);
    bundle
        .view(user(t))
        .globals(&["--systemd-cgroup"])
        .runtime_env("XDG_RUNTIME_DIR", RUNTIME_DIR)
        .namespace("user")
        .remove("/linux/resources")
        .set("/linux/uidMappings", own.clone())
        .set("/linux/gidMappings", own)
        .set("/linux/cgroupsPath", path)
}

/// A property of a unit of the user's manager, as systemctl(1) writes it.
fn show(t: &Test, unit: &str, property: &str) -> String {
    let script = format!("systemctl --user show --value -p {property} {unit}");
    let runtime_dir = format!("XDG_RUNTIME_DIR={RUNTIME_DIR}");
    let ids = ["--clear-groups", "--reuid=1000", "--regid=1000"];
    let args = [&ids[..], &["env", &runtime_dir, "sh", "-c", &script]].concat();
    t.host("setpriv", &args).trim().to_owned()
}

fn unit(c: &Container<'_>) -> String {
    format!("test-{}.scope", c.id)
}

fn scope_of_a_user(t: &Test) {
    let _alone = alone(t);
    let c = of_user(t, t.sleeper()).started();
    let place = cgroup_of(c.pid(), "").expect("a version 2 group");
    let manager = format!("/user.slice/user-{UID}.slice/user@{UID}.service/");
    assert!(place.starts_with(&manager), "{place}");
    let below = format!("/lockstep.slice/lockstep-test.slice/{}", unit(&c));
    assert!(place.ends_with(&below), "{place}");
    assert_eq!(show(t, &unit(&c), "ActiveState"), "active");
    assert_eq!(show(t, &unit(&c), "Slice"), "lockstep-test.slice");
    assert_eq!(show(t, &unit(&c), "Delegate"), "yes");
    // Nothing is left of what held the scope open for the first process.
    let procs = std::fs::read_to_string(format!("/sys/fs/cgroup{place}/cgroup.procs"));
    assert_eq!(procs.expect("a group").trim(), c.pid().to_string());
}

fn from_within_the_manager(t: &Test) {
    let _alone = alone(t);
    user(t);
    let bundle = of_user(t, t.sh("cat /proc/self/cgroup"));
    bundle.write();
    let dir = bundle.dir().display().to_string();
    let args = ["--systemd-cgroup", "run", "--bundle", &dir, &bundle.id];
    let mut call = t.invocation(&args, &user(t));
    let env = [
        "env",
        "XDG_RUNTIME_DIR=/run/user/1000",
        "systemd-run",
        "--user",
        "--scope",
        "-q",
    ];
    call.argv.splice(0..0, env.map(str::to_owned));
    let output = call.start().wait().ok();
    // The caller's own is a scope too, which systemd-run(1) made.
    let own = format!(
        "/lockstep.slice/lockstep-test.slice/test-{}.scope",
        bundle.id
    );
    assert!(output.text().ends_with(&own), "{output:?}");
}

/// What the kernel has for a container's scope.
fn read(c: &Container<'_>, file: &str) -> String {
    let place = cgroup_of(c.pid(), "").expect("a version 2 group");
    let text = std::fs::read_to_string(format!("/sys/fs/cgroup{place}/{file}"));
    text.expect("a controller that was delegated")
        .trim()
        .to_owned()
}

fn limited(bundle: Bundle<'_>, limits: Value) -> Bundle<'_> {
    bundle.set("/linux/resources", limits)
}

fn limits_of_a_user_are_properties(t: &Test) {
    let _alone = alone(t);
    let limits = json!({
        "pids": {"limit": 42},
        "memory": {"limit": 67_108_864, "reservation": 33_554_432, "swap": 100_663_296},
        "cpu": {"shares": 2048, "quota": 50_000, "period": 100_000},
    });
    let c = limited(of_user(t, t.sleeper()), limits).started();
    for (property, want, file, value) in [
        ("TasksMax", "42", "pids.max", "42"),
        ("MemoryMax", "67108864", "memory.max", "67108864"),
        ("MemoryLow", "33554432", "memory.low", "33554432"),
        ("MemorySwapMax", "33554432", "memory.swap.max", "33554432"),
        ("CPUQuotaPerSecUSec", "500ms", "cpu.max", "50000 100000"),
    ] {
        assert_eq!(show(t, &unit(&c), property), want, "{property}");
        assert_eq!(read(&c, file), value, "{file}");
    }
    assert_eq!(show(t, &unit(&c), "CPUWeight"), read(&c, "cpu.weight"));
}

fn limits_of_a_user_are_felt(t: &Test) {
    let _alone = alone(t);
    let forked = |limits: Option<Value>| {
        let bundle = of_user(t, t.args(&["/probe", "fork", "50"]).with_probe());
        let bundle = match limits {
            Some(limits) => limited(bundle, limits),
            None => bundle,
        };
        let said = bundle.run().ok();
        said.value("forked").parse::<u32>().expect("a number")
    };
    let under = forked(Some(json!({"pids": {"limit": 20}})));
    assert!(
        (10..=19).contains(&under),
        "{under} children under a limit of 20"
    );
    assert_eq!(forked(None), 50, "without a limit");
    let touch = |memory: Value| {
        let bundle = of_user(t, t.args(&["/probe", "memory", "64"]).with_probe());
        limited(bundle, json!({"memory": memory})).run()
    };
    touch(json!({"limit": 16 << 20, "swap": 16 << 20})).exits(137);
    touch(json!({"limit": 256 << 20, "swap": 256 << 20})).exits(0);
}

fn an_update_of_a_user_is_felt(t: &Test) {
    let _alone = alone(t);
    let bundle = of_user(t, t.sleeper().with_probe());
    let c = limited(bundle, json!({"pids": {"limit": 100}})).started();
    let forks = || {
        let said = exec(t, &c, &["/probe", "fork", "50"]).ok();
        said.value("forked").parse::<u32>().expect("a number")
    };
    assert_eq!(forks(), 50);
    let update = call(t, &["update", "--pids-limit", "20", &c.id]);
    update.ok();
    assert_eq!(show(t, &unit(&c), "TasksMax"), "20");
    assert!((10..=19).contains(&forks()), "a limit of 20");
}

/// The runtime as the user, outside of everything that is the user's.
fn call(t: &Test, args: &[&str]) -> crate::harness::Output {
    let mut call = t.invocation(args, &user(t));
    call.env
        .push(("XDG_RUNTIME_DIR".to_owned(), RUNTIME_DIR.to_owned()));
    call.start().wait()
}

fn exec(t: &Test, c: &Container<'_>, command: &[&str]) -> crate::harness::Output {
    call(t, &[&["exec", &c.id], command].concat())
}

fn exec_joins_the_scope(t: &Test) {
    let _alone = alone(t);
    let c = of_user(t, t.sleeper()).started();
    let own = cgroup_of(c.pid(), "").expect("a version 2 group");
    let said = exec(t, &c, &["cat", "/proc/self/cgroup"]).ok();
    assert_eq!(said.text(), format!("0::{own}"));
}

/// A group with controllers for those below it takes no process itself.
fn exec_joins_where_the_first_process_is(t: &Test) {
    let _alone = alone(t);
    let c = of_user(t, t.sleeper()).started();
    let own = cgroup_of(c.pid(), "").expect("a version 2 group");
    let group = format!("/sys/fs/cgroup{own}");
    let script = format!(
        "mkdir {group}/leaf && echo {} > {group}/leaf/cgroup.procs && \
         echo +pids > {group}/cgroup.subtree_control",
        c.pid()
    );
    t.host("sh", &["-c", &script]);
    let said = exec(t, &c, &["cat", "/proc/self/cgroup"]).ok();
    assert_eq!(said.text(), format!("0::{own}/leaf"));
    c.call("delete", &["--force"]).ok();
    assert!(!Path::new(&group).exists());
}

fn delete_leaves_no_unit(t: &Test) {
    let _alone = alone(t);
    let c = of_user(t, t.sleeper()).started();
    let (unit, place) = (unit(&c), cgroup_of(c.pid(), "").expect("a version 2 group"));
    call(t, &["delete", "--force", &c.id]).ok();
    assert!(!Path::new(&format!("/sys/fs/cgroup{place}")).exists());
    let gone = || show(t, &unit, "LoadState") == "not-found";
    assert!(wait_until(gone), "{}", show(t, &unit, "ActiveState"));
    // And its name is free at once.
    let again = of_user(t, t.sh("true"));
    let path = format!("lockstep-test.slice:test:{}", c.id);
    again.set("/linux/cgroupsPath", path).run().ok();
}

fn a_name_that_is_taken_refused(t: &Test) {
    let _alone = alone(t);
    let c = of_user(t, t.sleeper()).started();
    let path = format!("lockstep-test.slice:test:{}", c.id);
    let second = of_user(t, t.sh("true")).set("/linux/cgroupsPath", path);
    second.run().fails_with(&[&unit(&c), "cgroupsPath"]);
    assert_eq!(c.status(), "running");
    assert_eq!(show(t, &unit(&c), "ActiveState"), "active");
}

/// A scope whose last process was killed may stay as failed; a container of that name needs no one to reset it.
fn a_failed_unit_s_name_is_free(t: &Test) {
    let _alone = alone(t);
    let bundle = of_user(t, t.sh("true"));
    let unit = format!("test-{}.scope", bundle.id);
    // Its process cannot be ended in time, which is what makes a scope fail.
    let script = format!(
        "systemd-run --user --scope -q --unit={unit} -p TimeoutStopSec=1 sh -c 'trap \"\" TERM; \
         while :; do sleep 0.2; done' & while ! systemctl --user -q is-active {unit}; do sleep 0.1; done; \
         systemctl --user stop {unit}; systemctl --user show --value -p ActiveState {unit}"
    );
    let runtime_dir = format!("XDG_RUNTIME_DIR={RUNTIME_DIR}");
    let ids = ["--clear-groups", "--reuid=1000", "--regid=1000"];
    let args = [&ids[..], &["env", &runtime_dir, "sh", "-c", &script]].concat();
    assert_eq!(t.host("setpriv", &args).trim(), "failed");
    bundle.run().ok();
}

fn without_the_runtime_directory_refused(t: &Test) {
    let _alone = alone(t);
    let bundle = of_user(t, t.sh("true")).runtime_env("XDG_RUNTIME_DIR", "");
    let refused = bundle.run();
    refused.fails_with(&["needs a running systemd"]);
}
