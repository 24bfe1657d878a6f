//! The end of a container's files, and of what killed commands left.
//!
//! The order is that of their meaning: the runtime's state and cgroups, the files that belong to the block of user
//! ids, the record, block and name, last the directory. A remover that is killed leaves a container, or a directory
//! without a record that the next command finds unlocked and removes to its end.

use std::collections::BTreeSet;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use lockstep_abi::errno::Errno;
use lockstep_kernel::{event, file, tree};
use lockstep_runtime::{ContainerId, Kind, Runtime};
use lockstep_supervisor::{Exit, OVER};

use super::{Directory, Record, Status, Store};
use crate::failure::{Doing, Failure};

/// Status of a container whose supervisor was killed: the kernel killed the container with SIGKILL.
const KILLED: i32 = 137;

/// Between two looks at the lock of a supervisor that is ending. The first is shorter than its end takes; it waits for
/// readers of its output, who may take any time.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// A container that can be read, and what it did when it was looked at.
pub(crate) struct Found {
    pub(crate) directory: Directory,
    pub(crate) record: Record,
    pub(crate) status: Status,
}

impl Store {
    /// Removes a container that does not run. The caller holds its lock. Of one without a record block and name are
    /// found by the links that have lost their container.
    pub(crate) fn remove(
        &self,
        runtime: &Runtime<'_>,
        directory: &Directory,
        record: Option<&Record>,
    ) -> Result<(), Failure> {
        end_in_runtime(runtime, &directory.id)?;
        // While the record names them.
        if let Some(record) = record.filter(|record| record.auto_remove) {
            self.remove_anonymous(record)?;
        }
        if let Some(record) = record {
            self.drop_over(directory, record)?;
        }
        let layered = record.is_none_or(|record| record.layered);
        if layered {
            self.give_layers_back(directory)?;
        }
        // From here on it is no container any more, whoever is killed: without a record it is only to be removed.
        directory.forget()?;
        if let Some(record) = record {
            let claims = self.hold_claims()?;
            if let Some(block) = record.block {
                self.release_block(&claims, block, &directory.id)?;
            }
            self.release_name(&claims, &record.name, &directory.id)?;
        }
        let passing = directory.path.starts_with(&self.at.state);
        remove_directory(self.place(passing).0, directory)?;
        if record.is_none() {
            self.sweep_blocks(&BTreeSet::new())?;
            self.sweep_names(&BTreeSet::new())?;
        }
        Ok(())
    }

    /// The container's changes and its claim on an image; of one without either nothing happens.
    fn give_layers_back(&self, directory: &Directory) -> Result<(), Failure> {
        let caller = crate::caller::probe()?;
        crate::stored::discard(&self.at, directory, &caller)
    }

