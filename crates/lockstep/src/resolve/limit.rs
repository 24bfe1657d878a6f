//! Limits: of the container's cgroup, and of each process.

use std::path::Path;

use lockstep_abi::rlimit;
use lockstep_oci::runtime::{
    BlockIo, Cpu, Memory, Pids, Resources, Rlimit, RlimitType, ThrottleDevice, WeightDevice,
};

use super::{Input, Node, Resolved, wrong};
use crate::argv::{self, Arguments};
use crate::failure::Failure;
use crate::number;
use crate::why::Origin;

/// Processes and threads of a container that asks for no other number, Podman's.
const PIDS: i64 = 2048;
/// The cgroup above root's containers.
pub(super) const PARENT: &str = "/lockstep";
/// Microseconds of a period where only the share of it is given.
const PERIOD: u64 = 100_000;
/// Fewest microseconds of processor time in a period (sched_cfs_bandwidth: 1 ms).
const SHORTEST: u64 = 1000;

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let args = input.args;
    let mut changed = Resources::default();
    let given = cgroup(args, &mut changed)?;
    for (option, text) in given {
        out.note(option, text, Origin::Flag, &format!("--{option}"));
    }
    processes(input, &mut changed, out);
    if args.flag("oom-kill-disable") {
        changed.memory.get_or_insert_default().disable_oom_killer = Some(true);
    }
    disks(input, &mut changed)?;
    for text in args.texts("cgroup-conf")? {
        let (name, value) = super::pair("cgroup-conf", text)?;
        changed.unified.insert(name, value.to_owned());
    }
    let devices = out.linux().resources.take().unwrap_or_default().devices;
    let resources = Resources { devices, ..changed };
    // An empty one would ask for a cgroup.
    out.linux().resources = (resources != Resources::default()).then_some(resources);
    if let Some(value) = args.number::<i64>("oom-score-adj")? {
        if !(-1000..=1000).contains(&value) {
            return Err(wrong("oom-score-adj", &value.to_string(), "-1000 to 1000"));
        }
        out.process().oom_score_adj = Some(value);
    }
    let given = args.text("cgroup-parent")?;
    // An ordinary user's container is made where the user may make cgroups, if anywhere.
    if let Some(parent) = given.or(input.caller.is_root_with_cgroups().then_some(PARENT)) {
        if parent.split('/').any(|part| part == "..") {
            return Err(wrong("cgroup-parent", parent, "a path without .."));
        }
        let path = format!("{}/{}", parent.trim_end_matches('/'), input.id);
        out.linux().cgroups_path = Some(path);
    }
    for text in args.texts("ulimit")? {
        // The caller's, which every program has that is given no other.
        if text == "host" {
            out.note("process.rlimits", "the caller's", Origin::Flag, "--ulimit");
            continue;
        }
        let limit = ulimit(text)?;
        let rlimits = &mut out.process().rlimits;
        rlimits.retain(|other| other.kind != limit.kind);
        rlimits.push(limit);
        out.note("process.rlimits", text, Origin::Flag, "--ulimit");
    }
    Ok(())
}

/// The number of processes is always limited: by the cgroup, and for an ordinary user, who seldom may make one,
/// by RLIMIT_NPROC, which counts in each user namespace by itself (Linux 5.14).
fn processes(input: &Input<'_>, changed: &mut Resources, out: &mut Resolved) {
    let given = changed.pids.as_ref().and_then(|pids| pids.limit);
    let limit = given.unwrap_or(PIDS);
    if input.caller.is_root_with_cgroups() {
        changed.pids = Some(Pids { limit: Some(limit) });
    } else if let (Ok(limit), None) = (u64::try_from(limit), given) {
        out.process().rlimits.push(Rlimit {
            kind: RlimitType::Nproc,
            soft: limit,
            hard: limit,
        });
    }
    if given.is_none() {
        out.note(
            "pids-limit",
            limit.to_string(),
            Origin::Default,
            "--pids-limit",
        );
    }
}

