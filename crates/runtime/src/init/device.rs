//! Device files and links below the container's root.

use super::Init;
use crate::error::{Error, For, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT};
use lockstep_kernel::root::{Kind as PointKind, is_root, split};
use lockstep_kernel::{file, mount};
use lockstep_plan::step::{Device, DeviceKind};
use lockstep_plan::{HostPath, RootPath};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

impl Init<'_> {
    /// The directory of a path, and the path's name in it. The last one is kept, because devices and mounts
    /// below /dev come in rows; [`Init::mounted_at`] forgets it when it gets covered.
    pub(super) fn directory_of<'p>(
        &mut self,
        path: &'p Path,
    ) -> Result<(BorrowedFd<'_>, &'p Path)> {
        let (parent, name) = split(path);
        if is_root(parent) {
            return Ok((self.root()?.as_fd(), name));
        }
        let known = self
            .device_directory
            .as_ref()
            .is_some_and(|(known, _)| known == parent);
        if !known {
            let opened = self
                .root()?
                .make_directories(parent, 0o755)
                .during(|| format!("directory {} of the container", parent.display()))?;
            if let Some((_, old)) = self.device_directory.replace((parent.into(), opened)) {
                file::leave_to_exec(old);
            }
        }
        match &self.device_directory {
            Some((_, directory)) => Ok((directory.as_fd(), name)),
            None => Err(Error::new(Kind::Invalid, "no directory is open")),
        }
    }

    /// Something was mounted at `path`, or a link made that may lead there: what was below is covered.
    pub(super) fn mounted_at(&mut self, path: &Path) {
        let covered = |known: &Path| known.starts_with(path) || known.as_os_str().is_empty();
        if self
            .device_directory
            .as_ref()
            .is_some_and(|(known, _)| covered(known))
        {
            self.device_directory = None;
        }
    }

    pub(super) fn make_device(&mut self, device: &Device) -> Result<()> {
        let path = device.path.as_path();
        let what = || format!("device {}", path.display());
        let (directory, name) = self.directory_of(path)?;
        let kind = match device.kind {
            DeviceKind::Char => file::NodeKind::Char,
            DeviceKind::Block => file::NodeKind::Block,
            DeviceKind::Fifo => file::NodeKind::Fifo,
        };
        match file::mknodat(
            directory,
            name,
            kind,
            device.mode,
            (device.major, device.minor),
        ) {
            Ok(()) => {}
            Err(e) if e.is(&[Errno::EEXIST.0]) => return existing(directory, name, device),
            Err(e) => return Err(Error::call(what(), &e)),
        }
        if device.uid != 0 || device.gid != 0 {
            file::chown(directory, name, device.uid, device.gid).during(what)?;
        }
        Ok(())
    }

    /// A device of the host where this process may not make one, and where one that it made would not open.
    pub(super) fn bind_device(&mut self, device: &Device, source: &HostPath) -> Result<()> {
        let path = device.path.as_path();
        let what = || format!("device {}", path.display());
        let tree = mount::open_tree(file::CWD, source.as_path(), false, false).during(what)?;
        verify(&tree, device)?;
        let (directory, name) = self.directory_of(path)?;
        let point = match file::openat(
            directory,
            name,
            file::OFlags::CREATE | file::OFlags::EXCL,
            0o644,
        ) {
            Ok(made) => made,
            Err(e) if e.is(&[Errno::EEXIST.0]) => self
                .root()?
                .mount_point(path, PointKind::File, false)
                .during(what)?,
            Err(e) => return Err(Error::call(what(), &e)),
        };
        mount::attach(&tree, &point).during(what)
    }

    pub(super) fn symlink(&mut self, target: &str, link: &RootPath) -> Result<()> {
        let (directory, name) = self.directory_of(link.as_path())?;
        match file::symlink(target, directory, name) {
            // EEXIST: the image or a mount brings its own, which was always let be.
            Err(e) if e.is(&[Errno::EEXIST.0, Errno::EROFS.0]) => Ok(()),
            other => other.during(|| format!("link {}", link.as_path().display())),
        }
    }
}

/// A file that is there already has to be the device that was asked for (config-linux.md, "Devices").
fn existing(directory: BorrowedFd<'_>, name: &Path, device: &Device) -> Result<()> {
    let path = device.path.as_path();
    let found =
        file::stat(directory, name, false).during(|| format!("device {}", path.display()))?;
    if matches(&found, device) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Invalid,
        format!(
            "{} exists and is not the device that was asked for",
            path.display()
        ),
    ))
}

/// A bound device has to be what its number says: a path of the host may have been replaced (CVE-2025-31133).
fn verify(tree: &OwnedFd, device: &Device) -> Result<()> {
    let path = device.path.as_path();
    let found = file::fstat(tree).during(|| format!("device {}", path.display()))?;
    if matches(&found, device) {
        return Ok(());
    }
    let message = format!(
        "the host's {} is not device {}:{}",
        path.display(),
        device.major,
        device.minor
    );
    Err(Error::new(Kind::Invalid, message))
}

fn matches(found: &file::Stat, device: &Device) -> bool {
    let kind = match device.kind {
        DeviceKind::Char => S_IFCHR,
        DeviceKind::Block => S_IFBLK,
        DeviceKind::Fifo => S_IFIFO,
    };
    let numbers = (file::major(found.st_rdev), file::minor(found.st_rdev));
    found.st_mode & S_IFMT == kind && (kind == S_IFIFO || numbers == (device.major, device.minor))
}
