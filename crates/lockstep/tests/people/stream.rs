//! Standard streams, logs, terminals.

use std::io::Read as _;
use std::process::Command;

use crate::stage::{Background, Stage, output, until};

crate::cases![
    descriptors_are_handed_over,
    outputs_stay_apart,
    large_streams_arrive_whole,
    input_only_when_asked_for,
    a_reader_that_leaves_is_noticed,
    a_slow_reader_holds_up_nobody_else,
    signals_are_passed_on,
    signals_that_the_caller_ignores_are_reset,
    logs_remember,
    logs_follow,
    logs_turn_over,
    logs_are_harmless_to_a_terminal,
    a_long_log_takes_little_memory,
    no_log,
    a_terminal,
    a_terminal_is_left_by_keys,
    attached_twice,
    stdout_can_be_opened_again,
];

fn outputs_stay_apart(t: &Stage) {
    let output = t.sh(&[], "echo out; echo err >&2");
    assert_eq!((output.stdout.trim(), output.stderr.trim()), ("out", "err"));
    let output = t.sh(&["-a", "stdout"], "echo out; echo err >&2");
    assert_eq!((output.stdout.trim(), output.stderr.trim()), ("out", ""));
}

fn large_streams_arrive_whole(t: &Stage) {
    let input: Vec<u8> = (0..3_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    let mut command = t.command(&["run", "--rm", "-i", "host:", "md5sum"]);
    command.stdin(std::process::Stdio::piped());
    let inside = output(command, &input).text();
    let mut here = Command::new("md5sum");
    here.stdin(std::process::Stdio::piped());
    assert_eq!(inside, output(here, &input).text());
    let script = "head -c 8000000 /dev/zero | tr '\\0' x";
    assert_eq!(t.sh(&[], script).text().len(), 8_000_000);
}

fn input_only_when_asked_for(t: &Stage) {
    assert_eq!(
        t.call_with(b"given", &["run", "--rm", "host:", "cat"])
            .text(),
        ""
    );
    assert_eq!(
        t.call_with(b"given", &["run", "--rm", "-i", "host:", "cat"])
            .text(),
        "given"
    );
    // Behind a detached one the input stays open.
    t.call(&["run", "-d", "-i", "--name", "open", "host:", "cat"])
        .text();
    assert_eq!(t.field("open", "{{.State.Status}}"), "running");
    t.call_with(b"later", &["attach", "open"]);
    assert!(until(|| t.call(&["logs", "open"]).stdout.contains("later")));
}

fn a_reader_that_leaves_is_noticed(t: &Stage) {
    let words = t.command(&["run", "--rm", "--log-driver", "none", "host:", "yes"]);
    let line = format!("{words:?} | head -1").replace('"', "'");
    let mut shell = Command::new("bash");
    shell.args(["-c", &line]);
    let mut background = Background::start(shell);
    let mut ended = false;
    until(|| {
        ended = background
            .0
            .try_wait()
            .expect("it can be waited for")
            .is_some();
        ended
    });
    assert!(ended, "yes goes on although nobody reads");
}

fn a_slow_reader_holds_up_nobody_else(t: &Stage) {
    let script = "head -c 3000000 /dev/zero; exit 4";
    let front =
        Background::start(t.command(&["run", "--name", "slow", "host:", "sh", "-c", script]));
    // Nobody reads its pipe; when that is full, it is stopped where it is.
    const PIPE: usize = 65536;
    assert!(until(|| t.call(&["logs", "slow"]).stdout.len() > PIPE));
    crate::stage::kill(front.pid(), "STOP");
    assert_eq!(t.call(&["rm", "slow"]).code, 2);
    t.call(&["rm", "-f", "slow"]).text();
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}

fn signals_are_passed_on(t: &Stage) {
    let script = "trap 'exit 8' INT; echo ready; while :; do sleep 0.05; done";
    let front =
        Background::start(t.command(&["run", "--name", "sig", "host:", "sh", "-c", script]));
    assert!(until(|| t.call(&["logs", "sig"]).stdout.contains("ready")));
    crate::stage::kill(front.pid(), "INT");
    assert_eq!(front.code(), 8);
}

/// As a shell ignores them for what it starts in the background, and nohup(1): `stop` would wait in vain.
fn signals_that_the_caller_ignores_are_reset(t: &Stage) {
    let called = |args: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' HUP INT QUIT PIPE; exec \"$@\"", "sh"]);
        let command = t.command(args);
        shell.arg(command.get_program()).args(command.get_args());
        let text = output(shell, b"").text();
        let mask = text.strip_prefix("SigIgn:\t").expect("a line of status");
        // 32 and 33 are the C library's own, which it ignores in what it spawns.
        u64::from_str_radix(mask, 16).expect("hexadecimal") & !(3 << 31)
    };
    let show = ["grep", "^SigIgn", "/proc/self/status"];
    assert_eq!(called(&[&["run", "--rm", "host:"][..], &show].concat()), 0);
    t.call(&["run", "-d", "--name", "e", "host:", "sleep", "1000"])
        .text();
    assert_eq!(called(&[&["exec", "e"][..], &show].concat()), 0);
    t.call(&[&["create", "--name", "s", "host:"][..], &show].concat())
        .text();
    assert_eq!(called(&["start", "-a", "s"]), 0);
}

