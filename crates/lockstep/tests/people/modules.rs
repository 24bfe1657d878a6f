//! AppArmor and SELinux where nothing is asked for, by what a container may then not do: each is tried without it too.
//! `cargo xtask vm apparmor`, `selinux` and `enforcing` have them.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cases;
use crate::stage::{Stage, output, program, until};

cases![
    apparmor_shuts_the_kernels_doors,
    apparmor_lets_stop_and_kill_through,
    apparmor_profile_is_loaded_again,
    apparmor_without_a_parser_is_seen,
    apparmor_of_an_ordinary_user,
    selinux_keeps_containers_apart,
    selinux_levels_are_one_container_s_on_the_host,
    selinux_of_an_ordinary_user,
    selinux_label_options,
    selinux_label_type,
    selinux_volumes,
    selinux_relabelling_follows_nothing,
    selinux_terminal_and_memory,
    selinux_an_ordinary_life,
];

pub(crate) fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// One test at a time: some of them take the profile away that the others' containers are started with.
pub(crate) fn need_apparmor(t: &Stage) -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    t.need(crate::stage::apparmor_is_on(), "AppArmor is off");
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn need_selinux(t: &Stage) {
    t.need(
        knows_containers(),
        "SELinux is off, or its policy has no container_t",
    );
}

pub(crate) fn knows_containers() -> bool {
    let label = "system_u:system_r:container_t:s0";
    std::fs::write("/sys/fs/selinux/context", label).is_ok()
}

pub(crate) fn enforcing() -> bool {
    first_line("/sys/fs/selinux/enforce") == "1"
}

/// The label of a container's first process, as the host sees it.
pub(crate) fn label(t: &Stage, name: &str) -> String {
    let path = format!("/proc/{}/attr/current", t.pid(name));
    first_line(&path).trim_end_matches('\0').to_owned()
}

/// The label of a file on the host.
fn label_of(path: &Path) -> String {
    let mut command = Command::new("stat");
    command.args(["-c", "%C"]).arg(path);
    output(command, b"").text()
}

pub(crate) fn remove_profile() {
    let loaded = std::fs::read_to_string("/sys/kernel/security/apparmor/profiles");
    let loaded = loaded.expect("securityfs is mounted");
    let names = loaded.lines().filter_map(|line| line.split(' ').next());
    for name in names.filter(|name| name.starts_with("lockstep-default-")) {
        std::fs::write("/sys/kernel/security/apparmor/.remove", name).expect("root removes it");
    }
}

/// Everything else that would refuse it is taken away.
pub(crate) const OPEN: [&str; 8] = [
    "--userns=host",
    "--cap-add=ALL",
    "--security-opt",
    "seccomp=unconfined",
    "--security-opt",
    "unmask=ALL",
    "--security-opt",
    "no-new-privileges=false",
];

fn apparmor_shuts_the_kernels_doors(t: &Stage) {
    let _alone = need_apparmor(t);
    let script = "cat /proc/self/attr/current; mount -t tmpfs none /tmp && echo mounted; \
                  echo changed > /proc/sys/kernel/hostname && hostname; head -c 1 /proc/kcore | wc -c; \
                  echo x > /tmp/file && echo wrote";
    let confined = t.sh(&OPEN, script).text();
    let lines: Vec<&str> = confined.lines().collect();
    assert!(
        lines[0].starts_with("lockstep-default-") && lines[0].ends_with("(enforce)"),
        "{confined}"
    );
    assert_eq!(lines[1..], ["0", "wrote"]);
    let mut without = OPEN.to_vec();
    without.extend(["--security-opt", "apparmor=unconfined"]);
    let free = t.sh(&without, script).text();
    let lines: Vec<&str> = free.lines().collect();
    assert_eq!(lines, ["unconfined", "mounted", "changed", "1", "wrote"]);
    assert!(
        t.sh(&["--privileged"], "cat /proc/self/attr/current")
            .text()
            .contains("unconfined")
    );
}

fn apparmor_lets_stop_and_kill_through(t: &Stage) {
    let _alone = need_apparmor(t);
    let script = "trap 'echo ended; exit 7' TERM; sleep 1000 & kill -0 $! && echo ready; wait";
    t.call(&["run", "-d", "--name", "a", "host:", "sh", "-c", script])
        .text();
    assert!(until(|| t.call(&["logs", "a"]).stdout.contains("ready")));
    assert!(label(t, "a").starts_with("lockstep-default-"));
    let inside = t
        .call(&["exec", "a", "cat", "/proc/self/attr/current"])
        .text();
    assert!(inside.starts_with("lockstep-default-"), "{inside}");
    t.call(&["stop", "a"]).text();
    assert_eq!(t.field("a", "{{.State.ExitCode}}"), "7");
    t.call(&["start", "a"]).text();
    t.call(&["kill", "a"]).text();
    assert!(until(|| t.field("a", "{{.State.ExitCode}}") == "137"));
    t.call(&["rm", "a"]).text();
}

