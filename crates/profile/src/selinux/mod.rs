//! SELinux: the module that gives a policy a domain for containers, where the distribution's has none.

/// The module in CIL (secilc's language; `semodule -i`). It needs the reference policy beneath it.
pub const MODULE: &str = include_str!("container.cil");

/// The domain of containers' processes.
pub const PROCESS_TYPE: &str = "container_t";

/// The type of containers' files.
pub const FILE_TYPE: &str = "container_file_t";

/// The label of files that every container may use.
pub const SHARED_FILES: &str = "system_u:object_r:container_file_t:s0";

/// How many categories the policies of distributions have (`c0` to `c1023`).
const CATEGORIES: u32 = 1024;
/// The distances between two categories that [`level_of`] has.
const NUMBERED: u32 = 4;

/// How many containers can have a level by their number.
pub const LEVELS: u32 = CATEGORIES * NUMBERED;

/// The level of a container that has a number below [`LEVELS`] to itself, `s0:cX,cY`: no other number has it.
pub fn level_of(number: u32) -> String {
    pair(number % CATEGORIES, 1 + number / CATEGORIES % NUMBERED)
}

/// A level out of random bits, one of 519,680 that no numbered container has.
pub fn level_at_random(random: u32) -> String {
    let distances = CATEGORIES - 1 - 2 * NUMBERED;
    pair(
        random % CATEGORIES,
        1 + NUMBERED + random / CATEGORIES % distances,
    )
}

/// The level of a label, which is all behind its third colon, if it has categories.
pub fn level(label: &str) -> Option<String> {
    let level = label.trim_end_matches(['\0', '\n']).splitn(4, ':').nth(3)?;
    level.contains(':').then(|| level.to_owned())
}

fn pair(first: u32, distance: u32) -> String {
    let second = (first + distance) % CATEGORIES;
    format!("s0:c{},c{}", first.min(second), first.max(second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn read(level: &str) -> (u32, u32) {
        let pair = level.strip_prefix("s0:c").expect("a level");
        let (first, second) = pair.split_once(",c").expect("two categories");
        (
            first.parse().expect("a number"),
            second.parse().expect("a number"),
        )
    }

    #[test]
    fn every_number_has_its_own_pair_and_chance_has_others() {
        let numbered: BTreeSet<(u32, u32)> = (0..LEVELS).map(|n| read(&level_of(n))).collect();
        assert_eq!(numbered.len(), LEVELS as usize);
        let all = (0..CATEGORIES * CATEGORIES).map(|n| read(&level_at_random(n)));
        let chance: BTreeSet<(u32, u32)> = all.collect();
        assert_eq!(chance.len(), 519_680);
        assert!(numbered.is_disjoint(&chance));
        let ordered = |(first, second): &(u32, u32)| first < second && *second < CATEGORIES;
        assert!(numbered.iter().chain(&chance).all(ordered));
    }

    #[test]
    fn a_level_is_read_out_of_a_label() {
        let level = |label: &str| level(label);
        let own = "system_u:system_r:container_t:s0:c1,c2\0";
        assert_eq!(level(own).as_deref(), Some("s0:c1,c2"));
        for without in ["system_u:system_r:init_t:s0", "lockstep (enforce)\n", ""] {
            assert_eq!(level(without), None, "{without}");
        }
    }

    #[test]
    fn the_module_names_both_types() {
        for name in [PROCESS_TYPE, FILE_TYPE] {
            assert!(MODULE.contains(&format!("(type {name})")), "{name}");
        }
    }
}
