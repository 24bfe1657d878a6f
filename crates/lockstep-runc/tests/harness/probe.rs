//! Compiles C programs of tests, and the probe that shows what busybox cannot: raw system calls and their results.
//!
//! It is C, and static, because it runs inside containers whose only other file is busybox.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::test::run_directory;

const SOURCE: &str = include_str!("probe.c");

/// The compiled probe, or why there is none.
pub(crate) fn compiled() -> Result<&'static Path, &'static str> {
    static PROBE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PROBE.get_or_init(|| build("probe", SOURCE, &["-static"])) {
        Ok(path) => Ok(path),
        Err(reason) => Err(reason),
    }
}

/// Compiles a C program of a test, or says why it cannot be.
pub(crate) fn build(name: &str, source: &str, options: &[&str]) -> Result<PathBuf, String> {
    let file = run_directory().join(format!("{name}.c"));
    let binary = run_directory().join(name);
    std::fs::write(&file, source).map_err(|error| format!("cannot write {name}.c: {error}"))?;
    let output = Command::new("gcc")
        .args(["-O1", "-Wall", "-o"])
        .arg(&binary)
        .arg(&file)
        .args(options)
        .output()
        .map_err(|error| format!("no C compiler (gcc: {error})"))?;
    match output.status.success() {
        true => Ok(binary),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("gcc refuses {name}.c: {said}"))
        }
    }
}
