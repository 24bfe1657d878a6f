//! How the owners of a directory's files are seen in a container: as on the disk, or by a map of the mount's own in Podman's
//! words, `idmap=uids=DISK-HOST-COUNT[#...];gids=...`.

use lockstep_oci::runtime::{IdMapping, Linux, Mount};

use crate::resolve::userns::outside;

/// What becomes of owners.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Idmap {
    /// The host's ids, which are nobody's inside but for the container's own.
    None,
    /// Every id is inside the one that it is on the disk.
    Same,
    /// Users and groups.
    Own(Vec<IdMapping>, Vec<IdMapping>),
}

impl Idmap {
    /// Reads what stands behind `idmap=`. A range that begins with `@` has ids of the container in the place of the host's.
    pub(super) fn parse(text: &str, linux: &Linux) -> Result<Idmap, String> {
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for part in text.split(';') {
            let (all, ranges, maps) = match part.split_once('=') {
                Some(("uids", ranges)) => (&mut users, ranges, &linux.uid_mappings),
                Some(("gids", ranges)) => (&mut groups, ranges, &linux.gid_mappings),
                _ => return Err(format!("{part:?} is neither uids= nor gids=")),
            };
            for text in ranges.split('#') {
                all.push(range(text, maps)?);
            }
        }
        match users.is_empty() || groups.is_empty() {
            true => Err("a map has both uids= and gids=".into()),
            false => Ok(Idmap::Own(users, groups)),
        }
    }

    pub(super) fn apply(self, mount: &mut Mount, linux: &Linux) {
        (mount.uid_mappings, mount.gid_mappings) = match self {
            Idmap::None => return,
            // On the way to the disk every id is the one that it has inside.
            Idmap::Same => (linux.uid_mappings.clone(), linux.gid_mappings.clone()),
            Idmap::Own(users, groups) => (users, groups),
        };
        mount.options.push("ridmap".into());
    }
}

fn range(text: &str, maps: &[IdMapping]) -> Result<IdMapping, String> {
    let wrong = || format!("{text:?} is not DISK-HOST-COUNT or @DISK-INSIDE-COUNT");
    let (numbers, relative) = match text.strip_prefix('@') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let numbers: Option<Vec<u32>> = numbers.split('-').map(|n| n.parse().ok()).collect();
    let numbers = numbers.ok_or_else(wrong)?;
    let [container_id, other, size] = numbers[..] else {
        return Err(wrong());
    };
    let last = size.checked_sub(1).ok_or_else(wrong)?;
    let host_id = match relative {
        false => other,
        true => {
            let of = |id: Option<u32>| id.and_then(|id| outside(maps, id));
            let (first, end) = (of(Some(other)), of(other.checked_add(last)));
            let whole = first
                .zip(end)
                .filter(|(first, end)| end.checked_sub(*first) == Some(last));
            let (first, _) = whole.ok_or_else(|| {
                format!("{text:?}: the container has not all of these ids one behind the other")
            })?;
            first
        }
    };
    Ok(IdMapping {
        container_id,
        host_id,
        size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(container_id: u32, host_id: u32, size: u32) -> IdMapping {
        IdMapping {
            container_id,
            host_id,
            size,
        }
    }

    #[test]
    fn ranges_are_the_host_s_or_the_container_s() {
        let linux = Linux {
            uid_mappings: vec![map(0, 1000, 10), map(10, 5000, 10)],
            gid_mappings: vec![map(0, 2000, 10)],
            ..Linux::default()
        };
        let parse = |text: &str| Idmap::parse(text, &linux);
        assert_eq!(
            parse("uids=0-1-10#10-11-10;gids=0-3-10"),
            Ok(Idmap::Own(
                vec![map(0, 1, 10), map(10, 11, 10)],
                vec![map(0, 3, 10)]
            ))
        );
        assert_eq!(
            parse("uids=@7-12-3;gids=@0-0-1"),
            Ok(Idmap::Own(vec![map(7, 5002, 3)], vec![map(0, 2000, 1)]))
        );
        for wrong in [
            "",
            "uids=0-1-10",
            "uids=0-1;gids=0-1-1",
            "uids=0-1-0;gids=0-1-1",
            "uids=0-1-1;gids=0-1-1;more=1",
            "uids=0-1-1#;gids=0-1-1",
            "uids=@0-5-10;gids=0-1-1",
            "uids=@0-30-1;gids=0-1-1",
            "uids=@0-4294967295-2;gids=0-1-1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
