//! From the names of config.json to numbers, in runc's reading where the specification is silent.
//!
//! Everything that is a matter of interpretation stands here and nowhere else in the compiler; what
//! was decided is listed at [`lower`].

use std::cmp::{Ordering, Reverse};

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall::Syscall;
use lockstep_oci::runtime::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator, SeccompSyscall,
};

use super::Verdict;
use super::filter::{
    Alternative, Comparison, Condition, Filter, Interface, NumberRule, Outcome,
    has_narrow_arguments,
};
use super::multiplexer::{Multiplexer, join};
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
        "/defaultAction",
        "/defaultErrnoRet",
    )?;
    if default == Verdict::NOTIFY {
        return Err(Error::Notify {
            pointer: "/defaultAction".to_owned(),
            of: "as default action",
        });
    }
    let mut warnings = Vec::new();
    let rules = resolve(&seccomp.syscalls, &mut warnings)?;
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

/// A rule of the profile with its names looked up.
struct Rule {
    calls: Vec<Syscall>,
    verdict: Verdict,
    /// Conjunctions, any of which may hold; empty means no condition.
    alternatives: Vec<Vec<Condition>>,
}

fn verdict(
    action: &SeccompAction,
    errno: Option<u32>,
    action_pointer: &str,
    errno_pointer: &str,
) -> Result<Verdict, Error> {
    let data = errno.map_or(Ok(EPERM), |errno| {
        u16::try_from(errno).ok().ok_or_else(|| Error::ErrnoRange {
            pointer: errno_pointer.to_owned(),
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
                pointer: action_pointer.to_owned(),
                value: value.clone(),
            });
        }
    };
    if errno.is_some() {
        let (pointer, action) = (errno_pointer.to_owned(), action.as_str().to_owned());
        return Err(Error::ErrnoWithoutUse { pointer, action });
    }
    Ok(plain)
}

const EPERM: u16 = 1;

fn resolve(syscalls: &[SeccompSyscall], warnings: &mut Vec<String>) -> Result<Vec<Rule>, Error> {
    let mut rules = Vec::with_capacity(syscalls.len());
    for (index, rule) in syscalls.iter().enumerate() {
        let verdict = verdict(
            &rule.action,
            rule.errno_ret,
            &format!("/syscalls/{index}/action"),
            &format!("/syscalls/{index}/errnoRet"),
        )?;
        if verdict == Verdict::NOTIFY && rule.names.iter().any(|name| name == "write") {
            return Err(Error::Notify {
                pointer: format!("/syscalls/{index}/action"),
                of: "for the write syscall",
            });
        }
        let mut calls = Vec::with_capacity(rule.names.len());
        for name in &rule.names {
            match Syscall::from_name(name) {
                Some(call) => calls.push(call),
                None => warnings.push(format!(
                    "/syscalls/{index}: no system call {name:?} is known"
                )),
            }
        }
        let alternatives = alternatives(&rule.args, index)?;
        rules.push(Rule {
            calls,
            verdict,
            alternatives,
        });
    }
    Ok(rules)
}