fn apparmor_profile_is_loaded_again(t: &Stage) {
    let _alone = need_apparmor(t);
    t.call(&[
        "create",
        "--name",
        "a",
        "host:",
        "cat",
        "/proc/self/attr/current",
    ])
    .text();
    // As after a boot.
    remove_profile();
    let said = t.call(&["start", "-a", "a"]).text();
    assert!(said.starts_with("lockstep-default-"), "{said}");
    t.call(&["rm", "a"]).text();
    let unknown = t.sh(&["--security-opt", "apparmor=no-such-profile"], "true");
    assert!(
        unknown.stderr.contains("no-such-profile") && unknown.stderr.contains("loaded"),
        "{unknown:?}"
    );
}

fn apparmor_without_a_parser_is_seen(t: &Stage) {
    let _alone = need_apparmor(t);
    remove_profile();
    let inner = t.command(&["run", "--rm", "host:", "cat", "/proc/self/attr/current"]);
    let mut command = Command::new("unshare");
    let script = "mount --bind /dev/null /usr/sbin/apparmor_parser && exec \"$@\"";
    command.args(["-m", "sh", "-c", script, "-"]);
    command.arg(inner.get_program()).args(inner.get_args());
    let output = output(command, b"");
    assert!(
        output
            .stderr
            .contains("AppArmor does not confine this container"),
        "{output:?}"
    );
    assert_eq!(output.text(), "unconfined");
}

/// What whoever has a user namespace may do there and the default profile refuses, and last what it does not.
pub(crate) const WITHOUT_ROOT: [&str; 5] = [
    "run",
    "--rm",
    "--cap-add=ALL",
    "--security-opt=seccomp=unconfined",
    "--security-opt=unmask=ALL",
];
pub(crate) const DOORS: &str = "cat /proc/self/attr/current; cat /proc/keys > /dev/null && echo keys; \
    echo 1 > /proc/sys/net/ipv4/ip_forward && echo forwards; mount -t tmpfs none /tmp && echo mounted; \
    echo x > /tmp/file && echo wrote";

#[track_caller]
pub(crate) fn doors_are_open(said: &str) {
    assert_eq!(said, "unconfined\nkeys\nforwards\nmounted\nwrote");
}

#[track_caller]
pub(crate) fn doors_are_shut(said: &str) {
    let (label, rest) = said.split_once('\n').expect("two lines");
    let confined = label.starts_with("lockstep-default-") && label.ends_with(" (enforce)");
    assert!(confined, "{said}");
    assert_eq!(rest, "wrote");
}

fn apparmor_of_an_ordinary_user(t: &Stage) {
    let _alone = need_apparmor(t);
    remove_profile();
    let run = |more: &[&str]| {
        let args = [&WITHOUT_ROOT, more, &["host:", "sh", "-c", DOORS]].concat();
        output(t.user_command(None, &args), b"")
    };
    // A user may not load it, and is told.
    let without = run(&[]);
    assert!(
        without.stderr.contains("root has not loaded it"),
        "{without:?}"
    );
    doors_are_open(&without.text());
    // Once a container of root has, the user's are confined too.
    t.sh(&[], "true").text();
    let with = run(&[]);
    assert!(!with.stderr.contains("AppArmor"), "{with:?}");
    doors_are_shut(&with.text());
    doors_are_open(&run(&["--security-opt=apparmor=unconfined"]).text());
}

fn selinux_keeps_containers_apart(t: &Stage) {
    need_selinux(t);
    for name in ["a", "b"] {
        t.call(&["run", "-d", "--name", name, "host:", "sleep", "1000"])
            .text();
    }
    let labels = ["a", "b"].map(|name| label(t, name));
    for label in &labels {
        assert!(
            label.starts_with("system_u:system_r:container_t:s0:c"),
            "{label}"
        );
    }
    assert_ne!(labels[0], labels[1]);
    // A file of the one, seen by the other.
    let file = t.dir.join("file");
    std::fs::write(&file, "text\n").expect("own directory");
    let files = labels[0].replace("system_r:container_t", "object_r:container_file_t");
    chcon(&files, &file);
    let volume = format!("{}:/file", file.display());
    let level = labels[0].split_once(":s0:").expect("a level").1;
    let with = |option: &str| t.sh(&["-v", &volume, "--security-opt", option], "cat /file");
    assert_eq!(with(&format!("label=level:s0:{level}")).text(), "text");
    let other = t.sh(&["-v", &volume], "cat /file");
    assert_eq!(other.code, i32::from(enforcing()), "{other:?}");
    assert_eq!(with("label=disable").text(), "text");
    for name in ["a", "b"] {
        t.call(&["stop", "-t", "0", name]).text();
        t.call(&["rm", name]).text();
    }
}

