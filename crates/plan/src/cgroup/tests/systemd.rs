//! Units, their places and their properties.

use super::hosts::{v1, v2};
use super::systemd::{Machine, Manager, Property, Unit, Value};
use super::systemd_limit::properties;
use super::*;

fn manager(user: bool) -> Manager {
    Manager {
        socket: "/run/systemd/private".to_owned(),
        version: 252,
        control_group: if user {
            "/user.slice/user-7.slice/user@7.service".to_owned()
        } else {
            String::new()
        },
        user,
        machine: Machine {
            drivers: "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  7 loop\n"
                .to_owned(),
            bfq: false,
        },
    }
}

fn on(path: Option<&str>, text: &str, layout: &Layout, user: bool) -> Result<CgroupPlan, Error> {
    let resources: Resources = serde_json::from_str(text).expect("resources parse");
    let defaults = default_devices();
    plan_systemd(
        path,
        "id",
        Some(&resources),
        &defaults,
        layout,
        user,
        &manager(user),
    )
}

fn place(path: Option<&str>, layout: &Layout, user: bool) -> (String, String) {
    let plan = on(path, "{}", layout, user).expect("a plan");
    (plan.unit.expect("a unit").name, plan.dirs[0].path.clone())
}

fn get(unit: &Unit, name: &str) -> Option<Value> {
    let found = unit.properties.iter().rfind(|p| p.name == name);
    found.map(|p| p.value.clone())
}

#[test]
fn the_path_names_slice_and_scope() {
    let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let host = v2();
    assert_eq!(
        place(Some("machine-a.slice:pod:c1"), &host, false),
        both("pod-c1.scope", "machine.slice/machine-a.slice/pod-c1.scope")
    );
    assert_eq!(
        place(None, &host, false),
        both("lockstep-id.scope", "system.slice/lockstep-id.scope")
    );
    assert_eq!(
        place(Some("-::c1"), &host, false),
        both("c1.scope", "c1.scope")
    );
    assert_eq!(
        place(Some("a.slice:x:b.slice"), &v1(), false),
        both("b.slice", "a.slice/b.slice")
    );
    assert_eq!(
        place(Some("::c1"), &host, true).1,
        "user.slice/user-7.slice/user@7.service/user.slice/c1.scope"
    );
}

#[test]
fn other_paths_are_refused() {
    for path in [
        "/a/b",
        "a:b",
        "a.slice:b:c:d",
        "a:b:c",
        "a--b.slice:c:d",
        "a.slice:b:",
        "a.slice:b:c/d",
    ] {
        let error = on(Some(path), "{}", &v2(), false).expect_err(path);
        assert_eq!(error.pointer, "/linux/cgroupsPath");
    }
    let error = on(Some("/a"), "{}", &v2(), false)
        .expect_err("a plain path")
        .to_string();
    assert!(
        error.contains("of format \"slice:prefix:name\" for systemd cgroups, got \"/a\""),
        "{error}"
    );
}

#[test]
fn limits_are_properties_and_writes() {
    let text = r#"{"memory":{"limit":100,"swap":150,"reservation":50},"pids":{"limit":9},
        "cpu":{"shares":1024,"quota":15000,"period":50000,"cpus":"0-2,9","mems":"0"},
        "blockIO":{"weight":500}}"#;
    let plan = on(Some("a.slice:b:c"), text, &v2(), false).unwrap();
    let unit = plan.unit.as_ref().unwrap();
    let number = |name| match get(unit, name) {
        Some(Value::Number(n)) => n,
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!(number("MemoryMax"), 100);
    assert_eq!(number("MemorySwapMax"), 50);
    assert_eq!(number("MemoryLow"), 50);
    assert_eq!(number("TasksMax"), 9);
    assert_eq!(number("CPUWeight"), 100);
    assert_eq!(number("CPUQuotaPerSecUSec"), 300_000);
    assert_eq!(number("CPUQuotaPeriodUSec"), 50_000);
    assert_eq!(number("IOWeight"), 4950);
    assert_eq!(
        get(unit, "AllowedCPUs"),
        Some(Value::Bytes(vec![0b111, 0b10]))
    );
    assert_eq!(get(unit, "Delegate"), Some(Value::Bool(true)));
    assert_eq!(get(unit, "Slice"), Some(Value::Text("a.slice".to_owned())));
    assert_eq!(get(unit, "DeviceAllow"), None);
    // The files are written all the same.
    assert_eq!(plan.writes, planned(text, &v2()).unwrap().writes);
}

