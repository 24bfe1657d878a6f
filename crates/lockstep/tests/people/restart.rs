//! Restart policies: Docker's, with its pauses, and the end of them by somebody's wish.

use std::time::Duration;

use crate::stage::{Stage, kill, lives, processes_naming, until};

crate::cases![
    the_pause_doubles,
    stopped_in_the_pause,
    updated_in_the_pause,
    a_start_by_hand_counts_anew,
    an_end_that_was_asked_for_is_one,
    its_keeper_is_small_and_silent,
    of_an_image,
    what_it_starts_has_its_rights,
    what_restarts_is_in_use,
    a_killed_keeper_is_replaced,
    a_start_that_fails_is_an_end,
    a_policy_that_comes_later,
    no_check_is_left_behind,
    its_log_is_followed_to_the_last_end,
    one_change_of_a_record_at_a_time,
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

/// Through its pauses, as Docker's.
fn its_log_is_followed_to_the_last_end(t: &Stage) {
    let script = "echo begun; sleep 0.1; exit 1";
    let run = ["run", "-d", "--name", "f", "--restart", "on-failure:2"];
    t.call(&[&run[..], &["host:", "sh", "-c", script]].concat())
        .text();
    let followed = t.call(&["logs", "-f", "f"]).text();
    assert_eq!(followed, "begun\nbegun\nbegun");
    assert_eq!(t.field("f", "{{.State.Status}}"), "exited");
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
    // Of its rights those that a start takes: not SYS_MODULE, SYS_RAWIO, SYS_BOOT, SYS_TIME, nor those over networks and
    // audit that only programs have a use for.
    let mut kept = 0x1ff_u64 | 1 << 12 | 0b11 << 18 | 1 << 21 | 0b11 << 23 | 1 << 27 | 1 << 31;
    // MAC_ADMIN loads AppArmor's default profile again.
    if crate::stage::apparmor_is_on() {
        kept |= 1 << 33;
    }
    for set in ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"] {
        let mask = u64::from_str_radix(&crate::stage::status(keeper, set), 16).expect("a mask");
        assert_eq!(mask & !kept, 0, "{set} {mask:x}");
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
    // It is counted before it is begun.
    assert!(until(|| t.call(&["logs", "i"]).text() == "run\nrun\nrun"));
}

/// Also of one that has a capability on the host that no start needs.
fn what_it_starts_has_its_rights(t: &Stage) {
    let run = ["run", "-d", "--name", "r", "--restart", "on-failure:1"];
    let rights = ["--userns", "host", "--cap-add", "SYS_TIME"];
    let script = "grep CapBnd /proc/self/status; exit 1";
    let line = [&run[..], &rights, &["host:", "sh", "-c", script]].concat();
    t.call(&line).text();
    let lines = || {
        let text = t.call(&["logs", "r"]).text();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(until(|| lines().len() == 2), "{:?}", lines());
    let [first, second] = &lines()[..] else {
        panic!("{:?}", lines());
    };
    assert_eq!(first, second);
    let mask = first.split_whitespace().nth(1).expect("a mask");
    let mask = u64::from_str_radix(mask, 16).expect("a mask");
    assert!(mask & 1 << 25 != 0, "{mask:x}");
}

/// The keepers of this test's containers.
fn keepers(t: &Stage) -> Vec<u32> {
    let mut all = processes_naming(&t.dir.display().to_string());
    all.retain(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(b"keeper")
    });
    all
}

/// In the pause before another start it is as good as running.
fn what_restarts_is_in_use(t: &Stage) {
    let at = failing(t, "r", "always");
    // In a pause of 1600 ms.
    assert!(until(|| runs(&at).len() == 5));
    let state = "{{.State.Status}} {{.State.Restarting}} {{.State.Running}}";
    assert!(until(|| t.field("r", state) == "restarting true true"));
    assert_eq!(t.call(&["container", "prune", "-f"]).text(), "");
    let text = t.call(&["rm", "r"]).refused(2);
    assert!(text.contains("is restarting"), "{text}");
    let shown = t.call(&["ps", "--format", "{{.State}} {{.Status}}"]).text();
    assert!(shown.starts_with("restarting Restarting (1) "), "{shown}");
    assert_eq!(runs(&at).len(), 5);
    assert!(until(|| runs(&at).len() == 6));
    t.call(&["rm", "-f", "r"]).text();
    let before = runs(&at).len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(runs(&at).len(), before);
    // One that its policy is done with is over.
    let at = failing(t, "o", "on-failure:1");
    assert!(until(|| runs(&at).len() == 2 && keepers(t).is_empty()));
    assert_eq!(t.field("o", "{{.State.Status}}"), "exited");
    t.call(&["rm", "o"]).text();
}

fn a_killed_keeper_is_replaced(t: &Stage) {
    let run = [
        "run",
        "-d",
        "--init",
        "--stop-signal",
        "INT",
        "--restart",
        "always",
        "--name",
    ];
    t.call(&[&run[..], &["k", "host:", "sleep", "1000"]].concat())
        .text();
    let first = t.pid("k");
    // It is not waited for: its exec may still be ahead.
    assert!(until(|| keepers(t).len() == 1));
    kill(keepers(t)[0], "KILL");
    assert!(until(|| keepers(t).is_empty()));
    t.call(&["ps"]).text();
    assert!(until(|| keepers(t).len() == 1));
    // And no further one, whoever looks.
    t.call(&["ps"]).text();
    t.call(&["ps", "-a"]).text();
    assert_eq!(t.field("k", "{{.State.Status}}"), "running");
    assert_eq!(keepers(t).len(), 1);
    t.call(&["kill", "-s", "TERM", "k"]).text();
    let count = || t.field("k", "{{.RestartCount}} {{.State.Status}}");
    assert!(until(|| count() == "1 running"));
    assert!(!lives(first));
    t.call(&["rm", "-f", "k"]).text();
    assert!(until(|| keepers(t).is_empty()));
    // In its pause, when there is nothing left to wait for.
    let at = failing(t, "p", "always");
    assert!(until(
        || runs(&at).len() == 4 && t.field("p", "{{.State.Status}}") == "restarting"
    ));
    kill(keepers(t)[0], "KILL");
    assert!(until(|| keepers(t).is_empty()));
    std::thread::sleep(Duration::from_millis(900));
    assert_eq!(runs(&at).len(), 4);
    // Who asks about it alone brings one too, and is told what is so then.
    assert_eq!(t.field("p", "{{.State.Status}}"), "restarting");
    assert!(until(|| runs(&at).len() > 5));
    // One that has waited for the place of another, in whose pause somebody started the container.
    let dir = t.dir.join("h");
    std::fs::create_dir(&dir).expect("a directory");
    let volume = format!("{}:/runs", dir.display());
    let script = "test -e /runs/go && exec sleep 1000; exit 1";
    let run = ["run", "-d", "--restart", "always", "--name", "h", "-v"];
    t.call(&[&run[..], &[&volume, "host:", "sh", "-c", script]].concat())
        .text();
    let state = || t.field("h", "{{.State.Status}} {{.RestartCount}}");
    assert!(until(|| state() == "restarting 4"));
    // It is counted before it begins; then comes a pause of 1600 ms.
    std::thread::sleep(Duration::from_millis(400));
    std::fs::write(dir.join("go"), "").expect("a file");
    t.call(&["start", "h"]).text();
    // Asked once: who asks brings another keeper.
    let id = t.field("h", "{{.Id}}");
    let of_h = || {
        let mut all = keepers(t);
        all.retain(|pid| processes_naming(&id).contains(pid));
        all
    };
    assert!(until(|| of_h().len() == 1));
    kill(of_h()[0], "KILL");
    assert!(until(|| of_h().is_empty()));
    t.call(&["ps"]).text();
    assert!(until(|| of_h().len() == 1));
    t.call(&["rm", "-f", "h"]).text();
    // One that has gone when its work was done is not missed.
    t.call(&["stop", "p"]).text();
    assert!(until(|| keepers(t).is_empty()));
    t.call(&["update", "--restart", "always", "p"]).text();
    t.call(&["ps", "-a"]).text();
    assert!(keepers(t).is_empty());
    // The front is one, where it stays.
    let front = [
        "run",
        "--restart",
        "on-failure:1",
        "--name",
        "f",
        "host:",
        "sh",
        "-c",
    ];
    let front = t.command(&[&front[..], &["sleep 1; exit 1"]].concat());
    let front = crate::stage::Background::start(front);
    assert!(until(|| !t
        .call(&["ps", "-q", "-f", "name=f"])
        .stdout
        .is_empty()));
    t.call(&["ps"]).text();
    assert!(keepers(t).is_empty());
    kill(front.pid(), "KILL");
    drop(front);
    t.call(&["ps"]).text();
    assert!(until(|| t
        .field("f", "{{.State.Status}} {{.RestartCount}}")
        == "exited 1"));
}

/// Docker's answer to a program that is not there any more is the policy's.
fn a_start_that_fails_is_an_end(t: &Stage) {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"];
    let busybox = busybox
        .into_iter()
        .find(|path| std::path::Path::new(path).exists());
    t.need(busybox.is_some(), "no busybox (busybox-static)");
    let root = t.dir.join("root");
    for below in ["bin", "proc", "dev", "sys", "tmp"] {
        std::fs::create_dir_all(root.join(below)).expect("a directory");
    }
    let program = root.join("bin/sleep");
    let put = || std::fs::copy(busybox.expect("found"), &program).expect("a program");
    put();
    let image = format!("rootfs:{}", root.display());
    let start = |name: &str, policy: &str| {
        let run = ["run", "-d", "--name", name, "--restart", policy];
        t.call(&[&run[..], &[&image, "/bin/sleep", "0.4"]].concat())
            .text();
    };
    start("a", "always");
    start("n", "on-failure:3");
    std::fs::remove_file(&program).expect("it goes");
    let state = |name| {
        t.field(
            name,
            "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}",
        )
    };
    assert!(until(|| state("n") == "exited 0 0"), "{}", state("n"));
    assert!(
        until(|| t
            .field("a", "{{.RestartCount}}")
            .parse::<u32>()
            .expect("a number")
            >= 3),
        "{}",
        state("a")
    );
    // Of the starts that were counted some were before the program went.
    assert!(until(|| t.field("a", "{{.State.Error}}").contains("sleep")));
    put();
    assert!(until(|| t.field("a", "{{.State.Status}}") == "running"));
    t.call(&["rm", "-f", "a"]).text();
    // The number of starts that fail is bounded too.
    let fails = [
        "run",
        "-d",
        "--name",
        "m",
        "--restart",
        "on-failure:3",
        &image,
    ];
    t.call(&[&fails[..], &["/bin/sleep", "no number"]].concat())
        .text();
    std::fs::remove_file(&program).expect("it goes");
    assert!(until(|| state("m") == "exited 127 3"), "{}", state("m"));
    assert!(until(|| keepers(t).is_empty()));
}

fn a_policy_that_comes_later(t: &Stage) {
    let run = [
        "run",
        "-d",
        "--init",
        "--stop-signal",
        "INT",
        "--name",
        "l",
        "host:",
        "sleep",
        "1000",
    ];
    t.call(&run).text();
    assert!(keepers(t).is_empty());
    t.call(&["update", "--restart", "on-failure", "l"]).text();
    // It is known by its arguments, and so when it has executed itself.
    assert!(until(|| keepers(t).len() == 1));
    t.call(&["kill", "-s", "TERM", "l"]).text();
    assert!(until(|| t
        .field("l", "{{.RestartCount}} {{.State.Status}}")
        == "1 running"));
}

/// A check may go on when the life ends in which it was begun.
fn no_check_is_left_behind(t: &Stage) {
    let health = ["--health-cmd", "true", "--health-interval", "50ms"];
    let run = ["run", "-d", "--name", "z", "--restart", "always"];
    let id = t
        .call(&[&run[..], &health, &["host:", "sleep", "0.5"]].concat())
        .text();
    let lock = t.dir.join(format!("root-data/containers/{id}/health.lock"));
    assert!(until(|| lock.exists()));
    let held = std::fs::File::open(&lock).expect("a lock");
    held.lock().expect("it");
    let count = || -> u32 { t.field("z", "{{.RestartCount}}").parse().expect("a number") };
    let first = count();
    assert!(until(|| count() >= first + 4));
    drop(held);
    let [keeper] = keepers(t)[..] else {
        panic!("{:?}", keepers(t));
    };
    let children = || {
        let path = format!("/proc/{keeper}/task/{keeper}/children");
        let text = std::fs::read_to_string(path).expect("children");
        text.split_whitespace().count()
    };
    // The supervisor, and a check of this life.
    assert!(until(|| children() <= 2), "{} children", children());
    assert_eq!(keepers(t), [keeper]);
}

/// Whoever changes a record reads it when nobody else changes it.
fn one_change_of_a_record_at_a_time(t: &Stage) {
    let id = t.call(&["create", "--name", "e", "host:", "true"]).text();
    let record = t.dir.join(format!("root-data/containers/{id}/record.json"));
    for args in [
        &["update", "--restart", "always", "e"][..],
        &["rename", "e", "f"],
        &["start", "f"],
        &["rm", "-f", "f"],
    ] {
        let held = std::fs::File::open(&record).expect("a record");
        held.lock().expect("its lock");
        let mut change = crate::stage::Background::start(t.command(args));
        std::thread::sleep(Duration::from_millis(300));
        let ended = change.0.try_wait().expect("its state");
        assert!(ended.is_none(), "{args:?}");
        drop(held);
        assert_eq!(change.code(), 0, "{args:?}");
    }
}
