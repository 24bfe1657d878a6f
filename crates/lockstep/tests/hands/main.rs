//! Hands: command lines as people type them to `docker` and `podman`, typed to `lockstep` beside them.
//!
//! `lines/*.sh` hold the lines, written from the two engines' manuals before a line of this project's front was read;
//! `prelude.bash` tells their form. Each runs under Debian's engines and under the program, in a store of its own in one
//! mount namespace, and the answers are compared: filtered output and exit code. Where the two engines differ, either
//! answer is right. `known.tsv` lists the lines with another answer and why; the whole run fails on a line of it that
//! has become the same, so that it only shrinks. The table is printed, and with all answers written to `hands.txt` in
//! Cargo's directory for tests' files.
//!
//! Environment: `LOCKSTEP_TEST_PROGRAM` (the program under test), `LOCKSTEP_TEST_SAMPLE` (`percent,seed`),
//! `LOCKSTEP_SKIPS` (a file to which skips are appended).

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;

mod engine;
mod known;
mod line;
mod stage;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use engine::{Answer, Engine};
use known::{Kind, Known};
use libtest_mimic::{Arguments, Failed, Trial};
use line::Line;
use stage::Stage;
use suite::{Sample, announce_skip};
use table::Table;

/// What all trials share.
struct Run {
    stage: Stage,
    known: Known,
    table: Table,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let all = line::all();
    let known = Known::read(&all);
    let sample = Sample::from_env();
    let taken = |line: &Line| sample.as_ref().is_none_or(|s| s.takes(&line.name));
    let lines: Vec<Line> = all.into_iter().filter(taken).collect();
    if arguments.list || lines.is_empty() {
        let named = lines
            .into_iter()
            .map(|line| Trial::test(line.name, || Ok(())));
        return libtest_mimic::run(&arguments, named.collect()).exit_code();
    }
    let stage = match Stage::set() {
        Ok(stage) => stage,
        Err(reason) => {
            announce_skip("hands", &reason);
            return ExitCode::SUCCESS;
        }
    };
    let run = Arc::new(Run {
        stage,
        known,
        table: Table::default(),
    });
    let trials = lines.into_iter().map(|line| {
        let run = Arc::clone(&run);
        Trial::test(line.name.clone(), move || run.judge(&line))
    });
    suite::run(trials.collect(), || {
        run.table.finish();
        run.stage.finish()
    })
}

impl Run {
    /// Asks all engines, and compares with what is known of the line.
    fn judge(&self, line: &Line) -> Result<(), Failed> {
        let peers: Vec<(Engine, Answer)> = Engine::PEERS
            .into_iter()
            .filter(|peer| line.peers.contains(peer))
            .map(|peer| (peer, self.stage.ask(peer, line)))
            .collect();
        let ours = self.stage.ask(Engine::Lockstep, line);
        let found = kind(&ours, &peers);
        let known = self.known.of(&line.name);
        self.table
            .enter(line, found, known.map(|entry| entry.kind), &peers, &ours);
        match known {
            None if found != Kind::Same => Err(Failed::from(table::both(line, &peers, &ours))),
            Some(_) if found == Kind::Same && Sample::is_full() => Err(Failed::from(
                "the answer has become the same: take the line out of known.tsv",
            )),
            Some(entry)
                if found != Kind::Same
                    && ((found == Kind::Refused) != (entry.kind == Kind::Refused)
                        || !entry.is_answered_by(&ours.text)) =>
            {
                Err(Failed::from(format!(
                    "known as {} with another answer, is {} now:\n{}",
                    entry.kind.name(),
                    found.name(),
                    table::both(line, &peers, &ours)
                )))
            }
            _ => Ok(()),
        }
    }
}

fn kind(ours: &Answer, peers: &[(Engine, Answer)]) -> Kind {
    if ours.declined() {
        Kind::Refused
    } else if peers.iter().any(|(_, theirs)| theirs.text == ours.text) {
        Kind::Same
    } else if ours.refusal().is_some() && peers.iter().any(|(_, theirs)| theirs.succeeded()) {
        Kind::Refused
    } else {
        Kind::Wrong
    }
}
