//! What a refused update puts back.

use super::hosts;
use crate::cgroup::systemd::{Machine, Property, Value};
use crate::cgroup::systemd_limit::INFINITY;
use crate::cgroup::undo::former_value;
use crate::cgroup::{Resources, update};

#[test]
fn one_value_is_itself() {
    let text = "max 100000";
    let put = former_value("cpu.max", "20000 100000", text);
    assert_eq!(put.as_deref(), Some(text));
    assert_eq!(former_value("cgroup.stat", "1", "a 1\nb 2"), None);
}

#[test]
fn a_device_has_its_line_or_the_form_of_none() {
    let text = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2 wbps=max riops=max wiops=max";
    for (name, written, text, put) in [
        (
            "io.max",
            "8:0 rbps=9",
            text,
            "8:0 rbps=1 wbps=max riops=max wiops=max",
        ),
        (
            "io.max",
            "8:1 rbps=9",
            text,
            "8:1 rbps=max wbps=max riops=max wiops=max",
        ),
        ("io.weight", "300", "default 100\n8:0 50", "default 100"),
        ("io.weight", "8:0 300", "default 100\n8:0 50", "8:0 50"),
        (
            "io.weight",
            "8:16 300",
            "default 100\n8:0 50",
            "8:16 default",
        ),
        (
            "blkio.throttle.read_bps_device",
            "8:0 9",
            "8:0 1\n8:16 2",
            "8:0 1",
        ),
        ("blkio.throttle.read_bps_device", "8:1 9", "", "8:1 0"),
        (
            "blkio.bfq.weight_device",
            "8:1 9",
            "default 100",
            "8:1 default",
        ),
        ("blkio.leaf_weight_device", "8:1 9", "", "8:1 0"),
        (
            "rdma.max",
            "mlx hca_handle=1",
            "",
            "mlx hca_handle=max hca_object=max",
        ),
        ("net_prio.ifpriomap", "lo 5", "lo 0\neth0 3", "lo 0"),
    ] {
        let found = former_value(name, written, text);
        assert_eq!(found.as_deref(), Some(put), "{name} {written}");
    }
    assert_eq!(former_value("net_prio.ifpriomap", "gone 5", "lo 0"), None);
}

#[test]
fn a_property_has_what_the_configuration_says_or_nothing() {
    let parse = |text: &str| serde_json::from_str::<Resources>(text).expect("resources");
    let existing = parse(r#"{"memory":{"limit":4096},"pids":{"limit":7}}"#);
    let new = r#"{"memory":{"limit":8192,"reservation":4096},"pids":{"limit":8},"cpu":{"shares":9,"cpus":"0"}}"#;
    let layout = hosts::v2();
    let update = update(
        &parse(new),
        &existing,
        &[],
        &layout,
        false,
        Some(&Machine::default()),
    );
    let update = update.expect("a plan");
    let names = |all: &[Property]| all.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&update.former), names(&update.properties));
    let former = |name: &str| {
        let found = update.former.iter().find(|p| p.name == name);
        found.map(|p| p.value.clone())
    };
    assert_eq!(former("MemoryMax"), Some(Value::Number(4096)));
    assert_eq!(former("TasksMax"), Some(Value::Number(7)));
    assert_eq!(former("MemoryLow"), Some(Value::Number(0)));
    assert_eq!(former("CPUWeight"), Some(Value::Number(INFINITY)));
    assert_eq!(former("AllowedCPUs"), Some(Value::Bytes(Vec::new())));
}
