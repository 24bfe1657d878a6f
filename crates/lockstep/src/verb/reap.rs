//! `rm`: containers go.

use lockstep_abi::signal::SIGKILL;
use lockstep_supervisor::{Reply, Request};

use crate::argv::Arguments;
use crate::container::{Directory, Record, Status, end_in_runtime, no_container};
use crate::failure::{Failure, NO_CONTAINER};
use crate::front::Front;
use crate::print::{note, print};
use crate::verb::list::{Filters, instant, labelled, seconds};

pub(super) fn rm(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let force = args.flag("force");
    let how = How {
        force,
        volumes: args.flag("volumes"),
        time: args.number("time")?,
    };
    let tolerant = force || args.flag("ignore");
    if args.flag("all") {
        // One that goes meanwhile is what was wanted.
        let ids = front.swept()?.ids()?;
        return super::each_of(ids, |id| one(front, id, &how, true));
    }
    super::each(args, |typed| one(front, typed, &how, tolerant))
}

/// How containers are removed.
#[derive(Default)]
struct How {
    /// Kill what runs.
    force: bool,
    /// With the volumes that nobody gave a name.
    volumes: bool,
    /// Seconds from asking to killing; without it nobody is asked.
    time: Option<u64>,
}

/// Whether it was there.
fn one(front: &Front, typed: &str, how: &How, tolerant: bool) -> Result<bool, Failure> {
    match remove(front, typed, how) {
        Err(failure) if tolerant && failure.code == NO_CONTAINER => Ok(false),
        other => other.map(|()| true),
    }
}

/// `container prune`: what has ended and what was never started. Somebody who works on one of them keeps it.
pub(super) fn prune(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let filters = args.texts("filter")?;
    let filters = Filters::parse(&filters, &["until", "label", "label!"])?;
    let criteria = filters.mean::<Record>(|key, value| {
        Ok(match key {
            "until" => {
                let until = instant("--filter until", value)?;
                Box::new(move |record| seconds(&record.created) < Some(until))
            }
            "label" => Box::new(move |record| labelled(value, |key| record.labels.get(key))),
            _ => Box::new(move |record| !labelled(value, |key| record.labels.get(key))),
        })
    })?;
    let store = front.swept()?;
    for id in store.ids()? {
        let Some(directory) = store.by_id(&id)? else {
            continue;
        };
        if !directory.lock()? {
            continue;
        }
        // Asked under the lock, so that none is removed that somebody has just started, or is about to.
        let Ok(status) = directory.status_locked() else {
            // Another version's, of which the sweep has told.
            directory.unlock()?;
            continue;
        };
        let over = matches!(status, Status::Created | Status::Exited(..));
        match directory.record() {
            Ok(Some(record))
                if over
                    && criteria.pass(&record)
                    && !directory.is_restarting(&record, &status)? =>
            {
                front.with_runtime(store, |runtime| {
                    store.remove(runtime, &directory, Some(&record))
                })?;
                print(&format!("{id}\n"))?;
            }
            _ => directory.unlock()?,
        }
    }
    Ok(0)
}

/// Removes the container of a name, if there is one, for one that takes its place; says so as Podman does.
pub(super) fn replace(front: &Front, name: &str) -> Result<(), Failure> {
    let how = How {
        force: true,
        ..How::default()
    };
    match remove(front, name, &how) {
        Err(failure) if failure.code == NO_CONTAINER => Ok(()),
        other => other.and_then(|()| print(&format!("{name}\n"))),
    }
}

fn remove(front: &Front, typed: &str, how: &How) -> Result<(), Failure> {
    let force = how.force;
    let store = front.store()?;
    let directory = store.locate(typed)?;
    let record = record(&directory, typed, force)?;
    if !force && matches!(directory.status()?, Status::Running(_)) {
        return Err(in_use(typed, "runs"));
    }
    // Also of one that has ended: its supervisor may be waiting for a reader of the output.
    if force && !directory.probe()? {
        // ECONNREFUSED, ENOENT: it has just ended, or its supervisor was killed; then the lock is free.
        if let Ok(supervisor) = directory.connect() {
            let stop = match how.time {
                Some(seconds) => Request::Stop(None, Some(seconds.saturating_mul(1000))),
                None => Request::Stop(Some(SIGKILL), Some(0)),
            };
            let asked = supervisor.send(&stop);
            super::life::thaw(front, &directory.id)?;
            // A second one, behind the end, says that nobody is waited for.
            let told = asked.and_then(|()| supervisor.send(&Request::Wait));
            while told.is_ok() && !matches!(supervisor.receive()?, Reply::Exited(_) | Reply::End) {}
            drop(supervisor.send(&stop));
        }
    }
    directory.lock_soon()?;
    // Under the lock, without which its keeper does nothing.
    if !force
        && let Some(record) = directory.record()?
        && directory.is_restarting(&record, &directory.status_locked()?)?
    {
        directory.unlock()?;
        return Err(in_use(typed, "is restarting"));
    }
    // It may have been renamed until then; another version's cannot be read.
    let record = directory.record().ok().flatten().or(record);
    // A keeper may have removed it while this waited; then there is nothing left to do.
    front.with_runtime(store, |runtime| {
        if let Some(record) = record.as_ref().filter(|_| how.volumes) {
            end_in_runtime(runtime, &record.id)?;
            store.remove_anonymous(record)?;
        }
        store.remove(runtime, &directory, record.as_ref())
    })
}

fn in_use(typed: &str, how: &str) -> Failure {
    let hint = crate::escape::shell(typed);
    Failure::new(format!("container {typed} {how}"))
        .hint(format!("stop it first, or lockstep rm -f {hint}"))
        .code(2)
}

/// A container whose record another version wrote, or nobody, can be removed by force: what it has is found by its
/// id alone.
fn record(directory: &Directory, typed: &str, force: bool) -> Result<Option<Record>, Failure> {
    match directory.record() {
        Err(failure) if force => {
            let why = failure.as_warning();
            let told =
                "so its name, image and ids of users are not known: what has its id is removed";
            note(&format!("{why}\n  {told}"));
            Ok(None)
        }
        other => match other? {
            Some(record) => Ok(Some(record)),
            None => Err(no_container(typed)),
        },
    }
}
