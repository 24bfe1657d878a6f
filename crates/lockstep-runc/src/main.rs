//! `lockstep-runc`: the OCI runtime for engines, with runc's command line.
//!
//! The binary reads the arguments and the environment, prints and chooses exit codes; what it does to
//! containers is the runtime library's. It has one thread from beginning to end.

#![cfg_attr(not(test), no_main)]

mod argv;
mod cli;
mod failure;
mod front;
mod help;
mod log;
mod number;
mod quote;
mod state_root;
mod table;
mod timestamp;
mod verb;

lockstep_kernel::entry!(start, ENTERING = ["create", "run", "exec"]);

#[expect(
    clippy::disallowed_methods,
    reason = "this binary's own arguments and environment, read once"
)]
#[cfg_attr(test, expect(dead_code, reason = "the test harness has its own entry"))]
fn start() -> i32 {
    let args: Vec<_> = std::env::args_os().collect();
    // A process of ours is going to enter the container, so it must not run from the host's file (CVE-2019-5736).
    if lockstep_kernel::exe::enters(&args, ENTERING) {
        let said = |what: &str, error: lockstep_kernel::Error| match error.missing() {
            Some(missing) => format!("{what}: {error}; {missing}"),
            None => format!("{what}: {error}"),
        };
        let ready = lockstep_kernel::exe::seal(&args, std::env::vars_os())
            .map_err(|error| said("sealing the runtime's binary", error))
            // What the caller's shell or language ignored is nothing that the program asked for.
            .and_then(|()| {
                let reset = lockstep_kernel::signal::default_ignored();
                reset.map_err(|error| said("resetting signals", error))
            });
        if let Err(text) = ready {
            log::Log::bare().error(&failure::Failure::new(text));
            return 1;
        }
    }
    front::run(&args).into()
}
