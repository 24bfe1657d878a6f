//! The command line as data: the global options and one constructor per verb.
//!
//! The names are runc's, because engines and scripts type them; the sentences are ours. One definition
//! serves parsing, `--help`, man pages and shell completions, so that none can lag behind. It depends
//! on clap alone: the documentation generator includes this directory by path. Only the invoked verb is
//! built, since building all of them costs more than parsing one.

mod checkpoint;
mod life;
mod look;

use clap::{Arg, ArgAction, Command};

/// The program's name in help and messages.
pub(crate) const NAME: &str = "lockstep-runc";

/// One verb: its name, how its command is built, and how its arguments are counted.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) build: fn() -> Command,
    /// Fewest positional arguments.
    pub(crate) min: usize,
    /// Most positional arguments; `None` where any number may follow.
    pub(crate) max: Option<usize>,
    /// Whether options end at the first positional argument (the rest belongs to another program).
    pub(crate) options_first: bool,
}

const fn verb(name: &'static str, build: fn() -> Command, min: usize, max: usize) -> Verb {
    Verb {
        name,
        build,
        min,
        max: Some(max),
        options_first: false,
    }
}

const fn verb_with_program(name: &'static str, build: fn() -> Command) -> Verb {
    Verb {
        name,
        build,
        min: 1,
        max: None,
        options_first: true,
    }
}

/// Every verb, in the order of the help text.
pub(crate) const VERBS: &[Verb] = &[
    verb("checkpoint", checkpoint::checkpoint, 1, 1),
    verb("create", life::create, 1, 1),
    verb("delete", life::delete, 1, 1),
    verb("events", look::events, 1, 1),
    verb_with_program("exec", life::exec),
    verb("features", look::features, 0, 0),
    verb("kill", life::kill, 1, 2),
    verb("list", look::list, 0, 0),
    verb("pause", life::pause, 1, 1),
    verb_with_program("ps", look::ps),
    verb("restore", checkpoint::restore, 1, 1),
    verb("resume", life::resume, 1, 1),
    verb("run", life::run, 1, 1),
    verb("spec", look::spec, 0, 0),
    verb("start", life::start, 1, 1),
    verb("state", look::state, 1, 1),
    verb("update", life::update, 1, 1),
];

/// The verb called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// The program with its global options and no verbs: what the hot path parses.
pub(crate) fn globals() -> Command {
    Command::new(NAME)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .override_usage(format!(
            "{NAME} [global options] command [command options] [arguments...]"
        ))
        .about("Open Container Initiative runtime")
        .long_about(
            "Makes, runs and inspects containers from OCI bundles, as a drop-in for runc: the same \
             verbs, options, files and exit codes. It has no daemon; every call does its work and ends, \
             except that \"run\" and \"exec\" without --detach stay until their process has ended.\n\n\
             A bundle is a directory with a file \"config.json\" and a root file system. To make a \
             first one and run a container from it:\n\n    \
             # lockstep-runc spec\n    # lockstep-runc run <container-id>",
        )
        .args([
            flag("debug", "log what is done, step by step"),
            value("log", "append log lines to this file instead of standard error"),
            value("log-format", "form of log lines: text or json").default_value("text"),
            value("root", "directory of the containers' state, best on a tmpfs"),
            value("criu", "path of the criu program").default_value("criu"),
            flag(
                "systemd-cgroup",
                "let systemd make the cgroup; cgroupsPath then is slice:prefix:name",
            ),
            value(
                "rootless",
                "tolerate cgroups that may not be changed: true, false or auto",
            )
            .default_value("auto"),
            flag("help", "print this help").short('h'),
            flag("version", "print the version").short('v'),
        ])
}

/// The program with all verbs, for documentation.
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "the documentation generator calls it")
)]
pub(crate) fn command() -> Command {
    globals().subcommands(VERBS.iter().map(|verb| (verb.build)()))
}

/// The frame of a verb: usage line, help option, last value wins as with Go's flags.
fn frame(name: &'static str, arguments: &str, about: &'static str) -> Command {
    Command::new(name)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .override_usage(format!("{NAME} {name} {arguments}"))
        .about(about)
}

/// An option without a value.
fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}

/// An option with a value; any bytes are taken, since paths need not be UTF-8.
fn value(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .value_name("value")
        .action(ArgAction::Set)
        .allow_hyphen_values(true)
        .value_parser(clap::value_parser!(std::ffi::OsString))
}

/// An option whose value is a whole number of 32 or 64 bits.
fn number<T>(name: &'static str, help: &'static str) -> Arg
where
    T: std::str::FromStr + Clone + Send + Sync + 'static,
{
    // The message is not clap's but argv's, in Go's words.
    let parse = |text: &str| text.parse::<T>().ok().ok_or("parse error");
    value(name, help).value_parser(parse)
}

/// An option that may be given several times.
fn values(name: &'static str, help: &'static str) -> Arg {
    value(name, help).action(ArgAction::Append)
}

/// The positional argument of nearly every verb; its absence is reported by count, in runc's words.
fn container_id() -> Arg {
    Arg::new("container-id").value_parser(clap::value_parser!(std::ffi::OsString))
}

/// The arguments of another program, taken as they are.
fn rest(name: &'static str) -> Arg {
    Arg::new(name)
        .num_args(0..)
        .value_parser(clap::value_parser!(std::ffi::OsString))
}
