//! The table of kinds. A new kernel or another set of security modules is a row here.

use crate::Failure;

/// A kernel of Debian, by the package that always depends on its newest build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) package: &'static str,
    /// Whether the guest's clock goes by what it executes (`CLOCK` of `machine.rs`).
    pub(crate) own_clock: bool,
}

const NEW: Kernel = Kernel {
    package: "linux-image-6.12-cloud-amd64",
    own_clock: true,
};
/// Debian 12's own: it still has the memory and cpuset controllers of cgroup version 1.
const OLD: Kernel = Kernel {
    package: "linux-image-cloud-amd64",
    // By such a clock its second processor never comes up.
    own_clock: false,
};

/// One kind of machine.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// None for this machine itself.
    pub(crate) kernel: Option<Kernel>,
    /// Words for the kernel's command line; `vm.*` are read by the guest's first process.
    pub(crate) words: &'static str,
    /// Whether a short run takes a share of its tests. The labelled ones are few and quick, and what they see nothing else
    /// does.
    pub(crate) sampled: bool,
    /// What it must have: a machine without is no proof of anything, whatever its tests say.
    pub(crate) has: &'static [&'static [Feature]],
    /// What the kind is there for, and runs where nothing else is asked: `package target [filter]`. All kinds together
    /// take less than ten minutes on two processors, so what the others show as well is left to the whole set.
    pub(crate) tests: &'static [&'static str],
}

/// Something of a machine that tests rely on, and without which they would skip, or hold in vain.
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    /// A line of shell that fails where it is missing.
    pub(crate) check: &'static str,
}

const fn feature(name: &'static str, check: &'static str) -> Feature {
    Feature { name, check }
}

