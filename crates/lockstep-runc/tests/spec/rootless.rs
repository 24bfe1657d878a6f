//! The runtime as an ordinary user: with one mapped id, with newuidmap, and what is then refused.

use serde_json::{Value, json};

use crate::harness::{Bundle, Host, Test, View, cases, status_field, wait_until};

cases! {
    single_id,
    subordinate_ids,
    life_of_a_container,
    exec_and_its_exit_code,
    user_within_the_subordinate_ids,
    additional_groups_within_the_subordinate_ids: "runc 1.1.5 refuses every additional group",
    foreign_id_refused,
    more_ids_than_subordinate_refused,
    additional_groups_with_one_id_refused,
    without_user_namespace_refused,
    the_setting_that_refuses_a_user_namespace_is_named: "words of Lockstep",
    limit_is_refused_or_downgraded,
    limit_of_processes_without_a_cgroup: "runc drops or refuses it",
    no_limit_needs_no_cgroup,
    kill_all_without_a_cgroup: "runc 1.1.5 fails",
    state_shows_the_owner: "runc 1.1.5 finds no name for it",
    rlimits_within_the_callers: "runc 1.1.5 is not compared there",
    hostname_network_and_mounts,
    clocks_of_a_new_time_namespace: "runc 1.1.5 has no time namespace",
    devices_are_bound,
    seccomp_with_one_id,
    read_only_root_and_masks,
    terminal_less_hooks_run,
    bundle_of_another_user,
    root_directory_not_writable_refused,
    update_by_root_of_a_user_namespace: "runc goes by the user id",
}

const UID: u32 = 54_321;
const FIRST: u32 = 600_000;

fn one(t: &Test) -> View {
    ready(t);
    View::User {
        uid: UID,
        subordinate: None,
    }
}

fn many(t: &Test) -> View {
    ready(t);
    t.need(
        Host::get().has_program("newuidmap"),
        "no newuidmap(1) (uidmap)",
    );
    View::User {
        uid: UID,
        subordinate: Some(FIRST),
    }
}

fn ready(t: &Test) {
    t.need(
        Host::get().has_program("setpriv"),
        "no setpriv(1) (util-linux)",
    );
    let limit = std::fs::read_to_string("/proc/sys/user/max_user_namespaces");
    t.need(
        limit.is_ok_and(|limit| limit.trim() != "0"),
        "user namespaces are turned off",
    );
}

fn map(host: &[(u32, u32, u32)]) -> Value {
    let entries = host.iter().map(
        |(container, host, size)| json!({"containerID": container, "hostID": host, "size": size}),
    );
    entries.collect()
}

/// What an ordinary user's configuration looks like: no resources, no cgroup, one mapped id.
fn plain<'t>(t: &'t Test, script: &str) -> Bundle<'t> {
    let own = map(&[(0, UID, 1)]);
    t.sh(script)
        .view(one(t))
        .remove("/linux/cgroupsPath")
        .remove("/linux/resources")
        .namespace("user")
        .set("/linux/uidMappings", own.clone())
        .set("/linux/gidMappings", own)
}

