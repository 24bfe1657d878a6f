//! `config.toml`: what the machine and the user want of every container, read as if it had been typed first.
//!
//! Strict, because a misspelt limit is no limit: every key is one of the command line's, and what is wrong is named with
//! file and line.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::argv::{self, Arguments};
use crate::cli::{self, Takes, Verb, config as keys};
use crate::failure::Failure;
use crate::why::{Origin, Setting};

/// One value of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// The option that it is a value of.
    option: &'static str,
    value: String,
    /// FILE:LINE.
    place: String,
}

/// What all files say.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// Each place where a file may be, and how many settings it has; `None` where there is none.
    pub(crate) files: Vec<(PathBuf, Option<usize>)>,
    places: Vec<Entry>,
    defaults: Vec<Entry>,
}

impl Config {
    /// Adds a file's text to those before it, which it goes beyond.
    pub(crate) fn add(&mut self, path: PathBuf, text: Option<&str>) -> Result<(), Failure> {
        let before = self.places.len() + self.defaults.len();
        if let Some(text) = text {
            File { path: &path, text }.read(self)?;
        }
        let count = self.places.len() + self.defaults.len() - before;
        self.files.push((path, text.map(|_| count)));
        Ok(())
    }

    /// The value of `root` or `runroot`, and where it was said.
    pub(crate) fn place(&self, name: &str) -> Option<(&Path, &str)> {
        let entry = self.places.iter().rfind(|entry| entry.option == name)?;
        Some((Path::new(&entry.value), &entry.place))
    }

    /// The words that stand before those of a command line, where the verb makes containers.
    pub(crate) fn words(&self, verb: &Verb) -> Vec<OsString> {
        if !["run", "create", "plan"].contains(&verb.name) {
            return Vec::new();
        }
        let known = |entry: &&Entry| verb.options().any(|option| option.name == entry.option);
        let entries = self.defaults.iter().filter(known);
        entries
            .map(|entry| format!("--{}={}", entry.option, entry.value).into())
            .collect()
    }

    /// Gives settings that a file asked for their origin: up to now they look as if they had been typed.
    pub(crate) fn attribute(
        &self,
        args: &Arguments,
        settings: &mut [Setting],
    ) -> Result<(), Failure> {
        for setting in settings {
            if setting.origin != Origin::Flag {
                continue;
            }
            let mut of_files: Vec<&Entry> = self.defaults.iter().collect();
            of_files.retain(|entry| setting.is_changed_by(entry.option));
            let Some(last) = of_files.last() else {
                continue;
            };
            let typed = typed(args, last.option, of_files.len())?;
            let same = of_files.iter().rfind(|entry| entry.value == setting.value);
            let entry = match (same, typed.is_empty()) {
                (Some(same), _) if !typed.contains(&setting.value) => same,
                (None, true) => last,
                _ => continue,
            };
            setting.origin = Origin::Config;
            setting.place.clone_from(&entry.place);
        }
        Ok(())
    }

    /// A complaint about an option, with the place that gave it unless it was typed too.
    pub(crate) fn locate(&self, args: &Arguments, mut failure: Failure) -> Failure {
        let about = |entry: &&Entry| {
            let option = format!("--{}", entry.option);
            let mut words = failure.message.split([' ', ',', ':']);
            words.any(|word| word == option)
        };
        let count = |option: &str| self.defaults.iter().filter(|e| e.option == option).count();
        if let Some(entry) = self.defaults.iter().rfind(about)
            && typed(args, entry.option, count(entry.option)).is_ok_and(|typed| typed.is_empty())
        {
            failure.message = format!("{}: {}", entry.place, failure.message);
        }
        failure
    }
}

/// The values of an option that were typed, behind those of the files.
fn typed(args: &Arguments, option: &str, of_files: usize) -> Result<Vec<String>, Failure> {
    if !args.knows(option) {
        return Ok(Vec::new());
    }
    let values = args.texts(option)?;
    let typed = values.get(of_files..).unwrap_or_default();
    Ok(typed.iter().map(|text| (*text).to_owned()).collect())
}

/// A file while it is read.
struct File<'f> {
    path: &'f Path,
    text: &'f str,
}

