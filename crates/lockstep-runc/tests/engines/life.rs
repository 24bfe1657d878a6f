//! The life of a container, in the words that Docker and Podman share.
//!
//! Every check makes its own container, so that one can be run again alone, with another runtime.

use std::cell::Cell;

use crate::session::Session;
use crate::shell::{Output, Shell, has, same, until};

/// A shell program that counts in `/tmp/n`, says when it gets USR1 and ends with 9 on TERM.
pub(crate) const COUNTER: &str = r#"
trap 'echo got-usr1' USR1
trap 'echo bye; exit 9' TERM
echo ready; echo complaint >&2
i=0; while :; do i=$((i+1)); echo $i > /tmp/n; sleep 0.05; done"#;

/// A shell program whose child dies by KILL; init itself cannot be killed from inside.
pub(crate) const KILLED: &str = "sh -c 'kill -9 $$'; exit $?";

/// The memory limit as seen from inside, on either cgroup version.
pub(crate) const MEMORY_LIMIT: &str =
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max";

/// A Docker-like command line with what this engine needs on every call.
pub(crate) struct Cli<'a> {
    /// The session it belongs to.
    pub(crate) session: &'a Session,
    /// Where its commands run: environment and user.
    pub(crate) shell: Shell,
    /// The program and its global options.
    pub(crate) program: Vec<String>,
    /// Options of every `run` and `create`.
    pub(crate) options: Vec<String>,
    /// The image's name.
    pub(crate) image: String,
    serial: Cell<u32>,
}

impl<'a> Cli<'a> {
    /// The command line `program`, run in `shell`.
    pub(crate) fn new(session: &'a Session, shell: Shell, program: Vec<String>) -> Cli<'a> {
        Cli {
            session,
            shell,
            program,
            options: Vec::new(),
            image: crate::image::NAME.into(),
            serial: Cell::new(0),
        }
    }

    fn words<'b>(&'b self, words: &[&'b str]) -> Vec<&'b str> {
        self.program
            .iter()
            .map(String::as_str)
            .chain(words.iter().copied())
            .collect()
    }

    /// Run a subcommand, whatever its exit code.
    pub(crate) fn call(&self, words: &[&str]) -> Result<Output, String> {
        self.shell.run(&self.words(words))
    }

    /// Run a subcommand that must succeed.
    pub(crate) fn ok(&self, words: &[&str]) -> Result<String, String> {
        self.shell.ok(&self.words(words))
    }

    /// Run a subcommand on a terminal and type `input`.
    pub(crate) fn on_terminal(&self, words: &[&str], input: &str) -> Result<Output, String> {
        self.shell.on_terminal(&self.words(words), input)
    }

    /// The words of a subcommand that makes a container.
    pub(crate) fn making<'b>(
        &'b self,
        verb: &[&'b str],
        options: &[&'b str],
        command: &[&'b str],
    ) -> Vec<&'b str> {
        let mut words = verb.to_vec();
        words.extend(self.options.iter().map(String::as_str));
        if !options.iter().any(|option| option.starts_with("--net")) {
            words.push("--network=none");
        }
        words.extend(options);
        words.push(&self.image);
        words.extend(command);
        words
    }

    /// `run --rm`, whatever its exit code.
    pub(crate) fn run(&self, options: &[&str], command: &[&str]) -> Result<Output, String> {
        self.call(&self.making(&["run", "--rm"], options, command))
    }

    /// Standard output, trimmed, of `run --rm` of a shell script that must succeed.
    pub(crate) fn inside(&self, options: &[&str], script: &str) -> Result<String, String> {
        let output = self.run(options, &["sh", "-c", script])?;
        if output.code != 0 {
            return Err(format!("run {options:?} {script:?}: {}", output.shown()));
        }
        Ok(output.out.trim_end().to_owned())
    }

    /// A name that no other container of the session has.
    pub(crate) fn fresh(&self) -> String {
        self.serial.set(self.serial.get() + 1);
        format!("life{}", self.serial.get())
    }

    /// `run -d` of a shell script.
    pub(crate) fn start(&self, options: &[&str], script: &str) -> Result<Container<'_>, String> {
        let name = self.fresh();
        let container = Container { cli: self, name };
        let verb = ["run", "-d", "--name", container.name.as_str()];
        self.ok(&self.making(&verb, options, &["sh", "-c", script]))?;
        Ok(container)
    }

    /// `run -d` of [`COUNTER`], which has set its traps when this returns.
    pub(crate) fn counter(&self, options: &[&str]) -> Result<Container<'_>, String> {
        let container = self.start(options, COUNTER)?;
        until(|| container.count().map(drop))?;
        Ok(container)
    }
}

/// A container with a name, removed by force when dropped.
pub(crate) struct Container<'a> {
    cli: &'a Cli<'a>,
    /// Its name.
    pub(crate) name: String,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // Gone already in the checks that remove it; `nothing_left` judges the rest.
        drop(self.cli.call(&["rm", "-f", &self.name]));
    }
}

