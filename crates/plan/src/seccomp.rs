//! Seccomp: compiles the filter of config.json before anything is made, so that a wrong one costs nothing.

use crate::{Error, Plan, Result};
use lockstep_abi::arch::Arch;
use lockstep_abi::syscall;
use lockstep_oci::runtime::{Linux, Seccomp};
use lockstep_profile::seccomp::interpret::{Call, interpret};
use lockstep_profile::seccomp::{Program, Verdict, compile};

/// The filter as the kernel takes it, if there is one; what its rules ask in vain becomes a warning.
pub fn filter(plan: &mut Plan, linux: &Linux) -> Result<Option<Program>> {
    let Some(seccomp) = &linux.seccomp else {
        return Ok(None);
    };
    let program = program(seccomp)?;
    let warnings = program.warnings.iter();
    plan.warnings
        .extend(warnings.map(|w| format!("/linux/seccomp: {w}")));
    Ok(Some(program))
}

fn program(seccomp: &Seccomp) -> Result<Program> {
    let wrong = |reason: String| Error::new("/linux/seccomp", "", reason);
    let program = compile(seccomp, Arch::native()).map_err(|e| wrong(e.to_string()))?;
    if program.notify && !lets_the_listener_out(&program) {
        let reason = "the filter stops sendmsg, by which its listener is handed over";
        return Err(wrong(reason.to_owned()));
    }
    Ok(program)
}

/// Whether the init process, already under the filter, can still send the listener out. One that waited for
/// an answer of the agent to do so would wait for ever.
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

    #[test]
    fn a_listener_that_could_never_be_handed_over_is_refused() {
        let with = |names: &str, action: &str, default: &str| {
            let text = format!(
                r#"{{"defaultAction": "SCMP_ACT_{default}", "syscalls": [
                    {{"names": [{names}], "action": "SCMP_ACT_{action}"}},
                    {{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}}]}}"#
            );
            serde_json::from_str::<Seccomp>(&text).map(|seccomp| program(&seccomp).is_ok())
        };
        let results = [
            with(r#""sendmsg""#, "NOTIFY", "ALLOW"),
            with(r#""sendmsg""#, "ERRNO", "ALLOW"),
            with(r#""read""#, "ALLOW", "ERRNO"),
            with(r#""read", "sendmsg""#, "ALLOW", "ERRNO"),
            with(r#""read""#, "NOTIFY", "ALLOW"),
        ];
        let accepted = results.map(|result| result.is_ok_and(|accepted| accepted));
        assert_eq!(accepted, [false, false, false, true, true]);
    }
}
