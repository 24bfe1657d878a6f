//! Paths that are hidden or read-only although a mount brings them: parts of procfs and sysfs that show the
//! host's hardware, keys and timers, or act on them.

use super::security::Options;
use super::{Input, Resolved};
use crate::why::Origin;

/// Podman's list of today, which is longer than Docker's.
const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

const READONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

pub(super) fn apply(_input: &Input<'_>, options: &Options, out: &mut Resolved) {
    let shown = |path: &str| {
        options.unmask.iter().any(|open| {
            open == "ALL"
                || open == path
                || open.strip_suffix("/*").is_some_and(|parent| {
                    path.strip_prefix(parent)
                        .is_some_and(|rest| rest.starts_with('/'))
                })
        })
    };
    let keep = |paths: &[&str]| -> Vec<String> {
        paths
            .iter()
            .filter(|path| !shown(path))
            .map(|path| (*path).to_owned())
            .collect()
    };
    let mut masked = keep(&MASKED);
    masked.extend(options.mask.iter().cloned());
    let readonly = keep(&READONLY);
    let changed = !options.mask.is_empty() || !options.unmask.is_empty();
    let origin = super::origin(changed);
    let text = |paths: &[String]| {
        if paths.is_empty() {
            "none".to_owned()
        } else {
            paths.join(" ")
        }
    };
    out.note(
        "linux.maskedPaths",
        text(&masked),
        origin,
        "--security-opt mask=, unmask=",
    );
    out.note(
        "linux.readonlyPaths",
        text(&readonly),
        origin,
        "--security-opt unmask=",
    );
    if masked.is_empty() && readonly.is_empty() && origin == Origin::Flag {
        out.warn("no masked paths: the container sees the host's keys, timers and hardware in /proc and /sys");
    }
    let linux = out.linux();
    // Masks of mounts that the command line brought stand there already.
    linux.masked_paths.extend(masked);
    linux.readonly_paths = readonly;
}
