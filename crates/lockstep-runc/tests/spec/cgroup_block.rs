//! `linux.resources.blockIO` on version 1: weights and throttles, in the files of the kernel.

use serde_json::json;

use crate::cgroup::{limited, need_v1, value};
use crate::cgroup_weight::LoopDisk;
use crate::harness::{Test, cases};

cases! {
    block_io_weight,
    block_io_weight_device,
    block_io_throttles,
    block_io_leaf_weight_is_not_silent: "runc 1.1.5 asks for a file that this kernel lacks",
}

fn block_io_weight(t: &Test) {
    need_v1(t);
    // With its scheduler there is the file.
    let _disk = LoopDisk::attach(t);
    let c = limited(t, "blockIO", json!({"weight": 123}));
    assert_eq!(value(&c, "blkio", "blkio.bfq.weight"), "123");
}

fn block_io_weight_device(t: &Test) {
    need_v1(t);
    let disk = LoopDisk::attach(t);
    let entry = json!([{"major": disk.major, "minor": disk.minor, "weight": 321}]);
    let c = limited(t, "blockIO", json!({"weightDevice": entry}));
    let text = value(&c, "blkio", "blkio.bfq.weight_device");
    let line = format!("{}:{} 321", disk.major, disk.minor);
    assert!(text.lines().any(|one| one == line), "{text}");
}

/// Major and minor number of the disk below the root file system.
pub(crate) fn disk(t: &Test) -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts");
    let root = crate::harness::parse_mounts(&text)
        .into_iter()
        .find(|mount| mount.point == "/");
    let device = root.expect("a root").device;
    t.need(
        !device.starts_with("0:"),
        "the root file system is on no block device",
    );
    device_numbers(&device)
}

pub(crate) fn device_numbers(text: &str) -> (u64, u64) {
    let (major, minor) = text.split_once(':').expect("major:minor");
    (
        major.parse().expect("a number"),
        minor.parse().expect("a number"),
    )
}

fn block_io_throttles(t: &Test) {
    let (major, minor) = disk(t);
    let entry = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    let c = limited(
        t,
        "blockIO",
        json!({
            "throttleReadBpsDevice": entry(1_000_000),
            "throttleWriteBpsDevice": entry(2_000_000),
            "throttleReadIOPSDevice": entry(300),
            "throttleWriteIOPSDevice": entry(400)
        }),
    );
    for (file, rate) in [
        ("read_bps", 1_000_000),
        ("write_bps", 2_000_000),
        ("read_iops", 300),
        ("write_iops", 400),
    ] {
        let text = value(&c, "blkio", &format!("blkio.throttle.{file}_device"));
        assert_eq!(text, format!("{major}:{minor} {rate}"));
    }
}

fn block_io_leaf_weight_is_not_silent(t: &Test) {
    need_v1(t);
    for (value, file) in [
        (json!({"leafWeight": 500}), "blkio.leaf_weight"),
        (
            json!({"weightDevice": [{"major": 254, "minor": 0, "leafWeight": 500}]}),
            "blkio.leaf_weight_device",
        ),
    ] {
        let output = t.sh("true").set("/linux/resources/blockIO", value).run();
        assert!(output.stderr.contains(file), "{output:?}");
    }
}
