//! The life of a keeper: one container's ends and starts, until nothing comes after them any more.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lockstep_kernel::durable::{self, Lock};
use lockstep_kernel::process::{self, Child};
use lockstep_kernel::{caller, event, file};

use super::clock::{Clock, reap};
use super::{Duty, PLACE, SUPERVISOR, rights};
use crate::container::{Directory, Record, end_in_runtime, occupy, vacate};
use crate::failure::{Doing, Failure};
use crate::front::{Front, launch};

/// The first pause before another start; it doubles up to the longest, and begins anew after a good run.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const GOOD_RUN: Duration = Duration::from_secs(10);
/// How long it takes at most in a pause to see that somebody else has started, stopped or removed the container, whose
/// own keeper waits for the place of this one.
const LOOK: Duration = Duration::from_secs(1);

/// The whole life of a keeper, whose arguments are those that it was left with; the status it ends with. Nobody is
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
    let kept = settle(&front, id).and_then(|(keeper, supervisor)| keeper.keep(supervisor, duty));
    i32::from(kept.is_err())
}

/// Away from the caller's working directory, which may be one that is to be unmounted, and in its place.
fn settle<'a>(front: &'a Front, id: &'a str) -> Result<(Keeper<'a>, OwnedFd), Failure> {
    let what = || "settling down".to_owned();
    let supervisor = caller::take(SUPERVISOR).doing(what)?;
    let place = match caller::is_open(PLACE) {
        true => Some(caller::take(PLACE).doing(what)?),
        false => None,
    };
    let root = file::open_dir(file::CWD, "/").doing(what)?;
    process::fchdir(root.as_fd()).doing(what)?;
    process::set_dumpable(false).doing(what)?;
    if let Some(directory) = front.store()?.by_id(id)? {
        rights::keep_for_starts(&directory)?;
    }
    if let Some(place) = &place {
        // Another keeper may have it, for the rest of its pause.
        durable::lock(place, Lock::Exclusive, true).doing(what)?;
        occupy(place)?;
    }
    let keeper = Keeper {
        front,
        id,
        place,
        pause: PAUSE,
        checks: Vec::new(),
    };
    Ok((keeper, supervisor))
}

struct Keeper<'a> {
    front: &'a Front,
    id: &'a str,
    /// The lock that says that it is there.
    place: Option<OwnedFd>,
    pause: Duration,
    /// Checks that went on when their life ended.
    checks: Vec<i32>,
}

/// What has become of another start.
enum Again {
    /// Nothing comes after this end.
    Over,
    Failed,
    Started(Child),
}

impl Keeper<'_> {
    fn keep(mut self, supervisor: OwnedFd, duty: Duty) -> Result<(), Failure> {
        let (mut supervisor, mut child) = (supervisor, None);
        let mut clocked = duty != Duty::Succeed;
        loop {
            let begun = Instant::now();
            self.attend(&supervisor, clocked)?;
            if let Some(pid) = child {
                process::wait(pid, true).doing(|| "waiting for the supervisor".into())?;
            }
            if duty == Duty::Watch {
                return self.go();
            }
            if begun.elapsed() >= GOOD_RUN {
                self.pause = PAUSE;
            }
            let Some(next) = self.next()? else {
                return self.go();
            };
            (supervisor, child, clocked) = (next.pidfd, Some(next.pid), true);
        }
    }

    /// One life of the container, to its end.
    fn attend(&mut self, supervisor: &OwnedFd, clocked: bool) -> Result<(), Failure> {
        let record = match self.front.store()?.by_id(self.id)? {
            Some(directory) => directory.record()?,
            None => None,
        };
        let check = record.and_then(|record| record.health);
        if let Some(check) = check.filter(|_| clocked) {
            // A clock that fails tells nothing of health, and what comes after the end is done all the same.
            let clock = Clock::new(self.front, self.id, check);
            drop(clock.and_then(|clock| clock.run(supervisor, &mut self.checks)));
        }
        reap(&mut self.checks)?;
        let ended = event::readable(&[Some(supervisor.as_fd())]);
        ended
            .doing(|| "waiting for the supervisor".into())
            .map(drop)
    }

    /// The next life, if there is one. A start that fails is an end like another: the policy says what follows.
    fn next(&mut self) -> Result<Option<Child>, Failure> {
        loop {
            let again = self.again()?;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            match again {
                Again::Over => return Ok(None),
                Again::Failed => {}
                Again::Started(child) => return Ok(Some(child)),
            }
        }
    }

    /// Starts the container again if its policy says so, else does what comes after its end.
    fn again(&self) -> Result<Again, Failure> {
        let store = self.front.store()?;
        let Some(directory) = store.by_id(self.id)? else {
            return Ok(Again::Over);
        };
        self.front
            .with_runtime(store, |runtime| store.repair(runtime, &directory))?;
        if !self.rest(&directory)? {
            return Ok(Again::Over);
        }
        // A command that looks at it has it for a moment, a copy for longer; who has started it leaves no end to read.
        while directory.lock_soon().is_err() {
            if wanted(&directory)?.is_none() {
                return Ok(Again::Over);
            }
        }
        // Somebody may have started, stopped, updated or removed it until then.
        if wanted(&directory)?.is_none() {
            return Ok(Again::Over);
        }
        let end = || {
            self.front
                .with_runtime(store, |runtime| end_in_runtime(runtime, self.id))
        };
        // Where the command that looked at it has kept the repair above from its work.
        let started = end().and_then(|()| {
            let record = directory.edit(|record| {
                record.restarts += 1;
                Ok(())
            })?;
            launch(self.front, &directory, &record, false)
        });
        match started {
            Ok(launched) => Ok(Again::Started(launched.supervisor)),
            Err(_) => {
                // What was begun of it; what stays is tried again with the next start.
                drop(end());
                Ok(Again::Failed)
            }
        }
    }

    /// The pause; whether the container is still to be started when it is over.
    fn rest(&self, directory: &Directory) -> Result<bool, Failure> {
        let end = Instant::now() + self.pause;
        loop {
            if wanted(directory)?.is_none() {
                return Ok(false);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(true);
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// Leaves its place: nobody is missed there from now on.
    fn go(self) -> Result<(), Failure> {
        match &self.place {
            Some(place) => vacate(place),
            None => Ok(()),
        }
    }
}

/// The record of a container that is to be started again, read anew: it may have been updated or renamed.
fn wanted(directory: &Directory) -> Result<Option<Record>, Failure> {
    let (Some(record), (_, Some(exit))) = (directory.record()?, directory.life()?) else {
        return Ok(None);
    };
    Ok(record.goes_on(&exit).then_some(record))
}
