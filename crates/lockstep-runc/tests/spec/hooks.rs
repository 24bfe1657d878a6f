//! `hooks` of all kinds: when they run, in which namespaces, what they get, what their failure does.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Bundle, Test, cases, wait_until};

cases! {
    order_of_all_kinds: "runc 1.1.5 runs poststart hooks at create",
    several_of_one_kind_in_order,
    state_on_stdin_of_runtime_hooks,
    state_on_stdin_of_container_hooks,
    state_has_annotations,
    args_and_env,
    args_absent_means_the_path,
    create_runtime_is_in_the_runtimes_namespaces,
    create_runtime_can_enter_the_network_namespace,
    create_container_is_in_the_mount_namespace,
    start_container_path_is_of_the_container,
    start_container_runs_before_the_program,
    poststart_runs_after_the_program_started: "runc 1.1.5 runs poststart hooks at create",
    poststop_runs_after_delete,
    poststop_runs_after_run,
    failing_prestart_ends_the_container,
    failing_create_runtime_ends_the_container,
    failing_create_container_ends_the_container,
    failing_start_container_ends_the_container,
    failing_poststart_is_an_error,
    failing_poststop_is_a_warning,
    failure_names_the_hook: "runc 1.1.5 names the kind only",
    output_of_a_failing_hook_is_shown,
    timeout_kills,
    timeout_kills_after_the_end,
    timeout_long_enough,
    timeout_not_positive_refused: "runc 1.1.5 takes it as no time at all",
    missing_program_refused,
    relative_path_refused: "runc 1.1.5 looks it up from its working directory",
    empty_object_is_no_hook,
    no_descriptor_leaks_into_a_hook,
    large_state_and_a_hook_that_does_not_read,
}

const KINDS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// A hook program of the host; its path.
fn script(t: &Test, name: &str, body: &str) -> PathBuf {
    let path = t.file(name, &format!("#!/bin/sh\n{body}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("own file");
    path
}

/// Adds a hook that runs `body`, on the host or (startContainer) in the container.
fn hook<'t>(bundle: Bundle<'t>, kind: &str, body: &str) -> Bundle<'t> {
    let count = bundle.config["hooks"][kind].as_array().map_or(0, Vec::len);
    let name = format!("{kind}-{count}");
    let path = if kind == "startContainer" {
        let path = bundle.rootfs().join(&name);
        std::fs::write(&path, format!("#!/bin/sh\nPATH=/bin\n{body}\n")).expect("own rootfs");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("own rootfs");
        format!("/{name}")
    } else {
        script(bundle.test, &name, body).display().to_string()
    };
    bundle.push(
        &format!("/hooks/{kind}"),
        json!({"path": path, "args": [name]}),
    )
}

/// A directory that hooks of both sides and the program write to: here and at /log inside.
fn with_log<'t>(bundle: Bundle<'t>) -> (Bundle<'t>, PathBuf) {
    let dir = bundle.test.subdir("log");
    (bundle.bind(&dir, "/log", &[]), dir)
}

fn logged(dir: &std::path::Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_default()
}

/// The directory as a hook of that kind must name it.
fn log_path(dir: &std::path::Path, kind: &str) -> String {
    if kind == "startContainer" {
        "/log".to_owned()
    } else {
        dir.display().to_string()
    }
}

/// Every kind writes its name to `log`, and its standard input to a file named as itself.
fn recorded(t: &Test) -> (Bundle<'_>, PathBuf) {
    let (mut bundle, dir) = with_log(t.sh("echo program >> /log/order"));
    for kind in KINDS {
        let log = log_path(&dir, kind);
        bundle = hook(
            bundle,
            kind,
            &format!("cat > {log}/{kind}; echo {kind} >> {log}/order"),
        );
    }
    (bundle, dir)
}

fn order_of_all_kinds(t: &Test) {
    let (bundle, dir) = recorded(t);
    let c = bundle.create();
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        lines(logged(&dir, "order")),
        ["prestart", "createRuntime", "createContainer"]
    );
    c.start();
    c.wait_stopped();
    let mut order = lines(logged(&dir, "order"));
    // The program and the poststart hook run side by side.
    let program = order
        .iter()
        .position(|line| line == "program")
        .expect("it ran");
    let poststart = order
        .iter()
        .position(|line| line == "poststart")
        .expect("it ran");
    assert!(program > 3 && poststart > 3, "{order:?}");
    order.retain(|line| line != "program");
    assert_eq!(order[3..], ["startContainer", "poststart"]);
    c.delete();
    assert_eq!(
        lines(logged(&dir, "order")).last().map(String::as_str),
        Some("poststop")
    );
}

