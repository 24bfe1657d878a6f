//! Nothing on a command line is ignored in silence.

use std::path::Path;

use crate::stage::{Stage, until};

crate::cases![
    what_is_refused_says_why,
    an_error_names_what_was_typed,
    a_mistake_is_told_with_what_would_do,
    what_other_engines_units_say_is_done,
    environment,
    process_settings,
    no_shared_memory,
    files_that_are_written
];

fn what_is_refused_says_why(t: &Stage) {
    for options in [
        &["-p", "80:80"][..],
        &["-P"],
        &["--init-path", "/sbin/init"],
        &["--gpus", "all"],
        &["--dns", "1.1.1.1"],
        &["--runtime", "runc"],
        &["--platform", "linux/s390x"],
        &["--pull", "always"],
        &["--arch", "s390x"],
        &["--cgroups", "split"],
        &["--cgroups", "disabled", "-m", "64m"],
        &["--device-cgroup-rule", "c 1:3 rw", "--cgroups", "disabled"],
        &["--userns", "auto:size=0"],
        &["--userns", "auto:uidmapping=0:1:1"],
        &["--uidmap", "+5:@1000:1"],
        &["--mount", "type=image,source=a,target=/a"],
        &["--mount", "type=devpts,target=/a"],
        &["-v", "/usr:/a:idmap=uids=0-1-2"],
        &["--security-opt", "label=nested"],
        &["--tz", "../../etc/passwd"],
        &["--passwd"],
        &["--network", "bridge"],
        &["--log-driver", "syslog"],
        &["--security-opt", "magic=1"],
        &["--userns", "magic"],
        &["--ipc", "none", "--shm-size", "1m"],
    ] {
        let refused = t.sh(options, "true").refused(125);
        let name = options[0].replace("-v", "--volume");
        assert!(
            refused.starts_with("error: ") && refused.contains(&name),
            "{options:?}: {refused}"
        );
    }
    assert!(
        t.call(&["run", "alpine", "true"])
            .refused(125)
            .contains("alpine")
    );
    assert!(
        t.call(&["run", "--rm", "--volum", "/a:/b", "host:"])
            .refused(125)
            .contains("did you mean --volume?")
    );
}

/// Whether root has CAP_SYS_RESOURCE here.
fn may_raise_limits() -> bool {
    let set = crate::stage::status(std::process::id(), "CapEff");
    u64::from_str_radix(&set, 16).expect("hexadecimal") & 1 << 24 != 0
}

