//! Limits, users and capabilities of the process: what it gives up, in the plan's order.

use super::Init;
use crate::error::{For, Result};
use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFCHR, S_IFMT};
use lockstep_kernel::capability::{self, Sets};
use lockstep_kernel::{console, credential, file, process, schedule};
use lockstep_plan::{Downgrade, Op};
use std::os::fd::AsFd;

/// The highest capability number that can exist (a 64-bit mask).
const HIGHEST: u8 = 63;

impl Init<'_> {
    /// Through the host's /proc, of which this process's own entry is open to it.
    pub(super) fn tell_namespaces(&mut self) -> Result<()> {
        let what = || "handing the namespaces over".to_owned();
        let open = |name: &str| {
            let path = format!("self/ns/{name}");
            file::openat(self.proc, path, file::OFlags::RDONLY, 0).during(what)
        };
        let (user, mount) = (open("user")?, open("mnt")?);
        let both = [user.as_fd(), mount.as_fd()];
        crate::message::send_namespaces(self.peer.as_fd(), both).during(what)
    }

    /// Sets a limit. One above the hard limit needs CAP_SYS_RESOURCE, which hosts withhold: then it is clamped
    /// to what may be set, and that is part of the outcome.
    pub(super) fn set_rlimit(&mut self, op: &Op) -> Result<()> {
        let &Op::SetRlimit {
            resource,
            soft,
            hard,
        } = op
        else {
            return Err(super::not_of_init());
        };
        let name = lockstep_abi::rlimit::name(resource).unwrap_or("RLIMIT");
        let refused = match schedule::prlimit(0, resource, Some((soft, hard))) {
            Err(e) if e.is(&[Errno::EPERM.0]) => e,
            other => return other.map(drop).during(|| format!("setting {name}")),
        };
        let (_, most) =
            schedule::prlimit(0, resource, None).during(|| format!("asking for {name}"))?;
        let clamped = (soft.min(most), hard.min(most));
        schedule::prlimit(0, resource, Some(clamped)).during(|| format!("setting {name}"))?;
        self.outcome.downgrades.push(Downgrade {
            because: "/process/rlimits".into(),
            lost: format!("{name} clamped to soft {} hard {}", clamped.0, clamped.1),
            call: refused.to_string(),
        });
        Ok(())
    }
}

impl Init<'_> {
    /// RLIMIT_NPROC where no cgroup counts, which is not the same and says so.
    pub(super) fn limit_processes(&mut self, limit: u64) -> Result<()> {
        let what = || format!("limiting processes to {limit}");
        if self.counted {
            return Ok(());
        }
        let Some(resource) = lockstep_abi::rlimit::number("RLIMIT_NPROC") else {
            return Ok(());
        };
        let (soft, hard) = schedule::prlimit(0, resource, None).during(what)?;
        let lower = (soft.min(limit), hard.min(limit));
        schedule::prlimit(0, resource, Some(lower)).during(what)?;
        self.outcome.downgrades.push(Downgrade {
            because: crate::exec::PIDS.into(),
            lost: format!(
                "RLIMIT_NPROC {} instead of a cgroup: it counts the processes of each user id in its user namespace \
                 (before Linux 5.14: on the whole host), not those of the container",
                lower.0
            ),
            call: String::new(),
        });
        Ok(())
    }
}

pub(super) fn set_io_priority(class: u8, level: u8) -> Result<()> {
    schedule::ioprio_set(class, level).during(|| "I/O priority".into())
}

pub(super) fn set_cpu_affinity(cpus: &[u32]) -> Result<()> {
    schedule::sched_setaffinity(0, cpus).during(|| "CPU affinity".into())
}

pub(super) fn set_memory_policy(mode: u32, nodes: &[u32]) -> Result<()> {
    schedule::set_mempolicy(mode, nodes).during(|| "memory policy".into())
}

pub(super) fn set_personality(persona: u64) -> Result<()> {
    schedule::personality(persona).during(|| "personality".into())
}

