//! `state`, `list`, `ps`, `spec`: the shape of what scripts and engines read.

use serde_json::{Value, json};

use crate::harness::{Host, Test, cases};

cases! {
    state_fields,
    state_annotations,
    state_annotations_absent,
    state_of_an_unknown_container_refused,
    oci_version_is_of_the_configuration,
    annotations_malformed_refused,
    list_table,
    list_json,
    list_quiet,
    list_empty,
    list_of_absent_root,
    ps_table,
    ps_json,
    ps_takes_arguments_of_ps,
    ps_of_an_unknown_container_refused,
    spec_writes_a_configuration_that_runs,
    spec_rootless,
    spec_does_not_overwrite,
    version_line,
}

fn state_fields(t: &Test) {
    let bundle = t.sleeper();
    let c = bundle.create();
    let state = c.state();
    assert_eq!(state["id"], bundle.id);
    assert_eq!(state["bundle"], bundle.dir().display().to_string());
    assert_eq!(state["status"], "created");
    assert!(
        state["ociVersion"]
            .as_str()
            .is_some_and(|version| version.starts_with("1."))
    );
    assert!(state["pid"].as_u64().is_some_and(|pid| pid > 1));
    // runc's additions, which tools read.
    assert_eq!(state["rootfs"], bundle.rootfs().display().to_string());
    assert!(
        state["created"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{state}"
    );
    assert!(state.get("owner").is_some(), "{state}");
    c.start();
    let pid = state["pid"].clone();
    assert_eq!(c.state()["pid"], pid, "start keeps the process");
    c.stop();
    assert_eq!(c.state()["pid"], 0);
}

fn state_annotations(t: &Test) {
    let annotations = json!({"org.example.key": "value", "empty": "", "unicode": "\u{e4}\n\""});
    let c = t
        .sleeper()
        .set("/annotations", annotations.clone())
        .create();
    assert_eq!(c.state()["annotations"], annotations);
}

fn state_annotations_absent(t: &Test) {
    let state = t.sleeper().create().state();
    let annotations = state.get("annotations").cloned().unwrap_or(json!({}));
    assert_eq!(annotations, json!({}));
}

fn state_of_an_unknown_container_refused(t: &Test) {
    t.call(&["state", "nobody"])
        .exits(1)
        .fails_with(&["container does not exist"]);
}

fn oci_version_is_of_the_configuration(t: &Test) {
    for version in [
        "1.0.0",
        "1.0.2-dev",
        "1.1.0",
        "1.2.1",
        "1.3.0",
        "1.3.0+dev",
        "1.99.0",
    ] {
        let output = t.sh("echo ran").set("/ociVersion", version).run();
        assert_eq!(output.ok().text(), "ran", "{version}");
    }
    for version in ["2.0.0", "", "one"] {
        let output = t.sh("true").set("/ociVersion", version).run();
        if t.peer_is_other() {
            continue; // runc 1.1.5 does not look at it.
        }
        output.fails_with(&["ociVersion"]);
    }
}

fn annotations_malformed_refused(t: &Test) {
    for value in [
        json!({"key": 5}),
        json!(["key"]),
        json!({"key": {"nested": "x"}}),
    ] {
        let output = t.sh("true").set("/annotations", value.clone()).run();
        assert_ne!(output.code, 0, "{value}");
    }
}

fn list_table(t: &Test) {
    let (first, second) = (t.sleeper().started(), t.sleeper().create());
    let output = t.call(&["list"]).ok();
    let lines = output.lines();
    let columns: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        columns,
        ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    );
    assert_eq!(lines.len(), 3, "{}", output.stdout);
    for (c, status) in [(first, "running"), (second, "created")] {
        let line = lines
            .iter()
            .find(|line| line.starts_with(&format!("{} ", c.id)));
        let fields: Vec<&str> = line.expect("a line").split_whitespace().collect();
        assert_eq!(fields[1], c.pid().to_string());
        assert_eq!(fields[2], status);
        assert_eq!(fields[5], "root");
    }
}

fn list_json(t: &Test) {
    let c = t.sleeper().set("/annotations", json!({"a": "b"})).started();
    for flags in [["--format", "json"], ["-f", "json"]] {
        let list = t.call(&[&["list"][..], &flags[..]].concat()).ok().json();
        let one = &list.as_array().expect("an array")[0];
        assert_eq!(one["id"], c.id);
        assert_eq!(one["pid"], c.pid());
        assert_eq!(one["status"], "running");
        assert_eq!(one["annotations"]["a"], "b");
        for field in ["ociVersion", "bundle", "rootfs", "created", "owner"] {
            assert!(one.get(field).is_some(), "no {field} in {one}");
        }
    }
    t.call(&["list", "--format", "nonsense"])
        .fails_with(&["invalid format option"]);
}

