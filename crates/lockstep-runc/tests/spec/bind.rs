//! Bind mounts: sources, flags, recursive attributes, symbolic links.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::{Mount, Test, View, cases, mounts_of};
use crate::mount::{mounted, tree};

cases! {
    bind_directory,
    bind_file,
    bind_relative_source_is_of_the_bundle,
    bind_is_not_recursive,
    rbind_is_recursive,
    bind_readonly,
    bind_flags,
    bind_access_times,
    bind_missing_source_refused,
    bind_missing_source_refused_in_words,
    bind_over_an_existing_file,
    bind_special_files,
    bind_type_is_a_dummy,
    recursive_ro,
    recursive_attributes,
    recursive_clears,
    recursive_rw,
    recursive_last_option_wins: "runc 1.1.5 lets what is set win over what is cleared",
    recursive_access_times_cleared: "runc 1.1.5 asks the kernel for an empty change (EINVAL)",
    recursive_nosymfollow: "runc 1.1.5 has no rnosymfollow",
    plain_ro_is_not_recursive,
    src_nofollow: "an option that runc 1.1.5 lacks",
    src_nosymlinks: "an option of our own",
    dest_nofollow: "an option that runc 1.1.5 lacks",
}

fn bind_directory(t: &Test) {
    let dir = t.subdir("shared");
    std::fs::write(dir.join("in"), "from the host").expect("own directory");
    let output = t
        .sh("cat /m/in; echo back > /m/out")
        .bind(&dir, "/m", &[])
        .run()
        .ok();
    assert_eq!(output.text(), "from the host");
    assert_eq!(
        std::fs::read_to_string(dir.join("out")).expect("written"),
        "back\n"
    );
}

fn bind_file(t: &Test) {
    let file = t.file("one", "a single file");
    let bundle = t
        .sh("cat /deep/er/target; ls /deep/er")
        .bind(&file, "/deep/er/target", &["ro"]);
    assert_eq!(
        bundle.run().ok().text(),
        "a single file\ntarget".replace("\n", "")
    );
}

fn bind_relative_source_is_of_the_bundle(t: &Test) {
    let bundle = t.sh("cat /m/in").mount("/m", "bind", "beside", &["bind"]);
    std::fs::create_dir(bundle.dir().join("beside")).expect("own bundle");
    std::fs::write(bundle.dir().join("beside/in"), "found").expect("own bundle");
    assert_eq!(bundle.run().ok().text(), "found");
}

fn bind_is_not_recursive(t: &Test) {
    let (view, tree) = tree(t, "mode=755");
    let output = t
        .sh("cat /m/f; ls /m/sub")
        .view(view)
        .bind(&tree, "/m", &[])
        .run()
        .ok();
    assert_eq!(output.lines(), ["outer"]);
}

fn rbind_is_recursive(t: &Test) {
    let (view, tree) = tree(t, "mode=755");
    let source = tree.display().to_string();
    let output = t
        .sh("cat /m/f /m/sub/f")
        .view(view)
        .mount("/m", "tmpfs", &source, &["rbind"])
        .run()
        .ok();
    assert_eq!(output.lines(), ["outer", "inner"]);
}

fn bind_readonly(t: &Test) {
    let dir = t.subdir("shared");
    let output = t.sh("touch /m/x").bind(&dir, "/m", &["ro"]).run();
    assert_ne!(output.code, 0);
    assert!(
        output.stderr.contains("Read-only file system"),
        "{output:?}"
    );
    // The source itself is not changed: its own mount stays writable.
    std::fs::write(dir.join("y"), "").expect("the host can still write");
}

fn bind_flags(t: &Test) {
    let dir = t.subdir("shared");
    let bundle = t
        .sleeper()
        .bind(&dir, "/m", &["ro", "nosuid", "nodev", "noexec", "noatime"]);
    let mount = mounted(&bundle, "/m");
    for flag in ["ro", "nosuid", "nodev", "noexec", "noatime"] {
        assert!(mount.has(flag), "{flag}: {mount:?}");
    }
}

fn bind_access_times(t: &Test) {
    // A bind keeps the flags of its source unless an option says otherwise, and is not taken back.
    let (outer, _) = both(t, "noatime", &["rbind", "relatime", "norelatime"]);
    assert!(outer.has("noatime"), "{outer:?}");
    let (outer, inner) = both(t, "noatime", &["rbind", "relatime"]);
    assert!(
        outer.has("relatime") && inner.has("noatime"),
        "{outer:?} {inner:?}"
    );
}

