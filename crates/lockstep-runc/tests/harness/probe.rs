//! Compiles the C probe that shows what busybox cannot: raw system calls and their results.
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
    match PROBE.get_or_init(compile) {
        Ok(path) => Ok(path),
        Err(reason) => Err(reason),
    }
}

fn compile() -> Result<PathBuf, String> {
    let source = run_directory().join("probe.c");
    let binary = run_directory().join("probe");
    std::fs::write(&source, SOURCE).map_err(|error| format!("cannot write probe.c: {error}"))?;
    let output = Command::new("gcc")
        .args(["-static", "-O1", "-Wall", "-o"])
        .arg(&binary)
        .arg(&source)
        .output()
        .map_err(|error| format!("no C compiler (gcc: {error})"))?;
    if output.status.success() {
        Ok(binary)
    } else {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("gcc -static refuses the probe: {text}"))
    }
}
