//! `volume`: directories of the store that outlive containers.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::list::{Criteria, Filters, expression, instant, labelled, seconds, shown, yes};
use crate::argv::Arguments;
use crate::container::{Store, check_name};
use crate::failure::{Doing, Failure, NO_CONTAINER};
use crate::front::Front;
use crate::print::print;
use crate::volume::Record;

/// The only kind of volumes.
const DRIVER: &str = "local";
/// Exit code of the removal of what is in use, Podman's.
const IN_USE: u8 = 2;

pub(super) fn create(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    match args.text("driver")? {
        None | Some(DRIVER) => {}
        Some(other) => {
            return Err(Failure::new(format!(
                "--driver {other} is refused: volumes are directories of the store"
            )));
        }
    }
    let store = front.store()?;
    let mut record = Record::new(args.words(0)?.is_empty(), true);
    for text in args.texts("label")? {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        record.labels.insert(key.to_owned(), value.to_owned());
    }
    let name = match args.words(0)?.first() {
        Some(name) => (*name).to_owned(),
        None => {
            let random = lockstep_kernel::random::bytes::<32>().doing(|| "a name".into())?;
            random.iter().map(|byte| format!("{byte:02x}")).collect()
        }
    };
    check_name(&name)?;
    let _held = store.hold_volumes(lockstep_kernel::durable::Lock::Exclusive)?;
    // Docker's answer to one that is there is its name.
    if !store.has_volume(&name)? {
        store.write_volume_record(&name, &record)?;
        store.make_volume(&name)?;
    }
    print(&format!("{name}\n"))?;
    Ok(0)
}

/// One volume, under the names that Docker's templates use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    name: String,
    driver: &'static str,
    scope: &'static str,
    mountpoint: String,
    created_at: String,
    labels: String,
    /// For `.Label "KEY"`.
    label: BTreeMap<String, String>,
}

pub(super) fn ls(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    const KEYS: [&str; 8] = [
        "name",
        "label",
        "label!",
        "dangling",
        "anonymous",
        "driver",
        "since",
        "until",
    ];
    let store = front.store()?;
    let texts = args.texts("filter")?;
    let filters = Filters::parse(&texts, &KEYS)?;
    let criteria = criteria(store, &filters)?;
    let mut rows = Vec::new();
    for name in store.volume_names()? {
        let record = store.volume_record(&name)?;
        let volume = (name, record);
        if criteria.pass(&volume) {
            rows.push(row(store, volume)?);
        }
    }
    let heading = ["DRIVER", "VOLUME NAME"];
    let text = shown(args, &rows, (heading, 1), |row| {
        [row.driver, &row.name].map(str::to_owned)
    })?;
    print(&text)?;
    Ok(0)
}

fn row(store: &Store, (name, record): Named) -> Result<Row, Failure> {
    let labels: Vec<String> = record
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    Ok(Row {
        mountpoint: store.volumes()?.join(&name).to_string_lossy().into_owned(),
        name,
        driver: DRIVER,
        scope: DRIVER,
        created_at: record.created,
        labels: labels.join(","),
        label: record.labels,
    })
}

/// A volume as filters look at it.
type Named = (String, Record);

fn criteria<'a>(store: &Store, filters: &Filters<'a>) -> Result<Criteria<'a, Named>, Failure> {
    let has = |record: &Record, value: &str| labelled(value, |key| record.labels.get(key));
    filters.mean::<Named>(|key, value| {
        Ok(match key {
            "name" => {
                let fits = expression(value)?;
                Box::new(move |(name, _)| fits(name))
            }
            "dangling" => {
                let (used, wanted) = (store.used_volumes()?, yes(key, value)?);
                Box::new(move |(name, _)| used.contains(name) != wanted)
            }
            "anonymous" => {
                let wanted = yes(key, value)?;
                Box::new(move |(_, record)| record.anonymous == wanted)
            }
            "driver" => Box::new(move |_| value == DRIVER),
            "since" => {
                let other = seconds(&existing(store, value)?.created);
                Box::new(move |(_, record)| seconds(&record.created) > other)
            }
            "until" => {
                let until = instant("--filter until", value)?;
                Box::new(move |(_, record)| seconds(&record.created).is_some_and(|at| at < until))
            }
            "label" => Box::new(move |(_, record)| has(record, value)),
            _ => Box::new(move |(_, record)| !has(record, value)),
        })
    })
}

/// The record of a volume that has to exist.
fn existing(store: &Store, typed: &str) -> Result<Record, Failure> {
    let there = check_name(typed).is_ok() && store.has_volume(typed)?;
    match there {
        true => store.volume_record(typed),
        false => Err(Failure::new(format!("no volume {typed:?}"))
            .hint("lockstep volume ls lists all")
            .code(NO_CONTAINER)),
    }
}

/// What is known of a volume, for `inspect`.
pub(super) fn describe(front: &Front, typed: &str) -> Result<Value, Failure> {
    let store = front.store()?;
    let record = existing(store, typed)?;
    let users: Vec<String> = store
        .volume_users(typed)?
        .into_iter()
        .map(|record| record.name)
        .collect();
    Ok(json!({
        "Name": typed,
        "Driver": DRIVER,
        "Mountpoint": store.volumes()?.join(typed),
        "CreatedAt": record.created,
        "Labels": record.labels,
        "Options": BTreeMap::<String, String>::new(),
        "Scope": DRIVER,
        "Anonymous": record.anonymous,
        "MountCount": users.len(),
        "UsedBy": users,
    }))
}

pub(super) fn rm(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let store = front.store()?;
    super::each(args, |typed| {
        match existing(store, typed) {
            Err(failure) if failure.code == NO_CONTAINER && args.flag("force") => return Ok(false),
            other => drop(other?),
        }
        let users = store.remove_volume(typed, None)?;
        match users.is_empty() {
            true => Ok(true),
            false => Err(
                Failure::new(format!("volume {typed} is in use by {}", users.join(", ")))
                    .hint("remove the containers first")
                    .code(IN_USE),
            ),
        }
    })
}

pub(super) fn prune(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    // A container that is only waiting to be swept has its volumes still.
    let store = front.swept()?;
    let texts = args.texts("filter")?;
    let filters = Filters::parse(&texts, &["label", "label!", "until"])?;
    let criteria = criteria(store, &filters)?;
    for name in store.volume_names()? {
        let record = store.volume_record(&name)?;
        let meant = record.anonymous || args.flag("all");
        let volume = (name, record);
        if meant && criteria.pass(&volume) && store.remove_volume(&volume.0, None)?.is_empty() {
            print(&format!("{}\n", volume.0))?;
        }
    }
    Ok(0)
}

pub(super) fn exists(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    match existing(front.store()?, args.words(0)?[0]) {
        Ok(_) => Ok(0),
        Err(failure) if failure.code == NO_CONTAINER => Ok(NO_CONTAINER),
        Err(failure) => Err(failure),
    }
}
