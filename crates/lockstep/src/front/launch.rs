//! From a container's directory to its supervisor.

use std::borrow::Cow;
use std::os::fd::{AsFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_abi::signal::SIGKILL;
use lockstep_kernel::file;
use lockstep_kernel::process::Child;
use lockstep_oci::runtime::Spec;
use lockstep_plan::step::OverlayRoot;
use lockstep_supervisor::{Connection, Exit, Job, Over};

use super::create::Created;
use super::{Front, SUPERVISOR};
use crate::asker::Asker;
use crate::container::{Directory, Record, Store};
use crate::failure::{Doing, Failure};
use crate::stored::Images;

/// A container that its supervisor has just made.
pub(crate) struct Launched {
    pub(crate) supervisor: Child,
    pub(crate) connection: Connection,
    pub(crate) pid: i32,
    pub(crate) downgrades: Vec<String>,
    /// The place of who comes after it, where it needs somebody.
    pub(crate) place: Option<OwnedFd>,
}

/// Starts a container's supervisor. The caller holds the container's lock, which is the supervisor's from now on.
/// A container that cannot be started has ended.
pub(crate) fn launch(
    front: &Front,
    directory: &Directory,
    record: &Record,
    attached: bool,
) -> Result<Launched, Failure> {
    begin(front, directory, record, (attached, None, &[]))
}

/// The same for one that was just made, with descriptors of the caller for the program, from number 3 on.
pub(crate) fn launch_new(
    front: &Front,
    created: &Created,
    attached: bool,
    handed: &[OwnedFd],
) -> Result<Launched, Failure> {
    let Created {
        directory,
        record,
        spec,
    } = created;
    begin(front, directory, record, (attached, Some(spec), handed))
}

fn begin(
    front: &Front,
    directory: &Directory,
    record: &Record,
    how: (bool, Option<&Spec>, &[OwnedFd]),
) -> Result<Launched, Failure> {
    // Held before there is anything to come after. The keeper of an earlier life that has it goes, or goes on.
    let place = match record.needs_keeper() {
        true => Some(directory.claim_keeping()?.0),
        false => None,
    };
    supervise(front, directory, record, how)
        .map(|launched| Launched { place, ..launched })
        .map_err(|failure| {
            let named = |spec: &Spec, failure| Asker::new(spec, &record.settings).name(failure);
            let failure = match (&failure.asked, how.1) {
                (None, _) => failure,
                (Some(_), Some(spec)) => named(spec, failure),
                (Some(_), None) => match directory.spec() {
                    Ok(spec) => named(&spec, failure),
                    Err(_) => failure,
                },
            };
            let mut exit = Exit::now(failure.code.into(), false);
            exit.reason = Some(failure.message.clone());
            // The first error says why.
            if let Err(second) = directory.record_end(&exit) {
                super::note(&second.as_warning());
            }
            failure
        })
}

fn supervise(
    front: &Front,
    directory: &Directory,
    record: &Record,
    (attached, spec, handed): (bool, Option<&Spec>, &[OwnedFd]),
) -> Result<Launched, Failure> {
    let mut job = Job {
        attached,
        notify_socket: super::notify::for_program(record),
        ..record.job.clone()
    };
    let spec = match spec {
        Some(spec) => Cow::Borrowed(spec),
        None => Cow::Owned(directory.spec()?),
    };
    if crate::modules::is_default_profile(&spec) {
        crate::modules::load_default_profile()?;
    }
    ready(front, directory, &mut job, &spec)?;
    let count = handed.len().to_string();
    let args = [crate::cli::NAME, SUPERVISOR, &record.name, &count];
    let args = if handed.is_empty() { &args[..3] } else { &args };
    let users = &front.store()?.at.users;
    let lent = users.lend(&spec);
    job.users = lent.is_some();
    let lent = lent.map(AsFd::as_fd);
    let (supervisor, connection) =
        lockstep_supervisor::start(args, directory.as_fd(), handed, lent)?;
    // The helpers had time until here. The program must not meet who was in its namespace before, a copy of this process.
    let begun = users.finish().and_then(|()| Ok(connection.begin(job)?));
    if let Err(failure) = begun {
        drop(connection);
        drop(lockstep_kernel::process::wait(supervisor.pid, false));
        return Err(failure);
    }
    let answer = connection.started().or_else(|error| {
        // With its container: what nobody was told of, nobody would come after. ESRCH is not to be had of a child.
        lockstep_kernel::process::kill(supervisor.pid, SIGKILL)
            .doing(|| "ending the supervisor".into())?;
        Ok::<_, Failure>(Err(error))
    })?;
    match answer {
        Ok((pid, downgrades)) => Ok(Launched {
            supervisor,
            connection,
            pid,
            downgrades,
            place: None,
        }),
        Err(error) => {
            let failure = Failure::from(error);
            // Else it ends by itself, right behind its last word.
            drop(lockstep_kernel::process::wait(supervisor.pid, false));
            Err(failure)
        }
    }
}

/// Makes what has to be there before the container's first process: the namespaces of others are found, and what only
/// the host's root can mount is mounted. What is left of it for the container's own process stays in `job`.
pub(crate) fn ready(
    front: &Front,
    directory: &Directory,
    job: &mut Job,
    spec: &Spec,
) -> Result<(), Failure> {
    super::neighbour::settle(front, directory, job)?;
    if job.overlay.is_none() && job.over.is_empty() {
        return Ok(());
    }
    let store = front.store()?;
    if !job.over.is_empty() {
        find_sources(store, job)?;
        let images = Images::new(&store.at, front.caller()?);
        crate::stored::prepare_over(&images, directory, &job.over)?;
    }
    let (layers, over) = take_mounts(job, front.caller()?.is_root_of_host());
    crate::stored::mount_all(directory, (layers.as_ref(), &over), spec)
}

/// Takes out of a job what the process that was called mounts itself, where it is the host's root: an ordinary user can
/// mount in the container's user namespace alone.
pub(super) fn take_mounts(job: &mut Job, root: bool) -> (Option<OverlayRoot>, Vec<Over>) {
    match root {
        true => (job.overlay.take(), std::mem::take(&mut job.over)),
        false => (None, Vec::new()),
    }
}

/// A volume may be a link: nobody else can have put one there. In a volume, containers can.
pub(super) fn find_sources(store: &Store, job: &mut Job) -> Result<(), Failure> {
    let volumes = super::sight::volumes(&store.at.data);
    for source in job.over.iter_mut().map(|over| &mut over.source) {
        if source.parent() == Some(&volumes) {
            match file::canonicalize(&*source) {
                // One that is not made yet, by who only asks: whoever mounts it is told so.
                Err(e) if e.is(&[Errno::ENOENT.0]) => {}
                other => *source = other.doing(|| source.display().to_string())?,
            }
        }
    }
    Ok(())
}
