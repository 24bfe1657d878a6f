//! Users: whether they can have namespaces, and with which ids.

use lockstep_kernel::{mount, namespace};
use lockstep_plan::namespace::{NEWNS, NEWUSER};

use super::{Fact, attempt, fact, lacking};
use crate::container::{BLOCK_SIZE, FIRST_BLOCK, subordinate_ranges};
use crate::failure::Failure;
use crate::resolve::Caller;

/// The first subordinate id that useradd(8) gives to somebody (login.defs(5), SUB_UID_MIN), and how many.
const SUBORDINATE: (u32, u32) = (100_000, 65_536);

/// Where no setting of the host is known to refuse it.
const UNKNOWN: &str = "without one nothing runs here; inside another container its seccomp filter or its masked /proc may refuse it";

/// Whether a user namespace can be made, and mounted in: some hosts allow the first and refuse the second.
pub(super) fn user_namespace() -> Fact {
    let tried = attempt(|| {
        namespace::unshare(NEWUSER | NEWNS)?;
        mount::change_propagation(std::path::Path::new("/"), 0x4_0000 | 0x4000)
    });
    match tried {
        Ok(()) => fact("user namespace", "can be made"),
        Err(why) => lacking(
            "user namespace",
            format!("refused: {why}"),
            lockstep_runtime::user_namespace::refusal(None).unwrap_or_else(|| UNKNOWN.into()),
        ),
    }
}

/// Which ids the containers have.
pub(super) fn ids(caller: &Caller) -> Result<Fact, Failure> {
    if caller.maps_any_id() {
        let text = format!("a block of {} for each container", BLOCK_SIZE - 1);
        return Ok(fact("user ids", text));
    }
    let sum = |ranges: &[(u32, u32)]| ranges.iter().map(|(_, count)| u64::from(*count)).sum();
    let (users, groups): (u64, u64) = (sum(&caller.subuids), sum(&caller.subgids));
    if users > 0 && groups > 0 {
        let text = format!("your own and {users} subordinate ones");
        return Ok(fact("user ids", text));
    }
    let value = "your own alone: programs that change their user fail";
    if caller.writes_maps() {
        let remedy = "inside another container: give that one more ids";
        return Ok(lacking("user ids", value, remedy));
    }
    let name = crate::caller::user_name(caller.uid)?;
    let remedy = match (name.is_empty(), free(&subordinate_ranges())) {
        (true, _) => format!(
            "user {} has no name in /etc/passwd, without which newuidmap(1) maps nothing",
            caller.uid
        ),
        (_, None) => {
            "every range of subordinate ids is taken in /etc/subuid and /etc/subgid".into()
        }
        (_, Some((first, last))) => {
            let name = crate::escape::shell(&name);
            format!(
                "apt-get install uidmap; usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {name}"
            )
        }
    };
    Ok(lacking("user ids", value, remedy))
}

/// The first range that nobody has of `taken`, half-open ones, and no container of root's; as first and last.
fn free(taken: &[(u32, u32)]) -> Option<(u32, u32)> {
    let (lowest, count) = SUBORDINATE;
    let firsts = (lowest..FIRST_BLOCK - count).step_by(count as usize);
    let meets = |first: u32| {
        taken
            .iter()
            .any(|(start, end)| first < *end && *start < first + count)
    };
    firsts
        .into_iter()
        .find(|first| !meets(*first))
        .map(|first| (first, first + count - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_given_what_another_has() {
        assert_eq!(free(&[]), Some((100_000, 165_535)));
        // The second user's, as useradd(8) gives it, and one that begins in the middle.
        let taken = [(100_000, 165_536), (200_000, 200_001)];
        assert_eq!(free(&taken), Some((231_072, 296_607)));
        assert_eq!(free(&[(0, u32::MAX)]), None);
    }
}
