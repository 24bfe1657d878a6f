//! The filters that Lockstep's own processes put on themselves, as the profiles of containers are.

use lockstep_abi::arch::Arch;
use lockstep_oci::runtime::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator, SeccompSyscall,
};

/// Everything that a supervisor does once the container is made: move bytes between descriptors that it has,
/// listen on its socket, signal and await one process. It makes no process, no socket and no mapping that is
/// executable, and it opens nothing. Neither is there a call that moves a file's position: what its log has
/// already stays as it is.
#[rustfmt::skip]
const SUPERVISOR: &[&str] = &[
    "accept4", "brk", "clock_gettime", "close", "exit", "exit_group", "fstat", "getpid",
    "madvise", "munmap", "newfstatat", "pidfd_send_signal", "poll", "ppoll", "read", "recvfrom",
    "recvmsg", "restart_syscall", "rt_sigprocmask", "rt_sigreturn", "sendmsg", "sendto", "statx",
    "wait4", "waitid", "write", "writev",
];

/// Everything that a process does that copies files from or to a container: it opens, makes and names files below what
/// it holds, and tells of it. It makes no process, no socket, no device that could be opened, and executes nothing.
#[rustfmt::skip]
const COPIER: &[&str] = &[
    "brk", "clock_gettime", "close", "exit", "exit_group", "fchmod", "fchmodat", "fchown", "fchownat", "fgetxattr",
    "flistxattr", "fsetxattr", "fstat", "fstatfs", "ftruncate", "futex", "getdents64", "getpid", "getrandom", "linkat",
    "lseek", "madvise", "mkdirat", "mknodat", "mremap", "munmap", "newfstatat", "openat", "openat2", "pread64", "pwrite64",
    "read", "readlinkat", "readv", "renameat", "renameat2", "restart_syscall", "rt_sigprocmask", "rt_sigreturn", "sendmsg",
    "statx", "symlinkat", "unlinkat", "utimensat", "wait4", "write", "writev",
];

/// How a log of a bounded size makes room, which takes calls of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turnover {
    /// It has no bound.
    Never,
    /// The one file begins anew.
    Truncates,
    /// Older files get other names, and a new one is begun.
    Renames,
}

/// `TIOCSWINSZ`: the size of the container's terminal.
const SET_TERMINAL_SIZE: u64 = 0x5414;
/// `FIONBIO`: reads that do not block. `F_SETFL` could also take `O_APPEND` from the log.
const SET_NONBLOCKING: u64 = 0x5421;
/// `F_GETFD`, `F_SETFD`, `F_GETFL`, `F_DUPFD_CLOEXEC`.
const DESCRIPTOR_COMMANDS: [u64; 4] = [1, 2, 3, 1030];
/// asm-generic/fcntl.h.
const O_TRUNC: u64 = 0o1000;
const O_APPEND: u64 = 0o2000;
const PROT_EXEC: u64 = 4;
const EPERM: u32 = 1;

/// The filter of a supervisor: what is not listed is refused with EPERM, on `native` alone.
#[must_use]
pub fn supervisor(native: Arch, log: Turnover) -> Seccomp {
    let mut more = vec![
        allow(&["mremap"], Vec::new()),
        allow(&["ioctl"], vec![masked(1, 0xffff_ffff, SET_TERMINAL_SIZE)]),
        allow(&["ioctl"], vec![masked(1, 0xffff_ffff, SET_NONBLOCKING)]),
    ];
    match log {
        Turnover::Never => {}
        Turnover::Truncates => more.push(allow(&["ftruncate"], Vec::new())),
        // A file that is opened is only ever added to.
        Turnover::Renames => more.extend([
            allow(&["renameat", "renameat2"], Vec::new()),
            allow(&["openat"], vec![masked(2, O_TRUNC | O_APPEND, O_APPEND)]),
        ]),
    }
    only(native, SUPERVISOR, more)
}

/// The filter of a process that copies files: what is not listed is refused with EPERM, on `native` alone.
#[must_use]
pub fn copier(native: Arch) -> Seccomp {
    only(native, COPIER, [])
}

fn allow(names: &[&str], args: Vec<SeccompArg>) -> SeccompSyscall {
    SeccompSyscall {
        names: names.iter().collect(),
        action: SeccompAction::Allow,
        errno_ret: None,
        args,
    }
}

