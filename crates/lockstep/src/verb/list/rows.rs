//! A list on the terminal, as it was asked for.

use serde::Serialize;

use super::Template;
use crate::argv::Arguments;
use crate::failure::Failure;

/// Rows as ids alone (`--quiet`), the column with this number, as JSON (`--json`, `--format json`), by a template, or else
/// as a table of `heading` and each row's `cells`; who asks for several of them gets the first.
pub(in crate::verb) fn shown<R: Serialize, const N: usize>(
    args: &Arguments,
    rows: &[R],
    (heading, id): ([&str; N], usize),
    cells: impl Fn(&R) -> [String; N],
) -> Result<String, Failure> {
    if args.flag("quiet") {
        return Ok(rows
            .iter()
            .map(|row| format!("{}\n", cells(row)[id]))
            .collect());
    }
    let headings = !args.flag("noheading");
    match args.text("format")? {
        _ if args.flag("json") => return crate::verb::json(rows),
        Some("json") => return crate::verb::json(rows),
        Some(format) if format != "table" => {
            return Template::parse(format)?.render_rows(rows, headings);
        }
        _ => {}
    }
    let mut lines = Vec::new();
    if headings {
        lines.push(heading.map(str::to_owned));
    }
    let escaped = |cell: String| crate::escape::text(&cell).into_owned();
    lines.extend(rows.iter().map(|row| cells(row).map(escaped)));
    Ok(columns(&lines))
}

/// Left-aligned columns with two blanks between them.
pub(in crate::verb) fn columns<const N: usize>(lines: &[[String; N]]) -> String {
    let width = |n: usize| {
        lines
            .iter()
            .map(|line| line[n].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}
