//! The command line as data: every verb with its options, in Docker's and Podman's spelling.
//!
//! One table serves parsing, `--help`, man pages and completions, so that none can lag behind; the documentation
//! generator includes this directory by path, so it depends on `lockstep_argv` alone. An option that people type and that
//! cannot be honoured yet is in the table too, with the reason: it is refused by name and never ignored.

mod absent;
pub(crate) mod config;
mod exec;
mod health;
mod image;
mod life;
mod look;
mod question;
mod run;
mod secret;
mod volume;

pub(crate) use lockstep_argv::{Opt, Takes, Verb};
use lockstep_argv::{flag, refused, value, values};

/// The program's name in help and messages.
pub(crate) const NAME: &str = "lockstep";

/// A verb with one argument or more.
const fn verb(
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    options: &'static [&'static [Opt]],
) -> Verb {
    Verb {
        name,
        aliases: &[],
        usage,
        about,
        description: "",
        options,
        min: 1,
        max: None,
        options_first: false,
    }
}

/// One whose arguments are containers.
const fn on_containers(
    name: &'static str,
    about: &'static str,
    options: &'static [&'static [Opt]],
) -> Verb {
    verb(name, "[options] CONTAINER [CONTAINER...]", about, options)
}

const NO_LOG: &str =
    "the program keeps no log of itself: what fails says what was called, and plan what would be";
const NO_DAEMON: &str = "there is no daemon, here or elsewhere, to ask";

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
        refused("log-level", Takes::Text, NO_LOG),
        refused("debug", Takes::Nothing, NO_LOG).short('D'),
        refused("host", Takes::Text, NO_DAEMON).short('H'),
        refused("context", Takes::Text, NO_DAEMON).short('c'),
        refused("url", Takes::Text, NO_DAEMON),
        refused("connection", Takes::Text, NO_DAEMON),
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
    &exec::CP,
    &look::PS,
    &look::LOGS,
    &look::INSPECT,
    &look::CONTAINER_INSPECT,
    &look::IMAGE_INSPECT,
    &look::TOP,
    &look::STATS,
    &look::PORT,
    &life::STOP,
    &life::KILL,
    &life::RESTART,
    &life::PAUSE,
    &life::UNPAUSE,
    &life::WAIT,
    &health::RUN,
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
    &volume::CREATE,
    &volume::LS,
    &volume::INSPECT,
    &volume::RM,
    &volume::PRUNE,
    &volume::EXISTS,
    &secret::CREATE,
    &secret::LS,
    &secret::INSPECT,
    &secret::RM,
    &secret::EXISTS,
    &question::PLAN,
    &question::DOCTOR,
    &question::VERSION,
];

/// Verbs behind `lockstep GROUP`: each group's short names, and what they are called here.
pub(crate) const GROUPS: [(&str, &[(&str, &str)]); 5] = [
    ("container", &life::GROUP),
    ("image", &image::GROUP),
    ("healthcheck", &health::GROUP),
    ("volume", &volume::GROUP),
    ("secret", &secret::GROUP),
];

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
        "diff",
        "the changes of a container are in its directory (inspect), and not listed yet",
    ),
    ("events", "events are not implemented yet"),
    (
        "export",
        "a container's files are not exported yet; exec tar writes them",
    ),
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
];

/// A verb by any of its names.
pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    let known = |verb: &&&Verb| verb.name == name || verb.aliases.contains(&name);
    VERBS.iter().find(known).copied()
}
