//! Builds of both programs under a `--cfg lockstep_*`: weakened on purpose, or failing on demand.
//!
//! An attack test proves something only if the attack succeeds against a build without the
//! mechanism. Such hooks exist only under a cfg, which no feature and no environment variable of
//! the shipped binary can turn on. Cargo gives its workspace members, and them alone, to a wrapper
//! around rustc; this program is that wrapper, so dependencies are not compiled again.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::Failure;

const WRAPPER: &str = "rustc-wrapper";
const PREFIX: &str = "lockstep_";

/// The directory with one `<cfg>` per variant, and both programs in it.
pub(crate) fn folder(target: &Path) -> PathBuf {
    target.join("variants")
}

/// The cfg names that the sources below `crates/` ask for.
pub(crate) fn discover(root: &Path) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    let mut folders = vec![root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)?.flatten() {
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(crate::tidy::cfg_names(
                    &std::fs::read_to_string(path)?,
                    PREFIX,
                ));
            }
        }
    }
    Ok(names)
}

/// Builds one variant and puts the binary beside the others.
pub(crate) fn build(root: &Path, name: &str) -> Result<(), Failure> {
    let target = crate::target(root);
    let folder = folder(&target).join(name);
    std::fs::create_dir_all(&folder)?;
    // Cargo tells builds apart by the wrapper's path, and we read the cfg from it.
    let wrapper = folder.join(WRAPPER);
    if !wrapper.exists() {
        std::fs::copy("/proc/self/exe", &wrapper)?;
    }
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "-p", "lockstep-runc", "-p", "lockstep"])
        .current_dir(root);
    let status = cargo.env("RUSTC_WORKSPACE_WRAPPER", &wrapper).status()?;
    if !status.success() {
        return Err(Failure::new(format!("build of variant {name}: {status}")));
    }
    // The next ordinary build puts its own files where these are now.
    for name in ["lockstep-runc", "lockstep"] {
        let built = target.join("x86_64-unknown-linux-gnu/debug").join(name);
        std::fs::copy(built, folder.join(name))?;
    }
    Ok(())
}

/// If this process was started as a wrapper, becomes rustc with the cfg of its directory.
pub(crate) fn as_wrapper() -> Option<ExitCode> {
    let mut args = std::env::args_os();
    let own = PathBuf::from(args.next()?);
    if own.file_name()? != WRAPPER {
        return None;
    }
    let cfg = own.parent()?.file_name()?.to_owned();
    let error = Command::new(args.next()?)
        .args(args)
        .arg("--cfg")
        .arg(cfg)
        .exec();
    eprintln!("rustc: {error}");
    Some(ExitCode::FAILURE)
}
