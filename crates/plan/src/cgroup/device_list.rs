//! Device rules as cgroup v1 keeps them: a default and exceptions from it.
//!
//! That form cannot say every list of rules; what it cannot say is refused here, because it would be accepted and mean
//! something wider there (security/device_cgroup.c).

use serde::Serialize;

use super::Error;
use super::device::{Access, DeviceRule, Kind};

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

/// The v1 kernel's form of a rule list: a default and exceptions from it.
pub(super) struct Table {
    pub(super) allow: bool,
    pub(super) exceptions: Vec<DeviceRule>,
}

impl Table {
    pub(super) fn of(rules: &[DeviceRule]) -> Result<Table, Error> {
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
    pub(super) fn writes(mut self) -> Vec<ListWrite> {
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

/// What a changed list is written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The lines, in order.
    pub writes: Vec<ListWrite>,
    /// Whether no process of the container may run meanwhile: between the lines more would be allowed than either list
    /// allows, or less than both do.
    pub stopped: bool,
}

/// What brings a list to `wanted`: what was allowed before and is after is never refused, and nothing else allowed.
///
/// `text` is what devices.list shows now. With an open default it shows no exceptions, so those are the ones of
/// `former`. The default itself is written only where it changes: the line `a` begins a new list, in which
/// everything is allowed, or nothing; and the kernel takes it from no cgroup that has children (`EINVAL`).
#[must_use]
pub fn change(text: &str, former: &[ListWrite], wanted: &[ListWrite]) -> Change {
    let is_open = |list: &[ListWrite]| list.first().is_some_and(|line| line.allow);
    let open = text.lines().any(|line| line.trim() == "a *:* rwm");
    if open != is_open(wanted) {
        return Change {
            writes: wanted.to_vec(),
            stopped: wanted.len() > 1,
        };
    }
    let present: Vec<DeviceRule> = if !open {
        text.lines().filter_map(exception).collect()
    } else if is_open(former) {
        rules(former).cloned().collect()
    } else {
        Vec::new()
    };
    let (mut first, mut crossing, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for rule in rules(wanted) {
        let there = bits(&present, rule);
        let (more, less) = (rule.access.0 & !there, there & !rule.access.0);
        let more = line(rule, more, !open);
        // One exception with the letters of both lists would allow an open for reading and writing that neither allows.
        if !open && less != 0 && more.is_some() {
            crossing.extend(line(rule, less, open).into_iter().chain(more));
        } else {
            first.extend(more);
            last.extend(line(rule, less, open));
        }
    }
    for rule in &present {
        if !rules(wanted).any(|other| same(rule, other)) {
            last.extend(line(rule, rule.access.0, open));
        }
    }
    let stopped = !crossing.is_empty();
    first.append(&mut crossing);
    first.append(&mut last);
    Change {
        writes: first,
        stopped,
    }
}

fn rules(list: &[ListWrite]) -> impl Iterator<Item = &DeviceRule> {
    list.iter().filter_map(|line| line.rule.as_ref())
}

/// The kernel knows an exception by its devices, letter by letter as they are written.
fn same(one: &DeviceRule, other: &DeviceRule) -> bool {
    one.kind == other.kind && one.major == other.major && one.minor == other.minor
}

fn bits(present: &[DeviceRule], of: &DeviceRule) -> u8 {
    let found = present.iter().filter(|rule| same(rule, of));
    found.fold(0, |bits, rule| bits | rule.access.0)
}

fn line(rule: &DeviceRule, letters: u8, allow: bool) -> Option<ListWrite> {
    let rule = DeviceRule {
        allow,
        access: Access(letters),
        ..rule.clone()
    };
    (letters != 0).then(|| ListWrite {
        allow,
        entry: rule.entry(),
        because: rule.because.clone(),
        rule: Some(rule),
    })
}

/// A line of devices.list with a closed default: `c 1:3 rwm`.
fn exception(line: &str) -> Option<DeviceRule> {
    let mut words = line.split_whitespace();
    let kind = match words.next()? {
        "c" => Kind::Char,
        "b" => Kind::Block,
        _ => return None,
    };
    let (major, minor) = words.next()?.split_once(':')?;
    let number = |text: &str| match text {
        "*" => Some(None),
        number => number.parse().ok().map(Some),
    };
    Some(DeviceRule {
        allow: true,
        kind,
        major: number(major)?,
        minor: number(minor)?,
        access: Access::parse(words.next()?)?,
        because: String::new(),
    })
}
