//! Where everything lies: the store, which survives a reboot, and the state, which does not.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lockstep_abi::errno::Errno;
use lockstep_kernel::durable::{self, Lock};
use lockstep_kernel::{credential, file};

use super::Directory;
use crate::failure::{Doing, Failure};
use crate::users::Users;

/// Paths of the store and the state, chosen from options and environment by the caller.
#[derive(Debug, Clone)]
pub(crate) struct Locations {
    pub(crate) data: PathBuf,
    pub(crate) state: PathBuf,
    /// `$XDG_RUNTIME_DIR`.
    pub(crate) runtime_dir: Option<String>,
    /// The user namespace of this command.
    pub(crate) users: Rc<Users>,
}

impl Locations {
    /// The environment that a further process of this program finds the same in.
    pub(crate) fn environment(&self) -> Vec<String> {
        let dir = self.runtime_dir.iter();
        dir.map(|dir| format!("XDG_RUNTIME_DIR={dir}")).collect()
    }
}

/// The opened directories. Containers that are kept are in the store; those that go when they end are in the
/// state, where nothing has to reach a disk. Names and blocks of user ids are in the store for both.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) at: Locations,
    pub(super) kept: OwnedFd,
    pub(super) passing: OwnedFd,
    pub(super) names: OwnedFd,
    pub(super) blocks: OwnedFd,
}

/// Taking claims on names and blocks away, which one command does at a time: a link that was looked at is the one that
/// is removed. Making one needs no lock: the kernel gives a name to one caller alone, and the container is there before
/// its claims are, so nobody takes them for lost.
pub(crate) struct Claims(#[expect(dead_code, reason = "it is held")] OwnedFd);

impl Store {
    /// Waits until nobody else takes claims away.
    pub(crate) fn hold_claims(&self) -> Result<Claims, Failure> {
        let what = || "lock of the claims".to_owned();
        // Opened anew: a lock is an open file's.
        let flags = file::OFlags::RDONLY | file::OFlags::DIRECTORY;
        let held = file::openat(&self.names, ".", flags, 0).doing(what)?;
        durable::lock(&held, Lock::Exclusive, true).doing(what)?;
        Ok(Claims(held))
    }

    /// Opens everything, made where it is missing, for this user alone.
    pub(crate) fn open(at: Locations) -> Result<Store, Failure> {
        let data = own_directory(&at.data)?;
        let state = own_directory(&at.state)?;
        Ok(Store {
            kept: below(&data, &at.data, "containers")?,
            passing: below(&state, &at.state, "containers")?,
            names: below(&data, &at.data, "names")?,
            blocks: below(&data, &at.data, "blocks")?,
            at,
        })
    }

    /// The runtime's own state directory.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.at.state.join("runtime")
    }

    /// Where the directory of a container that is kept would be.
    pub(crate) fn path_of(&self, id: &str) -> PathBuf {
        self.place(false).1.join(id)
    }

    /// Makes a container's directory and takes its lock.
    pub(crate) fn create(&self, id: &str, passing: bool) -> Result<Directory, Failure> {
        let (parent, path) = self.place(passing);
        let what = || format!("directory of container {id}");
        loop {
            file::mkdirat(parent, id, 0o700).doing(what)?;
            let Some(directory) = Directory::open(parent, path.clone(), id)? else {
                continue;
            };
            // A command that looks at everything may hold it for a moment; and one that repairs may have taken it
            // for left over before it was locked, and have removed it.
            directory.wait_lock()?;
            if directory.exists()? {
                return Ok(directory);
            }
        }
    }

    /// Gives back everything of a container that could not be made.
    pub(crate) fn discard(
        &self,
        id: &str,
        passing: bool,
        block: Option<u32>,
        name: Option<&str>,
    ) -> Result<(), Failure> {
        let claims = self.hold_claims()?;
        block.map_or(Ok(()), |block| self.release_block(&claims, block, id))?;
        name.map_or(Ok(()), |name| self.release_name(&claims, name, id))?;
        drop(claims);
        let (parent, path) = self.place(passing);
        if let Some(directory) = Directory::open(parent, path, id)? {
            super::removal::remove_directory(parent, &directory)?;
        }
        Ok(())
    }

    /// The directory of the volumes, which is made if it is not there.
    pub(crate) fn volumes(&self) -> Result<PathBuf, Failure> {
        let path = self.at.data.join("volumes");
        file::make_with_parents(&path, 0o700).doing(|| path.display().to_string())?;
        Ok(path)
    }

    /// The directory of what is known of them.
    pub(crate) fn volume_records(&self) -> Result<PathBuf, Failure> {
        let path = self.at.data.join("volume-records");
        file::make_with_parents(&path, 0o700).doing(|| path.display().to_string())?;
        Ok(path)
    }

    /// Whether there is a volume of this name.
    pub(crate) fn has_volume(&self, name: &str) -> Result<bool, Failure> {
        match file::stat(file::CWD, self.volumes()?.join(name), false) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(false),
            other => other.map(|_| true).doing(|| format!("volume {name}")),
        }
    }

    /// Makes an empty volume unless it is there.
    pub(crate) fn make_volume(&self, name: &str) -> Result<(), Failure> {
        match file::mkdirat(file::CWD, self.volumes()?.join(name), 0o755) {
            Err(e) if e.is(&[Errno::EEXIST.0]) => Ok(()),
            other => other.doing(|| format!("volume {name}")),
        }
    }

    /// The container of a whole id, if it exists.
    pub(crate) fn by_id(&self, id: &str) -> Result<Option<Directory>, Failure> {
        for passing in [false, true] {
            let (parent, path) = self.place(passing);
            if let Some(found) = Directory::open(parent, path, id)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The ids of all containers.
    pub(crate) fn ids(&self) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        for passing in [false, true] {
            let (parent, path) = self.place(passing);
            all.extend(file::list(parent, ".").doing(|| path.display().to_string())?);
        }
        all.retain(|name| name.len() == ID_DIGITS && name.bytes().all(|b| b.is_ascii_hexdigit()));
        all.sort_unstable();
        Ok(all)
    }

    /// Where a container's directory stands.
    pub(super) fn place(&self, passing: bool) -> (&OwnedFd, PathBuf) {
        match passing {
            true => (&self.passing, self.at.state.join("containers")),
            false => (&self.kept, self.at.data.join("containers")),
        }
    }
}

