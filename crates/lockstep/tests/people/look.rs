//! `ps`, `inspect`, `top`, `stats`, `plan`, `doctor`, `--why`, `--help`.

use std::io::BufRead as _;

use crate::stage::{Stage, output};

crate::cases![
    lists_and_filters,
    filters_with_values_that_nothing_has_are_refused,
    there_may_be_more_containers_than_descriptors,
    listing_opens_little_of_each,
    templates,
    lists_have_the_fields_that_people_type,
    inspect_is_docker_s_shape,
    inspect_answers_templates,
    who_was_killed_for_memory_is_told,
    top_shows_both_numbers,
    top_shows_what_is_asked_for,
    stats_shows_use,
    stats_invents_nothing,
    stats_of_what_has_ended,
    why_names_who_asked,
    inspect_has_what_was_given,
    those_that_fit_are_pruned,
    doctor_answers,
    doctor_names_what_refuses_user_namespaces,
    help_names_every_verb,
    hostile_text_is_escaped,
];

fn lists_and_filters(t: &Stage) {
    t.call(&[
        "run", "-d", "--name", "up", "-l", "tier=web", "host:", "sleep", "1000",
    ])
    .text();
    t.call(&["run", "--name", "down", "host:", "sh", "-c", "exit 3"]);
    t.call(&["create", "--name", "new", "host:", "true"]).text();
    let names = |args: &[&str]| {
        let mut all = vec!["ps", "--format", "{{.Names}}"];
        all.extend(args);
        let mut names: Vec<String> = t.call(&all).text().lines().map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&[]), "up");
    assert_eq!(names(&["-a"]), "down new up");
    assert_eq!(names(&["-a", "-f", "status=created"]), "new");
    assert_eq!(names(&["-f", "exited=3"]), "down");
    assert_eq!(names(&["-a", "-f", "label=tier=web"]), "up");
    assert_eq!(
        names(&[
            "-a",
            "-f",
            "name=o",
            "-f",
            "status=exited",
            "-f",
            "status=running"
        ]),
        "down"
    );
    assert_eq!(names(&["-l"]), "new");
    assert_eq!(names(&["-a", "-f", "name=^ne"]), "new");
    assert_eq!(names(&["-a", "-f", "name=u.$"]), "up");
    assert_eq!(names(&["-a", "-f", "label!=tier"]), "down new");
    assert_eq!(names(&["-a", "-f", "since=up"]), "down new");
    assert_eq!(names(&["-a", "-f", "before=new", "-f", "since=up"]), "down");
    assert_eq!(
        names(&["-a", "-f", "network=none", "-f", "command=^sleep"]),
        "up"
    );
    assert_eq!(names(&["-a", "-f", "volume=/data"]), "");
    assert_eq!(names(&["-a", "-f", "until=1h"]), "");
    let table = t.call(&["ps", "-a"]).text();
    assert!(table.starts_with("CONTAINER ID  IMAGE  COMMAND"), "{table}");
    assert!(table.contains("Exited (3)"), "{table}");
    assert!(
        t.call(&["ps", "-f", "colour=red"])
            .refused(125)
            .contains("colour")
    );
}

fn filters_with_values_that_nothing_has_are_refused(t: &Stage) {
    for (filter, takes) in [
        ("status=bogus", "created, starting, running"),
        ("health=bogus", "none, starting, healthy"),
        ("exited=abc", "a status"),
    ] {
        let refused = t.call(&["ps", "-f", filter]).refused(125);
        let (key, value) = filter.split_once('=').expect("a pair");
        let said = format!("--filter {key}= takes {takes}");
        assert!(
            refused.contains(&said) && refused.contains(value),
            "{refused}"
        );
    }
    t.call(&["run", "--name", "over", "host:", "true"]);
    // Podman's other word.
    for status in ["exited", "stopped"] {
        let filter = format!("status={status}");
        assert_eq!(
            t.call(&["ps", "-f", &filter, "--format", "{{.Names}}"])
                .text(),
            "over"
        );
    }
    assert_eq!(t.call(&["ps", "-f", "status=removing", "-q"]).text(), "");
}

