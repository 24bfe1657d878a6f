//! An ordinary user: with subordinate ids, and with the one id.

use std::path::Path;

use crate::stage::{Output, Stage, USER, output};

crate::cases![
    one_id,
    subordinate_ids,
    kept_id,
    a_life,
    files_belong_to_the_user,
    limits_are_refused_or_felt,
    what_needs_root_says_so,
    nobody_is_given_another_s_ids,
    its_supervisor_is_confined,
    another_user_cannot_enter,
    cgroups_of_others_are_out_of_sight,
    its_user_namespace_is_its_own,
];

const FIRST: u32 = 700_000;

fn one(t: &Stage, args: &[&str]) -> Output {
    output(t.user_command(None, args), b"")
}

fn many(t: &Stage, args: &[&str]) -> Output {
    t.need(
        Path::new("/usr/bin/newuidmap").exists(),
        "no newuidmap(1) (uidmap)",
    );
    output(t.user_command(Some(FIRST), args), b"")
}

fn one_id(t: &Stage) {
    let script = "id -u; cat /proc/self/uid_map; grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; ls /root /home";
    let seen = one(t, &["run", "--rm", "host:", "sh", "-c", script]).text();
    assert!(seen.starts_with("0\n"), "{seen}");
    let map: Vec<&str> = seen
        .lines()
        .nth(1)
        .expect("a map")
        .split_whitespace()
        .collect();
    assert_eq!(map, ["0", &USER.to_string(), "1"]);
    assert!(
        seen.contains("NoNewPrivs:\t1") && seen.contains("Seccomp:\t2"),
        "{seen}"
    );
    let refused = one(t, &["run", "--rm", "-u", "daemon", "host:", "true"]).refused(125);
    assert!(
        refused.contains("not mapped") && refused.contains("/etc/subuid"),
        "{refused}"
    );
    // Groups cannot be set there, so none is asked for, not even the user's own.
    one(
        t,
        &[
            "run", "-d", "--name", "o", "-u", "0:0", "host:", "sleep", "1000",
        ],
    )
    .text();
    assert_eq!(one(t, &["exec", "-u", "0", "o", "id", "-u"]).text(), "0");
    one(t, &["rm", "-f", "o"]).text();
}

fn subordinate_ids(t: &Stage) {
    let seen = many(
        t,
        &[
            "run",
            "--rm",
            "-u",
            "daemon",
            "host:",
            "sh",
            "-c",
            "id -un; cat /proc/self/uid_map",
        ],
    )
    .text();
    let lines: Vec<Vec<&str>> = seen
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["daemon"]);
    assert_eq!(lines[1], ["0", &USER.to_string(), "1"]);
    assert_eq!(lines[2], ["1", "700000", "65536"]);
}

fn kept_id(t: &Stage) {
    let seen = many(
        t,
        &["run", "--rm", "--userns", "keep-id", "host:", "id", "-u"],
    )
    .text();
    assert_eq!(seen, USER.to_string());
    let seen = many(
        t,
        &[
            "run",
            "--rm",
            "--userns",
            "keep-id:uid=7,gid=8",
            "host:",
            "sh",
            "-c",
            "id -u; id -g",
        ],
    )
    .text();
    assert_eq!(seen, "7\n8");
    let seen = many(
        t,
        &[
            "run",
            "--rm",
            "--userns",
            "nomap",
            "host:",
            "cat",
            "/proc/self/uid_map",
        ],
    )
    .text();
    assert!(!seen.contains(&USER.to_string()), "{seen}");
    for [option, map] in [["--userns", "nomap"], ["--uidmap", "0:700000:9"]] {
        let refused = many(t, &["run", "--rm", option, map, "rootfs:/", "true"]).refused(125);
        let named = format!("{option} {map} is refused: what the container gets");
        assert!(refused.contains(&named), "{refused}");
    }
    // With one id alone it is root's.
    let kept = |map: &str| one(t, &["run", "--rm", "--userns", map, "host:", "id", "-u"]);
    let refused = kept("keep-id").refused(125);
    assert!(refused.contains("--userns keep-id is refused"), "{refused}");
    assert!(refused.contains("lockstep doctor"), "{refused}");
    assert_eq!(kept("keep-id:uid=0,gid=0").text(), "0");
    // Root has no id to keep, with an image or without.
    let refused = t.call(&["run", "--rm", "--userns", "keep-id", "host:", "true"]);
    assert!(refused.refused(125).contains("is for ordinary users"));
}

