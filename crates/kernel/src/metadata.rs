//! What a file has beside its content: owner, mode, times, extended attributes; and its other names.
//!
//! By the descriptor of the file where there is one. Symbolic links and device nodes are not opened: for them
//! there is the directory's descriptor and a single name, which is never followed.

use crate::call::{self, Result, Told};
use rustix::fs::{self, AtFlags, Mode, Timespec, Timestamps, XattrFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

/// fchown(2) of owner and group; `EINVAL` for what is no id.
pub fn chown(file: impl AsFd, uid: u32, gid: u32) -> Result<()> {
    let file = file.as_fd();
    let told = || format!("fchown({}, {uid}, {gid})", call::fd(file));
    call::is_id(&[uid, gid], told)?;
    let (owner, group) = (fs::Uid::from_raw(uid), fs::Gid::from_raw(gid));
    fs::fchown(file, Some(owner), Some(group)).told(told)
}

/// The same of anything that is open, also as a location alone, a link itself too; fchownat(2) with AT_EMPTY_PATH.
pub fn chown_opened(file: impl AsFd, uid: u32, gid: u32) -> Result<()> {
    let file = file.as_fd();
    let told = || format!("fchownat({}, \"\", {uid}, {gid})", call::fd(file));
    call::is_id(&[uid, gid], told)?;
    let (owner, group) = (fs::Uid::from_raw(uid), fs::Gid::from_raw(gid));
    fs::chownat(file, c"", Some(owner), Some(group), fs::AtFlags::EMPTY_PATH).told(told)
}

/// fchmod(2); after chown, which takes setuid and setgid away.
pub fn chmod(file: impl AsFd, mode: u32) -> Result<()> {
    let file = file.as_fd();
    fs::fchmod(file, Mode::from_raw_mode(mode))
        .told(|| format!("fchmod({}, 0{mode:o})", call::fd(file)))
}

/// Seconds and nanoseconds since the epoch.
pub type Time = (i64, u32);

/// futimens(2): both times of a file.
pub fn set_times(file: impl AsFd, accessed: Time, modified: Time) -> Result<()> {
    let file = file.as_fd();
    fs::futimens(file, &timestamps(accessed, modified))
        .told(|| format!("utimensat({}, NULL, {})", call::fd(file), told(modified)))
}

/// utimensat(2) with AT_SYMLINK_NOFOLLOW of one name in a directory.
pub fn set_times_at(dir: impl AsFd, name: &Path, accessed: Time, modified: Time) -> Result<()> {
    let dir = dir.as_fd();
    let times = timestamps(accessed, modified);
    fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW).told(|| {
        format!(
            "utimensat({}, {}, {}, AT_SYMLINK_NOFOLLOW)",
            call::fd(dir),
            call::path(name),
            told(modified)
        )
    })
}

fn told((seconds, nanoseconds): Time) -> String {
    format!("{{tv_sec={seconds}, tv_nsec={nanoseconds}}}")
}

fn timestamps(accessed: Time, modified: Time) -> Timestamps {
    let time = |(seconds, nanoseconds): Time| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds.into(),
    };
    Timestamps {
        last_access: time(accessed),
        last_modification: time(modified),
    }
}

/// fsetxattr(2).
pub fn set_xattr(file: impl AsFd, name: &str, value: &[u8]) -> Result<()> {
    let file = file.as_fd();
    fs::fsetxattr(file, name, value, XattrFlags::empty()).told(|| {
        format!(
            "fsetxattr({}, {name:?}, {} bytes)",
            call::fd(file),
            value.len()
        )
    })
}

/// The same of anything that is open, also as a location alone, a link itself too; setxattr(2) through /proc, since the
/// call itself takes no location (setxattrat(2) of Linux 6.13 does).
pub fn set_xattr_opened(file: impl AsFd, name: &str, value: &[u8]) -> Result<()> {
    let file = file.as_fd();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::setxattr(&*path, name, value, XattrFlags::empty()).told(|| {
        format!(
            "setxattr(/proc/self/fd/{}, {name:?}, {} bytes)",
            call::fd(file),
            value.len()
        )
    })
}

/// fgetxattr(2) of an open file; `None` where it has none or the file system knows none.
pub fn xattr(file: impl AsFd, name: &str) -> Result<Option<Vec<u8>>> {
    let file = file.as_fd();
    let mut value = Vec::with_capacity(XATTR_SIZE_MAX);
    match fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value)) {
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => Ok(None),
        other => {
            other.told(|| format!("fgetxattr({}, {name:?})", call::fd(file)))?;
            Ok(Some(value))
        }
    }
}

