//! The process: limits, scheduling, user, capabilities and everything else between the root and execve, in the
//! one order in which the kernel allows it. `create` and `exec` share it.

use crate::capability::{SYS_ADMIN, Sets, sets};
use crate::step::{Barrier, Op, Plan, RootPath, Slot};
use crate::{Error, Host, Result};
use lockstep_oci::cpu_list::CpuList;
use lockstep_oci::runtime::{
    IoPriorityClass, Linux, MemoryPolicyFlag, MemoryPolicyMode, PersonalityDomain, Process,
    Scheduler, SchedulerFlag, SchedulerPolicy,
};
use lockstep_profile::seccomp::Program;
use std::collections::BTreeMap;

/// What differs between the first process of a container and a later one.
#[derive(Debug)]
pub struct Role<'a> {
    /// The container's Linux section.
    pub linux: &'a Linux,
    /// Facts of this host.
    pub host: &'a Host,
    /// Whether the process is in a user namespace with capabilities of its own.
    pub user_namespace: bool,
    /// Whether setgroups(2) is allowed there.
    pub set_groups: bool,
    /// The compiled filter, if there is one.
    pub filter: Option<Program>,
    /// The Landlock domain, if there is one.
    pub landlock: Option<crate::step::LandlockDomain>,
    /// Whether startContainer hooks are to run.
    pub start_hooks: bool,
    /// Whether the process waits for `start`.
    pub waits: bool,
    /// Whether the process ends with its supervisor.
    pub supervised: bool,
    /// Whether it is started by our own init.
    pub init: bool,
    /// Descriptors that are handed over: 0..3+keep.
    pub keep: u32,
    /// How many of them are sockets of a service manager.
    pub sockets: u32,
    /// The most processes that there may be where no cgroup counts them.
    pub processes: Option<u64>,
    /// Where the process section stands, `/process` for config.json.
    pub pointer: &'static str,
}

/// Plans limits and placement, while the process still has every capability that it will ever have.
pub fn limits(plan: &mut Plan, process: &Process, role: &Role<'_>) -> Result<()> {
    let at = role.pointer;
    for (n, limit) in process.rlimits.iter().enumerate() {
        let resource = lockstep_abi::rlimit::number(limit.kind.as_str()).ok_or_else(|| {
            Error::new(
                format!("{at}/rlimits/{n}/type"),
                &limit.kind,
                "not a resource limit",
            )
        })?;
        plan.init(
            format!("{at}/rlimits/{n}"),
            Op::SetRlimit {
                resource,
                soft: limit.soft,
                hard: limit.hard,
            },
        );
    }
    if let Some(limit) = role.processes {
        plan.init("/linux/resources/pids/limit", Op::LimitProcesses { limit });
    }
    if let Some(scheduler) = &process.scheduler {
        plan.init(format!("{at}/scheduler"), scheduler_op(scheduler, at)?);
    }
    if let Some(priority) = &process.io_priority {
        let class = match &priority.class {
            IoPriorityClass::Rt => 1,
            IoPriorityClass::Be => 2,
            IoPriorityClass::Idle => 3,
            IoPriorityClass::Unknown(other) => {
                return Err(Error::new(
                    format!("{at}/ioPriority/class"),
                    other,
                    "not an I/O priority class",
                ));
            }
        };
        plan.init(
            format!("{at}/ioPriority"),
            Op::SetIoPriority {
                class,
                level: priority.priority as u8,
            },
        );
    }
    if let Some(policy) = &role.linux.memory_policy {
        let mode = memory_mode(&policy.mode) | policy.flags.iter().map(memory_flag).sum::<u32>();
        let nodes = cpus("/linux/memoryPolicy/nodes", policy.nodes.as_deref())?;
        plan.init("/linux/memoryPolicy", Op::SetMemoryPolicy { mode, nodes });
    }
    if let Some(personality) = &role.linux.personality {
        let persona = if personality.domain == PersonalityDomain::Linux32 {
            8
        } else {
            0
        };
        plan.init("/linux/personality", Op::SetPersonality { persona });
    }
    Ok(())
}

/// CPU or memory node numbers of a list such as `0-3,7`.
pub fn cpus(pointer: &str, list: Option<&str>) -> Result<Vec<u32>> {
    let list = list.unwrap_or_default();
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let parsed = CpuList::parse(list).map_err(|e| Error::new(pointer, list, e.to_string()))?;
    Ok(parsed.iter().collect())
}

