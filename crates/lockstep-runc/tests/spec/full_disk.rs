//! A disk that is full or read-only, wherever the runtime writes: an error that names the file, and nothing
//! left or half done. What writes nothing goes on working.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_change, unmount};
use serde_json::json;

use crate::harness::{Bundle, Host, Test, View, cases, is_alive, kill, wait_until};

cases! {
    state_directory: "runc leaves its directory behind",
    state_directory_without_inodes: "runc words it differently",
    first_process_without_a_cgroup: "runc needs a cgroup",
    update: "runc changes the limit and then fails",
    update_refused_halfway: "runc puts back what config.json said",
    verbs_that_write_nothing: "runc cannot start then",
    root_file_system: "runc words it differently",
    tmpcopyup: "runc words it differently",
    log_file: "runc says nothing",
    pid_file: "runc words it differently",
    specification: "runc leaves half a file",
    output: "runc does not look",
    read_only_state_directory: "runc cannot start then",
    state_directory_of_another_user: "runc words it differently",
}

/// A small file system at a path, gone with the value.
struct Small(PathBuf);

impl Small {
    /// `options` as of tmpfs(5).
    fn at(path: &Path, options: &str) -> Small {
        std::fs::create_dir_all(path).expect("a directory of the test");
        let data = std::ffi::CString::new(options).expect("no NUL");
        mount("tmpfs", path, "tmpfs", MountFlags::empty(), Some(&*data)).expect("root may mount");
        mount_change(path, rustix::mount::MountPropagationFlags::PRIVATE).expect("own mount");
        Small(path.to_owned())
    }

    /// Takes all the room but `pages` pages of 4 KiB.
    fn fill_but(&self, pages: u64) {
        let path = self.0.join("filling");
        drop(std::fs::remove_file(&path));
        let mut file = File::create(&path).expect("room for a name");
        while file.write_all(&[1; 4096]).is_ok() {}
        let size = file.metadata().expect("own file").len() & !4095;
        file.set_len(size.saturating_sub(pages * 4096))
            .expect("own file");
    }

    fn fill(&self) {
        self.fill_but(0);
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filling")).expect("it was filled");
    }

    /// What else is in it.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("own directory").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name != "filling").collect()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Detached: a container that the test left may still have it open, and is found by other signs.
        unmount(&*self.0, UnmountFlags::DETACH).expect("own mount");
    }
}

/// The container's directories in all hierarchies.
fn cgroups(bundle: &Bundle<'_>) -> Vec<PathBuf> {
    let points = Host::get().controllers.values();
    let paths = points.map(|point| point.join(bundle.cgroup().trim_start_matches('/')));
    paths.filter(|path| path.exists()).collect()
}

#[track_caller]
fn nothing_left(t: &Test, bundle: &Bundle<'_>) {
    assert_eq!(cgroups(bundle), Vec::<PathBuf>::new());
    assert!(!t.state_root().join(&bundle.id).exists(), "state is left");
    let needle = bundle.dir().display().to_string();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts");
    assert!(!mounts.contains(&needle), "a mount is left: {mounts}");
}

/// With room for any number of pages: made, or an error that names the file that found none.
fn state_directory(t: &Test) {
    let small = Small::at(&t.state_root(), "size=64k");
    let bundle = t.sleeper().set("/process/oomScoreAdj", -1000);
    let mut named = Vec::new();
    let mut made = 0;
    for pages in 0..6 {
        small.fill_but(pages);
        for verb in ["create", "run"] {
            let output = match verb {
                "create" => bundle.try_create(),
                _ => t.sh("exit 0").run(),
            };
            if output.code == 0 {
                made += 1;
                if verb == "create" {
                    t.call(&["delete", "--force", &bundle.id]).ok();
                }
            } else {
                assert!(
                    output.stderr.contains("= ENOSPC: no space left on device"),
                    "{output:?}"
                );
                let file = ["state.json", "init.json", "outcome.json"];
                let file = file.iter().find(|file| output.stderr.contains(**file));
                named.push(*file.unwrap_or_else(|| panic!("no file is named: {output:?}")));
            }
            nothing_left(t, &bundle);
            assert_eq!(small.names(), Vec::<String>::new());
        }
    }
    assert!(
        made >= 4 && named.contains(&"state.json") && named.contains(&"init.json"),
        "{made} {named:?}"
    );
}

