//! Which cgroup hierarchies the host has, and where this process stands in each.
//!
//! A pure parser of `/proc/self/mountinfo` and `/proc/self/cgroup` (proc(5), cgroups(7)), so that a
//! test can invent a host: v1, hybrid, v2, nested in a container, or none at all.

use lockstep_abi::mountinfo::{Line as Mount, unescape};
use serde::{Deserialize, Serialize};

/// How the host's controllers are spread over the two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Hierarchies of version 1 only.
    V1,
    /// Version 1 hierarchies and a unified one beside them.
    Hybrid,
    /// The unified hierarchy only.
    V2,
    /// No cgroup filesystem is mounted.
    None,
}

/// Version of one hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// `cgroup` in mountinfo.
    V1,
    /// `cgroup2` in mountinfo.
    V2,
}

/// One mounted cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hierarchy {
    /// Controllers: of the mount on v1, of the mounted root on v2.
    pub controllers: Vec<String>,
    /// Name of a v1 hierarchy without controllers (`systemd` for `name=systemd`).
    pub name: Option<String>,
    /// Version.
    pub version: Version,
    /// Where it is mounted, absolute.
    pub mount: String,
    /// Which cgroup is mounted there (field 4 of mountinfo), absolute in the hierarchy.
    pub root: String,
    /// The cgroup of this process, absolute in the hierarchy (`/proc/self/cgroup`).
    pub own: String,
}

/// The host's cgroup hierarchies: a fact, probed once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// How they are spread over the versions.
    pub mode: Mode,
    /// Them, in mount order.
    pub hierarchies: Vec<Hierarchy>,
}

impl Hierarchy {
    /// The key that names the hierarchy in runc's state (`cgroup_paths`) and in error texts:
    /// `memory`, `cpu,cpuacct`, `name=systemd`, or nothing for the unified one.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.name, self.version) {
            (Some(name), _) => format!("name={name}"),
            (None, Version::V1) => self.controllers.join(","),
            (None, Version::V2) => String::new(),
        }
    }

    /// Own cgroup relative to the mount, without leading slash; empty for the mounted root.
    ///
    /// In a container without a cgroup namespace `/proc/self/cgroup` shows the host's path while the
    /// mount shows the container's cgroup as its root: the shared part is dropped.
    #[must_use]
    pub fn own_in_mount(&self) -> &str {
        self.in_mount(&self.own)
    }

    /// The same for any path of the hierarchy. One outside the reader's cgroup namespace, which the kernel
    /// shows as `/../x` (cgroup_namespaces(7)), cannot be reached through the mount: it counts as the root.
    #[must_use]
    pub fn in_mount<'a>(&self, path: &'a str) -> &'a str {
        let inside = match path.strip_prefix(self.root.as_str()) {
            Some(rest) if self.root == "/" || rest.is_empty() || rest.starts_with('/') => rest,
            _ => path,
        };
        let inside = inside.trim_matches('/');
        if inside.split('/').any(|part| matches!(part, "." | "..")) {
            return "";
        }
        inside
    }
}

impl Layout {
    /// The hierarchy that holds a controller, whatever its version.
    #[must_use]
    pub fn find(&self, controller: &str) -> Option<usize> {
        let holds = |h: &Hierarchy| h.controllers.iter().any(|c| c == controller);
        self.hierarchies.iter().position(holds)
    }

    /// The unified hierarchy.
    #[must_use]
    pub fn unified(&self) -> Option<usize> {
        self.hierarchies
            .iter()
            .position(|h| h.version == Version::V2)
    }

    /// Asks `read` for the unified hierarchy's `cgroup.controllers`, given its mount point, where there is one.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn with_controllers<E>(
        mut self,
        read: impl FnOnce(&str) -> Result<String, E>,
    ) -> Result<Self, E> {
        if let Some(at) = self.unified() {
            let unified = &mut self.hierarchies[at];
            let names = read(&unified.mount)?;
            unified.controllers = names.split_whitespace().map(String::from).collect();
        }
        Ok(self)
    }
}

