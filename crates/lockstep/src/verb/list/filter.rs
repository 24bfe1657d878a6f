//! `--filter` of lists: pairs of a key and a value.

use crate::failure::Failure;

/// The filters of a command line.
#[derive(Debug)]
pub(in crate::verb) struct Filters<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Filters<'a> {
    /// Reads `KEY=VALUE`; a key that is not among `known` is refused.
    pub(in crate::verb) fn parse(texts: &[&'a str], known: &[&str]) -> Result<Self, Failure> {
        let mut pairs = Vec::new();
        for text in texts {
            let (key, value) = match text.split_once("!=") {
                // `label!=a=b`, as Docker has it.
                Some((key, value)) if !key.contains('=') => (&text[..=key.len()], value),
                _ => text.split_once('=').ok_or_else(|| {
                    Failure::new(format!("--filter takes KEY=VALUE, not {text:?}"))
                })?,
            };
            if !known.contains(&key) {
                return Err(Failure::new(format!(
                    "--filter {key}= is refused: {} are implemented",
                    known.join(", ")
                )));
            }
            pairs.push((key, value));
        }
        Ok(Filters(pairs))
    }

    /// Whether there is one of these keys.
    pub(in crate::verb) fn have(&self, keys: &[&str]) -> bool {
        self.0.iter().any(|(key, _)| keys.contains(key))
    }

    /// What each of them means, found out once for a whole list: names are resolved, times and expressions read.
    pub(in crate::verb) fn mean<T>(
        &self,
        mut meaning: impl FnMut(&'a str, &'a str) -> Result<Holds<'a, T>, Failure>,
    ) -> Result<Criteria<'a, T>, Failure> {
        let of = |(key, value): &(&'a str, &'a str)| Ok((*key, meaning(key, value)?));
        self.0
            .iter()
            .map(of)
            .collect::<Result<_, _>>()
            .map(Criteria)
    }
}

/// Whether something has what a filter asks for.
pub(in crate::verb) type Holds<'a, T> = Box<dyn Fn(&T) -> bool + 'a>;

/// Filters that know what they mean.
pub(in crate::verb) struct Criteria<'a, T>(Vec<(&'a str, Holds<'a, T>)>);

impl<T> Criteria<'_, T> {
    /// Whether something passes: filters of one key are alternatives, those of labels and of different keys have to hold
    /// together, as Docker has it.
    pub(in crate::verb) fn pass(&self, one: &T) -> bool {
        let mut keys: Vec<(&str, bool)> = Vec::new();
        for (key, holds) in &self.0 {
            let held = holds(one);
            let together = key.starts_with("label");
            match keys.iter_mut().find(|(known, _)| known == key) {
                Some((_, all)) if together => *all &= held,
                Some((_, any)) => *any |= held,
                None => keys.push((key, held)),
            }
        }
        keys.iter().all(|(_, held)| *held)
    }
}

/// Whether labels have `KEY` or `KEY=VALUE`.
pub(in crate::verb) fn labelled<'l>(
    wanted: &str,
    get: impl FnOnce(&str) -> Option<&'l String>,
) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => get(key).is_some_and(|found| found == value),
        None => get(wanted).is_some(),
    }
}

/// A regular expression of a name, which fits anywhere unless it is anchored.
pub(in crate::verb) fn expression(pattern: &str) -> Result<impl Fn(&str) -> bool, Failure> {
    let expression = regex_lite::Regex::new(pattern)
        .map_err(|error| Failure::new(format!("--filter name={pattern}: {error}")))?;
    Ok(move |name: &str| expression.is_match(name))
}

/// A value that is one of a few words.
pub(in crate::verb) fn one_of<'v>(
    key: &str,
    value: &'v str,
    words: &[&str],
) -> Result<&'v str, Failure> {
    match words.contains(&value) {
        true => Ok(value),
        false => Err(Failure::new(format!(
            "--filter {key}= takes {}, not {value:?}",
            words.join(", ")
        ))),
    }
}

/// A value that says yes or no.
pub(in crate::verb) fn yes(key: &str, value: &str) -> Result<bool, Failure> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Failure::new(format!(
            "--filter {key}= takes true or false, not {value:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_has_alternatives_and_labels_have_none() {
        let pass = |texts: &[&str]| {
            let known = ["name", "status", "label", "label!"];
            let criteria = Filters::parse(texts, &known)?.mean(|key, value| {
                let held = matches!(
                    (key, value),
                    ("name", "a" | "b")
                        | ("status", "up")
                        | ("label", "x=1" | "y")
                        | ("label!", "z")
                );
                Ok(Box::new(move |(): &()| held))
            })?;
            Ok::<bool, Failure>(criteria.pass(&()))
        };
        assert_eq!(pass(&["name=a", "name=c", "status=up"]), Ok(true));
        assert_eq!(pass(&["name=a", "status=down"]), Ok(false));
        assert_eq!(pass(&["label=x=1", "label=y"]), Ok(true));
        assert_eq!(pass(&["label=x=1", "label=z"]), Ok(false));
        assert_eq!(pass(&["label!=z"]), Ok(true));
        assert_eq!(pass(&["label!=x"]), Ok(false));
        assert!(pass(&["colour=red"]).is_err() && pass(&["name"]).is_err());
    }

    #[test]
    fn names_are_matched_by_expressions() {
        let fits = |pattern: &str, name: &str| expression(pattern).map(|fits| fits(name));
        assert_eq!(fits("eb", "web"), Ok(true));
        assert_eq!(fits("^web$", "web2"), Ok(false));
        assert_eq!(fits("w.*2", "web2"), Ok(true));
        assert!(fits("(", "web").is_err());
    }
}
