//! Whole trees: their directories read name by name, and removal, with a constant number of descriptors however deep
//! somebody nested directories.
//!
//! No symbolic link is followed: a directory is opened by a single name and with O_NOFOLLOW.

use crate::call::{self, Result, Told};
use crate::{durable, file};
use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The names of a directory one after another: somebody may have put millions into it. The directory stays open.
#[derive(Debug)]
pub struct Listing(fs::Dir);

impl Listing {
    /// Begins to read `dir`, which is open for reading.
    pub fn new(dir: OwnedFd) -> Result<Listing> {
        let told = call::fd(dir.as_fd());
        fs::Dir::new(dir)
            .map(Listing)
            .told(|| format!("getdents64({told})"))
    }

    /// The directory itself; dirfd(3).
    pub fn directory(&self) -> Result<BorrowedFd<'_>> {
        self.0.fd().told(|| "dirfd()".into())
    }

    /// The next name that is neither `.` nor `..`; getdents64(2).
    pub fn next_name(&mut self) -> Result<Option<std::ffi::OsString>> {
        while let Some(entry) = self.0.read() {
            let entry = entry.told(|| "getdents64()".into())?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                return Ok(Some(OsStr::from_bytes(name.to_bytes()).to_owned()));
            }
        }
        Ok(None)
    }
}

/// Opens what `name` is in `dir` as a location, a link itself too; `EXDEV` if something is mounted there. openat2(2).
pub fn open_in_mount(dir: impl AsFd, name: &Path) -> Result<OwnedFd> {
    within(dir.as_fd(), name, OFlags::PATH)
}

/// Opens `name` in `dir` if it is on the same mount.
fn within(dir: BorrowedFd<'_>, name: &Path, flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    file::retry(|| fs::openat2(dir, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve)).told(|| {
        let (dir, name) = (call::fd(dir), call::path(name));
        let flags = call::flags(&flags, "O_", "O_RDONLY");
        format!("openat2({dir}, {name}, {{{flags}, RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS|RESOLVE_NO_XDEV}})")
    })
}

/// Removes `name`, one component, with everything below it; that it is not there is fine.
///
/// A directory that is not empty is moved up into `name` and emptied from there, so depth costs neither
/// descriptors nor stack. What is mounted in the tree is not entered: `EXDEV`, when what came before it is gone.
pub fn remove(dir: impl AsFd, name: impl AsRef<Path>) -> Result<()> {
    let (dir, name) = (dir.as_fd(), name.as_ref());
    if !is_directory(dir, name)? {
        return Ok(());
    }
    let top = open(dir, name)?;
    let mut moved = 0u64;
    loop {
        let before = moved;
        let found = empty(&top, &mut moved)?;
        // A directory of the top is emptied into the top, which so gets new ones until the deepest is done.
        if moved > before {
            continue;
        }
        match file::rmdir(dir, name) {
            // A file system may leave out names of a directory that changes while it is read.
            Err(e) if found && e.is(&[libc::ENOTEMPTY]) => {}
            other => return other,
        }
    }
}

/// Removes what is in `top` and directly below; directories that are deeper are moved into it and counted. Whether
/// there was anything.
fn empty(top: &OwnedFd, moved: &mut u64) -> Result<bool> {
    each(top.as_fd(), |name| {
        let below = open(top.as_fd(), name)?;
        each(below.as_fd(), |deeper| {
            // Moving a directory changes its `..`, which needs the right to write to it.
            drop(open(below.as_fd(), deeper)?);
            loop {
                *moved += 1;
                match durable::rename_new(&below, deeper, top, format!(".removed.{moved}")) {
                    // The tree may have had that name before.
                    Err(e) if e.is(&[libc::EEXIST]) => {}
                    other => return other,
                }
            }
        })?;
        file::rmdir(top, name)
    })
}

/// Unlinks what can be unlinked in `dir` and hands every other name, so a directory, to `then`. Whether there
/// was anything.
fn each(dir: BorrowedFd<'_>, mut then: impl FnMut(&Path) -> Result<()>) -> Result<bool> {
    let mut found = false;
    let told = || format!("getdents64({})", call::fd(dir));
    let reader = file::openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
    for entry in fs::Dir::new(reader).told(told)? {
        let entry = entry.told(told)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let name = Path::new(OsStr::from_bytes(name.to_bytes()));
        found = true;
        if is_directory(dir, name)? {
            then(name)?;
        }
    }
    Ok(found)
}

/// Unlinks a name, or finds that it is a directory's. That is no error, and so costs no text of one.
fn is_directory(dir: BorrowedFd<'_>, name: &Path) -> Result<bool> {
    match fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(rustix::io::Errno::ISDIR) => Ok(true),
        Err(e) => Err(e).told(|| format!("unlinkat({}, {name:?}, 0)", call::fd(dir))),
    }
}

/// A directory to be emptied; its owner may have taken all rights away, also from itself.
fn open(dir: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let opened = within(dir, name, flags);
    let weak = match &opened {
        Ok(found) => file::fstat(found)?.st_mode & 0o700 != 0o700,
        Err(e) => e.is(&[libc::EACCES]),
    };
    // EACCES: an ordinary user without capabilities. EPERM: not ours, so the removal will say it.
    if weak
        && let Err(e) = file::chmod(dir, name, 0o700)
        && !e.is(&[libc::EPERM])
    {
        return Err(e);
    }
    opened.or_else(|_refused| within(dir, name, flags))
}
