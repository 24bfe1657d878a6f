//! Cgroups: which there are, whose they are, and how an ordinary user gets some.

use std::path::Path;

use lockstep_kernel::{credential, file};
use lockstep_plan::cgroup::{Layout, Mode, Version};

use super::{Fact, fact, lacking};
use crate::resolve::Caller;

/// Controllers that the limits of `run` are made of.
const WANTED: [&str; 3] = ["cpu", "memory", "pids"];

pub(super) fn fact_of(layout: &Layout, caller: &Caller) -> Fact {
    let mode = match layout.mode {
        Mode::V1 => "v1",
        Mode::Hybrid => "v1 beside v2",
        Mode::V2 => "v2",
        Mode::None => {
            return lacking(
                "cgroups",
                "none mounted: no limits, no stats",
                none(caller.uid),
            );
        }
    };
    if caller.uid != 0 {
        return delegated(layout, mode);
    }
    let controllers = layout
        .hierarchies
        .iter()
        .flat_map(|one| one.controllers.iter());
    let controllers: Vec<&str> = controllers.map(String::as_str).collect();
    match caller.cgroups {
        true => with(mode, "", &controllers),
        false => lacking(
            "cgroups",
            format!("{mode}, read-only: no limits but RLIMIT_NPROC, no stats"),
            "inside a container: its engine's --privileged",
        ),
    }
}

fn none(uid: u32) -> &'static str {
    match uid {
        0 => {
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup; inside a container its engine withholds them"
        }
        _ => "root: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
    }
}

/// What an ordinary user may make cgroups in: a directory of version 2 that was given away (cgroups(7), "Delegation").
fn delegated(layout: &Layout, mode: &str) -> Fact {
    const SYSTEMD: &str =
        "systemctl edit user@.service, [Service] Delegate=cpu cpuset io memory pids";
    let unified = layout
        .hierarchies
        .iter()
        .find(|one| one.version == Version::V2);
    let own = unified.map(|one| Path::new(&one.mount).join(one.own_in_mount()));
    let is_own = |path: &Path| {
        let found = file::stat(file::CWD, path, true);
        found.is_ok_and(|found| found.st_uid == credential::euid())
    };
    if let Some(own) = own.filter(|own| layout.mode == Mode::V2 && is_own(own)) {
        let text = file::read_at_once(file::CWD, own.join("cgroup.controllers"), 4096);
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        let controllers: Vec<&str> = text.split_whitespace().collect();
        return with(mode, ", delegated to you", &controllers);
    }
    let systemd = file::stat(file::CWD, "/run/systemd/system", true).is_ok();
    let remedy = match (layout.mode, systemd) {
        (Mode::V2, true) => SYSTEMD.to_owned(),
        (Mode::V2, false) => {
            "root: a directory in /sys/fs/cgroup that is yours, with your shell in it".into()
        }
        (_, true) => format!(
            "version 1 is nobody's but root's: systemd.unified_cgroup_hierarchy=1 on the kernel's command line; then {SYSTEMD}"
        ),
        (_, false) => {
            "version 1 is nobody's but root's: boot with cgroup2 alone at /sys/fs/cgroup".into()
        }
    };
    lacking(
        "cgroups",
        format!("{mode}, not delegated: no limits of memory and CPU, no stats"),
        remedy,
    )
}

fn with(mode: &str, whose: &str, controllers: &[&str]) -> Fact {
    let text = format!("{mode}{whose}: {}", controllers.join(" "));
    let absent: Vec<&str> = WANTED
        .into_iter()
        .filter(|name| !controllers.contains(name))
        .collect();
    match absent.is_empty() {
        true => fact("cgroups", text),
        false => lacking(
            "cgroups",
            format!("{text}; not {}", absent.join(" ")),
            "a kernel that has them, without cgroup_disable= of them; on version 2 in cgroup.subtree_control above",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(uid: u32, cgroups: bool) -> Caller {
        Caller {
            uid,
            gid: uid,
            capabilities: 0,
            all_ids: true,
            cgroups,
            subuids: Vec::new(),
            subgids: Vec::new(),
        }
    }

    fn layout(mode: Mode, controllers: &[&str]) -> Layout {
        let version = if mode == Mode::V2 {
            Version::V2
        } else {
            Version::V1
        };
        let one = lockstep_plan::cgroup::Hierarchy {
            controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
            name: None,
            version,
            mount: "/sys/fs/cgroup".into(),
            root: "/".into(),
            own: "/nowhere".into(),
        };
        Layout {
            mode,
            hierarchies: if mode == Mode::None {
                Vec::new()
            } else {
                vec![one]
            },
        }
    }

    #[test]
    fn what_is_missing_is_said_of_each_layout() {
        let of = |mode, uid, cgroups, controllers: &[&str]| {
            fact_of(&layout(mode, controllers), &caller(uid, cgroups))
        };
        assert!(!of(Mode::V1, 0, true, &WANTED).missing);
        assert!(
            of(Mode::V2, 0, true, &["cpu", "pids"])
                .value
                .ends_with("not memory")
        );
        assert!(of(Mode::None, 0, true, &[]).missing);
        assert!(of(Mode::V2, 0, false, &WANTED).value.contains("read-only"));
        // Delegation is version 2's.
        assert!(
            of(Mode::Hybrid, 1000, true, &WANTED)
                .remedy
                .contains("version 1 is nobody's but root's")
        );
        assert!(
            !of(Mode::V2, 1000, true, &WANTED)
                .remedy
                .contains("version 1")
        );
    }
}
