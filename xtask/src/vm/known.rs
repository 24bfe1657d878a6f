//! What the whole set did in each kind when it was last recorded: counts, and each test that cannot run there with
//! its reason. A skip that is not in the list is a hole that nobody has looked at, and fails the run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::kind::{KINDS, WHOLE};
use super::stream::Ran;
use crate::Failure;

/// Lines of suite, test, kinds, reason.
const SKIPS: &str = "xtask/src/vm/skips.tsv";
/// Lines of suite, kind, passed, skipped, seconds.
const RUNS: &str = "xtask/src/vm/runs.tsv";

/// A suite, a test or part of one, and why it cannot run.
type Skip = (String, String, String);

/// What is known.
#[derive(Default)]
pub(crate) struct Known {
    /// In which kinds a skip is expected.
    pub(crate) skips: BTreeMap<Skip, BTreeSet<String>>,
    /// Passed, skipped and seconds of a suite in a kind.
    pub(crate) runs: BTreeMap<(String, String), [u64; 3]>,
}

impl Known {
    pub(crate) fn read(root: &Path) -> Result<Known, Failure> {
        let text = |file: &str| std::fs::read_to_string(root.join(file));
        Known::parse(&text(SKIPS)?, &text(RUNS)?)
    }

    fn parse(skips: &str, runs: &str) -> Result<Known, Failure> {
        let mut known = Known::default();
        for line in skips.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [suite, test, kinds, reason] = fields[..] else {
                return Err(Failure::new(format!("{SKIPS}: no four fields: {line}")));
            };
            let skip = (suite.to_owned(), test.to_owned(), reason.to_owned());
            let kinds = kinds.split(' ').map(str::to_owned).collect();
            known.skips.insert(skip, kinds);
        }
        for line in runs.lines() {
            let wrong = || Failure::new(format!("{RUNS}: not two names and three numbers: {line}"));
            let fields: Vec<&str> = line.split('\t').collect();
            let [suite, kind, ref numbers @ ..] = fields[..] else {
                return Err(wrong());
            };
            let numbers = numbers.iter().map(|field| field.parse().ok());
            let numbers: Option<Vec<u64>> = numbers.collect();
            let numbers = numbers.and_then(|numbers| <[u64; 3]>::try_from(numbers).ok());
            let key = (suite.to_owned(), kind.to_owned());
            known.runs.insert(key, numbers.ok_or_else(wrong)?);
        }
        Ok(known)
    }

    /// Tests of a run in a kind that were skipped, and are not known to be. Of a suite that was never recorded there
    /// nothing is known.
    pub(crate) fn unknown(&self, kind: &str, ran: &[Ran]) -> Vec<String> {
        let mut unknown = Vec::new();
        let recorded = |one: &&Ran| {
            let key = (one.suite().to_owned(), kind.to_owned());
            self.runs.contains_key(&key)
        };
        for one in ran.iter().filter(recorded) {
            for (test, reason) in &one.skips {
                let expected = self.skips.iter().any(|((suite, name, _), kinds)| {
                    suite == one.suite() && name == test && kinds.contains(kind)
                });
                if !expected {
                    unknown.push(format!("{} {test}: {reason}", one.name));
                }
            }
        }
        unknown
    }

    /// Takes what a run in a kind did for what is known of it: of suites that ran as a whole, and passed.
    pub(crate) fn record(&mut self, kind: &str, ran: &[Ran]) {
        for one in ran.iter().filter(|one| whole(one) && one.passed()) {
            for ((suite, ..), kinds) in &mut self.skips {
                if *suite == one.name {
                    kinds.remove(kind);
                }
            }
            for (test, reason) in &one.skips {
                let skip = (one.name.clone(), test.clone(), reason.clone());
                self.skips.entry(skip).or_default().insert(kind.to_owned());
            }
            let counts = [one.counts.passed, one.counts.skipped, one.seconds];
            self.runs
                .insert((one.name.clone(), kind.to_owned()), counts);
        }
        self.skips.retain(|_, kinds| !kinds.is_empty());
    }

    pub(crate) fn write(&self, root: &Path) -> Result<(), Failure> {
        let mut skips = String::new();
        for ((suite, test, reason), kinds) in &self.skips {
            let kinds = in_order(kinds).join(" ");
            skips.push_str(&format!("{suite}\t{test}\t{kinds}\t{reason}\n"));
        }
        let mut runs = String::new();
        for ((suite, kind), [passed, skipped, seconds]) in &self.runs {
            runs.push_str(&format!(
                "{suite}\t{kind}\t{passed}\t{skipped}\t{seconds}\n"
            ));
        }
        std::fs::write(root.join(SKIPS), skips)?;
        Ok(std::fs::write(root.join(RUNS), runs)?)
    }
}

