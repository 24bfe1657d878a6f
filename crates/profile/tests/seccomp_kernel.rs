//! The kernel takes every program and does what the rules say, by both ways into it.
//!
//! Only calls that a filter stops are made: whether they were stopped, and how, is the proof, and nothing
//! happens to the machine.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files, runs peers and says what it compared"
)]

mod corpus;
mod kernel;

use std::process::Command;

use kernel::Seen;
use lockstep_abi::arch::Arch;
use lockstep_abi::capability::CapSet;
use lockstep_abi::syscall;
use lockstep_profile::seccomp::interpret::Call;
use lockstep_profile::seccomp::{compile, default_profile};

#[test]
fn the_kernel_stops_what_the_rules_stop() {
    let name = "the_kernel_stops_what_the_rules_stop";
    let Some(probe) = probe(name) else { return };
    let mut made = 0;
    for (profile_name, profile) in corpus::profiles(name) {
        let program = compile(&profile, Arch::X86_64).unwrap();
        let calls = kernel::stopped(&profile, &program.insns, 60);
        let seen = kernel::make(&probe, &program.insns, &calls);
        assert_eq!(seen.len(), calls.len(), "{profile_name}");
        for ((call, expected), seen) in calls.iter().zip(&seen) {
            assert_eq!(seen, expected, "{profile_name}: {call:x?}");
        }
        println!("{profile_name}: {} calls", calls.len());
        made += calls.len();
    }
    assert!(made > 10_000, "only {made} calls were made");
}

#[test]
fn arguments_decide_in_the_kernel() {
    let Some(probe) = probe("arguments_decide_in_the_kernel") else {
        return;
    };
    let profile = corpus::profile(serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["getpid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1000, "args":
                [{"index": 5, "value": 0xff_0000_00ff_u64, "valueTwo": 0x12_0000_0034_u64, "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": ["getpid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1001, "args":
                [{"index": 0, "value": 0x1_0000_0000_u64, "op": "SCMP_CMP_GE"}, {"index": 1, "value": 7, "op": "SCMP_CMP_LT"}]},
        ],
    }));
    let program = compile(&profile, Arch::X86_64).unwrap();
    let cases = [
        ([0, 0, 0, 0, 0, 0xab12_cdef_5634], Some(1000)),
        ([0, 0, 0, 0, 0, 0xab13_cdef_5634], None),
        ([0x1_0000_0000, 6, 0, 0, 0, 0], Some(1001)),
        ([0xffff_ffff, 6, 0, 0, 0, 0], None),
        ([0x1_0000_0000, 7, 0, 0, 0, 0], None),
        ([u64::MAX, 0, 0, 0, 0, 0], Some(1001)),
    ];
    for (arguments, errno) in cases {
        let call = native("getpid", arguments);
        match (
            kernel::make(&probe, &program.insns, &[(call, Seen::Returned(0))])[0],
            errno,
        ) {
            (Seen::Returned(value), Some(errno)) => assert_eq!(value, -errno, "{arguments:x?}"),
            (Seen::Returned(pid), None) => assert!(pid > 1, "{arguments:x?}: {pid}"),
            (signal, _) => panic!("{arguments:x?}: {signal:?}"),
        }
    }
}

