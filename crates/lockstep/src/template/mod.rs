//! Go's text/template, as far as people use it with `--format`.
//!
//! Fields, variables, `if`, `range`, `with`, pipelines and the functions of Docker and Podman; not `define`, `template`
//! and `block`, with which nobody formats a line. Values are JSON. The text of a template is the caller's, who is no
//! enemy, but a script may have put it together from what is one: depth, steps and output are bounded.
//!
//! What a container controls (a name, a label, an argument) is made harmless where it becomes text; what the template
//! itself says, as `{{println}}`, is left as it is. Depends on nothing of this program but [`escape`](crate::escape), so
//! that the fuzz target can include it by path.

mod format;
mod function;
mod lex;
mod parse;
mod run;

use serde_json::Value;

/// Most bytes of a template.
const LONGEST: usize = 64 << 10;
/// Most blocks and parentheses in one another.
const DEEPEST: usize = 64;
/// Most nodes and operands that are looked at for one output.
const STEPS: usize = 1 << 20;
/// Most bytes of one output, and of all values on the way together.
const OUTPUT: usize = 16 << 20;
/// Most bytes of one value that a function makes.
const VALUE: usize = 1 << 20;

/// A template that was understood.
#[derive(Debug, PartialEq)]
pub(crate) struct Template {
    nodes: Vec<parse::Node>,
}

/// Why a template is none, or does not fit the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

type Result<T> = std::result::Result<T, Error>;

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Template> {
        if text.len() > LONGEST {
            return Err(Error::new(format!(
                "{} bytes of template, more than {LONGEST}",
                text.len()
            )));
        }
        Ok(Template {
            nodes: parse::parse(lex::lex(text)?)?,
        })
    }

    /// The text that it makes of a value.
    pub(crate) fn render(&self, value: &Value) -> Result<String> {
        run::run(&self.nodes, value)
    }

    /// Whether it goes over all rows by itself, as `{{range .}}` in Podman's lists does.
    pub(crate) fn takes_all(&self) -> bool {
        parse::ranges_over_dot(&self.nodes)
    }

    /// What stands above its lines in a table: the names of its fields.
    pub(crate) fn headings(&self) -> String {
        self.nodes.iter().map(parse::heading).collect()
    }
}

impl Error {
    fn new(message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }
}

#[cfg(test)]
mod tests;