/// These calls, memory that is not executable, and descriptors' flags.
fn only(native: Arch, names: &[&str], more: impl IntoIterator<Item = SeccompSyscall>) -> Seccomp {
    let not_executable = vec![masked(2, PROT_EXEC, 0)];
    let mut syscalls = vec![
        allow(names, Vec::new()),
        allow(&["mmap", "mprotect"], not_executable),
    ];
    syscalls.extend(more);
    let fcntl = |command| allow(&["fcntl"], vec![masked(1, 0xffff_ffff, command)]);
    syscalls.extend(DESCRIPTOR_COMMANDS.map(fcntl));
    Seccomp {
        default_action: SeccompAction::Errno,
        default_errno_ret: Some(EPERM),
        architectures: vec![SeccompArch::from(native.scmp_name())],
        flags: Vec::new(),
        listener_path: None,
        listener_metadata: None,
        syscalls,
    }
}

const fn masked(index: u32, mask: u64, value: u64) -> SeccompArg {
    SeccompArg {
        index,
        value: mask,
        value_two: value,
        op: SeccompOperator::MaskedEqual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::Verdict;
    use crate::seccomp::compile;
    use crate::seccomp::interpret::{Call, interpret};
    use lockstep_abi::syscall;

    fn verdict(name: &str, arguments: [u64; 6]) -> Verdict {
        with(Turnover::Never, name, arguments)
    }

    fn with(log: Turnover, name: &str, arguments: [u64; 6]) -> Verdict {
        verdict_of(|native| supervisor(native, log), name, arguments)
    }

    fn verdict_of(filter: impl Fn(Arch) -> Seccomp, name: &str, arguments: [u64; 6]) -> Verdict {
        let native = Arch::X86_64;
        let program = compile(&filter(native), native).expect("it compiles");
        let call = Call {
            number: syscall::number(native, name).expect("a call"),
            audit_arch: native.audit_arch(),
            instruction_pointer: 0,
            arguments,
        };
        interpret(&program.insns, &call).expect("a verdict")
    }

    #[test]
    fn a_supervisor_can_neither_make_processes_nor_reach_out() {
        for name in [
            "execve",
            "execveat",
            "fork",
            "clone",
            "clone3",
            "ptrace",
            "socket",
            "connect",
            "mount",
            "setns",
            "unshare",
            "kill",
            "pidfd_open",
            "process_vm_writev",
            "bpf",
            "symlinkat",
            "setuid",
            "openat",
            "ftruncate",
            "renameat",
            "lseek",
            "pwrite64",
        ] {
            assert_ne!(verdict(name, [0; 6]), Verdict::ALLOW, "{name}");
        }
        assert_eq!(verdict("read", [0; 6]), Verdict::ALLOW);
        assert_eq!(verdict("mmap", [0, 0, 3, 0, 0, 0]), Verdict::ALLOW);
        assert_ne!(verdict("mmap", [0, 0, 7, 0, 0, 0]), Verdict::ALLOW);
        assert_ne!(verdict("ioctl", [0, 0x5412, 0, 0, 0, 0]), Verdict::ALLOW);
        assert_eq!(verdict("ioctl", [0, 0x5414, 0, 0, 0, 0]), Verdict::ALLOW);
        // F_SETFL.
        assert_ne!(verdict("fcntl", [0, 4, 0, 0, 0, 0]), Verdict::ALLOW);
    }

    #[test]
    fn a_log_that_turns_over_is_only_added_to() {
        let open = |flags| with(Turnover::Renames, "openat", [3, 0, flags, 0, 0, 0]);
        assert_eq!(open(0o1 | 0o100 | O_APPEND), Verdict::ALLOW);
        for flags in [0, 0o1, 0o2, 0o1 | O_TRUNC, 0o1 | O_APPEND | O_TRUNC] {
            assert_ne!(open(flags), Verdict::ALLOW, "{flags:o}");
        }
        let cut = |log| with(log, "ftruncate", [0; 6]);
        assert_eq!(cut(Turnover::Truncates), Verdict::ALLOW);
        assert_ne!(cut(Turnover::Renames), Verdict::ALLOW);
    }

    #[test]
    fn a_copier_changes_files_and_nothing_else() {
        for name in [
            "execve",
            "execveat",
            "fork",
            "clone",
            "clone3",
            "ptrace",
            "socket",
            "connect",
            "mount",
            "setns",
            "unshare",
            "kill",
            "tgkill",
            "pidfd_getfd",
            "bpf",
            "setuid",
            "capset",
            "chroot",
            "open_by_handle_at",
            "io_uring_setup",
            "memfd_create",
            "ioctl",
        ] {
            let verdict = verdict_of(copier, name, [0; 6]);
            assert_ne!(verdict, Verdict::ALLOW, "{name}");
        }
        for name in ["openat2", "renameat2", "fsetxattr", "utimensat"] {
            assert_eq!(verdict_of(copier, name, [0; 6]), Verdict::ALLOW, "{name}");
        }
        let executable = [0, 0, 7, 0, 0, 0];
        assert_ne!(verdict_of(copier, "mmap", executable), Verdict::ALLOW);
    }
}
