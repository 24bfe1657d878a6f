//! The store's directory on the disk: small documents, and the one way in which anything appears in it.

use crate::error::{During, Error, Result};
use lockstep_abi::errno::Errno;
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::{durable, process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest document of the store, in bytes.
const LIMIT: usize = 16 << 20;
/// Makes names in `tmp` differ within one process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(super) struct Disk {
    root: OwnedFd,
    path: PathBuf,
}

impl Disk {
    /// Opens the directory, or makes it with its parents.
    pub(super) fn open(path: &Path) -> Result<Disk> {
        let what = || format!("store {}", path.display());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let open = || file::openat(file::CWD, path, flags, 0);
        let root = match open() {
            Err(e) if e.is(&[Errno::ENOENT.0]) => {
                // Those above as the base directory specification says: for their owner alone.
                file::make_with_parents(path, 0o700).during(what)?;
                open()
            }
            other => other,
        };
        Ok(Disk {
            root: root.during(what)?,
            path: path.into(),
        })
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn what(&self, name: &str) -> String {
        format!("store {}", self.path.join(name).display())
    }

    pub(super) fn make_directory(&self, name: &str) -> Result<()> {
        match file::mkdirat(&self.root, name, 0o700) {
            Err(e) if e.is(&[Errno::EEXIST.0]) => Ok(()),
            other => other.during(|| self.what(name)),
        }
    }

    pub(super) fn open_directory(&self, name: &str) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        file::openat(&self.root, name, flags, 0).during(|| self.what(name))
    }

    /// Opens a file or directory for reading; `None` where there is none.
    pub(super) fn open_if_there(&self, name: &str) -> Result<Option<OwnedFd>> {
        match file::openat(&self.root, name, OFlags::RDONLY | OFlags::NOFOLLOW, 0) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(None),
            other => other.map(Some).during(|| self.what(name)),
        }
    }

    pub(super) fn exists(&self, name: &str) -> Result<bool> {
        match file::stat(&self.root, name, false) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(false),
            other => other.map(|_| true).during(|| self.what(name)),
        }
    }

    /// Names in a directory, sorted.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>> {
        let mut names = file::list(&self.root, name).during(|| self.what(name))?;
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn is_empty(&self, name: &str) -> Result<bool> {
        self.list(name).map(|names| names.is_empty())
    }

    /// Reads a document; `None` where there is none.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let text = match file::read_at_once(&self.root, name, LIMIT) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(None),
            other => other.during(|| self.what(name))?,
        };
        match serde_json::from_slice(&text) {
            Ok(value) => Ok(Some(value)),
            Err(e) => Err(Error::invalid(format!("{}: {e}", self.what(name)))),
        }
    }

    /// Writes a document as a whole and lastingly: temporary name, fsync, rename, fsync of the directory.
    pub(super) fn replace(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(value)
            .map_err(|e| Error::invalid(format!("{}: {e}", self.what(name))))?;
        let (temporary, file) = self.new_file()?;
        let what = || self.what(name);
        let written = file::write_fd(&file, &text)
            .and_then(|()| durable::sync(&file))
            .and_then(|()| durable::rename(&self.root, tmp(&temporary), &self.root, name));
        if written.is_err() {
            // The write's own error is the one to show; the rest is removed by the next repair.
            drop(file::unlink(&self.root, tmp(&temporary)));
        }
        written.during(what)?;
        self.sync_directory_of(name)
    }

    /// Makes renames into a directory last.
    pub(super) fn sync_directory_of(&self, name: &str) -> Result<()> {
        let parent = match name.rsplit_once('/') {
            Some((parent, _)) => parent,
            None => ".",
        };
        let directory = self.open_directory(parent)?;
        durable::sync(&directory).during(|| self.what(parent))
    }

    /// A new file in `tmp`, and its name there.
    pub(super) fn new_file(&self) -> Result<(String, OwnedFd)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        self.new_name(|path| file::openat(&self.root, path, flags, 0o600))
    }

    /// A new directory in `tmp`, and its name there.
    pub(super) fn new_directory(&self) -> Result<String> {
        self.new_name(|path| file::mkdirat(&self.root, path, 0o700))
            .map(|(name, ())| name)
    }

    /// Moves something into `tmp`, where it is rest; false if it is not there.
    pub(super) fn retire(&self, name: &str) -> Result<bool> {
        let moved =
            self.new_name(
                |path| match durable::rename_new(&self.root, name, &self.root, path) {
                    Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(false),
                    other => other.map(|()| true),
                },
            );
        moved.map(|(_, moved)| moved)
    }

    /// unlink(2); that it is not there is fine.
    pub(super) fn remove_file(&self, name: &str) -> Result<()> {
        match file::unlink(&self.root, name) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(()),
            other => other.during(|| self.what(name)),
        }
    }

    /// rmdir(2); that something is in it is fine.
    pub(super) fn remove_if_empty(&self, name: &str) -> Result<()> {
        match file::rmdir(&self.root, name) {
            Err(e) if e.is(&[Errno::ENOTEMPTY.0]) => Ok(()),
            other => other.during(|| self.what(name)),
        }
    }

    fn new_name<T>(
        &self,
        mut make: impl FnMut(&str) -> lockstep_kernel::Result<T>,
    ) -> Result<(String, T)> {
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{number}", process::id());
            match make(&tmp(&name)) {
                // Another process with this id, in another pid namespace or killed before.
                Err(e) if e.is(&[Errno::EEXIST.0]) => {}
                other => return other.during(|| self.what("tmp")).map(|made| (name, made)),
            }
        }
    }

    /// Moves something out of `tmp` to where it is found, unless that is there already: then false.
    pub(super) fn publish(&self, temporary: &str, name: &str) -> Result<bool> {
        match durable::rename_new(&self.root, tmp(temporary), &self.root, name) {
            Err(e) if e.is(&[Errno::EEXIST.0]) => Ok(false),
            other => other.map(|()| true).during(|| self.what(name)),
        }
    }

    /// syncfs(2) of the store's file system.
    pub(super) fn sync(&self) -> Result<()> {
        durable::sync_filesystem(&self.root).during(|| self.what(""))
    }
}

pub(super) fn tmp(name: &str) -> String {
    format!("tmp/{name}")
}
