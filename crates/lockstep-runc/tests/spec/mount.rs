//! `mounts` and `root`: every option that is not a file system's own, asserted in mountinfo.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::{Bundle, Mount, Test, View, cases, mounts_of};

cases! {
    root_writable,
    root_readonly,
    root_relative_and_absolute_path,
    root_through_a_symlink,
    root_missing_refused,
    mounts_in_listed_order,
    per_mount_flags,
    opposite_flags_win_when_last,
    flags_of_the_file_system,
    options_without_effect_are_accepted,
    nosymfollow: "runc 1.1.5 has no nosymfollow",
    symfollow: "runc 1.1.5 has no symfollow",
    remount_changes_a_mount,
    remount_nosymfollow: "runc 1.1.5 has no nosymfollow",
    data_options_reach_the_file_system,
    unknown_data_refused_by_the_file_system,
    type_is_of_the_file_system: "runc 1.1.5 needs /proc in the container",
    unknown_type_refused,
    missing_destination_is_created,
    relative_destination,
    destination_through_a_symlink_stays_inside,
    destination_with_dots_stays_inside,
    destination_loop_refused,
    old_root_is_gone,
    no_pivot_keeps_the_view,
}

/// What the container of `bundle` has mounted at `point`.
#[track_caller]
pub(crate) fn mounted(bundle: &Bundle<'_>, point: &str) -> Mount {
    let mounts = mounts_of(bundle.started().pid());
    let last = mounts.iter().rev().find(|mount| mount.point == point);
    last.unwrap_or_else(|| panic!("nothing at {point}: {mounts:?}"))
        .clone()
}

pub(crate) fn tmpfs<'t>(t: &'t Test, options: &[&str]) -> Bundle<'t> {
    t.sleeper().mount("/m", "tmpfs", "tmpfs", options)
}

/// A view with a tmpfs at `tree` and another at `tree/sub`; and the tree.
pub(crate) fn tree(t: &Test, flags: &str) -> (View, std::path::PathBuf) {
    let tree = t.subdir("tree");
    let at = tree.display();
    let script = format!(
        "mount -t tmpfs -o {flags} outer {at}; mkdir {at}/sub; echo outer > {at}/f; \
         ln -s f {at}/link; mount -t tmpfs -o {flags} inner {at}/sub; echo inner > {at}/sub/f; \
         ln -s f {at}/sub/link"
    );
    (View::Script(script), tree)
}

fn root_writable(t: &Test) {
    let bundle = t.sh("echo x > /new");
    bundle.run().ok();
    assert!(bundle.rootfs().join("new").exists());
    let root = mounted(&t.sleeper(), "/");
    assert!(root.has("rw"), "{root:?}");
}

fn root_readonly(t: &Test) {
    let bundle = t
        .sh("echo x > /new; echo x > /dev/shm/new && echo mounts are not")
        .set("/root/readonly", true);
    let output = bundle.run().ok();
    assert!(
        output.stderr.contains("Read-only file system"),
        "{output:?}"
    );
    assert_eq!(output.text(), "mounts are not");
    let root = mounted(&t.sleeper().set("/root/readonly", true), "/");
    assert!(root.has("ro"), "{root:?}");
}

fn root_relative_and_absolute_path(t: &Test) {
    // Beside a root file system that lacks only the marker.
    let bundle = t.sh("ls /marker");
    let other = bundle.dir().join("other").display().to_string();
    t.host(
        "cp",
        &["-al", &bundle.rootfs().display().to_string(), &other],
    );
    std::fs::write(format!("{other}/marker"), "").expect("own bundle");
    let mut bundle = bundle;
    for path in ["other", "./other", "rootfs/../other", other.as_str()] {
        bundle = bundle.set("/root/path", path);
        assert_eq!(bundle.run().ok().text(), "/marker", "{path}");
    }
}

fn root_through_a_symlink(t: &Test) {
    let bundle = t.sh("echo inside").set("/root/path", "link");
    symlink("rootfs", bundle.dir().join("link")).expect("own bundle");
    let output = bundle.run();
    if output.code == 0 {
        assert_eq!(output.text(), "inside");
    } else {
        assert!(output.stderr.contains("symlink"), "{output:?}");
    }
}

fn root_missing_refused(t: &Test) {
    t.sh("true")
        .set("/root/path", "absent")
        .run()
        .fails_with(&["absent", "no such file or directory"]);
    let output = t.sh("true").remove("/root").run();
    assert_ne!(output.code, 0, "ran without a root");
}

