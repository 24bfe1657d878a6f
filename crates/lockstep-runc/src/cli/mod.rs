//! The command line as data: the global options and every verb with its options.
//!
//! The names are runc's, because engines and scripts type them; the sentences are ours. One table serves
//! parsing, `--help`, man pages and shell completions, so that none can lag behind; the documentation
//! generator includes this directory by path, so it depends on nothing. It is constant data: building a
//! parser's objects took a quarter of a megabyte of code and more time than reading the arguments.

mod checkpoint;
mod life;
mod look;

/// The program's name in help and messages.
pub(crate) const NAME: &str = "lockstep-runc";

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing; it is there or not.
    Nothing,
    /// Any text; of several the last counts.
    Text,
    /// Any number of texts.
    Texts,
    /// A whole number in this range; of several the last counts.
    Number(i64, i64),
    /// Any number of whole numbers in this range.
    Numbers(i64, i64),
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) takes: Takes,
    pub(crate) default: Option<&'static str>,
    pub(crate) help: &'static str,
    /// Accepted but not documented.
    pub(crate) hidden: bool,
}

impl Opt {
    const fn new(name: &'static str, takes: Takes, help: &'static str) -> Self {
        Opt {
            name,
            short: None,
            takes,
            default: None,
            help,
            hidden: false,
        }
    }

    const fn short(self, short: char) -> Self {
        Opt {
            short: Some(short),
            ..self
        }
    }

    const fn default(self, default: &'static str) -> Self {
        Opt {
            default: Some(default),
            ..self
        }
    }

    const fn hidden(self) -> Self {
        Opt {
            hidden: true,
            ..self
        }
    }
}

/// An option without a value.
const fn flag(name: &'static str, help: &'static str) -> Opt {
    Opt::new(name, Takes::Nothing, help)
}

/// An option with a value.
const fn value(name: &'static str, help: &'static str) -> Opt {
    Opt::new(name, Takes::Text, help)
}

/// An option that may be given several times.
const fn values(name: &'static str, help: &'static str) -> Opt {
    Opt::new(name, Takes::Texts, help)
}

/// One verb, or the program itself.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    /// What follows the name in the usage line.
    pub(crate) usage: &'static str,
    /// One line for lists.
    pub(crate) about: &'static str,
    /// More, for its own help; empty where the line says all.
    pub(crate) description: &'static str,
    /// Its options, in groups that verbs share.
    pub(crate) options: &'static [&'static [Opt]],
    /// Fewest positional arguments.
    pub(crate) min: usize,
    /// Most positional arguments; `None` where any number may follow.
    pub(crate) max: Option<usize>,
    /// Whether options end at the first positional argument (the rest belongs to another program).
    pub(crate) options_first: bool,
}

impl Verb {
    /// All its options.
    pub(crate) fn options(&self) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().copied().flatten()
    }

    /// A verb that is about one container and has no options.
    const fn of_container(name: &'static str, about: &'static str) -> Self {
        Verb {
            name,
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
    const fn alone(name: &'static str, about: &'static str) -> Self {
        Verb {
            usage: "",
            min: 0,
            max: Some(0),
            ..Verb::of_container(name, about)
        }
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
