//! CPU time and CPU sets.
//!
//! The conversion of shares to a weight stands here: engines compare the number that comes out.

use lockstep_oci::runtime::Cpu;

use super::{Controller, Draft, Error, Version};

/// Range of `cpu.shares` (MIN_SHARES and MAX_SHARES in the kernel's scheduler).
const MIN_SHARES: u64 = 2;
const MAX_SHARES: u64 = 262_144;

pub(super) fn limits(draft: &mut Draft<'_>, cpu: &Cpu, old: Option<&Cpu>) -> Result<(), Error> {
    weight(draft, cpu, old)?;
    bandwidth(draft, cpu, old)?;
    realtime(draft, cpu)?;
    sets(draft, cpu)
}

/// The weight (1 to 10000, default 100) for shares (2 to 262144, default 1024), by the curve that
/// runc and crun share since 2025: it meets the least, the default and the greatest value of both.
pub(super) fn weight_of_shares(shares: u64) -> u64 {
    if shares <= MIN_SHARES {
        return 1;
    }
    if shares >= MAX_SHARES {
        return 10_000;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 18 bits")]
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 10000 by the two cases above"
    )]
    let weight = 10f64.powf(exponent).ceil() as u64;
    weight
}

/// The shares to be in force; those of before where a group is idle no longer.
pub(super) fn shares(cpu: &Cpu, old: Option<&Cpu>) -> Option<u64> {
    let woken = old.filter(|old| cpu.idle == Some(0) && old.idle == Some(1));
    cpu.shares
        .or(woken.and_then(|old| old.shares))
        .filter(|&shares| shares != 0)
}

fn weight(draft: &mut Draft<'_>, cpu: &Cpu, old: Option<&Cpu>) -> Result<(), Error> {
    let field = "cpu/idle";
    if let Some(idle) = cpu.idle {
        if !(0..=1).contains(&idle) {
            return Err(draft.error(field, idle, "neither 0 nor 1"));
        }
        let to = draft.controller("cpu", field, idle)?;
        draft.write(to, "cpu.idle", idle, field);
    }
    let field = "cpu/shares";
    let Some(shares) = shares(cpu, old) else {
        return Ok(());
    };
    let to = draft.controller("cpu", field, shares)?;
    if cpu.idle == Some(1) {
        // The kernel refuses a weight for such a group with EINVAL.
        draft.warn(field, "an idle cgroup has the least weight");
        return Ok(());
    }
    match to.version {
        // v1 would clamp in silence.
        Version::V1 if shares < MIN_SHARES => {
            Err(draft.error(field, shares, "the minimum allowed cpu-shares is 2"))
        }
        Version::V1 if shares > MAX_SHARES => {
            Err(draft.error(field, shares, "the maximum allowed cpu-shares is 262144"))
        }
        Version::V1 => {
            draft.write(to, "cpu.shares", shares, field);
            Ok(())
        }
        Version::V2 => {
            draft.write(to, "cpu.weight", weight_of_shares(shares), field);
            Ok(())
        }
    }
}

fn bandwidth(draft: &mut Draft<'_>, cpu: &Cpu, old: Option<&Cpu>) -> Result<(), Error> {
    let quota = cpu.quota.filter(|&q| q != 0);
    let period = cpu.period.filter(|&p| p != 0);
    let old_quota = old.and_then(|c| c.quota).filter(|&q| q != 0);
    if let (Some(burst), Some(quota)) = (cpu.burst, quota.or(old_quota).filter(|&q| q > 0))
        && i128::from(burst) > i128::from(quota)
    {
        let reason = format!("a burst cannot be more than the quota, {quota}");
        return Err(draft.error("cpu/burst", burst, reason));
    }
    let mut named: Option<(&str, String)> = None;
    if let Some(period) = period {
        named = Some(("cpu/period", period.to_string()));
    }
    if let Some(quota) = quota {
        named = Some(("cpu/quota", quota.to_string()));
    }
    if let Some((field, value)) = named {
        let to = draft.controller("cpu", field, value)?;
        match to.version {
            Version::V1 => bandwidth_v1(draft, to, quota, period, cpu.burst.is_some()),
            Version::V2 => {
                // A period alone must not lift the quota that is in force.
                let mut value = match quota.or(old_quota).filter(|&q| q > 0) {
                    Some(quota) => quota.to_string(),
                    None => "max".to_owned(),
                };
                if let Some(period) = period {
                    value.push_str(&format!(" {period}"));
                }
                draft.write(to, "cpu.max", value, field).after_next = cpu.burst.is_some();
            }
        }
    }
    if let Some(burst) = cpu.burst {
        let to = draft.controller("cpu", "cpu/burst", burst)?;
        let file = match to.version {
            Version::V1 => "cpu.cfs_burst_us",
            Version::V2 => "cpu.max.burst",
        };
        draft.write(to, file, burst, "cpu/burst");
    }
    Ok(())
}

/// Period, quota and burst constrain each other and, up and down the tree, their relatives: each may
/// have to wait for the next.
fn bandwidth_v1(
    draft: &mut Draft<'_>,
    to: Controller,
    quota: Option<i64>,
    period: Option<u64>,
    burst: bool,
) {
    if let Some(period) = period {
        let write = draft.write(to, "cpu.cfs_period_us", period, "cpu/period");
        write.after_next = quota.is_some();
    }
    if let Some(quota) = quota {
        let write = draft.write(to, "cpu.cfs_quota_us", quota.max(-1), "cpu/quota");
        write.after_next = burst;
    }
}

fn realtime(draft: &mut Draft<'_>, cpu: &Cpu) -> Result<(), Error> {
    let period = cpu.realtime_period.filter(|&p| p != 0);
    let runtime = cpu.realtime_runtime.filter(|&r| r != 0);
    let reason = "cgroup v2 has no real-time bandwidth";
    if let Some(period) = period {
        let to = draft.controller("cpu", "cpu/realtimePeriod", period)?;
        if to.version == Version::V2 {
            return Err(draft.error("cpu/realtimePeriod", period, reason));
        }
        let write = draft.write(to, "cpu.rt_period_us", period, "cpu/realtimePeriod");
        write.after_next = runtime.is_some();
    }
    if let Some(runtime) = runtime {
        let to = draft.controller("cpu", "cpu/realtimeRuntime", runtime)?;
        if to.version == Version::V2 {
            return Err(draft.error("cpu/realtimeRuntime", runtime, reason));
        }
        draft.write(to, "cpu.rt_runtime_us", runtime, "cpu/realtimeRuntime");
    }
    Ok(())
}

fn sets(draft: &mut Draft<'_>, cpu: &Cpu) -> Result<(), Error> {
    for (field, file, list) in [
        ("cpu/cpus", "cpuset.cpus", &cpu.cpus),
        ("cpu/mems", "cpuset.mems", &cpu.mems),
    ] {
        let Some(list) = list.as_deref().filter(|l| !l.is_empty()) else {
            continue;
        };
        if !is_list(list) {
            let reason = "not a list of numbers and ranges such as 0-3,7";
            return Err(draft.error(field, format!("{list:?}"), reason));
        }
        let to = draft.controller("cpuset", field, list)?;
        draft.write(to, file, list.trim_end(), field);
    }
    Ok(())
}

/// Whether the text is a list as the kernel's bitmap_parselist reads it, with `N-M:used/group`.
fn is_list(list: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() || "-,:/ ".contains(c);
    list.trim_end().chars().all(digits) || list == "all"
}
