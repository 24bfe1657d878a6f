//! A process of a container looks into one of the runtime's while that becomes a container's: through
//! /proc/PID/root, cwd or fd it would be on the host (CVE-2016-9962, CVE-2019-5736).

use crate::attack::{self, Attack, implant, says};
use crate::harness::{Container, Test, cases};

cases! {
    create_in_a_shared_pid_namespace,
    exec_into_a_hostile_container,
    exec_into_a_hostile_user_namespace,
}

fn hostile(test: &Test, user_namespace: bool) -> Container<'_> {
    let secret = test.file("secret", "host");
    let pid = std::process::id().to_string();
    let secret = secret.display().to_string();
    let args = ["/attacker", "reach", &pid, secret.trim_start_matches('/')];
    let mut bundle = test.args(&args);
    if user_namespace {
        // All that a container's root can have, over what is its own.
        let all = [
            "CAP_SYS_PTRACE",
            "CAP_SYS_ADMIN",
            "CAP_DAC_OVERRIDE",
            "CAP_KILL",
        ];
        bundle = bundle.user_namespace(300_000, 1000).capabilities(&all);
    }
    implant(test, &bundle.rootfs());
    let container = bundle.started();
    assert!(says(&container, "ready"), "{}", container.stderr());
    container
}

fn won(container: &Container<'_>) -> bool {
    let won = container.stdout().contains("reached");
    if !won {
        container.stop();
    }
    won
}

fn create_in_a_shared_pid_namespace(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "dumpable",
            slow: "slow-exec",
            body: |test| {
                let container = hostile(test, false);
                for _ in 0..10 {
                    let path = format!("/proc/{}/ns/pid", container.pid());
                    if container.stdout().contains("reached") {
                        break;
                    }
                    test.args(&["/bin/true"]).join("pid", &path).run();
                }
                won(&container)
            },
        },
    );
}

fn exec_into_a_hostile_container(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "dumpable",
            slow: "slow-exec",
            body: |test| by_exec(test, false),
        },
    );
}

/// The attacker has every capability over its own user namespace, in which the runtime's process is from its birth.
fn exec_into_a_hostile_user_namespace(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "dumpable",
            slow: "slow-birth",
            body: |test| by_exec(test, true),
        },
    );
}

fn by_exec(test: &Test, user_namespace: bool) -> bool {
    let container = hostile(test, user_namespace);
    for _ in 0..10 {
        if container.stdout().contains("reached") {
            break;
        }
        container.exec(&[], &["/bin/true"]);
    }
    won(&container)
}