fn mounts_in_listed_order(t: &Test) {
    let (view, tree) = tree(t, "mode=755");
    let output = t
        .sh("ls /m; ls /m/sub")
        .view(view)
        .mount("/m", "tmpfs", "hidden", &[])
        .bind(&tree, "/m", &[])
        .mount("/m/sub", "tmpfs", "last", &[])
        .run()
        .ok();
    assert_eq!(
        output.lines(),
        ["f", "link", "sub"],
        "the last mount at a place is on top"
    );
}

fn per_mount_flags(t: &Test) {
    for (option, shown) in [
        ("ro", "ro"),
        ("nosuid", "nosuid"),
        ("nodev", "nodev"),
        ("noexec", "noexec"),
        ("noatime", "noatime"),
        ("nodiratime", "nodiratime"),
        ("relatime", "relatime"),
    ] {
        let mount = mounted(&tmpfs(t, &[option]), "/m");
        assert!(mount.has(shown), "{option}: {mount:?}");
        for other in ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"] {
            assert!(
                other == shown || !mount.has(other),
                "{option} also gave {other}: {mount:?}"
            );
        }
    }
    let strict = mounted(&tmpfs(t, &["strictatime"]), "/m");
    assert!(
        !strict.has("relatime") && !strict.has("noatime"),
        "{strict:?}"
    );
    let plain = mounted(&tmpfs(t, &[]), "/m");
    assert!(plain.has("rw") && plain.has("relatime"), "{plain:?}");
}

fn opposite_flags_win_when_last(t: &Test) {
    for (first, last) in [
        ("ro", "rw"),
        ("nosuid", "suid"),
        ("nodev", "dev"),
        ("noexec", "exec"),
        ("noatime", "atime"),
        ("nodiratime", "diratime"),
    ] {
        let mount = mounted(&tmpfs(t, &[first, last]), "/m");
        assert!(!mount.has(first), "{first},{last}: {mount:?}");
        let mount = mounted(&tmpfs(t, &[last, first]), "/m");
        assert!(mount.has(first), "{last},{first}: {mount:?}");
    }
    for list in [["noatime", "norelatime"], ["noatime", "nostrictatime"]] {
        assert!(mounted(&tmpfs(t, &list), "/m").has("noatime"), "{list:?}");
    }
    let mount = mounted(&tmpfs(t, &["strictatime", "nostrictatime"]), "/m");
    assert!(mount.has("relatime"), "{mount:?}");
}

fn flags_of_the_file_system(t: &Test) {
    for option in ["sync", "dirsync"] {
        let mount = mounted(&tmpfs(t, &[option]), "/m");
        assert!(mount.super_has(option), "{option}: {mount:?}");
    }
    let mount = mounted(&tmpfs(t, &["sync", "async"]), "/m");
    assert!(!mount.super_has("sync"), "{mount:?}");
    if t.peer_is_other() {
        return; // runc 1.1.5 does not know lazytime and hands it to the file system.
    }
    assert!(mounted(&tmpfs(t, &["lazytime"]), "/m").super_has("lazytime"));
    assert!(!mounted(&tmpfs(t, &["lazytime", "nolazytime"]), "/m").super_has("lazytime"));
}

fn options_without_effect_are_accepted(t: &Test) {
    // The kernel shows none of them on a tmpfs; they must not reach it as data, which it refuses.
    for option in [
        "mand",
        "nomand",
        "iversion",
        "noiversion",
        "defaults",
        "silent",
        "loud",
    ] {
        if t.peer_is_other() && matches!(option, "defaults" | "silent" | "loud") {
            continue; // runc 1.1.5 hands them to the file system.
        }
        let mount = mounted(&tmpfs(t, &[option]), "/m");
        assert_eq!(mount.fs_type, "tmpfs", "{option}");
    }
}

fn nosymfollow(t: &Test) {
    let output = t
        .sh("echo x > /m/f; ln -s f /m/link; cat /m/link; readlink /m/link")
        .mount("/m", "tmpfs", "tmpfs", &["nosymfollow"])
        .run();
    assert_eq!(output.text(), "f", "a link was followed: {output:?}");
    assert!(mounted(&tmpfs(t, &["nosymfollow"]), "/m").has("nosymfollow"));
}

fn symfollow(t: &Test) {
    assert!(!mounted(&tmpfs(t, &["nosymfollow", "symfollow"]), "/m").has("nosymfollow"));
}

