//! `process.selinuxLabel` and `linux.mountLabel`, by what the kernel lets a labelled process do: under a permissive
//! policy everything, under an enforcing one its own files alone.

use crate::harness::{Bundle, Host, Output, Test, View, cases, mounts_of, wait_until};

use super::checkpoint::{images, need_criu, nobody_is_left, strict_is_gone};
use super::terminal::Console;

/// A container's process and its files: the pair of categories tells it from other containers.
pub(super) const PROCESS: &str = "system_u:system_r:container_t:s0:c17,c42";
pub(super) const FILES: &str = "system_u:object_r:container_file_t:s0:c17,c42";
const SHARED_FILES: &str = "system_u:object_r:container_file_t:s0";
const OTHERS_FILES: &str = "system_u:object_r:container_file_t:s0:c17,c43";

cases! {
    process_label,
    process_label_of_exec,
    refused_where_off,
    mount_label_refused_where_off,
    unknown_process_label_refused,
    unknown_mount_label_refused,
    other_files_are_refused,
    an_ordinary_program_works,
    kernel_settings_are_refused,
    signals_reach_it,
    mount_label_of_every_file_system,
    mount_label_is_what_may_be_written,
    in_a_user_namespace,
    session_keyring_is_its_own,
    session_keyring_of_another_label,
    terminal_is_its_own,
    terminal_is_for_its_label_alone,
    no_new_privs_without_the_permission,
    file_that_is_no_entry_refused,
    of_a_restored_container: "runc 1.1.5 restores a process without its label",
}

fn is_on() -> bool {
    Host::get().lsms.iter().any(|lsm| lsm == "selinux")
}

/// Skips where SELinux is off, or its policy has no containers.
pub(super) fn need(t: &Test) {
    t.need(is_on(), "selinux is not among the active LSMs");
    let known = std::fs::write("/sys/fs/selinux/context", PROCESS).is_ok();
    t.need(known, "the loaded policy has no container_t");
}

pub(super) fn enforcing() -> bool {
    std::fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1")
}

/// Labels all that is there, but for links: those of programs other tests have as well, at the same time, and so they are
/// for every container.
pub(super) fn chcon(t: &Test, label: &str, path: &std::path::Path) {
    let path = path.display().to_string();
    let links = [
        "-type",
        "l",
        "-exec",
        "chcon",
        "-h",
        SHARED_FILES,
        "{}",
        "+",
    ];
    let others = [",", "!", "-type", "l", "-exec", "chcon", label, "{}", "+"];
    t.host("find", &[&[&*path], &links[..], &others[..]].concat());
}

/// Labels the root file system, whose programs are links that other tests have as well.
pub(super) fn own_files(t: &Test, bundle: &Bundle<'_>) {
    let root = bundle.rootfs();
    let copy = r#"cp -p "$1" "$1.own" && mv "$1.own" "$1""#;
    let root_text = root.display().to_string();
    let find = [
        &*root_text,
        "-type",
        "f",
        "-links",
        "+1",
        "-exec",
        "sh",
        "-c",
        copy,
        "-",
        "{}",
        ";",
    ];
    t.host("find", &find);
    chcon(t, FILES, &root);
}

pub(super) fn confined<'t>(t: &'t Test, bundle: Bundle<'t>) -> Bundle<'t> {
    own_files(t, &bundle);
    bundle
        .set("/process/selinuxLabel", PROCESS)
        .set("/linux/mountLabel", FILES)
}

fn label_of(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/attr/current"));
    let text = text.expect("SELinux labels processes");
    text.trim_end_matches(['\0', '\n']).to_owned()
}

fn process_label(t: &Test) {
    need(t);
    let c = confined(t, t.sleeper()).started();
    assert_eq!(label_of(c.pid()), PROCESS);
}

fn process_label_of_exec(t: &Test) {
    need(t);
    let c = confined(t, t.sleeper()).started();
    let read = ["cat", "/proc/self/attr/current"];
    let inside = c.exec(&[], &read).ok();
    assert_eq!(inside.text().trim_end_matches('\0'), PROCESS);
    let other = "system_u:system_r:container_t:s0:c17.c42";
    let inside = c.exec(&["--process-label", other], &read).ok();
    assert_eq!(inside.text().trim_end_matches('\0'), other);
    let unknown = c.exec(&["--process-label", "no:such:label:s0"], &read);
    unknown.fails_with(&["no:such:label:s0", "policy does not know"]);
}

fn refused_where_off(t: &Test) {
    t.need(!is_on(), "SELinux is on here");
    let output = t.sh("true").set("/process/selinuxLabel", PROCESS).run();
    output.fails_with(&["selinux"]);
}

