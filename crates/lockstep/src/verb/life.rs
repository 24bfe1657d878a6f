//! Verbs that change what a container does.

use std::os::fd::AsFd;
use std::time::Duration;

use lockstep_kernel::process;
use lockstep_runtime::{ContainerId, Kind};
use lockstep_supervisor::{Exit, Reply, Request};

use crate::argv::Arguments;
use crate::container::{Directory, Record, Restart, Status, check_name};
use crate::failure::{Doing, Failure, NO_CONTAINER};
use crate::front::Front;
use crate::print::print;

/// The container of this name if it runs.
fn running(front: &Front, typed: &str) -> Result<(Directory, Record, i32), Failure> {
    let (directory, record) = front.store()?.find(typed)?;
    match directory.status()? {
        Status::Running(started) => Ok((directory, record, started.pid)),
        _ => Err(not_running(typed)),
    }
}

fn not_running(typed: &str) -> Failure {
    Failure::new(format!("container {typed} does not run")).hint("lockstep ps -a says what it does")
}

/// The names on the command line, or those of all that run.
fn named(front: &Front, args: &Arguments) -> Result<Vec<String>, Failure> {
    if !args.flag("all") {
        return super::named(args);
    }
    let store = front.swept()?;
    let mut names = Vec::new();
    for id in store.ids()? {
        if let Some(directory) = store.by_id(&id)?
            && matches!(directory.status(), Ok(Status::Running(_)))
        {
            names.push(id);
        }
    }
    Ok(names)
}

pub(super) fn stop(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let request = Stop::read(args)?;
    super::each_of(named(front, args)?, |typed| {
        match request.carry_out(front, typed) {
            Err(failure) if args.flag("ignore") && failure.code == NO_CONTAINER => Ok(false),
            other => other.map(|()| true),
        }
    })
}

/// How a container is to be stopped.
struct Stop {
    signal: Option<i32>,
    timeout_ms: Option<u64>,
}

impl Stop {
    /// As the container wants it.
    const OWN: Stop = Stop {
        signal: None,
        timeout_ms: None,
    };

    fn read(args: &Arguments) -> Result<Stop, Failure> {
        let time = args.text("time")?.or(args.text("timeout")?);
        let timeout_ms = match time {
            Some("-1") => Some(u64::from(u32::MAX)),
            Some(text) => Some(
                crate::number::milliseconds(text)
                    .ok_or_else(|| Failure::new(format!("--time takes seconds, not {text:?}")))?,
            ),
            None => None,
        };
        let signal = args.text("signal")?.map(signal).transpose()?;
        Ok(Stop { signal, timeout_ms })
    }

