//! The filter of a container that asks for none: what programs need, and little of what attackers use.
//!
//! Chosen by what each call reaches in the kernel, not by what some program was seen to make. Three
//! answers beside "allowed": EPERM for what is refused, ENOSYS for what this list does not know and
//! for calls that libraries replace when they are missing, EAFNOSUPPORT for protocol families.

use lockstep_abi::arch::Arch;
use lockstep_abi::capability::{CapSet, Capability};
use lockstep_oci::runtime::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator, SeccompSyscall,
};

/// The default filter for a container that can have the capabilities `granted`, on a machine whose own
/// interface is `native`.
///
/// A call that a capability guards is allowed with it: the kernel then decides by the capability,
/// which says more. Of the foreign interfaces only the native one's 32-bit sibling is listed.
/// Errnos and ioctl numbers are those of asm-generic, which MIPS, PA-RISC and SuperH depart from.
#[must_use]
pub fn default_profile(native: Arch, granted: CapSet) -> Seccomp {
    let mut allowed: Vec<&str> = ALLOWED
        .iter()
        .flat_map(|area| area.iter().copied())
        .collect();
    let mut refused: Vec<&str> = REFUSED.to_vec();
    for (capability, names) in GUARDED {
        let list = if granted.contains(*capability) {
            &mut allowed
        } else {
            &mut refused
        };
        list.extend(*names);
    }
    // Families are in memory there, out of a filter's sight. On s390x C libraries know no other way;
    // on 32-bit x86, programs of today's libraries can be built to do without.
    let list = if is_s390(native) {
        &mut allowed
    } else {
        &mut refused
    };
    list.push("socketcall");
    refused.retain(|name| !allowed.contains(name));
    let mut rules = vec![
        rule(&allowed, Allow, &[]),
        rule(&refused, Errno(EPERM), &[]),
        // The default's answer, said by name: who reads a container's configuration sees that it was decided.
        rule(WITHHELD, Errno(ENOSYS), &[]),
    ];
    rules.extend(by_arguments(native, granted));
    Seccomp {
        default_action: SeccompAction::Errno,
        default_errno_ret: Some(ENOSYS),
        architectures: architectures(native),
        flags: Vec::new(),
        listener_path: None,
        listener_metadata: None,
        syscalls: rules,
    }
}

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
const EAFNOSUPPORT: u32 = 97;

use Answer::{Allow, Errno};

/// What a rule does.
#[derive(Clone, Copy)]
enum Answer {
    Allow,
    Errno(u32),
}

fn rule(names: &[&str], answer: Answer, args: &[SeccompArg]) -> SeccompSyscall {
    let (action, errno_ret) = match answer {
        Answer::Allow => (SeccompAction::Allow, None),
        Answer::Errno(errno) => (SeccompAction::Errno, Some(errno)),
    };
    let names = names.iter().collect();
    SeccompSyscall {
        names,
        action,
        errno_ret,
        args: args.to_vec(),
    }
}

/// Only the bits of `mask` are compared: the kernel takes most arguments as 32 bits, so a comparison of all
/// 64 is passed by setting the others (CVE-2019-10063).
const fn bits(index: u32, mask: u64, value: u64) -> SeccompArg {
    SeccompArg {
        index,
        value: mask,
        value_two: value,
        op: SeccompOperator::MaskedEqual,
    }
}

const fn int(index: u32, value: u64) -> SeccompArg {
    bits(index, 0xffff_ffff, value)
}

/// True of every value, and tried after all equalities.
const fn anything(index: u32) -> SeccompArg {
    SeccompArg {
        index,
        value: 0,
        value_two: 0,
        op: SeccompOperator::GreaterEqual,
    }
}

