//! How many tests ran, read from the summaries of libtest and nextest.

/// Tests of one command or group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// The group was killed at its limit.
    pub(crate) timed_out: bool,
}

impl Counts {
    /// Sums the summary lines of `output`: `test result: ok. 3 passed; 0 failed; 1 ignored`
    /// and nextest's `Summary [ 0.1s] 4 tests run: 3 passed, 1 failed, 0 skipped`.
    pub(crate) fn of_output(output: &str) -> Counts {
        let mut counts = Counts::default();
        for line in output.lines().map(str::trim_start) {
            if !line.starts_with("test result:") && !line.starts_with("Summary [") {
                continue;
            }
            let words: Vec<&str> = line
                .split([' ', ';', ',', '.'])
                .filter(|w| !w.is_empty())
                .collect();
            for pair in words.windows(2) {
                let Ok(number) = pair[0].parse::<u64>() else {
                    continue;
                };
                match pair[1] {
                    "passed" => counts.passed += number,
                    "failed" => counts.failed += number,
                    "ignored" | "skipped" => counts.skipped += number,
                    "timed" => counts.failed += number,
                    _ => {}
                }
            }
        }
        counts
    }

    /// Brings the counts into line with the command's exit status: a command without a summary
    /// is one test, and one that failed (to compile, in time) cannot have only passed.
    pub(crate) fn judge(&mut self, success: bool) {
        if !success && self.failed == 0 {
            self.failed = 1;
        } else if success && self.passed + self.failed + self.skipped == 0 {
            self.passed = 1;
        }
    }

    /// Adds the counts of another command.
    pub(crate) fn add(&mut self, other: &Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.timed_out |= other.timed_out;
    }

    /// Moves tests that skipped themselves: they said so in the skip file and returned, so the
    /// runner called them passed. A name that is no test is a part of one, and only added.
    pub(crate) fn take_skips(&mut self, output: &str, names: &[&str]) {
        for name in names {
            let passed = |line: &str| {
                let words = line.trim_end();
                words
                    .strip_suffix(" ... ok")
                    .and_then(|l| l.trim_end().rsplit(' ').next())
                    == Some(*name)
                    || words.trim_start().starts_with("PASS [")
                        && words.ends_with(&format!(" {name}"))
            };
            if self.passed > 0 && output.lines().any(passed) {
                self.passed -= 1;
            }
            self.skipped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts {
            passed,
            failed,
            skipped,
            timed_out: false,
        }
    }

    #[test]
    fn summaries_of_both_runners_are_read() {
        let libtest = "running 4 tests\n\ntest result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.03s\n";
        assert_eq!(Counts::of_output(libtest), counts(2, 1, 1));
        let nextest = "     Summary [   0.039s] 14 tests run: 12 passed (1 slow), 1 failed, 1 timed out, 3 skipped\n";
        assert_eq!(Counts::of_output(nextest), counts(12, 2, 3));
        assert_eq!(
            Counts::of_output(&format!("{libtest}x\n{nextest}")),
            counts(14, 3, 4)
        );
        assert_eq!(Counts::of_output("5 passed\n"), counts(0, 0, 0));
    }

    #[test]
    fn the_exit_status_has_the_last_word() {
        let mut compiled_not = counts(0, 0, 0);
        compiled_not.judge(false);
        assert_eq!(compiled_not, counts(0, 1, 0));
        let mut plain = counts(0, 0, 0);
        plain.judge(true);
        assert_eq!(plain, counts(1, 0, 0));
        let mut lied = counts(3, 0, 0);
        lied.judge(false);
        assert_eq!(lied, counts(3, 1, 0));
    }

    #[test]
    fn a_skipped_test_has_not_passed() {
        // libtest-mimic pads the names.
        let output = "test a::b   ... ok\n        PASS [   0.001s] (1/4) lockstep-x::t c::d\n";
        let mut skipping = counts(3, 0, 1);
        skipping.take_skips(output, &["a::b", "c::d", "part of a::b"]);
        assert_eq!(skipping, counts(1, 0, 4));
    }
}
