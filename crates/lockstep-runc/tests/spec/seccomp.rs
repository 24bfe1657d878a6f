//! `linux.seccomp`: every action, operator, architecture and flag, by what the kernel then does to
//! raw system calls; the agent of SCMP_ACT_NOTIFY is the test's own probe.

use serde_json::{Value, json};

use crate::harness::{Bundle, Host, Output, Test, View, cases, status_field};

cases! {
    filter_is_installed,
    errno_default_is_eperm,
    errno_of_the_rule,
    errno_of_4095: "runc 1.1.5 refuses it",
    action_allow_and_log,
    action_kill_kinds,
    action_trap,
    action_trace_without_tracer,
    operators,
    operators_compare_64_bits,
    masked_equality,
    several_arguments_must_all_match,
    one_argument_twice_means_either,
    several_rules_of_one_call,
    several_names_in_one_rule,
    default_action_errno_with_allow_list,
    default_errno_ret,
    newer_calls_get_enosys,
    unknown_names_are_ignored,
    architecture_x86_is_filtered_by_its_own_numbers,
    unlisted_x86_is_killed,
    unlisted_x32_is_killed,
    native_is_implied,
    every_architecture_name_is_known,
    flags: "runc 1.1.5 has no flags",
    flags_reach_the_kernel: "runc 1.1.5 has no flags",
    flag_log: "runc 1.1.5 has no seccomp flags",
    flag_spec_allow: "runc 1.1.5 has no flags",
    without_no_new_privileges,
    another_user_without_capabilities,
    the_runtimes_own_calls_are_not_blocked,
    exec_gets_the_filter,
    unknown_action_refused,
    unknown_operator_refused,
    unknown_architecture_refused,
    unknown_flag_refused: "runc 1.1.5 has no flags",
    argument_index_above_five_refused,
    errno_without_errno_action_refused: "runc 1.1.5 drops it without a word",
    big_profile,
}

/// alarm(2): harmless, one argument that the filter sees in full, result 0.
pub(crate) const ALARM: &str = "37";
const SIGSYS: i32 = 128 + 31;

pub(crate) fn filtered<'t>(t: &'t Test, question: &[&str], rules: Value) -> Bundle<'t> {
    let mut args = vec!["/probe"];
    args.extend(question);
    t.args(&args).with_probe().set(
        "/linux/seccomp",
        json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
               "syscalls": rules}),
    )
}

pub(crate) fn alarm(t: &Test, argument: &str, rules: Value) -> Output {
    filtered(t, &["syscall", ALARM, argument], rules).run()
}

pub(crate) fn rule(action: &str, args: Value) -> Value {
    json!({"names": ["alarm"], "action": action, "args": args})
}

fn filter_is_installed(t: &Test) {
    let pid = t
        .sleeper()
        .set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW",
             "syscalls": [rule("SCMP_ACT_ERRNO", json!([]))]}),
        )
        .started()
        .pid();
    assert_eq!(status_field(pid, "Seccomp"), "2");
    assert_eq!(status_field(pid, "Seccomp_filters"), "1");
    assert_eq!(status_field(t.sleeper().started().pid(), "Seccomp"), "0");
}

fn errno_default_is_eperm(t: &Test) {
    let output = alarm(t, "0", json!([rule("SCMP_ACT_ERRNO", json!([]))]));
    assert_eq!(output.ok().value("syscall"), "-1");
}

