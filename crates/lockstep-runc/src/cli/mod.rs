//! The command line as data: the global options and every verb with its options.
//!
//! The names are runc's, because engines and scripts type them; the sentences are ours. One table serves
//! parsing, `--help`, man pages and shell completions, so that none can lag behind; the documentation
//! generator includes this directory by path, so it depends on `lockstep_argv` alone.

mod checkpoint;
mod life;
mod look;

pub(crate) use lockstep_argv::{Opt, Takes, Verb};
use lockstep_argv::{flag, refused};

/// The program's name in help and messages.
pub(crate) const NAME: &str = "lockstep-runc";

/// What stands for a value in runc's help.
const VALUE: &str = "value";

/// An option with a value.
const fn value(name: &'static str, help: &'static str) -> Opt {
    Opt::new(name, Takes::Text, VALUE, help)
}

/// An option that may be given several times.
const fn values(name: &'static str, help: &'static str) -> Opt {
    Opt::new(name, Takes::Texts, VALUE, help)
}

/// An option that takes whole numbers.
const fn number(name: &'static str, takes: Takes, help: &'static str) -> Opt {
    Opt::new(name, takes, VALUE, help)
}

/// A verb that is about one container and has no options.
const fn of_container(name: &'static str, about: &'static str) -> Verb {
    Verb {
        name,
        aliases: &[],
        usage: "<container-id>",
        about,
        description: "",
        options: &[],
        min: 1,
        max: Some(1),
        options_first: false,
    }
}

/// A verb that takes no arguments and has no options.
const fn alone(name: &'static str, about: &'static str) -> Verb {
    Verb {
        usage: "",
        min: 0,
        max: Some(0),
        ..of_container(name, about)
    }
}

/// Every verb, in the order of the help text.
pub(crate) const VERBS: &[&Verb] = &[
    &checkpoint::CHECKPOINT,
    &life::CREATE,
    &life::DELETE,
    &look::EVENTS,
    &life::EXEC,
    &look::FEATURES,
    &life::KILL,
    &look::LIST,
    &life::PAUSE,
    &look::PS,
    &checkpoint::RESTORE,
    &life::RESUME,
    &life::RUN,
    &look::SPEC,
    &life::START,
    &look::STATE,
    &life::UPDATE,
];

/// The verb called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().copied().find(|verb| verb.name == name)
}

/// The program itself with its global options.
pub(crate) static PROGRAM: Verb = Verb {
    name: NAME,
    aliases: &[],
    usage: "[global options] command [command options] [arguments...]",
    about: "Open Container Initiative runtime",
    description: "Makes, runs and inspects containers from OCI bundles, as a drop-in for runc: the same \
        verbs, options, files and exit codes. It has no daemon; every call does its work and ends, \
        except that \"run\" and \"exec\" without --detach stay until their process has ended.\n\n\
        A bundle is a directory with a file \"config.json\" and a root file system. To make a \
        first one and run a container from it:\n\n    \
        # lockstep-runc spec\n    # lockstep-runc run <container-id>",
    options: &[GLOBAL],
    min: 0,
    max: None,
    options_first: true,
};

const GLOBAL: &[Opt] = &[
    flag("debug", "log what is done, step by step"),
    value(
        "log",
        "append log lines to this file instead of standard error",
    ),
    value("log-format", "form of log lines: text or json").default("text"),
    value(
        "root",
        "directory of the containers' state, best on a tmpfs",
    ),
    value("criu", "path of the criu program").default("criu"),
    flag(
        "systemd-cgroup",
        "let systemd make the cgroup; cgroupsPath then is slice:prefix:name",
    ),
    value(
        "rootless",
        "tolerate cgroups that may not be changed: true, false or auto",
    )
    .default("auto"),
    flag("version", "print the version").short('v'),
];
