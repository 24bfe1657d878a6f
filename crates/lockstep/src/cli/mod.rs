//! The command line as data: every verb with its options, in Docker's and Podman's spelling.
//!
//! One table serves parsing, `--help`, man pages and completions, so that none can lag behind; the documentation
//! generator includes this directory by path, so it depends on nothing. An option that people type and that
//! cannot be honoured yet is in the table too, with the reason: it is refused by name and never ignored.

mod exec;
mod image;
mod life;
mod look;
mod question;
mod run;

/// The program's name in help and messages.
pub(crate) const NAME: &str = "lockstep";

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing; it is there or not, and `=false` takes it back.
    Nothing,
    /// Any text; of several the last counts.
    Text,
    /// Any number of texts.
    Texts,
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) takes: Takes,
    /// Stands for the value in help.
    pub(crate) value: &'static str,
    pub(crate) help: &'static str,
    /// Why it cannot be honoured, where it cannot.
    pub(crate) refused: Option<&'static str>,
}

impl Opt {
    const fn short(self, short: char) -> Self {
        Opt {
            short: Some(short),
            ..self
        }
    }
}

/// An option without a value.
const fn flag(name: &'static str, help: &'static str) -> Opt {
    Opt {
        name,
        short: None,
        takes: Takes::Nothing,
        value: "",
        help,
        refused: None,
    }
}

/// An option with a value.
const fn value(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt {
        takes: Takes::Text,
        value,
        ..flag(name, help)
    }
}

/// An option that may be given several times.
const fn values(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt {
        takes: Takes::Texts,
        value,
        ..flag(name, help)
    }
}

/// An option that people type and that is refused for a reason.
const fn refused(name: &'static str, takes: Takes, why: &'static str) -> Opt {
    Opt {
        takes,
        value: match takes {
            Takes::Nothing => "",
            _ => "VALUE",
        },
        refused: Some(why),
        ..flag(name, why)
    }
}

/// One verb, or the program itself.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    /// Other names that people type; the program lists them too.
    pub(crate) aliases: &'static [&'static str],
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
}

/// A verb with one container or more as its arguments.
const fn on_containers(
    name: &'static str,
    about: &'static str,
    options: &'static [&'static [Opt]],
) -> Verb {
    Verb {
        name,
        aliases: &[],
        usage: "[options] CONTAINER [CONTAINER...]",
        about,
        description: "",
        options,
        min: 1,
        max: None,
        options_first: false,
    }
}

/// The program itself: what stands before the verb.
pub(crate) const PROGRAM: Verb = Verb {
    name: NAME,
    aliases: &[],
    usage: "[options] VERB ...",
    about: "containers whose security profile stays in lock-step with the program",
    description: "",
    options: &[&[
        value(
            "root",
            "DIR",
            "the store, in place of /var/lib/lockstep or the user's",
        ),
        value(
            "runroot",
            "DIR",
            "the state, in place of /run/lockstep or the user's",
        ),
        flag("version", "print the version").short('v'),
    ]],
    min: 0,
    max: None,
    options_first: true,
};

/// Every verb, in the order of help.
pub(crate) const VERBS: &[&Verb] = &[
    &run::RUN,
    &run::CREATE,
    &life::START,
    &exec::EXEC,
    &exec::ATTACH,
    &look::PS,
    &look::LOGS,
    &look::INSPECT,
    &look::TOP,
    &look::STATS,
    &look::PORT,
    &life::STOP,
    &life::KILL,
    &life::RESTART,
    &life::PAUSE,
    &life::UNPAUSE,
    &life::WAIT,
    &life::RM,
    &life::PRUNE,
    &life::RENAME,
    &life::UPDATE,
    &image::LOAD,
    &image::IMAGES,
    &image::RMI,
    &image::TAG,
    &image::SAVE,
    &image::HISTORY,
    &image::PRUNE,
    &question::PLAN,
    &question::DOCTOR,
    &question::VERSION,
];

/// Verbs behind `lockstep GROUP`: each group's short names, and what they are called here.
pub(crate) const GROUPS: [(&str, &[(&str, &str)]); 2] =
    [("container", &life::GROUP), ("image", &image::GROUP)];

const REGISTRIES: &str = "registries are not implemented yet; load reads layouts and archives";

/// Verbs that people type and that are refused for a reason.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    (
        "build",
        "images are built by others (buildah, BuildKit); load brings them in",
    ),
    ("commit", "images are built by others (buildah, BuildKit)"),
    ("compose", "one container is made by one command line here"),
    (
        "cp",
        "copying is not implemented yet; use a volume, or exec -i with tar on both sides",
    ),
    (
        "diff",
        "the changes of a container are in its directory (inspect), and not listed yet",
    ),
    ("events", "events are not implemented yet"),
    (
        "export",
        "a container's files are not exported yet; exec tar writes them",
    ),
    ("healthcheck", "health checks are not implemented yet"),
    (
        "import",
        "a tar of files is no image; rootfs:DIR runs what was unpacked",
    ),
    ("login", REGISTRIES),
    ("logout", REGISTRIES),
    (
        "network",
        "networks with addresses are not implemented yet; run has --network none, host and ns:PATH",
    ),
    (
        "pod",
        "pods are for engines of Kubernetes, which use lockstep-runc",
    ),
    ("pull", REGISTRIES),
    ("push", REGISTRIES),
    ("search", REGISTRIES),
    ("secret", "secrets are not implemented yet"),
    (
        "volume",
        "a volume with a name is made by run -v NAME:TARGET and kept in the store; it has no verbs yet",
    ),
];

/// A verb by any of its names.
pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    let known = |verb: &&&Verb| verb.name == name || verb.aliases.contains(&name);
    VERBS.iter().find(known).copied()
}
