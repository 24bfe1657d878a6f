//! The mount API of Linux 5.2 and later: file system contexts, detached mounts, attributes, all by descriptor.
//!
//! A mount is made detached, configured while nobody can see it, and attached to a mount point that was
//! resolved once. mount_setattr(2) has no wrapper in rustix, so it is called here directly.

use crate::call::{self, Error, Result, Told, check};
use crate::file::{self, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A file system being configured; fsopen(2).
#[derive(Debug)]
pub struct Context {
    fd: OwnedFd,
    kind: String,
}

impl Context {
    /// fsopen(2).
    pub fn open(kind: &str) -> Result<Context> {
        let fd = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
            .told(|| format!("fsopen({kind:?}, FSOPEN_CLOEXEC)"))?;
        Ok(Context {
            fd,
            kind: kind.into(),
        })
    }

    /// One option as mount(8) writes it: `key=value` is a string, `key` a flag.
    pub fn set(&self, option: &str) -> Result<()> {
        let done = match option.split_once('=') {
            Some((key, value)) => rustix::mount::fsconfig_set_string(&self.fd, key, value),
            None => rustix::mount::fsconfig_set_flag(&self.fd, option),
        };
        done.told(|| self.told("FSCONFIG_SET", option))
    }

    /// An option whose value is an open file; fsconfig(2) FSCONFIG_SET_FD. Overlay takes layers so since Linux 6.13.
    pub fn set_fd(&self, key: &str, value: impl AsFd) -> Result<()> {
        let value = value.as_fd();
        rustix::mount::fsconfig_set_fd(&self.fd, key, value)
            .told(|| self.told("FSCONFIG_SET_FD", &format!("{key}={}", call::fd(value))))
    }

    /// The source, which file systems without a device show in mountinfo.
    pub fn source(&self, source: &str) -> Result<()> {
        rustix::mount::fsconfig_set_string(&self.fd, "source", source)
            .told(|| self.told("FSCONFIG_SET_STRING", &format!("source={source}")))
    }

    /// Makes or finds the superblock and a detached mount of it with these MOUNT_ATTR_* bits.
    pub fn mount(self, attributes: u64) -> Result<OwnedFd> {
        rustix::mount::fsconfig_create(&self.fd).told(|| self.told("FSCONFIG_CMD_CREATE", ""))?;
        let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
        let made = rustix::mount::fsmount(&self.fd, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
            .told(|| {
                let attributes = call::flags(&attributes, "MOUNT_ATTR_", "0");
                format!("fsmount({}, FSMOUNT_CLOEXEC, {attributes})", self.kind)
            })?;
        crate::file::leave_to_exec(self.fd);
        Ok(made)
    }

    /// The call's text, with what the file system wrote into the context's log.
    fn told(&self, command: &str, option: &str) -> String {
        let mut text = format!("fsconfig({}, {command}, {option:?})", self.kind);
        let mut line = [0u8; 512];
        while let Ok(n) = rustix::io::read(&self.fd, &mut line) {
            if n == 0 {
                break;
            }
            text.push_str(&format!(
                " [{}]",
                String::from_utf8_lossy(&line[..n]).trim_end()
            ));
        }
        text
    }
}

/// A detached copy of the mount at `path`, with everything mounted below it when `recursive`.
pub fn open_tree(dir: impl AsFd, path: &Path, recursive: bool, nofollow: bool) -> Result<OwnedFd> {
    let dir = dir.as_fd();
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    if nofollow {
        flags |= OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    }
    rustix::mount::open_tree(dir, path, flags).told(|| {
        let flags = call::flags(&flags, "", "0");
        format!(
            "open_tree({}, {}, {flags})",
            call::fd(dir),
            call::path(path)
        )
    })
}

/// As [`open_tree`] of an absolute path without a symbolic link on the way or at its end, else `ELOOP`; openat2(2) with
/// RESOLVE_NO_SYMLINKS.
pub fn open_tree_without_links(path: &Path, recursive: bool) -> Result<OwnedFd> {
    // Asked for as a directory first: O_PATH alone leaves an automount point at the end as it is (open(2)), and
    // what would be mounted there is meant.
    let found = match file::open_without_links(path, OFlags::PATH | OFlags::DIRECTORY) {
        Err(e) if e.errno == libc::ENOTDIR => file::open_without_links(path, OFlags::PATH)?,
        other => other?,
    };
    open_tree(&found, Path::new(""), recursive, false)
}

/// Attaches a detached mount to a resolved mount point; move_mount(2).
pub fn attach(mount: impl AsFd, point: impl AsFd) -> Result<()> {
    let (mount, point) = (mount.as_fd(), point.as_fd());
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, c"", point, c"", flags).told(|| {
        let flags = call::flags(&flags, "", "0");
        let (mount, point) = (call::fd(mount), call::fd(point));
        format!("move_mount({mount}, \"\", {point}, \"\", {flags})")
    })
}

/// Attaches a detached mount to `name`, one component, in a directory. A symbolic link of that name is not
/// followed but refused, so the mount is in this directory or nowhere.
pub fn attach_at(mount: impl AsFd, dir: impl AsFd, name: &Path) -> Result<()> {
    let (mount, dir) = (mount.as_fd(), dir.as_fd());
    try_attach_at(mount, dir, name).map_err(|errno| {
        let (mount, dir) = (call::fd(mount), call::fd(dir));
        let call = format!(
            "move_mount({mount}, \"\", {dir}, {}, MOVE_MOUNT_F_EMPTY_PATH)",
            call::path(name)
        );
        Error { call, errno }
    })
}

/// As [`attach_at`], for callers that have another way: the bare errno instead of an error's text.
pub fn try_attach_at(
    mount: impl AsFd,
    dir: impl AsFd,
    name: &Path,
) -> std::result::Result<(), i32> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(mount.as_fd(), c"", dir.as_fd(), name, flags)
        .map_err(rustix::io::Errno::raw_os_error)
}