fn several_of_one_kind_in_order(t: &Test) {
    let (mut bundle, dir) = with_log(t.sh("true"));
    for kind in KINDS {
        for number in 1..=3 {
            let log = log_path(&dir, kind);
            bundle = hook(bundle, kind, &format!("echo {number} >> {log}/{kind}"));
        }
    }
    bundle.run().ok();
    for kind in KINDS {
        assert_eq!(logged(&dir, kind), "1\n2\n3\n", "{kind}");
    }
}

fn state(dir: &std::path::Path, kind: &str) -> Value {
    let text = logged(dir, kind);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{kind}: {error}: {text}"))
}

fn state_on_stdin_of_runtime_hooks(t: &Test) {
    let (bundle, dir) = recorded(t);
    let c = bundle.create();
    let pid = c.pid();
    c.start();
    c.wait_stopped();
    c.delete();
    // Step 2 of the life is over, the create operation is not: both words are right there.
    for (kind, statuses) in [
        ("prestart", &["created", "creating"][..]),
        ("createRuntime", &["created", "creating"]),
        ("poststart", &["running"]),
        ("poststop", &["stopped"]),
    ] {
        let state = state(&dir, kind);
        if t.peer_is_other() && kind == "poststart" {
            continue; // runc 1.1.5 runs it at create.
        }
        let status = state["status"].as_str().expect("a status");
        assert!(statuses.contains(&status), "{kind}: {status}");
        assert_eq!(state["id"], bundle.id, "{kind}");
        assert_eq!(
            state["bundle"],
            bundle.dir().display().to_string(),
            "{kind}"
        );
        assert!(
            state["ociVersion"]
                .as_str()
                .is_some_and(|version| version.starts_with("1."))
        );
        if kind == "poststop" {
            assert!(state["pid"].as_u64().unwrap_or(0) == 0, "{state}");
        } else {
            assert_eq!(state["pid"], pid, "{kind}");
        }
    }
}

fn state_on_stdin_of_container_hooks(t: &Test) {
    let (bundle, dir) = recorded(t);
    bundle.run().ok();
    for kind in ["createContainer", "startContainer"] {
        let state = state(&dir, kind);
        assert_eq!(state["id"], bundle.id, "{kind}");
        // As seen by the container.
        assert_eq!(state["pid"], 1, "{kind}");
        let status = state["status"].as_str().expect("a status");
        assert!(
            ["creating", "created"].contains(&status),
            "{kind}: {status}"
        );
    }
}

fn state_has_annotations(t: &Test) {
    let (bundle, dir) = recorded(t);
    bundle
        .set("/annotations", json!({"org.example.a": "1", "b": "x y"}))
        .run()
        .ok();
    for kind in KINDS {
        let state = state(&dir, kind);
        assert_eq!(state["annotations"]["org.example.a"], "1", "{kind}");
        assert_eq!(state["annotations"]["b"], "x y", "{kind}");
    }
}

fn args_and_env(t: &Test) {
    let dir = t.subdir("log");
    let body = format!(
        "(echo \"$0|$1|$2\"; echo \"$A|$PATH\") > {}/seen",
        dir.display()
    );
    let path = script(t, "hook", &body);
    t.sh("true")
        .push(
            "/hooks/createRuntime",
            json!({"path": path, "args": ["zero", "one", "two words"],
                   "env": ["A=b c", "PATH=/bin:/usr/bin"]}),
        )
        .run()
        .ok();
    let text = logged(&dir, "seen");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("|one|two words"), "{text}");
    assert_eq!(lines[1], "b c|/bin:/usr/bin");
}

fn args_absent_means_the_path(t: &Test) {
    let dir = t.subdir("log");
    let path = script(t, "hook", &format!("echo ran > {}/seen", dir.display()));
    t.sh("true")
        .push("/hooks/createRuntime", json!({"path": path}))
        .run()
        .ok();
    assert_eq!(logged(&dir, "seen"), "ran\n");
}

fn ns_links(dir: &std::path::Path) -> String {
    format!(
        "for n in mnt net pid uts ipc; do readlink /proc/self/ns/$n; done > {}/ns",
        dir.display()
    )
}

fn create_runtime_is_in_the_runtimes_namespaces(t: &Test) {
    for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
        let (bundle, dir) = with_log(t.sh("true"));
        hook(bundle, kind, &ns_links(&dir)).run().ok();
        let text = logged(&dir, "ns");
        for (line, file) in text.lines().zip(["mnt", "net", "pid", "uts", "ipc"]) {
            let own = std::fs::read_link(format!("/proc/self/ns/{file}")).expect("own link");
            assert_eq!(line, own.display().to_string(), "{kind} {file}");
        }
        assert_eq!(text.lines().count(), 5, "{kind}");
    }
}