fn logs_remember(t: &Stage) {
    let script = "for i in 1 2 3 4; do echo line $i; done; echo error >&2; printf 'no end'";
    t.call(&["run", "--name", "l", "host:", "sh", "-c", script]);
    let all = t.call(&["logs", "l"]);
    assert_eq!(all.stderr, "error\n");
    assert_eq!(all.stdout, "line 1\nline 2\nline 3\nline 4\nno end");
    assert_eq!(t.call(&["logs", "--tail", "1", "l"]).stdout, "no end");
    let stamped = t.call(&["logs", "-t", "l"]).text();
    assert!(
        stamped.lines().next().expect("a line").contains("Z line 1"),
        "{stamped}"
    );
    assert_eq!(
        t.call(&["logs", "--since", "2099-01-01T00:00:00Z", "l"])
            .stdout,
        ""
    );
    assert_eq!(t.call(&["logs", "--until", "1h", "l"]).stdout, "");
}

fn logs_follow(t: &Stage) {
    let script = "for i in 1 2 3; do echo $i; sleep 0.2; done";
    t.call(&["run", "-d", "--name", "f", "host:", "sh", "-c", script])
        .text();
    assert_eq!(t.call(&["logs", "-f", "f"]).text(), "1\n2\n3");
}

fn logs_turn_over(t: &Stage) {
    let script = "i=0; while [ $i -lt 2000 ]; do echo number $i; i=$((i+1)); done";
    let options = ["--log-opt", "max-size=20k", "--log-opt", "max-file=3"];
    let mut args = vec!["run", "--name", "r"];
    args.extend(options);
    args.extend(["host:", "sh", "-c", script]);
    t.call(&args);
    let directory = t.field("r", "{{.Lockstep.Directory}}");
    let files: Vec<u64> = std::fs::read_dir(format!("{directory}/log"))
        .expect("the log")
        .map(|entry| entry.expect("a file").metadata().expect("its size").len())
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|size| *size <= 20 << 10), "{files:?}");
    let kept = t.call(&["logs", "r"]).text();
    assert!(kept.ends_with("number 1999"), "{kept}");
    assert!(!kept.contains("number 0\n"));
}

