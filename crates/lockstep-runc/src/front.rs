//! From the arguments to a verb: global options, the log, usage mistakes, exit codes.
//!
//! The order is runc's: the log is opened before the verb's own options are read, so that a caller that
//! reads only the log learns of a mistake in them too.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_abi::errno::Errno;
use lockstep_kernel::{caller, file};

use crate::argv::{self, Arguments, Misuse};
use crate::cli::{self, Verb};
use crate::failure::Failure;
use crate::log::{Format, Log};
use crate::{help, verb};
use crate::{quote, state_root};
use lockstep_runtime::{CgroupDriver, Runtime, Settings};

/// Newest version of the OCI runtime specification that is understood.
const SPEC_VERSION: &str = "1.3.0";

/// The global options, as every verb needs them.
pub(crate) struct Front {
    pub(crate) log: Arc<Log>,
    root: Option<PathBuf>,
    /// `--criu`: the program, by path or name.
    pub(crate) criu: String,
    rootless: String,
    systemd_cgroup: bool,
}

/// Does what the arguments say, reports what goes wrong, and returns the exit code.
pub(crate) fn run(args: &[OsString]) -> u8 {
    let program = args
        .first()
        .map_or(cli::NAME.into(), |name| name.to_string_lossy());
    let global = match argv::parse(&cli::PROGRAM, args.get(1..).unwrap_or_default(), &program) {
        Ok(global) => global,
        Err(Misuse::Option(text) | Misuse::Count(text)) => {
            show(&format!("Incorrect Usage. {text}\n\n{}", help::program()));
            return fail(&Log::bare(), &Failure::new(text));
        }
    };
    if global.help() {
        show(&help::program());
        return 0;
    }
    if global.flag("version") {
        show(&version());
        return 0;
    }
    let Some((name, rest)) = global.positionals().split_first() else {
        show(&help::program());
        return 0;
    };
    if name == "help" || name == "h" {
        return help_topic(rest.first());
    }
    let Some(verb) = name.to_str().and_then(cli::find) else {
        return no_topic(name);
    };
    match Front::new(&global) {
        Ok(front) => front.invoke(verb, rest, &program),
        Err(failure) => fail(&Log::bare(), &failure),
    }
}

impl Front {
    fn new(global: &Arguments) -> Result<Self, Failure> {
        let format = match global.text("log-format").as_deref() {
            Some("json") => Format::Json,
            Some("text") | None => Format::Text,
            Some(other) => return Err(Failure::new(format!("invalid log-format: {other}"))),
        };
        let file = match global.path("log") {
            Some(path) => {
                let opened = caller::append(&path, 0o644);
                Some(opened.map_err(|error| Failure::path("open", &path, &error))?)
            }
            None => None,
        };
        let log = Arc::new(Log::new(file, format, global.flag("debug")));
        log.report_panics();
        Ok(Front {
            log,
            root: global.given("root").map(PathBuf::from),
            criu: global.text("criu").unwrap_or_default(),
            rootless: global.text("rootless").unwrap_or_default(),
            systemd_cgroup: global.flag("systemd-cgroup"),
        })
    }

    fn invoke(&self, verb: &'static Verb, given: &[OsString], program: &str) -> u8 {
        let args = match argv::parse(verb, given, program) {
            Ok(args) => args,
            Err(Misuse::Option(text)) => return self.misuse(verb, &format!(": {text}"), text),
            Err(Misuse::Count(text)) => return self.misuse(verb, ".", text),
        };
        if args.help() {
            show(&help::verb(verb));
            return 0;
        }
        self.log
            .debug(&format!("{} {} {given:?}", cli::NAME, verb.name));
        match verb::run(self, verb.name, &args) {
            Ok(code) => code,
            Err(failure) => fail(&self.log, &failure),
        }
    }

    fn misuse(&self, verb: &Verb, said: &str, text: String) -> u8 {
        show(&format!("Incorrect Usage{said}\n\n{}", help::verb(verb)));
        fail(&self.log, &Failure::new(text))
    }

