//! One container's directory: its files, its lock, and what they say about its life.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lockstep_abi::errno::Errno;
use lockstep_kernel::durable::{self, Lock};
use lockstep_kernel::file::{self, OFlags};
use lockstep_oci::runtime::Spec;
use lockstep_supervisor::{Connection, Exit, LIFE, LOG, LogFiles, Started, read_life};
use serde::Serialize;

use super::health::Health;
use super::record::{self, Record};
use crate::failure::{Doing, Failure};

/// Most bytes of a file in it.
const LIMIT: usize = 16 << 20;

/// Its files, beside the supervisor's.
const CONFIG: &str = "config.json";
const RECORD: &str = "record.json";
const HEALTH: &str = "health.json";
const HEALTH_LOCK: &str = "health.lock";
const KEEPER_LOCK: &str = "keeper.lock";

/// Longer than [`Directory::keeping`] holds the lock that it asks for.
const PROBE: Duration = Duration::from_millis(20);

/// An open container.
#[derive(Debug)]
pub(crate) struct Directory {
    dir: OwnedFd,
    pub(crate) path: PathBuf,
    pub(crate) id: String,
}

/// What a container does.
#[derive(Debug, Clone)]
pub(crate) enum Status {
    /// It was never started.
    Created,
    /// Somebody is making, starting or removing it.
    Busy,
    Running(Started),
    /// It has ended, and everybody could know.
    Exited(Option<Started>, Exit),
    /// Its supervisor was killed, and its end was not recorded yet.
    Abandoned(Started),
}

/// Whether somebody comes after a container that needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    Held,
    /// Who was there has been killed.
    Lost,
    /// Nobody was there since the machine was started, or who was has gone.
    Nobody,
}