/// Argument of mount_setattr(2), `struct mount_attr`: MOUNT_ATTR_* bits, MS_* propagation, user namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Attributes {
    /// Bits to set.
    pub set: u64,
    /// Bits to clear.
    pub clear: u64,
    /// MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE or 0 for no change.
    pub propagation: u64,
    /// User namespace descriptor for MOUNT_ATTR_IDMAP, else 0.
    pub userns_fd: u64,
}

/// mount_setattr(2) on the mount that `mount` is in (Linux 5.12).
pub fn set_attributes(mount: impl AsFd, attributes: &Attributes, recursive: bool) -> Result<()> {
    let mount = mount.as_fd();
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, and the kernel reads exactly the size that is given of
    // `attributes`, which has the layout of struct mount_attr and outlives the call.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<Attributes>(),
        )
    };
    check(ret, || {
        let Attributes {
            set,
            clear,
            propagation,
            ..
        } = *attributes;
        let recursive = if recursive { "|AT_RECURSIVE" } else { "" };
        format!(
            "mount_setattr({}, \"\", AT_EMPTY_PATH{recursive}, {{attr_set={set:#x}, attr_clr={clear:#x}, propagation={propagation:#x}}})",
            call::fd(mount)
        )
    })?;
    Ok(())
}

/// Changes the propagation of the mount at `/` of this mount namespace; MS_* with MS_REC; mount(2).
pub fn change_propagation(path: &Path, flags: u64) -> Result<()> {
    let flags = rustix::mount::MountPropagationFlags::from_bits_retain(flags as u32);
    rustix::mount::mount_change(path, flags).told(|| {
        let flags = call::flags(&flags, "MS_", "0");
        format!("mount(NULL, {}, {flags})", call::path(path))
    })
}

