//! A service manager's view: who tells it that a container is ready, and what a container can make it believe.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::cases;
use crate::stage::{Background, Output, Stage, output, until};

cases![
    the_program_says_that_it_is_ready,
    nothing_else_that_it_says_is_passed_on,
    the_engine_says_so,
    a_healthy_container,
    nobody_says_so,
    no_manager,
    a_manager_that_is_busy,
    files_of_ids,
    no_file_of_ids,
];

/// Says `$1` to the container's own socket.
const SAY: &str = "import os,socket,sys\n\
                   s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n\
                   s.sendto(sys.argv[1].encode(),os.environ['NOTIFY_SOCKET'])\n";

struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(t: &Stage) -> Manager {
        t.need(PathBuf::from("/usr/bin/python3").exists(), "no python3");
        let path = t.dir.join("manager.sock");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&path, all).expect("anybody may say something");
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a time-out");
        Manager { socket, path }
    }

    fn started_by(&self, mut command: Command) -> Command {
        command.env("NOTIFY_SOCKET", &self.path);
        command
    }

    /// The next that is said, without the barriers, whose descriptor is closed as it is received by who takes none.
    fn hears(&self) -> String {
        let mut text = [0; 512];
        loop {
            let count = self.socket.recv(&mut text).expect("a word");
            let said = String::from_utf8_lossy(&text[..count]).into_owned();
            if said != "BARRIER=1" {
                return said;
            }
        }
    }

    fn hears_nothing(&self) {
        self.socket
            .set_read_timeout(Some(Duration::from_millis(300)))
            .expect("a time-out");
        let mut text = [0; 512];
        while let Ok(count) = self.socket.recv(&mut text) {
            assert_eq!(String::from_utf8_lossy(&text[..count]), "BARRIER=1");
        }
    }
}

/// Runs a detached container; a manager that reads is needed meanwhile.
fn detached(t: &Stage, manager: &Manager, options: &[&str], script: &str) -> (Vec<String>, Output) {
    let args = [
        &["run", "-d", "--name", "n"],
        options,
        &["host:", "sh", "-c", script],
    ]
    .concat();
    let command = manager.started_by(t.command(&args));
    let front = std::thread::spawn(move || output(command, b""));
    let mut said = Vec::new();
    // Who does not read holds the front up.
    let short = Duration::from_millis(100);
    manager
        .socket
        .set_read_timeout(Some(short))
        .expect("a time-out");
    let mut text = [0; 512];
    while !front.is_finished() || !said.iter().any(|text: &String| text.contains("READY=1")) {
        if let Ok(count) = manager.socket.recv(&mut text) {
            said.push(String::from_utf8_lossy(&text[..count]).into_owned());
        }
    }
    said.retain(|said| said != "BARRIER=1");
    let long = Duration::from_secs(10);
    manager
        .socket
        .set_read_timeout(Some(long))
        .expect("a time-out");
    (said, front.join().expect("the front's output"))
}

fn ready_by(word: &str) -> String {
    format!("python3 -c \"$SAY\" '{word}'; sleep 1000")
}

fn the_program_says_that_it_is_ready(t: &Stage) {
    let manager = Manager::new(t);
    let say = format!("SAY={SAY}");
    let word = "STATUS=up\nREADY=1";
    let (said, front) = detached(t, &manager, &["-e", &say], &ready_by(word));
    front.text();
    assert_eq!(
        said,
        [
            format!("MAINPID={}\n", t.supervisor("n")),
            "READY=1\n".into()
        ]
    );
    // In the foreground the caller is the unit's main process.
    let args = [
        "run", "--rm", "--name", "f", "-e", &say, "-u", "1000", "host:", "sh", "-c",
    ];
    let script = ready_by("READY=1");
    let front = Background::start(manager.started_by(t.command(&[&args[..], &[&script]].concat())));
    assert_eq!(manager.hears(), "READY=1\n");
    t.call(&["kill", "f"]).text();
    drop(front);
    // And an ordinary user's.
    let args = [
        "run", "--rm", "--name", "u", "-e", &say, "host:", "sh", "-c", &script,
    ];
    let mut command = t.user_command(None, &args);
    // The stage's `env -i` takes the caller's variables away.
    let path = format!("NOTIFY_SOCKET={}", manager.path.display());
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<_> = words
        .iter()
        .map(|word| word.replace("env -i", &format!("env -i {path}")))
        .collect();
    command = Command::new("unshare");
    command.args(words).stdin(std::process::Stdio::null());
    let front = Background::start(command);
    assert_eq!(manager.hears(), "READY=1\n");
    output(t.user_command(None, &["kill", "u"]), b"").text();
    drop(front);
}

