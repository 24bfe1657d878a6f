//! Devices by a vendor's name: what a description brings, and what it cannot.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::cases;
use crate::stage::{Output, Stage, output};

cases![
    a_description_is_honoured,
    what_cannot_be_honoured_is_refused,
    descriptions_of_others_are_not_believed,
    a_device_under_another_name,
];

/// The command with these files in /etc/cdi, which nobody else sees. A file whose name begins with `+` may be written by
/// others.
fn with(t: &Stage, files: &[(&str, &str)], run: &Command) -> Output {
    let dir = t.dir.join("cdi");
    drop(std::fs::remove_dir_all(&dir));
    for name in ["upper/cdi", "work"] {
        std::fs::create_dir_all(dir.join(name)).expect("directories");
    }
    for (name, text) in files {
        let path = dir.join("upper/cdi").join(name.trim_start_matches('+'));
        std::fs::write(&path, text).expect("a description");
        let mode = if name.starts_with('+') { 0o666 } else { 0o644 };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its mode");
    }
    let script = format!(
        "mount -t overlay x -o lowerdir=/etc,upperdir={0}/upper,workdir={0}/work /etc && exec \"$@\"",
        dir.display()
    );
    let mut outer = Command::new("unshare");
    outer.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    outer.arg(run.get_program()).args(run.get_args());
    output(outer, b"")
}

fn description(t: &Stage) -> String {
    let library = t.dir.join("library");
    std::fs::create_dir_all(&library).expect("a directory");
    std::fs::write(library.join("card.so"), "library").expect("a file");
    format!(
        r#"{{"cdiVersion": "0.6.0", "kind": "vendor.com/card", "annotations": {{"made": "by hand"}},
 "devices": [
  {{"name": "one", "containerEdits": {{"env": ["CARD=one"],
    "deviceNodes": [{{"path": "/dev/card1", "hostPath": "/dev/null", "major": 1, "minor": 3, "permissions": "rw"}}]}}}},
  {{"name": "zero", "containerEdits": {{"deviceNodes": [{{"path": "/dev/zero", "type": "c"}}]}}}},
  {{"name": "block", "containerEdits": {{"deviceNodes": [{{"path": "/dev/full", "type": "b"}}]}}}},
  {{"name": "fifo", "containerEdits": {{"deviceNodes": [{{"path": "/dev/full", "type": "p"}}]}}}},
  {{"name": "unbuffered", "containerEdits": {{"deviceNodes": [{{"path": "/dev/full", "type": "u"}}]}}}},
  {{"name": "moved", "containerEdits": {{"deviceNodes": [{{"path": "/dev/null", "major": 99, "minor": 3}}]}}}},
  {{"name": "etc", "containerEdits": {{"mounts": [{{"hostPath": "{store}", "containerPath": "/store"}}]}}}},
  {{"name": "suid", "containerEdits": {{"mounts": [{{"hostPath": "/usr", "containerPath": "/vendor", "options": ["suid"]}}]}}}},
  {{"name": "hooked", "containerEdits": {{"hooks": [{{"hookName": "createContainer", "path": "/bin/touch", "args": ["touch", "{hook}"]}}]}}}}
 ],
 "containerEdits": {{"env": ["VENDOR=yes", "CARD=any"],
  "mounts": [{{"hostPath": "{library}", "containerPath": "/run/card", "options": ["ro", "nosuid", "rbind"]}}]}}}}"#,
        library = library.display(),
        store = t.dir.join("root-data/containers").display(),
        hook = t.dir.join("hook").display(),
    )
}