    /// Calls `action` with the runtime library opened on the chosen state directory.
    pub(crate) fn with_runtime<T>(
        &self,
        action: impl FnOnce(&Runtime<'_>) -> Result<T, lockstep_runtime::Error>,
    ) -> Result<T, Failure> {
        self.with_warnings(true, action)
    }

    /// As [`Front::with_runtime`]. Not `on_stderr` where standard error is to be the container's: a monitor
    /// would take the warning for the container's words. The `--log` file and the state still have it.
    pub(crate) fn with_warnings<T>(
        &self,
        on_stderr: bool,
        action: impl FnOnce(&Runtime<'_>) -> Result<T, lockstep_runtime::Error>,
    ) -> Result<T, Failure> {
        let warn = |text: &str| {
            if on_stderr || self.log.has_file() {
                self.log.warning(text);
            }
        };
        let rootless = self.rootless()?;
        let runtime = Runtime::open(Settings {
            root: self.root(rootless)?,
            cgroup_driver: match self.systemd_cgroup {
                true => CgroupDriver::Systemd,
                false => CgroupDriver::Cgroupfs,
            },
            rootless,
            runtime_dir: environment("XDG_RUNTIME_DIR").and_then(|dir| dir.into_string().ok()),
            warn: &warn,
        })?;
        Ok(action(&runtime)?)
    }

    /// `--rootless`; `None` is auto.
    fn rootless(&self) -> Result<Option<bool>, Failure> {
        match self.rootless.as_str() {
            "" | "auto" => Ok(None),
            "true" | "1" => Ok(Some(true)),
            "false" | "0" => Ok(Some(false)),
            other => Err(Failure::new(format!(
                "invalid value {} for --rootless: true, false or auto",
                quote::go(other)
            ))),
        }
    }

    fn root(&self, rootless: Option<bool>) -> Result<PathBuf, Failure> {
        let Some(root) = &self.root else {
            let caller = state_root::caller(rootless, environment);
            return state_root::choose(&caller).prepare(caller.euid);
        };
        let root = absolute(root)?;
        // A mistyped variable in a script must not make every directory of / a container.
        if !root
            .components()
            .any(|part| matches!(part, std::path::Component::Normal(_)))
        {
            return Err(Failure::new("option --root must not be /"));
        }
        Ok(root)
    }
}

/// Reports an error and gives its exit code.
fn fail(log: &Log, failure: &Failure) -> u8 {
    log.error(failure);
    failure.code
}

fn help_topic(topic: Option<&OsString>) -> u8 {
    let Some(topic) = topic else {
        show(&help::program());
        return 0;
    };
    match topic.to_str().and_then(cli::find) {
        Some(verb) => {
            show(&help::verb(verb));
            0
        }
        None => no_topic(topic),
    }
}

fn no_topic(name: &OsStr) -> u8 {
    let text = format!("No help topic for '{}'", name.to_string_lossy());
    fail(&Log::bare(), &Failure::new(text).with_code(3))
}

fn version() -> String {
    let commit = option_env!("LOCKSTEP_COMMIT").map(|id| format!("commit: {id}\n"));
    format!(
        "{} version {}\n{}spec: {SPEC_VERSION}\n",
        cli::NAME,
        env!("CARGO_PKG_VERSION"),
        commit.unwrap_or_default()
    )
}

/// Writes data to standard output; whether there still is a reader.
pub(crate) fn print(text: &str) -> Result<bool, Failure> {
    // Unbuffered, so that a full disk is an error and not a success with half an answer.
    match file::write_fd(std::io::stdout(), text.as_bytes()) {
        Ok(()) => Ok(true),
        Err(error) if error.is(&[Errno::EPIPE.0]) => Ok(false),
        Err(error) => Err(Failure::path("write", Path::new("/dev/stdout"), &error)),
    }
}

/// Writes text that is not an answer to a program: help and usage.
fn show(text: &str) {
    // The exit code says what matters, and runc does not look either.
    print(text).unwrap_or_default();
}

/// A variable of the caller's environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads the environment, by name, here alone"
)]
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// A path made absolute by the working directory.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    let absolute = std::path::absolute(path);
    absolute.map_err(|error| Failure::new(format!("getwd: {error}")))
}