/// Reconfigures a superblock and its mount: MS_REMOUNT with mount(2), for the `remount` option alone.
pub fn remount(point: BorrowedFd<'_>, flags: u64, data: &str) -> Result<()> {
    let path = format!("/proc/self/fd/{}", point.as_raw_fd());
    let c = |s: &str| {
        CString::new(s).map_err(|_nul| Error {
            call: format!("mount({s:?})"),
            errno: libc::EINVAL,
        })
    };
    let (target, data_c) = (c(&path)?, c(data)?);
    // SAFETY: all pointers are C strings that outlive the call.
    let ret = unsafe {
        libc::mount(
            std::ptr::null(),
            target.as_ptr(),
            std::ptr::null(),
            libc::MS_REMOUNT | flags as libc::c_ulong,
            data_c.as_ptr().cast(),
        )
    };
    check(ret.into(), || {
        format!(
            "mount(NULL, {}, NULL, MS_REMOUNT|{flags:#x}, {data:?})",
            call::fd(point)
        )
    })?;
    Ok(())
}

/// Makes the current directory the root of this mount namespace and stacks the old root on top of it;
/// pivot_root(2) with both arguments `.`, so that no directory for the old root is needed.
pub fn pivot_root_here() -> Result<()> {
    rustix::process::pivot_root(c".", c".").told(|| "pivot_root(\".\", \".\")".into())
}

/// Detaches the topmost mount at the current directory; umount2(2) with MNT_DETACH.
pub fn detach_here() -> Result<()> {
    rustix::mount::unmount(c".", UnmountFlags::DETACH).told(|| "umount2(\".\", MNT_DETACH)".into())
}

/// Detaches the mount whose root `root` is, or what is mounted over it; umount2(2) with MNT_DETACH.
pub fn detach(root: impl AsFd) -> Result<()> {
    let root = root.as_fd();
    let path = format!("/proc/self/fd/{}", root.as_raw_fd());
    rustix::mount::unmount(path.as_str(), UnmountFlags::DETACH)
        .told(|| format!("umount2({}, MNT_DETACH)", call::fd(root)))
}

/// mount(2) of a new file system on `point`, for kernels whose fsconfig(2) has no place for its options.
pub fn mount(kind: &str, point: impl AsFd, flags: u64, data: &str) -> Result<()> {
    let point = point.as_fd();
    let told = || {
        let point = call::fd(point);
        format!("mount({kind:?}, {point}, {kind:?}, {flags:#x}, {data:?})")
    };
    let c = |text: &str| {
        CString::new(text).map_err(|_nul| Error {
            call: told(),
            errno: libc::EINVAL,
        })
    };
    let path = c(&format!("/proc/self/fd/{}", point.as_raw_fd()))?;
    let (kind_c, data_c) = (c(kind)?, c(data)?);
    // SAFETY: all pointers are C strings that outlive the call.
    let ret = unsafe {
        libc::mount(
            kind_c.as_ptr(),
            path.as_ptr(),
            kind_c.as_ptr(),
            flags as libc::c_ulong,
            data_c.as_ptr().cast(),
        )
    };
    check(ret.into(), told).map(drop)
}

/// mount(2) with MS_MOVE of the current directory onto `/`, for hosts whose root cannot be pivoted (initramfs).
pub fn move_here_to_root() -> Result<()> {
    rustix::mount::mount_move(c".", c"/").told(|| "mount(\".\", \"/\", MS_MOVE)".into())
}

/// chroot(2) into the current directory.
pub fn chroot_here() -> Result<()> {
    rustix::process::chroot(c".").told(|| "chroot(\".\")".into())
}

/// The f_type of a file system, as statfs(2) gives it.
pub fn filesystem_type(file: impl AsFd) -> Result<u64> {
    let file = file.as_fd();
    let stat = rustix::fs::fstatfs(file).told(|| format!("fstatfs({})", call::fd(file)))?;
    Ok(stat.f_type as u64)
}

/// The id of the mount that `file` is on, as mountinfo has it; statx(2) with STATX_MNT_ID (Linux 5.8).
pub fn mount_id(file: impl AsFd) -> Result<u64> {
    use rustix::fs::{AtFlags, StatxFlags};
    let file = file.as_fd();
    rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        .map(|found| found.stx_mnt_id)
        .told(|| {
            format!(
                "statx({}, \"\", AT_EMPTY_PATH, STATX_MNT_ID)",
                call::fd(file)
            )
        })
}

/// f_type of procfs (linux/magic.h).
pub const PROC_SUPER_MAGIC: u64 = 0x9fa0;
