//! A root file system of an image's layers: overlay, made by descriptors and attached where the container is.
//!
//! For root the layers are id-mapped one by one (a merged overlay cannot be), so that one copy on the disk serves
//! every id map; whether the file system allows that is found out by trying. Overlay is told not to follow its own
//! marks for renamed directories and data kept elsewhere: an image could only have forged them.

use crate::error::{During, Error, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_abi::mount::{
    MOUNT_ATTR_IDMAP, MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY, MS_NODEV, MS_RDONLY,
};
use lockstep_kernel::credential;
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::metadata;
use lockstep_kernel::mount::{self, Attributes, Context};
use lockstep_kernel::namespace::Map;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Where the container's changes go.
#[derive(Debug, Clone, Copy)]
pub struct Upper<'a> {
    /// The directory of changed files.
    pub upper: BorrowedFd<'a>,
    /// Overlay's own directory, on the same file system.
    pub work: BorrowedFd<'a>,
}

/// The description of a root file system.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a, L> {
    /// Directories of the layers, uppermost first; opened in the mount namespace in which this is mounted (before
    /// Linux 6.15 overlay takes no others).
    pub layers: &'a [L],
    /// Where changes go; without it the mount is read-only.
    pub upper: Option<Upper<'a>>,
    /// A user namespace whose ids the layers' files get (MOUNT_ATTR_IDMAP).
    pub idmap: Option<BorrowedFd<'a>>,
    /// Leave out every sync of the changes, for a container that is removed with them (Linux 5.10). After a crash of
    /// the machine the upper directory cannot be used again.
    pub volatile: bool,
    /// SELinux label of every file of the mount, whatever the layers' own are. Not of a single layer that is read-only,
    /// which is a view of the layer itself.
    pub label: Option<&'a str>,
}

/// How overlay is told about its layers, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// As descriptors (Linux 6.13).
    Descriptors,
    /// One path after the other (Linux 6.8): the paths of the descriptors.
    Paths,
    /// All paths in one option of mount(2), which has a page of room: about 200 layers.
    Page,
}

/// What a kernel answers that does not know a way: before Linux 6.13 fsconfig(2) takes no descriptor that only stands
/// for a place (EBADF), and before 6.5 overlay no descriptor at all (EOPNOTSUPP).
const UNKNOWN_WAY: [Errno; 3] = [Errno::EINVAL, Errno::EBADF, Errno::EOPNOTSUPP];

/// Longest options of mount(2): a page with the final NUL.
const PAGE: usize = 4095;

