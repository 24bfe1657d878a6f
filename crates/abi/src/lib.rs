//! What Linux offers, as data: names, numbers, versions and the text forms of its calls.
//!
//! The ground floor of the house: every other crate names kernel things through this one, so that a
//! call, a capability or an errno has one spelling from the parser to the error message. Nothing
//! here asks the running kernel; that is `kernel`'s work.

pub mod arch;
pub mod bpf;
pub mod btf;
pub mod call;
pub mod capability;
pub mod errno;
pub mod feature;
mod generated;
pub mod id;
pub mod inode;
pub mod mount;
pub mod mountinfo;
pub mod rlimit;
pub mod signal;
pub mod syscall;
