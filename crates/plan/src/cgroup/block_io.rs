//! Block I/O: weights and rates.
//!
//! Which weight file a kernel has depends on its schedulers (CFQ until 4.20, BFQ, io.cost), so each
//! weight knows a second file.

use lockstep_oci::runtime::{BlockIo, ThrottleDevice, WeightDevice};

use super::{Controller, Draft, Error, IfMissing, Version};

/// Range of a weight in the specification, which is CFQ's.
const MIN_WEIGHT: u16 = 10;
const MAX_WEIGHT: u16 = 1000;

pub(super) fn limits(
    draft: &mut Draft<'_>,
    io: &BlockIo,
    old: Option<&BlockIo>,
) -> Result<(), Error> {
    if let Some(weight) = io.weight.filter(|&w| w != 0) {
        let field = "blockIO/weight";
        let to = controller(draft, field, weight)?;
        write_weight(draft, to, None, weight, field)?;
        // BFQ takes the weights of devices away with that.
        let kept = old.map_or(&[][..], |old| &old.weight_device);
        for (device, weight) in kept.iter().filter_map(weight_of) {
            write_weight(draft, to, Some(device), weight, field)?;
        }
    }
    if let Some(leaf) = io.leaf_weight.filter(|&w| w != 0) {
        write_leaf(draft, None, leaf, "blockIO/leafWeight")?;
    }
    for (at, device) in io.weight_device.iter().enumerate() {
        let number = (device.major, device.minor);
        if device.weight.is_none() && device.leaf_weight.is_none() {
            let field = format!("blockIO/weightDevice/{at}");
            let value = format!("{}:{}", number.0, number.1);
            return Err(draft.error(&field, value, "neither weight nor leafWeight is given"));
        }
        if let Some((number, weight)) = weight_of(device) {
            let field = format!("blockIO/weightDevice/{at}/weight");
            let to = controller(draft, &field, weight)?;
            write_weight(draft, to, Some(number), weight, &field)?;
        }
        if let Some(leaf) = device.leaf_weight.filter(|&w| w != 0) {
            let field = format!("blockIO/weightDevice/{at}/leafWeight");
            write_leaf(draft, Some(number), leaf, &field)?;
        }
    }
    rates(
        draft,
        &io.throttle_read_bps_device,
        "throttleReadBpsDevice",
        "read_bps",
        "rbps",
    )?;
    rates(
        draft,
        &io.throttle_write_bps_device,
        "throttleWriteBpsDevice",
        "write_bps",
        "wbps",
    )?;
    rates(
        draft,
        &io.throttle_read_iops_device,
        "throttleReadIOPSDevice",
        "read_iops",
        "riops",
    )?;
    rates(
        draft,
        &io.throttle_write_iops_device,
        "throttleWriteIOPSDevice",
        "write_iops",
        "wiops",
    )
}

fn weight_of(device: &WeightDevice) -> Option<((i64, i64), u16)> {
    let weight = device.weight.filter(|&w| w != 0)?;
    Some(((device.major, device.minor), weight))
}

/// The controller is `blkio` on v1 and `io` on v2.
fn controller(
    draft: &mut Draft<'_>,
    field: &str,
    value: impl ToString,
) -> Result<Controller, Error> {
    let name = if draft.layout.find("blkio").is_some() {
        "blkio"
    } else {
        "io"
    };
    draft.controller(name, field, value)
}

/// The weight of `io.weight` (1 to 10000) for one of the specification (10 to 1000), linear.
pub(super) fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight) - u64::from(MIN_WEIGHT)) * 9999 / 990
}

fn write_weight(
    draft: &mut Draft<'_>,
    to: Controller,
    device: Option<(i64, i64)>,
    weight: u16,
    field: &str,
) -> Result<(), Error> {
    if !(MIN_WEIGHT..=MAX_WEIGHT).contains(&weight) {
        return Err(draft.error(field, weight, "not in the range of 10 to 1000"));
    }
    let device = device.map(|(major, minor)| format!("{major}:{minor} "));
    let of_device = |weight: u64| format!("{}{weight}", device.as_deref().unwrap_or(""));
    let (first, value, second, other) = match (to.version, device.is_some()) {
        (Version::V1, false) => (
            "blkio.bfq.weight",
            of_device(weight.into()),
            "blkio.weight",
            of_device(weight.into()),
        ),
        (Version::V1, true) => (
            "blkio.bfq.weight_device",
            of_device(weight.into()),
            "blkio.weight_device",
            of_device(weight.into()),
        ),
        (Version::V2, _) => (
            "io.bfq.weight",
            of_device(weight.into()),
            "io.weight",
            of_device(io_weight(weight)),
        ),
    };
    draft.write(to, first, value, field).if_missing = IfMissing::Instead {
        file: second.to_owned(),
        value: other,
    };
    Ok(())
}

fn write_leaf(
    draft: &mut Draft<'_>,
    device: Option<(i64, i64)>,
    weight: u16,
    field: &str,
) -> Result<(), Error> {
    let to = controller(draft, field, weight)?;
    if to.version == Version::V2 {
        return Err(draft.error(field, weight, "cgroup v2 has no leaf weight"));
    }
    match device {
        None => draft.write(to, "blkio.leaf_weight", weight, field),
        Some((major, minor)) => {
            let value = format!("{major}:{minor} {weight}");
            draft.write(to, "blkio.leaf_weight_device", value, field)
        }
    };
    Ok(())
}

fn rates(
    draft: &mut Draft<'_>,
    devices: &[ThrottleDevice],
    list: &str,
    v1: &str,
    v2: &str,
) -> Result<(), Error> {
    for (at, device) in devices.iter().enumerate() {
        let field = format!("blockIO/{list}/{at}");
        let (number, rate) = (format!("{}:{}", device.major, device.minor), device.rate);
        let to = controller(draft, &field, &number)?;
        match to.version {
            Version::V1 => {
                let file = format!("blkio.throttle.{v1}_device");
                draft.write(to, file, format!("{number} {rate}"), &field)
            }
            Version::V2 => {
                // 0 lifts the limit on v1; on v2 it would be refused.
                let rate = if rate == 0 {
                    "max".to_owned()
                } else {
                    rate.to_string()
                };
                draft.write(to, "io.max", format!("{number} {v2}={rate}"), &field)
            }
        };
    }
    Ok(())
}