fn nothing_else_that_it_says_is_passed_on(t: &Stage) {
    let manager = Manager::new(t);
    let say = format!("SAY={SAY}");
    let script = "for word in MAINPID=1 STOPPING=1 FDSTORE=1 WATCHDOG=trigger 'XREADY=1' 'READY=1\nMAINPID=1'; do \
                  python3 -c \"$SAY\" \"$word\"; done; sleep 1000";
    let (said, front) = detached(t, &manager, &["-e", &say], script);
    front.text();
    assert_eq!(
        said,
        [
            format!("MAINPID={}\n", t.supervisor("n")),
            "READY=1\n".into()
        ]
    );
    manager.hears_nothing();
    // The manager's own socket is out of reach, and a later process is not told of the other.
    let seen = t.call(&[
        "exec",
        "n",
        "sh",
        "-c",
        "echo $NOTIFY_SOCKET; ls -A /run/notify; touch /run/notify/x",
    ]);
    assert_eq!(seen.stdout, "\nnotify.sock\n");
    assert!(seen.stderr.contains("Read-only"), "{seen:?}");
}

fn the_engine_says_so(t: &Stage) {
    let manager = Manager::new(t);
    let options = ["--sdnotify", "conmon", "--env-host"];
    let (said, front) = detached(
        t,
        &manager,
        &options,
        "echo ${NOTIFY_SOCKET-none}; sleep 1000",
    );
    front.text();
    assert_eq!(said, [format!("READY=1\nMAINPID={}\n", t.supervisor("n"))]);
    assert!(until(|| t.call(&["logs", "n"]).text() == "none"));
    t.call(&["stop", "-t", "0", "n"]).text();
    // Each start asks its own caller.
    t.call(&["start", "n"]).text();
    manager.hears_nothing();
}

fn a_healthy_container(t: &Stage) {
    let manager = Manager::new(t);
    let check = [
        "--sdnotify",
        "healthy",
        "--health-cmd",
        "test -e /tmp/up",
        "--health-interval",
        "200ms",
    ];
    let started = std::time::Instant::now();
    let (said, front) = detached(t, &manager, &check, "sleep 1; touch /tmp/up; sleep 1000");
    front.text();
    assert_eq!(said, [format!("READY=1\nMAINPID={}\n", t.supervisor("n"))]);
    assert!(started.elapsed() > Duration::from_secs(1));
    let args = [
        &["run", "--rm", "--name", "f"],
        &check[..],
        &["host:", "sh", "-c", "touch /tmp/up; sleep 1000"],
    ]
    .concat();
    let front = Background::start(manager.started_by(t.command(&args)));
    assert_eq!(manager.hears(), "READY=1\n");
    t.call(&["kill", "f"]).text();
    drop(front);
    let refusal = t
        .call(&["run", "--sdnotify", "healthy", "host:", "true"])
        .refused(125);
    assert!(refusal.contains("health check"), "{refusal}");
}

fn nobody_says_so(t: &Stage) {
    let manager = Manager::new(t);
    let args = [
        "run",
        "--rm",
        "--sdnotify",
        "ignore",
        "host:",
        "sh",
        "-c",
        "echo ${NOTIFY_SOCKET-none}; ls /run",
    ];
    let seen = output(manager.started_by(t.command(&args)), b"").text();
    assert!(
        seen.starts_with("none") && !seen.contains("notify"),
        "{seen}"
    );
    manager.hears_nothing();
    let refusal = t
        .call(&["run", "--sdnotify", "loud", "host:", "true"])
        .refused(125);
    assert!(refusal.contains("container, conmon"), "{refusal}");
    // A manager that is not there is an error for who was to be told by the program, and nobody's container is lost by it.
    let mut command = t.command(&[
        "run",
        "--rm",
        "--sdnotify",
        "conmon",
        "host:",
        "echo",
        "ran",
    ]);
    command.env("NOTIFY_SOCKET", t.dir.join("nobody"));
    let ran = output(command, b"");
    assert!(
        ran.stderr.contains("warning") && ran.stderr.contains("nobody"),
        "{ran:?}"
    );
    assert_eq!(ran.text(), "ran");
}

