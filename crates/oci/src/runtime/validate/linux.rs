//! The Linux object: its own small fields, and the way to the sections of its large ones.

use super::{Report, devices, namespaces, resources, seccomp};
use crate::pointer::Pointer;
use crate::runtime::{
    IntelRdt, Linux, MemoryPolicy, MemoryPolicyFlag, MemoryPolicyMode, Personality,
};

pub(super) fn check(report: &mut Report, at: &Pointer<'_>, linux: &Linux) {
    namespaces::check(report, at, linux);
    devices::check(report, at, linux);
    if let Some(path) = &linux.cgroups_path {
        let at = at.key("cgroupsPath");
        report.no_nul(&at, path);
        // It is joined to the mount point of the hierarchy, and must stay below it.
        if path.split('/').any(|component| component == "..") {
            report.refuse(&at, path, "must not have a component ..");
        }
    }
    if let Some(resources) = &linux.resources {
        resources::check(report, &at.key("resources"), resources);
    }
    if let Some(propagation) = &linux.rootfs_propagation {
        report.known(
            &at.key("rootfsPropagation"),
            propagation,
            propagation.is_known(),
            "mount propagation",
        );
    }
    if let Some(filter) = &linux.seccomp {
        seccomp::check(report, &at.key("seccomp"), filter);
    }
    for (field, paths) in [
        ("maskedPaths", &linux.masked_paths),
        ("readonlyPaths", &linux.readonly_paths),
    ] {
        let at = at.key(field);
        for (nth, path) in paths.iter().enumerate() {
            report.absolute_path(&at.index(nth), path);
        }
    }
    report.no_nul_in(&at.key("mountLabel"), linux.mount_label.as_ref());
    if let Some(rdt) = &linux.intel_rdt {
        check_rdt(report, &at.key("intelRdt"), rdt);
    }
    if let Some(policy) = &linux.memory_policy {
        check_memory_policy(report, &at.key("memoryPolicy"), policy);
    }
    if let Some(personality) = &linux.personality {
        check_personality(report, &at.key("personality"), personality);
    }
}

fn check_rdt(report: &mut Report, at: &Pointer<'_>, rdt: &IntelRdt) {
    if let Some(id) = &rdt.clos_id {
        let at = at.key("closID");
        report.no_nul(&at, id);
        // "/" alone is the specification's name of the default group.
        let is_path = id != "/" && id.contains('/');
        if is_path
            || matches!(id.as_str(), "." | ".." | "info" | "mon_groups" | "mon_data")
            || id.contains('\n')
        {
            report.refuse(&at, id, "is not the name of a resctrl group");
        }
    }
    for (field, line) in [
        ("l3CacheSchema", &rdt.l3_cache_schema),
        ("memBwSchema", &rdt.mem_bw_schema),
    ] {
        report.no_nul_in(&at.key(field), line.as_ref());
    }
    if let Some(line) = &rdt.mem_bw_schema
        && (!line.starts_with("MB:") || line.contains('\n'))
    {
        report.refuse(
            &at.key("memBwSchema"),
            line,
            "must be one line that starts with MB:",
        );
    }
    if let Some(line) = &rdt.l3_cache_schema
        && (!line.starts_with("L3") || line.contains('\n'))
    {
        report.warn(
            &at.key("l3CacheSchema"),
            line,
            "should be one line that starts with L3:",
        );
    }
    let at = at.key("schemata");
    report.no_nul_in_each(&at, &rdt.schemata);
    for (nth, line) in rdt
        .schemata
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains('\n'))
    {
        report.refuse(&at.index(nth), line, "must be one line");
    }
}

/// The rules of set_mempolicy(2).
fn check_memory_policy(report: &mut Report, at: &Pointer<'_>, policy: &MemoryPolicy) {
    use MemoryPolicyMode::{
        Bind, Default, Interleave, Local, Preferred, PreferredMany, WeightedInterleave,
    };
    let mode = &policy.mode;
    report.known(&at.key("mode"), mode, mode.is_known(), "memory policy mode");
    let nodes_at = at.key("nodes");
    let text = policy.nodes.as_deref().unwrap_or("");
    if let Some(nodes) = report.cpu_list(&nodes_at, text) {
        match mode {
            Default | Local if !nodes.is_empty() => {
                report.refuse(&nodes_at, text, format!("must be empty with {mode}"))
            }
            Bind | Interleave | WeightedInterleave | PreferredMany if nodes.is_empty() => {
                report.refuse(
                    &nodes_at,
                    text,
                    format!("needs at least one node with {mode}"),
                );
            }
            _ => {}
        }
    }
    let flags_at = at.key("flags");
    let has = |flag: &MemoryPolicyFlag| policy.flags.contains(flag);
    for (nth, flag) in policy.flags.iter().enumerate() {
        let at = flags_at.index(nth);
        report.known(&at, flag, flag.is_known(), "memory policy flag");
        let relative = matches!(
            flag,
            MemoryPolicyFlag::RelativeNodes | MemoryPolicyFlag::StaticNodes
        );
        if relative && (*mode == Local || (*mode == Preferred && text.is_empty())) {
            report.refuse(&at, flag, format!("needs nodes, and {mode} has none"));
        }
        if *flag == MemoryPolicyFlag::NumaBalancing && !matches!(mode, Bind | PreferredMany) {
            report.refuse(
                &at,
                flag,
                format!("needs MPOL_BIND or MPOL_PREFERRED_MANY, not {mode}"),
            );
        }
    }
    if has(&MemoryPolicyFlag::RelativeNodes) && has(&MemoryPolicyFlag::StaticNodes) {
        report.refuse(
            &flags_at,
            &policy.flags,
            "MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other",
        );
    }
}

fn check_personality(report: &mut Report, at: &Pointer<'_>, personality: &Personality) {
    report.known(
        &at.key("domain"),
        &personality.domain,
        personality.domain.is_known(),
        "execution domain",
    );
    if !personality.flags.is_empty() {
        report.refuse(
            &at.key("flags"),
            &personality.flags,
            "must be empty, the specification defines no flag",
        );
    }
}