fn create_runtime_can_enter_the_network_namespace(t: &Test) {
    // What network plugins do: the pid of the state is that of a process with the namespaces made.
    let (bundle, dir) = with_log(t.sh("readlink /proc/self/ns/net > /log/inside"));
    let body = format!(
        "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); \
         nsenter -t $pid -n readlink /proc/self/ns/net > {}/hook",
        dir.display()
    );
    hook(bundle, "createRuntime", &body).run().ok();
    assert_eq!(logged(&dir, "hook"), logged(&dir, "inside"));
    assert!(logged(&dir, "hook").starts_with("net:["));
}

fn create_container_is_in_the_mount_namespace(t: &Test) {
    // Its path is of the runtime, its namespaces are the container's, before the root is changed:
    // a mount that it makes is seen by the program.
    let (bundle, dir) = with_log(t.sh("cat /injected/f; readlink /proc/self/ns/uts"));
    let rootfs = bundle.rootfs();
    let body = format!(
        "mkdir -p {root}/injected; mount -t tmpfs hook {root}/injected; \
         echo from the hook > {root}/injected/f; readlink /proc/self/ns/uts > {log}/uts",
        root = rootfs.display(),
        log = dir.display()
    );
    let output = hook(bundle, "createContainer", &body).run().ok();
    let uts = logged(&dir, "uts");
    assert_eq!(output.lines(), ["from the hook", uts.trim()]);
    assert!(
        !rootfs.join("injected/f").exists(),
        "the hook mounted on the host"
    );
}

fn start_container_path_is_of_the_container(t: &Test) {
    let (bundle, dir) = with_log(t.sh("true"));
    let bundle = hook(
        bundle,
        "startContainer",
        "hostname > /log/host; ls / > /log/ls; readlink /proc/self/ns/mnt > /log/mnt",
    );
    bundle.run().ok();
    assert_eq!(logged(&dir, "host"), "lockstep\n");
    assert!(logged(&dir, "ls").contains("startContainer-0"));
    let own = std::fs::read_link("/proc/self/ns/mnt").expect("own link");
    assert_ne!(logged(&dir, "mnt").trim(), own.display().to_string());
}

fn start_container_runs_before_the_program(t: &Test) {
    let (bundle, dir) = with_log(t.sh("echo program >> /log/order"));
    let bundle = hook(
        bundle,
        "startContainer",
        "sleep 0.3; echo hook >> /log/order",
    );
    let c = bundle.create();
    assert_eq!(logged(&dir, "order"), "", "it ran at create");
    c.start();
    c.wait_stopped();
    assert_eq!(logged(&dir, "order"), "hook\nprogram\n");
}

fn poststart_runs_after_the_program_started(t: &Test) {
    let (bundle, dir) = with_log(t.sleeper());
    let body = format!(
        "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); sleep 0.2; cat /proc/$pid/comm > {}/comm",
        dir.display()
    );
    let _c = hook(bundle, "poststart", &body).started();
    assert_eq!(logged(&dir, "comm"), "sleep\n");
}

fn poststop_runs_after_delete(t: &Test) {
    let (bundle, dir) = with_log(t.sleeper());
    let state = t.state_root();
    let body = format!(
        "ls {} > {}/left; echo ran > {1}/ran",
        state.display(),
        dir.display()
    );
    let c = hook(bundle, "poststop", &body).started();
    c.stop();
    assert_eq!(logged(&dir, "ran"), "", "it ran before delete");
    c.delete();
    assert_eq!(logged(&dir, "ran"), "ran\n");
}

fn poststop_runs_after_run(t: &Test) {
    let (bundle, dir) = with_log(t.sh("exit 3"));
    let body = format!("echo ran >> {}/ran", dir.display());
    hook(bundle, "poststop", &body).run().exits(3);
    assert_eq!(logged(&dir, "ran"), "ran\n");
}

fn failing(t: &Test, kind: &str) {
    let (bundle, dir) = with_log(t.sh("echo program > /log/program"));
    let bundle = hook(bundle, kind, "echo the reason >&2; exit 9");
    let output = bundle.run();
    assert_ne!(output.code, 0, "{kind}: {output:?}");
    assert_eq!(logged(&dir, "program"), "", "{kind}: the program ran");
    assert!(
        !t.state_root().join(&bundle.id).exists(),
        "{kind}: state is left"
    );
}

fn failing_prestart_ends_the_container(t: &Test) {
    failing(t, "prestart");
}

fn failing_create_runtime_ends_the_container(t: &Test) {
    failing(t, "createRuntime");
}

fn failing_create_container_ends_the_container(t: &Test) {
    failing(t, "createContainer");
}

