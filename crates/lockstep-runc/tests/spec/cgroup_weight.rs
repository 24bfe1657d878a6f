//! `linux.resources.blockIO.weight` and `weightDevice` as two readers of one disk feel them, on both versions.

use std::ops::Range;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cgroup;
use crate::cgroup_block::device_numbers;
use crate::cgroup_v2::{machine, read};
use crate::harness::{CgroupLayout, Container, Host, Test, cases, wait_until};

cases! {
    a_weight_is_a_share_of_the_disk,
    a_weight_for_one_disk,
}

/// A disk of the test's own, whose scheduler is bfq: of no other are weights felt whatever the disk's speed.
pub(crate) struct LoopDisk {
    path: String,
    pub(crate) major: u64,
    pub(crate) minor: u64,
}

impl LoopDisk {
    pub(crate) fn attach(t: &Test) -> Self {
        t.need(Host::get().has_program("losetup"), "no losetup(8) (mount)");
        let file = t.file("disk", "");
        let sparse = std::fs::OpenOptions::new().write(true).open(&file);
        let sized = sparse.and_then(|sparse| sparse.set_len(1 << 20));
        sized.expect("a file of holes");
        let path = t.host("losetup", &["-f", "--show", &file.display().to_string()]);
        let path = path.trim().to_owned();
        let numbers = t.host("stat", &["-c", "%Hr:%Lr", &path]);
        let (major, minor) = device_numbers(numbers.trim());
        let disk = Self { path, major, minor };
        t.need(
            disk.queue("scheduler", "bfq"),
            "no bfq scheduler (CONFIG_BFQ_GROUP_IOSCHED)",
        );
        // One request at a time, so that the disk is what both wait for; who has his turn keeps it while he waits for a
        // processor; and nobody is favoured for having just begun.
        for (name, value) in [
            ("strict_guarantees", "1"),
            ("slice_idle", "200"),
            ("low_latency", "0"),
        ] {
            assert!(disk.queue(&format!("iosched/{name}"), value), "{name}");
        }
        disk
    }

    fn queue(&self, name: &str, value: &str) -> bool {
        let (major, minor) = (self.major, self.minor);
        let file = format!("/sys/dev/block/{major}:{minor}/queue/{name}");
        std::fs::write(file, value).is_ok()
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // The scheduler outlives the file.
        self.queue("scheduler", "none");
        Command::new("losetup")
            .args(["-d", &self.path])
            .status()
            .ok();
    }
}

/// Bytes that a container has read of a disk.
fn bytes(t: &Test, c: &Container<'_>, disk: &LoopDisk) -> u64 {
    let v2 = Host::get().cgroups == CgroupLayout::V2;
    let (text, before) = match v2 {
        true => (read(c, &machine(t, "io"), "io.stat"), "rbytes="),
        false => {
            let file = "blkio.bfq.io_service_bytes";
            (cgroup::value(c, "blkio", file), "Read ")
        }
    };
    let of_disk = format!("{}:{} ", disk.major, disk.minor);
    let mut lines = text.lines().filter(|line| line.starts_with(&of_disk));
    let number = lines.find_map(|line| line.split_once(before)?.1.split(' ').next()?.parse().ok());
    number.unwrap_or(0)
}

/// What the first of two that read a disk as fast as they can gets of it, as a multiple of what the second gets.
fn ratio(t: &Test, disk: &LoopDisk, limits: [Value; 2]) -> f64 {
    let (major, minor) = (disk.major, disk.minor);
    let device = json!({"type": "b", "path": "/dev/read", "major": major, "minor": minor});
    let rule = json!({"allow": true, "type": "b", "major": major, "minor": minor, "access": "r"});
    let readers = limits.map(|limits| {
        let bundle = t.args(&["/probe", "read", "/dev/read"]).with_probe();
        let bundle = bundle.push("/linux/devices", device.clone());
        let bundle = bundle.push("/linux/resources/devices", rule.clone());
        bundle.set("/linux/resources/blockIO", limits).create()
    });
    for reader in &readers {
        reader.start();
    }
    let taken = || readers.each_ref().map(|reader| bytes(t, reader, disk));
    assert!(wait_until(|| !taken().contains(&0)), "{:?}", taken());
    let before = taken();
    let since = || {
        let now = taken();
        [now[0] - before[0], now[1] - before[1]]
    };
    // Many turns of both.
    std::thread::sleep(Duration::from_secs(2));
    assert!(wait_until(|| since().iter().sum::<u64>() > 32 << 20));
    let [first, second] = since();
    for reader in &readers {
        reader.call("delete", &["--force"]).ok();
    }
    first as f64 / second as f64
}

/// Asserts a ratio. Who gets no processor asks the disk for nothing, so other load has two chances to be over.
#[track_caller]
fn assert_ratio(t: &Test, disk: &LoopDisk, limits: [Value; 2], wanted: Range<f64>) {
    let mut seen = Vec::new();
    let good = (0..3).any(|_| {
        let ratio = ratio(t, disk, limits.clone());
        seen.push(ratio);
        wanted.contains(&ratio)
    });
    assert!(good, "{limits:?}: {seen:?} times the bytes");
}

fn a_weight_is_a_share_of_the_disk(t: &Test) {
    let disk = LoopDisk::attach(t);
    let weight = |weight: u64| json!({"weight": weight});
    assert_ratio(t, &disk, [weight(1000), weight(100)], 2.5..100.0);
    assert_ratio(t, &disk, [weight(100), weight(100)], 0.5..2.0);
}

fn a_weight_for_one_disk(t: &Test) {
    let disk = LoopDisk::attach(t);
    let weight = |weight: u64| {
        let (major, minor) = (disk.major, disk.minor);
        json!({"weight": 100, "weightDevice": [{"major": major, "minor": minor, "weight": weight}]})
    };
    assert_ratio(t, &disk, [weight(1000), weight(100)], 2.5..100.0);
    assert_ratio(t, &disk, [weight(100), weight(100)], 0.5..2.0);
}