    /// Waits for the end. A container that does not run is stopped already.
    fn carry_out(&self, front: &Front, typed: &str) -> Result<(), Failure> {
        let (directory, record) = front.store()?.find(typed)?;
        let restarts = record.restart != Restart::No;
        loop {
            match directory.status()? {
                Status::Running(_) => {
                    self.tell(front, &directory)?;
                    if !restarts {
                        break;
                    }
                }
                // Its keeper may be about to start it again, or be doing so; also after an end that came by itself
                // just before this one would have been asked for.
                Status::Exited(..) | Status::Busy if restarts => {
                    if stay(&directory)? {
                        break;
                    }
                }
                _ => break,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        settle(front, &directory)
    }

    /// Has the supervisor stop the container, and waits for the end.
    fn tell(&self, front: &Front, directory: &Directory) -> Result<(), Failure> {
        if let Ok(supervisor) = directory.connect() {
            let stop = Request::Stop(self.signal, self.timeout_ms);
            // EPIPE: it ends at this moment, which is what is waited for.
            let told = supervisor
                .send(&Request::Wait)
                .and_then(|()| supervisor.send(&stop));
            thaw(front, &directory.id)?;
            while told.is_ok() && !matches!(supervisor.receive()?, Reply::Exited(_) | Reply::End) {}
        }
        Ok(())
    }
}

/// Makes the end of a container one that was asked for, so that no policy makes it go on. Not while somebody works on
/// it: false.
fn stay(directory: &Directory) -> Result<bool, Failure> {
    if !directory.lock()? {
        return Ok(false);
    }
    if let Status::Exited(_, exit) = directory.status_locked()?
        && !exit.asked
    {
        let asked = Exit {
            asked: true,
            ..exit
        };
        directory.record_end(&asked)?;
    }
    directory.unlock()?;
    Ok(true)
}

/// Waits until the supervisor has let go, and cleans up behind it.
fn settle(front: &Front, directory: &Directory) -> Result<(), Failure> {
    directory.wait_lock()?;
    directory.unlock()?;
    let store = front.store()?;
    front
        .with_runtime(store, |runtime| store.repair(runtime, directory))
        .map(drop)
}

/// Lets a paused container go on: a frozen process cannot take a signal.
pub(super) fn thaw(front: &Front, id: &str) -> Result<(), Failure> {
    let id = ContainerId::parse(id)?;
    front.with_runtime(front.store()?, |runtime| match runtime.resume(&id) {
        // It is not paused, or it has gone.
        Err(e) if matches!(e.kind, Kind::WrongState | Kind::NotFound) => Ok(()),
        other => Ok(other?),
    })
}

pub(super) fn kill(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let number = signal(args.text("signal")?.unwrap_or("KILL"))?;
    super::each_of(named(front, args)?, |typed| {
        kill_one(front, typed, number).map(|()| true)
    })
}

pub(super) fn kill_one(front: &Front, typed: &str, number: i32) -> Result<(), Failure> {
    let (directory, record, pid) = running(front, typed)?;
    let told = directory
        .connect()
        .is_ok_and(|supervisor| supervisor.send(&Request::Signal(number)).is_ok());
    if !told {
        // The supervisor ends at this moment or was killed; the process is still this one's to signal.
        let pidfd = process::pidfd_open(pid).doing(|| format!("container {typed}"))?;
        let sent = process::pidfd_send_signal(pidfd.as_fd(), number);
        sent.doing(|| format!("container {typed}"))?;
    }
    match number {
        9 => thaw(front, &record.id),
        _ => Ok(()),
    }
}

/// Stops a container as it wants to be stopped.
pub(super) fn stop_one(front: &Front, typed: &str) -> Result<(), Failure> {
    Stop::OWN.carry_out(front, typed)
}

/// Stops and starts a container.
pub(super) fn restart_one(front: &Front, typed: &str) -> Result<(), Failure> {
    stop_one(front, typed)?;
    super::make::begin(front, typed)
}

fn signal(text: &str) -> Result<i32, Failure> {
    lockstep_abi::signal::number(text).ok_or_else(|| {
        Failure::new(format!(
            "--signal takes a signal's name or number, not {text:?}"
        ))
    })
}

pub(super) fn restart(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let stop = Stop::read(args)?;
    super::each(args, |typed| {
        stop.carry_out(front, typed)?;
        super::make::begin(front, typed).map(|()| true)
    })
}

pub(super) fn pause(front: &Front, args: &Arguments, stop: bool) -> Result<u8, Failure> {
    super::each(args, |typed| {
        let (_, record, _) = running(front, typed)?;
        let id = ContainerId::parse(&record.id)?;
        front.with_runtime(front.store()?, |runtime| {
            let done = match stop {
                true => runtime.pause(&id),
                false => runtime.resume(&id),
            };
            Ok(done?)
        })?;
        Ok(true)
    })
}

pub(super) fn wait(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    match args.text("condition")?.unwrap_or("stopped") {
        "not-running" | "stopped" | "exited" => {}
        other => {
            return Err(Failure::new(format!(
                "--condition {other} is refused: stopped is implemented"
            )));
        }
    }
    for typed in args.words(0)? {
        let status = match end_of(front, typed) {
            Err(failure) if args.flag("ignore") && failure.code == NO_CONTAINER => -1,
            other => other?,
        };
        print(&format!("{status}\n"))?;
    }
    Ok(0)
}

/// The status with which a container ends, or has ended.
fn end_of(front: &Front, typed: &str) -> Result<i32, Failure> {
    let store = front.store()?;
    let (directory, _) = store.find(typed)?;
    // EPIPE: it ends at this moment, and its end is recorded.
    if let Ok(supervisor) = directory.connect()
        && supervisor.send(&Request::Wait).is_ok()
    {
        loop {
            match supervisor.receive()? {
                Reply::Exited(exit) => return Ok(exit.status),
                Reply::End => break,
                _ => {}
            }
        }
    }
    // Nobody is there: it has ended, it never began, or its supervisor was killed.
    match front.look_after(&directory)? {
        Some((_, Status::Exited(_, exit))) => Ok(exit.status),
        _ => Err(not_running(typed)),
    }
}

pub(super) fn rename(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let words = args.words(0)?;
    let (typed, name) = (words[0], words[1]);
    check_name(name)?;
    let store = front.store()?;
    let directory = store.locate(typed)?;
    let mut old = None;
    let renamed = directory.edit(|record| {
        if record.name == name {
            return Ok(());
        }
        store.claim_name(Some(name), &record.id, [0; 3])?;
        old = Some(std::mem::replace(&mut record.name, name.to_owned()));
        Ok(())
    });
    let Some(old) = old else {
        return renamed.map(|_| 0);
    };
    if let Err(failure) = renamed {
        // The name is given back unless the record has it, as after a failed sync of a finished rename.
        if directory.record()?.is_none_or(|kept| kept.name == old) {
            store.release_name(&store.hold_claims()?, name, &directory.id)?;
        }
        return Err(failure);
    }
    store.release_name(&store.hold_claims()?, &old, &directory.id)?;
    Ok(0)
}
