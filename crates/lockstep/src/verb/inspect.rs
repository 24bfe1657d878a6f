//! `inspect`: everything that is known of a container, in Docker's shape where Docker has one.

use serde::Serialize;
use serde_json::{Value, json};

use super::list::{Template, paused, state};
use crate::argv::Arguments;
use crate::container::{Directory, Record, Status};
use crate::failure::Failure;
use crate::front::{Front, note, print};

pub(super) fn inspect(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    match args.text("type")?.unwrap_or("container") {
        "container" | "all" => {}
        other => {
            return Err(Failure::new(format!(
                "--type {other} is refused: containers are what there is"
            )));
        }
    }
    let mut all = Vec::new();
    let mut missing: Option<Failure> = None;
    for typed in args.words(0)? {
        match find(front, typed) {
            Ok(found) => all.push(found),
            // The others are shown all the same, and be it an empty list.
            Err(failure) => {
                if let Some(earlier) = missing.replace(failure) {
                    note(&earlier.to_string());
                }
            }
        }
    }
    let text = match args.text("format")? {
        None | Some("json") => {
            let text = serde_json::to_string_pretty(&all);
            text.map_err(|e| Failure::new(format!("JSON: {e}")))? + "\n"
        }
        Some(format) => {
            let template = Template::parse(format)?;
            let line = |one| Ok(template.render(one)? + "\n");
            all.iter().map(line).collect::<Result<String, Failure>>()?
        }
    };
    print(&text)?;
    missing.map_or(Ok(0), Err)
}

fn find(front: &Front, typed: &str) -> Result<Value, Failure> {
    let store = front.store()?;
    let (directory, _) = store.find(typed)?;
    let paused = front.with_runtime(store, |runtime| {
        store.repair(runtime, &directory)?;
        paused(runtime, &directory.id, &directory.status()?)
    })?;
    let record = directory.record()?;
    let record = record.ok_or_else(|| Failure::new(format!("container {typed} has gone")))?;
    describe(&directory, &record, paused)
}

fn describe(directory: &Directory, record: &Record, paused: bool) -> Result<Value, Failure> {
    let config = directory.config()?.unwrap_or_default();
    let spec: Value = serde_json::from_slice(&config)
        .map_err(|e| Failure::new(format!("config.json of {}: {e}", record.name)))?;
    let status = directory.status()?;
    let process = &spec["process"];
    let downgrades = match &status {
        Status::Running(started)
        | Status::Abandoned(started)
        | Status::Exited(Some(started), _) => started.downgrades.clone(),
        _ => Vec::new(),
    };
    Ok(json!({
        "Id": record.id,
        "Name": record.name,
        "Created": record.created,
        "Path": record.command.first(),
        "Args": record.command.get(1..),
        "State": state_of(&status, paused),
        "Image": record.image,
        "RestartCount": record.restarts,
        "Mounts": mounts(&spec["mounts"]),
        "Config": {
            "Hostname": spec["hostname"],
            "User": record.user,
            "Tty": record.job.terminal,
            "OpenStdin": record.job.stdin,
            "StdinOnce": record.job.stdin_once,
            "Env": process["env"],
            "Cmd": record.command,
            "Image": record.image,
            "WorkingDir": process["cwd"],
            "Labels": record.labels,
            "StopSignal": lockstep_abi::signal::display(record.job.stop_signal),
            "StopTimeout": record.job.stop_timeout_ms / 1000,
        },
        "HostConfig": {
            "AutoRemove": record.auto_remove,
            "Init": record.job.init,
            "RestartPolicy": record.restart,
            "ReadonlyRootfs": spec["root"]["readonly"],
            "PidsLimit": spec["linux"]["resources"]["pids"]["limit"],
            "Memory": spec["linux"]["resources"]["memory"]["limit"],
            "OomScoreAdj": process["oomScoreAdj"],
        },
        // What Docker has no name for.
        "Lockstep": {
            "Directory": directory.path,
            "Settings": record.settings,
            "Notes": record.warnings,
            "Downgrades": downgrades,
            "UserIds": record.block,
            "Configuration": spec,
        },
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: &'static str,
    running: bool,
    paused: bool,
    pid: i32,
    exit_code: i32,
    started_at: String,
    finished_at: String,
    error: String,
}

fn state_of(status: &Status, paused: bool) -> State {
    let (started, exit) = match status {
        Status::Running(started) | Status::Abandoned(started) => (Some(started), None),
        Status::Exited(started, exit) => (started.as_ref(), Some(exit)),
        Status::Created | Status::Busy => (None, None),
    };
    let running = matches!(status, Status::Running(_));
    State {
        status: state(status, paused),
        running,
        paused,
        pid: started.filter(|_| running).map_or(0, |started| started.pid),
        exit_code: exit.map_or(0, |exit| exit.status),
        started_at: started
            .map(|started| started.at.clone())
            .unwrap_or_default(),
        finished_at: exit.map(|exit| exit.at.clone()).unwrap_or_default(),
        error: exit
            .and_then(|exit| exit.reason.clone())
            .unwrap_or_default(),
    }
}

/// Mounts of the host's files; the kernel's own file systems are in the configuration.
fn mounts(all: &Value) -> Vec<Value> {
    let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
    let binds = all.iter().filter(|mount| mount["type"] == "bind");
    let described = binds.map(|mount| {
        let options = mount["options"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        json!({
            "Type": "bind",
            "Source": mount["source"],
            "Destination": mount["destination"],
            "RW": !options.iter().any(|option| option == "ro" || option == "rro"),
            "Options": options,
        })
    });
    described.collect()
}