fn a_description_is_honoured(t: &Stage) {
    let text = description(t);
    let files = [
        ("vendor.json", text.as_str()),
        ("other.json", "{}"),
        ("README", "no description"),
    ];
    let script = "echo $VENDOR $CARD; cat /run/card/card.so; echo; touch /run/card/x 2>&1 | grep -c Read-only; \
                  test -c /dev/card1 && echo gone >/dev/card1 && wc -c </dev/card1; stat -c %t:%T /dev/card1; \
                  grep ' /run/card ' /proc/self/mountinfo";
    let args = [
        "run",
        "--rm",
        "--device",
        "vendor.com/card=one",
        "host:",
        "sh",
        "-c",
        script,
    ];
    let seen = with(t, &files, &t.command(&args)).text();
    assert!(seen.starts_with("yes one\nlibrary\n1\n0\n1:3\n"), "{seen}");
    assert!(seen.contains("ro,nosuid,nodev"), "{seen}");
    // What was typed counts more, and two devices need what is common once.
    let args = [
        "run",
        "--rm",
        "--device",
        "vendor.com/card=one",
        "--device=vendor.com/card=zero",
        "-e",
        "CARD=mine",
        "host:",
        "sh",
        "-c",
    ];
    let args = [&args[..], &["echo $CARD; head -c 2 /dev/zero | wc -c"]].concat();
    assert_eq!(with(t, &files, &t.command(&args)).text(), "mine\n2");
    let why = [
        "run",
        "--why",
        "--device",
        "vendor.com/card=one",
        "host:",
        "true",
    ];
    let why = with(t, &files, &t.command(&why)).text();
    assert!(
        why.contains("as /etc/cdi/vendor.json describes it"),
        "{why}"
    );
    // An ordinary user's container has it where the host's file lets the user.
    let args = [
        "run",
        "--rm",
        "--device",
        "vendor.com/card=one",
        "host:",
        "sh",
        "-c",
        "echo x >/dev/card1; echo $CARD",
    ];
    assert_eq!(with(t, &files, &t.user_command(None, &args)).text(), "one");
    // Docker's spelling of one vendor's.
    let gpu = text
        .replace("vendor.com/card", "nvidia.com/gpu")
        .replace("\"one\"", "\"0\"");
    let args = [
        "run",
        "--rm",
        "--gpus",
        "1",
        "host:",
        "sh",
        "-c",
        "test -c /dev/card1 && echo $CARD",
    ];
    assert_eq!(
        with(t, &[("gpu.json", &gpu)], &t.command(&args)).text(),
        "one"
    );
}

fn what_cannot_be_honoured_is_refused(t: &Stage) {
    let text = description(t);
    t.sh(&[], "true").text();
    let refused = |files: &[(&str, &str)], device: &str| {
        let args = ["run", "--rm", "--device", device, "host:", "true"];
        with(t, files, &t.command(&args)).refused(125)
    };
    let good = [("vendor.json", text.as_str())];
    for (device, says) in [
        (
            "vendor.com/card=hooked",
            "hook createContainer (/bin/touch) in /etc/cdi/vendor.json",
        ),
        (
            "vendor.com/card=two",
            "no file in /etc/cdi and /var/run/cdi describes it",
        ),
        ("vendor.com/card=moved", "the host's file is 1:3"),
        (
            "vendor.com/card=block",
            "the host's file is a character device, the description says type \"b\"",
        ),
        ("vendor.com/card=fifo", "the description says type \"p\""),
        ("vendor.com/card=etc", "Lockstep's own"),
        ("vendor.com/card=suid", "\"suid\", which is refused"),
        ("vendor.com=one", "VENDOR/CLASS=NAME"),
    ] {
        let refusal = refused(&good, device);
        assert!(refusal.contains(says), "{device}: {refusal}");
    }
    assert!(!t.dir.join("hook").exists(), "a hook was executed");
    let args = [
        "run",
        "--rm",
        "--device=vendor.com/card=unbuffered",
        "host:",
        "true",
    ];
    with(t, &good, &t.command(&args)).text();
    let yaml = refused(
        &[("vendor.yaml", "cdiVersion: 0.6.0")],
        "vendor.com/card=one",
    );
    assert!(yaml.contains("YAML is not read, JSON is"), "{yaml}");
    let twice = refused(
        &[("a.json", &text), ("b.json", &text)],
        "vendor.com/card=one",
    );
    assert!(twice.contains("both describe it"), "{twice}");
    let broken = refused(
        &[("a.json", "{\"cdiVersion\": \"0.6.0\", \"kind\": 5}")],
        "vendor.com/card=one",
    );
    assert!(
        broken.contains("a.json") && broken.contains("line 1"),
        "{broken}"
    );
}

fn descriptions_of_others_are_not_believed(t: &Stage) {
    let text = description(t);
    let args = [
        "run",
        "--rm",
        "--device",
        "vendor.com/card=one",
        "host:",
        "true",
    ];
    let refusal = with(t, &[("+vendor.json", &text)], &t.command(&args)).refused(125);
    assert!(refusal.contains("may be written by others"), "{refusal}");
}

fn a_device_under_another_name(t: &Stage) {
    let script = "test -c /dev/hands && echo x >/dev/hands && stat -c %t:%T /dev/hands; grep -c ' /dev/hands .*nosuid' /proc/self/mountinfo";
    let options = ["--device", "/dev/null:/dev/hands"];
    assert_eq!(t.sh(&options, script).text(), "1:3\n1");
    // Nothing but that file came with it.
    let seen = t.sh(&options, "ls /dev").text();
    let plain = t.sh(&[], "ls /dev").text();
    let new: Vec<&str> = seen
        .lines()
        .filter(|name| !plain.lines().any(|known| known == *name))
        .collect();
    assert_eq!(new, ["hands"]);
}
