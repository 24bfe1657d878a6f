//! `kill --all`: nobody of the container is spared, however fast it forks, whether it was paused, and whatever the cgroup
//! can do.
//!
//! Without a pid namespace: of one the end of the first process would be that of all.

use std::path::PathBuf;

use crate::harness::{CgroupLayout, Container, Host, Test, View, cases, cgroup_of, wait_until};

cases! {
    who_forks_is_killed,
    who_forks_is_ended: "runc 1.1.5 does not thaw a container when a process cannot be signalled",
    a_paused_container_is_killed,
    a_paused_container_stays_paused: "runc 1.1.5 resumes it",
    without_a_freezer_too: "runc 1.1.5 lists them once",
    of_a_stopped_container_is_nothing: "runc 1.1.5 is not compared there",
}

/// Each of them is in a listing that is out of date when it is read.
const FORKING: u32 = 32;

/// The machine's own layout, and of a hybrid one the half without cgroup.kill too.
fn views() -> Vec<View> {
    match Host::get().cgroups {
        CgroupLayout::Hybrid => vec![View::Plain, View::CgroupV1],
        _ => vec![View::Plain],
    }
}

fn forking<'t>(t: &'t Test, view: &View) -> Container<'t> {
    t.need(
        Host::get().cgroups != CgroupLayout::None,
        "no control groups",
    );
    let bundle = t.args(&["/probe", "successors", &FORKING.to_string()]);
    let bundle = bundle
        .with_probe()
        .without_namespace("pid")
        .view(view.clone());
    let c = bundle.started();
    assert!(wait_until(|| c.stdout().contains("successors=")));
    c
}

/// The list of its processes that the kernel keeps.
fn list(c: &Container<'_>, view: &View) -> PathBuf {
    let host = Host::get();
    let controller = match (host.cgroups, &view) {
        (CgroupLayout::V1, _) | (_, View::CgroupV1) => "freezer",
        _ => "",
    };
    let path = cgroup_of(c.pid(), controller).expect("a cgroup");
    assert!(path.ends_with(&c.id), "{path}");
    let tree = &host.controllers[controller];
    tree.join(path.trim_start_matches('/')).join("cgroup.procs")
}

fn is_empty(list: &PathBuf) -> bool {
    std::fs::read_to_string(list).expect("a cgroup").is_empty()
}

fn everybody_ends(t: &Test, signal: &str) {
    for view in views() {
        let c = forking(t, &view);
        let list = list(&c, &view);
        assert!(!is_empty(&list));
        t.call(&["kill", "--all", &c.id, signal]).ok();
        assert!(wait_until(|| is_empty(&list)), "{:?}: some are left", view);
        c.wait_stopped();
        c.delete();
    }
}

fn who_forks_is_killed(t: &Test) {
    everybody_ends(t, "KILL");
}

fn who_forks_is_ended(t: &Test) {
    everybody_ends(t, "TERM");
}

fn a_paused_container_is_killed(t: &Test) {
    for view in views() {
        let c = forking(t, &view);
        let list = list(&c, &view);
        c.call("pause", &[]).ok();
        t.call(&["kill", "--all", &c.id, "KILL"]).ok();
        assert!(wait_until(|| is_empty(&list)), "{:?}: some are left", view);
        c.wait_stopped();
        c.delete();
    }
}

/// A signal that a program has no handler for ends it at once on version 2, as SIGKILL does.
fn a_paused_container_stays_paused(t: &Test) {
    for view in views() {
        let script = "trap 'echo ended; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
        let bundle = t.sh(script).without_namespace("pid").view(view.clone());
        let c = bundle.started();
        assert!(wait_until(|| c.stdout().contains("ready")));
        let list = list(&c, &view);
        c.call("pause", &[]).ok();
        t.call(&["kill", "--all", &c.id, "TERM"]).ok();
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(c.status(), "paused", "{view:?}");
        assert_eq!(c.stdout(), "ready\n");
        c.call("resume", &[]).ok();
        assert!(wait_until(|| c.stdout().contains("ended")), "{view:?}");
        assert!(wait_until(|| is_empty(&list)), "{view:?}: some are left");
        c.wait_stopped();
        c.delete();
    }
}

/// The files by which all of them are killed or stopped at once. A freezer of version 1 is taken before that of version 2.
fn switches(c: &Container<'_>) -> Vec<PathBuf> {
    let host = Host::get();
    let file = |controller: &str, name: &str| {
        let tree = host.controllers.get(controller)?;
        let path = cgroup_of(c.pid(), controller).filter(|path| path.ends_with(&c.id))?;
        Some(tree.join(path.trim_start_matches('/')).join(name))
    };
    let freezer = file("freezer", "freezer.state").or_else(|| file("", "cgroup.freeze"));
    freezer.into_iter().chain(file("", "cgroup.kill")).collect()
}

/// Processes are listed and signalled until there is nobody new.
fn without_a_freezer_too(t: &Test) {
    t.need(Host::get().has_program("strace"), "no strace(1)");
    for view in views() {
        let c = forking(t, &view);
        let list = list(&c, &view);
        let switches = switches(&c);
        let paths = switches.iter().map(|file| format!("-P {}", file.display()));
        let paths = paths.collect::<Vec<_>>().join(" ");
        let seen = t.dir.join("strace");
        let withheld = View::Script(format!(
            "set -- strace -f -qq {paths} -e trace=openat -e inject=openat:error=ENOENT -o {} \"$@\"",
            seen.display()
        ));
        t.call_in(&withheld, &["kill", "--all", &c.id, "KILL"]).ok();
        let seen = std::fs::read_to_string(&seen).expect("strace has written it");
        for file in switches {
            let refused =
                |line: &str| line.contains(&*file.to_string_lossy()) && line.contains("(INJECTED)");
            assert!(seen.lines().any(refused), "{}: {seen}", file.display());
        }
        assert!(wait_until(|| is_empty(&list)), "{view:?}: some are left");
        c.wait_stopped();
        c.delete();
    }
}

fn of_a_stopped_container_is_nothing(t: &Test) {
    let c = t.sh("exit 0").started();
    c.wait_stopped();
    t.call(&["kill", "--all", &c.id, "KILL"]).ok();
}
