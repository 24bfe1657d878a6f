//! Seccomp: compiles the filter of config.json before anything is made, so that a wrong one costs nothing.

use crate::{Error, Result};
use lockstep_abi::arch::Arch;
use lockstep_oci::runtime::Seccomp;
use lockstep_profile::seccomp::{Program, compile};

/// The filter as the kernel takes it.
pub fn program(seccomp: &Seccomp) -> Result<Program> {
    compile(seccomp, Arch::native()).map_err(|e| Error::new("/linux/seccomp", "", e.to_string()))
}