/// What is in the way of a container that could not be made is left alone: here another's cgroup.
fn state_directory_without_inodes(t: &Test) {
    let small = Small::at(&t.state_root(), "size=1m,nr_inodes=9");
    let other = t.companion("sleep", &["1000"]);
    let bundle = t.sleeper();
    let place = Host::get()
        .controllers
        .values()
        .next()
        .map(|point| point.join(bundle.cgroup().trim_start_matches('/')));
    let place = place.unwrap_or_else(|| t.skip("no cgroups here"));
    std::fs::create_dir_all(&place).expect("root may make a cgroup");
    std::fs::write(place.join("cgroup.procs"), other.to_string()).expect("root may move a process");
    let take = |n: usize| std::fs::write(t.state_root().join(format!("taken{n}")), "");
    // A label of SELinux takes room of one too (Linux 6.6).
    let room = (0..).take_while(|n| take(*n).is_ok()).count();
    let let_go = |n: usize| {
        std::fs::remove_file(t.state_root().join(format!("taken{n}"))).expect("own file");
    };
    (0..room).for_each(let_go);
    for inodes in (room - 2..=room).rev() {
        for n in 0..inodes {
            take(n).expect("an inode is left");
        }
        let output = bundle.try_create();
        output.fails_with(&["ENOSPC", &bundle.id]);
        assert!(is_alive(other), "a process of somebody else was killed");
        assert!(place.exists());
        (0..inodes).for_each(let_go);
    }
    assert_eq!(small.names(), Vec::<String>::new());
    kill(other, rustix::process::Signal::KILL);
    assert!(wait_until(|| std::fs::remove_dir(&place).is_ok()));
    if let Some(parent) = place.parent() {
        // Other tests may be in it.
        drop(std::fs::remove_dir(parent));
    }
}

/// Without a cgroup nothing but its number leads to the process that was made already.
fn first_process_without_a_cgroup(t: &Test) {
    let small = Small::at(&t.subdir("pids"), "size=64k");
    small.fill();
    let pid_file = small.0.join("pid").display().to_string();
    let bundle = t
        .sh(&format!("sleep 1000 {}/", t.dir.display()))
        .remove("/linux/resources")
        .options(&["--pid-file", &pid_file])
        .view(View::NoCgroup);
    bundle
        .try_create()
        .fails_with(&["pid file", &pid_file, "ENOSPC"]);
    let named = |text: &str| text.contains(&bundle.id);
    assert!(
        wait_until(|| !std::fs::read_dir("/proc")
            .expect("/proc")
            .flatten()
            .any(|entry| {
                let text = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                named(&String::from_utf8_lossy(&text))
            })),
        "the waiting process is left"
    );
}

fn limit(bundle: &Bundle<'_>) -> String {
    let file = cgroups(bundle)
        .into_iter()
        .map(|path| path.join("pids.max"))
        .find(|path| path.exists())
        .unwrap_or_else(|| bundle.test.skip("no pids controller here"));
    let text = std::fs::read_to_string(file).expect("a limit is readable");
    text.trim().to_owned()
}

fn update(t: &Test) {
    let small = Small::at(&t.state_root(), "size=64k");
    let bundle = t
        .sleeper()
        .set("/linux/resources/pids", json!({"limit": 100}));
    let c = bundle.started();
    small.fill();
    c.call("update", &["--pids-limit", "50"]).fails_with(&[
        "state of",
        ".state.json.tmp",
        "ENOSPC",
    ]);
    assert_eq!(limit(&bundle), "100", "a limit that no state knows of");
    small.empty();
    c.call("update", &["--pids-limit", "50"]).ok();
    assert_eq!(limit(&bundle), "50");
    c.stop();
    c.delete();
}

