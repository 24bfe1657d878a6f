//! Development commands: tidy, gen, test groups, bench, try.
//!
//! One program instead of scripts, so that what CI runs is what a developer runs, and so that a
//! rule of the house is code with tests.

mod bench;
mod first_run;
#[path = "gen/mod.rs"]
mod generate;
mod man;
mod run;
mod testing;
mod tidy;
mod vm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Why a command did not succeed, in words for the terminal; empty if it has been said.
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure(text.into())
    }

    /// A failure that the command has reported itself, in its own last line.
    pub(crate) fn silent() -> Self {
        Failure(String::new())
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.to_string())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development commands of Lockstep")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the house rules that no compiler checks
    Tidy {
        /// Remove and lower entries of the function-length list; never adds or raises one
        #[arg(long)]
        shrink: bool,
    },
    /// Write the man pages and shell completions
    Man {
        /// Fail if one differs from what is committed; write nothing
        #[arg(long)]
        check: bool,
    },
    /// Write the generated tables
    Gen {
        /// Fail if a table differs from what is committed; write nothing
        #[arg(long)]
        check: bool,
    },
    /// Run a seeded sample of every test group
    Test {
        /// Seed of the sample; the time if absent
        #[arg(long)]
        seed: Option<u64>,
        /// Only this group; may be repeated
        #[arg(long)]
        group: Vec<String>,
    },
    /// Build lockstep-runc under a `--cfg`, for tests
    #[command(hide = true)]
    Variant { name: String },
    /// Build lockstep-runc and run a program of this machine in a container
    Try {
        /// Another build of lockstep to show it with
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Measure against crun, runc and a floor
    Bench(bench::Options),
    /// Run tests in a virtual machine with the kernel features that this machine lacks
    Vm(vm::Options),
    /// Run everything, sampled by nothing
    Full {
        /// Only this group; may be repeated
        #[arg(long)]
        group: Vec<String>,
    },
}

fn main() -> ExitCode {
    if let Some(code) = testing::variants::as_wrapper() {
        return code;
    }
    let root = root();
    let result = match Cli::parse().command {
        Command::Tidy { shrink } => tidy::run(&root, shrink),
        Command::Gen { check } => generate::run(&root, check),
        Command::Man { check } => man::run(&root, check),
        Command::Try { program } => first_run::run(&root, program),
        Command::Variant { name } => testing::variants::build(&root, &name),
        Command::Bench(options) => bench::run(&root, options),
        Command::Vm(options) => vm::run(&root, &options),
        Command::Test { seed, group } => testing::run(
            &root,
            &testing::Options {
                seed,
                groups: group,
                full: false,
            },
        ),
        Command::Full { group } => testing::run(
            &root,
            &testing::Options {
                seed: None,
                groups: group,
                full: true,
            },
        ),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.0.is_empty() {
                eprintln!("error: {failure}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The repository: the manifest of this program stands one level below it.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where Cargo builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The release binary below Cargo's directory. Flags for the product name its target, so the
/// target is part of the path.
pub(crate) fn release_binary(target: &Path, name: &str) -> PathBuf {
    target.join("x86_64-unknown-linux-gnu/release").join(name)
}

/// Builds the release binary, which is the one that is measured and shown.
pub(crate) fn build_release(root: &Path, name: &str) -> Result<(), Failure> {
    let mut build = std::process::Command::new("cargo");
    build
        .args(["build", "--release", "-p", name])
        .current_dir(root);
    let status = build.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("build: {status}")))
    }
}