/// Whether it had no filter.
fn whole(ran: &Ran) -> bool {
    WHOLE.iter().any(|suite| suite.target == ran.name)
}

/// Kinds in the order of their table.
pub(crate) fn in_order(kinds: &BTreeSet<String>) -> Vec<&'static str> {
    let names = KINDS.iter().map(|kind| kind.name);
    names.filter(|name| kinds.contains(*name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::counts::Counts;

    fn ran(code: &str, skips: &[(&str, &str)]) -> Ran {
        let owned = |(test, reason): &(&str, &str)| ((*test).to_owned(), (*reason).to_owned());
        Ran {
            name: "spec".to_owned(),
            code: code.to_owned(),
            seconds: 5,
            counts: Counts::default(),
            skips: skips.iter().map(owned).collect(),
        }
    }

    #[test]
    fn a_skip_is_known_by_kind_and_test() {
        let runs = "spec\told\t1\t1\t1\nspec\tsystemd\t1\t1\t1\n";
        let known = Known::parse("spec\ta::b\told plain\twhy\n", runs)
            .ok()
            .expect("a list");
        assert_eq!(
            known.unknown("selinux", &[ran("0", &[("a::b", "why")])]),
            [""; 0]
        );
        assert_eq!(
            known.unknown("old", &[ran("0", &[("a::b", "other words")])]),
            [""; 0]
        );
        let unknown = known.unknown("systemd", &[ran("0", &[("a::b", "why")])]);
        assert_eq!(unknown, ["spec a::b: why"]);
        assert_eq!(
            known.unknown("old", &[ran("0", &[("a::c", "why")])]).len(),
            1
        );
    }

    #[test]
    fn a_part_of_a_suite_is_held_against_its_list() {
        let known = Known::parse("spec\ta::b\told\twhy\n", "spec\told\t1\t1\t1\n")
            .ok()
            .expect("a list");
        let part = Ran {
            name: "spec a::".to_owned(),
            ..ran("0", &[("a::b", "why"), ("a::c", "why")])
        };
        assert_eq!(known.unknown("old", &[part]), ["spec a:: a::c: why"]);
    }

    #[test]
    fn a_record_replaces_the_kind_in_what_passed() {
        let list = "cgroup\tx\told\twhy\nspec\ta::b\tplain old\twhy\nspec\ta::c\told\twhy\n";
        let mut known = Known::parse(list, "spec\told\t1\t2\t3\n")
            .ok()
            .expect("a list");
        known.record("old", &[ran("101", &[])]);
        assert_eq!(known.skips.len(), 3);
        known.record("old", &[ran("0", &[("a::d", "no d")])]);
        let left: Vec<_> = known
            .skips
            .iter()
            .map(|((_, test, _), kinds)| (test.as_str(), kinds.len()))
            .collect();
        assert_eq!(left, [("x", 1), ("a::b", 1), ("a::d", 1)]);
        assert_eq!(
            known.runs[&("spec".to_owned(), "old".to_owned())],
            [0, 0, 5]
        );
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(Known::parse("spec\ta::b\told\n", "").is_err());
        assert!(Known::parse("", "spec\told\t1\t2\n").is_err());
        assert!(Known::parse("", "spec\told\t1\t2\tx\n").is_err());
    }
}
