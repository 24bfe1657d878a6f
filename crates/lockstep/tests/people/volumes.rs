//! Volumes of the store: their verbs, those that nobody named, those of other containers.

use std::os::unix::fs::MetadataExt as _;

use crate::image::layout;
use crate::stage::{Output, Stage, USER, output};

crate::cases![
    verbs,
    one_in_use_stays,
    one_without_a_name_goes_with_its_container,
    one_that_another_has_stays,
    others_are_taken_over,
    an_image_asks_for_some,
    one_that_was_made_before_is_filled,
    nothing_is_left_of_a_failed_create,
    what_a_killed_remover_left_is_removed,
    a_user_s_go_too,
];

fn names(t: &Stage, args: &[&str]) -> String {
    let all = [&["volume", "ls", "-q"], args].concat();
    t.call(&all).text().replace('\n', " ")
}

fn verbs(t: &Stage) {
    assert_eq!(
        t.call(&["volume", "create", "-l", "tier=db", "data"])
            .text(),
        "data"
    );
    assert_eq!(t.call(&["volume", "create", "data"]).text(), "data");
    let made_up = t.call(&["volume", "create"]).text();
    assert_eq!(made_up.len(), 64);
    let format = "{{.Name}} {{.Driver}} {{.Labels.tier}} {{.Anonymous}} {{.MountCount}}";
    assert_eq!(
        t.call(&["volume", "inspect", "-f", format, "data"]).text(),
        "data local db false 0"
    );
    assert_eq!(
        t.call(&["inspect", "--type", "volume", "-f", "{{.Name}}", "data"])
            .text(),
        "data"
    );
    assert_eq!(names(t, &["-f", "label=tier=db"]), "data");
    assert_eq!(names(t, &["-f", "name=^da"]), "data");
    assert_eq!(names(t, &["-f", "anonymous=true"]), made_up);
    assert!(
        t.call(&["volume", "ls"])
            .text()
            .starts_with("DRIVER  VOLUME NAME")
    );
    let place = t
        .call(&["volume", "inspect", "-f", "{{.Mountpoint}}", "data"])
        .text();
    std::fs::write(format!("{place}/file"), "kept").expect("a file");
    assert_eq!(t.sh(&["-v", "data:/d"], "cat /d/file").text(), "kept");
    assert_eq!(t.call(&["volume", "exists", "data"]).code, 0);
    assert_eq!(t.call(&["volume", "exists", "nothing"]).code, 1);
    // Those alone that nobody named, unless all are meant.
    assert_eq!(t.call(&["volume", "prune", "-f"]).text(), made_up);
    assert_eq!(t.call(&["volume", "rm", "data"]).text(), "data");
    assert!(!std::path::Path::new(&place).exists());
    let missing = t.call(&["volume", "rm", "data"]).refused(1);
    assert!(missing.contains("no volume \"data\""), "{missing}");
    assert_eq!(t.call(&["volume", "rm", "-f", "data"]).code, 0);
    for wrong in ["../x", ".hidden", "a/b"] {
        assert_eq!(t.call(&["volume", "create", wrong]).code, 125, "{wrong}");
        assert_eq!(t.call(&["volume", "rm", wrong]).code, 1, "{wrong}");
    }
}

fn one_in_use_stays(t: &Stage) {
    t.call(&["create", "--name", "user", "-v", "data:/d", "host:", "true"])
        .text();
    let refused = t.call(&["volume", "rm", "data"]).refused(2);
    assert!(refused.contains("in use by user"), "{refused}");
    assert_eq!(names(t, &["-f", "dangling=false"]), "data");
    assert_eq!(t.call(&["volume", "prune", "-a"]).text(), "");
    // What has a name stays, whoever goes.
    t.call(&["rm", "-v", "user"]).text();
    assert_eq!(names(t, &["-f", "dangling=true"]), "data");
    assert_eq!(t.call(&["volume", "prune", "-a"]).text(), "data");
}

fn one_without_a_name_goes_with_its_container(t: &Stage) {
    let seen = t.sh(
        &["-v", "/a", "--mount", "target=/b"],
        "grep -c ' /[ab] ' /proc/mounts; echo x >/a/f",
    );
    assert_eq!(seen.text(), "2");
    assert_eq!(names(t, &[]), "");
    for (flags, left) in [
        (&["rm"][..], 1),
        (&["rm", "-v"], 0),
        (&["rm", "-f", "-v"], 0),
    ] {
        t.call(&["create", "--name", "x", "-v", "/a", "host:", "true"])
            .text();
        assert_eq!(
            names(t, &["-f", "anonymous=true"])
                .split_whitespace()
                .count(),
            1
        );
        t.call(&[flags, &["x"]].concat()).text();
        assert_eq!(names(t, &[]).split_whitespace().count(), left, "{flags:?}");
        t.call(&["volume", "prune"]).text();
    }
    // Without a keeper's help too.
    t.call(&[
        "run", "-d", "--rm", "--name", "gone", "-v", "/a", "host:", "sleep", "1000",
    ])
    .text();
    crate::stage::kill(t.supervisor("gone"), "KILL");
    let passing = t.dir.join("root-state/containers");
    let gone = || std::fs::read_dir(&passing).is_ok_and(|mut all| all.next().is_none());
    assert!(crate::stage::until(gone));
    assert_eq!(names(t, &[]), "");
}

fn one_that_another_has_stays(t: &Stage) {
    t.call(&["create", "--name", "first", "-v", "/a", "host:", "true"])
        .text();
    t.call(&[
        "create",
        "--name",
        "second",
        "--volumes-from",
        "first",
        "host:",
        "true",
    ])
    .text();
    t.call(&["rm", "-v", "first"]).text();
    assert_eq!(names(t, &[]).split_whitespace().count(), 1);
    t.call(&["rm", "-v", "second"]).text();
    assert_eq!(names(t, &[]), "");
}

