//! Volume options that are about the host's disk: `:U` changes owners there, `:O` changes nothing.

use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::Path;

use crate::cases;
use crate::stage::{Stage, USER, output};

cases![
    owners_become_the_user_s,
    an_ordinary_user_gives_to_subordinate_ids,
    names_of_others_are_not_followed,
    owners_of_the_host_stay,
    changes_last_for_one_run,
    an_ordinary_user_has_overlays_too,
    an_overlay_is_of_what_was_chosen,
    labels_are_told_of,
];

fn owner(path: &Path) -> (u32, u32) {
    let found = std::fs::symlink_metadata(path).expect("a file");
    (found.uid(), found.gid())
}

/// A directory with a file, a link and a directory that is not empty.
fn tree(t: &Stage, name: &str) -> std::path::PathBuf {
    let dir = t.dir.join(name);
    std::fs::create_dir_all(dir.join("deep/er")).expect("directories");
    std::fs::write(dir.join("deep/er/file"), "text").expect("a file");
    symlink("/etc/passwd", dir.join("link")).expect("a link");
    dir
}

fn owners_become_the_user_s(t: &Stage) {
    let dir = tree(t, "data");
    let volume = format!("{}:/data:U", dir.display());
    let script = "stat -c %u:%g /data /data/deep/er/file; touch /data/deep/new";
    let seen = t.sh(&["-v", &volume, "-u", "1000:1001"], script).text();
    assert_eq!(seen, "1000:1001\n1000:1001");
    for name in ["", "deep", "deep/er", "deep/er/file", "deep/new", "link"] {
        assert_eq!(owner(&dir.join(name)), (1000, 1001), "{name}");
    }
    // Where the mount maps nothing, the ids of the host are those of the container's block.
    let plain = format!("{}:/data:U,noidmap", dir.display());
    let script = "stat -c %u:%g /data/deep; cut -b 1- /proc/self/uid_map";
    let seen = t.sh(&["-v", &plain, "-u", "7:8"], script).text();
    let first: u32 = seen
        .split_whitespace()
        .nth(2)
        .and_then(|n| n.parse().ok())
        .expect("a map");
    assert!(seen.starts_with("7:8\n"), "{seen}");
    assert_eq!(owner(&dir.join("deep/er/file")), (first + 7, first + 8));
    // A volume of the store as well.
    let seen = t
        .sh(
            &["-v", "mine:/data:U", "-u", "9:9"],
            "touch /data/x; stat -c %u /data",
        )
        .text();
    assert_eq!(seen, "9");
}

fn an_ordinary_user_gives_to_subordinate_ids(t: &Stage) {
    let dir = tree(t, "data");
    for name in ["", "deep", "deep/er", "deep/er/file"] {
        chown(dir.join(name), Some(USER), Some(USER)).expect("it is the user's");
    }
    std::os::unix::fs::lchown(dir.join("link"), Some(USER), Some(USER)).expect("it is the user's");
    let volume = format!("{}:/data:U", dir.display());
    let run = |first| {
        let args = [
            "run",
            "--rm",
            "-v",
            &volume,
            "-u",
            "33:34",
            "host:",
            "stat",
            "-c",
            "%u:%g",
            "/data/deep/er/file",
        ];
        output(t.user_command(first, &args), b"")
    };
    assert_eq!(run(Some(700_000)).text(), "33:34");
    assert_eq!(owner(&dir.join("deep/er")), (700_032, 700_033));
    // Somebody else's file is not the user's to give.
    chown(dir.join("deep/er/file"), Some(1), Some(1)).expect("an owner");
    let refusal = run(Some(700_000)).refused(125);
    assert!(refusal.contains("deep/er/file"), "{refusal}");
    assert_eq!(owner(&dir.join("deep/er/file")), (1, 1));
}

