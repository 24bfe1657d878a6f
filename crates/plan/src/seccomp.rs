//! Seccomp: compiles the filter of config.json before anything is made, so that a wrong one costs nothing.

use crate::step::{HandOver, Op};
use crate::{Error, Plan, Result};
use lockstep_abi::arch::Arch;
use lockstep_abi::syscall;
use lockstep_oci::runtime::Linux;
use lockstep_profile::seccomp::interpret::{Call, interpret};
use lockstep_profile::seccomp::{Program, Verdict, compile};

/// The filter as the kernel takes it, if there is one; what its rules ask in vain becomes a warning.
pub fn filter(plan: &mut Plan, linux: &Linux) -> Result<Option<Program>> {
    let Some(seccomp) = &linux.seccomp else {
        return Ok(None);
    };
    let wrong = |reason: String| Error::new("/linux/seccomp", "", reason);
    let program = compile(seccomp, Arch::native()).map_err(|e| wrong(e.to_string()))?;
    Ok(Some(warned(plan, program)))
}

/// The filter, when its warnings are the plan's.
pub(crate) fn warned(plan: &mut Plan, program: Program) -> Program {
    let warnings = program.warnings.iter();
    plan.warnings
        .extend(warnings.map(|warning| format!("/linux/seccomp: {warning}")));
    plan.of_filter.clone_from(&program.warnings);
    program
}

/// The filter of a plan, for later processes of the same container.
#[must_use]
pub fn of(plan: &Plan) -> Option<Program> {
    plan.steps.iter().find_map(|step| match &step.op {
        Op::Seccomp {
            filter,
            flags,
            listener,
        } => Some(Program {
            insns: filter.clone(),
            flags: *flags,
            notify: listener.is_some(),
            warnings: plan.of_filter.clone(),
        }),
        _ => None,
    })
}

/// How the filter's listener gets out, if it has one.
pub(crate) fn hand_over(program: &Program) -> Option<HandOver> {
    program.notify.then(|| {
        if lets_the_listener_out(program) {
            HandOver::Sent
        } else {
            HandOver::Beside
        }
    })
}

/// Whether the init process, already under the filter, can still send the listener out. One that waited for
/// an answer of the agent to do so would wait for ever, for the agent has no listener yet.
fn lets_the_listener_out(program: &Program) -> bool {
    let native = Arch::native();
    syscall::number(native, "sendmsg").is_some_and(|number| {
        let call = Call {
            number,
            audit_arch: native.audit_arch(),
            instruction_pointer: 0,
            arguments: [0; 6],
        };
        matches!(
            interpret(&program.insns, &call),
            Ok(Verdict::ALLOW | Verdict::LOG)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_oci::runtime::Seccomp;

    #[test]
    fn a_listener_gets_out_in_spite_of_its_filter() {
        let with = |names: &str, action: &str, default: &str| {
            let text = format!(
                r#"{{"defaultAction": "SCMP_ACT_{default}", "syscalls": [
                    {{"names": [{names}], "action": "SCMP_ACT_{action}"}},
                    {{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}}]}}"#
            );
            let seccomp = serde_json::from_str::<Seccomp>(&text).expect("a profile");
            hand_over(&compile(&seccomp, Arch::native()).expect("a filter"))
        };
        for (names, action, default, expected) in [
            (r#""sendmsg""#, "NOTIFY", "ALLOW", HandOver::Beside),
            (r#""sendmsg""#, "ERRNO", "ALLOW", HandOver::Beside),
            (r#""read""#, "ALLOW", "ERRNO", HandOver::Beside),
            (r#""read", "sendmsg""#, "ALLOW", "ERRNO", HandOver::Sent),
            (r#""read""#, "NOTIFY", "ALLOW", HandOver::Sent),
        ] {
            assert_eq!(
                with(names, action, default),
                Some(expected),
                "{names} {action} {default}"
            );
        }
        let without =
            serde_json::from_str(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#).expect("a profile");
        assert_eq!(
            hand_over(&compile(&without, Arch::native()).expect("a filter")),
            None
        );
    }
}
