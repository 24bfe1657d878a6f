//! What a program finds in the default container, against what it finds in Docker's and in Podman's: there is nothing
//! in ours that is not in theirs, but for the list in `ledger.rs`. docs/hardening.md shows it.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../stage/mod.rs"]
mod stage;
#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;

mod engine;
mod ledger;
mod probe;

use std::collections::BTreeSet;
use std::process::ExitCode;

use stage::{Stage, output};

/// Facts, "kind value".
type Facts = BTreeSet<String>;

fn main() -> ExitCode {
    let trials = ["docker", "podman"]
        .map(|name| stage::trial(format!("inside::{name}"), move |stage| compare(stage, name)));
    stage::run(trials.into())
}

fn compare(t: &Stage, name: &str) {
    let image = probe::image(&t.dir).unwrap_or_else(|reason| skip(t, &reason));
    let theirs = match name {
        "docker" => engine::docker(&t.dir, &image),
        _ => engine::podman(&t.dir, &image),
    };
    let theirs = facts(&theirs.unwrap_or_else(|reason| skip(t, &reason)));
    let source = format!("rootfs:{}", image.root.display());
    let mut args = vec!["run", "--rm", &source, "/inside"];
    args.extend(image.calls.iter().map(String::as_str));
    let root = facts(&t.call(&args).text());
    let user = facts(&output(t.user_command(Some(700_000), &args), b"").text());
    println!(
        "{}",
        table(&[(name, &theirs), ("root", &root), ("user", &user)])
    );
    for (who, ours) in [("root", &root), ("user", &user)] {
        let more: Vec<&String> = ours
            .difference(&theirs)
            .filter(|fact| !ledger::holds(who, fact))
            .collect();
        assert!(
            more.is_empty(),
            "{who} finds more than in {name}: {more:#?}"
        );
        assert!(ours.len() < theirs.len(), "{who}: no strict subset");
    }
    // What the subset is for: none of these may come back.
    for fact in [
        "gain new privileges",
        "gain root by a setuid program",
        "special socket-raw",
        "special chroot",
    ] {
        assert!(
            theirs.contains(fact),
            "{name} has no {fact}: the probe is blind"
        );
        assert!(!root.contains(fact) && !user.contains(fact), "{fact}");
    }
}

fn skip(t: &Stage, reason: &str) -> ! {
    t.need(false, reason);
    unreachable!("need() has ended the test")
}

/// A whole answer: its last line says that it is one.
#[track_caller]
fn facts(text: &str) -> Facts {
    assert_eq!(text.trim_end().lines().last(), Some("end"), "{text}");
    text.lines().map(str::to_owned).collect()
}

/// How many facts of each kind there are, as Markdown.
fn table(columns: &[(&str, &Facts)]) -> String {
    let kind = |fact: &str| {
        let words: Vec<&str> = fact.split(' ').collect();
        match words[0] {
            "call" | "special" | "gain" => words[0].to_owned(),
            _ => words[..words.len() - 1].join(" "),
        }
    };
    let kinds: BTreeSet<String> = columns
        .iter()
        .flat_map(|(_, facts)| facts.iter().map(|fact| kind(fact)))
        .collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| | {} |\n", names.join(" | "));
    for wanted in kinds.iter().filter(|kind| !kind.is_empty()) {
        let counts: Vec<String> = columns
            .iter()
            .map(|(_, facts)| {
                facts
                    .iter()
                    .filter(|fact| kind(fact) == *wanted)
                    .count()
                    .to_string()
            })
            .collect();
        text.push_str(&format!("| {wanted} | {} |\n", counts.join(" | ")));
    }
    text
}
