//! From flags, image and host to a configuration: one file per subsystem, each a function of what it is given.
//!
//! What has to be looked up (a password file, a device's number) comes through [`Sight`], so that a test can
//! invent it. Each setting is noted with its origin, for `--why` and `inspect`.

mod capability;
mod cdi;
pub(crate) mod default;
mod device;
mod env;
mod given;
mod health;
mod image;
mod join;
mod limit;
mod mount;
mod namespace;
mod path;
mod process;
mod registry;
mod seccomp;
mod secret;
mod security;
mod sysctl;
mod user;
mod userns;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lockstep_oci::runtime::{Linux, Process, Root, Spec};
use lockstep_plan::create::MemoryRoot;
use lockstep_supervisor::{Joined, Over};
use serde::{Deserialize, Serialize};

use crate::argv::Arguments;
use crate::container::Check;
use crate::failure::Failure;
use crate::modules::{Apparmor, Selinux};
use crate::secret::Wanted;
use crate::why::{Origin, Setting};

pub(crate) use capability::DEFAULT as DEFAULT_CAPABILITIES;
pub(crate) use cdi::{DIRECTORIES as DESCRIPTIONS, Described, spec as description};
pub(crate) use device::Wanted as WantedDevice;
pub(crate) use env::given as given_environment;
pub(crate) use image::{Config as ImageConfig, HOST_DIRECTORIES, Image, Source};
pub(crate) use join::{Neighbour, named as neighbours, path as joined_path};
pub(crate) use limit::cgroup as limits;
pub(crate) use mount::Mounts;
pub(crate) use process::size;
pub(crate) use security::level;
pub(crate) use user::{Accounts, without_groups};
pub(crate) use userns::{ImageIds, Maps, default_maps, image_ids, wants_block, wants_default_ids};

/// The version of the specification that configurations are written in.
const OCI_VERSION: &str = "1.2.0";

/// Everything that decides about a container.
pub(crate) struct Input<'a> {
    pub(crate) args: &'a Arguments,
    pub(crate) image: &'a Image,
    /// What was typed behind the image.
    pub(crate) command: &'a [&'a str],
    pub(crate) caller: &'a Caller,
    /// The container's id.
    pub(crate) id: &'a str,
    /// First id of its block, where it has one.
    pub(crate) block: Option<u32>,
    /// Its level for SELinux, once it has claimed one.
    pub(crate) level: Option<&'a str>,
    pub(crate) sight: &'a Sight<'a>,
}

/// Who asks, and what the kernel lets them do.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Capabilities that are effective, as bits.
    pub(crate) capabilities: u64,
    /// Whether every id of the host is there to be mapped: not in a container with a part of them.
    pub(crate) all_ids: bool,
    /// Whether root may make cgroups: not in a container that has them read-only.
    pub(crate) cgroups: bool,
    /// Subordinate ids (start, count), first users then groups; empty where there are none or nobody to map them.
    pub(crate) subuids: Vec<(u32, u32)>,
    pub(crate) subgids: Vec<(u32, u32)>,
}

impl Caller {
    /// Whether any user id can be mapped: CAP_SETUID and CAP_SETGID.
    pub(crate) fn maps_any_id(&self) -> bool {
        self.all_ids && self.writes_maps()
    }

    /// Whether it is the host's root, who can mount with any ids; root of a container's user namespace is not.
    pub(crate) fn is_root_of_host(&self) -> bool {
        self.uid == 0 && self.all_ids
    }

    /// Whether it needs no helper to map those that are there.
    pub(crate) fn writes_maps(&self) -> bool {
        self.capabilities >> 6 & 0b11 == 0b11
    }

    /// Whether there are subordinate ids, of users and groups.
    pub(crate) fn has_subordinates(&self) -> bool {
        !self.subuids.is_empty() && !self.subgids.is_empty()
    }

    /// Whether it has rights over the host's mounts, and over user namespaces that it makes for another user:
    /// CAP_SYS_ADMIN, which another engine's container seldom has.
    pub(crate) fn mounts(&self) -> bool {
        self.capabilities >> 21 & 1 == 1
    }

