//! The container's seccomp filter as the state keeps it: compiled.
//!
//! That is how `exec` needs it, and so a later process has the very filter of the first, whichever version of the
//! runtime executes it. The rules would be most of the state, and their names most of what reading and writing it takes.

use super::State;
use crate::error::{Error, Kind, Result};
use lockstep_abi::bpf::Insn;
use lockstep_profile::seccomp::{MAX_INSTRUCTIONS, Program};
use serde::{Deserialize, Serialize};

/// A filter, as seccomp(2) takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filter {
    /// Each as one number: [`Insn::to_bits`].
    insns: Vec<u64>,
    /// `SECCOMP_FILTER_FLAG_*`.
    flags: u32,
    /// Whether some call is left to a listener.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    notify: bool,
    /// What of the rules has no effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// The first schema that keeps a filter and no rules.
const SINCE: u32 = 3;

impl Filter {
    /// Whether some call is left to a listener.
    pub(crate) fn notifies(&self) -> bool {
        self.notify
    }
}

impl From<Program> for Filter {
    fn from(program: Program) -> Filter {
        Filter {
            insns: program.insns.iter().map(|insn| insn.to_bits()).collect(),
            flags: program.flags,
            notify: program.notify,
            warnings: program.warnings,
        }
    }
}

impl State {
    /// The filter of the container's processes; `None` if there is none, or if an older version wrote the state, which
    /// kept the rules.
    pub(crate) fn program(&self) -> Result<Option<Program>> {
        let wrong = |what: String| {
            let message = format!("state.json of container {}: filter: {what}", self.id);
            Err(Error::new(Kind::Invalid, message))
        };
        let Some(filter) = &self.filter else {
            let linux = self.spec.linux.as_ref();
            let filtered = linux.is_some_and(|linux| linux.seccomp.is_some());
            // Without its rules the configuration alone would be a filter that lets everything pass.
            return if filtered && self.schema >= SINCE {
                wrong("missing field".to_owned())
            } else {
                Ok(None)
            };
        };
        let length = filter.insns.len();
        if length > MAX_INSTRUCTIONS {
            return wrong(format!(
                "{length} instructions, the kernel takes {MAX_INSTRUCTIONS}"
            ));
        }
        Ok(Some(Program {
            insns: filter
                .insns
                .iter()
                .map(|bits| Insn::from_bits(*bits))
                .collect(),
            flags: filter.flags,
            notify: filter.notify,
            warnings: filter.warnings.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_abi::arch::Arch;
    use lockstep_profile::seccomp::compile;

    const SECOND: &str = include_str!("../../../lockstep-runc/tests/data/schema-2/state.json");

    fn state(text: &str) -> State {
        serde_json::from_str(&text.replace("@ID@", "id").replace("@VERSION@", "v2"))
            .expect("a state")
    }

    #[test]
    fn the_second_schema_has_the_rules() {
        let state = state(SECOND);
        assert_eq!(state.program(), Ok(None));
        let seccomp = state
            .spec
            .linux
            .and_then(|linux| linux.seccomp)
            .expect("a filter");
        let names: Vec<_> = seccomp.syscalls[0].names.iter().collect();
        assert_eq!(names, ["alarm", "no_such_call", "mkdirat"]);
    }

    #[test]
    fn a_filter_is_the_same_after_it_was_kept() {
        let mut state = state(SECOND);
        let seccomp = state
            .spec
            .linux
            .as_ref()
            .and_then(|linux| linux.seccomp.as_ref());
        let program = compile(seccomp.expect("rules"), Arch::X86_64).expect("it compiles");
        assert_eq!(program.warnings.len(), 1);
        (state.schema, state.filter) = (SINCE, Some(program.clone().into()));
        let text = serde_json::to_string(&state).expect("text");
        let read: State = serde_json::from_str(&text).expect("a state");
        assert_eq!(read.program(), Ok(Some(program)));
    }

    #[test]
    fn rules_that_are_gone_are_no_filter() {
        let mut state = state(SECOND);
        state.schema = SINCE;
        let error = state.program().expect_err("no filter").to_string();
        assert!(
            error.contains("state.json of container id: filter: missing field"),
            "{error}"
        );
        state.filter = Some(Filter {
            insns: vec![0; MAX_INSTRUCTIONS + 1],
            flags: 0,
            notify: false,
            warnings: Vec::new(),
        });
        let error = state.program().expect_err("too long").to_string();
        assert!(error.contains("4097 instructions"), "{error}");
    }
}
