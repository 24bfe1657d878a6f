//! Who calls, and what the kernel lets them do: probed once for a command.

use lockstep_abi::errno::Errno;
use lockstep_kernel::{capability, credential, file};

use crate::argv::Arguments;
use crate::failure::{Doing, Failure};
use crate::resolve::Caller;

/// Most bytes of /etc/subuid and its kin.
const LIMIT: usize = 4 << 20;

pub(crate) fn probe() -> Result<Caller, Failure> {
    let uid = credential::euid();
    let sets = capability::get().doing(|| "capabilities of the caller".into())?;
    let mut caller = Caller {
        uid,
        gid: credential::egid(),
        capabilities: sets.effective,
        all_ids: true,
        cgroups: true,
        subuids: Vec::new(),
        subgids: Vec::new(),
    };
    if uid != 0 && !caller.writes_maps() {
        return with_helpers(caller);
    }
    let ids = ("/proc/self/uid_map", "/proc/self/gid_map");
    let (users, groups) = (mapped(ids.0)?, mapped(ids.1)?);
    caller.all_ids = [&users, &groups].iter().all(|ids| has_all(ids));
    if !caller.writes_maps() {
        return with_helpers(caller);
    }
    caller.cgroups = uid != 0 || may_make_cgroups();
    if !caller.all_ids {
        // Root of a container's user namespace: what it has of the host's ids is as an ordinary user's subordinate ones.
        caller.subuids = without(&users, uid);
        caller.subgids = without(&groups, caller.gid);
    }
    Ok(caller)
}

/// One whose ids others map for it.
fn with_helpers(mut caller: Caller) -> Result<Caller, Failure> {
    // The ids are of no use without the programs that may map them.
    if has_helpers() {
        let name = user_name(caller.uid)?;
        // The helpers want to know their caller by name, even where the files have the number.
        if name.is_empty() {
            return Ok(caller);
        }
        caller.subuids = ranges("/etc/subuid", &name, caller.uid)?;
        caller.subgids = ranges("/etc/subgid", &name, caller.uid)?;
    }
    Ok(caller)
}

/// The same with what a command line has of it: engines' units name the container's cgroups.
pub(crate) fn with(args: &Arguments, caller: Caller) -> Result<Caller, Failure> {
    match args.text("cgroups")? {
        None | Some("enabled" | "no-conmon") => Ok(caller),
        Some("disabled") => {
            let limits = [
                "blkio-weight",
                "cgroup-conf",
                "cgroup-parent",
                "cpu-period",
                "cpu-quota",
                "cpu-shares",
                "cpus",
                "cpuset-cpus",
                "cpuset-mems",
                "device-cgroup-rule",
                "device-read-bps",
                "device-read-iops",
                "device-write-bps",
                "device-write-iops",
                "blkio-weight-device",
                "memory",
                "memory-reservation",
                "memory-swap",
                "memory-swappiness",
                "oom-kill-disable",
            ];
            match limits.iter().find(|option| args.flag(option)) {
                Some(option) => Err(Failure::new(format!(
                    "--cgroups disabled and --{option} exclude each other: a cgroup is what limits"
                ))),
                None => Ok(Caller {
                    cgroups: false,
                    ..caller
                }),
            }
        }
        Some("split") => Err(Failure::new(
            "--cgroups split is refused: the supervisor stays in the caller's cgroup, and the container's is below --cgroup-parent",
        )),
        Some(other) => Err(Failure::new(format!(
            "--cgroups takes enabled, no-conmon or disabled, not {other:?}"
        ))),
    }
}

/// A container has its cgroups read-only, or they belong to the host's root, who is nobody there.
fn may_make_cgroups() -> bool {
    // cgroups(7): with version 1 each controller is a mount; the directory of them may be read-only anywhere.
    let pids = "/sys/fs/cgroup/pids";
    let place = match file::stat(file::CWD, pids, true) {
        Ok(_) => pids,
        Err(_) => "/sys/fs/cgroup",
    };
    file::may_write(file::CWD, place).is_ok()
}

/// The ids that there are in this user namespace, as ranges (start, count); user_namespaces(7).
fn mapped(path: &str) -> Result<Vec<(u32, u32)>, Failure> {
    let text = read(path)?;
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let start = fields.next()?.parse().ok()?;
        Some((start, fields.nth(1)?.parse().ok()?))
    });
    Ok(ranges.collect())
}

/// Whether the blocks of containers are among them.
fn has_all(ids: &[(u32, u32)]) -> bool {
    ids.is_empty()
        || ids
            .iter()
            .any(|(start, count)| *start == 0 && *count == u32::MAX)
}

/// Ranges with one id taken out.
fn without(ranges: &[(u32, u32)], id: u32) -> Vec<(u32, u32)> {
    let mut all = Vec::new();
    for (start, count) in ranges {
        match id.checked_sub(*start).filter(|offset| offset < count) {
            Some(offset) => all.extend([(*start, offset), (id + 1, count - offset - 1)]),
            None => all.push((*start, *count)),
        }
    }
    all.retain(|(_, count)| *count > 0);
    all
}

fn has_helpers() -> bool {
    ["/usr/bin/newuidmap", "/usr/bin/newgidmap"]
        .iter()
        .all(|path| file::may_execute(file::CWD, path).is_ok())
}

/// The name behind a user id; empty where the host has none (passwd(5)).
pub(crate) fn user_name(uid: u32) -> Result<String, Failure> {
    let text = read("/etc/passwd")?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    Ok(found.unwrap_or_default())
}

/// The user's lines of subuid(5) or subgid(5), by name or number.
fn ranges(path: &str, name: &str, uid: u32) -> Result<Vec<(u32, u32)>, Failure> {
    let number = uid.to_string();
    let text = read(path)?;
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let who = fields.next()?;
        let own = who == number || (!name.is_empty() && who == name);
        let start = fields.next()?.trim().parse().ok()?;
        let count: u32 = fields.next()?.trim().parse().ok()?;
        (own && count > 0).then_some((start, count))
    });
    Ok(ranges.collect())
}

/// A file of the host's; the one that is not there says nothing.
pub(crate) fn read(path: &str) -> Result<String, Failure> {
    match file::read_at_once(file::CWD, path, LIMIT) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(String::new()),
        other => Ok(String::from_utf8_lossy(&other.doing(|| path.into())?).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_out_of_what_there_is() {
        assert_eq!(without(&[(0, 65_535)], 0), [(1, 65_534)]);
        assert_eq!(
            without(&[(0, 10), (20, 5)], 22),
            [(0, 10), (20, 2), (23, 2)]
        );
        assert_eq!(without(&[(0, 1)], 0), []);
        assert_eq!(without(&[(0, 1), (5, 3)], 7), [(0, 1), (5, 2)]);
        assert!(has_all(&[(0, u32::MAX)]) && !has_all(&[(0, 65_535)]));
    }
}
