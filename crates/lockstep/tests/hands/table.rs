//! The table at the end of a run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use crate::engine::{Answer, Engine};
use crate::known::Kind;
use crate::line::Line;

/// Rows by kind, each with the answers: lines that all refuse alike would prove nothing, and are to be seen.
#[derive(Default)]
pub(crate) struct Table(Mutex<BTreeMap<Kind, Vec<(String, String)>>>);

impl Table {
    /// One line's outcome. A known difference counts as what it is known for, a new refusal always as one.
    pub(crate) fn enter(
        &self,
        line: &Line,
        found: Kind,
        known: Option<Kind>,
        peers: &[(Engine, Answer)],
        ours: &Answer,
    ) {
        let kind = match found {
            Kind::Same | Kind::Refused => found,
            _ => known.filter(|kind| *kind != Kind::Refused).unwrap_or(found),
        };
        let answers = both(line, peers, ours);
        let mut rows = self.0.lock().unwrap_or_else(|e| e.into_inner());
        rows.entry(kind)
            .or_default()
            .push((line.name.clone(), answers));
    }

    /// Prints the counts and the names, and writes the answers to a file.
    pub(crate) fn finish(&self) {
        let rows = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let total: usize = rows.values().map(Vec::len).sum();
        println!("{total} lines");
        let mut file = String::new();
        for (kind, rows) in rows.iter() {
            let mut names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            let named = if *kind == Kind::Same {
                String::new()
            } else {
                names.join(" ")
            };
            println!("{:>5} {:<9} {named}", rows.len(), kind.name());
            for (name, answers) in rows {
                file.push_str(&format!("==== {}\t{name}\n{answers}\n", kind.name()));
            }
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hands.txt");
        match std::fs::write(&path, file) {
            Ok(()) => println!("answers: {}", path.display()),
            Err(error) => println!("{}: {error}", path.display()),
        }
    }
}

/// The line and what each said to it.
pub(crate) fn both(line: &Line, peers: &[(Engine, Answer)], ours: &Answer) -> String {
    let mut text = format!("$ {}\n", line.typed());
    let all = peers.iter().map(|(engine, answer)| (*engine, answer));
    for (engine, answer) in all.chain([(Engine::Lockstep, ours)]) {
        text.push_str(&format!(
            "-- {}\n{}\n",
            engine.name(),
            answer.text.trim_end()
        ));
        for message in answer.messages.lines() {
            text.push_str(&format!("   | {message}\n"));
        }
        if engine == Engine::Lockstep
            && let Some(refusal) = answer.refusal()
        {
            text.push_str(&format!("   => {refusal}\n"));
        }
    }
    text
}
