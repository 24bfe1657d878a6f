//! `--format`: the part of Go's templates that scripts use, `{{.Field.Field}}`, `{{json .Field}}` and text.

use serde::Serialize;
use serde_json::Value;

use super::columns;
use crate::escape;
use crate::failure::Failure;

/// A parsed template.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::verb) struct Template {
    parts: Vec<Part>,
    /// Whether it began with `table `.
    table: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Names from the outside in; as JSON, or as text.
    Field(Vec<String>, bool),
}

impl Template {
    pub(in crate::verb) fn parse(text: &str) -> Result<Template, Failure> {
        let (text, table) = match text.strip_prefix("table ") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, inside)) = rest.split_once("{{") {
            let (expression, after) = inside
                .split_once("}}")
                .ok_or_else(|| Failure::new(format!("--format {text:?}: {{{{ without }}}}")))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(expression_of(expression.trim())?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Template { parts, table })
    }

    /// A value's text, with what a container controls escaped.
    pub(in crate::verb) fn render(&self, value: &Value) -> Result<String, Failure> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(names, json) => out.push_str(&field(value, names, *json)?),
            }
        }
        Ok(out)
    }

    /// A line for each row; with `table` aligned, under headings.
    pub(in crate::verb) fn render_rows<T: Serialize>(
        &self,
        rows: &[T],
        headings: bool,
    ) -> Result<String, Failure> {
        let mut lines = Vec::new();
        if self.table && headings {
            let title = self.parts.iter().map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Field(names, _) => names.last().cloned().unwrap_or_default().to_uppercase(),
            });
            lines.push(title.collect::<String>());
        }
        for row in rows {
            let value =
                serde_json::to_value(row).map_err(|e| Failure::new(format!("JSON: {e}")))?;
            lines.push(self.render(&value)?);
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

fn expression_of(text: &str) -> Result<Part, Failure> {
    let (json, path) = match text.strip_prefix("json ") {
        Some(path) => (true, path.trim()),
        None => (false, text),
    };
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let names: Vec<&str> = match path {
        "." => Vec::new(),
        _ => path
            .strip_prefix('.')
            .map(|path| path.split('.').collect())
            .unwrap_or(vec![""]),
    };
    if !names.iter().all(|name| plain(name)) {
        return Err(
            Failure::new(format!("--format: {{{{{text}}}}} is not understood"))
                .hint("{{.Field}}, {{.Field.Field}} and {{json .Field}} are"),
        );
    }
    Ok(Part::Field(
        names.into_iter().map(str::to_owned).collect(),
        json,
    ))
}

fn field(value: &Value, names: &[String], json: bool) -> Result<String, Failure> {
    let mut at = value;
    for name in names {
        at = at.get(name).ok_or_else(|| {
            let known: Vec<&str> = at
                .as_object()
                .iter()
                .flat_map(|map| map.keys())
                .map(String::as_str)
                .collect();
            Failure::new(format!("--format: there is no {name:?} here"))
                .hint(format!("there are {}", known.join(", ")))
        })?;
    }
    Ok(match at {
        _ if json => at.to_string(),
        other => escape::text(&plain(other)).into_owned(),
    })
}

/// As Go prints a value (fmt, `%v`): lists and maps without commas and quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(plain).collect();
            format!("[{}]", all.join(" "))
        }
        Value::Object(all) => {
            let all: Vec<String> = all
                .iter()
                .map(|(key, value)| format!("{key}:{}", plain(value)))
                .collect();
            format!("map[{}]", all.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_found_by_their_names() {
        let value = json!({"State": {"Status": "running", "Pid": 7}, "Name": "a\u{1b}b",
            "Cmd": ["sleep", "5"], "Labels": {"a": "b", "c": null}});
        let render = |text: &str| Template::parse(text).and_then(|t| t.render(&value));
        assert_eq!(
            render("{{.State.Status}}/{{ .State.Pid }}"),
            Ok("running/7".into())
        );
        assert_eq!(
            render("{{json .State}}"),
            Ok(r#"{"Status":"running","Pid":7}"#.into())
        );
        assert_eq!(render("{{.Name}}"), Ok("a\\u{1b}b".into()));
        assert_eq!(
            render("{{.Cmd}} {{.Labels}}"),
            Ok("[sleep 5] map[a:b c:]".into())
        );
        assert!(render("{{.Nothing}}").is_err());
        assert!(render("{{range .}}").is_err());
        assert!(render("{{.A").is_err());
    }
}
