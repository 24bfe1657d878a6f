//! Limits as properties of a systemd unit (systemd.resource-control(5)).
//!
//! systemd writes all files of a controller when one property of it changes, and each again when it has been reloaded:
//! what it was not told is "no limit" then. It is told what it has properties for, also of what `unified` says.

use lockstep_oci::ordered_map::OrderedMap;
use lockstep_oci::runtime::{BlockIo, Cpu, Memory, Resources, ThrottleDevice};

use super::device::{self, DeviceRule, Kind};
use super::device_list::ListWrite;
use super::layout::{Layout, Mode};
use super::systemd::{Property, Value, property, property_since};
use super::{block_io, cpu};

/// Unlimited, or a weight that is not set.
pub(super) const INFINITY: u64 = u64::MAX;

/// Since 252 a weight of 0 is that of an idle group.
const IDLE_SINCE: u32 = 252;
/// Since 242 a period can be set.
const PERIOD_SINCE: u32 = 242;
/// Since 244 CPU sets can be.
const SETS_SINCE: u32 = 244;

/// systemd's default period of the quota, in microseconds.
const PERIOD: u64 = 100_000;
/// Steps in which systemd counts a quota, in microseconds of a second.
const QUOTA_STEP: u64 = 10_000;

/// The limits that systemd has a property for: those of `new`, completed by what is in force, `old`.
/// `bfq` as in [`super::systemd::Machine`].
pub(super) fn properties(
    new: &Resources,
    old: &Resources,
    layout: &Layout,
    bfq: bool,
) -> Vec<Property> {
    let unified = layout.mode == Mode::V2;
    let mut all = Vec::new();
    if let Some(memory) = &new.memory {
        memory_properties(&mut all, memory, old.memory.as_ref(), unified);
    }
    if let Some(cpu) = &new.cpu {
        cpu_properties(&mut all, cpu, old, unified);
    }
    if let Some(limit) = new.pids.as_ref().and_then(|pids| pids.limit) {
        all.push(tasks(u64::try_from(limit).unwrap_or(INFINITY)));
    }
    if let Some(io) = &new.block_io {
        block_io_properties(&mut all, io, unified, bfq);
    }
    if unified {
        // Last, as their files are: the last value of a property holds.
        unified_properties(&mut all, &new.unified, old);
    }
    all
}

/// systemd takes no 0; a single task is the same limit for one that may not fork.
fn tasks(limit: u64) -> Property {
    property("TasksMax", Value::Number(limit.max(1)))
}

fn bytes(value: Option<i64>) -> Option<u64> {
    value
        .filter(|&n| n != 0)
        .map(|n| u64::try_from(n).unwrap_or(INFINITY))
}

fn memory_properties(
    all: &mut Vec<Property>,
    memory: &Memory,
    old: Option<&Memory>,
    unified: bool,
) {
    let limit = bytes(memory.limit);
    if let Some(limit) = limit {
        let name = if unified { "MemoryMax" } else { "MemoryLimit" };
        all.push(property(name, Value::Number(limit)));
    }
    if !unified {
        return;
    }
    if let Some(low) = bytes(memory.reservation) {
        all.push(property("MemoryLow", Value::Number(low)));
    }
    let swap = match (bytes(memory.swap), limit) {
        (None, Some(INFINITY)) => Some(INFINITY),
        // The swap that is left of both together.
        (None, Some(_)) => old.and_then(|m| bytes(m.swap)),
        (swap, _) => swap,
    };
    match (swap, limit.or(old.and_then(|m| bytes(m.limit)))) {
        (Some(INFINITY), _) => all.push(property("MemorySwapMax", Value::Number(INFINITY))),
        (Some(swap), Some(limit)) => {
            let swap = Value::Number(swap.saturating_sub(limit));
            all.push(property("MemorySwapMax", swap));
        }
        _ => {}
    }
}

fn cpu_properties(all: &mut Vec<Property>, cpu: &Cpu, old: &Resources, unified: bool) {
    let before = old.cpu.as_ref();
    let woken = cpu.idle == Some(0) && before.is_some_and(|cpu| cpu.idle == Some(1));
    let shares = cpu::shares(cpu, before);
    match (unified, cpu.idle, shares) {
        (true, Some(1), _) => {
            all.push(property_since(IDLE_SINCE, "CPUWeight", Value::Number(0)));
        }
        (true, _, None) if woken => {
            all.push(property("CPUWeight", Value::Number(INFINITY)));
        }
        (_, Some(1), _) | (_, _, None) => {}
        (true, _, Some(shares)) => {
            let weight = cpu::weight_of_shares(shares);
            all.push(property("CPUWeight", Value::Number(weight)));
        }
        (false, _, Some(shares)) => all.push(property("CPUShares", Value::Number(shares))),
    }
    let period = cpu.period.filter(|&p| p != 0);
    let quota = cpu.quota.filter(|&q| q != 0);
    if period.is_some() || quota.is_some() {
        let quota = quota.or(before.and_then(|c| c.quota));
        let quota = quota.and_then(|q| u64::try_from(q).ok());
        bandwidth(all, quota.filter(|&q| q != 0), period, old);
    }
    if unified {
        sets(all, "AllowedCPUs", cpu.cpus.as_deref());
        sets(all, "AllowedMemoryNodes", cpu.mems.as_deref());
    }
}

