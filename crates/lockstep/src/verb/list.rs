//! `ps`: what there is.

use std::collections::BTreeMap;

use lockstep_runtime::{ContainerId, Kind, Runtime};
use lockstep_supervisor::Joined;
use serde::Serialize;

use crate::argv::Arguments;
use crate::container::{Directory, Found, Health, Record, Status, Verdict};
use crate::failure::{Failure, NO_CONTAINER};
use crate::front::Front;
use crate::print::print;
use crate::resolve::Brought;

mod age;
mod filter;
mod rows;
mod template;

pub(super) use age::{age, instant, milliseconds_since, seconds, since};
pub(super) use filter::{Criteria, Filters, expression, labelled, one_of, yes};
pub(super) use rows::{columns, shown};
pub(super) use template::Template;

/// Characters of an id and of a command in a table.
const SHORT: usize = 12;
const COMMAND: usize = 20;

/// One container as it is listed, under the names that Docker's and Podman's templates use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    image: String,
    command: String,
    created_at: String,
    running_for: String,
    state: &'static str,
    status: String,
    names: String,
    labels: String,
    /// For `.Label "KEY"`: a value may have what separates them.
    label: BTreeMap<String, String>,
    #[serde(rename = "ImageID")]
    image_id: String,
    /// Podman's names of when something was, in seconds, and of how long that is ago.
    created: String,
    created_human: String,
    started_at: Option<u64>,
    exited: bool,
    exited_at: Option<u64>,
    auto_remove: bool,
    local_volumes: String,
    exit_code: Option<i32>,
    pid: Option<i32>,
    ports: String,
    restarts: u32,
    mounts: String,
    networks: String,
}

pub(super) fn ps(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let filters = args.texts("filter")?;
    let filters = Filters::parse(&filters, &KEYS)?;
    let newest = match args.flag("latest") {
        true => Some(1),
        false => args.number::<usize>("last")?,
    };
    let by_state = filters.have(&["status", "exited"]);
    let all = args.flag("all") || newest.is_some() || by_state;
    let criteria = criteria(front, &filters)?;
    let mut rows = Vec::new();
    front.containers(|runtime, one| {
        let seen = Seen::of(runtime, one)?;
        let up = seen.phase == Phase::Restarting || matches!(seen.status, Status::Running(_));
        if (all || up) && criteria.pass(&seen) {
            let row = row(&seen, args.flag("no-trunc"));
            rows.push((seen.record.created, row));
        }
        Ok(())
    })?;
    rows.sort_by(|a, b| b.0.cmp(&a.0));
    rows.truncate(newest.unwrap_or(usize::MAX));
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let heading = [
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
        "NAMES",
    ];
    let text = shown(args, &rows, (heading, 0), |row| {
        [
            &row.id,
            &row.image,
            &row.command,
            &row.running_for,
            &row.status,
            &row.ports,
            &row.names,
        ]
        .map(String::clone)
    })?;
    print(&text)?;
    Ok(0)
}

/// A container as it was seen, and how it is where somebody asks.
struct Seen {
    record: Record,
    status: Status,
    phase: Phase,
    health: Option<Verdict>,
}

impl Seen {
    fn of(runtime: &Runtime<'_>, found: Found) -> Result<Seen, Failure> {
        let Found {
            directory,
            record,
            status,
        } = found;
        let phase = Phase::of(runtime, &directory, &record, &status)?;
        let health = health(&directory, &record, &status)?;
        Ok(Seen {
            phase,
            health: health.map(|health| health.verdict),
            record,
            status,
        })
    }
}

