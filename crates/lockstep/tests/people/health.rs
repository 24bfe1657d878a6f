//! Health checks: what the clock asks, what is remembered, and what is done about it.

use crate::stage::{Background, Stage, kill, lives, processes_naming, status, until};

crate::cases![
    becomes_healthy_and_unhealthy,
    failures_at_the_start_do_not_count,
    run_by_hand,
    takes_too_long,
    what_it_says_is_kept_in_part,
    has_the_program_s_rights,
    done_about_it,
    seen_by_ps,
    of_an_image,
    in_the_foreground_too,
    a_new_life_starts_anew,
    what_makes_no_sense_is_refused,
    a_result_is_of_the_life_that_was_asked,
    without_one_nobody_watches,
    as_a_user,
];

/// Makes a container that sleeps, with these options.
fn start(t: &Stage, name: &str, options: &[&str]) {
    let mut args = vec!["run", "-d", "--name", name];
    args.extend(options);
    args.extend(["host:", "sleep", "1000"]);
    t.call(&args).text();
}

fn verdict(t: &Stage, name: &str) -> String {
    t.field(name, "{{.State.Health.Status}}")
}

const QUICK: [&str; 2] = ["--health-interval", "100ms"];

fn becomes_healthy_and_unhealthy(t: &Stage) {
    let check = ["--health-cmd", "test ! -e /tmp/down", "--health-retries=2"];
    start(t, "h", &[&check[..], &QUICK].concat());
    assert!(until(|| verdict(t, "h") == "healthy"));
    t.call(&["exec", "h", "touch", "/tmp/down"]).text();
    assert!(until(|| verdict(t, "h") == "unhealthy"));
    let streak = || t.field("h", "{{.State.Health.FailingStreak}}");
    assert!(streak().parse::<u32>().expect("a number") >= 2);
    t.call(&["exec", "h", "rm", "/tmp/down"]).text();
    assert!(until(|| verdict(t, "h") == "healthy"));
    assert_eq!(streak(), "0");
    // The last five are kept.
    assert!(until(|| {
        let log = t.field("h", "{{json .State.Health.Log}}");
        log.matches("\"ExitCode\"").count() == 5
    }));
    // Paused, it is not asked, and it does not become unhealthy.
    t.call(&["pause", "h"]).text();
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!((verdict(t, "h"), streak()), ("healthy".into(), "0".into()));
    t.call(&["unpause", "h"]).text();
    t.call(&["stop", "-t", "0", "h"]).text();
}

fn failures_at_the_start_do_not_count(t: &Stage) {
    let never = ["--health-cmd", "false", "--health-retries", "1"];
    let slowly = [
        "--health-start-period",
        "1h",
        "--health-start-interval",
        "100ms",
    ];
    start(t, "s", &[&never[..], &slowly].concat());
    let log = || t.field("s", "{{json .State.Health.Log}}");
    assert!(until(|| log().matches("\"ExitCode\"").count() >= 3));
    assert_eq!(verdict(t, "s"), "starting");
    assert_eq!(t.field("s", "{{.State.Health.FailingStreak}}"), "0");
}