fn selinux_levels_are_one_container_s_on_the_host(t: &Stage) {
    need_selinux(t);
    // A second store: its first block of user ids has the same number.
    let place = |kind: &str| t.dir.join(format!("other-{kind}")).display().to_string();
    let other = |args: &[&str]| {
        let mut command = Command::new(program());
        command.args(["--root", &place("data"), "--runroot", &place("state")]);
        command.args(args).stdin(std::process::Stdio::null());
        output(command, b"")
    };
    let run = ["run", "-d", "--name", "a", "host:", "sleep", "1000"];
    t.call(&run).text();
    other(&run).text();
    let of_other = other(&["inspect", "--format", "{{.State.Pid}}", "a"]).text();
    let of_other = first_line(&format!("/proc/{of_other}/attr/current"));
    assert_ne!(label(t, "a"), of_other.trim_end_matches('\0'));
    other(&["rm", "-f", "a"]).text();
    // Many at once, none of which has a block of ids to count by.
    let names: Vec<String> = (0..12).map(|number| format!("n{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| {
                let create = ["create", "--userns=host", "--name", name, "host:", "true"];
                t.call(&create).text();
            });
        }
    });
    let made = std::fs::read_dir(t.dir.join("root-data/containers")).expect("the store");
    let label = |entry: std::io::Result<std::fs::DirEntry>| {
        let config = entry.expect("an entry").path().join("config.json");
        let text = std::fs::read_to_string(config).expect("its configuration");
        let label = text.split("container_t:").nth(1).expect("a label");
        label.split('"').next().unwrap_or_default().to_owned()
    };
    let all: std::collections::BTreeSet<String> = made.map(label).collect();
    // With the one of the start.
    assert_eq!(all.len(), names.len() + 1, "{all:?}");
}

/// The options that bind a file of these categories at /NAME. Every user may read it.
fn labelled(t: &Stage, name: &str, level: &str) -> String {
    let file = t.dir.join(name);
    std::fs::write(&file, format!("{name}\n")).expect("own directory");
    chcon(
        &format!("system_u:object_r:container_file_t:{level}"),
        &file,
    );
    format!("-v={}:/{name}", file.display())
}

pub(crate) fn chcon(label: &str, file: &Path) {
    let mut command = Command::new("chcon");
    command.arg(label).arg(file);
    output(command, b"").text();
}

fn selinux_of_an_ordinary_user(t: &Stage) {
    need_selinux(t);
    let (own, other) = (
        labelled(t, "own", "s0:c1,c2"),
        labelled(t, "other", "s0:c1,c3"),
    );
    let script =
        "cat /proc/self/attr/current; echo; echo x > /dev/shm/f && echo wrote; cat /own /other";
    let run = |option: &str| {
        let args = [
            "run",
            "--rm",
            &own,
            &other,
            "--security-opt",
            option,
            "host:",
            "sh",
            "-c",
            script,
        ];
        let said = output(t.user_command(None, &args), b"");
        said.stdout.replace('\0', "").trim_end().to_owned()
    };
    let label = "system_u:system_r:container_t:s0:c";
    let files = |allowed: &str| {
        if enforcing() {
            format!("wrote{allowed}")
        } else {
            "wrote\nown\nother".to_owned()
        }
    };
    assert_eq!(
        run("label=level:s0:c1,c2"),
        format!("{label}1,c2\n{}", files("\nown"))
    );
    assert_eq!(
        run("label=level:s0:c1,c3"),
        format!("{label}1,c3\n{}", files("\nother"))
    );
    // Each has categories that no other container has.
    let default = || {
        let said = run("seccomp=unconfined");
        let (first, rest) = said.split_once('\n').expect("lines");
        assert!(first.starts_with(label), "{said}");
        assert_eq!(rest, files(""));
        first.to_owned()
    };
    assert_ne!(default(), default());
    let free = run("label=disable");
    let starter = first_line("/proc/self/attr/current").replace('\0', "");
    assert_eq!(free, format!("{starter}\nwrote\nown\nother"));
}

