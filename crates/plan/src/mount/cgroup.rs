//! A mount of type cgroup or cgroup2: what the container sees of each hierarchy.

use super::Context;
use crate::cgroup::{Hierarchy, Layout, Version};
use crate::mount_options::Options;
use crate::step::{CgroupView, Op, RootPath};
use std::path::{Path, PathBuf};

/// The container's own cgroups in every hierarchy.
pub(super) fn mount(target: RootPath, options: Options, context: &Context<'_>) -> Op {
    let layout = &context.host.cgroup;
    let host = |n: usize| {
        context
            .cgroups
            .iter()
            .find(|(h, _)| *h == n)
            .map_or_else(PathBuf::new, |(_, path)| path.clone())
    };
    let single = layout.hierarchies.iter().all(|h| h.version == Version::V2);
    let views = layout
        .hierarchies
        .iter()
        .enumerate()
        .filter_map(|(n, h)| view(layout, h, host(n)));
    let mut attributes = options.attributes;
    attributes.clear = 0;
    Op::CgroupMount {
        target,
        views: views.collect(),
        single,
        namespaced: context.namespaces.new_cgroup(),
        own: context.own_cgroups,
        attributes,
    }
}

fn view(layout: &Layout, hierarchy: &Hierarchy, host: PathBuf) -> Option<CgroupView> {
    let caller = Path::new(&hierarchy.mount).join(hierarchy.own_in_mount().trim_start_matches('/'));
    // A hybrid layout's v2 hierarchy has no place of its own in the v1 view that programs expect.
    let hybrid = layout.hierarchies.iter().any(|h| h.version == Version::V1);
    if hierarchy.version == Version::V2 {
        return (!hybrid).then(|| CgroupView {
            name: String::new(),
            kind: "cgroup2",
            option: String::new(),
            host,
            caller,
            links: Vec::new(),
        });
    }
    let directory = Path::new(&hierarchy.mount)
        .file_name()?
        .to_string_lossy()
        .into_owned();
    let option = match &hierarchy.name {
        Some(name) => format!("name={name}"),
        None => hierarchy.controllers.join(","),
    };
    let links = hierarchy
        .controllers
        .iter()
        .filter(|c| **c != directory && hierarchy.controllers.len() > 1);
    Some(CgroupView {
        name: directory.clone(),
        kind: "cgroup",
        option,
        host,
        caller,
        links: links.cloned().collect(),
    })
}
