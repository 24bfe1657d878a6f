//! The process's arguments, read as Go's flag package reads them.
//!
//! runc is written in Go, where `-root x`, `--root x` and `--root=x` are the same, a boolean takes
//! `=false`, an option's value may begin with a dash, and short options do not combine. Engines and
//! scripts use all of that, and they match on the wording of mistakes, so both are Go's here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::cli::{Opt, Takes, Verb};
use crate::{number, quote};

/// The arguments of the program or of a verb.
#[derive(Debug)]
pub(crate) struct Arguments {
    verb: &'static Verb,
    /// Each option that was given, in order; an option without a value has an empty one.
    given: Vec<(&'static str, OsString)>,
    /// What is not an option.
    pub(crate) positionals: Vec<OsString>,
    /// Whether the option for help is among them.
    pub(crate) help: bool,
}

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
    let parsed = options(verb, args).map_err(Misuse::Option)?;
    match miscount(verb, program, parsed.positionals.len()) {
        Some(text) if !parsed.help => Err(Misuse::Count(text)),
        _ => Ok(parsed),
    }
}

/// The complaint about the number of positional arguments, if there is one.
fn miscount(verb: &Verb, program: &str, found: usize) -> Option<String> {
    let (name, min) = (verb.name, verb.min);
    let wanted = match verb.max {
        Some(max) if max == min && found != min => format!("exactly {min}"),
        _ if found < min => format!("a minimum of {min}"),
        Some(max) if found > max => format!("a maximum of {max}"),
        _ => return None,
    };
    Some(format!(
        "{program}: \"{name}\" requires {wanted} argument(s)"
    ))
}

fn options(verb: &'static Verb, args: &[OsString]) -> Result<Arguments, String> {
    let mut out = Arguments {
        verb,
        given: Vec::new(),
        positionals: Vec::new(),
        help: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            break;
        }
        if bytes.len() < 2 || bytes[0] != b'-' {
            out.positionals.push(arg.clone());
            if verb.options_first {
                break;
            }
            continue;
        }
        let (name, inline) = split(bytes)?;
        if matches!(name.as_str(), "help" | "h") {
            out.help = truth(inline, &name)?;
            continue;
        }
        let Some(option) = lookup(verb, &name) else {
            return Err(format!("flag provided but not defined: -{name}"));
        };
        if option.takes == Takes::Nothing {
            // A later `=false` takes an earlier option back.
            out.given.retain(|(given, _)| *given != option.name);
            if truth(inline, &name)? {
                out.given.push((option.name, OsString::new()));
            }
            continue;
        }
        let value = match inline.or_else(|| args.next().map(|next| next.as_bytes())) {
            Some(value) => OsStr::from_bytes(value),
            None => return Err(format!("flag needs an argument: -{name}")),
        };
        check(option, &name, value)?;
        out.given.push((option.name, value.to_owned()));
    }
    out.positionals.extend(args.cloned());
    Ok(out)
}

/// Name and inline value of an option, dashes taken off.
fn split(arg: &[u8]) -> Result<(String, Option<&[u8]>), String> {
    let text = arg.strip_prefix(b"--").unwrap_or(&arg[1..]);
    if matches!(text.first(), None | Some(b'-' | b'=')) {
        let arg = OsStr::from_bytes(arg).to_string_lossy();
        return Err(format!("bad flag syntax: {arg}"));
    }
    let end = text.iter().position(|&b| b == b'=');
    let name = String::from_utf8_lossy(&text[..end.unwrap_or(text.len())]).into_owned();
    Ok((name, end.map(|end| &text[end + 1..])))
}

/// The option of this long name or one-letter short name.
fn lookup(verb: &Verb, name: &str) -> Option<&'static Opt> {
    let mut chars = name.chars();
    let short = chars.next().filter(|_| chars.next().is_none());
    verb.options()
        .find(|option| option.name == name || (short.is_some() && option.short == short))
}

/// Go's spellings of a boolean; an option without a value is true.
fn truth(text: Option<&[u8]>, name: &str) -> Result<bool, String> {
    match text {
        None | Some(b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True") => Ok(true),
        Some(b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False") => Ok(false),
        Some(other) => {
            let other = quote::go(&String::from_utf8_lossy(other));
            Err(format!(
                "invalid boolean value {other} for -{name}: parse error"
            ))
        }
    }
}

/// Checks a value that must be a number; `name` is as the caller wrote it.
fn check(option: &Opt, name: &str, value: &OsStr) -> Result<(), String> {
    let (min, max, why) = match option.takes {
        Takes::Number(min, max) => (min, max, "parse error".to_owned()),
        Takes::Numbers(min, max) => {
            let text = quote::go(&value.to_string_lossy());
            let why = format!("strconv.ParseInt: parsing {text}: invalid syntax");
            (min, max, why)
        }
        Takes::Nothing | Takes::Text | Takes::Texts => return Ok(()),
    };
    let number = value
        .to_str()
        .and_then(|text| number::decimal::<i64>(text, "").ok());
    if number.is_some_and(|number| (min..=max).contains(&number)) {
        return Ok(());
    }
    let text = quote::go(&value.to_string_lossy());
    Err(format!("invalid value {text} for flag -{name}: {why}"))
}

impl Arguments {
    /// All values of an option, in order; its default if it was not given.
    fn values(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        let option = self.verb.options().find(|option| option.name == name);
        debug_assert!(option.is_some(), "{} has no --{name}", self.verb.name);
        let given = self
            .given
            .iter()
            .filter(move |(given, _)| Some(*given) == option.map(|o| o.name));
        let mut given = given.map(|(_, value)| value.as_os_str()).peekable();
        let default = match given.peek() {
            None => option.and_then(|option| option.default).map(OsStr::new),
            Some(_) => None,
        };
        given.chain(default)
    }

    /// Whether an option without a value is there.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// An option's value; an empty one means not given.
    pub(crate) fn value(&self, name: &str) -> Option<&OsStr> {
        self.values(name).last().filter(|value| !value.is_empty())
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
        utf8(self.values(name), name)
    }
}

/// Values as text, or the complaint that one is not UTF-8.
pub(crate) fn utf8<'a>(
    values: impl Iterator<Item = &'a OsStr>,
    name: &str,
) -> Result<Vec<String>, String> {
    let checked = values.map(|value| match value.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("{name} is not UTF-8: {value:?}")),
    });
    checked.collect()
}

#[cfg(test)]
mod tests;
