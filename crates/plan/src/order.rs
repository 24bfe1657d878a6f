//! The order invariants that security rests on, checked on every plan before it is executed.

use crate::step::{Actor, Barrier, Op, Plan};
use crate::{Error, Result};

/// Refuses a plan whose steps are in an order that the kernel refuses, or that leaves a gap.
pub fn check(plan: &Plan) -> Result<()> {
    let init: Vec<&Op> = plan
        .steps
        .iter()
        .filter(|s| s.actor == Actor::Init)
        .map(|s| &s.op)
        .collect();
    let at = |wanted: fn(&Op) -> bool| init.iter().position(|op| wanted(op));
    let execute = at(|op| matches!(op, Op::Execute { .. }));
    let seccomp = at(|op| matches!(op, Op::Seccomp { .. }));
    let capabilities = at(|op| matches!(op, Op::SetCapabilities { .. }));
    let switch = at(|op| matches!(op, Op::SwitchUser { .. }));
    let bounding = at(|op| matches!(op, Op::DropBounding { .. }));
    let no_new_privs = at(|op| matches!(op, Op::NoNewPrivs));
    let close = at(|op| matches!(op, Op::CloseDescriptors { .. }));
    let last_open = init.iter().rposition(|op| opens(op));

    if init.last() == Some(&&Op::Await(Barrier::Go)) {
        require(
            execute.is_none(),
            "a container that is held executes nothing",
        )?;
        return mounts_first(&init);
    }
    require(
        execute == Some(init.len() - 1),
        "the program is executed last",
    )?;
    require(
        bounding < switch && switch < capabilities,
        "bounding set, then user, then capability sets",
    )?;
    require(
        close > last_open,
        "no descriptor is opened after they are marked close-on-exec",
    )?;
    if let Some(seccomp) = seccomp {
        require(
            Some(seccomp) > close,
            "the filter is loaded after the descriptors are marked",
        )?;
        let after = init.len() - seccomp - 1;
        if no_new_privs.is_some() {
            require(
                after == 1,
                "with no_new_privs only execve follows the filter",
            )?;
        } else {
            let dropped = matches!(init[seccomp + 1], Op::FinalCapabilities { .. });
            require(
                after == 2 && dropped,
                "without no_new_privs only capset and execve follow the filter",
            )?;
        }
    }
    mounts_first(&init)
}

fn mounts_first(init: &[&Op]) -> Result<()> {
    let pivot = init
        .iter()
        .position(|op| matches!(op, Op::PivotRoot | Op::MoveRoot | Op::Chroot));
    let last_mount = init
        .iter()
        .rposition(|op| matches!(op, Op::Mount { .. } | Op::Bind { .. }));
    require(
        pivot.is_none() || last_mount < pivot,
        "host trees are mounted before the root changes",
    )
}

/// Whether executing the operation may open a file.
fn opens(op: &Op) -> bool {
    !matches!(
        op,
        Op::Signal(_)
            | Op::Await(_)
            | Op::CloseDescriptors { .. }
            | Op::Seccomp { .. }
            | Op::FinalCapabilities { .. }
            | Op::Execute { .. }
    )
}

fn require(holds: bool, rule: &str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::new(
            "<order>",
            "",
            format!("broken invariant: {rule}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(ops: impl IntoIterator<Item = Op>) -> Result<()> {
        let mut plan = Plan::default();
        for op in ops {
            plan.init("<test>", op);
        }
        plan.release(Barrier::Go);
        check(&plan)
    }

    #[test]
    fn a_container_that_is_held_executes_nothing() {
        assert_eq!(held([Op::PivotRoot, Op::TellNamespaces]), Ok(()));
        let execute = Op::Execute {
            args: Vec::new(),
            env: Vec::new(),
            init: None,
        };
        held([Op::PivotRoot, execute]).expect_err("a program in a container that is held");
    }
}
