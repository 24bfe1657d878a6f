//! The user inside: names become numbers by the image's own /etc/passwd and /etc/group.

use lockstep_abi::id::LAST_ID;
use lockstep_oci::runtime::{IdMapping, Linux, User};

use super::default::UMASK;
use super::userns::outside;
use super::{Caller, Input, Resolved, wrong};
use crate::failure::Failure;
use crate::why::Origin;

/// The image's users and groups.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    pub(crate) fn read(file: &dyn Fn(&str) -> Option<Vec<u8>>) -> Accounts {
        let text = |path| String::from_utf8_lossy(&file(path).unwrap_or_default()).into_owned();
        Accounts {
            passwd: text("/etc/passwd"),
            group: text("/etc/group"),
        }
    }

    /// A user by name or number: uid, gid, and the groups that name it.
    pub(crate) fn user(&self, text: &str) -> Option<(u32, u32, Vec<u32>)> {
        let number = id(text);
        let known = self.passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = id(fields.nth(1)?)?;
            let gid = id(fields.next()?)?;
            (name == text || Some(uid) == number).then_some((name, uid, gid))
        });
        match (known, number) {
            (Some((name, uid, gid)), _) => Some((uid, gid, self.groups_of(name))),
            // As Docker: a number that the image does not know is a user without groups.
            (None, Some(uid)) => Some((uid, 0, Vec::new())),
            (None, None) => None,
        }
    }

    /// A group by name or number.
    pub(crate) fn group(&self, text: &str) -> Option<u32> {
        if let Some(number) = id(text) {
            return Some(number);
        }
        self.group.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == text).then(|| id(fields.nth(1)?))?
        })
    }

    fn groups_of(&self, name: &str) -> Vec<u32> {
        let member = |line: &str| {
            let mut fields = line.split(':').skip(2);
            let gid = id(fields.next()?)?;
            fields.next()?.split(',').any(|m| m == name).then_some(gid)
        };
        self.group.lines().filter_map(member).collect()
    }

    /// `USER[:GROUP]`, and further groups.
    pub(crate) fn resolve(&self, text: &str, further: &[&str]) -> Result<User, Failure> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let unknown = |what: &str, name: &str| {
            Failure::new(format!("the image has no {what} {name:?}")).hint(format!(
                "a number up to {LAST_ID} works without an entry in the image's files"
            ))
        };
        let (uid, gid, mut additional) = self.user(user).ok_or_else(|| unknown("user", user))?;
        let gid = match group {
            Some(group) => {
                additional.clear();
                self.group(group).ok_or_else(|| unknown("group", group))?
            }
            None => gid,
        };
        for group in further {
            if *group == "keep-groups" {
                return Err(Failure::new(
                    "--group-add keep-groups is refused: what the caller's groups may do is not the container's",
                )
                .hint("a group of its own: --group-add NUMBER, and --volume SOURCE:TARGET:U gives it the files"));
            }
            additional.push(self.group(group).ok_or_else(|| unknown("group", group))?);
        }
        Ok(member(uid, gid, additional))
    }
}

/// A number that is a user or a group.
pub(super) fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id <= LAST_ID)
}

/// A user whose supplementary groups have the primary one among them: a program that changes its group, or has a
/// setgid bit, would otherwise be out of a group to which a file may give less than to everybody (CVE-2022-2989,
/// CVE-2022-36109).
fn member(uid: u32, gid: u32, mut additional_gids: Vec<u32>) -> User {
    additional_gids.push(gid);
    additional_gids.sort_unstable();
    additional_gids.dedup();
    User {
        uid,
        gid,
        additional_gids,
        ..User::default()
    }
}

