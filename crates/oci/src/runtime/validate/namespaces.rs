//! Namespaces, and the fields that make sense only inside one: id maps, clock offsets, names of the
//! host, kernel parameters.

use super::Report;
use crate::pointer::Pointer;
use crate::runtime::{IdMapping, Linux, NamespaceType, Spec, TimeOffset, sysctl};

/// Most lines that the kernel takes in a `uid_map` since 4.15 (user_namespaces(7)).
const MAX_MAPPINGS: usize = 340;

/// Longest host or domain name in bytes (`__NEW_UTS_LEN`, uname(2)).
const MAX_UTS_NAME: usize = 64;

pub(super) fn check(report: &mut Report, at: &Pointer<'_>, linux: &Linux) {
    let place = at.key("namespaces");
    for (nth, namespace) in linux.namespaces.iter().enumerate() {
        let place = place.index(nth);
        report.known(
            &place.key("type"),
            &namespace.kind,
            namespace.kind.is_known(),
            "namespace type",
        );
        if let Some(path) = &namespace.path {
            report.absolute_path(&place.key("path"), path);
        }
    }
    report.unique(&place, &linux.namespaces, "type", |namespace| {
        (namespace.kind.clone(), namespace.kind.clone())
    });
    check_user(report, at, linux);
    check_time(report, &at.key("timeOffsets"), linux);
    check_sysctl(report, &at.key("sysctl"), linux);
}

fn check_user(report: &mut Report, at: &Pointer<'_>, linux: &Linux) {
    let user = linux.namespace(&NamespaceType::User);
    for (field, mappings) in [
        ("uidMappings", &linux.uid_mappings),
        ("gidMappings", &linux.gid_mappings),
    ] {
        let at = at.key(field);
        check_mappings(report, &at, mappings);
        match user {
            None if !mappings.is_empty() => report.refuse(&at, mappings, "needs a user namespace"),
            // Nobody could become any user in it: setuid(2) fails with EINVAL on ids without a mapping.
            Some(namespace) if namespace.path.is_none() && mappings.is_empty() => {
                report.missing(&at, "is missing, and required for a new user namespace");
            }
            Some(_) | None => {}
        }
    }
}

/// The kernel's rules for one map (user_namespaces(7), "Defining user and group ID mappings").
pub(super) fn check_mappings(report: &mut Report, at: &Pointer<'_>, mappings: &[IdMapping]) {
    if mappings.len() > MAX_MAPPINGS {
        let count = mappings.len();
        report.refuse(
            at,
            &count,
            format!("{count} ranges are more than the {MAX_MAPPINGS} that the kernel takes"),
        );
    }
    for (nth, mapping) in mappings.iter().enumerate() {
        let at = at.index(nth);
        if mapping.size == 0 {
            report.refuse(&at.key("size"), &mapping.size, "must be at least 1");
        }
        // 2^32-1 means "no id" to the kernel, so a range has to end below it.
        for (field, first) in [
            ("containerID", mapping.container_id),
            ("hostID", mapping.host_id),
        ] {
            if first.checked_add(mapping.size).is_none() {
                report.refuse(
                    &at.key(field),
                    &first,
                    format!(
                        "with size {} runs past the last id 4294967294",
                        mapping.size
                    ),
                );
            }
        }
    }
    check_overlap(report, at, "containerID", mappings, |mapping| {
        mapping.container_id
    });
    check_overlap(report, at, "hostID", mappings, |mapping| mapping.host_id);
}

fn check_overlap(
    report: &mut Report,
    at: &Pointer<'_>,
    field: &str,
    mappings: &[IdMapping],
    first: impl Fn(&IdMapping) -> u32,
) {
    let mut sorted: Vec<(u64, u64, usize)> = mappings
        .iter()
        .enumerate()
        .map(|(nth, mapping)| (u64::from(first(mapping)), u64::from(mapping.size), nth))
        .filter(|&(_, size, _)| size > 0)
        .collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        let ((before, size, earlier), (start, _, nth)) = (pair[0], pair[1]);
        if start < before + size {
            let reason = format!(
                "overlaps {} ({before} to {})",
                at.index(earlier),
                before + size - 1
            );
            report.refuse(&at.index(nth).key(field), &start, reason);
        }
    }
}

fn check_time(report: &mut Report, at: &Pointer<'_>, linux: &Linux) {
    for (clock, offset) in &linux.time_offsets {
        let at = at.key(clock);
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            report.refuse(
                &at,
                offset,
                "is not a clock of a time namespace, which are monotonic and boottime",
            );
        }
        if let TimeOffset {
            nanosecs: Some(nanosecs @ 1_000_000_000..),
            ..
        } = offset
        {
            report.refuse(&at.key("nanosecs"), nanosecs, "must be below 1000000000");
        }
    }
    if linux.time_offsets.is_empty() {
        return;
    }
    match linux.namespace(&NamespaceType::Time) {
        None => report.refuse(at, &linux.time_offsets, "needs a time namespace"),
        // Offsets are fixed once a process has entered the namespace (time_namespaces(7)).
        Some(namespace) if namespace.path.is_some() => {
            report.refuse(
                at,
                &linux.time_offsets,
                "needs a new time namespace, not one that is joined by path",
            );
        }
        Some(_) => {}
    }
}

/// Host and domain name, which belong to the uts namespace.
pub(super) fn check_names(report: &mut Report, root: &Pointer<'_>, spec: &Spec) {
    let uts = spec
        .linux
        .as_ref()
        .is_some_and(|linux| linux.has_namespace(&NamespaceType::Uts));
    for (field, sysctl, name) in [
        ("hostname", "kernel.hostname", &spec.hostname),
        ("domainname", "kernel.domainname", &spec.domainname),
    ] {
        let Some(name) = name else { continue };
        let at = root.key(field);
        report.no_nul(&at, name);
        if name.len() > MAX_UTS_NAME {
            report.refuse(
                &at,
                name,
                format!(
                    "{} bytes are more than the {MAX_UTS_NAME} that the kernel takes",
                    name.len()
                ),
            );
        }
        if !uts {
            report.refuse(&at, name, "needs a uts namespace");
        }
        let Some(linux) = &spec.linux else { continue };
        for (key, value) in &linux.sysctl {
            if sysctl::Name::parse(key).is_some_and(|key| key.to_string() == sysctl) {
                report.refuse(
                    &root.key("linux").key("sysctl").key(key),
                    value,
                    format!("contradicts the field {field}"),
                );
            }
        }
    }
}

fn check_sysctl(report: &mut Report, at: &Pointer<'_>, linux: &Linux) {
    for (key, value) in &linux.sysctl {
        let at = at.key(key);
        report.no_nul(&at, value);
        let Some(name) = sysctl::Name::parse(key) else {
            report.refuse(&at, value, "is not the name of a kernel parameter");
            continue;
        };
        let (namespace, text) = match name.owner() {
            sysctl::Owner::Ipc => (NamespaceType::Ipc, "needs an ipc namespace"),
            sysctl::Owner::Network => (NamespaceType::Network, "needs a network namespace"),
            sysctl::Owner::Uts => (NamespaceType::Uts, "needs a uts namespace"),
            sysctl::Owner::Host => {
                report.refuse(
                    &at,
                    value,
                    "belongs to no namespace, so it would change the host",
                );
                continue;
            }
        };
        if !linux.has_namespace(&namespace) {
            report.refuse(&at, value, text);
        }
        // The configuration has a field for it, and two places for one value will differ some day.
        if name.to_string() == "kernel.hostname" {
            report.refuse(&at, value, "must be set by the field hostname");
        }
    }
}
