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
    data_options_reach_the_file_system,
    unknown_data_refused_by_the_file_system,
    unknown_type_refused,
    bind_directory,
    bind_file,
    bind_relative_source_is_of_the_bundle,
    bind_is_not_recursive,
    rbind_is_recursive,
    bind_readonly,
    bind_flags,
    bind_missing_source_refused,
    bind_missing_source_refused_in_words,
    bind_over_an_existing_file,
    bind_special_files,
    bind_type_is_a_dummy,
    missing_destination_is_created,
    relative_destination,
    destination_through_a_symlink_stays_inside,
    destination_with_dots_stays_inside,
    destination_loop_refused,
    recursive_ro,
    recursive_attributes,
    recursive_clears,
    recursive_rw,
    recursive_last_option_wins: "runc 1.1.5 lets what is set win over what is cleared",
    recursive_access_times_cleared: "runc 1.1.5 asks the kernel for an empty change (EINVAL)",
    recursive_nosymfollow: "runc 1.1.5 has no rnosymfollow",
    plain_ro_is_not_recursive,
    propagation_private_is_the_default,
    propagation_of_one_mount,
    propagation_recursive,
    propagation_unbindable,
    slave_receives_later_mounts,
    tmpcopyup,
    tmpcopyup_into_a_mode,
    src_nofollow: "an option that runc 1.1.5 lacks",
    dest_nofollow: "an option that runc 1.1.5 lacks",
    proc_is_new_and_of_the_pid_namespace,
    proc_options,
    proc_inside_proc_refused,
    sysfs_readonly,
    devpts_options,
    mqueue,
    shm,
    overlay,
    cgroup_v1_mount,
    cgroup_v1_mount_in_a_cgroup_namespace,
    cgroup_v2_mount,
    cgroup_v2_mount_in_a_cgroup_namespace,
    cgroup_mount_is_readonly,
    no_mount_reaches_the_host,
    old_root_is_gone,
    no_pivot_keeps_the_view,
}

/// What the container of `bundle` has mounted at `point`.
#[track_caller]
fn mounted(bundle: &Bundle<'_>, point: &str) -> Mount {
    let mounts = mounts_of(bundle.started().pid());
    let last = mounts.iter().rev().find(|mount| mount.point == point);
    last.unwrap_or_else(|| panic!("nothing at {point}: {mounts:?}"))
        .clone()
}

fn tmpfs<'t>(t: &'t Test, options: &[&str]) -> Bundle<'t> {
    t.sleeper().mount("/m", "tmpfs", "tmpfs", options)
}

