//! The process's arguments as runc reads them, and Go's words for every mistake.
//!
//! Engines and scripts match on these words. runc's code also takes an option with an empty value for one that was
//! not given, and reads what is not UTF-8 with replacement characters.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lockstep_argv::{Dialect, Mistake, Takes, Wanted};

use crate::cli::Verb;
use crate::quote;

/// The arguments of the program or of a verb.
#[derive(Debug)]
pub(crate) struct Arguments(lockstep_argv::Arguments);

/// Arguments that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// An option is wrong.
    Option(String),
    /// There are too few or too many positional arguments.
    Count(String),
}

/// Reads `args` by the options of `verb`; `program` is the name that a complaint about their number begins
/// with.
pub(crate) fn parse(
    verb: &'static Verb,
    args: &[OsString],
    program: &str,
) -> Result<Arguments, Misuse> {
    lockstep_argv::parse(verb, args, Dialect::Runc)
        .map(Arguments)
        .map_err(|mistake| misuse(verb, program, &mistake))
}

fn misuse(verb: &Verb, program: &str, mistake: &Mistake) -> Misuse {
    let quoted = |text: &OsStr| quote::go(&text.to_string_lossy());
    Misuse::Option(match mistake {
        Mistake::Nameless(arg) => format!("bad flag syntax: {}", arg.to_string_lossy()),
        Mistake::Unknown(option) => format!("flag provided but not defined: {option}"),
        Mistake::NoValue(option, _) => format!("flag needs an argument: {option}"),
        Mistake::NotBoolean(option, found) => {
            let found = quoted(found);
            format!("invalid boolean value {found} for {option}: parse error")
        }
        Mistake::NotNumber(option, found, takes) => {
            let found = quoted(found);
            let why = match takes {
                Takes::Numbers(..) => {
                    format!("strconv.ParseInt: parsing {found}: invalid syntax")
                }
                _ => "parse error".to_owned(),
            };
            format!("invalid value {found} for flag {option}: {why}")
        }
        Mistake::Refused(option, why) => format!("{option}: {why}"),
        Mistake::Count(wanted, _) => {
            let wanted = match wanted {
                Wanted::Exactly(count) => format!("exactly {count}"),
                Wanted::AtLeast(count) => format!("a minimum of {count}"),
                Wanted::AtMost(count) => format!("a maximum of {count}"),
            };
            let name = verb.name;
            return Misuse::Count(format!(
                "{program}: \"{name}\" requires {wanted} argument(s)"
            ));
        }
    })
}

impl Arguments {
    fn values(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        debug_assert!(self.0.knows(name), "no --{name}");
        self.0.values(name)
    }

    /// What is not an option.
    pub(crate) fn positionals(&self) -> &[OsString] {
        &self.0.positionals
    }

    /// Whether the option for help is among them.
    pub(crate) fn help(&self) -> bool {
        self.0.help
    }

    /// Whether an option without a value is there.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// An option's value; an empty one means not given.
    pub(crate) fn value(&self, name: &str) -> Option<&OsStr> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// An option's value even if it is empty; `None` only if it was not given and has no default.
    pub(crate) fn given(&self, name: &str) -> Option<&OsStr> {
        self.values(name).last()
    }

    /// An option's value as text; what is not UTF-8 reads with replacement characters.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.value(name)
            .map(|value| value.to_string_lossy().into_owned())
    }

    /// An option's value as a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    /// The value of an option that takes a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.value(name)?.to_str()?.parse().ok()
    }

    /// The values of an option that takes numbers.
    pub(crate) fn numbers<T: std::str::FromStr>(&self, name: &str) -> Vec<T> {
        let values = self.values(name);
        values
            .filter_map(|value| value.to_str()?.parse().ok())
            .collect()
    }

    /// The values of an option, which must be UTF-8 because the specification's JSON holds nothing else.
    pub(crate) fn utf8(&self, name: &str) -> Result<Vec<String>, String> {
        owned(self.0.texts(name))
    }

    /// What is not an option from the n-th on, which must be UTF-8 too.
    pub(crate) fn words(&self, from: usize) -> Result<Vec<String>, String> {
        owned(self.0.words(from))
    }
}

fn owned(texts: Result<Vec<&str>, String>) -> Result<Vec<String>, String> {
    Ok(texts?.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;
