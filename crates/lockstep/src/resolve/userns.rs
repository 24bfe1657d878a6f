//! The user namespace: which ids of the host stand behind those of the container.
//!
//! Every container has one. Root's has a block of ids of its own; a user's has the subordinate ids, else the
//! user's own id alone. Host uid 0 is never behind a container's unless the command line says so.

use lockstep_oci::runtime::{IdMapping, Namespace, NamespaceType};

use super::{Caller, Input, Resolved, wrong};
use crate::container::BLOCK_SIZE;
use crate::failure::Failure;
use crate::why::Origin;

/// Whether root's container needs a block of ids.
pub(crate) fn wants_block(args: &crate::argv::Arguments, caller: &Caller) -> Result<bool, String> {
    Ok(caller.maps_any_id() && wants_default_ids(args)?)
}

/// Whether the command line leaves it to us to choose ids.
pub(crate) fn wants_default_ids(args: &crate::argv::Arguments) -> Result<bool, String> {
    let chosen = matches!(args.text("userns")?, None | Some("" | "auto" | "private"))
        || args
            .text("userns")?
            .is_some_and(|mode| mode.starts_with("auto:"));
    let mapped = !args.texts("uidmap")?.is_empty() || !args.texts("gidmap")?.is_empty();
    let shared = !super::neighbours(args)?.is_empty();
    Ok(chosen && !mapped && !shared)
}

/// The host's id behind one of the container's; without a map they are the same.
pub(super) fn outside(maps: &[IdMapping], id: u32) -> Option<u32> {
    if maps.is_empty() {
        return Some(id);
    }
    maps.iter().find_map(|map| {
        let offset = id.checked_sub(map.container_id)?;
        let outside = map.host_id.checked_add(offset)?;
        (offset < map.size).then_some(outside)
    })
}

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    if super::join::users(input, out)? {
        return Ok(());
    }
    decide(input, out)?;
    made_for_it(input, &out.linux().uid_mappings)
}

fn decide(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let args = input.args;
    let given = args.text("userns")?;
    let maps = (args.texts("uidmap")?, args.texts("gidmap")?);
    if !maps.0.is_empty() || !maps.1.is_empty() {
        return by_hand(input, out, given, &maps.0, &maps.1);
    }
    let mode = given.unwrap_or_default();
    match mode.split_once(':').unwrap_or((mode, "")) {
        ("" | "auto" | "private", "") => choose(input, out, super::origin(given.is_some()), None),
        ("auto", options) => {
            let size = auto_size(input, mode, options)?;
            choose(input, out, Origin::Flag, Some(size))
        }
        ("host", "") => host(input, out),
        ("keep-id", options) => keep_id(input, out, options),
        ("nomap", "") => nomap(input, out),
        ("ns", path) if path.starts_with('/') => {
            out.linux().namespaces.push(Namespace {
                kind: NamespaceType::User,
                path: Some(path.into()),
            });
            out.note("user namespace", path, Origin::Flag, "--userns");
            Ok(())
        }
        _ => Err(wrong(
            "userns",
            mode,
            "auto, keep-id, nomap, host, container:NAME or ns:PATH",
        )),
    }
}

/// Users and groups.
pub(crate) type Maps = (Vec<IdMapping>, Vec<IdMapping>);

/// For which ids a user's image has to be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ImageIds {
    /// Those of containers that choose none; root's are id-mapped when they are mounted.
    Default,
    /// By these maps from the container's ids to those of [`default_maps`]' namespace.
    Shifted(Maps),
    /// There is no image for such a container, and why.
    None(&'static str),
}

