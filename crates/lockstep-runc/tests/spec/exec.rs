//! `exec`: what a second process of a container gets, and the codes and words of its failures.

use serde_json::json;

use crate::harness::{Container, Test, cases, cgroup_of, status_field, wait_until};

cases! {
    errors_name_the_process_file: "runc names no field",
    errors_name_the_options: "runc names no field",
    joins_every_namespace,
    sees_the_root_and_mounts,
    exit_codes,
    exit_code_of_a_signal,
    missing_program_is_255,
    not_executable_is_255,
    inherits_the_configuration,
    environment_of_the_configuration_and_flags,
    cwd_flag,
    cwd_missing_is_created_or_refused,
    user_flag,
    user_name_is_not_looked_up_on_the_host,
    malformed_user_refused,
    additional_gids_flag,
    what_is_no_id_is_no_group,
    groups_of_the_configuration_are_kept,
    capabilities_of_the_configuration,
    capability_flag_adds,
    capability_unknown_refused,
    inheritable_capabilities_are_cleared,
    no_new_privileges_of_the_configuration,
    no_new_privileges_flag,
    oom_score_and_rlimits,
    cgroup_is_joined,
    process_file,
    process_file_replaces_all,
    process_file_malformed_refused,
    process_without_args_refused,
    detach_returns_and_writes_the_pid,
    detached_process_runs_on,
    pid_file_of_a_foreground_exec,
    preserve_fds,
    no_descriptor_leaks,
    stdin_is_passed,
    in_a_stopped_container_refused,
    in_a_created_container,
    in_an_unknown_container_refused,
    after_the_first_process_died,
    many_at_once,
    apparmor_and_label_refused_where_off,
    cgroup_flag,
    ignore_paused,
    readonly_root_holds_for_exec,
    hostile_passwd_is_not_trusted,
    umask_of_the_configuration: "runc 1.1.5 does not apply it to exec",
}

fn container(t: &Test) -> Container<'_> {
    t.sleeper().with_probe().started()
}

/// What the command line asks for is not blamed on config.json; what it leaves out is config.json's.
fn errors_name_the_options(t: &Test) {
    let c = container(t);
    let asked = |options: &[&str], command: &str, who: &str| {
        c.exec(options, &[command])
            .fails_with(&[&format!("(asked for by {who})")]);
    };
    asked(&[], "/no/such", "/args/0 of the options");
    asked(&["--cwd", "/etc/passwd"], "true", "/cwd of the options");
    let lsms = &crate::harness::Host::get().lsms;
    for (lsm, flag, field) in [
        ("apparmor", "--apparmor", "/apparmorProfile"),
        ("selinux", "--process-label", "/selinuxLabel"),
    ] {
        if !lsms.iter().any(|name| name == lsm) {
            asked(&[flag, "x"], "true", &format!("{field} of the options"));
        }
    }
}

fn joins_every_namespace(t: &Test) {
    let c = t
        .sleeper()
        .namespace("cgroup")
        .user_namespace(300_000, 1000)
        .started();
    let pid = c.pid();
    for file in ["pid", "net", "ipc", "uts", "mnt", "cgroup", "user"] {
        let inside = c
            .exec(&[], &["readlink", &format!("/proc/self/ns/{file}")])
            .ok();
        let link = std::fs::read_link(format!("/proc/{pid}/ns/{file}")).expect("a live process");
        assert_eq!(inside.text(), link.display().to_string(), "{file}");
    }
}

fn sees_the_root_and_mounts(t: &Test) {
    let c = t.sleeper().mount("/m", "tmpfs", "marker", &[]).started();
    let own = c.exec(&[], &["cat", "/proc/self/mountinfo"]).ok();
    let first = std::fs::read_to_string(format!("/proc/{}/mountinfo", c.pid()));
    assert_eq!(own.stdout, first.expect("a live process"));
}

fn exit_codes(t: &Test) {
    let c = container(t);
    for code in [0, 1, 2, 42, 126, 127, 255] {
        c.exec(&[], &["sh", "-c", &format!("exit {code}")])
            .exits(code);
    }
}

fn exit_code_of_a_signal(t: &Test) {
    let c = container(t);
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11)] {
        c.exec(&[], &["sh", "-c", &format!("kill -{name} $$")])
            .exits(128 + number);
    }
}

fn missing_program_is_255(t: &Test) {
    let c = container(t);
    c.exec(&[], &["no-such-program"]).exits(255).fails_with(&[
        "exec failed",
        "no-such-program",
        "executable file not found in $PATH",
    ]);
    c.exec(&[], &["/no/such/program"])
        .exits(255)
        .fails_with(&["/no/such/program", "no such file or directory"]);
}

