//! What puts the limits back that a refused update has changed before it was refused.
//!
//! A file with one value takes what it showed. A file with a line for each device takes one of its lines, and for a
//! device that had none the form that means no limit. A property of systemd's takes what the configuration so far
//! says, or what means that nothing is set.

use lockstep_oci::runtime::Resources;

use super::layout::Layout;
use super::systemd::{Property, Value};
use super::systemd_limit::{INFINITY, properties};

/// What to write to the control file `name`, which showed `text`, after `written` was written to it; nothing where
/// that is not known.
#[must_use]
pub fn former_value(name: &str, written: &str, text: &str) -> Option<String> {
    let Some(form) = unset(name) else {
        return (!text.contains('\n')).then(|| text.to_owned());
    };
    let key = device(written);
    let mut lines = text.lines();
    let line = lines.find(|line| line.split(' ').next() == Some(key));
    match line {
        Some(line) => Some(line.to_owned()),
        None if form.is_empty() => None,
        None => Some(format!("{key} {form}")),
    }
}

/// The device of a line; the weight without one is a line too.
pub(super) fn device(line: &str) -> &str {
    line.split_once(' ').map_or("default", |(device, _)| device)
}

/// What means no limit behind a device's name, for a file that has a line for each; empty where each is listed.
pub(super) fn unset(name: &str) -> Option<&'static str> {
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

/// The values that properties replace.
pub(super) fn former_properties(
    new: &[Property],
    existing: &Resources,
    layout: &Layout,
    bfq: bool,
) -> Vec<Property> {
    let former = properties(existing, &Resources::default(), layout, bfq);
    let of = |new: &Property| {
        let mut same = former.iter().filter(|old| old.name == new.name);
        let value = match &new.value {
            Value::Devices(list) => {
                let told: Vec<_> = same
                    .filter_map(|old| of_devices(&old.value))
                    .flatten()
                    .collect();
                let rate = |path: &String| told.iter().rfind(|(of, _)| of == path).map(|t| t.1);
                let value =
                    |(path, _): &(String, u64)| (path.clone(), rate(path).unwrap_or(INFINITY));
                Value::Devices(list.iter().map(value).collect())
            }
            _ => same
                .next_back()
                .map_or_else(|| nothing(new), |old| old.value.clone()),
        };
        Property {
            value,
            ..new.clone()
        }
    };
    new.iter().map(of).collect()
}

fn of_devices(value: &Value) -> Option<&Vec<(String, u64)>> {
    match value {
        Value::Devices(list) => Some(list),
        _ => None,
    }
}

/// The value of a limit that is not set.
fn nothing(property: &Property) -> Value {
    match property.value {
        Value::Bytes(_) => Value::Bytes(Vec::new()),
        // Protections, not limits.
        _ if ["MemoryLow", "MemoryMin"].contains(&&*property.name) => Value::Number(0),
        _ => Value::Number(INFINITY),
    }
}
