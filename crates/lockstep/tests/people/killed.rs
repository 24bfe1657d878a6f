//! SIGKILL of the front, the supervisor and the keeper: no container is left without a supervisor, and the next
//! command repairs.

use crate::stage::{Background, Stage, kill, lives, processes_naming, until};

crate::cases![
    without_its_supervisor_it_dies,
    without_its_front_it_lives,
    without_its_front_it_is_removed_all_the_same,
    without_its_keeper_the_next_command_removes_it,
    killed_at_any_moment,
    run_killed_at_its_calls,
    supervisor_killed_at_its_calls,
    exec_killed_at_its_calls,
    rm_killed_at_its_calls,
    many_at_once,
];

fn without_its_supervisor_it_dies(t: &Stage) {
    t.call(&[
        "run",
        "-d",
        "--name",
        "s",
        "host:",
        "sh",
        "-c",
        "sleep 1000 & sleep 1000",
    ])
    .text();
    let first = t.pid("s");
    kill(t.supervisor("s"), "KILL");
    assert!(until(|| !lives(first)));
    assert_eq!(
        t.field("s", "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 137"
    );
    assert!(
        t.field("s", "{{.State.Error}}")
            .contains("supervisor was killed")
    );
    t.call(&["start", "s"]).text();
    assert_eq!(t.field("s", "{{.State.Status}}"), "running");
}

fn without_its_front_it_lives(t: &Stage) {
    let front = Background::start(t.command(&[
        "run",
        "--name",
        "f",
        "host:",
        "sh",
        "-c",
        "sleep 0.7; echo after; exit 6",
    ]));
    assert!(until(|| t.call(&["ps", "-q"]).stdout.len() > 1));
    kill(front.pid(), "KILL");
    drop(front);
    assert_eq!(t.call(&["wait", "f"]).text(), "6");
    assert_eq!(t.call(&["logs", "f"]).text(), "after");
}

fn without_its_front_it_is_removed_all_the_same(t: &Stage) {
    let front =
        Background::start(t.command(&["run", "--rm", "--name", "f", "host:", "sleep", "0.5"]));
    assert!(until(|| t.call(&["ps", "-q"]).stdout.len() > 1));
    kill(front.pid(), "KILL");
    drop(front);
    assert!(until(|| t.call(&["ps", "-aq"]).stdout.is_empty()));
}

fn without_its_keeper_the_next_command_removes_it(t: &Stage) {
    t.call(&["run", "-d", "--rm", "--name", "k", "host:", "sleep", "0.5"])
        .text();
    let supervisor = t.supervisor("k");
    let mark = t.dir.display().to_string();
    for keeper in processes_naming(&mark) {
        if keeper != supervisor {
            kill(keeper, "KILL");
        }
    }
    assert!(until(|| !lives(supervisor)));
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}

/// The moments are spread over the life of a run; what is left is found by the stage when the test is over.
fn killed_at_any_moment(t: &Stage) {
    for round in 0..40_u64 {
        let front = Background::start(t.command(&["run", "--rm", "host:", "sleep", "0.02"]));
        std::thread::sleep(std::time::Duration::from_micros(400 * round));
        kill(front.pid(), "KILL");
        drop(front);
    }
    // Nothing that was begun is undone under its hands: each ends by itself.
    assert!(until(|| t.call(&["ps", "-aq"]).stdout.is_empty()));
}

fn many_at_once(t: &Stage) {
    let fronts: Vec<_> = (0..32)
        .map(|n| {
            Background::start(t.command(&[
                "run",
                "--rm",
                "host:",
                "sh",
                "-c",
                &format!("exit {n}"),
            ]))
        })
        .collect();
    let codes: Vec<i32> = fronts.into_iter().map(Background::code).collect();
    assert_eq!(codes, (0..32).collect::<Vec<i32>>());
}

/// A command that gets SIGKILL at its n-th system call; whether it did.
fn killed_at(t: &Stage, n: u32, args: &[&str]) -> bool {
    t.need(
        std::path::Path::new("/usr/bin/strace").exists(),
        "no strace(1)",
    );
    let plain = t.command(args);
    let mut traced = std::process::Command::new("strace");
    traced.args(["-o", "/dev/null", "-e"]);
    traced.arg(format!("inject=all:signal=KILL:when={n}"));
    traced.arg(plain.get_program()).args(plain.get_args());
    crate::stage::output(traced, b"").code != 0
}

/// Calls of a command, counted without killing it.
fn calls(t: &Stage, args: &[&str]) -> u32 {
    let log = t.dir.join("calls");
    let plain = t.command(args);
    let mut traced = std::process::Command::new("strace");
    traced
        .arg("-o")
        .arg(&log)
        .arg(plain.get_program())
        .args(plain.get_args());
    crate::stage::output(traced, b"");
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    u32::try_from(text.lines().count()).expect("a number")
}

fn run_killed_at_its_calls(t: &Stage) {
    let args = ["run", "--rm", "-v", "volume:/data", "host:", "true"];
    let count = calls(t, &args);
    assert!(count > 50, "{count}");
    for n in (1..count).step_by(2) {
        killed_at(t, n, &args);
    }
    // What had begun ends by itself; the rest goes with the next commands.
    assert!(until(|| t.call(&["ps", "-aq"]).stdout.is_empty()));
    assert_eq!(
        t.call(&["run", "--rm", "--name", "after", "host:", "echo", "well"])
            .text(),
        "well"
    );
}

/// Front, supervisor and the container's first process, each at its own n-th call.
fn supervisor_killed_at_its_calls(t: &Stage) {
    t.need(
        std::path::Path::new("/usr/bin/strace").exists(),
        "no strace(1)",
    );
    let mut killed = 0;
    for n in (2..140).step_by(4) {
        // Behind the calls of the front that makes it: it is started by a command of its own.
        let id = t.call(&["create", "--rm", "host:", "true"]).text();
        let plain = t.command(&["start", "-a", &id]);
        let mut traced = std::process::Command::new("strace");
        traced.args(["-f", "-o", "/dev/null", "-e"]);
        traced.arg(format!("inject=all:signal=KILL:when={n}"));
        traced.arg(plain.get_program()).args(plain.get_args());
        killed += u32::from(crate::stage::output(traced, b"").code != 0);
        // The next command repairs: it has ended and gone, or it was never begun and is whole.
        t.call(&["ps", "-a"]).text();
        t.call(&["rm", "-f", &id]).text();
        assert_eq!(t.call(&["ps", "-aq"]).text(), "", "killed at call {n}");
    }
    assert!(killed > 10, "{killed}");
}

fn exec_killed_at_its_calls(t: &Stage) {
    t.call(&["run", "-d", "--name", "e", "host:", "sleep", "1000"])
        .text();
    let args = ["exec", "e", "true"];
    let count = calls(t, &args);
    assert!(count > 50, "{count}");
    for n in (1..count).step_by(5) {
        killed_at(t, n, &args);
    }
    // The container has not noticed, and nothing of the commands is left in it.
    assert_eq!(t.call(&["exec", "e", "echo", "well"]).text(), "well");
    let alone = || t.call(&["top", "e"]).text().lines().count() == 2;
    assert!(until(alone), "{}", t.call(&["top", "e"]).stdout);
    t.call(&["rm", "-f", "e"]).text();
}

fn rm_killed_at_its_calls(t: &Stage) {
    t.call(&["create", "--name", "x", "host:", "true"]).text();
    let count = calls(t, &["rm", "x"]);
    for n in (1..count).step_by(3) {
        t.call(&["create", "--name", "x", "host:", "true"]).text();
        killed_at(t, n, &["rm", "x"]);
        // Either it is still there, whole, or the next command finishes what was begun.
        t.call(&["rm", "-f", "x"]).text();
        assert_eq!(t.call(&["ps", "-aq"]).text(), "", "killed at call {n}");
    }
}