impl File<'_> {
    fn read(&self, config: &mut Config) -> Result<(), Failure> {
        let parsed = DeTable::parse(self.text);
        let table = parsed.map_err(|error| self.wrong(error.span(), error.message()))?;
        for (key, value) in table.get_ref() {
            let name = key.get_ref().as_ref();
            if let Some(place) = keys::PLACES.iter().find(|place| **place == name) {
                let entry = self.entry(place, value, Takes::Text)?;
                if !Path::new(&entry.value).is_absolute() {
                    return Err(self.wrong(
                        Some(value.span()),
                        &format!("{name} takes an absolute path"),
                    ));
                }
                config.places.push(entry);
            } else if name == keys::RUN {
                let DeValue::Table(table) = value.get_ref() else {
                    return Err(self.wrong(Some(value.span()), "run is a table: [run]"));
                };
                self.defaults(table, config)?;
            } else {
                let known = keys::PLACES.iter().copied().chain([keys::RUN]);
                return Err(self.unknown(key, "", known));
            }
        }
        Ok(())
    }

    fn defaults(&self, table: &DeTable<'_>, config: &mut Config) -> Result<(), Failure> {
        let mut found = Vec::new();
        let run = cli::find("run").ok_or_else(|| Failure::new("there is no verb run"))?;
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let default = keys::DEFAULTS.contains(&name);
            let option = run.options().find(|option| option.name == name);
            let option = match option {
                Some(option) if default => option,
                Some(_) => {
                    let text =
                        format!("run.{name} has no default in a file: --{name} has to be typed");
                    return Err(self.wrong(Some(key.span()), &text));
                }
                None => return Err(self.unknown(key, "run.", keys::DEFAULTS.iter().copied())),
            };
            if let Some(why) = option.refused {
                let text = format!("run.{name} is refused: {why}");
                return Err(self.wrong(Some(key.span()), &text));
            }
            let values = match value.get_ref() {
                DeValue::Array(values)
                    if matches!(option.takes, Takes::Texts | Takes::Numbers(..)) =>
                {
                    values.iter().collect()
                }
                _ => vec![value],
            };
            for value in values {
                let entry = self.entry(option.name, value, option.takes)?;
                found.push((value.span().start, entry));
            }
        }
        // The parser sorts keys; what was written first is read first.
        found.sort_by_key(|(at, _)| *at);
        config
            .defaults
            .extend(found.into_iter().map(|(_, entry)| entry));
        Ok(())
    }

    fn entry(
        &self,
        option: &'static str,
        value: &Spanned<DeValue<'_>>,
        takes: Takes,
    ) -> Result<Entry, Failure> {
        let text = match (value.get_ref(), takes) {
            (DeValue::Boolean(truth), Takes::Nothing) => truth.to_string(),
            (DeValue::String(text), takes) if takes != Takes::Nothing => text.to_string(),
            (DeValue::Integer(number), takes) if takes != Takes::Nothing => number.to_string(),
            (DeValue::Float(number), takes) if takes != Takes::Nothing => number.to_string(),
            _ => {
                let wanted = match takes {
                    Takes::Nothing => "true or false",
                    Takes::Text | Takes::Number(..) => "a text or a number",
                    Takes::Texts | Takes::Numbers(..) => "texts: [\"...\", ...]",
                };
                return Err(self.wrong(Some(value.span()), &format!("{option} takes {wanted}")));
            }
        };
        Ok(Entry {
            option,
            value: text,
            place: self.at(Some(value.span())),
        })
    }

    fn unknown(
        &self,
        key: &Spanned<impl AsRef<str>>,
        table: &str,
        known: impl Iterator<Item = &'static str>,
    ) -> Failure {
        let name = key.get_ref().as_ref();
        let near = match argv::nearest(name, known) {
            Some(near) => format!("; did you mean {table}{near}?"),
            None => "; see lockstep-config(5)".to_owned(),
        };
        self.wrong(
            Some(key.span()),
            &format!("there is no setting {table}{name}{near}"),
        )
    }

    fn wrong(&self, span: Option<Range<usize>>, text: &str) -> Failure {
        Failure::new(format!("{}: {text}", self.at(span)))
    }

    fn name(&self) -> std::borrow::Cow<'_, str> {
        self.path.to_string_lossy()
    }

    fn at(&self, span: Option<Range<usize>>) -> String {
        let before = self
            .text
            .get(..span.map_or(0, |span| span.start))
            .unwrap_or_default();
        format!("{}:{}", self.name(), before.matches('\n').count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        config
            .add("/c".into(), Some(text))
            .map_err(|failure| failure.message)?;
        Ok(config)
    }

    #[test]
    fn a_file_is_typed_before_the_command_line() {
        let text = "root = \"/srv\"\n\n[run]\nread-only = true\nmemory = \"64m\"\npids-limit = 9\ncpus = 1.5\n\
                    cap-drop = [\"kill\",\n  \"chown\"]\n";
        let config = read(text).expect("a configuration");
        assert_eq!(config.place("root"), Some((Path::new("/srv"), "/c:1")));
        let words = config.words(cli::find("run").expect("a verb"));
        let wanted = [
            "--read-only=true",
            "--memory=64m",
            "--pids-limit=9",
            "--cpus=1.5",
            "--cap-drop=kill",
            "--cap-drop=chown",
        ];
        assert_eq!(words, wanted);
        assert_eq!(
            config.defaults.last().map(|entry| &*entry.place),
            Some("/c:9")
        );
        assert!(config.words(cli::find("ps").expect("a verb")).is_empty());
        assert_eq!(config.files, [("/c".into(), Some(6 + 1))]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, complaint) in [
            (
                "[run]\nmemry = 1\n",
                "/c:2: there is no setting run.memry; did you mean run.memory?",
            ),
            (
                "rot = \"/\"\n",
                "/c:1: there is no setting rot; did you mean root?",
            ),
            ("\nroot = \"srv\"\n", "/c:2: root takes an absolute path"),
            (
                "[run]\nprivileged = true\n",
                "/c:2: run.privileged has no default in a file: --privileged has to be typed",
            ),
            (
                "[run]\nread-only = \"yes\"\n",
                "/c:2: read-only takes true or false",
            ),
            (
                "[run]\nmemory = [1]\n",
                "/c:2: memory takes a text or a number",
            ),
            ("[run]\nenv = {}\n", "/c:2: env takes texts: [\"...\", ...]"),
            ("run = 3\n", "/c:1: run is a table: [run]"),
        ] {
            assert_eq!(read(text).err().as_deref(), Some(complaint), "{text}");
        }
        let broken = read("[run]\nmemory = \n").expect_err("no TOML");
        assert!(broken.starts_with("/c:2: "), "{broken}");
        let twice = read("[run]\ncpus = 1\ncpus = 2\n").expect_err("twice");
        assert!(twice.starts_with("/c:3: "), "{twice}");
    }

    #[test]
    fn every_default_is_an_option_that_is_honoured() {
        let run = cli::find("run").expect("a verb");
        for name in keys::DEFAULTS {
            let option = run.options().find(|option| option.name == *name);
            assert!(
                option.is_some_and(|option| option.refused.is_none()),
                "{name}"
            );
        }
    }
}
