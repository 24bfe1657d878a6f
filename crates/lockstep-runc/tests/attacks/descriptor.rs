//! The program reaches the host through what it inherits (CVE-2024-21626).

use crate::attack::{self, Attack, implant};
use crate::harness::{Test, cases};

cases! {
    descriptors_of_run,
    descriptors_of_exec,
    working_directory_of_run,
    working_directory_of_exec,
}

/// The host's number of this process, and a file that only the host has.
fn marks(test: &Test) -> [String; 2] {
    let secret = test.file("secret", "host");
    [
        std::process::id().to_string(),
        secret
            .display()
            .to_string()
            .trim_start_matches('/')
            .to_owned(),
    ]
}

fn descriptors_of_run(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "leak",
            slow: "",
            body: |test| {
                let [pid, secret] = marks(test);
                let bundle = test.args(&["/attacker", "inherited", &pid, &secret]);
                implant(test, &bundle.rootfs());
                bundle.run().ok().text() == "reached"
            },
        },
    );
}

fn descriptors_of_exec(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "leak",
            slow: "",
            body: |test| {
                let [pid, secret] = marks(test);
                let bundle = test.sleeper();
                implant(test, &bundle.rootfs());
                let container = bundle.started();
                let command = ["/attacker", "inherited", &pid, &secret];
                container.exec(&[], &command).ok().text() == "reached"
            },
        },
    );
}

/// Whatever number the runtime's descriptors have: a directory through one is none of the container's.
fn working_directory_of_run(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "plain-cwd",
            slow: "",
            body: |test| {
                let [pid, secret] = marks(test);
                (3..16).any(|number| {
                    let bundle = test
                        .args(&["/attacker", "inherited", &pid, &secret])
                        .set("/process/cwd", format!("/proc/self/fd/{number}"));
                    implant(test, &bundle.rootfs());
                    bundle.run().text() == "reached"
                })
            },
        },
    );
}

fn working_directory_of_exec(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "plain-cwd",
            slow: "",
            body: |test| {
                let [pid, secret] = marks(test);
                let bundle = test.sleeper();
                implant(test, &bundle.rootfs());
                // The image's link hides the number from whoever looks at the command.
                let container = bundle.started();
                (3..16).any(|number| {
                    let link = container.rootfs.join(format!("cwd{number}"));
                    std::os::unix::fs::symlink(format!("/proc/self/fd/{number}"), link)
                        .expect("own directory");
                    let cwd = format!("/cwd{number}");
                    let command = ["/attacker", "inherited", &pid, &secret];
                    container.exec(&["--cwd", &cwd], &command).text() == "reached"
                })
            },
        },
    );
}
