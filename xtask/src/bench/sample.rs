//! Interleaved runs through the measuring parent, and their statistics.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;

/// What one run cost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) wall_us: u64,
    pub(crate) cpu_us: u64,
    pub(crate) rss_kb: u64,
    /// Page faults of all processes.
    pub(crate) faults: u64,
    /// `0`, the first other exit status, or `hang`.
    pub(crate) status: String,
}

/// A named sequence of commands; `@reap` waits until no child is left.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) commands: Vec<Vec<String>>,
}

impl Case {
    /// A case of one command.
    pub(crate) fn one(name: &str, words: &[&str]) -> Case {
        Case {
            name: name.to_owned(),
            commands: vec![owned(words)],
        }
    }

    fn line(&self, timeout_ms: u64) -> String {
        let commands: Vec<String> = self.commands.iter().map(|words| words.join("\t")).collect();
        format!("{}\t{timeout_ms}\t{}\n", self.name, commands.join("\t;\t"))
    }
}

/// Words as owned strings.
pub(crate) fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Samples by the name of their case.
pub(crate) type Samples = BTreeMap<String, Vec<Sample>>;

/// Runs `rounds` rounds; each has every case once, in random order.
pub(crate) fn interleave(
    measure: &Path,
    cases: &[Case],
    rounds: usize,
    seed: u64,
    timeout_ms: u64,
) -> Result<Samples, Failure> {
    let mut random = Random(seed | 1);
    let mut schedule = String::new();
    for _ in 0..rounds {
        let mut order: Vec<&Case> = cases.iter().collect();
        random.shuffle(&mut order);
        order
            .iter()
            .for_each(|case| schedule.push_str(&case.line(timeout_ms)));
    }
    let errors = measure.with_extension(format!("{}.stderr", std::process::id()));
    let mut child = Command::new(measure)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(&errors)?)
        .spawn()?;
    // The schedule can be longer than a pipe holds, and so can the results.
    let mut input = child
        .stdin
        .take()
        .ok_or(Failure::new("no pipe to the measuring parent"))?;
    let writer = std::thread::spawn(move || input.write_all(schedule.as_bytes()));
    let output = child.wait_with_output()?;
    writer
        .join()
        .map_err(|_| Failure::new("the writer of the schedule panicked"))??;
    let samples = parse(&String::from_utf8_lossy(&output.stdout))?;
    let count: usize = samples.values().map(Vec::len).sum();
    if count != rounds * cases.len() {
        let message = format!("{count} of {} runs were measured", rounds * cases.len());
        return Err(Failure::new(message));
    }
    Ok(samples)
}

/// What the runs of the last `interleave` wrote to stderr, its end.
pub(crate) fn errors(measure: &Path) -> String {
    let path = measure.with_extension(format!("{}.stderr", std::process::id()));
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

fn parse(output: &str) -> Result<Samples, Failure> {
    let mut samples = Samples::new();
    for line in output.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, wall, cpu, rss, faults, status] = fields[..] else {
            return Err(Failure::new(format!("not a measurement: {line}")));
        };
        let sample = Sample {
            wall_us: wall.parse()?,
            cpu_us: cpu.parse()?,
            rss_kb: rss.parse()?,
            faults: faults.parse()?,
            status: status.to_owned(),
        };
        samples.entry(name.to_owned()).or_default().push(sample);
    }
    Ok(samples)
}

/// Value at `percent` of the sorted figures.
pub(crate) fn percentile(samples: &[Sample], percent: usize, figure: fn(&Sample) -> u64) -> u64 {
    let mut figures: Vec<u64> = samples.iter().map(figure).collect();
    figures.sort_unstable();
    let at = (figures.len() * percent / 100).min(figures.len().saturating_sub(1));
    figures.get(at).copied().unwrap_or(0)
}

/// Xorshift: the order must be random and repeatable, not secret.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = (self.next() % (at as u64 + 1)) as usize;
            items.swap(at, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_line_has_the_commands_apart() {
        let case = Case {
            name: "a".into(),
            commands: vec![owned(&["/x", "y"]), owned(&["@reap"])],
        };
        assert_eq!(case.line(5), "a\t5\t/x\ty\t;\t@reap\n");
    }

    #[test]
    fn measurements_are_read_and_ranked() {
        let text = "a\t30\t3\t9\t7\t0\nb\t1\t1\t1\t7\thang\na\t10\t1\t9\t7\t0\na\t20\t2\t9\t8\t0\n";
        let samples = parse(text).map_err(|f| f.to_string()).expect("samples");
        assert_eq!(percentile(&samples["a"], 50, |s| s.wall_us), 20);
        assert_eq!(percentile(&samples["a"], 0, |s| s.wall_us), 10);
        assert_eq!(percentile(&samples["a"], 100, |s| s.cpu_us), 3);
        assert_eq!(percentile(&samples["a"], 100, |s| s.faults), 8);
        assert_eq!(samples["b"][0].status, "hang");
        assert!(parse("a\t1\n").is_err());
    }

    #[test]
    fn a_shuffle_keeps_all_and_repeats_with_its_seed() {
        let order = |seed| {
            let mut items: Vec<u32> = (0..50).collect();
            Random(seed).shuffle(&mut items);
            items
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<u32>>());
    }
}
