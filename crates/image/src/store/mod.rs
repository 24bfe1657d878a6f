//! The store: blobs by digest, unpacked layers, records of images, tags, and who uses what.
//!
//! ```text
//! store.json               schema of everything below
//! blobs/sha256/HEX         layers, configurations and manifests, as they came
//! layers/OWNERS/CHAIN/     tree/ and layer.json; OWNERS says which ids the files have, CHAIN which layers are below
//! images/HEX.json          one record for each manifest
//! tags/HEX.json            a name and the manifest that it stands for
//! claims/ID.json           the image of a container
//! locks/CHAIN              held while a layer is unpacked
//! tmp/                     what is being made or removed
//! ```
//!
//! Everything appears by a rename out of `tmp`, after one syncfs, so a crash at any point leaves the old or the new
//! state and rests in `tmp`, which the next [`Store::open`] removes. Two locks order what processes do at once:
//! `lock` is shared by who adds content and held alone by who removes it; `names.lock` guards records, tags and
//! claims for moments. Who needs both takes `lock` first. Neither survives its holder.

mod claim;
mod collect;
mod disk;
mod image;
mod layer;
mod load;
mod name;
mod pending;
mod record;
mod save;
mod select;

pub use collect::{Pruned, Removed, Usage};
pub use image::Image;
pub use layer::Layer;
pub use load::{Load, Progress};
pub use save::Format;
pub use select::platform_of_host;

use crate::error::{During, Error, Kind, Result};
use crate::limits::Limits;
use crate::overlay;
use disk::Disk;
use lockstep_kernel::durable::{self, Lock};
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::namespace::Map;
use lockstep_kernel::{credential, tree};
use std::cell::OnceCell;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Version of the directory's form; a newer one is refused without touching it.
const SCHEMA: u32 = 1;

/// An open store.
#[derive(Debug)]
pub struct Store {
    disk: Disk,
    limits: Limits,
    /// The caller's id map, read when it is asked for; or that of who makes the layers.
    id_map: OnceCell<String>,
}

/// A lock on the store, until it is dropped.
#[derive(Debug)]
struct Guard {
    _file: OwnedFd,
}

const DIRECTORIES: [&str; 8] = [
    "blobs",
    "blobs/sha256",
    "blobs/sha512",
    "layers",
    "images",
    "tags",
    "claims",
    "tmp",
];

impl Store {
    /// Opens the store at `path`, made if missing with mode 0700, and removes what killed processes left in it.
    ///
    /// # Errors
    ///
    /// The directory belongs to another user, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Store> {
        Store::open_with(path, Limits::default())
    }

    /// As [`Store::open`], with other bounds on what is read and unpacked.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_with(path: &Path, limits: Limits) -> Result<Store> {
        Store::open_how(path, limits, OnceCell::new())
    }

    /// As [`Store::open`], for a look from outside at what was made in a user namespace with these maps of users and groups.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_outside(path: &Path, maps: (&[Map], &[Map])) -> Result<Store> {
        let map = OnceCell::from(overlay::as_procfs(maps));
        Store::open_how(path, Limits::default(), map)
    }

    fn open_how(path: &Path, limits: Limits, id_map: OnceCell<String>) -> Result<Store> {
        let store = Store {
            disk: Disk::open(path)?,
            limits,
            id_map,
        };
        store.check_owner()?;
        store.check_schema()?;
        store.repair()?;
        Ok(store)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.disk.path()
    }

    /// Files of images may be setuid or have capabilities, so nobody else may reach them (CVE-2021-41091).
    fn check_owner(&self) -> Result<()> {
        let what = || self.what("");
        let stat = file::fstat(self.disk.root()).during(what)?;
        if stat.st_uid != credential::euid() {
            let (owner, user) = (stat.st_uid, credential::euid());
            let message = format!("{} belongs to user {owner}, not to {user}", what());
            return Err(Error::invalid(message));
        }
        if stat.st_mode & 0o077 != 0 {
            lockstep_kernel::metadata::chmod(self.disk.root(), 0o700).during(what)?;
        }
        Ok(())
    }

    fn check_schema(&self) -> Result<()> {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Header {
            schema: u32,
        }
        match self.disk.read::<Header>("store.json")? {
            Some(header) if header.schema > SCHEMA => {
                let message = format!(
                    "{} has schema {}, this version reads up to {SCHEMA}",
                    self.what("store.json"),
                    header.schema
                );
                Err(Error::new(Kind::Unsupported, message)
                    .hint("use the version of lockstep that made it"))
            }
            Some(_) => Ok(()),
            None => {
                let _changing = self.changing()?;
                for directory in DIRECTORIES.iter().chain(&["locks"]) {
                    self.disk.make_directory(directory)?;
                }
                self.disk.replace("store.json", &Header { schema: SCHEMA })
            }
        }
    }

    /// Whoever holds `lock` alone knows that what is in `tmp` belongs to nobody. When it is not free somebody works
    /// there, and a later call repairs.
    fn repair(&self) -> Result<()> {
        if self.disk.is_empty("tmp")? {
            return Ok(());
        }
        match self.removing()? {
            Some(guard) => self.collect(&guard).map(drop),
            None => Ok(()),
        }
    }

    /// Shared: content is added, and none may be removed.
    fn adding(&self) -> Result<Guard> {
        self.lock("lock", Lock::Shared, true)
            .map(|guard| guard.unwrap_or_else(|| unreachable!("waited for")))
    }

    /// Alone, if nobody adds content just now.
    fn removing(&self) -> Result<Option<Guard>> {
        self.lock("lock", Lock::Exclusive, false)
    }

    /// For a look at several records, tags or claims that have to agree.
    fn names(&self) -> Result<Guard> {
        self.lock("names.lock", Lock::Exclusive, true)
            .map(|guard| guard.unwrap_or_else(|| unreachable!("waited for")))
    }

    /// For a change of them, which goes through `tmp`: so nobody may clear that meanwhile.
    fn changing(&self) -> Result<[Guard; 2]> {
        Ok([self.adding()?, self.names()?])
    }

    fn lock(&self, name: &str, how: Lock, wait: bool) -> Result<Option<Guard>> {
        let what = || self.what(name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
        let file = file::openat(self.disk.root(), name, flags, 0o600).during(what)?;
        let taken = durable::lock(&file, how, wait).during(what)?;
        Ok(taken.then_some(Guard { _file: file }))
    }

    fn what(&self, name: &str) -> String {
        format!("store {}", self.path().join(name).display())
    }

    /// Removes a temporary thing; what cannot be removed now, the next repair tries again.
    fn discard(&self, name: &str) {
        if let Ok(tmp) = self.disk.open_directory("tmp") {
            drop(tree::remove(&tmp, Path::new(name)));
        }
    }

    /// Path of something in the store, for messages and for the binary.
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}
