//! `process`: args, env, cwd, user, umask, rlimits, no_new_privs, oomScoreAdj, scheduler,
//! ioPriority, execCPUAffinity, and what the program must not inherit.

use serde_json::{Value, json};

use crate::harness::{Host, Test, cases, status_field};

cases! {
    args_are_passed_verbatim,
    args_are_looked_up_in_path,
    args_relative_to_cwd,
    missing_program_in_path,
    missing_program_by_path,
    directory_as_program_refused,
    program_without_execute_bit_refused,
    empty_args_refused,
    env_is_exactly_the_configured_one,
    env_duplicates_keep_the_last,
    home_is_set_from_passwd,
    cwd,
    cwd_missing_is_created,
    cwd_through_a_symlink,
    cwd_relative_refused,
    cwd_not_a_directory_refused,
    cwd_that_only_the_user_may_enter,
    user_and_group,
    user_without_passwd_entry,
    additional_groups,
    no_additional_groups_means_none,
    umask,
    umask_default,
    rlimits,
    rlimit_unlimited,
    rlimit_above_the_hard_limit_is_clamped: "runc 1.1.5 fails with EPERM",
    rlimit_unknown_type_refused,
    rlimit_soft_above_hard_refused,
    rlimit_duplicate_refused,
    no_new_privileges_on,
    no_new_privileges_off,
    oom_score_adj,
    oom_score_adj_absent_is_inherited,
    oom_score_adj_negative_without_privilege: "runc 1.1.5 ignores the refusal only in a user namespace",
    oom_score_adj_out_of_range_refused,
    scheduler_other_nice: "runc 1.1.5 has no scheduler",
    scheduler_batch: "runc 1.1.5 has no scheduler",
    scheduler_idle: "runc 1.1.5 has no scheduler",
    scheduler_fifo_and_rr: "runc 1.1.5 has no scheduler",
    scheduler_deadline: "runc 1.1.5 has no scheduler",
    scheduler_flags: "runc 1.1.5 has no scheduler",
    scheduler_flags_that_keep: "runc 1.1.5 has no scheduler",
    scheduler_flags_that_clamp: "runc 1.1.5 has no scheduler",
    scheduler_unknown_refused: "runc 1.1.5 has no scheduler",
    io_priority: "runc 1.1.5 has no ioPriority",
    io_priority_out_of_range_refused: "runc 1.1.5 has no ioPriority",
    io_priority_unknown_class_refused: "runc 1.1.5 has no ioPriority",
    exec_cpu_affinity_final: "runc 1.1.5 has no execCPUAffinity",
    exec_cpu_affinity_initial: "runc 1.1.5 has no execCPUAffinity",
    exec_cpu_affinity_in_the_process_of_exec: "runc 1.1.5 has no execCPUAffinity",
    exec_cpu_affinity_malformed_refused: "runc 1.1.5 has no execCPUAffinity",
    username_is_ignored_on_linux,
    command_line_of_windows_is_ignored,
    no_descriptor_leaks,
    signals_are_reset,
    signals_that_the_caller_ignores_are_reset,
    session_keyring_is_new,
    no_new_keyring_keeps_the_callers,
    stdin_is_passed,
}

fn args_are_passed_verbatim(t: &Test) {
    let odd = "a b\t\"c\" $HOME \\ \u{e4}\u{4e2d} '";
    let output = t
        .args(&["sh", "-c", "printf '%s|' \"$@\"", "zero", odd, "", "-x"])
        .run()
        .ok();
    assert_eq!(output.stdout, format!("{odd}||-x|"));
}

fn args_are_looked_up_in_path(t: &Test) {
    let output = t
        .args(&["tool"])
        .set("/process/env", json!(["PATH=/nowhere:/opt/tools"]))
        .file("/opt/tools/tool", "#!/bin/sh\necho found\n")
        .edit(|_| ());
    executable(&output.rootfs().join("opt/tools/tool"), 0o755);
    assert_eq!(output.run().ok().text(), "found");
}

fn executable(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).expect("own file");
}

fn args_relative_to_cwd(t: &Test) {
    let bundle = t
        .args(&["./tool"])
        .set("/process/cwd", "/opt")
        .file("/opt/tool", "#!/bin/sh\npwd\n");
    executable(&bundle.rootfs().join("opt/tool"), 0o755);
    assert_eq!(bundle.run().ok().text(), "/opt");
}

