//! From `run` to `rm`: what a container's life looks like from outside.

use crate::stage::{Background, Stage, kill, lives, until};

crate::cases![
    statuses_of_our_own,
    exit_codes_say_what_happened,
    detached_and_waited_for,
    created_and_started_and_started_again,
    started_while_somebody_looks,
    stop_asks_first_and_kills_then,
    kill_sends_any_signal,
    paused_processes_do_not_run,
    removed_when_it_has_ended,
    restarted_by_policy,
    stopped_means_stopped,
    renamed,
    names_are_taken_once,
    running_is_not_removed_without_force,
    a_time_limit_stops_it,
    exec_is_another_process,
    exec_says_what_went_wrong,
    what_another_starts_is_not_waited_for,
];

/// As docs/lockstep.md has them.
fn statuses_of_our_own(t: &Stage) {
    t.call(&["create", "--name", "idle", "host:", "true"])
        .text();
    for (name, status) in [("nobody", 1), ("idle", 125)] {
        t.call(&["exec", name, "true"]).refused(status);
        t.call(&["attach", name]).refused(status);
    }
    t.call(&["start", "-a", "nobody"]).refused(1);
    t.call(&["run", "--rm", "host:", "/nobody"]).refused(127);
    t.call(&["run", "--rm", "host:", "/etc"]).refused(126);
}