fn row(seen: &Seen, whole: bool) -> Row {
    let (record, status) = (&seen.record, &seen.status);
    let short = |text: &str, length: usize| match whole {
        true => text.to_owned(),
        false => text.chars().take(length).collect(),
    };
    let command = record.command.join(" ");
    let mut shown = short(&command, COMMAND);
    if shown.len() < command.len() {
        shown.push_str("...");
    }
    let labels: Vec<String> = record
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mounts: Vec<&str> = record.mounts.iter().map(source).collect();
    let (started, exit) = match status {
        Status::Running(started) | Status::Abandoned(started) => (Some(started), None),
        Status::Exited(started, exit) => (started.as_ref(), Some(exit)),
        Status::Created | Status::Busy => (None, None),
    };
    let pid = match status {
        Status::Running(started) => Some(started.pid),
        _ => None,
    };
    let ago = format!("{} ago", age(&record.created));
    let volumes = record.mounts.iter().filter(|mount| mount.volume.is_some());
    Row {
        id: short(&record.id, SHORT),
        image: record.image.clone(),
        command: format!("{shown:?}"),
        created_at: record.created.clone(),
        state: state(status, seen.phase),
        status: words(seen),
        names: record.name.clone(),
        labels: labels.join(","),
        label: record.labels.clone(),
        image_id: record.image_id.clone().unwrap_or_default(),
        created: ago.clone(),
        created_human: ago.clone(),
        running_for: ago,
        started_at: started.and_then(|started| seconds(&started.at)),
        exited: exit.is_some(),
        exited_at: exit.and_then(|exit| seconds(&exit.at)),
        auto_remove: record.auto_remove,
        local_volumes: volumes.count().to_string(),
        exit_code: exit.map(|exit| exit.status),
        pid,
        ports: String::new(),
        restarts: record.restarts,
        mounts: mounts.join(","),
        networks: network(record),
    }
}

/// What only others than its own files know of what a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Plain,
    /// It runs, and its processes are stopped where they are, which only their cgroup knows.
    Paused,
    /// It has ended, and its keeper is about to start it again.
    Restarting,
}

impl Phase {
    pub(super) fn of(
        runtime: &Runtime<'_>,
        directory: &Directory,
        record: &Record,
        status: &Status,
    ) -> Result<Phase, Failure> {
        if directory.is_restarting(record, status)? {
            return Ok(Phase::Restarting);
        }
        if !matches!(status, Status::Running(_)) {
            return Ok(Phase::Plain);
        }
        match runtime.paused(&ContainerId::parse(&directory.id)?) {
            // It has just ended.
            Err(e) if e.kind == Kind::NotFound => Ok(Phase::Plain),
            other => Ok(match other? {
                true => Phase::Paused,
                false => Phase::Plain,
            }),
        }
    }
}

/// What the health check has said in this life of a container that has one.
pub(super) fn health(
    directory: &Directory,
    record: &Record,
    status: &Status,
) -> Result<Option<Health>, Failure> {
    if record.health.is_none() {
        return Ok(None);
    }
    // Of one that has ended: how it was then.
    let (Status::Running(started) | Status::Exited(Some(started), _)) = status else {
        return Ok(Some(Health::new("")));
    };
    Ok(Some(directory.health(&started.at)?))
}

/// One word, Docker's.
pub(super) fn state(status: &Status, phase: Phase) -> &'static str {
    match status {
        _ if phase == Phase::Restarting => "restarting",
        _ if phase == Phase::Paused => "paused",
        Status::Created => "created",
        Status::Busy => "starting",
        Status::Running(_) => "running",
        Status::Exited(..) => "exited",
        Status::Abandoned(_) => "dead",
    }
}

fn words(seen: &Seen) -> String {
    let paused = seen.phase == Phase::Paused;
    match &seen.status {
        Status::Created => "Created".into(),
        Status::Busy => "Starting".into(),
        Status::Running(started) if paused => format!("Up {} (Paused)", age(&started.at)),
        Status::Running(started) => match seen.health {
            None => format!("Up {}", age(&started.at)),
            Some(Verdict::Starting) => format!("Up {} (health: starting)", age(&started.at)),
            Some(verdict) => format!("Up {} ({verdict})", age(&started.at)),
        },
        Status::Exited(_, exit) => {
            let word = match seen.phase {
                Phase::Restarting => "Restarting",
                _ => "Exited",
            };
            format!("{word} ({}) {} ago", exit.status, age(&exit.at))
        }
        Status::Abandoned(_) => "Dead".into(),
    }
}

/// The name of a volume, or the path of the host.
fn source(brought: &Brought) -> &str {
    brought.volume.as_deref().unwrap_or(&brought.source)
}