fn logs_are_harmless_to_a_terminal(t: &Stage) {
    let script = r"printf 'a\033[2Jb\tc\n\302\2330m\n'";
    let run = |options: &[&str], name: &str| {
        let words = [
            &["run", "--name", name],
            options,
            &["host:", "sh", "-c", script],
        ]
        .concat();
        t.call(&words);
    };
    run(&[], "plain");
    run(&["-t"], "terminal");
    assert_eq!(
        t.call(&["logs", "plain"]).stdout,
        "a\x1b[2Jb\tc\n\u{9b}0m\n"
    );
    let seen = in_terminal(t, "", &["logs", "plain"]);
    assert!(seen.contains(r"a\u{1b}[2Jb"), "{seen}");
    assert!(seen.contains(r"\u{9b}0m"), "{seen}");
    assert!(!seen.contains('\x1b'), "{seen:?}");
    // One that had a terminal was meant to talk to one.
    assert!(in_terminal(t, "", &["logs", "terminal"]).contains("a\x1b[2J"));
}

fn a_long_log_takes_little_memory(t: &Stage) {
    let script = "seq -f 'line %.0f of a log that is long' 1 400000";
    t.call(&["run", "--name", "l", "host:", "sh", "-c", script]);
    let peak = |args: &[&str]| {
        let inner = t.command(args);
        let mut command = Command::new("/usr/bin/time");
        command.args(["-f", "%M"]).arg(inner.get_program());
        command.args(inner.get_args());
        let seen = output(command, b"");
        let kib: u64 = seen.stderr.trim().parse().expect("KiB");
        (seen.stdout, kib)
    };
    t.need(std::path::Path::new("/usr/bin/time").exists(), "no time(1)");
    let (_, least) = peak(&["logs", "--tail", "0", "l"]);
    let (last, kib) = peak(&["logs", "--tail", "2", "l"]);
    assert_eq!(
        last,
        "line 399999 of a log that is long\nline 400000 of a log that is long\n"
    );
    assert!(kib < least + 2048, "{kib} and {least} KiB");
    let (all, kib) = peak(&["logs", "l"]);
    assert_eq!(all.lines().count(), 400_000);
    assert!(kib < least + 2048, "{kib} and {least} KiB");
}

fn no_log(t: &Stage) {
    assert_eq!(
        t.call(&[
            "run",
            "--name",
            "n",
            "--log-driver",
            "none",
            "host:",
            "echo",
            "x"
        ])
        .text(),
        "x"
    );
    assert!(t.call(&["logs", "n"]).refused(125).contains("none"));
}

/// The command line in a terminal of script(1), with this typed after a moment.
pub(crate) fn in_terminal(t: &Stage, typed: &str, args: &[&str]) -> String {
    let words = format!("{:?}", t.command(args)).replace('"', "'");
    let mut script = Command::new("bash");
    let line = format!(
        "(sleep 0.5; printf '{typed}'; sleep 1.5) | script -qec \"stty rows 33 cols 99; {words}; echo code=\\$?\" /dev/null"
    );
    script.args(["-c", &line]);
    output(script, b"").stdout
}

fn a_terminal(t: &Stage) {
    let seen = in_terminal(
        t,
        "hello\\n\\004",
        &[
            "run",
            "--rm",
            "-it",
            "host:",
            "sh",
            "-c",
            "tty; stty size; cat; exit 3",
        ],
    );
    assert!(seen.contains("/dev/pts/0"), "{seen}");
    assert!(seen.contains("33 99"), "{seen}");
    assert_eq!(seen.matches("hello").count(), 2, "echo and cat: {seen}");
    assert!(seen.contains("code=3"), "{seen}");
    assert!(
        t.call(&["run", "--rm", "-it", "host:", "true"])
            .refused(125)
            .contains("not a terminal")
    );
}

fn a_terminal_is_left_by_keys(t: &Stage) {
    let seen = in_terminal(
        t,
        "\\020\\021",
        &["run", "-it", "--name", "left", "host:", "sleep", "1000"],
    );
    assert!(seen.contains("code=0"), "{seen}");
    assert_eq!(t.field("left", "{{.State.Status}}"), "running");
    let seen = in_terminal(t, "x", &["attach", "--detach-keys", "x", "left"]);
    assert!(seen.contains("code=0"), "{seen}");
}

