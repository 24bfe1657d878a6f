//! The default AppArmor profile against what it is for, and beside the profiles of those who start containers.
//! `cargo xtask vm apparmor` has them.

use std::process::Command;

use lockstep_profile::apparmor::PROGRAM;

use crate::cases;
use crate::modules::{
    DOORS, OPEN, WITHOUT_ROOT, doors_are_open, doors_are_shut, label, need_apparmor,
    remove_profile, start_watched, wait_healthy,
};
use crate::stage::{Stage, output, program, until};

cases![
    every_door_is_shut_by_the_profile_alone,
    capabilities_over_the_policy_are_refused,
    processes_of_the_host_are_out_of_reach,
    a_confined_starter_has_its_containers_in_hand,
    an_ordinary_life_under_the_profile,
    root_of_a_user_namespace_is_told,
    the_program_may_have_a_profile,
];

/// All that a profile can mediate.
const BROAD: &str =
    "file, capability, network, mount, umount, pivot_root, ptrace, signal, unix, change_profile,";

/// A profile that is loaded as long as the test needs it.
struct Loaded<'t> {
    t: &'t Stage,
    text: String,
}

impl<'t> Loaded<'t> {
    fn new(t: &'t Stage, text: String) -> Self {
        let loaded = Self { t, text };
        loaded.parser("--replace");
        loaded
    }

    fn parser(&self, verb: &str) {
        let file = self.t.dir.join("profile");
        std::fs::write(&file, &self.text).expect("own directory");
        let mut command = Command::new("apparmor_parser");
        command.args([verb, "--skip-cache"]).arg(&file);
        output(command, b"").text();
    }
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        self.parser("--remove");
    }
}

fn every_door_is_shut_by_the_profile_alone(t: &Stage) {
    let _alone = need_apparmor(t);
    let doors = t.compiled("doors", include_str!("doors.c"));
    let bind = format!("{}:/doors", doors.display());
    let script = "w() { (echo $2 > $1) 2> /dev/null; echo $1 $?; }
        w /sys/module/printk/parameters/time Y; w /proc/sys/vm/dirty_writeback_centisecs 500
        cat /sys/kernel/security/lsm > /dev/null 2>&1; echo security $?; /doors";
    let run = |more: &[&str]| {
        let mut options = OPEN.to_vec();
        options.extend(["-v", &bind, "-v", "/sys:/sys"]);
        options.extend(more);
        t.sh(&options, script).text()
    };
    let confined = run(&[]);
    let refused = "/sys/module/printk/parameters/time 2\n/proc/sys/vm/dirty_writeback_centisecs 2\nsecurity 1\n\
                   mount EACCES\nmove_mount EACCES\npivot_root EACCES\nsysrq EBADF\n\
                   detached done\numount EACCES";
    // But for what no rule can name, and the documents say so: a file system that is mounted nowhere.
    assert_eq!(confined, refused);
    let free = run(&["--security-opt", "apparmor=unconfined"]);
    let done = "/sys/module/printk/parameters/time 0\n/proc/sys/vm/dirty_writeback_centisecs 0\nsecurity 0\n\
                mount done\nmove_mount done\npivot_root EINVAL\nsysrq done\ndetached done\numount done";
    assert_eq!(free, done);
    // It takes CAP_SYS_ADMIN, which a container does not have.
    let ordinary = t.sh(&["-v", &bind], "/doors").text();
    assert!(ordinary.contains("detached EBADF"), "{ordinary}");
}

fn capabilities_over_the_policy_are_refused(t: &Stage) {
    let _alone = need_apparmor(t);
    // By its own path securityfs is shut in any case.
    let script = "echo no-such-profile | dd of=/policy/.remove conv=notrunc 2>&1 | grep -o 'No such.*\\|Perm.*\\|Oper.*'";
    let with = |more: &[&str]| {
        let mut options = OPEN.to_vec();
        options.extend(["-v", "/sys/kernel/security/apparmor:/policy"]);
        options.extend(more);
        t.sh(&options, script)
    };
    let confined = with(&[]);
    let told = "refuses CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_SYS_MODULE";
    assert!(confined.stderr.contains(told), "{confined:?}");
    assert_eq!(confined.text(), "Permission denied");
    let free = with(&["--security-opt", "apparmor=unconfined"]);
    assert!(!free.stderr.contains("refuses"), "{free:?}");
    assert_eq!(free.text(), "No such file or directory");
}

fn processes_of_the_host_are_out_of_reach(t: &Stage) {
    let _alone = need_apparmor(t);
    let mut of_host = Command::new("sleep").arg("1000").spawn().expect("sleep(1)");
    let pid = of_host.id();
    // kill(2), and ptrace(2) as /proc asks for it.
    let script = format!(
        "kill -0 {pid} && echo signal; head -c 1 /proc/{pid}/environ > /dev/null && echo read; \
         sleep 9 & kill $! && echo own"
    );
    let run = |more: &[&str]| {
        let mut options = OPEN.to_vec();
        options.push("--pid=host");
        options.extend(more);
        t.sh(&options, &script)
    };
    let confined = run(&[]);
    let free = run(&["--security-opt", "apparmor=unconfined"]);
    of_host.kill().expect("own child");
    of_host.wait().expect("own child");
    assert_eq!(confined.text(), "own");
    assert_eq!(free.text(), "signal\nread\nown");
}

