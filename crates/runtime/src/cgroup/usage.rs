//! Reading the statistics out of the control files.
//!
//! A file that this kernel or this hierarchy does not have leaves its numbers at zero, as in runc: a
//! monitor asks every few seconds and wants what there is. One that is there and cannot be read is an error: zero
//! would be a wrong answer.

use std::cell::RefCell;
use std::collections::BTreeMap;

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;
use lockstep_plan::cgroup::Version;

use super::stats::{
    BlockIo, BlockIoEntry, Counted, Cpu, CpuSet, CpuUsage, Hugetlb, Memory, MemoryEntry, Pids, Psi,
    PsiLine, Stats, Throttling,
};
use super::{Cgroup, DirState, Error, GONE, TEXT_MAX};

/// Nanoseconds in one tick of `cpuacct.stat` (USER_HZ is 100 on every architecture that we build for).
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

const OPS: [&str; 6] = ["Read", "Write", "Sync", "Async", "Discard", "Total"];

impl Cgroup {
    /// The container's statistics now. Fails if its cgroup is gone, or a file of it cannot be read.
    pub fn stats(&self) -> Result<Stats, Error> {
        if let Some(dir) = self.main_dir() {
            kernel::file::stat(CWD, &dir.path, false).map_err(unreadable)?;
        }
        let refused = RefCell::default();
        let stats = self.read_stats(&refused);
        match refused.into_inner() {
            Some(error) => Err(error),
            None => Ok(stats),
        }
    }

    fn read_stats(&self, refused: &RefCell<Option<Error>>) -> Stats {
        let files = |dir| Files { dir, refused };
        let with = |controller| self.with(controller).map(files);
        let mut stats = Stats::default();
        let unified = self.unified_dir().map(files);
        match self.with("cpuacct").or_else(|| self.with("cpu")) {
            Some(_) => stats.cpu = cpu_v1(with("cpuacct"), with("cpu")),
            None => stats.cpu = unified.map(cpu_v2).unwrap_or_default(),
        }
        if let Some(dir) = with("cpuset").or(unified) {
            stats.cpuset = cpuset(dir);
        }
        match (with("memory"), unified) {
            (Some(dir), _) => stats.memory = memory_v1(dir),
            (None, Some(dir)) => stats.memory = memory_v2(dir),
            (None, None) => {}
        }
        if let Some(dir) = with("pids").or(unified) {
            stats.pids = pids(self, dir);
        }
        match (with("blkio"), unified) {
            (Some(dir), _) => stats.blkio = block_io_v1(dir),
            (None, Some(dir)) => stats.blkio = block_io_v2(dir),
            (None, None) => {}
        }
        if let Some(dir) = with("hugetlb").or(unified) {
            stats.hugetlb = hugetlb(dir);
        }
        stats.counted = Counted {
            cpu: with("cpuacct").or(unified).is_some(),
            memory: with("memory").is_some() || has(unified, "memory.current"),
            // Without the controller there is the list of processes.
            pids: with("pids").or(unified).is_some(),
            io: with("blkio").is_some() || has(unified, "io.stat"),
        };
        stats
    }
}

/// Whether a directory of the unified hierarchy has a controller's file.
fn has(dir: Option<Files<'_>>, file: &str) -> bool {
    dir.is_some_and(|dir| {
        let there = kernel::file::stat(CWD, format!("{}/{file}", dir.dir.path), false);
        dir.known(there.map(|_| true))
    })
}

/// The files of one directory, with a place for the first refusal to read one.
#[derive(Clone, Copy)]
struct Files<'a> {
    dir: &'a DirState,
    refused: &'a RefCell<Option<Error>>,
}

impl Files<'_> {
    /// The value, or its default where reading it is refused.
    fn known<T: Default>(self, read: kernel::Result<T>) -> T {
        read.unwrap_or_else(|call| {
            // EOPNOTSUPP: pressure where it is not counted.
            if !call.is(&GONE) && !call.is(&[Errno::EOPNOTSUPP.0]) {
                self.refused
                    .borrow_mut()
                    .get_or_insert_with(|| unreadable(call));
            }
            T::default()
        })
    }
}

fn unreadable(call: kernel::Error) -> Error {
    Error::call("cannot read the container's statistics", call)
}

fn text(dir: Files<'_>, file: &str) -> String {
    let read = kernel::file::read(CWD, format!("{}/{file}", dir.dir.path), TEXT_MAX);
    String::from_utf8_lossy(&dir.known(read)).into_owned()
}

/// A file that is one number; `max` is the greatest there is, anything else nothing.
fn number(dir: Files<'_>, file: &str) -> u64 {
    parse(text(dir, file).trim())
}

fn parse(text: &str) -> u64 {
    if text == "max" {
        return u64::MAX;
    }
    text.parse().unwrap_or(0)
}

/// A file of lines `KEY NUMBER`.
fn keyed(dir: Files<'_>, file: &str) -> BTreeMap<String, u64> {
    let text = text(dir, file);
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .map(|(key, n)| (key.to_owned(), parse(n.trim())))
        .collect()
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace().map(parse).collect()
}

