//! Why a profile cannot be turned into a kernel's terms.
//!
//! One small type for the crate: its callers show the text with the JSON pointer of `linux.seccomp`
//! before it and branch on nothing.

use std::fmt;

/// What in a profile cannot be enforced, with the offending value and its place below the profile's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// An action, operator, architecture or flag outside the specification.
    Unknown {
        /// Place below the seccomp object, as a JSON pointer: `/syscalls/3/action`.
        pointer: String,
        /// The text as written.
        value: String,
    },
    /// An argument index above 5: system calls have six arguments.
    ArgumentIndex {
        /// Place of the index.
        pointer: String,
        /// The index as written.
        index: u32,
    },
    /// An errno for an action that returns none (config-linux.md: "the runtime MUST print an error and fail").
    ErrnoWithoutUse {
        /// Place of the errno.
        pointer: String,
        /// The action.
        action: String,
    },
    /// An errno or trace message that does not fit into the filter's 16 bits (seccomp(2), `SECCOMP_RET_DATA`).
    ErrnoRange {
        /// Place of the errno.
        pointer: String,
        /// The number as written.
        errno: u32,
    },
    /// Notification where the answer could never come: as default action, or for `write`, with which the
    /// listener is handed over.
    Notify {
        /// Place of the action.
        pointer: String,
        /// Completes "cannot be used": `as default action`, or `for the write syscall`.
        of: &'static str,
    },
    /// An architecture whose byte order is not the native one; no kernel runs both in one process.
    ByteOrder {
        /// Place of the architecture.
        pointer: String,
        /// Its name.
        arch: &'static str,
        /// The native architecture's name.
        native: &'static str,
    },
    /// A program longer than the kernel takes (`BPF_MAXINSNS`, linux/bpf_common.h).
    TooLong {
        /// Number of instructions that the profile needs.
        instructions: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { pointer, value } => write!(f, "{pointer}: unknown value {value:?}"),
            Self::ArgumentIndex { pointer, index } => {
                write!(f, "{pointer}: argument index {index} is not one of 0 to 5")
            }
            Self::ErrnoWithoutUse { pointer, action } => {
                write!(f, "{pointer}: {action} does not return an errno")
            }
            Self::ErrnoRange { pointer, errno } => {
                write!(f, "{pointer}: {errno} is above {}", u16::MAX)
            }
            Self::Notify { pointer, of } => {
                write!(f, "{pointer}: SCMP_ACT_NOTIFY cannot be used {of}")
            }
            Self::ByteOrder {
                pointer,
                arch,
                native,
            } => {
                write!(f, "{pointer}: {arch} has another byte order than {native}")
            }
            Self::TooLong { instructions } => write!(
                f,
                "the filter needs {instructions} instructions, the kernel takes {}",
                crate::seccomp::MAX_INSTRUCTIONS
            ),
        }
    }
}

impl std::error::Error for Error {}