fn there_may_be_more_containers_than_descriptors(t: &Stage) {
    const COUNT: usize = 40;
    for _ in 0..COUNT {
        t.call(&["create", "host:", "true"]).text();
    }
    let few = |args: &[&str]| {
        let plain = t.command(args);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -n 24; exec \"$@\"", "sh"]);
        command.arg(plain.get_program()).args(plain.get_args());
        output(command, b"").text().lines().count()
    };
    assert_eq!(few(&["ps", "-aq"]), COUNT);
    assert_eq!(few(&["volume", "ls", "-q"]), 0);
    assert_eq!(few(&["rm", "-fa"]), COUNT);
}

/// The directory, life, record, the runtime's state and the freezer's: what else is opened of each is time.
fn listing_opens_little_of_each(t: &Stage) {
    const MORE: usize = 4;
    let strace = std::path::Path::new("/usr/bin/strace");
    t.need(strace.exists(), "no strace(1) (strace)");
    let log = t.dir.join("calls");
    let opened = || {
        let plain = t.command(&["ps", "-q"]);
        let mut command = std::process::Command::new(strace);
        command.args([
            "-f",
            "-qq",
            "-e",
            "trace=openat,open",
            "-e",
            "signal=none",
            "-o",
        ]);
        command
            .arg(&log)
            .arg(plain.get_program())
            .args(plain.get_args());
        let listed = output(command, b"").text().lines().count();
        let calls = std::fs::read_to_string(&log).expect("a log");
        (listed, calls.lines().count())
    };
    let run = || t.call(&["run", "-d", "host:", "sleep", "1000"]).text();
    run();
    let (one, before) = opened();
    (0..MORE).for_each(|_| drop(run()));
    let (all, after) = opened();
    assert_eq!((one, all), (1, 1 + MORE));
    assert!(
        after - before <= 5 * MORE,
        "{before} calls, {after} for {MORE} more"
    );
}

fn templates(t: &Stage) {
    t.call(&["create", "--name", "x", "host:", "sh", "-c", "true"])
        .text();
    let json = t.call(&["ps", "-a", "--json"]).text();
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(rows[0]["Names"], "x");
    let table = t
        .call(&["ps", "-a", "--format", "table {{.Names}}\\t{{.Image}}"])
        .text();
    assert_eq!(table, "NAMES  IMAGE\nx      host:");
    assert!(
        t.call(&["ps", "-a", "--format", "{{.Nothing}}"])
            .refused(125)
            .contains("Nothing")
    );
}

fn lists_have_the_fields_that_people_type(t: &Stage) {
    let label = ["--label", "org.example.which=a,b=c", "--label", "tier=web"];
    let run = [
        "run",
        "-d",
        "--name",
        "f",
        "-v",
        "kept:/kept",
        "-v",
        "/usr/share:/share:ro",
    ];
    t.call(&[&run[..], &label, &["host:", "sh", "-c", "exit 3"]].concat())
        .text();
    t.call(&["wait", "f"]).text();
    t.call(&["volume", "create", "--label", "tier=disk", "v"])
        .text();
    let ps = |format: &str| t.call(&["ps", "-a", "--format", format]).text();
    assert_eq!(
        ps("{{.Label \"org.example.which\"}} {{.Label \"tier\"}}|{{.Label \"none\"}}|"),
        "a,b=c web||"
    );
    assert_eq!(
        ps("table {{.Names}}\\t{{.Label \"org.example.which\"}}"),
        "NAMES  which\nf      a,b=c"
    );
    assert_eq!(
        ps("{{.Exited}} {{.ExitCode}} {{.AutoRemove}} {{.LocalVolumes}}"),
        "true 3 false 1"
    );
    assert_eq!(
        ps("{{if ge .ExitedAt .StartedAt}}{{.Created}}{{end}}"),
        ps("{{.CreatedHuman}}")
    );
    assert!(ps("{{.Created}}").ends_with(" ago"));
    let volumes = [
        "volume",
        "ls",
        "-f",
        "name=^v$",
        "--format",
        "{{.Name}} {{.Label \"tier\"}}",
    ];
    assert_eq!(t.call(&volumes).text(), "v disk");
    let wrong = t
        .call(&["ps", "-a", "--format", "{{.Names \"x\"}}"])
        .refused(125);
    assert!(wrong.contains("is no function"), "{wrong}");
}

