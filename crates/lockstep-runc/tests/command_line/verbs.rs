//! The verbs on live containers against Debian's runc, step by step through one container's life.
//!
//! Both runtimes get the same bundle and the same calls; exit codes must be equal and our message must
//! begin with runc's, since scripts look for it. What more ours says (call, hint) may follow.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{RUNC, directory, is_there, ours, runc_is_there, said};

/// A bundle with busybox, its state directory, and a container id of this test alone.
struct Life {
    program: &'static str,
    directory: PathBuf,
    id: String,
}

impl Life {
    fn new(program: &'static str, name: &str) -> Self {
        let short = if program == RUNC { "runc" } else { "ours" };
        let directory = directory(&format!("verbs-{name}-{short}"));
        let bin = directory.join("rootfs/bin");
        fs::create_dir_all(&bin).expect("a root");
        fs::copy("/bin/busybox", bin.join("busybox")).expect("busybox-static is installed");
        for applet in ["sh", "sleep", "true"] {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).expect("an applet");
        }
        let id = format!("lockstep-cli-{name}-{short}-{}", std::process::id());
        let life = Life {
            program,
            directory,
            id,
        };
        life.configure(&["/bin/sleep", "1000"]);
        life
    }

    fn configure(&self, args: &[&str]) {
        let path = self.directory.join("config.json");
        if path.exists() {
            fs::remove_file(&path).expect("removed");
        }
        let mut config = super::spec(RUNC, &self.directory, &[]);
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = args.into();
        fs::write(path, config.to_string()).expect("a configuration");
    }

    /// Calls a verb; `ID` among the arguments stands for the container's.
    fn call(&self, args: &[&str]) -> Output {
        let state = self.directory.join("state");
        let mut command = Command::new("/usr/bin/timeout");
        command.args(["30", self.program, "--root"]).arg(state);
        command.args(
            args.iter()
                .map(|arg| if *arg == "ID" { &self.id } else { *arg }),
        );
        command.current_dir(&self.directory).stdin(Stdio::null());
        // A container keeps its standard streams, so they must not be pipes that are read to their end.
        if args[0] == "create" || args.contains(&"-d") {
            let log = self.directory.join("stderr");
            command.stdout(Stdio::null());
            command.stderr(fs::File::create(&log).expect("a file"));
            let status = command.status().expect("it runs");
            return Output {
                status,
                stdout: Vec::new(),
                stderr: fs::read(&log).expect("the file"),
            };
        }
        command.output().expect("it runs")
    }

    fn stdout(&self, args: &[&str]) -> String {
        let output = self.call(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What a call says and its exit code, without the parts that differ between two containers.
    fn told(&self, args: &[&str]) -> (String, Option<i32>) {
        let (line, code) = said(self.program, &self.call(args));
        (line.replace(&self.id, "ID"), code)
    }

    fn status(&self) -> String {
        let state: serde_json::Value =
            serde_json::from_str(&self.stdout(&["state", "ID"])).expect("JSON");
        state["status"].as_str().expect("a status").to_owned()
    }

    fn wait_for(&self, status: &str) {
        let start = Instant::now();
        while self.status() != status {
            assert!(start.elapsed() < Duration::from_secs(20), "never {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.call(&["delete", "--force", "ID"]);
    }
}

fn compare(ours: &Life, theirs: &Life, args: &[&str]) {
    let (our_line, our_code) = ours.told(args);
    // So runc says it, too, since it is built with Go 1.20.
    let our_line = our_line.replace(
        "exec: \\\"/bin\\\": is a directory",
        "exec: \\\"/bin\\\": permission denied",
    );
    let (their_line, their_code) = theirs.told(args);
    // What stands behind these is another: a missing directory is made where that is possible, and mounts are other calls.
    let cut = [
        "set in config.json failed",
        ": stat /no/such: ",
        ": mount x:",
    ];
    let wanted = match cut.iter().find_map(|cut| their_line.split_once(cut)) {
        Some((before, _)) if !before.contains("exec: ") => before,
        _ => their_line.trim_end_matches('"'),
    };
    assert!(
        our_line.starts_with(wanted),
        "{args:?}\nours:   {our_line}\ntheirs: {their_line}"
    );
    assert_eq!(
        our_line.is_empty(),
        their_line.is_empty(),
        "{args:?}: {our_line}"
    );
    assert_eq!(our_code, their_code, "{args:?}: {our_line}");
}

/// Both runtimes for `test`, whose directories bear the short name.
fn pair(test: &str, name: &str) -> Option<(Life, Life)> {
    let test = format!("verbs::{test}");
    (runc_is_there(&test) && is_there(&test, "/bin/busybox"))
        .then(|| (Life::new(ours(), name), Life::new(RUNC, name)))
}

#[test]
fn a_container_that_is_not_there() {
    let Some((ours, theirs)) = pair("a_container_that_is_not_there", "absent") else {
        return;
    };
    for args in [
        &["state", "ID"][..],
        &["start", "ID"],
        &["kill", "ID"],
        &["delete", "ID"],
        &["delete", "--force", "ID"],
        &["exec", "ID", "true"],
        &["pause", "ID"],
        &["resume", "ID"],
        &["ps", "ID"],
        &["events", "ID"],
        &["update", "--memory", "10M", "ID"],
        &["state", "a/b"],
        &["state", ".."],
        &["state", ""],
        &["create", "a b"],
        &["list"],
        &["list", "-q"],
        &["list", "-f", "xx"],
    ] {
        compare(&ours, &theirs, args);
    }
    for args in [&["list"][..], &["list", "-f", "json"], &["list", "-q"]] {
        assert_eq!(ours.stdout(args), theirs.stdout(args), "{args:?}");
    }
}

#[test]
fn a_containers_life() {
    let Some((ours, theirs)) = pair("a_containers_life", "life") else {
        return;
    };
    let both = |calls: &[&[&str]]| calls.iter().for_each(|args| compare(&ours, &theirs, args));
    both(&[
        &["create", "ID"],
        &["create", "ID"],
        &["delete", "--help"],
        &["resume", "ID"],
        &["start", "ID"],
        &["start", "ID"],
        &["exec", "ID", "/bin/sh", "-c", "exit 7"],
        &["exec", "ID", "/bin/sh", "-c", "kill -9 $$"],
        &["exec", "ID", "nosuch"],
        &["exec", "ID", "/bin"],
        &["exec", "ID"],
        &["exec", "--cwd", "/nonexistent", "ID", "true"],
        &["exec", "--user", "foo", "ID", "true"],
        &["exec", "-d", "-t", "ID", "true"],
        &["exec", "--process", "/nonexistent", "ID"],
        &["exec", "-d", "ID", "true"],
        &["delete", "ID"],
        &["kill", "ID", "FOO"],
        &["kill", "ID", "0"],
        &["kill", "ID", "99"],
        &["exec", "--cgroup", "foo:bar", "ID", "true"],
        &["exec", "--cgroup", "../x", "ID", "true"],
        &["update", "--memory", "xx", "ID"],
        &["update", "--cpu-period", "x", "ID"],
        &["update", "-r", "/nonexistent", "ID"],
        &["update", "--memory", "50M", "ID"],
        &["update", "ID", "--pids-limit", "100"],
        &["events", "--interval", "0", "ID"],
        &["pause", "ID"],
        &["pause", "ID"],
        &["exec", "ID", "true"],
        &["delete", "ID"],
        &["resume", "ID"],
        &["resume", "ID"],
        &["kill", "ID", "KILL"],
    ]);
    ours.wait_for("stopped");
    theirs.wait_for("stopped");
    both(&[
        &["kill", "ID", "KILL"],
        &["exec", "ID", "true"],
        &["start", "ID"],
        &["pause", "ID"],
        &["resume", "ID"],
        &["events", "ID"],
        &["events", "--stats", "ID"],
        &["update", "--memory", "10M", "ID"],
        &["delete", "ID"],
        &["delete", "ID"],
    ]);
}

/// Sets what a JSON pointer names; what is missing on the way is made.
fn put(document: &mut serde_json::Value, pointer: &str, value: serde_json::Value) {
    let mut place = document;
    for name in pointer.split('/').skip(1) {
        place = match (name.parse::<usize>(), place.is_array()) {
            (Ok(nth), true) => &mut place[nth],
            _ => &mut place[name],
        };
    }
    *place = value;
}

/// What is wrong most often; docs/command-line.md says that these begin as runc's.
#[test]
fn common_mistakes_of_a_configuration() {
    let Some((ours, theirs)) = pair("common_mistakes_of_a_configuration", "mistakes") else {
        return;
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let bind =
        r#"{"destination": "/m", "type": "bind", "source": "/no/such", "options": ["bind"]}"#;
    let device = r#"[{"type": "x", "path": "/dev/x", "major": 1, "minor": 3}]"#;
    let cases = [
        ("/root", "null"),
        ("/root/path", "\"/no/rootfs\""),
        ("/process", "null"),
        ("/process/cwd", "\"\""),
        ("/process/cwd", "\"relative\""),
        ("/process/args", "[]"),
        ("/process/args", r#"["/no/such"]"#),
        (
            "/process/rlimits",
            r#"[{"type": "RLIMIT_X", "soft": 1, "hard": 1}]"#,
        ),
        ("/mounts/6", bind),
        (
            "/mounts/6",
            r#"{"destination": "/m", "type": "nofs", "source": "x"}"#,
        ),
        ("/linux/sysctl", r#"{"kernel.panic": "1"}"#),
        ("/linux/namespaces/0", r#"{"type": "nope"}"#),
        ("/linux/rootfsPropagation", "\"nope\""),
        ("/linux/devices", device),
        ("/linux/seccomp", r#"{"defaultAction": "NOPE"}"#),
    ];
    for (pointer, value) in cases {
        for life in [&ours, &theirs] {
            life.configure(&["/bin/true"]);
            let path = life.directory.join("config.json");
            let mut config = json(&fs::read_to_string(&path).expect("a configuration"));
            put(&mut config, pointer, json(value));
            fs::write(path, config.to_string()).expect("written");
        }
        compare(&ours, &theirs, &["run", "ID"]);
    }
    for life in [&ours, &theirs] {
        fs::remove_file(life.directory.join("config.json")).expect("removed");
    }
    compare(&ours, &theirs, &["run", "ID"]);
}

#[test]
fn run_gives_the_programs_code() {
    let Some((ours, theirs)) = pair("run_gives_the_programs_code", "run") else {
        return;
    };
    for (args, calls) in [
        (&["/bin/sh", "-c", "exit 9"][..], &["run", "ID"][..]),
        (&["/bin/sh", "-c", "kill -15 $$"], &["run", "ID"]),
        (&["nosuch"], &["run", "ID"]),
        (&["/bin"], &["run", "ID"]),
        (&["/nonexistent"], &["create", "ID"]),
        (&["/bin/sh", "-c", "exit 3"], &["run", "--keep", "ID"]),
        (&["/bin/true"], &["run", "ID"]),
    ] {
        ours.configure(args);
        theirs.configure(args);
        compare(&ours, &theirs, calls);
    }
    assert_eq!(ours.status(), "stopped");
}

#[test]
fn capabilities_that_a_process_description_leaves_out_are_the_containers() {
    let Some((ours, theirs)) = pair(
        "capabilities_that_a_process_description_leaves_out_are_the_containers",
        "process",
    ) else {
        return;
    };
    let mut seen = Vec::new();
    for life in [&ours, &theirs] {
        life.call(&["run", "-d", "ID"]);
        let process = serde_json::json!({
            "user": { "uid": 0, "gid": 5 },
            "cwd": "/",
            "env": ["PATH=/bin"],
            "args": ["/bin/busybox", "grep", "-E", "Groups|Cap|Seccomp", "/proc/self/status"],
        });
        let file = life.directory.join("process.json");
        fs::write(file, process.to_string()).expect("a process");
        seen.push(life.stdout(&["exec", "--process", "process.json", "ID"]));
    }
    assert_eq!(seen[0], seen[1]);
    assert!(
        seen[0].contains("CapBnd:\t0000000020000420\n"),
        "{}",
        seen[0]
    );
}

#[test]
fn a_missing_working_directory_is_made_below_a_read_only_root() {
    let Some((ours, theirs)) = pair(
        "a_missing_working_directory_is_made_below_a_read_only_root",
        "cwd",
    ) else {
        return;
    };
    for life in [&ours, &theirs] {
        life.configure(&["/bin/busybox", "pwd"]);
        let path = life.directory.join("config.json");
        let text = fs::read_to_string(&path).expect("a configuration");
        let mut config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(config["root"]["readonly"], true);
        config["process"]["cwd"] = "/new/directory".into();
        config["process"]["user"] = serde_json::json!({ "uid": 5, "gid": 6 });
        fs::write(path, config.to_string()).expect("a configuration");
        assert_eq!(life.stdout(&["run", "ID"]), "/new/directory\n");
    }
}

#[test]
fn a_program_does_not_inherit_what_the_caller_ignores() {
    let Some((ours, theirs)) = pair(
        "a_program_does_not_inherit_what_the_caller_ignores",
        "signals",
    ) else {
        return;
    };
    let ignored = |life: &Life, verb: &str| {
        let script = format!(
            "trap '' QUIT PIPE CHLD USR1 TTOU HUP; exec {} --root {}/state {verb}",
            life.program,
            life.directory.display()
        );
        let output = super::run("/bin/bash", &["-c", &script], &life.directory);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let program = ["/bin/busybox", "grep", "SigIgn", "/proc/self/status"];
    let mut seen = Vec::new();
    for life in [&ours, &theirs] {
        life.configure(&program);
        seen.push(ignored(life, &format!("run {}", life.id)));
        life.configure(&["/bin/sleep", "1000"]);
        life.call(&["run", "-d", "ID"]);
        let exec = format!("exec {} {}", life.id, program.join(" "));
        seen.push(ignored(life, &exec));
    }
    assert_eq!(seen[..2], seen[2..]);
    // Bit 31 is a signal of the C library that no program can set.
    let mask = seen[0].trim_start_matches("SigIgn:").trim();
    let mask = u64::from_str_radix(mask, 16).expect("a mask");
    assert_eq!(mask & !(1 << 31), 0, "{mask:x}");
}

/// Names of all members of a JSON value, as paths.
fn members(value: &serde_json::Value, path: &str, out: &mut Vec<String>) {
    if let Some(object) = value.as_object() {
        for (name, value) in object {
            // A zero of these is left out by both.
            let optional = ["cache", "current", "max", "total", "usage"].contains(&name.as_str());
            if optional && value.is_number() {
                continue;
            }
            let path = format!("{path}.{name}");
            out.push(path.clone());
            // Names of the kernel, not of the runtime; runc does not see hugetlb on a hybrid host.
            if !path.ends_with(".raw") && !path.ends_with(".hugetlb") {
                members(value, &path, out);
            }
        }
    }
}

/// Statistics that runc answers since 1.2: pressure, and the lists of a version 2 cpuset.
fn newer(member: &str) -> bool {
    let lists = [".data.cpuset.cpus", ".data.cpuset.mems"];
    member.contains(".psi") || lists.contains(&member)
}

#[test]
fn answers_have_runcs_shape() {
    let Some((ours, theirs)) = pair("answers_have_runcs_shape", "answers") else {
        return;
    };
    for life in [&ours, &theirs] {
        life.call(&["run", "-d", "ID"]);
        life.wait_for("running");
    }
    for args in [
        &["state", "ID"][..],
        &["events", "--stats", "ID"],
        &["list", "-f", "json"],
    ] {
        let shape = |life: &Life| {
            let value: serde_json::Value = serde_json::from_str(&life.stdout(args)).expect("JSON");
            let value = value.get(0).cloned().unwrap_or(value);
            let mut out = Vec::new();
            members(&value, "", &mut out);
            out.sort_unstable();
            out
        };
        let (mut ours, theirs) = (shape(&ours), shape(&theirs));
        ours.retain(|member| theirs.contains(member) || !newer(member));
        assert_eq!(ours, theirs, "{args:?}");
    }
    for life in [&ours, &theirs] {
        let pids: Vec<i32> =
            serde_json::from_str(&life.stdout(&["ps", "-f", "json", "ID"])).expect("JSON");
        assert_eq!(pids.len(), 1);
        let table = life.stdout(&["ps", "ID"]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2, "{table}");
        assert!(
            lines[0].contains("PID") && lines[1].contains(&pids[0].to_string()),
            "{table}"
        );
        let table = life.stdout(&["ps", "ID", "-o", "pid,args"]);
        assert!(table.contains("/bin/sleep 1000"), "{table}");
        assert_eq!(life.stdout(&["list", "-q"]), format!("{}\n", life.id));
        let list = life.stdout(&["list"]);
        assert!(
            list.contains("running     ") && list.contains("   root\n"),
            "{list}"
        );
    }
}
