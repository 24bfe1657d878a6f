//! A plan: the steps in their order, and how people read it.

use crate::Downgrade;

use super::{Actor, Barrier, Op, Required, Step};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// The ordered operations that make one container or one further process in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Steps of both actors, in causal order.
    pub steps: Vec<Step>,
    /// SELinux label of the file systems that are made for the container besides its mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_label: Option<String>,
    /// What the user should know although nothing fails.
    pub warnings: Vec<String>,
    /// Those of them that are of the filter, in its own words.
    #[serde(skip)]
    pub(crate) of_filter: Vec<String>,
    /// What is asked and cannot be had here, so that no step even tries; the outcome begins with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Downgrade>,
}

impl Plan {
    /// Adds a step of the supervisor.
    pub fn supervisor(&mut self, because: impl Into<Cow<'static, str>>, op: Op) {
        self.steps.push(Step {
            actor: Actor::Supervisor,
            op,
            because: because.into(),
            required: Required::Hard,
        });
    }

    /// Adds a step of the init process.
    pub fn init(&mut self, because: impl Into<Cow<'static, str>>, op: Op) {
        self.steps.push(Step {
            actor: Actor::Init,
            op,
            because: because.into(),
            required: Required::Hard,
        });
    }

    /// Adds a step of the init process whose refusal is a visible downgrade.
    pub fn init_best_effort(&mut self, because: impl Into<Cow<'static, str>>, op: Op) {
        self.steps.push(Step {
            actor: Actor::Init,
            op,
            because: because.into(),
            required: Required::BestEffort,
        });
    }

    /// The supervisor tells, the init process waits.
    pub fn release(&mut self, barrier: Barrier) {
        self.supervisor("<order>", Op::Signal(barrier));
        self.init("<order>", Op::Await(barrier));
    }

    /// The init process tells, the supervisor waits.
    pub fn report(&mut self, barrier: Barrier) {
        self.init("<order>", Op::Signal(barrier));
        self.supervisor("<order>", Op::Await(barrier));
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.steps.iter().enumerate() {
            let actor = match step.actor {
                Actor::Supervisor => "supervisor",
                Actor::Init => "init",
            };
            let optional = if step.required == Required::BestEffort {
                " (best effort)"
            } else {
                ""
            };
            writeln!(
                f,
                "{n:3} {actor:10} {}{optional}  <- {}",
                step.op, step.because
            )?;
        }
        Ok(())
    }
}