fn inspect_is_docker_s_shape(t: &Stage) {
    t.call(&[
        "run",
        "-d",
        "--name",
        "i",
        "-e",
        "A=1",
        "-w",
        "/tmp",
        "-v",
        "/usr/share:/data:ro",
        "host:",
        "sleep",
        "9",
    ])
    .text();
    let text = t.call(&["inspect", "i"]).text();
    let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let one = &all[0];
    assert_eq!(one["Name"], "i");
    assert_eq!(one["State"]["Running"], true);
    assert_eq!(one["Config"]["WorkingDir"], "/tmp");
    assert!(
        one["Config"]["Env"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|entry| entry == "A=1")
    );
    let mounts = one["Mounts"].as_array().expect("a list");
    let data = mounts
        .iter()
        .find(|mount| mount["Destination"] == "/data")
        .expect("the volume");
    assert_eq!(data["RW"], false);
    assert_eq!(one["Lockstep"]["Downgrades"], serde_json::json!([]));
    let partly = t.call(&["inspect", "nobody", "i"]);
    assert_eq!(partly.code, 1);
    assert!(partly.stdout.starts_with("[\n  {"), "{}", partly.stdout);
    let nothing = t.call(&["inspect", "nobody"]);
    assert_eq!((nothing.code, &*nothing.stdout), (1, "[]\n"));
}

fn inspect_answers_templates(t: &Stage) {
    t.call(&[
        "create",
        "--name",
        "i",
        "-l",
        "tier=web",
        "-e",
        "A=1",
        "-m",
        "64m",
        "--memory-reservation",
        "32m",
        "--restart",
        "on-failure:3",
        "--cpu-shares",
        "300",
        "--annotation",
        "colour=blue",
        "-v",
        "/usr/share:/data:ro",
        "host:",
        "sleep",
        "9",
    ])
    .text();
    for (format, expected) in [
        (
            "{{range .Config.Env}}{{if eq . \"A=1\"}}{{println .}}{{end}}{{end}}",
            "A=1",
        ),
        (
            "{{index .Config.Labels \"tier\"}}/{{.Config.Labels.none}}",
            "web/<no value>",
        ),
        ("{{index .Config.Annotations \"colour\" | upper}}", "BLUE"),
        (
            "{{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}}",
            "67108864 33554432",
        ),
        (
            "{{.HostConfig.CPUShares}} {{.HostConfig.PidsLimit}}",
            "300 2048",
        ),
        (
            "{{with .HostConfig.RestartPolicy}}{{.Name}} {{.MaximumRetryCount}}{{end}}",
            "on-failure 3",
        ),
        (
            "{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{end}}",
            "bind /data false",
        ),
        (
            "{{json .Config.Cmd}} {{len .Config.Entrypoint}}",
            "[\"sleep\",\"9\"] 0",
        ),
        (
            "{{printf \"%s|%5d\" .State.Status .State.Pid}}",
            "created|    0",
        ),
        (
            "{{.State.OOMKilled}} {{.State.StartedAt}}",
            "false 0001-01-01T00:00:00Z",
        ),
        (
            "{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}",
            "none",
        ),
    ] {
        assert_eq!(t.field("i", format), expected, "{format}");
    }
    let wrong = t
        .call(&["inspect", "-f", "{{range .Mounts}}", "i"])
        .refused(125);
    assert!(wrong.contains("without {{end}}"), "{wrong}");
    let wrong = t
        .call(&["inspect", "-f", "{{.State.Colour}}", "i"])
        .refused(125);
    assert!(wrong.contains("there are Status"), "{wrong}");
}

