//! `:U`, `:z`, `:Z`: what a container was given on the disk becomes its user's, or gets a label that lets it in.
//!
//! The tree may be full of names that somebody chose. Each is opened by one component without following a link, nothing
//! beyond the mount is entered, and what is changed is what was opened. A file that has a name outside of the tree as well
//! (a hard link) is somebody else's business: then nothing is changed at all.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFDIR, S_IFMT};
use lockstep_kernel::file::{self, OFlags, Stat};
use lockstep_kernel::metadata;
use lockstep_kernel::tree::{self, Listing};

use crate::failure::{Doing, Failure};

/// Deepest tree whose owners are changed: each level has a descriptor open.
const DEEPEST: usize = 200;

/// Gives everything at `path` to this user and group; what is theirs already is not touched.
///
/// # Errors
///
/// A file with a name outside; a tree that is too deep; what the kernel refuses. Each names the file.
pub(crate) fn give(path: &Path, (uid, gid): (u32, u32)) -> Result<(), Failure> {
    nothing_outside(path, ("owner", ":U"))?;
    walk(path, &mut |opened, found, at| {
        if (found.st_uid, found.st_gid) == (uid, gid) {
            return Ok(());
        }
        metadata::chown_opened(opened, uid, gid).doing(|| format!("owner of {}", at.display()))
    })
}

/// Gives everything at `path` this SELinux label. `anywhere`: it may be on a file system that has one label for all its files
/// (`context=` of mount(8), NFS), where nothing is changed.
///
/// # Errors
///
/// As [`give`].
pub(crate) fn relabel(path: &Path, label: &str, anywhere: bool) -> Result<(), Failure> {
    nothing_outside(path, ("label", ":z and :Z"))?;
    walk(path, &mut |opened, _, at| match metadata::set_xattr_opened(
        opened,
        "security.selinux",
        label.as_bytes(),
    ) {
        Err(e) if anywhere && e.is(&[Errno::EOPNOTSUPP.0]) => Ok(()),
        other => other.doing(|| format!("label of {}", at.display())),
    })
}

/// Names and links of each file that has several must be the same number.
fn nothing_outside(path: &Path, (what, option): (&str, &str)) -> Result<(), Failure> {
    let mut several: HashMap<(u64, u64), (u64, PathBuf)> = HashMap::new();
    walk(path, &mut |_, found, at| {
        if found.st_nlink > 1 && found.st_mode & S_IFMT != S_IFDIR {
            let missing = several
                .entry((found.st_dev, found.st_ino))
                .or_insert_with(|| (found.st_nlink, at.to_owned()));
            missing.0 = missing.0.saturating_sub(1);
        }
        Ok(())
    })?;
    match several.into_values().find(|(missing, _)| *missing > 0) {
        None => Ok(()),
        Some((_, at)) => Err(Failure::new(format!(
            "{what} of {}: the file has another name outside of {}, so no {what} was changed",
            at.display(),
            path.display()
        ))
        .hint(format!(
            "copy the file in the place of its hard link, or leave {option} out"
        ))),
    }
}

type Visit<'a> = dyn FnMut(&OwnedFd, &Stat, &Path) -> Result<(), Failure> + 'a;

/// Visits `path` and everything below it in the same mount, directories before what is in them.
fn walk(path: &Path, visit: &mut Visit<'_>) -> Result<(), Failure> {
    let what = |at: &Path| {
        let at = at.display().to_string();
        move || at
    };
    // It had no link on the way when it was chosen; one that has come since would lead to somebody else's files.
    let top = file::open_without_links(path, OFlags::PATH).doing(what(path))?;
    let mut at = path.to_owned();
    let mut open: Vec<Listing> = Vec::new();
    open.extend(enter(top, &at, visit)?);
    while let Some(listing) = open.last_mut() {
        let Some(name) = listing.next_name().doing(what(&at))? else {
            open.pop();
            at.pop();
            continue;
        };
        let below = at.join(&name);
        let found =
            match tree::open_in_mount(listing.directory().doing(what(&at))?, Path::new(&name)) {
                // Removed meanwhile, or a mount of its own.
                Err(e) if e.is(&[Errno::ENOENT.0, Errno::EXDEV.0]) => continue,
                other => other.doing(what(&below))?,
            };
        if let Some(deeper) = enter(found, &below, visit)? {
            if open.len() == DEEPEST {
                return Err(Failure::new(format!(
                    "{} is deeper than {DEEPEST} directories",
                    below.display()
                )));
            }
            at = below;
            open.push(deeper);
        }
    }
    Ok(())
}

/// Visits what was opened; what is in it, if a directory.
fn enter(opened: OwnedFd, at: &Path, visit: &mut Visit<'_>) -> Result<Option<Listing>, Failure> {
    let what = || at.display().to_string();
    let found = file::fstat(&opened).doing(what)?;
    visit(&opened, &found, at)?;
    if found.st_mode & S_IFMT != S_IFDIR {
        return Ok(None);
    }
    let readable = file::openat(opened.as_fd(), ".", OFlags::RDONLY | OFlags::DIRECTORY, 0);
    readable.and_then(Listing::new).doing(what).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_kernel::caller;

    /// `/proc/self` is a link, to a directory whose files are this user's already.
    #[test]
    fn no_link_leads_to_what_is_given_away() {
        let path = Path::new("/proc/self/status");
        let error = give(path, caller::effective_ids()).expect_err("a link on the way");
        assert!(error.to_string().contains("ELOOP"), "{error}");
    }
}
