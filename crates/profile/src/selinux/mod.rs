//! SELinux: the module that gives a policy a domain for containers, where the distribution's has none.

/// The module in CIL (secilc's language; `semodule -i`). It needs the reference policy beneath it.
pub const MODULE: &str = include_str!("container.cil");

/// The domain of containers' processes.
pub const PROCESS_TYPE: &str = "container_t";

/// The type of containers' files.
pub const FILE_TYPE: &str = "container_file_t";

/// How many categories the policies of distributions have (`c0` to `c1023`).
const CATEGORIES: u32 = 1024;

/// A level of two categories, `s0:cX,cY` with X below Y, out of random bytes: one of 523,776.
pub fn level(random: [u8; 4]) -> String {
    let number = u32::from_le_bytes(random);
    let first = number % CATEGORIES;
    // One of the others, counted from the first on.
    let step = 1 + number / CATEGORIES % (CATEGORIES - 1);
    let second = (first + step) % CATEGORIES;
    format!("s0:c{},c{}", first.min(second), first.max(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(level: &str) -> (u32, u32) {
        let pair = level.strip_prefix("s0:c").expect("a level");
        let (first, second) = pair.split_once(",c").expect("two categories");
        (
            first.parse().expect("a number"),
            second.parse().expect("a number"),
        )
    }

    #[test]
    fn levels_are_two_categories_in_order() {
        for number in (0..u32::MAX).step_by(7919) {
            let (first, second) = pair(&level(number.to_le_bytes()));
            assert!(first < second && second < CATEGORIES, "{number}");
        }
    }

    #[test]
    fn every_pair_comes_up() {
        let all: std::collections::BTreeSet<(u32, u32)> = (0..CATEGORIES * (CATEGORIES - 1))
            .map(|number| pair(&level(number.to_le_bytes())))
            .collect();
        assert_eq!(all.len(), 1024 * 1023 / 2);
    }

    #[test]
    fn the_module_names_both_types() {
        for name in [PROCESS_TYPE, FILE_TYPE] {
            assert!(MODULE.contains(&format!("(type {name})")), "{name}");
        }
    }
}