fn who_was_killed_for_memory_is_told(t: &Stage) {
    let hog = "exec dd if=/dev/zero of=/dev/null bs=64M count=1";
    let run = |name: &str, memory: &str| {
        let args = ["run", "--name", name, "-m", memory, "--memory-swap", memory];
        t.call(&[&args[..], &["host:", "sh", "-c", hog]].concat())
            .code
    };
    assert_eq!((run("small", "16m"), run("large", "512m")), (137, 0));
    assert_eq!(t.field("small", "{{.State.OOMKilled}}"), "true");
    assert_eq!(t.field("large", "{{.State.OOMKilled}}"), "false");
}

fn top_shows_both_numbers(t: &Stage) {
    t.call(&["run", "-d", "--name", "x", "host:", "sleep", "1000"])
        .text();
    let table = t.call(&["top", "x"]).text();
    let line = table
        .lines()
        .find(|line| line.contains("sleep 1000"))
        .expect("the process");
    let fields: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(fields[1], "1", "{table}");
    assert_eq!(fields[3], t.pid("x").to_string(), "{table}");
}

fn top_shows_what_is_asked_for(t: &Stage) {
    t.call(&["run", "-d", "-t", "--name", "x", "host:", "sleep", "1000"])
        .text();
    let top = |words: &[&str]| {
        let text = t.call(&[&["top", "x"], words].concat()).text();
        let lines: Vec<Vec<String>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|it| !it.is_empty()))
            .map(|cells| cells.map(str::to_owned).collect())
            .collect();
        assert_eq!(lines.len(), 2, "{text}");
        lines[1].clone()
    };
    let pid = t.pid("x").to_string();
    assert_eq!(
        top(&["pid", "ppid", "hpid,user", "group", "comm", "args"]),
        ["1", "0", &pid, "root", "root", "sleep", "sleep 1000"]
    );
    assert_eq!(
        top(&["state", "nice", "tty", "seccomp"]),
        ["S", "0", "pts/0", "filter"]
    );
    let inside = t.call(&["exec", "x", "cat", "/proc/1/uid_map"]).text();
    let outside = inside.split_whitespace().nth(1).expect("a map").to_owned();
    assert_eq!(top(&["huser"]), [outside]);
    let [caps, ambient] = &top(&["capeff", "capamb"])[..] else {
        panic!("two columns");
    };
    assert_eq!((caps.split(',').count(), &**ambient), (8, "none"));
    assert!(caps.split(',').any(|it| it == "CHOWN"), "{caps}");
    let [vsz, rss, time, etime] = &top(&["vsz", "rss", "time", "etime"])[..] else {
        panic!("four columns");
    };
    let kib = |text: &str| text.parse::<u64>().expect("KiB");
    assert!(kib(vsz) >= kib(rss) && kib(rss) > 0, "{vsz} {rss}");
    assert!(
        time.starts_with("00:00:") && etime.starts_with("00:"),
        "{time} {etime}"
    );
    assert_eq!(top(&["-o", "pid,comm"]), ["1", "sleep"]);
    let full = top(&["-ef"]);
    assert_eq!(
        (&*full[0], &*full[1], &*full[7]),
        ("root", "1", "sleep 1000")
    );
    let complaint = t.call(&["top", "x", "nothing"]).refused(125);
    assert!(
        complaint.contains("nothing") && complaint.contains("capeff"),
        "{complaint}"
    );
    assert!(t.call(&["top", "x", "-Z"]).refused(125).contains("-Z"));
}

fn stats_shows_use(t: &Stage) {
    t.call(&[
        "run",
        "-d",
        "--name",
        "busy",
        "-m",
        "64m",
        "host:",
        "sh",
        "-c",
        "while :; do :; done",
    ])
    .text();
    let seen = t
        .call(&[
            "stats",
            "--no-stream",
            "--format",
            "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}",
            "busy",
        ])
        .text();
    assert!(
        seen.starts_with("busy ") && seen.contains("/ 64MiB"),
        "{seen}"
    );
    let cpu: f64 = seen
        .split(' ')
        .nth(1)
        .expect("a share")
        .trim_end_matches('%')
        .parse()
        .expect("a number");
    assert!(cpu > 1.0, "{seen}");
    assert!(seen.ends_with(" 1"), "{seen}");
}