fn errno_of_the_rule(t: &Test) {
    for errno in [0, 38, 524] {
        let rules = json!([{"names": ["alarm"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno}]);
        let output = alarm(t, "0", rules).ok();
        let want = if errno == 0 {
            "0".to_owned()
        } else {
            format!("-{errno}")
        };
        assert_eq!(output.value("syscall"), want);
    }
}

fn errno_of_4095(t: &Test) {
    // MAX_ERRNO of the kernel: the last number that a C library reads as an error.
    let rules = json!([{"names": ["alarm"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4095}]);
    assert_eq!(alarm(t, "0", rules).ok().value("syscall"), "-4095");
}

fn action_allow_and_log(t: &Test) {
    for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"] {
        // The opposite default shows that the rule decides.
        let bundle = filtered(
            t,
            &["syscall", ALARM, "0"],
            json!([rule(action, json!([]))]),
        );
        let bundle = allow_list(bundle, &[]);
        let bundle = bundle.push("/linux/seccomp/syscalls", rule(action, json!([])));
        assert_eq!(bundle.run().ok().value("syscall"), "0", "{action}");
    }
}

fn action_kill_kinds(t: &Test) {
    for action in [
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD",
    ] {
        let output = alarm(t, "0", json!([rule(action, json!([]))]));
        assert_eq!(output.exits(SIGSYS).stdout, "", "{action}");
    }
}

fn action_trap(t: &Test) {
    alarm(t, "0", json!([rule("SCMP_ACT_TRAP", json!([]))])).exits(SIGSYS);
}

fn action_trace_without_tracer(t: &Test) {
    let output = alarm(t, "0", json!([rule("SCMP_ACT_TRACE", json!([]))]));
    assert_eq!(
        output.ok().value("syscall"),
        "-38",
        "ENOSYS without a tracer"
    );
}

/// Whether alarm(`argument`) is refused by a rule with that comparison.
fn refused(t: &Test, op: &str, value: u64, two: u64, argument: &str) -> bool {
    let args = json!([{"index": 0, "value": value, "valueTwo": two, "op": op}]);
    let output = alarm(t, argument, json!([rule("SCMP_ACT_ERRNO", args)])).ok();
    output.value("syscall") == "-1"
}

fn operators(t: &Test) {
    for (op, below, equal, above) in [
        ("SCMP_CMP_EQ", false, true, false),
        ("SCMP_CMP_NE", true, false, true),
        ("SCMP_CMP_LT", true, false, false),
        ("SCMP_CMP_LE", true, true, false),
        ("SCMP_CMP_GT", false, false, true),
        ("SCMP_CMP_GE", false, true, true),
    ] {
        for (argument, want) in [("99", below), ("100", equal), ("101", above)] {
            assert_eq!(
                refused(t, op, 100, 0, argument),
                want,
                "{argument} {op} 100"
            );
        }
    }
}

fn operators_compare_64_bits(t: &Test) {
    let big = 0x1_0000_0005_u64;
    for (op, argument, want) in [
        ("SCMP_CMP_EQ", "0x100000005", true),
        ("SCMP_CMP_EQ", "5", false),
        ("SCMP_CMP_GT", "0x200000000", true),
        ("SCMP_CMP_GT", "0xffffffff", false),
        ("SCMP_CMP_LT", "0xffffffff", true),
        ("SCMP_CMP_GE", "0x100000004", false),
        ("SCMP_CMP_GT", "0xffffffffffffffff", true),
        ("SCMP_CMP_NE", "0x200000005", true),
    ] {
        assert_eq!(
            refused(t, op, big, 0, argument),
            want,
            "{argument} {op} {big:#x}"
        );
    }
}

fn masked_equality(t: &Test) {
    // value is the mask, valueTwo what must remain.
    for (argument, want) in [
        ("0x13", true),
        ("0x23", true),
        ("0x12", false),
        ("0x3", true),
    ] {
        assert_eq!(
            refused(t, "SCMP_CMP_MASKED_EQ", 0x0f, 0x03, argument),
            want,
            "{argument}"
        );
    }
    let high = 0xffff_0000_0000_u64;
    assert!(refused(
        t,
        "SCMP_CMP_MASKED_EQ",
        high,
        0x5_0000_0000,
        "0x512345678"
    ));
    assert!(!refused(
        t,
        "SCMP_CMP_MASKED_EQ",
        high,
        0x5_0000_0000,
        "0x612345678"
    ));
}

fn several_arguments_must_all_match(t: &Test) {
    // getpriority(which, who)
    let rules = json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77,
        "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"},
                 {"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]}]);
    for (which, who, want) in [("0", "1", "-77"), ("0", "0", "20"), ("1", "1", "20")] {
        let output = filtered(t, &["syscall", "140", which, who], rules.clone())
            .run()
            .ok();
        let got = output.value("syscall");
        if want == "-77" || got == "-77" {
            assert_eq!(got, want, "{which} {who}");
        }
    }
}

fn one_argument_twice_means_either(t: &Test) {
    // runc's semantics: a rule that names an index twice is one rule per comparison.
    let args = json!([{"index": 0, "value": 7, "op": "SCMP_CMP_EQ"},
                      {"index": 0, "value": 9, "op": "SCMP_CMP_EQ"}]);
    for (argument, want) in [("7", "-1"), ("8", "0"), ("9", "-1")] {
        let output = alarm(t, argument, json!([rule("SCMP_ACT_ERRNO", args.clone())])).ok();
        assert_eq!(output.value("syscall"), want, "{argument}");
    }
}

fn several_rules_of_one_call(t: &Test) {
    let one = |value: u64, errno: u64| {
        json!({"names": ["alarm"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno,
               "args": [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]})
    };
    for (argument, want) in [("1", "-11"), ("2", "-12"), ("3", "0")] {
        let output = alarm(t, argument, json!([one(1, 11), one(2, 12)])).ok();
        assert_eq!(output.value("syscall"), want, "{argument}");
    }
}

fn several_names_in_one_rule(t: &Test) {
    let rules = json!([{"names": ["alarm", "getppid", "sync"], "action": "SCMP_ACT_ERRNO"}]);
    let question = [
        "syscall", "37", ",", "syscall", "110", ",", "syscall", "102",
    ];
    let output = filtered(t, &question, rules).run().ok();
    assert_eq!(output.lines(), ["syscall=-1", "syscall=-1", "syscall=0"]);
}

/// What the probe, busybox and a runtime's last steps need.
const NEEDED: &[&str] = &[
    "read",
    "write",
    "close",
    "fstat",
    "newfstatat",
    "lseek",
    "mmap",
    "mprotect",
    "munmap",
    "brk",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "ioctl",
    "access",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "wait4",
    "clone",
    "fork",
    "vfork",
    "uname",
    "fcntl",
    "getcwd",
    "chdir",
    "readlink",
    "readlinkat",
    "arch_prctl",
    "set_tid_address",
    "set_robust_list",
    "rseq",
    "prlimit64",
    "getrandom",
    "futex",
    "getpid",
    "getppid",
    "getuid",
    "getgid",
    "geteuid",
    "getegid",
    "getgroups",
    "setgroups",
    "setuid",
    "setgid",
    "setresuid",
    "setresgid",
    "capget",
    "capset",
    "prctl",
    "sigaltstack",
    "gettid",
    "tgkill",
    "openat",
    "open",
    "stat",
    "pipe",
    "pipe2",
    "dup",
    "dup2",
    "dup3",
    "nanosleep",
    "clock_nanosleep",
    "clock_gettime",
    "poll",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_create1",
    "sched_yield",
    "sched_getaffinity",
    "madvise",
    "sendfile",
    "setpgid",
    "getpgrp",
    "setsid",
    "umask",
    "close_range",
    "sendmsg",
    "recvmsg",
    "kill",
    "statx",
    "faccessat2",
    "fstatfs",
    "statfs",
    "getdents64",
    "fchdir",
    "pidfd_open",
];

fn allow_list<'t>(bundle: Bundle<'t>, without: &[&str]) -> Bundle<'t> {
    let names: Vec<&str> = NEEDED
        .iter()
        .copied()
        .filter(|name| !without.contains(name))
        .collect();
    bundle
        .set("/linux/seccomp/defaultAction", "SCMP_ACT_ERRNO")
        .set(
            "/linux/seccomp/syscalls",
            json!([{"names": names, "action": "SCMP_ACT_ALLOW"}]),
        )
}