    /// Changes that last for one run.
    fn drop_over(&self, directory: &Directory, record: &Record) -> Result<(), Failure> {
        if record.job.over.is_empty() {
            return Ok(());
        }
        // Gone since an earlier look: every command that looks at ended containers comes by here.
        match file::stat(directory.as_fd(), OVER, false) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(()),
            other => other.doing(|| format!("changes of container {}", directory.id))?,
        };
        let caller = crate::caller::probe()?;
        crate::stored::discard_over(&self.at, directory, (&caller, record.job.over.len()))
    }

    /// Repairs what killed commands and supervisors left; what somebody works on is let be. Each container that is
    /// there is shown to `look` while its directory is open, one at a time: there may be more of them than a process
    /// may have descriptors. One that cannot be repaired or looked at is no reason not to see to the others: what
    /// was wrong with each is returned.
    pub(crate) fn sweep(
        &self,
        runtime: &Runtime<'_>,
        mut look: impl FnMut(Found) -> Result<(), Failure>,
    ) -> Result<Vec<Failure>, Failure> {
        let (mut there, mut wrong) = (BTreeSet::new(), Vec::new());
        for id in self.ids()? {
            let directory = match self.by_id(&id) {
                Ok(Some(directory)) => directory,
                Ok(None) => continue,
                Err(failure) => {
                    // What it holds is not taken for free.
                    wrong.push(failure);
                    there.insert(id);
                    continue;
                }
            };
            let seen = match self.look_after(runtime, &directory) {
                Ok(Some((record, status))) => {
                    there.insert(id);
                    look(Found {
                        directory,
                        record,
                        status,
                    })
                }
                other => other.map(drop),
            };
            wrong.extend(seen.err());
        }
        self.sweep_blocks(&there)?;
        self.sweep_names(&there)?;
        Ok(wrong)
    }

    /// One container's share of [`Store::sweep`]; whether it still exists.
    pub(crate) fn repair(
        &self,
        runtime: &Runtime<'_>,
        directory: &Directory,
    ) -> Result<bool, Failure> {
        let found = self.look_after(runtime, directory)?;
        Ok(found.is_some() || directory.exists()?)
    }

    /// The same behind the supervisor that has it, when that lets it go. What another command starts then is not waited for.
    pub(crate) fn come_after(
        &self,
        runtime: &Runtime<'_>,
        directory: &Directory,
        supervisor: BorrowedFd<'_>,
    ) -> Result<(), Failure> {
        let mut pause = FIRST_PAUSE;
        while !directory.lock()? {
            if event::within(supervisor, pause) {
                match directory.lock_unless_running()? {
                    true => break,
                    false => return Ok(()),
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        // Another command may have been faster.
        if directory.exists()? {
            self.mend(runtime, directory, directory.record()?)?;
        }
        Ok(())
    }

    /// The same, and what was found: nothing has to be read again of a container that is well. The caller does not hold
    /// its lock.
    pub(crate) fn look_after(
        &self,
        runtime: &Runtime<'_>,
        directory: &Directory,
    ) -> Result<Option<(Record, Status)>, Failure> {
        let status = directory.status_unheld()?;
        let created = matches!(status, Status::Created);
        let over = matches!(status, Status::Abandoned(_) | Status::Exited(..));
        let record = match directory.record()? {
            // The front of a `run --rm` was killed before there was a supervisor.
            Some(record) if over || (created && record.goes_unstarted()) => Some(record),
            Some(record) => return Ok(Some((record, status))),
            None => None,
        };
        if !directory.lock()? {
            return Ok(record.map(|record| (record, status)));
        }
        if !self.mend(runtime, directory, record)? {
            return Ok(None);
        }
        let record = directory.record()?;
        let status = directory.status()?;
        Ok(record.map(|record| (record, status)))
    }

    /// Does what has to be done for a container whose lock the caller has just taken; whether it still exists.
    fn mend(
        &self,
        runtime: &Runtime<'_>,
        directory: &Directory,
        record: Option<Record>,
    ) -> Result<bool, Failure> {
        // Asked again under the lock: it may have been started meanwhile.
        match (directory.status_locked()?, record) {
            (Status::Abandoned(_), Some(record)) => {
                end_in_runtime(runtime, &directory.id)?;
                let reason = "its supervisor was killed, and so it was killed";
                let mut exit = Exit::now(KILLED, false);
                exit.reason = Some(reason.into());
                directory.record_end(&exit)?;
                self.after_end(runtime, directory, record)
            }
            (Status::Exited(..), Some(record)) => self.after_end(runtime, directory, record),
            (Status::Created, Some(record)) if record.goes_unstarted() => self
                .remove(runtime, directory, Some(&record))
                .map(|()| false),
            (_, Some(_)) => directory.unlock().map(|()| true),
            (_, None) => self.remove(runtime, directory, None).map(|()| false),
        }
    }

    fn after_end(
        &self,
        runtime: &Runtime<'_>,
        directory: &Directory,
        record: Record,
    ) -> Result<bool, Failure> {
        if record.auto_remove {
            return self
                .remove(runtime, directory, Some(&record))
                .map(|()| false);
        }
        end_in_runtime(runtime, &directory.id)?;
        self.drop_over(directory, &record)?;
        directory.unlock()?;
        Ok(true)
    }
}

/// Removes a container's directory with everything in it.
pub(super) fn remove_directory(parent: &OwnedFd, directory: &Directory) -> Result<(), Failure> {
    tree::remove(parent, &directory.id).doing(|| format!("directory of container {}", directory.id))
}

/// Ends what the runtime still knows of a container: processes, cgroups, state.
pub(crate) fn end_in_runtime(runtime: &Runtime<'_>, id: &str) -> Result<(), Failure> {
    match runtime.delete(&ContainerId::parse(id)?, true) {
        Err(e) if e.kind == Kind::NotFound => Ok(()),
        other => Ok(other?),
    }
}
