//! cgroup limits: ranges and contradictions that hold on every cgroup version.
//!
//! A zero means "not set" for most limits, because producers in Go cannot say it otherwise.

use super::Report;
use super::devices::bad_interface_name;
use crate::pointer::Pointer;
use crate::runtime::{
    BlockIo, Cpu, DeviceCgroup, DeviceCgroupType, Memory, Network, Resources, ThrottleDevice,
};

/// Bounds of a CFS period in microseconds (kernel documentation, scheduler/sched-bwc).
const PERIOD: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;

/// Smallest CFS quota in microseconds (same place).
const MIN_QUOTA: i64 = 1_000;

pub(super) fn check(report: &mut Report, at: &Pointer<'_>, resources: &Resources) {
    check_devices(report, &at.key("devices"), &resources.devices);
    if let Some(memory) = &resources.memory {
        check_memory(report, &at.key("memory"), memory);
    }
    if let Some(cpu) = &resources.cpu {
        check_cpu(report, &at.key("cpu"), cpu);
    }
    if let Some(limit) = resources
        .pids
        .as_ref()
        .and_then(|pids| pids.limit)
        .filter(|limit| *limit < -1)
    {
        report.refuse(
            &at.key("pids").key("limit"),
            &limit,
            "must be at least -1 (unlimited)",
        );
    }
    if let Some(block_io) = &resources.block_io {
        check_block_io(report, &at.key("blockIO"), block_io);
    }
    check_hugepages(report, &at.key("hugepageLimits"), resources);
    if let Some(network) = &resources.network {
        check_network(report, &at.key("network"), network);
    }
    for (device, limits) in &resources.rdma {
        let at = at.key("rdma");
        if limits.hca_handles.is_none() && limits.hca_objects.is_none() {
            report.refuse(&at.key(device), limits, "needs hcaHandles or hcaObjects");
        }
        if device.is_empty() || device.contains(char::is_whitespace) || device.contains('\0') {
            report.refuse(&at.key(device), device, "is not the name of an RDMA device");
        }
    }
    let at = at.key("unified");
    for (file, content) in &resources.unified {
        let at = at.key(file);
        report.no_nul(&at, content);
        let well_formed = file
            .split_once('.')
            .is_some_and(|(controller, rest)| !controller.is_empty() && !rest.is_empty());
        if !well_formed || file.contains(['/', '\0']) || file.starts_with('.') {
            report.refuse(
                &at,
                content,
                "the key must be the name of a cgroup file such as memory.high",
            );
        }
    }
}

fn check_devices(report: &mut Report, at: &Pointer<'_>, rules: &[DeviceCgroup]) {
    for (nth, rule) in rules.iter().enumerate() {
        let at = at.index(nth);
        if let Some(kind) = &rule.kind {
            report.known(
                &at.key("type"),
                kind,
                kind.is_known(),
                "type of a device rule, which are a, b and c",
            );
        }
        let all = matches!(rule.kind, None | Some(DeviceCgroupType::All));
        for (field, number) in [("major", rule.major), ("minor", rule.minor)] {
            match number {
                Some(number) if number < -1 || number > i64::from(u32::MAX) => {
                    report.refuse(
                        &at.key(field),
                        &number,
                        "must be from -1 (all) to 4294967295",
                    );
                }
                Some(number) if number >= 0 && all => {
                    report.warn(
                        &at.key(field),
                        &number,
                        "has no effect in a rule for all types of devices",
                    );
                }
                Some(_) | None => {}
            }
        }
        if let Some(access) = &rule.access
            && access
                .chars()
                .any(|letter| !matches!(letter, 'r' | 'w' | 'm'))
        {
            report.refuse(
                &at.key("access"),
                access,
                "may only have the letters r, w and m",
            );
        }
    }
}

fn check_memory(report: &mut Report, at: &Pointer<'_>, memory: &Memory) {
    for (field, bytes) in [
        ("limit", memory.limit),
        ("reservation", memory.reservation),
        ("swap", memory.swap),
        ("kernel", memory.kernel),
        ("kernelTCP", memory.kernel_tcp),
    ] {
        if let Some(bytes) = bytes.filter(|bytes| *bytes < -1) {
            report.refuse(&at.key(field), &bytes, "must be at least -1 (unlimited)");
        }
    }
    let limit = memory.limit.filter(|limit| *limit > 0);
    if let (Some(limit), Some(swap)) = (limit, memory.swap.filter(|swap| *swap > 0))
        && swap < limit
    {
        report.refuse(
            &at.key("swap"),
            &swap,
            format!("counts memory and swap together, so it cannot be below the limit {limit}"),
        );
    }
    if let (Some(limit), Some(reservation)) = (limit, memory.reservation)
        && reservation > limit
    {
        report.warn(
            &at.key("reservation"),
            &reservation,
            format!("is above the limit {limit} and has no effect"),
        );
    }
    if let Some(swappiness) = memory.swappiness.filter(|swappiness| *swappiness > 100) {
        report.refuse(&at.key("swappiness"), &swappiness, "must be from 0 to 100");
    }
}

