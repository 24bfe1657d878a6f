//! Memory limits: bytes of memory, and of memory and swap together.
//!
//! cgroup v1 counts memory+swap, v2 counts swap alone, and each pair of limits must be valid after
//! every single write.

use lockstep_oci::runtime::Memory;

use super::{Controller, Draft, Error, IfMissing, Required, Version};

/// `memory.swappiness` is a percentage (vm.swappiness goes to 200, the cgroup file does not).
const MAX_SWAPPINESS: u64 = 100;

pub(super) fn limits(
    draft: &mut Draft<'_>,
    memory: &Memory,
    old: Option<&Memory>,
) -> Result<(), Error> {
    let limit = bytes(draft, "memory/limit", memory.limit)?;
    let swap = bytes(draft, "memory/swap", memory.swap)?;
    let old_limit = old.and_then(|m| m.limit).filter(|&l| l != 0);
    check_pair(draft, limit.or(old_limit), swap)?;
    if let Some(value) = limit.or(swap) {
        let field = if limit.is_some() {
            "memory/limit"
        } else {
            "memory/swap"
        };
        let to = draft.controller("memory", field, value)?;
        match to.version {
            Version::V1 => pair_v1(draft, to, limit, swap),
            Version::V2 => {
                // As on v1, a limit of memory alone leaves that of both together as it is.
                let old_swap = old.and_then(|m| m.swap).filter(|&s| s != 0);
                let both = swap.or(old_swap.filter(|_| limit.is_some_and(|l| l > 0)));
                check_pair(draft, limit.or(old_limit), both)?;
                pair_v2(draft, to, limit, both, old_limit)?;
                let asked = memory.check_before_update;
                let asked = asked.or_else(|| old.and_then(|m| m.check_before_update));
                if asked == Some(true) && limit.is_some_and(|l| l > 0) {
                    check_usage(draft);
                }
            }
        }
    }
    if let Some(reservation) = bytes(draft, "memory/reservation", memory.reservation)? {
        let field = "memory/reservation";
        let to = draft.controller("memory", field, reservation)?;
        match to.version {
            Version::V1 => draft.write(to, "memory.soft_limit_in_bytes", reservation, field),
            Version::V2 => draft.write(to, "memory.low", max(reservation), field),
        };
    }
    kernel_memory(draft, memory)?;
    behaviour(draft, memory)
}

fn check_pair(draft: &Draft<'_>, limit: Option<i64>, both: Option<i64>) -> Result<(), Error> {
    match (limit, both) {
        (Some(limit), Some(both)) if both > 0 && (limit < 0 || both < limit) => {
            let reason = format!("memory and swap together cannot be less than memory, {limit}");
            Err(draft.error("memory/swap", both, reason))
        }
        _ => Ok(()),
    }
}

/// A limit as given, or none: 0 means "not set" to every engine, -1 means unlimited.
fn bytes(draft: &Draft<'_>, field: &str, value: Option<i64>) -> Result<Option<i64>, Error> {
    match value {
        None | Some(0) => Ok(None),
        Some(n) if n < -1 => Err(draft.error(field, n, "neither a number of bytes nor -1")),
        Some(n) => Ok(Some(n)),
    }
}