fn run_by_hand(t: &Stage) {
    let by_hand = ["--health-interval", "disable", "--health-retries", "1"];
    start(
        t,
        "m",
        &[&["--health-cmd", "test -e /tmp/up"][..], &by_hand].concat(),
    );
    assert_eq!(verdict(t, "m"), "starting");
    let failed = t.call(&["healthcheck", "run", "m"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (1, "unhealthy\n"));
    assert_eq!(verdict(t, "m"), "unhealthy");
    t.call(&["exec", "m", "touch", "/tmp/up"]).text();
    assert_eq!(t.call(&["healthcheck", "run", "m"]).text(), "");
    assert_eq!(verdict(t, "m"), "healthy");
    t.call(&["stop", "-t", "0", "m"]).text();
    t.call(&["healthcheck", "run", "m"]).refused(125);
    start(t, "none", &[]);
    let said = t.call(&["healthcheck", "run", "none"]).refused(125);
    assert!(said.contains("no health check"), "{said}");
}

fn takes_too_long(t: &Stage) {
    let check = ["--health-cmd", "echo $$ >/tmp/pid; exec sleep 1001"];
    let limit = ["--health-timeout", "300ms", "--health-retries", "1"];
    start(
        t,
        "l",
        &[&check[..], &limit, &["--health-interval", "disable"]].concat(),
    );
    assert_eq!(t.call(&["healthcheck", "run", "l"]).code, 1);
    let log = t.field("l", "{{json .State.Health.Log}}");
    assert!(
        log.contains("exceeded timeout") && log.contains("-1"),
        "{log}"
    );
    // Nothing of it goes on.
    t.call(&["exec", "l", "sh", "-c", "! kill -0 $(cat /tmp/pid)"])
        .text();
}

fn what_it_says_is_kept_in_part(t: &Stage) {
    // And what it leaves behind with the pipe open holds nobody up.
    let check = "yes & yes 'a long line' | head -c 100000; exit 0";
    start(
        t,
        "o",
        &["--health-cmd", check, "--health-interval", "disable"],
    );
    let begun = std::time::Instant::now();
    assert_eq!(t.call(&["healthcheck", "run", "o"]).code, 0);
    assert!(begun.elapsed().as_secs() < 10);
    let log = t.field("o", "{{json .State.Health.Log}}");
    assert!(log.len() > 4000 && log.len() < 10_000, "{}", log.len());
}

fn has_the_program_s_rights(t: &Stage) {
    let check = "id -u; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; readlink /proc/self/exe";
    let user = ["--user", "1000:1000", "--health-interval", "disable"];
    start(t, "r", &[&["--health-cmd", check][..], &user].concat());
    t.call(&["healthcheck", "run", "r"]).text();
    let log = t.field("r", "{{json .State.Health.Log}}");
    assert!(log.contains("1000\\n"), "{log}");
    let first = t.pid("r");
    for field in [
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
    ] {
        let line = format!("{field}:\\t{}", status(first, field));
        assert!(log.contains(&line), "{line}: {log}");
    }
}

fn done_about_it(t: &Stage) {
    let failing = ["--health-cmd", "false", "--health-retries", "1"];
    for (action, state) in [("kill", "exited 137"), ("stop", "exited 143")] {
        let options = ["--init", "--health-on-failure", action];
        start(t, action, &[&failing[..], &QUICK, &options].concat());
        let now = || t.field(action, "{{.State.Status}} {{.State.ExitCode}}");
        assert!(until(|| now() == state), "{action}: {}", now());
    }
    // Fails in its first life alone.
    let volume = t.dir.join("lives");
    std::fs::create_dir(&volume).expect("a directory");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&volume, mode).expect("own directory");
    let volume = format!("{}:/lives", volume.display());
    let once = "test -e /lives/second || { touch /lives/second; false; }";
    let options = ["--init", "--health-on-failure", "restart", "-v", &volume];
    let check = ["--health-cmd", once, "--health-retries", "1"];
    start(t, "again", &[&check[..], &QUICK, &options].concat());
    let first = t.pid("again");
    assert!(until(
        || t.pid("again") != first && verdict(t, "again") == "healthy"
    ));
    // The new life has a clock too.
    t.call(&["exec", "again", "rm", "/lives/second"]).text();
    let second = t.pid("again");
    assert!(until(|| ![0, second].contains(&t.pid("again"))));
}

fn seen_by_ps(t: &Stage) {
    start(t, "good", &[&["--health-cmd", "true"][..], &QUICK].concat());
    start(
        t,
        "bad",
        &[&["--health-cmd", "false", "--health-retries=1"][..], &QUICK].concat(),
    );
    start(t, "new", &["--health-cmd", "true"]);
    start(t, "none", &[]);
    let state = |name: &str| {
        let filter = format!("name={name}");
        t.call(&["ps", "-f", &filter, "--format", "{{.Status}}"])
            .text()
    };
    assert!(until(|| state("good").contains("(healthy)")));
    assert!(until(|| state("bad").contains("(unhealthy)")));
    assert!(state("new").contains("(health: starting)"));
    assert!(!state("none").contains('('));
    for (health, name) in [
        ("healthy", "good"),
        ("unhealthy", "bad"),
        ("starting", "new"),
        ("none", "none"),
    ] {
        let filter = format!("health={health}");
        let named = t.call(&["ps", "-f", &filter, "--format", "{{.Names}}"]);
        assert_eq!(named.text(), name);
    }
}

fn of_an_image(t: &Stage) {
    let image = crate::image::layout(t);
    let check = r#""Healthcheck":{"Test":["CMD-SHELL","ls up"],"Interval":100000000,"Retries":1},"#;
    crate::image::configure(&t.dir.join("layout"), check);
    let run = |name, option| {
        let args = ["run", "-d", "--name", name, option, &image, "sleep", "1000"];
        t.call(&args).text()
    };
    run("i", "--init");
    assert!(until(|| verdict(t, "i") == "unhealthy"));
    t.call(&["exec", "i", "touch", "up"]).text();
    assert!(until(|| verdict(t, "i") == "healthy"));
    // The command line changes a part of it, or leaves it out.
    run("j", "--health-retries=7");
    let retries = t.field("j", "{{.Config.Healthcheck.Retries}}");
    assert_eq!(retries, "7");
    assert!(
        t.field("j", "{{json .Config.Healthcheck.Test}}")
            .contains("ls up")
    );
    run("k", "--no-healthcheck");
    t.call(&["healthcheck", "run", "k"]).refused(125);
}

