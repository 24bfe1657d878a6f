//! Lines of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).

use std::borrow::Cow;

/// One mount. Paths are as the kernel writes them; [`unescape`] makes them paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number.
    pub id: u64,
    /// The number of the mount that it stands on.
    pub parent: u64,
    /// Device of the file system, `MAJOR:MINOR`.
    pub device: &'a str,
    /// Which directory of the file system is its root.
    pub root: &'a str,
    /// Where it is mounted, from the process's root.
    pub point: &'a str,
    /// Type of the file system.
    pub kind: &'a str,
    /// Options of the file system.
    pub super_options: &'a str,
}

impl<'a> Line<'a> {
    /// Reads a line; `None` is no line of mountinfo.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let (mut left, mut right) = (left.split(' '), right.split(' '));
        Some(Line {
            id: left.next()?.parse().ok()?,
            parent: left.next()?.parse().ok()?,
            device: left.next()?,
            root: left.next()?,
            point: left.next()?,
            kind: right.next()?,
            super_options: right.nth(1).unwrap_or(""),
        })
    }
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (decoded, length) = match rest.get(at + 1..at + 4) {
            Some("040") => (' ', 4),
            Some("011") => ('\t', 4),
            Some("012") => ('\n', 4),
            Some("134") => ('\\', 4),
            _ => ('\\', 1),
        };
        out.push(decoded);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_optional_fields_in_the_middle() {
        let text = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue";
        let line = Line::parse(text).expect("a line");
        assert_eq!((line.id, line.parent, line.device), (36, 35, "98:0"));
        assert_eq!((line.root, &*unescape(line.point)), ("/mnt1", "/mnt 2"));
        assert_eq!(
            (line.kind, line.super_options),
            ("ext3", "rw,errors=continue")
        );
        assert_eq!(Line::parse("36 35 98:0 /mnt1"), None);
        assert_eq!(unescape("a\\134040"), "a\\040");
    }
}