impl Container<'_> {
    /// Standard output, trimmed, of `exec` of a shell script that must succeed.
    pub(crate) fn exec(&self, options: &[&str], script: &str) -> Result<String, String> {
        let mut words = vec!["exec"];
        words.extend(options);
        words.extend([self.name.as_str(), "sh", "-c", script]);
        Ok(self.cli.ok(&words)?.trim_end().to_owned())
    }

    /// How far the counter is.
    pub(crate) fn count(&self) -> Result<u64, String> {
        let text = self.exec(&[], "cat /tmp/n")?;
        text.parse().ok().ok_or_else(|| format!("count {text:?}"))
    }

    /// A field of `inspect`.
    pub(crate) fn inspect(&self, format: &str) -> Result<String, String> {
        Ok(self
            .cli
            .ok(&["inspect", "-f", format, &self.name])?
            .trim_end()
            .to_owned())
    }

    /// What its monitor kept of its output: both streams.
    pub(crate) fn logs(&self) -> Result<(String, String), String> {
        let output = self.cli.call(&["logs", &self.name])?;
        Ok((output.out, output.err))
    }
}

/// The checks that every Docker-like engine must pass.
pub(crate) fn play(cli: &Cli<'_>) {
    let check =
        |name, body: fn(&Cli<'_>) -> Result<(), String>| cli.session.check(name, || body(cli));
    check("exit-codes", exit_codes);
    check("streams", streams);
    check("run-terminal", run_terminal);
    check("exec", exec);
    check("exec-terminal", exec_terminal);
    check("exec-settings", exec_settings);
    check("exec-privileged", exec_privileged);
    check("exec-joins-all", exec_joins_all);
    check("pause", pause);
    check("update", update);
    check("top", top);
    check("stats", stats);
    check("stop-gracefully", stop_gracefully);
    check("stop-by-force", stop_by_force);
    check("signals", signals);
    check("logs", logs);
    check("remove-by-force", remove_by_force);
    check("create-start-restart", create_start_restart);
    check("wait", wait);
    check("many-at-once", many_at_once);
    crate::life_settings::play(cli);
}

fn exit_codes(cli: &Cli<'_>) -> Result<(), String> {
    same("true", cli.run(&[], &["true"])?.code, 0)?;
    same("exit 42", cli.run(&[], &["sh", "-c", "exit 42"])?.code, 42)?;
    same("kill -9", cli.run(&[], &["sh", "-c", KILLED])?.code, 137)?;
    let absent = cli.run(&[], &["no-such-program"])?;
    same("absent", absent.code, 127)?;
    has("absent", &absent.err.to_lowercase(), "no-such-program")?;
    let text = cli.run(&[], &["/etc/passwd"])?;
    same("not executable", text.code, 126)?;
    has(
        "not executable",
        &text.err.to_lowercase(),
        "permission denied",
    )
}

fn streams(cli: &Cli<'_>) -> Result<(), String> {
    let words = cli.making(
        &["run", "--rm", "-i"],
        &[],
        &["sh", "-c", "cat; echo oops >&2"],
    );
    let output = cli.shell.run_with(&cli.words(&words), "typed\n")?;
    same("code", output.code, 0)?;
    same("stdout", output.out.as_str(), "typed\n")?;
    has("stderr", &output.err, "oops")?;
    if output.err.contains("typed") {
        return Err(format!("streams are mixed: {}", output.shown()));
    }
    let large = cli.inside(&[], "head -c 300000 /dev/zero | tr '\\0' x")?;
    same("length", large.len(), 300_000)
}

fn run_terminal(cli: &Cli<'_>) -> Result<(), String> {
    let script = "tty; test -t 0 && test -t 1 && test -t 2 && sleep 0.5; stty size; exit 5";
    let words = cli.making(&["run", "--rm", "-t"], &[], &["sh", "-c", script]);
    let output = cli.on_terminal(&words, "")?;
    same("code", output.code, 5)?;
    has("tty", &output.out, "/dev/pts/0")?;
    has("size", &output.out, "33 77")
}

fn exec(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&[])?;
    same(
        "output",
        container.exec(&[], "echo from-exec")?.as_str(),
        "from-exec",
    )?;
    let failed = cli.call(&["exec", &container.name, "sh", "-c", "exit 43"])?;
    same("exit code", failed.code, 43)?;
    let killed = cli.call(&["exec", &container.name, "sh", "-c", "kill -9 $$"])?;
    same("killed", killed.code, 137)?;
    let absent = cli.call(&["exec", &container.name, "no-such-program"])?;
    // Docker 20.10 says 126, newer ones and Podman 127.
    if ![126, 127].contains(&absent.code) {
        return Err(format!("absent: {}", absent.shown()));
    }
    has(
        "absent",
        &format!("{}{}", absent.err, absent.out),
        "no-such-program",
    )?;
    cli.ok(&[
        "exec",
        "-d",
        &container.name,
        "sh",
        "-c",
        "echo done > /tmp/detached",
    ])?;
    until(|| {
        container
            .exec(&[], "cat /tmp/detached")
            .and_then(|text| same("detached", text.as_str(), "done"))
    })?;
    let words = cli.words(&["exec", "-i", &container.name, "cat"]).join(" ");
    let typed = cli
        .shell
        .run_with(&cli.words(&["exec", "-i", &container.name, "cat"]), "typed")?;
    same(&words, typed.out.as_str(), "typed")
}

