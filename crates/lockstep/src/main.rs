//! `lockstep`: containers for people. The binary reads the arguments and the environment, prints, and chooses exit
//! codes; what it does to containers is the libraries'.

#![cfg_attr(not(test), no_main)]

mod argv;
mod asker;
mod caller;
mod cli;
mod config;
mod container;
mod copy;
mod dispatch;
mod doctor;
mod escape;
mod failure;
mod front;
mod help;
mod modules;
mod number;
mod print;
mod resolve;
mod secret;
mod stored;
mod template;
mod users;
mod verb;
mod volume;
mod why;

use std::ffi::OsString;

lockstep_kernel::entry!(start, ENTERING = ["exec", "healthcheck"]);

#[expect(
    clippy::disallowed_methods,
    reason = "this binary's own arguments, read once"
)]
#[cfg_attr(test, expect(dead_code, reason = "the test harness has its own entry"))]
fn start() -> i32 {
    let args: Vec<OsString> = std::env::args_os().collect();
    // Not a verb for people: what the front starts beside containers.
    if args.get(1).is_some_and(|verb| verb == front::SUPERVISOR) {
        let handed = args.get(3).and_then(|count| count.to_str()?.parse().ok());
        return lockstep_supervisor::run(handed.unwrap_or(0));
    }
    if args.get(1).is_some_and(|verb| verb == front::KEEPER) {
        return front::run_keeper(&args);
    }
    dispatch::run(&args).into()
}