impl Directory {
    /// Opens the directory `id` of `parent`, whose path is `path`.
    pub(super) fn open(
        parent: &OwnedFd,
        path: PathBuf,
        id: &str,
    ) -> Result<Option<Directory>, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        match file::openat(parent, id, flags, 0) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(None),
            other => Ok(Some(Directory {
                dir: other.doing(|| format!("container {id}"))?,
                path: path.join(id),
                id: id.to_owned(),
            })),
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Whether it still has its name: an open directory outlives that.
    pub(super) fn exists(&self) -> Result<bool, Failure> {
        let found =
            file::fstat(&self.dir).doing(|| format!("directory of container {}", self.id))?;
        Ok(found.st_nlink > 0)
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn lock(&self) -> Result<bool, Failure> {
        durable::lock(&self.dir, Lock::Exclusive, false)
            .doing(|| format!("lock of container {}", self.id))
    }

    /// Takes the lock when its holder lets go.
    pub(crate) fn wait_lock(&self) -> Result<(), Failure> {
        let got = durable::lock(&self.dir, Lock::Exclusive, true)
            .doing(|| format!("lock of container {}", self.id));
        got.map(drop)
    }

    /// Takes the lock when its holder lets go, within ten seconds.
    pub(crate) fn lock_soon(&self) -> Result<(), Failure> {
        self.lock_unless(|| Ok(false)).map(drop)
    }

    /// The same, but that nothing is waited for behind a container that runs; whether it was taken.
    pub(crate) fn lock_unless_running(&self) -> Result<bool, Failure> {
        self.lock_unless(|| Ok(matches!(self.status()?, Status::Running(_))))
    }

    fn lock_unless(&self, hopeless: impl Fn() -> Result<bool, Failure>) -> Result<bool, Failure> {
        let end = Instant::now() + Duration::from_secs(10);
        while !self.lock()? {
            if hopeless()? {
                return Ok(false);
            }
            if Instant::now() > end {
                return Err(Failure::new(format!("container {} is held by another command", self.id))
                    .hint("a reader of its output takes its time, or it is being started or removed; rm -f does not wait for readers"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(true)
    }

    /// Lets the lock go.
    pub(crate) fn unlock(&self) -> Result<(), Failure> {
        durable::unlock(&self.dir).doing(|| format!("lock of container {}", self.id))
    }

    /// Writes the configuration and the record of a new container. One that is kept outlives a crash of the
    /// machine, whole or not at all; one that goes when it has ended would not be there any more.
    pub(crate) fn write_new(&self, spec: &Spec, record: &Record) -> Result<(), Failure> {
        let (config, text) = (json(CONFIG, spec)?, json(RECORD, record)?);
        if record.auto_remove {
            self.write(CONFIG, &config)?;
            return self.write(RECORD, &text);
        }
        self.replace(CONFIG, &config, 0o644)?;
        self.replace(RECORD, &text, 0o600)
    }

    fn replace(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), Failure> {
        durable::replace(&self.dir, name, bytes, mode)
            .doing(|| format!("{name} of container {}", self.id))
    }

    /// Replaces the configuration as a whole, for the next start.
    pub(crate) fn reconfigure(&self, spec: &Spec) -> Result<(), Failure> {
        self.replace(CONFIG, &json(CONFIG, spec)?, 0o644)
    }

    /// Writes a further file of a new container.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let what = || format!("{name} of container {}", self.id);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let made = file::openat(&self.dir, name, flags, 0o644).doing(what)?;
        file::write_fd(made, bytes).doing(what)
    }

    /// Writes a file that the container's root owns: id 0 of its block.
    pub(crate) fn write_for(
        &self,
        name: &str,
        bytes: &[u8],
        block: Option<u32>,
    ) -> Result<(), Failure> {
        self.write(name, bytes)?;
        match block {
            Some(owner) => file::chown(&self.dir, name, owner, owner)
                .doing(|| format!("{name} of container {}", self.id)),
            None => Ok(()),
        }
    }

    /// Changes the record, one change at a time, whoever makes it; the record as it is then. The container's lock is
    /// no help, because a supervisor has it from start to end.
    pub(crate) fn edit(
        &self,
        change: impl FnOnce(&mut Record) -> Result<(), Failure>,
    ) -> Result<Record, Failure> {
        let _lock = self.lock_record()?;
        let record = self.record()?;
        let mut record = record.ok_or_else(|| super::no_container(&self.id))?;
        let old = record.clone();
        change(&mut record)?;
        if record != old {
            record.schema = record::SCHEMA;
            self.replace(RECORD, &json(RECORD, &record)?, 0o600)?;
        }
        Ok(record)
    }

    /// Keeps everybody else from changing the record; `None` where there is none. The lock is on the file itself,
    /// which every change replaces.
    fn lock_record(&self) -> Result<Option<OwnedFd>, Failure> {
        let what = || format!("{RECORD} of container {}", self.id);
        loop {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
            let file = match file::openat(&self.dir, RECORD, flags, 0) {
                Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(None),
                other => other.doing(what)?,
            };
            durable::lock(&file, Lock::Exclusive, true).doing(what)?;
            if file::fstat(&file).doing(what)?.st_nlink > 0 {
                return Ok(Some(file));
            }
        }
    }

    /// The record; `None` when its writer was killed before it had written it.
    pub(crate) fn record(&self) -> Result<Option<Record>, Failure> {
        let Some(text) = self.read(RECORD)? else {
            return Ok(None);
        };
        record::parse(&text).map_err(|failure| self.unreadable(RECORD, &failure.message))
    }

    /// A file that another version wrote, or nobody.
    fn unreadable(&self, name: &str, why: &str) -> Failure {
        let short: String = self.id.chars().take(12).collect();
        Failure::new(format!("{name} of container {}: {why}", self.id)).hint(format!(
            "use the version of lockstep that made it, or remove it with lockstep rm -f {short}"
        ))
    }

    /// Removes the record: the directory is no container's from now on.
    pub(super) fn forget(&self) -> Result<(), Failure> {
        // So that no change that has begun brings it back.
        let _lock = self.lock_record()?;
        match file::unlink(&self.dir, RECORD) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(()),
            other => other.doing(|| format!("{RECORD} of container {}", self.id)),
        }
    }

    /// Whether it is left over: nobody works on it, and it has no record.
    pub(super) fn is_left_over(&self) -> Result<bool, Failure> {
        // One that cannot be read is somebody's all the same.
        Ok(matches!(self.record(), Ok(None)) && self.probe()?)
    }

    /// The configuration as it is written; none before it is.
    pub(crate) fn config(&self) -> Result<Option<Vec<u8>>, Failure> {
        self.read(CONFIG)
    }

    /// The configuration.
    pub(crate) fn spec(&self) -> Result<Spec, Failure> {
        serde_json::from_slice(&self.config()?.unwrap_or_default())
            .map_err(|e| Failure::new(format!("{CONFIG} of container {}: {e}", self.id)))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        match file::read_at_once(&self.dir, name, LIMIT) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(None),
            other => other
                .map(Some)
                .doing(|| format!("{name} of container {}", self.id)),
        }
    }

    /// What it does now. A lock that is free is not kept.
    pub(crate) fn status(&self) -> Result<Status, Failure> {
        let free = self.probe()?;
        self.status_if(free)
    }

    /// The same for who does not hold its lock through this open directory: one call instead of three, for each of all
    /// containers.
    pub(crate) fn status_unheld(&self) -> Result<Status, Failure> {
        let what = || format!("lock of container {}", self.id);
        let free = durable::lock(&self.dir, Lock::Shared, false).doing(what)?;
        if free {
            self.unlock()?;
        }
        self.status_if(free)
    }

    /// What it does while the caller holds its lock, so that nobody else does anything.
    pub(crate) fn status_locked(&self) -> Result<Status, Failure> {
        self.status_if(true)
    }

    fn status_if(&self, free: bool) -> Result<Status, Failure> {
        let (started, exit) = self.life()?;
        Ok(match (started, exit) {
            (started, Some(exit)) => Status::Exited(started, exit),
            (Some(started), None) if free => Status::Abandoned(started),
            (Some(started), None) => Status::Running(started),
            (None, None) if free => Status::Created,
            (None, None) => Status::Busy,
        })
    }

    /// Whether nobody holds the lock. Asked on another open file, so that a lock of our own is not let go, and for a
    /// shared one, so that two who ask do not take each other for a holder.
    pub(crate) fn probe(&self) -> Result<bool, Failure> {
        let what = || format!("lock of container {}", self.id);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let other = file::openat(&self.dir, ".", flags, 0).doing(what)?;
        durable::lock(&other, Lock::Shared, false).doing(what)
    }

    /// What its supervisor has recorded.
    pub(crate) fn life(&self) -> Result<(Option<Started>, Option<Exit>), Failure> {
        let text = self.read(LIFE)?.unwrap_or_default();
        read_life(&text).map_err(|error| self.unreadable(LIFE, &error.to_string()))
    }

    /// Records an end that no supervisor could record.
    pub(crate) fn record_end(&self, exit: &Exit) -> Result<(), Failure> {
        let (started, _) = self.life()?;
        let mut text = match &started {
            Some(started) => json(LIFE, started)?,
            None => Vec::new(),
        };
        text.push(b'\n');
        text.extend(json(LIFE, exit)?);
        text.push(b'\n');
        self.replace(LIFE, &text, 0o600)
    }

    /// What its health check has said in the life that began then.
    pub(crate) fn health(&self, life: &str) -> Result<Health, Failure> {
        let text = self.read(HEALTH)?.unwrap_or_default();
        Ok(Health::parse(&text, life))
    }

    /// Records a result of it. The caller holds the lock of [`Directory::lock_health`].
    pub(crate) fn write_health(&self, health: &Health) -> Result<(), Failure> {
        let what = || format!("{HEALTH} of container {}", self.id);
        // It is of no use after a crash of the machine, so it need not reach the disk.
        file::replace(&self.dir, HEALTH, &json(HEALTH, health)?, 0o600).doing(what)
    }

    /// One check at a time.
    pub(crate) fn lock_health(&self) -> Result<OwnedFd, Failure> {
        let what = || format!("{HEALTH_LOCK} of container {}", self.id);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
        let lock = file::openat(&self.dir, HEALTH_LOCK, flags, 0o600).doing(what)?;
        durable::lock(&lock, Lock::Exclusive, true).doing(what)?;
        Ok(lock)
    }

    /// The place of who comes after its end: the front, or a keeper. Whether it was free, and is held through this
    /// descriptor now.
    pub(crate) fn claim_keeping(&self) -> Result<(OwnedFd, bool), Failure> {
        let what = || format!("{KEEPER_LOCK} of container {}", self.id);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
        let lock = file::openat(&self.dir, KEEPER_LOCK, flags, 0o600).doing(what)?;
        let try_it = || durable::lock(&lock, Lock::Exclusive, false).doing(what);
        let mut free = try_it()?;
        let end = Instant::now() + PROBE;
        // Who only asks has it for as long as it takes to read a file.
        while !free && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
            free = try_it()?;
        }
        if free {
            occupy(&lock)?;
        }
        Ok((lock, free))
    }

    /// Whether somebody is there who comes after its end. Asked for a shared lock, as in [`Directory::probe`].
    pub(crate) fn keeping(&self) -> Result<Keeping, Failure> {
        let what = || format!("{KEEPER_LOCK} of container {}", self.id);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
        let lock = match file::openat(&self.dir, KEEPER_LOCK, flags, 0) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(Keeping::Nobody),
            other => other.doing(what)?,
        };
        if !durable::lock(&lock, Lock::Shared, false).doing(what)? {
            return Ok(Keeping::Held);
        }
        Ok(
            match file::read_fd(&lock, LIMIT).doing(what)? == this_boot()? {
                true => Keeping::Lost,
                false => Keeping::Nobody,
            },
        )
    }

