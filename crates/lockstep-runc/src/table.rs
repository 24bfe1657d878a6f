//! Columns as Go's tabwriter lays them out for `list`: scripts cut them by position.
//!
//! A cell is as wide as its column's longest text plus three spaces, at least twelve characters; the last
//! cell of a line is not padded.

use crate::quote;

const MINIMUM: usize = 12;
const PADDING: usize = 3;

/// Lines of equal length to text. Cells are escaped: a path may hold control characters.
pub(crate) fn render<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| quote::plain(cell)))
        .collect();
    let width = |column: usize| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max();
        MINIMUM.max(longest.unwrap_or(0) + PADDING)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if column + 1 < N {
                let fill = widths[column] - cell.chars().count();
                out.extend(std::iter::repeat_n(' ', fill));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_runcs() {
        let row = |cells: [&str; 6]| cells.map(str::to_owned);
        let header = row(["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
        assert_eq!(
            render(std::slice::from_ref(&header)),
            "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
        );
        let created = "2026-11-26T04:09:09.761280483Z";
        let line = row(["cliwA", "7247", "created", "/tmp/cliw/b", created, "root"]);
        assert_eq!(
            render(&[header, line]),
            "ID          PID         STATUS      BUNDLE        CREATED                          OWNER\n\
             cliwA       7247        created     /tmp/cliw/b   2026-11-26T04:09:09.761280483Z   root\n"
        );
    }

    #[test]
    fn a_hostile_cell_stays_in_its_column() {
        let text = render(&[["a\u{1b}[2J\n".to_owned(), "x".to_owned()]]);
        assert_eq!(text, "a\\x1b[2J\\n   x\n");
    }
}
