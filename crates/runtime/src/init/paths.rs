//! Masked and read-only paths, and the copying of what a tmpfs hides.

use super::Init;
use crate::error::{For, Result};
use lockstep_abi::inode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use lockstep_abi::mount::MOUNT_ATTR_RDONLY;
use lockstep_kernel::mount::{self, Attributes};
use lockstep_kernel::{self as kernel, file};
use lockstep_plan::RootPath;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What masked paths are hidden behind, made once and copied for each.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    null: Option<OwnedFd>,
    empty: Option<OwnedFd>,
}

impl Masks {
    /// The host's /dev/null, opened while the host's root is still there and checked to be that device: one of
    /// the container would be the image's choice (CVE-2025-31133).
    pub(crate) fn open(plan: &lockstep_plan::Plan) -> Result<Masks> {
        let wanted = plan
            .steps
            .iter()
            .any(|s| matches!(s.op, lockstep_plan::Op::MaskPath { .. }));
        if !wanted {
            return Ok(Masks::default());
        }
        let what = || "opening /dev/null".to_string();
        let null = file::openat(
            file::CWD,
            "/dev/null",
            file::OFlags::PATH | file::OFlags::NOFOLLOW,
            0,
        )
        .during(what)?;
        let found = file::fstat(&null).during(what)?;
        if (file::major(found.st_rdev), file::minor(found.st_rdev)) != (1, 3) {
            return Err(crate::Error::new(
                crate::Kind::Kernel,
                "the host's /dev/null is not device 1:3",
            ));
        }
        Ok(Masks {
            null: Some(null),
            empty: None,
        })
    }
}

impl Init<'_> {
    /// Hides a path. ENOENT only: a path that does not exist needs no mask, everything else is an attack or a bug.
    pub(super) fn mask(&mut self, path: &RootPath) -> Result<()> {
        let what = || format!("masking {}", path.as_path().display());
        let found = self
            .root()?
            .open_if_there(path.as_path(), file::OFlags::PATH)
            .during(what)?;
        let Some(point) = found else { return Ok(()) };
        let found = file::fstat(&point).during(what)?;
        if found.st_mode & S_IFMT == S_IFDIR {
            self.cover_directory(&point).during(what)?;
        } else {
            let null = self.masks.null.as_ref().ok_or_else(|| no_null(path))?;
            #[cfg(lockstep_weak)]
            let of_container = lockstep_kernel::weak::is("container-null")
                .then(|| self.root()?.locate(Path::new("/dev/null")).during(what))
                .transpose()?;
            #[cfg(lockstep_weak)]
            let null = of_container.as_ref().unwrap_or(null);
            let cover = mount::open_tree(null, Path::new(""), false, false).during(what)?;
            mount::attach(&cover, &point).during(what)?;
            file::leave_to_exec(cover);
        }
        file::leave_to_exec(point);
        Ok(())
    }

    /// One empty file system covers all directories: made for the first, copied from there for the others.
    fn cover_directory(&mut self, point: &OwnedFd) -> kernel::Result<()> {
        if let Some(empty) = &self.masks.empty {
            let cover = mount::open_tree(empty, Path::new(""), false, false)?;
            mount::attach(&cover, point)?;
            file::leave_to_exec(cover);
            return Ok(());
        }
        let options = self.labelled(["nr_inodes=1".into()]);
        let empty = super::mount::filesystem("tmpfs", "tmpfs", &options, MOUNT_ATTR_RDONLY)?;
        mount::attach(&empty, point)?;
        self.masks.empty = Some(empty);
        Ok(())
    }

    /// Makes a path and everything below it read-only by mounting it onto itself. ENOENT only, as above.
    pub(super) fn make_readonly(&mut self, path: &RootPath) -> Result<()> {
        let what = || format!("making {} read-only", path.as_path().display());
        let found = self
            .root()?
            .open_if_there(path.as_path(), file::OFlags::PATH)
            .during(what)?;
        let Some(point) = found else { return Ok(()) };
        let tree = mount::open_tree(&point, Path::new(""), true, false).during(what)?;
        let readonly = Attributes {
            set: MOUNT_ATTR_RDONLY,
            ..Attributes::default()
        };
        mount::set_attributes(&tree, &readonly, true).during(what)?;
        mount::attach(&tree, &point).during(what)?;
        file::leave_to_exec(tree);
        file::leave_to_exec(point);
        Ok(())
    }
}

fn no_null(path: &RootPath) -> crate::Error {
    crate::Error::new(
        crate::Kind::Invalid,
        format!("nothing to mask {} with", path.as_path().display()),
    )
}

/// Copies what is in a directory into the file system that is about to hide it (`tmpcopyup`).
pub(super) fn copy_up(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> kernel::Result<()> {
    let found = file::fstat(from)?;
    file::chown(to, ".", found.st_uid, found.st_gid)?;
    file::chmod(to, ".", found.st_mode & 0o7777)?;
    for name in file::list(from, ".")? {
        let entry = file::stat(from, &name, false)?;
        match entry.st_mode & S_IFMT {
            S_IFDIR => {
                file::mkdirat(to, &name, 0o700)?;
                let nofollow = file::OFlags::DIRECTORY | file::OFlags::NOFOLLOW;
                let below = file::openat(from, &name, nofollow, 0)?;
                let made = file::openat(to, &name, nofollow, 0)?;
                copy_up(below.as_fd(), made.as_fd())?;
            }
            S_IFLNK => {
                let target = file::readlink(from, &name)?;
                file::symlink(&target, to, &name)?;
                file::chown(to, &name, entry.st_uid, entry.st_gid)?;
            }
            S_IFREG => copy_file(from, to, &name, &entry)?,
            other => {
                let kind = match other {
                    S_IFCHR => file::NodeKind::Char,
                    S_IFBLK => file::NodeKind::Block,
                    _ => file::NodeKind::Fifo,
                };
                let numbers = (file::major(entry.st_rdev), file::minor(entry.st_rdev));
                file::mknodat(to, &name, kind, entry.st_mode & 0o7777, numbers)?;
                file::chown(to, &name, entry.st_uid, entry.st_gid)?;
            }
        }
    }
    Ok(())
}

fn copy_file(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &str,
    entry: &file::Stat,
) -> kernel::Result<()> {
    let source = file::openat(from, name, file::OFlags::RDONLY | file::OFlags::NOFOLLOW, 0)?;
    let flags = file::OFlags::WRONLY | file::OFlags::CREATE | file::OFlags::EXCL;
    let target = file::openat(to, name, flags, 0o600)?;
    file::copy(&source, &target)?;
    file::chown(to, name, entry.st_uid, entry.st_gid)?;
    file::chmod(to, name, entry.st_mode & 0o7777)
}
