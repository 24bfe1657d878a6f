//! The systemd driver against a real systemd, which runs as the first process of a container.
//!
//! The container is made by runc, so that what is tested does not stand on itself.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::stage::{Stage, eventually, go, skip, waiting};
use crate::systemd_bundle::{self, SYSTEMD};
use crate::{Skip, Test};
use lockstep_oci::runtime::Resources;
use lockstep_plan::cgroup::systemd::{Machine, Manager};
use lockstep_plan::cgroup::{self as plan, CgroupPlan, Layout, Mode, systemd_property};
use lockstep_runtime::cgroup::{Cgroup, CgroupState, systemd};

const RUNC: &str = "/usr/sbin/runc";
/// An emulated machine takes long.
const BOOT: Duration = Duration::from_secs(300);

/// Tests for a machine without systemd, which every layout here is.
pub(crate) const TESTS: &[Test] = &[("without_systemd_the_driver_says_so", without_systemd)];

/// Tests for the inside of the container.
pub(crate) const INSIDE: &[Test] = &[
    ("a_scope_holds_the_container", a_scope_holds_the_container),
    ("limits_are_properties", limits_are_properties),
    ("a_running_unit_is_refused", a_running_unit_is_refused),
    (
        "a_failed_start_leaves_no_unit",
        a_failed_start_leaves_no_unit,
    ),
    (
        "device_rules_outlive_a_reload",
        device_rules_outlive_a_reload,
    ),
    (
        "the_same_name_is_free_at_once",
        the_same_name_is_free_at_once,
    ),
    ("the_bus_serves_as_well", the_bus_serves_as_well),
    ("a_slice_that_was_there_stays", a_slice_that_was_there_stays),
    ("a_slice_in_use_is_refused", a_slice_in_use_is_refused),
    (
        "an_update_of_devices_outlives_a_reload",
        an_update_of_devices_outlives_a_reload,
    ),
];

fn without_systemd(_: &Stage) -> Result<(), Skip> {
    if Path::new("/run/systemd/private").exists() {
        return Err("this machine runs systemd");
    }
    let error = systemd::find_manager(false, None).unwrap_err().to_string();
    assert!(
        error.contains("needs a running systemd (/run/systemd/private: connect(")
            && error.contains("; /run/dbus/system_bus_socket: "),
        "{error}"
    );
    let error = systemd::find_manager(true, None).unwrap_err().to_string();
    assert!(error.contains("$XDG_RUNTIME_DIR"), "{error}");
    Ok(())
}