fn list_quiet(t: &Test) {
    let (first, second) = (t.sleeper().create(), t.sleeper().create());
    for flag in ["--quiet", "-q"] {
        let output = t.call(&["list", flag]).ok();
        let mut ids = output.lines();
        ids.sort_unstable();
        assert_eq!(ids, [first.id.as_str(), second.id.as_str()]);
    }
}

fn list_empty(t: &Test) {
    let output = t.call(&["list"]).ok();
    assert_eq!(
        output.lines().len(),
        1,
        "only the heading: {}",
        output.stdout
    );
    let json = t.call(&["list", "--format", "json"]).ok().json();
    assert!(json.is_null() || json == json!([]), "{json}");
    assert_eq!(t.call(&["list", "-q"]).ok().stdout, "");
}

fn list_of_absent_root(t: &Test) {
    std::fs::remove_dir(t.state_root()).expect("it is empty");
    let output = t.call(&["list", "-q"]);
    assert_eq!(output.stdout, "");
    std::fs::create_dir_all(t.state_root()).expect("own directory");
}

fn ps_table(t: &Test) {
    let c = t.sleeper().started();
    let output = c.call("ps", &[]).ok();
    assert!(output.lines()[0].contains("PID"), "{}", output.stdout);
    assert!(
        output.lines()[1].contains(&c.pid().to_string()),
        "{}",
        output.stdout
    );
    assert!(
        output.lines()[1].contains("sleep 1000"),
        "{}",
        output.stdout
    );
    assert_eq!(
        output.lines().len(),
        2,
        "only the container's: {}",
        output.stdout
    );
}

fn ps_json(t: &Test) {
    let c = t.sh("sleep 1000 & sleep 1000; true").started();
    let pids = || c.call("ps", &["--format", "json"]).ok().json();
    assert!(crate::harness::wait_until(|| pids()
        .as_array()
        .is_some_and(|pids| pids.len() == 3)));
    let pid = c.pid();
    assert!(pids().as_array().expect("an array").contains(&json!(pid)));
    let short = c.call("ps", &["-f", "json"]).ok().json();
    assert_eq!(short.as_array().map(Vec::len), Some(3));
}

fn ps_takes_arguments_of_ps(t: &Test) {
    let c = t.sleeper().started();
    let output = t.call(&["ps", &c.id, "-o", "pid,comm"]).ok();
    let lines = output.lines();
    let fields: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(fields, [c.pid().to_string().as_str(), "sleep"]);
}

fn ps_of_an_unknown_container_refused(t: &Test) {
    t.call(&["ps", "nobody"])
        .exits(1)
        .fails_with(&["container does not exist"]);
}

fn spec_writes_a_configuration_that_runs(t: &Test) {
    let bundle = t.sleeper();
    let dir = bundle.dir().display().to_string();
    let config = bundle.dir().join("config.json");
    for option in ["--bundle", "-b"] {
        std::fs::remove_file(&config).ok();
        t.call(&["spec", option, &dir]).ok();
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&config).expect("written"))
        .expect("it is JSON");
    assert_eq!(written["process"]["args"], json!(["sh"]));
    assert_eq!(written["process"]["terminal"], true);
    assert_eq!(written["root"]["path"], "rootfs");
    let mut bundle = bundle;
    bundle.config = written;
    let output = bundle
        .set("/process/terminal", false)
        .set("/process/args", json!(["echo", "runs"]))
        .run()
        .ok();
    assert_eq!(output.text(), "runs");
}

fn spec_rootless(t: &Test) {
    let dir = t.subdir("bundle");
    t.call(&[
        "spec",
        "--rootless",
        "--bundle",
        dir.to_str().expect("ASCII"),
    ])
    .ok();
    let text = std::fs::read_to_string(dir.join("config.json")).expect("written");
    let config: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(config["linux"]["uidMappings"][0]["size"], 1);
    let kinds = config["linux"]["namespaces"].as_array().expect("an array");
    assert!(kinds.iter().any(|namespace| namespace["type"] == "user"));
    assert!(!kinds.iter().any(|namespace| namespace["type"] == "network"));
}

fn spec_does_not_overwrite(t: &Test) {
    let dir = t.subdir("bundle");
    let path = t.file("bundle/config.json", "mine");
    t.call(&["spec", "--bundle", dir.to_str().expect("ASCII")])
        .fails_with(&["config.json"]);
    assert_eq!(std::fs::read_to_string(path).expect("own file"), "mine");
}

fn version_line(t: &Test) {
    let output = t.call(&["--version"]).ok();
    let first = output.lines()[0];
    // Engines parse "NAME version X" and a "spec: Y" line.
    let words: Vec<&str> = first.split_whitespace().collect();
    assert_eq!(words[1], "version", "{first}");
    assert!(
        output
            .lines()
            .iter()
            .any(|line| line.starts_with("spec: 1.")),
        "{}",
        output.stdout
    );
    let short = t.call(&["-v"]).ok();
    assert_eq!(short.stdout, output.stdout);
    assert!(Host::get().runtime.exists());
}
