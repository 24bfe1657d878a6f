//! The end of volumes: who has one keeps it, and one that goes is out of sight at once.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use lockstep_abi::errno::Errno;
use lockstep_kernel::durable::{self, Lock};
use lockstep_kernel::tree;
use lockstep_kernel::{file, random};

use crate::caller;
use crate::container::{Record, Store};
use crate::failure::{Doing, Failure};
use crate::print::note;
use crate::stored::Images;

/// What the name of a volume that is being removed begins with: no volume is called so.
const GONE: char = '.';

impl Store {
    /// Keeps volumes as they are until it is dropped: shared by whoever makes a container with some, so that none is
    /// removed between the look at it and the container's record; exclusive for who removes one.
    pub(crate) fn hold_volumes(&self, how: Lock) -> Result<OwnedFd, Failure> {
        let what = || "lock of the volumes".to_owned();
        let flags = file::OFlags::RDONLY | file::OFlags::DIRECTORY;
        let directory = file::openat(file::CWD, self.volumes()?, flags, 0).doing(what)?;
        durable::lock(&directory, how, true).doing(what)?;
        Ok(directory)
    }

    /// The names of all volumes.
    pub(crate) fn volume_names(&self) -> Result<Vec<String>, Failure> {
        let mut names = file::list(file::CWD, self.volumes()?).doing(|| "volumes".into())?;
        names.retain(|name| !name.starts_with(GONE));
        names.sort_unstable();
        Ok(names)
    }

    /// Removes a volume that no container has, but `except`, and finishes the work of killed removers. The others'
    /// names are the answer where there are some.
    pub(crate) fn remove_volume(
        &self,
        name: &str,
        except: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        let what = || format!("volume {name}");
        let held = self.hold_volumes(Lock::Exclusive)?;
        let users = self.users_but(name, except)?;
        if !users.is_empty() {
            return Ok(users.into_iter().map(|record| record.name).collect());
        }
        // Not the name that a killed remover's may have still.
        let unique = u64::from_ne_bytes(random::bytes::<8>().doing(what)?);
        let gone = format!("{GONE}{name}.{unique:x}");
        match durable::rename(&held, name, &held, gone) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => {}
            other => other.doing(what)?,
        }
        self.forget_volume(name)?;
        let left = file::list(&held, ".").doing(what)?;
        // The files have the owners that containers gave them.
        let caller = caller::probe()?;
        Images::new(&self.at, &caller).inside(|_, _| {
            for name in left.iter().filter(|name| name.starts_with(GONE)) {
                tree::remove(&held, name).doing(what)?;
            }
            Ok(Vec::new())
        })
    }

    /// The containers that have a volume, but `except`. One that cannot be read is an error: it may have any volume.
    fn users_but(&self, name: &str, except: Option<&str>) -> Result<Vec<Record>, Failure> {
        let mut users = Vec::new();
        for id in self.ids()?.iter().filter(|id| Some(id.as_str()) != except) {
            let Some(directory) = self.by_id(id)? else {
                continue;
            };
            let read = directory.record();
            let record = read.map_err(|e| e.hint(format!("container {id} may have it")))?;
            users.extend(record.filter(|record| has(record, name)));
        }
        Ok(users)
    }

    /// The volumes that some container has, of those that can be read.
    pub(crate) fn used_volumes(&self) -> Result<BTreeSet<String>, Failure> {
        let all = self.all()?.into_iter();
        let mounts = all.flat_map(|record| record.mounts);
        Ok(mounts.filter_map(|mount| mount.volume).collect())
    }

    /// The containers that have a volume, of those that can be read.
    pub(crate) fn volume_users(&self, name: &str) -> Result<Vec<Record>, Failure> {
        let all = self.all()?.into_iter();
        Ok(all.filter(|record| has(record, name)).collect())
    }

    /// Removes the volumes of a container that nobody gave a name and no other container has. One that cannot be
    /// removed is no reason to keep the container too: it may belong to another that cannot be read.
    pub(crate) fn remove_anonymous(&self, record: &Record) -> Result<(), Failure> {
        for name in record
            .mounts
            .iter()
            .filter_map(|mount| mount.volume.as_deref())
        {
            if self.has_volume(name)?
                && self.volume_record(name)?.anonymous
                && let Err(failure) = self.remove_volume(name, Some(&record.id))
            {
                note(&format!("warning: volume {name} is kept: {failure}"));
            }
        }
        Ok(())
    }
}

fn has(record: &Record, volume: &str) -> bool {
    let mut mounts = record.mounts.iter();
    mounts.any(|mount| mount.volume.as_deref() == Some(volume))
}
