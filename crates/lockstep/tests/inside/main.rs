//! What a program finds in the default container, against what it finds in Docker's and in Podman's, root's and an
//! ordinary user's: there is nothing in ours that is not in theirs, but for the list in `ledger.rs`.
//! docs/hardening.md has the table of it.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../stage/mod.rs"]
mod stage;
#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;

mod container;
mod engine;
mod ledger;
mod probe;
mod table;

use std::process::ExitCode;

use container::{Container, Facts};

fn main() -> ExitCode {
    let mut trials = vec![stage::trial("inside::table".to_owned(), |_| {
        table::table_is_true();
    })];
    for peer in &container::PEERS {
        let name = format!("inside::{}", peer.name);
        trials.push(stage::trial(name, |_| subset_of(peer)));
    }
    stage::run(trials)
}

/// Both of ours have less than the peer.
fn subset_of(peer: &'static Container) {
    let theirs = peer.facts();
    for ours in &container::OURS {
        let (who, ours) = (ours.name, ours.facts());
        let more: Vec<&String> = ours
            .difference(theirs)
            .filter(|fact| !ledger::holds(peer.name, who, fact))
            .collect();
        assert!(
            more.is_empty(),
            "{who} finds more than in {}: {more:#?}",
            peer.name
        );
        assert!(ours.len() < theirs.len(), "{who}: no strict subset");
        loses(peer.name, theirs, (who, ours));
    }
}

/// What the subset is for: none of these may come back, and a probe that does not see them there is blind.
fn loses(peer: &str, theirs: &Facts, (who, ours): (&str, &Facts)) {
    for fact in [
        "gain new privileges",
        "gain root by a setuid program",
        "special chroot",
    ] {
        assert!(
            theirs.contains(fact),
            "{peer} has no {fact}: the probe is blind"
        );
        assert!(!ours.contains(fact), "{who}: {fact}");
    }
}
