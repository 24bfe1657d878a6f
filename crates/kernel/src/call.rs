//! The error of every function here: the call as strace would print it, and the errno.
//!
//! The text is made only when a call fails, so that the happy path pays nothing for it.

use lockstep_abi::feature::KernelVersion;
use lockstep_abi::id::NO_ID;
use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

/// A refused or failed system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The call in strace form, without its result: `mkdirat(5</run/x>, "a", 0755)`.
    pub call: String,
    /// The errno as the kernel gave it, positive (errno(3)).
    pub errno: i32,
}

/// Result of a call into the kernel.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} = {}",
            self.call,
            lockstep_abi::errno::Errno(self.errno)
        )
    }
}

impl std::error::Error for Error {}

impl Error {
    /// Whether the kernel answered with one of these errnos.
    pub fn is(&self, errnos: &[i32]) -> bool {
        errnos.contains(&self.errno)
    }

    /// For a call that the kernel does not know (`ENOSYS`): which Linux brought it, and which this is.
    pub fn missing(&self) -> Option<String> {
        if self.errno != libc::ENOSYS {
            return None;
        }
        let name = self.call.split('(').next().unwrap_or_default();
        let since = lockstep_abi::syscall::since(name)?;
        let release = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        Some(match KernelVersion::parse(&release) {
            Some(present) if present >= since => format!(
                "{name} is in Linux since {since} and this is {release}: a sandbox around the runtime withholds it"
            ),
            _ => format!("{name} needs Linux {since}, and this is {release}"),
        })
    }
}

/// Adds the call's text to a raw errno.
pub(crate) trait Told<T> {
    fn told(self, call: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Told<T> for rustix::io::Result<T> {
    fn told(self, call: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error {
            call: call(),
            errno: e.raw_os_error(),
        })
    }
}

impl<T> Told<T> for std::io::Result<T> {
    fn told(self, call: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error {
            call: call(),
            errno: e.raw_os_error().unwrap_or(libc::EIO),
        })
    }
}

/// Turns the -1-and-errno convention of libc into a result.
pub(crate) fn check(ret: libc::c_long, call: impl FnOnce() -> String) -> Result<libc::c_long> {
    if ret < 0 {
        let errno = std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO);
        return Err(Error {
            call: call(),
            errno,
        });
    }
    Ok(ret)
}

/// Refuses [`NO_ID`] as the kernel refuses an id that is not mapped, where the kernel itself takes it for "leave as
/// it is": whoever asks for an id wants it, and root would stay root (setresuid(2), chown(2)).
pub(crate) fn is_id(ids: &[u32], call: impl FnOnce() -> String) -> Result<()> {
    if ids.contains(&NO_ID) {
        return Err(Error {
            call: call(),
            errno: libc::EINVAL,
        });
    }
    Ok(())
}

/// A descriptor as strace -y prints it: `5</run/x>`, or `5` where /proc does not answer.
pub(crate) fn fd(fd: BorrowedFd<'_>) -> String {
    let raw = fd.as_raw_fd();
    if raw == libc::AT_FDCWD {
        return "AT_FDCWD".into();
    }
    match std::fs::read_link(format!("/proc/self/fd/{raw}")) {
        Ok(path) => format!("{raw}<{}>", path.display()),
        Err(_) => raw.to_string(),
    }
}

/// A path as a C string literal, with control characters escaped: it may be hostile text.
pub(crate) fn path(path: &Path) -> String {
    format!("{path:?}")
}

/// Flags as strace prints them, `O_CREAT|O_EXCL`, from the form of the bitflags types; `none` stands for none.
pub(crate) fn flags(flags: &impl fmt::Debug, prefix: &str, none: &str) -> String {
    let text = format!("{flags:?}");
    let names = text
        .split_once('(')
        .and_then(|(_, names)| names.strip_suffix(')'))
        .unwrap_or(&text);
    let named = names.split(" | ").map(|name| match name {
        "0x0" => none.to_owned(),
        "CREATE" => format!("{prefix}CREAT"),
        name if name.starts_with("0x") => name.to_owned(),
        name => format!("{prefix}{name}"),
    });
    named.collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use rustix::fs::{AtFlags, OFlags};

    #[test]
    fn flags_read_as_in_strace() {
        let flags = |flags: OFlags| super::flags(&flags, "O_", "O_RDONLY");
        assert_eq!(flags(OFlags::empty()), "O_RDONLY");
        let text = flags(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL);
        let mut names: Vec<&str> = text.split('|').collect();
        names.sort_unstable();
        assert_eq!(names, ["O_CREAT", "O_EXCL", "O_WRONLY"]);
        assert_eq!(super::flags(&AtFlags::empty(), "AT_", "0"), "0");
    }
}
