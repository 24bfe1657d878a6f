//! The table at the end of a run, and the tail of what failed.

use std::path::PathBuf;
use std::time::Duration;

use super::counts::Counts;

/// Lines of a failed group's log that are printed.
const TAIL: usize = 60;

/// What one group did.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) counts: Counts,
    pub(crate) took: Duration,
    /// Name of a test and why it could not run.
    pub(crate) skips: Vec<(String, String)>,
    pub(crate) log: PathBuf,
}

impl Row {
    fn result(&self) -> &'static str {
        match &self.counts {
            counts if counts.timed_out => "TIMEOUT",
            counts if counts.failed > 0 => "FAILED",
            counts if counts.passed == 0 => "skipped",
            _ => "ok",
        }
    }

    fn line(&self) -> String {
        let Counts {
            passed,
            failed,
            skipped,
            ..
        } = self.counts;
        let seconds = self.took.as_secs_f64();
        let result = self.result();
        format!(
            "{:<14} {result:<8} {passed:>6} {failed:>6} {skipped:>7} {seconds:>8.1}",
            self.name
        )
    }
}

/// Lines `name<TAB>reason` of a skip file.
pub(crate) fn read_skips(text: &str) -> Vec<(String, String)> {
    let split = |line: &str| match line.split_once('\t') {
        Some((name, reason)) => (name.to_owned(), reason.to_owned()),
        None => (line.to_owned(), "no reason given".to_owned()),
    };
    text.lines()
        .filter(|line| !line.is_empty())
        .map(split)
        .collect()
}

/// One group's line as soon as it has ended, with the tail of its log if it failed.
pub(crate) fn print_row(row: &Row) {
    println!("{}", row.line());
    if row.counts.failed == 0 {
        return;
    }
    let text = std::fs::read(&row.log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let named = |line: &&&str| {
        line.trim_end().ends_with("FAILED") || line.trim_start().starts_with("FAIL [")
    };
    println!(
        "--- {}: failed tests, then the last {TAIL} lines of {}",
        row.name,
        row.log.display()
    );
    for line in lines.iter().filter(named).take(TAIL) {
        println!("  {line}");
    }
    for line in &lines[lines.len().saturating_sub(TAIL)..] {
        println!("  | {line}");
    }
}

/// The whole run: groups, skips with reasons, and the sum on the last line.
pub(crate) fn print_table(rows: &[Row]) {
    println!(
        "\n{:<14} {:<8} {:>6} {:>6} {:>7} {:>8}",
        "group", "result", "passed", "failed", "skipped", "seconds"
    );
    let mut sum = Counts::default();
    let mut took = Duration::ZERO;
    for row in rows {
        println!("{}", row.line());
        sum.add(&row.counts);
        took += row.took;
    }
    if rows.iter().any(|row| !row.skips.is_empty()) {
        println!("\nskipped:");
    }
    for row in rows {
        for (name, reason) in &row.skips {
            println!("  {}: {name}: {reason}", row.name);
        }
    }
    println!("\n{} min {} s", took.as_secs() / 60, took.as_secs() % 60);
    println!(
        "{} passed, {} failed, {} skipped",
        sum.passed, sum.failed, sum.skipped
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_keep_their_reasons() {
        let skips = read_skips("a::b\tno resctrl\n\nc\n");
        let expected = [("a::b", "no resctrl"), ("c", "no reason given")];
        assert_eq!(skips, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn a_row_says_what_happened() {
        let row = |passed, failed, timed_out| Row {
            name: "kernel",
            counts: Counts {
                passed,
                failed,
                skipped: 0,
                timed_out,
            },
            took: Duration::from_millis(1500),
            skips: Vec::new(),
            log: PathBuf::new(),
        };
        assert_eq!(
            row(3, 0, false).line(),
            "kernel         ok            3      0       0      1.5"
        );
        assert_eq!(row(3, 1, false).result(), "FAILED");
        assert_eq!(row(0, 1, true).result(), "TIMEOUT");
        assert_eq!(row(0, 0, false).result(), "skipped");
    }
}
