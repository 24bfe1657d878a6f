//! `process.terminal` and `consoleSize`: the console socket, the terminal's properties, job control.

use std::fs::File;
use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use crate::harness::{Container, Test, cases, short_path, wait_until};

cases! {
    master_is_sent_to_the_console_socket,
    program_has_the_terminal,
    console_size,
    console_size_of_exec,
    size_changes_reach_the_program,
    input_and_output,
    interrupt_character_signals,
    end_of_file_character,
    controlling_terminal,
    owner_is_the_user,
    hangup_ends_the_program,
    dev_console_is_the_terminal,
    terminal_without_socket_refused_when_detached,
    socket_without_terminal_refused,
    socket_missing_refused,
    exec_tty,
    exec_tty_detached,
    exec_process_with_terminal,
    exec_tty_without_socket_when_detached_refused,
    run_on_a_terminal,
    terminal_false_has_none,
    new_session_without_terminal,
    in_a_user_namespace,
}

/// A console socket and the terminal that is sent to it.
pub(crate) struct Console {
    path: PathBuf,
    received: Receiver<(String, OwnedFd)>,
}

impl Console {
    pub(crate) fn listen(t: &Test, name: &str) -> Self {
        let path = short_path(t, name);
        let listener = UnixListener::bind(&path).expect("a socket can be made");
        let (sender, received) = channel();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a connection");
            let mut name = [0; 256];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut vectors = [IoSliceMut::new(&mut name)];
            let message = recvmsg(&stream, &mut vectors, &mut ancillary, RecvFlags::empty());
            let size = message.expect("a message").bytes;
            let master = ancillary.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                _ => None,
            });
            let name = String::from_utf8_lossy(&name[..size]).into_owned();
            // The test may have ended already.
            sender.send((name, master.expect("a descriptor"))).ok();
        });
        Self { path, received }
    }

    pub(crate) fn option(&self) -> String {
        self.path.display().to_string()
    }

    #[track_caller]
    pub(crate) fn terminal(self) -> Terminal {
        let (name, master) = self
            .received
            .recv_timeout(Duration::from_secs(20))
            .expect("the master is sent");
        Terminal::new(name, File::from(master))
    }
}

/// The master side: what the program writes is collected beside.
pub(crate) struct Terminal {
    name: String,
    master: File,
    output: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Terminal {
    fn new(name: String, master: File) -> Self {
        let output = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let collected = output.clone();
        let mut reader = master.try_clone().expect("a descriptor can be duplicated");
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // EIO when the last slave is closed.
            while let Ok(size @ 1..) = reader.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..size]).into_owned();
                collected.lock().expect("no panic inside").push_str(&text);
            }
        });
        Self {
            name,
            master,
            output,
        }
    }

    fn text(&self) -> String {
        self.output.lock().expect("no panic inside").clone()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, word: &str) {
        assert!(
            wait_until(|| self.text().contains(word)),
            "no {word:?} in {:?}",
            self.text()
        );
    }

    pub(crate) fn write(&self, text: &str) {
        (&self.master)
            .write_all(text.as_bytes())
            .expect("the terminal takes input");
    }
}

/// A running container whose program has a terminal.
#[track_caller]
fn on_terminal<'t>(t: &'t Test, script: &str) -> (Container<'t>, Terminal) {
    let console = Console::listen(t, "console");
    let c = t
        .sh(script)
        .set("/process/terminal", true)
        .options(&["--console-socket", &console.option()])
        .started();
    (c, console.terminal())
}

fn master_is_sent_to_the_console_socket(t: &Test) {
    let (_c, terminal) = on_terminal(t, "echo hello; sleep 1000");
    terminal.wait_for("hello\r\n");
    assert!(
        terminal.name.contains("ptmx") || terminal.name.contains("pts"),
        "{}",
        terminal.name
    );
}

fn program_has_the_terminal(t: &Test) {
    let (c, terminal) = on_terminal(
        t,
        "tty; test -t 0 && test -t 1 && test -t 2 && echo all; sleep 1000",
    );
    terminal.wait_for("/dev/pts/0\r\nall\r\n");
    let pid = c.pid();
    for fd in 0..3 {
        let link = std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).expect("a live process");
        assert!(
            link.starts_with("/dev/pts") || link.starts_with("/0"),
            "{}",
            link.display()
        );
    }
}

fn console_size(t: &Test) {
    let console = Console::listen(t, "console");
    let c = t
        .sh("stty size; sleep 1000")
        .set("/process/terminal", true)
        .set("/process/consoleSize", json!({"height": 33, "width": 111}))
        .options(&["--console-socket", &console.option()])
        .create();
    let terminal = console.terminal();
    c.start();
    terminal.wait_for("33 111\r\n");
}