fn exec_terminal(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&[])?;
    let script = "tty; sleep 0.5; stty size; exit 6";
    let output = cli.on_terminal(&["exec", "-t", &container.name, "sh", "-c", script], "")?;
    same("code", output.code, 6)?;
    has("tty", &output.out, "/dev/pts/0")?;
    has("size", &output.out, "33 77")?;
    let typed = cli.on_terminal(
        &["exec", "-i", "-t", &container.name, "sh"],
        "echo $((6*7)); exit 4\n",
    )?;
    same("typed code", typed.code, 4)?;
    has("typed", &typed.out, "42")
}

fn exec_settings(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&["-e", "OWN=1"])?;
    same(
        "environment",
        container
            .exec(&["-e", "WORD=w x"], "echo $OWN,$WORD")?
            .as_str(),
        "1,w x",
    )?;
    same(
        "folder",
        container.exec(&["-w", "/usr"], "pwd")?.as_str(),
        "/usr",
    )?;
    let ids = "echo $(id -u) $(id -g) $(id -G)";
    same(
        "ids",
        container.exec(&["-u", "1000:1000"], ids)?.as_str(),
        "1000 1000 1000",
    )?;
    has(
        "groups of a name",
        &container.exec(&["-u", "guest"], ids)?,
        "2000",
    )?;
    let own = container.exec(
        &[],
        "grep -E '^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/self/status",
    )?;
    let init = container.exec(
        &[],
        "grep -E '^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/1/status",
    )?;
    same("status of exec and init", own, init)?;
    let other = container.exec(&["-u", "1000"], "grep CapEff /proc/self/status")?;
    has("capabilities of a user", &other, "0000000000000000")
}

fn exec_privileged(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&[])?;
    let effective = "grep CapEff /proc/self/status";
    let all = container.exec(&["--privileged"], effective)?;
    if all == container.exec(&[], effective)? {
        return Err(format!("exec --privileged gives no more: {all}"));
    }
    Ok(())
}

fn exec_joins_all(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&[])?;
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let script = format!("readlink /proc/self/ns/{kind}; readlink /proc/1/ns/{kind}");
        let both = container.exec(&[], &script)?;
        let (own, init) = both.split_once('\n').unwrap_or_default();
        same(kind, own, init)?;
    }
    same(
        "cgroup",
        container.exec(&[], "cat /proc/self/cgroup")?,
        container.exec(&[], "cat /proc/1/cgroup")?,
    )
}

fn pause(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&["-v", &format!("{}:/tmp", cli.session.path("tmp"))])?;
    let file = cli.session.work.join("tmp/n");
    let count = || std::fs::read_to_string(&file).map_err(|error| error.to_string());
    cli.ok(&["pause", &container.name])?;
    same(
        "status",
        container.inspect("{{.State.Status}}")?.as_str(),
        "paused",
    )?;
    let before = count()?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    same("count while paused", count()?, before.clone())?;
    cli.ok(&["unpause", &container.name])?;
    same(
        "status",
        container.inspect("{{.State.Status}}")?.as_str(),
        "running",
    )?;
    until(|| {
        if count()? == before {
            Err("does not count on".into())
        } else {
            Ok(())
        }
    })?;
    cli.ok(&["pause", &container.name])?;
    cli.ok(&["unpause", &container.name])?;
    cli.ok(&["stop", "-t", "10", &container.name]).map(drop)
}

fn update(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&["-m", "64m"])?;
    same(
        "before",
        container.exec(&[], MEMORY_LIMIT)?.as_str(),
        "67108864",
    )?;
    cli.ok(&["update", "-m", "48m", &container.name])?;
    same(
        "after",
        container.exec(&[], MEMORY_LIMIT)?.as_str(),
        "50331648",
    )?;
    cli.ok(&["update", "--cpu-shares", "333", &container.name])?;
    let shares = "cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null || cat /sys/fs/cgroup/cpu.weight";
    let shares = container.exec(&[], shares)?;
    if shares != "333" && shares != "13" {
        return Err(format!("cpu shares: {shares}"));
    }
    same(
        "memory is kept",
        container.exec(&[], MEMORY_LIMIT)?.as_str(),
        "50331648",
    )
}

