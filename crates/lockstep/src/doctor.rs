//! `doctor`: what this kernel and this user can do, found out by trying, and the line that gets what is missing.

use std::fmt::Write as _;

use lockstep_kernel::process::{self, Side};
use lockstep_kernel::{file, landlock, seccomp};
use lockstep_plan::Host;
use lockstep_profile::{apparmor, selinux};
use serde::Serialize;

use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::{Front, SAVED_SCHEMA, Saved};
use crate::modules::{Apparmor, Selinux};
use crate::resolve::Caller;

mod cgroup;
mod file_system;
mod right;
mod user;

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
    if args.flag("apparmor-profile") {
        crate::print::print(apparmor::PROGRAM)?;
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
    facts.push(user::user_namespace());
    facts.push(user::ids(&caller)?);
    // What cannot be opened is one of the things that are asked about; the rest is told all the same.
    let host = match front.store() {
        Ok(store) => front
            .with_runtime(store, |runtime| Ok(runtime.host()?))
            .map_err(|failure| ("host", failure)),
        Err(failure) => Err(("store", failure)),
    };
    match &host {
        Ok(host) => {
            facts.extend(right::facts(host)?);
            facts.push(cgroup::fact_of(&host.cgroup, &caller));
        }
        Err((name, failure)) => facts.push(lacking(name, failure.message.clone(), "")),
    }
    facts.push(file_system::overlay(&caller));
    facts.push(file_system::id_maps(&caller, &at.data));
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
    facts.push(match first_line("/sys/kernel/security/lsm") {
        list if list.is_empty() => fact("lsm", "securityfs is not mounted"),
        list => fact("lsm", list),
    });
    facts.extend(modules()?);
    facts.extend(right::tier());
    let missing = facts.iter().any(|fact| fact.missing);
    let text = match args.flag("json") {
        // Planning takes a host, and there is none to be told.
        true => json(host.map_err(|(_, failure)| failure)?, &facts, caller)?,
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
    let profile = match crate::modules::probe_apparmor()? {
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
    Ok(profile.into_iter().chain(selinux).collect())
}

/// The facts, and the host as planning takes it (`plan --host`).
fn json(host: Host, facts: &[Fact], caller: Caller) -> Result<String, Failure> {
    let wrong = |error: serde_json::Error| Failure::new(format!("JSON: {error}"));
    let saved = Saved {
        schema: SAVED_SCHEMA,
        facts: serde_json::to_value(facts).map_err(wrong)?,
        host,
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