fn not_executable_is_255(t: &Test) {
    let c = t.sleeper().file("/opt/tool", "#!/bin/sh\n").started();
    c.exec(&[], &["/opt/tool"])
        .exits(255)
        .fails_with(&["/opt/tool", "permission denied"]);
}

fn inherits_the_configuration(t: &Test) {
    let c = t
        .sleeper()
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .set("/process/cwd", "/etc")
        .set("/process/env", json!(["PATH=/bin", "FROM=config"]))
        .started();
    let output = c
        .exec(&[], &["sh", "-c", "id -u; id -g; pwd; echo $FROM"])
        .ok();
    assert_eq!(output.lines(), ["1000", "1000", "/etc", "config"]);
}

fn environment_of_the_configuration_and_flags(t: &Test) {
    let c = t
        .sleeper()
        .set("/process/env", json!(["PATH=/bin", "A=1", "B=2"]))
        .started();
    for flag in ["--env", "-e"] {
        let output = c
            .exec(&[flag, "B=3", flag, "C=x y", flag, "D="], &["env"])
            .ok();
        for line in ["A=1", "B=3", "C=x y", "D=", "PATH=/bin"] {
            assert!(output.lines().contains(&line), "{line}: {}", output.stdout);
        }
        assert!(!output.lines().contains(&"B=2"), "{}", output.stdout);
    }
}

fn cwd_flag(t: &Test) {
    assert_eq!(
        container(t).exec(&["--cwd", "/tmp"], &["pwd"]).ok().text(),
        "/tmp"
    );
}

fn cwd_missing_is_created_or_refused(t: &Test) {
    let output = container(t).exec(&["--cwd", "/not/there"], &["pwd"]);
    if output.code == 0 {
        assert_eq!(output.text(), "/not/there");
    } else {
        assert!(output.stderr.contains("/not/there"), "{output:?}");
    }
}

fn user_flag(t: &Test) {
    let c = container(t);
    for (flag, want) in [
        ("1000", "1000:0"),
        ("1000:1000", "1000:1000"),
        ("7:8", "7:8"),
    ] {
        let output = c
            .exec(&["--user", flag], &["sh", "-c", "echo $(id -u):$(id -g)"])
            .ok();
        assert_eq!(output.text(), want, "{flag}");
    }
}

fn user_name_is_not_looked_up_on_the_host(t: &Test) {
    // runc takes numbers only: a name is refused, never turned into some number.
    let output = container(t).exec(&["--user", "daemon"], &["id", "-u"]);
    assert_ne!(output.code, 0, "{output:?}");
}

fn malformed_user_refused(t: &Test) {
    let c = container(t);
    for flag in [
        "",
        ":",
        "x:1",
        "1:x",
        "-1",
        "1000:1000:1000",
        "99999999999",
        "4294967295",
        "5:4294967295",
        "0x10",
        "1 ",
    ] {
        let output = c.exec(&["--user", flag], &["id", "-u"]);
        if flag.is_empty() && output.code == 0 {
            // As if the flag were absent.
            assert_eq!(output.text(), "0");
        } else if t.peer_is_other() && ["-1", "99999999999", "1000:1000:1000"].contains(&flag) {
            continue; // runc 1.1.5 is laxer there.
        } else {
            assert_ne!(output.code, 0, "{flag:?} ran as {}", output.text());
        }
    }
}

fn additional_gids_flag(t: &Test) {
    let c = container(t);
    let script = ["grep", "Groups", "/proc/self/status"];
    for flag in ["--additional-gids", "-g"] {
        let output = c.exec(&[flag, "5", flag, "2000"], &script).ok();
        let groups: Vec<&str> = output.value("Groups").split_whitespace().collect();
        assert_eq!(groups, ["5", "2000"]);
    }
}

/// (gid_t)-1 is no group.
fn what_is_no_id_is_no_group(t: &Test) {
    let output = container(t).exec(&["--additional-gids", "4294967295"], &["id", "-u"]);
    assert_ne!(output.code, 0, "{output:?}");
    if !t.peer_is_other() {
        assert!(output.stderr.contains("4294967295"), "{output:?}");
    }
}

fn groups_of_the_configuration_are_kept(t: &Test) {
    let user = json!({"uid": 1000, "gid": 1000, "additionalGids": [5, 6]});
    let c = t.sleeper().set("/process/user", user).started();
    let output = c.exec(&[], &["grep", "Groups", "/proc/self/status"]).ok();
    assert_eq!(output.value("Groups"), "5 6");
}

