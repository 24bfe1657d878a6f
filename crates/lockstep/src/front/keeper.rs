//! What comes after a container: removal, or another start; and beside it, the clock of its health check.
//!
//! The supervisor has no rights left when it ends, and while it lives it may make no process. In the foreground the
//! front comes after it. Beside a detached container that is to be removed or restarted, and beside every one with a
//! health check, a keeper stays: this program again, from a file that cannot be written, which reads nothing of the
//! container and talks to nobody. It waits for one process to end and for the time to pass. When it is killed, the next
//! command does its work, but for the checks.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lockstep_kernel::process::{self, Child, Image};
use lockstep_kernel::{caller, event, exe, file};

use super::clock::Clock;
use super::{Front, launch};
use crate::container::{Directory, Record, Restart, end_in_runtime};
use crate::failure::{Doing, Failure};

/// The hidden first argument of a keeper.
pub(crate) const KEEPER: &str = "keeper";
/// The descriptor of the supervisor's process, behind the standard streams.
const SUPERVISOR: i32 = 3;

/// The first pause before another start; it doubles up to the longest, and begins anew after a good run.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const GOOD_RUN: Duration = Duration::from_secs(10);

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
    event::readable(&[Some(supervisor.pidfd.as_fd())]).doing(what)?;
    process::wait(supervisor.pid, true).doing(what)?;
    let store = front.store()?;
    if let Some(directory) = store.by_id(id)? {
        front.with_runtime(store, |runtime| store.repair(runtime, &directory))?;
    }
    Ok(())
}

/// Leaves a keeper behind a container that nobody waits for, if it needs one.
pub(crate) fn keep(front: &Front, record: &Record, supervisor: &Child) -> Result<(), Failure> {
    match has_successor(record) || record.health.is_some() {
        true => leave(front, record, supervisor, Duty::Keep),
        false => Ok(()),
    }
}

/// Leaves a clock beside a container that this process waits for, if it needs one.
pub(crate) fn watch(front: &Front, record: &Record, supervisor: &Child) -> Result<(), Failure> {
    match &record.health {
        Some(_) => leave(front, record, supervisor, Duty::Watch),
        None => Ok(()),
    }
}

/// As [`keep`], behind [`watch`].
pub(crate) fn succeed(front: &Front, record: &Record, supervisor: &Child) -> Result<(), Failure> {
    match has_successor(record) {
        true => leave(front, record, supervisor, Duty::Succeed),
        false => Ok(()),
    }
}

/// Whether something comes after its end.
fn has_successor(record: &Record) -> bool {
    record.auto_remove || record.restart != Restart::No
}

fn leave(front: &Front, record: &Record, supervisor: &Child, duty: Duty) -> Result<(), Failure> {
    let what = || "leaving a keeper behind".to_owned();
    let program = exe::sealed().doing(what)?;
    let at = &front.store()?.at;
    let place = |path: &std::path::Path| path.display().to_string();
    let args = [
        crate::cli::NAME,
        KEEPER,
        duty.word(),
        &record.id,
        &place(&at.data),
        &place(&at.state),
    ];
    let image = Image::new("", args, at.environment().iter().map(String::as_str)).doing(what)?;
    let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0).doing(what)?;
    let null = null.as_fd();
    let fds = [null, null, null, supervisor.pidfd.as_fd()];
    process::spawn(program.as_fd(), &image, &fds).doing(what)?;
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

/// The whole life of a keeper, whose arguments are those that [`leave`] gives; the status it ends with. Nobody is
/// there to be told; what is left undone the next command does.
pub(crate) fn run(args: &[OsString]) -> i32 {
    let [_, _, duty, id, data, state] = args else {
        return 125;
    };
    let duty = Duty::ALL.into_iter().find(|known| duty == known.word());
    let (Some(duty), Some(id)) = (duty, id.to_str()) else {
        return 125;
    };
    let front = Front::at(PathBuf::from(data), PathBuf::from(state));
    let kept = caller::take(SUPERVISOR)
        .doing(|| "the supervisor's process".into())
        .and_then(|supervisor| settle(&front)?.keep(&front, id, supervisor, duty));
    i32::from(kept.is_err())
}