#[test]
fn unlimited_has_its_number() {
    let new: Resources =
        serde_json::from_str(r#"{"memory":{"limit":-1},"pids":{"limit":-1},"cpu":{"quota":-1}}"#)
            .unwrap();
    let all = properties(&new, &Resources::default(), &v2(), false);
    let expected = [
        "MemoryMax",
        "MemorySwapMax",
        "CPUQuotaPerSecUSec",
        "TasksMax",
    ];
    assert_eq!(all.iter().map(|p| &*p.name).collect::<Vec<_>>(), expected);
    assert!(
        all.iter()
            .all(|p: &Property| p.value == Value::Number(u64::MAX))
    );
}

#[test]
fn properties_know_their_age() {
    let new: Resources =
        serde_json::from_str(r#"{"cpu":{"idle":1,"cpus":"0","period":50000}}"#).unwrap();
    let all = properties(&new, &Resources::default(), &v2(), false);
    let ages: Vec<_> = all.iter().map(|p| (&*p.name, p.since)).collect();
    assert_eq!(
        ages,
        [
            ("CPUWeight", 252),
            ("CPUQuotaPeriodUSec", 242),
            ("CPUQuotaPerSecUSec", 0),
            ("AllowedCPUs", 244)
        ]
    );
}

fn parse(text: &str) -> Resources {
    serde_json::from_str(text).expect("resources")
}

fn told(new: &str, old: &str, layout: &Layout) -> Vec<(String, Value)> {
    let all = properties(&parse(new), &parse(old), layout, false);
    all.into_iter()
        .map(|p| (p.name.into_owned(), p.value))
        .collect()
}

fn numbers(all: &[(&str, u64)]) -> Vec<(String, Value)> {
    all.iter()
        .map(|&(name, n)| (name.to_owned(), Value::Number(n)))
        .collect()
}

#[test]
fn what_unified_says_is_told_and_is_the_last_word() {
    let text = r#"{"memory":{"limit":100},"unified":{"memory.max":"64M","memory.high":"1g","memory.min":"4096",
        "memory.swap.max":"max","memory.low":"7x","cpu.max":"20000 50000","cpu.weight":"200","pids.max":"9",
        "io.weight":"default 50","cgroup.freeze":"0"}}"#;
    assert_eq!(
        told(text, "{}", &v2()),
        numbers(&[
            ("MemoryMax", 100),
            ("MemoryMax", 64 << 20),
            ("MemoryHigh", 1 << 30),
            ("MemoryMin", 4096),
            ("MemorySwapMax", u64::MAX),
            ("CPUQuotaPeriodUSec", 50_000),
            ("CPUQuotaPerSecUSec", 400_000),
            ("CPUWeight", 200),
            ("TasksMax", 9),
            ("IOWeight", 50),
        ])
    );
    let sets = told(
        r#"{"unified":{"cpuset.cpus":"0-2","cpuset.mems":"0"}}"#,
        "{}",
        &v2(),
    );
    let bytes = |name: &str, byte| (name.to_owned(), Value::Bytes(vec![byte]));
    assert_eq!(
        sets,
        [bytes("AllowedCPUs", 7), bytes("AllowedMemoryNodes", 1)]
    );
    // What systemd would refuse is the kernel's to judge.
    let zero = r#"{"unified":{"memory.max":"0","memory.high":"0","cpu.weight":"0","cpu.max":"max","io.weight":"0"}}"#;
    assert_eq!(
        told(zero, "{}", &v2()),
        numbers(&[("CPUQuotaPerSecUSec", u64::MAX)])
    );
}

#[test]
fn what_goes_back_to_its_default_is_told() {
    let none = [("CPUQuotaPerSecUSec", 500_000)];
    let quota = r#"{"cpu":{"quota":50000,"period":100000}}"#;
    assert_eq!(told(quota, "{}", &v2()), numbers(&none));
    let period = [("CPUQuotaPeriodUSec", 100_000), none[0]];
    for old in [
        r#"{"cpu":{"quota":10000,"period":50000}}"#,
        r#"{"unified":{"cpu.max":"10000 50000"}}"#,
    ] {
        assert_eq!(told(quota, old, &v2()), numbers(&period), "{old}");
    }
    let woken = r#"{"cpu":{"idle":0}}"#;
    assert_eq!(told(woken, "{}", &v2()), []);
    let idle = r#"{"cpu":{"idle":1}}"#;
    assert_eq!(
        told(woken, idle, &v2()),
        numbers(&[("CPUWeight", u64::MAX)])
    );
    let idle = r#"{"cpu":{"idle":1,"shares":1024}}"#;
    assert_eq!(told(woken, idle, &v2()), numbers(&[("CPUWeight", 100)]));
    let idle = r#"{"unified":{"cpu.idle":"1"}}"#;
    let woken = r#"{"unified":{"cpu.idle":"0"}}"#;
    assert_eq!(
        told(woken, idle, &v2()),
        numbers(&[("CPUWeight", u64::MAX)])
    );
}