fn default_action_errno_with_allow_list(t: &Test) {
    let question = ["syscall", ALARM, "0", ",", "syscall", "39"];
    let output = allow_list(filtered(t, &question, json!([])), &[])
        .run()
        .ok();
    assert_eq!(
        output.lines(),
        ["syscall=-1", "syscall=1"],
        "alarm is refused, getpid is not"
    );
}

fn default_errno_ret(t: &Test) {
    let bundle = allow_list(filtered(t, &["syscall", ALARM, "0"], json!([])), &[]);
    let output = bundle.set("/linux/seccomp/defaultErrnoRet", 95).run().ok();
    assert_eq!(output.value("syscall"), "-95");
}

fn newer_calls_get_enosys(t: &Test) {
    // runc's rule: the profile's author could not know them, and libraries fall back on ENOSYS.
    // 451 (cachestat) is newer than any call of the list, 37 is not.
    let question = ["syscall", "451", ",", "syscall", ALARM, "0"];
    let output = allow_list(filtered(t, &question, json!([])), &[])
        .run()
        .ok();
    assert_eq!(output.lines(), ["syscall=-38", "syscall=-1"]);
}

fn unknown_names_are_ignored(t: &Test) {
    let rules = json!([{"names": ["no_such_call", "alarm"], "action": "SCMP_ACT_ERRNO"}]);
    assert_eq!(alarm(t, "0", rules).ok().value("syscall"), "-1");
}