/// flistxattr(2) of an open file.
pub fn xattrs(file: impl AsFd) -> Result<Vec<String>> {
    let file = file.as_fd();
    let mut names: Vec<u8> = Vec::with_capacity(XATTR_SIZE_MAX);
    match fs::flistxattr(file, rustix::buffer::spare_capacity(&mut names)) {
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other.told(|| format!("flistxattr({})", call::fd(file)))?,
    };
    Ok(split(&names))
}

/// Names that llistxattr(2) gives, each with a NUL behind it.
fn split(names: &[u8]) -> Vec<String> {
    let names = names.split(|byte| *byte == 0);
    names
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

/// The kernel's own limit of a value, and of all names together (xattr(7)).
const XATTR_SIZE_MAX: usize = 64 << 10;

/// lsetxattr(2) of one name in a directory, not followed.
pub fn set_xattr_at(dir: impl AsFd, file: &Path, name: &str, value: &[u8]) -> Result<()> {
    let dir = dir.as_fd();
    let path = below(dir, file);
    fs::lsetxattr(&path, name, value, XattrFlags::empty()).told(|| {
        format!(
            "lsetxattr({}, {name:?}, {} bytes)",
            call::path(&path),
            value.len()
        )
    })
}

/// lgetxattr(2) of one name in a directory, not followed; `None` where it has none or the file system knows none.
pub fn xattr_at(dir: impl AsFd, file: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let dir = dir.as_fd();
    let path = below(dir, file);
    let mut value = Vec::with_capacity(XATTR_SIZE_MAX);
    match fs::lgetxattr(&path, name, rustix::buffer::spare_capacity(&mut value)) {
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => Ok(None),
        other => {
            other.told(|| format!("lgetxattr({}, {name:?})", call::path(&path)))?;
            Ok(Some(value))
        }
    }
}

/// llistxattr(2) of one name in a directory, not followed.
pub fn xattrs_at(dir: impl AsFd, file: &Path) -> Result<Vec<String>> {
    let dir = dir.as_fd();
    let path = below(dir, file);
    let mut names: Vec<u8> = Vec::with_capacity(XATTR_SIZE_MAX);
    match fs::llistxattr(&path, rustix::buffer::spare_capacity(&mut names)) {
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other.told(|| format!("llistxattr({})", call::path(&path)))?,
    };
    Ok(split(&names))
}

/// A name in an open directory as a path for calls that have no `at` form.
fn below(dir: BorrowedFd<'_>, name: &Path) -> std::path::PathBuf {
    Path::new("/proc/self/fd")
        .join(dir.as_raw_fd().to_string())
        .join(name)
}

/// linkat(2) without AT_SYMLINK_FOLLOW: another name for a file, or for a symbolic link itself.
pub fn link(from_dir: impl AsFd, from: &Path, to_dir: impl AsFd, to: &Path) -> Result<()> {
    let (from_dir, to_dir) = (from_dir.as_fd(), to_dir.as_fd());
    fs::linkat(from_dir, from, to_dir, to, AtFlags::empty()).told(|| {
        format!(
            "linkat({}, {}, {}, {}, 0)",
            call::fd(from_dir),
            call::path(from),
            call::fd(to_dir),
            call::path(to)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{self, OFlags};
    use lockstep_abi::id::NO_ID;

    /// The kernel itself would leave that owner as it is and answer 0.
    #[test]
    fn what_is_no_id_owns_nothing() {
        let path = std::env::temp_dir().join(format!("lockstep-no-id-{}", std::process::id()));
        std::fs::write(&path, "").expect("a file");
        let open = file::openat(file::CWD, &path, OFlags::RDONLY, 0).expect("the file");
        let (uid, gid) = (crate::credential::euid(), crate::credential::egid());
        for (uid, gid) in [(NO_ID, gid), (uid, NO_ID)] {
            for refused in [
                chown(&open, uid, gid),
                chown_opened(&open, uid, gid),
                file::chown(file::CWD, &path, uid, gid),
            ] {
                assert!(refused.expect_err("no id").is(&[libc::EINVAL]));
            }
        }
        assert!(file::fchown(&open, NO_ID).is_err());
        assert!(crate::cgroup::chown(file::CWD, &path, NO_ID).is_err());
        assert_eq!(chown(&open, uid, gid), Ok(()));
        std::fs::remove_file(&path).expect("removed");
    }
}
