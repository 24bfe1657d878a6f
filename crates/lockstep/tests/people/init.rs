//! `--init`: our own first process, which passes signals on, reaps, ends with the program's status, and gives nothing
//! of the runtime away.

use crate::stage::{Stage, lives, status, until};

crate::cases![
    ends_with_the_program_s_status,
    passes_signals_on,
    reaps_orphans,
    a_program_that_cannot_be_executed,
    is_sealed_and_small,
    has_the_program_s_rights_alone,
    the_terminal_is_the_program_s,
    in_the_host_s_pid_namespace_too,
    as_a_user,
    dies_with_its_supervisor,
];

fn run<'a>(options: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["run", "--init"];
    all.extend(options);
    all.push("host:");
    all.extend(command);
    all
}

fn ends_with_the_program_s_status(t: &Stage) {
    let ends = |script| t.call(&run(&["--rm"], &["sh", "-c", script])).code;
    assert_eq!(ends("exit 7"), 7);
    assert_eq!(ends("kill -9 $$"), 137);
    // Orphans that go on do not hold it up.
    assert_eq!(ends("sleep 1000 & exit 3"), 3);
    // Without --init this is the first process, which ignores the signal.
    assert_eq!(ends("kill -TERM $$; exit 4"), 143);
    assert_eq!(
        t.call(&["run", "--rm", "host:", "sh", "-c", "kill -TERM $$; exit 4"])
            .code,
        4
    );
}

fn passes_signals_on(t: &Stage) {
    t.call(&run(&["-d", "--name", "s"], &["sleep", "1000"]))
        .text();
    t.call(&["stop", "-t", "30", "s"]).text();
    assert_eq!(t.field("s", "{{.State.ExitCode}}"), "143");
    let script = "trap 'echo heard; exit 5' USR1; echo ready; while :; do sleep 0.05; done";
    t.call(&run(&["-d", "--name", "u"], &["sh", "-c", script]))
        .text();
    assert!(until(|| t.call(&["logs", "u"]).stdout.contains("ready")));
    assert!(until(|| {
        t.call(&["kill", "-s", "USR1", "u"]);
        t.field("u", "{{.State.Running}}") == "false"
    }));
    assert_eq!(t.field("u", "{{.State.ExitCode}}"), "5");
}

fn reaps_orphans(t: &Stage) {
    // Each inner shell ends at once and leaves its child to the first process.
    let script = "for n in 1 2 3 4 5; do sh -c 'sleep 0.05 &'; done; sleep 0.5; \
                  grep -l '^State:.Z' /proc/[0-9]*/status | wc -l";
    let zombies = |init: &[&str]| {
        let mut args = vec!["run", "--rm"];
        args.extend(init);
        // A first process that reaps nobody.
        args.extend([
            "host:",
            "perl",
            "-e",
            "open(my $p, '-|', @ARGV); print <$p>",
        ]);
        args.extend(["sh", "-c", script]);
        t.call(&args).text()
    };
    t.need(
        std::path::Path::new("/usr/bin/perl").exists(),
        "no perl on this host",
    );
    assert_eq!(zombies(&["--init"]), "0");
    assert_eq!(zombies(&[]), "5");
}

fn a_program_that_cannot_be_executed(t: &Stage) {
    // Found out before there is an init, as without one.
    let missing = t.call(&run(&["--rm"], &["no-such-program"])).refused(127);
    assert!(missing.contains("no-such-program"), "{missing}");
    t.call(&run(&["--rm"], &["/etc/passwd"])).refused(126);
    let root = t.dir.join("tools");
    std::fs::create_dir(&root).expect("a directory");
    std::fs::write(root.join("none"), "#!/no/interpreter\n").expect("a file");
    std::fs::write(root.join("text"), "\u{7f}no program").expect("a file");
    for name in ["none", "text"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(root.join(name), mode).expect("own file");
    }
    let volume = format!("{}:/tools", root.display());
    let said = |name| t.call(&run(&["--rm", "-v", &volume], &[name]));
    assert!(said("/tools/none").refused(127).contains("no such file"));
    assert!(said("/tools/text").refused(126).contains("exec format"));
}