/// What a command line says of it.
pub(crate) fn image_ids(
    args: &crate::argv::Arguments,
    caller: &Caller,
) -> Result<ImageIds, Failure> {
    // Who shares a user namespace is held to it where that is looked up.
    let shared = !super::neighbours(args)?.is_empty();
    if caller.maps_any_id() || shared || wants_default_ids(args)? {
        return Ok(ImageIds::Default);
    }
    let mode = args.text("userns")?.unwrap_or_default();
    let by_hand = (args.texts("uidmap")?, args.texts("gidmap")?);
    let maps = match mode.split_once(':').unwrap_or((mode, "")) {
        _ if !by_hand.0.is_empty() || !by_hand.1.is_empty() => typed_maps(&by_hand.0, &by_hand.1)?,
        ("keep-id", options) => kept_maps(caller, kept_ids(caller, options)?),
        ("nomap", _) => return Ok(ImageIds::None(NOT_IN_IT)),
        _ => {
            let why = "the files of a user's image have owners for one map, and that of another's namespace is not known";
            return Ok(ImageIds::None(why));
        }
    };
    let default = default_maps(caller);
    if maps == default {
        return Ok(ImageIds::Default);
    }
    if inside_of(&maps.0, caller.uid).is_none() || inside_of(&maps.1, caller.gid).is_none() {
        return Ok(ImageIds::None(NOT_IN_IT));
    }
    let shifted = within(&maps.0, &default.0).zip(within(&maps.1, &default.1));
    Ok(match shifted {
        Some(maps) => ImageIds::Shifted(maps),
        None => {
            ImageIds::None("the files of a user's image cannot have ids that are not the user's")
        }
    })
}

const NOT_IN_IT: &str = "the files of a user's image are where your own id alone gets to, and it is not in the container then";

/// The container's id for one of the host's.
fn inside_of(maps: &[IdMapping], host: u32) -> Option<u32> {
    maps.iter().find_map(|map| {
        let offset = host.checked_sub(map.host_id)?;
        (offset < map.size).then_some(map.container_id + offset)
    })
}

/// Maps to ids of the host as maps to the ids that another map has for them; `None` where it has not all of them.
fn within(maps: &[IdMapping], other: &[IdMapping]) -> Option<Vec<IdMapping>> {
    let mut lines = Vec::new();
    for map in maps {
        let mut done = 0;
        while done < map.size {
            let host = map.host_id.checked_add(done)?;
            let there = other.iter().find(|line| {
                host.checked_sub(line.host_id)
                    .is_some_and(|offset| offset < line.size)
            })?;
            let offset = host - there.host_id;
            let count = (map.size - done).min(there.size - offset);
            lines.push(line(
                map.container_id.checked_add(done)?,
                there.container_id.checked_add(offset)?,
                count,
            ));
            done += count;
        }
    }
    Some(lines)
}

/// Refuses a map for which the files of a user's container cannot be made.
fn made_for_it(input: &Input<'_>, users: &[IdMapping]) -> Result<(), Failure> {
    let args = input.args;
    if input.caller.maps_any_id() || wants_default_ids(args)? {
        return Ok(());
    }
    let (option, value) = match args.text("userns")? {
        Some(mode) => ("userns", mode.to_owned()),
        None => match args.texts("uidmap")? {
            maps if !maps.is_empty() => ("uidmap", maps.join(" ")),
            _ => ("gidmap", args.texts("gidmap")?.join(" ")),
        },
    };
    let (why, hint) = match &input.image.source {
        super::Source::Layers(_) => match image_ids(args, input.caller)? {
            ImageIds::None(why) => (
                why,
                "--userns keep-id and maps with your id in it take a user's image and rootfs:DIR; host: takes any map",
            ),
            _ => return Ok(()),
        },
        super::Source::Directory(_)
            if !users.is_empty() && inside_of(users, input.caller.uid).is_none() =>
        {
            (
                "what the container gets of its own belongs to your id, which is not in it then",
                "it works with host:",
            )
        }
        _ => return Ok(()),
    };
    Err(Failure::new(format!("--{option} {value} is refused: {why}")).hint(hint))
}

/// The maps of a user's container that chooses none, which the files of the user's images are made for.
pub(crate) fn default_maps(caller: &Caller) -> Maps {
    kept_maps(caller, (0, 0))
}