/// The same command under a profile.
fn under(profile: &str, command: &Command) -> Command {
    let mut outer = Command::new("aa-exec");
    outer.args(["-p", profile, "--"]);
    outer.arg(command.get_program()).args(command.get_args());
    outer
}

fn a_confined_starter_has_its_containers_in_hand(t: &Stage) {
    let _alone = need_apparmor(t);
    let name = format!("lockstep-starter-{}", std::process::id());
    let text = format!("profile {name} flags=(attach_disconnected) {{ {BROAD} }}\n");
    let _loaded = Loaded::new(t, text);
    let call = |args: &[&str]| output(under(&name, &t.command(args)), b"");
    let script = "trap 'echo ended; exit 7' TERM; sleep 1000 & kill -0 $! && echo ready; wait";
    call(&["run", "-d", "--name", "a", "host:", "sh", "-c", script]).text();
    // Under no_new_privs both confine it: one label, of which each part has to let a signal through.
    let both = label(t, "a");
    assert!(both.contains(&name) && both.contains("//&"), "{both}");
    assert!(until(|| call(&["logs", "a"]).stdout.contains("ready")));
    let inside = call(&["exec", "a", "sh", "-c", "sleep 9 & kill $! && echo killed"]);
    assert_eq!(inside.text(), "killed");
    call(&["stop", "a"]).text();
    assert_eq!(t.field("a", "{{.State.ExitCode}}"), "7");
    call(&["start", "a"]).text();
    call(&["kill", "a"]).text();
    assert!(until(|| t.field("a", "{{.State.ExitCode}}") == "137"));
    call(&["start", "a"]).text();
    call(&["rm", "-f", "a"]).text();
}

fn an_ordinary_life_under_the_profile(t: &Stage) {
    let _alone = need_apparmor(t);
    let said = "cat /proc/self/attr/current; kill -0 1 && echo signal";
    let run = |options: &[&str]| t.sh(options, said).text().replace('\r', "");
    for options in [&["--init"][..], &["-t"], &["--init", "-t"]] {
        let said = run(options);
        let (label, rest) = said.split_once('\n').expect("two lines");
        assert!(
            label.starts_with("lockstep-default-"),
            "{options:?}: {said}"
        );
        assert_eq!(rest, "signal", "{options:?}");
    }
    start_watched(t, "lockstep-default");
    let inside = t.call(&["exec", "-t", "a", "cat", "/proc/self/attr/current"]);
    assert!(inside.text().starts_with("lockstep-default-"));
    t.call(&["restart", "-t", "1", "a"]).text();
    assert!(label(t, "a").starts_with("lockstep-default-"));
    wait_healthy(t);
    t.call(&["rm", "-f", "a"]).text();
}

fn root_of_a_user_namespace_is_told(t: &Stage) {
    let _alone = need_apparmor(t);
    remove_profile();
    let run = |more: &[&str]| {
        let args = [&WITHOUT_ROOT, more, &["host:", "sh", "-c", DOORS]].concat();
        let inner = t.command(&args);
        let mut command = Command::new("unshare");
        command.args(["-U", "--map-root-user", "--mount"]);
        command.arg(inner.get_program()).args(inner.get_args());
        output(command, b"")
    };
    // It has every capability there, and none over the host's policy.
    let without = run(&[]);
    assert!(
        without.stderr.contains("does not confine this container")
            && without.stderr.contains("root of the host alone"),
        "{without:?}"
    );
    doors_are_open(&without.text());
    t.sh(&[], "true").text();
    let with = run(&[]);
    assert!(!with.stderr.contains("AppArmor"), "{with:?}");
    doors_are_shut(&with.text());
    doors_are_open(&run(&["--security-opt=apparmor=unconfined"]).text());
}

fn the_program_may_have_a_profile(t: &Stage) {
    let _alone = need_apparmor(t);
    // Without what the machine's parser does not know yet, and its kernel does not ask for.
    let text = PROGRAM.replace("abi <abi/4.0>,", "").replace("userns,", "");
    let bin = program().parent().expect("a directory");
    let text = text.replace("/usr/{,local/}bin", &bin.display().to_string());
    let _loaded = Loaded::new(t, text);
    let script = "trap 'exit 7' TERM; sleep 1000 & echo ready; wait";
    t.call(&["run", "-d", "--name", "a", "host:", "sh", "-c", script])
        .text();
    let supervisor = std::fs::read_to_string(format!("/proc/{}/attr/current", t.supervisor("a")));
    let supervisor = supervisor.expect("AppArmor labels processes");
    assert!(
        supervisor.starts_with("lockstep (unconfined)"),
        "{supervisor}"
    );
    assert!(label(t, "a").starts_with("lockstep-default-"));
    assert!(until(|| t.call(&["logs", "a"]).stdout.contains("ready")));
    t.call(&["stop", "a"]).text();
    assert_eq!(t.field("a", "{{.State.ExitCode}}"), "7");
    t.call(&["rm", "a"]).text();
}
