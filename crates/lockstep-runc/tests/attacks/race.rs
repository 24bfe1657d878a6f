//! Directories change into links while the runtime mounts (CVE-2021-30465, CVE-2024-45310).
//!
//! Somebody who shares a volume exchanges a directory for a link to the host, without pause.

use std::os::unix::fs::symlink;

use crate::attack::{self, Attack, Swapper};
use crate::harness::{Test, cases};

cases! {
    directories_for_a_mount,
    mount_point,
}

const TRIES: usize = 40;

/// Mount points below a directory of the volume: none of their parents may be made on the host.
fn directories_for_a_mount(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "check-then-open",
            slow: "",
            body: |test| swapped(test, "/volume/here/a/b/c/d"),
        },
    );
}

/// The mount point itself: the mount must be where the container sees it, or nowhere.
fn mount_point(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "check-then-open",
            slow: "",
            body: |test| swapped(test, "/volume/here/point"),
        },
    );
}

fn swapped(test: &Test, point: &str) -> bool {
    let volume = test.subdir("volume");
    let outside = test.subdir("outside");
    // Emptied of what another build left there.
    for dir in [&volume, &outside] {
        std::fs::remove_dir_all(dir).expect("own directory");
        std::fs::create_dir(dir).expect("own directory");
    }
    std::fs::create_dir(volume.join("here")).expect("own directory");
    symlink(&outside, volume.join("there")).expect("own directory");
    // Inside the container the link's target exists too, as it does in an image of the attacker.
    let inside = outside.display().to_string();
    let swapper = Swapper::start(test, &volume.join("here"), &volume.join("there"));
    let mut won = false;
    for _ in 0..TRIES {
        let bundle = test.sh("true").bind(&volume, "/volume", &["rbind"]).mount(
            point,
            "tmpfs",
            "tmpfs",
            &[],
        );
        let target = bundle.rootfs().join(inside.trim_start_matches('/'));
        std::fs::create_dir_all(target).expect("own directory");
        bundle.run();
        let mut entries = std::fs::read_dir(&outside).expect("own directory");
        if entries.next().is_some() {
            won = true;
            break;
        }
    }
    drop(swapper);
    won
}
