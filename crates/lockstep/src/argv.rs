//! The process's arguments, read as Docker and Podman read them.
//!
//! Long options take `--name value` or `--name=value`, short ones combine (`-it`, `-eA=1`), a boolean takes
//! `=false`, and `--` ends the options. What is not known is an error that names the nearest thing that is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::cli::{self, Opt, Takes, Verb};

/// The arguments of the program or of a verb.
#[derive(Debug)]
pub(crate) struct Arguments {
    verb: &'static Verb,
    /// Each option that was given, in order; an option without a value has an empty one.
    given: Vec<(&'static str, OsString)>,
    /// Booleans that were given as false.
    denied: Vec<&'static str>,
    /// What is not an option.
    pub(crate) positionals: Vec<OsString>,
    /// Whether the option for help is among them.
    pub(crate) help: bool,
}

/// Reads `args` by the options of `verb`.
pub(crate) fn parse(verb: &'static Verb, args: &[OsString]) -> Result<Arguments, String> {
    let mut out = Arguments {
        verb,
        given: Vec::new(),
        denied: Vec::new(),
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
        let mut next = || args.next().map(OsString::as_os_str);
        match bytes.strip_prefix(b"--") {
            Some(long) => out.long(long, &mut next)?,
            None => out.shorts(&bytes[1..], &mut next)?,
        }
    }
    out.positionals.extend(args.cloned());
    match miscount(verb, out.positionals.len()) {
        Some(text) if !out.help => Err(text),
        _ => Ok(out),
    }
}

/// The complaint about the number of positional arguments, if there is one.
fn miscount(verb: &Verb, found: usize) -> Option<String> {
    let wanted = match verb.max {
        Some(max) if max == verb.min && found != max => format!("exactly {max}"),
        _ if found < verb.min => format!("at least {}", verb.min),
        Some(max) if found > max => format!("at most {max}"),
        _ => return None,
    };
    let path = path(verb);
    Some(format!(
        "{path} takes {wanted} argument(s), not {found}\nusage: {path} {}",
        verb.usage
    ))
}

/// The verb as it is typed.
pub(crate) fn path(verb: &Verb) -> String {
    match verb.name == cli::NAME {
        true => cli::NAME.to_owned(),
        false => format!("{} {}", cli::NAME, verb.name),
    }
}

type Next<'n, 'a> = &'n mut dyn FnMut() -> Option<&'a OsStr>;

impl Arguments {
    fn long<'a>(&mut self, text: &'a [u8], next: Next<'_, 'a>) -> Result<(), String> {
        let end = text.iter().position(|&b| b == b'=');
        let name = String::from_utf8_lossy(&text[..end.unwrap_or(text.len())]).into_owned();
        let inline = end.map(|end| OsStr::from_bytes(&text[end + 1..]));
        if name == "help" {
            self.help = true;
            return Ok(());
        }
        let Some(option) = self.verb.options().find(|option| option.name == name) else {
            return Err(unknown(self.verb, &name));
        };
        self.take(option, &format!("--{name}"), inline, next)
    }

