//! The table of kinds. A new kernel or another set of security modules is a row here.

use crate::Failure;

/// A kernel of Debian, by the package that always depends on its newest build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) package: &'static str,
}

const NEW: Kernel = Kernel {
    package: "linux-image-6.12-cloud-amd64",
};
/// Debian 12's own: it still has the memory and cpuset controllers of cgroup version 1.
const OLD: Kernel = Kernel {
    package: "linux-image-cloud-amd64",
};

/// One kind of machine.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// None for this machine itself.
    pub(crate) kernel: Option<Kernel>,
    /// Words for the kernel's command line; `vm.*` are read by the guest's first process.
    pub(crate) words: &'static str,
    /// Test targets that run where none is named: `package target [filter...]`.
    pub(crate) tests: &'static [&'static str],
}

/// The whole of the runtime's functional tests.
const ALL: &[&str] = &["lockstep-runc spec", "lockstep-runtime cgroup"];
/// Where a security module may refuse what the others allow.
const LABELLED: &[&str] = &[
    "lockstep-runc spec apparmor::",
    "lockstep-runc spec selinux::",
    "lockstep people modules::",
    "lockstep-runc spec process::",
    "lockstep-runc spec exec::",
    "lockstep-runc spec lifecycle::",
];

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "plain",
        kernel: Some(NEW),
        words: "lsm=landlock,lockdown,yama,integrity,bpf",
        tests: ALL,
    },
    Kind {
        name: "apparmor",
        kernel: Some(NEW),
        words: "lsm=landlock,lockdown,yama,integrity,apparmor,bpf",
        tests: LABELLED,
    },
    Kind {
        name: "selinux",
        kernel: Some(NEW),
        words: "lsm=landlock,lockdown,yama,integrity,selinux,bpf",
        tests: LABELLED,
    },
    Kind {
        name: "enforcing",
        kernel: Some(NEW),
        words: "lsm=landlock,lockdown,yama,integrity,selinux,bpf vm.enforce",
        tests: LABELLED,
    },
    Kind {
        name: "systemd",
        kernel: Some(NEW),
        words: "lsm=landlock,lockdown,yama,integrity,bpf vm.systemd systemd.unit=vm.target",
        tests: &[
            "lockstep-runc spec systemd",
            "lockstep-runc spec cgroup",
            "lockstep-runc spec update",
        ],
    },
    Kind {
        name: "old",
        kernel: Some(OLD),
        words: "lsm=landlock,lockdown,yama,integrity,bpf vm.cgroup=v1",
        tests: &["lockstep-runc spec"],
    },
    Kind {
        name: "host",
        kernel: None,
        words: "",
        tests: ALL,
    },
];

/// The kinds that a name on the command line means.
pub(crate) fn choose(name: &str) -> Result<Vec<&'static Kind>, Failure> {
    if name == "all" {
        return Ok(KINDS.iter().filter(|kind| kind.kernel.is_some()).collect());
    }
    match KINDS.iter().find(|kind| kind.name == name) {
        Some(kind) => Ok(vec![kind]),
        None => Err(Failure::new(format!(
            "no kind {name}: there are {}, all",
            super::names()
        ))),
    }
}
