//! Security profiles as values: what a container may do, and how a kernel mechanism is told so.
//!
//! Everything here is computed from what it is given, without a file, a process or a clock, so that
//! a filter can be proved against its rules before any kernel sees it.

pub mod apparmor;
mod error;
pub mod seccomp;
pub mod selinux;

pub use error::Error;