fn cpu_v1(usage: Option<Files<'_>>, throttled: Option<Files<'_>>) -> Cpu {
    let mut cpu = Cpu::default();
    if let Some(dir) = usage {
        let ticks = keyed(dir, "cpuacct.stat");
        let in_mode = |mode| ticks.get(mode).copied().unwrap_or(0) * NANOSECONDS_PER_TICK;
        cpu.usage = CpuUsage {
            total: number(dir, "cpuacct.usage"),
            percpu: numbers(&text(dir, "cpuacct.usage_percpu")),
            kernel: in_mode("system"),
            user: in_mode("user"),
            ..CpuUsage::default()
        };
        // Header, then `CPU USER SYSTEM` (Linux 4.10).
        for line in text(dir, "cpuacct.usage_all").lines().skip(1) {
            if let [_, user, system] = numbers(line)[..] {
                cpu.usage.percpu_user.push(user);
                cpu.usage.percpu_kernel.push(system);
            }
        }
    }
    if let Some(dir) = throttled {
        cpu.throttling = throttling(&keyed(dir, "cpu.stat"), "throttled_time", 1);
    }
    cpu
}

fn cpu_v2(dir: Files<'_>) -> Cpu {
    let stat = keyed(dir, "cpu.stat");
    let nanoseconds = |key| stat.get(key).copied().unwrap_or(0) * 1000;
    Cpu {
        usage: CpuUsage {
            total: nanoseconds("usage_usec"),
            kernel: nanoseconds("system_usec"),
            user: nanoseconds("user_usec"),
            ..CpuUsage::default()
        },
        throttling: throttling(&stat, "throttled_usec", 1000),
        psi: pressure(dir, "cpu.pressure"),
    }
}

fn throttling(stat: &BTreeMap<String, u64>, time: &str, scale: u64) -> Throttling {
    let count = |key: &str| stat.get(key).copied().unwrap_or(0);
    Throttling {
        periods: count("nr_periods"),
        throttled_periods: count("nr_throttled"),
        throttled_time: count(time) * scale,
    }
}

fn cpuset(dir: Files<'_>) -> CpuSet {
    let v1 = dir.dir.version == Version::V1;
    // The lists in force: on v2 the own ones are empty where nothing was asked.
    let files = if v1 {
        ["cpuset.cpus", "cpuset.mems"]
    } else {
        ["cpuset.cpus.effective", "cpuset.mems.effective"]
    };
    let mut set = CpuSet {
        cpus: ranges(&text(dir, files[0])),
        mems: ranges(&text(dir, files[1])),
        ..CpuSet::default()
    };
    if v1 {
        let flag = |name: &str| number(dir, &format!("cpuset.{name}"));
        set.cpu_exclusive = flag("cpu_exclusive");
        set.mem_hardwall = flag("mem_hardwall");
        set.mem_exclusive = flag("mem_exclusive");
        set.memory_migrate = flag("memory_migrate");
        set.memory_spread_page = flag("memory_spread_page");
        set.memory_spread_slab = flag("memory_spread_slab");
        set.memory_pressure = flag("memory_pressure");
        set.sched_load_balance = flag("sched_load_balance");
        let level = text(dir, "cpuset.sched_relax_domain_level");
        set.sched_relax_domain_level = level.trim().parse().unwrap_or(0);
    }
    set
}

/// `0-2,7` as its numbers.
fn ranges(list: &str) -> Vec<u16> {
    let mut all = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
            all.extend(first..=last);
        }
    }
    all
}

fn memory_v1(dir: Files<'_>) -> Memory {
    let entry = |part: &str| {
        let read = |what: &str| number(dir, &format!("memory.{part}{what}"));
        MemoryEntry {
            limit: read("limit_in_bytes"),
            usage: read("usage_in_bytes"),
            max: read("max_usage_in_bytes"),
            failcnt: read("failcnt"),
        }
    };
    let raw = keyed(dir, "memory.stat");
    Memory {
        cache: raw.get("cache").copied().unwrap_or(0),
        usage: entry(""),
        swap: entry("memsw."),
        kernel: entry("kmem."),
        kernel_tcp: entry("kmem.tcp."),
        raw,
        psi: None,
    }
}

fn memory_v2(dir: Files<'_>) -> Memory {
    let entry = |part: &str| MemoryEntry {
        limit: number(dir, &format!("memory.{part}max")),
        usage: number(dir, &format!("memory.{part}current")),
        max: number(dir, &format!("memory.{part}peak")),
        failcnt: keyed(dir, &format!("memory.{part}events"))
            .get("max")
            .copied()
            .unwrap_or(0),
    };
    let (usage, swap) = (entry(""), entry("swap."));
    // v1 counts memory and swap together, and readers of this shape expect that.
    let swap = MemoryEntry {
        limit: swap.limit.saturating_add(usage.limit),
        usage: swap.usage.saturating_add(usage.usage),
        max: 0,
        failcnt: swap.failcnt,
    };
    let raw = keyed(dir, "memory.stat");
    Memory {
        cache: raw.get("file").copied().unwrap_or(0),
        usage,
        swap,
        raw,
        psi: pressure(dir, "memory.pressure"),
        ..Memory::default()
    }
}

