//! containerd's own client, `ctr`, which hands the runtime to the shim by its path.

use std::path::PathBuf;

use crate::image;
use crate::life::{COUNTER, KILLED};
use crate::session::{Daemon, Session};
use crate::shell::{Output, has, same, until};

/// A containerd of the session.
pub(crate) struct Containerd<'a> {
    session: &'a Session,
    daemon: Daemon,
    socket: String,
}

impl<'a> Containerd<'a> {
    /// Start it, with `more` after the basic configuration.
    ///
    /// # Errors
    /// What it logged, if it does not answer.
    pub(crate) fn start(session: &'a Session, more: &str) -> Result<Containerd<'a>, String> {
        let socket = session.path("c.sock");
        let config = format!(
            "version = 2\nroot = \"{work}/root\"\nstate = \"{work}/state\"\n[grpc]\naddress = \"{socket}\"\n[ttrpc]\naddress = \"{work}/t.sock\"\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{work}/opt\"\n{more}",
            work = session.work.display()
        );
        let path = session.path("containerd.toml");
        std::fs::write(&path, config).map_err(|error| format!("{path}: {error}"))?;
        let daemon = session.daemon("containerd", &["containerd", "-c", &path, "-l", "warn"])?;
        let containerd = Containerd {
            session,
            daemon,
            socket,
        };
        until(|| containerd.ok("default", &["version"]).map(drop))
            .map_err(|error| format!("{error}\n{}", containerd.daemon.tail()))?;
        Ok(containerd)
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &str {
        &self.socket
    }

    /// The last lines of its log.
    pub(crate) fn tail(&self) -> String {
        self.daemon.tail()
    }

    /// Ask it to end and wait for that.
    ///
    /// # Errors
    /// It does not end.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.daemon.stop()
    }

    fn words<'b>(&'b self, namespace: &'b str, words: &[&'b str]) -> Vec<&'b str> {
        let mut all = vec!["ctr", "-a", &self.socket, "-n", namespace];
        all.extend(words);
        all
    }

    /// A `ctr` command that must succeed.
    ///
    /// # Errors
    /// Its output.
    pub(crate) fn ok(&self, namespace: &str, words: &[&str]) -> Result<String, String> {
        self.session.shell.ok(&self.words(namespace, words))
    }

    /// The test's image and the sandbox image, imported into `namespace`.
    ///
    /// # Errors
    /// What could not be made or imported.
    pub(crate) fn import(&self, namespace: &str) -> Result<(), String> {
        let image = image::make(&self.session.work, &self.session.shell)?;
        self.ok(
            namespace,
            &["image", "import", &image.oci.display().to_string()],
        )
        .map(drop)
    }
}

/// `ctr` in a namespace that is also the parent of its cgroups.
struct Ctr<'a> {
    containerd: &'a Containerd<'a>,
    session: &'a Session,
}

impl Ctr<'_> {
    fn ok(&self, words: &[&str]) -> Result<String, String> {
        self.containerd.ok(&self.session.name, words)
    }

    fn run(&self, id: &str, options: &[&str], command: &[&str]) -> Result<Output, String> {
        let runtime = self.session.runtime();
        let mut words = vec![
            "run",
            "--runtime",
            "io.containerd.runc.v2",
            "--runc-binary",
            &runtime,
        ];
        words.extend(options);
        words.extend([image::NAME, id]);
        words.extend(command);
        self.session
            .shell
            .run(&self.containerd.words(&self.session.name, &words))
    }

    fn inside(&self, id: &str, options: &[&str], script: &str) -> Result<String, String> {
        let mut all = vec!["--rm"];
        all.extend(options);
        let output = self.run(id, &all, &["sh", "-c", script])?;
        if output.code == 0 {
            Ok(output.out.trim_end().to_owned())
        } else {
            Err(output.shown())
        }
    }

    /// A detached container that counts; its log is a file.
    fn counter(&self, id: &str, options: &[&str]) -> Result<Task<'_>, String> {
        let log = format!("file://{}", self.session.path(&format!("{id}.txt")));
        let mut all = vec!["-d", "--log-uri", &log];
        all.extend(options);
        let output = self.run(id, &all, &["sh", "-c", COUNTER])?;
        let task = Task {
            ctr: self,
            id: id.to_owned(),
        };
        same("run -d", output.code, 0).map_err(|error| format!("{error}: {}", output.shown()))?;
        until(|| task.exec("cat /tmp/n").map(drop))?;
        Ok(task)
    }
}