    /// Whether it has ended and its keeper is about to start it again.
    pub(crate) fn is_restarting(&self, record: &Record, status: &Status) -> Result<bool, Failure> {
        match status {
            Status::Exited(_, exit) if record.goes_on(exit) => Ok(self.keeping()? == Keeping::Held),
            _ => Ok(false),
        }
    }

    /// Connects to its supervisor.
    pub(crate) fn connect(&self) -> Result<Connection, Failure> {
        Ok(lockstep_supervisor::connect(self.as_fd())?)
    }

    /// The same, or nothing where it has ended.
    pub(crate) fn connect_if_there(&self) -> Result<Option<Connection>, Failure> {
        Ok(lockstep_supervisor::connect_if_there(self.as_fd())?)
    }

    /// Its log; `None` where there is none.
    pub(crate) fn log(&self) -> Result<Option<LogFiles>, Failure> {
        match file::open_dir(&self.dir, LOG) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(None),
            other => Ok(Some(LogFiles::new(
                other.doing(|| format!("log of container {}", self.id))?,
            ))),
        }
    }
}

/// Leaves word in the place of who comes after a container, for who finds it free, that somebody was there. The caller
/// holds it.
pub(crate) fn occupy(place: &OwnedFd) -> Result<(), Failure> {
    let what = || KEEPER_LOCK.to_owned();
    vacate(place)?;
    file::rewind(place).doing(what)?;
    file::write_fd(place, &this_boot()?).doing(what)
}

/// Takes that word back: nobody is missed.
pub(crate) fn vacate(place: &OwnedFd) -> Result<(), Failure> {
    file::truncate(place, 0).doing(|| KEEPER_LOCK.into())
}

/// What is different with each start of the machine, after which nobody is missed (random(4)).
fn this_boot() -> Result<Vec<u8>, Failure> {
    let path = "/proc/sys/kernel/random/boot_id";
    file::read_at_once(file::CWD, path, 64).doing(|| path.into())
}

fn json<T: Serialize>(name: &str, value: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|e| Failure::new(format!("{name}: {e}")))
}
