//! The end of mounting: read-only and masked paths, the change of root, what is done to the root mount after it.

use super::Context;
use crate::step::{Op, Plan, RootPath};
use lockstep_abi::mount::*;
use lockstep_oci::runtime::{Linux, RootfsPropagation, Spec};

/// Plans masked and read-only paths; by runc's order the read-only ones come first.
pub fn restrict_paths(plan: &mut Plan, linux: &Linux) {
    for (n, path) in linux.readonly_paths.iter().enumerate() {
        plan.init(
            format!("/linux/readonlyPaths/{n}"),
            Op::ReadonlyPath {
                path: RootPath::new(path),
            },
        );
    }
    for (n, path) in linux.masked_paths.iter().enumerate() {
        plan.init(
            format!("/linux/maskedPaths/{n}"),
            Op::MaskPath {
                path: RootPath::new(path),
            },
        );
    }
}

/// Plans the change of root and what is done to the root mount after it.
pub fn change_root(plan: &mut Plan, spec: &Spec, context: &Context<'_>) {
    let op = match (context.namespaces.own_mount(), context.no_pivot) {
        (true, false) => Op::PivotRoot,
        (true, true) => Op::MoveRoot,
        (false, _) => Op::Chroot,
    };
    plan.init("/root/path", op);
    if !context.namespaces.own_mount() {
        return;
    }
    if let Some(propagation) = spec
        .linux
        .as_ref()
        .and_then(|l| l.rootfs_propagation.as_ref())
    {
        let flags = match propagation {
            RootfsPropagation::Shared => MS_SHARED,
            RootfsPropagation::RShared => MS_SHARED | MS_REC,
            RootfsPropagation::Slave => MS_SLAVE,
            RootfsPropagation::RSlave => MS_SLAVE | MS_REC,
            RootfsPropagation::Unbindable => MS_UNBINDABLE,
            RootfsPropagation::RUnbindable => MS_UNBINDABLE | MS_REC,
            RootfsPropagation::RPrivate => MS_PRIVATE | MS_REC,
            RootfsPropagation::Private | RootfsPropagation::Unknown(_) => MS_PRIVATE,
        };
        plan.init("/linux/rootfsPropagation", Op::RootPropagation { flags });
    }
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        // As long as it can be made: images name working directories that they do not contain.
        if let Some(process) = spec.process.as_ref().filter(|p| p.cwd != "/") {
            let path = RootPath::new(&process.cwd);
            plan.init("/process/cwd", Op::MakeDirectory { path });
        }
        plan.init("/root/readonly", Op::ReadonlyRoot);
    }
}