fn caps(c: &Container<'_>, options: &[&str], set: &str) -> String {
    let output = c.exec(options, &["cat", "/proc/self/status"]).ok();
    output.value(set).to_owned()
}

fn capabilities_of_the_configuration(t: &Test) {
    let c = t
        .sleeper()
        .capabilities(&["CAP_CHOWN", "CAP_KILL"])
        .started();
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(caps(&c, &[], set), "0000000000000021", "{set}");
        assert_eq!(status_field(c.pid(), set), "0000000000000021", "{set}");
    }
}

fn capability_flag_adds(t: &Test) {
    let c = t.sleeper().capabilities(&["CAP_CHOWN"]).started();
    for flag in ["--cap", "-c"] {
        let options = [flag, "CAP_NET_RAW", flag, "CAP_KILL"];
        assert_eq!(caps(&c, &options, "CapEff"), "0000000000002021");
        assert_eq!(caps(&c, &options, "CapBnd"), "0000000000002021");
    }
    assert_eq!(
        caps(&c, &[], "CapEff"),
        "0000000000000001",
        "it holds for that exec only"
    );
}

fn capability_unknown_refused(t: &Test) {
    let output = container(t).exec(&["--cap", "CAP_NONSENSE"], &["true"]);
    assert!(output.stderr.contains("CAP_NONSENSE"), "{output:?}");
}

fn inheritable_capabilities_are_cleared(t: &Test) {
    // CVE-2022-29162: a set-group program must not find more in it than the caller meant.
    let c = t
        .sleeper()
        .set(
            "/process/capabilities",
            json!({"bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"],
                   "effective": ["CAP_CHOWN"], "inheritable": ["CAP_CHOWN"],
                   "ambient": ["CAP_CHOWN"]}),
        )
        .started();
    let added = caps(&c, &["--cap", "CAP_NET_RAW"], "CapInh");
    let bits = u64::from_str_radix(&added, 16).expect("hexadecimal");
    assert_eq!(
        bits & (1 << 13),
        0,
        "a capability of --cap is inheritable: {added}"
    );
    let user = caps(&c, &["--user", "1000:1000"], "CapInh");
    if !t.peer_is_other() {
        assert_eq!(user, "0000000000000000");
    }
}

fn no_new_privileges_of_the_configuration(t: &Test) {
    for value in [true, false] {
        let c = t.sleeper().set("/process/noNewPrivileges", value).started();
        let want = if value { "1" } else { "0" };
        assert_eq!(caps(&c, &[], "NoNewPrivs"), want);
    }
}

fn no_new_privileges_flag(t: &Test) {
    let c = t.sleeper().set("/process/noNewPrivileges", false).started();
    assert_eq!(caps(&c, &["--no-new-privs"], "NoNewPrivs"), "1");
}

fn oom_score_and_rlimits(t: &Test) {
    let c = t
        .sleeper()
        .set("/process/oomScoreAdj", 123)
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}]),
        )
        .started();
    let output = c
        .exec(
            &[],
            &[
                "sh",
                "-c",
                "cat /proc/self/oom_score_adj; ulimit -Sn; ulimit -Hn",
            ],
        )
        .ok();
    assert_eq!(output.lines(), ["123", "50", "60"]);
}

fn cgroup_is_joined(t: &Test) {
    let c = container(t);
    let pid_file = t.dir.join("pid");
    let option = pid_file.display().to_string();
    c.exec(&["--detach", "--pid-file", &option], &["sleep", "1000"])
        .ok();
    let pid = std::fs::read_to_string(pid_file)
        .expect("written")
        .trim()
        .parse()
        .expect("a pid");
    t.pids.borrow_mut().push(pid);
    for controller in crate::harness::Host::get().controllers.keys() {
        assert_eq!(
            cgroup_of(pid, controller),
            cgroup_of(c.pid(), controller),
            "{controller}"
        );
    }
}

fn process_file(t: &Test) {
    let c = t
        .sleeper()
        .capabilities(&["CAP_CHOWN", "CAP_KILL"])
        .started();
    let process = json!({
        "args": ["sh", "-c", "id -u; pwd; echo $A; grep CapEff /proc/self/status"],
        "cwd": "/etc", "env": ["PATH=/bin", "A=b"], "user": {"uid": 0, "gid": 3},
        "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"],
                         "permitted": ["CAP_KILL"]}
    });
    let file = t.file("process.json", &process.to_string());
    let output = c
        .exec(&["--process", file.to_str().expect("ASCII")], &[])
        .ok();
    assert_eq!(output.lines()[..3], ["0", "/etc", "b"]);
    assert_eq!(output.value("CapEff"), "0000000000000020");
}