#[test]
fn the_default_refuses_what_attacks_use() {
    let Some(probe) = probe("the_default_refuses_what_attacks_use") else {
        return;
    };
    let profile = default_profile(Arch::X86_64, CapSet::from_bits(0));
    let program = compile(&profile, Arch::X86_64).unwrap();
    // The upper half of a register is not the kernel's argument, and must not be the filter's.
    let dirty = 0xdead_beef_0000_0000;
    let cases = [
        (native("unshare", [0x1000_0000, 0, 0, 0, 0, 0]), -1),
        (native("unshare", [0x80, 0, 0, 0, 0, 0]), -1),
        (native("clone", [0x1000_0011, 0, 0, 0, 0, 0]), -1),
        (native("clone3", [0, 0, 0, 0, 0, 0]), -38),
        (native("setns", [0, 0, 0, 0, 0, 0]), -1),
        (native("mount", [0; 6]), -1),
        (native("socket", [40, 1, 0, 0, 0, 0]), -97),
        (native("socket", [38, 5, 0, 0, 0, 0]), -97),
        (native("socket", [dirty | 38, 5, 0, 0, 0, 0]), -97),
        (native("socket", [16, 3, 9, 0, 0, 0]), -97),
        (native("ioctl", [0, 0x5412, 0, 0, 0, 0]), -1),
        (native("ioctl", [0, dirty | 0x5412, 0, 0, 0, 0]), -1),
        (native("ioctl", [0, dirty | 0x541c, 0, 0, 0, 0]), -1),
        (native("ioctl", [u64::MAX, 0x5401, 0, 0, 0, 0]), -9),
        (native("personality", [0x4_0000, 0, 0, 0, 0, 0]), -1),
        (native("personality", [dirty | 0x4_0000, 0, 0, 0, 0, 0]), -1),
        (native("personality", [0xffff_ffff, 0, 0, 0, 0, 0]), 0),
        (native("keyctl", [0; 6]), -1),
        (native("add_key", [0; 6]), -1),
        (native("io_uring_setup", [0; 6]), -1),
        (native("bpf", [0; 6]), -1),
        (native("perf_event_open", [0; 6]), -1),
        (native("userfaultfd", [0; 6]), -1),
        (native("kexec_load", [0; 6]), -1),
        (native("open_by_handle_at", [0; 6]), -1),
        (native("chroot", [0; 6]), -1),
        (
            Call {
                number: syscall::newest(Arch::X86_64) + 1,
                ..native("bpf", [0; 6])
            },
            -38,
        ),
        (
            Call {
                number: 400,
                ..native("bpf", [0; 6])
            },
            -38,
        ),
        (
            Call {
                number: 102,
                audit_arch: Arch::X86.audit_arch(),
                ..native("bpf", [1; 6])
            },
            -1,
        ),
        (
            Call {
                number: 359,
                audit_arch: Arch::X86.audit_arch(),
                ..native("bpf", [40; 6])
            },
            -97,
        ),
    ];
    let calls = cases.map(|(call, result)| (call, Seen::Returned(result)));
    let seen = kernel::make(&probe, &program.insns, &calls);
    for ((call, expected), seen) in calls.iter().zip(&seen) {
        assert_eq!(
            seen,
            expected,
            "{:?}: {call:x?}",
            syscall::name(Arch::X86_64, call.number)
        );
    }
}

#[test]
fn programs_run_under_the_default() {
    let Some(probe) = probe("programs_run_under_the_default") else {
        return;
    };
    let profile = default_profile(Arch::X86_64, CapSet::from_bits(0));
    let filter = kernel::filter_text(&compile(&profile, Arch::X86_64).unwrap().insns);
    let python = "import socket, subprocess, tempfile, threading, time\n\
        a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n\
        s = socket.socket(socket.AF_INET6); s.bind(('::1', 0)); s.listen()\n\
        c = socket.create_connection(s.getsockname()[:2]); c.close()\n\
        t = threading.Thread(target=time.sleep, args=(0.01,)); t.start(); t.join()\n\
        assert subprocess.check_output(['sh', '-c', 'echo $((6 * 7))']) == b'42\\n'\n\
        with tempfile.TemporaryFile() as f: f.write(b'y'); f.flush()\n\
        print('ok')";
    let commands: [&[&str]; 4] = [
        &[
            "sh",
            "-c",
            "ls -lR /etc | sort | tail -n 1 | wc -l >/dev/null && echo ok",
        ],
        &["python3", "-c", python],
        &[
            "perl",
            "-e",
            "my $pid = fork // die; if (!$pid) { exit 0 } waitpid($pid, 0) == $pid or die; print \"ok\\n\"",
        ],
        &["gcc", "-x", "c", "-o", "/dev/null", "-", "-v", "--help"],
    ];
    for command in commands {
        if Command::new(command[0]).arg("--version").output().is_err() {
            corpus::skip(
                "programs_run_under_the_default",
                &format!("{} is missing", command[0]),
            );
            continue;
        }
        let output = kernel::feed(Command::new(&probe).args(command), &filter);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{command:?}: {errors} {:?}",
            output.status
        );
    }
}

fn probe(test: &str) -> Option<std::path::PathBuf> {
    let reason = if cfg!(target_arch = "x86_64") {
        "gcc is missing"
    } else {
        "the probe is for x86-64"
    };
    let probe = if cfg!(target_arch = "x86_64") {
        kernel::program("probe")
    } else {
        None
    };
    if probe.is_none() {
        corpus::skip(test, reason);
    }
    probe
}

fn native(name: &str, arguments: [u64; 6]) -> Call {
    Call {
        number: syscall::number(Arch::X86_64, name).unwrap(),
        audit_arch: Arch::X86_64.audit_arch(),
        instruction_pointer: 0,
        arguments,
    }
}
