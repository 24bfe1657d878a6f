//! What /proc says about a process, seen from outside its container.

use std::time::{Duration, Instant};

/// The value of `field` in a text of "Name:\tvalue" lines, whitespace reduced to single spaces.
pub(crate) fn field_of(text: &str, field: &str) -> String {
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
        .unwrap_or_else(|| panic!("no field {field} in:\n{text}"))
}

/// A field of /proc/PID/status.
pub(crate) fn status_field(pid: u32, field: &str) -> String {
    let path = format!("/proc/{pid}/status");
    field_of(
        &std::fs::read_to_string(path).expect("status of a live process is readable"),
        field,
    )
}

/// The path of process `pid` in the hierarchy of `controller` ("" is the version 2 tree).
pub(crate) fn cgroup_of(pid: u32, controller: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
        let found = names
            .split(',')
            .any(|name| name.strip_prefix("name=").unwrap_or(name) == controller);
        found.then(|| path.to_owned())
    })
}

/// Whether the process exists and has not ended (a zombie has).
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            let rest = &stat[stat.rfind(')')? + 1..];
            Some(!matches!(rest.trim_start().chars().next()?, 'Z' | 'X'))
        })
        .unwrap_or(false)
}

/// Every process below `pid`, children before their own children.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")
        .expect("/proc is readable")
        .flatten()
    {
        let Some(child) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let parent = std::fs::read_to_string(format!("/proc/{child}/stat"))
            .ok()
            .and_then(|stat| {
                let rest = stat[stat.rfind(')')? + 1..].to_owned();
                rest.split_whitespace().nth(1)?.parse::<u32>().ok()
            });
        if let Some(parent) = parent {
            parents.push((child, parent));
        }
    }
    let mut found: Vec<u32> = Vec::new();
    let mut level = vec![pid];
    while let Some(at) = level.pop() {
        for &(child, parent) in &parents {
            if parent == at {
                found.push(child);
                level.push(child);
            }
        }
    }
    found
}

/// Polls until `done` or a minute is over, for an emulated machine takes long; says whether it came true.
pub(crate) fn wait_until(mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if done() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
