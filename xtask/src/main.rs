//! Development commands: tidy, gen, test groups, bench, try.
//!
//! One program instead of scripts, so that what CI runs is what a developer runs, and so that a
//! rule of the house is code with tests.

#[path = "gen/mod.rs"]
mod generate;
mod run;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Why a command did not succeed, in words for the terminal.
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure(text.into())
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
    /// Write the generated tables
    Gen {
        /// Fail if a table differs from what is committed; write nothing
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let root = root();
    let result = match Cli::parse().command {
        Command::Tidy { shrink } => tidy::run(&root, shrink),
        Command::Gen { check } => generate::run(&root, check),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The repository: the manifest of this program stands one level below it.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}