fn mount_label_refused_where_off(t: &Test) {
    t.need(!is_on(), "SELinux is on here");
    let output = t.sh("true").set("/linux/mountLabel", FILES).run();
    if t.peer_is_other() {
        t.skip("runc 1.1.5 was built without SELinux or ignores the label");
    }
    output.fails_with(&["mountLabel"]);
}

fn unknown_process_label_refused(t: &Test) {
    need(t);
    let label = "system_u:system_r:no_such_t:s0";
    let output = t.sh("true").set("/process/selinuxLabel", label).run();
    output.fails_with(&["no_such_t", "policy does not know", "/process/selinuxLabel"]);
}

fn unknown_mount_label_refused(t: &Test) {
    need(t);
    let label = "system_u:object_r:container_file_t:s0:c9999";
    let output = t.sh("true").set("/linux/mountLabel", label).run();
    output.fails_with(&["c9999", "policy does not know", "/linux/mountLabel"]);
}

/// A file of its own, one of the host's and one of another container's, read by one program.
fn three_files(t: &Test) -> Bundle<'_> {
    let script = "for f in own host other; do cat /$f 2>/dev/null || echo no; done";
    let bundle = t
        .sh(script)
        .file("/own", "own\n")
        .file("/host", "host\n")
        .file("/other", "other\n")
        .set("/linux/mountLabel", FILES);
    own_files(t, &bundle);
    let foreign = "system_u:object_r:var_lib_t:s0";
    chcon(t, foreign, &bundle.rootfs().join("host"));
    chcon(t, OTHERS_FILES, &bundle.rootfs().join("other"));
    bundle
}

fn other_files_are_refused(t: &Test) {
    need(t);
    let all = ["own", "host", "other"];
    // Without the label nothing is refused.
    assert_eq!(three_files(t).run().ok().lines(), all);
    let with = |label: &str| {
        let bundle = three_files(t).set("/process/selinuxLabel", label);
        let output = bundle.run().ok();
        let lines: Vec<String> = output.lines().iter().map(|line| (*line).into()).collect();
        lines
    };
    let expected = |seen: [&'static str; 3]| if enforcing() { seen } else { all };
    assert_eq!(with(PROCESS), expected(["own", "no", "no"]));
    // With the other's category besides, its file is one of its own.
    let both = "system_u:system_r:container_t:s0:c17,c42,c43";
    assert_eq!(with(both), expected(["own", "no", "other"]));
}

fn an_ordinary_program_works(t: &Test) {
    need(t);
    let script = "set -e
        cat /proc/self/status /proc/meminfo /proc/sys/kernel/ostype /proc/1/cmdline > /dev/null
        ls /sys /sys/fs/cgroup /proc > /tmp/list
        mkdir -p /var/a/b; echo text > /var/a/b/f; mv /var/a/b/f /var/a/g; ln /var/a/g /var/a/h
        ln -s g /var/a/l; test text = $(cat /var/a/l); chmod 600 /var/a/g; rm -r /var/a
        for device in zero full random urandom; do head -c 8 /dev/$device > /dev/null; done
        echo x > /dev/null; echo x > /dev/shm/f; cat /dev/shm/f; touch /dev/mqueue/q; rm /dev/mqueue/q
        mkfifo /tmp/p; echo through > /tmp/p & cat /tmp/p
        sleep 1000 & kill $!
        echo network | nc -l -p 1234 > /tmp/got & sleep 1; echo back | nc -w 2 127.0.0.1 1234
        mkdir /tmp/own; cp /bin/busybox /tmp/own/cat; echo copied | /tmp/own/cat; echo done";
    let output = confined(t, t.sh(script)).run().ok();
    assert_eq!(
        output.lines(),
        ["x", "through", "network", "copied", "done"]
    );
}

fn kernel_settings_are_refused(t: &Test) {
    need(t);
    let bundle = || {
        t.sh("echo changed > /proc/sys/kernel/hostname; echo $?; hostname")
            .remove("/linux/readonlyPaths")
            .capabilities(&["CAP_SYS_ADMIN"])
    };
    let changed = ["0", "changed"];
    assert_eq!(bundle().run().ok().lines(), changed);
    let output = confined(t, bundle()).run().ok();
    match enforcing() {
        true => assert_eq!(output.lines(), ["1", "lockstep"]),
        false => assert_eq!(output.lines(), changed),
    }
}

fn signals_reach_it(t: &Test) {
    need(t);
    let script = "trap 'echo ended; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let c = confined(t, t.sh(script)).started();
    assert!(wait_until(|| c.stdout().contains("ready")));
    c.kill("TERM").ok();
    c.wait_stopped();
    assert!(c.stdout().contains("ended"));
}

/// Labels as the host sees them, below the container's root.
fn labels_in(t: &Test, pid: u32, paths: &[&str]) -> Vec<String> {
    let label = |path: &&str| {
        let path = format!("/proc/{pid}/root{path}");
        t.host("stat", &["-c", "%C", &path]).trim().to_owned()
    };
    paths.iter().map(label).collect()
}

fn mount_label_of_every_file_system(t: &Test) {
    need(t);
    let bundle = t.sleeper().mount("/mnt", "tmpfs", "tmpfs", &[]);
    let c = bundle.set("/linux/mountLabel", FILES).started();
    let mounts = mounts_of(c.pid());
    for point in ["/dev", "/dev/shm", "/dev/pts", "/mnt"] {
        let mount = mounts.iter().find(|mount| mount.point == point);
        let mount = mount.expect("mounted");
        assert!(mount.super_options.contains(FILES), "{mount:?}");
    }
    let own = [
        "/dev",
        "/dev/null",
        "/dev/shm",
        "/dev/pts",
        "/dev/pts/ptmx",
        "/dev/mqueue",
        "/mnt",
    ];
    for (path, label) in own.iter().zip(labels_in(t, c.pid(), &own)) {
        assert_eq!(label, FILES, "{path}");
    }
    // The kernel's own stay the kernel's.
    let kernel = labels_in(t, c.pid(), &["/proc/version", "/sys/kernel"]);
    assert_eq!(
        kernel,
        [
            "system_u:object_r:proc_t:s0",
            "system_u:object_r:sysfs_t:s0"
        ]
    );
}

fn mount_label_is_what_may_be_written(t: &Test) {
    need(t);
    let run = |bundle: Bundle<'_>| -> Output {
        own_files(t, &bundle);
        bundle.set("/process/selinuxLabel", PROCESS).run().ok()
    };
    let script = "for d in shm mqueue; do touch /dev/$d/f; echo $?; done";
    let output = run(t.sh(script).set("/linux/mountLabel", FILES));
    assert_eq!(output.lines(), ["0", "0"]);
    // Another container's, and none.
    let refused = if enforcing() { ["1", "1"] } else { ["0", "0"] };
    let output = run(t.sh(script).set("/linux/mountLabel", OTHERS_FILES));
    assert_eq!(output.lines(), refused);
    assert_eq!(run(t.sh(script)).lines(), refused);
}