fn console_size_of_exec(t: &Test) {
    let c = t.sleeper().started();
    let console = Console::listen(t, "console");
    let process = json!({"terminal": true, "consoleSize": {"height": 22, "width": 99},
                         "args": ["stty", "size"], "cwd": "/", "env": ["PATH=/bin"],
                         "user": {"uid": 0, "gid": 0}});
    let file = t.file("process.json", &process.to_string());
    let file = file.display().to_string();
    let running = c.begin_exec(
        &[
            "--process",
            &file,
            "--detach",
            "--console-socket",
            &console.option(),
        ],
        &[],
    );
    let terminal = console.terminal();
    running.wait().ok();
    terminal.wait_for("22 99\r\n");
}

fn size_changes_reach_the_program(t: &Test) {
    let (_c, terminal) = on_terminal(
        t,
        "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done",
    );
    terminal.wait_for("ready");
    let size = rustix::termios::Winsize {
        ws_row: 44,
        ws_col: 155,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&terminal.master, size).expect("a terminal has a size");
    terminal.wait_for("44 155");
}

fn input_and_output(t: &Test) {
    let (_c, terminal) = on_terminal(t, "echo ready; read line; echo got $line; sleep 1000");
    terminal.wait_for("ready");
    terminal.write("typed\n");
    terminal.wait_for("got typed\r\n");
}

fn interrupt_character_signals(t: &Test) {
    let (_c, terminal) = on_terminal(
        t,
        "trap 'echo interrupted' INT; echo ready; while :; do sleep 0.1; done",
    );
    terminal.wait_for("ready");
    terminal.write("\u{3}");
    terminal.wait_for("interrupted");
}

fn end_of_file_character(t: &Test) {
    let (c, terminal) = on_terminal(t, "echo ready; cat; echo end");
    terminal.wait_for("ready");
    terminal.write("line\n\u{4}");
    terminal.wait_for("end");
    c.wait_stopped();
}

fn controlling_terminal(t: &Test) {
    // /dev/tty can only be opened with one; field 7 of stat is its number, not 0.
    let (c, terminal) = on_terminal(t, "echo through > /dev/tty; sleep 1000");
    terminal.wait_for("through");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", c.pid())).expect("live");
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..]
        .split(' ')
        .collect();
    assert_ne!(fields[4], "0", "no controlling terminal: {stat}");
    assert_eq!(
        fields[2], fields[3],
        "the program leads its session: {stat}"
    );
}

fn owner_is_the_user(t: &Test) {
    let console = Console::listen(t, "console");
    let c = t
        .sh("stat -c %u $(tty); echo open > $(tty); sleep 1000")
        .set("/process/terminal", true)
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .options(&["--console-socket", &console.option()])
        .create();
    let terminal = console.terminal();
    c.start();
    terminal.wait_for("1000\r\nopen");
}

fn hangup_ends_the_program(t: &Test) {
    // pid 1 ignores signals without a handler: a shell of a pid namespace needs one.
    let (c, terminal) = on_terminal(
        t,
        "trap 'echo x > /tmp/hup; exit 0' HUP; echo ready; while :; do sleep 0.1; done",
    );
    terminal.wait_for("ready");
    let Terminal { master, output, .. } = terminal;
    // The reading thread holds a duplicate; it is closed by the end of the session below.
    drop((master, output));
    c.kill("HUP").ok();
    c.wait_stopped();
    assert!(c.rootfs.join("tmp/hup").exists());
}

fn dev_console_is_the_terminal(t: &Test) {
    let (_c, terminal) = on_terminal(
        t,
        "test -c /dev/console && echo by console > /dev/console; stat -c %t:%T /dev/console; sleep 1000",
    );
    terminal.wait_for("by console\r\n88:0\r\n");
}

fn terminal_without_socket_refused_when_detached(t: &Test) {
    t.sleeper()
        .set("/process/terminal", true)
        .try_create()
        .fails_with(&["cannot allocate tty if runc will detach without setting console socket"]);
    t.sleeper()
        .set("/process/terminal", true)
        .options(&["--detach"])
        .run()
        .fails_with(&["cannot allocate tty if runc will detach without setting console socket"]);
}

fn socket_without_terminal_refused(t: &Test) {
    let console = Console::listen(t, "console");
    t.sleeper()
        .options(&["--console-socket", &console.option()])
        .try_create()
        .fails_with(&["cannot use console socket if runc will not detach or allocate tty"]);
}