fn check_cpu(report: &mut Report, at: &Pointer<'_>, cpu: &Cpu) {
    let period = cpu.period.filter(|period| *period != 0);
    if let Some(period) = period.filter(|period| !PERIOD.contains(period)) {
        report.refuse(
            &at.key("period"),
            &period,
            "must be from 1000 to 1000000 microseconds",
        );
    }
    let quota = cpu.quota.filter(|quota| *quota > 0);
    if let Some(quota) = quota.filter(|quota| *quota < MIN_QUOTA) {
        report.refuse(
            &at.key("quota"),
            &quota,
            format!("must be at least {MIN_QUOTA} microseconds"),
        );
    }
    if let (Some(burst), Some(quota)) = (cpu.burst, quota)
        && burst > quota.cast_unsigned()
    {
        report.refuse(
            &at.key("burst"),
            &burst,
            format!("is above the quota {quota}"),
        );
    }
    if let Some(shares) = cpu
        .shares
        .filter(|shares| *shares != 0 && !(2..=262_144).contains(shares))
    {
        report.warn(
            &at.key("shares"),
            &shares,
            "is outside 2 to 262144: refused on cgroup v1, the nearest weight on v2",
        );
    }
    if let (Some(runtime), Some(period)) = (
        cpu.realtime_runtime,
        cpu.realtime_period.filter(|period| *period != 0),
    ) && u64::try_from(runtime).is_ok_and(|runtime| runtime > period)
    {
        report.refuse(
            &at.key("realtimeRuntime"),
            &runtime,
            format!("is above the realtimePeriod {period}"),
        );
    }
    if let Some(idle) = cpu.idle.filter(|idle| !(0..=1).contains(idle)) {
        report.refuse(&at.key("idle"), &idle, "must be 0 or 1");
    }
    for (field, list) in [("cpus", &cpu.cpus), ("mems", &cpu.mems)] {
        if let Some(list) = list {
            report.cpu_list(&at.key(field), list);
        }
    }
}

fn check_block_io(report: &mut Report, at: &Pointer<'_>, block_io: &BlockIo) {
    let weight = |report: &mut Report, at: &Pointer<'_>, weight: Option<u16>| {
        if let Some(weight) = weight.filter(|weight| *weight != 0 && !(10..=1000).contains(weight))
        {
            report.refuse(at, &weight, "must be from 10 to 1000");
        }
    };
    weight(report, &at.key("weight"), block_io.weight);
    weight(report, &at.key("leafWeight"), block_io.leaf_weight);
    let place = at.key("weightDevice");
    for (nth, device) in block_io.weight_device.iter().enumerate() {
        let place = place.index(nth);
        check_number(report, &place, device.major, device.minor);
        weight(report, &place.key("weight"), device.weight);
        weight(report, &place.key("leafWeight"), device.leaf_weight);
    }
    let lists: [(&str, &[ThrottleDevice]); 4] = [
        ("throttleReadBpsDevice", &block_io.throttle_read_bps_device),
        (
            "throttleWriteBpsDevice",
            &block_io.throttle_write_bps_device,
        ),
        (
            "throttleReadIOPSDevice",
            &block_io.throttle_read_iops_device,
        ),
        (
            "throttleWriteIOPSDevice",
            &block_io.throttle_write_iops_device,
        ),
    ];
    for (field, devices) in lists {
        let place = at.key(field);
        for (nth, device) in devices.iter().enumerate() {
            check_number(report, &place.index(nth), device.major, device.minor);
        }
    }
}

fn check_number(report: &mut Report, at: &Pointer<'_>, major: i64, minor: i64) {
    for (field, number) in [("major", major), ("minor", minor)] {
        if !(0..=i64::from(u32::MAX)).contains(&number) {
            report.refuse(&at.key(field), &number, "must be from 0 to 4294967295");
        }
    }
}

fn check_hugepages(report: &mut Report, at: &Pointer<'_>, resources: &Resources) {
    for (nth, limit) in resources.hugepage_limits.iter().enumerate() {
        let size = limit.page_size.as_str();
        let number = ["KB", "MB", "GB"]
            .iter()
            .find_map(|unit| size.strip_suffix(unit))
            .unwrap_or("");
        let good = number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.starts_with('0')
            && !number.is_empty();
        if !good {
            report.refuse(
                &at.index(nth).key("pageSize"),
                size,
                "must be a number and KB, MB or GB, such as 2MB",
            );
        }
    }
    report.unique(at, &resources.hugepage_limits, "pageSize", |limit| {
        (limit.page_size.clone(), limit.page_size.clone())
    });
}

fn check_network(report: &mut Report, at: &Pointer<'_>, network: &Network) {
    let at = at.key("priorities");
    for (nth, priority) in network.priorities.iter().enumerate() {
        if let Some(reason) = bad_interface_name(&priority.name) {
            report.refuse(&at.index(nth).key("name"), &priority.name, reason);
        }
    }
    report.unique(&at, &network.priorities, "name", |priority| {
        (priority.name.clone(), priority.name.clone())
    });
}