fn is_sealed_and_small(t: &Stage) {
    t.call(&run(&["-d", "--name", "s"], &["sleep", "1000"]))
        .text();
    let pid = t.pid("s");
    let exe = format!("/proc/{pid}/exe");
    let size = std::fs::metadata(&exe).expect("a live process").len();
    assert!(size < 4096, "{size} bytes");
    // Whoever may open it, even root of the host: nobody can write it.
    let write = std::fs::OpenOptions::new().write(true).open(&exe);
    assert!(write.is_err());
    let inside = t.call(&["exec", "s", "sh", "-c", "exec 3>>/proc/1/exe"]);
    assert!(inside.refused(2).contains("Text file busy"));
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
    assert_eq!(fds.count(), 3);
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("memory");
    let private: u64 = rollup
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum();
    println!("private memory of the init: {private} kB");
    assert!(private <= 32, "{rollup}");
}

fn has_the_program_s_rights_alone(t: &Stage) {
    t.call(&run(
        &[
            "-d",
            "--name",
            "r",
            "--user",
            "1000:1000",
            "--cap-drop",
            "all",
        ],
        &["sleep", "1000"],
    ))
    .text();
    let init = t.pid("r");
    let children = format!("/proc/{init}/task/{init}/children");
    let child = || -> Option<u32> {
        let text = std::fs::read_to_string(&children).ok()?;
        text.trim().parse().ok()
    };
    // It is its parent's copy until it has executed the program.
    let runs = |pid| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
    };
    assert!(until(|| child().is_some_and(runs)));
    let child = child().expect("the program");
    for field in [
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Seccomp_filters",
    ] {
        assert_eq!(status(init, field), status(child, field), "{field}");
    }
    assert_eq!(status(init, "Seccomp"), "2");
    assert_eq!(status(init, "NoNewPrivs"), "1");
}

fn the_terminal_is_the_program_s(t: &Stage) {
    // In the foreground of its terminal, and told once of what is typed: script(1) types for us.
    t.call(&run(
        &["-dt", "--name", "t"],
        &[
            "sh",
            "-c",
            "ps -o stat= -p $$ || cut -d' ' -f5,8 /proc/$$/stat; tty",
        ],
    ))
    .text();
    t.call(&["wait", "t"]).text();
    let log = t.call(&["logs", "t"]).text();
    assert!(log.contains('+') && log.contains("/dev/pts"), "{log}");
}

fn in_the_host_s_pid_namespace_too(t: &Stage) {
    t.call(&run(
        &["-d", "--name", "h", "--pid", "host"],
        &["sleep", "1001"],
    ))
    .text();
    let init = t.pid("h");
    let children = format!("/proc/{init}/task/{init}/children");
    let mut child = 0;
    assert!(until(|| {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        child = text.trim().parse().unwrap_or(0);
        child != 0
    }));
    // The kernel does not take a namespace along here: the program ends with its init all the same.
    t.call(&["kill", "h"]).text();
    assert!(until(|| !lives(child)));
}

fn as_a_user(t: &Stage) {
    let args = run(&["--rm"], &["sh", "-c", "kill -TERM $$; exit 4"]);
    for first in [Some(1_500_000_000), None] {
        let output = crate::stage::output(t.user_command(first, &args), b"");
        assert_eq!(output.code, 143, "{output:?}");
    }
}

fn dies_with_its_supervisor(t: &Stage) {
    t.call(&run(&["-d", "--name", "d"], &["sleep", "1000"]))
        .text();
    let first = t.pid("d");
    crate::stage::kill(t.supervisor("d"), "KILL");
    let next = || drop(t.call(&["ps"]).text());
    assert!(t.ends_without_supervisor(first, next));
}
