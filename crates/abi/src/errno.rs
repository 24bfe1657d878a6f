//! Error numbers of the kernel, with their names and what they mean in a few words.
//!
//! Those that a container's start meets have the words of strerror(3) in lower case: engines tell "not found"
//! from "not executable" by looking for them in a runtime's message. The others are our own.
//!
//! Numbers are those of asm-generic/errno.h; MIPS, SPARC, PA-RISC and Alpha differ from 35 on and are not
//! built for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An errno as the kernel returns it, positive (errno(3)). Any number is held, also one without a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Errno {
            $(
                #[doc = concat!($text, ".")]
                pub const $name: Self = Self($number);
            )*
        }

        /// By number, ascending.
        const TABLE: &[(i32, &str, &str)] = &[$(($number, stringify!($name), $text)),*];
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file or directory";
    ESRCH = 3, "no such process";
    EINTR = 4, "a signal came first";
    EIO = 5, "input/output error";
    ENXIO = 6, "no such device or address";
    E2BIG = 7, "argument list too long";
    ENOEXEC = 8, "exec format error";
    EBADF = 9, "bad file descriptor";
    ECHILD = 10, "no child to wait for";
    EAGAIN = 11, "not now; would have to wait or try again";
    ENOMEM = 12, "cannot allocate memory";
    EACCES = 13, "permission denied";
    EFAULT = 14, "address outside the process";
    ENOTBLK = 15, "not a block device";
    EBUSY = 16, "device or resource busy";
    EEXIST = 17, "file exists";
    EXDEV = 18, "invalid cross-device link";
    ENODEV = 19, "no such device";
    ENOTDIR = 20, "not a directory";
    EISDIR = 21, "is a directory";
    EINVAL = 22, "invalid argument";
    ENFILE = 23, "the system has too many open files";
    EMFILE = 24, "too many open files";
    ENOTTY = 25, "not a terminal, or ioctl unknown to it";
    ETXTBSY = 26, "text file busy";
    EFBIG = 27, "file too large";
    ENOSPC = 28, "no space left on device";
    ESPIPE = 29, "cannot seek in this";
    EROFS = 30, "read-only file system";
    EMLINK = 31, "too many links";
    EPIPE = 32, "nobody reads the other end";
    EDOM = 33, "number outside the function's domain";
    ERANGE = 34, "result does not fit";
    EDEADLK = 35, "would deadlock";
    ENAMETOOLONG = 36, "file name too long";
    ENOLCK = 37, "no locks left";
    ENOSYS = 38, "function not implemented";
    ENOTEMPTY = 39, "directory not empty";
    ELOOP = 40, "too many levels of symbolic links";
    ENOMSG = 42, "no message of that type";
    EIDRM = 43, "identifier was removed";
    ECHRNG = 44, "channel number out of range";
    EL2NSYNC = 45, "level 2 not synchronised";
    EL3HLT = 46, "level 3 halted";
    EL3RST = 47, "level 3 reset";
    ELNRNG = 48, "link number out of range";
    EUNATCH = 49, "protocol driver not attached";
    ENOCSI = 50, "no CSI structure";
    EL2HLT = 51, "level 2 halted";
    EBADE = 52, "invalid exchange";
    EBADR = 53, "invalid request descriptor";
    EXFULL = 54, "exchange full";
    ENOANO = 55, "no anode";
    EBADRQC = 56, "invalid request code";
    EBADSLT = 57, "invalid slot";
    EBFONT = 59, "bad font file";
    ENOSTR = 60, "not a stream";
    ENODATA = 61, "no data, or no such attribute";
    ETIME = 62, "timer expired";
    ENOSR = 63, "out of stream resources";
    ENONET = 64, "not on the network";
    ENOPKG = 65, "package not installed";
    EREMOTE = 66, "object is remote";
    ENOLINK = 67, "link was cut";
    EADV = 68, "advertise error";
    ESRMNT = 69, "srmount error";
    ECOMM = 70, "communication error on send";
    EPROTO = 71, "protocol error";
    EMULTIHOP = 72, "multihop attempted";
    EDOTDOT = 73, "RFS error";
    EBADMSG = 74, "message or checksum is damaged";
    EOVERFLOW = 75, "value too large for its type";
    ENOTUNIQ = 76, "name not unique on the network";
    EBADFD = 77, "descriptor in a bad state";
    EREMCHG = 78, "remote address changed";
    ELIBACC = 79, "shared library not accessible";
    ELIBBAD = 80, "shared library is damaged";
    ELIBSCN = 81, "bad section in a.out";
    ELIBMAX = 82, "too many shared libraries";
    ELIBEXEC = 83, "shared library cannot be executed";
    EILSEQ = 84, "invalid byte sequence";
    ERESTART = 85, "call should be restarted";
    ESTRPIPE = 86, "stream pipe error";
    EUSERS = 87, "too many users, or nested too deep";
    ENOTSOCK = 88, "not a socket";
    EDESTADDRREQ = 89, "destination address needed";
    EMSGSIZE = 90, "message too long";
    EPROTOTYPE = 91, "wrong protocol for this socket";
    ENOPROTOOPT = 92, "no such option";
    EPROTONOSUPPORT = 93, "protocol not supported";
    ESOCKTNOSUPPORT = 94, "socket type not supported";
    EOPNOTSUPP = 95, "operation not supported";
    EPFNOSUPPORT = 96, "protocol family not supported";
    EAFNOSUPPORT = 97, "address family not supported";
    EADDRINUSE = 98, "address in use";
    EADDRNOTAVAIL = 99, "address not available here";
    ENETDOWN = 100, "network is down";
    ENETUNREACH = 101, "network unreachable";
    ENETRESET = 102, "network dropped the connection";
    ECONNABORTED = 103, "connection aborted";
    ECONNRESET = 104, "connection reset by the other side";
    ENOBUFS = 105, "no buffer space";
    EISCONN = 106, "already connected";
    ENOTCONN = 107, "not connected";
    ESHUTDOWN = 108, "endpoint is shut down";
    ETOOMANYREFS = 109, "too many references";
    ETIMEDOUT = 110, "timed out";
    ECONNREFUSED = 111, "connection refused";
    EHOSTDOWN = 112, "host is down";
    EHOSTUNREACH = 113, "host unreachable";
    EALREADY = 114, "already under way";
    EINPROGRESS = 115, "started, not finished";
    ESTALE = 116, "file handle is stale";
    EUCLEAN = 117, "file system needs repair";
    ENOTNAM = 118, "not a XENIX file";
    ENAVAIL = 119, "no XENIX semaphores";
    EISNAM = 120, "is a named-type file";
    EREMOTEIO = 121, "remote input or output error";
    EDQUOT = 122, "quota exceeded";
    ENOMEDIUM = 123, "no medium";
    EMEDIUMTYPE = 124, "wrong medium";
    ECANCELED = 125, "cancelled";
    ENOKEY = 126, "no such key";
    EKEYEXPIRED = 127, "key expired";
    EKEYREVOKED = 128, "key revoked";
    EKEYREJECTED = 129, "key rejected";
    EOWNERDEAD = 130, "owner of the lock died";
    ENOTRECOVERABLE = 131, "state cannot be recovered";
    ERFKILL = 132, "radio is switched off";
    EHWPOISON = 133, "memory page has a hardware error";
}

