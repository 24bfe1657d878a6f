//! Where copies are made until they are whole: a directory with a name of its own on the mount that they are for, so that
//! they come to their names by a rename.

use super::janitor::Janitor;
use crate::error::{During, Error, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::{durable, mount, random, tree};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

/// The name of one thing in a stage.
pub(super) const NEW: &str = "new";

pub(super) struct Staging {
    name: String,
    janitor: Janitor,
    /// One for each mount that was written to.
    stages: Vec<Stage>,
    /// Ids of the mounts of which nothing stays.
    passing: Vec<u64>,
}

struct Stage {
    parent: Rc<OwnedFd>,
    directory: Rc<OwnedFd>,
    mount: u64,
}

impl Staging {
    /// Prepared before anything of a stranger is read.
    pub(super) fn new(passing: &[u64]) -> Result<Staging> {
        let random = random::bytes::<8>().during(|| "a name for the copy".to_owned())?;
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!(".lockstep-cp-{digits}");
        Ok(Staging {
            janitor: Janitor::start(&name)?,
            name,
            stages: Vec::new(),
            passing: passing.to_vec(),
        })
    }

    /// A stage on the mount of `parent`.
    pub(super) fn at(&mut self, parent: &Rc<OwnedFd>) -> Result<Rc<OwnedFd>> {
        let what = || "a place for the copy, in its directory".to_owned();
        let mount = self.admit(parent)?;
        if let Some(stage) = self.stages.iter().find(|stage| stage.mount == mount) {
            return Ok(Rc::clone(&stage.directory));
        }
        self.janitor.watch(&**parent)?;
        file::mkdirat(&**parent, &self.name, 0o700)
            .during(what)
            .map_err(explained)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let directory = Rc::new(file::openat(&**parent, &self.name, flags, 0).during(what)?);
        self.stages.push(Stage {
            parent: Rc::clone(parent),
            directory: Rc::clone(&directory),
            mount,
        });
        Ok(directory)
    }

    /// Before something is made in a directory that is there: the id of its mount, unless nothing of it would stay.
    pub(super) fn admit(&self, directory: &OwnedFd) -> Result<u64> {
        let mount = mount::mount_id(directory).during(|| "the mount of its directory".into())?;
        match self.passing.contains(&mount) {
            false => Ok(mount),
            true => Err(Error::new(
                Kind::Unsupported,
                "its directory is in memory, and begins empty when the container is started",
            )
            .hint("start it first")),
        }
    }

    /// The end of a copy, however it went: nothing unfinished is left, or the error says what is.
    pub(super) fn close<T>(mut self, done: Result<T>) -> Result<T> {
        let mut removed = Ok(());
        for stage in &self.stages {
            let one = tree::remove(&*stage.parent, &self.name);
            removed = removed.and(one.during(|| format!("removing {}", self.name)));
        }
        // It tries what is left once more, and is not confined.
        if self.janitor.end()? {
            return done;
        }
        let left = format!("what was not finished stays, as {}", self.name);
        Err(match (done, removed) {
            (Err(error), _) => error.within(left),
            (_, Err(error)) => error,
            _ => Error::new(Kind::Kernel, left),
        })
    }
}

/// What stood at a name until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    Nothing,
    /// Anything but a directory, by anything but a directory: one rename.
    Alike,
    /// Of another kind, so that both change places.
    Other,
}

/// Brings what is whole from a stage to its name.
pub(super) fn bring(
    (stage, new): (&OwnedFd, &Path),
    (directory, name): (&OwnedFd, &Path),
    replaced: Replaced,
) -> Result<()> {
    let done = match replaced {
        Replaced::Nothing => match durable::rename_new(stage, new, directory, name) {
            // A file system that knows no RENAME_NOREPLACE.
            Err(e) if e.is(&[Errno::EINVAL.0]) => durable::rename(stage, new, directory, name),
            other => other,
        },
        Replaced::Alike => durable::rename(stage, new, directory, name),
        Replaced::Other => durable::exchange(stage, new, directory, name),
    };
    done.during(|| "putting it in its place".to_owned())
        .map_err(explained)?;
    match replaced {
        Replaced::Other => tree::remove(stage, new).during(|| "removing what was there".to_owned()),
        _ => Ok(()),
    }
}

/// What the usual refusals mean.
fn explained(error: Error) -> Error {
    let means = |errno: Errno| error.is_errno(errno.0);
    if means(Errno::EROFS) {
        return error.hint("this directory is on a mount that is read-only there");
    }
    if means(Errno::EBUSY) {
        return error.hint(
            "something is mounted on this name, so that it can be written to and not replaced",
        );
    }
    error
}
