//! Limits are felt by real programs, and what is not there yet is refused by name.

use crate::player::{Player, Who};
use crate::stage::until;

crate::cases![memory, processes, files, time, health];

fn memory(t: &Player) {
    t.need(&["/usr/bin/python3"]);
    // Not of zeros, for which Linux 6.12 takes its huge pages apart and needs no memory.
    let eat = "x = b'x' * (300 << 20); print('eaten')";
    let run = ["-m", "64m", "host:", "/usr/bin/python3", "-c", eat];
    let eaten = t.run(&run);
    if t.who == Who::User && eaten.code == 125 {
        // Without a cgroup of its own the user has no such limit: said, never ignored.
        assert!(eaten.stderr.contains("memory"), "{eaten:?}");
        t.stage.need(
            false,
            "no delegated cgroup for the user; the limit was refused by name",
        );
    }
    assert_eq!((eaten.code, eaten.stdout.as_str()), (137, ""), "{eaten:?}");
    let little = t.run(&[
        "-m",
        "64m",
        "host:",
        "/usr/bin/python3",
        "-c",
        "print('fits')",
    ]);
    assert_eq!(little.text(), "fits");
}

fn processes(t: &Player) {
    t.need(&["/usr/bin/python3"]);
    let script = "
import subprocess
made = []
try:
    for n in range(40): made.append(subprocess.Popen(['/bin/sleep', '5']))
except OSError as error: print('refused', error.errno, len(made) < 20)
for one in made: one.kill()
";
    let seen = t.run(&[
        "--pids-limit",
        "20",
        "host:",
        "/usr/bin/python3",
        "-c",
        script,
    ]);
    // EAGAIN (fork(2)).
    assert_eq!(seen.text(), "refused 11 True");
}

fn files(t: &Player) {
    t.need(&["/usr/bin/python3"]);
    let script = "
try:
    held = [open('/dev/null') for _ in range(200)]
except OSError as error: print(error.errno)
";
    let seen = t.run(&[
        "--ulimit",
        "nofile=64:64",
        "host:",
        "/usr/bin/python3",
        "-c",
        script,
    ]);
    // EMFILE (open(2)).
    assert_eq!(seen.text(), "24");
}

fn time(t: &Player) {
    t.need(&["/usr/bin/python3"]);
    let seen = t.run(&[
        "--timeout",
        "1",
        "--stop-timeout",
        "1",
        "host:",
        "/usr/bin/python3",
        "-c",
        "while True: pass",
    ]);
    assert!(matches!(seen.code, 137 | 143), "{seen:?}");
}

/// A web server is well until what it is asked for is gone.
fn health(t: &Player) {
    t.need(&["/usr/bin/python3"]);
    let check = format!("python3 -c \"{}\"", crate::service::GET.trim());
    let script = "cd /tmp; echo well > hello; exec python3 -m http.server 8080 -b 127.0.0.1";
    let checks = [
        "--health-interval",
        "200ms",
        "--health-retries",
        "2",
        "--health-start-period",
        "20s",
    ];
    let run = ["run", "-d", "--name", "s", "--health-cmd", &check];
    let image = ["host:", "sh", "-c", script];
    t.call(&[&run[..], &checks, &image].concat()).text();
    let is = |status: &str| until(|| t.field("s", "{{.State.Health.Status}}") == status);
    assert!(is("healthy"), "{}", t.field("s", "{{json .State.Health}}"));
    t.call(&["exec", "s", "rm", "/tmp/hello"]).text();
    assert!(
        is("unhealthy"),
        "{}",
        t.field("s", "{{json .State.Health}}")
    );
    t.call(&["rm", "-f", "s"]).text();
}
