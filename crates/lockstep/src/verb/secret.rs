//! `secret`: values come in, are listed without being shown, and go.

use std::collections::BTreeMap;

use lockstep_kernel::{console, file, random};
use lockstep_supervisor::SECRET_BYTES;
use serde::Serialize;
use serde_json::{Value, json};

use super::list::{Filters, age, expression, shown};
use crate::argv::Arguments;
use crate::container::check_name;
use crate::failure::{Doing, Failure, NO_CONTAINER};
use crate::front::Front;
use crate::print::print;
use crate::secret::{ABOUT, About, Secrets};

/// Where values are kept, in Podman's words.
const DRIVER: &str = "file";

pub(super) fn create(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    match args.text("driver")? {
        None | Some(DRIVER) => {}
        Some(other) => {
            return Err(Failure::new(format!(
                "--driver {other} is refused: values are files of the store"
            )));
        }
    }
    let words = args.words(0)?;
    let (name, source) = (words[0], words[1]);
    check_name(name)?;
    if name.ends_with(ABOUT) {
        return Err(Failure::new(format!(
            "{name:?} is no name of a secret: it ends with {ABOUT}"
        )));
    }
    let value = value(args, source)?;
    if value.is_empty() || value.len() > SECRET_BYTES {
        return Err(Failure::new(format!(
            "a secret has 1 to {SECRET_BYTES} bytes, not {}",
            value.len()
        )));
    }
    let secrets = Secrets::open(front.store()?)?;
    let there = secrets.all()?.into_iter().find(|about| about.name == name);
    if there.is_some() && !args.flag("replace") {
        return Err(Failure::new(format!("there is a secret {name} already"))
            .hint("--replace takes its place"));
    }
    let mut labels = BTreeMap::new();
    for text in args.texts("label")? {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        labels.insert(key.to_owned(), value.to_owned());
    }
    let id = random::bytes::<13>().doing(|| "an id".into())?;
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let about = About::new(id, name.to_owned(), labels);
    secrets.keep(&about, &value)?;
    print(&format!("{}\n", about.id))?;
    Ok(0)
}

fn value(args: &Arguments, source: &str) -> Result<Vec<u8>, Failure> {
    if args.flag("env") {
        let found = crate::front::environment(source);
        let found =
            found.ok_or_else(|| Failure::new(format!("the environment has no {source}")))?;
        return Ok(found.into_encoded_bytes());
    }
    match source {
        "-" => {
            let [stdin, ..] = console::standard_streams();
            file::read_fd(stdin, SECRET_BYTES).doing(|| "standard input".into())
        }
        path => file::read(file::CWD, path, SECRET_BYTES).doing(|| path.to_owned()),
    }
}

/// One secret, under the names that Podman's templates use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    driver: &'static str,
    created_at: String,
    updated_at: String,
}

pub(super) fn ls(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let texts = args.texts("filter")?;
    let filters = Filters::parse(&texts, &["name", "id"])?;
    let mut rows = Vec::new();
    let criteria = filters.mean::<About>(|key, value| {
        Ok(match key {
            "id" => Box::new(move |about| about.id.starts_with(value)),
            _ => {
                let fits = expression(value)?;
                Box::new(move |about| fits(&about.name))
            }
        })
    })?;
    for about in Secrets::open(front.store()?)?.all()? {
        if criteria.pass(&about) {
            rows.push(Row {
                id: about.id,
                name: about.name,
                driver: DRIVER,
                created_at: format!("{} ago", age(&about.created)),
                updated_at: format!("{} ago", age(&about.updated)),
            });
        }
    }
    let heading = ["ID", "NAME", "DRIVER", "CREATED", "UPDATED"];
    let text = shown(args, &rows, (heading, 0), |row| {
        [
            &row.id,
            &row.name,
            row.driver,
            &row.created_at,
            &row.updated_at,
        ]
        .map(str::to_owned)
    })?;
    print(&text)?;
    Ok(0)
}

/// What is known of a secret, for `inspect`.
pub(super) fn describe(front: &Front, typed: &str) -> Result<Value, Failure> {
    let about = Secrets::open(front.store()?)?.find(typed)?;
    Ok(json!({
        "ID": about.id,
        "CreatedAt": about.created,
        "UpdatedAt": about.updated,
        "Spec": {
            "Name": about.name,
            "Driver": {"Name": DRIVER, "Options": {}},
            "Labels": about.labels,
        },
    }))
}

pub(super) fn rm(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let secrets = Secrets::open(front.store()?)?;
    let names: Vec<String> = match args.flag("all") {
        true => secrets.all()?.into_iter().map(|about| about.name).collect(),
        false if args.words(0)?.is_empty() => {
            return Err(Failure::new("no secret was named").hint("name one, or add --all"));
        }
        false => args.words(0)?.into_iter().map(str::to_owned).collect(),
    };
    super::each_of(names, |typed| match secrets.find(typed) {
        Err(failure) if failure.code == NO_CONTAINER && args.flag("ignore") => Ok(false),
        found => {
            let about = found?;
            secrets.remove(&about)?;
            print(&format!("{}\n", about.id))?;
            Ok(false)
        }
    })
}

pub(super) fn exists(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    match Secrets::open(front.store()?)?.find(args.words(0)?[0]) {
        Ok(_) => Ok(0),
        Err(failure) if failure.code == NO_CONTAINER => Ok(NO_CONTAINER),
        Err(failure) => Err(failure),
    }
}
