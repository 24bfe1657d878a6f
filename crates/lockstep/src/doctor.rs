//! `doctor`: what this kernel and this user can do, found out by trying, and the line that gets what is missing.

use std::fmt::Write as _;

use lockstep_kernel::process::{self, Side};
use lockstep_kernel::{credential, file, landlock, mount, namespace, seccomp};
use lockstep_plan::namespace::{NEWNS, NEWUSER};
use lockstep_profile::selinux;
use serde::Serialize;

use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::{Front, SAVED_SCHEMA, Saved};
use crate::modules::{Apparmor, Selinux};

/// SECCOMP_RET_USER_NOTIF (Linux 5.0).
const USER_NOTIF: u32 = 0x7fc0_0000;

/// One fact.
#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    value: String,
    /// Whether something is missing that a container wants.
    missing: bool,
    /// What is lost without it, and the line that gets it.
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

fn fact(name: &'static str, value: impl Into<String>) -> Fact {
    Fact {
        name,
        value: value.into(),
        missing: false,
        remedy: String::new(),
    }
}

fn lacking(name: &'static str, value: impl Into<String>, remedy: impl Into<String>) -> Fact {
    Fact {
        missing: true,
        remedy: remedy.into(),
        ..fact(name, value)
    }
}

pub(crate) fn doctor(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    if args.flag("selinux-module") {
        crate::print::print(selinux::MODULE)?;
        return Ok(0);
    }
    let caller = crate::caller::probe()?;
    let at = front.locations()?;
    let mut facts = vec![
        fact("version", env!("CARGO_PKG_VERSION")),
        fact("kernel", first_line("/proc/sys/kernel/osrelease")),
        fact("user", caller.uid.to_string()),
        fact("store", placed(front, "root", &at.data)),
        fact("state", placed(front, "runroot", &at.state)),
    ];
    facts.extend(front.config.files.iter().map(|(path, settings)| {
        let said = match settings {
            None => "not there".to_owned(),
            Some(count) => format!("{count} settings"),
        };
        fact("configuration", format!("{}: {said}", path.display()))
    }));
    facts.push(user_namespace());
    facts.push(ids(&caller));
    facts.push(cgroups(caller.uid));
    facts.push(overlay());
    facts.push(match seccomp::action_available(USER_NOTIF) {
        true => fact("seccomp", "filters and notification"),
        false => lacking(
            "seccomp",
            "no notification",
            "a kernel of 5.0 or later with CONFIG_SECCOMP_FILTER",
        ),
    });
    facts.push(match landlock::abi() {
        0 => lacking("landlock", "none", "supervisors are confined without it; a kernel with CONFIG_SECURITY_LANDLOCK and lsm=landlock,... on its command line"),
        abi => fact("landlock", format!("ABI {abi}")),
    });
    facts.push(fact("lsm", first_line("/sys/kernel/security/lsm")));
    facts.extend(modules()?);
    let missing = facts.iter().any(|fact| fact.missing);
    let text = match args.flag("json") {
        true => json(front, &facts, caller)?,
        false => table(&facts),
    };
    crate::print::print(&text)?;
    Ok(u8::from(missing))
}

/// What security modules do for a container that asks for nothing; nothing is said of one that is off.
fn modules() -> Result<Vec<Fact>, Failure> {
    const ADD: &str = "lockstep doctor --selinux-module > lockstep-container.cil && semodule -i lockstep-container.cil";
    let enforcing = match first_line("/sys/fs/selinux/enforce").as_str() {
        "1" => "enforcing",
        _ => "permissive",
    };
    let apparmor = match crate::modules::probe_apparmor()? {
        Apparmor::Off => None,
        Apparmor::Ready => Some(fact(
            "apparmor",
            "confines containers by the default profile",
        )),
        Apparmor::Unavailable(why) => Some(lacking(
            "apparmor",
            format!("the default profile is not loaded: {why}"),
            "apt-get install apparmor; then root's first container loads it, for users too",
        )),
    };
    let selinux = match crate::modules::probe_selinux()? {
        Selinux::Off => None,
        Selinux::Ready => Some(fact("selinux", format!("{enforcing}, with container_t"))),
        Selinux::WithoutContainers => Some(lacking(
            "selinux",
            format!("{enforcing}, and the loaded policy has no container_t"),
            ADD,
        )),
    };
    Ok(apparmor.into_iter().chain(selinux).collect())
}

/// The facts, and the host as planning takes it (`plan --host`).
fn json(front: &Front, facts: &[Fact], caller: crate::resolve::Caller) -> Result<String, Failure> {
    let wrong = |error: serde_json::Error| Failure::new(format!("JSON: {error}"));
    let saved = Saved {
        schema: SAVED_SCHEMA,
        facts: serde_json::to_value(facts).map_err(wrong)?,
        host: front.with_runtime(front.store()?, |runtime| Ok(runtime.host()?))?,
        subuids: caller.subuids,
        subgids: caller.subgids,
    };
    let text = serde_json::to_string_pretty(&saved).map_err(wrong)?;
    Ok(text + "\n")
}

/// Where something is, and which file says so.
fn placed(front: &Front, name: &str, at: &std::path::Path) -> String {
    match front.config.place(name) {
        Some((path, place)) if path == at => format!("{} ({place})", at.display()),
        _ => at.display().to_string(),
    }
}

fn table(facts: &[Fact]) -> String {
    let mut out = String::new();
    for fact in facts {
        let mark = if fact.missing { "-" } else { " " };
        writeln!(out, "{mark} {:16} {}", fact.name, fact.value).unwrap_or_default();
        if !fact.remedy.is_empty() {
            writeln!(out, "  {:16} {}", "", fact.remedy).unwrap_or_default();
        }
    }
    out
}

