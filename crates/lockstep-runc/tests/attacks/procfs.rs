//! What is written to /proc goes to a file of the image (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).

use std::path::PathBuf;

use crate::attack::{self, Attack};
use crate::harness::{Test, cases};

cases! {
    sysctl_into_a_fake_proc,
    label_into_a_fake_proc,
}

/// A directory that looks like /proc, as far as the runtime writes.
fn fake(test: &Test) -> PathBuf {
    let fake = test.subdir("fake");
    for path in [
        "sys/net/ipv4/ip_forward",
        "self/attr/apparmor/exec",
        "self/attr/exec",
    ] {
        let path = fake.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("own directory");
        std::fs::write(path, "untouched").expect("own directory");
    }
    fake
}

fn content(fake: &std::path::Path, path: &str) -> String {
    std::fs::read_to_string(fake.join(path)).expect("own directory")
}

/// The sysctl must be in force, not in the attacker's file.
fn sysctl_into_a_fake_proc(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "fake-proc",
            slow: "",
            body: |test| {
                let fake = fake(test);
                let output = test
                    .sh("cat /real/sys/net/ipv4/ip_forward")
                    .unmount("/proc")
                    .bind(&fake, "/proc", &["rbind"])
                    .mount("/real", "proc", "proc", &[])
                    .remove("/linux/maskedPaths")
                    .remove("/linux/readonlyPaths")
                    .set(
                        "/linux/sysctl",
                        serde_json::json!({"net.ipv4.ip_forward": "1"}),
                    )
                    .run();
                let in_force = output.code == 0 && output.text() == "1";
                let lost = content(&fake, "sys/net/ipv4/ip_forward") != "untouched";
                assert!(in_force != lost, "{output:?}");
                lost
            },
        },
    );
}

/// A label that cannot be set must be an error; this machine's kernel has no AppArmor, so there it always is.
fn label_into_a_fake_proc(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "fake-proc",
            slow: "assume-apparmor",
            body: |test| {
                let fake = fake(test);
                let output = test
                    .sh("true")
                    .unmount("/proc")
                    .bind(&fake, "/proc", &["rbind"])
                    .remove("/linux/maskedPaths")
                    .remove("/linux/readonlyPaths")
                    .set("/process/apparmorProfile", "strict")
                    .run();
                let lost = content(&fake, "self/attr/apparmor/exec") != "untouched";
                assert!((output.code != 0) != lost, "{output:?}");
                lost
            },
        },
    );
}