/// Second names with the number of a first one.
const ALIASES: [(&str, Errno); 3] = [
    ("EWOULDBLOCK", Errno::EAGAIN),
    ("EDEADLOCK", Errno::EDEADLK),
    ("ENOTSUP", Errno::EOPNOTSUPP),
];

/// The highest errno that a seccomp filter can return (`MAX_ERRNO`, linux/err.h).
pub const MAX: u16 = 4095;

impl Errno {
    /// The number of a name: `EPERM`, also `EWOULDBLOCK`, `EDEADLOCK` and `ENOTSUP`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let aliases = ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map(|(_, errno)| *errno);
        TABLE
            .iter()
            .find(|(_, known, _)| *known == name)
            .map(|(number, _, _)| Self(*number))
            .or(aliases)
    }

    /// Its name: `EPERM`; `errno` for a number without one, which [`Display`](fmt::Display) prints in full.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("errno", |(_, name, _)| name)
    }

    /// What it means, lower case and without a dot, to stand in a sentence.
    #[must_use]
    pub fn description(self) -> &'static str {
        self.entry().map_or("unknown error", |(_, _, text)| text)
    }

    fn entry(self) -> Option<&'static (i32, &'static str, &'static str)> {
        TABLE
            .binary_search_by_key(&self.0, |(number, _, _)| *number)
            .ok()
            .map(|index| &TABLE[index])
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry() {
            Some((_, name, _)) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_in_ascending_order() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        for (number, name, text) in TABLE {
            assert_eq!(Errno::from_name(name), Some(Errno(*number)));
            assert_eq!(Errno(*number).to_string(), *name);
            assert_eq!(Errno(*number).name(), *name);
            assert!(!text.ends_with('.'), "{text}");
        }
        assert_eq!(Errno::from_name("ENOTSUP"), Some(Errno(95)));
        assert_eq!(Errno::from_name("eperm"), None);
    }

    #[test]
    fn engines_recognise_their_words() {
        for errno in [
            Errno::EPERM,
            Errno::ENOENT,
            Errno::ENOEXEC,
            Errno::ENOMEM,
            Errno::EACCES,
            Errno::EBUSY,
            Errno::ENOTDIR,
            Errno::EISDIR,
            Errno::EINVAL,
            Errno::ENOSPC,
            Errno::EROFS,
            Errno::ELOOP,
        ] {
            let theirs = std::io::Error::from_raw_os_error(errno.0).to_string();
            let theirs = theirs.split(" (os error").next().unwrap_or_default();
            assert_eq!(errno.description(), theirs.to_lowercase());
        }
    }

    #[test]
    fn a_number_without_a_name_is_still_shown() {
        for number in [0, 41, 58, 524, -1] {
            assert_eq!(Errno(number).to_string(), format!("errno {number}"));
            assert_eq!(Errno(number).description(), "unknown error");
        }
    }
}
