//! The service manager that this process was started by, if any, is told that a container is ready (sd_notify(3)).
//!
//! The socket is the caller's, so each start asks its own environment. A container's program has a socket of its own, from
//! which its supervisor passes on that it is ready and nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use lockstep_kernel::process::{self, Side};
use lockstep_kernel::{caller, durable, file, random};

use super::{Front, Launched, environment};
use crate::argv::Arguments;
use crate::container::{Record, Sdnotify, Status, Verdict};
use crate::failure::{Doing, Failure};
use crate::print::note;

/// Between two looks at whether a container is healthy.
const LOOK: Duration = Duration::from_millis(100);

/// What the command line says of it.
pub(super) fn mode(args: &Arguments, health: bool) -> Result<Sdnotify, Failure> {
    let text = args
        .text("sdnotify")?
        .unwrap_or(crate::resolve::default::SDNOTIFY);
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

/// The options that name a file for a process id: the container's first process's, and its supervisor's.
pub(crate) const PID_FILES: [&str; 2] = ["pidfile", "conmon-pidfile"];

/// Refuses, before there is a container, a file for its process id that is there and no regular file: a device or a link of
/// the host is not replaced by a file, and who else may write in its directory chooses where a link leads.
pub(crate) fn check_pid_file(option: &str, path: &Path) -> Result<(), Failure> {
    let kind = match file::stat(file::CWD, path, false) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(()),
        other => {
            other
                .doing(|| format!("--{option} {}", path.display()))?
                .st_mode
                & S_IFMT
        }
    };
    let is = match kind {
        S_IFREG => return Ok(()),
        S_IFLNK => "a symbolic link",
        S_IFDIR => "a directory",
        _ => "no regular file",
    };
    Err(Failure::new(format!(
        "--{option} {}: it is {is}, and a process id is written to a file of its own",
        path.display()
    )))
}

/// Writes a process id to a file as a whole, in the place of one of an earlier run: in a directory of others the name may
/// lead elsewhere by now, and a rename follows no link.
pub(crate) fn write_pid(option: &str, path: &Path, pid: i32) -> Result<(), Failure> {
    check_pid_file(option, path)?;
    let what = || format!("--{option} {}", path.display());
    let name = path.file_name();
    let name = name.ok_or_else(|| Failure::new(format!("{} names no file", what())))?;
    // A name that nobody can have taken before.
    let random = u64::from_le_bytes(random::bytes().doing(what)?);
    let temporary = path.with_file_name(format!(".{}.{random:016x}", name.to_string_lossy()));
    caller::create_new(&temporary, pid.to_string().as_bytes(), 0o644).doing(what)?;
    durable::rename(file::CWD, &temporary, file::CWD, path)
        .inspect_err(|_| drop(file::unlink(file::CWD, &temporary)))
        .doing(what)
}
