//! The container's root as a descriptor: every path that an image or a configuration chose is resolved here.
//!
//! Once this descriptor is open, no path below it is used by name again: openat2(2) with RESOLVE_IN_ROOT
//! and RESOLVE_NO_MAGICLINKS walks it, so neither `..`, nor an absolute symbolic link, nor a racing rename
//! leaves the root (CVE-2019-18837, CVE-2021-30465, CVE-2024-45310).

use crate::call::{self, Error, Result, Told};
use crate::file;
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// Directories made and symbolic links followed for one path; the kernel follows 40 (path_resolution(7)).
const MAX_STEPS: u32 = 255;

/// What a mount point has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// Anything else: a bind-mounted file, device, socket or fifo goes on a regular file.
    File,
}

/// The descriptor of a container's root directory.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

impl Root {
    /// Takes a directory descriptor as the root.
    pub fn new(fd: OwnedFd) -> Root {
        Root { fd }
    }

    /// Opens `path` below the root; openat2(2) (Linux 5.6). `mode` is used with O_CREAT only.
    pub fn open(&self, path: &Path, flags: OFlags, mode: u32) -> Result<OwnedFd> {
        self.openat2(path, flags, mode)
            .told(|| self.told(path, flags))
    }

    fn told(&self, path: &Path, flags: OFlags) -> String {
        let flags = call::flags(&flags, "O_", "O_RDONLY");
        format!(
            "openat2({}, {}, {{{flags}, RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS}})",
            call::fd(self.fd.as_fd()),
            call::path(path)
        )
    }

