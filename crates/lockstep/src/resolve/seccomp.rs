//! The filter of system calls: ours by default, a file's, or none.

use std::path::Path;

use lockstep_abi::arch::Arch;
use lockstep_abi::capability::CapSet;
use lockstep_profile::seccomp::default_profile;

use super::security::Options;
use super::{Input, Resolved};
use crate::failure::Failure;
use crate::why::Origin;

pub(super) fn apply(
    input: &Input<'_>,
    options: &Options,
    granted: CapSet,
    out: &mut Resolved,
) -> Result<(), Failure> {
    let change = "--security-opt seccomp=FILE|unconfined";
    match options.seccomp.as_deref() {
        Some("unconfined") => {
            out.note("linux.seccomp", "none", Origin::Flag, change);
            out.warn("no filter of system calls: the container reaches the whole interface of the kernel");
        }
        None | Some("builtin" | "default") => {
            out.linux().seccomp = Some(default_profile(Arch::native(), granted));
            let text = "Lockstep's default for these capabilities";
            out.note(
                "linux.seccomp",
                text,
                super::origin(options.seccomp.is_some()),
                change,
            );
        }
        Some(file) => {
            let text = (input.sight.read)(Path::new(file))
                .map_err(|failure| failure.of("--security-opt seccomp="))?;
            let parsed = serde_json::from_slice(&text)
                .map_err(|e| Failure::new(format!("--security-opt seccomp={file}: {e}")))?;
            out.linux().seccomp = Some(parsed);
            out.note("linux.seccomp", file, Origin::Flag, change);
        }
    }
    Ok(())
}