fn names_of_others_are_not_followed(t: &Stage) {
    let outside = t.dir.join("outside");
    std::fs::create_dir(&outside).expect("a directory");
    std::fs::write(outside.join("secret"), "").expect("a file");
    let dir = tree(t, "data");
    symlink(&outside, dir.join("way")).expect("a link");
    // Two names of one file inside are fine.
    std::fs::hard_link(dir.join("deep/er/file"), dir.join("second")).expect("a hard link");
    let volume = format!("{}:/data:U", dir.display());
    t.sh(&["-v", &volume, "-u", "1000"], "true").text();
    assert_eq!(owner(&dir.join("second")).0, 1000);
    assert_eq!(owner(&outside.join("secret")), (0, 0));
    // One outside is somebody's, and nothing is changed.
    std::fs::hard_link(outside.join("secret"), dir.join("deep/hard")).expect("a hard link");
    let refusal = t.sh(&["-v", &volume, "-u", "2000"], "true").refused(125);
    assert!(refusal.contains("another name outside"), "{refusal}");
    assert_eq!(owner(&outside.join("secret")), (0, 0));
    assert_eq!(owner(&dir.join("deep")).0, 1000);
    std::fs::remove_file(dir.join("deep/hard")).expect("it is removed");
    // What is mounted in it is another file system's, though it be the same one's.
    let below = dir.join("below");
    std::fs::create_dir(&below).expect("a directory");
    let script = format!(
        "mount --bind {} {} && exec \"$@\"",
        outside.display(),
        below.display()
    );
    let run = t.command(&["run", "--rm", "-v", &volume, "-u", "3000", "host:", "true"]);
    let mut outer = std::process::Command::new("unshare");
    outer.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    outer.arg(run.get_program()).args(run.get_args());
    output(outer, b"").text();
    assert_eq!(owner(&dir.join("deep")).0, 3000);
    assert_eq!(owner(&outside), (0, 0));
}

fn owners_of_the_host_stay(t: &Stage) {
    let own = t.dir.display().to_string();
    for source in [
        "/",
        "/etc",
        "/etc/alternatives",
        "/usr/share",
        "/var/lib",
        "/tmp",
        &own,
    ] {
        let volume = format!("{source}:/data:U");
        let refusal = t
            .call(&["create", "-v", &volume, "host:", "true"])
            .refused(125);
        assert!(refusal.contains("is refused"), "{source}: {refusal}");
    }
    let refusal = t.sh(&["-v", "x:/data:U,O"], "true").refused(125);
    assert!(refusal.contains("does not"), "{refusal}");
}

fn changes_last_for_one_run(t: &Stage) {
    let dir = tree(t, "data");
    chown(dir.join("deep/er/file"), Some(1234), Some(1234)).expect("an owner");
    let volume = format!("{}:/data:O", dir.display());
    let script = "cat /data/deep/er/file; stat -c %u /data/deep/er/file; test ! -e /data/new && \
                  echo more >>/data/deep/er/file && rm -r /data/link && mkdir -p /data/new/a/b/c/d/e/f/g/h/i/j/k && \
                  cat /data/deep/er/file && grep ' /data ' /proc/self/mountinfo";
    let args = [
        "run", "--name", "o", "-v", &volume, "host:", "sh", "-c", script,
    ];
    let first = t.call(&args).text();
    assert!(first.starts_with("text1234\ntextmore\n"), "{first}");
    assert!(
        first.contains("nosuid,nodev") && first.contains("overlay"),
        "{first}"
    );
    // The next run begins with the directory as it is.
    let again = t.call(&["start", "-a", "o"]).text();
    assert!(again.starts_with("text1234\ntextmore\n"), "{again}");
    let text = std::fs::read_to_string(dir.join("deep/er/file")).expect("the file");
    assert_eq!(text, "text");
    assert!(dir.join("link").is_symlink() && !dir.join("new").exists());
    let kept = t.field("o", "{{.Lockstep.Directory}}");
    assert!(
        !Path::new(&kept).join("over").exists(),
        "nothing of a run stays"
    );
    t.call(&["rm", "o"]).text();
    // Together with an image's layers, and read-only.
    let read_only = format!("{}:/data:O,ro", dir.display());
    assert_ne!(t.sh(&["-v", &read_only], "touch /data/x").code, 0);
    t.sh(&["-v", "kept:/data"], "echo kept >/data/file").text();
    t.sh(
        &["-v", "kept:/data:O"],
        "echo other >/data/file; cat /data/file",
    )
    .text();
    assert_eq!(t.sh(&["-v", "kept:/data"], "cat /data/file").text(), "kept");
    let file = format!("{}:/data:O", dir.join("deep/er/file").display());
    assert!(
        t.sh(&["-v", &file], "true")
            .refused(125)
            .contains("directories")
    );
}