fn missing_program_in_path(t: &Test) {
    t.args(&["no-such-program"])
        .run()
        .exits(1)
        .fails_with(&["no-such-program", "executable file not found in $PATH"]);
}

fn missing_program_by_path(t: &Test) {
    t.args(&["/no/such/program"])
        .run()
        .exits(1)
        .fails_with(&["/no/such/program", "no such file or directory"]);
}

fn directory_as_program_refused(t: &Test) {
    t.args(&["/etc"]).run().exits(1).fails_with(&["/etc"]);
}

fn program_without_execute_bit_refused(t: &Test) {
    t.args(&["/opt/tool"])
        .file("/opt/tool", "#!/bin/sh\n")
        .run()
        .exits(1)
        .fails_with(&["/opt/tool", "permission denied"]);
}

fn empty_args_refused(t: &Test) {
    t.args(&[]).run().fails_with(&["args"]);
}

fn env_is_exactly_the_configured_one(t: &Test) {
    let output = t
        .args(&["env"])
        .set(
            "/process/env",
            json!(["PATH=/bin", "A=1", "B=x y=z", "EMPTY=", "HOME=/h"]),
        )
        .runtime_env("LEAK", "of the caller")
        .run()
        .ok();
    let mut lines = output.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["A=1", "B=x y=z", "EMPTY=", "HOME=/h", "PATH=/bin"]);
}

fn env_duplicates_keep_the_last(t: &Test) {
    let output = t
        .sh("echo $A")
        .set("/process/env", json!(["PATH=/bin", "A=1", "A=2"]))
        .run()
        .ok();
    assert_eq!(output.text(), "2");
}

fn home_is_set_from_passwd(t: &Test) {
    assert_eq!(t.sh("echo $HOME").run().ok().text(), "/root");
    let user = t
        .sh("echo $HOME")
        .set("/process/user", json!({"uid": 1000, "gid": 1000}));
    assert_eq!(user.run().ok().text(), "/home");
}

fn cwd(t: &Test) {
    assert_eq!(
        t.sh("pwd").set("/process/cwd", "/etc").run().ok().text(),
        "/etc"
    );
}

fn cwd_missing_is_created(t: &Test) {
    let output = t
        .sh("pwd; stat -c %a:%u .")
        .set("/process/cwd", "/var/new/dir")
        .run()
        .ok();
    assert_eq!(output.lines(), ["/var/new/dir", "755:0"]);
}

fn cwd_through_a_symlink(t: &Test) {
    let bundle = t.sh("pwd -P").set("/process/cwd", "/link");
    std::os::unix::fs::symlink("/etc", bundle.rootfs().join("link")).expect("own rootfs");
    assert_eq!(bundle.run().ok().text(), "/etc");
}

fn cwd_relative_refused(t: &Test) {
    t.sh("true")
        .set("/process/cwd", "etc")
        .run()
        .fails_with(&["absolute path"]);
}

fn cwd_not_a_directory_refused(t: &Test) {
    let output = t.sh("true").set("/process/cwd", "/etc/passwd").run();
    output.fails_with(&["not a directory"]);
}

fn cwd_that_only_the_user_may_enter(t: &Test) {
    // Without CAP_DAC_OVERRIDE root itself may not: the directory is entered as the user.
    let bundle = t
        .sh("pwd; touch here && ls")
        .set("/process/cwd", "/private")
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .file("/private/x", "");
    let dir = bundle.rootfs().join("private");
    executable(&dir, 0o700);
    std::os::unix::fs::chown(&dir, Some(1000), Some(1000)).expect("root gives files away");
    assert_eq!(bundle.run().ok().lines(), ["/private", "here", "x"]);
}

fn user_and_group(t: &Test) {
    let pid = t
        .sleeper()
        .set("/process/user", json!({"uid": 1234, "gid": 4321}))
        .started()
        .pid();
    assert_eq!(status_field(pid, "Uid"), "1234 1234 1234 1234");
    assert_eq!(status_field(pid, "Gid"), "4321 4321 4321 4321");
}

fn user_without_passwd_entry(t: &Test) {
    let bundle = t
        .sh("id -u; echo $HOME")
        .set("/process/user", json!({"uid": 77, "gid": 88}));
    std::fs::remove_file(bundle.rootfs().join("etc/passwd")).expect("own rootfs");
    std::fs::remove_file(bundle.rootfs().join("etc/group")).expect("own rootfs");
    assert_eq!(bundle.run().ok().lines(), ["77", "/"]);
}

