//! Files by descriptor: open, read, write, make, remove; always relative to a directory descriptor.
//!
//! These take paths that the runtime itself chose (state directory, cgroup files, host sources).
//! Paths that the container chose go through [`crate::root`].

use crate::call::{self, Result, Told};
use rustix::fs::{self, AtFlags, Mode, ResolveFlags};
pub use rustix::fs::{OFlags, Stat, major, minor};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};

/// The current directory, as the base of a relative or absolute path.
pub const CWD: BorrowedFd<'static> = fs::CWD;

/// openat(2) with O_CLOEXEC always added; `mode` is used with O_CREAT only.
pub fn openat(dir: impl AsFd, path: impl AsRef<Path>, flags: OFlags, mode: u32) -> Result<OwnedFd> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    retry(|| {
        fs::openat(
            dir,
            path,
            flags | OFlags::CLOEXEC,
            Mode::from_raw_mode(mode),
        )
    })
    .told(|| {
        let flags = call::flags(&flags, "O_", "O_RDONLY");
        format!("openat({}, {}, {flags})", call::fd(dir), call::path(path))
    })
}

/// Opens a directory for use as a base (O_PATH|O_DIRECTORY).
pub fn open_dir(dir: impl AsFd, path: impl AsRef<Path>) -> Result<OwnedFd> {
    openat(dir, path, OFlags::PATH | OFlags::DIRECTORY, 0)
}

/// Opens an absolute path on which there is no symbolic link, not at its end either, else `ELOOP`; openat2(2) with
/// RESOLVE_NO_SYMLINKS.
pub fn open_without_links(path: impl AsRef<Path>, flags: OFlags) -> Result<OwnedFd> {
    let path = path.as_ref();
    let (flags, resolve) = (flags | OFlags::CLOEXEC, ResolveFlags::NO_SYMLINKS);
    retry(|| fs::openat2(CWD, path, flags, Mode::empty(), resolve)).told(|| {
        let (path, flags) = (call::path(path), call::flags(&flags, "O_", "O_RDONLY"));
        format!("openat2(AT_FDCWD, {path}, {{{flags}, RESOLVE_NO_SYMLINKS}})")
    })
}

/// Reads a whole file of at most `limit` bytes; a longer one is an `EFBIG` error.
pub fn read(dir: impl AsFd, path: impl AsRef<Path>, limit: usize) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let file = openat(dir, path, OFlags::RDONLY, 0)?;
    read_fd(&file, limit)
}

/// Reads a file that the kernel or the disk gives in one piece: config.json, one value of procfs or a cgroup.
/// A short read is its end, which saves the read that would say so.
pub fn read_at_once(dir: impl AsFd, path: impl AsRef<Path>, limit: usize) -> Result<Vec<u8>> {
    const PIECE: usize = 64 << 10;
    let file = openat(dir, path, OFlags::RDONLY, 0)?;
    let mut out = Vec::with_capacity(PIECE.min(limit + 1));
    let n = retry(|| rustix::io::read(&file, rustix::buffer::spare_capacity(&mut out)))
        .told(|| format!("read({})", call::fd(file.as_fd())))?;
    if n < PIECE && n <= limit {
        return Ok(out);
    }
    out.extend(read_fd(&file, limit.saturating_sub(n))?);
    Ok(out)
}

/// mkdir(1) with `-p`: makes a directory and those above it that are missing, each with `mode`. One that is there is left as it is.
pub fn make_with_parents(path: &Path, mode: u32) -> Result<()> {
    let made = match mkdirat(CWD, path, mode) {
        Err(e) if e.is(&[libc::ENOENT]) => {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            let Some(above) = above else { return Err(e) };
            make_with_parents(above, mode)?;
            mkdirat(CWD, path, mode)
        }
        made => made,
    };
    match made {
        Err(e) if e.is(&[libc::EEXIST]) => Ok(()),
        made => made,
    }
}

