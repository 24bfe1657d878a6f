//! From the process's arguments to clap's: Go's flag syntax, rewritten into one canonical form.
//!
//! runc is written in Go, where `-root x`, `--root x` and `--root=x` are the same, a boolean takes
//! `=false`, an option's value may begin with a dash, and short options do not combine. clap reads none
//! of that, so arguments are rewritten to `--name=value` and `--` before it sees them. The wording of
//! mistakes is Go's as well: callers match on it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::cli::Verb;
use crate::quote;

/// What a list of arguments says.
pub(crate) enum Parsed {
    /// The option for help is among them.
    Help,
    /// The options' values.
    Matches(ArgMatches),
}

/// The global part of the command line and what follows it.
pub(crate) struct Global {
    pub(crate) parsed: Parsed,
    /// The verb and its arguments.
    pub(crate) rest: Vec<OsString>,
}

/// Parses the options before the verb; `args` is without the program's name.
pub(crate) fn global(command: &mut Command, args: &[OsString]) -> Result<Global, String> {
    let mut canonical = canonical(command, args, true)?;
    let rest = std::mem::take(&mut canonical.positionals);
    let parsed = canonical.parse(command)?;
    Ok(Global { parsed, rest })
}

/// A verb's arguments that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// An option is wrong.
    Option(String),
    /// There are too few or too many positional arguments.
    Count(String),
}

/// Parses the arguments of a verb; `program` is the name that the complaint about their number begins with.
pub(crate) fn verb(
    verb: &Verb,
    command: &mut Command,
    args: &[OsString],
    program: &str,
) -> Result<Parsed, Misuse> {
    let canonical = canonical(command, args, verb.options_first).map_err(Misuse::Option)?;
    let found = canonical.positionals.len();
    if let Some(text) = miscount(verb, program, found).filter(|_| !canonical.help) {
        return Err(Misuse::Count(text));
    }
    canonical.parse(command).map_err(Misuse::Option)
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

/// Arguments in canonical form.
#[derive(Debug, Default, PartialEq, Eq)]
struct Canonical {
    options: Vec<OsString>,
    /// Long names of the options with a value, and what the caller wrote for each.
    written: Vec<(String, String)>,
    positionals: Vec<OsString>,
    help: bool,
}

impl Canonical {
    fn parse(self, command: &mut Command) -> Result<Parsed, String> {
        if self.help {
            return Ok(Parsed::Help);
        }
        let mut args = vec![OsString::from(command.get_name())];
        args.extend(self.options);
        args.push("--".into());
        args.extend(self.positionals);
        match command.try_get_matches_from_mut(args) {
            Ok(matches) => Ok(Parsed::Matches(matches)),
            Err(error) => Err(told(&error, command, &self.written)),
        }
    }
}

/// clap's refusal in Go's words; after the rewriting only the value of an option can be wrong.
fn told(error: &clap::Error, command: &Command, written: &[(String, String)]) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let arg = context(ContextKind::InvalidArg);
    let long = arg.split([' ', '=']).next().unwrap_or_default();
    let long = long.trim_start_matches('-');
    let value = quote::go(context(ContextKind::InvalidValue));
    let name = written.iter().rfind(|(known, _)| known == long);
    let name = name.map_or(long, |(_, name)| name);
    let option = lookup(command, long).filter(|_| error.kind() == ErrorKind::ValueValidation);
    match option.map(Arg::get_action) {
        Some(ArgAction::Append) => format!(
            "invalid value {value} for flag -{name}: strconv.ParseInt: parsing {value}: invalid syntax"
        ),
        Some(_) => format!("invalid value {value} for flag -{name}: parse error"),
        None => format!("{}: {}", error.kind(), quote::plain(arg)),
    }
}

/// Rewrites `args` by the options that `command` defines.
fn canonical(
    command: &Command,
    args: &[OsString],
    options_first: bool,
) -> Result<Canonical, String> {
    let mut out = Canonical::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            out.positionals.extend(args.cloned());
            return Ok(out);
        }
        if bytes.len() < 2 || bytes[0] != b'-' {
            out.positionals.push(arg.clone());
            if options_first {
                out.positionals.extend(args.cloned());
                return Ok(out);
            }
            continue;
        }
        let (name, inline) = split(bytes)?;
        if matches!(name.as_str(), "help" | "h") {
            out.help = truth(inline, &name)?;
            continue;
        }
        let Some(option) = lookup(command, &name) else {
            return Err(format!("flag provided but not defined: -{name}"));
        };
        let long = option.get_long().unwrap_or_default();
        if matches!(option.get_action(), ArgAction::SetTrue) {
            let on = truth(inline, &name)?;
            let canonical = OsString::from(format!("--{long}"));
            // A later `=false` takes an earlier option back.
            out.options.retain(|seen| *seen != canonical);
            if on {
                out.options.push(canonical);
            }
            continue;
        }
        let text = match inline.or_else(|| args.next().map(|next| next.as_bytes())) {
            Some(text) => text,
            None => return Err(format!("flag needs an argument: -{name}")),
        };
        out.written.push((long.to_owned(), name.clone()));
        let joined = [b"--", long.as_bytes(), b"=", text].concat();
        out.options.push(OsString::from_vec(joined));
    }
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
fn lookup<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let mut chars = name.chars();
    let short = chars.next().filter(|_| chars.next().is_none());
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(name) || (short.is_some() && arg.get_short() == short))
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

#[cfg(test)]
mod tests;