fn in_a_user_namespace(t: &Test) {
    need(t);
    let script = "set -e; echo x > /dev/null; echo x > /dev/shm/f; head -c 8 /dev/urandom > /dev/null; \
                  cat /proc/self/attr/current";
    let bundle = confined(t, t.sh(script).user_namespace(300_000, 1000));
    let output = bundle.run().ok();
    assert_eq!(output.text().trim_end_matches('\0'), PROCESS);
}

fn session_keyring_is_its_own(t: &Test) {
    need(t);
    let bundle = confined(t, t.args(&["/probe", "keyring"]).with_probe());
    let output = bundle.run().ok();
    let name = format!("_ses.{}", bundle.id);
    assert!(output.value("keyring").contains(&name), "{}", output.stdout);
}

/// What a program sees of its session keyring where the runtime makes none and its caller has one: a name, or an errno.
fn keyring_of_the_caller(t: &Test, bundle: &Bundle<'_>) -> (String, String) {
    let name = format!("caller-{}", bundle.id);
    bundle.write();
    let dir = bundle.dir().display().to_string();
    let args = ["run", "--no-new-keyring", "--bundle", &dir, &bundle.id];
    let mut call = t.invocation(&args, &View::Plain);
    // keyctl(2), KEYCTL_JOIN_SESSION_KEYRING
    let join = "syscall(250, 1, my $name = shift) > 0 or die $!; exec @ARGV";
    let wrapper = ["perl", "-e", join, &name].map(str::to_owned);
    call.argv.splice(0..0, wrapper);
    let output = call.start().wait().ok();
    (name, output.value("keyring").to_owned())
}

/// Why the container's own one bears the container's label: one of the runtime's label is out of its reach.
fn session_keyring_of_another_label(t: &Test) {
    need(t);
    let program = || t.args(&["/probe", "keyring"]).with_probe();
    let (name, seen) = keyring_of_the_caller(t, &program());
    assert!(seen.contains(&name), "without a label: {seen}");
    let (name, seen) = keyring_of_the_caller(t, &confined(t, program()));
    match enforcing() {
        true => assert_eq!(seen, "-13"),
        false => assert!(seen.contains(&name), "{seen}"),
    }
}