/// Digits of a container's id.
pub(crate) const ID_DIGITS: usize = 64;

/// A directory of this user's own. Another user who had made it first could swap what is in it: the state of an
/// ordinary user may be below /tmp.
pub(super) fn own_directory(path: &Path) -> Result<OwnedFd, Failure> {
    let what = || path.display().to_string();
    let opened = match file::open_dir(file::CWD, path) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => {
            file::make_with_parents(path, 0o700).doing(|| path.display().to_string())?;
            file::open_dir(file::CWD, path)
        }
        other => other,
    }
    .doing(what)?;
    let found = file::fstat(&opened).doing(what)?;
    let user = credential::euid();
    if found.st_uid != user || found.st_mode & 0o022 != 0 {
        return Err(Failure::new(format!(
            "{} belongs to user {} with mode {:o}, and must be user {user}'s and writable by nobody else",
            path.display(),
            found.st_uid,
            found.st_mode & 0o7777,
        )));
    }
    Ok(opened)
}

pub(super) fn below(parent: &OwnedFd, path: &Path, name: &str) -> Result<OwnedFd, Failure> {
    let what = || path.join(name).display().to_string();
    match file::open_dir(parent, name) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => {
            match file::mkdirat(parent, name, 0o700) {
                Err(e) if e.is(&[Errno::EEXIST.0]) => {}
                other => other.doing(what)?,
            }
            file::open_dir(parent, name).doing(what)
        }
        other => other.doing(what),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, Ordering};

    use lockstep_kernel::tree;

    use super::*;

    const LIVE: &str = "a";
    const DEAD: &str = "b";

    fn open(at: &Path) -> Store {
        let at = Locations {
            data: at.join("data"),
            state: at.join("state"),
            runtime_dir: None,
            users: Rc::default(),
        };
        Store::open(at).expect("a store")
    }

    /// What is lost is claimed anew while others sweep it away; whether the new claims stay.
    fn claims_stay(store: &Store) -> Result<bool, Failure> {
        let (names, blocks) = (&store.names, &store.blocks);
        let what = || "a link of the test".to_owned();
        let none = BTreeSet::new();
        file::symlink(DEAD, blocks, "0").doing(what)?;
        file::symlink(DEAD, names, "web").doing(what)?;
        store.claim_name(Some("web"), LIVE, [0; 3])?;
        while file::symlink(LIVE, blocks, "0").is_err() {
            store.sweep_blocks(&none)?;
        }
        // Nor does who had them before give back what it has no more.
        store.discard(DEAD, true, Some(crate::container::FIRST_BLOCK), Some("web"))?;
        std::thread::sleep(std::time::Duration::from_micros(50));
        let held = |(dir, link)| file::readlink(dir, link).is_ok_and(|id| id.as_os_str() == LIVE);
        let stay = [(names, "web"), (blocks, "0")].into_iter().all(held);
        drop((file::unlink(names, "web"), file::unlink(blocks, "0")));
        Ok(stay)
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's own threads")]
    fn a_new_claim_is_not_taken_for_the_lost_one_before_it() {
        let name = format!("lockstep-claims.{}", std::process::id());
        let tmp = file::open_dir(file::CWD, "/tmp").expect("/tmp");
        let dir = Path::new("/tmp").join(&name);
        let store = open(&dir);
        let live = store.create(LIVE, true).expect("a container");
        let over = AtomicBool::new(false);
        let (rounds, swept) = std::thread::scope(|scope| {
            let sweeper = || {
                let store = open(&dir);
                let none = BTreeSet::new();
                while !over.load(Ordering::Relaxed) {
                    store.sweep_names(&none)?;
                    store.sweep_blocks(&none)?;
                }
                Ok::<(), Failure>(())
            };
            let sweepers = [(); 3].map(|()| scope.spawn(sweeper));
            let all = (0..300).map(|_| claims_stay(&store));
            let rounds: Vec<_> = all.take_while(|stay| matches!(stay, Ok(true))).collect();
            over.store(true, Ordering::Relaxed);
            let swept = sweepers.map(|sweeper| sweeper.join().is_ok_and(|done| done.is_ok()));
            (rounds.len(), swept)
        });
        drop(live);
        tree::remove(&tmp, &name).expect("it is removed");
        assert_eq!((rounds, swept), (300, [true; 3]));
    }
}
