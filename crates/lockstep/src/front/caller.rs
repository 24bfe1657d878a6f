//! Who calls, and what the kernel lets them do: probed once for a command.

use lockstep_abi::errno::Errno;
use lockstep_kernel::{capability, credential, file};

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
        subuids: Vec::new(),
        subgids: Vec::new(),
    };
    // The ids are of no use without the programs that may map them.
    if !caller.maps_any_id() && has_helpers() {
        let name = user_name(uid)?;
        // The helpers want to know their caller by name, even where the files have the number.
        if name.is_empty() {
            return Ok(caller);
        }
        caller.subuids = ranges("/etc/subuid", &name, uid)?;
        caller.subgids = ranges("/etc/subgid", &name, uid)?;
    }
    Ok(caller)
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

fn read(path: &str) -> Result<String, Failure> {
    match file::read_at_once(file::CWD, path, LIMIT) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(String::new()),
        other => Ok(String::from_utf8_lossy(&other.doing(|| path.into())?).into_owned()),
    }
}