    /// Whether it is root, with cgroups.
    pub(crate) fn is_root_with_cgroups(&self) -> bool {
        self.uid == 0 && self.cgroups
    }
}

/// Paths of the host.
type Places = Result<Vec<PathBuf>, Failure>;

/// What resolution may look at. Each look costs system calls, and most containers need few of them.
pub(crate) struct Sight<'a> {
    /// A file of the caller's.
    pub(crate) read: &'a dyn Fn(&Path) -> Result<Vec<u8>, Failure>,
    /// What a path of the host is.
    pub(crate) look: &'a dyn Fn(&Path) -> Result<Option<Node>, Failure>,
    /// The caller's mounts.
    pub(crate) mounts: &'a dyn Fn() -> Result<Rc<Mounts>, Failure>,
    /// This user's stores, states and configurations, without links in the names.
    pub(crate) own: &'a dyn Fn() -> Rc<[PathBuf]>,
    /// The same of other users, where root calls, as far as it is in one of these directories.
    pub(crate) others_in: &'a dyn Fn(&[String]) -> Places,
    /// Those of all users, and the programs: nothing of that may be reached in a volume.
    pub(crate) kept_out: &'a dyn Fn() -> Result<Rc<[PathBuf]>, Failure>,
    /// Where named volumes lie, without links in the name.
    pub(crate) volumes: &'a dyn Fn() -> PathBuf,
    /// Rows and columns of the caller's terminal.
    pub(crate) terminal: &'a dyn Fn() -> Option<(u16, u16)>,
    /// A path made absolute, without links.
    pub(crate) absolute: &'a dyn Fn(&Path) -> Result<String, Failure>,
    /// A file of the image.
    pub(crate) image_file: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    /// What another container was given.
    pub(crate) mounts_of: &'a dyn Fn(&str) -> Result<Vec<Brought>, Failure>,
    /// What vendors say of their devices.
    pub(crate) descriptions: &'a dyn Fn() -> Result<Vec<Described>, Failure>,
    /// A container whose namespaces are shared.
    pub(crate) neighbour: &'a dyn Fn(&str) -> Result<Rc<Neighbour>, Failure>,
    /// What AppArmor does on this host.
    pub(crate) apparmor: &'a dyn Fn() -> Result<Apparmor, Failure>,
    /// What SELinux does.
    pub(crate) selinux: &'a dyn Fn() -> Result<Selinux, Failure>,
    /// A variable of the caller's environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// All of them.
    pub(crate) variables: &'a dyn Fn() -> Vec<(String, String)>,
}

/// What a path of the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    File,
    /// Character device.
    Char(u32, u32),
    Block(u32, u32),
    Other,
}

/// A configuration, and what a supervisor and `inspect` need beside it.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) spec: Spec,
    pub(crate) memory_root: Option<MemoryRoot>,
    pub(crate) idmap_root: bool,
    /// Sysctls of the container's own network namespace, by name.
    pub(crate) network_defaults: Vec<(String, String)>,
    /// Whether the root file system is made of the image's layers.
    pub(crate) layered: bool,
    /// The user that the supervisor becomes.
    pub(crate) owner: Option<u32>,
    /// The host's user behind the container's, where the supervisor has to give it the streams.
    pub(crate) stream_owner: Option<u32>,
    /// The whole command, for people.
    pub(crate) command: Vec<String>,
    /// How many words of it are the entrypoint.
    pub(crate) entrypoint: usize,
    /// What was brought in by the command line.
    pub(crate) mounts: Vec<Brought>,
    /// Files for the container's directory, by name.
    pub(crate) files: BTreeMap<&'static str, String>,
    /// Namespaces of other containers.
    pub(crate) joined: Vec<Joined>,
    /// Secrets that it gets.
    pub(crate) secrets: Vec<Wanted>,
    /// Volumes that have to exist.
    pub(crate) volumes: Vec<Volume>,
    /// Paths of the host whose files get these SELinux labels.
    pub(crate) relabelled: Vec<(PathBuf, String)>,
    /// Paths of the host whose owners become these users and groups.
    pub(crate) given: Vec<(PathBuf, (u32, u32))>,
    /// Directories that the container changes a copy of.
    pub(crate) over: Vec<Over>,
    pub(crate) health: Option<Check>,
    pub(crate) stop_signal: i32,
    pub(crate) stop_timeout_ms: u64,
    pub(crate) settings: Vec<Setting>,
    pub(crate) warnings: Vec<String>,
}