/// Takes the primary group from the supplementary ones again where setgroups(2) is closed: a caller without rights
/// who maps the own ids alone has to give it up (user_namespaces(7)). The program then keeps the caller's groups.
pub(crate) fn without_groups(user: &mut User, linux: &Linux, caller: &Caller) {
    let one =
        |maps: &[IdMapping], id: u32| matches!(maps, [map] if map.size == 1 && map.host_id == id);
    let own = one(&linux.uid_mappings, caller.uid) && one(&linux.gid_mappings, caller.gid);
    if own && !caller.maps_any_id() {
        let gid = user.gid;
        user.additional_gids.retain(|group| *group != gid);
    }
}

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let args = input.args;
    let further = args.texts("group-add")?;
    let keep = out.process().user.clone();
    let (wanted, origin) = match args.text("user")? {
        Some(text) => (text, Origin::Flag),
        None if !input.image.config.user.is_empty() => (&*input.image.config.user, Origin::Image),
        None => ("", Origin::Default),
    };
    // Root's own entry says nothing that is not known; most containers need no file for this.
    let mut user = match (wanted, further.is_empty()) {
        ("", true) => member(keep.uid, keep.gid, Vec::new()),
        ("0" | "0:0", true) => member(0, 0, Vec::new()),
        _ => {
            let typed = match wanted {
                "" => format!("{}:{}", keep.uid, keep.gid),
                typed => typed.to_owned(),
            };
            Accounts::read(input.sight.image_file).resolve(&typed, &further)?
        }
    };
    without_groups(&mut user, out.linux(), input.caller);
    let mask = args.text("umask")?.unwrap_or(UMASK);
    let parsed = u32::from_str_radix(mask, 8)
        .ok()
        .filter(|mask| *mask <= 0o777);
    user.umask = Some(parsed.ok_or_else(|| wrong("umask", mask, "an octal mask"))?);
    out.note(
        "process.user",
        format!("{}:{}", user.uid, user.gid),
        origin,
        "--user",
    );
    let maps = &out.linux().uid_mappings;
    let has_namespace = !maps.is_empty();
    let mapped = outside(maps, user.uid).filter(|_| has_namespace);
    if has_namespace && mapped.is_none() {
        return Err(
            Failure::new(format!("user {} is not mapped in the container", user.uid))
                .hint("see --why for the map; more ids come from /etc/subuid, or use --user 0"),
        );
    }
    // Only who maps any id can hand the pipes over; a user's own pipes belong to the user.
    out.stream_owner = mapped.filter(|_| input.caller.maps_any_id());
    out.process().user = user;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/:/x\nbroken\n".into(),
            group: "root:x:0:\nlog:x:4:www,other\nweb:x:34:\n".into(),
        }
    }

    #[test]
    fn names_come_from_the_image() {
        let user = accounts().resolve("www", &["log"]).expect("a user");
        assert_eq!(
            (user.uid, user.gid, user.additional_gids),
            (33, 34, vec![4, 34])
        );
        let user = accounts().resolve("www:root", &[]).expect("a user");
        assert_eq!((user.uid, user.gid, user.additional_gids), (33, 0, vec![0]));
        let user = accounts().resolve("1234", &["99"]).expect("a number");
        assert_eq!(
            (user.uid, user.gid, user.additional_gids),
            (1234, 0, vec![0, 99])
        );
        assert!(accounts().resolve("nobody", &[]).is_err());
        assert!(accounts().resolve("0:nogroup", &[]).is_err());
        assert!(accounts().resolve("-1", &[]).is_err());
    }

    /// setresuid(2) takes 2^32-1 for "leave as it is": root would stay root.
    #[test]
    fn what_is_no_id_is_no_user() {
        let none = "4294967295";
        let accounts = Accounts {
            passwd: format!("none:x:{none}:0::/:/x\ngroupless:x:5:{none}::/:/x\n"),
            group: format!("none:x:{none}:\n"),
        };
        for text in [none, "none", "groupless", "0:none", "0:4294967295"] {
            assert!(accounts.resolve(text, &[]).is_err(), "{text}");
        }
        assert!(accounts.resolve("0", &[none]).is_err());
        assert!(accounts.resolve("0", &["none"]).is_err());
        assert!(accounts.resolve("4294967294", &[]).is_ok());
    }
}