fn by_arguments(native: Arch, granted: CapSet) -> Vec<SeccompSyscall> {
    let mut rules = Vec::new();
    if granted.contains(Capability::SYS_ADMIN) {
        rules.push(rule(&["clone", "clone3", "unshare"], Allow, &[]));
    } else {
        // s390 has the flags second (clone(2)).
        let flags = u32::from(is_s390(native));
        rules.push(rule(&["clone"], Allow, &[bits(flags, CLONE_NAMESPACES, 0)]));
        rules.push(rule(&["clone"], Errno(EPERM), &[anything(flags)]));
        // Its flags are in memory, out of a filter's sight; libraries then take clone.
        rules.push(rule(&["clone3"], Errno(ENOSYS), &[]));
        rules.push(rule(
            &["unshare"],
            Allow,
            &[bits(0, CLONE_NAMESPACES | CLONE_NEWTIME, 0)],
        ));
        rules.push(rule(&["unshare"], Errno(EPERM), &[anything(0)]));
    }
    for persona in PERSONALITIES {
        rules.push(rule(&["personality"], Allow, &[int(0, *persona)]));
    }
    rules.push(rule(&["personality"], Errno(EPERM), &[anything(0)]));
    for command in TERMINAL_COMMANDS {
        rules.push(rule(&["ioctl"], Errno(EPERM), &[int(1, *command)]));
    }
    rules.push(rule(&["ioctl"], Allow, &[anything(1)]));
    for family in FAMILIES {
        rules.push(rule(&["socket"], Allow, &[int(0, *family)]));
    }
    let audited = granted.contains(Capability::AUDIT_WRITE);
    let not_audit = SeccompArg {
        index: 2,
        value: NETLINK_AUDIT,
        value_two: 0,
        op: SeccompOperator::NotEqual,
    };
    // login programs take this errno for a kernel without audit, and a refused message for a failure.
    let netlink = if audited {
        vec![int(0, AF_NETLINK)]
    } else {
        vec![int(0, AF_NETLINK), not_audit]
    };
    rules.push(rule(&["socket"], Allow, &netlink));
    rules.push(rule(&["socket"], Errno(EAFNOSUPPORT), &[anything(0)]));
    rules
}

fn is_s390(arch: Arch) -> bool {
    matches!(arch, Arch::S390 | Arch::S390x)
}

/// Every `CLONE_NEW*` but `CLONE_NEWTIME`, whose bit belongs to the exit signal in clone(2).
const CLONE_NAMESPACES: u64 = 0x7e02_0000;
const CLONE_NEWTIME: u64 = 0x80;

