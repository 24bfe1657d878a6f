//! SIGKILL of the front, the supervisor and the keeper: no container is left without a supervisor, and the next
//! command repairs. `../walk` does it at each of their calls.

use std::process::Command;

use crate::stage::{Background, Stage, kill, lives, output, processes_naming, until};

crate::cases![
    without_its_supervisor_it_dies,
    without_its_front_it_lives,
    without_its_front_it_is_removed_all_the_same,
    without_its_keeper_the_next_command_removes_it,
    killed_at_any_moment,
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
    let next = || drop(t.field("s", "{{.State.Status}}"));
    assert!(t.ends_without_supervisor(first, next));
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

/// All of them load the image, one of them first.
fn many_at_once(t: &Stage) {
    let layout = crate::image::layout(t);
    let first: fn(&Stage, &[&str]) -> Command = |t, args| t.command(args);
    let second: fn(&Stage, &[&str]) -> Command = |t, args| t.user_command(Some(4_000_000), args);
    for (who, command) in [("root", first), ("user", second)] {
        let fronts: Vec<_> = (0..32)
            .map(|n| {
                let script = format!("exit {n}");
                let args = ["run", "--rm", &*layout, "sh", "-c", &script];
                Background::start(command(t, &args))
            })
            .collect();
        let codes: Vec<i32> = fronts.into_iter().map(Background::code).collect();
        assert_eq!(codes, (0..32).collect::<Vec<i32>>(), "{who}");
        let say = |args: &[&str]| output(command(t, args), b"").text();
        assert_eq!(say(&["ps", "-aq"]), "", "{who}");
        assert_eq!(say(&["images", "-q"]).lines().count(), 1, "{who}");
        assert_eq!(say(&["run", "--rm", &layout, "echo", "well"]), "well");
    }
}