fn selinux_label_options(t: &Stage) {
    need_selinux(t);
    let current = |options: &[&str]| {
        let said = t.sh(options, "cat /proc/self/attr/current").text();
        said.trim_end_matches('\0').to_owned()
    };
    let level = ["--security-opt", "label=level:s0:c1,c2"];
    assert_eq!(current(&level), "system_u:system_r:container_t:s0:c1,c2");
    let own = first_line("/proc/self/attr/current");
    let own = own.trim_end_matches('\0');
    assert_eq!(current(&["--security-opt", "label=disable"]), own);
    assert_eq!(current(&["--privileged"]), own);
    // Who the container is: a word of the policy each, or refused by it.
    let parts = |words: &str| {
        let words: Vec<String> = words
            .split(' ')
            .map(|word| format!("--security-opt=label={word}"))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut options = vec!["--security-opt=label=level:s0:c1,c2"];
        options.extend(words);
        t.sh(&options, "cat /proc/self/attr/current")
    };
    let user = parts("user:unconfined_u").text();
    assert_eq!(
        user.trim_end_matches('\0'),
        "unconfined_u:system_r:container_t:s0:c1,c2"
    );
    for (words, label) in [
        ("type:no_such_t", "system_u:system_r:no_such_t:s0:c1,c2"),
        ("user:user_u", "user_u:system_r:container_t:s0:c1,c2"),
        ("role:sysadm_r", "system_u:sysadm_r:container_t:s0:c1,c2"),
        (
            "user:root role:sysadm_r",
            "root:sysadm_r:container_t:s0:c1,c2",
        ),
    ] {
        let refused = parts(words).refused(125);
        let told = refused.contains("policy does not know") && refused.contains(label);
        assert!(told, "{words}: {refused}");
    }
    // A pair that the policy has: what becomes of it in that role is the type's to say.
    let pair = parts("user:root role:sysadm_r type:setfiles_t");
    let label = "root:sysadm_r:setfiles_t:s0:c1,c2";
    match enforcing() {
        true => assert!(pair.stderr.contains(label), "{pair:?}"),
        false => assert_eq!(pair.text().trim_end_matches('\0'), label),
    }
}

/// Another domain than containers' own may do more.
fn selinux_label_type(t: &Stage) {
    need_selinux(t);
    let bound = |name: &str, label: &str| {
        let file = t.dir.join(name);
        chcon(label, &file);
        format!("-v={}:/{name}", file.display())
    };
    std::fs::write(t.dir.join("host"), "host\n").expect("own directory");
    let host = bound("host", "system_u:object_r:var_lib_t:s0");
    // A program by which both domains are entered.
    std::fs::copy("/bin/busybox", t.dir.join("busybox")).expect("busybox-static is installed");
    let shell = bound("busybox", "system_u:object_r:container_file_t:s0");
    let run = |options: &[&str]| {
        let script = "cat /proc/self/attr/current; echo; cat /host";
        let image = ["host:", "/busybox", "sh", "-c", script];
        t.call(&[&["run", "--rm", &host, &shell], options, &image].concat())
    };
    let own = run(&["--security-opt=label=level:s0:c1,c2"]);
    assert!(own.stdout.contains(":container_t:s0:c1,c2"), "{own:?}");
    assert_eq!(own.stdout.contains("host"), !enforcing(), "{own:?}");
    let more = run(&["--security-opt=label=type:kernel_t"]).text();
    let both = more.contains(":kernel_t:s0:c") && more.ends_with("host");
    assert!(both, "{more}");
    // With no_new_privs the domain is the starter's, or one that the policy names for that.
    let bound = run(&["--security-opt=label=type:udev_t"]);
    match enforcing() {
        true => assert!(bound.stderr.contains("nnp_transition"), "{bound:?}"),
        false => assert_eq!(bound.code, 0, "{bound:?}"),
    }
}

