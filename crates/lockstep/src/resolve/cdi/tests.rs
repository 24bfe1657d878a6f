//! Names, mistakes, and which of several descriptions counts.

use super::spec::{parse, qualified};
use super::*;

const GOOD: &str = r#"{"cdiVersion": "0.6.0", "kind": "vendor.com/card", "annotations": {"a": "b"},
 "devices": [{"name": "one", "containerEdits": {"env": ["ONE=1"],
   "deviceNodes": [{"path": "/dev/card0", "hostPath": "/dev/null", "permissions": "rw"}]}},
  {"name": "hooked", "containerEdits": {"hooks": [{"hookName": "createContainer", "path": "/bin/true", "args": ["x"]}]}}],
 "containerEdits": {"env": ["ALL=1"], "mounts": [{"hostPath": "/data", "containerPath": "/lib/card", "options": ["ro"]}]}}"#;

fn described(path: &str, rank: usize, text: &str) -> Described {
    Described {
        path: path.into(),
        rank,
        spec: parse(text.as_bytes()),
    }
}

#[test]
fn names_are_the_specification_s() {
    assert_eq!(
        qualified("vendor.com/card=one"),
        Some(("vendor.com/card", "one"))
    );
    assert_eq!(qualified("v/c-d=0:1.2_x"), Some(("v/c-d", "0:1.2_x")));
    for wrong in [
        "", "card", "v/c", "v/c=", "/c=x", "v/=x", "1v/c=x", "v/c.d=x", "v/c=x/y", "v/c=-x",
        "v/c=x-", "v /c=x", "v/c/d=x",
    ] {
        assert!(qualified(wrong).is_none(), "{wrong}");
    }
    assert_eq!(gpus("2").expect("two").len(), 2);
    assert_eq!(gpus("all").expect("all")[0].1, "nvidia.com/gpu=all");
    assert_eq!(
        gpus("device=0,GPU-5").expect("two")[1].1,
        "nvidia.com/gpu=GPU-5"
    );
    assert_eq!(
        gpus("\"device=0,1\"").expect("in quotes")[1].1,
        "nvidia.com/gpu=1"
    );
    for wrong in [
        "",
        "0",
        "some",
        "-2",
        "capabilities=compute",
        "\"",
        "\"\"",
        "\"all",
    ] {
        assert!(gpus(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn mistakes_are_named() {
    parse(GOOD.as_bytes()).expect("a description");
    for (from, to, says) in [
        ("0.6.0", "2.0.0", "cdiVersion"),
        ("\"kind\"", "\"kinds\"", "kinds"),
        ("vendor.com/card", "vendor.com", "VENDOR/CLASS"),
        ("\"name\": \"hooked\"", "\"name\": \"one\"", "twice"),
        ("\"name\": \"one\"", "\"name\": \"../one\"", "no name"),
        ("ONE=1", "ONE", "NAME=VALUE"),
        ("/dev/card0", "dev/card0", "absolute"),
        ("/lib/card", "/lib/../etc", "absolute"),
        ("\"permissions\"", "\"permission\"", "permission"),
        ("[\"ro\"]", "\"ro\"", "sequence"),
    ] {
        let error = parse(GOOD.replace(from, to).as_bytes()).expect_err(to);
        assert!(error.contains(says), "{to}: {error}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    parse(GOOD.replace("{\"a\": \"b\"}", &deep).as_bytes()).expect_err("too deep");
    parse(&vec![b' '; spec::MAX_BYTES + 1]).expect_err("too long");
}

/// Whatever is cut out of a description or doubled in it: an error, or one whose paths are plain.
#[test]
fn damaged_descriptions_are_errors_or_plain() {
    let bytes = GOOD.as_bytes();
    for start in 0..bytes.len() {
        for length in [1, 2, 7, 40] {
            let end = (start + length).min(bytes.len());
            let cut = [&bytes[..start], &bytes[end..]].concat();
            let doubled = [&bytes[..end], &bytes[start..]].concat();
            for text in [cut, doubled] {
                let Ok(spec) = parse(&text) else { continue };
                let edits = spec.devices.iter().map(|device| &device.container_edits);
                for edits in edits.chain([&spec.container_edits]) {
                    for mount in &edits.mounts {
                        assert!(
                            mount.container_path.starts_with('/')
                                && !mount.container_path.contains("..")
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_later_directory_counts_and_two_files_contradict() {
    let about = ("device", "vendor.com/card=one");
    let wanted = ("vendor.com/card", "one");
    let all = [
        described("/etc/cdi/a.json", 0, GOOD),
        described("/var/run/cdi/a.json", 1, GOOD),
    ];
    let found = find(&all, about, wanted).expect("a description");
    assert_eq!(found.path, PathBuf::from("/var/run/cdi/a.json"));
    let twice = [
        described("/etc/cdi/a.json", 0, GOOD),
        described("/etc/cdi/b.json", 0, GOOD),
    ];
    let error = find(&twice, about, wanted)
        .map(|_| ())
        .expect_err("which one");
    assert!(
        error.message.contains("both describe it"),
        "{}",
        error.message
    );
    let broken = [described("/etc/cdi/a.yaml", 0, "kind: x")];
    let error = find(&broken, about, wanted).map(|_| ()).expect_err("none");
    assert!(error.to_string().contains("a.yaml"), "{error}");
}

#[test]
fn what_has_rights_of_its_own_is_refused() {
    let spec = parse(GOOD.as_bytes()).expect("a description");
    let path = PathBuf::from("/etc/cdi/a.json");
    let about = ("device", "vendor.com/card=hooked", &path);
    let error = add(
        &mut Edits::default(),
        about,
        &spec.devices[1].container_edits,
    )
    .expect_err("a hook");
    assert!(
        error
            .message
            .contains("hook createContainer (/bin/true) in /etc/cdi/a.json"),
        "{}",
        error.message
    );
    let edits = |text: &str| serde_json::from_str::<Edits>(text).expect("edits");
    for text in [
        r#"{"intelRdt": {}}"#,
        r#"{"additionalGids": [5]}"#,
        r#"{"netDevices": [{}]}"#,
    ] {
        assert!(
            add(&mut Edits::default(), about, &edits(text)).is_err(),
            "{text}"
        );
    }
}
