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

/// The list: a name, a kind and a reason in each row.
pub(crate) struct Known(BTreeMap<String, Kind>);

impl Known {
    /// Reads the list; a row that names no line, no kind or no reason is an error.
    pub(crate) fn read(lines: &[Line]) -> Known {
        let text = std::fs::read_to_string(line::directory().join("known.tsv")).expect("known.tsv");
        let mut known = BTreeMap::new();
        for row in text.lines().filter(|row| !row.starts_with('#')) {
            let [name, kind, reason] = row.split('\t').collect::<Vec<_>>()[..] else {
                panic!("known.tsv: {row:?} has not three columns");
            };
            assert!(
                lines.iter().any(|line| line.name == name),
                "known.tsv: no line {name}"
            );
            assert!(!reason.is_empty(), "known.tsv: {name} has no reason");
            let kind =
                Kind::of(kind).unwrap_or_else(|| panic!("known.tsv: {name}: no kind {kind}"));
            assert!(
                known.insert(name.to_owned(), kind).is_none(),
                "known.tsv: {name} twice"
            );
        }
        Known(known)
    }

    pub(crate) fn of(&self, name: &str) -> Option<Kind> {
        self.0.get(name).copied()
    }
}