/// Reads the layout out of the two proc files; the unified hierarchy has the given controllers, until
/// [`Layout::with_controllers`] says better.
#[must_use]
pub fn layout(mountinfo: &str, self_cgroup: &str, controllers_of_v2: &[&str]) -> Layout {
    let own = own_paths(self_cgroup);
    let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(Mount::parse).collect();
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    for mount in mounts.iter().filter(|m| m.kind.starts_with("cgroup")) {
        if hidden(mount, &mounts) {
            continue;
        }
        let Some(found) = hierarchy(mount, &own, controllers_of_v2) else {
            continue;
        };
        // A hierarchy bound a second time elsewhere (a container's view) is the same hierarchy; the
        // first mount is the host's.
        if !hierarchies.iter().any(|h| h.label() == found.label()) {
            hierarchies.push(found);
        }
    }
    let has = |version| hierarchies.iter().any(|h| h.version == version);
    let mode = match (has(Version::V1), has(Version::V2)) {
        (true, true) => Mode::Hybrid,
        (true, false) => Mode::V1,
        (false, true) => Mode::V2,
        (false, false) => Mode::None,
    };
    Layout { mode, hierarchies }
}

/// Whether a path lookup of the mount point ends in another mount: something was mounted over it or
/// over a directory above it after it. Only the mounts that it stands on may share its path.
fn hidden(mount: &Mount<'_>, all: &[Mount<'_>]) -> bool {
    let mut below = vec![mount.id];
    let mut at = mount.parent;
    while let Some(parent) = all.iter().find(|m| m.id == at) {
        if below.contains(&parent.id) {
            break;
        }
        below.push(parent.id);
        at = parent.parent;
    }
    all.iter()
        .any(|m| !below.contains(&m.id) && covers(m.point, mount.point))
}

fn covers(above: &str, path: &str) -> bool {
    match path.strip_prefix(above) {
        Some(rest) => above == "/" || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// Options of a v1 superblock that are not controllers (cgroup1_show_options in the kernel).
const NOT_CONTROLLERS: [&str; 9] = [
    "rw",
    "ro",
    "none",
    "noprefix",
    "xattr",
    "cpuset_v2_mode",
    "favordynmods",
    "clone_children",
    "all",
];

fn hierarchy(mount: &Mount<'_>, own: &[Own<'_>], v2: &[&str]) -> Option<Hierarchy> {
    let unified = match mount.kind {
        "cgroup" => false,
        "cgroup2" => true,
        _ => return None,
    };
    let mut name = None;
    let mut controllers: Vec<String> = Vec::new();
    if unified {
        controllers = v2.iter().map(ToString::to_string).collect();
    } else {
        for option in mount.super_options.split(',') {
            if let Some(given) = option.strip_prefix("name=") {
                name = Some(given.to_owned());
            } else if !NOT_CONTROLLERS.contains(&option) && !option.contains('=') {
                controllers.push(option.to_owned());
            }
        }
    }
    let is_own = |o: &&Own<'_>| match (unified, &name) {
        (true, _) => o.id == "0" && o.controllers.is_empty(),
        (false, Some(name)) => o.controllers.strip_prefix("name=") == Some(name),
        (false, None) => o
            .controllers
            .split(',')
            .any(|c| controllers.iter().any(|m| m == c)),
    };
    let path = own.iter().find(is_own).map_or("/", |o| o.path);
    Some(Hierarchy {
        name,
        version: if unified { Version::V2 } else { Version::V1 },
        mount: unescape(mount.point).into_owned(),
        root: unescape(mount.root).into_owned(),
        // The path of a process whose cgroup was removed under it (cgroups(7)).
        own: path.strip_suffix(" (deleted)").unwrap_or(path).to_owned(),
        controllers,
    })
}

struct Own<'a> {
    id: &'a str,
    controllers: &'a str,
    path: &'a str,
}

fn own_paths(text: &str) -> Vec<Own<'_>> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        if let (Some(id), Some(controllers), Some(path)) =
            (parts.next(), parts.next(), parts.next())
        {
            found.push(Own {
                id,
                controllers,
                path,
            });
        }
    }
    found
}