/// A queue that is full for a moment loses no word.
fn a_manager_that_is_busy(t: &Stage) {
    let manager = Manager::new(t);
    let filler = UnixDatagram::unbound().expect("a socket");
    filler.set_nonblocking(true).expect("it does not wait");
    let fill = || while filler.send_to(b"X=1", &manager.path).is_ok() {};
    let say = format!("SAY={SAY}");
    let script = "python3 -c \"$SAY\" READY=1; echo said; sleep 1000";
    let args = [
        "run", "--name", "f", "-e", &say, "host:", "sh", "-c", script,
    ];
    fill();
    let front = Background::start(manager.started_by(t.command(&args)));
    assert!(until(|| t.call(&["logs", "f"]).stdout.contains("said")));
    let heard = std::iter::repeat_with(|| manager.hears()).find(|said| said != "X=1");
    assert_eq!(heard.as_deref(), Some("READY=1\n"));
    t.call(&["kill", "f"]).text();
    drop(front);
}

/// An address that is inherited from a unit that has gone keeps no container from starting, nor its program from saying
/// what it has to say.
fn no_manager(t: &Stage) {
    t.need(PathBuf::from("/usr/bin/python3").exists(), "no python3");
    let say = format!("SAY={SAY}");
    let script = "python3 -c \"$SAY\" READY=1 && python3 -c \"$SAY\" STATUS=up && echo said";
    let closed = t.dir.join("closed.sock");
    drop(UnixDatagram::bind(&closed).expect("a socket"));
    for (address, errno) in [
        (closed, "ECONNREFUSED"),
        (t.dir.join("nobody"), "ENOENT"),
        (PathBuf::from("@lockstep-nobody-listens"), "ECONNREFUSED"),
    ] {
        let args = ["run", "--rm", "-e", &say, "host:", "sh", "-c", script];
        let mut command = t.command(&args);
        command.env("NOTIFY_SOCKET", &address);
        let ran = output(command, b"");
        assert!(
            ran.stderr.contains("NOTIFY_SOCKET") && ran.stderr.contains(errno),
            "{ran:?}"
        );
        assert_eq!(ran.text(), "said");
    }
}

fn files_of_ids(t: &Stage) {
    let file = |name: &str| t.dir.join(name).display().to_string();
    let (pid, conmon, id) = (file("pid"), file("conmon"), file("id"));
    let options = [
        "--cgroups=no-conmon",
        "--pidfile",
        &pid,
        "--conmon-pidfile",
        &conmon,
        "--cidfile",
        &id,
    ];
    let args = [
        &["run", "-d", "--name", "n"],
        &options[..],
        &["host:", "sleep", "1000"],
    ]
    .concat();
    t.call(&args).text();
    let read = |path: &str| {
        let mut text = String::new();
        std::fs::File::open(path)
            .expect("it")
            .read_to_string(&mut text)
            .expect("text");
        text
    };
    assert_eq!(read(&pid), t.pid("n").to_string());
    assert_eq!(read(&conmon), t.supervisor("n").to_string());
    assert_eq!(read(&id), t.field("n", "{{.Id}}"));
    // An id is nobody else's: a unit removes the file before it starts.
    let again = [
        &["run", "-d", "--replace", "--name", "n"],
        &options[..],
        &["host:", "sleep", "1000"],
    ]
    .concat();
    assert!(t.call(&again).refused(125).contains("--cidfile"));
    std::fs::remove_file(&id).expect("it is removed");
    t.call(&again).text();
    assert_eq!(read(&pid), t.pid("n").to_string());
    let refusal = t
        .call(&["run", "--cgroups=split", "host:", "true"])
        .refused(125);
    assert!(refusal.contains("is refused"), "{refusal}");
}

/// What is no file is not replaced by one, and no container is made for it.
fn no_file_of_ids(t: &Stage) {
    let victim = t.dir.join("victim");
    std::fs::write(&victim, "mine").expect("a file");
    let (link, dangling) = (t.dir.join("link"), t.dir.join("dangling"));
    std::os::unix::fs::symlink(&victim, &link).expect("a link");
    std::os::unix::fs::symlink("/nowhere", &dangling).expect("a link");
    let pipe = t.dir.join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    for option in ["--pidfile", "--conmon-pidfile"] {
        for path in [&link, &dangling, &pipe, &t.dir] {
            let before = std::fs::symlink_metadata(path).expect("it").ino();
            let typed = path.display().to_string();
            let refusal = t
                .call(&["run", "-d", option, &typed, "host:", "sleep", "1000"])
                .refused(125);
            assert!(
                refusal.contains(&format!("{option} {typed}: it is")),
                "{refusal}"
            );
            let after = std::fs::symlink_metadata(path)
                .expect("it is still there")
                .ino();
            assert_eq!(after, before, "{typed}");
        }
    }
    assert_eq!(std::fs::read_to_string(victim).expect("it"), "mine");
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}