/// A volume, as a container has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) name: String,
    /// Where it is in the container.
    pub(crate) target: String,
    /// Whether a new one gets the files that the image has there.
    pub(crate) filled: bool,
    /// Whether nobody gave it a name.
    pub(crate) anonymous: bool,
}

/// A path of the host or a volume in a container, as its record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Brought {
    /// The volume's name; `None` for a path of the host.
    pub(crate) volume: Option<String>,
    /// On the host.
    pub(crate) source: String,
    pub(crate) target: String,
    /// As they were typed.
    pub(crate) options: Vec<String>,
}

impl Brought {
    /// Whether it cannot be written through this mount.
    pub(crate) fn read_only(&self) -> bool {
        self.options
            .iter()
            .any(|option| option == "ro" || option == "readonly")
    }
}

/// Decides everything.
pub(crate) fn resolve(input: &Input<'_>) -> Result<Resolved, Failure> {
    let mut out = Resolved {
        spec: Spec {
            oci_version: OCI_VERSION.to_owned(),
            process: Some(Process::default()),
            root: Some(Root::default()),
            linux: Some(Linux::default()),
            ..Spec::default()
        },
        ..Resolved::default()
    };
    registry::check(input)?;
    let options = security::options(input)?;
    namespace::apply(input, &mut out)?;
    userns::apply(input, &mut out)?;
    process::apply(input, &mut out)?;
    secret::apply(input, &mut out)?;
    let vendors = cdi::edits(input, &mut out)?;
    env::apply(input, &vendors.env, &mut out)?;
    user::apply(input, &mut out)?;
    let granted = capability::apply(input, &mut out)?;
    seccomp::apply(input, &options, granted, &mut out)?;
    security::apply(input, &options, granted, &mut out)?;
    mount::apply(input, (&options, &vendors), &mut out)?;
    path::apply(input, &options, &mut out);
    device::apply(input, &vendors.device_nodes, &mut out)?;
    limit::apply(input, &mut out)?;
    health::apply(input, &mut out)?;
    for text in input.args.texts("annotation")? {
        let (key, value) = pair("annotation", text)?;
        out.spec.annotations.insert(key, value.into());
    }
    sysctl::apply(input, &mut out)?;
    given::apply(input, &mut out)?;
    Ok(out)
}

impl Resolved {
    /// Notes a setting.
    fn note(&mut self, name: &str, value: impl Into<String>, origin: Origin, change: &str) {
        self.settings.push(Setting {
            name: name.into(),
            value: value.into(),
            origin,
            change: change.into(),
            place: String::new(),
        });
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    fn linux(&mut self) -> &mut Linux {
        self.spec.linux.get_or_insert_default()
    }

    fn process(&mut self) -> &mut Process {
        self.spec.process.get_or_insert_default()
    }
}

/// Splits `KEY=VALUE`.
fn pair<'t>(option: &str, text: &'t str) -> Result<(&'t str, &'t str), Failure> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| Failure::new(format!("--{option} takes KEY=VALUE, not {text:?}")))
}

/// The complaint about an option's value.
fn wrong(option: &str, text: &str, takes: &str) -> Failure {
    Failure::new(format!("--{option} takes {takes}, not {text:?}"))
}

/// Whether the flag was given, as the origin of what it decides.
fn origin(given: bool) -> Origin {
    match given {
        true => Origin::Flag,
        false => Origin::Default,
    }
}

#[cfg(test)]
mod tests;
