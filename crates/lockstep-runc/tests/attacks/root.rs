//! Links of the image lead out of the root file system (CVE-2019-18837, CVE-2025-24965, CVE-2026-41579,
//! CVE-2026-47766).

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::attack::{self, Attack};
use crate::harness::{Bundle, Test, cases};

cases! {
    mount_points,
    bound_files,
    devices,
    pid_file,
}

/// A directory of the host in which nothing may appear.
fn outside(test: &Test) -> PathBuf {
    let outside = test.subdir("outside");
    for entry in std::fs::read_dir(&outside)
        .expect("own directory")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).expect("own directory");
        } else {
            std::fs::remove_file(path).expect("own directory");
        }
    }
    outside
}

fn touched(outside: &Path) -> bool {
    let mut entries = std::fs::read_dir(outside).expect("own directory");
    entries.next().is_some()
}

/// Puts links to `outside` into the image, absolute and relative, and runs what `change` makes of the bundle.
fn run(test: &Test, change: for<'t> fn(Bundle<'t>) -> Bundle<'t>) -> bool {
    let outside = outside(test);
    let bundle = test.sh("true");
    let root = bundle.rootfs();
    symlink(&outside, root.join("absolute")).expect("own directory");
    let up = "../".repeat(root.components().count() + 2);
    let relative = format!(
        "{up}{}",
        outside.display().to_string().trim_start_matches('/')
    );
    symlink(&relative, root.join("relative")).expect("own directory");
    change(bundle).run();
    touched(&outside)
}

fn mount_points(test: &Test) {
    for change in [
        (|b: Bundle<'_>| b.mount("/absolute/a/b", "tmpfs", "tmpfs", &[]))
            as fn(Bundle<'_>) -> Bundle<'_>,
        |b| b.mount("/relative/a/b", "tmpfs", "tmpfs", &[]),
    ] {
        assert!(!run(test, change), "a directory is made outside");
    }
    attack::make(
        test,
        &Attack {
            weak: "plain-open",
            slow: "",
            body: |test| run(test, |b| b.mount("/absolute/a/b", "tmpfs", "tmpfs", &[])),
        },
    );
}

fn dangling(bundle: Bundle<'_>) -> Bundle<'_> {
    symlink("/absolute/file", bundle.rootfs().join("dangling")).expect("own directory");
    bundle.bind(Path::new("/etc/hostname"), "/dangling", &["bind"])
}

fn bound_files(test: &Test) {
    assert!(!run(test, dangling), "a file is made outside");
    attack::make(
        test,
        &Attack {
            weak: "plain-open",
            slow: "",
            body: |test| {
                run(test, |b| {
                    b.bind(Path::new("/etc/hostname"), "/absolute/file", &["bind"])
                })
            },
        },
    );
}

/// An image whose /dev is a link: devices must be made inside, or not at all.
fn devices(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "plain-open",
            slow: "",
            body: |test| {
                run(test, |b| {
                    let root = b.rootfs();
                    std::fs::remove_dir(root.join("dev")).expect("own directory");
                    symlink("absolute", root.join("dev")).expect("own directory");
                    let mut b = b;
                    for mount in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
                        b = b.unmount(mount);
                    }
                    b
                })
            },
        },
    );
}

/// Whoever may write where the engine wants the pid must not thereby write anywhere else.
fn pid_file(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "follow-pid-file",
            slow: "",
            body: |test| {
                let outside = outside(test);
                let prey = outside.join("prey");
                std::fs::write(&prey, "untouched").expect("own directory");
                let bundle = test.sh("true");
                let file = bundle.dir().join("pid");
                symlink(&prey, &file).expect("own directory");
                bundle
                    .options(&["--pid-file", &file.display().to_string()])
                    .run();
                std::fs::read_to_string(&prey).expect("own directory") != "untouched"
            },
        },
    );
}