fn additional_groups(t: &Test) {
    let pid = t
        .sleeper()
        .set(
            "/process/user",
            json!({"uid": 1000, "gid": 1000, "additionalGids": [5, 2000, 70_000]}),
        )
        .started()
        .pid();
    assert_eq!(status_field(pid, "Groups"), "5 2000 70000");
}

fn no_additional_groups_means_none(t: &Test) {
    // Neither the caller's groups nor those of /etc/group.
    let pid = t
        .sleeper()
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .started()
        .pid();
    assert_eq!(status_field(pid, "Groups"), "");
}

fn umask(t: &Test) {
    let c = t
        .sh("umask; touch /tmp/f; stat -c %a /tmp/f; sleep 1000")
        .set("/process/user/umask", 0o027)
        .started();
    assert!(crate::harness::wait_until(
        || c.stdout().lines().count() == 2
    ));
    assert_eq!(c.stdout(), "0027\n640\n");
    assert_eq!(status_field(c.pid(), "Umask"), "0027");
}

fn umask_default(t: &Test) {
    // As runc: 0022 whatever the caller has, so that a container does not depend on its starter.
    assert_eq!(t.sh("umask").run().ok().text(), "0022");
}

fn limit(pid: u32, name: &str) -> (String, String) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("a live process");
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .expect(name);
    let mut fields = line[name.len()..].split_whitespace();
    let mut next = || fields.next().expect("a value").to_owned();
    (next(), next())
}

fn rlimits(t: &Test) {
    let table = [
        ("RLIMIT_CPU", "Max cpu time", 1000_u64, 2000_u64),
        ("RLIMIT_FSIZE", "Max file size", 1 << 30, 1 << 31),
        ("RLIMIT_DATA", "Max data size", 1 << 31, 1 << 32),
        ("RLIMIT_STACK", "Max stack size", 1 << 20, 1 << 22),
        ("RLIMIT_CORE", "Max core file size", 0, 4096),
        ("RLIMIT_RSS", "Max resident set", 1 << 30, 1 << 31),
        ("RLIMIT_NPROC", "Max processes", 500, 1000),
        ("RLIMIT_NOFILE", "Max open files", 100, 200),
        ("RLIMIT_MEMLOCK", "Max locked memory", 4096, 8192),
        ("RLIMIT_AS", "Max address space", 1 << 32, 1 << 33),
        ("RLIMIT_LOCKS", "Max file locks", 10, 20),
        ("RLIMIT_SIGPENDING", "Max pending signals", 30, 60),
        ("RLIMIT_MSGQUEUE", "Max msgqueue size", 4096, 8192),
        ("RLIMIT_NICE", "Max nice priority", 0, 0),
        ("RLIMIT_RTPRIO", "Max realtime priority", 0, 0),
        ("RLIMIT_RTTIME", "Max realtime timeout", 1000, 2000),
    ];
    let list: Vec<Value> = table
        .iter()
        .map(|(kind, _, soft, hard)| json!({"type": kind, "soft": soft, "hard": hard}))
        .collect();
    let pid = t.sleeper().set("/process/rlimits", list).started().pid();
    for (kind, name, soft, hard) in table {
        assert_eq!(
            limit(pid, name),
            (soft.to_string(), hard.to_string()),
            "{kind}"
        );
    }
}

fn rlimit_unlimited(t: &Test) {
    let pid = t
        .sleeper()
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_CORE", "soft": u64::MAX, "hard": u64::MAX}]),
        )
        .started()
        .pid();
    assert_eq!(
        limit(pid, "Max core file size"),
        ("unlimited".into(), "unlimited".into())
    );
}

fn rlimit_above_the_hard_limit_is_clamped(t: &Test) {
    t.need(
        !Host::get().has_capability(24),
        "root has CAP_SYS_RESOURCE and may raise every limit",
    );
    let (_, hard) = limit(std::process::id(), "Max open files");
    let limits = json!([{"type": "RLIMIT_NOFILE", "soft": 1_048_576, "hard": 1_048_576}]);
    let bundle = t
        .sh("ulimit -Sn; ulimit -Hn")
        .set("/process/rlimits", limits);
    let output = bundle.run().ok();
    assert_eq!(output.lines(), [&hard, &hard]);
    // Visible, not silent.
    output.warns("RLIMIT_NOFILE");
}