fn with_architectures<'t>(t: &'t Test, question: &[&str], list: Value, rules: Value) -> Bundle<'t> {
    filtered(t, question, rules).set("/linux/seccomp/architectures", list)
}

fn needs_32_bit_entry(t: &Test) {
    let config = t.probe();
    let output = std::process::Command::new(config)
        .args(["int80", "20"])
        .output();
    let works = output.is_ok_and(|output| output.stdout.starts_with(b"int80="));
    t.need(
        works,
        "this kernel has no 32-bit entry (CONFIG_IA32_EMULATION)",
    );
}

fn architecture_x86_is_filtered_by_its_own_numbers(t: &Test) {
    needs_32_bit_entry(t);
    // alarm is 27 there, and 37 is kill: the names are translated per architecture.
    let output = with_architectures(
        t,
        &[
            "int80", "27", "0", ",", "syscall", ALARM, "0", ",", "int80", "20",
        ],
        json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]),
        json!([rule("SCMP_ACT_ERRNO", json!([]))]),
    )
    .run()
    .ok();
    assert_eq!(output.lines(), ["int80=-1", "syscall=-1", "int80=1"]);
}

fn unlisted_x86_is_killed(t: &Test) {
    needs_32_bit_entry(t);
    let rules = json!([rule("SCMP_ACT_ERRNO", json!([]))]);
    let list = json!(["SCMP_ARCH_X86_64"]);
    with_architectures(t, &["int80", "20"], list, rules)
        .run()
        .exits(SIGSYS);
}

fn unlisted_x32_is_killed(t: &Test) {
    // The filter decides before the kernel looks whether it has that ABI.
    let rules = json!([rule("SCMP_ACT_ERRNO", json!([]))]);
    let list = json!(["SCMP_ARCH_X86_64"]);
    let number = (0x4000_0000 + 39).to_string();
    with_architectures(t, &["syscall", &number], list, rules)
        .run()
        .exits(SIGSYS);
}

fn native_is_implied(t: &Test) {
    let rules = json!([rule("SCMP_ACT_ERRNO", json!([]))]);
    for list in [
        json!([]),
        json!(["SCMP_ARCH_X86"]),
        json!(["SCMP_ARCH_AARCH64"]),
    ] {
        let bundle = with_architectures(t, &["syscall", ALARM, "0"], list.clone(), rules.clone());
        assert_eq!(bundle.run().ok().value("syscall"), "-1", "{list}");
    }
}

fn every_architecture_name_is_known(t: &Test) {
    let mut names = vec![
        "X86",
        "X86_64",
        "X32",
        "ARM",
        "AARCH64",
        "MIPSEL",
        "MIPSEL64",
        "MIPSEL64N32",
        "PPC64LE",
    ];
    if !t.peer_is_other() {
        names.extend(["RISCV64", "LOONGARCH64"]);
    }
    for name in names {
        let list = json!([format!("SCMP_ARCH_{name}")]);
        let rules = json!([rule("SCMP_ACT_ERRNO", json!([]))]);
        let bundle = with_architectures(t, &["syscall", ALARM, "0"], list, rules);
        assert_eq!(bundle.run().ok().value("syscall"), "-1", "{name}");
    }
    // Of the other byte order: no machine has both, but the names are known.
    for name in [
        "MIPS",
        "MIPS64",
        "MIPS64N32",
        "PPC",
        "PPC64",
        "S390",
        "S390X",
    ] {
        let list = json!([format!("SCMP_ARCH_{name}")]);
        let rules = json!([rule("SCMP_ACT_ERRNO", json!([]))]);
        let output = with_architectures(t, &["syscall", ALARM, "0"], list, rules).run();
        let unknown = output.stderr.contains("not a valid arch") || output.stderr.contains("known");
        assert!(!unknown, "{name}: {output:?}");
    }
}

