//! The tables of docs/hardening.md: made from what the probe found, and compared with what the page says.
//!
//! `LOCKSTEP_WRITE=1` writes them. How large procfs and sysfs are is the machine's, so those rows are only close.

use std::collections::BTreeSet;
use std::process::Command;

use lockstep_abi::capability::Capability;

use crate::container::{Container, Facts, OURS, PEERS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hardening.md");
const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->\n";

/// Kinds of facts, in the order of the table, and what they are.
const KINDS: &[(&str, &str)] = &[
    ("capability Bnd", "capabilities that can be had at all"),
    ("capability Eff", "capabilities that the program has"),
    ("capability Prm", "capabilities that it may take"),
    ("capability Inh", "capabilities that a program inherits"),
    ("capability Amb", "capabilities that every program inherits"),
    ("gain", "ways to gain privileges"),
    ("call", "system calls that answer neither EPERM nor ENOSYS"),
    ("special", "calls with arguments that matter, below"),
    ("procfs read", "files of procfs that can be read"),
    ("procfs write", "files of procfs that open for writing"),
    (
        "sysfs read",
        "files of sysfs, cgroups aside, that open for reading",
    ),
    ("sysfs write", "files of sysfs that open for writing"),
    ("device read", "devices that open for reading"),
    ("device write", "devices that open for writing"),
    ("mount not-ro", "mounts that are writable"),
    ("mount not-nosuid", "mounts that honour setuid"),
    ("mount not-nodev", "mounts that honour devices"),
    ("mount not-noexec", "mounts that execute"),
];

/// Whose containers see the host's cgroups sees as many as run at the moment: they are compared one by one, and not counted.
const CGROUPS: &str = "sysfs read /sys/fs/cgroup/";

/// Kinds whose number depends on the machine.
const LOOSE: &[&str] = &["procfs ", "sysfs "];

/// The page says what was found, on the machine that it names; elsewhere the comparison is skipped.
pub(crate) fn table_is_true() {
    let all: Vec<&Container> = PEERS.iter().chain(&OURS).collect();
    let found = all.iter().map(|container| container.facts());
    let made = tables(&all, found);
    let page = std::fs::read_to_string(PAGE).expect("the page");
    let (head, rest) = page.split_once(BEGIN).expect("the mark before the tables");
    let (written, tail) = rest.split_once(END).expect("the mark behind them");
    if std::env::var_os("LOCKSTEP_WRITE").is_some() {
        std::fs::write(PAGE, format!("{head}{BEGIN}{made}{END}{tail}")).expect("it is written");
        return;
    }
    if written.lines().next() != Some(&machine()) {
        std::panic::resume_unwind(Box::new(crate::suite::Skip {
            reason: format!(
                "docs/hardening.md was measured with {:?}",
                written.lines().next()
            ),
        }));
    }
    let mut measured = vec![made];
    if !differences(written, &measured).is_empty() {
        // On a busy machine an engine's daemon or a probe's call may run out of time. What is no accident is found again.
        let again: Vec<Facts> = PEERS.iter().map(Container::ask_again).collect();
        let ours = OURS.iter().map(Container::facts);
        measured.push(tables(&all, again.iter().chain(ours)));
    }
    let differences = differences(written, &measured);
    assert!(
        differences.is_empty(),
        "docs/hardening.md: LOCKSTEP_WRITE=1 writes otherwise\n{}",
        differences.join("\n")
    );
}

fn tables<'f>(all: &[&Container], facts: impl Iterator<Item = &'f Facts>) -> String {
    let titles = all.iter().map(|container| container.title);
    let found: Vec<(&str, &Facts)> = titles.zip(facts).collect();
    format!("{}\n\n{}\n{}", machine(), counts(&found), names(&found))
}

/// Lines of the page that nothing that was measured bears out, and lines of every measurement that the page does not have.
fn differences(written: &str, measured: &[String]) -> Vec<String> {
    let has = |text: &str, line: &str| text.lines().any(|other| alike(line, other));
    let wrong = written
        .lines()
        .filter(|line| !measured.iter().any(|made| has(made, line)));
    let wrong = wrong.map(|line| format!("page:     {line}"));
    let missing = measured[0].lines().filter(|line| {
        !has(written, line)
            && measured
                .iter()
                .all(|made| made.lines().any(|other| other == *line))
    });
    let missing = missing.map(|line| format!("measured: {line}"));
    wrong.chain(missing).collect()
}