impl<L: AsFd> Overlay<'_, L> {
    /// Mounts it on `point`, a directory of our own that nothing else uses, in this mount namespace. Device nodes of
    /// the image do not work. Gives the root of the mount, for [`unmount`].
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] if the layers' file system cannot be id-mapped: [`crate::Owners::Shifted`] makes a copy
    /// that needs no map. [`Kind::Kernel`] for every other refusal.
    pub fn mount(&self, point: &Path) -> Result<OwnedFd> {
        let mut refused = None;
        for route in [Route::Descriptors, Route::Paths, Route::Page] {
            match self.mount_by(route, point) {
                // The kernel may not know the way, or refuse this overlay by every way: then the first answer tells.
                Err(e) if UNKNOWN_WAY.iter().any(|errno| e.is_errno(errno.0)) => {
                    refused.get_or_insert(e);
                }
                other => return other,
            }
        }
        Err(refused.unwrap_or_else(|| Error::invalid("no way to mount")))
    }

    /// As [`Overlay::mount`], by one way alone.
    ///
    /// # Errors
    ///
    /// As [`Overlay::mount`]; `EINVAL`, `EBADF` or `EOPNOTSUPP` if the kernel does not know the way.
    pub fn mount_by(&self, route: Route, point: &Path) -> Result<OwnedFd> {
        let mapped = self.mapped()?;
        let layers: Vec<BorrowedFd<'_>> = match &mapped {
            Some(mapped) => mapped.iter().map(AsFd::as_fd).collect(),
            None => self.layers.iter().map(AsFd::as_fd).collect(),
        };
        let made = if let (None, [single]) = (self.upper, layers.as_slice()) {
            single_layer(*single)?
        } else {
            let staged = match route {
                Route::Paths | Route::Page if mapped.is_some() => {
                    Some(Staged::new(&layers, point)?)
                }
                _ => None,
            };
            let made = match route {
                Route::Page => self.by_page(&layers, point),
                Route::Descriptors | Route::Paths => self.by_context(route, &layers),
            };
            if let Some(staged) = staged {
                staged.end()?;
            }
            made?
        };
        mount::attach(&made, open(point)?).during(|| on(point))?;
        Ok(made)
    }

    /// Copies of the layers' mounts with the id map, if there is one.
    fn mapped(&self) -> Result<Option<Vec<OwnedFd>>> {
        let Some(map) = self.idmap else {
            return Ok(None);
        };
        let attributes = Attributes {
            set: MOUNT_ATTR_IDMAP,
            userns_fd: u64::try_from(map.as_raw_fd()).unwrap_or(0),
            ..Attributes::default()
        };
        let copy = |layer: &L| {
            let copy = clone(layer.as_fd())?;
            match mount::set_attributes(&copy, &attributes, false) {
                Err(e) if e.is(&[Errno::EINVAL.0, Errno::EPERM.0]) => {
                    let message = format!("id-mapping a layer: {e}");
                    Err(Error::new(Kind::Unsupported, message).hint(
                        "the store's file system or this user cannot id-map: owners have to be shifted in a copy",
                    ))
                }
                other => other
                    .map(|()| copy)
                    .during(|| "id-mapping a layer".to_owned()),
            }
        };
        self.layers
            .iter()
            .map(copy)
            .collect::<Result<_>>()
            .map(Some)
    }

    fn options(&self) -> Result<Vec<&'static str>> {
        let mut options = OPTIONS.to_vec();
        options.extend(needs_user_xattrs()?.then_some("userxattr"));
        options.extend(self.volatile.then_some("volatile"));
        Ok(options)
    }

    fn by_context(&self, route: Route, layers: &[BorrowedFd<'_>]) -> Result<OwnedFd> {
        let what = || "overlay".to_owned();
        let context = Context::open("overlay").during(what)?;
        let give = |key: &str, directory: BorrowedFd<'_>| match route {
            Route::Descriptors => context.set_fd(key, directory),
            Route::Paths | Route::Page => context.set(&format!("{key}={}", path(directory))),
        };
        context.source("overlay").during(what)?;
        for layer in layers {
            give("lowerdir+", *layer).during(what)?;
        }
        if let Some(Upper { upper, work }) = self.upper {
            give("upperdir", upper).during(what)?;
            give("workdir", work).during(what)?;
        }
        for option in self.options()? {
            context.set(option).during(what)?;
        }
        if let Some(label) = self.label {
            context.set(&format!("context={label}")).during(what)?;
        }
        let read_only = if self.upper.is_none() {
            MOUNT_ATTR_RDONLY
        } else {
            0
        };
        context.mount(MOUNT_ATTR_NODEV | read_only).during(what)
    }

    fn by_page(&self, layers: &[BorrowedFd<'_>], point: &Path) -> Result<OwnedFd> {
        let lower: Vec<String> = layers.iter().map(|layer| path(*layer)).collect();
        let mut data = format!("lowerdir={}", lower.join(":"));
        if let Some(Upper { upper, work }) = self.upper {
            data += &format!(",upperdir={},workdir={}", path(upper), path(work));
        }
        for option in self.options()? {
            data.push(',');
            data.push_str(option);
        }
        if let Some(label) = self.label {
            // In quotes: a label has commas.
            data += &format!(",context=\"{label}\"");
        }
        if data.len() > PAGE {
            let message = format!(
                "overlay of {} layers: more than mount(2) takes",
                layers.len()
            );
            return Err(Error::new(Kind::Unsupported, message).hint("Linux 6.8 takes more"));
        }
        let read_only = if self.upper.is_none() { MS_RDONLY } else { 0 };
        mount::mount("overlay", open(point)?, MS_NODEV | read_only, &data).during(|| on(point))?;
        // Off again, and kept without a place: what is below it has still to be cleared away.
        let mounted = open(point)?;
        let copy = clone(mounted.as_fd())?;
        mount::detach(&mounted).during(|| on(point))?;
        Ok(copy)
    }
}

/// An image cannot be trusted with what only overlay itself should have written. Named, since the kernel's own
/// defaults are a matter of its configuration.
const OPTIONS: [&str; 2] = ["redirect_dir=nofollow", "metacopy=off"];

/// Id-mapped layers, attached one over the other: before Linux 6.15 overlay takes no mount that is attached nowhere.
struct Staged<'a> {
    point: &'a Path,
    count: usize,
}

impl<'a> Staged<'a> {
    fn new(layers: &[BorrowedFd<'_>], point: &'a Path) -> Result<Staged<'a>> {
        let mut staged = Staged { point, count: 0 };
        for layer in layers {
            mount::attach(layer, open(point)?).during(|| on(point))?;
            staged.count += 1;
        }
        Ok(staged)
    }

    fn end(mut self) -> Result<()> {
        while self.count > 0 {
            mount::detach(open(self.point)?).during(|| on(self.point))?;
            self.count -= 1;
        }
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        for _ in 0..self.count {
            // Only after an error, which is the one to show.
            drop(open(self.point).map(mount::detach));
        }
    }
}

/// The id maps of this user namespace, users and groups, as procfs writes them.
pub(crate) fn id_map() -> Result<String> {
    let read = |name: &str| {
        let text = file::read_at_once(file::CWD, name, 1 << 20);
        text.during(|| "the id map of this user namespace".to_owned())
    };
    let mut map = read("/proc/self/uid_map")?;
    map.extend(read("/proc/self/gid_map")?);
    Ok(String::from_utf8_lossy(&map).into_owned())
}

