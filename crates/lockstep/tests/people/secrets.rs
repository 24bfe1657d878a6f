//! Secrets reach the container and nothing else.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::image::layout;
use crate::stage::{Stage, output};

crate::cases![
    verbs,
    a_file_or_a_variable,
    at_rest_for_the_owner_alone,
    a_container_keeps_its_copy,
    in_an_image_that_cannot_be_written,
    as_an_ordinary_user,
    wrong_ones_are_refused,
];

/// What must not be seen.
const VALUE: &str = "hush-7f3a";

fn make(t: &Stage, name: &str) {
    let made = t.call_with(VALUE.as_bytes(), &["secret", "create", name, "-"]);
    assert_eq!(made.text().len(), 26);
}

fn verbs(t: &Stage) {
    make(t, "key");
    let file = t.dir.join("file");
    std::fs::write(&file, VALUE).expect("a file");
    t.call(&[
        "secret",
        "create",
        "-l",
        "tier=db",
        "other",
        &file.display().to_string(),
    ])
    .text();
    let names = t.call(&["secret", "ls", "--format", "{{.Name}}"]).text();
    assert_eq!(names, "key\nother");
    assert_eq!(
        t.call(&["secret", "ls", "-q", "-f", "name=^oth"])
            .text()
            .len(),
        26
    );
    let format = "{{.Spec.Name}} {{.Spec.Driver.Name}} {{.Spec.Labels.tier}}";
    assert_eq!(
        t.call(&["secret", "inspect", "-f", format, "other"]).text(),
        "other file db"
    );
    let known = t.call(&["secret", "inspect", "key", "other"]).text();
    assert!(!known.contains(VALUE), "{known}");
    assert!(
        t.call(&["secret", "inspect", "--showsecret", "key"])
            .refused(125)
            .contains("containers alone")
    );
    let taken = t
        .call_with(b"new", &["secret", "create", "key", "-"])
        .refused(125);
    assert!(taken.contains("already"), "{taken}");
    t.call_with(b"new", &["secret", "create", "--replace", "key", "-"])
        .text();
    assert_eq!(
        t.sh(&["--secret", "key"], "cat /run/secrets/key").text(),
        "new"
    );
    assert_eq!(t.call(&["secret", "exists", "key"]).code, 0);
    assert_eq!(t.call(&["secret", "rm", "key"]).text().len(), 26);
    assert_eq!(t.call(&["secret", "exists", "key"]).code, 1);
    assert_eq!(t.call(&["secret", "rm", "key"]).code, 1);
    assert_eq!(t.call(&["secret", "rm", "-i", "key"]).code, 0);
    t.call(&["secret", "rm", "-a"]).text();
    assert_eq!(t.call(&["secret", "ls", "-q"]).text(), "");
}

fn a_file_or_a_variable(t: &Stage) {
    make(t, "key");
    let options = [
        "--secret",
        "key",
        "--secret",
        "key,target=mine,uid=5,gid=6,mode=0400",
        "--secret",
        "key,target=/var/hush/key",
        "--secret",
        "key,type=env",
        "--secret",
        "key,type=env,target=PASSWORD",
    ];
    let script = "stat -c '%a %u %g' /run/secrets/key /run/secrets/mine; cat /run/secrets/key /var/hush/key; echo
        echo $key $PASSWORD; ls -A /run/secrets | tr '\\n' ' '; echo
        grep -o ' /run/secrets tmpfs ro,.*' /proc/mounts; grep -c ' /var/hush/key tmpfs ro' /proc/mounts
        echo x 2>&- >/run/secrets/key || echo kept";
    let image = ["--tmpfs", "/var/hush"];
    let seen = t.sh(&[&options[..], &image].concat(), script).text();
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "444 0 0",
            "400 5 6",
            &format!("{VALUE}{VALUE}"),
            &format!("{VALUE} {VALUE}")
        ]
    );
    assert_eq!(lines[4], "key mine ");
    assert!(
        lines[5].contains("nosuid") && lines[5].contains("nodev") && lines[5].contains("noexec"),
        "{seen}"
    );
    assert_eq!(lines[6..], ["1", "kept"]);
}

/// Every file below a directory that contains the value.
fn holding(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => holding(&path, found),
            Ok(kind) if kind.is_file() => {
                let text = std::fs::read(&path).unwrap_or_default();
                if text
                    .windows(VALUE.len())
                    .any(|part| part == VALUE.as_bytes())
                {
                    found.push(path);
                }
            }
            _ => {}
        }
    }
}