fn top(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&[])?;
    let text = cli.ok(&["top", &container.name])?;
    has("top", &text, "got-usr1")?;
    has("top", &text, "PID")
}

fn stats(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&["-m", "64m"])?;
    let text = cli.ok(&[
        "stats",
        "--no-stream",
        "--format",
        "{{.MemUsage}} {{.PIDs}}",
        &container.name,
    ])?;
    let limit = text.contains("64MiB") || text.contains("67.11MB");
    if !limit || text.starts_with("0B") || text.trim_end().ends_with(" 0") {
        return Err(format!("stats: {text:?}"));
    }
    Ok(())
}

fn stop_gracefully(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&[])?;
    cli.ok(&["stop", "-t", "30", &container.name])?;
    same(
        "state",
        container
            .inspect("{{.State.Status}} {{.State.ExitCode}}")?
            .as_str(),
        "exited 9",
    )?;
    has("last word", &container.logs()?.0, "bye")
}

fn stop_by_force(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.start(
        &[],
        "trap '' TERM; echo > /tmp/n; while :; do sleep 1; done",
    )?;
    until(|| container.exec(&[], "cat /tmp/n"))?;
    cli.call(&["stop", "-t", "1", &container.name])?;
    same(
        "state",
        container
            .inspect("{{.State.Status}} {{.State.ExitCode}}")?
            .as_str(),
        "exited 137",
    )
}

fn signals(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&[])?;
    cli.ok(&["kill", "-s", "USR1", &container.name])?;
    until(|| has("logs", &container.logs()?.0, "got-usr1"))?;
    same(
        "status",
        container.inspect("{{.State.Status}}")?.as_str(),
        "running",
    )?;
    cli.ok(&["kill", &container.name])?;
    let state = || container.inspect("{{.State.Status}} {{.State.ExitCode}}");
    until(|| same("state", state()?.as_str(), "exited 137"))
}

fn logs(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&[])?;
    let (out, err) = container.logs()?;
    same("stdout", out.as_str(), "ready\n")?;
    same("stderr", err.as_str(), "complaint\n")
}

fn remove_by_force(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.counter(&[])?;
    if cli.call(&["rm", &container.name])?.code == 0 {
        return Err("a running container was removed without force".into());
    }
    cli.ok(&["rm", "-f", &container.name])?;
    let listed = cli.ok(&["ps", "-a", "--format", "{{.Names}}"])?;
    if listed.lines().any(|name| name == container.name) {
        return Err(format!("still listed: {listed}"));
    }
    Ok(())
}

fn create_start_restart(cli: &Cli<'_>) -> Result<(), String> {
    let name = cli.fresh();
    let container = Container { cli, name };
    let script = "echo run >> /root/runs; cat /root/runs; exit 3";
    let words = cli.making(
        &["create", "--name", &container.name],
        &[],
        &["sh", "-c", script],
    );
    cli.ok(&words)?;
    same(
        "created",
        container.inspect("{{.State.Status}}")?.as_str(),
        "created",
    )?;
    let first = cli.call(&["start", "-a", &container.name])?;
    same("first", (first.code, first.out.as_str()), (3, "run\n"))?;
    let second = cli.call(&["start", "-a", &container.name])?;
    same(
        "second",
        (second.code, second.out.as_str()),
        (3, "run\nrun\n"),
    )?;
    let counter = cli.counter(&[])?;
    let pid = counter.inspect("{{.State.Pid}}")?;
    cli.ok(&["restart", "-t", "10", &counter.name])?;
    same(
        "restarted",
        counter.inspect("{{.State.Status}}")?.as_str(),
        "running",
    )?;
    if counter.inspect("{{.State.Pid}}")? == pid {
        return Err(format!("restart kept process {pid}"));
    }
    until(|| counter.count().map(drop))
}

fn wait(cli: &Cli<'_>) -> Result<(), String> {
    let container = cli.start(&[], "sleep 1; exit 17")?;
    same("wait", cli.ok(&["wait", &container.name])?.trim_end(), "17")
}

fn many_at_once(cli: &Cli<'_>) -> Result<(), String> {
    let words = cli.making(&["run", "--rm"], &[], &["sh", "-c", "echo alive; exit 7"]);
    let words = cli.words(&words);
    let shell = &cli.shell;
    let results: Vec<Result<Output, String>> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..6).map(|_| scope.spawn(|| shell.run(&words))).collect();
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