/// The period of before, in microseconds.
fn old_period(old: &Resources) -> u64 {
    let raw = old.unified.get("cpu.max");
    let raw = raw.and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    let told = raw.or(old.cpu.as_ref().and_then(|cpu| cpu.period));
    told.filter(|&p| p != 0).unwrap_or(PERIOD)
}

/// A quota of microseconds per period; none is no limit.
fn bandwidth(all: &mut Vec<Property>, quota: Option<u64>, period: Option<u64>, old: &Resources) {
    let before = old_period(old);
    let period = period.unwrap_or(before);
    let per_second = match quota {
        // systemd rounds down, the container was promised no less.
        Some(quota) => (quota.saturating_mul(1_000_000) / period).next_multiple_of(QUOTA_STEP),
        None => INFINITY,
    };
    // One that was told stays until another is.
    if period != PERIOD || before != PERIOD {
        let value = Value::Number(period);
        all.push(property_since(PERIOD_SINCE, "CPUQuotaPeriodUSec", value));
    }
    all.push(property("CPUQuotaPerSecUSec", Value::Number(per_second)));
}

fn sets(all: &mut Vec<Property>, name: &'static str, list: Option<&str>) {
    if let Some(mask) = list.and_then(bit_mask) {
        all.push(property_since(SETS_SINCE, name, Value::Bytes(mask)));
    }
}

/// The weight of systemd (1 to 10000) that it writes as this one of BFQ (1 to 1000; systemd 250), which is not what
/// runtimes write to `io.weight` for it: it keeps weights up to the default, 100, and makes eleven one above.
fn told_of_bfq(weight: u64) -> u64 {
    weight + weight.saturating_sub(100) * 10
}

fn block_io_properties(all: &mut Vec<Property>, io: &BlockIo, unified: bool, bfq: bool) {
    let weight = |weight: u16| match (unified, bfq) {
        (true, true) => told_of_bfq(weight.into()),
        (true, false) => block_io::io_weight(weight),
        (false, _) => weight.into(),
    };
    if let Some(given) = io.weight.filter(|&w| w != 0) {
        let name = if unified { "IOWeight" } else { "BlockIOWeight" };
        all.push(property(name, Value::Number(weight(given))));
    }
    let weights = io.weight_device.iter().filter_map(|device| {
        let given = device.weight.filter(|&w| w != 0)?;
        Some((path(device.major, device.minor), weight(given)))
    });
    let name = if unified {
        "IODeviceWeight"
    } else {
        "BlockIODeviceWeight"
    };
    devices(all, name, weights.collect());
    // Operations in a second are unknown to systemd on version 1.
    let lists: [(&ThrottleList, &str, &str); 4] = [
        (
            &io.throttle_read_bps_device,
            "IOReadBandwidthMax",
            "BlockIOReadBandwidth",
        ),
        (
            &io.throttle_write_bps_device,
            "IOWriteBandwidthMax",
            "BlockIOWriteBandwidth",
        ),
        (&io.throttle_read_iops_device, "IOReadIOPSMax", ""),
        (&io.throttle_write_iops_device, "IOWriteIOPSMax", ""),
    ];
    for (list, v2, v1) in lists {
        let name = if unified { v2 } else { v1 };
        // 0 lifts the limit.
        let rate = |d: &ThrottleDevice| if d.rate == 0 { INFINITY } else { d.rate };
        let rates = list.iter().map(|d| (path(d.major, d.minor), rate(d)));
        if !name.is_empty() {
            devices(all, name, rates.collect());
        }
    }
}

type ThrottleList = Vec<ThrottleDevice>;

fn path(major: i64, minor: i64) -> String {
    format!("/dev/block/{major}:{minor}")
}

fn devices(all: &mut Vec<Property>, name: &'static str, list: Vec<(String, u64)>) {
    if !list.is_empty() {
        all.push(property(name, Value::Devices(list)));
    }
}

