//! `known.tsv`: the lines that are answered otherwise, and why.

use std::collections::BTreeMap;

use crate::line::{self, Line};

/// How an answer stands to the engines'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Equal to that of one engine.
    Same,
    /// Another because of a default that is harder than theirs.
    Hardened,
    /// Another by decision, not for hardness.
    Chosen,
    /// Not done, and said so.
    Refused,
    /// A mistake.
    Wrong,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Same => "same",
            Kind::Hardened => "hardened",
            Kind::Chosen => "chosen",
            Kind::Refused => "refused",
            Kind::Wrong => "wrong",
        }
    }

    fn of(name: &str) -> Option<Kind> {
        [Kind::Hardened, Kind::Chosen, Kind::Refused, Kind::Wrong]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// A row: why a line is answered otherwise, and how.
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Filtered output and exit code, of what is another by decision. A refusal is known by its words.
    answer: Option<String>,
}

impl Entry {
    /// Whether this is the answer that was decided upon, and no third one.
    pub(crate) fn is_answered_by(&self, text: &str) -> bool {
        let answer = self.answer.as_deref();
        answer.is_none_or(|answer| answer == text.trim_end())
    }
}

/// The list: a name, a kind, a reason and what was decided in each row.
pub(crate) struct Known(BTreeMap<String, Entry>);

impl Known {
    /// Reads the list; a row that names no line, no kind or no reason is an error, and a decision without its answer.
    pub(crate) fn read(lines: &[Line]) -> Known {
        let text = std::fs::read_to_string(line::directory().join("known.tsv")).expect("known.tsv");
        let mut known = BTreeMap::new();
        for row in text.lines().filter(|row| !row.starts_with('#')) {
            let (name, entry) = parse(row);
            assert!(
                lines.iter().any(|line| line.name == name),
                "known.tsv: no line {name}"
            );
            assert!(
                known.insert(name.to_owned(), entry).is_none(),
                "known.tsv: {name} twice"
            );
        }
        Known(known)
    }

    pub(crate) fn of(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }
}

fn parse(row: &str) -> (&str, Entry) {
    let columns: Vec<&str> = row.split('\t').collect();
    let (&[name, kind, reason], answer) = columns.split_at(columns.len().min(3)) else {
        panic!("known.tsv: {row:?} has not three columns");
    };
    assert!(!reason.is_empty(), "known.tsv: {name} has no reason");
    let kind = Kind::of(kind).unwrap_or_else(|| panic!("known.tsv: {name}: no kind {kind}"));
    let decided = matches!(kind, Kind::Hardened | Kind::Chosen);
    let answer = match (decided, answer) {
        (true, [answer]) => Some(answer.replace("\\n", "\n").replace("\\t", "\t")),
        (false, []) => None,
        _ => {
            panic!("known.tsv: {name}: what is hardened or chosen has an answer, and nothing else")
        }
    };
    (name, Entry { kind, answer })
}
