//! The first process of a container with an init, as a file that nobody can write.
//!
//! It is a program of its own of some 2000 bytes (`init/program.rs`), so nothing of the runtime is in the memory of
//! a process that lives in the container, and `/proc/1/exe` there is a sealed copy of these bytes (CVE-2019-5736).

use crate::call::Result;
use crate::{exe, file};
use std::os::fd::OwnedFd;

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// The program as a sealed memfd, to be executed with its own name, the path of the container's program, and that
/// one's arguments from the name on. memfd_create(2), `F_ADD_SEALS` of fcntl(2).
pub fn program() -> Result<OwnedFd> {
    exe::sealed_file("lockstep-init", |memfd| file::write_fd(memfd, PROGRAM))
}