/// The limits that `run` and `update` share; which options gave one, with their texts.
pub(crate) fn cgroup<'a>(
    args: &'a Arguments,
    out: &mut Resources,
) -> Result<Vec<(&'static str, &'a str)>, Failure> {
    let mut given = Vec::new();
    let mut text = |option: &'static str| -> Result<Option<&'a str>, Failure> {
        let text = args.text(option)?;
        given.extend(text.map(|text| (option, text)));
        Ok(text)
    };
    if let Some(limit) = text("pids-limit")? {
        let number = limit.parse::<i64>().ok().filter(|n| *n >= -1);
        let limit = number.ok_or_else(|| wrong("pids-limit", limit, "a number or -1"))?;
        out.pids = Some(Pids {
            limit: Some(if limit == 0 { -1 } else { limit }),
        });
    }
    memory(&mut text, out)?;
    cpu(&mut text, out)?;
    if let Some(weight) = text("blkio-weight")? {
        let number = weight
            .parse::<u16>()
            .ok()
            .filter(|n| (10..=1000).contains(n));
        let number = number.ok_or_else(|| wrong("blkio-weight", weight, "10 to 1000"))?;
        out.block_io.get_or_insert_default().weight = Some(number);
    }
    Ok(given)
}

type Text<'t, 'a> = &'t mut dyn FnMut(&'static str) -> Result<Option<&'a str>, Failure>;

fn memory(text: Text<'_, '_>, out: &mut Resources) -> Result<(), Failure> {
    let size = |option: &str, text: &str| {
        number::bytes(text)
            .and_then(|bytes| i64::try_from(bytes).ok())
            .ok_or_else(|| wrong(option, text, "a number of bytes as 512m"))
    };
    let mut memory = Memory::default();
    if let Some(limit) = text("memory")? {
        memory.limit = Some(size("memory", limit)?);
    }
    if let Some(swap) = text("memory-swap")? {
        memory.swap = Some(match swap {
            "-1" => -1,
            swap => size("memory-swap", swap)?,
        });
        if memory.limit.is_none() && memory.swap != Some(-1) {
            return Err(Failure::new(
                "--memory-swap needs --memory: it is the sum of both",
            ));
        }
    }
    if let Some(reservation) = text("memory-reservation")? {
        memory.reservation = Some(size("memory-reservation", reservation)?);
    }
    if let Some(swappiness) = text("memory-swappiness")? {
        let number = swappiness.parse::<u64>().ok().filter(|n| *n <= 100);
        memory.swappiness =
            Some(number.ok_or_else(|| wrong("memory-swappiness", swappiness, "0 to 100"))?);
    }
    if let (Some(limit), Some(swap)) = (memory.limit, memory.swap)
        && swap != -1
        && swap < limit
    {
        return Err(Failure::new(
            "--memory-swap is less than --memory: it is the sum of both",
        ));
    }
    if memory != Memory::default() {
        out.memory = Some(memory);
    }
    Ok(())
}

fn cpu(text: Text<'_, '_>, out: &mut Resources) -> Result<(), Failure> {
    let number = |option: &str, text: &str| {
        text.parse::<u64>()
            .map_err(|_wrong| wrong(option, text, "a number"))
    };
    let mut cpu = Cpu::default();
    if let Some(cpus) = text("cpus")? {
        let quota = number::decimal(cpus, PERIOD);
        if quota.is_some_and(|quota| quota < SHORTEST) {
            let text = format!("--cpus {cpus} is less than 0.01, the least that the kernel takes");
            return Err(Failure::new(text));
        }
        let quota = quota.and_then(|quota| i64::try_from(quota).ok());
        cpu.quota = Some(quota.ok_or_else(|| wrong("cpus", cpus, "a number as 1.5"))?);
        cpu.period = Some(PERIOD);
    }
    if let Some(shares) = text("cpu-shares")? {
        cpu.shares = Some(number("cpu-shares", shares)?);
    }
    if let Some(quota) = text("cpu-quota")? {
        if cpu.quota.is_some() {
            return Err(Failure::new("--cpus and --cpu-quota exclude each other"));
        }
        cpu.quota = Some(
            quota
                .parse()
                .map_err(|_wrong| wrong("cpu-quota", quota, "microseconds"))?,
        );
    }
    if let Some(period) = text("cpu-period")? {
        if cpu.period.is_some() {
            return Err(Failure::new("--cpus and --cpu-period exclude each other"));
        }
        cpu.period = Some(number("cpu-period", period)?);
    }
    cpu.cpus = text("cpuset-cpus")?.map(str::to_owned);
    cpu.mems = text("cpuset-mems")?.map(str::to_owned);
    if cpu != Cpu::default() {
        out.cpu = Some(cpu);
    }
    Ok(())
}

