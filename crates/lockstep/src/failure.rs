//! What went wrong, as the terminal shows it, with the exit code that says so to a script.

use std::fmt;

use lockstep_abi::errno::Errno;
use lockstep_runtime::{Error, Kind};
use serde::{Deserialize, Serialize};

use crate::escape;

/// Our own error: what was asked for could not be done or makes no sense.
pub(crate) const OURS: u8 = 125;
/// The program cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The program was not found.
pub(crate) const NOT_FOUND: u8 = 127;
/// There is no such container.
pub(crate) const NO_CONTAINER: u8 = 1;

/// Which option leaves an id map out, and what that means.
const NOIDMAP: &str = "the volume's option noidmap leaves the map out (-v /:/host:ro,noidmap): what is mounted there, as \
                       /proc, has no maps; files keep the host's ids, which are nobody's inside";

/// Each mount of a container is a descriptor until all are made.
const DESCRIPTORS: &str = "making a container takes more open files than this limit allows (ulimit -n, RLIMIT_NOFILE); \
                           256 are enough for most, and --ulimit nofile= limits the container's program alone";

/// An operation that failed; one process tells it to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// The refused call in strace form.
    call: Option<String>,
    /// Who asked for it: what was typed, or a field of the configuration.
    pub(crate) asked: Option<String>,
    hint: Option<String>,
    pub(crate) code: u8,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure {
            message: message.into(),
            call: None,
            asked: None,
            hint: None,
            code: OURS,
        }
    }

    /// A refused call of the kernel and what it was for.
    pub(crate) fn call(message: impl Into<String>, error: &lockstep_kernel::Error) -> Failure {
        let reason = Errno(error.errno).description().to_lowercase();
        Failure {
            call: Some(format!("{error} ({reason})")),
            ..Failure::new(message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint.get_or_insert(hint.into());
        self
    }

    /// Says which option named the file that the message begins with.
    pub(crate) fn of(mut self, option: &str) -> Failure {
        self.message = format!("{option}{}", self.message);
        self
    }

    pub(crate) fn code(mut self, code: u8) -> Failure {
        self.code = code;
        self
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure::new(message)
    }
}

impl From<lockstep_image::Error> for Failure {
    fn from(error: lockstep_image::Error) -> Failure {
        let message = error.message.clone();
        let failure = match &error.call {
            Some(call) => Failure::call(message, call),
            None => Failure::new(message),
        };
        match &error.hint {
            Some(hint) => failure.hint(hint.clone()),
            None => failure,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let refused = |errno: &str| {
            let call = error.call.as_deref().unwrap_or_default();
            call.ends_with(&format!("= {errno}"))
        };
        // In a namespace that was made: Ubuntu's AppArmor refuses everything that it would be for.
        let restricted = || {
            let errno = [Errno::EPERM, Errno::EACCES].into_iter();
            let mut refused = errno.filter(|errno| refused(errno.name()));
            lockstep_runtime::user_namespace::refusal(Some(refused.next()?.0))
        };
        let code = match error.kind {
            Kind::Program if ["EACCES", "ENOEXEC", "EISDIR"].into_iter().any(refused) => {
                NOT_EXECUTABLE
            }
            Kind::Program => NOT_FOUND,
            _ => OURS,
        };
        let call = error.call.clone().map(|call| match &error.reason {
            Some(reason) => format!("{call} ({reason})"),
            None => call,
        });
        let of_mount = |asked: &String| asked.starts_with("/mounts/");
        let hint = match error.kind {
            Kind::IdMap if error.asked.as_ref().is_some_and(of_mount) => Some(NOIDMAP.to_owned()),
            _ if refused("EMFILE") => Some(DESCRIPTORS.to_owned()),
            Kind::Program => error.hint.clone(),
            _ => error.hint.clone().or_else(restricted),
        };
        Failure {
            // runc's words, which engines look for; a person has written no such file.
            message: error.message.replace(" set in config.json", ""),
            call,
            asked: error.asked.clone(),
            hint,
            code,
        }
    }
}

impl Failure {
    /// For one that stops nothing.
    pub(crate) fn as_warning(&self) -> String {
        let text = self.to_string();
        format!("warning: {}", text.strip_prefix(ERROR).unwrap_or(&text))
    }
}

const ERROR: &str = "error: ";

impl fmt::Display for Failure {
    /// What a container had a hand in (paths, names) is escaped: it must not move the terminal's cursor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ERROR}{}", escape::text(&self.message))?;
        let parts = [
            ("call", &self.call),
            ("asked", &self.asked),
            ("hint", &self.hint),
        ];
        for (name, part) in parts {
            if let Some(part) = part {
                write!(f, "\n  {:7}{}", format!("{name}:"), escape::text(part))?;
            }
        }
        Ok(())
    }
}

/// Says what a kernel call was for, where it failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Doing<T> for lockstep_kernel::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::call(what(), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_cannot_run_have_their_own_codes() {
        let mut error = Error::new(Kind::Program, "exec: \"x\": permission denied");
        error.call = Some("execve(\"x\") = EACCES".into());
        assert_eq!(Failure::from(error).code, NOT_EXECUTABLE);
        let error = Error::new(Kind::Program, "exec: \"x\": not found in $PATH");
        assert_eq!(Failure::from(error).code, NOT_FOUND);
        assert_eq!(Failure::from(Error::new(Kind::Invalid, "no")).code, OURS);
    }

    #[test]
    fn hostile_text_cannot_drive_the_terminal() {
        let shown = Failure::new("name \u{1b}[2J\r\nerror: forged").to_string();
        assert!(
            !shown.contains('\u{1b}') && !shown.contains('\r'),
            "{shown:?}"
        );
        assert_eq!(shown.lines().count(), 1, "{shown:?}");
    }
}