fn with_subordinates(bundle: Bundle<'_>) -> Bundle<'_> {
    let all = map(&[(0, UID, 1), (1, FIRST, 65_536)]);
    let view = many(bundle.test);
    bundle
        .view(view)
        .set("/linux/uidMappings", all.clone())
        .set("/linux/gidMappings", all)
}

fn single_id(t: &Test) {
    let output = plain(
        t,
        "id -u; id -g; cat /proc/self/uid_map; cat /proc/self/setgroups",
    )
    .run()
    .ok();
    assert_eq!(output.lines()[..2], ["0", "0"]);
    let map: Vec<&str> = output.lines()[2].split_whitespace().collect();
    assert_eq!(map, ["0", &UID.to_string(), "1"]);
    assert_eq!(output.lines()[3], "deny");
}

fn subordinate_ids(t: &Test) {
    let output = with_subordinates(plain(t, "cat /proc/self/uid_map /proc/self/gid_map"))
        .run()
        .ok();
    let text = output
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let one = format!("0 {UID} 1 1 {FIRST} 65536");
    assert_eq!(text, format!("{one} {one}"));
}

fn life_of_a_container(t: &Test) {
    let c = with_subordinates(plain(t, "sleep 1000")).create();
    assert_eq!(c.status(), "created");
    c.start();
    assert_eq!(c.status(), "running");
    assert_eq!(
        status_field(c.pid(), "Uid").split(' ').next(),
        Some(UID.to_string().as_str())
    );
    c.stop();
    assert_eq!(c.status(), "stopped");
    c.delete();
    c.call("state", &[])
        .fails_with(&["container does not exist"]);
}

fn exec_and_its_exit_code(t: &Test) {
    for bundle in [
        plain(t, "sleep 1000"),
        with_subordinates(plain(t, "sleep 1000")),
    ] {
        let c = bundle.started();
        assert_eq!(c.exec(&[], &["id", "-u"]).ok().text(), "0");
        c.exec(&[], &["sh", "-c", "exit 12"]).exits(12);
        c.exec(&[], &["no-such-program"]).exits(255);
    }
}

fn user_within_the_subordinate_ids(t: &Test) {
    let user = json!({"uid": 1000, "gid": 1000});
    let bundle = with_subordinates(plain(t, "sleep 1000")).set("/process/user", user);
    let pid = bundle.started().pid();
    let id = FIRST + 999;
    assert_eq!(status_field(pid, "Uid"), format!("{id} {id} {id} {id}"));
    assert_eq!(status_field(pid, "Gid"), format!("{id} {id} {id} {id}"));
}

fn additional_groups_within_the_subordinate_ids(t: &Test) {
    let user = json!({"uid": 1000, "gid": 1000, "additionalGids": [5, 6]});
    let bundle = with_subordinates(plain(t, "sleep 1000")).set("/process/user", user);
    let groups = status_field(bundle.started().pid(), "Groups");
    assert_eq!(groups, format!("{} {}", FIRST + 4, FIRST + 5));
}

fn foreign_id_refused(t: &Test) {
    // A configuration made as root maps host id 0.
    let wrong = map(&[(0, 0, 1)]);
    let output = plain(t, "true")
        .set("/linux/uidMappings", wrong.clone())
        .set("/linux/gidMappings", wrong)
        .run();
    assert_ne!(output.code, 0);
    if !t.peer_is_other() {
        assert!(output.stderr.contains("/linux/uidMappings"), "{output:?}");
    }
}

fn more_ids_than_subordinate_refused(t: &Test) {
    let all = map(&[(0, UID, 1), (1, FIRST, 65_537)]);
    let output = with_subordinates(plain(t, "true"))
        .set("/linux/uidMappings", all.clone())
        .set("/linux/gidMappings", all)
        .run();
    output.fails_with(&["newuidmap"]);
}

fn additional_groups_with_one_id_refused(t: &Test) {
    let user = json!({"uid": 0, "gid": 0, "additionalGids": [5]});
    let output = plain(t, "id -G").set("/process/user", user).run();
    assert_ne!(
        output.code, 0,
        "groups that cannot be set were dropped: {output:?}"
    );
}

fn without_user_namespace_refused(t: &Test) {
    let output = plain(t, "true")
        .without_namespace("user")
        .remove("/linux/uidMappings")
        .remove("/linux/gidMappings")
        .run();
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("user namespace"), "{output:?}");
}

/// A limit of a namespace above, which touches nobody else's.
fn the_setting_that_refuses_a_user_namespace_is_named(t: &Test) {
    let none = "echo 0 > /proc/sys/user/max_user_namespaces";
    let within = |before: &str| {
        let script = format!("set -- unshare -U -r -m sh -c '{before}; exec \"$@\"' sh \"$@\"");
        let own = map(&[(0, 0, 1)]);
        let bundle = plain(t, "echo ran").view(View::Script(script));
        let bundle = bundle.set("/linux/uidMappings", own.clone());
        bundle.set("/linux/gidMappings", own).run()
    };
    within(none).fails_with(&["user.max_user_namespaces is 0", "/linux/namespaces"]);
    assert_eq!(within("true").ok().text(), "ran");
}

fn limit_is_refused_or_downgraded(t: &Test) {
    for (part, resources, is_kept) in [
        ("memory", json!({"memory": {"limit": 67_108_864}}), false),
        // As a limit of the user's processes.
        ("pids", json!({"pids": {"limit": 30}}), true),
        ("cpu", json!({"cpu": {"shares": 100}}), false),
    ] {
        let bundle = plain(t, "echo ran").set("/linux/resources", resources);
        let output = bundle.run();
        if !t.peer_is_other() {
            let wanted = if is_kept { (0, "ran") } else { (1, "") };
            assert_eq!((output.code, output.text()), wanted, "{part}: {output:?}");
        }
        assert!(
            output.stderr.contains(part) || output.stderr.contains("cgroup"),
            "{part}: dropped in silence: {output:?}"
        );
    }
}

