//! From a container's directory to its supervisor.

use std::os::fd::OwnedFd;

use lockstep_kernel::file;
use lockstep_kernel::process::Child;
use lockstep_oci::runtime::{IdMapping, Spec};
use lockstep_plan::step::OverlayRoot;
use lockstep_supervisor::{Connection, Exit, Job};

use super::create::Created;
use super::{Front, SUPERVISOR, probe_caller};
use crate::container::{Directory, Record};
use crate::failure::{Doing, Failure};
use crate::stored::Images;

const SIGKILL: i32 = 9;

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
        .or_else(|failure| {
            let mut exit = Exit::now(failure.code.into(), false);
            exit.reason = Some(failure.message.clone());
            directory.record_end(&exit)?;
            Err(failure)
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
    if record.settings.iter().any(is_default_profile) {
        crate::modules::load_default_profile()?;
    }
    super::neighbour::settle(front, directory, &mut job)?;
    // An ordinary user can mount in the container's user namespace alone.
    let root = job.overlay.is_some() && crate::caller::is_root_of_host()?;
    if let Some(layers) = job.overlay.take_if(|_| root) {
        match spec {
            Some(spec) => mount_mapped(directory, &layers, spec)?,
            None => mount_layers(directory, &layers)?,
        }
    }
    lay_over(front, directory, &mut job)?;
    let count = handed.len().to_string();
    let args = [crate::cli::NAME, SUPERVISOR, &record.name, &count];
    let args = if handed.is_empty() { &args[..3] } else { &args };
    let (supervisor, connection) =
        lockstep_supervisor::start(args, directory.as_fd(), job, handed)?;
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

/// Whether a setting is the AppArmor profile that Lockstep loads itself.
fn is_default_profile(setting: &crate::why::Setting) -> bool {
    setting.name == "process.apparmorProfile"
        && setting.value == lockstep_profile::apparmor::default_name()
}

/// The layers with the container's id maps, those of its configuration.
pub(crate) fn mount_layers(directory: &Directory, layers: &OverlayRoot) -> Result<(), Failure> {
    mount_mapped(directory, layers, &directory.spec()?)
}

fn mount_mapped(directory: &Directory, layers: &OverlayRoot, spec: &Spec) -> Result<(), Failure> {
    crate::stored::mount_root(directory, layers, (maps_of(spec), label_of(spec)))
}

/// Fresh layers over the directories of which the container changes copies.
pub(crate) fn lay_over(front: &Front, directory: &Directory, job: &mut Job) -> Result<(), Failure> {
    if job.over.is_empty() {
        return Ok(());
    }
    // A volume may be a link: nobody else can have put one there. In a volume, containers can.
    let volumes = super::sight::volumes(&front.store()?.at.data);
    for source in job.over.iter_mut().map(|over| &mut over.source) {
        if source.parent() == Some(&volumes) {
            *source = file::canonicalize(&*source).doing(|| source.display().to_string())?;
        }
    }
    let caller = probe_caller()?;
    let images = Images::new(&front.store()?.at, &caller);
    crate::stored::prepare_over(&images, directory, &job.over)?;
    if crate::caller::is_root_of_host()? {
        let spec = directory.spec()?;
        let over = std::mem::take(&mut job.over);
        let view = (maps_of(&spec), label_of(&spec));
        crate::stored::mount_over(directory, &over, view)?;
    }
    Ok(())
}

fn label_of(spec: &Spec) -> Option<&str> {
    spec.linux.as_ref()?.mount_label.as_deref()
}

fn maps_of(spec: &Spec) -> Option<(&[IdMapping], &[IdMapping])> {
    let linux = spec.linux.as_ref();
    let maps = linux.map(|linux| (&*linux.uid_mappings, &*linux.gid_mappings));
    maps.filter(|(users, _)| !users.is_empty())
}
