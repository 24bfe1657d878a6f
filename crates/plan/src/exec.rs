//! The plan of `exec`: one more process in a running container, never with more than the container has.

use crate::process::{Role, cpus, limits, privileges};
use crate::step::{Barrier, Op, Plan};
use crate::{Host, Result, landlock};
use lockstep_oci::runtime::{Linux, Process, Spec};
use lockstep_profile::seccomp::Program;

/// What the caller decided beside the process.
#[derive(Debug)]
pub struct Request<'a> {
    /// The container's id.
    pub id: &'a str,
    /// CLONE_NEW* of the namespaces that the container has of its own.
    pub namespaces: u64,
    /// Whether setgroups(2) is allowed in the container.
    pub set_groups: bool,
    /// Whether the process is in another user namespace than the caller.
    pub user_namespace: bool,
    /// The most processes that there may be where no cgroup counts them; see `CgroupPlan`.
    pub processes: Option<u64>,
    /// Descriptors beyond the standard streams that the program gets.
    pub keep: u32,
    /// The container's filter, if it is known in this form; else it is what the configuration's rules say.
    pub filter: Option<Program>,
}

/// Plans a process in a container whose configuration was `spec`.
pub fn plan(spec: &Spec, process: &Process, host: &Host, request: &Request<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    let empty = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&empty);
    let filter = match &request.filter {
        Some(known) => Some(crate::seccomp::warned(&mut plan, known.clone())),
        None => crate::seccomp::filter(&mut plan, linux)?,
    };
    affinity(&mut plan, process, When::Initial)?;
    // Inherited by the new process, whose /proc files are out of an ordinary user's reach from its first moment.
    if let Some(value) = process
        .oom_score_adj
        .or(spec.process.as_ref().and_then(|p| p.oom_score_adj))
    {
        plan.supervisor("/process/oomScoreAdj", Op::SetOomScoreAdj { value });
    }
    plan.supervisor(
        "<exec>",
        Op::Enter {
            namespaces: request.namespaces,
        },
    );
    plan.init("<exec>", Op::JoinHierarchies);
    plan.supervisor("<exec>", Op::JoinCgroup);
    plan.release(Barrier::Joined);
    if request.user_namespace {
        plan.init(
            "/linux/uidMappings",
            Op::BecomeRoot {
                groups: request.set_groups,
            },
        );
    }
    plan.init_best_effort(
        "<session keyring>",
        Op::JoinKeyring {
            name: format!("_ses.{}", request.id),
            label: crate::process::label(process),
        },
    );
    // Always: whoever shares the caller's session could type into its terminal (TIOCSTI).
    plan.init("<session>", Op::NewSession);
    if process.terminal {
        crate::process::console(&mut plan, process, false);
    }
    affinity(&mut plan, process, When::Final)?;
    let role = role(spec, linux, host, request, filter)?;
    limits(&mut plan, process, &role)?;
    privileges(&mut plan, process, role)?;
    crate::order::check(&plan)?;
    Ok(plan)
}

/// When a set of processors begins to hold.
enum When {
    /// For the new process from its first moment, the runtime's own part included.
    Initial,
    /// For its program.
    Final,
}

fn affinity(plan: &mut Plan, process: &Process, when: When) -> Result<()> {
    let Some(asked) = &process.exec_cpu_affinity else {
        return Ok(());
    };
    match when {
        When::Initial => {
            let pointer = "/process/execCPUAffinity/initial";
            let cpus = cpus(pointer, asked.initial.as_deref())?;
            if !cpus.is_empty() {
                plan.supervisor(pointer, Op::InitialCpuAffinity { cpus });
            }
        }
        When::Final => {
            let pointer = "/process/execCPUAffinity/final";
            let cpus = cpus(pointer, asked.final_.as_deref())?;
            if !cpus.is_empty() {
                plan.init(pointer, Op::SetCpuAffinity { cpus });
            }
        }
    }
    Ok(())
}

fn role<'a>(
    spec: &Spec,
    linux: &'a Linux,
    host: &'a Host,
    request: &Request<'_>,
    filter: Option<Program>,
) -> Result<Role<'a>> {
    Ok(Role {
        linux,
        host,
        user_namespace: request.user_namespace,
        set_groups: request.set_groups,
        filter,
        landlock: landlock::domain(spec)?,
        start_hooks: false,
        waits: false,
        supervised: false,
        init: false,
        keep: request.keep,
        sockets: 0,
        processes: request.processes,
        pointer: "/process",
    })
}
