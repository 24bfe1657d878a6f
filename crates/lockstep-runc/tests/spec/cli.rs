//! Options of the command line that engines use, log lines, and the wording that scripts match on.

use serde_json::Value;

use crate::harness::{Host, Test, View, cases, wait_until};

cases! {
    bundle_defaults_to_the_working_directory,
    bundle_short_option,
    pid_file,
    pid_file_is_complete_when_it_appears,
    run_detach,
    run_keep,
    run_removes_by_itself,
    run_with_an_id_in_use_refused,
    no_subreaper,
    preserve_fds_of_run,
    listen_fds,
    kill_defaults_to_term,
    log_to_a_file_as_text,
    log_to_a_file_as_json,
    log_of_a_success_is_empty,
    log_format_unknown_refused,
    debug_adds_lines,
    errors_go_to_stderr,
    unknown_command_refused,
    unknown_option_refused,
    help_names_the_verbs,
    missing_configuration,
    malformed_configuration_is_located,
    missing_bundle,
    bundle_path_is_absolute_in_state,
    systemd_cgroup_refused_without_systemd,
    rootless_option,
    criu_option_is_accepted,
    signals_are_forwarded_by_run,
    run_survives_a_closed_stdout,
    state_root_read_only: "runc 1.1.5 is not compared there",
    stderr_and_stdout_are_separate,
}

fn bundle_defaults_to_the_working_directory(t: &Test) {
    let bundle = t.sh("echo here");
    bundle.write();
    let mut invocation = t.invocation(&["run", &bundle.id], &View::Plain);
    invocation.cwd = bundle.dir();
    assert_eq!(invocation.start().wait().ok().text(), "here");
}

fn bundle_short_option(t: &Test) {
    let bundle = t.sh("echo here");
    bundle.write();
    let dir = bundle.dir().display().to_string();
    assert_eq!(t.call(&["run", "-b", &dir, &bundle.id]).ok().text(), "here");
    assert_eq!(
        t.call(&["run", &format!("--bundle={dir}"), &bundle.id])
            .ok()
            .text(),
        "here"
    );
}

fn pid_file(t: &Test) {
    let path = t.dir.join("pid");
    let c = t
        .sleeper()
        .options(&["--pid-file", path.to_str().expect("ASCII")])
        .create();
    assert_eq!(
        std::fs::read_to_string(path).expect("written"),
        c.pid().to_string()
    );
}

fn pid_file_is_complete_when_it_appears(t: &Test) {
    // Engines poll for it: a partial number would be another process.
    let path = t.dir.join("pid");
    let bundle = t
        .sh("sleep 1")
        .options(&["--pid-file", path.to_str().expect("ASCII")]);
    let running = bundle.run_in_background();
    assert!(wait_until(|| path.exists()));
    let text = std::fs::read_to_string(&path).expect("written");
    assert!(text.parse::<u32>().is_ok_and(|pid| pid > 1), "{text:?}");
    running.wait().ok();
}

