//! Device rules: what the specification's ordered list means, and what each version is told.
//!
//! The rules hold one after the other, per letter of `rwm`, from "nothing is allowed" (as in runc).
//! The v1 kernel keeps a default and a set of exceptions and cannot say every such list; what it
//! cannot say is refused here, because it would be accepted and mean something wider there.

use std::fmt;

use lockstep_oci::runtime::{DeviceCgroup, DeviceCgroupType};
use serde::{Serialize, Serializer};

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

    fn parse(letters: &str) -> Option<Access> {
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
    fn contains(&self, other: &DeviceRule) -> bool {
        let within = |ours: Option<u32>, theirs: Option<u32>| ours.is_none() || ours == theirs;
        self.kind == other.kind
            && within(self.major, other.major)
            && within(self.minor, other.minor)
    }

    fn overlaps(&self, other: &DeviceRule) -> bool {
        let meets = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.kind == other.kind && meets(self.major, other.major) && meets(self.minor, other.minor)
    }
}

/// One line for `devices.allow` or `devices.deny`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListWrite {
    /// Which of the two files.
    pub allow: bool,
    /// The line.
    pub entry: String,
    /// JSON pointer of the rule that asks for it; empty for a default one.
    pub because: String,
    /// The rule that the line says; none for the default `a`.
    #[serde(skip)]
    pub(super) rule: Option<DeviceRule>,
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
        /// The lines.
        writes: Vec<ListWrite>,
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

/// The v1 kernel's form of a rule list: a default and exceptions from it.
struct Table {
    allow: bool,
    exceptions: Vec<DeviceRule>,
}

impl Table {
    fn of(rules: &[DeviceRule]) -> Result<Table, Error> {
        let mut table = Table {
            allow: false,
            exceptions: Vec::new(),
        };
        for rule in rules {
            if rule.is_total() {
                table.allow = rule.allow;
                table.exceptions.clear();
                continue;
            }
            let kinds: &[Kind] = match rule.kind {
                // After `a` the v1 kernel ignores numbers and letters.
                Kind::All => &[Kind::Char, Kind::Block],
                Kind::Char => &[Kind::Char],
                Kind::Block => &[Kind::Block],
            };
            for &kind in kinds {
                let rule = DeviceRule {
                    kind,
                    ..rule.clone()
                };
                if rule.allow == table.allow {
                    table.revoke(&rule)?;
                } else {
                    table.except(rule);
                }
            }
        }
        Ok(table)
    }

    fn except(&mut self, rule: DeviceRule) {
        let same = |e: &&mut DeviceRule| {
            e.kind == rule.kind && e.major == rule.major && e.minor == rule.minor
        };
        match self.exceptions.iter_mut().find(same) {
            Some(old) => old.access.0 |= rule.access.0,
            None => self.exceptions.push(rule),
        }
    }

    fn revoke(&mut self, rule: &DeviceRule) -> Result<(), Error> {
        for exception in &mut self.exceptions {
            if exception.access.0 & rule.access.0 == 0 || !exception.overlaps(rule) {
                continue;
            }
            if !rule.contains(exception) {
                let verb = |allow| if allow { "allow" } else { "deny" };
                let reason = format!(
                    "the cgroup v1 device list cannot {} a part of what it was told to {} before ({})",
                    verb(rule.allow),
                    verb(exception.allow),
                    exception.entry(),
                );
                return Err(Error::new(rule.because.clone(), rule.entry(), reason));
            }
            exception.access.0 &= !rule.access.0;
        }
        self.exceptions.retain(|e| e.access.0 != 0);
        Ok(())
    }

    /// The fewest lines: every write is a system call at each start of a container.
    fn writes(mut self) -> Vec<ListWrite> {
        if !self.allow {
            self.widen();
        }
        let all = std::mem::take(&mut self.exceptions);
        let is_covered = |rule: &DeviceRule, at: usize| {
            all.iter().enumerate().any(|(other, wide)| {
                other != at && wide.contains(rule) && wide.access.0 & rule.access.0 == rule.access.0
            })
        };
        let mut writes = vec![ListWrite {
            allow: self.allow,
            entry: "a".to_owned(),
            because: String::new(),
            rule: None,
        }];
        for (at, rule) in all.iter().enumerate() {
            if !is_covered(rule, at) {
                writes.push(ListWrite {
                    allow: rule.allow,
                    entry: rule.entry(),
                    because: rule.because.clone(),
                    rule: Some(rule.clone()),
                });
            }
        }
        writes
    }

    /// The kernel allows an open for reading and writing only if one exception has both letters: where
    /// two exceptions meet, the narrower one, or a new one for what they share, gets the letters of both.
    fn widen(&mut self) {
        let opens = Access::READ.0 | Access::WRITE.0;
        let all = self.exceptions.clone();
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                let crosses = !one.contains(other) && !other.contains(one);
                let both = one.access.0 | other.access.0;
                // mknod is asked for alone.
                let wider =
                    both & opens != one.access.0 & opens && both & opens != other.access.0 & opens;
                if one.overlaps(other) && crosses && wider {
                    let mut shared = one.clone();
                    shared.major = one.major.or(other.major);
                    shared.minor = one.minor.or(other.minor);
                    shared.access.0 = both;
                    self.except(shared);
                }
            }
        }
        for rule in &mut self.exceptions {
            if rule.access.0 & opens != 0 {
                let met = all.iter().filter(|wide| wide.contains(rule));
                let shared = met.fold(0, |bits, wide| bits | wide.access.0);
                rule.access.0 |= shared & opens;
            }
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
