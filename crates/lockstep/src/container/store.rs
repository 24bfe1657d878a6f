//! Where everything lies: the store, which survives a reboot, and the state, which does not.

use std::cell::OnceCell;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lockstep_abi::errno::Errno;
use lockstep_kernel::{credential, file};

use super::Directory;
use crate::failure::{Doing, Failure};

/// Paths of the store and the state, chosen from options and environment by the caller.
#[derive(Debug, Clone)]
pub(crate) struct Locations {
    pub(crate) data: PathBuf,
    pub(crate) state: PathBuf,
    /// `$XDG_RUNTIME_DIR`.
    pub(crate) runtime_dir: Option<String>,
    /// The user namespace in which this command works on the store, made at the first use: that takes two setuid
    /// programs, more than everything else that a start does to it.
    pub(crate) users: Rc<OnceCell<OwnedFd>>,
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

impl Store {
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
        block.map_or(Ok(()), |block| self.release_block(block, id))?;
        name.map_or(Ok(()), |name| self.release_name(name))?;
        let (parent, path) = self.place(passing);
        if let Some(directory) = Directory::open(parent, path, id)? {
            super::removal::remove_directory(parent, &directory)?;
        }
        Ok(())
    }

    /// The directory of the volumes, which is made if it is not there.
    pub(crate) fn volumes(&self) -> Result<PathBuf, Failure> {
        let path = self.at.data.join("volumes");
        make_with_parents(&path)?;
        Ok(path)
    }

    /// The directory of what is known of them.
    pub(crate) fn volume_records(&self) -> Result<PathBuf, Failure> {
        let path = self.at.data.join("volume-records");
        make_with_parents(&path)?;
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
fn own_directory(path: &Path) -> Result<OwnedFd, Failure> {
    let what = || path.display().to_string();
    let opened = match file::open_dir(file::CWD, path) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => {
            make_with_parents(path)?;
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

fn make_with_parents(path: &Path) -> Result<(), Failure> {
    match file::mkdirat(file::CWD, path, 0o700) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => {
            make_with_parents(path.parent().unwrap_or(Path::new("/")))?;
            make_with_parents(path)
        }
        Err(e) if e.is(&[Errno::EEXIST.0]) => Ok(()),
        other => other.doing(|| path.display().to_string()),
    }
}

fn below(parent: &OwnedFd, path: &Path, name: &str) -> Result<OwnedFd, Failure> {
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