fn run_detach(t: &Test) {
    for flag in ["--detach", "-d"] {
        let bundle = t.sh("echo detached; sleep 1000").options(&[flag]);
        let output = bundle.run_in_background().wait().ok();
        assert_eq!(output.stderr, "");
        let state = t.call(&["state", &bundle.id]).ok().json();
        assert_eq!(state["status"], "running");
        let pid = state["pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok());
        t.pids.borrow_mut().push(pid.expect("a pid"));
    }
}

fn run_keep(t: &Test) {
    let bundle = t.sh("exit 4").options(&["--keep"]);
    bundle.run().exits(4);
    let state = t.call(&["state", &bundle.id]).ok().json();
    assert_eq!(state["status"], "stopped");
    t.call(&["delete", &bundle.id]).ok();
}

fn run_removes_by_itself(t: &Test) {
    let bundle = t.sh("exit 4");
    bundle.run().exits(4);
    t.call(&["state", &bundle.id])
        .fails_with(&["container does not exist"]);
    bundle.run().exits(4);
}

fn run_with_an_id_in_use_refused(t: &Test) {
    let bundle = t.sleeper();
    let c = bundle.started();
    let dir = bundle.dir().display().to_string();
    t.call(&["run", "--bundle", &dir, &bundle.id])
        .exits(1)
        .fails_with(&["container with given ID already exists"]);
    assert_eq!(c.status(), "running", "the refused run disturbed the first");
}

fn no_subreaper(t: &Test) {
    t.sh("exit 0").options(&["--no-subreaper"]).run().ok();
}

fn preserve_fds_of_run(t: &Test) {
    let bundle = t.args(&["/probe", "fds"]).with_probe();
    bundle.write();
    let runtime = Host::get().runtime.display().to_string();
    let file = t.file("preserved", "content");
    let script = format!(
        "exec 3<{0} 4<{0} 5<{0}; exec {runtime} --root {1} run --preserve-fds 2 --bundle {2} {3}",
        file.display(),
        t.state_root().display(),
        bundle.dir().display(),
        bundle.id
    );
    assert_eq!(t.host("bash", &["-c", &script]), "fds=0,1,2,3,4,\n");
}

fn listen_fds(t: &Test) {
    // Socket activation: the descriptors and the variables reach the program.
    let bundle = t.sh("echo $LISTEN_FDS $LISTEN_PID; cat <&3");
    bundle.write();
    let runtime = Host::get().runtime.display().to_string();
    let file = t.file("preserved", "content");
    let script = format!(
        "exec 3<{}; export LISTEN_FDS=1 LISTEN_PID=$$; exec {runtime} --root {} run --bundle {} {}",
        file.display(),
        t.state_root().display(),
        bundle.dir().display(),
        bundle.id
    );
    assert_eq!(t.host("bash", &["-c", &script]), "1 1\ncontent");
}

fn kill_defaults_to_term(t: &Test) {
    let c = t
        .sh("trap 'echo term; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
        .started();
    assert!(wait_until(|| c.stdout().contains("ready")));
    t.call(&["kill", &c.id]).ok();
    c.wait_stopped();
    assert!(c.stdout().contains("term"));
}

fn with_log(t: &Test, format: &str, args: &[&str]) -> (i32, String, String) {
    let path = t.dir.join("log");
    std::fs::remove_file(&path).ok();
    let log = path.display().to_string();
    let all = [&["--log", &log, "--log-format", format][..], args].concat();
    let output = t.call(&all);
    (
        output.code,
        std::fs::read_to_string(path).unwrap_or_default(),
        output.stderr,
    )
}

fn log_to_a_file_as_text(t: &Test) {
    let (code, log, _) = with_log(t, "text", &["state", "nobody"]);
    assert_eq!(code, 1);
    assert!(log.starts_with("time=\""), "{log}");
    assert!(log.contains("level=error msg=\""), "{log}");
    assert!(log.contains("container does not exist"), "{log}");
}

fn log_to_a_file_as_json(t: &Test) {
    let (code, log, stderr) = with_log(t, "json", &["state", "nobody"]);
    assert_eq!(code, 1);
    let line = log.lines().last().expect("a line");
    let entry: Value = serde_json::from_str(line).expect("a line is JSON");
    assert_eq!(entry["level"], "error");
    assert!(
        entry["msg"]
            .as_str()
            .is_some_and(|msg| msg.contains("container does not exist"))
    );
    assert!(
        entry["time"]
            .as_str()
            .is_some_and(|time| time.contains('T')),
        "{entry}"
    );
    // People who call it by hand still see it.
    assert!(stderr.contains("container does not exist"), "{stderr}");
}

fn log_of_a_success_is_empty(t: &Test) {
    let bundle = t.sh("true");
    bundle.write();
    let dir = bundle.dir().display().to_string();
    let (code, log, stderr) = with_log(t, "json", &["run", "--bundle", &dir, &bundle.id]);
    assert_eq!((code, log.as_str(), stderr.as_str()), (0, "", ""));
}

fn log_format_unknown_refused(t: &Test) {
    let (code, _, stderr) = with_log(t, "xml", &["list"]);
    assert_ne!(code, 0);
    assert!(
        stderr.contains("log-format") && stderr.contains("xml"),
        "{stderr}"
    );
}

fn debug_adds_lines(t: &Test) {
    let log = t.dir.join("log");
    let path = log.display().to_string();
    let bundle = t.sh("true");
    bundle.write();
    let dir = bundle.dir().display().to_string();
    t.call(&[
        "--debug", "--log", &path, "run", "--bundle", &dir, &bundle.id,
    ])
    .ok();
    let text = std::fs::read_to_string(log).expect("written");
    assert!(text.contains("level=debug"), "{text}");
}

fn errors_go_to_stderr(t: &Test) {
    let output = t.call(&["state", "nobody"]);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("level=error"), "{}", output.stderr);
}

fn unknown_command_refused(t: &Test) {
    let output = t.call(&["frobnicate"]);
    if t.peer_is_other() {
        return; // runc 1.1.5 prints its help and succeeds.
    }
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("frobnicate"), "{output:?}");
}

