//! A kernel that lacks a call, because it is too old or because a sandbox withholds it: another way with the
//! same effect, or an error that names the call and the Linux that brought it. Never half a container.

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall;
use serde_json::json;

use super::landlock::lost_of;
use crate::harness::{Bundle, Host, Output, Test, View, cases};

cases! {
    run: "other runtimes have other floors",
    exec: "other runtimes have other floors",
    delete: "other runtimes have other floors",
    landlock: "other runtimes do not know the annotation",
    sealing: "other runtimes seal themselves in another way",
}

const ENOSYS: i32 = 38;
const EPERM: i32 = 1;
const EINVAL: i32 = 22;

/// What a verb does without a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    /// Refuses, with an error that names the call.
    Refused,
    /// Reaches the same in another way.
    Equal,
}

/// As `docs/kernel-features.md` has it: every call newer than Linux 4.14 that `run` makes.
const RUN: [(&str, Without); 13] = [
    ("fsopen", Without::Refused),
    ("fsconfig", Without::Refused),
    ("fsmount", Without::Refused),
    ("open_tree", Without::Refused),
    ("move_mount", Without::Refused),
    ("mount_setattr", Without::Refused),
    ("openat2", Without::Refused),
    ("clone3", Without::Refused),
    ("close_range", Without::Refused),
    ("faccessat2", Without::Refused),
    ("pidfd_send_signal", Without::Equal),
    ("execveat", Without::Equal),
    ("seccomp", Without::Refused),
];

fn number(call: &str) -> u32 {
    syscall::number(Arch::X86_64, call).expect("a call of this machine")
}