fn a_life(t: &Stage) {
    let id = one(
        t,
        &[
            "run",
            "-d",
            "--name",
            "u",
            "host:",
            "sh",
            "-c",
            "echo started; sleep 1000",
        ],
    )
    .text();
    assert!(one(t, &["ps", "-q", "--no-trunc"]).text().contains(&id));
    assert_eq!(one(t, &["exec", "u", "sh", "-c", "id -u; exit 4"]).code, 4);
    assert_eq!(one(t, &["logs", "u"]).text(), "started");
    assert!(one(t, &["top", "u"]).text().contains("sleep 1000"));
    one(t, &["stop", "-t", "0", "u"]).text();
    assert_eq!(one(t, &["wait", "u"]).text(), "137");
    one(t, &["start", "u"]).text();
    one(t, &["rm", "-f", "u"]).text();
    assert_eq!(
        one(t, &["run", "--rm", "host:", "no-such-program"]).code,
        127
    );
    // Root's containers are another's.
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}

fn files_belong_to_the_user(t: &Stage) {
    let dir = t.dir.join("files");
    std::fs::create_dir(&dir).expect("a directory");
    std::os::unix::fs::chown(&dir, Some(USER), Some(USER)).expect("it is the user's");
    let volume = format!("{}:/data", dir.display());
    one(
        t,
        &[
            "run",
            "--rm",
            "-v",
            &volume,
            "host:",
            "sh",
            "-c",
            "echo x > /data/made",
        ],
    )
    .text();
    let made = std::fs::metadata(dir.join("made")).expect("the file");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), USER);
    many(
        t,
        &[
            "run",
            "--rm",
            "-u",
            "daemon",
            "-v",
            &volume,
            "host:",
            "sh",
            "-c",
            "cat /data/made",
        ],
    )
    .text();
}

fn limits_are_refused_or_felt(t: &Stage) {
    let refused = one(t, &["run", "--rm", "-m", "64m", "host:", "true"]);
    if refused.code != 0 {
        assert!(refused.stderr.contains("memory"), "{refused:?}");
    }
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done; wait";
    let bombed = one(
        t,
        &[
            "run", "--rm", "--ulimit", "nproc=4", "host:", "sh", "-c", script,
        ],
    );
    assert!(bombed.stderr.contains("fork"), "{bombed:?}");
}

