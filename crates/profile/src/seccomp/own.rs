//! The filters that Lockstep's own processes put on themselves, as the profiles of containers are.

use lockstep_abi::arch::Arch;
use lockstep_oci::runtime::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator, SeccompSyscall,
};

/// Everything that a supervisor does once the container is made: move bytes between descriptors that it has,
/// listen on its socket, signal and await one process, turn its log over. It makes no process, no socket and
/// no mapping that is executable.
#[rustfmt::skip]
const SUPERVISOR: &[&str] = &[
    "accept4", "brk", "clock_gettime", "close", "exit", "exit_group", "fstat", "ftruncate", "getpid",
    "madvise", "munmap", "newfstatat", "openat", "pidfd_send_signal", "poll", "ppoll", "read", "recvfrom",
    "recvmsg", "renameat", "renameat2", "restart_syscall", "rt_sigprocmask", "rt_sigreturn", "sendmsg", "sendto", "statx",
    "wait4", "waitid", "write", "writev",
];

/// Everything that a process does that copies files from or to a container: it opens, makes and names files below what
/// it holds, and tells of it. It makes no process, no socket, no device that could be opened, and executes nothing.
#[rustfmt::skip]
const COPIER: &[&str] = &[
    "brk", "clock_gettime", "close", "exit", "exit_group", "fchmod", "fchmodat", "fchown", "fchownat", "fgetxattr",
    "flistxattr", "fsetxattr", "fstat", "fstatfs", "ftruncate", "futex", "getdents64", "getpid", "linkat", "lseek", "madvise",
    "mkdirat", "mknodat", "mremap", "munmap", "newfstatat", "openat", "openat2", "pread64", "prlimit64", "pwrite64",
    "read", "readlinkat", "readv", "renameat", "renameat2", "restart_syscall", "rt_sigprocmask", "rt_sigreturn", "sendmsg",
    "statx", "symlinkat", "unlinkat", "utimensat", "wait4", "write", "writev",
];

/// `TIOCSWINSZ`: the size of the container's terminal.
const SET_TERMINAL_SIZE: u64 = 0x5414;
/// `F_GETFD`, `F_SETFD`, `F_GETFL`, `F_SETFL`, `F_DUPFD_CLOEXEC`.
const DESCRIPTOR_COMMANDS: [u64; 5] = [1, 2, 3, 4, 1030];
const PROT_EXEC: u64 = 4;
const EPERM: u32 = 1;

/// The filter of a supervisor: what is not listed is refused with EPERM, on `native` alone.
#[must_use]
pub fn supervisor(native: Arch) -> Seccomp {
    let terminal = allow(&["ioctl"], vec![masked(1, 0xffff_ffff, SET_TERMINAL_SIZE)]);
    let more = [allow(&["mremap"], Vec::new()), terminal];
    only(native, SUPERVISOR, more)
}

/// The filter of a process that copies files: what is not listed is refused with EPERM, on `native` alone.
#[must_use]
pub fn copier(native: Arch) -> Seccomp {
    only(native, COPIER, [])
}

fn allow(names: &[&str], args: Vec<SeccompArg>) -> SeccompSyscall {
    SeccompSyscall {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
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
        verdict_of(supervisor, name, arguments)
    }

    fn verdict_of(filter: fn(Arch) -> Seccomp, name: &str, arguments: [u64; 6]) -> Verdict {
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
        ] {
            assert_ne!(verdict(name, [0; 6]), Verdict::ALLOW, "{name}");
        }
        assert_eq!(verdict("read", [0; 6]), Verdict::ALLOW);
        assert_eq!(verdict("mmap", [0, 0, 3, 0, 0, 0]), Verdict::ALLOW);
        assert_ne!(verdict("mmap", [0, 0, 7, 0, 0, 0]), Verdict::ALLOW);
        assert_ne!(verdict("ioctl", [0, 0x5412, 0, 0, 0, 0]), Verdict::ALLOW);
        assert_eq!(verdict("ioctl", [0, 0x5414, 0, 0, 0, 0]), Verdict::ALLOW);
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