/// Rates and weights of single disks.
fn disks(input: &Input<'_>, out: &mut Resources) -> Result<(), Failure> {
    let mut io = out.block_io.take().unwrap_or_default();
    for text in input.args.texts("blkio-weight-device")? {
        let (major, minor, value) = disk(input, "blkio-weight-device", text)?;
        let weight = value
            .parse()
            .ok()
            .filter(|weight| (10..=1000).contains(weight));
        io.weight_device.push(WeightDevice {
            major,
            minor,
            weight: Some(
                weight.ok_or_else(|| wrong("blkio-weight-device", text, "DEVICE:10-1000"))?,
            ),
            leaf_weight: None,
        });
    }
    let options = [
        ("device-read-bps", &mut io.throttle_read_bps_device),
        ("device-write-bps", &mut io.throttle_write_bps_device),
        ("device-read-iops", &mut io.throttle_read_iops_device),
        ("device-write-iops", &mut io.throttle_write_iops_device),
    ];
    for (option, list) in options {
        for text in input.args.texts(option)? {
            let (major, minor, value) = disk(input, option, text)?;
            let rate = number::bytes(value).ok_or_else(|| wrong(option, text, "DEVICE:RATE"))?;
            list.push(ThrottleDevice { major, minor, rate });
        }
    }
    if io != BlockIo::default() {
        out.block_io = Some(io);
    }
    Ok(())
}

fn disk<'t>(
    input: &Input<'_>,
    option: &str,
    text: &'t str,
) -> Result<(i64, i64, &'t str), Failure> {
    let (path, value) = text
        .rsplit_once(':')
        .ok_or_else(|| wrong(option, text, "DEVICE:VALUE"))?;
    match (input.sight.look)(Path::new(path))? {
        Some(Node::Block(major, minor)) => Ok((major.into(), minor.into(), value)),
        _ => Err(Failure::new(format!(
            "--{option} {text}: {path} is no disk"
        ))),
    }
}

fn ulimit(text: &str) -> Result<Rlimit, Failure> {
    let takes = "NAME=SOFT[:HARD], each a number, -1 or unlimited";
    let wrong = || wrong("ulimit", text, takes);
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    let full = format!("RLIMIT_{}", name.to_ascii_uppercase());
    if rlimit::number(&full).is_none() {
        let failure = Failure::new(format!("--ulimit {text}: there is no limit {name:?}"));
        let known: Vec<String> = (0..).map_while(rlimit::name).map(short).collect();
        return Err(failure.hint(
            match argv::nearest(name, known.iter().map(|name| &**name)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it is one of {}", known.join(", ")),
            },
        ));
    }
    let number = |text: &str| match text {
        "-1" | "unlimited" => Some(rlimit::INFINITY),
        digits => digits.parse().ok(),
    };
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let soft = number(soft).ok_or_else(wrong)?;
    let hard = number(hard).ok_or_else(wrong)?;
    if soft > hard {
        let text = format!("--ulimit {text}: the soft limit {soft} is above the hard limit {hard}");
        return Err(Failure::new(text));
    }
    Ok(Rlimit {
        kind: RlimitType::from(&*full),
        soft,
        hard,
    })
}

/// A limit's name as `--ulimit` takes it.
fn short(name: &str) -> String {
    name.trim_start_matches("RLIMIT_").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits_are_docker_s() {
        let limit = ulimit("nofile=64:128").expect("a limit");
        assert_eq!(
            (limit.kind.as_str(), limit.soft, limit.hard),
            ("RLIMIT_NOFILE", 64, 128)
        );
        assert_eq!(ulimit("core=-1").map(|l| l.hard), Ok(u64::MAX));
        for wrong in [
            "",
            "nofile",
            "nofile=",
            "nofile=x",
            "files=1",
            "nofile=2:1",
            "nofile=-2",
        ] {
            assert!(ulimit(wrong).is_err(), "{wrong}");
        }
        let complaint = |text: &str| ulimit(text).expect_err("no limit").to_string();
        assert!(complaint("nofil=3").ends_with("hint:  did you mean nofile?"));
        assert!(complaint("nofile=10:5").ends_with("the soft limit 10 is above the hard limit 5"));
    }
}
