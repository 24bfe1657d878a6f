//! Propagation of single mounts: seen in mountinfo, and by mounts that come later.

use crate::bind::both;
use crate::harness::{Test, View, cases, mounts_of};
use crate::mount::{mounted, tmpfs, tree};

cases! {
    propagation_private_is_the_default,
    propagation_of_one_mount,
    propagation_recursive,
    propagation_unbindable,
    slave_receives_later_mounts,
    shared_gives_its_mounts_to_the_source,
    no_mount_reaches_the_host,
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
    // Seen from inside, while the caller's namespace, which has the master, still lives. What is shared must
    // be so for the whole root too; the rest is received from the host, as is the default. That nobody asked to
    // share, runc leaves shared below.
    let below = if t.peer_is_other() {
        "shared"
    } else {
        "master"
    };
    for (options, root, outer, inner) in [
        (&["shared"][..], "rshared", "shared", "shared"),
        (&["rshared"], "rshared", "shared", "shared"),
        (&["slave"], "private", "master", below),
        (&["shared", "slave"], "private", "master", below),
        (&["rshared", "rslave"], "private", "master", "master"),
        (&["private"], "rslave", "", "master"),
        (&["rprivate"], "rslave", "", ""),
    ] {
        let options: Vec<&str> = ["rbind"].iter().chain(options).copied().collect();
        let output = t
            .sh("cat /proc/self/mountinfo")
            .view(view.clone())
            .set("/linux/rootfsPropagation", root)
            .mount("/m", "none", &source, &options)
            .run()
            .ok();
        for (point, want) in [("/m", outer), ("/m/sub", inner)] {
            let mounts = crate::harness::parse_mounts(&output.stdout);
            let mount = mounts
                .iter()
                .find(|mount| mount.point == point)
                .expect("mounted");
            let kinds: Vec<&str> = mount
                .propagation
                .iter()
                .filter_map(|tag| tag.split(':').next())
                .filter(|tag| *tag != "propagate_from")
                .collect();
            assert_eq!(kinds.join(","), want, "{options:?} {point}: {mount:?}");
        }
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

/// A mount namespace held by a companion, with a shared tmpfs at the path: (its pid, the path).
fn shared_tree(t: &Test) -> (u32, String) {
    let at = t.subdir("tree").display().to_string();
    let setup = format!(
        "mount -t tmpfs t {at}; mount --make-shared {at}; mkdir {at}/late; exec sleep 1000"
    );
    let args = ["-m", "--propagation", "private", "sh", "-c", &setup];
    let holder = t.companion("unshare", &args);
    assert!(crate::harness::wait_until(|| {
        std::fs::read_to_string(format!("/proc/{holder}/comm")).is_ok_and(|name| name == "sleep\n")
    }));
    (holder, at)
}

fn inside(holder: u32) -> View {
    View::Script(format!("exec nsenter -t {holder} -m -- \"$@\""))
}

fn slave_receives_later_mounts(t: &Test) {
    let (holder, at) = shared_tree(t);
    let bundle = t
        .sleeper()
        .set("/linux/rootfsPropagation", "rslave")
        .mount("/m", "none", &at, &["rbind", "rslave"])
        .view(inside(holder));
    let pid = bundle.started().pid();
    let (pid_text, late) = (holder.to_string(), format!("{at}/late"));
    let args = ["-t", &pid_text, "-m", "mount", "-t", "tmpfs", "late", &late];
    t.host("nsenter", &args);
    let mounts = mounts_of(pid);
    assert!(
        mounts.iter().any(|mount| mount.point == "/m/late"),
        "{mounts:?}"
    );
}

fn shared_gives_its_mounts_to_the_source(t: &Test) {
    // What Kubernetes calls Bidirectional: storage drivers mount for the whole node so.
    let (holder, at) = shared_tree(t);
    let c = t
        .sh("mount -t tmpfs fromthecontainer /m/late && echo mounted; sleep 1000")
        .capabilities(&["CAP_SYS_ADMIN"])
        .set("/linux/rootfsPropagation", "rshared")
        .mount("/m", "none", &at, &["rbind", "rshared"])
        .view(inside(holder))
        .started();
    assert!(
        crate::harness::wait_until(|| c.stdout().contains("mounted")),
        "{}",
        c.stderr()
    );
    let point = format!("{at}/late");
    let mounts = mounts_of(holder);
    assert!(
        mounts.iter().any(|mount| mount.point == point),
        "{mounts:?}"
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