/// As Docker's: what does not run uses nothing, what is gone cannot be counted, and nobody is told of an error.
fn stats_of_what_has_ended(t: &Stage) {
    t.call(&["run", "-d", "--name", "kept", "host:", "true"])
        .text();
    t.call(&["wait", "kept"]).text();
    let fields =
        "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.BlockIO}} {{.PIDs}}";
    let once = ["stats", "--no-stream", "--format", fields];
    let seen = t.call(&[&once[..], &["kept"]].concat()).text();
    assert_eq!(seen, "kept 0.00% 0B / 0B 0.00% 0B / 0B 0B / 0B 0");
    assert_eq!(t.call(&once).text(), "");
    assert!(
        t.call(&["stats", "--no-stream", "other"])
            .refused(1)
            .contains("other")
    );
    // It is looked at again and again, by its first name.
    let follow = t.command(&["stats", "--interval", "1", "--format", fields, "kept"]);
    let mut follow = crate::stage::Background::start(follow);
    let mut lines = std::io::BufReader::new(follow.0.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert!(next().contains("0.00%"));
    t.call(&["rm", "kept"]).text();
    assert!((0..5).any(|_| !next().contains("0.00%")));
}

/// An ordinary user of this test has no cgroups, and so nobody counts.
fn stats_invents_nothing(t: &Stage) {
    let call = |args: &[&str]| output(t.user_command(None, args), b"");
    let run = [
        "run",
        "-d",
        "--name",
        "u",
        "host:",
        "sh",
        "-c",
        "test -e /sys/fs/cgroup/cgroup.procs && exit; exec sleep 1000",
    ];
    call(&run).text();
    t.need(
        call(&["ps", "-q"]).text() != "",
        "this user has cgroups of its own",
    );
    let table = call(&["stats", "--no-stream"]).text();
    let line: Vec<&str> = table
        .lines()
        .nth(1)
        .expect("a row")
        .split_whitespace()
        .collect();
    // The network namespace is the container's own, and counts by itself.
    let wanted = ["u", "--", "--", "--", "0B", "/", "0B", "--", "--"];
    assert_eq!(line[1..], wanted, "{table}");
    let json = call(&["stats", "--no-stream", "--json", "u"]).text();
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for key in ["CPUPerc", "MemUsage", "MemPerc", "BlockIO", "PIDs"] {
        assert!(rows[0][key].is_null(), "{key}: {json}");
    }
    call(&["rm", "-f", "u"]).text();
}

fn why_names_who_asked(t: &Stage) {
    let table = t
        .call(&[
            "run",
            "--why",
            "-m",
            "64m",
            "--cap-add",
            "net_raw",
            "host:",
            "true",
        ])
        .text();
    let line = |name: &str| {
        table
            .lines()
            .find(|line| line.starts_with(name))
            .expect("a setting")
            .to_owned()
    };
    assert!(line("memory").contains("flag"), "{table}");
    assert!(
        line("process.capabilities").contains("flag")
            && line("process.capabilities").contains("CAP_NET_RAW"),
        "{table}"
    );
    assert!(
        line("process.noNewPrivileges").contains("default"),
        "{table}"
    );
    assert!(
        line("process.noNewPrivileges").contains("[change: --security-opt"),
        "{table}"
    );
    assert!(line("root").contains("image"), "{table}");
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}

/// A limit of a namespace above, which touches nobody else's. The other switches are tried on invented hosts.
fn doctor_names_what_refuses_user_namespaces(t: &Stage) {
    let within = |before: &str, who: &[&str], args: &[&str]| {
        let called = t.command(args);
        let script = format!("{before} exec \"$@\"");
        let mut command = std::process::Command::new("unshare");
        command.args(["-U", "-m"]).args(who);
        command.args(["sh", "-c", &script, "sh"]);
        command.arg(called.get_program()).args(called.get_args());
        output(command, b"")
    };
    let none = "echo 0 > /proc/sys/user/max_user_namespaces;";
    let answer = |before: &str| within(before, &["-r"], &["doctor"]).stdout;
    let refused = answer(none);
    assert!(
        refused.contains("- user namespace   refused: ")
            && refused.contains("sysctl -w user.max_user_namespaces="),
        "{refused}"
    );
    let allowed = answer("");
    assert!(
        allowed.contains("  user namespace   can be made"),
        "{allowed}"
    );
    // So is it with the error: of the container, and of what an ordinary user's command begins with.
    let user = ["--map-user=1000", "--map-group=1000", "--keep-caps"];
    let as_user = format!("{none} set -- setpriv --ambient-caps=-all --inh-caps=-all \"$@\";");
    let run: &[&str] = &["run", "--rm", "host:", "true"];
    let (container, store) = ("container's process", "store in a user namespace");
    for (before, who, verb, what) in [
        (none, &["-r"][..], run, container),
        (&as_user, &user, run, container),
        (&as_user, &user, &["prune", "-f"], store),
    ] {
        let told = within(before, who, verb);
        assert_eq!(told.code, 125, "{told:?}");
        assert!(told.stderr.contains(what), "{told:?}");
        let hint = "hint:  user.max_user_namespaces is 0";
        assert!(told.stderr.contains(hint), "{told:?}");
    }
    // The profile is to be had of the program itself.
    let profile = t.call(&["doctor", "--apparmor-profile"]).stdout;
    let lines: Vec<&str> = profile.lines().collect();
    assert!(lines.contains(&"  userns,"), "{profile}");
    assert!(profile.contains("profile lockstep /usr/"), "{profile}");
}

fn doctor_answers(t: &Stage) {
    // A store that cannot be opened is an answer, and not the only one.
    std::fs::write(t.dir.join("file"), "").expect("a file");
    let mut command = std::process::Command::new(t.command(&[]).get_program());
    for place in ["--root", "--runroot"] {
        command.arg(place).arg(t.dir.join("file"));
    }
    command.arg("doctor");
    let told = output(command, b"");
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.stdout.contains("\n- store "), "{told:?}");
    assert!(
        told.stdout.contains("\n  landlock ") || told.stdout.contains("\n- landlock "),
        "{told:?}"
    );
    let told = t.call(&["doctor", "--json"]);
    assert!(told.code <= 1, "{told:?}");
    let host: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON");
    let facts = &host["facts"];
    let named = |name: &str| {
        facts
            .as_array()
            .expect("a list")
            .iter()
            .any(|fact| fact["name"] == name)
    };
    assert!(
        named("user namespace") && named("landlock") && named("store"),
        "{facts}"
    );
    assert!(named("capabilities") && named("limits"), "{facts}");
    let said = |name: &str| {
        let facts = facts.as_array().expect("a list").iter();
        let of_name = facts.filter(|fact| fact["name"] == name);
        of_name
            .map(|fact| fact["value"].to_string())
            .collect::<String>()
    };
    assert!(said("tier").contains("seccomp notification"), "{facts}");
    // Debian's kernels of the virtual machine: the older has no bpf among its modules. Debian's SELinux
    // policy, where it is enforced, decides by itself what may be tried: not the audit records, which T1 is.
    let line = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let enforced = line("/sys/fs/selinux/enforce") == "1";
    let debians = line("/proc/sys/kernel/osrelease");
    if !enforced && debians.trim().ends_with("-cloud-amd64") {
        let lsms = line("/sys/kernel/security/lsm");
        let reached = match lsms.split(',').any(|lsm| lsm.trim() == "bpf") {
            true => "T4: ",
            false => "T3: ",
        };
        assert!(said("tier").contains(reached), "{lsms} {facts}");
    }
    // Called or refused, each is named.
    for way in ["tracepoint", "raw_tracepoint", "fexit", "lsm"] {
        assert!(said("bpf").contains(way), "{facts}");
    }
    assert!(said("cgroups").contains("memory"), "{facts}");
    assert!(said("user ids").contains("65535"), "{facts}");
    // What it says is so.
    let mapped = t.call(&["run", "--rm", "-v", "/usr/share:/h:ro", "host:", "true"]);
    assert_eq!(
        said("id-mapped mounts").contains("where"),
        mapped.code == 0,
        "{facts} {mapped:?}"
    );
    let user = output(t.user_command(None, &["doctor"]), b"").stdout;
    assert!(
        user.contains("  overlay          can be mounted in a user namespace"),
        "{user}"
    );
    let missing = facts
        .as_array()
        .expect("a list")
        .iter()
        .any(|fact| fact["missing"] == true);
    assert_eq!(told.code, i32::from(missing));
}

