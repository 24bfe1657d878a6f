//! The Landlock domain of the annotation `org.lockstep.landlock`: what it forbids, in the first
//! process and in an exec.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use serde_json::{Value, json};

use crate::harness::{Bundle, Host, Test, cases};

cases! {
    write_is_refused_outside_the_rules: "an annotation of Lockstep",
    execute_is_refused_outside_the_rules: "an annotation of Lockstep",
    names_of_every_right: "an annotation of Lockstep",
    nodes_are_made_where_it_is_allowed: "an annotation of Lockstep",
    files_change_directories_where_it_is_allowed: "an annotation of Lockstep",
    rights_of_a_directory_at_a_file: "an annotation of Lockstep",
    numbers_instead_of_names: "an annotation of Lockstep",
    connect_and_bind_by_port: "an annotation of Lockstep",
    controls_of_devices: "an annotation of Lockstep",
    signals_and_abstract_sockets: "an annotation of Lockstep",
    what_the_kernel_lacks_is_named: "an annotation of Lockstep",
    a_right_without_a_name_is_not_lost_in_silence: "an annotation of Lockstep",
    exec_is_in_the_domain: "an annotation of Lockstep",
    without_annotation_there_is_no_domain: "an annotation of Lockstep",
    missing_path_refused: "an annotation of Lockstep",
    malformed_refused: "an annotation of Lockstep",
    without_no_new_privileges: "an annotation of Lockstep",
}

const KEY: &str = "org.lockstep.landlock";

