//! The option strings of a mount (config.md, "Linux mount options") as kernel flags.

use crate::step::Links;
use lockstep_abi::mount::*;
use serde::Serialize;

/// Changes to a mount: MOUNT_ATTR_* bits of it alone and of everything below it, and propagation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Attributes {
    /// Bits to set on the mount.
    pub set: u64,
    /// Bits to clear on the mount.
    pub clear: u64,
    /// Bits to set on the mount and all below it.
    pub recursive_set: u64,
    /// Bits to clear on the mount and all below it.
    pub recursive_clear: u64,
    /// MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE, each with MS_REC or without, in order.
    pub propagation: Vec<u64>,
}

impl Attributes {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        *self == Attributes::default()
    }
}

/// All that one list of options says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `bind` (false) or `rbind` (true).
    pub bind: Option<bool>,
    /// `remount`.
    pub remount: bool,
    /// Attributes of the mount.
    pub attributes: Attributes,
    /// Options of the superblock that fsconfig(2) takes by name.
    pub superblock: Vec<String>,
    /// The same as MS_* bits, for `remount`.
    pub flags: u64,
    /// Options of the file system itself.
    pub data: Vec<String>,
    /// `tmpcopyup`.
    pub copy_up: bool,
    /// `idmap` (false) or `ridmap` (true).
    pub idmap: Option<bool>,
    /// `src-nofollow`, `src-nosymlinks`.
    pub source_links: Links,
    /// `dest-nofollow`.
    pub target_nofollow: bool,
}

/// What an option does to the attributes.
enum Effect {
    Set(u64),
    Clear(u64),
    /// Access time policies exclude each other, so the field is cleared with every one set.
    Atime(u64),
    /// Takes one access time policy back and leaves the other alone.
    NotAtime(u64),
}

fn attribute(name: &str) -> Option<Effect> {
    use Effect::{Atime, Clear, NotAtime, Set};
    Some(match name {
        "ro" => Set(MOUNT_ATTR_RDONLY),
        "rw" => Clear(MOUNT_ATTR_RDONLY),
        "nosuid" => Set(MOUNT_ATTR_NOSUID),
        "suid" => Clear(MOUNT_ATTR_NOSUID),
        "nodev" => Set(MOUNT_ATTR_NODEV),
        "dev" => Clear(MOUNT_ATTR_NODEV),
        "noexec" => Set(MOUNT_ATTR_NOEXEC),
        "exec" => Clear(MOUNT_ATTR_NOEXEC),
        "nodiratime" => Set(MOUNT_ATTR_NODIRATIME),
        "diratime" => Clear(MOUNT_ATTR_NODIRATIME),
        "nosymfollow" => Set(MOUNT_ATTR_NOSYMFOLLOW),
        "symfollow" => Clear(MOUNT_ATTR_NOSYMFOLLOW),
        "noatime" => Atime(MOUNT_ATTR_NOATIME),
        "strictatime" => Atime(MOUNT_ATTR_STRICTATIME),
        "relatime" => Atime(MOUNT_ATTR_RELATIME),
        "norelatime" => NotAtime(MOUNT_ATTR_RELATIME),
        "atime" => NotAtime(MOUNT_ATTR_NOATIME),
        "nostrictatime" => NotAtime(MOUNT_ATTR_STRICTATIME),
        _ => return None,
    })
}

fn superblock(name: &str) -> Option<(u64, bool)> {
    Some(match name {
        "sync" => (MS_SYNCHRONOUS, true),
        "async" => (MS_SYNCHRONOUS, false),
        "dirsync" => (MS_DIRSYNC, true),
        "lazytime" => (MS_LAZYTIME, true),
        "nolazytime" => (MS_LAZYTIME, false),
        "mand" => (MS_MANDLOCK, true),
        "nomand" => (MS_MANDLOCK, false),
        "iversion" => (MS_I_VERSION, true),
        "noiversion" => (MS_I_VERSION, false),
        "silent" => (MS_SILENT, true),
        "loud" => (MS_SILENT, false),
        _ => return None,
    })
}

fn propagation(name: &str) -> Option<u64> {
    Some(match name {
        "private" => MS_PRIVATE,
        "rprivate" => MS_PRIVATE | MS_REC,
        "shared" => MS_SHARED,
        "rshared" => MS_SHARED | MS_REC,
        "slave" => MS_SLAVE,
        "rslave" => MS_SLAVE | MS_REC,
        "unbindable" => MS_UNBINDABLE,
        "runbindable" => MS_UNBINDABLE | MS_REC,
        _ => return None,
    })
}

impl Options {
    /// Reads option strings; an unknown one belongs to the file system (config.md).
    pub fn parse(options: &[String]) -> Options {
        let mut out = Options::default();
        for option in options {
            out.take(option);
        }
        out
    }

    fn take(&mut self, option: &str) {
        match option {
            "defaults" => {}
            "bind" => self.bind = Some(self.bind.unwrap_or(false)),
            "rbind" => self.bind = Some(true),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.idmap = Some(false),
            "ridmap" => self.idmap = Some(true),
            "src-nofollow" => self.source_links = Links::NotTheLast,
            "src-nosymlinks" => self.source_links = Links::None,
            "dest-nofollow" => self.target_nofollow = true,
            _ => self.take_flag(option),
        }
    }

