//! `stats`: what containers use.

use std::time::Duration;

use lockstep_abi::errno::Errno;
use lockstep_kernel::file;
use lockstep_runtime::{ContainerId, Counted, Runtime, Stats};
use serde::Serialize;

use super::list::shown;
use crate::argv::Arguments;
use crate::container::{Status, Store};
use crate::failure::{Doing, Failure};
use crate::front::Front;
use crate::number;
use crate::print::print;

/// Milliseconds between two looks at a counter of CPU time.
const LOOK: Duration = Duration::from_millis(500);

/// One container's use, under the names that Docker's templates use; what nobody counts is null.
#[derive(Debug, Default, Serialize)]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "CPUPerc")]
    cpu: Option<String>,
    #[serde(rename = "MemUsage")]
    memory: Option<String>,
    #[serde(rename = "MemPerc")]
    share: Option<String>,
    #[serde(rename = "NetIO")]
    net: Option<String>,
    #[serde(rename = "BlockIO")]
    io: Option<String>,
    #[serde(rename = "PIDs")]
    pids: Option<u64>,
}

/// What a table has where nobody counts.
const UNKNOWN: &str = "--";

pub(super) fn stats(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let interval = args.number::<u64>("interval")?.unwrap_or(5);
    let total = memory_of_host()?;
    let store = front.store()?;
    let named = args.words(0)?.into_iter().map(|typed| {
        let (_, record) = store.find(typed)?;
        Ok((record.id, record.name))
    });
    let named: Vec<One> = named.collect::<Result<_, Failure>>()?;
    loop {
        let rows = measure(front, args, &named, total)?;
        let heading = [
            "CONTAINER ID",
            "NAME",
            "CPU %",
            "MEM USAGE / LIMIT",
            "MEM %",
            "NET I/O",
            "BLOCK I/O",
            "PIDS",
        ];
        let text = shown(args, &rows, (heading, 0), |row| {
            let known = |value: &Option<String>| value.clone().unwrap_or(UNKNOWN.into());
            [
                row.id.clone(),
                row.name.clone(),
                known(&row.cpu),
                known(&row.memory),
                known(&row.share),
                known(&row.net),
                known(&row.io),
                known(&row.pids.map(|pids| pids.to_string())),
            ]
        })?;
        print(&text)?;
        if args.flag("no-stream") {
            return Ok(0);
        }
        std::thread::sleep(Duration::from_secs(interval.max(1)));
    }
}

/// A container by its id and its name.
type One = (String, String);

/// One of what is counted.
enum Reading {
    Running(Box<Stats>, i32),
    /// It does not run, or not any more.
    Idle,
    Gone,
}

/// Rows of those that are named, or of all that run.
fn measure(
    front: &Front,
    args: &Arguments,
    named: &[One],
    total: u64,
) -> Result<Vec<Row>, Failure> {
    let mut found = named.to_vec();
    if named.is_empty() {
        front.containers(|_, one| {
            if let Status::Running(_) = one.status {
                found.push((one.record.id, one.record.name));
            }
            Ok(())
        })?;
    }
    let store = front.store()?;
    front.with_runtime(store, |runtime| {
        let read = |(id, _): &One| reading(store, runtime, id);
        let first: Result<Vec<Reading>, Failure> = found.iter().map(read).collect();
        let first = first?;
        std::thread::sleep(LOOK);
        let mut rows = Vec::new();
        for (one, before) in found.iter().zip(&first) {
            let id = match args.flag("no-trunc") {
                true => one.0.clone(),
                false => one.0.chars().take(12).collect(),
            };
            let who = (id, one.1.clone());
            match (before, read(one)?) {
                (Reading::Running(before, _), Reading::Running(now, pid)) => {
                    rows.push(row(who, (before, &now), traffic(pid), total));
                }
                // Nobody has asked for it.
                _ if named.is_empty() => {}
                (_, Reading::Gone) => rows.push(gone(who)),
                _ => rows.push(idle(who)),
            }
        }
        Ok(rows)
    })
}

