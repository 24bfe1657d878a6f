//! The supervisor's side of a plan: makes the new process and helps it from the host, step by step.

mod barrier;
mod borrow;
mod lent;
mod outside;
mod process;

use crate::cgroup::Cgroup;
use crate::error::{Error, For, Kind, Result};
use crate::state::Directory;
use crate::{init, words};
pub(crate) use lent::Lent;
#[cfg(any(test, fuzzing))]
pub(crate) use lent::Stored as StoredLent;
use lockstep_kernel::process::Child;
use lockstep_kernel::schedule;
use lockstep_oci::runtime::Hooks;
use lockstep_oci::state::{State, Status};
use lockstep_plan::{Actor, Barrier, Downgrade, Op, Outcome, Plan, Required, Slot};
use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};

/// What makes the new process what it becomes.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    /// The plan of both processes.
    pub(crate) plan: &'a Plan,
    /// The host's /proc.
    pub(crate) proc: BorrowedFd<'a>,
    /// The container's cgroup.
    pub(crate) cgroup: &'a mut Cgroup,
    /// The container's first process, when this is a further one.
    pub(crate) target: Option<BorrowedFd<'a>>,
    /// That process's id.
    pub(crate) target_pid: i32,
    /// Containers whose namespaces are joined, with the first process that each has.
    pub(crate) neighbours: Vec<(Directory, i32)>,
    /// Where `start` will connect.
    pub(crate) listener: Option<OwnedFd>,
    /// Whether a cgroup counts the container's processes.
    pub(crate) counted: bool,
    /// The memory limit of the cgroup in bytes, which can be too small for the runtime itself.
    pub(crate) memory_limit: Option<i64>,
    /// The configuration's hooks.
    pub(crate) hooks: &'a Hooks,
    /// What hooks are told.
    pub(crate) state: State,
    /// Where the terminal's master goes.
    pub(crate) console: Option<OwnedFd>,
    /// User and mount namespace of a container that is held.
    namespaces: Option<(OwnedFd, OwnedFd)>,
    slots: BTreeMap<Slot, OwnedFd>,
    lent: Lent,
    tasks: Vec<OwnedFd>,
    peer: Option<OwnedFd>,
    child: Option<Child>,
    cloned_into_cgroup: bool,
    outcome: Outcome,
}

/// A process that has done everything up to its last barrier.
#[derive(Debug)]
pub(crate) struct Born {
    /// The process.
    pub(crate) child: Child,
    /// The connection to it: closes when the program is executed.
    pub(crate) peer: OwnedFd,
    /// What differs from the plan.
    pub(crate) outcome: Outcome,
    /// The terminal's master, if the plan makes one.
    pub(crate) console: Option<OwnedFd>,
    /// What the host gets back if the container comes to nothing.
    pub(crate) lent: Lent,
    /// User and mount namespace, if the plan hands them over.
    pub(crate) namespaces: Option<(OwnedFd, OwnedFd)>,
}

impl<'a> Birth<'a> {
    /// Prepares a birth.
    pub(crate) fn new(
        plan: &'a Plan,
        proc: BorrowedFd<'a>,
        cgroup: &'a mut Cgroup,
        hooks: &'a Hooks,
        state: State,
    ) -> Self {
        Birth {
            plan,
            proc,
            cgroup,
            target: None,
            target_pid: 0,
            neighbours: Vec::new(),
            listener: None,
            counted: false,
            memory_limit: None,
            hooks,
            state,
            console: None,
            namespaces: None,
            slots: BTreeMap::new(),
            lent: Lent::default(),
            tasks: Vec::new(),
            peer: None,
            child: None,
            cloned_into_cgroup: false,
            outcome: Outcome {
                downgrades: plan.lost.clone(),
            },
        }
    }