/// Numbers of linux/sched.h and linux/sched/types.h.
fn scheduler_op(scheduler: &Scheduler, at: &str) -> Result<Op> {
    let policy = match &scheduler.policy {
        SchedulerPolicy::Other => 0,
        SchedulerPolicy::Fifo => 1,
        SchedulerPolicy::Rr => 2,
        SchedulerPolicy::Batch => 3,
        SchedulerPolicy::Iso => 4,
        SchedulerPolicy::Idle => 5,
        SchedulerPolicy::Deadline => 6,
        SchedulerPolicy::Unknown(other) => {
            return Err(Error::new(
                format!("{at}/scheduler/policy"),
                other,
                "not a scheduling policy",
            ));
        }
    };
    let flag = |flag: &SchedulerFlag| match flag {
        SchedulerFlag::ResetOnFork => 0x01,
        SchedulerFlag::Reclaim => 0x02,
        SchedulerFlag::DlOverrun => 0x04,
        SchedulerFlag::KeepPolicy => 0x08,
        SchedulerFlag::KeepParams => 0x10,
        SchedulerFlag::UtilClampMin => 0x20,
        SchedulerFlag::UtilClampMax => 0x40,
        SchedulerFlag::Unknown(_) => 0,
    };
    Ok(Op::SetScheduler {
        policy,
        flags: scheduler
            .flags
            .iter()
            .map(flag)
            .fold(0, |all, one| all | one),
        nice: scheduler.nice.unwrap_or(0),
        priority: u32::try_from(scheduler.priority.unwrap_or(0)).unwrap_or(u32::MAX),
        runtime: scheduler.runtime.unwrap_or(0),
        deadline: scheduler.deadline.unwrap_or(0),
        period: scheduler.period.unwrap_or(0),
    })
}

/// MPOL_* of linux/mempolicy.h.
fn memory_mode(mode: &MemoryPolicyMode) -> u32 {
    match mode {
        MemoryPolicyMode::Default | MemoryPolicyMode::Unknown(_) => 0,
        MemoryPolicyMode::Preferred => 1,
        MemoryPolicyMode::Bind => 2,
        MemoryPolicyMode::Interleave => 3,
        MemoryPolicyMode::Local => 4,
        MemoryPolicyMode::PreferredMany => 5,
        MemoryPolicyMode::WeightedInterleave => 6,
    }
}

/// MPOL_F_* of linux/mempolicy.h.
fn memory_flag(flag: &MemoryPolicyFlag) -> u32 {
    match flag {
        MemoryPolicyFlag::StaticNodes => 1 << 15,
        MemoryPolicyFlag::RelativeNodes => 1 << 14,
        MemoryPolicyFlag::NumaBalancing => 1 << 13,
        MemoryPolicyFlag::Unknown(_) => 0,
    }
}

/// Plans the last stretch: what the process may never do again is given up step by step, up to execve.
pub fn privileges(plan: &mut Plan, process: &Process, role: Role<'_>) -> Result<()> {
    let at = role.pointer;
    // Inside a user namespace of its own a process starts with every capability.
    let grantable = if role.user_namespace {
        u64::MAX
    } else {
        role.host.bounding
    };
    let sets = sets(plan, at, process.capabilities.as_ref(), grantable);
    // While it is root: a missing directory is made, and one that only root may enter is entered, as in runc.
    plan.init(
        format!("{at}/cwd"),
        Op::ChangeDirectory {
            path: RootPath::new(&process.cwd),
        },
    );
    if let Some(mask) = process.user.umask {
        plan.init(format!("{at}/user/umask"), Op::SetUmask { mask });
    }
    security_modules(plan, process, &role)?;
    if process.no_new_privileges {
        plan.init(format!("{at}/noNewPrivileges"), Op::NoNewPrivs);
    }
    // Without no_new_privs only CAP_SYS_ADMIN may load a filter, so that one capability stays until then.
    let filter_first = role.filter.is_some() && !process.no_new_privileges;
    let extra = if filter_first { SYS_ADMIN } else { 0 };
    give_up(plan, process, &role, sets, extra);
    let mut env = environment(&process.env);
    if role.sockets > 0 {
        // The first process of a pid namespace of its own is 1 there; others find out that it is not for them.
        env.extend([
            format!("LISTEN_FDS={}", role.sockets),
            "LISTEN_PID=1".into(),
        ]);
    }
    if role.supervised {
        // After the last change of ids and capabilities, each of which clears it; and before the last barrier,
        // where a supervisor that has ended already is noticed.
        plan.init("<supervisor>", Op::DieWithSupervisor);
    }
    let value = |name: &str| env.iter().find_map(|entry| entry.strip_prefix(name));
    if value("HOME=").unwrap_or_default().is_empty() {
        // Docker leaves HOME to the runtime, as runc looks it up.
        let uid = process.user.uid;
        plan.init(format!("{at}/user"), Op::FindHome { uid });
    }
    if let Some(program) = process.args.first() {
        let op = Op::FindProgram {
            program: program.clone(),
            path: value("PATH=").unwrap_or_default().into(),
        };
        plan.init(format!("{at}/args/0"), op);
    }
    if let Some(domain) = &role.landlock {
        let op = Op::Landlock(domain.clone());
        plan.init("/annotations/org.lockstep.landlock", op);
    }
    if role.waits {
        plan.report(Barrier::Ready);
        plan.release(Barrier::Go);
    } else {
        // Not waited for: the caller reads on until the program is executed, and learns on the way what was lost.
        plan.init("<order>", Op::Signal(Barrier::Ready));
    }
    if role.start_hooks {
        plan.init("/hooks/startContainer", Op::RunStartHooks);
    }
    execution(plan, process, role, (sets, filter_first), env);
    Ok(())
}