/// A bundle that needs every call of [`RUN`].
fn rich<'t>(t: &'t Test) -> Bundle<'t> {
    t.probe();
    let volume = t.subdir("volume");
    // A link in the way of a mount makes the runtime resolve it below the root.
    let bundle = t
        .sh("echo ran")
        .bind(&volume, "/link/volume", &["bind", "ro"]);
    std::os::unix::fs::symlink("/tmp", bundle.rootfs().join("link")).expect("own root");
    bundle.set(
        "/linux/seccomp",
        json!({"defaultAction": "SCMP_ACT_ALLOW",
               "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]}),
    )
}

#[track_caller]
fn judge(call: &str, errno: i32, without: Without, output: &Output) {
    let said = &output.stderr;
    let case = format!(
        "without {call} (errno {errno}): exit code {}, {said}",
        output.code
    );
    match without {
        Without::Equal => assert_eq!((output.code, output.text()), (0, "ran"), "{case}"),
        Without::Refused => {
            assert!(output.code != 0, "{case}");
            assert!(said.contains(&format!("{call}(")), "{case}");
            if let Some(since) = syscall::since(call).filter(|_| errno == ENOSYS) {
                assert!(said.contains(&format!("Linux since {since}")), "{case}");
                assert!(said.contains("withholds it"), "{case}");
            }
        }
    }
}

fn nothing_left(t: &Test, bundle: &Bundle<'_>, case: &str) {
    assert!(
        !t.state_root().join(&bundle.id).exists(),
        "state after {case}"
    );
    for point in Host::get().controllers.values() {
        let path = point.join(bundle.cgroup().trim_start_matches('/'));
        assert!(!path.exists(), "{} after {case}", path.display());
    }
}

fn run(t: &Test) {
    let plain = rich(t);
    assert_eq!(plain.run().ok().text(), "ran");
    let mut bundle = plain;
    for (call, without) in RUN {
        for errno in [ENOSYS, EPERM] {
            bundle = bundle.view(View::Withheld {
                number: number(call),
                errno,
            });
            let output = bundle.run();
            // faccessat(2) answers the same question unless the caller's real and effective ids differ.
            let asked_otherwise = call == "faccessat2" && errno == ENOSYS;
            let without = if asked_otherwise {
                Without::Equal
            } else {
                without
            };
            judge(call, errno, without, &output);
            nothing_left(t, &bundle, call);
        }
    }
    // Every other call that is newer than 4.14 is not needed at all.
    for nr in 0..600 {
        let Some(call) = syscall::name(Arch::X86_64, nr) else {
            continue;
        };
        if syscall::since(call).is_some() && !RUN.iter().any(|(known, _)| *known == call) {
            bundle = bundle.view(View::Withheld {
                number: nr,
                errno: ENOSYS,
            });
            judge(call, ENOSYS, Without::Equal, &bundle.run());
        }
    }
}

fn exec(t: &Test) {
    t.probe();
    let c = t.sleeper().started();
    for (call, errno, without) in [
        ("clone3", ENOSYS, Without::Refused),
        ("pidfd_open", ENOSYS, Without::Refused),
        ("close_range", ENOSYS, Without::Refused),
        ("close_range", EINVAL, Without::Refused),
        ("faccessat2", ENOSYS, Without::Equal),
        ("fsopen", ENOSYS, Without::Equal),
        ("openat2", ENOSYS, Without::Equal),
        ("mount_setattr", ENOSYS, Without::Equal),
    ] {
        let view = View::Withheld {
            number: number(call),
            errno,
        };
        let output = t.call_in(&view, &["exec", &c.id, "/bin/echo", "ran"]);
        judge(call, errno, without, &output);
    }
    assert_eq!(c.status(), "running");
}

fn delete(t: &Test) {
    t.probe();
    for call in ["pidfd_open", "pidfd_send_signal"] {
        let c = t.sleeper().started();
        let view = View::Withheld {
            number: number(call),
            errno: ENOSYS,
        };
        // Nothing else is safe from killing another process that got the same number.
        for args in [["kill", &c.id, "KILL"], ["delete", "--force", &c.id]] {
            let output = t.call_in(&view, &args);
            judge(call, ENOSYS, Without::Refused, &output);
        }
        assert_eq!(c.status(), "running", "{call}");
        c.stop();
        let output = t.call_in(&view, &["delete", &c.id]);
        assert_eq!(
            output.code, 0,
            "an ended container needs no signal: {}",
            output.stderr
        );
    }
}

/// A layer that is asked for as best effort is lost visibly, and refused where it is not.
fn landlock(t: &Test) {
    t.probe();
    let domain = |args: &[&str], hard: bool| {
        let domain = json!({"disableBestEffort": hard, "ruleset": {"handledAccessFS": ["execute"]},
            "rules": {"pathBeneath": [{"allowedAccess": ["execute"], "paths": ["/bin"]}]}});
        let annotations = json!({"org.lockstep.landlock": domain.to_string()});
        t.args(args)
            .set("/annotations", annotations)
            .view(View::Withheld {
                number: number("landlock_create_ruleset"),
                errno: ENOSYS,
            })
    };
    let state = domain(&["sleep", "1000"], false).started().state();
    assert!(lost_of(&state).contains("not enforced"), "{state}");
    domain(&["true"], false)
        .run()
        .ok()
        .warns("/annotations/org.lockstep.landlock: not enforced: this kernel has no Landlock");
    domain(&["true"], true)
        .run()
        .fails_with(&["Landlock", "/annotations/org.lockstep.landlock"]);
}

/// Where it may not mount, the runtime copies itself; where it may do neither, it does not start.
fn sealing(t: &Test) {
    t.probe();
    let view = View::Withheld {
        number: number("memfd_create"),
        errno: ENOSYS,
    };
    assert_eq!(t.sh("echo ran").view(view).run().ok().text(), "ran");
    let both = View::Script(format!(
        "set -- {0} withhold {1} 38 {0} withhold {2} 38 \"$@\"",
        t.probe().display(),
        number("memfd_create"),
        number("open_tree"),
    ));
    t.sh("echo ran")
        .view(both)
        .run()
        .fails_with(&["sealing the runtime's binary", "memfd_create("]);
}
