//! `record.json` of another version, or of nobody: an older one works, a newer one is left alone, and neither it nor
//! a broken one is in the way of other containers.
//!
//! `../data/schema-N` keeps what version N of the file looked like; it is never edited, only added to.

use std::path::PathBuf;

use crate::stage::Stage;

crate::cases![
    the_first_schema_is_read,
    a_newer_schema_is_left_alone,
    a_broken_record_stops_nobody_else,
    force_removes_what_cannot_be_read,
    what_cannot_be_read_keeps_its_volumes,
    a_newer_life_is_left_alone,
];

const FIRST: &str = include_str!("../data/schema-1/record.json");

/// How a record of this version begins; raised with every new field.
fn current() -> String {
    "{\"schema\":7,".into()
}

/// The record of a container that has just been created.
fn created(t: &Stage, name: &str) -> PathBuf {
    let id = t
        .call(&["create", "--name", name, "host:", "sleep", "1000"])
        .text();
    t.dir
        .join("root-data/containers")
        .join(id)
        .join("record.json")
}

fn the_first_schema_is_read(t: &Stage) {
    let path = created(t, "old");
    let now: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("a record")).expect("JSON");
    let mut old = FIRST.to_owned();
    for (word, value) in [
        ("@ID@", now["id"].as_str().expect("text").to_owned()),
        ("@NAME@", "old".to_owned()),
        ("@DATA@", t.dir.join("root-data").display().to_string()),
        ("@STATE@", t.dir.join("root-state").display().to_string()),
        ("@BLOCK@", now["block"].to_string()),
        ("@OWNER@", now["job"]["owner"].to_string()),
    ] {
        old = old.replace(word, &value);
    }
    std::fs::write(&path, old).expect("the test's own");
    assert!(t.call(&["ps", "-a"]).text().contains("Created"));
    t.call(&["start", "old"]).text();
    assert_eq!(t.field("old", "{{.State.Status}}"), "running");
    // Written anew, it is of this version.
    t.call(&["update", "--restart", "on-failure", "old"]).text();
    let text = std::fs::read_to_string(&path).expect("a record");
    assert!(text.starts_with(&current()), "{text}");
    t.call(&["stop", "-t", "0", "old"]).text();
    t.call(&["rm", "old"]).text();
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}

fn a_newer_schema_is_left_alone(t: &Stage) {
    let path = created(t, "new");
    let text = std::fs::read_to_string(&path).expect("a record");
    let newer = text.replacen(&current(), "{\"schema\":99,\"unheard\":[],", 1);
    assert_ne!(text, newer);
    std::fs::write(&path, &newer).expect("the test's own");
    for line in [
        &["start", "new"][..],
        &["inspect", "new"],
        &["update", "--restart", "always", "new"],
        &["rename", "new", "other"],
        &["rm", "new"],
    ] {
        let said = t.call(line).refused(125);
        assert!(
            said.contains("record.json") && said.contains("99"),
            "{said}"
        );
    }
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
    assert_eq!(std::fs::read_to_string(&path).expect("a record"), newer);
    // Its name is still taken.
    t.call(&["create", "--name", "new", "host:", "true"])
        .refused(125);
    assert_eq!(std::fs::read_to_string(&path).expect("a record"), newer);
}

fn a_broken_record_stops_nobody_else(t: &Stage) {
    let path = created(t, "broken");
    let text = std::fs::read_to_string(&path).expect("a record");
    let broken = text.replacen("\"stop_signal\":15", "\"stop_signal\":\"TERM\"", 1);
    assert_ne!(text, broken);
    std::fs::write(&path, broken).expect("the test's own");
    t.call(&["run", "-d", "--name", "good", "host:", "sleep", "1000"])
        .text();
    let listed = t.call(&["ps", "-a", "--format", "{{.Names}}"]);
    for part in ["warning", "record.json", "/job/stop_signal", "\"TERM\""] {
        assert!(listed.stderr.contains(part), "{part}: {listed:?}");
    }
    assert_eq!(listed.text(), "good");
    let shown = t.call(&["inspect", "--format", "{{.Name}}", "broken", "good"]);
    assert_eq!((shown.code, shown.stdout.trim_end()), (125, "good"));
    assert!(t.call(&["stats", "--no-stream"]).text().contains("good"));
    t.call(&["stop", "-t", "0", "--all"]).text();
    // Without force what cannot be read stays, and everything else goes.
    t.call(&["rm", "-a"]).refused(125);
    assert_eq!(t.call(&["ps", "-aq"]).stdout, "");
    assert!(path.exists());
}