fn others_are_taken_over(t: &Stage) {
    let dir = t.dir.join("data");
    std::fs::create_dir(&dir).expect("a directory");
    std::fs::write(dir.join("file"), "host").expect("a file");
    let bind = format!("{}:/bind:ro", dir.display());
    t.call(&[
        "create", "--name", "a", "-v", "/shared", "-v", &bind, "host:", "true",
    ])
    .text();
    t.sh(&["--volumes-from", "a"], "echo passed >/shared/f")
        .text();
    let seen = t.sh(
        &["--volumes-from", "a:ro"],
        "cat /shared/f /bind/file; echo x 2>&- >/shared/f || echo kept",
    );
    assert_eq!(seen.text(), "passed\nhostkept");
    // What the line itself says of a target wins.
    assert_eq!(
        t.sh(&["--volumes-from", "a", "--tmpfs", "/shared"], "ls /shared")
            .text(),
        ""
    );
    assert!(
        t.sh(&["--volumes-from", "nobody"], "true")
            .refused(125)
            .contains("no container")
    );
    assert!(
        t.sh(&["--volumes-from", "a:x"], "true")
            .refused(125)
            .contains("--volumes-from")
    );
}

/// A layout whose image wants a volume with a file of user 500 in it.
fn with_volume(t: &Stage) -> String {
    let image = layout(t);
    let place = image.trim_start_matches("oci:").to_owned();
    let done = std::process::Command::new("umoci")
        .args(["config", "--image", &place, "--config.volume", "/home/app"])
        .output()
        .expect("umoci runs");
    assert!(done.status.success(), "{done:?}");
    image
}

fn an_image_asks_for_some(t: &Stage) {
    let image = with_volume(t);
    let run = |options: &[&str], script: &str| -> Output {
        t.call(&[&["run", "--rm"], options, &[&image, "sh", "-c", script]].concat())
    };
    let script = "stat -c %u /home/app; cat /proc/mounts; echo x >/home/app/f";
    let seen = run(&[], script).text();
    assert!(
        seen.starts_with("500\n") && seen.contains(" /home/app "),
        "{seen}"
    );
    assert_eq!(names(t, &[]), "");
    assert!(
        !run(&["--image-volume", "ignore"], script)
            .text()
            .contains(" /home/app ")
    );
    assert!(
        run(&["--image-volume", "tmpfs", "-u", "0"], script)
            .text()
            .contains("tmpfs /home/app ")
    );
    assert!(
        run(&["--image-volume", "x"], script)
            .refused(125)
            .contains("anonymous")
    );
    let taken = run(&["-v", "own:/home/app"], script).text();
    assert!(taken.contains(" /home/app "), "{taken}");
    assert_eq!(names(t, &[]), "own");
}

fn one_that_was_made_before_is_filled(t: &Stage) {
    let image = layout(t);
    t.call(&["volume", "create", "made"]).text();
    let run = |script: &str| {
        t.call(&[
            "run",
            "--rm",
            "-u",
            "0",
            "-v",
            "made:/etc",
            &image,
            "sh",
            "-c",
            script,
        ])
        .text()
    };
    assert!(run("cat /etc/passwd").contains("app:"));
    // Once: what is emptied stays empty.
    run("/bin/busybox rm /etc/passwd");
    assert_eq!(run("ls /etc"), "");
}

fn nothing_is_left_of_a_failed_create(t: &Stage) {
    t.call(&["create", "--name", "x", "host:", "true"]).text();
    let cid = t.dir.join("cid");
    std::fs::write(&cid, "taken").expect("a file");
    let cid = cid.display().to_string();
    t.call(&["create", "--cidfile", &cid, "-v", "/a", "host:", "true"])
        .refused(125);
    assert_eq!(names(t, &[]), "");
}

fn what_a_killed_remover_left_is_removed(t: &Stage) {
    t.call(&["volume", "create", "a"]).text();
    let volumes = t.dir.join("root-data/volumes");
    std::fs::create_dir_all(volumes.join(".killed/below")).expect("what a killed remover leaves");
    assert_eq!(names(t, &[]), "a");
    t.call(&["volume", "rm", "a"]).text();
    assert_eq!(std::fs::read_dir(&volumes).expect("the volumes").count(), 0);
}

fn a_user_s_go_too(t: &Stage) {
    let call = |first: Option<u32>, args: &[&str]| output(t.user_command(first, args), b"");
    for first in [None, Some(2_000_000)] {
        let run = [
            "run", "--rm", "-v", "/a", "-v", "own:/b", "host:", "sh", "-c",
        ];
        let script = "touch /a/f /b/f; chown 5 /a/f /b/f 2>/dev/null; chmod 0 /a; stat -c %u /b/f";
        let seen = call(first, &[&run[..], &[script]].concat()).text();
        assert_eq!(seen, if first.is_some() { "5" } else { "0" });
        assert_eq!(call(first, &["volume", "ls", "-q"]).text(), "own");
        let place = call(
            first,
            &["volume", "inspect", "-f", "{{.Mountpoint}}", "own"],
        )
        .text();
        let owner = std::fs::metadata(format!("{place}/f"))
            .expect("the file")
            .uid();
        assert_eq!(owner, first.map_or(USER, |first| first + 4));
        assert_eq!(call(first, &["volume", "rm", "own"]).text(), "own");
        assert!(!std::path::Path::new(&place).exists());
    }
}