fn in_the_foreground_too(t: &Stage) {
    let mut args = vec!["run", "--rm", "--name", "f", "--health-cmd", "true"];
    args.extend(QUICK);
    args.extend(["host:", "sleep", "1000"]);
    let front = Background::start(t.command(&args));
    assert!(until(|| t
        .call(&["ps", "-q", "-f", "health=healthy"])
        .stdout
        .len()
        > 1));
    t.call(&["kill", "f"]).text();
    assert_eq!(front.code(), 137);
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}

fn a_new_life_starts_anew(t: &Stage) {
    start(
        t,
        "n",
        &["--health-cmd", "true", "--health-interval", "disable"],
    );
    t.call(&["healthcheck", "run", "n"]).text();
    assert_eq!(verdict(t, "n"), "healthy");
    t.call(&["restart", "-t", "0", "n"]).text();
    assert_eq!(verdict(t, "n"), "starting");
    assert_eq!(t.field("n", "{{json .State.Health.Log}}"), "[]");
}

fn what_makes_no_sense_is_refused(t: &Stage) {
    for (options, named) in [
        (&["--health-interval", "1s"][..], "--health-cmd"),
        (
            &["--health-cmd", "true", "--no-healthcheck"],
            "--health-cmd",
        ),
        (
            &["--health-cmd", "true", "--health-timeout", "5"],
            "--health-timeout",
        ),
        (
            &["--health-cmd", "true", "--health-on-failure", "pray"],
            "pray",
        ),
        (&["--health-cmd", "[1]"], "--health-cmd"),
        (&["--health-startup-cmd", "true"], "--health-start-period"),
    ] {
        let said = t.sh(options, "true").refused(125);
        assert!(said.contains(named), "{options:?}: {said}");
    }
}

/// A run that is held up until the container has begun anew.
fn a_result_is_of_the_life_that_was_asked(t: &Stage) {
    let strace = std::path::Path::new("/usr/bin/strace").exists();
    t.need(strace, "no strace(1)");
    start(
        t,
        "l",
        &["--health-cmd", "true", "--health-interval", "disable"],
    );
    let plain = t.command(&["healthcheck", "run", "l"]);
    let mut traced = std::process::Command::new("strace");
    traced.args(["-o", "/dev/null", "-e"]);
    traced.arg("inject=clone,clone3:delay_enter=3s:when=1");
    traced.arg(plain.get_program()).args(plain.get_args());
    let held = std::thread::spawn(|| crate::stage::output(traced, b""));
    std::thread::sleep(std::time::Duration::from_millis(700));
    t.call(&["restart", "-t", "0", "l"]).text();
    let text = held.join().expect("its output").refused(125);
    assert!(text.contains("does not run any more"), "{text}");
    assert_eq!(verdict(t, "l"), "starting");
    t.call(&["healthcheck", "run", "l"]).text();
    assert_eq!(verdict(t, "l"), "healthy");
}

/// Without a check there is one process beside the container, and nobody wakes up.
fn without_one_nobody_watches(t: &Stage) {
    let count = || processes_naming(&t.dir.display().to_string()).len();
    start(
        t,
        "w",
        &["--health-cmd", "true", "--health-interval", "disable"],
    );
    let with = count();
    start(t, "x", &[]);
    assert_eq!(count(), with);
    // A killed keeper takes nothing along: the next command that looks at all, or the next start, has another one.
    start(t, "y", &[&["--health-cmd", "true"][..], &QUICK].concat());
    assert!(until(|| verdict(t, "y") == "healthy"));
    let (first, supervisor) = (t.pid("y"), t.supervisor("y"));
    for keeper in processes_naming(&t.dir.display().to_string()) {
        if keeper != supervisor {
            kill(keeper, "KILL");
        }
    }
    assert!(lives(first));
    let checked = || t.field("y", "{{(index .State.Health.Log 0).Start}}");
    let before = checked();
    t.call(&["ps"]).text();
    assert!(until(|| checked() != before));
    t.call(&["restart", "-t", "0", "y"]).text();
    assert!(until(|| verdict(t, "y") == "healthy"));
}

fn as_a_user(t: &Stage) {
    let call = |args: &[&str]| crate::stage::output(t.user_command(Some(1_500_000_000), args), b"");
    let mut args = vec!["run", "-d", "--name", "u", "--health-cmd", "true"];
    args.extend(QUICK);
    args.extend(["host:", "sleep", "1000"]);
    call(&args).text();
    assert!(until(|| {
        call(&["inspect", "-f", "{{.State.Health.Status}}", "u"]).stdout == "healthy\n"
    }));
    call(&["rm", "-f", "u"]).text();
}