fn at_rest_for_the_owner_alone(t: &Stage) {
    make(t, "key");
    let options = [
        "--secret",
        "key",
        "--secret",
        "key,type=env,target=PASSWORD",
    ];
    let run = [
        "run",
        "-d",
        "--name",
        "x",
        "--health-cmd",
        "test -n \"$PASSWORD\"",
        "--health-interval",
        "1s",
    ];
    let program = [
        "host:",
        "sh",
        "-c",
        "cat /run/secrets/key >/dev/null; sleep 1000",
    ];
    t.call(&[&run[..], &options, &program].concat()).text();
    let mut found = Vec::new();
    for place in ["root-data", "root-state"] {
        holding(&t.dir.join(place), &mut found);
    }
    assert_eq!(found.len(), 2, "{found:?}");
    for path in &found {
        assert_eq!(
            path.parent().and_then(Path::file_name),
            Some("secrets".as_ref()),
            "{path:?}"
        );
        let (file, above) = (
            path.metadata().expect("it"),
            path.parent().expect("it").metadata().expect("it"),
        );
        assert_eq!(
            (
                file.permissions().mode() & 0o777,
                above.permissions().mode() & 0o777
            ),
            (0o600, 0o700)
        );
        assert_eq!(file.uid(), 0);
    }
    for shown in [
        &["inspect", "x"][..],
        &["logs", "x"],
        &["ps", "--json"],
        &["inspect", "-f", "{{json .}}", "x"],
    ] {
        let text = t.call(shown).text();
        assert!(!text.contains(VALUE), "{shown:?}: {text}");
    }
    assert_eq!(
        t.field("x", "{{range .Config.Secrets}}{{.Name}} {{end}}"),
        "key key"
    );
    let plan = t
        .call(&[&["plan"][..], &options, &["host:", "true"]].concat())
        .text();
    let why = t
        .call(&[&["run", "--why"][..], &options, &["host:", "true"]].concat())
        .text();
    assert!(!plan.contains(VALUE) && !why.contains(VALUE) && why.contains("PASSWORD"));
    // The supervisor and the keeper do not have it in what others may read.
    for pid in [t.supervisor("x")] {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&text).contains(VALUE));
        }
    }
    // A later process is like the first.
    assert_eq!(
        t.call(&["exec", "x", "sh", "-c", "echo $PASSWORD"]).text(),
        VALUE
    );
    assert!(crate::stage::until(|| t
        .field("x", "{{.State.Health.Status}}")
        == "healthy"));
    t.call(&["rm", "-f", "x"]).text();
    found.clear();
    holding(&t.dir.join("root-data"), &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
}

fn a_container_keeps_its_copy(t: &Stage) {
    make(t, "key");
    let script = "cat /run/secrets/key; echo";
    t.call(&[
        "create", "--name", "x", "--secret", "key", "host:", "sh", "-c", script,
    ])
    .text();
    t.call(&["secret", "rm", "key"]).text();
    for _ in 0..2 {
        assert_eq!(t.call(&["start", "-a", "x"]).text(), VALUE);
    }
}

fn in_an_image_that_cannot_be_written(t: &Stage) {
    let image = layout(t);
    make(t, "key");
    let script = "cat /run/secrets/key; touch /x 2>&- || echo ' kept'";
    let run = [
        "run",
        "--rm",
        "--read-only",
        "--secret",
        "key,uid=500,mode=0400",
        &image,
        "sh",
        "-c",
        script,
    ];
    assert_eq!(t.call(&run).text(), format!("{VALUE} kept"));
    let place = [
        "run",
        "--rm",
        "--secret",
        "key,target=/home/app/key",
        &image,
        "cat",
        "/home/app/key",
    ];
    assert_eq!(t.call(&place).text(), VALUE);
    // Without the option there is nothing.
    let none = t.call(&["run", "--rm", &image, "ls", "/run/secrets"]);
    assert_ne!(none.code, 0, "{none:?}");
}

fn as_an_ordinary_user(t: &Stage) {
    for first in [None, Some(2_000_000)] {
        let call =
            |args: &[&str], input: &str| output(t.user_command(first, args), input.as_bytes());
        let mut create = t.user_command(first, &["secret", "create", "--replace", "key", "-"]);
        create.stdin(std::process::Stdio::piped());
        output(create, VALUE.as_bytes()).text();
        let owner = if first.is_some() {
            "key,uid=5,mode=0400"
        } else {
            "key,mode=0400"
        };
        let run = [
            "run",
            "--rm",
            "--secret",
            owner,
            "--secret",
            "key,type=env,target=P",
            "host:",
            "sh",
            "-c",
        ];
        let script = "stat -c '%a %u' /run/secrets/key; echo $P";
        let seen = call(&[&run[..], &[script]].concat(), "").text();
        assert_eq!(
            seen,
            format!("400 {}\n{VALUE}", if first.is_some() { 5 } else { 0 })
        );
        let file = t.dir.join("user-data/secrets/key").metadata().expect("it");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }
    // An owner that there is not.
    let run = ["run", "--rm", "--secret", "key,uid=5", "host:", "true"];
    let refused = output(t.user_command(None, &run), b"").refused(125);
    assert!(refused.contains("uid and gid"), "{refused}");
}

fn wrong_ones_are_refused(t: &Stage) {
    assert!(
        t.sh(&["--secret", "nobody"], "true")
            .refused(125)
            .contains("no secret")
    );
    make(t, "key");
    for wrong in [
        "key,mode=9",
        "key,colour=red",
        "key,type=env,mode=400",
        "",
        "key,target=../x",
        "key,target=a/b",
    ] {
        let refused = t.sh(&["--secret", wrong], "true").refused(125);
        assert!(refused.contains("secret"), "{wrong}: {refused}");
    }
    let twice = t
        .sh(&["--secret", "key", "--secret", "key"], "true")
        .refused(125);
    assert!(twice.contains("two secrets"), "{twice}");
    assert_eq!(
        t.call_with(b"", &["secret", "create", "empty", "-"]).code,
        125
    );
    assert_eq!(
        t.call_with(&vec![b'x'; 512_001], &["secret", "create", "large", "-"])
            .code,
        125
    );
    for name in ["../x", "a/b", "x.json"] {
        assert_eq!(
            t.call_with(b"x", &["secret", "create", name, "-"]).code,
            125,
            "{name}"
        );
    }
    t.call_with(&[0xff], &["secret", "create", "bytes", "-"])
        .text();
    assert!(
        t.sh(&["--secret", "bytes,type=env"], "true")
            .refused(125)
            .contains("UTF-8")
    );
}
