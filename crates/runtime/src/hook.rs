//! Hooks: programs of the engine at fixed points of a container's life (config.md, "POSIX-platform Hooks").

use crate::error::{Error, For, Kind, Result};
use lockstep_kernel::command::{self, Ended};
use lockstep_kernel::process::{Exit, Image};
use lockstep_kernel::{file, socket};
use lockstep_oci::runtime::Hook;
use lockstep_oci::state::State;
use std::os::fd::AsFd;

/// How much of a hook's output ends up in an error, in bytes.
const OUTPUT_LIMIT: usize = 64 << 10;

/// Runs hooks in their order and stops at the first that fails.
pub(crate) fn run_all(hooks: &[Hook], kind: &str, state: &State) -> Result<()> {
    for (n, hook) in hooks.iter().enumerate() {
        run(hook, kind, n, state).map_err(|e| e.asked(format!("/hooks/{kind}/{n}")))?;
    }
    Ok(())
}

fn run(hook: &Hook, kind: &str, n: usize, state: &State) -> Result<()> {
    let what = || format!("running {kind} hook #{n} {:?}", hook.path);
    let text = serde_json::to_vec(state).map_err(|e| Error::new(Kind::Invalid, e.to_string()))?;
    let (read, write) = socket::pipe().during(what)?;
    let output = file::memory("hook output").during(what)?;
    let args = if hook.args.is_empty() {
        vec![hook.path.as_str()]
    } else {
        hook.args.iter().map(String::as_str).collect()
    };
    let image = Image::new(&hook.path, args, hook.env.iter().map(String::as_str)).during(what)?;
    // A state of less than a pipe's capacity (64 KiB) is written before anybody reads it; a longer one would
    // block here, so it goes through memory instead.
    let ended = if text.len() < 60 << 10 {
        file::write_fd(&write, &text).during(what)?;
        drop(write);
        command::run(&image, read.as_fd(), output.as_fd(), hook.timeout)
    } else {
        let input = file::memory("hook state").during(what)?;
        file::write_fd(&input, &text).during(what)?;
        file::rewind(&input).during(what)?;
        command::run(&image, input.as_fd(), output.as_fd(), hook.timeout)
    }
    .during(what)?;
    let failed = match ended {
        Ended::Exit(Exit::Code(0)) => return Ok(()),
        Ended::Exit(Exit::Code(code)) => format!("exit status {code}"),
        Ended::Exit(Exit::Signal(signal)) => format!("killed by signal {signal}"),
        Ended::TimedOut => format!(
            "still running after its timeout of {} s",
            hook.timeout.unwrap_or(0)
        ),
    };
    file::rewind(&output).during(what)?;
    let said = file::read_fd(&output, OUTPUT_LIMIT).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    Err(Error::new(
        Kind::Program,
        format!("error {}: {failed}, output: {:?}", what(), said.trim_end()),
    ))
}