struct Task<'a> {
    ctr: &'a Ctr<'a>,
    id: String,
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        // Gone already in the checks that remove it; `nothing-left` judges the rest.
        drop(self.ctr.ok(&["task", "delete", "-f", &self.id]));
        drop(self.ctr.ok(&["container", "rm", &self.id]));
    }
}

impl Task<'_> {
    fn exec(&self, script: &str) -> Result<String, String> {
        let text = self.ctr.ok(&[
            "task",
            "exec",
            "--exec-id",
            "probe",
            &self.id,
            "sh",
            "-c",
            script,
        ])?;
        Ok(text.trim_end().to_owned())
    }

    fn row(&self) -> Result<Vec<String>, String> {
        let list = self.ctr.ok(&["task", "ls"])?;
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let found = list
            .lines()
            .map(words)
            .find(|row| row.first() == Some(&self.id));
        found.ok_or_else(|| format!("{} is not in {list:?}", self.id))
    }

    fn status(&self, want: &str) -> Result<(), String> {
        until(|| same("status", self.row()?.get(2).map(String::as_str), Some(want)))
    }

    fn log(&self) -> Result<String, String> {
        let path = self.ctr.session.path(&format!("{}.txt", self.id));
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    }
}

/// The life of a container under `ctr`.
pub(crate) fn play(session: &Session) {
    let started = session.need("containerd", || {
        let containerd = Containerd::start(session, "")?;
        containerd.import(&session.name)?;
        Ok(containerd)
    });
    let Some(containerd) = started else {
        return;
    };
    let ctr = Ctr {
        containerd: &containerd,
        session,
    };
    let check = |name, body: fn(&Ctr<'_>) -> Result<(), String>| session.check(name, || body(&ctr));
    check("exit-codes", exit_codes);
    check("run-terminal", run_terminal);
    check("exec", exec);
    check("exec-terminal", exec_terminal);
    check("pause", pause);
    check("metrics-and-top", metrics_and_top);
    check("signals-and-stop", signals_and_stop);
    check("kill-and-remove", kill_and_remove);
    check("settings", settings);
    check("limits", limits);
    check("mounts", mounts);
    check("many-at-once", many_at_once);
    let states = vec![PathBuf::from("/run/containerd/runc").join(&session.name)];
    session.check("nothing-left", || session.nothing_left(&states));
    session.check("daemon-ends", || containerd.stop());
}

fn exit_codes(ctr: &Ctr<'_>) -> Result<(), String> {
    same("true", ctr.run("true", &["--rm"], &["true"])?.code, 0)?;
    same(
        "exit 42",
        ctr.run("exit", &["--rm"], &["sh", "-c", "exit 42"])?.code,
        42,
    )?;
    same(
        "kill -9",
        ctr.run("kill", &["--rm"], &["sh", "-c", KILLED])?.code,
        137,
    )?;
    let absent = ctr.run("absent", &["--rm"], &["no-such-program"])?;
    has("absent", &absent.err, "no-such-program")?;
    has("absent", &absent.err, "not found")
}

fn run_terminal(ctr: &Ctr<'_>) -> Result<(), String> {
    let runtime = ctr.session.runtime();
    let words = [
        "run",
        "--rm",
        "-t",
        "--runtime",
        "io.containerd.runc.v2",
        "--runc-binary",
        &runtime,
        image::NAME,
        "terminal",
        "sh",
        "-c",
        "sleep 1; tty; stty size; exit 5",
    ];
    let words = ctr.containerd.words(&ctr.session.name, &words);
    let output = ctr.session.shell.on_terminal(&words, "")?;
    same("code", output.code, 5)?;
    has("tty", &output.out, "/dev/pts/0")?;
    has("size", &output.out, "33 77")
}

fn exec(ctr: &Ctr<'_>) -> Result<(), String> {
    let task = ctr.counter("exec", &[])?;
    same("output", task.exec("echo from-exec")?.as_str(), "from-exec")?;
    let words = [
        "task",
        "exec",
        "--exec-id",
        "two",
        &task.id,
        "sh",
        "-c",
        "exit 43",
    ];
    let output = ctr
        .session
        .shell
        .run(&ctr.containerd.words(&ctr.session.name, &words))?;
    same("exit code", output.code, 43)?;
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let both = task.exec(&format!(
            "readlink /proc/self/ns/{kind}; readlink /proc/1/ns/{kind}"
        ))?;
        let (own, init) = both.split_once('\n').unwrap_or_default();
        same(kind, own, init)?;
    }
    same(
        "cgroup",
        task.exec("cat /proc/self/cgroup")?,
        task.exec("cat /proc/1/cgroup")?,
    )?;
    has(
        "cgroup",
        &task.exec("cat /proc/self/cgroup")?,
        &format!("/{}/exec", ctr.session.name),
    )?;
    let words = [
        "task",
        "exec",
        "--exec-id",
        "three",
        "--user",
        "1000:1000",
        &task.id,
        "id",
        "-u",
    ];
    same("user", ctr.ok(&words)?.trim_end(), "1000")
}

