//! Verbs that act on a container that is there: start, kill, pause, resume, delete.

use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::Front;
use crate::number;

pub(super) fn start(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let id = super::id(args)?;
    let notify = super::make::notify_socket();
    front.with_runtime(|runtime| runtime.start(&id, notify.as_deref()))?;
    Ok(0)
}

pub(super) fn kill(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let id = super::id(args)?;
    let signal = match args.positionals().get(1) {
        Some(signal) if !signal.is_empty() => &signal.to_string_lossy(),
        _ => "SIGTERM",
    };
    let signal = number::signal(signal).map_err(Failure::new)?;
    front.with_runtime(|runtime| runtime.kill(&id, signal, args.flag("all")))?;
    Ok(0)
}

pub(super) fn pause(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let id = super::id(args)?;
    front.with_runtime(|runtime| runtime.pause(&id))?;
    Ok(0)
}

pub(super) fn resume(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let id = super::id(args)?;
    front.with_runtime(|runtime| runtime.resume(&id))?;
    Ok(0)
}

pub(super) fn delete(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let id = super::id(args)?;
    front.with_runtime(|runtime| runtime.delete(&id, args.flag("force")))?;
    Ok(0)
}
