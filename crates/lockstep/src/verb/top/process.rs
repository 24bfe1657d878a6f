//! What procfs says of a container's processes (proc_pid_status(5), proc_pid_stat(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lockstep_abi::capability::CapSet;
use lockstep_kernel::file;
use lockstep_kernel::root::Root;

/// Most bytes of one file.
const LIMIT: usize = 4 << 20;
/// Ticks in a second, of every time in procfs (USER_HZ).
const HZ: u64 = 100;

/// What several processes are seen against.
pub(super) struct Sight {
    /// Ticks since the host's boot.
    pub(super) now: u64,
    /// Names of the container's and of the host's users and groups.
    inside: [Names; 2],
    host: [Names; 2],
    /// From the host's process ids to those of the container.
    numbers: BTreeMap<i32, String>,
}

type Names = BTreeMap<u32, String>;

/// One process.
pub(super) struct Process {
    pub(super) hpid: i32,
    status: String,
    /// Of stat, what stands behind the command's name.
    stat: Vec<String>,
    cmdline: Vec<u8>,
    label: String,
    /// The maps of its user namespace: of users and of groups.
    maps: [String; 2],
}

fn read(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    file::read_at_once(file::CWD, path, LIMIT).ok()
}

fn text(path: impl AsRef<Path>) -> Option<String> {
    Some(String::from_utf8_lossy(&read(path)?).into_owned())
}

impl Sight {
    /// Of these processes, in the container whose first one is `first`.
    pub(super) fn of(first: i32, processes: &[Process]) -> Sight {
        let uptime = text("/proc/uptime").unwrap_or_default();
        let (seconds, hundredths) = uptime
            .split_whitespace()
            .next()
            .and_then(|now| now.split_once('.'))
            .unwrap_or(("0", "0"));
        let number = |digits: &str| digits.parse::<u64>().unwrap_or(0);
        // Below the root of the container's first process, where no link leads out.
        let root = file::open_dir(file::CWD, format!("/proc/{first}/root"));
        let root = root.ok().map(Root::new);
        let inside = |path: &str| {
            let found = root
                .as_ref()
                .and_then(|root| root.read_if_regular(&PathBuf::from(path), LIMIT).ok()?);
            names(&String::from_utf8_lossy(&found.unwrap_or_default()))
        };
        let host = |path: &str| names(&text(path).unwrap_or_default());
        Sight {
            now: number(seconds) * HZ + number(hundredths),
            inside: [inside("/etc/passwd"), inside("/etc/group")],
            host: [host("/etc/passwd"), host("/etc/group")],
            numbers: processes.iter().map(|it| (it.hpid, it.pid())).collect(),
        }
    }
}

/// Names by number, of passwd(5) or group(5).
fn names(text: &str) -> Names {
    let mut names = Names::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            // The first of several is the one that getpwuid(3) finds.
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// A number of the host in a map of user_namespaces(7).
fn mapped(map: &str, id: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        let (inside, outside, count) = (next()?, next()?, next()?);
        let at = id.checked_sub(outside).filter(|at| *at < count)?;
        inside.checked_add(at)
    })
}

/// Which id, of the four in a line of status.
#[derive(Clone, Copy)]
pub(super) enum Id {
    Real = 0,
    Effective = 1,
}

impl Process {
    /// `None` for one that has ended.
    pub(super) fn read(hpid: i32) -> Option<Process> {
        let at = |name: &str| format!("/proc/{hpid}/{name}");
        let stat = text(at("stat"))?;
        // The command's name may contain blanks and parentheses.
        let stat = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
        Some(Process {
            hpid,
            status: text(at("status"))?,
            stat: stat.map(str::to_owned).collect(),
            cmdline: read(at("cmdline"))?,
            label: text(at("attr/current")).unwrap_or_default(),
            maps: ["uid_map", "gid_map"].map(|name| text(at(name)).unwrap_or_default()),
        })
    }

