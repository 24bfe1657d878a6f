//! The program: what is executed, where, with which streams, and how it is asked to stop.

use lockstep_oci::runtime::ConsoleSize;

use super::default::{STOP_SIGNAL, STOP_TIMEOUT};
use super::{Input, Resolved, wrong};
use crate::failure::Failure;
use crate::number;
use crate::why::Origin;

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let args = input.args;
    let config = &input.image.config;
    let entrypoint = args.text("entrypoint")?;
    let (mut command, origin) = match entrypoint {
        Some("") => (Vec::new(), Origin::Flag),
        Some(program) => (vec![program.to_owned()], Origin::Flag),
        None => (config.entrypoint.clone(), Origin::Image),
    };
    out.entrypoint = command.len();
    // A given entrypoint takes the image's arguments away with its own.
    match (input.command, entrypoint) {
        ([], None) => command.extend(config.cmd.iter().cloned()),
        (typed, _) => command.extend(typed.iter().map(|word| (*word).to_owned())),
    }
    if command.is_empty() {
        let text = format!("{} names no program and none was given", input.image.name);
        return Err(Failure::new(text).hint("name one behind the image"));
    }
    let origin = match input.command {
        [] => origin,
        _ => Origin::Flag,
    };
    out.note(
        "process.args",
        format!("{command:?}"),
        origin,
        "behind the image, --entrypoint",
    );
    let cwd = match args.text("workdir")? {
        Some(dir) if dir.starts_with('/') => (dir.to_owned(), Origin::Flag),
        Some(dir) => return Err(wrong("workdir", dir, "an absolute path")),
        None if config.working_dir.starts_with('/') => (config.working_dir.clone(), Origin::Image),
        None => ("/".to_owned(), Origin::Default),
    };
    if args.flag("init") {
        let text = "our own is the first process: passes signals on and reaps";
        out.note("init", text, Origin::Flag, "--init");
    }
    out.note("process.cwd", cwd.0.clone(), cwd.1, "--workdir");
    let process = out.process();
    process.cwd = cwd.0;
    process.args.clone_from(&command);
    process.terminal = args.flag("tty");
    if process.terminal {
        process.console_size = (input.sight.terminal)().map(size);
    }
    out.command = command;
    stop(input, out)
}

/// A terminal's rows and columns as the specification writes them.
pub(crate) fn size((rows, columns): (u16, u16)) -> ConsoleSize {
    ConsoleSize {
        height: rows.into(),
        width: columns.into(),
    }
}

fn stop(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let image = &input.image.config.stop_signal;
    let given = input.args.text("stop-signal")?;
    let (name, origin) = match given {
        Some(name) => (name, Origin::Flag),
        None if !image.is_empty() => (image.as_str(), Origin::Image),
        None => (STOP_SIGNAL, Origin::Default),
    };
    out.stop_signal =
        lockstep_abi::signal::number(name).ok_or_else(|| wrong("stop-signal", name, "a signal"))?;
    if origin != Origin::Default {
        out.note("stop signal", name, origin, "--stop-signal");
    }
    out.stop_timeout_ms = match input.args.text("stop-timeout")?.unwrap_or(STOP_TIMEOUT) {
        "-1" => u64::from(u32::MAX),
        text => number::milliseconds(text).ok_or_else(|| wrong("stop-timeout", text, "seconds"))?,
    };
    Ok(())
}
