//! What comes after a container: removal, or another start; and beside it, the clock of its health check.
//!
//! The supervisor has no rights left when it ends, and while it lives it may make no process. In the foreground the
//! front comes after it. Beside a detached container that is to be removed or restarted, and beside every one with a
//! health check, a keeper stays: this program again, from a file that cannot be written, which reads nothing of the
//! container and talks to nobody. It waits for one process to end and for the time to pass. Whoever comes after a
//! container that is to be restarted or checked holds a lock, so that the next command that looks at all containers
//! knows of a keeper that was killed, and leaves another one.

mod clock;
mod rights;
mod run;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lockstep_kernel::process::{self, Child, Image};
use lockstep_kernel::{event, exe, file, socket};

use super::{Front, Launched};
use crate::container::{Directory, Keeping, Record, Restart, Status};
use crate::failure::{Doing, Failure};

pub(crate) use run::run;

/// The hidden first argument of a keeper.
pub(crate) const KEEPER: &str = "keeper";
/// Its descriptors behind the standard streams: the supervisor's process, and the lock that it holds.
const SUPERVISOR: i32 = 3;
const PLACE: i32 = 4;

/// What a keeper is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// The clock of this life alone: somebody else comes after it.
    Watch,
    /// What comes after; the clock of this life is somebody else's.
    Succeed,
    /// Both.
    Keep,
}

/// Waits for the supervisor's end and does what the record says comes after it, once; whether it was the end.
pub(crate) fn finish(front: &Front, id: &str, supervisor: &Child) -> Result<(), Failure> {
    let what = || "waiting for the supervisor".to_owned();
    let store = front.store()?;
    // It lets the lock go as its last deed, and has the kernel take its memory apart while it is come after here.
    let done = store.by_id(id).and_then(|directory| match directory {
        Some(directory) => front.with_runtime(store, |runtime| {
            store.come_after(runtime, &directory, supervisor.pidfd.as_fd())
        }),
        None => Ok(()),
    });
    event::readable(&[Some(supervisor.pidfd.as_fd())]).doing(what)?;
    process::wait(supervisor.pid, true).doing(what)?;
    done
}

/// Leaves a keeper behind a container that nobody waits for, if it needs one.
pub(crate) fn keep(front: &Front, record: &Record, launched: &Launched) -> Result<(), Failure> {
    match has_successor(record) || record.health.is_some() {
        true => {
            let (supervisor, place) = (launched.supervisor.pidfd.as_fd(), launched.place.as_ref());
            leave(front, record, supervisor, Duty::Keep, place)
        }
        false => Ok(()),
    }
}

/// Leaves a clock beside a container that this process waits for, if it needs one. Where nothing else comes after it,
/// its place is the clock's.
pub(crate) fn watch(
    front: &Front,
    record: &Record,
    supervisor: &Child,
    place: Option<&OwnedFd>,
) -> Result<(), Failure> {
    let place = place.filter(|_| record.restart == Restart::No);
    match &record.health {
        Some(_) => leave(front, record, supervisor.pidfd.as_fd(), Duty::Watch, place),
        None => Ok(()),
    }
}

/// As [`keep`], behind [`watch`].
pub(crate) fn succeed(
    front: &Front,
    record: &Record,
    supervisor: &Child,
    place: Option<&OwnedFd>,
) -> Result<(), Failure> {
    let place = place.filter(|_| record.restart != Restart::No);
    match has_successor(record) {
        true => leave(
            front,
            record,
            supervisor.pidfd.as_fd(),
            Duty::Succeed,
            place,
        ),
        false => Ok(()),
    }
}

/// Leaves another keeper behind a container whose own was killed.
pub(super) fn revive(
    front: &Front,
    directory: &Directory,
    (record, status): (&Record, &Status),
) -> Result<(), Failure> {
    let due = match status {
        Status::Running(_) => record.needs_keeper(),
        Status::Exited(_, exit) => record.goes_on(exit),
        _ => false,
    };
    match due && directory.keeping()? == Keeping::Lost {
        true => replace(front, directory, record, status),
        false => Ok(()),
    }
}

/// Leaves one behind a container that runs and was given a reason for it just now.
pub(crate) fn begin(front: &Front, directory: &Directory, record: &Record) -> Result<(), Failure> {
    let status = directory.status()?;
    let needed = matches!(status, Status::Running(_)) && record.needs_keeper();
    match needed && directory.keeping()? != Keeping::Held {
        true => replace(front, directory, record, &status),
        false => Ok(()),
    }
}

fn replace(
    front: &Front,
    directory: &Directory,
    record: &Record,
    status: &Status,
) -> Result<(), Failure> {
    let (place, free) = directory.claim_keeping()?;
    if !free {
        return Ok(());
    }
    let supervisor = match status {
        // ECONNREFUSED, ENOENT: it is just ending, or was killed.
        Status::Running(_) => directory.connect().and_then(|it| Ok(it.process()?)).ok(),
        _ => None,
    };
    let supervisor = match supervisor {
        Some(process) => process,
        // What reads as something that has ended.
        None => socket::pipe().doing(|| "a pipe".into())?.0,
    };
    leave(front, record, supervisor.as_fd(), Duty::Keep, Some(&place))
}

/// Whether something comes after its end.
fn has_successor(record: &Record) -> bool {
    record.auto_remove || record.restart != Restart::No
}

fn leave(
    front: &Front,
    record: &Record,
    supervisor: BorrowedFd<'_>,
    duty: Duty,
    place: Option<&OwnedFd>,
) -> Result<(), Failure> {
    let what = || "leaving a keeper behind".to_owned();
    let program = exe::sealed().doing(what)?;
    let at = &front.store()?.at;
    let path = |path: &std::path::Path| path.display().to_string();
    let args = [
        crate::cli::NAME,
        KEEPER,
        duty.word(),
        &record.id,
        &path(&at.data),
        &path(&at.state),
    ];
    let image = Image::new("", args, at.environment().iter().map(String::as_str)).doing(what)?;
    let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0).doing(what)?;
    let null = null.as_fd();
    let mut fds = vec![null, null, null, supervisor];
    fds.extend(place.map(AsFd::as_fd));
    process::spawn(process::CLONE_VFORK, program.as_fd(), &image, &fds).doing(what)?;
    Ok(())
}

impl Duty {
    const ALL: [Duty; 3] = [Duty::Watch, Duty::Succeed, Duty::Keep];

    fn word(self) -> &'static str {
        match self {
            Duty::Watch => "watch",
            Duty::Succeed => "succeed",
            Duty::Keep => "keep",
        }
    }
}
