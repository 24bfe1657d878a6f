//! The process's arguments as Docker and Podman read them, and the words of every mistake.
//!
//! What is not known is an error that names the nearest thing that is.

use std::ffi::OsString;

pub(crate) use lockstep_argv::Arguments;
use lockstep_argv::{Dialect, Mistake, Wanted};

use crate::cli::{self, Verb};
use crate::failure::Failure;

/// Reads `args` by the options of `verb`.
pub(crate) fn parse(verb: &'static Verb, args: &[OsString]) -> Result<Arguments, Failure> {
    lockstep_argv::parse(verb, args, Dialect::Docker).map_err(|mistake| {
        let failure = Failure::new(words(verb, &mistake));
        match mistake {
            Mistake::Count(..) => failure.hint(format!("{} {}", path(verb), verb.usage)),
            _ => failure,
        }
    })
}

/// The verb as it is typed.
pub(crate) fn path(verb: &Verb) -> String {
    match verb.name == cli::NAME {
        true => cli::NAME.to_owned(),
        false => format!("{} {}", cli::NAME, verb.name),
    }
}

fn words(verb: &Verb, mistake: &Mistake) -> String {
    let path = path(verb);
    match mistake {
        Mistake::Nameless(arg) => format!("{path} cannot read {arg:?}; see {path} --help"),
        Mistake::Unknown(option) => unknown(verb, &path, option),
        Mistake::NoValue(option, value) => format!("{option} needs a value: {value}"),
        Mistake::NotBoolean(option, found) => {
            format!("{option} takes true or false, not {found:?}")
        }
        Mistake::NotNumber(option, found, _) => format!("{option} takes a number, not {found:?}"),
        Mistake::Refused(option, why) => format!("{option} is refused: {why}"),
        Mistake::Count(wanted, found) => {
            let wanted = match wanted {
                Wanted::Exactly(count) => format!("exactly {count}"),
                Wanted::AtLeast(count) => format!("at least {count}"),
                Wanted::AtMost(count) => format!("at most {count}"),
            };
            format!("{path} takes {wanted} argument(s), not {found}")
        }
    }
}

/// A letter is near to every other one: only names are compared.
fn unknown(verb: &Verb, path: &str, option: &str) -> String {
    let names = verb.options().map(|option| option.name);
    let near = option
        .strip_prefix("--")
        .and_then(|name| nearest(name, names));
    match near {
        Some(near) => format!("{path} has no option {option}; did you mean --{near}?"),
        None => format!("{path} has no option {option}; see {path} --help"),
    }
}

/// The reason for which a verb is refused, if it is one that people type.
fn refused_verb(name: &str) -> Option<String> {
    let (_, why) = cli::REFUSED.iter().find(|(known, _)| *known == name)?;
    Some(format!("{} {name} is refused: {why}", cli::NAME))
}

/// The complaint about a verb that a group of verbs does not have.
pub(crate) fn unknown_member(group: &str, name: &str) -> String {
    if let Some(refusal) = refused_verb(name) {
        return refusal;
    }
    let groups = cli::GROUPS.iter().filter(|(known, _)| *known == group);
    let members = groups.flat_map(|(_, members)| members.iter().map(|(short, _)| *short));
    let end = match nearest(name, members) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("see {} --help", cli::NAME),
    };
    format!("{} {group} has no verb {name:?}; {end}", cli::NAME)
}

/// The complaint about a verb that does not exist.
pub(crate) fn unknown_verb(name: &str) -> String {
    if let Some(refusal) = refused_verb(name) {
        return refusal;
    }
    let names = cli::VERBS
        .iter()
        .flat_map(|verb| std::iter::once(&verb.name).chain(verb.aliases))
        .copied()
        .chain(cli::GROUPS.iter().map(|(group, _)| *group));
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
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
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
        parse(cli::find("run").expect("a verb"), &args).map_err(|failure| failure.message)
    }

    /// An escaped line feed is no new line.
    #[test]
    fn how_a_verb_is_typed_is_a_line_of_its_own() {
        let failure = parse(cli::find("rename").expect("a verb"), &["a".into()]).expect_err("one");
        assert_eq!(
            failure.to_string(),
            "error: lockstep rename takes exactly 2 argument(s), not 1\n  hint:  lockstep rename CONTAINER NAME"
        );
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
        assert!(unknown_verb("containr").ends_with("did you mean container?"));
        assert!(unknown_member("volume", "lss").ends_with("did you mean ls?"));
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