#[test]
fn rates_and_weights_of_devices_are_told() {
    let text = r#"{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":10}],
        "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5},{"major":8,"minor":16,"rate":0}],
        "throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":7}]}}"#;
    let devices = |name: &str, list: &[(&str, u64)]| {
        let list = list
            .iter()
            .map(|&(path, n)| (format!("/dev/block/{path}"), n));
        (name.to_owned(), Value::Devices(list.collect()))
    };
    let read = [("8:0", 5), ("8:16", u64::MAX)];
    let expected = [
        devices("IODeviceWeight", &[("8:0", 1)]),
        devices("IOReadBandwidthMax", &read),
        devices("IOWriteIOPSMax", &[("8:0", 7)]),
    ];
    assert_eq!(told(text, "{}", &v2()), expected);
    let expected = [
        devices("BlockIODeviceWeight", &[("8:0", 10)]),
        devices("BlockIOReadBandwidth", &read),
    ];
    assert_eq!(told(text, "{}", &v1()), expected);
    // A refused update puts back what it is of each device.
    let new = r#"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":9},{"major":9,"minor":0,"rate":9}]}}"#;
    let update = update(
        &parse(new),
        &parse(text),
        &[],
        &v2(),
        false,
        Some(&Machine::default()),
    )
    .unwrap();
    let former = &update.former[0];
    let expected = devices("IOReadBandwidthMax", &[("8:0", 5), ("9:0", u64::MAX)]);
    assert_eq!((former.name.to_string(), former.value.clone()), expected);
}

/// What systemd then writes to `io.bfq.weight` is what was asked for, of its own conversion's inverse.
#[test]
fn weights_of_bfq_are_told_as_systemd_reads_them() {
    let told = |weight: u16| {
        let new = parse(&format!(r#"{{"blockIO":{{"weight":{weight}}}}}"#));
        match properties(&new, &Resources::default(), &v2(), true)[..] {
            [
                Property {
                    value: Value::Number(told),
                    ..
                },
            ] => told,
            ref other => panic!("{other:?}"),
        }
    };
    let written = |told: u64| match told {
        0..=100 => 100 - (100 - told) * 99 / 99,
        _ => 100 + (told - 100) * 900 / 9900,
    };
    for weight in 10..=1000 {
        assert_eq!(written(told(weight)), u64::from(weight));
    }
    assert_eq!((told(10), told(1000)), (10, 10_000));
    let lines = r#"{"unified":{"io.bfq.weight":"default 200\n8:0 300"}}"#;
    let all = properties(&parse(lines), &Resources::default(), &v2(), true);
    let devices = vec![("/dev/block/8:0".to_owned(), 2300)];
    let values: Vec<Value> = all.into_iter().map(|property| property.value).collect();
    assert_eq!(values, [Value::Number(1200), Value::Devices(devices)]);
}

#[test]
fn an_update_of_a_unit_writes_again_what_stays() {
    let old = parse(
        r#"{"memory":{"limit":100,"swap":150},"cpu":{"shares":1024},"pids":{"limit":9},
        "unified":{"memory.high":"50","memory.max":"70","io.max":"8:0 rbps=1\n8:16 rbps=2"}}"#,
    );
    let change = |text: &str, machine: Option<&Machine>| {
        update(&parse(text), &old, &[], &v2(), false, machine).unwrap()
    };
    let new = r#"{"memory":{"limit":120},"cpu":{"idle":1},"blockIO":{"throttleReadBpsDevice":[
        {"major":8,"minor":0,"rate":5}]}}"#;
    let update = change(new, Some(&Machine::default()));
    assert_eq!(
        lines(&update.again),
        ["pids.max = 9", "memory.high = 50", "io.max = 8:16 rbps=2"]
    );
    let unified = &update.rest.unified;
    assert_eq!(
        unified.get("memory.max"),
        None,
        "a limit that was overruled"
    );
    assert_eq!(
        unified.get("io.max").map(String::as_str),
        Some("8:16 rbps=2")
    );
    let alone = change(new, None);
    assert_eq!((alone.again, alone.properties), (vec![], vec![]));
    assert_eq!(alone.writes, update.writes);
}