/// A view with a tmpfs at `tree` and another at `tree/sub`; and the tree.
fn tree(t: &Test, flags: &str) -> (View, std::path::PathBuf) {
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
    let bundle = t.sh("cat /etc/passwd | head -n 1");
    let absolute = bundle.rootfs().display().to_string();
    for path in ["rootfs", "./rootfs", "rootfs/../rootfs", absolute.as_str()] {
        let output = t.sh("ls /marker");
        std::fs::write(bundle.rootfs().join("marker"), "").expect("own rootfs");
        std::fs::write(output.rootfs().join("marker"), "").expect("own rootfs");
        assert_eq!(
            output.set("/root/path", path).run().ok().text(),
            "/marker",
            "{path}"
        );
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

fn unknown_type_refused(t: &Test) {
    t.sh("true")
        .mount("/m", "nonsensefs", "none", &[])
        .run()
        .fails_with(&["/m", "no such device"]);
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
        .mount("/m", "none", &source, &["rbind"])
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
    let source = dir.display().to_string();
    for kind in ["none", "bind", "ext4", ""] {
        let bundle = t.sh("test -d /m").mount("/m", kind, &source, &["bind"]);
        bundle.run().ok();
    }
    let bundle = t.sh("test -d /m").push(
        "/mounts",
        json!({"destination": "/m", "source": source, "options": ["bind"]}),
    );
    bundle.run().ok();
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

fn both(t: &Test, flags: &str, options: &[&str]) -> (Mount, Mount) {
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
    for option in ["rnorelatime", "rnostrictatime"] {
        let (outer, inner) = both(t, "mode=755", &["rbind", option]);
        assert!(
            outer.fs_type == "tmpfs" && inner.fs_type == "tmpfs",
            "{option} is accepted"
        );
    }
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

fn propagation_private_is_the_default(t: &Test) {
    let dir = t.subdir("shared");
    let mounts = mounts_of(t.sleeper().bind(&dir, "/m", &[]).started().pid());
    for mount in mounts {
        assert!(!mount.propagates("shared"), "{mount:?}");
    }
}

fn propagation_of_one_mount(t: &Test) {
    let (view, tree) = tree(t, "mode=755");
    let View::Script(script) = view else {
        unreachable!()
    };
    let view = View::Script(format!("mount --make-rshared /; {script}"));
    let source = tree.display().to_string();
    // Seen from inside, while the caller's namespace, which has the master, still lives.
    for (option, tags) in [
        ("shared", "shared"),
        ("slave", "master"),
        ("rslave", "master"),
        ("private", ""),
        ("rprivate", ""),
    ] {
        let output = t
            .sh("cat /proc/self/mountinfo")
            .view(view.clone())
            .set("/linux/rootfsPropagation", "rshared")
            .mount("/m", "none", &source, &["rbind", option])
            .run()
            .ok();
        let mounts = crate::harness::parse_mounts(&output.stdout);
        let mount = mounts
            .iter()
            .find(|mount| mount.point == "/m")
            .expect("mounted");
        let kinds: Vec<&str> = mount
            .propagation
            .iter()
            .filter_map(|tag| tag.split(':').next())
            .filter(|tag| *tag != "propagate_from")
            .collect();
        assert_eq!(kinds.join(","), tags, "{option}: {mount:?}");
    }
}

fn propagation_recursive(t: &Test) {
    for (option, tag) in [("rshared", "shared"), ("rslave", "")] {
        let (outer, inner) = both(t, "mode=755", &["rbind", option]);
        for mount in [outer, inner] {
            let tags = mount.propagation.join(",");
            assert!(tags.starts_with(tag), "{option}: {mount:?}");
        }
    }
    let (outer, inner) = both(t, "mode=755", &["rbind", "rprivate"]);
    assert!(outer.propagation.is_empty() && inner.propagation.is_empty());
}

fn propagation_unbindable(t: &Test) {
    let mount = mounted(&tmpfs(t, &["unbindable"]), "/m");
    assert!(mount.propagates("unbindable"), "{mount:?}");
    let (outer, inner) = both(t, "mode=755", &["rbind", "runbindable"]);
    assert!(outer.propagates("unbindable") && inner.propagates("unbindable"));
}

fn slave_receives_later_mounts(t: &Test) {
    // The container joins nothing of the host: the tree lives in a namespace held by a companion.
    let tree = t.subdir("tree");
    let at = tree.display().to_string();
    let setup = format!(
        "mount -t tmpfs t {at}; mount --make-shared {at}; mkdir {at}/late; exec sleep 1000"
    );
    let holder = t.companion(
        "unshare",
        &["-m", "--propagation", "private", "sh", "-c", &setup],
    );
    assert!(crate::harness::wait_until(|| {
        std::fs::read_to_string(format!("/proc/{holder}/comm")).is_ok_and(|name| name == "sleep\n")
    }));
    let enter = format!("exec nsenter -t {holder} -m -- \"$@\"");
    let bundle = t
        .sleeper()
        .set("/linux/rootfsPropagation", "rslave")
        .mount("/m", "none", &at, &["rbind", "rslave"])
        .view(View::Script(enter));
    let pid = bundle.started().pid();
    let pid_text = holder.to_string();
    t.host(
        "nsenter",
        &[
            "-t",
            &pid_text,
            "-m",
            "mount",
            "-t",
            "tmpfs",
            "late",
            &format!("{at}/late"),
        ],
    );
    let mounts = mounts_of(pid);
    assert!(
        mounts.iter().any(|mount| mount.point == "/m/late"),
        "{mounts:?}"
    );
}

fn tmpcopyup(t: &Test) {
    let bundle = t
        .sh("cat /data/a /data/sub/b; readlink /data/l; stat -c %a:%u /data/sub; touch /data/new")
        .file("/data/a", "one\n")
        .file("/data/sub/b", "two\n")
        .mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    symlink("a", bundle.rootfs().join("data/l")).expect("own rootfs");
    assert_eq!(bundle.run().ok().lines(), ["one", "two", "a", "755:0"]);
    assert!(
        !bundle.rootfs().join("data/new").exists(),
        "the image was written to"
    );
}

fn tmpcopyup_into_a_mode(t: &Test) {
    let bundle = t
        .sh("stat -c %a /data; cat /data/a; grep -c ' /data tmpfs' /proc/mounts")
        .file("/data/a", "one\n")
        .mount("/data", "tmpfs", "tmpfs", &["tmpcopyup", "ro"]);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o710);
    std::fs::set_permissions(bundle.rootfs().join("data"), mode).expect("own rootfs");
    assert_eq!(bundle.run().ok().lines(), ["710", "one", "1"]);
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

fn proc_is_new_and_of_the_pid_namespace(t: &Test) {
    let output = t
        .sh("ls /proc | grep -c '^[0-9]*$'; readlink /proc/self")
        .run()
        .ok();
    let count: u32 = output.lines()[0].parse().expect("a count");
    assert!(count < 8, "{count} processes are visible");
}

fn proc_options(t: &Test) {
    let bundle = t.sleeper().unmount("/proc").edit(|config| {
        let mounts = config["mounts"].as_array_mut().expect("mounts");
        mounts.insert(
            0,
            json!({"destination": "/proc", "type": "proc", "source": "proc",
                   "options": ["nosuid", "noexec", "nodev", "hidepid=2"]}),
        );
    });
    let mount = mounted(&bundle, "/proc");
    assert!(
        mount.has("nosuid") && mount.has("noexec") && mount.has("nodev"),
        "{mount:?}"
    );
    assert!(mount.super_options.contains("hidepid="), "{mount:?}");
}

fn proc_inside_proc_refused(t: &Test) {
    let dir = t.subdir("fake");
    t.sh("true")
        .bind(&dir, "/proc/sys", &[])
        .run()
        .fails_with(&["/proc/sys"]);
}

fn sysfs_readonly(t: &Test) {
    let mount = mounted(&t.sleeper(), "/sys");
    assert_eq!(mount.fs_type, "sysfs");
    assert!(
        mount.has("ro") && mount.has("nosuid") && mount.has("noexec"),
        "{mount:?}"
    );
}

fn devpts_options(t: &Test) {
    let mount = mounted(&t.sleeper(), "/dev/pts");
    assert_eq!(mount.fs_type, "devpts");
    for option in ["mode=620", "ptmxmode=666"] {
        assert!(mount.super_has(option), "{mount:?}");
    }
    assert_ne!(
        mount.device,
        devpts_of_the_host(),
        "the host's terminals are visible"
    );
}

fn devpts_of_the_host() -> String {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts");
    let mounts = crate::harness::parse_mounts(&text);
    let found = mounts.iter().rev().find(|mount| mount.point == "/dev/pts");
    found.map_or_else(String::new, |mount| mount.device.clone())
}

fn mqueue(t: &Test) {
    let mount = mounted(&t.sleeper(), "/dev/mqueue");
    assert_eq!(mount.fs_type, "mqueue");
    t.sh("touch /dev/mqueue/q && ls /dev/mqueue").run().ok();
}

fn shm(t: &Test) {
    let output = t
        .sh("stat -c %a /dev/shm; echo x > /dev/shm/x && cat /dev/shm/x")
        .run()
        .ok();
    assert_eq!(output.lines(), ["1777", "x"]);
}

fn overlay(t: &Test) {
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| t.subdir(name));
    std::fs::write(lower.join("f"), "lower").expect("own directory");
    let options = [
        format!("lowerdir={}", lower.display()),
        format!("upperdir={}", upper.display()),
        format!("workdir={}", work.display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = t
        .sh("cat /m/f; echo new > /m/f")
        .mount("/m", "overlay", "overlay", &options)
        .run()
        .ok();
    assert_eq!(output.text(), "lower");
    assert_eq!(
        std::fs::read_to_string(upper.join("f")).expect("copied up"),
        "new\n"
    );
}

fn with_cgroups(bundle: Bundle<'_>) -> Bundle<'_> {
    bundle.mount(
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &["nosuid", "noexec", "nodev", "relatime", "ro"],
    )
}

fn v1_controllers(t: &Test) -> Vec<&'static str> {
    use crate::harness::{CgroupLayout, Host};
    let host = Host::get();
    let v1 = matches!(host.cgroups, CgroupLayout::V1 | CgroupLayout::Hybrid);
    t.need(v1, "no cgroup version 1 hierarchy is mounted here");
    let names = host.controllers.keys().filter(|name| !name.is_empty());
    names.map(String::as_str).collect()
}

fn cgroup_v1_mount(t: &Test) {
    let names = v1_controllers(t);
    let bundle = with_cgroups(
        t.sh("ls -d /sys/fs/cgroup/*/cgroup.procs; cat /sys/fs/cgroup/pids/cgroup.procs | wc -l"),
    );
    let output = bundle.run().ok();
    for name in names {
        let path = format!("/sys/fs/cgroup/{name}/cgroup.procs");
        assert!(
            output.stdout.contains(&path),
            "no {path}: {}",
            output.stdout
        );
    }
    // The container's own group is what it sees there, not the root of the hierarchy.
    let members: u32 = output
        .lines()
        .last()
        .expect("a line")
        .trim()
        .parse()
        .expect("a count");
    assert!((1..6).contains(&members), "{members} members");
}

fn cgroup_v1_mount_in_a_cgroup_namespace(t: &Test) {
    let names = v1_controllers(t);
    let bundle = with_cgroups(t.sleeper()).namespace("cgroup");
    let mounts = mounts_of(bundle.started().pid());
    for name in names {
        let point = format!("/sys/fs/cgroup/{name}");
        let found = mounts.iter().find(|mount| mount.point == point);
        let mount = found.unwrap_or_else(|| panic!("nothing at {point}"));
        assert_eq!(mount.fs_type, "cgroup");
        assert!(mount.has("ro") && mount.has("nosuid"), "{mount:?}");
    }
}

fn cgroup_v2_mount(t: &Test) {
    let bundle = with_cgroups(t.sleeper()).view(View::CgroupV2);
    let mount = mounted(&bundle, "/sys/fs/cgroup");
    assert_eq!(mount.fs_type, "cgroup2");
    assert!(mount.has("ro"), "{mount:?}");
}

fn cgroup_v2_mount_in_a_cgroup_namespace(t: &Test) {
    let bundle = with_cgroups(t.sleeper())
        .namespace("cgroup")
        .view(View::CgroupV2);
    let mount = mounted(&bundle, "/sys/fs/cgroup");
    assert_eq!(mount.fs_type, "cgroup2");
    assert!(
        mount.has("ro") && mount.has("nosuid") && mount.has("noexec"),
        "{mount:?}"
    );
}

fn cgroup_mount_is_readonly(t: &Test) {
    v1_controllers(t);
    let script = "echo 100 > /sys/fs/cgroup/pids/pids.max; mkdir /sys/fs/cgroup/pids/sub";
    let output = with_cgroups(t.sh(script)).run();
    assert_eq!(
        output.stderr.matches("Read-only file system").count(),
        2,
        "{output:?}"
    );
}

fn no_mount_reaches_the_host(t: &Test) {
    // Even where the caller's mounts are shared.
    let before = t.dir.join("before");
    let script = format!(
        "mount --make-rshared /; wc -l < /proc/self/mountinfo > {0}; \
         (sleep 1; wc -l < /proc/self/mountinfo >> {0}) & true",
        before.display()
    );
    t.sh("mount -t tmpfs x /tmp; sleep 1.5")
        .capabilities(&["CAP_SYS_ADMIN"])
        .view(View::Script(script))
        .run();
    let counts = std::fs::read_to_string(&before).expect("written by the view");
    let counts: Vec<&str> = counts.lines().collect();
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert_eq!(
        counts[0], counts[1],
        "mounts of the container are seen by the caller"
    );
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