    /// A line of status.
    pub(super) fn field(&self, name: &str) -> &str {
        let lines = self.status.lines();
        let mut found = lines.filter_map(|line| line.split_once(':'));
        found
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value.trim())
    }

    /// A number of stat, counted as its manual page does.
    fn number(&self, field: usize) -> i64 {
        let found = self.stat.get(field - 3).map(|text| text.parse());
        found.and_then(Result::ok).unwrap_or(0)
    }

    fn ticks(&self, field: usize) -> u64 {
        u64::try_from(self.number(field)).unwrap_or(0)
    }

    /// The last number of a line: that of the innermost namespace.
    pub(super) fn innermost(&self, name: &str) -> String {
        let numbers = self.field(name).split_whitespace();
        numbers.last().unwrap_or("0").to_owned()
    }

    pub(super) fn pid(&self) -> String {
        self.innermost("NSpid")
    }

    /// As the container knows it: what comes from outside has the parent 0.
    pub(super) fn ppid(&self, sight: &Sight) -> String {
        let parent = self.field("PPid").parse().unwrap_or(0);
        sight.numbers.get(&parent).map_or("0", |it| it).to_owned()
    }

    fn id(&self, name: &str, which: Id) -> u32 {
        let mut all = self.field(name).split_whitespace();
        let found = all.nth(which as usize).and_then(|id| id.parse().ok());
        found.unwrap_or(u32::MAX)
    }

    /// A user of the container, by name if it has one there.
    pub(super) fn user(&self, which: Id, sight: &Sight) -> String {
        self.named(0, self.id("Uid", which), sight)
    }

    pub(super) fn group(&self, which: Id, sight: &Sight) -> String {
        self.named(1, self.id("Gid", which), sight)
    }

    pub(super) fn groups(&self, sight: &Sight) -> String {
        self.each_group(|id| self.named(1, id, sight))
    }

    fn named(&self, kind: usize, id: u32, sight: &Sight) -> String {
        match mapped(&self.maps[kind], id) {
            Some(id) => name_of(&sight.inside[kind], id),
            None => "?".into(),
        }
    }

    /// The same of the host.
    pub(super) fn huser(&self, sight: &Sight) -> String {
        name_of(&sight.host[0], self.id("Uid", Id::Effective))
    }

    pub(super) fn hgroup(&self, sight: &Sight) -> String {
        name_of(&sight.host[1], self.id("Gid", Id::Effective))
    }

    pub(super) fn hgroups(&self, sight: &Sight) -> String {
        self.each_group(|id| name_of(&sight.host[1], id))
    }

    fn each_group(&self, name: impl Fn(u32) -> String) -> String {
        let all = self.field("Groups").split_whitespace();
        let all: Vec<String> = all.flat_map(str::parse).map(name).collect();
        all.join(",")
    }

    /// The command with its arguments, or its name where it has none, as a kernel's thread.
    pub(super) fn args(&self) -> String {
        match self.cmdline.is_empty() {
            true => format!("[{}]", self.field("Name")),
            false => String::from_utf8_lossy(&self.cmdline)
                .trim_end_matches('\0')
                .replace('\0', " "),
        }
    }

    pub(super) fn state(&self) -> String {
        self.field("State").chars().take(1).collect()
    }

    pub(super) fn nice(&self) -> String {
        self.number(19).to_string()
    }

    /// A size in KiB.
    pub(super) fn kib(&self, name: &str) -> String {
        let value = self.field(name).split_whitespace().next();
        value.unwrap_or("0").to_owned()
    }

    /// CPU time in ticks.
    pub(super) fn used(&self) -> u64 {
        self.ticks(14) + self.ticks(15)
    }

    /// Seconds since it began.
    pub(super) fn age(&self, sight: &Sight) -> u64 {
        sight.now.saturating_sub(self.ticks(22)) / HZ
    }

    /// CPU time in the time since it began.
    pub(super) fn pcpu(&self, sight: &Sight) -> String {
        let lived = sight.now.saturating_sub(self.ticks(22)).max(1);
        let thousandths = self.used() * 1000 / lived;
        format!("{}.{}", thousandths / 10, thousandths % 10)
    }

    /// Hours, minutes and seconds of CPU time.
    pub(super) fn time(&self) -> String {
        let seconds = self.used() / HZ;
        format!(
            "{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }

    /// The time since it began, as ps(1) writes it: `[[DD-]HH:]MM:SS`.
    pub(super) fn etime(&self, sight: &Sight) -> String {
        let seconds = self.age(sight);
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let rest = format!("{:02}:{:02}", seconds / 60 % 60, seconds % 60);
        match (days, hours) {
            (0, 0) => rest,
            (0, hours) => format!("{hours:02}:{rest}"),
            (days, hours) => format!("{days}-{hours:02}:{rest}"),
        }
    }

    /// Its terminal; the numbers of pseudoterminals are those of the container's own devpts.
    pub(super) fn tty(&self) -> String {
        let number = self.ticks(7);
        let (major, minor) = (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xfff00);
        match major {
            136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
            4 if minor < 64 => format!("tty{minor}"),
            _ => "?".into(),
        }
    }

    /// A set of capabilities by their names.
    pub(super) fn capabilities(&self, name: &str) -> String {
        let bits = u64::from_str_radix(self.field(name), 16).unwrap_or(0);
        let set = CapSet::from_bits(bits);
        if set.is_empty() {
            return "none".into();
        }
        if CapSet::ALL.is_subset(set) {
            return "full".into();
        }
        let names = set.iter().map(|it| it.name().trim_start_matches("CAP_"));
        names.collect::<Vec<_>>().join(",")
    }

    pub(super) fn seccomp(&self) -> String {
        match self.field("Seccomp") {
            "1" => "strict",
            "2" => "filter",
            "0" => "disabled",
            _ => "?",
        }
        .into()
    }

    /// The security module's, `?` without one.
    pub(super) fn label(&self) -> String {
        match self.label.trim_end_matches(['\0', '\n']) {
            "" => "?".into(),
            label => label.into(),
        }
    }
}

fn name_of(names: &Names, id: u32) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(stat: &str) -> Process {
        Process {
            hpid: 9,
            status: "Uid:\t100033\t100000\t0\t0\nGroups:\t100005 7 \nCapEff:\t0000000000000401\n"
                .into(),
            stat: stat.split_whitespace().map(str::to_owned).collect(),
            cmdline: b"a\0b\0".to_vec(),
            label: String::new(),
            maps: ["0 100000 65535\n".into(), "0 100000 65535\n".into()],
        }
    }

    #[test]
    fn numbers_have_their_places() {
        let stat = "S 1 1 1 34817 1 0 0 0 0 0 150 50 0 0 20 -5 1 0 1000 4096 10";
        let sight = Sight {
            now: 1000 + 100 * (86_400 + 3723),
            inside: [names("root:x:0:0::/:/bin/sh\n"), names("tty:x:5:\n")],
            host: [names("lp:x:7:7\n"), names("lp:x:7:\n")],
            numbers: BTreeMap::new(),
        };
        let it = process(stat);
        assert_eq!((it.used(), &*it.time()), (200, "00:00:02"));
        assert_eq!(it.etime(&sight), "1-01:02:03");
        assert_eq!((&*it.tty(), &*it.nice()), ("pts/1", "-5"));
        assert_eq!(it.user(Id::Effective, &sight), "root");
        assert_eq!(it.user(Id::Real, &sight), "33");
        assert_eq!(it.huser(&sight), "100000");
        assert_eq!(it.groups(&sight), "tty,?");
        assert_eq!(it.hgroups(&sight), "100005,lp");
        assert_eq!(it.capabilities("CapEff"), "CHOWN,NET_BIND_SERVICE");
        assert_eq!(it.args(), "a b");
    }
}
