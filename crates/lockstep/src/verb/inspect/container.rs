//! What is known of a container.

use lockstep_abi::capability::{CapSet, Capability};
use lockstep_supervisor::{Joined, Secret, SecretPlace};
use serde::Serialize;
use serde_json::{Value, json};

use crate::container::{Check, Directory, Health, Probe, Record, Status};
use crate::failure::Failure;
use crate::front::Front;
use crate::resolve::default::LOG_DRIVER;
use crate::resolve::{Brought, DEFAULT_CAPABILITIES, WantedDevice};
use crate::verb::list::{Phase, health, state};
use crate::why::Origin;

pub(super) fn find(front: &Front, typed: &str) -> Result<Value, Failure> {
    let store = front.store()?;
    let (directory, _) = store.find(typed)?;
    let found = front.look_after(&directory)?;
    let (record, status) =
        found.ok_or_else(|| Failure::new(format!("container {typed} has gone")))?;
    front.with_runtime(store, |runtime| {
        let phase = Phase::of(runtime, &directory, &record, &status)?;
        describe(&directory, &record, (&status, phase))
    })
}

fn describe(
    directory: &Directory,
    record: &Record,
    (status, phase): (&Status, Phase),
) -> Result<Value, Failure> {
    let config = directory.config()?.unwrap_or_default();
    let spec: Value = serde_json::from_slice(&config)
        .map_err(|e| Failure::new(format!("config.json of {}: {e}", record.name)))?;
    let (started, downgrades) = match status {
        Status::Running(started)
        | Status::Abandoned(started)
        | Status::Exited(Some(started), _) => (true, started.downgrades.clone()),
        _ => (false, Vec::new()),
    };
    let in_directory = |name: &str| directory.path.join(name);
    let mut state = serde_json::to_value(state_of(status, phase))
        .map_err(|e| Failure::new(format!("JSON: {e}")))?;
    if let Some(health) = health(directory, record, status)? {
        state["Health"] = described(&health);
    }
    Ok(json!({
        "Id": record.id,
        "Name": record.name,
        "Created": record.created,
        "Path": record.command.first(),
        "Args": record.command.get(1..),
        "State": state,
        "Image": record.image_id.as_ref().unwrap_or(&record.image),
        "ImageName": record.image,
        "RestartCount": record.restarts,
        "Driver": "overlay",
        "Platform": "linux",
        "LogPath": record.job.log.map(|_| in_directory(lockstep_supervisor::LOG)),
        "Mounts": record.mounts.iter().map(mount).collect::<Vec<_>>(),
        "EffectiveCaps": list(&spec["process"]["capabilities"]["effective"]),
        "BoundingCaps": list(&spec["process"]["capabilities"]["bounding"]),
        "Config": config_of(record, &spec),
        "HostConfig": host_config(record, &spec),
        "NetworkSettings": network(record, &spec, started.then_some(status)),
        "GraphDriver": graph(record),
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

fn described(health: &Health) -> Value {
    let line = |probe: &Probe| {
        json!({
            "Start": probe.start,
            "End": probe.end,
            "ExitCode": probe.exit_code,
            "Output": probe.output,
        })
    };
    json!({
        "Status": health.verdict.to_string(),
        "FailingStreak": health.failing_streak,
        "Log": health.log.iter().map(line).collect::<Vec<Value>>(),
    })
}

/// As in an image: times in nanoseconds.
fn check(check: &Check) -> Value {
    let ns = |ms: u64| ms.saturating_mul(1_000_000);
    json!({
        "Test": check.test,
        "Interval": check.interval_ms.map(ns),
        "Timeout": ns(check.timeout_ms),
        "StartPeriod": ns(check.start_period_ms),
        "StartInterval": ns(check.start_interval_ms),
        "Retries": check.retries,
        "OnFailure": check.on_failure,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: i32,
    exit_code: i32,
    error: String,
    started_at: String,
    finished_at: String,
}

/// What Go prints of a time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

fn state_of(status: &Status, phase: Phase) -> State {
    let (started, exit) = match status {
        Status::Running(started) | Status::Abandoned(started) => (Some(started), None),
        Status::Exited(started, exit) => (started.as_ref(), Some(exit)),
        Status::Created | Status::Busy => (None, None),
    };
    let running = matches!(status, Status::Running(_));
    let restarting = phase == Phase::Restarting;
    let at = |time: Option<&String>| match time {
        Some(time) if !time.is_empty() => time.clone(),
        _ => NEVER.to_owned(),
    };
    State {
        status: state(status, phase),
        // As in Docker.
        running: running || restarting,
        paused: phase == Phase::Paused,
        restarting,
        oom_killed: exit.is_some_and(|exit| exit.oom_killed),
        dead: matches!(status, Status::Abandoned(_)),
        pid: started.filter(|_| running).map_or(0, |started| started.pid),
        exit_code: exit.map_or(0, |exit| exit.status),
        error: exit
            .and_then(|exit| exit.reason.clone())
            .unwrap_or_default(),
        started_at: at(started.map(|started| &started.at)),
        finished_at: at(exit.map(|exit| &exit.at)),
    }
}

/// The image's and the command line's wishes.
fn config_of(record: &Record, spec: &Value) -> Value {
    let (entrypoint, arguments) = record
        .command
        .split_at(record.entrypoint.min(record.command.len()));
    json!({
        "Hostname": text(&spec["hostname"]),
        "Domainname": text(&spec["domainname"]),
        "User": record.user,
        "Tty": record.job.terminal,
        "OpenStdin": record.job.stdin,
        "StdinOnce": record.job.stdin_once,
        "Env": list(&spec["process"]["env"]),
        "Cmd": arguments,
        "Image": record.image,
        "WorkingDir": spec["process"]["cwd"],
        "Entrypoint": entrypoint,
        "Labels": record.labels,
        "Annotations": map(&spec["annotations"]),
        "StopSignal": lockstep_abi::signal::display(record.job.stop_signal),
        "StopTimeout": record.job.stop_timeout_ms / 1000,
        "Secrets": record.job.secrets.iter().map(secret).collect::<Vec<_>>(),
        "Healthcheck": record.health.as_ref().map(check),
    })
}

/// What of the host it has, and how much: what is not limited is 0, as in Docker.
fn host_config(record: &Record, spec: &Value) -> Value {
    let resources = &spec["linux"]["resources"];
    let (memory, cpu) = (&resources["memory"], &resources["cpu"]);
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let (quota, period) = (number(&cpu["quota"]), number(&cpu["period"]));
    let (policy, most) = record.restart.words();
    let asked = |option: &str| -> Vec<&str> {
        let all = record.settings.iter();
        all.filter(|setting| matches!(setting.origin, Origin::Flag | Origin::Config))
            .filter(|setting| setting.change == option)
            .map(|setting| setting.value.as_str())
            .collect()
    };
    json!({
        "AutoRemove": record.auto_remove,
        "Privileged": record.settings.iter().any(|setting| setting.name == "privileged"),
        "CapAdd": capabilities(spec, |bounding, default| bounding.difference(default)),
        "CapDrop": capabilities(spec, |bounding, default| default.difference(bounding)),
        "SecurityOpt": security(record),
        "Devices": asked("--device").into_iter().filter_map(device).collect::<Vec<_>>(),
        "LogConfig": log(record),
        "ShmSize": shared_memory(spec),
        "Init": record.job.init,
        "Binds": asked("--volume"),
        "RestartPolicy": {"Name": policy, "MaximumRetryCount": most},
        "NetworkMode": namespace(record, spec, "network", "none"),
        "PidMode": namespace(record, spec, "pid", "private"),
        "IpcMode": namespace(record, spec, "ipc", "private"),
        "UTSMode": namespace(record, spec, "uts", "private"),
        "CgroupnsMode": namespace(record, spec, "cgroup", "private"),
        "UsernsMode": namespace(record, spec, "user", "private"),
        "ReadonlyRootfs": spec["root"]["readonly"].as_bool().unwrap_or(false),
        "PidsLimit": number(&resources["pids"]["limit"]),
        "Memory": number(&memory["limit"]),
        "MemoryReservation": number(&memory["reservation"]),
        "MemorySwap": number(&memory["swap"]),
        "MemorySwappiness": memory["swappiness"],
        "OomKillDisable": memory["disableOOMKiller"].as_bool().unwrap_or(false),
        "OomScoreAdj": number(&spec["process"]["oomScoreAdj"]),
        "CpuShares": number(&cpu["shares"]),
        "CpuQuota": quota,
        "CpuPeriod": period,
        "NanoCpus": if period > 0 { quota.max(0).saturating_mul(1_000_000_000) / period } else { 0 },
        "CpusetCpus": text(&cpu["cpus"]),
        "CpusetMems": text(&cpu["mems"]),
        "BlkioWeight": number(&resources["blockIO"]["weight"]),
        "CgroupParent": text(&spec["linux"]["cgroupsPath"]).rsplit_once('/').map_or("", |(parent, _)| parent),
        "Ulimits": list(&spec["process"]["rlimits"]),
        "Sysctls": map(&spec["linux"]["sysctl"]),
        "MaskedPaths": list(&spec["linux"]["maskedPaths"]),
        "ReadonlyPaths": list(&spec["linux"]["readonlyPaths"]),
    })
}

/// What the container has beyond our default, or less than it.
fn capabilities(spec: &Value, between: fn(CapSet, CapSet) -> CapSet) -> Vec<&'static str> {
    let bounding = list(&spec["process"]["capabilities"]["bounding"]);
    let names = bounding.as_array().into_iter().flatten();
    let bounding: CapSet = names
        .filter_map(|name| Capability::from_name(name.as_str()?))
        .collect();
    let default = DEFAULT_CAPABILITIES.into_iter().collect();
    let found = between(bounding, default);
    found.iter().map(Capability::name).collect()
}

/// What was asked of `--security-opt`, as it is typed.
fn security(record: &Record) -> Vec<String> {
    let asked = record.settings.iter().filter_map(|setting| {
        let options = setting.change.strip_prefix("--security-opt ")?;
        let (name, _) = options.split_once('=')?;
        // Of masked paths there is what came of all of them.
        let known = ["seccomp", "no-new-privileges", "apparmor"].contains(&name);
        let value = match (name, setting.value.as_str()) {
            ("seccomp", "none") => "unconfined",
            (_, value) => value,
        };
        let given = matches!(setting.origin, Origin::Flag | Origin::Config);
        (known && given).then(|| format!("{name}={value}"))
    });
    asked.collect()
}

/// One of `--device`; a vendor's, by its name, is no file of the host's that somebody chose.
fn device(text: &str) -> Option<Value> {
    let wanted = WantedDevice::typed(text).ok()?;
    Some(json!({
        "PathOnHost": wanted.host,
        "PathInContainer": wanted.inside,
        "CgroupPermissions": wanted.access,
    }))
}

fn log(record: &Record) -> Value {
    match &record.job.log {
        Some(limits) => json!({
            "Type": LOG_DRIVER,
            "Config": {"max-size": limits.max_size.to_string(), "max-file": limits.max_files.to_string()},
        }),
        None => json!({"Type": "none", "Config": {}}),
    }
}

/// Bytes of the container's own /dev/shm; 0 where it has none.
fn shared_memory(spec: &Value) -> u64 {
    let mut mounts = spec["mounts"].as_array().into_iter().flatten();
    let mount = mounts.find(|mount| mount["destination"] == "/dev/shm" && mount["type"] == "tmpfs");
    let options = mount.and_then(|mount| mount["options"].as_array());
    let mut sizes = options.into_iter().flatten().filter_map(|option| {
        let size = option.as_str()?.strip_prefix("size=")?;
        size.parse().ok()
    });
    sizes.next_back().unwrap_or(0)
}

/// A namespace of the container's own, another container's, one by its path, or the host's.
fn namespace(record: &Record, spec: &Value, kind: &str, own: &str) -> String {
    if let Some(other) = Joined::of(&record.job.joined, kind) {
        return format!("container:{}", other.container);
    }
    let all = spec["linux"]["namespaces"].as_array();
    let found = all
        .into_iter()
        .flatten()
        .find(|namespace| namespace["type"] == kind);
    match found.map(|namespace| namespace["path"].as_str()) {
        None => "host".into(),
        Some(Some(path)) => format!("ns:{path}"),
        Some(None) => own.into(),
    }
}

/// There are no addresses yet: a loopback, the host's network or somebody else's.
fn network(record: &Record, spec: &Value, status: Option<&Status>) -> Value {
    let mode = namespace(record, spec, "network", "none");
    let pid = match status {
        Some(Status::Running(started)) => Some(started.pid),
        _ => None,
    };
    json!({
        "SandboxKey": pid.map_or(String::new(), |pid| format!("/proc/{pid}/ns/net")),
        "Ports": {},
        "IPAddress": "",
        "Gateway": "",
        "MacAddress": "",
        "Networks": {mode: {"IPAddress": "", "Gateway": "", "MacAddress": "", "Aliases": []}},
    })
}

/// Where the root file system lies.
fn graph(record: &Record) -> Value {
    let data = match &record.job.overlay {
        Some(overlay) => {
            let layers: Vec<_> = overlay
                .layers
                .iter()
                .map(|layer| layer.to_string_lossy())
                .collect();
            json!({"LowerDir": layers.join(":"), "UpperDir": overlay.upper, "WorkDir": overlay.work})
        }
        None => json!({}),
    };
    json!({"Name": "overlay", "Data": data})
}

fn mount(brought: &Brought) -> Value {
    let propagation = ["shared", "rshared", "slave", "rslave", "private"];
    let found = brought
        .options
        .iter()
        .find(|option| propagation.contains(&option.as_str()));
    json!({
        "Type": if brought.volume.is_some() { "volume" } else { "bind" },
        "Name": brought.volume.as_deref().unwrap_or_default(),
        "Source": brought.source,
        "Destination": brought.target,
        "Driver": if brought.volume.is_some() { "local" } else { "" },
        "Mode": brought.options.join(","),
        "Options": brought.options,
        "RW": !brought.read_only(),
        "Propagation": found.map_or("rprivate", String::as_str),
    })
}

/// Where a secret is, in Podman's words; never what it is.
fn secret(secret: &Secret) -> Value {
    match &secret.place {
        SecretPlace::File {
            target,
            mode,
            uid,
            gid,
        } => json!({
            "Name": secret.file, "Target": target, "Mode": mode, "UID": uid, "GID": gid,
        }),
        SecretPlace::Variable(name) => json!({"Name": secret.file, "Env": name}),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What is absent is an empty list here, over which a template can go.
fn list(value: &Value) -> Value {
    if value.is_array() {
        value.clone()
    } else {
        json!([])
    }
}

fn map(value: &Value) -> Value {
    if value.is_object() {
        value.clone()
    } else {
        json!({})
    }
}