/// Whether a user namespace can be made, and mounted in: some hosts allow the first and refuse the second.
fn user_namespace() -> Fact {
    let tried = attempt(|| {
        namespace::unshare(NEWUSER | NEWNS)?;
        mount::change_propagation(std::path::Path::new("/"), 0x4_0000 | 0x4000)
    });
    match tried {
        Ok(()) => fact("user namespace", "can be made"),
        Err(why) => lacking(
            "user namespace",
            format!("refused: {why}"),
            user_namespace_remedy(),
        ),
    }
}

fn user_namespace_remedy() -> String {
    remedy_where(&first_line)
}

/// The sysctl that refuses it, by distribution; `read` gives the first line of a file, empty where there is none.
fn remedy_where(read: &dyn Fn(&str) -> String) -> String {
    let is = |path: &str, value: &str| read(path) == value;
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return "sysctl -w kernel.unprivileged_userns_clone=1".into();
    }
    if is(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
    ) {
        return "this host's AppArmor allows it to programs with a profile that says so: docs/hardening.md has \
                the one for /etc/apparmor.d/lockstep"
            .into();
    }
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return "sysctl -w user.max_user_namespaces=15000".into();
    }
    "without one nothing runs here; inside another container its seccomp filter or its masked /proc may refuse it".into()
}

fn ids(caller: &crate::resolve::Caller) -> Fact {
    if caller.maps_any_id() {
        return fact("user ids", "a block of 65,536 for each container");
    }
    let count: u64 = caller
        .subuids
        .iter()
        .map(|(_, count)| u64::from(*count))
        .sum();
    let groups: u64 = caller
        .subgids
        .iter()
        .map(|(_, count)| u64::from(*count))
        .sum();
    if count > 0 && groups > 0 {
        return fact("user ids", format!("your own and {count} subordinate ones"));
    }
    let name = crate::caller::user_name(caller.uid).unwrap_or_default();
    let name = if name.is_empty() {
        caller.uid.to_string()
    } else {
        name
    };
    lacking(
        "user ids",
        "your own alone: programs that change their user fail",
        format!(
            "apt-get install uidmap; usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
        ),
    )
}

fn cgroups(uid: u32) -> Fact {
    let unified = file::stat(file::CWD, "/sys/fs/cgroup/cgroup.controllers", true).is_ok();
    let any = file::stat(file::CWD, "/sys/fs/cgroup", true).is_ok();
    let layout = match (unified, any) {
        (true, _) => "v2",
        (false, true) => "v1 or hybrid",
        (false, false) => "none",
    };
    if uid == 0 {
        return fact("cgroups", layout);
    }
    let own = first_line("/proc/self/cgroup");
    let own = own
        .strip_prefix("0::")
        .filter(|_| unified)
        .map(|path| format!("/sys/fs/cgroup{path}"));
    let delegated = own.is_some_and(|path| {
        let owner = file::stat(file::CWD, path, true).map(|found| found.st_uid);
        owner.is_ok_and(|owner| owner == credential::euid())
    });
    match delegated {
        true => fact("cgroups", "v2, delegated to you"),
        false => lacking(
            "cgroups",
            format!("{layout}, not delegated: no limits of memory and CPU"),
            "on systemd with cgroup v2: systemctl edit user@.service, [Service] Delegate=cpu cpuset io memory pids",
        ),
    }
}

/// The binary is executed through an overlay where one can be mounted, else through a copy in memory.
fn overlay() -> Fact {
    match mount::Context::open("overlay") {
        Ok(_) => fact("overlay", "can be mounted"),
        Err(_) if credential::euid() != 0 => fact("overlay", "not outside of a user namespace"),
        Err(why) => lacking("overlay", format!("refused: {why}"), "modprobe overlay"),
    }
}

/// Tries something in a process of its own, which cannot be undone in this one.
fn attempt(action: impl FnOnce() -> lockstep_kernel::Result<()>) -> Result<(), String> {
    let (read, write) = lockstep_kernel::socket::pipe().map_err(|e| e.to_string())?;
    match process::clone(0, None).map_err(|e| e.to_string())? {
        Side::Child => {
            let said = match action() {
                Ok(()) => String::new(),
                Err(e) => e.to_string(),
            };
            // Without a word the parent takes it for a refusal.
            drop(file::write_fd(&write, format!("{said}\n").as_bytes()));
            process::exit(0)
        }
        Side::Parent(child) => {
            drop(write);
            let said = file::read_fd(&read, 4096).map_err(|e| e.to_string())?;
            process::wait(child.pid, false).map_err(|e| e.to_string())?;
            match String::from_utf8_lossy(&said).trim_end() {
                "" if !said.is_empty() => Ok(()),
                "" => Err("it ended without a word".into()),
                why => Err(why.to_owned()),
            }
        }
    }
}

fn first_line(path: &str) -> String {
    let text = file::read_at_once(file::CWD, path, 4096).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refuses_user_namespaces_is_named() {
        let host = |path: &'static str, value: &'static str| {
            remedy_where(&|asked: &str| match asked == path {
                true => value.to_owned(),
                false => String::new(),
            })
        };
        let restricted = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
        assert!(host(restricted, "1").contains("AppArmor"));
        assert!(!host(restricted, "0").contains("AppArmor"));
        let clone = "/proc/sys/kernel/unprivileged_userns_clone";
        assert!(host(clone, "0").contains("unprivileged_userns_clone=1"));
        let most = "/proc/sys/user/max_user_namespaces";
        assert!(host(most, "0").contains("max_user_namespaces="));
    }
}
