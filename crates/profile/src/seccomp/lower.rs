//! From the rules of config.json to numbers, in runc's reading where the specification is silent.
//!
//! Everything that is a matter of interpretation stands here and in `interface`, and nowhere else in the
//! compiler; what was decided is listed at [`lower`].

use lockstep_abi::arch::Arch;
use lockstep_oci::runtime::{Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator};

use super::Verdict;
use super::classes::Classes;
use super::filter::{Comparison, Condition, Filter};
use super::interface::interface;
use crate::Error;

/// Turns the rules of config.json into rules per interface and number.
///
/// Decided as runc 1.1 with libseccomp 2.5 decides, observed in the programs that it loads:
///
/// - The native architecture is always listed, also beside others, and alone if the list is empty.
/// - A rule whose verdict is the default's is dropped before anything else is looked at, so it does
///   not override another rule for the same call.
/// - Unknown names are skipped, with a warning.
/// - A rule with a repeated argument index becomes one rule per condition: alternatives, not a
///   conjunction.
/// - Rules of one call: one without conditions wins, the earliest if there are several. Otherwise
///   the first that matches in this order: higher first argument index first; equality (`EQ`, `NE`,
///   `MASKED_EQ`), then `LT` and `LE`, then `GT` and `GE`; higher values first, for `LT` and `LE`
///   lower ones; then by the next condition; fewer conditions first. (The order of libseccomp's tree.)
/// - Calls with a higher number than the highest that the profile names get ENOSYS, unless the default
///   allows, logs or traces. Names of dropped rules count. On s390 number 0 does too: the kernel
///   shows it for every call that it does not know.
/// - `MASKED_EQ` has the mask in `value` and compares with `valueTwo`; bits outside the mask are ignored.
/// - On interfaces with 32-bit arguments, values are cut to 32 bits.
/// - Calls of unlisted architectures kill the thread.
/// - Where the socket and System V calls can also be reached through `socketcall` and `ipc`, a rule
///   holds there too. Its conditions cannot be seen there, so the strictest verdict of that call's
///   rules and the default holds. (libseccomp lets conditional permissions become unconditional ones,
///   and can be passed by bits of the call's number that the kernel ignores.)
///
/// Stricter than runc, as the specification demands: an errno for an action without one is an error.
///
/// # Errors
/// An [`Error`] with the place in the profile for values outside the specification, and for
/// notification of `write` or by default, which runc refuses because nobody could answer.
pub fn lower(seccomp: &Seccomp, native: Arch) -> Result<Filter, Error> {
    let default = verdict(
        &seccomp.default_action,
        seccomp.default_errno_ret,
        Place::Default,
    )?;
    if default == Verdict::NOTIFY {
        return Err(Error::Notify {
            pointer: Place::Default.action(),
            of: "as default action",
        });
    }
    let mut warnings = Vec::new();
    let rules = resolve(seccomp, default, &mut warnings)?;
    let interfaces = architectures(&seccomp.architectures, native)?
        .into_iter()
        .map(|arch| interface(arch, &rules, default, &mut warnings))
        .collect();
    Ok(Filter {
        default,
        foreign: Verdict::KILL_THREAD,
        interfaces,
        warnings,
    })
}

/// The rules of the profile, and which of them are about which call.
pub(super) struct Rules {
    pub(super) list: Vec<Rule>,
    pub(super) classes: Classes,
}

/// A rule of the profile.
pub(super) struct Rule {
    pub(super) verdict: Verdict,
    /// Conjunctions, any of which may hold; empty means no condition.
    pub(super) alternatives: Vec<Vec<Condition>>,
}

/// Where an action stands in the profile.
#[derive(Clone, Copy)]
enum Place {
    Default,
    Rule(usize),
}

impl Place {
    fn action(self) -> String {
        match self {
            Self::Default => "/defaultAction".to_owned(),
            Self::Rule(index) => format!("/syscalls/{index}/action"),
        }
    }

