//! Verbs that answer questions about this host and this program.

use super::run::{FILES, LIMITS, NAMESPACES, PRIVILEGE, PROCESS, WHY};
use super::{Verb, flag, value};

pub(crate) const PLAN: Verb = Verb {
    name: "plan",
    aliases: &[],
    usage: "[options] IMAGE [COMMAND [ARG...]]",
    about: "print the kernel operations that run would carry out, and do none",
    description: "",
    options: &[
        &[
            flag("json", "as JSON"),
            value(
                "host",
                "FILE",
                "for the host that lockstep doctor --json described, in place of this one",
            ),
        ],
        PROCESS,
        PRIVILEGE,
        NAMESPACES,
        FILES,
        LIMITS,
        WHY,
    ],
    min: 1,
    max: None,
    options_first: true,
};

pub(crate) const DOCTOR: Verb = Verb {
    name: "doctor",
    aliases: &["info"],
    usage: "[options]",
    about: "print what this kernel and this user can do, what is missing, and how to get it",
    description: "Exit codes: 0 nothing is missing, 1 something is, 3 it could not be found out.",
    options: &[&[
        flag("json", "as JSON"),
        flag(
            "apparmor-profile",
            "print the AppArmor profile that lets lockstep have user namespaces where only programs with one may",
        ),
        flag(
            "selinux-module",
            "print the SELinux module that adds container_t to a policy without it",
        ),
    ]],
    min: 0,
    max: Some(0),
    options_first: false,
};

pub(crate) const VERSION: Verb = Verb {
    name: "version",
    aliases: &[],
    usage: "",
    about: "print the version",
    description: "",
    options: &[],
    min: 0,
    max: Some(0),
    options_first: false,
};
