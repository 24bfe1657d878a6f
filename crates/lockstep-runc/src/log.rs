//! Log lines as runc writes them: to standard error, or with `--log` to a file that the caller reads.
//!
//! Engines show their users the last line of level `error` in that file and nothing else, so its shape
//! is an interface: text is `time="..." level=error msg="..."`, JSON has the keys level, msg and time.
//! `msg` is one line; a terminal gets the same with call, asking field and hint on lines of their own.

use std::io::{IsTerminal, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::SystemTime;

use lockstep_kernel::file;

use crate::failure::Failure;
use crate::{quote, timestamp};

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Where log lines go.
pub(crate) struct Log {
    /// The caller's file; `None` means standard error.
    file: Option<OwnedFd>,
    format: Format,
    debug: bool,
}

#[derive(Clone, Copy)]
enum Level {
    Debug,
    Warning,
    Error,
}

impl Log {
    pub(crate) fn new(file: Option<OwnedFd>, format: Format, debug: bool) -> Self {
        Log {
            file,
            format,
            debug,
        }
    }

    /// The log before the command line is understood: text on standard error.
    pub(crate) fn bare() -> Self {
        Log::new(None, Format::Text, false)
    }

    /// Reports a panic, which is a mistake in this program, as any error: callers read only the log.
    pub(crate) fn report_panics(self: &Arc<Self>) {
        let log = Arc::clone(self);
        std::panic::set_hook(Box::new(move |panic| {
            let text = panic.to_string();
            log.error(&Failure::new(format!("internal error: {text}")));
        }));
    }

    /// Whether the caller has a file for it.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Whether the log itself is this descriptor, which the caller then did not leave open.
    pub(crate) fn owns(&self, number: i32) -> bool {
        self.file
            .as_ref()
            .is_some_and(|file| file.as_raw_fd() == number)
    }

    pub(crate) fn debug(&self, text: &str) {
        if self.debug {
            self.line(Level::Debug, text);
        }
    }

    pub(crate) fn warning(&self, text: &str) {
        self.line(Level::Warning, text);
    }

    /// Reports the error that ends the program.
    pub(crate) fn error(&self, failure: &Failure) {
        let plain = self.file.is_none() && self.format == Format::Text && !self.debug;
        if plain && std::io::stderr().is_terminal() {
            return to_stderr(&for_person(failure));
        }
        // Before the message: callers take the last line.
        failure.detail.iter().for_each(|line| self.debug(line));
        self.line(Level::Error, &failure.text);
        if self.file.is_some() {
            to_stderr(&format!("{}\n", quote::plain(&failure.text)));
        }
    }

    fn line(&self, level: Level, text: &str) {
        let time = timestamp::rfc3339(SystemTime::now());
        let line = match self.format {
            Format::Text => text_line(level, text, &time),
            Format::Json => json_line(level, text, &time),
        };
        match &self.file {
            // A full disk must not change what the runtime does. Only what ends it is said where the container's
            // own words may stand.
            Some(file) => {
                let written = file::write_fd(file, line.as_bytes());
                if let (Err(e), Level::Error) = (written, level) {
                    to_stderr(&format!("log: {e}\n"));
                }
            }
            None => to_stderr(&line),
        }
    }
}

fn to_stderr(text: &str) {
    // A closed standard error is the caller's wish not to be told.
    std::io::stderr()
        .write_all(text.as_bytes())
        .unwrap_or_default();
}

fn for_person(failure: &Failure) -> String {
    let mut out = format!("error: {}\n", quote::plain(failure.headline()));
    for line in &failure.detail {
        out.push_str(&format!("  {}\n", quote::plain(line)));
    }
    out
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

fn text_line(level: Level, text: &str, time: &str) -> String {
    #[cfg(lockstep_weak)]
    if lockstep_kernel::weak::is("raw-text") {
        return format!("time=\"{time}\" level={} msg=\"{text}\"\n", level.name());
    }
    let bare = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    let msg = match text.chars().all(bare) && !text.is_empty() {
        true => text.to_owned(),
        false => quote::go(text),
    };
    format!("time=\"{time}\" level={} msg={msg}\n", level.name())
}

fn json_line(level: Level, text: &str, time: &str) -> String {
    #[cfg(lockstep_weak)]
    if lockstep_kernel::weak::is("raw-text") {
        return format!(
            "{{\"level\":\"{}\",\"msg\":\"{text}\",\"time\":\"{time}\"}}\n",
            level.name()
        );
    }
    let msg = quote::json(text);
    format!(
        "{{\"level\":\"{}\",\"msg\":{msg},\"time\":\"{time}\"}}\n",
        level.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-26T04:08:53Z";

    #[test]
    fn text_lines_have_runcs_shape() {
        assert_eq!(
            text_line(Level::Error, "container does not exist", TIME),
            "time=\"2026-11-26T04:08:53Z\" level=error msg=\"container does not exist\"\n"
        );
        assert_eq!(
            text_line(Level::Debug, "nsexec-0", TIME),
            "time=\"2026-11-26T04:08:53Z\" level=debug msg=nsexec-0\n"
        );
        assert_eq!(
            text_line(Level::Error, "exec: \"a\u{1b}[0m\nb\"", TIME),
            "time=\"2026-11-26T04:08:53Z\" level=error msg=\"exec: \\\"a\\x1b[0m\\nb\\\"\"\n"
        );
    }

    #[test]
    fn json_lines_have_runcs_shape() {
        assert_eq!(
            json_line(Level::Error, "container does not exist", TIME),
            "{\"level\":\"error\",\"msg\":\"container does not exist\",\"time\":\"2026-11-26T04:08:53Z\"}\n"
        );
        let line = json_line(Level::Warning, "a\u{1b}\"<\n", TIME);
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["msg"], "a\u{1b}\"<\n");
    }

    #[test]
    fn a_person_reads_headline_and_details() {
        let failure = Failure::new("x\u{1b}").with_detail("call: y\n".to_owned());
        assert_eq!(for_person(&failure), "error: x\\x1b\n  call: y\\n\n");
    }
}