    fn take_flag(&mut self, option: &str) {
        if let Some(flags) = propagation(option) {
            self.attributes.propagation.push(flags);
        } else if let Some(effect) = attribute(option) {
            self.flags = remount_flags(self.flags, option);
            apply(effect, &mut self.attributes.set, &mut self.attributes.clear);
        } else if let Some(effect) = option.strip_prefix('r').and_then(attribute) {
            apply(
                effect,
                &mut self.attributes.recursive_set,
                &mut self.attributes.recursive_clear,
            );
        } else if let Some((flag, on)) = superblock(option) {
            self.flags = if on {
                self.flags | flag
            } else {
                self.flags & !flag
            };
            self.superblock
                .retain(|name| superblock(name).is_none_or(|(other, _)| other != flag));
            // The kernel's context API knows the positive names; silent and iversion exist for mount(2) only.
            if on && !matches!(option, "silent" | "iversion") {
                self.superblock.push(option.into());
            }
        } else {
            self.data.push(option.into());
        }
    }
}

fn apply(effect: Effect, set: &mut u64, clear: &mut u64) {
    match effect {
        Effect::Set(bit) => {
            *set |= bit;
            *clear &= !bit;
        }
        Effect::Clear(bit) => {
            *clear |= bit;
            *set &= !bit;
        }
        Effect::Atime(value) => {
            *set = *set & !MOUNT_ATTR__ATIME | value;
            *clear |= MOUNT_ATTR__ATIME;
        }
        Effect::NotAtime(value) => {
            let other = *set & MOUNT_ATTR__ATIME & !value;
            match (other, value) {
                // The field's zero, and the kernel's default: what it is taken back to is what the mount has.
                (0, MOUNT_ATTR_RELATIME) => *clear &= !MOUNT_ATTR__ATIME,
                (0, _) => {
                    *set &= !MOUNT_ATTR__ATIME;
                    *clear |= MOUNT_ATTR__ATIME;
                }
                _ => {}
            }
        }
    }
}

fn remount_flags(flags: u64, option: &str) -> u64 {
    match option {
        "ro" => flags | MS_RDONLY,
        "rw" => flags & !MS_RDONLY,
        "nosuid" => flags | MS_NOSUID,
        "suid" => flags & !MS_NOSUID,
        "nodev" => flags | MS_NODEV,
        "dev" => flags & !MS_NODEV,
        "noexec" => flags | MS_NOEXEC,
        "exec" => flags & !MS_NOEXEC,
        "noatime" => flags | MS_NOATIME,
        "atime" => flags & !MS_NOATIME,
        "nodiratime" => flags | MS_NODIRATIME,
        "diratime" => flags & !MS_NODIRATIME,
        "relatime" => flags | MS_RELATIME,
        "norelatime" => flags & !MS_RELATIME,
        "strictatime" => flags | MS_STRICTATIME,
        "nostrictatime" => flags & !MS_STRICTATIME,
        "nosymfollow" => flags | MS_NOSYMFOLLOW,
        "symfollow" => flags & !MS_NOSYMFOLLOW,
        _ => flags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Options {
        Options::parse(&text.split(',').map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_last_of_two_contradicting_options_wins() {
        let options = parse("ro,nosuid,rw,noatime,relatime");
        assert_eq!(options.attributes.set, MOUNT_ATTR_NOSUID);
        assert_eq!(
            options.attributes.clear,
            MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME
        );
    }

    #[test]
    fn taking_one_access_time_policy_back_keeps_the_other() {
        for list in ["noatime,norelatime", "noatime,nostrictatime"] {
            assert_eq!(parse(list).attributes.set, MOUNT_ATTR_NOATIME, "{list}");
        }
        assert_eq!(
            parse("strictatime,atime").attributes.set,
            MOUNT_ATTR_STRICTATIME
        );
        assert_eq!(parse("noatime,atime").attributes.set, 0);
        for nothing in ["norelatime", "relatime,norelatime"] {
            assert_eq!(
                parse(nothing).attributes,
                Attributes::default(),
                "{nothing}"
            );
        }
        assert_eq!(
            parse("norelatime,relatime").attributes.clear,
            MOUNT_ATTR__ATIME
        );
    }

    #[test]
    fn recursive_names_are_not_mistaken_for_plain_ones() {
        let options = parse("rro,rnosuid,relatime,rbind,rslave,ro");
        assert_eq!(
            options.attributes.recursive_set,
            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID
        );
        assert_eq!(options.attributes.set, MOUNT_ATTR_RDONLY);
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.attributes.propagation, [MS_SLAVE | MS_REC]);
    }

    #[test]
    fn unknown_options_go_to_the_file_system() {
        let options = parse("mode=755,size=65536k,sync,newinstance");
        assert_eq!(options.data, ["mode=755", "size=65536k", "newinstance"]);
        assert_eq!(options.superblock, ["sync"]);
    }
}