fn process_file_replaces_all(t: &Test) {
    // What the file leaves out is absent, not taken from the configuration.
    let c = t
        .sleeper()
        .set("/process/env", json!(["PATH=/bin", "FROM=config"]))
        .started();
    let process = json!({"args": ["sh", "-c", "echo [$FROM]; grep NoNewPrivs /proc/self/status"],
                         "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}});
    let file = t.file("process.json", &process.to_string());
    let output = c.exec(&["-p", file.to_str().expect("ASCII")], &[]).ok();
    assert_eq!(output.lines()[0], "[]");
    // An exec never has less of it than the container: Lockstep keeps it.
    let want = if t.peer_is_other() { "0" } else { "1" };
    assert_eq!(output.value("NoNewPrivs"), want);
}

fn process_file_malformed_refused(t: &Test) {
    let c = container(t);
    let file = t.file("bad.json", "{\"args\": [\"true\"");
    let output = c.exec(&["--process", file.to_str().expect("ASCII")], &[]);
    assert_ne!(output.code, 0);
    let output = c.exec(&["--process", "/no/such/file"], &[]);
    output.fails_with(&["/no/such/file"]);
}

fn process_without_args_refused(t: &Test) {
    let c = container(t);
    assert_ne!(c.exec(&[], &[]).code, 0, "exec of nothing succeeded");
    let file = t.file("process.json", &json!({"cwd": "/", "args": []}).to_string());
    let output = c.exec(&["--process", file.to_str().expect("ASCII")], &[]);
    assert_ne!(output.code, 0);
}

fn detach_returns_and_writes_the_pid(t: &Test) {
    let c = container(t);
    let pid_file = t.dir.join("pid");
    let option = pid_file.display().to_string();
    let output = c
        .exec(&["--detach", "--pid-file", &option], &["sleep", "1000"])
        .ok();
    assert_eq!(output.stdout, "");
    let text = std::fs::read_to_string(&pid_file).expect("written");
    let pid: u32 = text.parse().expect("a number and nothing else");
    t.pids.borrow_mut().push(pid);
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("it runs");
    assert_eq!(name, "sleep\n");
    assert!(status_field(pid, "NSpid").starts_with(&format!("{pid} ")));
}

fn detached_process_runs_on(t: &Test) {
    let c = container(t);
    c.exec(&["-d"], &["sh", "-c", "sleep 0.5; echo done > /tmp/done"])
        .ok();
    assert!(wait_until(|| c.rootfs.join("tmp/done").exists()));
}

fn pid_file_of_a_foreground_exec(t: &Test) {
    let c = container(t);
    let pid_file = t.dir.join("pid");
    let option = pid_file.display().to_string();
    let running = c.begin_exec(&["--pid-file", &option], &["sleep", "0.7"]);
    assert!(wait_until(
        || std::fs::read_to_string(&pid_file).is_ok_and(|text| !text.is_empty())
    ));
    running.wait().ok();
}

fn preserve_fds(t: &Test) {
    let c = container(t);
    // The shell opens 3 and 4 for the runtime.
    let file = t.file("preserved", "content");
    let root = t.state_root();
    let runtime = crate::harness::Host::get().runtime.display().to_string();
    let script = format!(
        "exec 3<{0} 4<{0}; exec {runtime} --root {1} exec --preserve-fds 2 {2} /probe fds",
        file.display(),
        root.display(),
        c.id
    );
    assert_eq!(t.host("bash", &["-c", &script]), "fds=0,1,2,3,4,\n");
    let script = script.replace("--preserve-fds 2", "--preserve-fds 1");
    assert_eq!(t.host("bash", &["-c", &script]), "fds=0,1,2,3,\n");
    let script = script.replace("--preserve-fds 1", "");
    assert_eq!(t.host("bash", &["-c", &script]), "fds=0,1,2,\n");
}

fn no_descriptor_leaks(t: &Test) {
    let output = container(t).exec(&[], &["/probe", "fds"]).ok();
    assert_eq!(output.value("fds"), "0,1,2,");
}

fn stdin_is_passed(t: &Test) {
    let c = container(t);
    let input = t.file("input", "through exec\n");
    let mut invocation = t.invocation(&["exec", &c.id, "cat"], &crate::harness::View::Plain);
    invocation.stdin = std::fs::File::open(input).expect("own file").into();
    assert_eq!(invocation.start().wait().ok().stdout, "through exec\n");
}

fn in_a_stopped_container_refused(t: &Test) {
    let c = t.sh("true").started();
    c.wait_stopped();
    c.exec(&[], &["true"])
        .exits(255)
        .fails_with(&["cannot exec in a stopped container"]);
}

fn in_a_created_container(t: &Test) {
    let c = t.sleeper().create();
    assert_eq!(
        c.exec(&[], &["echo", "before start"]).ok().text(),
        "before start"
    );
    assert_eq!(c.status(), "created");
}

fn in_an_unknown_container_refused(t: &Test) {
    t.call(&["exec", "nobody", "true"])
        .exits(255)
        .fails_with(&["container does not exist"]);
}

fn after_the_first_process_died(t: &Test) {
    let c = container(t);
    let running = c.begin_exec(&[], &["sleep", "1000"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    c.stop();
    // The pid namespace ends with its first process, and the exec with it.
    running.wait().exits(137);
}

fn many_at_once(t: &Test) {
    let c = container(t);
    let running: Vec<_> = (0..8)
        .map(|code| {
            (
                code,
                c.begin_exec(&[], &["sh", "-c", &format!("exit {code}")]),
            )
        })
        .collect();
    for (code, running) in running {
        running.wait().exits(code);
    }
}

fn apparmor_and_label_refused_where_off(t: &Test) {
    let c = container(t);
    let lsms = &crate::harness::Host::get().lsms;
    for (lsm, flag) in [("apparmor", "--apparmor"), ("selinux", "--process-label")] {
        if lsms.iter().any(|name| name == lsm) {
            continue;
        }
        let output = c.exec(&[flag, "lockstep-test"], &["true"]);
        assert_ne!(output.code, 0, "{flag} was ignored: {output:?}");
    }
}

fn cgroup_flag(t: &Test) {
    use crate::harness::{CgroupLayout, Host};
    t.need(
        Host::get().cgroups != CgroupLayout::V2,
        "sub-cgroups of version 1 are tested",
    );
    let c = container(t);
    let pids = &Host::get().controllers["pids"];
    let sub = pids.join(c.cgroup.trim_start_matches('/')).join("sub");
    std::fs::create_dir(&sub).expect("root makes groups");
    let output = c
        .exec(
            &["--cgroup", "pids:sub"],
            &["grep", "pids", "/proc/self/cgroup"],
        )
        .ok();
    assert!(output.text().ends_with("/sub"), "{output:?}");
    let output = c.exec(&["--cgroup", "pids:absent"], &["true"]);
    assert_ne!(output.code, 0, "joined a group that does not exist");
    let output = c.exec(&["--cgroup", "pids:../.."], &["true"]);
    assert_ne!(output.code, 0, "left the container's group");
}

fn ignore_paused(t: &Test) {
    let c = container(t);
    c.call("pause", &[]).ok();
    let running = c.begin_exec(&["--ignore-paused"], &["echo", "thawed"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    c.call("resume", &[]).ok();
    assert_eq!(running.wait().ok().text(), "thawed");
}

fn readonly_root_holds_for_exec(t: &Test) {
    let c = t.sleeper().set("/root/readonly", true).started();
    let output = c.exec(&[], &["touch", "/x"]);
    assert!(
        output.stderr.contains("Read-only file system"),
        "{output:?}"
    );
}

fn hostile_passwd_is_not_trusted(t: &Test) {
    // The user of an exec is a number; no line of the image's passwd may change it.
    let c = t
        .sleeper()
        .file(
            "/etc/passwd",
            "root:x:0:0::/evil:/bin/sh\n1000:x:0:0::/evil:/bin/sh\n",
        )
        .started();
    let output = c.exec(&["--user", "1000:1000"], &["id", "-u"]).ok();
    assert_eq!(output.text(), "1000");
}

fn umask_of_the_configuration(t: &Test) {
    let c = t.sleeper().set("/process/user/umask", 0o077).started();
    let output = c.exec(&[], &["sh", "-c", "umask"]).ok();
    assert_eq!(output.text(), "0077");
}

fn errors_name_the_process_file(t: &Test) {
    let c = t.sleeper().started();
    let process = json!({"user": {"uid": 0, "gid": 0}, "args": ["nowhere"], "cwd": "/"});
    let file = t.file("process.json", &process.to_string());
    c.call("exec", &["--process", &file.display().to_string()])
        .fails_with(&["(asked for by /args/0 of process.json)"]);
}