/// Not the configuration that was made of it, which is gone when it is read.
fn an_error_names_what_was_typed(t: &Stage) {
    let file = t.dir.join("bad.json").display().to_string();
    std::fs::write(&file, r#"{"defaultAction": "SCMP_ACT_FOO"}"#).expect("a file");
    let seccomp = format!("seccomp={file}");
    let (long, named) = (
        "a".repeat(80),
        format!("--security-opt {seccomp}: /defaultAction"),
    );
    for (options, asker) in [
        (["--sysctl", "kernel.foo=1"], "--sysctl kernel.foo=1: "),
        (["--group-add", "99999"], "--group-add 99999: "),
        (["--user", "0:70000"], "--user 0:70000: "),
        (["--hostname", &long], &*format!("--hostname {long}: ")),
        (["--cpu-quota", "10"], "--cpu-quota 10: "),
        (["--security-opt", &seccomp], &named),
    ] {
        for verb in ["run", "create", "plan"] {
            let refused = t.call(&[&[verb][..], &options, &["host:", "true"]].concat());
            let refused = refused.refused(125);
            assert!(refused.starts_with(&format!("error: {asker}")), "{refused}");
            assert!(
                !refused.contains("config.json") && !refused.contains("Mappings"),
                "{refused}"
            );
        }
    }
    // What only the kernel knows.
    let refused = t.sh(&["--cpuset-cpus", "5000"], "true").refused(125);
    assert!(refused.contains("asked: --cpuset-cpus 5000\n"), "{refused}");
    // What is only warned of.
    let limit = ["--ulimit", "nofile=99999999:99999999"];
    let run = t.sh(&limit, "true");
    match may_raise_limits() {
        // Nobody has more than fs.nr_open.
        true => {
            let refused = run.refused(125);
            let asked = "asked: --ulimit nofile=99999999:99999999\n";
            assert!(refused.contains(asked), "{refused}");
        }
        false => {
            let warned = run.stderr;
            let clamped = "not enforced: --ulimit nofile=99999999:99999999: RLIMIT_NOFILE clamped";
            assert!(warned.contains(clamped), "{warned}");
        }
    }
    // Of later verbs it is their own line, or the container's.
    t.call(&["run", "-d", "--name", "x", "host:", "sleep", "1000"])
        .text();
    for (words, asker) in [
        (
            &["exec", "-w", "/etc/passwd", "x", "true"][..],
            "asked: --workdir /etc/passwd\n",
        ),
        (
            &["exec", "-u", "70000", "x", "true"],
            "asked: --user 70000\n",
        ),
        (&["exec", "x", ""], "error: the command: "),
        (
            &["update", "--cpuset-cpus", "5000", "x"],
            "asked: --cpuset-cpus 5000\n",
        ),
    ] {
        let refused = t.call(words);
        assert!(refused.stderr.contains(asker), "{words:?}: {refused:?}");
        assert!(!refused.stderr.contains(".json"), "{refused:?}");
    }
    // It stays so for a container that is started later.
    t.call(&[
        "create",
        "--name",
        "l",
        "--cpuset-cpus",
        "5000",
        "host:",
        "true",
    ])
    .text();
    let refused = t.call(&["start", "l"]).refused(125);
    assert!(refused.contains("asked: --cpuset-cpus 5000\n"), "{refused}");
    // An ordinary user has no cgroup to limit, where nobody gave one away.
    let user = t.user_command(None, &["run", "--rm", "-m", "64m", "host:", "true"]);
    let answer = crate::stage::output(user, b"");
    assert!(
        answer.code == 0 || answer.stderr.contains("asked: --memory 64m\n"),
        "{answer:?}"
    );
    let refused = t.call(&["rename", "a"]).refused(125);
    assert!(
        refused.ends_with("\n  hint:  lockstep rename CONTAINER NAME\n"),
        "{refused}"
    );
}

fn a_mistake_is_told_with_what_would_do(t: &Stage) {
    for (options, told) in [
        (["--ulimit", "nofil=3"], "did you mean nofile?"),
        (
            ["--ulimit", "nofile=10:5"],
            "the soft limit 10 is above the hard limit 5",
        ),
        (["--cpus", "0.001"], "less than 0.01"),
        (
            ["--gpus", "nvidia.com/gpu=all"],
            "--device nvidia.com/gpu=all",
        ),
        (["--cap-add", "SYS_ADMN"], "did you mean SYS_ADMIN?"),
        (["--group-add", "keep-groups"], "keep-groups is refused"),
        (["--env-file", "/nope"], "--env-file /nope"),
        (
            ["--security-opt", "seccomp=/nope"],
            "--security-opt seccomp=/nope",
        ),
    ] {
        let refused = t.sh(&options, "true").refused(125);
        assert!(refused.contains(told), "{options:?}: {refused}");
    }
    for (words, told) in [
        (&["volume", "lss"][..], "did you mean ls?"),
        (&["containr", "ls"], "did you mean container?"),
        (&["load", "-i", "/usr"], "hint:  lockstep load oci:/usr"),
        (&["load"], "standard input"),
    ] {
        let refused = t.call(words).refused(125);
        assert!(
            refused.contains(told) && !refused.contains("/proc/self"),
            "{words:?}: {refused}"
        );
    }
}

fn what_other_engines_units_say_is_done(t: &Stage) {
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let platform = format!("linux/{machine}");
    let line = [
        "-q",
        "--pull",
        "never",
        "--platform",
        &platform,
        "--os",
        "linux",
        "--arch",
        machine,
        "--passwd=false",
        "--ulimit",
        "host",
        "--no-hostname",
    ];
    assert_eq!(t.sh(&line, "echo done").text(), "done");
    assert_eq!(t.sh(&["--pull=missing"], "echo done").text(), "done");
    let map = t
        .sh(&["--userns", "auto:size=1000"], "cat /proc/self/uid_map")
        .text();
    assert!(map.starts_with(' ') || map.starts_with('0'), "{map}");
    assert_eq!(map.split_whitespace().last(), Some("1000"), "{map}");
    let mut command = t.command(&["run", "--rm", "--http-proxy", "host:", "env"]);
    command
        .env("http_proxy", "http://p:1")
        .env_remove("HTTP_PROXY");
    let seen = crate::stage::output(command, b"").text();
    assert!(
        seen.lines().any(|line| line == "http_proxy=http://p:1"),
        "{seen}"
    );
    // Neither made nor joined.
    let seen = t
        .sh(
            &["--cgroups", "disabled"],
            "cat /proc/self/cgroup; grep 'Max processes' /proc/self/limits",
        )
        .text();
    assert!(!seen.contains("/lockstep/"), "{seen}");
    assert!(seen.contains(" 2048 "), "{seen}");
    let global = t.call(&["--log-level", "debug", "ps"]).refused(125);
    assert!(global.contains("--log-level is refused"), "{global}");
    if Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
        assert_eq!(t.sh(&["--tz", "Asia/Tokyo"], "date +%Z").text(), "JST");
    }
}