fn alternatives(args: &[SeccompArg], rule: usize) -> Result<Vec<Vec<Condition>>, Error> {
    let mut conditions = Vec::with_capacity(args.len());
    for (index, arg) in args.iter().enumerate() {
        conditions.push(condition(arg, &format!("/syscalls/{rule}/args/{index}"))?);
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

fn condition(arg: &SeccompArg, pointer: &str) -> Result<Condition, Error> {
    let argument = u8::try_from(arg.index)
        .ok()
        .filter(|index| *index < 6)
        .ok_or_else(|| Error::ArgumentIndex {
            pointer: format!("{pointer}/index"),
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
                pointer: format!("{pointer}/op"),
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

fn interface(
    arch: Arch,
    rules: &[Rule],
    default: Verdict,
    warnings: &mut Vec<String>,
) -> Interface {
    let multiplexed = Multiplexer::ALL.map(|multiplexer| multiplexer.number(arch));
    let mut entries = Vec::new();
    let mut newest = None;
    for (index, rule) in rules.iter().enumerate() {
        for call in &rule.calls {
            let number = call.number(arch);
            newest = newest.max(number.filter(|number| !is_private(arch, *number)));
            if rule.verdict == default {
                continue;
            }
            entries.extend(number.map(|number| (Key::Number(number), index)));
            if multiplexed.iter().any(Option::is_some) {
                let inner = Multiplexer::of(call.name());
                entries.extend(inner.map(|(of, number)| (Key::Inner(of, number), index)));
            }
        }
    }
    // By number, then in the order of the profile.
    entries.sort_unstable();
    entries.dedup();
    let narrow = has_narrow_arguments(arch);
    let mut numbers: Vec<NumberRule> = Vec::with_capacity(entries.len());
    let mut inner = Vec::new();
    for group in entries.chunk_by(|a, b| a.0 == b.0) {
        let outcome = outcome(group.iter().map(|(_, index)| &rules[*index]), narrow);
        match group[0].0 {
            Key::Number(number) => numbers.push(NumberRule { number, outcome }),
            Key::Inner(multiplexer, call) => inner.push((multiplexer, call, outcome)),
        }
    }
    for (multiplexer, number) in Multiplexer::ALL.into_iter().zip(multiplexed) {
        if let Some(number) = number {
            let inner = inner.iter().filter(|(of, ..)| *of == multiplexer);
            join(
                &mut numbers,
                (multiplexer, number),
                inner.map(|(_, call, outcome)| (*call, outcome)),
                default,
            );
        }
    }
    for rule in &mut numbers {
        order(arch, rule, warnings);
    }
    if arch_shows_unknown_calls_as_zero(arch) && newest.is_some() && hides_newer(default) {
        numbers.retain(|rule| rule.number != 0);
        numbers.insert(
            0,
            NumberRule {
                number: 0,
                outcome: Outcome::Always(Verdict::ENOSYS),
            },
        );
    }
    Interface {
        arch,
        newest: newest.filter(|_| hides_newer(default)),
        rules: numbers,
    }
}

/// Whether a filter with this default answers ENOSYS for newer calls. A tracer is trusted to know them.
fn hides_newer(default: Verdict) -> bool {
    default != Verdict::ALLOW
        && default != Verdict::LOG
        && default.action() != Verdict::trace(0).action()
}

/// s390's call 0 carries numbers above 255; the kernel replaces it by the number only if it knows that.
fn arch_shows_unknown_calls_as_zero(arch: Arch) -> bool {
    matches!(arch, Arch::S390 | Arch::S390x)
}

/// ARM's private calls stand far above all others and say nothing about how new a profile is.
fn is_private(arch: Arch, number: u32) -> bool {
    arch == Arch::Arm && number >= 0x000f_0000
}

fn outcome<'a>(rules: impl Iterator<Item = &'a Rule>, narrow: bool) -> Outcome {
    let mut alternatives = Vec::new();
    for rule in rules {
        if rule.alternatives.is_empty() {
            let (conditions, verdict) = (Vec::new(), rule.verdict);
            if alternatives.is_empty() {
                return Outcome::Always(verdict);
            }
            alternatives.push(Alternative {
                conditions,
                verdict,
            });
        }
        for conditions in &rule.alternatives {
            let seen = conditions
                .iter()
                .map(|c| if narrow { c.narrowed() } else { *c });
            let conditions: Vec<_> = seen.filter(|c| !c.is_vacuous()).collect();
            alternatives.push(Alternative {
                conditions,
                verdict: rule.verdict,
            });
        }
    }
    match alternatives
        .iter()
        .find(|alternative| alternative.conditions.is_empty())
    {
        Some(always) => Outcome::Always(always.verdict),
        None => Outcome::ByArguments(alternatives),
    }
}

/// Puts alternatives into the order in which they are tried, and reports those that never are.
fn order(arch: Arch, rule: &mut NumberRule, warnings: &mut Vec<String>) {
    let Outcome::ByArguments(alternatives) = &mut rule.outcome else {
        return;
    };
    alternatives.sort_by(|a, b| precedence(&a.conditions, &b.conditions));
    alternatives.dedup_by(|later, earlier| {
        let same = later.conditions == earlier.conditions;
        if same && later.verdict != earlier.verdict {
            let name = Syscall::from_number(arch, rule.number).map_or("?", Syscall::name);
            warnings.push(format!(
                "{name} on {arch}: the same conditions give {} and {}, the former holds",
                earlier.verdict, later.verdict
            ));
        }
        same
    });
}

fn precedence(a: &[Condition], b: &[Condition]) -> Ordering {
    let pairs = a.iter().zip(b).map(|(a, b)| rank(a).cmp(&rank(b)));
    pairs
        .fold(Ordering::Equal, Ordering::then)
        .then(a.len().cmp(&b.len()))
}

fn rank(condition: &Condition) -> (Reverse<u8>, u8, Reverse<u64>) {
    let value = condition.value;
    let (class, value) = match condition.comparison {
        Comparison::Equal | Comparison::NotEqual | Comparison::Masked(_) => (0, value),
        Comparison::Less | Comparison::LessOrEqual => (1, !value),
        Comparison::Greater | Comparison::GreaterOrEqual => (2, value),
    };
    (Reverse(condition.argument), class, Reverse(value))
}

/// What a rule is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(u32),
    /// A call behind a multiplexer, with its number there.
    Inner(Multiplexer, u8),
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