/// The network's name, as the container's settings noted it.
fn network(record: &Record) -> String {
    if let Some(other) = Joined::of(&record.job.joined, "network") {
        return format!("container:{}", other.container);
    }
    let noted = record
        .settings
        .iter()
        .find(|setting| setting.name == "network");
    match noted.map_or("", |setting| setting.value.as_str()) {
        "the host's" => "host".into(),
        path if path.starts_with('/') => path.to_owned(),
        _ => "none".into(),
    }
}

/// What `--filter` of `ps` knows. Nothing is published or exposed yet, and so nothing is found by that.
const KEYS: [&str; 16] = [
    "health", "id", "name", "status", "label", "label!", "exited", "ancestor", "before", "since",
    "until", "volume", "network", "publish", "expose", "command",
];

/// What `--filter status=` takes: what [`state`] says, Docker's word for what is not seen here, and Podman's.
const STATES: [&str; 9] = [
    "created",
    "starting",
    "running",
    "paused",
    "restarting",
    "exited",
    "dead",
    "removing",
    "stopped",
];
const HEALTHS: [&str; 4] = ["none", "starting", "healthy", "unhealthy"];

fn criteria<'a>(front: &Front, filters: &Filters<'a>) -> Result<Criteria<'a, Seen>, Failure> {
    let made =
        |typed: &str| -> Result<String, Failure> { Ok(front.store()?.find(typed)?.1.created) };
    let has = |record: &Record, value: &str| labelled(value, |key| record.labels.get(key));
    filters.mean::<Seen>(|key, value| {
        Ok(match key {
            "id" => Box::new(move |seen| seen.record.id.starts_with(value)),
            "name" => {
                let fits = expression(value)?;
                Box::new(move |seen| fits(&seen.record.name))
            }
            "status" => {
                let state_of = one_of("status", value, &STATES)?;
                // Podman's word for the same.
                let wanted = if state_of == "stopped" { "exited" } else { state_of };
                Box::new(move |seen| state(&seen.status, seen.phase) == wanted)
            }
            "exited" => {
                let wanted: i32 = value.parse().map_err(|_wrong: std::num::ParseIntError| {
                    Failure::new(format!("--filter exited= takes a status, not {value:?}"))
                })?;
                Box::new(
                    move |seen| matches!(&seen.status, Status::Exited(_, exit) if exit.status == wanted),
                )
            }
            "health" => {
                let wanted = one_of("health", value, &HEALTHS)?;
                Box::new(move |seen| {
                    seen.health.map_or("none".into(), |verdict| verdict.to_string()) == wanted
                })
            }
            "ancestor" => {
                let id = id_of(front, value)?;
                Box::new(move |seen| {
                    let record = &seen.record;
                    record.image == value || (id.is_some() && record.image_id == id)
                })
            }
            "before" => {
                let other = made(value)?;
                Box::new(move |seen| seen.record.created < other)
            }
            "since" => {
                let other = made(value)?;
                Box::new(move |seen| seen.record.created > other)
            }
            "until" => {
                let until = instant("--filter until", value)?;
                Box::new(move |seen| seconds(&seen.record.created) < Some(until))
            }
            "volume" => Box::new(move |seen| {
                let mut mounts = seen.record.mounts.iter();
                mounts.any(|mount| source(mount) == value || mount.target == value)
            }),
            "network" => Box::new(move |seen| network(&seen.record) == value),
            "command" => {
                let fits = expression(value)?;
                Box::new(move |seen| fits(&seen.record.command.join(" ")))
            }
            "label" => Box::new(move |seen| has(&seen.record, value)),
            "label!" => Box::new(move |seen| !has(&seen.record, value)),
            _ => Box::new(|_| false),
        })
    })
}

/// The id of the image that the store calls so, if there is one.
fn id_of(front: &Front, typed: &str) -> Result<Option<String>, Failure> {
    match super::image::with(front, |images| super::image::find(images, typed)) {
        Ok(image) => Ok(Some(image.id().to_string())),
        Err(failure) if failure.code == NO_CONTAINER => Ok(None),
        Err(failure) => Err(failure),
    }
}