/// How many ids of its block a container is to have.
fn auto_size(input: &Input<'_>, mode: &str, options: &str) -> Result<u32, Failure> {
    let most = BLOCK_SIZE - 1;
    let Some(size) = options.strip_prefix("size=") else {
        return Err(Failure::new(format!(
            "--userns {mode} is refused: of auto's options there is size=N; --uidmap and --gidmap name ids"
        )));
    };
    let size = size
        .parse::<u32>()
        .ok()
        .filter(|size| (1..=most).contains(size));
    let size = size.ok_or_else(|| wrong("userns", mode, &format!("auto:size=N of 1 to {most}")))?;
    match input.block {
        Some(_) => Ok(size),
        None => Err(Failure::new(format!(
            "--userns {mode} is refused: an ordinary user's container has the user's subordinate ids, all of them"
        ))),
    }
}

/// `size` limits the ids of a block.
fn choose(
    input: &Input<'_>,
    out: &mut Resolved,
    origin: Origin,
    size: Option<u32>,
) -> Result<(), Failure> {
    let caller = input.caller;
    if let Some(block) = input.block {
        // The last id of the block is no user inside, and on the host it is the supervisor's.
        let most = BLOCK_SIZE - 1;
        let size = size.unwrap_or(most);
        let map = [line(0, block, size)];
        set(out, &map, &map);
        out.owner = caller.mounts().then_some(block + most);
        let text = format!(
            "0-{} are {block}-{} of the host",
            size - 1,
            block + size - 1
        );
        out.note("user namespace", text, origin, "--userns, --uidmap");
        return Ok(());
    }
    let (users, groups) = default_maps(caller);
    set(out, &users, &groups);
    let count = caller
        .subuids
        .iter()
        .map(|(_, count)| u64::from(*count))
        .sum::<u64>();
    let text = match count {
        0 => format!("0 is {} of the host, there is no other id", caller.uid),
        _ => format!(
            "0 is {} of the host, 1-{count} are subordinate ids",
            caller.uid
        ),
    };
    if users.len() == 1 {
        out.note(
            "user namespace",
            text,
            Origin::Host,
            "/etc/subuid, /etc/subgid, newuidmap",
        );
        return Ok(());
    }
    out.note("user namespace", text, origin, "--userns, --uidmap");
    Ok(())
}

fn host(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    if !input.caller.maps_any_id() {
        return Err(Failure::new("--userns host needs root").hint(
            "without a user namespace an ordinary user may make no other; leave the option out",
        ));
    }
    out.note("user namespace", "the host's", Origin::Flag, "--userns");
    out.warn("--userns host: root in the container is root of the host");
    Ok(())
}

/// The caller keeps the id inside, `uid=` and `gid=` choose another.
fn keep_id(input: &Input<'_>, out: &mut Resolved, options: &str) -> Result<(), Failure> {
    let caller = input.caller;
    if caller.maps_any_id() {
        return Err(Failure::new("--userns keep-id is for ordinary users")
            .hint("root's containers never have the host's root inside; use --uidmap"));
    }
    let (uid, gid) = kept_ids(caller, options)?;
    // What becomes the program is root of its user namespace until then (setresgid(2): EINVAL).
    if !caller.has_subordinates() && (uid, gid) != (0, 0) {
        return Err(Failure::new(format!(
            "--userns {} is refused: without subordinate ids there is one id, and it has to be the container's root",
            input.args.text("userns")?.unwrap_or_default()
        ))
        .hint("leave it out, or have subordinate ids: lockstep doctor says how"));
    }
    let (users, groups) = kept_maps(caller, (uid, gid));
    set(out, &users, &groups);
    out.process().user.uid = uid;
    out.process().user.gid = gid;
    let text = format!("{uid} is {} of the host", caller.uid);
    out.note("user namespace", text, Origin::Flag, "--userns");
    Ok(())
}