/// Reads a descriptor to its end; more than `limit` bytes are an `EFBIG` error.
pub fn read_fd(file: impl AsFd, limit: usize) -> Result<Vec<u8>> {
    let file = file.as_fd();
    let mut out = Vec::with_capacity(4096.min(limit + 1));
    loop {
        if out.len() == out.capacity() {
            out.reserve(out.capacity().max(4096));
        }
        let n = retry(|| rustix::io::read(file, rustix::buffer::spare_capacity(&mut out)))
            .told(|| format!("read({})", call::fd(file)))?;
        if n == 0 {
            return Ok(out);
        }
        if out.len() > limit {
            return Err(call::Error {
                call: format!("read({}) past {limit} bytes", call::fd(file)),
                errno: libc::EFBIG,
            });
        }
    }
}

/// Another descriptor of the same open file; fcntl(2) F_DUPFD_CLOEXEC.
pub fn duplicate(file: impl AsFd) -> Result<OwnedFd> {
    let file = file.as_fd();
    rustix::io::fcntl_dupfd_cloexec(file, 3)
        .told(|| format!("fcntl({}, F_DUPFD_CLOEXEC)", call::fd(file)))
}

/// Reads what is there, at most 16 KiB; nothing at the end.
pub fn read_some(file: impl AsFd) -> Result<Vec<u8>> {
    let file = file.as_fd();
    let mut buffer = vec![0u8; 16 << 10];
    let n = retry(|| rustix::io::read(file, &mut buffer[..]))
        .told(|| format!("read({})", call::fd(file)))?;
    buffer.truncate(n);
    Ok(buffer)
}

/// read(2) into a buffer that is used again and again; 0 at the end.
pub fn read_into(file: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    let file = file.as_fd();
    retry(|| rustix::io::read(file, &mut *buffer)).told(|| format!("read({})", call::fd(file)))
}

/// pread(2) from an offset in bytes; 0 at the end.
pub fn read_at(file: impl AsFd, offset: u64, buffer: &mut [u8]) -> Result<usize> {
    let file = file.as_fd();
    retry(|| rustix::io::pread(file, &mut *buffer, offset))
        .told(|| format!("pread64({}, {offset})", call::fd(file)))
}

/// splice(2) from one pipe to another, at most so many bytes: how many, 0 at the end. Nothing is copied.
pub fn splice(from: impl AsFd, to: impl AsFd, most: usize) -> Result<usize> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let flags = rustix::pipe::SpliceFlags::empty();
    retry(|| rustix::pipe::splice(from, None, to, None, most, flags))
        .told(|| format!("splice({}, {})", call::fd(from), call::fd(to)))
}

/// write(2) to a descriptor that does not block: how much was taken, 0 when there is no room now.
pub fn write_some(file: impl AsFd, bytes: &[u8]) -> Result<usize> {
    let file = file.as_fd();
    match retry(|| rustix::io::write(file, bytes)) {
        Err(rustix::io::Errno::AGAIN) => Ok(0),
        other => other.told(|| format!("write({})", call::fd(file))),
    }
}

/// Makes reads and writes of this open file return instead of blocking; ioctl(2) FIONBIO, which changes no other flag
/// and so may be allowed to who must not change others.
pub fn set_nonblocking(file: impl AsFd) -> Result<()> {
    let file = file.as_fd();
    rustix::io::ioctl_fionbio(file, true).told(|| format!("ioctl({}, FIONBIO)", call::fd(file)))
}

/// Writes to an existing file in one write(2), as kernel files (cgroup, procfs, sysctl) need it.
pub fn write(dir: impl AsFd, path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    let file = openat(dir, path, OFlags::WRONLY, 0)?;
    retry(|| rustix::io::write(&file, bytes))
        .map(drop)
        .told(|| {
            format!(
                "write({}, {:?})",
                call::fd(file.as_fd()),
                String::from_utf8_lossy(bytes)
            )
        })
}

/// Writes all of `bytes` to a descriptor.
pub fn write_fd(file: impl AsFd, mut bytes: &[u8]) -> Result<()> {
    let file = file.as_fd();
    while !bytes.is_empty() {
        let n = retry(|| rustix::io::write(file, bytes))
            .told(|| format!("write({})", call::fd(file)))?;
        bytes = &bytes[n..];
    }
    Ok(())
}