fn exec_terminal(ctr: &Ctr<'_>) -> Result<(), String> {
    let task = ctr.counter("tty", &[])?;
    let words = [
        "task",
        "exec",
        "-t",
        "--exec-id",
        "tty",
        &task.id,
        "sh",
        "-c",
        "sleep 1; tty; stty size; exit 6",
    ];
    let words = ctr.containerd.words(&ctr.session.name, &words);
    let output = ctr.session.shell.on_terminal(&words, "")?;
    same("code", output.code, 6)?;
    has("tty", &output.out, "/dev/pts/0")?;
    has("size", &output.out, "33 77")
}

fn pause(ctr: &Ctr<'_>) -> Result<(), String> {
    let dir = ctr.session.path("tmp");
    let task = ctr.counter(
        "pause",
        &[
            "--mount",
            &format!("type=bind,src={dir},dst=/tmp,options=rbind:rw"),
        ],
    )?;
    let count = || std::fs::read_to_string(format!("{dir}/n")).map_err(|error| error.to_string());
    ctr.ok(&["task", "pause", &task.id])?;
    task.status("PAUSED")?;
    let before = count()?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    same("count while paused", count()?, before.clone())?;
    ctr.ok(&["task", "resume", &task.id])?;
    task.status("RUNNING")?;
    until(|| {
        if count()? == before {
            Err("does not count on".into())
        } else {
            Ok(())
        }
    })
}

fn metrics_and_top(ctr: &Ctr<'_>) -> Result<(), String> {
    let task = ctr.counter("metrics", &["--memory-limit", "33554432"])?;
    let text = ctr.ok(&["task", "metrics", &task.id])?;
    has("limit", &text, "33554432")?;
    has("processes", &text, "pids.current")?;
    let pid = task.row()?.get(1).cloned().unwrap_or_default();
    let listed = ctr.ok(&["task", "ps", &task.id])?;
    has("ps", &listed, &pid)
}

fn signals_and_stop(ctr: &Ctr<'_>) -> Result<(), String> {
    let task = ctr.counter("stop", &[])?;
    ctr.ok(&["task", "kill", "-s", "SIGUSR1", &task.id])?;
    until(|| has("log", &task.log()?, "got-usr1"))?;
    ctr.ok(&["task", "kill", "-s", "SIGTERM", &task.id])?;
    task.status("STOPPED")?;
    has("last word", &task.log()?, "bye")?;
    let words = ["task", "delete", &task.id];
    let output = ctr
        .session
        .shell
        .run(&ctr.containerd.words(&ctr.session.name, &words))?;
    has("exit code", &output.err, "code 9")
        .or_else(|error| if output.code == 9 { Ok(()) } else { Err(error) })
}

fn kill_and_remove(ctr: &Ctr<'_>) -> Result<(), String> {
    let task = ctr.counter("kill", &[])?;
    ctr.ok(&[
        "task",
        "exec",
        "-d",
        "--exec-id",
        "more",
        &task.id,
        "sleep",
        "1000",
    ])?;
    ctr.ok(&["task", "kill", "-s", "SIGKILL", "--all", &task.id])?;
    task.status("STOPPED")?;
    ctr.ok(&["task", "delete", "-f", &task.id])?;
    ctr.ok(&["container", "rm", &task.id])?;
    same(
        "containers",
        ctr.ok(&["container", "ls", "-q"])?.as_str(),
        "",
    )
}