/// Maps as [`id_map`] gives them of a process inside (user_namespaces(7): three numbers of ten places each).
pub(crate) fn as_procfs((users, groups): (&[Map], &[Map])) -> String {
    let line = |map: &Map| format!("{:10} {:10} {:10}\n", map.inside, map.outside, map.size);
    users.iter().chain(groups).map(line).collect()
}

/// Whether these are the maps of the first user namespace.
pub(crate) fn is_map_of_host(map: &str) -> bool {
    let all = ["0", "0", "4294967295"];
    map.split_whitespace().eq(all.into_iter().chain(all))
}

/// Whether overlay's marks have to be in `user.overlay.*` (Linux 5.11): only root of the first user namespace may
/// write `trusted.*`.
pub(crate) fn needs_user_xattrs() -> Result<bool> {
    Ok(credential::euid() != 0 || !is_map_of_host(&id_map()?))
}

/// A read-only view of one directory: overlay wants two.
fn single_layer(layer: BorrowedFd<'_>) -> Result<OwnedFd> {
    let copy = clone(layer)?;
    let attributes = Attributes {
        set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
        ..Attributes::default()
    };
    mount::set_attributes(&copy, &attributes, false).during(|| "one layer".to_owned())?;
    Ok(copy)
}

fn clone(directory: BorrowedFd<'_>) -> Result<OwnedFd> {
    mount::open_tree(directory, Path::new(""), false, false).during(|| "a layer's mount".to_owned())
}

/// What is visible at a path now, on top of whatever is mounted there.
fn open(point: &Path) -> Result<OwnedFd> {
    file::open_dir(file::CWD, point).during(|| on(point))
}

fn on(point: &Path) -> String {
    format!("root file system on {}", point.display())
}

fn path(directory: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", directory.as_raw_fd())
}

/// Takes a root file system away. What still uses it keeps it until it ends.
///
/// # Errors
///
/// [`Kind::Kernel`].
pub fn unmount(root: &OwnedFd) -> Result<()> {
    mount::detach(root).during(|| "taking the root file system away".to_owned())
}

/// Directories for a container's changes, made in its own directory.
#[derive(Debug)]
pub struct Changes {
    /// The directory of changed files.
    pub upper: OwnedFd,
    /// Overlay's own.
    pub work: OwnedFd,
}

impl Changes {
    /// As [`Overlay::upper`] wants it.
    #[must_use]
    pub fn as_upper(&self) -> Upper<'_> {
        Upper {
            upper: self.upper.as_fd(),
            work: self.work.as_fd(),
        }
    }
}

/// Makes or opens `upper` and `work` in a container's directory. The root of the container is the upper directory,
/// so it gets owner and mode of the uppermost layer's, mapped by `maps` (users and groups) where layers are id-mapped.
///
/// # Errors
///
/// [`Kind::Kernel`].
pub fn prepare_upper<L: AsFd>(
    directory: BorrowedFd<'_>,
    layers: &[L],
    maps: Option<(&[Map], &[Map])>,
) -> Result<Changes> {
    let what = || "directories for the container's changes".to_owned();
    let make = |name: &str| -> Result<(OwnedFd, bool)> {
        let new = match file::mkdirat(directory, name, 0o700) {
            Err(e) if e.is(&[Errno::EEXIST.0]) => false,
            other => other.map(|()| true).during(what)?,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        Ok((file::openat(directory, name, flags, 0).during(what)?, new))
    };
    let (upper, new) = make("upper")?;
    let (work, _) = make("work")?;
    if let (true, Some(top)) = (new, layers.first()) {
        let stat = file::fstat(top).during(what)?;
        let (users, groups) = maps.unwrap_or_default();
        let (uid, gid) = (
            mapped_id(stat.st_uid, users),
            mapped_id(stat.st_gid, groups),
        );
        metadata::chown(&upper, uid, gid).during(what)?;
        metadata::chmod(&upper, stat.st_mode & 0o7777).during(what)?;
    }
    Ok(Changes { upper, work })
}

/// Whether [`prepare_upper`] gives the caller's own files the owner that the uppermost layer has.
///
/// # Errors
///
/// [`Kind::Kernel`].
pub fn is_own<L: AsFd>(layers: &[L]) -> Result<bool> {
    let Some(top) = layers.first() else {
        return Ok(true);
    };
    let stat = file::fstat(top).during(|| "one layer".to_owned())?;
    Ok((stat.st_uid, stat.st_gid) == (credential::euid(), credential::egid()))
}

/// An id through a map; without a map, or outside of it, as it is.
fn mapped_id(id: u32, maps: &[Map]) -> u32 {
    let of = |map: &Map| {
        let offset = id
            .checked_sub(map.inside)
            .filter(|offset| *offset < map.size)?;
        map.outside.checked_add(offset)
    };
    maps.iter().find_map(of).unwrap_or(id)
}
