//! Limits, scheduling and placement of this process: rlimits, policy, I/O priority, CPUs, memory nodes, personality.

use crate::call::{Result, check};
use lockstep_abi::rlimit;

/// prlimit(2) of process `pid` (0: this one); the former limits. `None` only asks.
pub fn prlimit(pid: i32, resource: u32, new: Option<(u64, u64)>) -> Result<(u64, u64)> {
    let limit = new.map(|(soft, hard)| libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    });
    let mut old = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let new_ptr = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both pointers are to rlimit64 structs that outlive the call, or null.
    let ret = unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, new_ptr, &raw mut old) };
    check(ret, || {
        let name = rlimit::display(resource);
        let new = new.map_or("NULL".into(), |(soft, hard)| {
            format!(
                "{{rlim_cur={}, rlim_max={}}}",
                rlimit::value(soft),
                rlimit::value(hard)
            )
        });
        format!("prlimit64({pid}, {name}, {new})")
    })?;
    Ok((old.rlim_cur, old.rlim_max))
}

/// Argument of sched_setattr(2), `struct sched_attr` as of Linux 5.3: with a shorter one flags for clamps are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SchedAttr {
    /// Size of this struct; [`sched_setattr`] fills it in.
    pub size: u32,
    /// SCHED_*.
    pub policy: u32,
    /// SCHED_FLAG_*.
    pub flags: u64,
    /// Nice value for SCHED_OTHER and SCHED_BATCH.
    pub nice: i32,
    /// Static priority for SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Nanoseconds, SCHED_DEADLINE.
    pub runtime: u64,
    /// Nanoseconds, SCHED_DEADLINE.
    pub deadline: u64,
    /// Nanoseconds, SCHED_DEADLINE.
    pub period: u64,
    /// Utilization clamps for SCHED_FLAG_UTIL_CLAMP_MIN and _MAX, of 1024.
    pub util: [u32; 2],
}

impl std::fmt::Display for SchedAttr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SchedAttr {
            size,
            policy,
            flags,
            nice,
            priority,
            runtime,
            deadline,
            period,
            util: [least, most],
        } = self;
        let policy = match policy {
            0 => "SCHED_OTHER".into(),
            1 => "SCHED_FIFO".into(),
            2 => "SCHED_RR".into(),
            3 => "SCHED_BATCH".into(),
            5 => "SCHED_IDLE".into(),
            6 => "SCHED_DEADLINE".into(),
            other => other.to_string(),
        };
        write!(
            f,
            "{{size={size}, sched_policy={policy}, sched_flags={flags:#x}, sched_nice={nice}, \
             sched_priority={priority}, sched_runtime={runtime}, sched_deadline={deadline}, sched_period={period}, \
             sched_util_min={least}, sched_util_max={most}}}"
        )
    }
}

/// sched_setattr(2) of this thread.
pub fn sched_setattr(attr: &SchedAttr) -> Result<()> {
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        ..*attr
    };
    // SAFETY: the struct carries its own size and outlives the call.
    let ret = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, std::ptr::from_ref(&attr), 0) };
    check(ret, || format!("sched_setattr(0, {attr}, 0)")).map(drop)
}

/// ioprio_set(2) of this process: class 1 real time, 2 best effort, 3 idle; level 0 (highest) to 7.
pub fn ioprio_set(class: u8, level: u8) -> Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    let value = i32::from(class) << 13 | i32::from(level);
    // SAFETY: takes integers.
    let ret = unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) };
    check(ret, || {
        format!("ioprio_set(IOPRIO_WHO_PROCESS, 0, class {class} level {level})")
    })
    .map(drop)
}

/// A set of CPU or memory node numbers below 1024 as the kernel's bit mask.
fn mask(numbers: &[u32]) -> [u64; 16] {
    let mut mask = [0u64; 16];
    for n in numbers.iter().filter(|n| **n < 1024) {
        mask[*n as usize / 64] |= 1 << (n % 64);
    }
    mask
}

/// sched_setaffinity(2) of process `pid` (0: this thread).
pub fn sched_setaffinity(pid: i32, cpus: &[u32]) -> Result<()> {
    let mask = mask(cpus);
    // SAFETY: pointer and size in bytes of one array.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            pid,
            size_of_val(&mask),
            mask.as_ptr(),
        )
    };
    check(ret, || format!("sched_setaffinity({pid}, {cpus:?})")).map(drop)
}

/// set_mempolicy(2): MPOL_* mode with its flags, over memory nodes.
pub fn set_mempolicy(mode: u32, nodes: &[u32]) -> Result<()> {
    let mask = mask(nodes);
    let (pointer, bits) = if nodes.is_empty() {
        (std::ptr::null(), 0)
    } else {
        (mask.as_ptr(), 1024u64)
    };
    // SAFETY: the kernel reads at most `bits` bits of the mask, which the array has, or nothing.
    let ret = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) };
    check(ret, || format!("set_mempolicy({mode:#x}, {nodes:?})")).map(drop)
}

/// personality(2).
pub fn personality(persona: u64) -> Result<()> {
    // SAFETY: takes an integer.
    let ret = unsafe { libc::personality(persona as _) };
    check(ret.into(), || format!("personality({persona:#x})")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_calls_read_as_in_strace() {
        let text = |error: crate::call::Error| error.to_string();
        let above = prlimit(0, 7, Some((2, 1))).expect_err("soft above hard");
        assert_eq!(
            text(above),
            "prlimit64(0, RLIMIT_NOFILE, {rlim_cur=2, rlim_max=1}) = EINVAL"
        );
        let all = prlimit(0, 99, Some((0, u64::MAX))).expect_err("no limit");
        assert_eq!(
            text(all),
            "prlimit64(0, 99, {rlim_cur=0, rlim_max=RLIM64_INFINITY}) = EINVAL"
        );
        let attr = SchedAttr {
            policy: 6,
            period: 3,
            ..SchedAttr::default()
        };
        assert_eq!(
            text(sched_setattr(&attr).expect_err("no run time")),
            "sched_setattr(0, {size=56, sched_policy=SCHED_DEADLINE, sched_flags=0x0, sched_nice=0, \
             sched_priority=0, sched_runtime=0, sched_deadline=0, sched_period=3, sched_util_min=0, \
             sched_util_max=0}, 0) = EINVAL"
        );
    }
}
