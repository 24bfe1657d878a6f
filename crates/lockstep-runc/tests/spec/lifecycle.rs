//! The operations of runtime.md and the errors that they must make.

use serde_json::json;

use crate::harness::{Container, Test, cases, wait_until};

cases! {
    run_gives_the_exit_code,
    run_reports_a_signal_as_128_plus_n,
    create_does_not_run_the_program,
    start_runs_the_program,
    state_follows_the_life,
    start_twice_is_refused,
    start_of_a_stopped_container_is_refused,
    start_of_an_unknown_container_is_refused,
    the_same_id_is_refused,
    an_id_is_free_again_after_delete,
    invalid_ids_are_refused,
    a_missing_id_is_refused,
    delete_of_a_running_container_is_refused,
    delete_of_a_created_container_kills_it,
    delete_of_a_stopped_container,
    delete_force_of_a_running_container,
    delete_of_an_unknown_container_is_refused,
    delete_force_of_an_unknown_container_succeeds,
    kill_of_a_stopped_container_is_refused,
    kill_of_an_unknown_container_is_refused,
    kill_takes_names_and_numbers,
    kill_reaches_a_created_container,
    kill_all_reaches_every_process,
    kill_of_an_unknown_signal_is_refused,
    config_changes_after_create_have_no_effect,
    a_failed_create_leaves_nothing,
    start_without_process_is_refused,
    many_at_once,
}

fn run_gives_the_exit_code(t: &Test) {
    t.sh("exit 0").run().ok();
    t.sh("exit 7").run().exits(7);
    t.sh("exit 255").run().exits(255);
}

fn run_reports_a_signal_as_128_plus_n(t: &Test) {
    // The first process of a pid namespace ignores what it has no handler for, even from itself.
    t.sh("kill -TERM $$; sleep 5")
        .without_namespace("pid")
        .run()
        .exits(143);
    t.sh("kill -KILL $$; sleep 5")
        .without_namespace("pid")
        .run()
        .exits(137);
}

fn create_does_not_run_the_program(t: &Test) {
    let c = t.sh("echo ran > /tmp/ran").create();
    assert_eq!(c.status(), "created");
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(
        !c.rootfs.join("tmp/ran").exists(),
        "the program ran before start"
    );
    c.start();
    assert!(wait_until(|| c.rootfs.join("tmp/ran").exists()));
}

fn start_runs_the_program(t: &Test) {
    let c = t.sh("echo hello; exit 3").started();
    c.wait_stopped();
    assert_eq!(c.stdout(), "hello\n");
}

fn state_follows_the_life(t: &Test) {
    let c = t.sleeper().create();
    assert_eq!(c.status(), "created");
    c.start();
    assert_eq!(c.status(), "running");
    c.call("pause", &[]).ok();
    assert_eq!(c.status(), "paused");
    c.call("resume", &[]).ok();
    assert_eq!(c.status(), "running");
    c.stop();
    assert_eq!(c.status(), "stopped");
    c.delete();
    c.call("state", &[])
        .fails_with(&["container does not exist"]);
}

fn start_twice_is_refused(t: &Test) {
    let c = t.sleeper().started();
    c.call("start", &[])
        .fails_with(&["cannot start an already running container"]);
    assert_eq!(c.status(), "running");
}

fn start_of_a_stopped_container_is_refused(t: &Test) {
    let c = t.sh("true").started();
    c.wait_stopped();
    c.call("start", &[])
        .fails_with(&["cannot start a container that has stopped"]);
}

fn start_of_an_unknown_container_is_refused(t: &Test) {
    t.call(&["start", "nobody"])
        .exits(1)
        .fails_with(&["container does not exist"]);
}

fn the_same_id_is_refused(t: &Test) {
    let bundle = t.sleeper();
    let c = bundle.started();
    let pid = c.pid();
    bundle
        .try_create()
        .fails_with(&["container with given ID already exists"]);
    assert_eq!(c.pid(), pid, "the first container was disturbed");
    assert_eq!(c.status(), "running");
}

fn an_id_is_free_again_after_delete(t: &Test) {
    let bundle = t.sleeper();
    for _ in 0..3 {
        let c = bundle.started();
        c.call("delete", &["--force"]).ok();
    }
}

fn invalid_ids_are_refused(t: &Test) {
    let bundle = t.sleeper();
    let dir = bundle.write().dir();
    let dir = dir.to_str().expect("an ASCII path");
    for id in ["a/b", "../x", "a b", "a\nb", "x\u{e9}", "a:b", "..", "."] {
        t.call(&["create", "--bundle", dir, id])
            .fails_with(&["invalid"]);
    }
    let entries = std::fs::read_dir(t.state_root()).map_or(0, Iterator::count);
    assert_eq!(entries, 0, "an invalid id left state");
}

fn a_missing_id_is_refused(t: &Test) {
    for verb in [
        "create", "run", "start", "state", "delete", "kill", "pause", "resume", "ps",
    ] {
        let output = t.call(&[verb]);
        assert_ne!(output.code, 0, "{verb} without an id succeeded");
    }
}