    fn shorts<'a>(&mut self, text: &'a [u8], next: Next<'_, 'a>) -> Result<(), String> {
        let mut rest = text;
        while let Some((&first, tail)) = rest.split_first() {
            let letter = char::from(first);
            let known = self.verb.options().find(|o| o.short == Some(letter));
            let Some(option) = known else {
                if letter == 'h' {
                    self.help = true;
                    return Ok(());
                }
                let path = path(self.verb);
                return Err(format!("{path} has no option -{letter}; see {path} --help"));
            };
            let written = format!("-{letter}");
            if option.takes == Takes::Nothing && tail.first() != Some(&b'=') {
                self.take(option, &written, None, next)?;
                rest = tail;
                continue;
            }
            let inline = tail.strip_prefix(b"=").unwrap_or(tail);
            let inline = (!tail.is_empty()).then(|| OsStr::from_bytes(inline));
            return self.take(option, &written, inline, next);
        }
        Ok(())
    }

    fn take<'a>(
        &mut self,
        option: &'static Opt,
        written: &str,
        inline: Option<&'a OsStr>,
        next: Next<'_, 'a>,
    ) -> Result<(), String> {
        if option.takes == Takes::Nothing {
            let truth = truth(inline)
                .ok_or_else(|| format!("{written} takes true or false, not {inline:?}"))?;
            self.given.retain(|(given, _)| *given != option.name);
            self.denied.retain(|given| *given != option.name);
            if !truth {
                self.denied.push(option.name);
                return Ok(());
            }
            refuse(option, written)?;
            self.given.push((option.name, OsString::new()));
            return Ok(());
        }
        refuse(option, written)?;
        let value = inline
            .or_else(next)
            .ok_or_else(|| format!("{written} needs a value: {}", option.value))?;
        self.given.push((option.name, value.to_owned()));
        Ok(())
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        debug_assert!(
            self.verb.options().any(|option| option.name == name),
            "{} has no --{name}",
            self.verb.name
        );
        let given = self.given.iter().filter(move |(given, _)| *given == name);
        given.map(|(_, value)| value.as_os_str())
    }

    /// Whether the verb has an option of this name at all: verbs share code but not all options.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.verb.options().any(|option| option.name == name)
    }

    /// Whether an option without a value is there.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.knows(name) && self.values(name).next().is_some()
    }

    /// Whether it was given as false.
    pub(crate) fn denied(&self, name: &str) -> bool {
        self.denied.contains(&name)
    }

    /// An option's value as text, the last one that was given.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        if !self.knows(name) {
            return Ok(None);
        }
        self.values(name)
            .last()
            .map(|value| utf8(name, value))
            .transpose()
    }

    /// All values of an option as text, in order.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&str>, String> {
        if !self.knows(name) {
            return Ok(Vec::new());
        }
        self.values(name).map(|value| utf8(name, value)).collect()
    }

    /// An option's value as a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.values(name).last().map(PathBuf::from)
    }

    /// An option's value as a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let number = text
            .parse()
            .map_err(|_wrong: T::Err| format!("--{name} takes a number, not {text:?}"))?;
        Ok(Some(number))
    }

    /// The positional arguments as text, from the n-th on.
    pub(crate) fn words(&self, from: usize) -> Result<Vec<&str>, String> {
        let words = self.positionals.get(from..).unwrap_or_default();
        words.iter().map(|word| utf8("argument", word)).collect()
    }
}

fn refuse(option: &Opt, written: &str) -> Result<(), String> {
    match option.refused {
        Some(why) => Err(format!("{written} is refused: {why}")),
        None => Ok(()),
    }
}

fn utf8<'a>(name: &str, value: &'a OsStr) -> Result<&'a str, String> {
    value
        .to_str()
        .ok_or_else(|| format!("{name} is not UTF-8: {value:?}"))
}