fn max(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

fn pair_v1(draft: &mut Draft<'_>, to: Controller, limit: Option<i64>, swap: Option<i64>) {
    // Unlimited memory under a limit of memory+swap is refused by the kernel and is never meant.
    let lifts_swap = limit == Some(-1) && swap.is_none();
    let swap = if lifts_swap { Some(-1) } else { swap };
    if let Some(limit) = limit {
        let write = draft.write(to, "memory.limit_in_bytes", limit, "memory/limit");
        // Raising both needs swap first, lowering both needs memory first.
        write.after_next = swap.is_some();
    }
    if let Some(swap) = swap {
        let field = if lifts_swap {
            "memory/limit"
        } else {
            "memory/swap"
        };
        let write = draft.write(to, "memory.memsw.limit_in_bytes", swap, field);
        // Without swap accounting there is nothing to lift.
        if swap < 0 {
            write.if_missing = IfMissing::Skip;
        }
    }
}

fn pair_v2(
    draft: &mut Draft<'_>,
    to: Controller,
    limit: Option<i64>,
    swap: Option<i64>,
    old_limit: Option<i64>,
) -> Result<(), Error> {
    let swap = match (swap, limit.or(old_limit)) {
        (None, _) if limit == Some(-1) => Some(-1),
        (None, _) => None,
        (Some(-1), _) => Some(-1),
        (Some(swap), Some(limit)) => Some(swap - limit),
        (Some(swap), None) => {
            let reason = "a limit of memory and swap needs a limit of memory on cgroup v2";
            return Err(draft.error("memory/swap", swap, reason));
        }
    };
    if let Some(swap) = swap {
        let field = if limit == Some(-1) {
            "memory/limit"
        } else {
            "memory/swap"
        };
        let write = draft.write(to, "memory.swap.max", max(swap), field);
        // A kernel without swap gives none, and has none to lift.
        if swap <= 0 {
            write.if_missing = IfMissing::Skip;
        }
    }
    if let Some(limit) = limit {
        draft.write(to, "memory.max", max(limit), "memory/limit");
    }
    Ok(())
}

/// v1 refuses a limit below the usage by itself (`EBUSY`); v2 would kill.
fn check_usage(draft: &mut Draft<'_>) {
    if let Some(write) = draft.writes.iter_mut().find(|w| w.file == "memory.max") {
        write.at_least = Some("memory.current".to_owned());
    }
}

fn kernel_memory(draft: &mut Draft<'_>, memory: &Memory) -> Result<(), Error> {
    if memory.kernel.is_some_and(|k| k != 0) {
        draft.warn(
            "memory/kernel",
            "the kernel has no separate limit since 5.16",
        );
    }
    let field = "memory/kernelTCP";
    let Some(tcp) = bytes(draft, field, memory.kernel_tcp)? else {
        return Ok(());
    };
    let to = draft.controller("memory", field, tcp)?;
    match to.version {
        Version::V1 => {
            let write = draft.write(to, "memory.kmem.tcp.limit_in_bytes", tcp, field);
            write.required = Required::BestEffort;
        }
        Version::V2 => draft.warn(field, "cgroup v2 counts TCP buffers as memory"),
    }
    Ok(())
}

fn behaviour(draft: &mut Draft<'_>, memory: &Memory) -> Result<(), Error> {
    let field = "memory/swappiness";
    if let Some(swappiness) = memory.swappiness {
        if swappiness > MAX_SWAPPINESS {
            return Err(draft.error(field, swappiness, "not in the range of 0 to 100"));
        }
        let to = draft.controller("memory", field, swappiness)?;
        if to.version == Version::V2 {
            return Err(draft.error(field, swappiness, "cgroup v2 has no swappiness of a cgroup"));
        }
        draft.write(to, "memory.swappiness", swappiness, field);
    }
    let field = "memory/disableOOMKiller";
    if memory.disable_oom_killer == Some(true) {
        let to = draft.controller("memory", field, true)?;
        if to.version == Version::V2 {
            return Err(draft.error(field, true, "cgroup v2 cannot turn the OOM killer off"));
        }
        draft.write(to, "memory.oom_control", 1, field);
    }
    let field = "memory/useHierarchy";
    if let Some(use_hierarchy) = memory.use_hierarchy {
        let to = draft.controller("memory", field, use_hierarchy)?;
        match (to.version, use_hierarchy) {
            (Version::V1, _) => {
                let value = u8::from(use_hierarchy);
                let write = draft.write(to, "memory.use_hierarchy", value, field);
                // Since 5.11 every hierarchy is one and the file takes nothing but 1.
                write.required = Required::BestEffort;
            }
            (Version::V2, true) => {}
            (Version::V2, false) => draft.warn(field, "cgroup v2 is always hierarchical"),
        }
    }
    Ok(())
}