/// Replaces a file as a whole: whoever is killed at any point leaves the old or the new content, and a full
/// disk the old one. Not synced: after a crash of the machine there is no process that the file could tell of.
pub fn replace(dir: impl AsFd, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
    Replacement::write(dir, name, bytes, mode)?.commit()
}

/// The new content of a file, written already as `.NAME.tmp`; removed again unless it is committed.
#[derive(Debug)]
pub struct Replacement<D: AsFd> {
    dir: D,
    name: String,
    temporary: String,
    committed: bool,
}

impl<D: AsFd> Replacement<D> {
    /// Writes the content beside the file, so that [`Replacement::commit`] needs no more room.
    pub fn write(dir: D, name: &str, bytes: &[u8], mode: u32) -> Result<Self> {
        let temporary = format!(".{name}.tmp");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let file = openat(&dir, &temporary, flags, mode)?;
        let replacement = Replacement {
            dir,
            name: name.into(),
            temporary,
            committed: false,
        };
        write_fd(&file, bytes)?;
        Ok(replacement)
    }

    /// Puts it in the place of the file; renameat(2).
    pub fn commit(mut self) -> Result<()> {
        let dir = self.dir.as_fd();
        fs::renameat(dir, &*self.temporary, dir, &*self.name).told(|| {
            let (from, to) = (&self.temporary, &self.name);
            format!("renameat({}, {from:?}, {to:?})", call::fd(dir))
        })?;
        self.committed = true;
        Ok(())
    }
}

impl<D: AsFd> Drop for Replacement<D> {
    fn drop(&mut self) {
        if !self.committed {
            // The error that kept it from being committed is the one to report.
            drop(unlink(&self.dir, &*self.temporary));
        }
    }
}

/// ftruncate(2).
pub fn truncate(file: impl AsFd, length: u64) -> Result<()> {
    let file = file.as_fd();
    fs::ftruncate(file, length).told(|| format!("ftruncate({}, {length})", call::fd(file)))
}

/// mkdirat(2).
pub fn mkdirat(dir: impl AsFd, path: impl AsRef<Path>, mode: u32) -> Result<()> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    fs::mkdirat(dir, path, Mode::from_raw_mode(mode)).told(|| {
        format!(
            "mkdirat({}, {}, 0{mode:o})",
            call::fd(dir),
            call::path(path)
        )
    })
}

/// unlinkat(2) of a file.
pub fn unlink(dir: impl AsFd, path: impl AsRef<Path>) -> Result<()> {
    unlinkat(dir.as_fd(), path.as_ref(), AtFlags::empty())
}

/// unlinkat(2) with AT_REMOVEDIR.
pub fn rmdir(dir: impl AsFd, path: impl AsRef<Path>) -> Result<()> {
    unlinkat(dir.as_fd(), path.as_ref(), AtFlags::REMOVEDIR)
}

fn unlinkat(dir: BorrowedFd<'_>, path: &Path, flags: AtFlags) -> Result<()> {
    fs::unlinkat(dir, path, flags).told(|| {
        let flags = call::flags(&flags, "AT_", "0");
        format!("unlinkat({}, {}, {flags})", call::fd(dir), call::path(path))
    })
}

/// The names in a directory, without `.` and `..`.
pub fn list(dir: impl AsFd, path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = path.as_ref();
    let open = openat(dir, path, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
    let reader = fs::Dir::new(open).told(|| format!("getdents64({})", call::path(path)))?;
    let mut names = Vec::new();
    for entry in reader {
        let entry = entry.told(|| format!("getdents64({})", call::path(path)))?;
        let name = entry.file_name().to_string_lossy();
        if name != "." && name != ".." {
            names.push(name.into_owned());
        }
    }
    Ok(names)
}

/// fstatat(2); symbolic links are not followed when `follow` is false.
pub fn stat(dir: impl AsFd, path: impl AsRef<Path>, follow: bool) -> Result<fs::Stat> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    let flags = if follow {
        AtFlags::empty()
    } else {
        AtFlags::SYMLINK_NOFOLLOW
    };
    fs::statat(dir, path, flags)
        .told(|| format!("fstatat({}, {})", call::fd(dir), call::path(path)))
}