fn failing_start_container_ends_the_container(t: &Test) {
    failing(t, "startContainer");
}

fn failing_poststart_is_an_error(t: &Test) {
    let output = hook(t.sleeper(), "poststart", "exit 9").run();
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("hook"), "{output:?}");
}

fn failing_poststop_is_a_warning(t: &Test) {
    let (bundle, dir) = with_log(t.sh("exit 5"));
    let bundle = hook(bundle, "poststop", "exit 9");
    let body = format!("echo second > {}/second", dir.display());
    let output = hook(bundle, "poststop", &body).run();
    // The container's code, a warning, and the remaining hooks.
    assert_eq!(output.code, 5, "{output:?}");
    if t.peer_is_other() {
        return; // runc 1.1.5 stops at the first failing hook.
    }
    assert!(output.stderr.contains("poststop"), "{output:?}");
    assert_eq!(logged(&dir, "second"), "second\n");
}

fn failure_names_the_hook(t: &Test) {
    let bundle = hook(t.sh("true"), "createRuntime", "true");
    let bundle = hook(bundle, "createRuntime", "exit 9");
    let output = bundle.run();
    output.fails_with(&["/hooks/createRuntime/1", "createRuntime-1", "9"]);
}

fn output_of_a_failing_hook_is_shown(t: &Test) {
    let output = hook(t.sh("true"), "createRuntime", "echo the reason >&2; exit 9").run();
    output.fails_with(&["the reason"]);
}

fn timeout_kills(t: &Test) {
    let path = script(t, "slow", "exec sleep 30");
    let begin = std::time::Instant::now();
    t.sh("true")
        .push("/hooks/createRuntime", json!({"path": path, "timeout": 1}))
        .run()
        .fails_with(&["timeout"]);
    let took = begin.elapsed();
    assert!(took.as_millis() >= 900 && took.as_secs() < 15, "{took:?}");
}

fn timeout_kills_after_the_end(t: &Test) {
    let path = script(t, "slow", "exec sleep 30");
    let begin = std::time::Instant::now();
    t.sh("true")
        .push("/hooks/poststop", json!({"path": path, "timeout": 1}))
        .run()
        .ok()
        .warns("timeout");
    let took = begin.elapsed();
    assert!(took.as_millis() >= 900 && took.as_secs() < 15, "{took:?}");
}

fn timeout_long_enough(t: &Test) {
    let path = script(t, "quick", "sleep 0.1");
    let hook = json!({"path": path, "timeout": 20});
    t.sh("true").push("/hooks/createRuntime", hook).run().ok();
}

fn timeout_not_positive_refused(t: &Test) {
    let path = script(t, "quick", "true");
    for timeout in [0, -1] {
        t.sh("true")
            .push(
                "/hooks/createRuntime",
                json!({"path": path, "timeout": timeout}),
            )
            .run()
            .fails_with(&["/hooks/createRuntime/0/timeout"]);
    }
}

fn missing_program_refused(t: &Test) {
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
    ] {
        let output = t
            .sh("true")
            .push(&format!("/hooks/{kind}"), json!({"path": "/no/such/hook"}))
            .run();
        output.fails_with(&["/no/such/hook"]);
    }
}

fn relative_path_refused(t: &Test) {
    t.sh("true")
        .push("/hooks/createRuntime", json!({"path": "bin/true"}))
        .run()
        .fails_with(&["/hooks/createRuntime/0/path", "bin/true"]);
}

fn empty_object_is_no_hook(t: &Test) {
    t.sh("true").set("/hooks", json!({})).run().ok();
    t.sh("true")
        .set("/hooks", json!({"prestart": [], "poststop": []}))
        .run()
        .ok();
}

fn no_descriptor_leaks_into_a_hook(t: &Test) {
    let dir = t.subdir("log");
    let probe = t.probe().display().to_string();
    for kind in ["createRuntime", "poststart", "poststop"] {
        let body = format!("exec {probe} fds > {}/{kind}", dir.display());
        hook(t.sh("true"), kind, &body).run().ok();
        assert_eq!(logged(&dir, kind), "fds=0,1,2,\n", "{kind}");
    }
}

fn large_state_and_a_hook_that_does_not_read(t: &Test) {
    // More than a pipe holds, and nobody reads: no hang, no SIGPIPE.
    let bundle = t
        .sh("true")
        .set("/annotations", json!({"big": "x".repeat(200_000)}));
    let bundle = hook(bundle, "createRuntime", "exit 0");
    let bundle = hook(bundle, "poststop", "exit 0");
    let c = bundle.create();
    c.start();
    c.wait_stopped();
    assert!(wait_until(|| c.status() == "stopped"));
}