/// Go's spellings of a boolean; an option without a value is true.
fn truth(text: Option<&OsStr>) -> Option<bool> {
    match text.map(OsStr::as_bytes) {
        None | Some(b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True") => Some(true),
        Some(b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False") => Some(false),
        Some(_) => None,
    }
}

fn unknown(verb: &Verb, name: &str) -> String {
    let path = path(verb);
    let names = verb.options().map(|option| option.name);
    match nearest(name, names) {
        Some(near) => format!("{path} has no option --{name}; did you mean --{near}?"),
        None => format!("{path} has no option --{name}; see {path} --help"),
    }
}

/// The reason for which a verb is refused, if it is one that people type.
fn refused_verb(name: &str) -> Option<String> {
    let (_, why) = cli::REFUSED.iter().find(|(known, _)| *known == name)?;
    Some(format!("{} {name} is refused: {why}", cli::NAME))
}

/// The complaint about a verb that a group of verbs does not have.
pub(crate) fn unknown_member(group: &str, name: &str) -> String {
    refused_verb(name).unwrap_or_else(|| {
        format!(
            "{0} {group} has no verb {name:?}; see {0} --help",
            cli::NAME
        )
    })
}

/// The complaint about a verb that does not exist.
pub(crate) fn unknown_verb(name: &str) -> String {
    if let Some(refusal) = refused_verb(name) {
        return refusal;
    }
    let names = cli::VERBS
        .iter()
        .flat_map(|verb| std::iter::once(&verb.name).chain(verb.aliases))
        .copied();
    match nearest(name, names) {
        Some(near) => format!("{} has no verb {name:?}; did you mean {near}?", cli::NAME),
        None => format!(
            "{} has no verb {name:?}; see {} --help",
            cli::NAME,
            cli::NAME
        ),
    }
}

/// The name that takes the fewest edits, if it takes few.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = name.len().div_ceil(3);
    known
        .map(|candidate| (edits(name, candidate), candidate))
        .filter(|(edits, candidate)| {
            *edits <= most || (name.len() > 2 && candidate.starts_with(name))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// How many letters are to be inserted, removed, replaced or exchanged with their neighbour (the restricted
/// distance of Damerau and Levenshtein), in bytes.
fn edits(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(x != y);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Arguments, String> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        parse(cli::find("run").expect("a verb"), &args)
    }

    #[test]
    fn options_are_read_as_docker_reads_them() {
        let args = run(&[
            "-it",
            "--rm=false",
            "-eA=1",
            "-e",
            "B=2",
            "--env=C",
            "-m=5m",
            "host:",
            "sh",
            "-c",
            "x",
        ])
        .expect("arguments");
        assert!(args.flag("interactive") && args.flag("tty"));
        assert!(!args.flag("rm") && args.denied("rm"));
        assert_eq!(args.texts("env"), Ok(vec!["A=1", "B=2", "C"]));
        assert_eq!(args.text("memory"), Ok(Some("5m")));
        assert_eq!(args.words(0), Ok(vec!["host:", "sh", "-c", "x"]));
    }

    #[test]
    fn options_end_at_the_image_or_at_two_dashes() {
        let args = run(&["--", "host:", "--rm"]).expect("arguments");
        assert_eq!(args.words(0), Ok(vec!["host:", "--rm"]));
        assert!(!args.flag("rm"));
    }

    #[test]
    fn what_is_unknown_names_the_nearest() {
        let text = run(&["--volumne", "a:b", "host:"]).expect_err("unknown");
        assert_eq!(
            text,
            "lockstep run has no option --volumne; did you mean --volume?"
        );
        let text = run(&["--frobnicate", "host:"]).expect_err("unknown");
        assert_eq!(
            text,
            "lockstep run has no option --frobnicate; see lockstep run --help"
        );
        assert!(unknown_verb("pull").starts_with("lockstep pull is refused: registries"));
        assert!(unknown_verb("strat").ends_with("did you mean start?"));
    }

    #[test]
    fn what_is_refused_says_why() {
        let text = run(&["-p", "80:80", "host:"]).expect_err("refused");
        assert!(text.starts_with("-p is refused: networks"), "{text}");
        let text = run(&["-it", "-P", "host:"]).expect_err("refused");
        assert!(text.starts_with("-P is refused"), "{text}");
    }

    #[test]
    fn every_verb_has_options_of_one_meaning() {
        for verb in cli::VERBS {
            let mut names: Vec<_> = verb.options().map(|o| o.name).collect();
            let mut shorts: Vec<_> = verb.options().filter_map(|o| o.short).collect();
            let count = (names.len(), shorts.len());
            names.sort_unstable();
            names.dedup();
            shorts.sort_unstable();
            shorts.dedup();
            assert_eq!(count, (names.len(), shorts.len()), "{}", verb.name);
        }
    }
}
