//! Restart policies: Docker's, with its pauses, and the end of them by somebody's wish.

use std::time::Duration;

use crate::stage::{Stage, lives, processes_naming, until};

crate::cases![
    the_pause_doubles,
    stopped_in_the_pause,
    updated_in_the_pause,
    a_start_by_hand_counts_anew,
    an_end_that_was_asked_for_is_one,
    its_keeper_is_small_and_silent,
    of_an_image,
];

/// A container that writes when it runs, and fails; with the path of what it writes.
fn failing(t: &Stage, name: &str, policy: &str) -> std::path::PathBuf {
    let volume = t.dir.join(name);
    std::fs::create_dir(&volume).expect("a directory");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&volume, mode).expect("own directory");
    let mount = format!("{}:/runs", volume.display());
    t.call(&[
        "run",
        "-d",
        "--name",
        name,
        "--restart",
        policy,
        "-v",
        &mount,
        "host:",
        "sh",
        "-c",
        "date +%s%3N >>/runs/at; exit 1",
    ])
    .text();
    volume.join("at")
}

fn runs(path: &std::path::Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn the_pause_doubles(t: &Stage) {
    let at = failing(t, "p", "always");
    assert!(until(|| runs(&at).len() >= 5));
    let runs = runs(&at);
    // 100, 200, 400, 800 ms, and what a start takes.
    for (n, pair) in runs.windows(2).take(4).enumerate() {
        let gap = pair[1] - pair[0];
        assert!(gap >= 100 << n, "{n}: {runs:?}");
    }
    assert!(runs[4] - runs[0] < 9000, "{runs:?}");
}

fn stopped_in_the_pause(t: &Stage) {
    let at = failing(t, "s", "always");
    // In a pause of 800 ms.
    assert!(until(|| runs(&at).len() == 4));
    t.call(&["stop", "s"]).text();
    let before = runs(&at).len();
    std::thread::sleep(Duration::from_millis(1800));
    assert_eq!(runs(&at).len(), before);
    assert_eq!(t.field("s", "{{.State.Status}}"), "exited");
    // And nobody waits to do it later.
    assert!(until(
        || processes_naming(&t.dir.display().to_string()).is_empty()
    ));
}

fn updated_in_the_pause(t: &Stage) {
    let at = failing(t, "u", "always");
    assert!(until(|| runs(&at).len() == 4));
    t.call(&["update", "--restart", "no", "u"]).text();
    let before = runs(&at).len();
    std::thread::sleep(Duration::from_millis(1800));
    assert_eq!(runs(&at).len(), before);
}

fn a_start_by_hand_counts_anew(t: &Stage) {
    let at = failing(t, "c", "on-failure:1");
    let count = || t.field("c", "{{.RestartCount}}");
    assert!(until(|| runs(&at).len() == 2 && count() == "1"));
    assert!(until(|| t.field("c", "{{.State.Status}}") == "exited"));
    t.call(&["start", "c"]).text();
    assert!(until(|| runs(&at).len() == 4));
    assert_eq!(count(), "1");
}

fn an_end_that_was_asked_for_is_one(t: &Stage) {
    let start = |name| {
        let args = [
            "run",
            "-d",
            "--init",
            "--name",
            name,
            "--restart",
            "always",
            "--stop-signal",
            "INT",
            "host:",
            "sleep",
            "1000",
        ];
        t.call(&args).text();
    };
    // Docker's: by its own stop signal, or SIGKILL. Another signal is an accident like any other.
    for signal in ["INT", "KILL"] {
        start(signal);
        t.call(&["kill", "-s", signal, signal]).text();
        t.call(&["wait", signal]).text();
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(t.field(signal, "{{.State.Status}}"), "exited", "{signal}");
    }
    start("TERM");
    let first = t.pid("TERM");
    t.call(&["kill", "-s", "TERM", "TERM"]).text();
    assert!(until(|| !lives(first)));
    assert!(until(|| t
        .field("TERM", "{{.RestartCount}} {{.State.Status}}")
        == "1 running"));
}

fn its_keeper_is_small_and_silent(t: &Stage) {
    t.call(&["run", "-d", "--rm", "--name", "k", "host:", "sleep", "1000"])
        .text();
    let supervisor = t.supervisor("k");
    let mark = t.dir.display().to_string();
    let keepers = || {
        let mut all = processes_naming(&mark);
        all.retain(|pid| *pid != supervisor);
        all
    };
    let asleep = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/wchan"))
            .is_ok_and(|place| place.contains("poll"))
    };
    assert!(until(|| keepers().iter().any(asleep)));
    let [keeper] = keepers()[..] else {
        panic!("{:?}", keepers());
    };
    // Nothing but where everything is, and the process that it waits for.
    let fds = std::fs::read_dir(format!("/proc/{keeper}/fd")).expect("descriptors");
    let names: Vec<String> = fds
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .map(|path| path.display().to_string())
        .collect();
    for name in &names {
        let known =
            name == "/dev/null" || name == "/" || name.contains("pidfd") || name.starts_with(&mark);
        assert!(known, "{names:?}");
    }
    let rollup = std::fs::read_to_string(format!("/proc/{keeper}/smaps_rollup")).expect("memory");
    // Private_Dirty has pages of the program's file too, while the copy for this run is not on the disk yet.
    let anonymous = rollup.lines().find_map(|line| {
        let kb = line.strip_prefix("Anonymous:")?;
        kb.split_whitespace().next()?.parse::<u64>().ok()
    });
    let private = anonymous.expect("memory of its own");
    println!("private memory of a keeper: {private} kB");
    assert!(private < 3 << 10, "{rollup}");
}

/// Each start mounts the layers in a mount namespace of its own, from which the program's file cannot be had any more.
fn of_an_image(t: &Stage) {
    let image = crate::image::layout(t);
    let policy = ["--restart", "on-failure:2"];
    let command = ["run", "-d", "--name", "i", policy[0], policy[1], &image];
    t.call(&[&command[..], &["sh", "-c", "echo run; exit 3"]].concat())
        .text();
    assert!(until(|| t
        .field("i", "{{.State.ExitCode}} {{.RestartCount}}")
        == "3 2"));
    // A restart is counted before it begins.
    assert!(until(|| t.call(&["logs", "i"]).text() == "run\nrun\nrun"));
}