/// Who asks what a container does has its lock for a moment, shared.
fn started_while_somebody_looks(t: &Stage) {
    let id = t
        .call(&["create", "--name", "n", "host:", "sleep", "1000"])
        .text();
    let directory = t.dir.join(format!("root-data/containers/{id}"));
    let mut looks = std::process::Command::new("flock")
        .args(["--shared", "--nonblock"])
        .arg(&directory)
        .args(["sh", "-c", "echo; exec sleep 0.3"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("flock");
    let mut word = [0];
    let stdout = looks.stdout.as_mut().expect("its output");
    std::io::Read::read_exact(stdout, &mut word).expect("the lock is held");
    t.call(&["start", "n"]).text();
    assert!(looks.wait().expect("its end").success());
    // Behind one that runs nobody waits.
    let asked = std::time::Instant::now();
    assert_eq!(t.call(&["start", "n"]).text(), "n");
    assert!(asked.elapsed() < std::time::Duration::from_secs(5));
}

fn exit_codes_say_what_happened(t: &Stage) {
    assert_eq!(t.sh(&[], "exit 7").code, 7);
    assert_eq!(
        t.call(&["run", "--rm", "host:", "no-such-program"]).code,
        127
    );
    assert_eq!(t.call(&["run", "--rm", "host:", "/etc/passwd"]).code, 126);
    assert_eq!(
        t.call(&["run", "--rm", "--no-such-flag", "host:"]).code,
        125
    );
    assert_eq!(
        t.call(&["run", "--rm", "-w", "/proc/self", "nothing:", "x"])
            .code,
        125
    );
    assert_eq!(t.call(&["stop", "nobody"]).code, 1);
}

fn detached_and_waited_for(t: &Stage) {
    let id = t
        .call(&[
            "run",
            "-d",
            "--name",
            "d",
            "host:",
            "sh",
            "-c",
            "sleep 0.3; exit 5",
        ])
        .text();
    assert_eq!(id.len(), 64);
    assert!(t.call(&["ps", "-q", "--no-trunc"]).text().contains(&id));
    assert_eq!(t.call(&["wait", "d"]).text(), "5");
    assert_eq!(
        t.field("d", "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 5"
    );
    // A later question has the same answer.
    assert_eq!(t.call(&["wait", &id[..12]]).text(), "5");
}

fn created_and_started_and_started_again(t: &Stage) {
    t.call(&["create", "--name", "c", "host:", "sh", "-c", "echo again"])
        .text();
    assert_eq!(t.field("c", "{{.State.Status}}"), "created");
    for times in 1..=2 {
        assert_eq!(t.call(&["start", "-a", "c"]).text(), "again");
        assert_eq!(
            t.call(&["logs", "c"]).text(),
            vec!["again"; times].join("\n")
        );
    }
}

fn stop_asks_first_and_kills_then(t: &Stage) {
    let script = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    t.call(&["run", "-d", "--name", "kind", "host:", "sh", "-c", script])
        .text();
    assert!(until(|| t.call(&["logs", "kind"]).text() == "ready"));
    t.call(&["stop", "kind"]).text();
    assert_eq!(t.field("kind", "{{.State.ExitCode}}"), "3");
    assert_eq!(t.call(&["logs", "kind"]).text(), "ready\nasked");
    t.call(&["run", "-d", "--name", "deaf", "host:", "sleep", "1000"])
        .text();
    t.call(&["stop", "-t", "0.2", "deaf"]).text();
    assert_eq!(t.field("deaf", "{{.State.ExitCode}}"), "137");
    // What has ended is stopped.
    t.call(&["stop", "deaf"]).text();
}

fn kill_sends_any_signal(t: &Stage) {
    let script = "trap 'echo heard' USR1; while :; do sleep 0.05; done";
    t.call(&["run", "-d", "--name", "k", "host:", "sh", "-c", script])
        .text();
    // The trap has to be set first.
    until(|| {
        t.call(&["kill", "-s", "USR1", "k"]);
        t.call(&["logs", "k"]).stdout.contains("heard")
    });
    assert!(t.call(&["logs", "k"]).text().contains("heard"));
    assert!(
        t.call(&["kill", "-s", "NOSIGNAL", "k"])
            .refused(125)
            .contains("NOSIGNAL")
    );
    t.call(&["kill", "k"]).text();
    assert_eq!(t.call(&["wait", "k"]).text(), "137");
    assert_eq!(t.call(&["kill", "k"]).code, 125);
}

fn paused_processes_do_not_run(t: &Stage) {
    t.call(&[
        "run",
        "-d",
        "--name",
        "p",
        "host:",
        "sh",
        "-c",
        "while :; do echo x; sleep 0.02; done",
    ])
    .text();
    t.call(&["pause", "p"]).text();
    let state = || {
        t.call(&["inspect", "-f", "{{.State.Status}} {{.State.Paused}}", "p"])
            .text()
    };
    assert_eq!(state(), "paused true");
    let listed = |filter: &str| {
        t.call(&["ps", "--format", "{{.Status}}", "-f", filter])
            .text()
    };
    assert!(listed("status=paused").ends_with("(Paused)"));
    assert_eq!(listed("status=running"), "");
    let lines = || t.call(&["logs", "p"]).text().lines().count();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let before = lines();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(lines(), before);
    let refused = t.call(&["exec", "p", "true"]).refused(125);
    assert!(
        refused.contains("container p is paused") && refused.contains("lockstep unpause p"),
        "{refused}"
    );
    assert!(!refused.contains("--ignore-paused"), "{refused}");
    t.call(&["unpause", "p"]).text();
    assert!(until(|| lines() > before));
    assert_eq!(state(), "running false");
    // A frozen process takes no signal; stop has to let it go on first.
    t.call(&["pause", "p"]).text();
    t.call(&["stop", "-t", "0", "p"]).text();
}

fn removed_when_it_has_ended(t: &Stage) {
    t.call(&[
        "run", "-d", "--rm", "--name", "gone", "host:", "sleep", "0.2",
    ])
    .text();
    let names = t.dir.join("root-data/names/gone");
    // Not by a command: by the keeper.
    assert!(until(
        || !names.exists() && names.symlink_metadata().is_err()
    ));
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}

fn restarted_by_policy(t: &Stage) {
    t.call(&[
        "run",
        "-d",
        "--name",
        "f",
        "--restart",
        "on-failure:2",
        "host:",
        "sh",
        "-c",
        "echo run; exit 1",
    ])
    .text();
    // The count goes up before the last run begins.
    let lines = || t.call(&["logs", "f"]).text().lines().count();
    let state = || t.field("f", "{{.RestartCount}} {{.State.Status}}");
    assert!(until(|| lines() == 3 && state() == "2 exited"));
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(lines(), 3);
    t.call(&[
        "run",
        "-d",
        "--name",
        "ok",
        "--restart",
        "on-failure",
        "host:",
        "true",
    ])
    .text();
    t.call(&["wait", "ok"]).text();
    assert_eq!(t.field("ok", "{{.RestartCount}}"), "0");
    assert!(
        t.call(&["run", "--rm", "--restart", "always", "host:", "true"])
            .refused(125)
            .contains("--restart")
    );
}

fn stopped_means_stopped(t: &Stage) {
    t.call(&[
        "run",
        "-d",
        "--name",
        "s",
        "--restart",
        "always",
        "host:",
        "sh",
        "-c",
        "sleep 0.1; exit 1",
    ])
    .text();
    assert!(until(|| t.field("s", "{{.RestartCount}}") != "0"));
    until(|| t.field("s", "{{.State.Status}}") == "running");
    t.call(&["stop", "-t", "0", "s"]).text();
    let count = t.field("s", "{{.RestartCount}}");
    std::thread::sleep(std::time::Duration::from_millis(500));
    if t.field("s", "{{.State.Status}}") == "exited" {
        assert_eq!(t.field("s", "{{.RestartCount}}"), count);
    }
}

fn renamed(t: &Stage) {
    t.call(&["create", "--name", "old", "host:", "true"]).text();
    t.call(&["create", "--name", "other", "host:", "true"])
        .text();
    t.call(&["rename", "old", "new"]).text();
    assert_eq!(t.field("new", "{{.Name}}"), "new");
    assert_eq!(t.call(&["inspect", "old"]).code, 1);
    assert!(
        t.call(&["rename", "new", "other"])
            .refused(125)
            .contains("in use")
    );
    assert_eq!(t.call(&["rename", "new", "../x"]).code, 125);
}

fn names_are_taken_once(t: &Stage) {
    t.call(&["create", "--name", "n", "host:", "true"]).text();
    assert!(
        t.call(&["create", "--name", "n", "host:", "true"])
            .refused(125)
            .contains("in use")
    );
    t.call(&["create", "--replace", "--name", "n", "host:", "echo"])
        .text();
    assert_eq!(t.call(&["ps", "-aq"]).text().lines().count(), 1);
}

fn running_is_not_removed_without_force(t: &Stage) {
    t.call(&["run", "-d", "--name", "r", "host:", "sleep", "1000"])
        .text();
    let pid = t.pid("r");
    assert!(t.call(&["rm", "r"]).refused(2).contains("runs"));
    assert!(lives(pid));
    t.call(&["rm", "-f", "r"]).text();
    assert!(!lives(pid));
    assert_eq!(t.call(&["rm", "r"]).code, 1);
    assert_eq!(t.call(&["rm", "-f", "r"]).code, 0);
}

fn a_time_limit_stops_it(t: &Stage) {
    let script = "trap 'exit 4' TERM; while :; do sleep 0.05; done";
    assert_eq!(t.sh(&["--timeout", "0.3"], script).code, 4);
}

fn exec_is_another_process(t: &Stage) {
    t.call(&[
        "run", "-d", "--name", "e", "-e", "A=1", "host:", "sleep", "1000",
    ])
    .text();
    let script =
        "echo $A $B; id -u; pwd; grep -c . /proc/self/uid_map; tr '\\0' ' ' < /proc/1/cmdline";
    let seen = t
        .call(&["exec", "-e", "B=2", "-w", "/tmp", "e", "sh", "-c", script])
        .text();
    assert_eq!(seen, "1 2\n0\n/tmp\n1\nsleep 1000");
    assert_eq!(
        t.call(&["exec", "-u", "daemon", "e", "id", "-un"]).text(),
        "daemon"
    );
    let status = t
        .call(&[
            "exec",
            "e",
            "grep",
            "-E",
            "CapEff|NoNewPrivs|Seccomp:",
            "/proc/self/status",
        ])
        .text();
    let first = std::fs::read_to_string(format!("/proc/{}/status", t.pid("e"))).expect("status");
    for line in status.lines() {
        assert!(first.contains(line), "{line} in {first}");
    }
    assert_eq!(t.call_with(b"in", &["exec", "-i", "e", "cat"]).text(), "in");
    assert_eq!(t.call_with(b"in", &["exec", "e", "cat"]).text(), "");
}

fn exec_says_what_went_wrong(t: &Stage) {
    t.call(&["run", "-d", "--name", "e", "host:", "sleep", "1000"])
        .text();
    assert_eq!(t.call(&["exec", "e", "sh", "-c", "exit 9"]).code, 9);
    assert_eq!(t.call(&["exec", "e", "no-such-program"]).code, 127);
    assert_eq!(t.call(&["exec", "e", "/etc/passwd"]).code, 126);
    assert_eq!(
        t.call(&["exec", "-u", "nobody-here", "e", "true"]).code,
        125
    );
    let running = Background::start(t.command(&["exec", "e", "sh", "-c", "sleep 30"]));
    until(|| t.call(&["top", "e"]).stdout.contains("sleep 30"));
    t.call(&["rm", "-f", "e"]).text();
    assert_eq!(running.code(), 137);
    assert!(
        t.call(&["exec", "e", "true"])
            .refused(1)
            .contains("no container")
    );
}

/// The foreground comes after its own life alone, also where another command was faster than it.
fn what_another_starts_is_not_waited_for(t: &Stage) {
    let front = Background::start(t.command(&["run", "--name", "f", "host:", "sleep", "1000"]));
    let running = || t.field("f", "{{.State.Status}}") == "running";
    assert!(until(|| !t.call(&["ps", "-q"]).text().is_empty()));
    assert!(until(running));
    let first = t.pid("f");
    kill(front.pid(), "STOP");
    kill(first, "KILL");
    assert!(until(|| !running()));
    t.call(&["start", "f"]).text();
    let second = t.pid("f");
    kill(front.pid(), "CONT");
    assert_eq!(front.code(), 137);
    assert!(lives(second));
}
