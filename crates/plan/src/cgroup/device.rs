//! Device rules: what the specification's ordered list means, and what each version is told.
//!
//! The rules hold one after the other, per letter of `rwm`, from "nothing is allowed" (as in runc).

use std::fmt;

use lockstep_oci::runtime::{DeviceCgroup, DeviceCgroupType};
use serde::{Serialize, Serializer};

use super::device_list::{ListWrite, Table};
use super::layout::{Layout, Mode, Version};
use super::{Error, Required, program};

/// Sort of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Both sorts.
    All,
    /// Character device.
    Char,
    /// Block device.
    Block,
}

/// A set out of read, write and mknod, in the bits of `BPF_DEVCG_ACC_*` (linux/bpf.h).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Access(pub u8);

impl Access {
    /// mknod(2).
    pub const MKNOD: Access = Access(1);
    /// Opening for reading.
    pub const READ: Access = Access(2);
    /// Opening for writing.
    pub const WRITE: Access = Access(4);
    /// All three.
    pub const ALL: Access = Access(7);

    pub(super) fn parse(letters: &str) -> Option<Access> {
        let mut bits = 0;
        for letter in letters.chars() {
            bits |= match letter {
                'r' => Access::READ.0,
                'w' => Access::WRITE.0,
                'm' => Access::MKNOD.0,
                _ => return None,
            };
        }
        (bits != 0).then_some(Access(bits))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [
            (Access::READ, "r"),
            (Access::WRITE, "w"),
            (Access::MKNOD, "m"),
        ] {
            if self.0 & bit.0 != 0 {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({self})")
    }
}

impl Serialize for Access {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One rule, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceRule {
    /// Whether it allows or denies.
    pub allow: bool,
    /// Which sort.
    pub kind: Kind,
    /// Major number; none means all.
    pub major: Option<u32>,
    /// Minor number; none means all.
    pub minor: Option<u32>,
    /// What is allowed or denied.
    pub access: Access,
    /// JSON pointer of the rule; empty for a default one.
    pub because: String,
}

impl DeviceRule {
    /// The rule in the form of devices.list: `c 1:3 rwm`.
    #[must_use]
    pub fn entry(&self) -> String {
        let kind = match self.kind {
            Kind::All => 'a',
            Kind::Char => 'c',
            Kind::Block => 'b',
        };
        let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
        format!(
            "{kind} {}:{} {}",
            number(self.major),
            number(self.minor),
            self.access
        )
    }

    pub(super) fn is_total(&self) -> bool {
        self.kind == Kind::All
            && self.major.is_none()
            && self.minor.is_none()
            && self.access == Access::ALL
    }

    /// Whether every device of `other` is one of ours. Neither is of both sorts.
    pub(super) fn contains(&self, other: &DeviceRule) -> bool {
        let within = |ours: Option<u32>, theirs: Option<u32>| ours.is_none() || ours == theirs;
        self.kind == other.kind
            && within(self.major, other.major)
            && within(self.minor, other.minor)
    }

    pub(super) fn overlaps(&self, other: &DeviceRule) -> bool {
        let meets = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.kind == other.kind && meets(self.major, other.major) && meets(self.minor, other.minor)
    }
}

/// What is done about devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Devices {
    /// What is in force stays.
    Keep,
    /// cgroup v2: everything is allowed, so there is no program (an old one is taken away).
    Open {
        /// Index into [`Layout::hierarchies`].
        hierarchy: usize,
    },
    /// cgroup v1: lines for the two control files, in order.
    List {
        /// Index into [`Layout::hierarchies`].
        hierarchy: usize,
        /// The lines of the whole list.
        writes: Vec<ListWrite>,
        /// For an update: the lines that the container was given so far. Only what [`change_of_list`](super::change_of_list) makes of
        /// the two is written then.
        former: Option<Vec<ListWrite>>,
        /// Whether a refusal is an error.
        required: Required,
    },
    /// cgroup v2: a program of type `BPF_PROG_TYPE_CGROUP_DEVICE`.
    Program {
        /// Index into [`Layout::hierarchies`].
        hierarchy: usize,
        /// Instructions, each a `struct bpf_insn` as a little-endian number.
        program: Vec<u64>,
        /// Whether a refusal is an error.
        required: Required,
    },
    /// Nothing here can restrict devices: a downgrade to report.
    Unenforced {
        /// JSON pointer of the rules.
        because: String,
        /// Why.
        reason: String,
    },
}

/// What every container may use: mknod of anything (opening it is another matter), the harmless
/// devices, terminals, and tun (which needs `CAP_NET_ADMIN` to do anything); the list of runc.
#[must_use]
pub fn default_devices() -> Vec<DeviceRule> {
    let rule = |kind, major, minor, access| DeviceRule {
        allow: true,
        kind,
        major,
        minor,
        access,
        because: String::new(),
    };
    let character = |major, minor| rule(Kind::Char, Some(major), minor, Access::ALL);
    vec![
        rule(Kind::Char, None, None, Access::MKNOD),
        rule(Kind::Block, None, None, Access::MKNOD),
        character(1, Some(3)),
        character(1, Some(5)),
        character(1, Some(7)),
        character(1, Some(8)),
        character(1, Some(9)),
        character(5, Some(0)),
        character(5, Some(1)),
        character(5, Some(2)),
        character(10, Some(200)),
        character(136, None),
    ]
}

/// The configuration's rules, checked.
pub(super) fn rules(given: &[DeviceCgroup], pointer: &str) -> Result<Vec<DeviceRule>, Error> {
    given
        .iter()
        .enumerate()
        .map(|(at, rule)| checked(rule, &format!("{pointer}/{at}")))
        .collect()
}

fn checked(rule: &DeviceCgroup, pointer: &str) -> Result<DeviceRule, Error> {
    let kind = match &rule.kind {
        None | Some(DeviceCgroupType::All) => Kind::All,
        Some(DeviceCgroupType::Char) => Kind::Char,
        Some(DeviceCgroupType::Block) => Kind::Block,
        Some(other) => {
            let reason = "not one of a, c, b";
            return Err(Error::new(
                format!("{pointer}/type"),
                format!("{other:?}"),
                reason,
            ));
        }
    };
    let number = |value: Option<i64>, field: &str| match value {
        None | Some(-1) => Ok(None),
        Some(n) => u32::try_from(n)
            .map(Some)
            .map_err(|_range| Error::new(format!("{pointer}/{field}"), n, "not a device number")),
    };
    let (major, minor) = (number(rule.major, "major")?, number(rule.minor, "minor")?);
    let total = kind == Kind::All && major.is_none() && minor.is_none();
    let access = match rule.access.as_deref() {
        // The kernel reads no letters after a bare `a`.
        None if total => Access::ALL,
        None => {
            let reason = "a rule for some devices needs access letters out of rwm";
            return Err(Error::new(format!("{pointer}/access"), "absent", reason));
        }
        Some(letters) => Access::parse(letters).ok_or_else(|| {
            let reason = "not a composition of r, w and m";
            Error::new(format!("{pointer}/access"), format!("{letters:?}"), reason)
        })?,
    };
    Ok(DeviceRule {
        allow: rule.allow,
        kind,
        major,
        minor,
        access,
        because: pointer.to_owned(),
    })
}

/// The lines of a v1 list for what a container was given so far, which was planned once and so has a form.
pub(super) fn former(
    given: &[DeviceCgroup],
    defaults: &[DeviceRule],
) -> Result<Vec<ListWrite>, Error> {
    let mut rules = rules(given, "/linux/resources/devices")?;
    rules.extend(defaults.iter().cloned());
    Ok(Table::of(&rules)?.writes())
}

pub(super) fn devices(
    mut rules: Vec<DeviceRule>,
    defaults: &[DeviceRule],
    layout: &Layout,
    rootless: bool,
    pointer: &str,
) -> Result<Devices, Error> {
    rules.extend(defaults.iter().cloned());
    let table = Table::of(&rules);
    let required = if rootless {
        Required::BestEffort
    } else {
        Required::Hard
    };
    if let Some(hierarchy) = layout.find("devices") {
        let writes = table?.writes();
        return Ok(Devices::List {
            hierarchy,
            writes,
            former: None,
            required,
        });
    }
    let unrestricted = table.is_ok_and(|t| t.allow && t.exceptions.is_empty());
    match layout.unified().filter(|_| layout.mode == Mode::V2) {
        Some(hierarchy) if unrestricted => Ok(Devices::Open { hierarchy }),
        Some(hierarchy) => {
            debug_assert_eq!(layout.hierarchies[hierarchy].version, Version::V2);
            Ok(Devices::Program {
                hierarchy,
                program: program::device_filter(&rules),
                required,
            })
        }
        None if unrestricted => Ok(Devices::Keep),
        None => {
            let reason = match layout.mode {
                Mode::None => "no cgroup filesystem is mounted to restrict devices",
                _ => "this host has no devices cgroup controller",
            };
            // What nobody asked for is lost visibly; a rule of the configuration is refused.
            let asked = rules.len() - defaults.len();
            if asked > 0 && !rootless {
                return Err(Error::new(pointer, format!("{asked} rules"), reason));
            }
            Ok(Devices::Unenforced {
                because: pointer.to_owned(),
                reason: reason.to_owned(),
            })
        }
    }
}

/// The drivers of a major number in the text of `/proc/devices`.
pub(super) fn driver_names(drivers: &str, kind: Kind, major: u32) -> impl Iterator<Item = &str> {
    let heading = if kind == Kind::Block {
        "Block devices:"
    } else {
        "Character devices:"
    };
    let section = drivers
        .lines()
        .skip_while(move |line| *line != heading)
        .skip(1);
    let entries = section.take_while(|line| !line.is_empty());
    entries.filter_map(move |line| {
        let (number, name) = line.trim_start().split_once(' ')?;
        (number.parse() == Ok(major)).then_some(name)
    })
}