fn attached_twice(t: &Stage) {
    let script = "sleep 0.6; echo both; exit 2";
    t.call(&["run", "-d", "--name", "a", "host:", "sh", "-c", script])
        .text();
    let both = [0, 1].map(|_| Background::start(t.command(&["attach", "a"])));
    for mut one in both {
        let mut seen = String::new();
        let out = one.0.stdout.take();
        out.expect("a pipe")
            .read_to_string(&mut seen)
            .expect("text");
        assert_eq!((seen.as_str(), one.code()), ("both\n", 2));
    }
}

fn stdout_can_be_opened_again(t: &Stage) {
    assert_eq!(t.sh(&[], "echo x > /dev/stdout").text(), "x");
    assert_eq!(
        t.sh(
            &["-u", "daemon"],
            "echo x > /dev/stdout; echo y > /proc/self/fd/1"
        )
        .text(),
        "x\ny"
    );
}

fn descriptors_are_handed_over(t: &Stage) {
    for (name, text) in [("three", "3rd"), ("four", "4th"), ("five", "5th")] {
        std::fs::write(t.dir.join(name), text).expect("a file");
    }
    let call = |args: &[&str]| {
        let inner = t.command(args);
        let mut command = std::process::Command::new("sh");
        let script = "dir=$1; shift; exec \"$@\" 3<\"$dir/three\" 4<\"$dir/four\" 5<\"$dir/five\"";
        command
            .args(["-c", script, "sh"])
            .arg(&t.dir)
            .arg(inner.get_program())
            .args(inner.get_args());
        output(command, b"")
    };
    let script = "for n in 3 4 5; do readlink /proc/self/fd/$n || echo none; done; cat <&3";
    let run = |options: &[&str]| {
        call(&[&["run", "--rm"], options, &["host:", "sh", "-c", script]].concat())
    };
    let dir = t.dir.display();
    let seen = run(&["--preserve-fds", "2"]).text();
    assert_eq!(seen, format!("{dir}/three\n{dir}/four\nnone\n3rd"));
    let seen = run(&["--preserve-fd", "5,3"]).text();
    assert_eq!(seen, format!("{dir}/three\n/dev/null\n{dir}/five\n3rd"));
    let seen = run(&[]);
    assert!(seen.stdout.starts_with("none\nnone\nnone\n"), "{seen:?}");
    // The supervisor keeps none of them: a pipe would never end.
    t.call(&["create", "--name", "x", "host:", "true"]).text();
    call(&[
        "run",
        "-d",
        "--preserve-fds",
        "3",
        "--name",
        "d",
        "host:",
        "sleep",
        "1000",
    ])
    .text();
    let open =
        std::fs::read_dir(format!("/proc/{}/fd", t.supervisor("d"))).expect("its descriptors");
    for entry in open.flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        assert_ne!(target.parent(), Some(t.dir.as_path()), "{target:?}");
    }
    let seen = call(&[
        "exec",
        "--preserve-fd",
        "4",
        "d",
        "sh",
        "-c",
        "readlink /proc/self/fd/3; cat <&4",
    ]);
    assert_eq!(seen.text(), "/dev/null\n4th");
    for wrong in [
        &["run", "--rm", "--preserve-fds", "9", "host:", "true"][..],
        &["run", "--rm", "--preserve-fd", "2", "host:", "true"],
        &["run", "--rm", "--preserve-fd", "x", "host:", "true"],
        &["run", "--rm", "--preserve-fds", "1000", "host:", "true"],
        &["exec", "--preserve-fds", "9", "d", "true"],
    ] {
        let complaint = call(wrong).refused(125);
        assert!(
            complaint.contains("descriptor") || complaint.contains("preserve-fd"),
            "{complaint}"
        );
    }
}
