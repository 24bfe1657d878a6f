//! Limits are felt.

use crate::stage::Stage;

crate::cases![
    memory,
    processes,
    processor_time,
    each_process,
    updated_while_it_runs,
    wrong_limits_are_refused,
    too_few_descriptors_are_named,
];

/// A file of the container's cgroup, whichever version there is.
fn own(t: &Stage, options: &[&str], v1: &str, v2: &str) -> String {
    let script = format!("cat /sys/fs/cgroup/{v2} 2>/dev/null || cat /sys/fs/cgroup/{v1}");
    t.sh(options, &script).text()
}

fn memory(t: &Stage) {
    let read = |options: &[&str]| own(t, options, "memory/memory.limit_in_bytes", "memory.max");
    assert_eq!(read(&["-m", "64m"]), "67108864");
    let script = "head -c 200m /dev/zero | tail -c 200m | wc -c";
    let eaten = t.sh(&["-m", "32m"], script);
    assert_ne!(eaten.stdout.trim(), "209715200", "{eaten:?}");
}

fn processes(t: &Stage) {
    assert_eq!(own(t, &[], "pids/pids.max", "pids.max"), "2048");
    assert_eq!(
        own(t, &["--pids-limit", "-1"], "pids/pids.max", "pids.max"),
        "max"
    );
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait";
    let bombed = t.sh(&["--pids-limit", "5"], script);
    assert!(bombed.stderr.contains("fork"), "{bombed:?}");
}

fn processor_time(t: &Stage) {
    assert_eq!(
        own(t, &["--cpus", "0.5"], "cpu/cpu.cfs_quota_us", "cpu.max")
            .split(' ')
            .next(),
        Some("50000")
    );
    assert_eq!(
        own(
            t,
            &["--cpuset-cpus", "0"],
            "cpuset/cpuset.cpus",
            "cpuset.cpus"
        ),
        "0"
    );
}

fn each_process(t: &Stage) {
    assert_eq!(
        t.sh(&["--ulimit", "nofile=64:128"], "ulimit -Sn; ulimit -Hn")
            .text(),
        "64\n128"
    );
    assert_eq!(
        t.sh(&["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj")
            .text(),
        "500"
    );
    assert_eq!(
        t.sh(&["--shm-size", "1m"], "df -k /dev/shm | tail -1")
            .text()
            .split_whitespace()
            .nth(1),
        Some("1024")
    );
    assert_eq!(
        t.sh(
            &["--sysctl", "net.ipv4.ip_forward=1"],
            "cat /proc/sys/net/ipv4/ip_forward"
        )
        .text(),
        "1"
    );
}

fn updated_while_it_runs(t: &Stage) {
    t.call(&["run", "-d", "--name", "u", "host:", "sleep", "1000"])
        .text();
    t.call(&["update", "--pids-limit", "77", "-m", "48m", "u"])
        .text();
    let script = "cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max";
    assert_eq!(t.call(&["exec", "u", "sh", "-c", script]).text(), "77");
    assert_eq!(t.field("u", "{{.HostConfig.Memory}}"), "50331648");
    // And for the next start.
    t.call(&["restart", "-t", "0", "u"]).text();
    assert_eq!(t.call(&["exec", "u", "sh", "-c", script]).text(), "77");
    assert!(t.call(&["update", "u"]).refused(125).contains("no limit"));
}

fn wrong_limits_are_refused(t: &Stage) {
    for (option, value) in [
        ("--memory", "lots"),
        ("--memory-swap", "1g"),
        ("--cpus", "zero"),
        ("--pids-limit", "-2"),
        ("--ulimit", "nofile"),
        ("--ulimit", "nothing=1"),
        ("--oom-score-adj", "2000"),
        ("--cpuset-cpus", "9999"),
        ("--shm-size", "x"),
        ("--blkio-weight", "5"),
    ] {
        let refused = t
            .call(&["run", "--rm", option, value, "host:", "true"])
            .refused(125);
        assert!(
            refused.starts_with("error: "),
            "{option} {value}: {refused}"
        );
    }
}

/// Of who calls, for whom 20 do not do; the program's own are another limit.
fn too_few_descriptors_are_named(t: &Stage) {
    let with = |count: &str, options: &[&str]| {
        let words = [
            &["run", "--rm"],
            options,
            &["host:", "sh", "-c", "ulimit -n"],
        ]
        .concat();
        let command = t.command(&words);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {count}; exec \"$@\""), "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        crate::stage::output(shell, b"")
    };
    let refused = with("60", &[]).refused(125);
    assert!(
        refused.contains("EMFILE") && refused.contains("ulimit -n"),
        "{refused}"
    );
    assert_eq!(with("256", &["--ulimit", "nofile=20:20"]).text(), "20");
}
