//! What was given, asked for by an option's name.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::Verb;

/// The arguments of the program or of a verb.
///
/// An option that the verb does not have was not given: verbs share code but not all options.
#[derive(Debug)]
pub struct Arguments {
    verb: &'static Verb,
    /// Each option that was given, in order; an option without a value has an empty one.
    given: Vec<(&'static str, OsString)>,
    /// Booleans that were given as false.
    denied: Vec<&'static str>,
    /// What is not an option.
    pub positionals: Vec<OsString>,
    /// Whether the option for help is among them.
    pub help: bool,
}

impl Arguments {
    pub(crate) fn new(verb: &'static Verb) -> Self {
        Arguments {
            verb,
            given: Vec::new(),
            denied: Vec::new(),
            positionals: Vec::new(),
            help: false,
        }
    }

    pub(crate) fn push(&mut self, name: &'static str, value: OsString) {
        self.given.push((name, value));
    }

    /// Of several the last counts, so that `=false` takes an earlier one back.
    pub(crate) fn set(&mut self, name: &'static str, truth: bool) {
        self.given.retain(|(given, _)| *given != name);
        self.denied.retain(|given| *given != name);
        match truth {
            true => self.given.push((name, OsString::new())),
            false => self.denied.push(name),
        }
    }

    /// Everything that was given as true or with a value, in order; without a value the text is empty.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        self.given
            .iter()
            .map(|(name, value)| (*name, value.as_os_str()))
    }

    /// All values of an option, in order; its default if it was not given.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        let given = self.given.iter().filter(move |(given, _)| *given == name);
        let mut given = given.map(|(_, value)| value.as_os_str()).peekable();
        let default = match given.peek() {
            None => self.verb.option(name).and_then(|option| option.default),
            Some(_) => None,
        };
        given.chain(default.map(OsStr::new))
    }

    /// Whether the verb has an option of this name at all.
    pub fn knows(&self, name: &str) -> bool {
        self.verb.option(name).is_some()
    }

    /// Whether an option without a value is there.
    pub fn flag(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether it was given as false.
    pub fn denied(&self, name: &str) -> bool {
        self.denied.contains(&name)
    }

    /// An option's value, the last one that was given.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.values(name).last()
    }

    /// An option's value as text.
    pub fn text(&self, name: &str) -> Result<Option<&str>, String> {
        self.value(name).map(|value| utf8(name, value)).transpose()
    }

    /// All values of an option as text, in order.
    pub fn texts(&self, name: &str) -> Result<Vec<&str>, String> {
        self.values(name).map(|value| utf8(name, value)).collect()
    }

    /// An option's value as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    /// An option's value as a number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let number = text
            .parse()
            .map_err(|_wrong: T::Err| format!("--{name} takes a number, not {text:?}"))?;
        Ok(Some(number))
    }

    /// The positional arguments as text, from the n-th on.
    pub fn words(&self, from: usize) -> Result<Vec<&str>, String> {
        let words = self.positionals.get(from..).unwrap_or_default();
        words.iter().map(|word| utf8("argument", word)).collect()
    }
}

fn utf8<'a>(name: &str, value: &'a OsStr) -> Result<&'a str, String> {
    value
        .to_str()
        .ok_or_else(|| format!("{name} is not UTF-8: {value:?}"))
}
