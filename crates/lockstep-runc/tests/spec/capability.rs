//! `process.capabilities`: the five sets, of root and of another user, in the first process and
//! after no_new_privs.

use serde_json::json;

use crate::harness::{Host, Test, cases, status_field};

cases! {
    five_sets_of_another_user,
    root_gets_no_more_than_the_bounding_set,
    empty_sets,
    absent_object_means_none,
    effective_is_limited_by_permitted,
    ambient_reaches_the_program,
    ambient_of_runcs_own_specification_is_no_news,
    inheritable_alone_gives_nothing,
    bounding_is_dropped,
    every_capability_of_the_kernel_by_name,
    unknown_name_is_not_silent,
    ungrantable_capability_is_not_silent: "runc 1.1.5 drops it without a word",
    effect_chown,
    effect_net_raw_is_refused_without,
    keepcaps_is_not_left_on,
}

const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

fn bits(numbers: &[u32]) -> String {
    format!(
        "{:016x}",
        numbers
            .iter()
            .fold(0_u64, |bits, number| bits | 1 << number)
    )
}

fn sets(pid: u32) -> [String; 5] {
    SETS.map(|set| status_field(pid, set))
}

fn five_sets_of_another_user(t: &Test) {
    // After execve of a program without file capabilities: what ambient does not carry is gone.
    let pid = t
        .sleeper()
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .set(
            "/process/capabilities",
            json!({
                "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
                "permitted": ["CAP_CHOWN", "CAP_KILL"],
                "effective": ["CAP_CHOWN"],
                "inheritable": ["CAP_KILL"],
                "ambient": ["CAP_KILL"]
            }),
        )
        .started()
        .pid();
    let (chown, kill, raw) = (0, 5, 13);
    assert_eq!(
        sets(pid),
        [
            bits(&[kill]),
            bits(&[kill]),
            bits(&[kill]),
            bits(&[chown, kill, raw]),
            bits(&[kill])
        ]
    );
}

fn root_gets_no_more_than_the_bounding_set(t: &Test) {
    let pid = t
        .sleeper()
        .capabilities(&["CAP_CHOWN", "CAP_SETUID"])
        .started()
        .pid();
    let both = bits(&[0, 7]);
    assert_eq!(
        sets(pid),
        [bits(&[]), both.clone(), both.clone(), both, bits(&[])]
    );
}

fn empty_sets(t: &Test) {
    let none = json!([]);
    let pid = t
        .sleeper()
        .set(
            "/process/capabilities",
            json!({"bounding": none, "permitted": none, "effective": none, "inheritable": none,
                   "ambient": none}),
        )
        .started()
        .pid();
    assert_eq!(sets(pid), SETS.map(|_| bits(&[])));
}

fn absent_object_means_none(t: &Test) {
    // The specification leaves it open; runc keeps what its caller has, which is no default of
    // safety: Lockstep gives none.
    let pid = t.sleeper().remove("/process/capabilities").started().pid();
    if !t.peer_is_other() {
        assert_eq!(sets(pid), SETS.map(|_| bits(&[])));
    }
}

fn effective_is_limited_by_permitted(t: &Test) {
    let output = t
        .sh("true")
        .set(
            "/process/capabilities",
            json!({"bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_CHOWN"],
                   "effective": ["CAP_CHOWN", "CAP_KILL"]}),
        )
        .run();
    // capset(2) refuses it: an error or a warning, never a silent smaller set.
    assert!(!output.stderr.is_empty(), "the smaller set is silent");
    assert!(
        output.code != 0 || output.stderr.contains("CAP_KILL"),
        "{output:?}"
    );
}

fn ambient_reaches_the_program(t: &Test) {
    let output = t
        .args(&["/probe", "syscall", "105", "0"]) // setuid(0)
        .with_probe()
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .set(
            "/process/capabilities",
            json!({"bounding": ["CAP_SETUID"], "permitted": ["CAP_SETUID"],
                   "effective": ["CAP_SETUID"], "inheritable": ["CAP_SETUID"],
                   "ambient": ["CAP_SETUID"]}),
        )
        .run();
    assert_eq!(output.ok().value("syscall"), "0");
}

fn inheritable_alone_gives_nothing(t: &Test) {
    let pid = t
        .sleeper()
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .set(
            "/process/capabilities",
            json!({"bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"],
                   "inheritable": ["CAP_CHOWN"]}),
        )
        .started()
        .pid();
    assert_eq!(status_field(pid, "CapInh"), bits(&[0]));
    assert_eq!(status_field(pid, "CapPrm"), bits(&[]));
}

