//! From the arguments to a verb: global options, the log, usage mistakes, exit codes.
//!
//! The order is runc's: the log is opened before the verb's own options are read, so that a caller that
//! reads only the log learns of a mistake in them too.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};
use lockstep_kernel::caller;

use crate::argv::{self, Misuse, Parsed};
use crate::cli::{self, Verb};
use crate::failure::Failure;
use crate::lockstep_runtime::{CgroupDriver, Runtime, Settings};
use crate::log::{Format, Log};
use crate::state_root;
use crate::{help, verb};

/// Newest version of the OCI runtime specification that is understood.
const SPEC_VERSION: &str = "1.3.0";

/// The global options, as every verb needs them.
pub(crate) struct Front {
    pub(crate) log: Log,
    root: Option<PathBuf>,
    rootless: Option<bool>,
    systemd_cgroup: bool,
}

/// Does what the arguments say, reports what goes wrong, and returns the exit code.
pub(crate) fn run(args: &[OsString]) -> u8 {
    let program = args
        .first()
        .map_or(cli::NAME.into(), |name| name.to_string_lossy());
    let mut globals = cli::globals();
    let global = match argv::global(&mut globals, args.get(1..).unwrap_or_default()) {
        Ok(global) => global,
        Err(text) => {
            print(&format!("Incorrect Usage. {text}\n\n{}", help::program()));
            return fail(&Log::bare(), &Failure::new(text));
        }
    };
    let Parsed::Matches(matches) = global.parsed else {
        print(&help::program());
        return 0;
    };
    if matches.get_flag("version") {
        print(&version());
        return 0;
    }
    let Some((name, rest)) = global.rest.split_first() else {
        print(&help::program());
        return 0;
    };
    if name == "help" || name == "h" {
        return help_topic(rest.first());
    }
    let Some(verb) = name.to_str().and_then(cli::find) else {
        return no_topic(name);
    };
    match Front::new(&matches) {
        Ok(front) => front.invoke(verb, rest, &program),
        Err(failure) => fail(&Log::bare(), &failure),
    }
}

impl Front {
    fn new(matches: &ArgMatches) -> Result<Self, Failure> {
        let format = match text(matches, "log-format").as_deref() {
            Some("json") => Format::Json,
            Some("text") | None => Format::Text,
            Some(other) => return Err(Failure::new(format!("invalid log-format: {other}"))),
        };
        let rootless = match text(matches, "rootless").unwrap_or_default().as_str() {
            "" | "auto" => None,
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            other => {
                let text = format!("invalid rootless value {other}: true, false or auto");
                return Err(Failure::new(text));
            }
        };
        let file = match path(matches, "log") {
            Some(path) => {
                let opened = caller::append(&path, 0o644);
                Some(opened.map_err(|error| Failure::path("open", &path, &error))?)
            }
            None => None,
        };
        Ok(Front {
            log: Log::new(file, format, matches.get_flag("debug")),
            root: matches.get_one::<OsString>("root").map(PathBuf::from),
            rootless,
            systemd_cgroup: matches.get_flag("systemd-cgroup"),
        })
    }

    fn invoke(&self, verb: &Verb, args: &[OsString], program: &str) -> u8 {
        let mut command = (verb.build)();
        let matches = match argv::verb(verb, &mut command, args, program) {
            Ok(Parsed::Matches(matches)) => matches,
            Ok(Parsed::Help) => {
                print(&help::verb(&command));
                return 0;
            }
            Err(Misuse::Option(text)) => return self.misuse(&command, &format!(": {text}"), text),
            Err(Misuse::Count(text)) => return self.misuse(&command, ".", text),
        };
        match verb::run(self, verb.name, &matches) {
            Ok(code) => code,
            Err(failure) => fail(&self.log, &failure),
        }
    }

    fn misuse(&self, command: &Command, said: &str, text: String) -> u8 {
        print(&format!("Incorrect Usage{said}\n\n{}", help::verb(command)));
        fail(&self.log, &Failure::new(text))
    }

    /// Calls `action` with the runtime library opened on the chosen state directory.
    pub(crate) fn with_runtime<T>(
        &self,
        action: impl FnOnce(&Runtime<'_>) -> Result<T, crate::lockstep_runtime::Error>,
    ) -> Result<T, Failure> {
        let warn = |text: &str| self.log.warning(text);
        let runtime = Runtime::open(Settings {
            root: self.root()?,
            cgroup_driver: match self.systemd_cgroup {
                true => CgroupDriver::Systemd,
                false => CgroupDriver::Cgroupfs,
            },
            rootless: self.rootless,
            warn: &warn,
        })?;
        Ok(action(&runtime)?)
    }

    fn root(&self) -> Result<PathBuf, Failure> {
        let Some(root) = &self.root else {
            let caller = state_root::caller(self.rootless, environment);
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
    log.error(&failure.text);
    failure.code
}

fn help_topic(topic: Option<&OsString>) -> u8 {
    let Some(topic) = topic else {
        print(&help::program());
        return 0;
    };
    match topic.to_str().and_then(cli::find) {
        Some(verb) => {
            print(&help::verb(&(verb.build)()));
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

/// Writes data to standard output.
pub(crate) fn print(text: &str) {
    // A reader that closed the pipe has what it wanted; runc ends without a word as well.
    std::io::stdout()
        .write_all(text.as_bytes())
        .unwrap_or_default();
}

/// A variable of the caller's environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads the environment, by name, here alone"
)]
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// An option's value as text; what is not UTF-8 reads with replacement characters.
pub(crate) fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    let value = matches.get_one::<OsString>(name)?;
    Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// An option's value as a path; an empty one means not given.
pub(crate) fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    let value = matches.get_one::<OsString>(name)?;
    Some(PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty())
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
