//! Invented hosts and what is decided on them.
//!
//! Effects of the writes on a real kernel are asserted in the runtime's cgroup test.

mod devices;
mod hosts;
mod limits;
#[path = "tests/systemd.rs"]
mod systemd_units;
mod undo;

use super::*;

/// The plan of `{"resources": TEXT}` on a host.
fn planned(text: &str, layout: &Layout) -> Result<CgroupPlan, Error> {
    let resources: Resources = serde_json::from_str(text).expect("resources parse");
    plan(
        Some("/c"),
        "id",
        Some(&resources),
        &default_devices(),
        layout,
        false,
    )
}

/// `file = value` of each write.
fn lines(writes: &[Write]) -> Vec<String> {
    writes
        .iter()
        .map(|w| format!("{} = {}", w.file, w.value))
        .collect()
}