fn terminal_is_its_own(t: &Test) {
    need(t);
    let console = Console::listen(t, "console");
    let bundle = t
        .sh("read word; echo got $word; sleep 1000")
        .set("/process/terminal", true);
    let bundle = confined(t, bundle).options(&["--console-socket", &console.option()]);
    let c = bundle.started();
    let terminal = console.terminal();
    terminal.write("hello\n");
    terminal.wait_for("got hello");
    assert_eq!(
        labels_in(t, c.pid(), &["/dev/pts/0", "/dev/console"]),
        [FILES, FILES]
    );
}

/// All that another label needs to get to the terminal is for every container, but for the terminal.
fn terminal_is_for_its_label_alone(t: &Test) {
    need(t);
    let console = Console::listen(t, "console");
    let bundle = t.sleeper().with_probe().set("/process/terminal", true);
    let bundle = confined(t, bundle.unmount("/dev"));
    chcon(t, SHARED_FILES, &bundle.rootfs());
    let bundle = bundle.options(&["--console-socket", &console.option()]);
    let c = bundle.started();
    let _terminal = console.terminal();
    let paths = ["/dev", "/dev/console"];
    assert_eq!(labels_in(t, c.pid(), &paths), [SHARED_FILES, FILES]);
    let opens = |label: &str| {
        let open = ["/probe", "open", "/dev/console", "2"];
        let output = c.exec(&["--process-label", label], &open).ok();
        output.value("open").to_owned()
    };
    assert_eq!(opens(PROCESS), "0");
    let refused = if enforcing() { "-13" } else { "0" };
    let other = "system_u:system_r:container_t:s0:c17,c43";
    assert_eq!(opens(other), refused);
}

fn no_new_privs_without_the_permission(t: &Test) {
    need(t);
    t.need(enforcing(), "a permissive policy refuses nothing");
    // The kernel's domain may become this one, but for a process that gained no_new_privs.
    let label = "system_u:system_r:udev_t:s0";
    let bundle = |no_new_privs: bool| {
        let bundle = t.args(&["/bin/busybox", "sleep", "1000"]);
        own_files(t, &bundle);
        // What it reads, and what one enters it by.
        chcon(t, "system_u:object_r:usr_t:s0", &bundle.rootfs());
        let program = bundle.rootfs().join("bin/busybox");
        chcon(t, "system_u:object_r:udev_exec_t:s0", &program);
        let bundle = bundle.set("/process/noNewPrivileges", no_new_privs);
        bundle.set("/process/selinuxLabel", label)
    };
    let refused = bundle(true).run();
    refused.fails_with(&["operation not permitted", "nnp_transition", label]);
    let c = bundle(false).started();
    assert!(!c.stderr().contains("nnp_transition"), "{}", c.stderr());
    assert_eq!(label_of(c.pid()), label);
}

fn file_that_is_no_entry_refused(t: &Test) {
    need(t);
    t.need(enforcing(), "a permissive policy refuses nothing");
    let bundle = t.sh("true").set("/process/selinuxLabel", PROCESS);
    own_files(t, &bundle);
    chcon(
        t,
        "system_u:object_r:var_lib_t:s0",
        &bundle.rootfs().join("bin/busybox"),
    );
    let output = bundle.run();
    output.fails_with(&["permission denied", "entrypoint", PROCESS]);
}

/// A criu that was built with SELinux brings the label back; one that was not is refused before the container has gone.
fn of_a_restored_container(t: &Test) {
    need(t);
    need_criu(t);
    let script = "echo ready > /said; while :; do sleep 0.1; done";
    let bundle = confined(t, t.sh(script));
    let c = bundle.started();
    assert!(wait_until(|| c.rootfs.join("said").exists()));
    let (pid, saved) = (c.pid(), images(t, "images"));
    let output = c.call("checkpoint", &["--image-path", &saved]);
    if output.code == 0 {
        let again = bundle.restored(&["--image-path", &saved]);
        assert_eq!(label_of(again.pid()), PROCESS);
    } else {
        output.fails_with(&["does not save", PROCESS, "/process/selinuxLabel"]);
        assert_eq!((c.pid(), &*c.status()), (pid, "running"));
        assert_eq!(label_of(pid), PROCESS);
    }
    // Of a process without it.
    let bundle = t.sh(script);
    let c = bundle.started();
    assert!(wait_until(|| c.rootfs.join("said").exists()));
    let saved = images(t, "unlabelled");
    c.call("checkpoint", &["--image-path", &saved]).ok();
    let bundle = bundle.set("/process/selinuxLabel", PROCESS);
    let output = bundle
        .begin_restore(&["--detach", "--image-path", &saved])
        .wait();
    output.fails_with(&["and not", PROCESS, "/process/selinuxLabel"]);
    strict_is_gone(t, &bundle);
    assert!(nobody_is_left(&bundle));
}
