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
    /// What the kind is there for, and runs where nothing else is asked: `package target [filter]`. All kinds together
    /// take less than ten minutes on two processors, so what the others show as well is left to the whole set.
    pub(crate) tests: &'static [&'static str],
}

/// A test target that asserts what containers do.
pub(crate) struct Suite {
    pub(crate) package: &'static str,
    pub(crate) target: &'static str,
    /// What it may take inside a guest, which is ten to twenty times slower.
    pub(crate) minutes: u64,
}

const fn suite(package: &'static str, target: &'static str, minutes: u64) -> Suite {
    Suite {
        package,
        target,
        minutes,
    }
}

/// The whole set, which is the same for every kind: all that says what a container or an image is, and not what is
/// about speed, about other engines or about every single system call (walks, soaks, fuzzing).
pub(crate) const WHOLE: &[Suite] = &[
    suite("lockstep-kernel", "calls", 10),
    suite("lockstep-profile", "seccomp_kernel", 15),
    suite("lockstep-runtime", "cgroup", 30),
    suite("lockstep-runc", "command_line", 10),
    suite("lockstep-runc", "spec", 60),
    suite("lockstep-runc", "attacks", 45),
    suite("lockstep-image", "image_store", 15),
    suite("lockstep-image", "attack_copy", 10),
    suite("lockstep-image", "attack_layers", 20),
    suite("lockstep-image", "attack_held_out", 20),
    suite("lockstep", "people", 90),
    suite("lockstep", "inside", 30),
    suite("lockstep", "attack_cp", 20),
    suite("lockstep", "attack_supervisor", 20),
    suite("lockstep", "programs", 45),
];

/// On this machine it takes no emulator.
const ALL: &[&str] = &["lockstep-runc spec", "lockstep-runtime cgroup"];
/// Where a security module may refuse what the others allow.
const LABELLED: &[&str] = &[
    "lockstep-runc spec apparmor::",
    "lockstep-runc spec selinux",
    "lockstep people modules::",
    "lockstep people apparmor::",
    "lockstep-runc spec process::",
    "lockstep-runc spec exec::",
    "lockstep-runc spec lifecycle::",
    "lockstep-runc spec forgotten::vm::process.",
    "lockstep-runc spec forgotten::vm::linux.mountLabel",
];

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "plain",
        kernel: Some(NEW),
        words: "lsm=landlock,lockdown,yama,integrity,bpf",
        tests: &[
            "lockstep-kernel calls bpf::",
            "lockstep-runtime cgroup",
            "lockstep-runc spec cgroup",
            "lockstep-runc spec update::",
            "lockstep-runc spec landlock::",
            "lockstep-runc spec mount::",
            "lockstep-runc spec idmap::",
            "lockstep-runc spec namespace::",
            "lockstep-runc spec seccomp::",
            "lockstep-runc spec forgotten::vm::linux.resources.",
        ],
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
            "lockstep-runc spec forgotten::vm::linux.cgroupsPath",
            "lockstep-runc spec cgroup",
            "lockstep-runc spec update",
        ],
    },
    Kind {
        name: "old",
        kernel: Some(OLD),
        // Without bpf, whose programs are then loaded and never called.
        words: "lsm=landlock,lockdown,yama,integrity vm.cgroup=v1",
        tests: &[
            "lockstep-kernel calls bpf::",
            "lockstep-runtime cgroup",
            "lockstep-runc spec cgroup",
            "lockstep-runc spec update::",
            "lockstep-runc spec landlock::",
            "lockstep-runc spec old_kernel::",
            "lockstep-runc spec mount::",
            "lockstep-runc spec idmap::",
        ],
    },
    Kind {
        name: "host",
        kernel: None,
        words: "",
        tests: ALL,
    },
];

/// The kinds that names on the command line mean.
pub(crate) fn choose(names: &[String]) -> Result<Vec<&'static Kind>, Failure> {
    let mut chosen = Vec::new();
    for name in names {
        let before = chosen.len();
        chosen.extend(KINDS.iter().filter(|kind| match name.as_str() {
            "all" => kind.kernel.is_some(),
            name => kind.name == name,
        }));
        if chosen.len() == before {
            return Err(Failure::new(format!(
                "no kind {name}: there are {}, all",
                super::names()
            )));
        }
    }
    Ok(chosen)
}
