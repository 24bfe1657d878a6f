//! State that another version of the runtime wrote: an older form is listed, stopped and deleted, and a newer
//! one is refused without loss.
//!
//! `../data/schema-N` keeps what version N of the form looked like; it is never edited, only added to.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{CgroupLayout, Host, Test, cases, is_alive, wait_until};

cases! {
    the_first_schema: "the state files are ours",
    the_filter_of_the_second_schema: "the state files are ours",
    an_unknown_schema: "the state files are ours",
    what_was_cut_short: "the state files are ours",
}

const FILES: [(&str, &str); 3] = [
    ("state.json", include_str!("../data/schema-1/state.json")),
    ("init.json", include_str!("../data/schema-1/init.json")),
    (
        "outcome.json",
        include_str!("../data/schema-1/outcome.json"),
    ),
];

/// Field 22 of proc_pid_stat(5).
fn start_time(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a live process");
    let rest = text.rsplit_once(')').expect("a command name").1;
    rest.split_whitespace()
        .nth(19)
        .expect("22 fields")
        .to_owned()
}

/// An old container: its files, a cgroup, and a process in it.
struct Old {
    id: String,
    pid: u32,
    dir: PathBuf,
    cgroup: PathBuf,
    mark: PathBuf,
}

fn old(t: &Test) -> Old {
    let id = format!("old-{}", t.sleeper().id);
    let (label, version) = match Host::get().cgroups {
        CgroupLayout::V1 | CgroupLayout::Hybrid => ("freezer", "v1"),
        CgroupLayout::V2 => ("", "v2"),
        CgroupLayout::None => t.skip("no cgroups here"),
    };
    let point = Host::get().controllers.get(label);
    let cgroup = point.unwrap_or_else(|| t.skip("no freezer here")).join(&id);
    std::fs::create_dir(&cgroup).expect("root may make a cgroup");
    let pid = t.companion("sleep", &["1000"]);
    std::fs::write(cgroup.join("cgroup.procs"), pid.to_string()).expect("root may move a process");
    let (dir, mark) = (t.state_root().join(&id), t.dir.join("poststop"));
    std::fs::create_dir(&dir).expect("own directory");
    for (name, text) in FILES {
        let mut text = text.to_owned();
        for (word, value) in [
            ("@ID@", id.as_str()),
            ("@BUNDLE@", &t.dir.display().to_string()),
            ("@LABEL@", label),
            ("@VERSION@", version),
            ("@CGROUP@", &cgroup.display().to_string()),
            ("@MARK@", &mark.display().to_string()),
            ("@PID@", &pid.to_string()),
            ("@START@", &start_time(pid)),
        ] {
            text = text.replace(word, value);
        }
        std::fs::write(dir.join(name), text).expect("own directory");
    }
    Old {
        id,
        pid,
        dir,
        cgroup,
        mark,
    }
}

fn the_first_schema(t: &Test) {
    let old = old(t);
    let state = t.call(&["state", &old.id]).ok().json();
    assert_eq!(state["status"], "running");
    assert_eq!(state["pid"], old.pid);
    assert_eq!(state["annotations"]["org.example.key"], "value");
    let lost = &state["downgrades"][0]["lost"];
    assert_eq!(lost, "oom_score_adj -1000 not set", "{state}");
    let list = t.call(&["list", "--format", "json"]).ok().json();
    assert_eq!(
        (&list[0]["id"], &list[0]["status"]),
        (&old.id.clone().into(), &"running".into())
    );
    t.call(&["pause", &old.id]).ok();
    assert_eq!(t.call(&["state", &old.id]).ok().json()["status"], "paused");
    t.call(&["resume", &old.id]).ok();
    t.call(&["delete", &old.id]).fails_with(&["not stopped"]);
    t.call(&["kill", &old.id, "TERM"]).ok();
    assert!(wait_until(|| !is_alive(old.pid)), "it was not stopped");
    assert_eq!(t.call(&["state", &old.id]).ok().json()["status"], "stopped");
    t.call(&["delete", &old.id]).ok();
    assert!(!old.dir.exists() && !old.cgroup.exists());
    let told = std::fs::read_to_string(&old.mark).expect("the poststop hook ran");
    assert!(told.contains(&old.id) && told.contains("stopped"), "{told}");
}