    /// Carries out the supervisor's steps up to the moment when only the program is left to execute.
    /// `made` is told of the new process as soon as it exists. On an error the process is gone.
    pub(crate) fn run(mut self, made: impl FnOnce(&Child) -> Result<()>) -> Result<Born> {
        let mut made = Some(made);
        let mut result = Ok(());
        for step in self
            .plan
            .steps
            .iter()
            .filter(|step| step.actor == Actor::Supervisor)
        {
            result = self.step(&step.op);
            if let Err(e) = result {
                if step.required == Required::BestEffort {
                    self.lost(&step.because, e);
                    result = Ok(());
                    continue;
                }
                let e = words::of_step(self.plan, &step.op, e);
                result = Err(if step.because.starts_with('/') {
                    e.asked(&*step.because)
                } else {
                    e
                });
                break;
            }
            if let (Some(child), Some(tell)) = (&self.child, made.take_if(|_| self.child.is_some()))
            {
                result = tell(child);
                if result.is_err() {
                    break;
                }
            }
            if step.op == Op::Await(Barrier::Ready) {
                break;
            }
        }
        if let Err(e) = result {
            return Err(self.abandon(e));
        }
        let (Some(child), Some(peer)) = (self.child, self.peer) else {
            return Err(Error::new(Kind::Invalid, "the plan makes no process"));
        };
        Ok(Born {
            child,
            peer,
            outcome: self.outcome,
            console: self.console,
            lent: self.lent,
            namespaces: self.namespaces,
        })
    }

    fn lost(&mut self, because: &str, e: Error) {
        self.outcome.downgrades.push(Downgrade {
            because: because.into(),
            lost: e.message.clone(),
            call: e.call.clone().unwrap_or_default(),
        });
    }

    fn step(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::OpenTree { slot, .. } => {
                let tree = init::open_source(self.proc, op)?;
                self.slots.insert(*slot, tree);
                Ok(())
            }
            Op::BorrowTree {
                slot,
                namespaces,
                path,
            } => {
                let tree = self.borrow_tree(namespaces, path)?;
                self.slots.insert(*slot, tree);
                Ok(())
            }
            Op::OpenInit { slot } => {
                let program = lockstep_kernel::init::program().during(|| "our init".into())?;
                self.slots.insert(*slot, program);
                Ok(())
            }
            Op::Clone { new, join, owner } => self.clone(*new, join, *owner),
            Op::Enter { namespaces } => self.enter(*namespaces),
            Op::WriteIdMaps { maps, method } => self.write_maps(maps, *method),
            Op::JoinCgroup => self.join_cgroup(),
            Op::SetOomScoreAdj { value } => self.oom_score_adj(*value),
            Op::RaiseRlimit { resource, hard } => self.raise_rlimit(*resource, *hard),
            Op::MoveNetDevice { host, name } => self.move_device(host, name),
            Op::JoinResctrl {
                group,
                schemata,
                monitoring,
                create,
            } => crate::rdt::join(
                &self.state.id,
                self.pid(),
                group,
                schemata,
                *monitoring,
                *create,
            ),
            Op::InitialCpuAffinity { cpus } => {
                schedule::sched_setaffinity(0, cpus).during(|| "initial CPU affinity".into())
            }
            Op::RunRuntimeHooks => self.runtime_hooks(),
            Op::Signal(barrier) => self.signal(*barrier),
            Op::Await(barrier) => self.wait(*barrier),
            _ => Err(Error::new(
                Kind::Invalid,
                "a step of init in the plan of the supervisor",
            )),
        }
    }

    fn pid(&self) -> i32 {
        self.child.as_ref().map_or(0, |child| child.pid)
    }

    fn runtime_hooks(&mut self) -> Result<()> {
        let state = State {
            pid: Some(self.pid()),
            status: Status::Creating,
            ..self.state.clone()
        };
        crate::hook::run_all(&self.hooks.prestart, "prestart", &state)?;
        crate::hook::run_all(&self.hooks.create_runtime, "createRuntime", &state)
    }
}
