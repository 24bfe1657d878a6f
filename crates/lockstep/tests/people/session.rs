//! Clients of a container's streams: both directions at once, signals at any moment, and leaving without a trace.

use std::io::{BufRead as _, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::stage::{Background, Output, Stage, kill, output, until};
use crate::stream::in_terminal;

crate::cases![
    input_and_output_flow_at_once,
    short_programs_lose_nothing,
    short_programs_of_a_terminal_lose_nothing,
    a_signal_passes_waiting_input,
    a_signal_passes_waiting_output,
    a_signal_of_its_own_ends_the_client,
    an_unread_output_leaves_the_other,
    a_full_disk_is_no_success,
    a_stopped_terminal_does_not_stop_signals,
    keys_leave_the_program_alone,
    a_terminal_hears_of_an_end_once,
    a_killed_giver_ends_the_input,
    an_exec_is_left_by_keys,
    an_exec_is_left_by_keys_with_its_terminal,
    a_long_paste_passes_an_exec,
];

/// More than all buffers between two ends of a container.
const MUCH: usize = 4 << 20;

/// A command with this input, byte for byte.
fn through(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped());
    output(command, input)
}

fn input_and_output_flow_at_once(t: &Stage) {
    let input = "0123456789abcde\n".repeat(MUCH / 16).into_bytes();
    let same = |seen: Output| {
        assert_eq!(seen.code, 0, "{}", seen.stderr);
        assert!(seen.stdout.as_bytes() == input, "{}", seen.stdout.len());
    };
    same(through(
        t.command(&["run", "--rm", "-i", "host:", "cat"]),
        &input,
    ));
    t.call(&["create", "-i", "--name", "c", "host:", "cat"])
        .text();
    same(through(t.command(&["start", "-ai", "c"]), &input));
    t.call(&["run", "-di", "--name", "d", "host:", "cat"])
        .text();
    same(through(t.command(&["exec", "-i", "d", "cat"]), &input));
    same(through(t.command(&["attach", "d"]), &input));
}

fn short_programs_lose_nothing(t: &Stage) {
    for _turn in 0..40 {
        let seen = t.call_with(b"unread", &["run", "--rm", "-i", "host:", "echo", "hi"]);
        assert_eq!(seen.text(), "hi");
    }
}

fn short_programs_of_a_terminal_lose_nothing(t: &Stage) {
    for options in ["-t", "-it"] {
        let words = t.command(&["run", "--rm", options, "host:", "echo", "hi"]);
        let words = format!("{words:?}").replace('"', "'");
        let line = format!("for i in $(seq 40); do {words}; done");
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]);
        // Its input stays open: an end of it would be typed at the terminal.
        let mut shell = Background::start({
            script.stdin(Stdio::piped());
            script
        });
        let mut seen = String::new();
        let out = shell.0.stdout.as_mut().expect("a pipe");
        out.read_to_string(&mut seen).expect("text");
        // Where nothing is typed both terminals end lines.
        assert_eq!(seen.replace('\r', ""), "hi\n".repeat(40), "{options}");
    }
}

/// Writes to a child as much as it takes, and more.
fn feed(child: &mut Background) -> JoinHandle<()> {
    let mut given = child.0.stdin.take().expect("a pipe");
    // EPIPE: it has ended, as it should.
    thread::spawn(move || drop(given.write_all(&vec![b'x'; MUCH])))
}

fn a_signal_passes_waiting_input(t: &Stage) {
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut command = t.command(&["run", "-i", "--name", "s", "host:", "sh", "-c", script]);
    command.stdin(Stdio::piped());
    let mut front = Background::start(command);
    let feeder = feed(&mut front);
    assert!(until(|| t.call(&["logs", "s"]).stdout.contains("ready")));
    thread::sleep(Duration::from_millis(300));
    kill(front.pid(), "TERM");
    assert_eq!(front.code(), 9);
    feeder.join().expect("the input's end");
}