/// `PER_LINUX` and `PER_LINUX32`, each alone and with `UNAME26`, and the query (personality(2)). Those
/// left out switch address randomisation or execute protection off.
const PERSONALITIES: &[u64] = &[0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// `TIOCSTI` and `TIOCLINUX` type into the terminal of whoever started the container (CVE-2016-2568);
/// `TIOCSETD` loads line disciplines (CVE-2017-2636).
const TERMINAL_COMMANDS: &[u64] = &[0x5412, 0x541c, 0x5423];

/// `AF_UNIX`, `AF_INET`, `AF_INET6`, `AF_PACKET`. `AF_VSOCK` reaches the hypervisor past every network
/// namespace, `AF_ALG` and the rest load modules for whoever asks.
const FAMILIES: &[u64] = &[1, 2, 10, 17];
const AF_NETLINK: u64 = 16;
const NETLINK_AUDIT: u64 = 9;

fn architectures(native: Arch) -> Vec<SeccompArch> {
    let siblings: &[Arch] = match native {
        Arch::X86_64 => &[Arch::X86],
        Arch::Aarch64 => &[Arch::Arm],
        Arch::S390x => &[Arch::S390],
        Arch::Mips64 => &[Arch::Mips, Arch::Mips64N32],
        Arch::Mipsel64 => &[Arch::Mipsel, Arch::Mipsel64N32],
        Arch::Ppc64 => &[Arch::Ppc],
        Arch::Parisc64 => &[Arch::Parisc],
        _ => &[],
    };
    [native]
        .iter()
        .chain(siblings)
        .map(|arch| SeccompArch::from(arch.scmp_name()))
        .collect()
}

/// Allowed whatever the arguments are, by area.
#[rustfmt::skip]
const ALLOWED: &[&[&str]] = &[
    // Reading, writing and placing bytes.
    &["_llseek", "arm_fadvise64_64", "arm_sync_file_range", "copy_file_range", "fadvise64", "fadvise64_64",
      "fallocate", "fdatasync", "fsync", "ftruncate", "ftruncate64", "io_cancel", "io_destroy", "io_getevents",
      "io_setup", "io_submit", "lseek", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read",
      "readahead", "readv", "sendfile", "sendfile64", "splice", "sync", "sync_file_range", "sync_file_range2",
      "syncfs", "tee", "truncate", "truncate64", "write", "writev"],
    // Files and directories by name; permissions are the kernel's to check.
    &["access", "chdir", "chmod", "chown", "chown32", "creat", "faccessat", "faccessat2", "fchdir", "fchmod",
      "fchmodat", "fchown", "fchown32", "fchownat", "fgetxattr", "flistxattr", "fremovexattr", "fsetxattr", "fstat",
      "fstat64", "fstatat64", "fstatfs", "fstatfs64", "futimesat", "getcwd", "getdents", "getdents64", "getxattr",
      "lchown", "lchown32", "lgetxattr", "link", "linkat", "listxattr", "llistxattr", "lremovexattr", "lsetxattr",
      "lstat", "lstat64", "mkdir", "mkdirat", "mknod", "mknodat", "newfstatat", "open", "openat", "openat2",
      "readdir", "readlink", "readlinkat", "removexattr", "rename", "renameat", "renameat2", "rmdir", "setxattr",
      "stat", "stat64", "statfs", "statfs64", "statx", "symlink", "symlinkat", "umask", "unlink", "unlinkat",
      "utime", "utimensat", "utimensat_time64", "utimes"],
    // Descriptors, and waiting for them.
    &["_newselect", "close", "close_range", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl",
      "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2", "fcntl", "fcntl64", "flock",
      "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "memfd_create", "memfd_secret",
      "pipe", "pipe2", "poll", "ppoll", "ppoll_time64", "pselect6", "pselect6_time64", "select", "signalfd",
      "signalfd4", "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64"],
    // Memory.
    &["brk", "get_thread_area", "madvise", "membarrier", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mmap2",
      "mprotect", "mremap", "msync", "munlock", "munlockall", "munmap", "remap_file_pages", "set_thread_area"],
    // Processes and threads. ptrace stays inside the container's pid namespace. uretprobe is made by the kernel's
    // own trampoline alone: refused, it would end a program that the host traces.
    &["alarm", "arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "futex",
      "futex_time64", "get_robust_list", "getcpu", "getegid", "getegid32", "geteuid", "geteuid32", "getgid",
      "getgid32", "getgroups", "getgroups32", "getitimer", "getpgid", "getpgrp", "getpid", "getppid", "getpriority",
      "getresgid", "getresgid32", "getresuid", "getresuid32", "getrlimit", "getrusage", "getsid", "gettid",
      "getuid", "getuid32", "ioprio_get", "ioprio_set", "landlock_add_rule", "landlock_create_ruleset",
      "landlock_restrict_self", "nice", "pidfd_open", "prctl", "prlimit64", "process_mrelease", "ptrace",
      "restart_syscall", "rseq", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
      "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
      "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler",
      "sched_yield", "seccomp", "set_robust_list", "set_tid_address", "setfsgid", "setfsgid32", "setfsuid",
      "setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32", "setitimer", "setpgid", "setpriority",
      "setregid", "setregid32", "setresgid", "setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32",
      "setrlimit", "setsid", "setuid", "setuid32", "ugetrlimit", "uretprobe", "vfork", "wait4", "waitid", "waitpid"],
    // Signals.
    &["kill", "pause", "pidfd_send_signal", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
      "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64", "rt_tgsigqueueinfo",
      "sigaction", "sigaltstack", "signal", "sigpending", "sigprocmask", "sigreturn", "sigsuspend", "tgkill",
      "tkill"],
    // Clocks, timers and facts about the machine. Setting a clock needs a capability that the call checks.
    &["adjtimex", "clock_adjtime", "clock_adjtime64", "clock_getres", "clock_getres_time64", "clock_gettime",
      "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "getrandom", "gettimeofday", "nanosleep",
      "sysinfo", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_gettime64",
      "timer_settime", "timer_settime64", "times", "uname"],
    // Talking to others. ipc follows from these.
    &["accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "mq_getsetattr",
      "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64",
      "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64",
      "recvmsg", "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "send", "sendmmsg", "sendmsg",
      "sendto", "setsockopt", "shmat", "shmctl", "shmdt", "shmget", "shutdown", "socketpair"],
    // What single architectures need to run at all.
    &["atomic_barrier", "atomic_cmpxchg_32", "breakpoint", "cachectl", "cacheflush", "get_tls", "getpagesize",
      "riscv_flush_icache", "riscv_hwprobe", "s390_guarded_storage", "s390_pci_mmio_read", "s390_pci_mmio_write",
      "s390_runtime_instr", "s390_sthyi", "set_tls", "swapcontext", "switch_endian", "sysmips", "usr26", "usr32"],
];

/// Allowed with the capability that the kernel asks for, refused without: the check comes before the code.
#[rustfmt::skip]
const GUARDED: &[(Capability, &[&str])] = &[
    (Capability::BPF, &["bpf"]),
    (Capability::DAC_READ_SEARCH, &["name_to_handle_at", "open_by_handle_at"]),
    (Capability::PERFMON, &["perf_event_open"]),
    (Capability::SYS_ADMIN, &[
        "bpf", "fanotify_init", "fanotify_mark", "fsconfig", "fsmount", "fsopen", "fspick", "mount",
        "mount_setattr", "move_mount", "open_tree", "open_tree_attr", "perf_event_open", "pivot_root", "quotactl",
        "quotactl_fd", "setdomainname", "sethostname", "setns", "syslog", "umount", "umount2",
    ]),
    (Capability::SYS_BOOT, &["reboot"]),
    (Capability::SYS_CHROOT, &["chroot"]),
    (Capability::SYS_MODULE, &["delete_module", "finit_module", "init_module"]),
    (Capability::SYS_NICE, &[
        "get_mempolicy", "mbind", "migrate_pages", "move_pages", "set_mempolicy", "set_mempolicy_home_node",
    ]),
    (Capability::SYS_PACCT, &["acct"]),
    (Capability::SYS_PTRACE, &[
        "kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "userfaultfd",
    ]),
    (Capability::SYS_RAWIO, &["ioperm", "iopl"]),
    (Capability::SYS_TIME, &["clock_settime", "clock_settime64", "settimeofday", "stime"]),
    (Capability::SYS_TTY_CONFIG, &["vhangup"]),
    (Capability::SYSLOG, &["syslog"]),
];

/// Answered as by a kernel that has not got them: each does again what an older call does, or is for few programs,
/// which go on without it. The filters of Docker 20.10 and Podman 4.3 do not both allow any of them, so nothing is
/// reached here that is not reached there (docs/hardening.md).
#[rustfmt::skip]
const WITHHELD: &[&str] = &[
    "cachestat", "fchmodat2", "file_getattr", "file_setattr", "futex_requeue", "futex_wait", "futex_waitv",
    "futex_wake", "getxattrat", "io_pgetevents", "io_pgetevents_time64", "listmount", "listxattrat",
    "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "map_shadow_stack", "mseal", "pkey_alloc",
    "pkey_free", "pkey_mprotect", "removexattrat", "setxattrat", "statmount", "vmsplice",
];

/// Refused with any capability.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    // Keys belong to users, not to namespaces.
    "add_key", "keyctl", "request_key",
    // A second way to make other calls, which no filter sees.
    "io_uring_enter", "io_uring_register", "io_uring_setup",
    // Another kernel, and the whole machine's swap.
    "kexec_file_load", "kexec_load", "swapoff", "swapon",
    // Old and seldom exercised code that programs of today do not need.
    "modify_ldt", "oldfstat", "oldlstat", "oldolduname", "oldstat", "olduname", "sgetmask", "ssetmask", "sysfs",
    "uselib", "ustat", "vm86", "vm86old",
    // Firmware and coprocessors.
    "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "rtas", "spu_create", "spu_run", "subpage_prot",
    "sys_debug_setcontext",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lockstep_abi::syscall::Syscall;

    use super::*;

    /// No kernel of today has an implementation, so ENOSYS is the truth.
    const ABSENT: &[&str] = &[
        "_sysctl",
        "afs_syscall",
        "bdflush",
        "break",
        "create_module",
        "epoll_ctl_old",
        "epoll_wait_old",
        "ftime",
        "get_kernel_syms",
        "getpmsg",
        "gtty",
        "idle",
        "lock",
        "lookup_dcookie",
        "mpx",
        "multiplexer",
        "nfsservctl",
        "prof",
        "profil",
        "putpmsg",
        "query_module",
        "security",
        "stty",
        "syscall",
        "timerfd",
        "tuxcall",
        "ulimit",
        "vserver",
    ];
    const BY_ARGUMENTS: &[&str] = &[
        "clone",
        "clone3",
        "ioctl",
        "personality",
        "socket",
        "unshare",
    ];
    const MULTIPLEXERS: &[&str] = &["ipc", "socketcall"];

    #[test]
    fn every_call_of_every_architecture_was_decided_on() {
        let guarded = GUARDED.iter().map(|(_, names)| *names);
        let lists = ALLOWED.iter().copied().chain(guarded).chain([
            REFUSED,
            WITHHELD,
            ABSENT,
            BY_ARGUMENTS,
            MULTIPLEXERS,
        ]);
        let decided: BTreeSet<&str> = lists.flatten().copied().collect();
        let known: BTreeSet<&str> = Syscall::all().map(Syscall::name).collect();
        let undecided: Vec<_> = known.difference(&decided).collect();
        let unknown: Vec<_> = decided.difference(&known).collect();
        assert_eq!((undecided, unknown), (vec![], vec![]));
    }

    #[test]
    fn no_call_is_in_two_lists() {
        let mut seen = BTreeSet::new();
        for name in ALLOWED
            .iter()
            .copied()
            .chain([REFUSED, WITHHELD, ABSENT, MULTIPLEXERS])
            .flatten()
        {
            assert!(seen.insert(name), "{name}");
            assert!(!BY_ARGUMENTS.contains(name), "{name}");
            assert!(
                !GUARDED.iter().any(|(_, names)| names.contains(name)),
                "{name}"
            );
        }
    }
}