pub(super) fn set_scheduler(op: &Op) -> Result<()> {
    let Op::SetScheduler {
        policy,
        flags,
        nice,
        priority,
        runtime,
        deadline,
        period,
    } = op
    else {
        return Err(super::not_of_init());
    };
    let attr = schedule::SchedAttr {
        size: 0,
        policy: *policy,
        flags: *flags,
        nice: *nice,
        priority: *priority,
        runtime: *runtime,
        deadline: *deadline,
        period: *period,
        // config.md has the flags of clamps and no values, which so are runc's.
        util: [0; 2],
    };
    schedule::sched_setattr(&attr).during(|| "scheduler".into())
}

/// Drops everything but `keep` from the bounding set. EINVAL: the kernel knows no capability of that number.
pub(super) fn drop_bounding(keep: u64) -> Result<()> {
    for number in (0..=HIGHEST).filter(|n| keep & 1 << n == 0) {
        match capability::drop_bounding(number) {
            Err(e) if e.is(&[Errno::EINVAL.0]) => break,
            other => other.during(|| "bounding set".into())?,
        }
    }
    Ok(())
}

/// Groups before user, because a user without capabilities may not change groups; capabilities are kept over
/// the change and cut down by the next step.
pub(super) fn switch_user(op: &Op) -> Result<()> {
    let Op::SwitchUser {
        uid,
        gid,
        groups,
        set_groups,
    } = op
    else {
        return Err(super::not_of_init());
    };
    let (uid, gid) = (*uid, *gid);
    let what = || format!("user {uid}:{gid}");
    own_streams(uid)?;
    if *set_groups {
        credential::setgroups(groups).during(|| format!("groups {groups:?}"))?;
    } else if !groups.is_empty() {
        let message =
            "additional groups need more than the one group id that this user namespace maps";
        return Err(
            crate::Error::new(crate::Kind::Invalid, message).asked("/process/user/additionalGids")
        );
    }
    credential::setgid(gid).during(what)?;
    credential::keep_capabilities(true).during(what)?;
    credential::setuid(uid).during(what)
}

/// Lets another user than root reopen its own standard streams through /dev/stdout.
fn own_streams(uid: u32) -> Result<()> {
    if uid == 0 {
        return Ok(());
    }
    for stream in console::standard_streams() {
        let found = match file::fstat(stream) {
            // The caller left this stream closed.
            Err(e) if e.is(&[Errno::EBADF.0]) => continue,
            other => other.during(|| "standard streams".into())?,
        };
        let null = found.st_mode & S_IFMT == S_IFCHR
            && (file::major(found.st_rdev), file::minor(found.st_rdev)) == (1, 3);
        if found.st_uid == uid || null {
            continue;
        }
        match file::fchown(stream, uid) {
            // The stream's file system or owner is outside of this user namespace, or read-only: then the
            // program can use the descriptor, but not reopen it.
            Err(e) if e.is(&[Errno::EPERM.0, Errno::EINVAL.0, Errno::EROFS.0]) => {}
            other => other.during(|| "owner of the standard streams".into())?,
        }
    }
    Ok(())
}

pub(super) fn set_capabilities(op: &Op) -> Result<()> {
    let Op::SetCapabilities {
        effective,
        permitted,
        inheritable,
        ambient,
        extra,
    } = op
    else {
        return Err(super::not_of_init());
    };
    let sets = Sets {
        effective: effective | extra,
        permitted: permitted | extra,
        inheritable: *inheritable,
    };
    capability::set(&sets).during(|| "capability sets".into())?;
    for number in (0..=HIGHEST).filter(|n| ambient & 1 << n != 0) {
        capability::raise_ambient(number).during(|| format!("ambient capability {number}"))?;
    }
    Ok(())
}

pub(super) fn final_capabilities(op: &Op) -> Result<()> {
    let Op::FinalCapabilities {
        effective,
        permitted,
        inheritable,
    } = op
    else {
        return Err(super::not_of_init());
    };
    capability::set(&Sets {
        effective: *effective,
        permitted: *permitted,
        inheritable: *inheritable,
    })
    .during(|| "capability sets".into())
}

/// The kernel ends this process with its parent; a program that gives itself other rights is free of it again.
pub(super) fn die_with_supervisor() -> Result<()> {
    process::die_with_parent(true).during(|| "ending with the supervisor".into())
}