    fn errno(self) -> String {
        match self {
            Self::Default => "/defaultErrnoRet".to_owned(),
            Self::Rule(index) => format!("/syscalls/{index}/errnoRet"),
        }
    }
}

fn verdict(action: &SeccompAction, errno: Option<u32>, place: Place) -> Result<Verdict, Error> {
    let data = errno.map_or(Ok(EPERM), |errno| {
        u16::try_from(errno).ok().ok_or_else(|| Error::ErrnoRange {
            pointer: place.errno(),
            errno,
        })
    })?;
    let plain = match action {
        SeccompAction::Errno => return Ok(Verdict::errno(data)),
        SeccompAction::Trace => return Ok(Verdict::trace(data)),
        SeccompAction::Kill | SeccompAction::KillThread => Verdict::KILL_THREAD,
        SeccompAction::KillProcess => Verdict::KILL_PROCESS,
        SeccompAction::Trap => Verdict::TRAP,
        SeccompAction::Allow => Verdict::ALLOW,
        SeccompAction::Log => Verdict::LOG,
        SeccompAction::Notify => Verdict::NOTIFY,
        SeccompAction::Unknown(value) => {
            return Err(Error::Unknown {
                pointer: place.action(),
                value: value.clone(),
            });
        }
    };
    if errno.is_some() {
        let (pointer, action) = (place.errno(), action.as_str().to_owned());
        return Err(Error::ErrnoWithoutUse { pointer, action });
    }
    Ok(plain)
}

const EPERM: u16 = 1;

fn resolve(
    seccomp: &Seccomp,
    default: Verdict,
    warnings: &mut Vec<String>,
) -> Result<Rules, Error> {
    let mut classes = Classes::new();
    let mut list = Vec::with_capacity(seccomp.syscalls.len());
    for (index, rule) in seccomp.syscalls.iter().enumerate() {
        let place = Place::Rule(index);
        let verdict = verdict(&rule.action, rule.errno_ret, place)?;
        if verdict == Verdict::NOTIFY && rule.names.iter().any(|name| name == "write") {
            return Err(Error::Notify {
                pointer: place.action(),
                of: "for the write syscall",
            });
        }
        for call in rule.names.calls() {
            if verdict == default {
                classes.mention(*call);
            } else {
                classes.add(*call, index);
            }
        }
        let unknown = rule.names.unknown();
        warnings.extend(
            unknown.map(|(_, name)| format!("/syscalls/{index}: no system call {name:?} is known")),
        );
        list.push(Rule {
            verdict,
            alternatives: alternatives(&rule.args, index)?,
        });
    }
    Ok(Rules { list, classes })
}

fn alternatives(args: &[SeccompArg], rule: usize) -> Result<Vec<Vec<Condition>>, Error> {
    let mut conditions = Vec::with_capacity(args.len());
    for (index, arg) in args.iter().enumerate() {
        conditions.push(condition(arg, (rule, index))?);
    }
    let repeated = (0..conditions.len()).any(|i| {
        conditions[..i]
            .iter()
            .any(|earlier| earlier.argument == conditions[i].argument)
    });
    if repeated {
        return Ok(conditions
            .into_iter()
            .map(|condition| vec![condition])
            .collect());
    }
    conditions.sort_by_key(|condition| condition.argument);
    Ok(if conditions.is_empty() {
        Vec::new()
    } else {
        vec![conditions]
    })
}

/// The condition of an argument, which stands there in a rule.
fn condition(arg: &SeccompArg, (rule, index): (usize, usize)) -> Result<Condition, Error> {
    let pointer = |field: &str| format!("/syscalls/{rule}/args/{index}/{field}");
    let argument = u8::try_from(arg.index)
        .ok()
        .filter(|index| *index < 6)
        .ok_or_else(|| Error::ArgumentIndex {
            pointer: pointer("index"),
            index: arg.index,
        })?;
    let (comparison, value) = match &arg.op {
        SeccompOperator::NotEqual => (Comparison::NotEqual, arg.value),
        SeccompOperator::LessThan => (Comparison::Less, arg.value),
        SeccompOperator::LessEqual => (Comparison::LessOrEqual, arg.value),
        SeccompOperator::Equal => (Comparison::Equal, arg.value),
        SeccompOperator::GreaterEqual => (Comparison::GreaterOrEqual, arg.value),
        SeccompOperator::GreaterThan => (Comparison::Greater, arg.value),
        SeccompOperator::MaskedEqual => (Comparison::Masked(arg.value), arg.value_two & arg.value),
        SeccompOperator::Unknown(op) => {
            return Err(Error::Unknown {
                pointer: pointer("op"),
                value: op.clone(),
            });
        }
    };
    Ok(Condition {
        argument,
        comparison,
        value,
    })
}