/// Which user and group the caller is inside with `keep-id`.
fn kept_ids(caller: &Caller, options: &str) -> Result<(u32, u32), Failure> {
    let (mut uid, mut gid) = (caller.uid, caller.gid);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let takes = "keep-id[:uid=UID,gid=GID]";
        let (name, value) = option
            .split_once('=')
            .ok_or_else(|| wrong("userns", options, takes))?;
        let value = super::user::id(value).ok_or_else(|| wrong("userns", options, takes))?;
        match name {
            "uid" => uid = value,
            "gid" => gid = value,
            _ => return Err(wrong("userns", options, takes)),
        }
    }
    Ok((uid, gid))
}

/// The caller's ids at these ones, and the subordinate ids around them, if there are any.
fn kept_maps(caller: &Caller, (uid, gid): (u32, u32)) -> Maps {
    match caller.has_subordinates() {
        false => (
            vec![line(uid, caller.uid, 1)],
            vec![line(gid, caller.gid, 1)],
        ),
        true => (
            with_subordinates(uid, caller.uid, &caller.subuids),
            with_subordinates(gid, caller.gid, &caller.subgids),
        ),
    }
}

/// The caller's own id is not in the container at all.
fn nomap(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let caller = input.caller;
    if caller.maps_any_id() || !caller.has_subordinates() {
        return Err(
            Failure::new("--userns nomap needs an ordinary user with subordinate ids")
                .hint("lockstep doctor says how to get them"),
        );
    }
    let lines = |ranges: &[(u32, u32)]| place(0, ranges);
    set(out, &lines(&caller.subuids), &lines(&caller.subgids));
    out.note(
        "user namespace",
        "subordinate ids alone",
        Origin::Flag,
        "--userns",
    );
    Ok(())
}

fn by_hand(
    input: &Input<'_>,
    out: &mut Resolved,
    userns: Option<&str>,
    users: &[&str],
    groups: &[&str],
) -> Result<(), Failure> {
    if userns.is_some() {
        return Err(Failure::new(
            "--userns and --uidmap or --gidmap exclude each other",
        ));
    }
    let (uids, gids) = typed_maps(users, groups)?;
    if input.caller.uid == 0 && uids.iter().any(|map| map.host_id == 0) {
        out.warn("--uidmap: root of the host is a user of the container");
    }
    out.note(
        "user namespace",
        users.join(" "),
        Origin::Flag,
        "--uidmap, --gidmap",
    );
    set(out, &uids, &gids);
    Ok(())
}

fn typed_maps(users: &[&str], groups: &[&str]) -> Result<Maps, Failure> {
    let parse = |option: &str, texts: &[&str]| {
        texts
            .iter()
            .map(|text| mapping(option, text))
            .collect::<Result<Vec<_>, _>>()
    };
    let (mut uids, mut gids) = (parse("uidmap", users)?, parse("gidmap", groups)?);
    // As Podman: one of the two stands for both.
    if uids.is_empty() {
        uids.clone_from(&gids);
    }
    if gids.is_empty() {
        gids.clone_from(&uids);
    }
    Ok((uids, gids))
}

fn mapping(option: &str, text: &str) -> Result<IdMapping, Failure> {
    let numbers: Vec<u32> = text
        .split(':')
        .filter_map(|part| part.parse().ok())
        .collect();
    match (numbers.as_slice(), text.split(':').count()) {
        ([inside, outside, size], 3) if *size > 0 => Ok(line(*inside, *outside, *size)),
        ([inside, outside], 2) => Ok(line(*inside, *outside, 1)),
        _ if text.contains(['+', '@']) => Err(Failure::new(format!(
            "--{option} {text} is refused: + and @ change a map of one's own choosing; here a map is written whole"
        ))
        .hint("INSIDE:HOST:COUNT for each part of it")),
        _ => Err(wrong(option, text, "INSIDE:HOST:COUNT")),
    }
}

