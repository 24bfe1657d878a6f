//! `inspect`: everything that is known of containers, images and volumes, in Docker's shape where Docker has one.

mod container;
mod image;

use serde_json::Value;

use super::list::Template;
use crate::argv::Arguments;
use crate::failure::{Failure, NO_CONTAINER};
use crate::front::Front;
use crate::print::{note, print};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Container,
    Image,
    Volume,
    Secret,
}

/// In the order in which a name without a kind is looked for.
const KINDS: [Kind; 3] = [Kind::Container, Kind::Image, Kind::Volume];

/// `inspect` of the kind that the group of the verb or `--type` says, or of any.
pub(super) fn inspect(front: &Front, args: &Arguments, group: Option<Kind>) -> Result<u8, Failure> {
    let kinds = match (group, args.text("type")?) {
        (Some(kind), _) => vec![kind],
        (None, Some("container")) => vec![Kind::Container],
        (None, Some("image")) => vec![Kind::Image],
        (None, Some("volume")) => vec![Kind::Volume],
        (None, None | Some("all" | "")) => KINDS.to_vec(),
        (None, Some(other)) => {
            return Err(Failure::new(format!(
                "--type {other} is refused: container, image and volume are there"
            )));
        }
    };
    let template = match args.text("format")? {
        None | Some("json") => None,
        Some(format) => Some(Template::parse(format)?),
    };
    let mut all = Vec::new();
    let mut missing: Option<Failure> = None;
    for typed in args.words(0)? {
        match find(front, typed, &kinds) {
            Ok(found) => all.push(found),
            // The others are shown all the same, and be it an empty list.
            Err(failure) => {
                if let Some(earlier) = missing.replace(failure) {
                    note(&earlier.to_string());
                }
            }
        }
    }
    let text = match template {
        None => super::json(&all)?,
        Some(template) => {
            let line = |one| Ok(template.render(one)? + "\n");
            all.iter().map(line).collect::<Result<String, Failure>>()?
        }
    };
    print(&text)?;
    missing.map_or(Ok(0), Err)
}

fn find(front: &Front, typed: &str, kinds: &[Kind]) -> Result<Value, Failure> {
    for kind in kinds {
        let found = match kind {
            Kind::Container => container::find(front, typed),
            Kind::Image => image::find(front, typed),
            Kind::Secret => super::secret::describe(front, typed),
            Kind::Volume => super::volume::describe(front, typed),
        };
        match found {
            Err(failure) if failure.code == NO_CONTAINER && kinds.len() > 1 => {}
            other => return other,
        }
    }
    Err(Failure::new(format!("nothing is called {typed:?}"))
        .hint("lockstep ps -a, images and volume ls list what there is")
        .code(NO_CONTAINER))
}