fn with_flags(t: &Test, flags: &[&str]) -> Output {
    filtered(
        t,
        &["syscall", ALARM, "0"],
        json!([rule("SCMP_ACT_ERRNO", json!([]))]),
    )
    .set("/linux/seccomp/flags", flags.to_vec())
    .run()
}

fn flags(t: &Test) {
    for flags in [
        &["SECCOMP_FILTER_FLAG_LOG"][..],
        &["SECCOMP_FILTER_FLAG_TSYNC"],
        &["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"],
    ] {
        assert_eq!(
            with_flags(t, flags).ok().value("syscall"),
            "-1",
            "{flags:?}"
        );
    }
}

/// Whether a flag does something may be a matter of the machine; that the kernel is asked for it is not.
fn flags_reach_the_kernel(t: &Test) {
    t.need(Host::get().has_program("strace"), "no strace(1)");
    for flags in [
        &["SECCOMP_FILTER_FLAG_TSYNC"][..],
        &["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        &["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"],
    ] {
        let output = t.dir.join("strace");
        let view = View::Script(format!(
            "set -- strace -f -qq -e trace=seccomp -o {} \"$@\"",
            output.display()
        ));
        let rules = json!([rule("SCMP_ACT_ERRNO", json!([]))]);
        filtered(t, &["syscall", ALARM, "0"], rules)
            .set("/linux/seccomp/flags", flags.to_vec())
            .view(view)
            .run()
            .ok();
        let text = std::fs::read_to_string(&output).expect("strace has written it");
        let mut asked = text
            .lines()
            .filter_map(|line| line.split_once("SECCOMP_SET_MODE_FILTER, "))
            .filter_map(|(_, call)| call.split_once(", {"))
            .map(|(flags, _)| flags);
        let mut asked: Vec<&str> = asked.next().expect(&text).split('|').collect();
        asked.sort_unstable();
        assert_eq!(asked, flags, "{text}");
    }
}

fn flag_log(t: &Test) {
    // With it the kernel logs every action but "allow", without it no errno.
    let host = Host::get();
    t.need(host.has_program("dmesg"), "no dmesg(1) (util-linux)");
    let bundle = filtered(t, &[], json!([rule("SCMP_ACT_ERRNO", json!([]))]));
    let name = format!("/probe-{}", bundle.id);
    let program = bundle.rootfs().join(&name[1..]);
    std::fs::rename(bundle.rootfs().join("probe"), program).expect("own rootfs");
    let bundle = bundle
        .set("/process/args", json!([name, "syscall", ALARM, "0"]))
        .set("/linux/seccomp/flags", json!(["SECCOMP_FILTER_FLAG_LOG"]));
    // The kernel drops lines when there are many at once.
    let logged = (0..8).any(|_| {
        assert_eq!(bundle.run().ok().value("syscall"), "-1");
        std::thread::sleep(std::time::Duration::from_secs(1));
        t.host("dmesg", &[]).contains(&format!("exe=\"{name}\""))
    });
    assert!(logged, "the refused call is not in the kernel's log");
}

fn flag_spec_allow(t: &Test) {
    let bundle = t.sleeper().set(
        "/linux/seccomp",
        json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
               "syscalls": [rule("SCMP_ACT_ERRNO", json!([]))]}),
    );
    let with = status_field(bundle.started().pid(), "Speculation_Store_Bypass");
    let own = status_field(std::process::id(), "Speculation_Store_Bypass");
    assert_eq!(
        with, own,
        "the filter changed the speculation of the process"
    );
}

fn without_no_new_privileges(t: &Test) {
    let bundle = filtered(
        t,
        &["syscall", ALARM, "0", ",", "process"],
        json!([rule("SCMP_ACT_ERRNO", json!([]))]),
    );
    let output = bundle.set("/process/noNewPrivileges", false).run().ok();
    assert_eq!((output.value("syscall"), output.value("nnp")), ("-1", "0"));
}

