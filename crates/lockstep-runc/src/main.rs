//! `lockstep-runc`: the OCI runtime for engines, with runc's command line.
//!
//! The binary reads the arguments and the environment, prints and chooses exit codes; what it does to
//! containers is the runtime library's. It has one thread from beginning to end.

mod argv;
mod cli;
mod failure;
mod front;
mod help;
mod lockstep_runtime;
mod log;
mod number;
mod quote;
mod state_root;
mod table;
mod timestamp;
mod verb;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "this binary's own arguments, read once"
    )]
    let args: Vec<_> = std::env::args_os().collect();
    ExitCode::from(front::run(&args))
}