/// Not the same as a cgroup, and so said; but a fork bomb ends.
fn limit_of_processes_without_a_cgroup(t: &Test) {
    let limited = |limit: i64, script: &str| {
        let probe = plain(t, script).with_probe();
        probe.set("/linux/resources", json!({"pids": {"limit": limit}}))
    };
    let output = limited(10, "/probe fork 100").run().ok();
    let made: u32 = output.value("forked").parse().expect("a number");
    assert!((1..10).contains(&made), "{output:?}");
    assert_eq!(output.value("forkerrno"), "11", "EAGAIN");
    let output = output
        .warns("/linux/resources/pids/limit: cannot set pids limit")
        .warns("/linux/resources/pids/limit: RLIMIT_NPROC 10 instead of a cgroup");
    assert!(
        output.stderr.contains("not those of the container"),
        "{output:?}"
    );
    // What joins later is limited as well, and both are told.
    let c = limited(10, "sleep 1000").started();
    let downgrades = c.state()["downgrades"].to_string();
    assert!(downgrades.contains("RLIMIT_NPROC 10"), "{downgrades}");
    let output = c.exec(&[], &["/probe", "fork", "100"]).ok();
    assert_eq!(output.value("forkerrno"), "11", "{output:?}");
    output.warns("RLIMIT_NPROC 10");
    // No limit asks for nothing; none at all cannot be had this way.
    let output = limited(-1, "/probe fork 20").run();
    assert!(!output.stderr.contains("RLIMIT_NPROC"), "{output:?}");
    limited(0, "true")
        .run()
        .fails_with(&["/linux/resources/pids/limit"]);
    // A lower limit of config.json stays; a higher one gives way.
    for (asked, forked) in [(5, 5), (50, 10)] {
        let output = limited(10, "/probe fork 100")
            .push(
                "/process/rlimits",
                json!({"type": "RLIMIT_NPROC", "soft": asked, "hard": asked}),
            )
            .run()
            .ok();
        let made: u32 = output.value("forked").parse().expect("a number");
        assert!(made < forked, "{asked}: {output:?}");
    }
    // Root has the right to a cgroup, and what it does not get is an error.
    t.sh("true")
        .set("/linux/resources/pids", json!({"limit": 10}))
        .view(View::NoCgroup)
        .run()
        .fails_with(&["/linux/resources/pids/limit"]);
}

fn no_limit_needs_no_cgroup(t: &Test) {
    let bundle = plain(t, "echo ran").set(
        "/linux/resources",
        json!({"devices": [{"allow": false, "access": "rwm"}]}),
    );
    assert_eq!(bundle.run().ok().text(), "ran");
}

/// Without one only the first process is known. In a pid namespace its end is that of all.
fn kill_all_without_a_cgroup(t: &Test) {
    let started = |own_pids: bool| {
        let bundle = plain(
            t,
            "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done",
        );
        let c = match own_pids {
            true => bundle.started(),
            // The kernel gives such a user no /proc of the host's processes.
            false => bundle.without_namespace("pid").unmount("/proc").started(),
        };
        assert!(wait_until(|| c.stdout().contains("ready")));
        c
    };
    for (own_pids, signal, all) in [
        (true, "KILL", true),
        (true, "TERM", false),
        (false, "KILL", false),
    ] {
        let c = started(own_pids);
        let said = t
            .call_in(&one(t), &["kill", "--all", &c.id, signal])
            .ok()
            .stderr;
        let told = said.contains("no cgroup, so only its first process");
        assert_eq!(told, !all, "{signal}: {said}");
        c.wait_stopped();
        c.delete();
    }
}

fn state_shows_the_owner(t: &Test) {
    let c = plain(t, "sleep 1000").create();
    assert_eq!(c.status(), "created");
    let list = t.call_in(&one(t), &["list"]).ok();
    assert!(
        list.lines()[1].trim_end().ends_with("lstest"),
        "{}",
        list.stdout
    );
}

fn rlimits_within_the_callers(t: &Test) {
    let limits = json!([{"type": "RLIMIT_NOFILE", "soft": 9_000_000, "hard": 9_000_000}]);
    let output = plain(t, "ulimit -Hn")
        .set("/process/rlimits", limits)
        .run()
        .ok();
    assert!(output.stderr.contains("RLIMIT_NOFILE"), "{output:?}");
    let hard: u64 = output.text().parse().expect("a number");
    assert!(hard < 9_000_000);
}

fn hostname_network_and_mounts(t: &Test) {
    let output = plain(
        t,
        "hostname; ls /sys/class/net; echo x > /m/f && cat /m/f; cat /data/in",
    )
    .mount("/m", "tmpfs", "tmpfs", &["nosuid"])
    .bind(&readable(t), "/data", &["ro"])
    .run()
    .ok();
    assert_eq!(output.lines(), ["lockstep", "lo", "x", "bound"]);
}