fn architectures(listed: &[SeccompArch], native: Arch) -> Result<Vec<Arch>, Error> {
    let mut arches = vec![native];
    for (index, name) in listed.iter().enumerate() {
        let pointer = format!("/architectures/{index}");
        let Some(arch) = Arch::from_scmp_name(name.as_str()) else {
            return Err(Error::Unknown {
                pointer,
                value: name.as_str().to_owned(),
            });
        };
        if arch.is_little_endian() != native.is_little_endian() {
            let (arch, native) = (arch.scmp_name(), native.scmp_name());
            return Err(Error::ByteOrder {
                pointer,
                arch,
                native,
            });
        }
        if !arches.contains(&arch) {
            arches.push(arch);
        }
    }
    Ok(arches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let seccomp: Seccomp = serde_json::from_str(text).unwrap();
        lower(&seccomp, Arch::X86_64).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_place_and_the_value() {
        let rule = |rule: &str| {
            refused(&format!(
                r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}"#
            ))
        };
        let cases = [
            (
                refused(r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#),
                "/defaultAction: SCMP_ACT_NOTIFY cannot be used as default action",
            ),
            (
                refused(r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 5}"#),
                "/defaultErrnoRet: SCMP_ACT_ALLOW does not return an errno",
            ),
            (
                refused(
                    r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_S390X"]}"#,
                ),
                "/architectures/0: SCMP_ARCH_S390X has another byte order than SCMP_ARCH_X86_64",
            ),
            (
                refused(
                    r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_PDP11"]}"#,
                ),
                "/architectures/0: unknown value \"SCMP_ARCH_PDP11\"",
            ),
            (
                rule(r#"{"names": ["read", "write"], "action": "SCMP_ACT_NOTIFY"}"#),
                "/syscalls/0/action: SCMP_ACT_NOTIFY cannot be used for the write syscall",
            ),
            (
                rule(r#"{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 65536}"#),
                "/syscalls/0/errnoRet: 65536 is above 65535",
            ),
            (
                rule(
                    r#"{"names": ["read"], "action": "SCMP_ACT_TRAP",
                        "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}"#,
                ),
                "/syscalls/0/args/0/index: argument index 6 is not one of 0 to 5",
            ),
            (
                rule(
                    r#"{"names": ["read"], "action": "SCMP_ACT_TRAP",
                        "args": [{"index": 1, "value": 0, "op": "=="}]}"#,
                ),
                "/syscalls/0/args/0/op: unknown value \"==\"",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn what_has_no_effect_is_warned_of() {
        let seccomp: Seccomp = serde_json::from_str(
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["no_such_call"], "action": "SCMP_ACT_TRAP"},
                {"names": ["getpid"], "action": "SCMP_ACT_TRAP",
                    "args": [{"index": 1, "value": 3, "op": "SCMP_CMP_EQ"}]},
                {"names": ["getpid"], "action": "SCMP_ACT_ERRNO",
                    "args": [{"index": 1, "value": 3, "op": "SCMP_CMP_EQ"}]}]}"#,
        )
        .unwrap();
        let warnings = lower(&seccomp, Arch::X86_64).unwrap().warnings;
        assert_eq!(
            warnings,
            [
                "/syscalls/0: no system call \"no_such_call\" is known",
                "getpid on SCMP_ARCH_X86_64: the same conditions give trap and errno 1, the former holds",
            ]
        );
    }
}
