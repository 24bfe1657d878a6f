//! What a filter answers for one call.
//!
//! Kept as the kernel's own number, so that a rule, a program's return and an observation compare
//! without translation.

use std::fmt;

use lockstep_abi::bpf;

/// The value that a filter returns: an action in the upper half, its data in the lower (seccomp(2)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Verdict(u32);

impl Verdict {
    /// The call is made.
    pub const ALLOW: Self = Self(bpf::SECCOMP_RET_ALLOW);
    /// The call is made and logged.
    pub const LOG: Self = Self(bpf::SECCOMP_RET_LOG);
    /// The listener decides.
    pub const NOTIFY: Self = Self(bpf::SECCOMP_RET_USER_NOTIF);
    /// The thread gets SIGSYS.
    pub const TRAP: Self = Self(bpf::SECCOMP_RET_TRAP);
    /// The thread dies.
    pub const KILL_THREAD: Self = Self(bpf::SECCOMP_RET_KILL_THREAD);
    /// The process dies.
    pub const KILL_PROCESS: Self = Self(bpf::SECCOMP_RET_KILL_PROCESS);
    /// What a kernel answers that does not know the call.
    pub const ENOSYS: Self = Self::errno(38);

    /// The call fails with `errno`; the kernel returns at most 4095.
    #[must_use]
    pub const fn errno(errno: u16) -> Self {
        Self(bpf::SECCOMP_RET_ERRNO | errno as u32)
    }

    /// The tracer is asked and gets `message`; without one the call fails with ENOSYS.
    #[must_use]
    pub const fn trace(message: u16) -> Self {
        Self(bpf::SECCOMP_RET_TRACE | message as u32)
    }

    /// The verdict that the kernel reads in a filter's return value.
    #[must_use]
    pub const fn from_return(value: u32) -> Self {
        Self(value)
    }

    /// The return value.
    #[must_use]
    pub const fn to_return(self) -> u32 {
        self.0
    }

    /// The action alone, without data.
    #[must_use]
    pub const fn action(self) -> u32 {
        self.0 & bpf::SECCOMP_RET_ACTION_FULL
    }

    /// Errno or trace message.
    #[must_use]
    pub const fn data(self) -> u16 {
        (self.0 & bpf::SECCOMP_RET_DATA) as u16
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action() {
            bpf::SECCOMP_RET_ALLOW => f.write_str("allow"),
            bpf::SECCOMP_RET_LOG => f.write_str("log"),
            bpf::SECCOMP_RET_USER_NOTIF => f.write_str("notify"),
            bpf::SECCOMP_RET_TRAP => f.write_str("trap"),
            bpf::SECCOMP_RET_KILL_THREAD => f.write_str("kill thread"),
            bpf::SECCOMP_RET_KILL_PROCESS => f.write_str("kill process"),
            bpf::SECCOMP_RET_ERRNO => write!(f, "errno {}", self.data()),
            bpf::SECCOMP_RET_TRACE => write!(f, "trace {}", self.data()),
            _ => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verdict({self})")
    }
}
