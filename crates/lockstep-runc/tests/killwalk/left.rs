//! What is left of a container: state, cgroups, processes, mounts. And what may be left, taken away.

use std::path::{Path, PathBuf};

use crate::harness::{Bundle, Host, Test, View, is_alive, parse_mounts, wait_until};

/// What there still is of the bundle's container, whose processes were `pids`.
pub(crate) fn of(
    test: &Test,
    bundle: &Bundle<'_>,
    view: &View,
    pids: impl Iterator<Item = u32>,
) -> Vec<String> {
    let mut left = Vec::new();
    // The test has one container at a time, so whatever is there is that one's.
    let state = std::fs::read_dir(test.state_root()).expect("own directory");
    left.extend(
        state
            .flatten()
            .map(|entry| format!("state {}", entry.path().display())),
    );
    let cgroups = cgroup_parents(bundle).map(|parent| parent.join("walk"));
    left.extend(
        cgroups
            .filter(|path| path.exists())
            .map(|path| format!("cgroup {}", path.display())),
    );
    for pid in pids {
        if !wait_until(|| !is_alive(pid)) {
            left.push(format!("process {pid}"));
        }
    }
    let of = match view {
        View::Held { holder, .. } => holder.to_string(),
        _ => "self".to_owned(),
    };
    let mounts = std::fs::read_to_string(format!("/proc/{of}/mountinfo")).expect("the view's");
    left.extend(
        parse_mounts(&mounts)
            .iter()
            .filter(|mount| Path::new(&mount.point).starts_with(&test.dir))
            .map(|mount| format!("mount {}", mount.point)),
    );
    left
}

/// The directories above the container's cgroup that it alone uses.
fn cgroup_parents(bundle: &Bundle<'_>) -> impl Iterator<Item = PathBuf> {
    let path = bundle.cgroup().trim_start_matches('/').to_owned();
    let points = Host::get().controllers.values();
    points.map(move |point| point.join(&path))
}

/// Removes what a runtime makes once and leaves for the next container, as all runtimes do: mount points in the
/// root file system, parents of cgroups. Else only the first container of a walk would make the calls for it.
pub(crate) fn refresh(bundle: &Bundle<'_>) {
    for parent in cgroup_parents(bundle) {
        // ENOENT, or EBUSY where a cgroup is left, which is told already.
        drop(std::fs::remove_dir(parent));
    }
    for point in ["volume", "mapped"] {
        // ENOENT where the container was not made so far.
        drop(std::fs::remove_dir(bundle.rootfs().join(point)));
    }
}