/// A limit that the kernel refuses takes those before it with it.
fn update_refused_halfway(t: &Test) {
    let bundle = t
        .sleeper()
        .set("/linux/resources/pids", json!({"limit": 100}));
    let c = bundle.started();
    let before = limit(&bundle);
    // More CPUs than any machine has.
    let resources = t.file(
        "resources.json",
        r#"{"pids": {"limit": 60}, "cpu": {"shares": 512, "cpus": "0,8000"}}"#,
    );
    let output = c.call("update", &["--resources", &resources.display().to_string()]);
    assert!(output.code != 0, "{output:?}");
    assert!(output.stderr.contains("cpus"), "{output:?}");
    assert_eq!(limit(&bundle), before, "half an update");
    let shares = cgroups(&bundle)
        .into_iter()
        .map(|path| path.join("cpu.shares"))
        .find(|path| path.exists());
    if let Some(file) = shares {
        assert_eq!(
            std::fs::read_to_string(file).expect("readable").trim(),
            "1024"
        );
    }
    // Nor does the state have it: a later update starts from what is in force.
    c.call("update", &["--pids-limit", "70"]).ok();
    assert_eq!(limit(&bundle), "70");
}

fn verbs_that_write_nothing(t: &Test) {
    let small = Small::at(&t.state_root(), "size=64k");
    let c = t.sleeper().create();
    small.fill();
    c.start();
    assert_eq!(c.status(), "running");
    c.exec(&[], &["/bin/true"]).ok();
    c.call("ps", &[]).ok();
    t.call(&["list"]).ok();
    c.call("pause", &[]).ok();
    assert_eq!(c.status(), "paused");
    c.call("resume", &[]).ok();
    c.stop();
    c.delete();
    assert_eq!(small.names(), Vec::<String>::new());
}

fn root_file_system(t: &Test) {
    let bundle = t.sh("echo ran").mount("/new/place", "tmpfs", "tmpfs", &[]);
    let copy = t.subdir("small");
    let small = Small::at(&copy, "size=8m,nr_inodes=200");
    t.host(
        "cp",
        &[
            "-a",
            &format!("{}/.", bundle.rootfs().display()),
            &copy.display().to_string(),
        ],
    );
    let bundle = bundle.set("/root/path", copy.display().to_string());
    let number = bundle.config["mounts"].as_array().map_or(0, Vec::len) - 1;
    let mut taken = 0;
    while std::fs::write(copy.join(format!("tmp/{taken}")), "").is_ok() {
        taken += 1;
    }
    bundle
        .run()
        .fails_with(&["/new", "ENOSPC", &format!("/mounts/{number}")]);
    nothing_left(t, &bundle);
    std::fs::remove_file(copy.join("tmp/0")).expect("own file");
    // A mount point of two parts, and room for one: what was made of it is not worth more than the error.
    bundle
        .run()
        .fails_with(&["/new/place", "ENOSPC", &format!("/mounts/{number}")]);
    std::fs::remove_file(copy.join("tmp/1")).expect("own file");
    assert_eq!(bundle.run().ok().text(), "ran");
    drop(small);
}

fn tmpcopyup(t: &Test) {
    let bundle = t
        .sh("echo ran")
        .mount("/data", "tmpfs", "tmpfs", &["tmpcopyup", "size=8k"]);
    let bundle = bundle.file("/data/large", &"x".repeat(100_000));
    let number = bundle.config["mounts"].as_array().map_or(0, Vec::len) - 1;
    bundle
        .run()
        .fails_with(&["/data", "ENOSPC", &format!("/mounts/{number}")]);
    nothing_left(t, &bundle);
}

fn log_file(t: &Test) {
    let small = Small::at(&t.subdir("logs"), "size=64k");
    let log = small.0.join("log").display().to_string();
    std::fs::write(&log, "").expect("room for a name");
    small.fill();
    t.call(&["--log", &log, "state", "nobody"])
        .exits(1)
        .fails_with(&["container does not exist", "log: write(", &log, "ENOSPC"]);
    // What works needs no log.
    let bundle = t.sh("echo ran").globals(&["--log", &log, "--debug"]);
    assert_eq!(bundle.run().ok().text(), "ran");
    std::fs::remove_file(&log).expect("own file");
    t.call(&["--log", &format!("{log}.d/log"), "list"])
        .exits(1)
        .fails_with(&["log.d"]);
}