/// The end of every plan: descriptors, filter, program.
fn execution(
    plan: &mut Plan,
    process: &Process,
    role: Role<'_>,
    (sets, filter_first): (Sets, bool),
    env: Vec<String>,
) {
    let at = role.pointer;
    // Last, after every descriptor that is needed was used: the program could reach the host through one that
    // leaks (CVE-2024-21626). Nothing opens a file below this line.
    plan.init("<order>", Op::CloseDescriptors { keep: role.keep });
    if let Some(program) = role.filter {
        let listener = crate::seccomp::hand_over(&program);
        let op = Op::Seccomp {
            filter: program.insns,
            flags: program.flags,
            listener,
        };
        plan.init("/linux/seccomp", op);
    }
    if filter_first {
        let op = Op::FinalCapabilities {
            effective: sets.effective,
            permitted: sets.permitted,
            inheritable: sets.inheritable,
        };
        plan.init(format!("{at}/capabilities"), op);
    }
    let op = Op::Execute {
        args: process.args.clone(),
        env,
        init: role.init.then_some(Slot::INIT),
    };
    plan.init(format!("{at}/args"), op);
}

/// Plans the terminal; `mount` puts it at /dev/console of a root that is being made.
pub(crate) fn console(plan: &mut Plan, process: &Process, mount: bool) {
    let side = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    let size = process.console_size.as_ref();
    let size = size.map(|s| (side(s.height), side(s.width)));
    plan.init("/process/terminal", Op::Console { size, mount });
}

/// The environment with the last value of each name: libraries take the first that they find, and callers
/// (`exec --env`) append what is to win.
fn environment(entries: &[String]) -> Vec<String> {
    let mut place: BTreeMap<&str, usize> = BTreeMap::new();
    let mut kept: Vec<String> = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = entry.split('=').next().unwrap_or_default();
        match place.get(name) {
            Some(at) => kept[*at].clone_from(entry),
            None => {
                place.insert(name, kept.len());
                kept.push(entry.clone());
            }
        }
    }
    kept
}

fn give_up(plan: &mut Plan, process: &Process, role: &Role<'_>, sets: Sets, extra: u64) {
    let at = role.pointer;
    plan.init(
        format!("{at}/capabilities/bounding"),
        Op::DropBounding {
            keep: sets.bounding,
        },
    );
    plan.init(
        format!("{at}/user"),
        Op::SwitchUser {
            uid: process.user.uid,
            gid: process.user.gid,
            groups: process.user.additional_gids.clone(),
            set_groups: role.set_groups,
        },
    );
    plan.init(
        format!("{at}/capabilities"),
        Op::SetCapabilities {
            effective: sets.effective,
            permitted: sets.permitted,
            inheritable: sets.inheritable,
            ambient: sets.ambient,
            extra,
        },
    );
}

/// The label of what the process makes that is not a file.
pub(crate) fn label(process: &Process) -> Option<String> {
    process.selinux_label.clone().filter(|l| !l.is_empty())
}

fn security_modules(plan: &mut Plan, process: &Process, role: &Role<'_>) -> Result<()> {
    let at = role.pointer;
    if let Some(profile) = process.apparmor_profile.as_ref().filter(|p| !p.is_empty()) {
        if !role.host.apparmor {
            return Err(Error::new(
                format!("{at}/apparmorProfile"),
                profile,
                "apparmor is not enabled on this host, the profile would not be enforced",
            ));
        }
        let (name, asked) = match profile.strip_prefix('&') {
            Some(name) => (name, true),
            None => (profile.as_str(), false),
        };
        // Under no_new_privs a confined process may not change to a profile that is no subset of its own: the
        // two together are one.
        let demanded = role.host.apparmor_confined && process.no_new_privileges;
        plan.init(
            format!("{at}/apparmorProfile"),
            Op::ApparmorOnExec {
                profile: name.to_owned(),
                stack: asked || demanded,
            },
        );
    }
    if let Some(label) = process.selinux_label.as_ref().filter(|l| !l.is_empty()) {
        if !role.host.selinux {
            return Err(Error::new(
                format!("{at}/selinuxLabel"),
                label,
                "selinux is not enabled on this host, the label would not be enforced",
            ));
        }
        plan.init(
            format!("{at}/selinuxLabel"),
            Op::SelinuxOnExec {
                label: label.clone(),
            },
        );
    }
    Ok(())
}