fn settings(ctr: &Ctr<'_>) -> Result<(), String> {
    let status = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\n\\t'";
    has(
        "default",
        &ctr.inside("default", &[], status)?,
        "NoNewPrivs:1",
    )?;
    has(
        "seccomp",
        &ctr.inside("seccomp", &["--seccomp"], status)?,
        "Seccomp:2",
    )?;
    let dropped = ctr.inside(
        "capability",
        &["--cap-drop", "CAP_CHOWN"],
        "chown 1000 /tmp; echo $?",
    )?;
    same("chown without its capability", dropped.as_str(), "1")?;
    let text = ctr.inside(
        "words",
        &["--env", "WORD=two words", "--cwd", "/usr"],
        "echo $WORD; pwd",
    )?;
    same("environment", text.as_str(), "two words\n/usr")?;
    let host = std::fs::read_link("/proc/self/ns/net").map_err(|error| error.to_string())?;
    same(
        "host network",
        ctr.inside("host", &["--net-host"], "readlink /proc/self/ns/net")?,
        host.display().to_string(),
    )?;
    ctr.inside("privileged", &["--privileged"], "mount -t tmpfs tmpfs /mnt")
        .map(drop)
}

fn limits(ctr: &Ctr<'_>) -> Result<(), String> {
    let task = ctr.counter(
        "limits",
        &[
            "--memory-limit",
            "33554432",
            "--cpu-quota",
            "50000",
            "--cpu-period",
            "100000",
        ],
    )?;
    let pid = task.row()?.get(1).cloned().unwrap_or_default();
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
        .map_err(|error| error.to_string())?;
    let below = |controller: &str, file: &str| {
        let path = cgroups.lines().find_map(|line| {
            line.split_once(&format!(":{controller}:"))
                .map(|pair| pair.1)
        });
        let path = format!(
            "/sys/fs/cgroup/{controller}{}/{file}",
            path.unwrap_or("/none")
        );
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    };
    if std::path::Path::new("/sys/fs/cgroup/memory").exists() {
        same(
            "memory",
            below("memory", "memory.limit_in_bytes")?.trim_end(),
            "33554432",
        )?;
        return same("cpu", below("cpu", "cpu.cfs_quota_us")?.trim_end(), "50000");
    }
    same("memory", below("", "memory.max")?.trim_end(), "33554432")?;
    same("cpu", below("", "cpu.max")?.trim_end(), "50000 100000")
}

fn mounts(ctr: &Ctr<'_>) -> Result<(), String> {
    let dir = ctr.session.path("tmp");
    let bind = |options: &str| format!("type=bind,src={dir},dst=/data,options={options}");
    let refused = ctr.inside(
        "ro",
        &["--mount", &bind("rbind:ro")],
        "touch /data/x 2>&1; true",
    )?;
    has("read-only", &refused, "Read-only file system")?;
    ctr.inside("rw", &["--mount", &bind("rbind:rw")], "touch /data/x")?;
    let line = ctr.inside(
        "slave",
        &["--mount", &bind("rbind:rslave")],
        "grep ' /data ' /proc/self/mountinfo",
    )?;
    if ctr.session.view == crate::case::View::Private {
        has("slave", &line, "master:")?;
    }
    let root = ctr.inside("root", &["--read-only"], "touch /etc/new 2>&1; true")?;
    has("root", &root, "Read-only file system")
}

fn many_at_once(ctr: &Ctr<'_>) -> Result<(), String> {
    let runtime = ctr.session.runtime();
    let run = |id: String| {
        let words = [
            "run",
            "--rm",
            "--runtime",
            "io.containerd.runc.v2",
            "--runc-binary",
            &runtime,
            image::NAME,
            &id,
            "sh",
            "-c",
            "echo alive; exit 7",
        ];
        ctr.session
            .shell
            .run(&ctr.containerd.words(&ctr.session.name, &words))
    };
    let results: Vec<Result<Output, String>> = std::thread::scope(|scope| {
        let run = &run;
        let started: Vec<_> = (0..6)
            .map(|n| scope.spawn(move || run(format!("many{n}"))))
            .collect();
        started
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_panic| Err("panicked".into()))
            })
            .collect()
    });
    for result in results {
        let output = result?;
        same(
            "one of many",
            (output.code, output.out.as_str()),
            (7, "alive\n"),
        )?;
    }
    Ok(())
}
