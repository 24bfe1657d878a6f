//! The clock of a health check: every so often it starts `healthcheck run`, as somebody might by hand, in a process of
//! its own. Only that one's exit code comes back.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use lockstep_kernel::event::{self, Want};
use lockstep_kernel::process::{self, Child, Image};
use lockstep_kernel::{exe, file};

use crate::container::Check;
use crate::failure::{Doing, Failure};
use crate::front::Front;

/// One life of a container and its check.
pub(super) struct Clock {
    check: Check,
    program: OwnedFd,
    image: Image,
    begun: Instant,
    /// Whether a check has succeeded in this life.
    started: bool,
}

impl Clock {
    pub(super) fn new(front: &Front, id: &str, check: Check) -> Result<Clock, Failure> {
        let what = || "the health check's clock".to_owned();
        let at = &front.store()?.at;
        let (data, state) = (at.data.display(), at.state.display());
        let args = [
            crate::cli::NAME.to_owned(),
            format!("--root={data}"),
            format!("--runroot={state}"),
            "healthcheck".into(),
            "run".into(),
            id.to_owned(),
        ];
        let environment = at.environment();
        let (args, environment) = (
            args.iter().map(String::as_str),
            environment.iter().map(String::as_str),
        );
        Ok(Clock {
            check,
            program: exe::sealed().doing(what)?,
            image: Image::new("", args, environment).doing(what)?,
            begun: Instant::now(),
            started: false,
        })
    }

    /// Checks until the supervisor ends. A check that goes on then is `left`, to be waited for at a later time.
    pub(super) fn run(mut self, supervisor: &OwnedFd, left: &mut Vec<i32>) -> Result<(), Failure> {
        let what = || "waiting for the next health check".to_owned();
        loop {
            reap(left)?;
            let pause = self.pause();
            let ready = event::ready(&[(supervisor.as_fd(), Want::Read)], pause).doing(what)?;
            if ready[0].read {
                return Ok(());
            }
            // What cannot be started now is tried at the next turn.
            let Ok(run) = self.start() else {
                continue;
            };
            // It has a time limit of its own. It goes on when it is just what ends the container.
            let fds = [
                (supervisor.as_fd(), Want::Read),
                (run.pidfd.as_fd(), Want::Read),
            ];
            let ready = event::ready(&fds, None).doing(what)?;
            if ready[0].read {
                left.push(run.pid);
                return Ok(());
            }
            let ended = process::wait(run.pid, false).doing(what)?;
            self.started |= ended.is_some_and(|(_, exit)| exit.status() == 0);
        }
    }

    /// Milliseconds until the next check; without an interval there is none.
    fn pause(&self) -> Option<u64> {
        let interval = self.check.interval_ms?;
        let period = Duration::from_millis(self.check.start_period_ms);
        match !self.started && self.begun.elapsed() < period {
            true => Some(interval.min(self.check.start_interval_ms)),
            false => Some(interval),
        }
    }

    fn start(&self) -> Result<Child, Failure> {
        let what = || "starting a health check".to_owned();
        let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0).doing(what)?;
        let null = null.as_fd();
        process::spawn(0, self.program.as_fd(), &self.image, &[null; 3]).doing(what)
    }
}

/// Takes those that have ended.
pub(super) fn reap(left: &mut Vec<i32>) -> Result<(), Failure> {
    let mut going = Vec::new();
    for pid in left.drain(..) {
        let ended = process::wait(pid, true).doing(|| "waiting for a health check".into())?;
        if ended.is_none() {
            going.push(pid);
        }
    }
    *left = going;
    Ok(())
}