fn clocks_of_a_new_time_namespace(t: &Test) {
    for bundle in [
        plain(t, "cat /proc/self/timens_offsets"),
        with_subordinates(plain(t, "cat /proc/self/timens_offsets")),
    ] {
        let output = bundle
            .namespace("time")
            .set("/linux/timeOffsets", json!({"boottime": {"secs": 500}}))
            .run()
            .ok();
        let fields: Vec<&str> = output.stdout.split_whitespace().collect();
        assert!(
            fields.windows(3).any(|w| w == ["boottime", "500", "0"]),
            "{fields:?}"
        );
    }
}

fn readable(t: &Test) -> std::path::PathBuf {
    let dir = t.subdir("shared");
    std::fs::write(dir.join("in"), "bound").expect("own directory");
    dir
}

fn devices_are_bound(t: &Test) {
    let output = plain(
        t,
        "stat -c %t:%T /dev/null /dev/zero /dev/tty; echo x > /dev/null && echo ok",
    )
    .run()
    .ok();
    assert_eq!(output.lines(), ["1:3", "1:5", "5:0", "ok"]);
}

fn seccomp_with_one_id(t: &Test) {
    let output = plain(t, "exec /probe syscall 37 0")
        .with_probe()
        .set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW",
                   "syscalls": [{"names": ["alarm"], "action": "SCMP_ACT_ERRNO"}]}),
        )
        .run()
        .ok();
    assert_eq!(output.value("syscall"), "-1");
}

fn read_only_root_and_masks(t: &Test) {
    let output = plain(t, "touch /x; cat /proc/timer_list | wc -c")
        .set("/root/readonly", true)
        .run()
        .ok();
    assert!(
        output.stderr.contains("Read-only file system"),
        "{output:?}"
    );
    assert_eq!(output.text(), "0");
}

fn terminal_less_hooks_run(t: &Test) {
    let dir = t.subdir("log");
    std::os::unix::fs::chown(&dir, Some(UID), Some(UID)).expect("root gives directories away");
    let path = t.file(
        "hook",
        &format!("#!/bin/sh\nid -u > {}/uid\n", dir.display()),
    );
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("own file");
    plain(t, "true")
        .push("/hooks/createRuntime", json!({"path": path}))
        .run()
        .ok();
    let uid = std::fs::read_to_string(dir.join("uid")).expect("the hook ran");
    assert_eq!(uid.trim(), UID.to_string());
}

fn bundle_of_another_user(t: &Test) {
    // Mount points that are missing cannot be made there: the error names one.
    let bundle = plain(t, "true").mount("/not/there", "tmpfs", "tmpfs", &[]);
    bundle.write();
    let rootfs = bundle.rootfs();
    std::os::unix::fs::chown(&rootfs, Some(0), Some(0)).expect("root");
    t.used.borrow_mut().push(crate::harness::Used {
        id: bundle.id.clone(),
        view: one(t),
        foreground: true,
    });
    let dir = bundle.dir().display().to_string();
    let output = t.call_in(&one(t), &["run", "--bundle", &dir, &bundle.id]);
    output.fails_with(&["/not", "permission denied"]);
}

fn root_directory_not_writable_refused(t: &Test) {
    let bundle = plain(t, "true");
    bundle.write();
    std::os::unix::fs::chown(t.state_root(), Some(0), Some(0)).expect("root");
    let dir = bundle.dir().display().to_string();
    let output = t.call_in(&one(t), &["run", "--bundle", &dir, &bundle.id]);
    output.fails_with(&["permission denied"]);
}

/// Root there is nobody outside: what it may not do to cgroups is lost visibly, as for any user.
fn update_by_root_of_a_user_namespace(t: &Test) {
    let c = plain(t, "sleep 1000").started();
    let file = t.file(
        "resources.json",
        &json!({"devices": [{"allow": false, "access": "rwm"}]}).to_string(),
    );
    let file = file.display().to_string();
    let args = ["update", "--resources", &file, &c.id];
    let user = format!("setpriv --clear-groups --reuid={UID} --regid={UID}");
    for inside in ["", "unshare --user --map-root-user"] {
        let view = View::Script(format!("set -- {user} {inside} \"$@\""));
        t.call_in(&view, &args)
            .ok()
            .warns("msg=\"/devices: cannot set devices limit");
    }
    // Said to be privileged, it is refused.
    let view = View::Script(format!(
        "set -- {user} unshare --user --map-root-user \"$@\""
    ));
    let args = [&["--rootless=false"], &args[..]].concat();
    t.call_in(&view, &args).fails_with(&["/devices", &file]);
}
