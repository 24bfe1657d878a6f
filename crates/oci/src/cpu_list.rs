//! Lists of CPUs or memory nodes as the kernel writes them, `0-3,7`.
//!
//! Three fields of the configuration, `update` and the plan read the same syntax (cpuset(7), "List
//! format"), so it has one reader.

use std::fmt;

/// Highest number that a list may name. The kernel's largest configurations stop at 8192 CPUs and 1024
/// nodes; the bound only keeps a hostile list from becoming a hostile bit mask.
pub const MAX: u32 = 65_535;

/// Ranges, sorted, apart from each other, both ends included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuList(Vec<(u32, u32)>);

/// Why a text is not a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The part between two commas that is wrong.
    pub part: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.part, self.reason)
    }
}

impl std::error::Error for Error {}

impl CpuList {
    /// Reads a list. Blanks around numbers and empty parts are let through, as the kernel does.
    ///
    /// # Errors
    ///
    /// A part is neither a number nor a range, a range runs backwards, or a number is above [`MAX`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut ranges = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let error = |reason| Error {
                part: part.to_owned(),
                reason,
            };
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first = number(first).map_err(error)?;
            let last = number(last).map_err(error)?;
            if first > last {
                return Err(error("runs backwards"));
            }
            ranges.push((first, last));
        }
        Ok(Self::from_ranges(ranges))
    }

    fn from_ranges(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Whether the list names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers the list names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0
            .iter()
            .map(|(first, last)| (last - first) as usize + 1)
            .sum()
    }

    /// The highest number.
    #[must_use]
    pub fn highest(&self) -> Option<u32> {
        self.0.last().map(|range| range.1)
    }

    /// Whether the list names `number`.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        self.0
            .iter()
            .any(|&(first, last)| (first..=last).contains(&number))
    }

    /// The ranges, sorted, both ends included.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// The numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|&(first, last)| first..=last)
    }

    /// The list as a bit mask of 64-bit words, lowest first, as sched_setaffinity(2) and
    /// set_mempolicy(2) take it on a little-endian machine with 64-bit `long`.
    #[must_use]
    pub fn mask(&self) -> Vec<u64> {
        let words = self
            .highest()
            .map_or(0, |highest| highest as usize / 64 + 1);
        let mut mask = vec![0_u64; words];
        for number in self.iter() {
            mask[number as usize / 64] |= 1 << (number % 64);
        }
        mask
    }
}

fn number(text: &str) -> Result<u32, &'static str> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is neither a number nor a range");
    }
    match text.parse() {
        Ok(number) if number <= MAX => Ok(number),
        // Digits only, so the one way to fail is to be too large.
        Ok(_) | Err(_) => Err("is above 65535"),
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (first, last)) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str(",")?;
            }
            write!(f, "{first}")?;
            if first != last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::CpuList;

    #[test]
    fn reads_sorts_and_merges() {
        let list = CpuList::parse("7, 0-3,4-5,2").expect("a good list");
        assert_eq!(list.to_string(), "0-5,7");
        assert_eq!(list.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 7]);
        assert_eq!(list.len(), 7);
        assert!(list.contains(5) && !list.contains(6));
        assert_eq!(list.mask(), [0b1011_1111]);
        assert_eq!(CpuList::parse("64").expect("a good list").mask(), [0, 1]);
    }

    #[test]
    fn nothing_is_an_empty_list() {
        for text in ["", " ", ",", "\n"] {
            assert!(
                CpuList::parse(text).expect("an empty list").is_empty(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn names_the_wrong_part() {
        for (text, message) in [
            ("0-3,x", r#""x" is neither a number nor a range"#),
            ("3-0", r#""3-0" runs backwards"#),
            ("-1", r#""-1" is neither a number nor a range"#),
            ("1-", r#""1-" is neither a number nor a range"#),
            ("1-2-3", r#""1-2-3" is neither a number nor a range"#),
            ("+1", r#""+1" is neither a number nor a range"#),
            ("65536", r#""65536" is above 65535"#),
            (
                "99999999999999999999",
                r#""99999999999999999999" is above 65535"#,
            ),
        ] {
            assert_eq!(CpuList::parse(text).expect_err(text).to_string(), message);
        }
    }
}
