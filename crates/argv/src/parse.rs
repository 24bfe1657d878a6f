//! From a process's arguments to [`Arguments`], or the first mistake in them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::{Arguments, Opt, Takes, Verb};

/// How options are typed. In both `--name value` and `--name=value` are the same, a boolean takes `=false`, a value
/// may begin with a dash, and `--` ends the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Go's flag package: one dash and two are the same before long and short names, and nothing combines.
    Runc,
    /// pflag: two dashes before a name, one before letters, which combine (`-it`, `-eA=1`).
    Docker,
}

/// Why arguments cannot be understood. An `option` is as its dialect names it: `-bundle`, `--volume`, `-v`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// Dashes that no name follows.
    Nameless(OsString),
    /// The verb has no such option.
    Unknown(String),
    /// It needs a value and is the last argument.
    NoValue(String, &'static str),
    /// A boolean with a value that is none.
    NotBoolean(String, OsString),
    /// A value that is no number, or not in the range of what the option takes.
    NotNumber(String, OsString, Takes),
    /// An option that cannot be honoured, and why.
    Refused(String, &'static str),
    /// Too few or too many positional arguments: what is wanted, and how many there are.
    Count(Wanted, usize),
}

/// How many positional arguments a verb takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Neither fewer nor more.
    Exactly(usize),
    /// Not fewer.
    AtLeast(usize),
    /// Not more.
    AtMost(usize),
}

/// Reads `args` by the options of `verb`. Whoever asks for help may leave out positional arguments.
pub fn parse(
    verb: &'static Verb,
    args: &[OsString],
    dialect: Dialect,
) -> Result<Arguments, Mistake> {
    let mut reader = Reader {
        verb,
        rest: args.iter(),
        out: Arguments::new(verb),
    };
    while let Some(arg) = reader.rest.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            break;
        }
        if bytes.len() < 2 || bytes[0] != b'-' {
            reader.out.positionals.push(arg.clone());
            if verb.options_first {
                break;
            }
            continue;
        }
        match (dialect, bytes.strip_prefix(b"--")) {
            (Dialect::Docker, Some(text)) => reader.name(arg, "--", text)?,
            (Dialect::Docker, None) => reader.letters(&bytes[1..])?,
            (Dialect::Runc, text) => reader.name(arg, "-", text.unwrap_or(&bytes[1..]))?,
        }
    }
    let mut out = reader.out;
    out.positionals.extend(reader.rest.cloned());
    let found = out.positionals.len();
    match wanted(verb, found) {
        Some(wanted) if !out.help => Err(Mistake::Count(wanted, found)),
        _ => Ok(out),
    }
}

/// What the number of positional arguments should have been, if it is wrong.
fn wanted(verb: &Verb, found: usize) -> Option<Wanted> {
    match verb.max {
        Some(max) if max == verb.min && found != max => Some(Wanted::Exactly(max)),
        _ if found < verb.min => Some(Wanted::AtLeast(verb.min)),
        Some(max) if found > max => Some(Wanted::AtMost(max)),
        _ => None,
    }
}

struct Reader<'a> {
    verb: &'static Verb,
    rest: std::slice::Iter<'a, OsString>,
    out: Arguments,
}

impl<'a> Reader<'a> {
    /// `text` is `arg` without its dashes: a name, or a name and a value. Where one dash is enough, a letter is a
    /// name too.
    fn name(&mut self, arg: &OsStr, dashes: &str, text: &'a [u8]) -> Result<(), Mistake> {
        if matches!(text.first(), None | Some(b'-' | b'=')) {
            return Err(Mistake::Nameless(arg.to_owned()));
        }
        let end = text.iter().position(|&b| b == b'=');
        let name = String::from_utf8_lossy(&text[..end.unwrap_or(text.len())]);
        let inline = end.map(|end| OsStr::from_bytes(&text[end + 1..]));
        let written = format!("{dashes}{name}");
        let letter = match dashes {
            "-" => only(&name),
            _ => None,
        };
        let is_it = |o: &&Opt| o.name == name || (letter.is_some() && o.short == letter);
        match self.verb.options().find(is_it) {
            Some(option) => self.take(option, written, inline),
            None if name == "help" || letter == Some('h') => {
                self.out.help = truth(&written, inline)?;
                Ok(())
            }
            None => Err(Mistake::Unknown(written)),
        }
    }

    fn letters(&mut self, mut text: &'a [u8]) -> Result<(), Mistake> {
        while let Some((&first, tail)) = text.split_first() {
            let letter = char::from(first);
            let written = format!("-{letter}");
            let known = self.verb.options().find(|o| o.short == Some(letter));
            let Some(option) = known else {
                if letter == 'h' {
                    self.out.help = true;
                    return Ok(());
                }
                return Err(Mistake::Unknown(written));
            };
            if option.takes == Takes::Nothing && tail.first() != Some(&b'=') {
                self.take(option, written, None)?;
                text = tail;
                continue;
            }
            let inline = tail.strip_prefix(b"=").unwrap_or(tail);
            let inline = (!tail.is_empty()).then(|| OsStr::from_bytes(inline));
            return self.take(option, written, inline);
        }
        Ok(())
    }

    fn take(
        &mut self,
        option: &'static Opt,
        written: String,
        inline: Option<&'a OsStr>,
    ) -> Result<(), Mistake> {
        let truth = match option.takes {
            Takes::Nothing => Some(truth(&written, inline)?),
            _ => None,
        };
        if let (Some(why), None | Some(true)) = (option.refused, truth) {
            return Err(Mistake::Refused(written, why));
        }
        if let Some(truth) = truth {
            self.out.set(option.name, truth);
            return Ok(());
        }
        let next = || self.rest.next().map(OsString::as_os_str);
        let Some(value) = inline.or_else(next) else {
            return Err(Mistake::NoValue(written, option.value));
        };
        if !fits(value, option.takes) {
            return Err(Mistake::NotNumber(written, value.to_owned(), option.takes));
        }
        self.out.push(option.name, value.to_owned());
        Ok(())
    }
}

/// The character, if there is no other.
fn only(name: &str) -> Option<char> {
    let mut chars = name.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// Go's spellings of a boolean; an option without a value is true.
fn truth(written: &str, text: Option<&OsStr>) -> Result<bool, Mistake> {
    let Some(text) = text else { return Ok(true) };
    match text.as_bytes() {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(false),
        _ => Err(Mistake::NotBoolean(written.to_owned(), text.to_owned())),
    }
}

/// Whether a value that must be a number is one: decimal digits with an optional sign.
fn fits(value: &OsStr, takes: Takes) -> bool {
    let (min, max) = match takes {
        Takes::Number(min, max) | Takes::Numbers(min, max) => (min, max),
        Takes::Nothing | Takes::Text | Takes::Texts => return true,
    };
    let number = value.to_str().and_then(|text| text.parse::<i64>().ok());
    number.is_some_and(|number| (min..=max).contains(&number))
}

#[cfg(test)]
mod tests;