/// Whether two lines say the same, or nearly where the numbers are the machine's.
fn alike(was: &str, is: &str) -> bool {
    let what = |line: &str| line.split('|').nth(1).map(str::trim).map(str::to_owned);
    let is_loose = |words: &str| {
        let mut kinds = KINDS.iter().filter(|(_, known)| *known == words);
        kinds.any(|(kind, _)| LOOSE.iter().any(|loose| kind.starts_with(loose)))
    };
    if what(was) != what(is) || !what(is).is_some_and(|words| is_loose(&words)) {
        return was == is;
    }
    let numbers = |line: &str| -> Vec<usize> {
        line.split('|')
            .filter_map(|cell| cell.trim().parse().ok())
            .collect()
    };
    let (was, is) = (numbers(was), numbers(is));
    was.len() == is.len()
        && was
            .iter()
            .zip(&is)
            .all(|(a, b)| a.abs_diff(*b) <= a / 3 + 4)
}

/// What was measured with what: the engines and the kernel.
fn machine() -> String {
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output();
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
        let text = text.unwrap_or_default();
        let word = text
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let word = word.unwrap_or("-").trim_end_matches(',');
        word.split(['+', '-']).next().unwrap_or(word).to_owned()
    };
    format!(
        "Docker {}, Podman {}, runc {}, Linux {}.",
        said("dockerd", &["--version"]),
        said("podman", &["--version"]),
        said("runc", &["--version"]),
        said("uname", &["-r"])
    )
}

fn kind(fact: &str) -> &str {
    let known = KINDS
        .iter()
        .find(|(kind, _)| fact.starts_with(&format!("{kind} ")));
    known.unwrap_or_else(|| panic!("no row for {fact:?}")).0
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    format!(
        "| {} |\n",
        cells.into_iter().collect::<Vec<_>>().join(" | ")
    )
}

fn head(first: &str, found: &[(&str, &Facts)]) -> String {
    let titles = found.iter().map(|(title, _)| (*title).to_owned());
    let mut text = row([first.to_owned()].into_iter().chain(titles));
    text.push_str(&format!("|{}\n", "---|".repeat(found.len() + 1)));
    text
}

/// How many facts of each kind there are.
fn counts(found: &[(&str, &Facts)]) -> String {
    let mut text = head("how many", found);
    for (wanted, words) in KINDS {
        let counted = |fact: &&String| kind(fact) == *wanted && !fact.starts_with(CGROUPS);
        let of = |facts: &Facts| facts.iter().filter(counted).count();
        let cells = found.iter().map(|(_, facts)| of(facts).to_string());
        text.push_str(&row([(*words).to_owned()].into_iter().chain(cells)));
    }
    text
}

/// Those that have a name worth reading, one by one.
fn names(found: &[(&str, &Facts)]) -> String {
    let mut text = head("which", found);
    let all: BTreeSet<&String> = found.iter().flat_map(|(_, facts)| facts.iter()).collect();
    for wanted in ["capability Bnd", "gain", "special", "device write"] {
        for fact in all.iter().filter(|fact| kind(fact) == wanted) {
            let cell = |facts: &Facts| if facts.contains(*fact) { "yes" } else { "-" }.to_owned();
            let cells = found.iter().map(|(_, facts)| cell(facts));
            text.push_str(&row([title(wanted, fact)].into_iter().chain(cells)));
        }
    }
    text
}

fn title(kind: &str, fact: &str) -> String {
    let value = &fact[kind.len() + 1..];
    match kind {
        "capability Bnd" => value
            .parse()
            .ok()
            .and_then(Capability::from_number)
            .map_or_else(
                || value.to_owned(),
                |capability| capability.name().to_owned(),
            ),
        "gain" => format!("gain {value}"),
        _ => value.to_owned(),
    }
}