fn line(container_id: u32, host_id: u32, size: u32) -> IdMapping {
    IdMapping {
        container_id,
        host_id,
        size,
    }
}

/// Lays ranges out one behind the other from `inside` on.
fn place(mut inside: u32, ranges: &[(u32, u32)]) -> Vec<IdMapping> {
    let mut lines = Vec::new();
    for (start, count) in ranges {
        lines.push(line(inside, *start, *count));
        inside = inside.saturating_add(*count);
    }
    lines
}

/// `own` at `inside`, and the subordinate ids around it.
fn with_subordinates(inside: u32, own: u32, ranges: &[(u32, u32)]) -> Vec<IdMapping> {
    let (mut lines, mut next, mut placed) = (Vec::new(), 0_u32, false);
    for (start, count) in ranges {
        let (mut start, mut count) = (*start, *count);
        if !placed {
            let below = inside.saturating_sub(next).min(count);
            if below > 0 {
                lines.push(line(next, start, below));
                (next, start, count) = (next + below, start + below, count - below);
            }
            if next == inside {
                lines.push(line(inside, own, 1));
                (next, placed) = (next + 1, true);
            }
        }
        if count > 0 && placed {
            lines.push(line(next, start, count));
            next = next.saturating_add(count);
        }
    }
    if !placed {
        lines.push(line(inside, own, 1));
    }
    lines
}

fn set(out: &mut Resolved, users: &[IdMapping], groups: &[IdMapping]) {
    let linux = out.linux();
    linux.namespaces.push(Namespace {
        kind: NamespaceType::User,
        path: None,
    });
    linux.uid_mappings = users.to_vec();
    linux.gid_mappings = groups.to_vec();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[IdMapping]) -> Vec<(u32, u32, u32)> {
        lines
            .iter()
            .map(|l| (l.container_id, l.host_id, l.size))
            .collect()
    }

    #[test]
    fn the_own_id_stands_where_it_is_wanted_and_the_others_around_it() {
        let ranges = [(100_000, 65_536)];
        let root = with_subordinates(0, 1000, &ranges);
        assert_eq!(shown(&root), [(0, 1000, 1), (1, 100_000, 65_536)]);
        let kept = with_subordinates(1000, 1000, &ranges);
        assert_eq!(
            shown(&kept),
            [(0, 100_000, 1000), (1000, 1000, 1), (1001, 101_000, 64_536)]
        );
        let beyond = with_subordinates(70_000, 1000, &ranges);
        assert_eq!(shown(&beyond), [(0, 100_000, 65_536), (70_000, 1000, 1)]);
        let two = with_subordinates(5, 9, &[(10, 2), (20, 10)]);
        assert_eq!(shown(&two), [(0, 10, 2), (2, 20, 3), (5, 9, 1), (6, 23, 7)]);
    }

    #[test]
    fn a_map_is_seen_from_within_another() {
        let default = with_subordinates(0, 1000, &[(100_000, 65_536)]);
        let kept = with_subordinates(1000, 1000, &[(100_000, 65_536)]);
        let seen = |maps: &[IdMapping]| within(maps, &default).map(|lines| shown(&lines));
        assert_eq!(
            seen(&kept),
            Some(vec![(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64_536)])
        );
        assert_eq!(seen(&[line(7, 165_535, 1)]), Some(vec![(7, 65_536, 1)]));
        for foreign in [
            line(0, 1001, 1),
            line(0, 100_000, 65_537),
            line(0, u32::MAX, 2),
        ] {
            assert_eq!(seen(&[foreign]), None);
        }
    }

    #[test]
    fn maps_by_hand_are_three_numbers() {
        assert_eq!(
            mapping("uidmap", "0:5:7").map(|m| shown(&[m])),
            Ok(vec![(0, 5, 7)])
        );
        for wrong in ["", "0", "0:1:0", "a:1:2", "0:1:2:3", "0:-1:2"] {
            assert!(mapping("uidmap", wrong).is_err(), "{wrong}");
        }
    }
}
