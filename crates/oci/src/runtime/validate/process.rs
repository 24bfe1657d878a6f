//! The process: what it executes, as whom, with which capabilities and limits.

use lockstep_abi::capability::Capability;
use lockstep_abi::id::NO_ID;

use super::{Report, scheduling};
use crate::pointer::Pointer;
use crate::runtime::{Capabilities, IdMapping, Linux, NamespaceType, Process, Rlimit, User};

/// Most supplementary groups (`NGROUPS_MAX`, setgroups(2)).
const MAX_GROUPS: usize = 65_536;

pub(super) fn check(report: &mut Report, at: &Pointer<'_>, process: &Process) {
    let place = at.key("args");
    if process.args.is_empty() {
        report.refuse(
            &place,
            &process.args,
            "needs at least one entry, the program",
        );
    } else if process.args[0].is_empty() {
        report.refuse(&place.index(0), &process.args[0], "must name a program");
    }
    report.no_nul_in_each(&place, &process.args);
    report.absolute_path(&at.key("cwd"), &process.cwd);
    check_env(report, &at.key("env"), &process.env);
    check_user(report, &at.key("user"), &process.user);
    if let Some(capabilities) = &process.capabilities {
        check_capabilities(report, &at.key("capabilities"), capabilities);
    }
    check_rlimits(report, &at.key("rlimits"), &process.rlimits);
    report.no_nul_in(
        &at.key("apparmorProfile"),
        process.apparmor_profile.as_ref(),
    );
    report.no_nul_in(&at.key("selinuxLabel"), process.selinux_label.as_ref());
    if let Some(score) = process
        .oom_score_adj
        .filter(|score| !(-1000..=1000).contains(score))
    {
        report.refuse(&at.key("oomScoreAdj"), &score, "must be from -1000 to 1000");
    }
    if let Some(size) = process.console_size.as_ref().filter(|_| process.terminal) {
        let at = at.key("consoleSize");
        for (field, length) in [("height", size.height), ("width", size.width)] {
            if length > u64::from(u16::MAX) {
                report.refuse(&at.key(field), &length, "must be at most 65535");
            }
        }
    }
    scheduling::check(report, at, process);
}

pub(super) fn check_env(report: &mut Report, at: &Pointer<'_>, env: &[String]) {
    for (nth, entry) in env.iter().enumerate() {
        let at = at.index(nth);
        report.no_nul(&at, entry);
        match entry.split_once('=') {
            None => report.warn(&at, entry, "has no = and sets no variable"),
            Some(("", _)) => report.warn(&at, entry, "has no name before the ="),
            Some(_) => {}
        }
    }
}

fn check_user(report: &mut Report, at: &Pointer<'_>, user: &User) {
    for (field, id) in [("uid", user.uid), ("gid", user.gid)] {
        if id == NO_ID {
            report.refuse(&at.key(field), &id, "is no id, the last one is 4294967294");
        }
    }
    if let Some(umask) = user.umask.filter(|&umask| umask > 0o777) {
        report.refuse(&at.key("umask"), &umask, "must be at most 511 (octal 777)");
    }
    let at = at.key("additionalGids");
    if user.additional_gids.len() > MAX_GROUPS {
        let count = user.additional_gids.len();
        report.refuse(
            &at,
            &count,
            format!("{count} groups are more than the {MAX_GROUPS} that the kernel takes"),
        );
    }
    for (nth, gid) in user
        .additional_gids
        .iter()
        .enumerate()
        .filter(|(_, gid)| **gid == NO_ID)
    {
        report.refuse(&at.index(nth), gid, "is no id, the last one is 4294967294");
    }
}

/// Ids that a new user namespace does not map cannot be taken: setuid(2) says no more than EINVAL.
pub(super) fn check_ids_are_mapped(
    report: &mut Report,
    at: &Pointer<'_>,
    user: &User,
    linux: Option<&Linux>,
) {
    let Some(linux) = linux else { return };
    if linux
        .namespace(&NamespaceType::User)
        .is_none_or(|namespace| namespace.path.is_some())
    {
        return;
    }
    let maps = |mappings: &[IdMapping], id: u32| {
        // Without any range the mapping itself is the problem, and reported as such.
        mappings.is_empty()
            || mappings.iter().any(|range| {
                id.checked_sub(range.container_id)
                    .is_some_and(|nth| nth < range.size)
            })
    };
    if !maps(&linux.uid_mappings, user.uid) {
        report.refuse(
            &at.key("uid"),
            &user.uid,
            "has no mapping in /linux/uidMappings",
        );
    }
    if !maps(&linux.gid_mappings, user.gid) {
        report.refuse(
            &at.key("gid"),
            &user.gid,
            "has no mapping in /linux/gidMappings",
        );
    }
    let at = at.key("additionalGids");
    for (nth, gid) in user.additional_gids.iter().enumerate() {
        if !maps(&linux.gid_mappings, *gid) {
            report.refuse(&at.index(nth), gid, "has no mapping in /linux/gidMappings");
        }
    }
}

/// Nothing here is refused: the specification wants capabilities that cannot be granted to be warned about.
fn check_capabilities(report: &mut Report, at: &Pointer<'_>, capabilities: &Capabilities) {
    for (set, names) in capabilities.sets() {
        let at = at.key(set);
        for (nth, name) in names.iter().enumerate() {
            if Capability::from_name(name).is_none_or(|known| known.name() != name) {
                report.warn(
                    &at.index(nth),
                    name,
                    "is not a known capability and is not granted",
                );
            }
        }
    }
    let lacking = |names: &[String], sets: &[&[String]]| -> Vec<String> {
        names
            .iter()
            .filter(|name| sets.iter().any(|set| !set.contains(name)))
            .cloned()
            .collect()
    };
    let (permitted, inheritable) = (&capabilities.permitted, &capabilities.inheritable);
    let effective = lacking(&capabilities.effective, &[permitted]);
    if !effective.is_empty() {
        report.warn(
            &at.key("effective"),
            &effective,
            "not permitted, so not made effective",
        );
    }
    let ambient = lacking(&capabilities.ambient, &[permitted, inheritable]);
    // With nothing inheritable it is what `runc spec` writes: no runtime ever granted those, and nobody who has
    // such a file meant them.
    if !ambient.is_empty() && !inheritable.is_empty() {
        report.warn(
            &at.key("ambient"),
            &ambient,
            "not both permitted and inheritable, so not made ambient",
        );
    }
}

fn check_rlimits(report: &mut Report, at: &Pointer<'_>, rlimits: &[Rlimit]) {
    for (nth, limit) in rlimits.iter().enumerate() {
        let at = at.index(nth);
        report.known(
            &at.key("type"),
            &limit.kind,
            limit.kind.is_known(),
            "resource limit",
        );
        if limit.soft > limit.hard {
            report.refuse(
                &at.key("soft"),
                &limit.soft,
                format!("is above the hard limit {}", limit.hard),
            );
        }
    }
    report.unique(at, rlimits, "type", |limit| {
        (limit.kind.clone(), limit.kind.clone())
    });
}
