//! `--format`: a template for each row of a list, or for all of them as a table.

use serde::Serialize;
use serde_json::Value;

use super::columns;
use crate::failure::Failure;
use crate::template;

/// A template of the command line.
#[derive(Debug)]
pub(in crate::verb) struct Template {
    inner: template::Template,
    /// Whether it began with `table `.
    table: bool,
}

impl From<template::Error> for Failure {
    fn from(error: template::Error) -> Failure {
        let failure = Failure::new(format!("--format: {}", error.message));
        match error.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl Template {
    pub(in crate::verb) fn parse(text: &str) -> Result<Template, Failure> {
        let (text, table) = match text.strip_prefix("table ") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        // A shell's single quotes leave them as they are typed, and both engines read them so.
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        Ok(Template {
            inner: template::Template::parse(&text)?,
            table,
        })
    }

    /// A value's text, with what a container controls escaped.
    pub(in crate::verb) fn render(&self, value: &Value) -> Result<String, Failure> {
        Ok(self.inner.render(value)?)
    }

    /// A line for each row; with `table` aligned, under headings.
    pub(in crate::verb) fn render_rows<T: Serialize>(
        &self,
        rows: &[T],
        headings: bool,
    ) -> Result<String, Failure> {
        let rows = serde_json::to_value(rows).map_err(|e| Failure::new(format!("JSON: {e}")))?;
        if self.inner.takes_all() {
            return self.render(&rows);
        }
        let mut lines = Vec::new();
        if self.table && headings {
            lines.push(self.inner.headings());
        }
        for row in rows.as_array().into_iter().flatten() {
            lines.push(self.render(row)?);
        }
        if !self.table {
            return Ok(lines.iter().map(|line| format!("{line}\n")).collect());
        }
        Ok(aligned(&lines))
    }
}

/// Columns that are separated by tabs.
fn aligned(lines: &[String]) -> String {
    const MOST: usize = 16;
    let cells: Vec<[String; MOST]> = lines
        .iter()
        .map(|line| {
            let mut cells = line.split('\t').map(str::to_owned);
            std::array::from_fn(|_| cells.next().unwrap_or_default())
        })
        .collect();
    columns(&cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_lines_or_a_table_or_all_at_once() {
        let rows = [
            json!({"Names": "a", "ID": 1}),
            json!({"Names": "bbb", "ID": 2}),
        ];
        let render = |text: &str| Template::parse(text).and_then(|t| t.render_rows(&rows, true));
        assert_eq!(render("{{.Names}}"), Ok("a\nbbb\n".into()));
        assert_eq!(
            render("table {{.Names}}\\t{{.ID}}"),
            Ok("NAMES  ID\na      1\nbbb    2\n".into())
        );
        assert_eq!(render("{{range .}}{{.ID}},{{end}}"), Ok("1,2,".into()));
    }
}