fn pid_file(t: &Test) {
    let small = Small::at(&t.subdir("pids"), "size=64k");
    let pid_file = small.0.join("pid").display().to_string();
    small.fill();
    let options = ["--pid-file", pid_file.as_str()];
    let bundle = t.sleeper().options(&options);
    bundle
        .try_create()
        .fails_with(&["pid file", &pid_file, "ENOSPC"]);
    nothing_left(t, &bundle);
    bundle.run().fails_with(&["pid file", &pid_file, "ENOSPC"]);
    nothing_left(t, &bundle);
    let c = t.sleeper().started();
    let all = c.call("ps", &["--format", "json"]).ok().stdout;
    let output = c.exec(
        &["--detach", "--pid-file", &pid_file],
        &["/bin/sleep", "1000"],
    );
    output.fails_with(&["pid file", &pid_file, "ENOSPC"]);
    assert_eq!(
        c.call("ps", &["--format", "json"]).ok().stdout,
        all,
        "the process is left"
    );
    assert_eq!(small.names(), Vec::<String>::new());
}

fn specification(t: &Test) {
    let small = Small::at(&t.subdir("bundle"), "size=64k");
    small.fill();
    let bundle = small.0.display().to_string();
    t.call(&["spec", "--bundle", &bundle])
        .exits(1)
        .fails_with(&["config.json", "no space left on device"]);
    assert_eq!(small.names(), Vec::<String>::new());
}

/// Half an answer is none.
fn output(t: &Test) {
    let c = t.sleeper().create();
    let full = View::Script("set -- sh -c '\"$@\" >/dev/full' sh \"$@\"".to_owned());
    for args in [
        &["state", &c.id][..],
        &["list"],
        &["ps", &c.id],
        &["features"],
    ] {
        t.call_in(&full, args)
            .exits(1)
            .fails_with(&["/dev/stdout", "no space left on device"]);
    }
}

fn read_only_state_directory(t: &Test) {
    let small = Small::at(&t.state_root(), "size=1m");
    let bundle = t
        .sleeper()
        .set("/linux/resources/pids", json!({"limit": 100}));
    let other = t.sleeper();
    let waiting = t.sleeper().create();
    let c = bundle.started();
    let read_only = |on: bool| {
        let flags = if on {
            MountFlags::RDONLY
        } else {
            MountFlags::empty()
        };
        rustix::mount::mount_remount(&small.0, flags, "").expect("own mount");
    };
    read_only(true);
    other
        .try_create()
        .fails_with(&["state directory", "mkdirat(", &other.id, "EROFS"]);
    assert_eq!(cgroups(&other), Vec::<PathBuf>::new());
    let absent = small.0.join("a/b").display().to_string();
    let dir = other.dir().display().to_string();
    let output = t.call(&["--root", &absent, "run", "--bundle", &dir, &other.id]);
    output.fails_with(&["state directory", &absent, "EROFS"]);
    // What only reads works, and so does what changes the kernel's side alone.
    waiting.call("start", &[]).ok();
    assert_eq!(waiting.status(), "running");
    waiting.exec(&[], &["/bin/true"]).ok();
    t.call(&["list"]).ok();
    c.call("pause", &[]).ok();
    c.call("resume", &[]).ok();
    c.call("update", &["--pids-limit", "50"])
        .fails_with(&["state of", "EROFS"]);
    assert_eq!(limit(&bundle), "100");
    c.stop();
    c.call("delete", &[])
        .fails_with(&["state of", "unlinkat(", "EROFS"]);
    assert_eq!(c.status(), "stopped");
    read_only(false);
    c.delete();
    waiting.stop();
    waiting.delete();
    assert_eq!(small.names(), Vec::<String>::new());
}

fn state_directory_of_another_user(t: &Test) {
    let user = View::User {
        uid: 12_345,
        subordinate: None,
    };
    let bundle = t.sleeper();
    bundle.write();
    let dir = bundle.dir().display().to_string();
    t.call_in(&user, &["create", "--bundle", &dir, &bundle.id])
        .exits(1)
        .fails_with(&["state directory", "mkdirat(", "EACCES: permission denied"]);
    nothing_left(t, &bundle);
}