fn bind_missing_source_refused(t: &Test) {
    let bundle = t
        .sh("true")
        .mount("/m", "bind", "/no/such/source", &["bind"]);
    bundle.run().fails_with(&["/no/such/source"]);
}

fn bind_missing_source_refused_in_words(t: &Test) {
    let bundle = t
        .sh("true")
        .mount("/m", "bind", "/no/such/source", &["rbind", "ro"]);
    bundle
        .run()
        .exits(1)
        .fails_with(&["no such file or directory"]);
}

fn bind_over_an_existing_file(t: &Test) {
    let file = t.file("passwd", "other:x:0:0::/:/bin/sh\n");
    let bundle = t.sh("cat /etc/passwd").bind(&file, "/etc/passwd", &[]);
    let before = std::fs::read_to_string(bundle.rootfs().join("etc/passwd")).expect("own rootfs");
    assert_eq!(bundle.run().ok().text(), "other:x:0:0::/:/bin/sh");
    let after = std::fs::read_to_string(bundle.rootfs().join("etc/passwd")).expect("own rootfs");
    assert_eq!(before, after, "the image was written to");
}

fn bind_special_files(t: &Test) {
    let fifo = t.dir.join("fifo");
    t.host("mkfifo", &[fifo.to_str().expect("ASCII")]);
    let output = t
        .sh("test -p /run/fifo && echo fifo; test -c /run/zero && echo device")
        .bind(&fifo, "/run/fifo", &[])
        .bind("/dev/zero".as_ref(), "/run/zero", &[])
        .run()
        .ok();
    assert_eq!(output.lines(), ["fifo", "device"]);
}

fn bind_type_is_a_dummy(t: &Test) {
    let dir = t.subdir("shared");
    std::fs::write(dir.join("in"), "").expect("own directory");
    let source = dir.display().to_string();
    for kind in ["tmpfs", "none", "bind", "ext4", ""] {
        let bundle = t.sh("test -e /m/in").mount("/m", kind, &source, &["bind"]);
        bundle.run().ok();
    }
    let bundle = t.sh("test -e /m/in").push(
        "/mounts",
        json!({"destination": "/m", "source": source, "options": ["bind"]}),
    );
    bundle.run().ok();
}

pub(crate) fn both(t: &Test, flags: &str, options: &[&str]) -> (Mount, Mount) {
    let (view, tree) = tree(t, flags);
    let source = tree.display().to_string();
    let bundle = t.sleeper().view(view).mount("/m", "none", &source, options);
    let mounts = mounts_of(bundle.started().pid());
    let at = |point: &str| {
        let found = mounts.iter().find(|mount| mount.point == point);
        found
            .unwrap_or_else(|| panic!("nothing at {point}: {mounts:?}"))
            .clone()
    };
    (at("/m"), at("/m/sub"))
}

fn recursive_ro(t: &Test) {
    let (outer, inner) = both(t, "mode=755", &["rbind", "rro"]);
    assert!(outer.has("ro") && inner.has("ro"), "{outer:?} {inner:?}");
}

fn plain_ro_is_not_recursive(t: &Test) {
    let (outer, inner) = both(t, "mode=755", &["rbind", "ro"]);
    assert!(outer.has("ro") && inner.has("rw"), "{outer:?} {inner:?}");
}

fn recursive_attributes(t: &Test) {
    let all = [
        "rro",
        "rnosuid",
        "rnodev",
        "rnoexec",
        "rnoatime",
        "rnodiratime",
    ];
    for option in all {
        let (outer, inner) = both(t, "mode=755", &["rbind", option]);
        let shown = &option[1..];
        assert!(
            outer.has(shown) && inner.has(shown),
            "{option}: {outer:?} {inner:?}"
        );
    }
    let (outer, inner) = both(t, "noatime", &["rbind", "rrelatime"]);
    assert!(
        outer.has("relatime") && inner.has("relatime"),
        "{outer:?} {inner:?}"
    );
    let (outer, inner) = both(t, "noatime", &["rbind", "rstrictatime"]);
    for mount in [outer, inner] {
        assert!(!mount.has("relatime") && !mount.has("noatime"), "{mount:?}");
    }
}

fn recursive_clears(t: &Test) {
    for (option, made_with) in [
        ("rsuid", "nosuid"),
        ("rdev", "nodev"),
        ("rexec", "noexec"),
        ("rdiratime", "nodiratime"),
    ] {
        let (outer, inner) = both(t, made_with, &["rbind", option]);
        assert!(
            !outer.has(made_with) && !inner.has(made_with),
            "{option}: {outer:?} {inner:?}"
        );
    }
}

