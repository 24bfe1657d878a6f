//! The controllers with one or two files: pids, hugetlb, rdma, net_cls, net_prio, and `unified`.

use lockstep_oci::ordered_map::OrderedMap;
use lockstep_oci::runtime::{HugepageLimit, Network, Pids, Rdma};

use super::{Controller, Draft, Error, IfMissing, Required, Version};

pub(super) fn pids(draft: &mut Draft<'_>, pids: &Pids) -> Result<(), Error> {
    let field = "pids/limit";
    let Some(limit) = pids.limit else {
        return Ok(());
    };
    let elsewhere = draft.processes.is_some();
    if elsewhere && draft.layout.find("pids").is_none() {
        return Ok(());
    }
    let to = draft.controller("pids", field, limit)?;
    // 0 is a limit (no fork at all), as the specification of 1.3 says; below it is none.
    let value = if limit < 0 {
        "max".to_owned()
    } else {
        limit.to_string()
    };
    let write = draft.write(to, "pids.max", value, field);
    if elsewhere {
        write.required = Required::BestEffort;
        draft.needed.retain(|name| name != "pids");
    }
    Ok(())
}

pub(super) fn hugepages(draft: &mut Draft<'_>, limits: &[HugepageLimit]) -> Result<(), Error> {
    for (at, limit) in limits.iter().enumerate() {
        let field = format!("hugepageLimits/{at}/limit");
        let size = limit.page_size.as_str();
        if !is_page_size(size) {
            let field = format!("hugepageLimits/{at}/pageSize");
            let reason = "not a size such as 2MB or 1GB";
            return Err(draft.error(&field, format!("{size:?}"), reason));
        }
        let to = draft.controller("hugetlb", &field, limit.limit)?;
        let suffix = match to.version {
            Version::V1 => "limit_in_bytes",
            Version::V2 => "max",
        };
        draft.write(to, format!("hugetlb.{size}.{suffix}"), limit.limit, &field);
        // Reservations are limited too where the kernel counts them (5.7): a program then learns of
        // the limit from mmap(2) and not from SIGBUS.
        let file = format!("hugetlb.{size}.rsvd.{suffix}");
        draft.write(to, file, limit.limit, &field).if_missing = IfMissing::Skip;
    }
    Ok(())
}

fn is_page_size(size: &str) -> bool {
    let Some(number) = ["KB", "MB", "GB"]
        .iter()
        .find_map(|unit| size.strip_suffix(unit))
    else {
        return false;
    };
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn rdma(draft: &mut Draft<'_>, devices: &OrderedMap<Rdma>) -> Result<(), Error> {
    for (device, limit) in devices.iter() {
        let field = format!("rdma/{}", escape(device));
        let mut value = device.clone();
        if let Some(handles) = limit.hca_handles {
            value.push_str(&format!(" hca_handle={handles}"));
        }
        if let Some(objects) = limit.hca_objects {
            value.push_str(&format!(" hca_object={objects}"));
        }
        if value.len() == device.len() {
            let reason = "neither hcaHandles nor hcaObjects is given";
            return Err(draft.error(&field, "{}", reason));
        }
        if device.contains([' ', '\n']) || device.is_empty() {
            return Err(draft.error(&field, format!("{device:?}"), "not a device name"));
        }
        let to = draft.controller("rdma", &field, &value)?;
        draft.write(to, "rdma.max", value, &field);
    }
    Ok(())
}

pub(super) fn network(draft: &mut Draft<'_>, network: &Network) -> Result<(), Error> {
    let field = "network/classID";
    if let Some(class) = network.class_id.filter(|&c| c != 0) {
        let to = draft.controller("net_cls", field, class)?;
        draft.write(to, "net_cls.classid", class, field);
    }
    for (at, priority) in network.priorities.iter().enumerate() {
        let field = format!("network/priorities/{at}");
        if priority.name.contains([' ', '\n']) || priority.name.is_empty() {
            let value = format!("{:?}", priority.name);
            return Err(draft.error(&field, value, "not an interface name"));
        }
        let value = format!("{} {}", priority.name, priority.priority);
        let to = draft.controller("net_prio", &field, &value)?;
        draft.write(to, "net_prio.ifpriomap", value, &field);
    }
    Ok(())
}

pub(super) fn unified(draft: &mut Draft<'_>, files: &OrderedMap<String>) -> Result<(), Error> {
    for (file, value) in files.iter() {
        let field = format!("unified/{}", escape(file));
        let shown = format!("{value:?}");
        if file.is_empty() || file.contains(['/', '\0']) || file.starts_with('.') {
            return Err(draft.error(&field, shown, "not the name of a cgroup file"));
        }
        let Some(hierarchy) = draft.layout.unified() else {
            return Err(draft.error(&field, shown, "cannot use unified on cgroup v1"));
        };
        let controller = file.split_once('.').map_or(file.as_str(), |(name, _)| name);
        let to = if controller == "cgroup" {
            Controller {
                hierarchy,
                version: Version::V2,
            }
        } else {
            draft.controller(controller, &field, &shown)?
        };
        if to.hierarchy != hierarchy {
            let reason = format!("cannot use unified on cgroup v1, which holds {controller} here");
            return Err(draft.error(&field, shown, reason));
        }
        // Files such as io.max take one device per write.
        for line in value.lines() {
            draft.write(to, file.clone(), line, &field);
        }
    }
    Ok(())
}

/// A key as one component of a JSON pointer (RFC 6901).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