    fn openat2(&self, path: &Path, flags: OFlags, mode: u32) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let (flags, mode) = (flags | OFlags::CLOEXEC, Mode::from_raw_mode(mode));
        #[cfg(lockstep_weak)]
        if let Some(opened) = self.weak_open(path, flags, mode) {
            return opened;
        }
        loop {
            match fs::openat2(&self.fd, path, flags, mode, resolve) {
                // EAGAIN: a concurrent rename or mount made `..` undecidable; openat2(2) says to repeat.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                other => return other,
            }
        }
    }

    /// By path, as if the container had no say in it; or checked first and then opened by path.
    #[cfg(lockstep_weak)]
    fn weak_open(
        &self,
        path: &Path,
        flags: OFlags,
        mode: Mode,
    ) -> Option<rustix::io::Result<OwnedFd>> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() {
            Path::new(".")
        } else {
            relative
        };
        let checked = || {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            fs::openat2(&self.fd, path, flags, Mode::empty(), resolve).is_ok()
        };
        let wanted =
            crate::weak::is("plain-open") || crate::weak::is("check-then-open") && checked();
        wanted.then(|| fs::openat(&self.fd, relative, flags, mode))
    }

    /// As [`Root::open`]; `None` where there is nothing, which costs no error text.
    pub fn open_if_there(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>> {
        match self.openat2(path, flags, 0) {
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            other => other.map(Some).told(|| self.told(path, flags)),
        }
    }

    /// Opens what is at `path` when no symbolic link is on the way, nor at its end without O_NOFOLLOW; openat2(2)
    /// with RESOLVE_NO_SYMLINKS. `None` where there is nothing; `ELOOP` for a link.
    pub fn open_without_links(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let opened = file::retry(|| {
            fs::openat2(
                &self.fd,
                path,
                flags | OFlags::CLOEXEC,
                Mode::empty(),
                resolve,
            )
        });
        match opened {
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            other => other.map(Some).told(|| {
                let flags = call::flags(&flags, "O_", "O_RDONLY");
                format!(
                    "openat2({}, {}, {{{flags}, RESOLVE_IN_ROOT|RESOLVE_NO_SYMLINKS}})",
                    call::fd(self.fd.as_fd()),
                    call::path(path)
                )
            }),
        }
    }

    /// The text of a regular file; `None` where there is none. O_NONBLOCK: a FIFO of that name must not hold
    /// the reader up.
    pub fn read_if_regular(&self, path: &Path, limit: usize) -> Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Some(file) = self.open_if_there(path, flags)? else {
            return Ok(None);
        };
        if fs::FileType::from_raw_mode(file::fstat(&file)?.st_mode) != fs::FileType::RegularFile {
            return Ok(None);
        }
        file::read_fd(&file, limit).map(Some)
    }

    /// Opens `path` as a location (O_PATH), following a final symbolic link inside the root.
    pub fn locate(&self, path: &Path) -> Result<OwnedFd> {
        self.open(path, OFlags::PATH, 0)
    }

    /// Opens `path` as a location without following a final symbolic link.
    pub fn locate_nofollow(&self, path: &Path) -> Result<OwnedFd> {
        self.open(path, OFlags::PATH | OFlags::NOFOLLOW, 0)
    }

    /// The mount point for `path`; missing directories (0755) and the missing file (0644) are made.
    /// With `nofollow` a symbolic link at the end is the mount point itself.
    pub fn mount_point(&self, path: &Path, kind: Kind, nofollow: bool) -> Result<OwnedFd> {
        let flags = if nofollow {
            OFlags::PATH | OFlags::NOFOLLOW
        } else {
            OFlags::PATH
        };
        if let Some(found) = self.open_if_there(path, flags)? {
            return Ok(found);
        }
        match kind {
            Kind::Directory => self.make_directories(path, 0o755),
            Kind::File => {
                let (parent, name) = split(path);
                let parent = self.make_directories(parent, 0o755)?;
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY;
                match file::openat(&parent, name, flags, 0o644) {
                    Ok(_) => {}
                    // EEXIST: a dangling symbolic link; its target is made instead, inside the root.
                    Err(e) if e.is(&[libc::EEXIST]) => {
                        let target = follow(split(path).0, &file::readlink(&parent, name)?);
                        self.open(&target, OFlags::CREATE | OFlags::WRONLY, 0o644)?;
                    }
                    Err(e) => return Err(e),
                }
                self.open(path, flags_path(nofollow), 0)
            }
        }
    }

    /// The directory `path`, made with its missing parents; component by component under descriptors.
    pub fn make_directories(&self, path: &Path, mode: u32) -> Result<OwnedFd> {
        self.make_below(path, mode, MAX_STEPS)
    }

    fn make_below(&self, path: &Path, mode: u32, steps: u32) -> Result<OwnedFd> {
        if let Some(found) = self.open_if_there(path, OFlags::PATH | OFlags::DIRECTORY)? {
            return Ok(found);
        }
        if steps == 0 {
            return Err(Error {
                call: format!("mkdirat({})", call::path(path)),
                errno: libc::ELOOP,
            });
        }
        let (above, name) = split(path);
        let parent = self.make_below(above, mode, steps - 1)?;
        match file::mkdirat(&parent, name, mode) {
            Ok(()) => {}
            Err(e) if e.is(&[libc::EEXIST]) => match file::readlink(&parent, name) {
                Ok(target) => return self.make_below(&follow(above, &target), mode, steps - 1),
                // EINVAL: no link, so a concurrent creator won; the open below judges what it made.
                Err(e) if e.is(&[libc::EINVAL]) => {}
                Err(e) => return Err(e),
            },
            Err(e) => return Err(e),
        }
        self.open(path, OFlags::PATH | OFlags::DIRECTORY, 0)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn flags_path(nofollow: bool) -> OFlags {
    if nofollow {
        OFlags::PATH | OFlags::NOFOLLOW
    } else {
        OFlags::PATH
    }
}

/// Parent and last component; the root itself and paths ending in `..` have `.` as their last.
pub fn split(path: &Path) -> (&Path, &Path) {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = if parent.as_os_str().is_empty() {
                Path::new("/")
            } else {
                parent
            };
            (parent, Path::new(name))
        }
        _ => (path, Path::new(".")),
    }
}

/// Where a link found in `directory` leads, as a path from the root.
fn follow(directory: &Path, target: &Path) -> PathBuf {
    if target.is_absolute() {
        target.into()
    } else {
        directory.join(target)
    }
}

/// Whether a path is `/` by its text alone.
pub fn is_root(path: &Path) -> bool {
    path.components().all(|c| {
        matches!(
            c,
            Component::RootDir | Component::CurDir | Component::ParentDir
        )
    })
}
