//! Which BPF programs are called, against what else tells of it.

use std::path::Path;

use lockstep_kernel::bpf::watcher::{Attempt, Watcher};
use lockstep_kernel::capability;
use lockstep_kernel::process::{self, Exit, Side};

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    ("watchers_are_what_the_kernel_calls", are_what_it_calls),
    ("watchers_need_rights", need_rights),
];

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Whether bpf(2) and tracefs are there with every right to them, and no sandbox or module is in between.
fn nobody_withholds() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let unfiltered = status.lines().any(|line| line == "Seccomp:\t0");
    let sets = capability::get().expect("own capabilities");
    let lockdown = first_line("/sys/kernel/security/lockdown");
    unfiltered
        && sets.effective & (1 << CAP_SYS_ADMIN) != 0
        && Path::new("/proc/sys/kernel/unprivileged_bpf_disabled").exists()
        && Path::new("/sys/kernel/tracing/events").exists()
        && (lockdown.is_empty() || lockdown.contains("[none]"))
        && first_line("/sys/fs/selinux/enforce") != "1"
}

/// Its number (capability.h).
const CAP_SYS_ADMIN: u32 = 21;

fn are_what_it_calls(_: &Path) {
    let answers = Watcher::ALL.map(|watcher| (watcher, watcher.attempt()));
    let called = |wanted: Watcher| answers.contains(&(wanted, Attempt::Called));
    let lsms = first_line("/sys/kernel/security/lsm");
    let on = lsms.split(',').any(|lsm| lsm == "bpf");
    // What stands behind many kprobes at once (CONFIG_FPROBE), which the older of Debian's kernels is built without.
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let many = symbols.contains(" register_fprobe\n");
    assert!(many || !called(Watcher::KprobeMulti), "{answers:?}");
    // Debian's kernels of the virtual machine have all the others.
    if first_line("/proc/sys/kernel/osrelease").ends_with("-cloud-amd64") {
        let others = |(watcher, _): &&(Watcher, Attempt)| many || *watcher != Watcher::KprobeMulti;
        // Debian's SELinux policy lets nobody give an event of perf_event_open(2) a program.
        let enforced = first_line("/sys/fs/selinux/enforce") == "1";
        let by_policy = |attempt: &Attempt| match attempt {
            Attempt::Refused(error) => enforced && error.is(&[libc::EACCES]),
            _ => false,
        };
        let others = answers.iter().filter(others);
        for (watcher, attempt) in others.filter(|(_, attempt)| !by_policy(attempt)) {
            let expected = match watcher {
                Watcher::Lsm if !on => Attempt::NeverCalled,
                _ => Attempt::Called,
            };
            assert_eq!(*attempt, expected, "{watcher:?}");
        }
    }
    if nobody_withholds() {
        assert!(called(Watcher::Tracepoint), "{answers:?}");
        assert!(called(Watcher::RawTracepoint), "{answers:?}");
        let typed = Path::new("/sys/kernel/btf/vmlinux").exists();
        assert_eq!(called(Watcher::TypedTracepoint), typed, "{answers:?}");
    }
    let kprobes = Path::new("/sys/bus/event_source/devices/kprobe").exists();
    assert!(kprobes || !called(Watcher::Kprobe), "{answers:?}");
    assert_eq!(
        called(Watcher::FunctionEntry),
        called(Watcher::FunctionExit)
    );
    let lsm = called(Watcher::Lsm);
    assert!(on || !lsm, "{lsms}: {answers:?}");
    assert!(
        lsm || !on || !called(Watcher::FunctionExit),
        "{lsms}: {answers:?}"
    );
    // A second time: what was attached is gone and keeps nobody away.
    assert_eq!(
        answers,
        Watcher::ALL.map(|watcher| (watcher, watcher.attempt()))
    );
}

/// Root without capabilities is nobody to bpf(2).
fn need_rights(_: &Path) {
    let child = match process::clone(0, None).expect("a process") {
        Side::Parent(child) => child,
        Side::Child => {
            let mut sets = capability::get().expect("own capabilities");
            (sets.effective, sets.permitted, sets.inheritable) = (0, 0, 0);
            capability::set(&sets).expect("given up");
            let refused = |watcher: Watcher| match watcher.attempt() {
                Attempt::Refused(error) => error.is(&[libc::EPERM, libc::EACCES]),
                _ => false,
            };
            process::exit(i32::from(!Watcher::ALL.into_iter().all(refused)))
        }
    };
    let told = process::wait(child.pid, false).expect("waited");
    assert_eq!(told, Some((child.pid, Exit::Code(0))));
}
