//! What two runs of one bundle may differ in, taken out of their text.
//!
//! Mount ids, device numbers without a device, peer group and namespace numbers are counted by the
//! kernel anew for each container; everything else is left as it stands.

use std::collections::BTreeMap;

/// The fields of `status` that say something about how the process was made.
const STATUS: [&str; 22] = [
    "Name",
    "Umask",
    "TracerPid",
    "Uid",
    "Gid",
    "Groups",
    "Threads",
    "SigPnd",
    "ShdPnd",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Cpus_allowed_list",
    "Mems_allowed_list",
];

/// The lines of all sections, each with its section's name, order-free.
pub(crate) fn normal(text: &str) -> Vec<String> {
    let mut section = "";
    let mut lines = Vec::new();
    let mut mounts = Vec::new();
    // What `script` sends at the end of its input is echoed by the terminal as `^@`.
    for line in text
        .lines()
        .map(|line| line.trim_matches(['\r', '\0']).trim_start_matches("^@"))
    {
        if let Some(name) = line.strip_prefix("== ") {
            section = name;
            continue;
        }
        match section {
            "mountinfo" => mounts.push(line),
            "status" => lines.extend(status(line)),
            "namespaces" => lines.push(namespace(line)),
            _ => lines.push(format!("{section}: {line}")),
        }
    }
    lines.extend(mountinfo(&mounts));
    lines
}

fn status(line: &str) -> Option<String> {
    let (name, value) = line.split_once(':')?;
    if name == "NSpid" {
        return Some(format!(
            "status: pid namespaces {}",
            value.split_whitespace().count()
        ));
    }
    if name == "SigIgn" {
        // 32 and 33 are glibc's and Go's own: Go takes one of them, whatever the caller ignored.
        let mask = u64::from_str_radix(value.trim(), 16).unwrap_or_default() & !(3 << 31);
        return Some(format!("status: {name} {mask:016x}"));
    }
    STATUS
        .contains(&name)
        .then(|| format!("status: {name} {}", value.trim()))
}

/// `own` or `host`: the session's process is the host here.
fn namespace(line: &str) -> String {
    let kind = line.split(':').next().unwrap_or_default();
    let host = std::fs::read_link(format!("/proc/self/ns/{kind}"));
    let host = host.is_ok_and(|host| host.display().to_string() == line);
    format!("namespaces: {kind} {}", if host { "host" } else { "own" })
}

fn mountinfo(lines: &[&str]) -> Vec<String> {
    let fields: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    let points: BTreeMap<&str, &str> = fields
        .iter()
        .filter_map(|line| Some((*line.first()?, *line.get(4)?)))
        .collect();
    fields.iter().map(|line| mount(line, &points)).collect()
}

/// `parent's point, device, root, point, options, propagation, type, source, options`.
fn mount(fields: &[&str], points: &BTreeMap<&str, &str>) -> String {
    let field = |at: usize| fields.get(at).copied().unwrap_or("?");
    let parent = points.get(field(1)).copied().unwrap_or("outside");
    let device = if field(2).starts_with("0:") {
        "anonymous"
    } else {
        field(2)
    };
    let end = fields
        .iter()
        .position(|field| *field == "-")
        .unwrap_or(fields.len());
    let propagation: Vec<&str> = fields
        .get(6..end)
        .unwrap_or_default()
        .iter()
        .map(|tag| tag.split(':').next().unwrap_or_default())
        .collect();
    let rest = fields.get(end..).unwrap_or_default().join(" ");
    format!(
        "mountinfo: {} on {parent} {device} {} {} {propagation:?} {rest}",
        field(4),
        field(3),
        field(5)
    )
}