fn remount_changes_a_mount(t: &Test) {
    let bundle = tmpfs(t, &["size=64k"]).mount("/m", "tmpfs", "tmpfs", &["remount", "ro", "nodev"]);
    let mount = mounted(&bundle, "/m");
    assert!(mount.has("ro") && mount.has("nodev"), "{mount:?}");
    assert!(
        mount.super_has("size=64k"),
        "the remount made a new tmpfs: {mount:?}"
    );
}

fn remount_nosymfollow(t: &Test) {
    let output = t
        .sh("echo x > /m/f; ln -s f /m/link; cat /m/link")
        .mount("/m", "tmpfs", "tmpfs", &[])
        .mount("/m", "tmpfs", "tmpfs", &["remount", "nosymfollow"])
        .run();
    assert!(
        output.stderr.contains("Too many"),
        "a link was followed: {output:?}"
    );
}

fn data_options_reach_the_file_system(t: &Test) {
    let bundle = tmpfs(
        t,
        &["size=128k", "mode=1750", "nr_inodes=100", "uid=7", "gid=8"],
    );
    let mount = mounted(&bundle, "/m");
    for option in ["size=128k", "mode=1750", "nr_inodes=100", "uid=7", "gid=8"] {
        assert!(mount.super_has(option), "{option}: {mount:?}");
    }
    assert_eq!(mount.source, "tmpfs");
}

fn unknown_data_refused_by_the_file_system(t: &Test) {
    t.sh("true")
        .mount("/m", "tmpfs", "tmpfs", &["nonsense=1"])
        .run()
        .fails_with(&["/m", "invalid argument"]);
}

fn type_is_of_the_file_system(t: &Test) {
    for kind in ["ramfs", "tmpfs"] {
        let only = json!([{"destination": "/m", "type": kind, "source": "none"}]);
        let mount = mounted(&t.sleeper().set("/mounts", only), "/m");
        assert_eq!(mount.fs_type, kind);
    }
}

fn unknown_type_refused(t: &Test) {
    t.sh("true")
        .mount("/m", "nonsensefs", "none", &[])
        .run()
        .fails_with(&["/m", "no such device"]);
}

fn missing_destination_is_created(t: &Test) {
    let output = t
        .sh("stat -c %F /a/b/c")
        .mount("/a/b/c", "tmpfs", "tmpfs", &[])
        .run()
        .ok();
    assert_eq!(output.text(), "directory");
}

fn relative_destination(t: &Test) {
    let output = t
        .sh("grep ' /rel ' /proc/mounts")
        .mount("rel", "tmpfs", "tmpfs", &[])
        .run();
    assert!(output.ok().text().starts_with("tmpfs /rel tmpfs"));
}

fn destination_through_a_symlink_stays_inside(t: &Test) {
    let outside = t.subdir("outside");
    let bundle = t.sh("grep -c lockstep-marker /proc/mounts").mount(
        "/escape/m",
        "tmpfs",
        "lockstep-marker",
        &[],
    );
    symlink(&outside, bundle.rootfs().join("escape")).expect("own rootfs");
    let output = bundle.run();
    // Inside the root the link's target is a path of the container: it is made there or refused.
    if output.code == 0 {
        assert_eq!(output.text(), "1");
    }
    assert_eq!(
        std::fs::read_dir(&outside).expect("own").count(),
        0,
        "made on the host"
    );
}

fn destination_with_dots_stays_inside(t: &Test) {
    let output = t
        .sh("grep ' /dots ' /proc/mounts")
        .mount("/../../dots", "tmpfs", "tmpfs", &[])
        .run()
        .ok();
    assert!(output.text().starts_with("tmpfs /dots"));
    assert!(!std::path::Path::new("/dots").exists());
}

fn destination_loop_refused(t: &Test) {
    let bundle = t.sh("true").mount("/loop/m", "tmpfs", "tmpfs", &[]);
    symlink("loop", bundle.rootfs().join("loop")).expect("own rootfs");
    assert_ne!(bundle.run().code, 0, "mounted through a symlink loop");
}

fn old_root_is_gone(t: &Test) {
    let mounts = mounts_of(t.sleeper().started().pid());
    let roots = mounts.iter().filter(|mount| mount.point == "/").count();
    assert_eq!(roots, 1, "{mounts:?}");
    assert!(
        mounts.iter().all(|mount| !mount.point.contains("pivot")),
        "{mounts:?}"
    );
}

fn no_pivot_keeps_the_view(t: &Test) {
    let bundle = t
        .sh("ls /bin/busybox; cat /proc/1/comm; ls /work /home 2>&1 | wc -l")
        .options(&["--no-pivot"]);
    let output = bundle.run().ok();
    assert_eq!(output.lines()[..2], ["/bin/busybox", "sh"]);
}