fn socket_missing_refused(t: &Test) {
    t.sleeper()
        .set("/process/terminal", true)
        .options(&["--console-socket", "/no/such/socket"])
        .try_create()
        .fails_with(&["/no/such/socket"]);
}

fn exec_tty(t: &Test) {
    let c = t.sleeper().started();
    let console = Console::listen(t, "console");
    let running = c.begin_exec(
        &["--tty", "--detach", "--console-socket", &console.option()],
        &["sh", "-c", "tty; echo exec; sleep 1000"],
    );
    let terminal = console.terminal();
    running.wait().ok();
    terminal.wait_for("/dev/pts/0\r\nexec\r\n");
}

fn exec_tty_detached(t: &Test) {
    let c = t.sleeper().started();
    let console = Console::listen(t, "console");
    let pid_file = t.dir.join("pid").display().to_string();
    let running = c.begin_exec(
        &[
            "-t",
            "-d",
            "--pid-file",
            &pid_file,
            "--console-socket",
            &console.option(),
        ],
        &["sh", "-c", "read line; echo got $line"],
    );
    let terminal = console.terminal();
    running.wait().ok();
    terminal.write("typed\n");
    terminal.wait_for("got typed");
    let pid = std::fs::read_to_string(&pid_file).expect("written");
    assert!(pid.parse::<u32>().is_ok(), "{pid:?}");
}

fn exec_process_with_terminal(t: &Test) {
    // As conmon calls it.
    let c = t.sleeper().started();
    let console = Console::listen(t, "console");
    let process = json!({"terminal": true, "args": ["sh", "-c", "test -t 0 && echo yes"],
                         "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}});
    let file = t
        .file("process.json", &process.to_string())
        .display()
        .to_string();
    let pid_file = t.dir.join("pid").display().to_string();
    let running = c.begin_exec(
        &[
            "--pid-file",
            &pid_file,
            "--process",
            &file,
            "--detach",
            "--tty",
            "--console-socket",
            &console.option(),
        ],
        &[],
    );
    let terminal = console.terminal();
    running.wait().ok();
    terminal.wait_for("yes");
}

fn exec_tty_without_socket_when_detached_refused(t: &Test) {
    let c = t.sleeper().started();
    c.exec(&["--tty", "--detach"], &["true"])
        .fails_with(&["console"]);
}

fn run_on_a_terminal(t: &Test) {
    t.need(
        crate::harness::Host::get().has_program("script"),
        "no script(1) (util-linux)",
    );
    let bundle = t
        .sh("tty; sleep 0.7; stty size; exit 6")
        .set("/process/terminal", true);
    bundle.write();
    let runtime = crate::harness::Host::get().runtime.display().to_string();
    let command = format!(
        "stty rows 31 cols 71; {runtime} --root {} run --bundle {} {}",
        t.state_root().display(),
        bundle.dir().display(),
        bundle.id
    );
    let output = std::process::Command::new("timeout")
        .args(["60", "script", "-qec", &command, "/dev/null"])
        .stdin(std::process::Stdio::piped())
        .output()
        .expect("script(1) starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("/dev/pts/0"), "{text}");
    assert!(
        text.contains("31 71"),
        "the caller's size is not handed on: {text}"
    );
    assert_eq!(output.status.code(), Some(6), "{text}");
}

fn terminal_false_has_none(t: &Test) {
    t.sh("test -t 0 || test -t 1 && exit 1; exec 3<>/dev/tty && exit 2; exit 0")
        .run();
    let output = t.sh("tty; true").run().ok();
    assert_eq!(output.text(), "not a tty");
}

fn new_session_without_terminal(t: &Test) {
    let c = t
        .args(&["/probe", "process", ",", "sleep", "1000"])
        .with_probe()
        .started();
    assert!(wait_until(|| c.stdout().contains("blocked=")));
    assert!(c.stdout().contains("sid=1\n"), "{}", c.stdout());
    assert!(c.stdout().contains("pgrp=1\n"), "{}", c.stdout());
}

fn in_a_user_namespace(t: &Test) {
    let console = Console::listen(t, "console");
    let c = t
        .sh("tty; stat -c %u $(tty); sleep 1000")
        .user_namespace(300_000, 1000)
        .set("/process/terminal", true)
        .options(&["--console-socket", &console.option()])
        .create();
    let terminal = console.terminal();
    c.start();
    terminal.wait_for("/dev/pts/0\r\n0\r\n");
}