fn within(bundle: Bundle<'_>, domain: Value) -> Bundle<'_> {
    let lsms = &Host::get().lsms;
    bundle.test.need(
        lsms.iter().any(|lsm| lsm == "landlock"),
        "Landlock is off here",
    );
    bundle.edit(|config| config["annotations"] = json!({KEY: domain.to_string()}))
}

/// The ABI of this kernel's Landlock: landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION).
fn abi(t: &Test) -> u32 {
    let number =
        lockstep_abi::syscall::number(lockstep_abi::arch::Arch::X86_64, "landlock_create_ruleset");
    let number = number.expect("a known call").to_string();
    let said = t.host(
        &t.probe().display().to_string(),
        &["syscall", &number, "0", "0", "1"],
    );
    let answer = said
        .trim()
        .strip_prefix("syscall=")
        .and_then(|text| text.parse::<i64>().ok());
    // A negative one is an errno: no Landlock, which `within` skips at.
    u32::try_from(answer.expect("the probe's answer")).unwrap_or(0)
}

/// Rights that came after the first ABI.
const LATER: [(&str, &str, u32); 4] = [
    ("handledAccessFS", "truncate", 3),
    ("handledAccessNet", "connect_tcp", 4),
    ("handledAccessFS", "ioctl_dev", 5),
    ("scoped", "signal", 6),
];

fn controls_of_devices(t: &Test) {
    t.need(abi(t) >= 5, "this kernel's Landlock knows no ioctl_dev");
    // A control of terminals, which /dev/zero does not know.
    for (allowed, wanted) in [
        ("/dev", "Inappropriate ioctl"),
        ("/bin", "Permission denied"),
    ] {
        let bundle = t.sh("stty -F /dev/zero");
        let output = within(bundle, files(&["ioctl_dev"], &[allowed])).run();
        assert!(output.stderr.contains(wanted), "{allowed}: {output:?}");
    }
}

fn signals_and_abstract_sockets(t: &Test) {
    t.need(abi(t) >= 6, "this kernel's Landlock has no scopes");
    let outside = t.companion("sleep", &["1000"]);
    let name = format!("@lockstep-{}-{}", std::process::id(), t.number());
    let address = SocketAddr::from_abstract_name(&name[1..]).expect("a name");
    let _listener = UnixListener::bind_addr(&address).expect("a socket");
    let script = format!("kill -0 {outside} && echo signalled; exec /probe connect {name}");
    for (scopes, signalled, connected) in [
        (json!([]), true, "0"),
        (json!(["signal"]), false, "0"),
        (json!(["abstract_unix_socket"]), true, "-1"),
        (json!(["abstract_unix_socket", "signal"]), false, "-1"),
    ] {
        // What is outside of its namespaces could not be reached in any case.
        let bundle = t.sh(&script).with_probe();
        let bundle = bundle.without_namespace("pid").without_namespace("network");
        let mut domain = files(&["make_block"], &["/bin"]);
        domain["ruleset"]["scoped"] = scopes.clone();
        let output = within(bundle, domain).run().ok();
        let seen = (output.stdout.contains("signalled"), output.value("connect"));
        assert_eq!(seen, (signalled, connected), "{scopes}: {output:?}");
    }
}

/// What `state` says of the domain, for whoever did not read the warning.
pub(crate) fn lost_of(state: &Value) -> String {
    let all = state["downgrades"].as_array().cloned().unwrap_or_default();
    let key = format!("/annotations/{KEY}");
    let of_domain = all.iter().find(|lost| lost["because"] == *key);
    let lost = of_domain.unwrap_or_else(|| panic!("no downgrade of {key}: {state}"));
    lost["lost"].to_string()
}

/// As far as it goes by default, and then the rest is named; not at all where that is asked for.
fn what_the_kernel_lacks_is_named(t: &Test) {
    let abi = abi(t);
    let mut ruleset = json!({"handledAccessFS": ["make_dir", "truncate", "ioctl_dev"]});
    ruleset["handledAccessNet"] = json!(["connect_tcp"]);
    ruleset["scoped"] = json!(["signal"]);
    let run = |hard: bool| {
        let domain = json!({"ruleset": ruleset, "disableBestEffort": hard});
        within(t.sh("echo ran; mkdir /tmp/d"), domain).run()
    };
    let lost: Vec<&str> = LATER
        .iter()
        .filter(|(.., since)| *since > abi)
        .map(|(_, name, _)| *name)
        .collect();
    let soft = run(false);
    assert!(soft.stdout.starts_with("ran\n"), "{soft:?}");
    assert!(
        soft.stderr.contains("'/tmp/d': Permission denied"),
        "what it knows is enforced: {soft:?}"
    );
    let hard = run(true);
    if lost.is_empty() {
        assert!(!soft.stderr.contains("Landlock"), "{soft:?}");
        assert!(hard.stdout.starts_with("ran\n"), "{hard:?}");
    } else {
        assert!(
            soft.stderr
                .contains(&format!("Landlock ABI {abi} of this kernel is without")),
            "{soft:?}"
        );
        let domain = json!({"ruleset": ruleset});
        let state = within(t.sleeper(), domain).started().state();
        let value = lost_of(&state);
        for name in lost {
            assert!(value.contains(name), "{name}: {state}");
            assert!(soft.stderr.contains(name), "{name}: {soft:?}");
            let refusal = &hard.stderr;
            assert!(
                hard.code != 0 && refusal.contains("Landlock") && refusal.contains(name),
                "{hard:?}"
            );
        }
    }
}

/// A right that nobody has heard of yet is not taken for enforced.
fn a_right_without_a_name_is_not_lost_in_silence(t: &Test) {
    let run = |ruleset: Value, hard: bool| {
        let domain = json!({"ruleset": ruleset, "disableBestEffort": hard});
        within(t.sh("echo ran; mkdir /tmp/d"), domain).run()
    };
    let some = json!({"handledAccessFS": ["make_dir", 1_u64 << 40], "scoped": [1 << 20]});
    let refused = run(some.clone(), true);
    assert!(
        refused.code != 0 && refused.stdout.is_empty(),
        "{refused:?}"
    );
    refused.fails_with(&["Landlock", "1099511627776", "1048576"]);
    let soft = run(some, false);
    assert!(soft.stdout.starts_with("ran\n"), "{soft:?}");
    for word in ["'/tmp/d': Permission denied", "1099511627776", "1048576"] {
        assert!(soft.stderr.contains(word), "{word}: {soft:?}");
    }
    let nothing = run(json!({"handledAccessFS": [1_u64 << 40]}), false).ok();
    assert!(nothing.stderr.contains("1099511627776"), "{nothing:?}");
}

/// A domain that handles `rights` and allows them below `paths`.
fn files(rights: &[&str], paths: &[&str]) -> Value {
    json!({"ruleset": {"handledAccessFS": rights},
           "rules": {"pathBeneath": [{"allowedAccess": rights, "paths": paths}]}})
}

fn write_is_refused_outside_the_rules(t: &Test) {
    let script = "echo x > /tmp/inside && echo inside; echo x > /outside; cat /etc/passwd | wc -l";
    let domain = files(&["write_file", "make_reg"], &["/tmp", "/dev"]);
    let output = within(t.sh(script), domain).run().ok();
    assert!(output.stdout.starts_with("inside\n"), "{output:?}");
    assert!(
        output.stderr.contains("/outside: Permission denied"),
        "{output:?}"
    );
    assert_eq!(
        output.lines().last().map(|line| line.trim()),
        Some("2"),
        "reading is not handled"
    );
}

fn execute_is_refused_outside_the_rules(t: &Test) {
    let bundle = t.sh("cp /bin/busybox /tmp/busybox; /tmp/busybox true; echo $?");
    let output = within(bundle, files(&["execute"], &["/bin"])).run().ok();
    assert_eq!(output.text(), "126", "{output:?}");
    let output = within(t.args(&["/opt/tool"]), files(&["execute"], &["/etc"])).run();
    assert_ne!(
        output.code, 0,
        "the program itself is outside of the domain"
    );
}

fn names_of_every_right(t: &Test) {
    let rights = [
        "execute",
        "write_file",
        "read_file",
        "read_dir",
        "remove_dir",
        "remove_file",
        "make_char",
        "make_dir",
        "make_reg",
        "make_sock",
        "make_fifo",
        "make_block",
        "make_sym",
        "refer",
        "truncate",
        "ioctl_dev",
    ];
    let output = within(t.sh("echo ran; ls /etc"), files(&rights, &["/"]))
        .run()
        .ok();
    assert!(output.stdout.starts_with("ran\n"));
    let abi = abi(t);
    // Handled and allowed nowhere: each is refused by its own call.
    for (right, script) in [
        ("make_dir", "mkdir /tmp/d"),
        ("remove_dir", "rmdir /tmp"),
        ("make_reg", "echo x > /tmp/f"),
        ("make_sym", "ln -s x /tmp/l"),
        ("make_fifo", "mkfifo /tmp/p"),
        ("remove_file", "rm /etc/group"),
        ("read_dir", "ls /etc"),
        ("read_file", "cat /etc/passwd"),
        ("truncate", "echo x > /etc/passwd"),
        ("write_file", "echo x >> /etc/passwd"),
    ] {
        if right == "truncate" && abi < 3 {
            continue; // `what_the_kernel_lacks_is_named` shows what becomes of it.
        }
        let script = format!("{script} && echo done");
        let free = t.sh(&script).run().ok();
        assert!(free.stdout.ends_with("done\n"), "{right}: {free:?}");
        // Below /bin alone, so that the programs themselves can be read and run.
        let output = within(t.sh(&script), files(&[right], &["/bin"])).run();
        assert!(!output.stdout.contains("done"), "{right}: {output:?}");
        let refused = output.stderr.contains("Permission denied");
        assert!(refused, "{right}: {output:?}");
    }
}

fn nodes_are_made_where_it_is_allowed(t: &Test) {
    for (right, mode, device) in [
        ("make_char", "0020600", "0x103"),
        ("make_block", "0060600", "0x700"),
        ("make_sock", "0140600", "0"),
    ] {
        for (allowed, wanted) in [("/tmp", "0"), ("/bin", "-13")] {
            let bundle = t.args(&["/probe", "mknod", "/tmp/node", mode, device]);
            let bundle = bundle.with_probe().capabilities(&["CAP_MKNOD"]);
            let output = within(bundle, files(&[right], &[allowed])).run().ok();
            assert_eq!(output.value("mknod"), wanted, "{right} below {allowed}");
        }
    }
}

/// Renames and links between directories, which a domain of the first ABI refuses in any case.
fn files_change_directories_where_it_is_allowed(t: &Test) {
    let script = "mkdir /tmp/a /tmp/b; echo x > /tmp/a/f; ln /tmp/a/f /tmp/b/g && echo linked; \
                  before=$(stat -c %i /tmp/a/f); mv /tmp/a/f /tmp/b/f; [ $(stat -c %i /tmp/b/f) = $before ] && echo renamed";
    let run = |domain: Option<Value>| {
        let bundle = t.sh(script);
        let bundle = match domain {
            Some(domain) => within(bundle, domain),
            None => bundle,
        };
        bundle.run().stdout
    };
    // Between two file systems mv(1) copies, and so it does where rename(2) says that there are two.
    assert_eq!(run(Some(files(&["make_fifo"], &["/bin"]))), "");
    assert_eq!(run(None), "linked\nrenamed\n");
    t.need(abi(t) >= 2, "this kernel's Landlock knows no refer");
    assert_eq!(run(Some(files(&["refer"], &["/bin"]))), "");
    assert_eq!(run(Some(files(&["refer"], &["/tmp"]))), "linked\nrenamed\n");
}

/// They are nothing that this kernel lacks. The rights of files among them hold.
fn rights_of_a_directory_at_a_file(t: &Test) {
    let mut domain = files(&["read_file", "read_dir"], &["/bin", "/dev", "/etc/passwd"]);
    // Nothing but such rights is a rule that allows nothing.
    let more = json!({"allowedAccess": ["read_dir"], "paths": ["/etc/group"]});
    let rules = domain["rules"]["pathBeneath"].as_array_mut();
    rules.expect("a list").push(more);
    let script = "cat /etc/passwd > /dev/null && echo read; cat /etc/group";
    let output = within(t.sh(script), domain).run();
    assert_eq!(output.text(), "read", "{output:?}");
    assert!(!output.stderr.contains("Landlock"), "{output:?}");
    assert!(
        output.stderr.contains("'/etc/group': Permission denied"),
        "{output:?}"
    );
}

fn numbers_instead_of_names(t: &Test) {
    // LANDLOCK_ACCESS_FS_MAKE_DIR
    let domain = json!({"ruleset": {"handledAccessFS": [128]}});
    let output = within(t.sh("mkdir /tmp/d"), domain).run();
    assert!(output.stderr.contains("Permission denied"), "{output:?}");
}

fn connect_and_bind_by_port(t: &Test) {
    t.need(abi(t) >= 4, "this kernel's Landlock knows no ports");
    let domain = json!({
        "ruleset": {"handledAccessNet": ["bind_tcp", "connect_tcp"]},
        "rules": {"netPort": [{"allowedAccess": ["bind_tcp"], "ports": [4000]},
                              {"allowedAccess": ["connect_tcp"], "ports": [4000]}]}
    });
    let script = "(echo hello | nc -l -p 4000) & sleep 0.4; \
                  nc 127.0.0.1 4000 < /dev/null; nc -l -p 4001; nc 127.0.0.1 4002";
    let output = within(t.sh(script), domain).run();
    assert_eq!(output.text(), "hello", "{output:?}");
    assert_eq!(
        output.stderr.matches("Permission denied").count(),
        2,
        "{output:?}"
    );
}

fn exec_is_in_the_domain(t: &Test) {
    let domain = files(&["write_file", "make_reg"], &["/tmp", "/dev"]);
    let c = within(t.sleeper(), domain).started();
    let output = c.exec(
        &[],
        &[
            "sh",
            "-c",
            "echo x > /tmp/f && echo inside; echo x > /outside",
        ],
    );
    assert_eq!(output.text(), "inside");
    assert!(output.stderr.contains("Permission denied"), "{output:?}");
}

fn without_annotation_there_is_no_domain(t: &Test) {
    t.sh("echo x > /outside").run().ok();
}

fn missing_path_refused(t: &Test) {
    let output = within(t.sh("true"), files(&["write_file"], &["/no/such"])).run();
    output.fails_with(&["/no/such"]);
}

fn malformed_refused(t: &Test) {
    for domain in [
        json!({"ruleset": {}}),
        json!({"ruleset": {"handledAccessFS": ["nonsense"]}}),
        json!({"rules": {}}),
        json!({"ruleset": {"handledAccessFS": ["execute"]}, "unknown": 1}),
        json!({"ruleset": {"handledAccessFS": ["execute"]},
               "rules": {"pathBeneath": [{"allowedAccess": ["write_file"], "paths": ["/"]}]}}),
    ] {
        within(t.sh("true"), domain).run().fails_with(&[KEY]);
    }
    let text = t
        .sh("true")
        .edit(|config| config["annotations"] = json!({KEY: "{not json"}));
    text.run().fails_with(&[KEY]);
}

fn without_no_new_privileges(t: &Test) {
    // Enforced all the same (the kernel then wants CAP_SYS_ADMIN), or refused with the reason.
    let domain = files(&["write_file", "make_reg"], &["/tmp", "/dev"]);
    let bundle = within(t.sh("echo x > /outside"), domain);
    let output = bundle.set("/process/noNewPrivileges", false).run();
    assert_ne!(output.code, 0, "the domain was dropped: {output:?}");
    let words = ["Permission denied", "noNewPrivileges"];
    assert!(
        words.iter().any(|word| output.stderr.contains(word)),
        "{output:?}"
    );
}