/// What every virtual kind has.
const EVERY: &[Feature] = &[
    feature("swap", "grep -q '^SwapTotal: *[1-9]' /proc/meminfo"),
    feature("16 huge pages", "grep -qx 16 /proc/sys/vm/nr_hugepages"),
    feature(
        "two processors",
        "grep -qx 0-1 /sys/devices/system/cpu/online",
    ),
    feature("the user u", "id u"),
    feature(
        "two memory nodes",
        "grep -qx 0-1 /sys/devices/system/node/has_memory",
    ),
];
const LINUX_6_12: &[Feature] = &[
    feature("Linux 6.12", "uname -r | grep '^6[.]12[.]'"),
    feature(
        "Landlock ABI 6",
        "perl -e 'exit(syscall(444, 0, 0, 1) != 6)'",
    ),
    feature("BPF among the active LSMs", "grep -qw bpf $LSM"),
];
const LINUX_6_1: &[Feature] = &[
    feature("Linux 6.1", "uname -r | grep '^6[.]1[.]'"),
    feature(
        "Landlock ABI 2",
        "perl -e 'exit(syscall(444, 0, 0, 1) != 2)'",
    ),
];
const CRIU: &[Feature] = &[feature("a criu that works on this kernel", "criu check")];
const NO_LABELS: &[Feature] = &[feature(
    "neither AppArmor nor SELinux",
    "! grep -qwE 'apparmor|selinux' $LSM",
)];
const APPARMOR: &[Feature] = &[
    feature("AppArmor among the active LSMs", "grep -qw apparmor $LSM"),
    feature(
        "AppArmor enabled",
        "grep -qx Y /sys/module/apparmor/parameters/enabled",
    ),
    feature(
        "a way to load AppArmor profiles",
        "apparmor_parser --version && [ -w /sys/kernel/security/apparmor/.replace ]",
    ),
];
const SELINUX: &[Feature] = &[
    feature("SELinux among the active LSMs", "grep -qw selinux $LSM"),
    feature(
        "a loaded SELinux policy",
        "[ \"$(cat /proc/self/attr/current | tr -d '\\0')\" != kernel ]",
    ),
    feature(
        "container_t in the policy",
        "printf system_u:system_r:container_t:s0:c1,c2 > /sys/fs/selinux/context",
    ),
    feature(
        "container_file_t in the policy",
        "printf system_u:object_r:container_file_t:s0:c1,c2 > /sys/fs/selinux/context",
    ),
];
const PERMISSIVE: &[Feature] = &[feature(
    "SELinux permissive",
    "grep -qx 0 /sys/fs/selinux/enforce",
)];
const ENFORCING: &[Feature] = &[feature(
    "SELinux enforcing",
    "grep -qx 1 /sys/fs/selinux/enforce",
)];
const CGROUP_V2: &[Feature] = &[
    feature(
        "cgroup version 2 with nsdelegate",
        "grep ' /sys/fs/cgroup cgroup2 ' /proc/mounts | grep -w nsdelegate",
    ),
    feature(
        "the controllers of version 2",
        "for c in cpuset cpu io memory hugetlb pids; do grep -qw $c /sys/fs/cgroup/cgroup.controllers || exit 1; done",
    ),
];
const CGROUP_V1: &[Feature] = &[
    feature(
        "the controllers of cgroup version 1",
        "for c in cpuset cpu cpuacct memory devices freezer net_cls blkio hugetlb pids; \
         do grep ' cgroup ' /proc/mounts | grep -qw $c || exit 1; done",
    ),
    feature("no version 2", "! grep -q ' cgroup2 ' /proc/mounts"),
];
const SCRIPT: &[Feature] = &[feature(
    "no systemd as the first process",
    "! grep -qx systemd /proc/1/comm",
)];
const SYSTEMD: &[Feature] = &[
    feature(
        "systemd as the first process",
        "grep -qx systemd /proc/1/comm",
    ),
    feature("an answer of systemd", "systemctl show -p Version"),
    feature(
        "a manager of the user u",
        "systemctl is-active user@1000.service && [ -S /run/user/1000/systemd/private ]",
    ),
];

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
/// about speed, about other engines (`inside` compares with them) or about every single system call (walks, soaks, fuzzing).
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
        sampled: true,
        words: "lsm=landlock,lockdown,yama,integrity,bpf",
        has: &[EVERY, LINUX_6_12, NO_LABELS, CGROUP_V2, SCRIPT, CRIU],
        tests: &[
            "lockstep-kernel calls bpf::",
            "lockstep-runtime cgroup",
            "lockstep-runc spec cgroup",
            "lockstep-runc spec kill_all::",
            "lockstep-runc spec checkpoint",
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
        sampled: false,
        words: "lsm=landlock,lockdown,yama,integrity,apparmor,bpf",
        has: &[EVERY, LINUX_6_12, APPARMOR, CGROUP_V2, SCRIPT],
        tests: LABELLED,
    },
    Kind {
        name: "selinux",
        kernel: Some(NEW),
        sampled: false,
        words: "lsm=landlock,lockdown,yama,integrity,selinux,bpf",
        has: &[EVERY, LINUX_6_12, SELINUX, PERMISSIVE, CGROUP_V2, SCRIPT],
        tests: LABELLED,
    },
    Kind {
        name: "enforcing",
        kernel: Some(NEW),
        sampled: false,
        words: "lsm=landlock,lockdown,yama,integrity,selinux,bpf vm.enforce",
        has: &[EVERY, LINUX_6_12, SELINUX, ENFORCING, CGROUP_V2, SCRIPT],
        tests: LABELLED,
    },
    Kind {
        name: "systemd",
        kernel: Some(NEW),
        sampled: true,
        // As Debian and Ubuntu are: with AppArmor.
        words: "lsm=landlock,lockdown,yama,integrity,apparmor,bpf vm.systemd systemd.unit=vm.target",
        has: &[EVERY, LINUX_6_12, APPARMOR, CGROUP_V2, SYSTEMD],
        tests: &[
            "lockstep-runc spec apparmor::",
            "lockstep-runc spec systemd",
            "lockstep-runc spec forgotten::vm::linux.cgroupsPath",
            "lockstep-runc spec cgroup",
            "lockstep-runc spec update",
        ],
    },
    Kind {
        name: "old",
        kernel: Some(OLD),
        sampled: true,
        // Without bpf, whose programs are then loaded and never called.
        words: "lsm=landlock,lockdown,yama,integrity vm.cgroup=v1",
        has: &[EVERY, LINUX_6_1, NO_LABELS, CGROUP_V1, SCRIPT],
        tests: &[
            "lockstep-kernel calls bpf::",
            "lockstep-runtime cgroup",
            "lockstep-runc spec cgroup",
            "lockstep-runc spec kill_all::",
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
        sampled: true,
        words: "",
        has: &[],
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

/// The suites of the whole set that names on the command line mean: all, where there are none.
pub(crate) fn suites(names: &[String]) -> Result<Vec<&'static Suite>, Failure> {
    if names.is_empty() {
        return Ok(WHOLE.iter().collect());
    }
    let found = names.iter().map(|name| {
        let suite = WHOLE.iter().find(|suite| suite.target == name);
        suite.ok_or_else(|| Failure::new(format!("no test target {name} is in the whole set")))
    });
    found.collect()
}
