//! `history`: the steps of an image's making.

use serde::Serialize;

use super::{find, with};
use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::Front;
use crate::number;
use crate::print::print;
use crate::verb::list::{seconds, shown, since};

/// Characters of a command and of an id in a table, Docker's.
const COMMAND: usize = 45;
const ID: usize = 12;
/// Docker's words for a step whose image nobody has.
const MISSING: &str = "<missing>";

/// One step, under the names that Docker's templates use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    created_since: String,
    created_at: String,
    created_by: String,
    size: String,
    comment: String,
}

pub(in crate::verb) fn history(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let image = with(front, |images| find(images, args.words(0)?[0]))?;
    let (whole, human) = (args.flag("no-trunc"), !args.denied("human"));
    let short = |text: &str, most: usize| -> String {
        match whole || text.chars().count() <= most {
            true => text.to_owned(),
            false => text.chars().take(most - 1).chain(['…']).collect(),
        }
    };
    let id = match whole {
        true => image.id().to_string(),
        false => image.id().hex().chars().take(ID).collect(),
    };
    let mut rows = Vec::new();
    for (n, (step, size)) in image.history().into_iter().enumerate() {
        let at = step.created.clone().unwrap_or_default();
        let bytes = size.unwrap_or(0);
        rows.push(Row {
            id: if n == 0 { id.clone() } else { MISSING.into() },
            created_since: seconds(&at)
                .map_or_else(|| "N/A".into(), |then| format!("{} ago", since(then))),
            created_at: at,
            created_by: short(&step.created_by.clone().unwrap_or_default(), COMMAND),
            size: if human {
                number::human(bytes)
            } else {
                bytes.to_string()
            },
            comment: step.comment.clone().unwrap_or_default(),
        });
    }
    let heading = ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"];
    let text = shown(args, &rows, (heading, 0), |row| {
        let created = match human {
            true => &row.created_since,
            false => &row.created_at,
        };
        [&row.id, created, &row.created_by, &row.size, &row.comment].map(String::clone)
    })?;
    print(&text)?;
    Ok(0)
}