fn another_user_without_capabilities(t: &Test) {
    for nnp in [true, false] {
        let output = filtered(
            t,
            &["syscall", ALARM, "0", ",", "process"],
            json!([rule("SCMP_ACT_ERRNO", json!([]))]),
        )
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .set("/process/capabilities", json!({}))
        .set("/process/noNewPrivileges", nnp)
        .run()
        .ok();
        let want = if nnp { "1" } else { "0" };
        assert_eq!((output.value("syscall"), output.value("nnp")), ("-1", want));
    }
}

fn the_runtimes_own_calls_are_not_blocked(t: &Test) {
    // Calls of the set-up that a program has no need of.
    let names = [
        "mount",
        "umount2",
        "pivot_root",
        "setns",
        "unshare",
        "capset",
        "setgroups",
        "setresuid",
        "setresgid",
        "setuid",
        "setgid",
        "chdir",
        "fchdir",
        "mknodat",
        "sethostname",
        "chroot",
        "keyctl",
        "mkdirat",
        "symlinkat",
        "fchownat",
    ];
    let rules = json!([{"names": names, "action": "SCMP_ACT_KILL_PROCESS"}]);
    let output = filtered(t, &["syscall", ALARM, "0"], rules)
        .set(
            "/process/user",
            json!({"uid": 1000, "gid": 1000, "additionalGids": [5]}),
        )
        .run();
    if t.peer_is_other() && output.code != 0 {
        t.skip("runc 1.1.5 makes some of them after the filter");
    }
    assert_eq!(output.ok().value("syscall"), "0");
}

fn exec_gets_the_filter(t: &Test) {
    let c = t
        .sleeper()
        .with_probe()
        .set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW",
                   "syscalls": [rule("SCMP_ACT_ERRNO", json!([]))]}),
        )
        .started();
    let output = c.exec(&[], &["/probe", "syscall", ALARM, "0"]).ok();
    assert_eq!(output.value("syscall"), "-1");
    let status = c.exec(&[], &["cat", "/proc/self/status"]).ok();
    assert_eq!(status.value("Seccomp"), "2");
    assert_eq!(status.value("Seccomp_filters"), "1");
}

fn unknown_action_refused(t: &Test) {
    alarm(t, "0", json!([rule("SCMP_ACT_NONSENSE", json!([]))])).fails_with(&["SCMP_ACT_NONSENSE"]);
}

fn unknown_operator_refused(t: &Test) {
    let args = json!([{"index": 0, "value": 1, "op": "SCMP_CMP_NONSENSE"}]);
    alarm(t, "0", json!([rule("SCMP_ACT_ERRNO", args)])).fails_with(&["SCMP_CMP_NONSENSE"]);
}

fn unknown_architecture_refused(t: &Test) {
    let rules = json!([rule("SCMP_ACT_ERRNO", json!([]))]);
    let list = json!(["SCMP_ARCH_NONSENSE"]);
    with_architectures(t, &["syscall", ALARM], list, rules)
        .run()
        .fails_with(&["SCMP_ARCH_NONSENSE"]);
}

fn unknown_flag_refused(t: &Test) {
    with_flags(t, &["SECCOMP_FILTER_FLAG_NONSENSE"]).fails_with(&["SECCOMP_FILTER_FLAG_NONSENSE"]);
}

fn argument_index_above_five_refused(t: &Test) {
    let args = json!([{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]);
    let output = alarm(t, "0", json!([rule("SCMP_ACT_ERRNO", args)]));
    assert_ne!(output.code, 0, "a call has six arguments");
}

fn errno_without_errno_action_refused(t: &Test) {
    let rules = json!([{"names": ["alarm"], "action": "SCMP_ACT_KILL", "errnoRet": 5}]);
    alarm(t, "0", rules).fails_with(&["errnoRet"]);
}

fn big_profile(t: &Test) {
    // One rule per value: far more instructions than an unbalanced filter may have jumps for.
    let rules: Vec<Value> = (0..400)
        .map(|value| {
            json!({"names": ["alarm"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100 + value % 7,
                   "args": [{"index": 0, "value": value * 3, "op": "SCMP_CMP_EQ"}]})
        })
        .collect();
    for (argument, want) in [("0", "-100"), ("1197", "-100"), ("3", "-101"), ("4", "0")] {
        let output = alarm(t, argument, json!(rules)).ok();
        assert_eq!(output.value("syscall"), want, "{argument}");
    }
}