/// Away from the caller's working directory, which may be one that is to be unmounted.
fn settle(front: &Front) -> Result<Keeper, Failure> {
    let what = || "settling down".to_owned();
    let root = file::open_dir(file::CWD, "/").doing(what)?;
    process::fchdir(root.as_fd()).doing(what)?;
    process::set_dumpable(false).doing(what)?;
    front.store()?;
    Ok(Keeper { pause: PAUSE })
}

/// The state of a keeper between two lives of its container.
struct Keeper {
    pause: Duration,
}

impl Keeper {
    fn keep(
        mut self,
        front: &Front,
        id: &str,
        supervisor: OwnedFd,
        duty: Duty,
    ) -> Result<(), Failure> {
        let (mut supervisor, mut child) = (supervisor, None);
        let mut clocked = duty != Duty::Succeed;
        loop {
            let begun = Instant::now();
            let record = record_of(front, id)?;
            let check = record.and_then(|record| record.health);
            if let Some(check) = check.filter(|_| clocked) {
                // A clock that fails tells nothing of health, and what comes after the end is done all the same.
                drop(Clock::new(front, id, check).and_then(|clock| clock.run(&supervisor)));
            }
            wait_for(&supervisor)?;
            if let Some(pid) = child {
                process::wait(pid, true).doing(|| "waiting for the supervisor".into())?;
            }
            if duty == Duty::Watch {
                return Ok(());
            }
            if begun.elapsed() >= GOOD_RUN {
                self.pause = PAUSE;
            }
            let Some(next) = self.again(front, id)? else {
                return Ok(());
            };
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            (supervisor, child, clocked) = (next.pidfd, Some(next.pid), true);
        }
    }

    /// Starts the container again if its policy says so, else does what comes after its end.
    fn again(&self, front: &Front, id: &str) -> Result<Option<Child>, Failure> {
        let store = front.store()?;
        let Some(directory) = store.by_id(id)? else {
            return Ok(None);
        };
        front.with_runtime(store, |runtime| store.repair(runtime, &directory))?;
        if wanted(&directory)?.is_none() {
            return Ok(None);
        }
        std::thread::sleep(self.pause);
        // A command that looks at it has it for a moment, a copy for longer; who has started it leaves no end to read.
        while directory.lock_soon().is_err() {
            if wanted(&directory)?.is_none() {
                return Ok(None);
            }
        }
        // Somebody may have started, stopped, updated or removed it in the pause.
        let Some(mut record) = wanted(&directory)? else {
            return Ok(None);
        };
        // Where the command that looked at it has kept the repair above from its work.
        front.with_runtime(store, |runtime| end_in_runtime(runtime, &record.id))?;
        record.restarts += 1;
        directory.update(&record)?;
        match launch(front, &directory, &record, false) {
            Ok(launched) => Ok(Some(launched.supervisor)),
            Err(_) => Ok(None),
        }
    }
}

/// The record of a container that is to be started again, read anew: it may have been updated or renamed.
fn wanted(directory: &Directory) -> Result<Option<Record>, Failure> {
    let (Some(record), (_, Some(exit))) = (directory.record()?, directory.life()?) else {
        return Ok(None);
    };
    let again = !exit.asked && record.restart.again(exit.status, record.restarts);
    Ok(again.then_some(record))
}

fn record_of(front: &Front, id: &str) -> Result<Option<Record>, Failure> {
    match front.store()?.by_id(id)? {
        Some(directory) => directory.record(),
        None => Ok(None),
    }
}

fn wait_for(supervisor: &OwnedFd) -> Result<(), Failure> {
    event::readable(&[Some(supervisor.as_fd())]).doing(|| "waiting for the supervisor".into())?;
    Ok(())
}