fn reading(store: &Store, runtime: &Runtime<'_>, id: &str) -> Result<Reading, Failure> {
    let Some(directory) = store.by_id(id)? else {
        return Ok(Reading::Gone);
    };
    let look = || -> Result<Reading, Failure> {
        let Status::Running(started) = directory.status()? else {
            return Ok(Reading::Idle);
        };
        match runtime.stats(&ContainerId::parse(id)?) {
            Ok(stats) => Ok(Reading::Running(Box::new(stats), started.pid)),
            Err(error) => match directory.status()? {
                Status::Running(_) => Err(error.into()),
                // It has ended in between.
                _ => Ok(Reading::Idle),
            },
        }
    };
    match look() {
        // It may have been removed in between.
        Err(failure) => match store.by_id(id)? {
            Some(_) => Err(failure),
            None => Ok(Reading::Gone),
        },
        read => read,
    }
}

/// What does not run uses nothing.
fn idle((id, name): One) -> Row {
    Row {
        id,
        name,
        cpu: Some(percent(0)),
        memory: Some(pair(0, 0)),
        share: Some(percent(0)),
        net: Some(pair(0, 0)),
        io: Some(pair(0, 0)),
        pids: Some(0),
    }
}

/// Of what is there no more nothing can be said.
fn gone((id, name): One) -> Row {
    Row {
        id,
        name,
        ..Row::default()
    }
}

fn percent(hundredths: u128) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

fn pair(one: u64, other: u64) -> String {
    format!("{} / {}", number::human(one), number::human(other))
}

/// Bytes that went in and out of a process's network (proc_net(5)), without what stayed on its loopback; `None` where
/// the network is the host's, whose bytes are not the container's.
fn traffic(pid: i32) -> Option<(u64, u64)> {
    let network = |who: &str| file::readlink(file::CWD, format!("/proc/{who}/ns/net")).ok();
    let pid = pid.to_string();
    if network(&pid)? == network("self")? {
        return None;
    }
    let text = file::read_at_once(file::CWD, format!("/proc/{pid}/net/dev"), 1 << 20).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let devices = text.lines().filter_map(|line| line.split_once(':'));
    let counts = devices
        .filter(|(name, _)| name.trim() != "lo")
        .filter_map(|(_, counts)| {
            let mut counts = counts.split_whitespace();
            let received: u64 = counts.next()?.parse().ok()?;
            let sent: u64 = counts.nth(7)?.parse().ok()?;
            Some((received, sent))
        });
    Some(counts.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1)))
}

fn row(
    (id, name): One,
    (before, now): (&Stats, &Stats),
    net: Option<(u64, u64)>,
    total: u64,
) -> Row {
    let spent = now.cpu.usage.total.saturating_sub(before.cpu.usage.total);
    // In hundredths of a percent of one processor.
    let cpu = u128::from(spent) * 10_000 / LOOK.as_nanos().max(1);
    let used = now.memory.usage.usage;
    let limit = match now.memory.usage.limit {
        0 => total,
        limit => limit.min(total),
    };
    let share = u128::from(used) * 10_000 / u128::from(limit.max(1));
    let bytes = |op: &str| {
        let entries = now.blkio.io_service_bytes_recursive.iter();
        entries
            .filter(|entry| entry.op.eq_ignore_ascii_case(op))
            .map(|entry| entry.value)
            .sum::<u64>()
    };
    let Counted {
        cpu: times,
        memory,
        pids,
        io,
    } = now.counted;
    Row {
        id,
        name,
        cpu: times.then(|| percent(cpu)),
        memory: memory.then(|| pair(used, limit)),
        share: memory.then(|| percent(share)),
        net: net.map(|(received, sent)| pair(received, sent)),
        io: io.then(|| pair(bytes("read"), bytes("write"))),
        pids: pids.then_some(now.pids.current),
    }
}

/// Bytes of memory that the host has (proc_meminfo(5)).
fn memory_of_host() -> Result<u64, Failure> {
    let text = match file::read_at_once(file::CWD, "/proc/meminfo", 1 << 16) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => Vec::new(),
        other => other.doing(|| "/proc/meminfo".into())?,
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let total = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    Ok(total.unwrap_or(0_u64) << 10)
}
