//! What puts the limits back that a refused update has changed before it was refused.
//!
//! A file with one value takes what it showed. A file with a line for each device takes one of its lines, and for a
//! device that had none the form that means no limit. A property of systemd's takes what the configuration so far
//! says, or what means that nothing is set.

use lockstep_oci::runtime::Resources;

use super::layout::Layout;
use super::systemd::{self, INFINITY, Property, Value};

/// What to write to the control file `name`, which showed `text`, after `written` was written to it; nothing where
/// that is not known.
#[must_use]
pub fn former_value(name: &str, written: &str, text: &str) -> Option<String> {
    let Some(form) = unset(name) else {
        return (!text.contains('\n')).then(|| text.to_owned());
    };
    // The weight without a device is a line too.
    let key = written.split_once(' ').map_or("default", |(key, _)| key);
    let mut lines = text.lines();
    let line = lines.find(|line| line.split(' ').next() == Some(key));
    match line {
        Some(line) => Some(line.to_owned()),
        None if form.is_empty() => None,
        None => Some(format!("{key} {form}")),
    }
}

/// What means no limit behind a device's name, for a file that has a line for each; empty where each is listed.
fn unset(name: &str) -> Option<&'static str> {
    Some(match name {
        "io.max" => "rbps=max wbps=max riops=max wiops=max",
        "io.latency" => "target=max",
        "io.weight" | "io.bfq.weight" | "blkio.bfq.weight_device" => "default",
        "rdma.max" => "hca_handle=max hca_object=max",
        "net_prio.ifpriomap" | "misc.max" => "",
        other if other.starts_with("blkio.") && other.ends_with("_device") => "0",
        _ => return None,
    })
}

/// The values that `properties` replace.
pub(super) fn former_properties(
    properties: &[Property],
    existing: &Resources,
    layout: &Layout,
) -> Vec<Property> {
    let former = systemd::properties(existing, &Resources::default(), layout);
    let of = |new: &Property| {
        let old = former.iter().find(|old| old.name == new.name);
        old.cloned().unwrap_or_else(|| Property {
            value: nothing(new),
            ..new.clone()
        })
    };
    properties.iter().map(of).collect()
}

/// The value of a limit that is not set.
fn nothing(property: &Property) -> Value {
    match property.value {
        Value::Bytes(_) => Value::Bytes(Vec::new()),
        // A protection, not a limit.
        _ if property.name == "MemoryLow" => Value::Number(0),
        _ => Value::Number(INFINITY),
    }
}
