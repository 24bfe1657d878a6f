//! Proves that a test left no state, cgroup, mount or process, and removes what it did leave.
//!
//! Everything is found by a name that only this run uses; nothing else is ever touched.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::bundle::cgroup_parent;
use super::host::Host;
use super::mountinfo::parse_mounts;
use super::procfs::{is_alive, wait_until};
use super::runtime::kill;
use super::test::Test;

/// Deletes the containers of the test and lists what their deletion leaves.
pub(crate) fn delete_containers(test: &Test) -> Vec<String> {
    let mut left = Vec::new();
    for used in test.used.borrow().iter() {
        if used.foreground {
            left.extend(
                state_of(test, &used.id).map(|path| format!("after run: {}", path.display())),
            );
        }
        let running = test.begin(&["delete", "--force", &used.id], &used.view);
        // A container that was deleted by the test is not an error here.
        running.wait();
        left.extend(state_of(test, &used.id).map(|path| format!("state {}", path.display())));
        for path in cgroups_named(&used.id) {
            left.push(format!("cgroup {}", path.display()));
            remove_cgroup(&path);
        }
    }
    left
}

/// Processes and mounts of the test that still exist.
pub(crate) fn remaining(test: &Test) -> Vec<String> {
    let mut left = Vec::new();
    for &pid in test.pids.borrow().iter() {
        if pid != 0 && !wait_until(|| !is_alive(pid)) {
            left.push(format!("process {pid}"));
            kill(pid, Signal::KILL);
        }
    }
    left.extend(processes_naming(&test.dir));
    left.extend(mounts_below(&test.dir));
    left
}

fn state_of(test: &Test, id: &str) -> Option<PathBuf> {
    let path = test.state_root().join(id);
    path.exists().then_some(path)
}

/// Directories of any hierarchy whose name contains the id: runtimes nest and decorate names.
fn cgroups_named(id: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = Host::get().controllers.values().cloned().collect();
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                // "a-1" is no part of "a-12".
                let name = entry.file_name().to_string_lossy().into_owned();
                let rest = name.find(id).map(|at| &name[at + id.len()..]);
                if rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit())) {
                    found.push(entry.path());
                } else {
                    pending.push(entry.path());
                }
            }
        }
    }
    found
}

fn remove_cgroup(path: &Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    let members = std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|line| line.parse().ok()) {
        kill(pid, Signal::KILL);
    }
    wait_until(|| std::fs::remove_dir(path).is_ok() || !path.exists());
}

/// Processes whose arguments name the test's directory: runtimes, hooks, waiting inits.
fn processes_naming(dir: &Path) -> Vec<String> {
    let needle = format!("{}/", dir.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")
        .expect("/proc is readable")
        .flatten()
    {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let text = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).replace('\0', " ");
        // One that is just ending is no leftover.
        if text.contains(&needle) && !wait_briefly(pid) {
            found.push(format!("process {pid}: {text}"));
            kill(pid, Signal::KILL);
        }
    }
    found
}

fn wait_briefly(pid: u32) -> bool {
    for _ in 0..100 {
        if !is_alive(pid) {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    false
}

fn mounts_below(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts are readable");
    let mut found = Vec::new();
    for mount in parse_mounts(&text).iter().rev() {
        if Path::new(&mount.point).starts_with(dir) {
            found.push(format!("mount {}", mount.point));
            // Detached, so that removing the directory cannot reach through it.
            rustix::mount::unmount(&*mount.point, rustix::mount::UnmountFlags::DETACH).ok();
        }
    }
    found
}

/// Removes a directory of the run, unless something is still mounted below it.
pub(crate) fn remove_directory(dir: &Path) {
    if std::env::var_os("LOCKSTEP_TEST_KEEP").is_none() && mounts_below(dir).is_empty() {
        // Files of another user's test may be gone already.
        drop(std::fs::remove_dir_all(dir));
    }
}

/// Removes the parents of all cgroups of the run; those that are not empty.
pub(crate) fn remove_run_cgroups() -> Vec<String> {
    let mut left = Vec::new();
    for point in Host::get().controllers.values() {
        let dir = point.join(cgroup_parent().trim_start_matches('/'));
        if dir.exists() && std::fs::remove_dir(&dir).is_err() {
            remove_cgroup(&dir);
            left.push(dir.display().to_string());
        }
    }
    left
}