fn unknown_option_refused(t: &Test) {
    for args in [
        &["--frobnicate", "list"][..],
        &["list", "--frobnicate"],
        &["run", "--x", "id"],
    ] {
        assert_ne!(t.call(args).code, 0, "{args:?}");
    }
}

fn help_names_the_verbs(t: &Test) {
    let output = t.call(&["--help"]).ok();
    for verb in [
        "create", "start", "state", "kill", "delete", "exec", "run", "list", "ps", "events",
        "pause", "resume", "update", "spec", "features",
    ] {
        assert!(output.stdout.contains(verb), "{verb}");
        let own = t.call(&[verb, "--help"]).ok();
        assert!(own.stdout.contains(verb), "{verb}");
    }
}

fn missing_configuration(t: &Test) {
    let dir = t.subdir("empty");
    t.call(&["run", "--bundle", dir.to_str().expect("ASCII"), "some-id"])
        .exits(1)
        .fails_with(&["config.json"]);
}

fn malformed_configuration_is_located(t: &Test) {
    let bundle = t.sleeper();
    let dir = bundle.dir();
    std::fs::write(dir.join("config.json"), "{\"ociVersion\": \"1.0.2\",").expect("own bundle");
    let output = t.call(&["run", "--bundle", dir.to_str().expect("ASCII"), &bundle.id]);
    output.fails_with(&["EOF"]);
}

fn missing_bundle(t: &Test) {
    t.call(&["run", "--bundle", "/no/such/bundle", "some-id"])
        .exits(1)
        .fails_with(&["/no/such/bundle", "no such file or directory"]);
}

fn bundle_path_is_absolute_in_state(t: &Test) {
    let bundle = t.sleeper();
    bundle.write();
    t.used.borrow_mut().push(crate::harness::Used {
        id: bundle.id.clone(),
        view: View::Plain,
        foreground: false,
    });
    let mut invocation = t.invocation(
        &[
            "create",
            "--bundle",
            &format!("./{}", bundle.id),
            &bundle.id,
        ],
        &View::Plain,
    );
    invocation.cwd = t.dir.clone();
    invocation.start().wait().ok();
    let state = t.call(&["state", &bundle.id]).ok().json();
    assert_eq!(state["bundle"], bundle.dir().display().to_string());
}

fn systemd_cgroup_refused_without_systemd(t: &Test) {
    t.need(
        !std::path::Path::new("/run/systemd/system").exists(),
        "systemd runs here",
    );
    t.sleeper()
        .globals(&["--systemd-cgroup"])
        .set("/linux/cgroupsPath", "system.slice:lockstep:test")
        .try_create()
        .fails_with(&["systemd"]);
}

fn rootless_option(t: &Test) {
    for value in ["true", "false", "auto"] {
        let output = t.sh("echo ran").globals(&["--rootless", value]).run();
        if value == "true" && output.code != 0 {
            continue; // Root that claims to be rootless may be refused its cgroup.
        }
        assert_eq!(output.ok().text(), "ran", "{value}");
    }
    let output = t.sh("true").globals(&["--rootless", "maybe"]).run();
    assert_ne!(output.code, 0);
}

fn criu_option_is_accepted(t: &Test) {
    // Old engines pass it always.
    t.sh("true").globals(&["--criu", "criu"]).run().ok();
}

fn signals_are_forwarded_by_run(t: &Test) {
    let bundle = t.sh("trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.1; done");
    let running = bundle.run_in_background();
    assert!(wait_until(|| running.stdout_so_far().contains("ready")));
    crate::harness::kill(running.pid(), rustix::process::Signal::TERM);
    let output = running.wait().exits(9);
    assert_eq!(output.text(), "ready\nterm");
}

fn run_survives_a_closed_stdout(t: &Test) {
    let bundle = t.sh("echo lost; exit 3");
    bundle.write();
    let runtime = Host::get().runtime.display().to_string();
    let script = format!(
        "{runtime} --root {} run --bundle {} {} >&- ; echo $?",
        t.state_root().display(),
        bundle.dir().display(),
        bundle.id
    );
    let text = t.host("bash", &["-c", &script]);
    // echo fails for want of a descriptor; the code of the script is its last command's.
    assert_eq!(text.trim(), "3");
}

fn state_root_read_only(t: &Test) {
    let root = t.state_root().display().to_string();
    let output = t
        .sleeper()
        .view(View::Script(format!(
            "mount --bind {root} {root}; mount -o remount,bind,ro {root}"
        )))
        .try_create();
    output.fails_with(&[&root, "read-only file system"]);
}

fn stderr_and_stdout_are_separate(t: &Test) {
    let output = t.sh("echo out; echo err >&2").run().ok();
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("out\n", "err\n")
    );
}