/// The files of `unified` that there are properties for, where systemd takes the value; else the kernel's word holds
/// alone.
fn unified_properties(all: &mut Vec<Property>, files: &OrderedMap<String>, old: &Resources) {
    for (file, text) in files.iter() {
        let text = text.trim();
        let mut push = |name, value: Option<u64>| {
            all.extend(value.map(|n| property(name, Value::Number(n))));
        };
        match file.as_str() {
            "memory.max" => push("MemoryMax", size(text).filter(|&n| n != 0)),
            "memory.high" => push("MemoryHigh", size(text).filter(|&n| n != 0)),
            "memory.low" => push("MemoryLow", size(text)),
            "memory.min" => push("MemoryMin", size(text)),
            "memory.swap.max" => push("MemorySwapMax", size(text)),
            "cpu.weight" => push("CPUWeight", weight(text, 10_000)),
            "cpu.idle" if text == "1" => {
                all.push(property_since(IDLE_SINCE, "CPUWeight", Value::Number(0)));
            }
            "cpu.idle" if old.unified.get(file).is_some_and(|old| old.trim() == "1") => {
                push("CPUWeight", Some(INFINITY));
            }
            "cpu.max" => {
                let mut words = text.split_whitespace();
                let quota = words.next().unwrap_or_default();
                let period = words.next().and_then(|word| word.parse().ok());
                let quota = quota.parse().ok().filter(|&q| q != 0);
                bandwidth(all, quota, period.filter(|&p| p != 0), old);
            }
            "cpuset.cpus" => sets(all, "AllowedCPUs", Some(text)),
            "cpuset.mems" => sets(all, "AllowedMemoryNodes", Some(text)),
            "pids.max" => all.extend(number(text).map(tasks)),
            "io.weight" => io_weights(all, text, 10_000, |weight| weight),
            "io.bfq.weight" => io_weights(all, text, 1000, told_of_bfq),
            _ => {}
        }
    }
}

fn weight(text: &str, most: u64) -> Option<u64> {
    let number = text.trim().parse().ok();
    number.filter(|weight| (1..=most).contains(weight))
}

fn number(text: &str) -> Option<u64> {
    match text {
        "max" => Some(INFINITY),
        text => text.parse().ok(),
    }
}

/// Bytes as the kernel's memparse() reads them: `max`, `4096`, `64M`.
fn size(text: &str) -> Option<u64> {
    let power = "KMGTPE".find(text.chars().last()?.to_ascii_uppercase());
    match power {
        Some(at) => {
            let number: u64 = text[..text.len() - 1].parse().ok()?;
            number.checked_mul(1 << (10 * (at + 1)))
        }
        None => number(text),
    }
}

/// Lines `100`, `default 100` and `8:0 100`.
fn io_weights(all: &mut Vec<Property>, text: &str, most: u64, told: fn(u64) -> u64) {
    let mut of_devices = Vec::new();
    for line in text.lines() {
        let (device, value) = line.split_once(' ').unwrap_or(("default", line));
        match (
            device,
            device.split_once(':'),
            weight(value, most).map(told),
        ) {
            ("default", _, Some(weight)) => all.push(property("IOWeight", Value::Number(weight))),
            (_, Some((major, minor)), Some(weight)) => {
                if let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) {
                    of_devices.push((path(major, minor), weight));
                }
            }
            _ => {}
        }
    }
    devices(all, "IODeviceWeight", of_devices);
}

/// `0-2,7` as bytes of bits, lowest first; nothing for a list in another form.
fn bit_mask(list: &str) -> Option<Vec<u8>> {
    /// CPUs that the kernel can be built for at most.
    const MAX: usize = 8192;
    let mut mask = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if first > last || last >= MAX {
            return None;
        }
        for bit in first..=last {
            if mask.len() <= bit / 8 {
                mask.resize(bit / 8 + 1, 0);
            }
            mask[bit / 8] |= 1 << (bit % 8);
        }
    }
    Some(mask)
}

/// A v1 list as `DevicePolicy` and `DeviceAllow`. What systemd has no form for (a driver without name,
/// denials from an open default) is left out: it is in the kernel's list until systemd reloads.
pub(super) fn device_list(writes: &[ListWrite], drivers: &str) -> Vec<Property> {
    let open = writes.first().is_some_and(|write| write.allow);
    let policy = if open { "auto" } else { "strict" };
    let mut allow = Vec::new();
    if !open {
        for rule in writes.iter().filter_map(|write| write.rule.as_ref()) {
            allow.extend(specifiers(rule, drivers).map(|name| (name, rule.access.to_string())));
        }
    }
    // Entries are added to those that there are, unless an empty list came before.
    let mut all = vec![
        property("DevicePolicy", Value::Text(policy.to_owned())),
        property("DeviceAllow", Value::Pairs(Vec::new())),
    ];
    if !allow.is_empty() {
        all.push(property("DeviceAllow", Value::Pairs(allow)));
    }
    all
}

fn specifiers(rule: &DeviceRule, drivers: &str) -> impl Iterator<Item = String> {
    let sort = match rule.kind {
        Kind::Block => "block",
        Kind::Char | Kind::All => "char",
    };
    let names = match (rule.major, rule.minor) {
        (Some(major), Some(minor)) => vec![format!("/dev/{sort}/{major}:{minor}")],
        (Some(major), None) => device::driver_names(drivers, rule.kind, major)
            .map(|name| format!("{sort}-{name}"))
            .collect(),
        (None, None) => vec![format!("{sort}-*")],
        (None, Some(_)) => Vec::new(),
    };
    names.into_iter()
}
