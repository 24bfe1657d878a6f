//! Names in an archive, judged by their text before anything is opened.
//!
//! What remains is resolved by the kernel; here falls what has no honest meaning, so that an error names it.

use crate::error::{Error, Result, shown};
use crate::limits::{self, Limits};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Prefix of entries that remove instead of add (image-spec layer.md, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The entry that hides everything below its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What an entry removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whiteout<'a> {
    /// This name, in the layers below.
    Name(&'a [u8]),
    /// All names of the directory, in the layers below.
    Opaque,
    /// Bookkeeping of a file system that nobody has any more; without meaning.
    Ignored,
}

/// The components of a path. Leading, double and trailing slashes and `.` mean nothing: `/a//./b/` is `a/b`.
/// `..` is refused: no tool writes it, and its meaning depends on links.
pub(crate) fn components<'a>(path: &'a [u8], limits: &Limits) -> Result<Vec<&'a [u8]>> {
    limits::check("path_bytes", path.len() as u64, limits.path_bytes as u64)?;
    if path.contains(&0) {
        return Err(Error::invalid("the name contains a NUL"));
    }
    if path.is_empty() {
        return Err(Error::invalid("the name is empty"));
    }
    let mut found = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(Error::invalid("the name leaves its directory with `..`")),
            name => {
                limits::check("name_bytes", name.len() as u64, limits.name_bytes as u64)?;
                found.push(name);
            }
        }
    }
    limits::check("depth", found.len() as u64, limits.depth as u64)?;
    Ok(found)
}

/// Directories cannot be named as whiteouts are: a later reader would take them for one.
pub(super) fn refuse_reserved(parents: &[&[u8]]) -> Result<()> {
    match parents.iter().find(|name| name.starts_with(WHITEOUT)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("directory {} has a whiteout's name", shown(name));
            Err(Error::invalid(message))
        }
    }
}

/// Reads the last component as a whiteout, if it is one.
pub(super) fn whiteout(last: &[u8]) -> Result<Option<Whiteout<'_>>> {
    let Some(name) = last.strip_prefix(WHITEOUT) else {
        return Ok(None);
    };
    if last == OPAQUE {
        return Ok(Some(Whiteout::Opaque));
    }
    match name {
        b"" | b"." | b".." => Err(Error::invalid("a whiteout of no name")),
        name if name.starts_with(WHITEOUT) => Ok(Some(Whiteout::Ignored)),
        name => Ok(Some(Whiteout::Name(name))),
    }
}

/// The target of a symbolic link: any text, which only the container follows.
pub(crate) fn target<'a>(link: &'a [u8], limits: &Limits) -> Result<&'a Path> {
    limits::check(
        "path_bytes",
        link.len() as u64,
        limits.path_bytes as u64 - 1,
    )?;
    if link.is_empty() || link.contains(&0) {
        return Err(Error::invalid(
            "a symbolic link without a target, or with a NUL in it",
        ));
    }
    Ok(Path::new(OsStr::from_bytes(link)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_or_refused() {
        let limits = Limits::default();
        let clean = |path: &str| components(path.as_bytes(), &limits).map(|found| found.len());
        assert_eq!(clean("/a//./b/"), Ok(2));
        assert_eq!(clean("./"), Ok(0));
        assert_eq!(clean("a..b/..."), Ok(2));
        for wrong in [
            "",
            "..",
            "a/../b",
            "a\0b",
            &"x".repeat(256),
            &"d/".repeat(300),
        ] {
            clean(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn whiteouts_are_told_apart() {
        let read = |name: &'static str| whiteout(name.as_bytes());
        assert_eq!(read("a"), Ok(None));
        assert_eq!(read(".wh.a"), Ok(Some(Whiteout::Name(b"a"))));
        assert_eq!(read(".wh..wh..opq"), Ok(Some(Whiteout::Opaque)));
        assert_eq!(read(".wh..wh.plnk"), Ok(Some(Whiteout::Ignored)));
        for wrong in [".wh.", ".wh..", ".wh..."] {
            read(wrong).expect_err(wrong);
        }
    }
}