/// Boots the container, lets it run this program with `--inside-systemd`, and reports.
pub(crate) fn outside(layout: &str, filter: &str) -> ExitCode {
    if !Path::new(SYSTEMD).exists() || !Path::new(RUNC).exists() {
        skip("systemd", "needs systemd and runc to be installed");
        return ExitCode::SUCCESS;
    }
    let name = format!("lockstep-test-{}-systemd", std::process::id());
    let work = format!("/tmp/{name}");
    bundle(&work, &name, &format!("{layout} {filter}"));
    let runc = |arguments: &[&str]| {
        let mut command = Command::new(RUNC);
        command
            .args(["--root", &format!("{work}/state")])
            .args(arguments);
        let log = fs::File::create(format!("{work}/log")).expect("a log");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        command.status().expect("runc runs").success()
    };
    let started = runc(&["run", "-d", "--bundle", &work, &name]);
    let end = Instant::now() + BOOT;
    let done = format!("{work}/out/done");
    while started && !Path::new(&done).exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = fs::read_to_string(format!("{work}/log")).unwrap_or_default();
    runc(&["delete", "--force", &name]);
    let text = fs::read_to_string(format!("{work}/out/text")).unwrap_or_default();
    print!("{text}");
    for line in text.lines() {
        if let Some((test, reason)) = line.strip_prefix("SKIP ").and_then(|l| l.split_once(": ")) {
            skip(test, reason);
        }
    }
    let passed = fs::read_to_string(&done).is_ok_and(|status| status.trim() == "0");
    if !passed {
        println!("systemd did not run the tests to a good end: {log}");
    }
    let gone = fs::remove_dir_all(&work).is_ok();
    // runc removes the container's directory, and the container had no other.
    let left = [
        format!("/sys/fs/cgroup/{name}"),
        format!("/sys/fs/cgroup/systemd/{name}"),
    ];
    let left = left.iter().any(|dir| Path::new(dir).exists());
    if passed && gone && !left {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn bundle(work: &str, name: &str, filter: &str) {
    let program = std::env::current_exe().expect("own path");
    let start = format!(
        "/bin/sh -c '/test/program --inside-systemd {filter} > /out/text 2>&1; echo $? > /out/done'"
    );
    let service = format!(
        "[Unit]\nDefaultDependencies=no\nAfter=dbus.service\n[Service]\nType=oneshot\nExecStart={start}\n"
    );
    let out = format!("{work}/out");
    for dir in [out.clone(), format!("{work}/rootfs/test")] {
        fs::create_dir_all(dir).expect("a directory");
    }
    fs::copy(program, format!("{work}/rootfs/test/program")).expect("a copy");
    let wants = ["dbus.service", "lockstep.service"];
    systemd_bundle::write(work, &format!("/{name}"), &wants, &[(&out, "/out")]);
    let unit = format!("{work}/rootfs/etc/systemd/system/lockstep.service");
    fs::write(unit, service).expect("writable");
}

fn manager() -> Manager {
    systemd::find_manager(false, None).expect("systemd answers")
}

fn planned(stage: &Stage, manager: &Manager, name: &str, text: &str) -> CgroupPlan {
    let resources: Resources = serde_json::from_str(text).expect("resources parse");
    let path = format!("lockstep-test.slice:test:{name}");
    let defaults = plan::default_devices();
    plan::plan_systemd(
        Some(&path),
        name,
        Some(&resources),
        &defaults,
        &stage.layout,
        false,
        manager,
    )
    .expect("a plan")
}

fn create(stage: &Stage, plan: &CgroupPlan) -> Cgroup {
    let mut cgroup = Cgroup::create(plan, &stage.layout).expect("a unit");
    cgroup.apply(&plan.writes, &stage.layout).expect("limits");
    cgroup
        .apply_devices(&plan.devices, &stage.layout)
        .expect("devices");
    cgroup
}

fn show(unit: &str, property: &str) -> String {
    let output = Command::new("systemctl")
        .args(["show", "--value", "-p", property, unit])
        .output();
    String::from_utf8(output.expect("systemctl runs").stdout)
        .expect("text")
        .trim()
        .to_owned()
}

fn a_scope_holds_the_container(stage: &Stage) -> Result<(), Skip> {
    let manager = manager();
    assert!(manager.version >= 250, "{manager:?}");
    let plan = planned(stage, &manager, "one", "{}");
    let mut cgroup = create(stage, &plan);
    assert_eq!(cgroup.state(), &CgroupState::intended(&plan, &stage.layout));
    assert_eq!(show("test-one.scope", "ActiveState"), "active");
    assert_eq!(show("test-one.scope", "Slice"), "lockstep-test.slice");
    assert_eq!(show("test-one.scope", "Delegate"), "yes");
    assert_eq!(show("test-one.scope", "Description"), "container one");
    assert_eq!(cgroup.pids().unwrap().len(), 1, "the placeholder");
    assert!(cgroup.clone_into_fd().unwrap().is_none());
    let mut child = waiting("cat /proc/self/cgroup");
    cgroup.join(child.id() as i32).unwrap();
    assert_eq!(cgroup.pids().unwrap(), [child.id() as i32]);
    let unified = stage.layout.unified().is_some();
    assert_eq!(cgroup.clone_into_fd().unwrap().is_some(), unified);
    go(&mut child);
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let place = "/lockstep.slice/lockstep-test.slice/test-one.scope";
    let ours = text.lines().filter(|line| line.ends_with(place));
    assert_eq!(ours.count(), stage.layout.hierarchies.len(), "{text}");
    // Empty, so systemd takes it away by itself.
    eventually("it is collected", || {
        show("test-one.scope", "LoadState") == "not-found"
    });
    cgroup.delete(true).unwrap();
    assert!(
        cgroup
            .state()
            .dirs
            .iter()
            .all(|d| !Path::new(&d.path).exists())
    );
    Ok(())
}

fn limits_are_properties(stage: &Stage) -> Result<(), Skip> {
    let manager = manager();
    let text = r#"{"memory":{"limit":33554432},"pids":{"limit":77},
        "cpu":{"shares":2048,"quota":50000}}"#;
    let new = r#"{"pids":{"limit":78},"cpu":{"cpus":"0"}}"#;
    let resources: Resources = serde_json::from_str(text).unwrap();
    let new: Resources = serde_json::from_str(new).unwrap();
    let unified = stage.layout.mode == Mode::V2;
    let mut layout = stage.layout.clone();
    if unified {
        // This kernel's v2 hierarchy has not the controllers: the properties are there all the same.
        layout.hierarchies[0].controllers = ["memory", "pids", "cpu", "cpuset", "io"]
            .map(str::to_owned)
            .to_vec();
    }
    let path = Some("lockstep-test.slice:test:two");
    let mut plan =
        plan::plan_systemd(path, "two", Some(&resources), &[], &layout, false, &manager).unwrap();
    let mut update = plan::update(
        &new,
        &resources,
        &[],
        &layout,
        false,
        Some(&Machine::default()),
    )
    .unwrap();
    if unified {
        plan.enable = None;
        plan.writes.clear();
        update.enable = None;
        update.writes.clear();
        update.again.clear();
    }
    let annotations = [
        ("org.systemd.property.TimeoutStopSec", "7"),
        ("org.systemd.property.Description", "'told otherwise'"),
        ("org.systemd.property.KillSignal", "int32 10"),
        ("org.systemd.property.After", "['basic.target']"),
    ];
    let annotations = annotations.map(|(key, value)| (key, value.to_owned()));
    let asked = systemd_property::of_annotations(&annotations.into_iter().collect()).unwrap();
    plan.unit.as_mut().unwrap().properties.extend(asked);
    let cgroup = create(stage, &plan);
    let unit = "test-two.scope";
    let names = if unified {
        [("MemoryMax", "33554432"), ("CPUWeight", "174")]
    } else {
        [("MemoryLimit", "33554432"), ("CPUShares", "2048")]
    };
    for (name, value) in names {
        assert_eq!(show(unit, name), value, "{name}");
    }
    assert_eq!(show(unit, "TasksMax"), "77");
    assert_eq!(show(unit, "CPUQuotaPerSecUSec"), "500ms");
    assert_eq!(show(unit, "Description"), "told otherwise");
    assert_eq!(show(unit, "TimeoutStopUSec"), "7s");
    assert_eq!(show(unit, "KillSignal"), "10");
    assert!(show(unit, "After").contains("basic.target"));
    cgroup.update(&update, &stage.layout).unwrap();
    assert_eq!(show(unit, "TasksMax"), "78");
    refused_update_changes_no_property(stage, &cgroup, &layout);
    if unified {
        assert_eq!(show(unit, "AllowedCPUs"), "0");
    } else {
        assert!(
            Command::new("systemctl")
                .arg("daemon-reload")
                .status()
                .unwrap()
                .success()
        );
        for (controller, file, value) in [
            ("memory", "memory.limit_in_bytes", "33554432"),
            ("pids", "pids.max", "78"),
            ("cpu", "cpu.shares", "2048"),
            ("cpu", "cpu.cfs_quota_us", "50000"),
            ("cpuset", "cpuset.cpus", "0"),
        ] {
            let dir = cgroup
                .state()
                .dirs
                .iter()
                .find(|d| d.label.split(',').any(|label| label == controller))
                .unwrap();
            let text = fs::read_to_string(format!("{}/{file}", dir.path)).unwrap();
            assert_eq!(text.trim(), value, "{file}");
        }
    }
    cgroup.delete(true).unwrap();
    Ok(())
}

/// Of what is limited so far, and of what is not.
fn refused_update_changes_no_property(stage: &Stage, cgroup: &Cgroup, layout: &Layout) {
    let names = [
        "TasksMax",
        "CPUQuotaPerSecUSec",
        "BlockIOWeight",
        "IOWeight",
    ];
    let properties = || names.map(|name| show("test-two.scope", name));
    let before = properties();
    let parse = |text| serde_json::from_str::<Resources>(text).unwrap();
    let existing = parse(r#"{"pids":{"limit":78},"cpu":{"shares":2048,"quota":50000}}"#);
    let new = r#"{"pids":{"limit":79},"cpu":{"quota":70000},"blockIO":{"weight":200}}"#;
    let mut update = plan::update(
        &parse(new),
        &existing,
        &[],
        layout,
        false,
        Some(&Machine::default()),
    )
    .unwrap();
    update.enable = None;
    update.again.clear();
    update.writes = vec![plan::Write {
        hierarchy: 0,
        file: "cgroup.no-such-file".into(),
        value: "1".into(),
        because: String::new(),
        required: plan::Required::Hard,
        if_missing: plan::IfMissing::Fail,
        after_next: false,
        at_least: None,
    }];
    cgroup.update(&update, &stage.layout).unwrap_err();
    assert_eq!(properties(), before, "{names:?}");
}

fn a_running_unit_is_refused(stage: &Stage) -> Result<(), Skip> {
    let manager = manager();
    let plan = planned(stage, &manager, "three", "{}");
    let first = create(stage, &plan);
    let error = Cgroup::create(&plan, &stage.layout).unwrap_err();
    assert!(error.to_string().contains("UnitExists"), "{error}");
    assert_eq!(error.pointer(), "/linux/cgroupsPath");
    assert_eq!(show("test-three.scope", "ActiveState"), "active");
    first.delete(true).unwrap();
    assert_eq!(show("test-three.scope", "LoadState"), "not-found");
    Ok(())
}

fn a_failed_start_leaves_no_unit(stage: &Stage) -> Result<(), Skip> {
    let manager = manager();
    let mut plan = planned(stage, &manager, "four", "{}");
    plan.dirs.push(plan::Dir {
        hierarchy: 0,
        path: "x/".repeat(3000),
        tolerate: false,
    });
    let error = Cgroup::create(&plan, &stage.layout)
        .unwrap_err()
        .to_string();
    assert!(error.contains("ENAMETOOLONG"), "{error}");
    assert_eq!(show("test-four.scope", "LoadState"), "not-found");
    Ok(())
}

fn device_rules_outlive_a_reload(stage: &Stage) -> Result<(), Skip> {
    let manager = manager();
    let plan = planned(stage, &manager, "five", "{}");
    let mut cgroup = create(stage, &plan);
    fs::write("/tmp/keep", "").unwrap();
    let mut keeper = waiting("exec sleep 1000");
    cgroup.join(keeper.id() as i32).unwrap();
    go(&mut keeper);
    let mut open = |what: &str| {
        let mut child = waiting(what);
        cgroup.join(child.id() as i32).unwrap();
        go(&mut child);
        child.wait().unwrap().success()
    };
    let script = "cd /dev; [ -e kmsg-test ] || mknod kmsg-test c 1 11; (: < kmsg-test)";
    assert!(open("(: < /dev/null)"));
    assert!(!open(script));
    assert!(
        Command::new("systemctl")
            .arg("daemon-reload")
            .status()
            .unwrap()
            .success()
    );
    assert!(open("(: < /dev/null)"));
    assert!(!open(script));
    cgroup.delete(true).unwrap();
    keeper.wait().unwrap();
    Ok(())
}

fn the_same_name_is_free_at_once(stage: &Stage) -> Result<(), Skip> {
    let manager = manager();
    for _ in 0..20 {
        let plan = planned(stage, &manager, "six", "{}");
        let mut cgroup = create(stage, &plan);
        let mut child = waiting("trap '' TERM; sleep 1000 & wait");
        cgroup.join(child.id() as i32).unwrap();
        go(&mut child);
        // As another process would: from the state alone.
        let state = cgroup.state().clone();
        drop(cgroup);
        Cgroup::open(&state).delete(true).unwrap();
        child.wait().unwrap();
    }
    Ok(())
}

fn the_bus_serves_as_well(stage: &Stage) -> Result<(), Skip> {
    let bus = "/run/dbus/system_bus_socket";
    if !Path::new(bus).exists() {
        return Err("no bus runs beside systemd");
    }
    let mut manager = manager();
    manager.socket = bus.to_owned();
    let plan = planned(stage, &manager, "seven", "{}");
    let cgroup = create(stage, &plan);
    assert_eq!(show("test-seven.scope", "ActiveState"), "active");
    cgroup.delete(true).unwrap();
    assert_eq!(show("test-seven.scope", "LoadState"), "not-found");
    Ok(())
}

fn systemctl(arguments: &[&str]) {
    let status = Command::new("systemctl").args(arguments).status();
    assert!(status.expect("systemctl runs").success(), "{arguments:?}");
}

/// A service of somebody else in a slice.
fn neighbour(slice: &str, name: &str) {
    let status = Command::new("systemd-run")
        .args(["--quiet", "--slice", slice, "--unit", name, "sleep", "1000"])
        .status();
    assert!(status.expect("systemd-run runs").success());
}

fn in_slice(stage: &Stage, manager: &Manager, slice: &str) -> CgroupPlan {
    let path = format!("lockstep-test.slice:x:{slice}");
    let none = Resources::default();
    plan::plan_systemd(
        Some(&path),
        "s",
        Some(&none),
        &[],
        &stage.layout,
        false,
        manager,
    )
    .unwrap()
}

/// A container that names it as its own unit neither kills nor stops what is there, or comes there.
fn a_slice_that_was_there_stays(stage: &Stage) -> Result<(), Skip> {
    let manager = manager();
    let slice = "lockstep-test-shared.slice";
    systemctl(&["start", slice]);
    let cgroup = Cgroup::create(&in_slice(stage, &manager, slice), &stage.layout).unwrap();
    let state = cgroup.state().clone();
    assert!(state.unit.as_ref().unwrap().found);
    neighbour(slice, "comes");
    assert_eq!(show("comes.service", "ActiveState"), "active");
    let pid = show("comes.service", "MainPID");
    assert_eq!(Cgroup::open(&state).delete(true).unwrap(), None);
    assert_eq!(show(slice, "ActiveState"), "active");
    assert_eq!(show("comes.service", "MainPID"), pid);
    assert_eq!(show("comes.service", "ActiveState"), "active");
    systemctl(&["stop", "comes.service", slice]);
    Ok(())
}

fn a_slice_in_use_is_refused(stage: &Stage) -> Result<(), Skip> {
    let manager = manager();
    let slice = "lockstep-test-used.slice";
    neighbour(slice, "uses");
    let error = Cgroup::create(&in_slice(stage, &manager, slice), &stage.layout).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cgroup is not empty: 1 process(es)"),
        "{error}"
    );
    assert_eq!(show("uses.service", "ActiveState"), "active");
    systemctl(&["stop", "uses.service", slice]);
    // One of its own goes with the container.
    let cgroup = Cgroup::create(&in_slice(stage, &manager, slice), &stage.layout).unwrap();
    assert!(!cgroup.state().unit.as_ref().unwrap().found);
    cgroup.delete(true).unwrap();
    assert_ne!(show(slice, "ActiveState"), "active");
    Ok(())
}

fn an_update_of_devices_outlives_a_reload(stage: &Stage) -> Result<(), Skip> {
    let manager = manager();
    let mut cgroup = create(stage, &planned(stage, &manager, "eight", "{}"));
    let mut keeper = waiting("exec sleep 1000");
    cgroup.join(keeper.id() as i32).unwrap();
    go(&mut keeper);
    let machine = Machine {
        drivers: fs::read_to_string("/proc/devices").unwrap(),
        bfq: false,
    };
    let update = |cgroup: &Cgroup, old: &str, new: &str| {
        let parse = |text| serde_json::from_str::<Resources>(text).unwrap();
        let (defaults, layout) = (plan::default_devices(), &stage.layout);
        let update = plan::update(
            &parse(new),
            &parse(old),
            &defaults,
            layout,
            false,
            Some(&machine),
        );
        cgroup.update(&update.unwrap(), layout).unwrap();
    };
    let opens = |cgroup: &mut Cgroup, major: u32, minor: u32| {
        let mut child = waiting(&format!(
            "cd /tmp; rm -f probed; mknod probed c {major} {minor} && (: < probed)"
        ));
        cgroup.join(child.id() as i32).unwrap();
        go(&mut child);
        child.wait().unwrap().success()
    };
    // /tmp is without devices.
    let status = Command::new("mount")
        .args(["-o", "remount,dev", "/tmp"])
        .status();
    assert!(status.unwrap().success());
    let control = r#"{"devices":[{"allow":true,"type":"c","major":10,"minor":237,"access":"r"}]}"#;
    assert!(!opens(&mut cgroup, 10, 237));
    update(&cgroup, "{}", control);
    assert!(opens(&mut cgroup, 10, 237));
    systemctl(&["daemon-reload"]);
    assert!(opens(&mut cgroup, 10, 237) && opens(&mut cgroup, 1, 3));
    let none = r#"{"devices":[{"allow":false,"access":"rwm"}]}"#;
    update(&cgroup, control, none);
    systemctl(&["daemon-reload"]);
    assert!(!opens(&mut cgroup, 10, 237) && opens(&mut cgroup, 1, 3));
    cgroup.delete(true).unwrap();
    keeper.wait().unwrap();
    Ok(())
}
