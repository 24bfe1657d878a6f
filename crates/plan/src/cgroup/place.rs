//! Where a container's cgroup goes in each hierarchy: `linux.cgroupsPath` read as runc reads it.
//!
//! Apart from the limits because it needs nothing but names: the result is known, and written to the
//! state file, before the first directory is made.

use super::layout::{Hierarchy, Layout, Mode, Version};
use super::{Dir, Error};

/// Longest name of one directory (NAME_MAX).
const NAME_MAX: usize = 255;

/// One directory per hierarchy.
///
/// An absolute path counts from the mount, a relative one from the own cgroup; without a path the
/// container's id is the relative one. In a pure v2 layout "own" is the *parent* of the own cgroup:
/// the own one has processes in it and so cannot have controllers for children ("no internal
/// processes", cgroups(7)).
pub(super) fn dirs(
    cgroups_path: Option<&str>,
    id: &str,
    layout: &Layout,
    tolerate: bool,
) -> Result<Vec<Dir>, Error> {
    let given = cgroups_path.filter(|path| !path.is_empty());
    let inner = clean(given.unwrap_or(id));
    let refuse = |reason: &str| {
        let value = given.unwrap_or(id);
        Err(Error::new(
            "/linux/cgroupsPath",
            format!("{value:?}"),
            reason,
        ))
    };
    if inner.is_empty() {
        return refuse("a container cannot own the root cgroup");
    }
    if inner.split('/').any(|name| name.len() > NAME_MAX) {
        return refuse("a component is longer than 255 bytes");
    }
    if inner.contains(['\n', '\0']) {
        return refuse("a cgroup name cannot hold a newline or NUL");
    }
    let absolute = given.is_some_and(|path| path.starts_with('/'));
    let place = |(at, hierarchy): (usize, &Hierarchy)| Dir {
        hierarchy: at,
        path: if absolute {
            inner.clone()
        } else {
            join(base(hierarchy, layout.mode), &inner)
        },
        tolerate,
    };
    Ok(layout.hierarchies.iter().enumerate().map(place).collect())
}

fn base(hierarchy: &Hierarchy, mode: Mode) -> &str {
    let own = hierarchy.own_in_mount();
    if mode == Mode::V2 && hierarchy.version == Version::V2 {
        return own.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    own
}

fn join(base: &str, inner: &str) -> String {
    if base.is_empty() {
        inner.to_owned()
    } else {
        format!("{base}/{inner}")
    }
}

/// The path without empty, `.` and `..` components and without slashes at its ends; `..` stops at the
/// top, so that no path leads out of the base.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}
