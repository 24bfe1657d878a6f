//! Why the program ends without success: what is said and the exit code.
//!
//! The wording for files and numbers is Go's, as callers of runc know it; what the runtime library says
//! passes through unchanged behind runc's prefix.

use std::path::Path;

use lockstep_runtime::Kind;

/// An error on its way to the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What engines are told, in one line.
    pub(crate) text: String,
    /// The same for a person's terminal, without what `detail` says.
    headline: Option<String>,
    /// Lines for a person: the refused call, the asking field, a hint.
    pub(crate) detail: Vec<String>,
    /// Whether it is runc's sort of error that gets a prefix of its own when a process is started.
    at_start: bool,
    /// Exit code of the program.
    pub(crate) code: u8,
}

impl Failure {
    /// An ordinary error: exit code 1.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure {
            text: text.into(),
            headline: None,
            detail: Vec::new(),
            at_start: false,
            code: 1,
        }
    }

    /// The same error as that of a verb that starts a process: behind `exec failed` or the like.
    pub(crate) fn within(mut self, prefix: &str) -> Self {
        let start = match self.at_start {
            true => "unable to start container process: ",
            false => "",
        };
        self.headline = self.headline.map(|text| format!("{prefix}: {start}{text}"));
        self.text = format!("{prefix}: {start}{}", self.text);
        self
    }

    pub(crate) fn with_code(self, code: u8) -> Self {
        Failure { code, ..self }
    }

    /// Adds a line for a person.
    pub(crate) fn with_detail(mut self, line: String) -> Self {
        self.detail.push(line);
        self
    }

    /// A refused system call on a path of the caller: `open /x: no such file or directory`.
    pub(crate) fn path(verb: &str, path: &Path, error: &lockstep_kernel::Error) -> Self {
        let what = words(error.errno);
        // As in Go: a file that was opened and then could not be read is told apart.
        let verb = match error.call.starts_with("read(") {
            true => "read",
            false => verb,
        };
        let text = format!("{verb} {}: {what}", path.display());
        Failure::new(text).with_detail(format!("call: {error}"))
    }

    /// What the first line on a terminal says.
    pub(crate) fn headline(&self) -> &str {
        self.headline.as_deref().unwrap_or(&self.text)
    }
}

impl From<lockstep_runtime::Error> for Failure {
    fn from(error: lockstep_runtime::Error) -> Self {
        let headline = match &error.reason {
            Some(reason) => format!("{}: {reason}", error.message),
            None => error.message.clone(),
        };
        let asker = error.asker();
        let parts = [
            ("call", &error.call),
            ("asked", &asker),
            ("hint", &error.hint),
        ];
        let lines = parts.iter().filter_map(|(name, text)| {
            let text = text.as_ref()?;
            Some(format!("{name}: {text}"))
        });
        Failure {
            text: error.to_string(),
            headline: Some(headline),
            detail: lines.collect(),
            // Not the caller's mistake, but something between the new process and its program.
            at_start: matches!(error.kind, Kind::Program | Kind::IdMap | Kind::Kernel),
            code: 1,
        }
    }
}

/// The C library's words for an errno in Go's lower case: engines recognise errors by them.
pub(crate) fn words(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errnos_read_as_in_go() {
        assert_eq!(words(2), "no such file or directory");
        assert_eq!(words(13), "permission denied");
        assert_eq!(words(21), "is a directory");
    }

    #[test]
    fn a_prefix_keeps_the_rest() {
        let failure = Failure::new("x").with_detail("call: y".to_owned());
        let failure = failure.with_code(255).within("exec failed");
        assert_eq!(failure.text, "exec failed: x");
        assert_eq!(failure.headline(), "exec failed: x");
        assert_eq!(
            (failure.detail.as_slice(), failure.code),
            (&["call: y".to_owned()][..], 255)
        );
    }
}