fn delete_of_a_running_container_is_refused(t: &Test) {
    let c = t.sleeper().started();
    c.call("delete", &[])
        .fails_with(&["cannot delete container", "that is not stopped: running"]);
    assert_eq!(c.status(), "running");
}

fn delete_of_a_created_container_kills_it(t: &Test) {
    let c = t.sleeper().create();
    let pid = c.pid();
    c.delete();
    assert!(wait_until(|| !std::path::Path::new(&format!(
        "/proc/{pid}"
    ))
    .exists()));
}

fn delete_of_a_stopped_container(t: &Test) {
    let c = t.sleeper().started();
    c.stop();
    c.delete();
    c.call("state", &[])
        .fails_with(&["container does not exist"]);
}

fn delete_force_of_a_running_container(t: &Test) {
    let c = t.sh("trap '' TERM; sleep 1000 & wait").started();
    c.call("delete", &["--force"]).ok();
    c.call("state", &[])
        .fails_with(&["container does not exist"]);
}

fn delete_of_an_unknown_container_is_refused(t: &Test) {
    t.call(&["delete", "nobody"])
        .exits(1)
        .fails_with(&["container does not exist"]);
}

fn delete_force_of_an_unknown_container_succeeds(t: &Test) {
    t.call(&["delete", "--force", "nobody"]).ok();
}

fn kill_of_a_stopped_container_is_refused(t: &Test) {
    let c = t.sh("true").started();
    c.wait_stopped();
    c.kill("TERM").fails_with(&["container not running"]);
}

fn kill_of_an_unknown_container_is_refused(t: &Test) {
    t.call(&["kill", "nobody", "KILL"])
        .exits(1)
        .fails_with(&["container does not exist"]);
}

fn trapped(t: &Test) -> Container<'_> {
    let c = t
        .sh("trap 'echo usr1' USR1; trap 'echo hup' HUP; echo ready; while :; do sleep 0.1; done")
        .started();
    assert!(wait_until(|| c.stdout().contains("ready")));
    c
}

fn kill_takes_names_and_numbers(t: &Test) {
    let c = trapped(t);
    for (count, signal) in ["USR1", "SIGUSR1", "10"].iter().enumerate() {
        c.kill(signal).ok();
        assert!(
            wait_until(|| c.stdout().matches("usr1").count() == count + 1),
            "{signal}"
        );
    }
    c.kill("1").ok();
    assert!(wait_until(|| c.stdout().contains("hup")));
}

fn kill_reaches_a_created_container(t: &Test) {
    let c = t.sleeper().create();
    c.kill("KILL").ok();
    c.wait_stopped();
    assert_eq!(c.status(), "stopped");
    c.call("start", &[])
        .fails_with(&["cannot start a container that has stopped"]);
}

fn kill_all_reaches_every_process(t: &Test) {
    // Without a pid namespace the death of the first process ends no other.
    let c = t
        .sh("sleep 1000 & echo $!; sleep 1000")
        .without_namespace("pid")
        .started();
    assert!(wait_until(|| c.stdout().trim().parse::<u32>().is_ok()));
    let child: u32 = c.stdout().trim().parse().expect("a pid");
    t.pids.borrow_mut().push(child);
    t.call(&["kill", "--all", &c.id, "KILL"]).ok();
    assert!(wait_until(|| {
        !std::fs::read_to_string(format!("/proc/{child}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z"))
    }));
}

fn kill_of_an_unknown_signal_is_refused(t: &Test) {
    let c = t.sleeper().started();
    c.kill("NONSENSE").fails_with(&["unknown signal"]);
    assert_eq!(c.status(), "running");
}

fn config_changes_after_create_have_no_effect(t: &Test) {
    let bundle = t.sh("echo first; hostname");
    let c = bundle.create();
    bundle
        .set("/process/args", json!(["echo", "second"]))
        .set("/hostname", "changed")
        .write();
    c.start();
    c.wait_stopped();
    assert_eq!(c.stdout(), "first\nlockstep\n");
}

fn a_failed_create_leaves_nothing(t: &Test) {
    let bundle = t.sleeper().set("/root/path", "does-not-exist");
    let output = bundle.try_create();
    assert_ne!(output.code, 0);
    assert!(!t.state_root().join(&bundle.id).exists(), "state is left");
    bundle.set("/root/path", "rootfs").create();
}

fn start_without_process_is_refused(t: &Test) {
    let bundle = t.sleeper().remove("/process");
    let created = bundle.try_create();
    if created.code == 0 {
        let output = t.call(&["start", &bundle.id]);
        assert_ne!(output.code, 0, "started without a process");
    } else {
        assert!(created.stderr.contains("process"), "{}", created.stderr);
    }
}

fn many_at_once(t: &Test) {
    let running: Vec<_> = (0..8)
        .map(|number| {
            let bundle = t.sh(&format!("exit {number}"));
            let running = bundle.run_in_background();
            (number, bundle, running)
        })
        .collect();
    for (number, _bundle, running) in running {
        running.wait().exits(number);
    }
}
