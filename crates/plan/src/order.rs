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
        held([Op::PivotRoot, execute()]).expect_err("a program in a container that is held");
        let late = held([Op::PivotRoot, mount()]).expect_err("a mount in the new root");
        assert!(late.to_string().contains("mounted before"), "{late}");
    }

    fn execute() -> Op {
        Op::Execute {
            args: Vec::new(),
            env: Vec::new(),
            init: None,
        }
    }

    fn mount() -> Op {
        Op::Bind {
            source: crate::step::Source::Memory,
            recursive: false,
            attributes: crate::mount_options::Attributes::default(),
            target: crate::step::RootPath::new("/"),
            nofollow: false,
        }
    }

    fn filter() -> Op {
        Op::Seccomp {
            filter: Vec::new(),
            flags: 0,
            listener: None,
        }
    }

    fn final_capabilities() -> Op {
        Op::FinalCapabilities {
            effective: 0,
            permitted: 0,
            inheritable: 0,
        }
    }

    /// The last acts of a container with a filter and with no_new_privs, in the order that is sound.
    fn sound() -> Vec<Op> {
        vec![
            mount(),
            Op::PivotRoot,
            Op::DropBounding { keep: 0 },
            Op::SwitchUser {
                uid: 0,
                gid: 0,
                groups: Vec::new(),
                set_groups: true,
            },
            Op::SetCapabilities {
                effective: 0,
                permitted: 0,
                inheritable: 0,
                ambient: 0,
                extra: 0,
            },
            Op::NoNewPrivs,
            Op::CloseDescriptors { keep: 3 },
            filter(),
            execute(),
        ]
    }

    fn checked(ops: Vec<Op>) -> Result<()> {
        let mut plan = Plan::default();
        for op in ops {
            plan.init("<test>", op);
        }
        check(&plan)
    }

    /// The sound order after a change.
    fn changed(change: impl FnOnce(&mut Vec<Op>)) -> Result<()> {
        let mut ops = sound();
        change(&mut ops);
        checked(ops)
    }

    const MOUNT: usize = 0;
    const PIVOT: usize = 1;
    const BOUNDING: usize = 2;
    const SWITCH: usize = 3;
    const CAPABILITIES: usize = 4;
    const NO_NEW_PRIVS: usize = 5;
    const CLOSE: usize = 6;
    const FILTER: usize = 7;
    const EXECUTE: usize = 8;

    #[test]
    fn sound_orders_are_not_refused() {
        assert_eq!(checked(sound()), Ok(()));
        let without = changed(|ops| {
            ops.remove(NO_NEW_PRIVS);
            ops.insert(EXECUTE - 1, final_capabilities());
        });
        assert_eq!(without, Ok(()));
    }

    /// One plan for each way to break each rule.
    #[test]
    fn each_rule_refuses_a_plan_that_breaks_it() {
        let held = Op::FindHome { uid: 0 };
        let descriptors = "no descriptor is opened after";
        let user = "bounding set, then user, then capability sets";
        let with = "with no_new_privs only execve";
        let without = "without no_new_privs only capset and execve";
        let cases = [
            (
                "the program is executed last",
                changed(|ops| ops.push(Op::NewSession)),
            ),
            (
                "the program is executed last",
                changed(|ops| drop(ops.pop())),
            ),
            (user, changed(|ops| ops.swap(BOUNDING, SWITCH))),
            (user, changed(|ops| ops.swap(SWITCH, CAPABILITIES))),
            (user, changed(|ops| drop(ops.remove(CAPABILITIES)))),
            (descriptors, changed(|ops| ops.swap(NO_NEW_PRIVS, CLOSE))),
            (descriptors, changed(|ops| ops.insert(FILTER, held))),
            (descriptors, changed(|ops| drop(ops.remove(CLOSE)))),
            (
                "the filter is loaded after the descriptors are marked",
                changed(|ops| ops.swap(CLOSE, FILTER)),
            ),
            (
                with,
                changed(|ops| ops.insert(EXECUTE, final_capabilities())),
            ),
            (without, changed(|ops| drop(ops.remove(NO_NEW_PRIVS)))),
            (
                without,
                changed(|ops| {
                    ops.remove(NO_NEW_PRIVS);
                    ops.insert(EXECUTE - 1, Op::Signal(Barrier::Ready));
                }),
            ),
            (
                "host trees are mounted before the root changes",
                changed(|ops| ops.swap(MOUNT, PIVOT)),
            ),
        ];
        for (number, (rule, result)) in cases.into_iter().enumerate() {
            let error = result.expect_err(rule).to_string();
            assert!(error.contains(rule), "{number}: {error}");
        }
    }
}
