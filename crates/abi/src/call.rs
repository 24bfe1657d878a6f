//! A failed system call as strace would print it, the one form in which every layer shows it.
//!
//! `kernel` makes these; the text lives here so that plans, outcomes and explanations can hold and
//! compare it without reaching into the kernel.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::errno::Errno;

/// A call that the kernel refused.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The call with its arguments and without result: `mkdirat(5</run/x>, "a", 0755)`.
    pub call: String,
    /// What it answered.
    pub errno: Errno,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.call, self.errno)
    }
}

impl std::error::Error for Failure {}

/// `AT_FDCWD` (linux/fcntl.h): the current directory where a descriptor is asked for.
pub const AT_FDCWD: i32 = -100;

/// Prints a descriptor: `5</run/x>`, `5` when its path is not known, `AT_FDCWD`.
#[derive(Clone, Copy, Debug)]
pub struct Fd<'a> {
    /// Its number.
    pub number: i32,
    /// Where it leads, if known; hostile characters are escaped.
    pub path: Option<&'a Path>,
}

impl fmt::Display for Fd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.number == AT_FDCWD {
            return f.write_str("AT_FDCWD");
        }
        write!(f, "{}", self.number)?;
        match self.path {
            Some(path) => {
                let quoted = Text(path.as_os_str().as_encoded_bytes()).to_string();
                write!(f, "<{}>", quoted[1..quoted.len() - 1].replace('>', "\\76"))
            }
            None => Ok(()),
        }
    }
}

/// Prints bytes as a C string literal. They may come from a container, so everything but printable
/// ASCII is escaped.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for &byte in self.0 {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b'\n' => f.write_str("\\n")?,
                b'\t' => f.write_str("\\t")?,
                b'\r' => f.write_str("\\r")?,
                b' '..=b'~' => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_str("\"")
    }
}

/// Prints a set of flags: `A|B`, `0` for none, what has no name in hexadecimal at the end.
#[derive(Clone, Copy, Debug)]
pub struct Flags<'a> {
    /// The flags.
    pub bits: u64,
    /// Names with their bits; earlier ones win where they overlap.
    pub names: &'a [(&'a str, u64)],
}

impl fmt::Display for Flags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.bits;
        let mut separator = "";
        for (name, bits) in self.names {
            if *bits != 0 && rest & bits == *bits {
                write!(f, "{separator}{name}")?;
                separator = "|";
                rest &= !bits;
            }
        }
        if rest != 0 {
            write!(f, "{separator}{rest:#x}")
        } else if separator.is_empty() {
            f.write_str("0")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_like_strace() {
        let root = Fd {
            number: 5,
            path: Some(Path::new("/run/b/rootfs")),
        };
        let failure = Failure {
            call: format!("openat2({root}, {}, {{...}}, 24)", Text(b"proc")),
            errno: Errno::EPERM,
        };
        assert_eq!(
            failure.to_string(),
            "openat2(5</run/b/rootfs>, \"proc\", {...}, 24) = EPERM"
        );
    }

    #[test]
    fn hostile_text_stays_inside_its_quotes() {
        assert_eq!(
            Text(b"a\"\\\n\x1b[2J\xff").to_string(),
            r#""a\"\\\n\x1b[2J\xff""#
        );
        let fd = Fd {
            number: 3,
            path: Some(Path::new("/a> = 0\u{1b}")),
        };
        assert_eq!(fd.to_string(), r"3</a\76 = 0\x1b>");
        assert_eq!(
            Fd {
                number: 3,
                path: None
            }
            .to_string(),
            "3"
        );
        assert_eq!(
            Fd {
                number: AT_FDCWD,
                path: None
            }
            .to_string(),
            "AT_FDCWD"
        );
    }

    #[test]
    fn flags_without_a_name_are_not_lost() {
        let names = [("A", 1), ("B", 6), ("NOTHING", 0)];
        assert_eq!(
            Flags {
                bits: 7,
                names: &names
            }
            .to_string(),
            "A|B"
        );
        assert_eq!(
            Flags {
                bits: 3,
                names: &names
            }
            .to_string(),
            "A|0x2"
        );
        assert_eq!(
            Flags {
                bits: 0,
                names: &names
            }
            .to_string(),
            "0"
        );
    }
}