/// Up to schema 2 the state had the rules of the filter; since then it has the filter.
fn the_filter_of_the_second_schema(t: &Test) {
    const SECOND: &str = include_str!("../data/schema-2/state.json");
    let second: Value = serde_json::from_str(SECOND).expect("JSON");
    let rules = &second["spec"]["linux"]["seccomp"];
    let bundle = t.sleeper().with_probe();
    let c = bundle.set("/linux/seccomp", rules.clone()).started();
    let path = t.state_root().join(&c.id).join("state.json");
    let text = std::fs::read_to_string(&path).expect("own file");
    let mut state: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(state["spec"]["linux"]["seccomp"].get("syscalls"), None);
    let refused = || {
        // alarm(2) on x86-64.
        let called = c.exec(&[], &["/probe", "syscall", "37", "0"]).ok();
        assert_eq!(called.value("syscall"), "-42");
    };
    refused();
    let filter = state
        .as_object_mut()
        .and_then(|state| state.remove("filter"));
    assert!(filter.is_some(), "{text}");
    std::fs::write(&path, state.to_string()).expect("own file");
    c.exec(&[], &["true"])
        .fails_with(&["state.json of container", "filter: missing field"]);
    state["schema"] = 2.into();
    state["spec"]["linux"]["seccomp"] = rules.clone();
    std::fs::write(&path, state.to_string()).expect("own file");
    refused();
    c.exec(&[], &["true"]).ok();
}

fn an_unknown_schema(t: &Test) {
    let old = old(t);
    let ours = t.sleeper().started();
    for name in ["state.json", "init.json"] {
        let path = old.dir.join(name);
        let before = std::fs::read_to_string(&path).expect("own file");
        let newer = before.replacen("\"schema\":1", "\"schema\":99,\"new\":{}", 1);
        std::fs::write(&path, &newer).expect("own file");
        let said = format!("{name} of container {} has schema 99", old.id);
        for args in [
            &["state", &old.id][..],
            &["kill", &old.id, "KILL"],
            &["pause", &old.id],
            &["update", "--pids-limit", "5", &old.id],
            &["exec", &old.id, "true"],
            &["ps", &old.id],
            &["start", &old.id],
            &["delete", &old.id],
            &["delete", "--force", &old.id],
        ] {
            // The processes are found by the cgroups of state.json alone.
            if name == "init.json" && args[0] == "ps" {
                continue;
            }
            t.call(args)
                .fails_with(&[&said, "use the version of lockstep-runc that made it"]);
        }
        let list = t.call(&["list", "--quiet"]).ok();
        assert_eq!(list.text(), ours.id, "the others are listed");
        assert!(list.stderr.contains(&said), "{list:?}");
        let bundle = t.sleeper();
        bundle.write();
        let dir = bundle.dir().display().to_string();
        t.call(&["create", "--bundle", &dir, &old.id])
            .fails_with(&["already exists"]);
        assert_eq!(
            std::fs::read_to_string(&path).expect("it is there"),
            newer,
            "touched"
        );
        assert!(is_alive(old.pid) && old.cgroup.exists());
        std::fs::write(&path, before).expect("own file");
    }
    t.call(&["delete", "--force", &old.id]).ok();
    assert!(!old.cgroup.exists());
}

/// A runtime that was killed while it wrote: nothing was made yet, so everything there is may go.
fn what_was_cut_short(t: &Test) {
    let old = old(t);
    let path = old.dir.join("state.json");
    let whole = std::fs::read_to_string(&path).expect("own file");
    for length in [0, 1, 40, whole.len() / 2, whole.trim_end().len() - 1] {
        std::fs::write(&path, &whole[..length]).expect("own file");
        t.call(&["state", &old.id])
            .fails_with(&["was never finished", "delete it"]);
        t.call(&["list"]).ok();
    }
    t.call(&["delete", &old.id]).ok();
    assert!(!old.dir.exists());
    assert!(
        is_alive(old.pid),
        "what is not known to be the container's is left alone"
    );
    // Not cut but wrong is somebody's mistake, which nobody repairs by guessing.
    std::fs::create_dir(&old.dir).expect("own directory");
    std::fs::write(&path, "{\"schema\":1,\"id\":5}").expect("own file");
    t.call(&["delete", "--force", &old.id])
        .fails_with(&["state.json of container", "invalid type"]);
    std::fs::remove_dir_all(&old.dir).expect("own directory");
    crate::harness::kill(old.pid, rustix::process::Signal::KILL);
    assert!(wait_until(|| std::fs::remove_dir(&old.cgroup).is_ok()));
}