fn recursive_rw(t: &Test) {
    let (view, tree) = tree(t, "mode=755");
    let View::Script(script) = view else {
        unreachable!()
    };
    let at = tree.display();
    let view = View::Script(format!(
        "{script}; mount -o remount,bind,ro {at}/sub; mount -o remount,bind,ro {at}"
    ));
    let source = at.to_string();
    for (options, want) in [(&["rbind"][..], "ro"), (&["rbind", "rrw"][..], "rw")] {
        let bundle = t
            .sleeper()
            .view(view.clone())
            .mount("/m", "none", &source, options);
        let mounts = mounts_of(bundle.started().pid());
        let ours = mounts.iter().filter(|mount| mount.point.starts_with("/m"));
        let got: Vec<bool> = ours.map(|mount| mount.has(want)).collect();
        assert_eq!(got, [true, true], "{options:?}: {mounts:?}");
    }
}

fn recursive_last_option_wins(t: &Test) {
    let (outer, inner) = both(t, "mode=755", &["rbind", "rro", "rrw"]);
    assert!(outer.has("rw") && inner.has("rw"), "{outer:?} {inner:?}");
    let (outer, inner) = both(t, "mode=755", &["rbind", "rsuid", "rnosuid"]);
    assert!(
        outer.has("nosuid") && inner.has("nosuid"),
        "{outer:?} {inner:?}"
    );
}

fn recursive_access_times_cleared(t: &Test) {
    let (outer, inner) = both(t, "noatime", &["rbind", "ratime"]);
    assert!(
        !outer.has("noatime") && !inner.has("noatime"),
        "{outer:?} {inner:?}"
    );
    let (outer, inner) = both(t, "strictatime", &["rbind", "rnostrictatime"]);
    assert!(
        outer.has("relatime") && inner.has("relatime"),
        "{outer:?} {inner:?}"
    );
    let (outer, inner) = both(t, "noatime", &["rbind", "rnorelatime"]);
    assert!(
        outer.has("noatime") && inner.has("noatime"),
        "{outer:?} {inner:?}"
    );
}

fn recursive_nosymfollow(t: &Test) {
    let (outer, inner) = both(t, "mode=755", &["rbind", "rnosymfollow"]);
    assert!(
        outer.has("nosymfollow") && inner.has("nosymfollow"),
        "{outer:?} {inner:?}"
    );
    let (outer, inner) = both(t, "mode=755", &["rbind", "rnosymfollow", "rsymfollow"]);
    assert!(
        !outer.has("nosymfollow") && !inner.has("nosymfollow"),
        "{outer:?} {inner:?}"
    );
}

fn src_nofollow(t: &Test) {
    let file = t.file("target", "the target");
    let link = t.dir.join("link");
    symlink(&file, &link).expect("own directory");
    let bundle = t
        .sh("readlink /m || cat /m")
        .bind(&link, "/m", &["src-nofollow"]);
    let output = bundle.run().ok();
    assert_eq!(
        output.text(),
        file.display().to_string(),
        "the link was followed"
    );
}

fn src_nosymlinks(t: &Test) {
    let file = t.file("target", "the target");
    let dir = t.subdir("real");
    std::fs::write(dir.join("f"), "below").expect("own directory");
    symlink(&file, t.dir.join("link")).expect("own directory");
    symlink(&dir, t.dir.join("way")).expect("own directory");
    let show = |source: &str| {
        let source = t.dir.join(source);
        t.sh("cat /m")
            .bind(&source, "/m", &["src-nosymlinks"])
            .run()
    };
    assert_eq!(show("target").ok().text(), "the target");
    assert_eq!(show("real/f").ok().text(), "below");
    for source in ["link", "way/f"] {
        show(source).fails_with(&["ELOOP", source]);
    }
}

fn dest_nofollow(t: &Test) {
    let file = t.file("source", "mounted");
    let link = t.dir.join("alink");
    symlink("elsewhere", &link).expect("own directory");
    let bundle = t.sh("readlink /l; cat /kept").file("/kept", "kept\n").bind(
        &link,
        "/l",
        &["src-nofollow", "dest-nofollow"],
    );
    symlink("kept", bundle.rootfs().join("l")).expect("own rootfs");
    assert_eq!(bundle.run().ok().lines(), ["elsewhere", "kept"]);
    drop(file);
}