fn rlimit_unknown_type_refused(t: &Test) {
    t.sh("true")
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]),
        )
        .run()
        .fails_with(&["RLIMIT_NONSENSE"]);
}

fn rlimit_soft_above_hard_refused(t: &Test) {
    let output = t
        .sh("true")
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "soft": 200, "hard": 100}]),
        )
        .run();
    assert_ne!(output.code, 0);
}

fn rlimit_duplicate_refused(t: &Test) {
    let one = json!({"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100});
    let output = t
        .sh("true")
        .set("/process/rlimits", json!([one, one]))
        .run();
    if t.peer_is_other() {
        t.skip("the specification demands the error; runc 1.1.5 does not make it");
    }
    output.fails_with(&["RLIMIT_NOFILE"]);
}

fn no_new_privileges_on(t: &Test) {
    let pid = t
        .sleeper()
        .set("/process/noNewPrivileges", true)
        .started()
        .pid();
    assert_eq!(status_field(pid, "NoNewPrivs"), "1");
}

fn no_new_privileges_off(t: &Test) {
    let pid = t
        .sleeper()
        .set("/process/noNewPrivileges", false)
        .started()
        .pid();
    assert_eq!(status_field(pid, "NoNewPrivs"), "0");
}

fn score(pid: impl std::fmt::Display) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj"));
    text.expect("a live process").trim().to_owned()
}

fn oom_score_adj(t: &Test) {
    let pid = t.sleeper().set("/process/oomScoreAdj", 321).started().pid();
    assert_eq!(score(pid), "321");
}

fn oom_score_adj_absent_is_inherited(t: &Test) {
    assert_eq!(score(t.sleeper().started().pid()), score("self"));
}

fn oom_score_adj_negative_without_privilege(t: &Test) {
    t.need(
        !Host::get().has_capability(24),
        "root has CAP_SYS_RESOURCE and may lower the score",
    );
    let output = t
        .sh("cat /proc/self/oom_score_adj")
        .set("/process/oomScoreAdj", -500)
        .run();
    // Refused with the field named, or downgraded with a warning that names it.
    assert!(output.stderr.contains("oomScoreAdj"), "{output:?}");
}

fn oom_score_adj_out_of_range_refused(t: &Test) {
    let output = t.sh("true").set("/process/oomScoreAdj", 2000).run();
    assert_ne!(output.code, 0);
}

fn scheduling(t: &Test, scheduler: Value) -> crate::harness::Output {
    t.args(&["/probe", "sched"])
        .with_probe()
        .set("/process/scheduler", scheduler)
        .run()
}

fn scheduler_other_nice(t: &Test) {
    let output = scheduling(t, json!({"policy": "SCHED_OTHER", "nice": 7})).ok();
    assert_eq!((output.value("policy"), output.value("nice")), ("0", "7"));
}

fn scheduler_batch(t: &Test) {
    let output = scheduling(t, json!({"policy": "SCHED_BATCH", "nice": -3})).ok();
    assert_eq!((output.value("policy"), output.value("nice")), ("3", "-3"));
}

fn scheduler_idle(t: &Test) {
    assert_eq!(
        scheduling(t, json!({"policy": "SCHED_IDLE"}))
            .ok()
            .value("policy"),
        "5"
    );
}

fn scheduler_fifo_and_rr(t: &Test) {
    for (name, number) in [("SCHED_FIFO", "1"), ("SCHED_RR", "2")] {
        // Where the view has no cpu controller the program stays in a group with realtime share:
        // the container's own would have none (CONFIG_RT_GROUP_SCHED).
        let output = t
            .args(&["/probe", "sched"])
            .with_probe()
            .set(
                "/process/scheduler",
                json!({"policy": name, "priority": 11}),
            )
            .view(crate::harness::View::CgroupV2)
            .run()
            .ok();
        assert_eq!(
            (output.value("policy"), output.value("priority")),
            (number, "11")
        );
    }
}

fn scheduler_deadline(t: &Test) {
    let output = scheduling(
        t,
        json!({"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 20_000_000,
               "period": 30_000_000}),
    );
    if output.stderr.contains("EBUSY") {
        t.skip("no deadline bandwidth is left on this machine");
    }
    let output = output.ok();
    let got = ["policy", "runtime", "deadline", "period"].map(|name| output.value(name).to_owned());
    assert_eq!(got, ["6", "1000000", "20000000", "30000000"]);
}

fn scheduler_flags(t: &Test) {
    let output = scheduling(
        t,
        json!({"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
    );
    assert_eq!(output.ok().value("flags"), "1");
}

fn scheduler_flags_that_keep(t: &Test) {
    let asked = |flag: &str| json!({"policy": "SCHED_BATCH", "nice": -3, "flags": [flag]});
    let kept = scheduling(t, asked("SCHED_FLAG_KEEP_POLICY")).ok();
    assert_eq!((kept.value("policy"), kept.value("nice")), ("0", "-3"));
    let kept = scheduling(t, asked("SCHED_FLAG_KEEP_PARAMS")).ok();
    // The kernel takes the policy for one of the parameters.
    assert_eq!((kept.value("policy"), kept.value("nice")), ("0", "0"));
}

/// Without CONFIG_UCLAMP_TASK a kernel refuses them.
fn scheduler_flags_that_clamp(t: &Test) {
    for flag in ["SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"] {
        let output = scheduling(t, json!({"policy": "SCHED_BATCH", "flags": [flag]}));
        if output.code == 0 {
            assert_eq!(output.value("policy"), "3", "{flag}");
        } else {
            output.fails_with(&["sched_setattr", "EOPNOTSUPP", "/process/scheduler"]);
        }
    }
}

fn scheduler_unknown_refused(t: &Test) {
    scheduling(t, json!({"policy": "SCHED_NONSENSE"})).fails_with(&["SCHED_NONSENSE"]);
    scheduling(
        t,
        json!({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_NONSENSE"]}),
    )
    .fails_with(&["SCHED_FLAG_NONSENSE"]);
    scheduling(t, json!({"policy": "SCHED_FIFO", "priority": 1000})).fails_with(&["scheduler"]);
}

fn io_priority(t: &Test) {
    for (class, number) in [
        ("IOPRIO_CLASS_RT", 1),
        ("IOPRIO_CLASS_BE", 2),
        ("IOPRIO_CLASS_IDLE", 3),
    ] {
        let output = t
            .args(&["/probe", "ioprio"])
            .with_probe()
            .set(
                "/process/ioPriority",
                json!({"class": class, "priority": 5}),
            )
            .run()
            .ok();
        assert_eq!(
            output.value("ioprio"),
            ((number << 13) | 5).to_string(),
            "{class}"
        );
    }
}

fn io_priority_out_of_range_refused(t: &Test) {
    t.sh("true")
        .set(
            "/process/ioPriority",
            json!({"class": "IOPRIO_CLASS_BE", "priority": 8}),
        )
        .run()
        .fails_with(&["ioPriority", "8"]);
}

fn io_priority_unknown_class_refused(t: &Test) {
    t.sh("true")
        .set(
            "/process/ioPriority",
            json!({"class": "IOPRIO_CLASS_NONE_SUCH", "priority": 1}),
        )
        .run()
        .fails_with(&["IOPRIO_CLASS_NONE_SUCH"]);
}

fn exec_cpu_affinity_final(t: &Test) {
    // It is a setting of exec: the configuration's is the default of every exec.
    let c = t
        .sleeper()
        .set(
            "/process/execCPUAffinity",
            json!({"initial": "0-1", "final": "1"}),
        )
        .started();
    let output = c
        .exec(&[], &["grep", "Cpus_allowed_list", "/proc/self/status"])
        .ok();
    assert_eq!(output.value("Cpus_allowed_list"), "1");
    assert_ne!(
        status_field(c.pid(), "Cpus_allowed_list"),
        "1",
        "the first process keeps all"
    );
}

fn exec_cpu_affinity_in_the_process_of_exec(t: &Test) {
    let c = t.sleeper().started();
    let process = json!({
        "args": ["grep", "Cpus_allowed_list", "/proc/self/status"], "cwd": "/",
        "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, "execCPUAffinity": {"final": "0"}
    });
    let file = t.file("process.json", &process.to_string());
    let output = c
        .exec(&["--process", file.to_str().expect("ASCII")], &[])
        .ok();
    assert_eq!(output.value("Cpus_allowed_list"), "0");
}

fn exec_cpu_affinity_initial(t: &Test) {
    // Where the container's group has no cpuset, joining it changes nothing: the program keeps the initial one.
    let c = t
        .sleeper()
        .view(crate::harness::View::CgroupV2)
        .set("/process/execCPUAffinity", json!({"initial": "1"}))
        .started();
    let output = c
        .exec(&[], &["grep", "Cpus_allowed_list", "/proc/self/status"])
        .ok();
    assert_eq!(output.value("Cpus_allowed_list"), "1");
}

fn exec_cpu_affinity_malformed_refused(t: &Test) {
    for list in ["x", "3-1", "1-"] {
        t.sh("true")
            .set("/process/execCPUAffinity", json!({"final": list}))
            .run()
            .fails_with(&["execCPUAffinity"]);
    }
}

fn username_is_ignored_on_linux(t: &Test) {
    let output = t
        .sh("id -u")
        .set("/process/user/username", "user")
        .run()
        .ok();
    assert_eq!(output.text(), "0");
}

fn command_line_of_windows_is_ignored(t: &Test) {
    let output = t
        .sh("echo args")
        .set("/process/commandLine", "echo other")
        .run()
        .ok();
    assert_eq!(output.text(), "args");
}

fn no_descriptor_leaks(t: &Test) {
    let output = t.args(&["/probe", "fds"]).with_probe().run().ok();
    assert_eq!(output.value("fds"), "0,1,2,");
}

fn signals_are_reset(t: &Test) {
    let pid = t.sleeper().started().pid();
    assert_eq!(status_field(pid, "SigBlk"), "0000000000000000");
    assert_eq!(status_field(pid, "SigCgt"), "0000000000000000");
    // 32 and 33 are the C library's own, which it ignores in what it spawns.
    let ignored = u64::from_str_radix(&status_field(pid, "SigIgn"), 16).expect("hexadecimal");
    assert_eq!(ignored & !(3 << 31), 0, "{ignored:#x}");
}

/// As a shell ignores them for what it starts in the background, and nohup(1).
fn signals_that_the_caller_ignores_are_reset(t: &Test) {
    let called = |args: &[&str]| {
        let mut call = t.invocation(args, &crate::harness::View::Plain);
        let shell = ["sh", "-c", "trap '' HUP INT QUIT PIPE; exec \"$@\"", "sh"];
        call.argv.splice(0..0, shell.map(str::to_owned));
        let output = call.start().wait().ok();
        let mask = output.value("SigIgn");
        // 32 and 33 are the C library's own, which it ignores in what it spawns.
        u64::from_str_radix(mask, 16).expect("hexadecimal") & !(3 << 31)
    };
    let show = ["grep", "^SigIgn", "/proc/self/status"];
    let bundle = t.args(&show);
    bundle.write();
    let dir = bundle.dir().display().to_string();
    assert_eq!(called(&["run", "--bundle", &dir, &bundle.id]), 0);
    let running = t.sleeper().started();
    assert_eq!(called(&[&["exec", &running.id][..], &show].concat()), 0);
}

fn session_keyring_is_new(t: &Test) {
    let bundle = t.args(&["/probe", "keyring"]).with_probe();
    let output = bundle.run().ok();
    assert!(
        output
            .value("keyring")
            .contains(&format!("_ses.{}", bundle.id)),
        "{}",
        output.stdout
    );
}

fn no_new_keyring_keeps_the_callers(t: &Test) {
    let bundle = t
        .args(&["/probe", "keyring"])
        .with_probe()
        .options(&["--no-new-keyring"]);
    let output = bundle.run().ok();
    assert!(
        !output.stdout.contains(&format!("_ses.{}", bundle.id)),
        "{}",
        output.stdout
    );
}

fn stdin_is_passed(t: &Test) {
    let bundle = t.args(&["cat"]);
    bundle.write();
    let input = t.file("input", "through the runtime\n");
    let mut invocation = t.invocation(
        &[
            "run",
            "--bundle",
            bundle.dir().to_str().expect("ASCII"),
            &bundle.id,
        ],
        &crate::harness::View::Plain,
    );
    invocation.stdin = std::fs::File::open(input).expect("own file").into();
    assert_eq!(
        invocation.start().wait().ok().stdout,
        "through the runtime\n"
    );
}
