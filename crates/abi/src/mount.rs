//! Flags of mount(2) and attributes of mount_setattr(2), with their names for printing.
//!
//! Plans carry these numbers from the parser of mount options to `kernel`, and messages spell them out.

use std::fmt;

macro_rules! flags {
    ($table:ident, $what:literal, $($name:ident = $value:expr, $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub const $name: u64 = $value;
        )*

        #[doc = $what]
        pub const $table: &[(&str, u64)] = &[$((stringify!($name), $name)),*];
    };
}

flags! { MS_NAMES, "Every flag of mount(2) here, with its name.",
    MS_RDONLY = 1, "Read-only.";
    MS_NOSUID = 1 << 1, "Set-user-ID, set-group-ID and file capabilities have no effect.";
    MS_NODEV = 1 << 2, "Device files cannot be opened.";
    MS_NOEXEC = 1 << 3, "Nothing can be executed or mapped executable.";
    MS_SYNCHRONOUS = 1 << 4, "Writes reach the disk before they return.";
    MS_REMOUNT = 1 << 5, "Change an existing mount.";
    MS_MANDLOCK = 1 << 6, "Mandatory locks; without effect since Linux 5.15.";
    MS_DIRSYNC = 1 << 7, "Directory changes reach the disk before they return.";
    MS_NOSYMFOLLOW = 1 << 8, "Symbolic links are not followed (Linux 5.10).";
    MS_NOATIME = 1 << 10, "Access times are not updated.";
    MS_NODIRATIME = 1 << 11, "Access times of directories are not updated.";
    MS_BIND = 1 << 12, "Attach an existing tree at a second place.";
    MS_MOVE = 1 << 13, "Move a mount.";
    MS_REC = 1 << 14, "With every mount below.";
    MS_SILENT = 1 << 15, "Fewer kernel messages.";
    MS_POSIXACL = 1 << 16, "The file system applies ACLs instead of the umask; set by the kernel.";
    MS_UNBINDABLE = 1 << 17, "Private, and cannot be bind-mounted.";
    MS_PRIVATE = 1 << 18, "Mount events are neither sent nor received.";
    MS_SLAVE = 1 << 19, "Mount events are received, not sent.";
    MS_SHARED = 1 << 20, "Mount events go both ways.";
    MS_RELATIME = 1 << 21, "Access times are updated when older than the last change.";
    MS_I_VERSION = 1 << 23, "Inode versions are kept.";
    MS_STRICTATIME = 1 << 24, "Access times are always updated.";
    MS_LAZYTIME = 1 << 25, "Times are kept in memory and written later.";
}

flags! { MOUNT_ATTR_NAMES, "Every attribute of mount_setattr(2) here, with its name.",
    MOUNT_ATTR_RDONLY = 1, "Read-only.";
    MOUNT_ATTR_NOSUID = 1 << 1, "Set-user-ID, set-group-ID and file capabilities have no effect.";
    MOUNT_ATTR_NODEV = 1 << 2, "Device files cannot be opened.";
    MOUNT_ATTR_NOEXEC = 1 << 3, "Nothing can be executed or mapped executable.";
    MOUNT_ATTR_NOATIME = 1 << 4, "Access times are not updated. A value of `MOUNT_ATTR__ATIME`, not a bit.";
    MOUNT_ATTR_STRICTATIME = 1 << 5, "Access times are always updated. A value of `MOUNT_ATTR__ATIME`, not a bit.";
    MOUNT_ATTR_NODIRATIME = 1 << 7, "Access times of directories are not updated.";
    MOUNT_ATTR_IDMAP = 1 << 20, "Owners are mapped through a user namespace (Linux 5.12).";
    MOUNT_ATTR_NOSYMFOLLOW = 1 << 21, "Symbolic links are not followed (Linux 5.14).";
}

/// Access times are updated when older than the last change: the zero of [`MOUNT_ATTR__ATIME`].
pub const MOUNT_ATTR_RELATIME: u64 = 0;
/// The field that holds one of relatime, noatime and strictatime. Whoever sets one must put this whole
/// field into `attr_clr`, or the kernel answers EINVAL.
pub const MOUNT_ATTR__ATIME: u64 = 0x70;

/// Prints mount(2) flags: `MS_RDONLY|MS_BIND`, `0` for none, unknown bits in hexadecimal.
#[must_use]
pub fn flags(bits: u64) -> impl fmt::Display {
    crate::call::Flags {
        bits,
        names: MS_NAMES,
    }
}

/// Prints mount_setattr(2) attributes: `MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID`.
#[must_use]
pub fn attributes(bits: u64) -> impl fmt::Display {
    crate::call::Flags {
        bits,
        names: MOUNT_ATTR_NAMES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing() {
        assert_eq!(flags(MS_BIND | MS_REC).to_string(), "MS_BIND|MS_REC");
        assert_eq!(attributes(0).to_string(), "0");
        assert_eq!(
            attributes(MOUNT_ATTR_RDONLY | 1 << 40).to_string(),
            "MOUNT_ATTR_RDONLY|0x10000000000"
        );
    }
}
