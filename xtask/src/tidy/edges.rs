//! Which crate may use which: the house's doors, compared with what Cargo resolved.
//!
//! The table is the architecture. A new edge is a decision to be made here, in review, and not
//! a line that slips into a manifest.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// One room of the house.
pub(crate) struct Room {
    /// Folder below `crates/`; the package is `lockstep-<name>`, or the name itself if it is one.
    pub(crate) name: &'static str,
    /// Own crates that it may use.
    may_use: &'static [&'static str],
    /// No kernel, no I/O: a function of its arguments.
    pub(crate) pure: bool,
}

#[cfg(test)]
impl Room {
    pub(crate) fn may_use(&self) -> &'static [&'static str] {
        self.may_use
    }
}

const fn pure(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room {
        name,
        may_use,
        pure: true,
    }
}

const fn impure(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room {
        name,
        may_use,
        pure: false,
    }
}

/// The rooms in the order in which a value walks through them. `abi` is the vocabulary of all of
/// them: whoever may use a crate whose signatures speak it may name it too.
pub(crate) const HOUSE: &[Room] = &[
    pure("argv", &[]),
    pure("abi", &[]),
    pure("oci", &["abi"]),
    pure("event", &["abi", "oci"]),
    pure("wire", &[]),
    pure("profile", &["abi", "oci", "event"]),
    pure("plan", &["abi", "oci", "profile"]),
    pure("explain", &["abi", "event", "profile", "plan"]),
    pure("trust", &["oci"]),
    impure("kernel", &["abi"]),
    impure("runtime", &["abi", "oci", "plan", "profile", "kernel"]),
    impure("bpf", &["abi"]),
    impure("watch", &["abi", "event", "kernel", "bpf"]),
    impure(
        "supervisor",
        &[
            "abi", "event", "wire", "profile", "plan", "runtime", "watch", "kernel",
        ],
    ),
    impure("image", &["abi", "oci", "trust", "kernel"]),
    impure(
        "lockstep",
        &[
            "argv",
            "abi",
            "oci",
            "event",
            "wire",
            "profile",
            "plan",
            "explain",
            "trust",
            "kernel",
            "runtime",
            "watch",
            "supervisor",
            "image",
        ],
    ),
    impure(
        "lockstep-runc",
        &["argv", "abi", "oci", "plan", "profile", "runtime", "kernel"],
    ),
];

/// Crates that reach the kernel or the network whatever they are asked for.
const IMPURE_CRATES: [&str; 7] = [
    "rustix",
    "libc",
    "nix",
    "tokio",
    "mio",
    "socket2",
    "libbpf-rs",
];

/// What would make the small static runtime large, threaded or dynamically linked. A name that
/// ends with `-` stands for all that begin so.
const TOO_HEAVY: [&str; 17] = [
    "libbpf-",
    "aya",
    "tokio",
    "async-std",
    "smol",
    "rustls",
    "openssl",
    "openssl-",
    "native-tls",
    "regex",
    "regex-",
    "oci-client",
    "reqwest",
    "hyper",
    "ureq",
    "curl",
    "rayon",
];

/// What `tidy` reads of `cargo metadata`.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    /// Absent for our own crates, which come from a path.
    pub(crate) source: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Absent for a normal dependency.
    pub(crate) kind: Option<String>,
}

impl Package {
    fn normal(&self) -> impl Iterator<Item = &str> {
        let shipped = |d: &&Dependency| d.kind.as_deref() != Some("dev");
        self.dependencies
            .iter()
            .filter(shipped)
            .map(|d| d.name.as_str())
    }
}

/// The room of a package of ours; `xtask` has none.
fn room_name(package: &str) -> &str {
    if package == "lockstep-runc" || package == "lockstep" {
        return package;
    }
    package.strip_prefix("lockstep-").unwrap_or(package)
}

fn is_own(package: &str) -> bool {
    package == "lockstep" || package.starts_with("lockstep-")
}

/// Edges between our crates that the table does not have, and crates that it does not know.
pub(crate) fn wrong_doors(metadata: &Metadata) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata.packages.iter().filter(|p| p.source.is_none()) {
        if package.name == "xtask" || package.name == "lockstep" {
            continue; // development and the people's tool may use all
        }
        let name = room_name(&package.name);
        let Some(room) = HOUSE.iter().find(|room| room.name == name) else {
            found.push(format!("unknown room: {name} is not in the house's table"));
            continue;
        };
        for target in package.normal().filter(|name| is_own(name)).map(room_name) {
            if !room.may_use.contains(&target) {
                found.push(format!("wrong door: {name} -> {target}"));
            }
        }
    }
    found
}

/// Cargo features of our own: they unify over a workspace build, so one that changes what the
/// runtime does could end up in what ships. Hooks of tests stand under a `--cfg`.
pub(crate) fn features(metadata: &Metadata) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata.packages.iter().filter(|p| p.source.is_none()) {
        for feature in package.features.keys() {
            found.push(format!("{}: a cargo feature `{feature}`", package.name));
        }
    }
    found
}

/// rustix and libc in a manifest that is not kernel's.
pub(crate) fn kernel_callers(metadata: &Metadata) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata.packages.iter().filter(|p| p.source.is_none()) {
        if package.name == "lockstep-kernel" {
            continue;
        }
        for name in package
            .normal()
            .filter(|name| ["rustix", "libc", "nix"].contains(name))
        {
            found.push(format!(
                "wrong door: {} -> {name}",
                room_name(&package.name)
            ));
        }
    }
    found
}

/// Pure crates that reach an impure library, through whatever stands between.
pub(crate) fn impure_trees(trees: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for room in HOUSE.iter().filter(|room| room.pure) {
        for name in trees.get(room.name).into_iter().flatten() {
            if IMPURE_CRATES.contains(&name.as_str()) {
                found.push(format!("pure crate {} depends on {name}", room.name));
            }
        }
    }
    found
}

/// Libraries that the runtime for engines must not link.
pub(crate) fn heavy(tree: &BTreeSet<String>) -> Vec<String> {
    let matches =
        |name: &str, rule: &str| name == rule || (rule.ends_with('-') && name.starts_with(rule));
    tree.iter()
        .filter(|name| TOO_HEAVY.iter().any(|rule| matches(name, rule)))
        .map(|name| format!("lockstep-runc links {name}"))
        .collect()
}