fn a_signal_passes_waiting_output(t: &Stage) {
    let script = "trap 'kill $!; exit 8' TERM; yes & wait";
    let words = [
        "run",
        "--name",
        "s",
        "--log-driver",
        "none",
        "host:",
        "sh",
        "-c",
        script,
    ];
    let front = Background::start(t.command(&words));
    assert!(until(|| t.call(&["ps", "-q"]).stdout.len() > 1));
    thread::sleep(Duration::from_millis(300));
    kill(front.pid(), "TERM");
    // What it wrote before its end is kept for the reader, who does not come.
    assert!(until(|| lives_no_more(t, "s")));
    for _again in 0..3 {
        assert!(std::path::Path::new(&format!("/proc/{}", front.pid())).exists());
        kill(front.pid(), "TERM");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(front.code(), 8);
}

/// Whether a container's first process has ended; its supervisor may wait for a reader yet.
fn lives_no_more(t: &Stage, name: &str) -> bool {
    t.call(&["exec", name, "true"]).code != 0
}

fn a_signal_of_its_own_ends_the_client(t: &Stage) {
    let words = [
        "run",
        "--name",
        "s",
        "--sig-proxy=false",
        "host:",
        "sleep",
        "1000",
    ];
    let front = Background::start(t.command(&words));
    assert!(until(|| t.call(&["ps", "-q"]).stdout.len() > 1));
    thread::sleep(Duration::from_millis(300));
    kill(front.pid(), "TERM");
    assert_eq!(front.code(), 128 + 15);
    assert_eq!(t.field("s", "{{.State.Status}}"), "running");
}

fn an_unread_output_leaves_the_other(t: &Stage) {
    let script = "echo first; sleep 0.3; echo second; sleep 0.3; echo error >&2";
    let words = t.command(&["run", "--rm", "host:", "sh", "-c", script]);
    let line = format!("{words:?} | head -1").replace('"', "'");
    let mut shell = Command::new("bash");
    shell.args(["-c", &line]);
    let seen = output(shell, b"");
    assert_eq!((seen.stdout.trim(), seen.stderr.trim()), ("first", "error"));
}

/// As Docker's client: it says what it could not write, and leaves.
fn a_full_disk_is_no_success(t: &Stage) {
    let full = |args: &[&str], which: &str| {
        let words = format!("{:?} {which}>/dev/full", t.command(args)).replace('"', "'");
        let mut shell = Command::new("bash");
        shell.args(["-c", &words]);
        output(shell, b"")
    };
    let said = full(
        &[
            "run",
            "--name",
            "f",
            "host:",
            "sh",
            "-c",
            "echo lost; sleep 0.5; echo more",
        ],
        "1",
    );
    let complaint = said.refused(125);
    assert!(
        complaint.contains("writing to standard output") && complaint.contains("ENOSPC"),
        "{complaint}"
    );
    // The program was not at fault, and nothing of it is lost.
    assert_eq!(t.call(&["wait", "f"]).text(), "0");
    assert_eq!(t.call(&["logs", "f"]).text(), "lost\nmore");
    assert_eq!(full(&["start", "-a", "f"], "").code, 125);
    // There is no place to complain to.
    let words = ["run", "--rm", "host:", "sh", "-c", "echo lost >&2"];
    assert_eq!(full(&words, "2").code, 125);
    // Who writes nothing is not concerned.
    full(&["run", "--rm", "host:", "true"], "").text();
    let gone = || t.call(&["ps", "-aq", "--filter", "name=^[^f]"]).text();
    assert!(until(|| gone().is_empty()), "{}", gone());
}

fn a_stopped_terminal_does_not_stop_signals(t: &Stage) {
    let script = "trap 'kill $!; exit 8' TERM; yes & wait";
    let words = t.command(&["run", "--name", "s", "host:", "sh", "-c", script]);
    // A terminal that nobody reads is as one that was stopped with Ctrl-S.
    let program = "
import os, sys, time
master, terminal = os.openpty()
child = os.fork()
if child == 0:
    os.dup2(terminal, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
print(child, flush=True)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
";
    let mut python = Command::new("python3");
    python
        .args(["-c", program])
        .arg(words.get_program())
        .args(words.get_args());
    let mut python = Background::start(python);
    let mut lines = std::io::BufReader::new(python.0.stdout.take().expect("a pipe")).lines();
    let pid = lines.next().expect("a line").expect("text");
    let pid = pid.parse().expect("a process id");
    assert!(until(|| t.call(&["ps", "-q"]).stdout.len() > 1));
    thread::sleep(Duration::from_millis(300));
    kill(pid, "TERM");
    assert!(until(|| lives_no_more(t, "s")), "it was not told");
    let ended = || !crate::stage::lives(pid);
    let again = || {
        kill(pid, "TERM");
        ended()
    };
    assert!(until(again), "it waits for its terminal");
    assert_eq!(lines.next().expect("a line").expect("text"), "8");
}

fn keys_leave_the_program_alone(t: &Stage) {
    let script = "sed -u s/^/got-/; echo END-SEEN; sleep 1000";
    let words = ["run", "-it", "--name", "e", "host:", "sh", "-c", script];
    let seen = in_terminal(t, "one\\n\\020\\021", &words);
    assert!(seen.contains("code=0"), "{seen}");
    // What stands before the keys is typed.
    in_terminal(t, "two\\020\\021", &["attach", "e"]);
    in_terminal(t, "\\n\\020\\021", &["attach", "e"]);
    let logs = || t.call(&["logs", "e"]).stdout;
    assert!(until(|| logs().contains("got-two")), "{}", logs());
    assert!(logs().contains("got-one"), "{}", logs());
    assert!(!logs().contains("END-SEEN"), "{}", logs());
}

fn a_terminal_hears_of_an_end_once(t: &Stage) {
    let script = "cat; echo first-end; cat; echo second-end; sleep 1000";
    t.call(&["create", "-it", "--name", "e", "host:", "sh", "-c", script])
        .text();
    let mut command = t.command(&["start", "-ai", "e"]);
    command.stdin(Stdio::piped());
    let mut front = Background::start(command);
    let given = front.0.stdin.take();
    assert!(given.expect("a pipe").write_all(b"typed\n").is_ok());
    let logs = || t.call(&["logs", "e"]).stdout;
    assert!(until(|| logs().contains("first-end")), "{}", logs());
    thread::sleep(Duration::from_millis(500));
    assert!(!logs().contains("second-end"), "{}", logs());
}

fn a_killed_giver_ends_the_input(t: &Stage) {
    let script = "cat; echo over; exit 6";
    let mut command = t.command(&["run", "-i", "--name", "g", "host:", "sh", "-c", script]);
    command.stdin(Stdio::piped());
    let front = Background::start(command);
    assert!(until(|| t.call(&["ps", "-q"]).stdout.len() > 1));
    thread::sleep(Duration::from_millis(300));
    kill(front.pid(), "KILL");
    assert!(until(|| t.call(&["logs", "g"]).stdout.contains("over")));
    drop(front);
}

fn an_exec_is_left_by_keys(t: &Stage) {
    t.call(&["run", "-d", "--name", "x", "host:", "sleep", "1000"])
        .text();
    let inside = |words: &[&str]| t.call(&[&["exec", "x"], words].concat());
    // It writes more than a terminal keeps after it was left, and is not hung up.
    let script = "read x; echo $x > /tmp/typed; sleep 1; seq 200000; touch /tmp/over; sleep 1000";
    let file = "/tmp/script";
    t.call_with(
        script.as_bytes(),
        &["exec", "-i", "x", "sh", "-c", "cat > /tmp/script"],
    )
    .text();
    let seen = in_terminal(t, "one\\n\\020\\021", &["exec", "-it", "x", "sh", file]);
    assert!(seen.contains("code=0"), "{seen}");
    assert!(until(|| inside(&["test", "-e", "/tmp/over"]).code == 0));
    assert_eq!(inside(&["cat", "/tmp/typed"]).text(), "one");
    assert!(
        t.call(&["top", "x", "args"])
            .text()
            .contains("sh /tmp/script")
    );
    let words = ["exec", "-it", "--detach-keys", "ctrl-a,d", "x", "sh", file];
    assert!(in_terminal(t, "\\001d", &words).contains("code=0"));
    // Who holds the terminal ends with it.
    t.call(&["rm", "-f", "-t", "0", "x"]).text();
}

/// The caller is the first of its session: with its end the terminal is hung up at once for all that are in there yet.
fn an_exec_is_left_by_keys_with_its_terminal(t: &Stage) {
    t.call(&["run", "-d", "--name", "x", "host:", "sleep", "1000"])
        .text();
    for turn in 1..=5 {
        let words = ["exec", "-it", "x", "sleep", "2000"];
        let words = format!("{:?}", t.command(&words)).replace('"', "'");
        let mut script = Command::new("bash");
        let top = format!("{:?}", t.command(&["top", "x", "args"]));
        let line = format!(
            "(until [ $({top} | grep -c 'sleep 2000') = {turn} ]; do sleep 0.2; done; \
             printf '\\020\\021'; sleep 1.5) | script -qec \"exec {words}\" /dev/null"
        );
        script.args(["-c", &line]);
        assert_eq!(output(script, b"").code, 0);
        // A hangup arrives at once.
        thread::sleep(Duration::from_millis(200));
        let seen = t.call(&["top", "x", "args"]).text();
        assert_eq!(seen.matches("sleep 2000").count(), turn, "{seen}");
    }
    t.call(&["rm", "-f", "-t", "0", "x"]).text();
}

fn a_long_paste_passes_an_exec(t: &Stage) {
    t.call(&["run", "-d", "--name", "x", "host:", "sleep", "1000"])
        .text();
    // Eleven bytes for each: it writes faster than it is read, and reads no more until it can write.
    let script = "stty raw -echo; head -c 300000 | od -A d -v -w1 -t x1";
    let words = ["exec", "-it", "x", "sh", "-c", script];
    let seen = in_terminal(t, "%0300000d", &words);
    assert_eq!(seen.matches(" 30").count(), 300_000, "{}", seen.len());
    assert!(seen.contains("code=0"));
}