fn force_removes_what_cannot_be_read(t: &Stage) {
    for (name, text) in [("a", "{}"), ("b", "[1]"), ("c", "{\"schema\":99}")] {
        let path = created(t, name);
        t.call(&["start", name]).text();
        std::fs::write(&path, text).expect("the test's own");
        let said = t.call(&["rm", "-f", name]);
        assert!(said.stderr.contains("is not known") || said.stderr.contains("are not known"));
        assert_eq!(said.code, 0, "{said:?}");
        assert!(!path.exists());
        // Its name is free, and so is its block.
        t.call(&["run", "--rm", "--name", name, "host:", "true"])
            .text();
    }
    let path = created(t, "d");
    std::fs::write(&path, "{}").expect("the test's own");
    created(t, "e");
    t.call(&["rm", "-fa"]).text();
    assert_eq!(t.call(&["ps", "-aq"]).stdout, "");
}

fn what_cannot_be_read_keeps_its_volumes(t: &Stage) {
    let args = [
        "create",
        "--name",
        "has",
        "-v",
        "kept:/mnt",
        "host:",
        "true",
    ];
    let id = t.call(&args).text();
    let path = t
        .dir
        .join("root-data/containers")
        .join(&id)
        .join("record.json");
    let text = std::fs::read_to_string(&path).expect("a record");
    std::fs::write(&path, "{}").expect("the test's own");
    for verb in [
        &["volume", "rm", "kept"][..],
        &["volume", "prune", "-f", "-a"],
    ] {
        let told = t.call(verb);
        assert!(told.code != 0, "{told:?}");
        assert!(
            told.stderr.contains(&id) && told.stderr.contains("record.json"),
            "{told:?}"
        );
    }
    assert_eq!(t.call(&["volume", "ls", "-q"]).text(), "kept");
    std::fs::write(&path, text).expect("the test's own");
    t.call(&["rm", "has"]).text();
    t.call(&["volume", "rm", "kept"]).text();
}

/// Whether it runs, and how it ended, is not known; above all not that it never began.
fn a_newer_life_is_left_alone(t: &Stage) {
    let record = created(t, "new");
    t.call(&["start", "new"]).text();
    let id = t.field("new", "{{.Id}}");
    t.call(&["stop", "-t", "0", "new"]).text();
    let path = record.with_file_name("life.json");
    let text = std::fs::read_to_string(&path).expect("a life");
    t.call(&["run", "-d", "--name", "good", "host:", "sleep", "1000"])
        .text();
    created(t, "over");
    for newer in [
        text.replacen("{\"schema\":1,", "{\"schema\":2,\"unheard\":[],", 1),
        text.replacen("\n{\"schema\":1,", "\n{\"schema\":99,", 1),
    ] {
        assert_ne!(text, newer);
        std::fs::write(&path, &newer).expect("the test's own");
        for line in [
            &["start", "new"][..],
            &["inspect", "new"],
            &["stop", "new"],
            &["wait", "new"],
            &["rm", "new"],
            &["cp", "/dev/null", "new:/tmp/x"],
        ] {
            let said = t.call(line).refused(125);
            assert!(
                said.contains("life.json") && said.contains("schema"),
                "{said}"
            );
        }
        let listed = t.call(&["ps", "-a", "--format", "{{.Names}}"]);
        assert!(listed.stderr.contains("life.json"), "{listed:?}");
        assert!(!listed.text().contains("new"));
        assert!(t.call(&["stats", "--no-stream"]).text().contains("good"));
        assert_eq!(std::fs::read_to_string(&path).expect("a life"), newer);
    }
    // What is over goes, and this one with force alone.
    let pruned = t.call(&["container", "prune", "-f"]).text();
    assert!(!pruned.is_empty() && !pruned.contains(&id), "{pruned}");
    t.call(&["rm", "-f", "new"]).text();
    assert!(!record.exists());
    t.call(&["stop", "-t", "0", "-a"]).text();
}