fn an_ordinary_user_has_overlays_too(t: &Stage) {
    let dir = tree(t, "data");
    for name in ["", "deep", "deep/er", "deep/er/file"] {
        chown(dir.join(name), Some(USER), Some(USER)).expect("it is the user's");
    }
    let volume = format!("{}:/data:O", dir.display());
    for first in [Some(700_000), None] {
        let script = "echo more >>/data/deep/er/file; mkdir /data/new; cat /data/deep/er/file";
        let args = ["run", "--rm", "-v", &volume, "host:", "sh", "-c", script];
        assert_eq!(output(t.user_command(first, &args), b"").text(), "textmore");
    }
    assert!(!dir.join("new").exists());
    assert_eq!(
        std::fs::read_to_string(dir.join("deep/er/file")).expect("the file"),
        "text"
    );
}

/// A link that has taken the place of the directory since leads to somebody else's.
fn an_overlay_is_of_what_was_chosen(t: &Stage) {
    let dir = tree(t, "data");
    chown(&dir, Some(USER), Some(USER)).expect("it is the user's");
    let moved = t.dir.join("moved");
    let volume = format!("{}:/data:O", dir.display());
    for user in [true, false] {
        let call = |args: &[&str]| match user {
            true => output(t.user_command(Some(700_000), args), b""),
            false => t.call(args),
        };
        let script = "cat /data/deep/er/file";
        let args = [
            "create", "--name", "o", "-v", &volume, "host:", "sh", "-c", script,
        ];
        call(&args).text();
        std::fs::rename(&dir, &moved).expect("it is moved");
        symlink(&moved, &dir).expect("a link");
        let refusal = call(&["start", "-a", "o"]);
        assert_ne!(refusal.code, 0);
        assert!(refusal.stderr.contains("symbolic link"), "{refusal:?}");
        std::fs::remove_file(&dir).expect("it is removed");
        std::fs::rename(&moved, &dir).expect("it is moved back");
        assert_eq!(call(&["start", "-a", "o"]).text(), "text");
        call(&["rm", "o"]).text();
    }
    // A container can put one into a volume.
    let below = t.dir.join("root-data/volumes/mine/below");
    t.sh(&["-v", "mine:/data"], "mkdir /data/below").text();
    let volume = format!("{}:/data:O", below.display());
    t.call(&["create", "--name", "o", "-v", &volume, "host:", "true"])
        .text();
    let script = format!("rmdir /data/below && ln -s {} /data/below", dir.display());
    t.sh(&["-v", "mine:/data"], &script).text();
    let refusal = t.call(&["start", "-a", "o"]);
    assert!(refusal.stderr.contains("symbolic link"), "{refusal:?}");
    t.call(&["rm", "o"]).text();
    // A volume that its owner has put elsewhere.
    for kind in ["user", "root"] {
        let call = |args: &[&str]| match kind {
            "user" => output(t.user_command(Some(700_000), args), b""),
            _ => t.call(args),
        };
        call(&["volume", "create", "near"]).text();
        let own = t.dir.join(format!("{kind}-data/volumes/far"));
        symlink(&dir, own).expect("a link");
        let script = "cat /data/deep/er/file";
        let args = [
            "run",
            "--rm",
            "-v",
            "far:/data:O",
            "host:",
            "sh",
            "-c",
            script,
        ];
        assert_eq!(call(&args).text(), "text", "{kind}");
    }
}

fn labels_are_told_of(t: &Stage) {
    t.need(
        !Path::new("/sys/fs/selinux/enforce").exists(),
        "SELinux is on",
    );
    let dir = tree(t, "data");
    for option in ["z", "Z"] {
        let run = t.sh(
            &["-v", &format!("{}:/data:{option}", dir.display())],
            "cat /data/deep/er/file",
        );
        assert!(run.stderr.contains("SELinux is off"), "{run:?}");
        assert_eq!(run.text(), "text");
    }
}