fn bounding_is_dropped(t: &Test) {
    // A set-user-id program regains nothing that is not in the bounding set.
    let bundle = t
        .args(&["/probe", "syscall", "170", "0", "1"]) // sethostname(2)
        .with_probe()
        .set("/process/noNewPrivileges", false)
        .capabilities(&["CAP_SETUID"]);
    let output = bundle.run().ok();
    assert_eq!(
        output.value("syscall"),
        "-1",
        "sethostname(2) is not refused with EPERM"
    );
}

fn every_capability_of_the_kernel_by_name(t: &Test) {
    let names = [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ];
    let host = Host::get();
    let granted: Vec<String> = names
        .iter()
        .zip(0..)
        .filter(|(_, number)| host.has_capability(*number))
        .map(|(name, _)| format!("CAP_{name}"))
        .collect();
    let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
    let pid = t.sleeper().capabilities(&granted).started().pid();
    let want = format!("{:016x}", host.capabilities & ((1 << names.len()) - 1));
    assert_eq!(status_field(pid, "CapEff"), want);
    assert_eq!(status_field(pid, "CapBnd"), want);
}

fn unknown_name_is_not_silent(t: &Test) {
    // The specification: names that cannot be mapped are warned about; a refusal is as loud.
    let output = t
        .sh("true")
        .capabilities(&["CAP_CHOWN", "CAP_NONSENSE"])
        .run();
    assert!(output.stderr.contains("CAP_NONSENSE"), "{output:?}");
}

fn ungrantable_capability_is_not_silent(t: &Test) {
    t.need(
        !Host::get().has_capability(24),
        "root has CAP_SYS_RESOURCE here",
    );
    t.sh("true")
        .capabilities(&["CAP_SYS_RESOURCE"])
        .run()
        .warns("CAP_SYS_RESOURCE");
    let c = t.sleeper().capabilities(&["CAP_SYS_RESOURCE"]).create();
    let downgrades = c.state()["downgrades"].clone();
    for set in ["bounding", "permitted", "effective"] {
        let pointer = format!("/process/capabilities/{set}");
        let all = downgrades.as_array().expect("a list").iter();
        let mut lost = all.filter(|lost| lost["because"] == pointer.as_str());
        let lost = lost.next().unwrap_or_else(|| panic!("{set}: {downgrades}"));
        let lost = lost["lost"].as_str().expect("text");
        assert!(lost.contains("CAP_SYS_RESOURCE"), "{set}: {lost}");
    }
}

fn effect_chown(t: &Test) {
    let script = "touch /tmp/f && chown 5 /tmp/f && stat -c %u /tmp/f";
    let with = t.sh(script).capabilities(&["CAP_CHOWN"]).run();
    assert_eq!(with.ok().text(), "5");
    let without = t.sh(script).capabilities(&["CAP_KILL"]).run();
    assert!(
        without.stderr.contains("Operation not permitted"),
        "{without:?}"
    );
}

fn effect_net_raw_is_refused_without(t: &Test) {
    // socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
    let bundle = |name| {
        t.args(&["/probe", "syscall", "41", "2", "3", "1"])
            .with_probe()
            .capabilities(&[name])
            .run()
            .ok()
    };
    assert_eq!(bundle("CAP_KILL").value("syscall"), "-1");
    assert_ne!(bundle("CAP_NET_RAW").value("syscall"), "-1");
}

fn keepcaps_is_not_left_on(t: &Test) {
    let output = t
        .args(&["/probe", "process"])
        .with_probe()
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .run()
        .ok();
    assert_eq!(output.value("keepcaps"), "0");
    assert_eq!(output.value("securebits"), "0");
    assert_eq!(output.value("dumpable"), "1");
}

/// `runc spec` makes nothing inheritable and yet names ambient ones, which no kernel grants.
fn ambient_of_runcs_own_specification_is_no_news(t: &Test) {
    let caps = json!(["CAP_KILL"]);
    let bundle = t
        .sh("grep CapAmb /proc/self/status")
        .capabilities(&["CAP_KILL", "CAP_CHOWN"])
        .set("/process/capabilities/ambient", caps);
    let output = bundle.run().ok();
    assert_eq!(
        (output.value("CapAmb"), output.stderr.as_str()),
        ("0000000000000000", "")
    );
    if t.peer_is_other() {
        return;
    }
    // Where some are inheritable, the one that is not is a mistake.
    bundle
        .set("/process/capabilities/inheritable", json!(["CAP_CHOWN"]))
        .run()
        .ok()
        .warns("not made ambient");
}