/// fstat(2).
pub fn fstat(file: impl AsFd) -> Result<fs::Stat> {
    let file = file.as_fd();
    fs::fstat(file).told(|| format!("fstat({})", call::fd(file)))
}

/// readlinkat(2).
pub fn readlink(dir: impl AsFd, path: impl AsRef<Path>) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let (dir, path) = (dir.as_fd(), path.as_ref());
    let target = fs::readlinkat(dir, path, Vec::new())
        .told(|| format!("readlinkat({}, {})", call::fd(dir), call::path(path)))?;
    Ok(std::ffi::OsString::from_vec(target.into_bytes()).into())
}

/// The absolute path of an existing file, all symbolic links resolved, as the kernel knows it.
pub fn canonicalize(path: impl AsRef<Path>) -> Result<PathBuf> {
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStringExt;
    if path.as_ref() == Path::new(".") {
        let here = rustix::process::getcwd(Vec::new()).told(|| "getcwd()".into())?;
        return Ok(std::ffi::OsString::from_vec(here.into_bytes()).into());
    }
    let found = openat(CWD, path, OFlags::PATH, 0)?;
    readlink(CWD, format!("/proc/self/fd/{}", found.as_raw_fd()))
}

/// Descriptors with numbers from here on are closed at once by [`leave_to_exec`]; at first well below the
/// lowest limit on open files that containers are usually given.
static LEFT_BELOW: AtomicI32 = AtomicI32::new(200);

/// Keeps a descriptor open until execve(2) closes it, unless there are many: a process that is about to
/// execute a program spares itself the call.
pub fn leave_to_exec(file: OwnedFd) {
    use std::os::fd::{AsRawFd, IntoRawFd};
    if file.as_raw_fd() < LEFT_BELOW.load(Ordering::Relaxed) {
        let _still_open = file.into_raw_fd();
    }
}

/// Keeps a descriptor open until execve(2) closes it, in any case.
pub fn leave_open(file: OwnedFd) {
    use std::os::fd::IntoRawFd;
    let _still_open = file.into_raw_fd();
}

/// Makes [`leave_to_exec`] close everything: for a process that is about to lower its limit on open files.
pub fn leave_nothing_to_exec() {
    LEFT_BELOW.store(0, Ordering::Relaxed);
}

/// What mknodat(2) makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// Character device.
    Char,
    /// Block device.
    Block,
    /// Named pipe.
    Fifo,
}

/// mknodat(2); `device` is major and minor.
pub fn mknodat(
    dir: impl AsFd,
    path: impl AsRef<Path>,
    kind: NodeKind,
    mode: u32,
    device: (u32, u32),
) -> Result<()> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    let file_type = match kind {
        NodeKind::Char => fs::FileType::CharacterDevice,
        NodeKind::Block => fs::FileType::BlockDevice,
        NodeKind::Fifo => fs::FileType::Fifo,
    };
    let number = if kind == NodeKind::Fifo {
        0
    } else {
        fs::makedev(device.0, device.1)
    };
    fs::mknodat(dir, path, file_type, Mode::from_raw_mode(mode), number).told(|| {
        format!(
            "mknodat({}, {}, {}|0{mode:o}, makedev({:#x}, {:#x}))",
            call::fd(dir),
            call::path(path),
            match kind {
                NodeKind::Char => "S_IFCHR",
                NodeKind::Block => "S_IFBLK",
                NodeKind::Fifo => "S_IFIFO",
            },
            device.0,
            device.1
        )
    })
}

