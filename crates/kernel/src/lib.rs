//! The only room that talks to the kernel: one function per man page call or tight idiom.
//!
//! Everything outside this crate may hold, pass and drop an [`std::os::fd::OwnedFd`], but may not make one.
//! Functions are named as their man pages; descriptors come first and are close-on-exec; nothing here
//! decides, logs or retries except on `EINTR`. Errors carry the call in strace form.

pub mod bpf;
pub mod call;
pub mod caller;
pub mod capability;
pub mod cgroup;
pub mod command;
pub mod console;
pub mod credential;
pub mod durable;
pub mod event;
pub mod exe;
pub mod file;
pub mod init;
pub mod landlock;
pub mod metadata;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod process;
pub mod random;
pub mod root;
pub mod schedule;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod sparse;
pub mod tree;
#[cfg(lockstep_weak)]
pub mod weak;

pub use call::{Error, Result};
