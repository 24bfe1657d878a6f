//! The life of a container under the engines that people run: Podman, Docker, containerd, CRI.
//!
//! The engines are real programs of the distribution, so what is asserted here is what their users
//! get. Each case is one engine in one view of the machine: **plain** (cgroups and devices as they
//! are) and **private** (`unshare -m --propagation private`, a shared root, no `unified` hierarchy,
//! `/dev/net/tun` and `/dev/fuse` open to all). A case is a session of checks in its own mount,
//! network and pid namespace, so that no mount, process or interface outlives it.
//!
//! A check that fails is run again with the distribution's runc: if that fails too, the machine
//! or the engine is the reason, and the check is skipped loudly; if not, the runtime is.
//!
//! Environment: `LOCKSTEP_TEST_RUNTIME` (the runtime under test), `LOCKSTEP_TEST_SAMPLE`
//! (`percent,seed`), `LOCKSTEP_SKIPS` (a file to which skips are appended).

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test talks to the machine and to the terminal; the product does it through kernel"
)]

mod case;
mod compare;
mod compare_configs;
mod compare_normal;
mod containerd;
mod cri;
mod cri_api;
mod cri_stream;
mod docker;
mod grpc;
mod image;
mod life;
mod life_settings;
mod podman;
mod sample;
mod session;
mod shell;

use std::path::PathBuf;
use std::process::ExitCode;

use case::{Case, Engine, View};
use libtest_mimic::{Arguments, Trial};

/// Debian's runc: what tells a fault of the runtime from one of the machine.
const BASELINE: &str = "/usr/sbin/runc";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("--init") => return session::init(&words[2..]),
        Some("--session") => return session::child(&words[2..]),
        _ => {}
    }
    let arguments = Arguments::from_args();
    let runtime = std::env::var_os("LOCKSTEP_TEST_RUNTIME").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_lockstep-runc")),
        PathBuf::from,
    );
    let cases = match sample::chosen(cases()) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    if !arguments.list {
        session::sweep();
    }
    let trials = cases
        .into_iter()
        .map(|case| {
            let runtime = runtime.clone();
            Trial::test(case.name(), move || {
                case.run(&runtime).map_err(libtest_mimic::Failed::from)
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Every engine in every view.
fn cases() -> Vec<Case> {
    let engines = [
        Engine::PodmanRootful,
        Engine::PodmanOwnUlimits,
        Engine::PodmanRootless,
        Engine::PodmanNoSubids,
        Engine::Docker,
        Engine::Containerd,
        Engine::Cri,
        Engine::Compare,
    ];
    engines
        .into_iter()
        .flat_map(|engine| {
            [View::Plain, View::Private]
                .into_iter()
                .map(move |view| Case { engine, view })
        })
        .collect()
}
