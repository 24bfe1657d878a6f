//! What comes after a container: removal, or another start.
//!
//! The supervisor has no rights left when it ends. In the foreground the front comes after it. Behind a detached
//! container that is to be removed or restarted a keeper stays: it reads nothing of the container and talks to
//! nobody, it waits for one process to end. When it is killed, the next command does its work.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use lockstep_kernel::process::{self, Child, Side};
use lockstep_kernel::{event, file, signal};

use super::{Front, launch};
use crate::container::{Directory, Record, Restart, Status};
use crate::failure::{Doing, Failure};

/// The first pause before another start; it doubles up to the longest, and begins anew after a good run.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const GOOD_RUN: Duration = Duration::from_secs(10);

/// Waits for the supervisor's end and does what the record says comes after it, once; whether it was the end.
pub(crate) fn finish(front: &Front, id: &str, supervisor: &Child) -> Result<(), Failure> {
    wait_for(supervisor)?;
    let store = front.store()?;
    if let Some(directory) = store.by_id(id)? {
        front.with_runtime(store, |runtime| store.repair(runtime, &directory))?;
    }
    Ok(())
}

/// The process is this one's child, or was that of a front that has ended.
fn wait_for(supervisor: &Child) -> Result<(), Failure> {
    let what = || "waiting for the supervisor".to_owned();
    event::readable(&[Some(supervisor.pidfd.as_fd())]).doing(what)?;
    process::wait(supervisor.pid, true).doing(what)?;
    Ok(())
}

/// Leaves a keeper behind, if the container needs one.
pub(crate) fn keep(front: &Front, record: &Record, supervisor: Child) -> Result<(), Failure> {
    if !record.auto_remove && record.restart == Restart::No {
        return Ok(());
    }
    match process::clone(0, None).doing(|| "leaving a keeper behind".into())? {
        Side::Parent(_) => Ok(()),
        Side::Child => {
            let kept = alone().and_then(|()| serve(front, record, supervisor));
            // Nobody is there to be told; what is left undone the next command does.
            process::exit(i32::from(kept.is_err()))
        }
    }
}

/// Away from the terminal and the caller's files. The working directory may be one that is to be unmounted.
fn alone() -> Result<(), Failure> {
    let what = || "leaving a keeper behind".to_owned();
    process::setsid().doing(what)?;
    signal::unblock_all().doing(what)?;
    let root = file::open_dir(file::CWD, "/").doing(what)?;
    process::fchdir(root.as_fd()).doing(what)?;
    let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0).doing(what)?;
    for number in 0..3 {
        process::dup_onto(null.as_fd(), number).doing(what)?;
    }
    Ok(())
}

fn serve(front: &Front, record: &Record, mut supervisor: Child) -> Result<(), Failure> {
    let (mut pause, mut ends) = (PAUSE, 0);
    loop {
        let begun = Instant::now();
        wait_for(&supervisor)?;
        if begun.elapsed() >= GOOD_RUN {
            (pause, ends) = (PAUSE, 0);
        }
        ends += 1;
        match again(front, &record.id, ends, pause)? {
            Some(next) => supervisor = next,
            None => return Ok(()),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Starts the container again if its policy says so, else does what comes after its end.
fn again(front: &Front, id: &str, ends: u32, pause: Duration) -> Result<Option<Child>, Failure> {
    let store = front.store()?;
    let Some(directory) = store.by_id(id)? else {
        return Ok(None);
    };
    front.with_runtime(store, |runtime| store.repair(runtime, &directory))?;
    // Read anew: it may have been updated, renamed or removed.
    let wanted = |directory: &Directory| -> Result<Option<Record>, Failure> {
        let (Some(record), Status::Exited(_, exit)) = (directory.record()?, directory.status()?)
        else {
            return Ok(None);
        };
        let again = !exit.asked && record.restart.again(exit.status, ends);
        Ok(again.then_some(record))
    };
    if wanted(&directory)?.is_none() {
        return Ok(None);
    }
    std::thread::sleep(pause);
    // Somebody may have started, stopped or removed it in the pause.
    if !directory.lock()? {
        return Ok(None);
    }
    let Some(mut record) = directory.record()? else {
        return Ok(None);
    };
    record.restarts += 1;
    directory.update(&record)?;
    match launch(&directory, &record, false) {
        Ok(launched) => Ok(Some(launched.supervisor)),
        Err(_) => Ok(None),
    }
}
