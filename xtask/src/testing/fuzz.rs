//! The libFuzzer targets of `crates/*/fuzz`, each for a bounded time with a corpus that is kept.
//!
//! No sanitizer: the code is safe Rust, in which a mistake is a panic, and sanitizers do not link statically.
//! Without one the instrumentation is all that a stable compiler hides, so it is told to show it.

use std::path::Path;
use std::process::Command;

use super::Context;

/// Seconds per target: with twelve of them and their builds, less than the ninety minutes of the group.
const SECONDS: u32 = 300;

/// Longest input in bytes: a config.json with every field has 13 thousand.
const LONGEST: u32 = 20_000;

/// Targets whose code makes processes.
const FORKS: [&str; 1] = ["place"];

/// One command per target.
pub(crate) fn commands(context: &Context) -> Vec<Command> {
    let mut found = Vec::new();
    for folder in folders(&context.root.join("crates")) {
        let fuzz = folder.join("fuzz");
        for target in folders(&fuzz.join("fuzz_targets")) {
            let name = target.file_stem().unwrap_or_default();
            let corpus = context.target.join("fuzz-corpus").join(name);
            // cargo-fuzz makes its own default directory, but none that it is given.
            if let Err(error) = std::fs::create_dir_all(&corpus) {
                println!("{}: {error}", corpus.display());
            }
            let mut run = Command::new("cargo");
            run.env("RUSTC_BOOTSTRAP", "1");
            run.env("CARGO_TARGET_DIR", context.target.join("fuzz"));
            run.args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"]);
            run.arg(&fuzz).arg(name).arg(corpus);
            let seeds = fuzz.join("seeds").join(name);
            if seeds.exists() {
                run.arg(seeds);
            }
            run.arg("--");
            run.arg(format!("-max_total_time={SECONDS}"));
            run.arg(format!("-max_len={LONGEST}"));
            if FORKS.iter().any(|forks| *forks == name) {
                // libFuzzer watches memory in a thread of its own, and who has two does not fork here.
                run.args(["-rss_limit_mb=0", "-malloc_limit_mb=2048"]);
            }
            found.push(run);
        }
    }
    found
}

/// What is in a folder, in order; nothing if there is no such folder.
fn folders(path: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
