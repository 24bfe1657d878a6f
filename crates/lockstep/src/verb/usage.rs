//! `top` and `stats`: what the processes of a container do, and what they use.

use std::path::Path;
use std::time::Duration;

use lockstep_abi::errno::Errno;
use lockstep_kernel::file;
use lockstep_runtime::{ContainerId, Counted, Stats};
use serde::Serialize;

use super::list::{columns, shown};
use crate::argv::Arguments;
use crate::container::Status;
use crate::failure::{Doing, Failure};
use crate::front::Front;
use crate::print::print;
use crate::{escape, number};

/// Milliseconds between two looks at a counter of CPU time.
const LOOK: Duration = Duration::from_millis(500);

pub(super) fn top(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let words = args.words(0)?;
    if let Some(field) = words.get(1) {
        return Err(Failure::new(format!(
            "field {field:?} is refused: the columns are fixed in this release"
        )));
    }
    let (directory, record) = front.store()?.find(words[0])?;
    let Status::Running(started) = directory.status()? else {
        return Err(Failure::new(format!("container {} does not run", words[0])));
    };
    let id = ContainerId::parse(&record.id)?;
    let pids = front.with_runtime(front.store()?, |runtime| {
        // Without a cgroup of its own the pid namespace says who belongs to it.
        runtime
            .processes(&id)
            .or_else(|_| Ok(of_namespace(started.pid)))
    })?;
    let heading = ["UID", "PID", "PPID", "HOST PID", "STATE", "CPU", "COMMAND"].map(String::from);
    let mut lines = vec![heading];
    for pid in pids {
        // It may have ended since.
        lines.extend(process(pid));
    }
    print(&columns(&lines))?;
    Ok(0)
}

/// Processes of the host that are in the pid namespace of this one.
fn of_namespace(first: i32) -> Vec<i32> {
    let namespace = |pid: i32| file::readlink(file::CWD, format!("/proc/{pid}/ns/pid")).ok();
    let wanted = namespace(first);
    let names = file::list(file::CWD, "/proc").unwrap_or_default();
    let mut pids: Vec<i32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    pids.retain(|pid| wanted.is_some() && namespace(*pid) == wanted);
    pids.sort_unstable();
    pids
}

fn process(pid: i32) -> Option<[String; 7]> {
    let read = |name: &str| {
        file::read_at_once(
            file::CWD,
            Path::new("/proc").join(pid.to_string()).join(name),
            1 << 20,
        )
        .ok()
    };
    let status = String::from_utf8_lossy(&read("status")?).into_owned();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let innermost = |text: String| text.split_whitespace().last().unwrap_or("0").to_owned();
    let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
    // The command's name may contain blanks and parentheses.
    let fields: Vec<&str> = stat
        .get(stat.rfind(')')? + 1..)?
        .split_whitespace()
        .collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let command = read("cmdline")?;
    let command = match command.is_empty() {
        true => format!("[{}]", field("Name")?),
        false => String::from_utf8_lossy(&command)
            .trim_end_matches('\0')
            .replace('\0', " "),
    };
    Some([
        field("Uid")?.split_whitespace().nth(1)?.to_owned(),
        innermost(field("NSpid")?),
        field("PPid")?,
        pid.to_string(),
        field("State")?.chars().next()?.to_string(),
        // Hundredths of a second (USER_HZ).
        format!("{}.{:02}s", ticks / 100, ticks % 100),
        escape::text(&command).into_owned(),
    ])
}

/// One container's use, under the names that Docker's templates use; what nobody counts is null.
#[derive(Debug, Serialize)]
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
    loop {
        let rows = measure(front, args, total)?;
        let heading = [
            "CONTAINER ID",
            "NAME",
            "CPU %",
            "MEM USAGE / LIMIT",
            "MEM %",
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

fn measure(front: &Front, args: &Arguments, total: u64) -> Result<Vec<Row>, Failure> {
    let mut found = Vec::new();
    let named = args.words(0)?;
    front.containers(|_, one| {
        if named.is_empty() && matches!(one.status, Status::Running(_)) {
            found.push(one.record);
        }
        Ok(())
    })?;
    let store = front.store()?;
    for typed in named {
        found.push(store.find(typed)?.1);
    }
    front.with_runtime(store, |runtime| {
        let read =
            |id: &str| -> Result<Stats, Failure> { Ok(runtime.stats(&ContainerId::parse(id)?)?) };
        let first: Result<Vec<Stats>, Failure> =
            found.iter().map(|record| read(&record.id)).collect();
        let first = first?;
        std::thread::sleep(LOOK);
        let mut rows = Vec::new();
        for (record, before) in found.iter().zip(&first) {
            // It may have ended in between.
            let Ok(now) = read(&record.id) else {
                continue;
            };
            let id = match args.flag("no-trunc") {
                true => record.id.clone(),
                false => record.id.chars().take(12).collect(),
            };
            rows.push(row(id, record.name.clone(), before, &now, total));
        }
        Ok(rows)
    })
}

fn row(id: String, name: String, before: &Stats, now: &Stats, total: u64) -> Row {
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
    let percent = |hundredths: u128| format!("{}.{:02}%", hundredths / 100, hundredths % 100);
    let pair = |one, other| format!("{} / {}", number::human(one), number::human(other));
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