fn pids(cgroup: &Cgroup, dir: Files<'_>) -> Pids {
    let current = text(dir, "pids.current");
    if current.is_empty() {
        // Without the controller the processes can still be counted.
        let pids = cgroup.pids().unwrap_or_else(|error| {
            dir.refused.borrow_mut().get_or_insert(error);
            Vec::new()
        });
        return Pids {
            current: pids.len() as u64,
            limit: 0,
        };
    }
    let limit = text(dir, "pids.max");
    Pids {
        current: parse(current.trim()),
        limit: limit.trim().parse().unwrap_or(0),
    }
}

/// BFQ counts if it is the scheduler, the throttling layer counts always.
fn block_io_v1(dir: Files<'_>) -> BlockIo {
    let entries = |what: &str| {
        let files = [
            format!("blkio.bfq.{what}_recursive"),
            format!("blkio.throttle.{what}_recursive"),
            format!("blkio.throttle.{what}"),
        ];
        let found = files.iter().map(|file| entries_v1(&text(dir, file)));
        found
            .into_iter()
            .find(|e| !e.is_empty())
            .unwrap_or_default()
    };
    BlockIo {
        io_service_bytes_recursive: entries("io_service_bytes"),
        io_serviced_recursive: entries("io_serviced"),
        psi: None,
    }
}

/// Lines `MAJOR:MINOR OP COUNT`; the last line, a sum over the devices, has no device.
fn entries_v1(text: &str) -> Vec<BlockIoEntry> {
    let mut all = Vec::new();
    for line in text.lines() {
        let mut parts = line.split([':', ' ']);
        let (Some(major), Some(minor), Some(op), Some(count)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if OPS.contains(&op) {
            all.push(BlockIoEntry {
                major: parse(major),
                minor: parse(minor),
                op: op.to_owned(),
                value: parse(count),
            });
        }
    }
    all
}

/// Lines `MAJOR:MINOR rbytes=N wbytes=N rios=N ...`.
fn block_io_v2(dir: Files<'_>) -> BlockIo {
    let mut io = BlockIo {
        psi: pressure(dir, "io.pressure"),
        ..BlockIo::default()
    };
    for line in text(dir, "io.stat").lines() {
        let Some((device, counters)) = line.split_once(' ') else {
            continue;
        };
        let Some((major, minor)) = device.split_once(':') else {
            continue;
        };
        for (key, value) in counters.split(' ').filter_map(|pair| pair.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut io.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut io.io_service_bytes_recursive, "Write"),
                "rios" => (&mut io.io_serviced_recursive, "Read"),
                "wios" => (&mut io.io_serviced_recursive, "Write"),
                _ => continue,
            };
            list.push(BlockIoEntry {
                major: parse(major),
                minor: parse(minor),
                op: op.to_owned(),
                value: parse(value),
            });
        }
    }
    io
}

fn hugetlb(dir: Files<'_>) -> BTreeMap<String, Hugetlb> {
    let (usage, max, failures) = match dir.dir.version {
        Version::V1 => ("usage_in_bytes", "max_usage_in_bytes", "failcnt"),
        Version::V2 => ("current", "", "events"),
    };
    let names: Vec<String> = dir.known(kernel::file::list(CWD, &dir.dir.path));
    let mut all = BTreeMap::new();
    for name in names {
        let Some(size) = name
            .strip_prefix("hugetlb.")
            .and_then(|n| n.strip_suffix(usage))
        else {
            continue;
        };
        let Some(size) = size.strip_suffix('.').filter(|size| !size.contains('.')) else {
            continue;
        };
        let file = |what: &str| format!("hugetlb.{size}.{what}");
        let failcnt = match dir.dir.version {
            Version::V1 => number(dir, &file(failures)),
            Version::V2 => keyed(dir, &file(failures)).get("max").copied().unwrap_or(0),
        };
        let entry = Hugetlb {
            usage: number(dir, &name),
            max: if max.is_empty() {
                0
            } else {
                number(dir, &file(max))
            },
            failcnt,
        };
        all.insert(size.to_owned(), entry);
    }
    all
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`.
fn pressure(dir: Files<'_>, file: &str) -> Option<Psi> {
    let text = text(dir, file);
    let line = |kind: &str| {
        let rest = text.lines().find_map(|l| l.strip_prefix(kind))?;
        let field = |key: &str| rest.split_whitespace().find_map(|f| f.strip_prefix(key));
        Some(PsiLine {
            avg10: field("avg10=")?.parse().ok()?,
            avg60: field("avg60=")?.parse().ok()?,
            avg300: field("avg300=")?.parse().ok()?,
            total: field("total=")?.parse().ok()?,
        })
    };
    Some(Psi {
        some: line("some ")?,
        full: line("full ").unwrap_or_default(),
    })
}