/// fchownat(2) of owner and group, not following a symbolic link; `EINVAL` for what is no id.
pub fn chown(dir: impl AsFd, path: impl AsRef<Path>, uid: u32, gid: u32) -> Result<()> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    let (at, name) = (call::fd, call::path);
    let told = || format!("fchownat({}, {}, {uid}, {gid})", at(dir), name(path));
    call::is_id(&[uid, gid], told)?;
    let (owner, group) = (fs::Uid::from_raw(uid), fs::Gid::from_raw(gid));
    fs::chownat(
        dir,
        path,
        Some(owner),
        Some(group),
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .told(told)
}

/// fchown(2) of the owner alone; `EINVAL` for what is no id.
pub fn fchown(file: impl AsFd, uid: u32) -> Result<()> {
    let file = file.as_fd();
    let told = || format!("fchown({}, {uid}, -1)", call::fd(file));
    call::is_id(&[uid], told)?;
    fs::fchown(file, Some(fs::Uid::from_raw(uid)), None).told(told)
}

/// fchmodat(2).
pub fn chmod(dir: impl AsFd, path: impl AsRef<Path>, mode: u32) -> Result<()> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    fs::chmodat(dir, path, Mode::from_raw_mode(mode), AtFlags::empty()).told(|| {
        format!(
            "fchmodat({}, {}, 0{mode:o})",
            call::fd(dir),
            call::path(path)
        )
    })
}

/// symlinkat(2).
pub fn symlink(target: impl AsRef<Path>, dir: impl AsFd, path: impl AsRef<Path>) -> Result<()> {
    let (target, dir, path) = (target.as_ref(), dir.as_fd(), path.as_ref());
    fs::symlinkat(target, dir, path).told(|| {
        format!(
            "symlinkat({}, {}, {})",
            call::path(target),
            call::fd(dir),
            call::path(path)
        )
    })
}

/// Whether the effective user may execute a file; faccessat2(2) with AT_EACCESS (Linux 5.8).
pub fn may_execute(dir: impl AsFd, path: impl AsRef<Path>) -> Result<()> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    fs::accessat(dir, path, fs::Access::EXEC_OK, AtFlags::EACCESS).told(|| {
        format!(
            "faccessat2({}, {}, X_OK, AT_EACCESS)",
            call::fd(dir),
            call::path(path)
        )
    })
}

/// Whether the effective user may write to what is at a path, which EROFS too says that nobody may; faccessat2(2) with
/// AT_EACCESS (Linux 5.8).
pub fn may_write(dir: impl AsFd, path: impl AsRef<Path>) -> Result<()> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    fs::accessat(dir, path, fs::Access::WRITE_OK, AtFlags::EACCESS).told(|| {
        let (dir, path) = (call::fd(dir), call::path(path));
        format!("faccessat2({dir}, {path}, W_OK, AT_EACCESS)")
    })
}

/// Copies a whole file from its start; copy by sendfile(2).
pub fn copy(from: impl AsFd, to: impl AsFd) -> Result<()> {
    let (from, to) = (from.as_fd(), to.as_fd());
    loop {
        let sent = retry(|| fs::sendfile(to, from, None, 1 << 20))
            .told(|| format!("sendfile({}, {})", call::fd(to), call::fd(from)))?;
        if sent == 0 {
            return Ok(());
        }
    }
}

/// An unnamed file in memory; memfd_create(2).
pub fn memory(name: &str) -> Result<OwnedFd> {
    fs::memfd_create(name, fs::MemfdFlags::CLOEXEC)
        .told(|| format!("memfd_create({name:?}, MFD_CLOEXEC)"))
}

/// Sets the read and write offset to the start; lseek(2).
pub fn rewind(file: impl AsFd) -> Result<()> {
    let file = file.as_fd();
    fs::seek(file, fs::SeekFrom::Start(0))
        .map(drop)
        .told(|| format!("lseek({}, 0, SEEK_SET)", call::fd(file)))
}

/// Repeats a call that a signal interrupted.
pub(crate) fn retry<T>(mut f: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match f() {
            Err(rustix::io::Errno::INTR) => {}
            other => return other,
        }
    }
}