fn help_names_every_verb(t: &Stage) {
    let help = t.call(&["--help"]).text();
    for verb in ["run", "exec", "ps", "logs", "doctor"] {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb}");
        assert!(
            t.call(&[verb, "--help"])
                .text()
                .starts_with(&format!("usage: lockstep {verb} "))
        );
    }
    assert!(t.call(&["rnu"]).refused(125).contains("did you mean run?"));
    assert!(
        t.call(&["container", "ps"])
            .text()
            .starts_with("CONTAINER ID")
    );
}

fn hostile_text_is_escaped(t: &Stage) {
    t.call(&[
        "create",
        "--name",
        "h",
        "-l",
        "x=\u{1b}[2J",
        "host:",
        "echo",
        "\u{1b}]0;owned\u{7}",
    ])
    .text();
    for args in [
        &["ps", "-a"][..],
        &["inspect", "--format", "{{.Config.Labels}}", "h"],
    ] {
        let seen = t.call(args).text();
        assert!(!seen.contains('\u{1b}'), "{seen:?}");
    }
}

/// What Docker's HostConfig has of rights and devices.
fn inspect_has_what_was_given(t: &Stage) {
    let line = [
        "create",
        "--name",
        "g",
        "--cap-add",
        "NET_RAW",
        "--cap-drop",
        "KILL",
        "--security-opt",
        "seccomp=unconfined",
        "--security-opt",
        "no-new-privileges=false",
        "--device",
        "/dev/null:/dev/x:r",
        "--log-opt",
        "max-size=1m",
        "--shm-size",
        "1m",
        "host:",
        "true",
    ];
    t.call(&line).text();
    let shown = t.field(
        "g",
        "{{.HostConfig.Privileged}} {{.HostConfig.CapAdd}} {{.HostConfig.CapDrop}} {{.HostConfig.ShmSize}} \
         {{json .HostConfig.SecurityOpt}} {{json .HostConfig.Devices}} {{json .HostConfig.LogConfig}}",
    );
    let wanted = concat!(
        "false [CAP_NET_RAW] [CAP_KILL] 1048576 [\"seccomp=unconfined\",\"no-new-privileges=false\"] ",
        "[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/x\",\"CgroupPermissions\":\"r\"}] ",
        "{\"Type\":\"k8s-file\",\"Config\":{\"max-size\":\"1048576\",\"max-file\":\"1\"}}",
    );
    assert_eq!(shown, wanted);
}

fn those_that_fit_are_pruned(t: &Stage) {
    for (name, label) in [("a", "k=1"), ("b", "k=2"), ("c", "other")] {
        t.call(&["create", "--name", name, "-l", label, "host:", "true"])
            .text();
    }
    let left = |filter: &str| {
        t.call(&["container", "prune", "-f", "--filter", filter])
            .text();
        let mut names: Vec<String> = t
            .call(&["ps", "-a", "--format", "{{.Names}}"])
            .text()
            .lines()
            .map(Into::into)
            .collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(left("until=24h"), "a b c");
    assert_eq!(left("label=k=1"), "b c");
    assert_eq!(left("label!=k"), "b");
    assert!(
        t.call(&["container", "prune", "--filter", "name=b"])
            .refused(125)
            .contains("--filter name= is refused")
    );
    t.call(&["run", "-d", "--name", "n", "host:", "sleep", "1000"])
        .text();
    assert_eq!(
        t.call(&["stats", "--no-stream", "--format", "{{.NetIO}}", "n"])
            .text(),
        "0B / 0B"
    );
}
