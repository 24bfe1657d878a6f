//! The list that validation fills, and the checks that every section needs.
//!
//! Checks only add to the report and go on, so that one run names every problem.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Invalid;
use crate::cpu_list::CpuList;
use crate::json::shorten;
use crate::pointer::Pointer;

/// One thing that is wrong, or odd, with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer of the field.
    pub pointer: String,
    /// What the field holds, as compact JSON, cut if long; `None` if the field is missing.
    pub value: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pointer)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Problems and warnings so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

fn problem(at: &Pointer<'_>, value: Option<String>, reason: impl Into<String>) -> Problem {
    Problem {
        pointer: at.to_string(),
        value,
        reason: reason.into(),
    }
}

fn json(value: &impl Serialize) -> Option<String> {
    // Only a map with keys that are no strings fails, and no type of the configuration is one.
    serde_json::to_string(value).ok().map(shorten)
}

impl Report {
    /// The warnings, or the problems if there is any.
    pub(crate) fn finish(self) -> Result<Vec<Problem>, Invalid> {
        if self.problems.is_empty() {
            Ok(self.warnings)
        } else {
            Err(Invalid {
                problems: self.problems,
            })
        }
    }

    /// A value that makes the configuration invalid.
    pub(crate) fn refuse(
        &mut self,
        at: &Pointer<'_>,
        value: &(impl Serialize + ?Sized),
        reason: impl Into<String>,
    ) {
        self.problems.push(problem(at, json(&value), reason));
    }

    /// A field without which the configuration is invalid.
    pub(crate) fn missing(&mut self, at: &Pointer<'_>, reason: impl Into<String>) {
        self.problems.push(problem(at, None, reason));
    }

    /// A value that is allowed but will not do what it seems to.
    pub(crate) fn warn(
        &mut self,
        at: &Pointer<'_>,
        value: &(impl Serialize + ?Sized),
        reason: impl Into<String>,
    ) {
        self.warnings.push(problem(at, json(&value), reason));
    }

    /// Refuses a text with a NUL byte, which no system call can take.
    pub(crate) fn no_nul(&mut self, at: &Pointer<'_>, text: &str) -> bool {
        let found = text.contains('\0');
        if found {
            self.refuse(at, text, "contains a NUL byte");
        }
        !found
    }

    /// [`Self::no_nul`] for an optional text.
    pub(crate) fn no_nul_in(&mut self, at: &Pointer<'_>, text: Option<&String>) {
        if let Some(text) = text {
            self.no_nul(at, text);
        }
    }

    /// [`Self::no_nul`] for each element of an array.
    pub(crate) fn no_nul_in_each(&mut self, at: &Pointer<'_>, texts: &[String]) {
        for (nth, text) in texts.iter().enumerate() {
            self.no_nul(&at.index(nth), text);
        }
    }

    /// Refuses a path that is empty, relative, or has a NUL byte.
    pub(crate) fn absolute_path(&mut self, at: &Pointer<'_>, path: &str) {
        if self.no_nul(at, path) && !path.starts_with('/') {
            self.refuse(at, path, "must be an absolute path");
        }
    }

    /// Refuses a name of an open enum that the specification does not know.
    pub(crate) fn known<T: AsRef<str>>(
        &mut self,
        at: &Pointer<'_>,
        name: &T,
        known: bool,
        what: &str,
    ) -> bool {
        if !known {
            self.refuse(at, name.as_ref(), format!("is not a known {what}"));
        }
        known
    }

    /// Refuses the second and later occurrence of a key in an array; `key` of `None` is not compared.
    pub(crate) fn unique<T, K: Ord, V: Serialize>(
        &mut self,
        at: &Pointer<'_>,
        items: &[T],
        field: &str,
        key: impl Fn(&T) -> (K, V),
    ) {
        let mut seen: BTreeMap<K, usize> = BTreeMap::new();
        for (nth, item) in items.iter().enumerate() {
            let (key, value) = key(item);
            if let Some(first) = seen.get(&key) {
                let first = at.index(*first).to_string();
                self.refuse(
                    &at.index(nth).key(field),
                    &value,
                    format!("is already given by {first}"),
                );
            } else {
                seen.insert(key, nth);
            }
        }
    }

    /// Reads a list of CPUs or nodes; refuses a bad one.
    pub(crate) fn cpu_list(&mut self, at: &Pointer<'_>, text: &str) -> Option<CpuList> {
        match CpuList::parse(text) {
            Ok(list) => Some(list),
            Err(error) => {
                self.refuse(at, text, format!("is not a list such as 0-3,7: {error}"));
                None
            }
        }
    }
}
