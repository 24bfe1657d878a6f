//! The service manager that this process was started by, if any, is told that a container is ready (sd_notify(3)).
//!
//! The socket is the caller's, so each start asks its own environment. A container's program has a socket of its own, from
//! which its supervisor passes on that it is ready and nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_abi::errno::Errno;
use lockstep_kernel::process::{self, Side};
use lockstep_kernel::{caller, file};

use super::{Front, Launched, environment, note};
use crate::argv::Arguments;
use crate::container::{Record, Sdnotify, Status, Verdict};
use crate::failure::{Doing, Failure};

/// Between two looks at whether a container is healthy.
const LOOK: Duration = Duration::from_millis(100);

/// What the command line says of it, and of its container's cgroups, which engines' units say beside it.
pub(super) fn mode(args: &Arguments, health: bool) -> Result<Sdnotify, Failure> {
    if let Some(text) = args.text("cgroups")?
        && !matches!(text, "enabled" | "no-conmon")
    {
        return Err(Failure::new(format!(
            "--cgroups {text} is refused: every container has a cgroup where this user may make one"
        )));
    }
    let text = args.text("sdnotify")?.unwrap_or("container");
    let mode = Sdnotify::parse(text).ok_or_else(|| {
        Failure::new(format!(
            "--sdnotify takes container, conmon, healthy or ignore, not {text:?}"
        ))
    })?;
    if mode == Sdnotify::Healthy && !health {
        return Err(Failure::new("--sdnotify healthy needs a health check")
            .hint("give it with --health-cmd"));
    }
    Ok(mode)
}

/// The manager's address: a path, or an abstract name.
fn manager() -> Option<PathBuf> {
    let address = environment("NOTIFY_SOCKET")?;
    matches!(address.as_encoded_bytes().first(), Some(b'/' | b'@')).then(|| address.into())
}

/// The address for what the program itself says; a keeper has none.
pub(super) fn for_program(record: &Record) -> Option<PathBuf> {
    manager().filter(|_| record.sdnotify == Sdnotify::Container)
}

/// Tells the manager of a container that has begun. In the foreground this process is the unit's main one and stays so;
/// behind a detached container the supervisor is. That it cannot be told is no reason to end the container.
pub(crate) fn tell(
    front: &Front,
    record: &Record,
    launched: &Launched,
    detached: bool,
) -> Result<(), Failure> {
    let Some(manager) = manager() else {
        return Ok(());
    };
    let main = match detached {
        true => format!("MAINPID={}\n", launched.supervisor.pid),
        false => String::new(),
    };
    match record.sdnotify {
        Sdnotify::Ignore => {}
        Sdnotify::Container if main.is_empty() => {}
        Sdnotify::Container => say(&manager, &main),
        Sdnotify::Conmon => say(&manager, &format!("READY=1\n{main}")),
        Sdnotify::Healthy if detached => {
            if healthy(front, record)? {
                say(&manager, &format!("READY=1\n{main}"));
            }
        }
        Sdnotify::Healthy => {
            let what = || "waiting for the health check".to_owned();
            if let Side::Child = process::clone(0, None).doing(what)? {
                // EPERM: nobody's business but this process's.
                drop(process::die_with_parent(true));
                if let Ok(true) = healthy(front, record) {
                    say(&manager, "READY=1\n");
                }
                process::exit(0)
            }
        }
    }
    Ok(())
}

fn say(manager: &Path, text: &str) {
    if let Err(error) = lockstep_runtime::tell_manager(manager, text) {
        note(&Failure::from(error).as_warning());
    }
}

/// Waits until the container is healthy; whether it was before it ended.
fn healthy(front: &Front, record: &Record) -> Result<bool, Failure> {
    loop {
        let Some(directory) = front.store()?.by_id(&record.id)? else {
            return Ok(false);
        };
        match directory.status()? {
            Status::Running(started) => {
                if directory.health(&started.at)?.verdict == Verdict::Healthy {
                    return Ok(true);
                }
            }
            Status::Busy => {}
            _ => return Ok(false),
        }
        std::thread::sleep(LOOK);
    }
}

/// Writes a process id to a file, in the place of one of an earlier run. What has its name is removed and not written to: in
/// a directory of others it may be a link.
pub(crate) fn write_pid(option: &str, path: &Path, pid: i32) -> Result<(), Failure> {
    let what = || format!("--{option} {}", path.display());
    match file::unlink(file::CWD, path) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => {}
        other => other.doing(what)?,
    }
    caller::create_new(path, pid.to_string().as_bytes(), 0o644).doing(what)
}