fn selinux_volumes(t: &Stage) {
    need_selinux(t);
    let dir = t.dir.join("data");
    std::fs::create_dir_all(dir.join("deep")).expect("own directory");
    std::fs::write(dir.join("deep/file"), "text\n").expect("own directory");
    let data = dir.display();
    let read = |option: &str| {
        let volume = format!("{data}:/data{option}");
        t.sh(&["-v", &volume], "cat /data/deep/file && touch /data/new")
    };
    assert_eq!(read("").code, i32::from(enforcing()), "unlabelled");
    assert_eq!(read(":z").text(), "text");
    assert_eq!(
        label_of(&dir.join("deep/file")),
        "system_u:object_r:container_file_t:s0"
    );
    assert_eq!(read("").text(), "text");
    assert_eq!(read(":Z").text(), "text");
    assert!(label_of(&dir.join("deep/file")).contains("container_file_t:s0:c"));
    // One's alone: while that one is there, nobody else has its categories.
    let own = format!("{data}:/data:Z");
    t.call(&[
        "run", "-d", "--name", "a", "-v", &own, "host:", "sleep", "1000",
    ])
    .text();
    let inside = t.call(&["exec", "a", "cat", "/data/deep/file"]);
    assert_eq!(inside.text(), "text");
    let other = read("");
    assert_eq!(other.code, i32::from(enforcing()), "{other:?}");
    t.call(&["rm", "-f", "a"]).text();
    // One of the store is for all containers.
    let write = t.sh(&["-v", "named:/data"], "echo text > /data/file");
    assert_eq!(write.code, 0, "{write:?}");
    assert_eq!(
        t.sh(&["-v", "named:/data"], "cat /data/file").text(),
        "text"
    );
    t.call(&["volume", "rm", "named"]).text();
}

fn selinux_relabelling_follows_nothing(t: &Stage) {
    need_selinux(t);
    let (dir, outside) = (t.dir.join("data"), t.dir.join("outside"));
    std::fs::create_dir_all(&dir).expect("own directory");
    std::fs::write(&outside, "host's\n").expect("own directory");
    let before = label_of(&outside);
    std::os::unix::fs::symlink(&outside, dir.join("link")).expect("a link");
    let volume = format!("{}:/data:z", dir.display());
    t.sh(&["-v", &volume], "true").text();
    assert_eq!(label_of(&outside), before);
    std::fs::hard_link(&outside, dir.join("name")).expect("a second name");
    let refused = t.sh(&["-v", &volume], "true").refused(125);
    assert!(refused.contains("another name outside"), "{refused}");
    assert_eq!(label_of(&outside), before);
    for hosts in ["/etc", "/home", "/var/lib"] {
        let refused = t.sh(&["-v", &format!("{hosts}:/x:Z")], "true").refused(125);
        assert!(refused.contains("the host needs the labels"), "{refused}");
    }
}

fn selinux_terminal_and_memory(t: &Stage) {
    need_selinux(t);
    let script = "test -t 0 && echo terminal; echo x > /dev/shm/f && echo x > /run/f && echo wrote; ls /proc > /dev/null && echo read";
    let mut command = t.command(&[
        "run", "--rm", "-t", "--tmpfs", "/run", "host:", "sh", "-c", script,
    ]);
    command.stdin(std::process::Stdio::null());
    let said = output(command, b"").text();
    assert_eq!(said.replace('\r', ""), "terminal\nwrote\nread");
}

/// Starts container `a` under an init, with a health check that finds `label` of itself, and waits until it has.
pub(crate) fn start_watched(t: &Stage, label: &str) {
    let check = format!("grep -q {label} /proc/self/attr/current");
    let watched = ["--init", "--health-interval", "1s", "--health-cmd", &check];
    let mut args = vec!["run", "-d", "--name", "a"];
    args.extend(watched);
    args.extend(["host:", "sleep", "1000"]);
    t.call(&args).text();
    wait_healthy(t);
}

pub(crate) fn wait_healthy(t: &Stage) {
    assert!(until(
        || t.field("a", "{{.State.Health.Status}}") == "healthy"
    ));
}

fn selinux_an_ordinary_life(t: &Stage) {
    need_selinux(t);
    start_watched(t, ":container_t:");
    let before = label(t, "a");
    assert!(before.contains(":container_t:s0:c"), "{before}");
    let inside = t.call(&["exec", "-t", "a", "cat", "/proc/self/attr/current"]);
    assert_eq!(inside.text().trim_end_matches('\0'), before);
    let file = t.dir.join("file");
    std::fs::write(&file, "copied\n").expect("own directory");
    let file = file.display().to_string();
    t.call(&["cp", &file, "a:/tmp/file"]).text();
    assert_eq!(t.call(&["exec", "a", "cat", "/tmp/file"]).text(), "copied");
    t.call(&["restart", "-t", "1", "a"]).text();
    assert_eq!(label(t, "a"), before);
    wait_healthy(t);
    t.call(&["rm", "-f", "a"]).text();
}