fn environment(t: &Stage) {
    let file = t.dir.join("env");
    std::fs::write(&file, "# comment\nF=file\nBOTH=file\n").expect("a file");
    let mut command = t.command(&[
        "run",
        "--rm",
        "-e",
        "BOTH=flag",
        "-e",
        "CALLER",
        "-e",
        "ABSENT",
        "--env-file",
        &file.display().to_string(),
        "--unsetenv",
        "container",
        "host:",
        "env",
    ]);
    command
        .env("CALLER", "mine")
        .env("SECRET", "x")
        .env_remove("ABSENT");
    let seen = crate::stage::output(command, b"").text();
    for wanted in ["F=file", "BOTH=flag", "CALLER=mine", "HOME=/root"] {
        assert!(
            seen.lines().any(|line| line == wanted),
            "{wanted} in {seen}"
        );
    }
    for absent in ["SECRET", "ABSENT", "container="] {
        assert!(!seen.contains(absent), "{absent} in {seen}");
    }
    assert!(seen.contains("PATH=/usr/local/sbin:"), "{seen}");
}

fn no_shared_memory(t: &Stage) {
    let script = "readlink /proc/self/ns/ipc; awk '$3 == \"mqueue\" {print $2}' /proc/mounts; ls /dev | grep -c shm";
    let seen = t.sh(&["--ipc", "none"], script);
    let lines: Vec<&str> = seen.stdout.lines().collect();
    assert_eq!(lines[1..], ["/dev/mqueue", "0"], "{seen:?}");
    let host = std::fs::read_link("/proc/self/ns/ipc").expect("a namespace");
    assert_ne!(lines[0], host.display().to_string());
    t.call(&[
        "run", "-d", "--name", "n", "--ipc", "none", "host:", "sleep", "1000",
    ])
    .text();
    let refused = t.sh(&["--ipc", "container:n"], "true").refused(125);
    assert!(refused.contains("no /dev/shm to share"), "{refused}");
    let driver = t.sh(&["--log-driver", "syslog"], "true").refused(125);
    assert!(driver.contains("json-file and local"), "{driver}");
}

fn process_settings(t: &Stage) {
    assert_eq!(t.sh(&["-w", "/tmp"], "pwd").text(), "/tmp");
    assert_eq!(t.sh(&[], "umask").text(), "0022");
    assert_eq!(t.sh(&["--umask", "077"], "umask").text(), "0077");
    assert_eq!(
        t.call(&["run", "--rm", "--entrypoint", "echo", "host:", "a", "b"])
            .text(),
        "a b"
    );
    assert_eq!(
        t.sh(&["-u", "daemon:games"], "id -un; id -gn").text(),
        "daemon\ngames"
    );
    assert_eq!(
        t.sh(&["-u", "1234", "--group-add", "games"], "id -u; id -G")
            .text(),
        "1234\n0 60"
    );
    let script = "trap 'exit 9' HUP; echo ready; while :; do sleep 0.05; done";
    t.call(&[
        "run",
        "-d",
        "--name",
        "s",
        "--stop-signal",
        "HUP",
        "host:",
        "sh",
        "-c",
        script,
    ])
    .text();
    assert!(until(|| t.call(&["logs", "s"]).stdout.contains("ready")));
    t.call(&["stop", "s"]).text();
    assert_eq!(t.field("s", "{{.State.ExitCode}}"), "9");
}

fn files_that_are_written(t: &Stage) {
    let (cid, pid) = (t.dir.join("cid"), t.dir.join("pid"));
    let args = [
        "run",
        "-d",
        "--name",
        "w",
        "--cidfile",
        &cid.display().to_string(),
        "--pidfile",
        &pid.display().to_string(),
        "host:",
        "sleep",
        "1000",
    ];
    let id = t.call(&args).text();
    assert_eq!(std::fs::read_to_string(&cid).expect("an id"), id);
    assert_eq!(
        std::fs::read_to_string(&pid).expect("a pid"),
        t.pid("w").to_string()
    );
    // An existing file means another container.
    let again = t
        .call(&[
            "run",
            "--rm",
            "--cidfile",
            &cid.display().to_string(),
            "host:",
            "true",
        ])
        .refused(125);
    assert!(again.contains("--cidfile"), "{again}");
    t.call(&["rm", "-f", "w"]).text();
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}