fn what_needs_root_says_so(t: &Stage) {
    let refused = one(t, &["run", "--rm", "--userns", "host", "host:", "true"]).refused(125);
    assert!(refused.contains("needs root"), "{refused}");
    let refused = one(t, &["run", "--rm", "-v", "/usr:/x:idmap", "host:", "true"]).refused(125);
    assert!(refused.contains("needs root"), "{refused}");
    let doctor = one(t, &["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(
        doctor.stdout.contains("usermod --add-subuids"),
        "{doctor:?}"
    );
}

/// The line that doctor prints gives a second user other ids than the first one has.
fn nobody_is_given_another_s_ids(t: &Stage) {
    let files = t.dir.join("subordinate");
    let taken = "ann:100000:65536\nbob:165536:65536\n";
    std::fs::write(&files, taken).expect("a file");
    let plain = t.user_command(None, &["doctor"]);
    // The user's command binds an empty file over both; this one is bound over that one's source.
    let script = format!(
        "mount --bind {} {} && exec \"$@\"",
        files.display(),
        t.dir.join("subordinate-0").display()
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    command.arg(plain.get_program()).args(plain.get_args());
    let doctor = output(command, b"").stdout;
    assert!(
        doctor.contains("--add-subuids 231072-296607 --add-subgids 231072-296607"),
        "{doctor}"
    );
}

fn its_supervisor_is_confined(t: &Stage) {
    one(t, &["run", "-d", "--name", "c", "host:", "sleep", "1000"]).text();
    let pid: u32 = one(t, &["inspect", "--format", "{{.State.Pid}}", "c"])
        .text()
        .parse()
        .expect("a pid");
    let supervisor: u32 = crate::stage::status(pid, "PPid").parse().expect("a pid");
    assert_eq!(
        crate::stage::status(supervisor, "CapEff"),
        "0000000000000000"
    );
    assert_eq!(crate::stage::status(supervisor, "NoNewPrivs"), "1");
    assert_eq!(crate::stage::status(supervisor, "Seccomp"), "2");
    crate::stage::kill(supervisor, "KILL");
    let next = || drop(one(t, &["ps"]).text());
    assert!(t.ends_without_supervisor(pid, next));
    assert_eq!(one(t, &["wait", "c"]).text(), "137");
}

fn another_user_cannot_enter(t: &Stage) {
    let state = t.dir.join("foreign");
    std::fs::create_dir(&state).expect("a directory");
    std::os::unix::fs::chown(&state, Some(USER + 1), None).expect("it is another's");
    let mut command = t.user_command(None, &[]);
    command.args(["--runroot", &state.display().to_string(), "ps"]);
    let refused = output(command, b"").refused(125);
    assert!(refused.contains("belongs to user"), "{refused}");
}

fn cgroups_of_others_are_out_of_sight(t: &Stage) {
    let below = "find /sys/fs/cgroup -mindepth 1 -type d; grep -c ' - cgroup' /proc/self/mountinfo";
    let args = ["run", "-d", "--name", "c", "host:", "sleep", "1000"];
    let started = one(t, &args);
    assert!(!started.stderr.contains("cgroup"), "{started:?}");
    started.text();
    let seen = one(t, &["exec", "c", "sh", "-c", below]);
    let downgrades = ["inspect", "--format", "{{json .Lockstep.Downgrades}}", "c"];
    let hidden = one(t, &downgrades).text().contains("no cgroups at");
    // Where the user has cgroups of their own, the container has one, and nothing is below it.
    let expected = if hidden { "0" } else { "1" };
    assert_eq!(seen.stdout.trim_end(), expected, "{seen:?}");
    one(t, &["rm", "-f", "c"]).text();
    let why = one(t, &["run", "--why", "host:", "true"]).text();
    assert!(
        why.lines()
            .any(|line| line.starts_with("cgroups") && line.contains(" host ")),
        "{why}"
    );
    // Root's container has one in every hierarchy, and sees nothing beside it.
    let seen = t.sh(
        &[],
        "find /sys/fs/cgroup -mindepth 2 -type d; grep -c ' - cgroup' /proc/self/mountinfo",
    );
    assert!(seen.text().parse::<u32>().is_ok_and(|mounts| mounts > 0));
}

/// The user namespace of the life that a container has now, held open: the kernel gives the number of one that is gone to
/// another.
fn user_namespace(t: &Stage, name: &str, not: &[u32]) -> (u32, std::fs::File) {
    let ask = ["inspect", "--format", "{{.State.Pid}}", name];
    let mut pid = 0;
    let found = crate::stage::until(|| {
        let pids = many(t, &ask).text();
        pid = pids.parse().expect("a pid");
        pid != 0 && !not.contains(&pid)
    });
    assert!(found, "{name} does not run");
    let file = std::fs::File::open(format!("/proc/{pid}/ns/user"));
    (pid, file.expect("its user namespace"))
}

fn number(namespace: &std::fs::File) -> u64 {
    let found = namespace.metadata().expect("a namespace file");
    std::os::unix::fs::MetadataExt::ino(&found)
}

/// Also where the command that starts it works on the store in one with the same maps.
fn its_user_namespace_is_its_own(t: &Stage) {
    let dir = t.dir.join("shared");
    std::fs::create_dir(&dir).expect("a directory");
    std::os::unix::fs::chown(&dir, Some(USER), Some(USER)).expect("it is the user's");
    let volume = format!("{}:/data:O", dir.display());
    for name in ["a", "b"] {
        let create = ["create", "--name", name, "-v", &volume];
        many(t, &[&create[..], &["host:", "sleep", "1000"]].concat()).text();
    }
    many(t, &["start", "a", "b"]).text();
    let [a, b] = ["a", "b"].map(|name| user_namespace(t, name, &[]).1);
    assert_ne!(number(&a), number(&b), "of two that one command starts");

    let run = ["run", "-d", "--name", "k", "--restart", "always", "-v"];
    many(
        t,
        &[&run[..], &[&volume, "host:", "sleep", "1000"]].concat(),
    )
    .text();
    let (mut pids, mut seen) = (Vec::new(), Vec::new());
    for life in 0..3 {
        let (pid, namespace) = user_namespace(t, "k", &pids);
        let new = seen.iter().all(|old| number(old) != number(&namespace));
        assert!(new, "life {life} has the namespace of an earlier one");
        pids.push(pid);
        seen.push(namespace);
        crate::stage::kill(pid, "KILL");
    }
    many(t, &["rm", "-f", "a", "b", "k"]).text();
}
