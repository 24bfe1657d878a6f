//! The root file system and the mounts.
//!
//! What an option means is the plan's knowledge; here only what contradicts itself in the file.

use super::Report;
use super::namespaces::check_mappings;
use crate::pointer::Pointer;
use crate::runtime::{Linux, Mount, NamespaceType, Spec};

pub(super) fn check(report: &mut Report, root: &Pointer<'_>, spec: &Spec) {
    let at = root.key("root");
    match &spec.root {
        None => report.missing(&at, "is missing, and required on Linux"),
        Some(filesystem) => {
            let at = at.key("path");
            if report.no_nul(&at, &filesystem.path) && filesystem.path.is_empty() {
                report.refuse(&at, &filesystem.path, "must not be empty");
            }
        }
    }
    let user_namespace = spec
        .linux
        .as_ref()
        .is_some_and(|linux| linux.has_namespace(&NamespaceType::User));
    let at = root.key("mounts");
    for (nth, mount) in spec.mounts.iter().enumerate() {
        check_mount(report, &at.index(nth), mount, user_namespace);
    }
    check_mount_namespace(report, &root.key("linux"), spec.linux.as_ref());
}

fn check_mount(report: &mut Report, at: &Pointer<'_>, mount: &Mount, user_namespace: bool) {
    let place = at.key("destination");
    if report.no_nul(&place, &mount.destination) {
        if mount.destination.is_empty() {
            report.refuse(&place, &mount.destination, "must not be empty");
        } else if !mount.destination.starts_with('/') {
            report.warn(
                &place,
                &mount.destination,
                "a relative destination is deprecated and counts from /",
            );
        }
    }
    report.no_nul_in(&at.key("source"), mount.source.as_ref());
    report.no_nul_in(&at.key("type"), mount.kind.as_ref());
    report.no_nul_in_each(&at.key("options"), &mount.options);
    check_mappings(report, &at.key("uidMappings"), &mount.uid_mappings);
    check_mappings(report, &at.key("gidMappings"), &mount.gid_mappings);
    let (uid, gid) = (
        !mount.uid_mappings.is_empty(),
        !mount.gid_mappings.is_empty(),
    );
    if uid != gid {
        let (given, absent) = if uid {
            ("uidMappings", "gidMappings")
        } else {
            ("gidMappings", "uidMappings")
        };
        report.missing(
            &at.key(absent),
            format!("must be given together with {given}"),
        );
    }
    if !uid && !gid && !user_namespace {
        let at = at.key("options");
        for (nth, option) in mount
            .options
            .iter()
            .enumerate()
            .filter(|(_, option)| is_idmap(option))
        {
            report.refuse(
                &at.index(nth),
                option,
                "needs uidMappings and gidMappings, or a user namespace to take them from",
            );
        }
    }
}

fn is_idmap(option: &str) -> bool {
    matches!(option, "idmap" | "ridmap")
}

/// Masks and read-only paths are mounts: without a mount namespace they would cover the host's files.
fn check_mount_namespace(report: &mut Report, at: &Pointer<'_>, linux: Option<&Linux>) {
    let Some(linux) = linux.filter(|linux| !linux.has_namespace(&NamespaceType::Mount)) else {
        return;
    };
    for (name, paths) in [
        ("maskedPaths", &linux.masked_paths),
        ("readonlyPaths", &linux.readonly_paths),
    ] {
        if !paths.is_empty() {
            report.refuse(&at.key(name), paths, "needs a mount namespace");
        }
    }
}