#[test]
fn an_update_of_v1_devices_is_told() {
    let one = |minor| {
        parse(&format!(
            r#"{{"devices":[{{"allow":true,"type":"c","major":1,"minor":{minor},"access":"r"}}]}}"#
        ))
    };
    let update = update(
        &one(11),
        &one(12),
        &[],
        &v1(),
        false,
        Some(&Machine::default()),
    )
    .unwrap();
    let list = |minor| {
        let pair = (format!("/dev/char/1:{minor}"), "r".to_owned());
        [
            ("DevicePolicy", Value::Text("strict".to_owned())),
            ("DeviceAllow", Value::Pairs(Vec::new())),
            ("DeviceAllow", Value::Pairs(vec![pair])),
        ]
    };
    let flat = |all: &[Property]| {
        all.iter()
            .map(|p| (p.name.to_string(), p.value.clone()))
            .collect::<Vec<_>>()
    };
    let named = |all: [(&str, Value); 3]| all.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(flat(&update.properties), named(list(11)));
    assert_eq!(flat(&update.former), named(list(12)));
}

#[test]
fn v1_devices_are_named_as_systemd_names_them() {
    let text = r#"{"devices":[{"allow":true,"type":"b","major":7,"access":"rw"}]}"#;
    let plan = on(None, text, &v1(), false).unwrap();
    let unit = plan.unit.unwrap();
    assert_eq!(
        get(&unit, "DevicePolicy"),
        Some(Value::Text("strict".to_owned()))
    );
    let Some(Value::Pairs(allow)) = get(&unit, "DeviceAllow") else {
        panic!("no list");
    };
    for pair in [
        ("block-loop", "rw"),
        ("char-*", "m"),
        ("block-*", "m"),
        ("/dev/char/1:3", "rwm"),
        ("char-pts", "rwm"),
    ] {
        assert!(
            allow.contains(&(pair.0.to_owned(), pair.1.to_owned())),
            "{pair:?}: {allow:?}"
        );
    }
}

#[test]
fn annotations_are_properties() {
    let asked = |key: &str, text: &str| {
        let map = std::iter::once((key.to_owned(), text.to_owned())).collect();
        systemd_property::of_annotations(&map)
    };
    let one = |name: &str, text: &str| {
        let found = asked(&format!("org.systemd.property.{name}"), text).expect(text);
        assert_eq!(found.len(), 1);
        (found[0].name.to_string(), found[0].value.clone())
    };
    let named = |name: &str, value| (name.to_owned(), value);
    assert_eq!(
        one("TimeoutStopUSec", "uint64 123456789"),
        named("TimeoutStopUSec", Value::Number(123_456_789))
    );
    assert_eq!(
        one("TimeoutStopSec", "2"),
        named("TimeoutStopUSec", Value::Number(2_000_000))
    );
    assert_eq!(
        one("CollectMode", "'inactive-or-failed'"),
        named("CollectMode", Value::Text("inactive-or-failed".to_owned()))
    );
    assert_eq!(
        one("SendSIGHUP", "true"),
        named("SendSIGHUP", Value::Bool(true))
    );
    assert_eq!(
        one("KillSignal", "int32 9"),
        named("KillSignal", Value::Signed32(9))
    );
    assert_eq!(
        one("CPUAccounting", "true"),
        named("CPUAccounting", Value::Bool(true))
    );
    assert_eq!(
        one("DefaultDependencies", "false"),
        named("DefaultDependencies", Value::Bool(false))
    );
    let list = Value::Texts(vec!["a b".to_owned(), "it's".to_owned()]);
    assert_eq!(one("After", r#"["a b", 'it\'s']"#), named("After", list));
    assert!(asked("io.other", "x").unwrap().is_empty());
    for (name, text) in [
        // Limits are those of `resources`.
        ("MemoryMax", "uint64 18446744073709551615"),
        ("TasksMax", "uint64 18446744073709551615"),
        ("CPUQuotaPerSecSec", "100"),
        ("AllowedCPUs", "[]"),
        ("DevicePolicy", "'auto'"),
        ("IOWeight", "uint64 10000"),
        ("Slice", "'-.slice'"),
        ("Xy", "1"),
        ("a-b", "1"),
        ("Valid", "unquoted"),
        ("Valid", "'open"),
        ("Valid", "['a' 'b']"),
        ("Valid", "uint64 -1"),
        ("TimeoutSec", "-1"),
        ("TimeoutSec", "'x'"),
    ] {
        let error = asked(&format!("org.systemd.property.{name}"), text).expect_err(text);
        assert_eq!(
            error.pointer,
            format!("/annotations/org.systemd.property.{name}")
        );
    }
}
