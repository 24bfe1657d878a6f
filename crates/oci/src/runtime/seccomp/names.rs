//! The names of calls in a rule, as numbers where there is such a call.
//!
//! An engine's profile has hundreds of them in each container's configuration, so a name is looked up while it is
//! read, where it still lies in the document, and is text of its own only if no architecture has such a call.

use std::fmt;

use lockstep_abi::syscall::Syscall;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// Names in the order of the file, repeated ones included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyscallNames {
    calls: Vec<Syscall>,
    /// Names that no architecture has, each with its place among all.
    unknown: Vec<(usize, String)>,
}

impl SyscallNames {
    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len() + self.unknown.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All names as they stand in the file.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (mut calls, mut unknown) = (self.calls.iter(), self.unknown.iter().peekable());
        (0..self.len()).filter_map(move |place| {
            match unknown.next_if(|(stands, _)| *stands == place) {
                Some((_, name)) => Some(name.as_str()),
                None => calls.next().map(|call| call.name()),
            }
        })
    }

    /// The calls that some architecture has.
    #[must_use]
    pub fn calls(&self) -> &[Syscall] {
        &self.calls
    }

    /// The other names, each with its place among all.
    pub fn unknown(&self) -> impl Iterator<Item = (usize, &str)> {
        let unknown = self.unknown.iter();
        unknown.map(|(place, name)| (*place, name.as_str()))
    }

    /// Keeps the names for which `wanted` holds.
    pub fn retain(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        *self = self.iter().filter(|name| wanted(name)).collect();
    }

    fn push(&mut self, name: &str) {
        match Syscall::from_name(name) {
            Some(call) => self.calls.push(call),
            None => self.unknown.push((self.len(), name.to_owned())),
        }
    }
}

impl<S: AsRef<str>> FromIterator<S> for SyscallNames {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut all = Self::default();
        names.into_iter().for_each(|name| all.push(name.as_ref()));
        all
    }
}

impl Serialize for SyscallNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> serde::Deserialize<'de> for SyscallNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List)
    }
}

/// Reads the list.
struct List;

impl<'de> Visitor<'de> for List {
    type Value = SyscallNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<SyscallNames, A::Error> {
        let mut names = SyscallNames::default();
        while list.next_element_seed(One(&mut names))?.is_some() {}
        Ok(names)
    }
}

/// Reads one name into the list.
struct One<'a>(&'a mut SyscallNames);

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for One<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        self.0.push(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"["no_such","read","re\u0061d","","write","also_not"]"#;

    #[test]
    fn names_are_kept_in_their_order_whether_there_is_such_a_call_or_not() {
        let names: SyscallNames = serde_json::from_str(TEXT).expect("names");
        let all = ["no_such", "read", "read", "", "write", "also_not"];
        assert_eq!(names.iter().collect::<Vec<_>>(), all);
        assert_eq!(names.len(), 6);
        assert_eq!(names, SyscallNames::from_iter(all));
        let text = serde_json::to_string(&names).expect("text");
        assert_eq!(text, TEXT.replace(r"\u0061", "a"));
        let unknown: Vec<_> = names.unknown().collect();
        assert_eq!(unknown, [(0, "no_such"), (3, ""), (5, "also_not")]);
        let calls: Vec<_> = names.calls().iter().map(|call| call.name()).collect();
        assert_eq!(calls, ["read", "read", "write"]);
    }

    #[test]
    fn names_that_are_left_move_up() {
        let mut names: SyscallNames = serde_json::from_str(TEXT).expect("names");
        names.retain(|name| name != "read" && name != "no_such");
        assert_eq!(names.iter().collect::<Vec<_>>(), ["", "write", "also_not"]);
        assert_eq!(
            names.unknown().map(|(at, _)| at).collect::<Vec<_>>(),
            [0, 2]
        );
    }

    #[test]
    fn what_is_no_list_of_names_is_told_as_for_any_other() {
        for (text, expected) in [
            ("[5]", "invalid type: integer `5`, expected a string"),
            ("[null]", "invalid type: null, expected a string"),
            (
                r#""read""#,
                "invalid type: string \"read\", expected a sequence",
            ),
            ("null", "invalid type: null, expected a sequence"),
        ] {
            let error = serde_json::from_str::<SyscallNames>(text)
                .expect_err(text)
                .to_string();
            let list = serde_json::from_str::<Vec<String>>(text)
                .expect_err(text)
                .to_string();
            assert!(error.starts_with(expected), "{error}");
            assert_eq!(error, list);
        }
    }
}
