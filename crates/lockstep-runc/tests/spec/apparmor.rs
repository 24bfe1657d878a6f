//! `process.apparmorProfile`, by what the profile refuses and what it allows.

use lockstep_profile::apparmor::PROGRAM;

use super::checkpoint::{images, need_criu, nobody_is_left, said, strict_is_gone};
use crate::harness::{Container, Host, Output, Test, View, cases, wait_until};

cases! {
    refuses_and_allows,
    holds_without_no_new_privs,
    of_exec,
    refused_where_off,
    unknown_refused,
    signals_of_the_runtime,
    without_the_rule_no_signal_reaches_it,
    stacked,
    under_a_confined_caller,
    the_program_s_profile_lets_engines_stop,
    of_a_restored_container: "runc 1.1.5 restores an unconfined process whatever its configuration says",
}

fn is_on() -> bool {
    Host::get().lsms.iter().any(|lsm| lsm == "apparmor")
}

/// Everything but what a test is about.
const BROAD: &str =
    "file, capability, network, mount, umount, pivot_root, ptrace, unix, change_profile,";

/// A profile that is loaded as long as the test needs it.
struct Profile<'t> {
    test: &'t Test,
    name: String,
    file: String,
}

impl<'t> Profile<'t> {
    fn load(test: &'t Test, suffix: &str, rules: &str) -> Self {
        test.need(is_on(), "apparmor is not among the active LSMs");
        let name = format!(
            "lockstep-spec-{}-{}{suffix}",
            std::process::id(),
            test.number()
        );
        let text = format!("profile {name} flags=(attach_disconnected) {{ {BROAD} {rules} }}\n");
        let file = test.file(&name, &text).display().to_string();
        test.host("apparmor_parser", &["--replace", "--skip-cache", &file]);
        Self { test, name, file }
    }
}

impl Drop for Profile<'_> {
    fn drop(&mut self) {
        self.test.host("apparmor_parser", &["--remove", &self.file]);
    }
}

fn label_of(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/attr/current"));
    let text = text.expect("AppArmor labels processes");
    text.trim_end_matches(['\0', '\n']).to_owned()
}

/// Writes two files: whether each was refused.
const WRITE: &str = "for f in denied allowed; do (echo x > /$f) 2>/dev/null; echo $?; done";

fn refuses_and_allows(t: &Test) {
    let profile = Profile::load(t, "", "signal, deny /denied w,");
    let bundle = || t.sh(WRITE);
    let output = bundle()
        .set("/process/apparmorProfile", &*profile.name)
        .run()
        .ok();
    assert_eq!(output.lines(), ["1", "0"]);
    assert_eq!(
        bundle().run().ok().lines(),
        ["0", "0"],
        "without the profile"
    );
}

fn holds_without_no_new_privs(t: &Test) {
    let profile = Profile::load(t, "", "signal, deny /denied w,");
    let bundle = t.sh(WRITE).set("/process/noNewPrivileges", false);
    let output = bundle
        .set("/process/apparmorProfile", &*profile.name)
        .run()
        .ok();
    assert_eq!(output.lines(), ["1", "0"]);
}

fn of_exec(t: &Test) {
    let own = Profile::load(t, "", "signal, deny /denied w,");
    let other = Profile::load(t, "-other", "signal, deny /allowed w,");
    let bundle = t.sleeper().set("/process/apparmorProfile", &*own.name);
    let c = bundle.started();
    assert_eq!(label_of(c.pid()), format!("{} (enforce)", own.name));
    assert_eq!(c.exec(&[], &["sh", "-c", WRITE]).ok().lines(), ["1", "0"]);
    let flags = ["--apparmor", &other.name];
    assert_eq!(
        c.exec(&flags, &["sh", "-c", WRITE]).ok().lines(),
        ["0", "1"]
    );
    let unknown = c.exec(&["--apparmor", "no-such-profile"], &["true"]);
    unknown.fails_with(&["no-such-profile", "loaded"]);
    c.call("delete", &["--force"]).ok();
}

fn refused_where_off(t: &Test) {
    t.need(!is_on(), "AppArmor is on here");
    let output = t
        .sh("true")
        .set("/process/apparmorProfile", "lockstep-test")
        .run();
    output.fails_with(&["apparmor"]);
}

fn unknown_refused(t: &Test) {
    t.need(is_on(), "apparmor is not among the active LSMs");
    let output = t
        .sh("true")
        .set("/process/apparmorProfile", "no-such-profile")
        .run();
    output.fails_with(&["no-such-profile", "is loaded", "apparmor_parser"]);
}

/// A container that says when it is ready and when it was asked to end.
const TRAP: &str = "trap 'echo ended; exit 0' TERM; echo ready; while :; do sleep 0.1; done";

fn signals_of_the_runtime(t: &Test) {
    let profile = Profile::load(
        t,
        "",
        "signal (send, receive) peer=@{profile_name}, signal (receive) peer=unconfined,",
    );
    let bundle = t.sh(TRAP).set("/process/apparmorProfile", &*profile.name);
    let c = bundle.started();
    assert!(wait_until(|| c.stdout().contains("ready")));
    c.kill("TERM").ok();
    c.wait_stopped();
    assert!(c.stdout().contains("ended"));
    let c = t
        .sleeper()
        .set("/process/apparmorProfile", &*profile.name)
        .started();
    c.kill("KILL").ok();
    c.wait_stopped();
}

fn without_the_rule_no_signal_reaches_it(t: &Test) {
    let profile = Profile::load(t, "", "signal (send, receive) peer=@{profile_name},");
    let bundle = t.sh(TRAP).set("/process/apparmorProfile", &*profile.name);
    let c = bundle.started();
    assert!(wait_until(|| c.stdout().contains("ready")));
    c.kill("TERM").fails_with(&["permission denied"]);
    // For the end of the test: the profile that holds it is replaced by one that lets it go.
    let text = format!(
        "profile {} flags=(attach_disconnected) {{ {BROAD} signal, }}\n",
        profile.name
    );
    std::fs::write(&profile.file, text).expect("own file");
    t.host(
        "apparmor_parser",
        &["--replace", "--skip-cache", &profile.file],
    );
    c.call("delete", &["--force"]).ok();
}

fn stacked(t: &Test) {
    let profile = Profile::load(t, "", "signal, deny /denied w,");
    let stacked = format!("&{}", profile.name);
    let output = t
        .sh(WRITE)
        .set("/process/apparmorProfile", &*stacked)
        .run()
        .ok();
    assert_eq!(output.lines(), ["1", "0"]);
}

/// The runtime under a profile of its own.
fn run_under(t: &Test, outer: &Profile<'_>, profile: &str, no_new_privs: bool) -> Output {
    let bundle = t
        .sh(&format!("{WRITE}; (echo x > /outer) 2>/dev/null; echo $?"))
        .set("/process/noNewPrivileges", no_new_privs)
        .set("/process/apparmorProfile", profile);
    bundle.write();
    let dir = bundle.dir().display().to_string();
    let mut call = t.invocation(&["run", "--bundle", &dir, &bundle.id], &View::Plain);
    let wrapper = ["aa-exec", "-p", &outer.name, "--"].map(str::to_owned);
    call.argv.splice(0..0, wrapper);
    call.start().wait()
}

fn under_a_confined_caller(t: &Test) {
    let outer = Profile::load(t, "-outer", "signal, deny /outer w,");
    let inner = Profile::load(t, "", "signal, deny /denied w,");
    // With no_new_privs both confine it: the kernel lets it only lose rights.
    let output = run_under(t, &outer, &inner.name, true).ok();
    assert_eq!(output.lines(), ["1", "0", "1"]);
    // Without, it changes to the profile that was asked for.
    let output = run_under(t, &outer, &inner.name, false).ok();
    assert_eq!(output.lines(), ["1", "0", "0"]);
    // Unless both are asked for.
    let output = run_under(t, &outer, &format!("&{}", inner.name), false).ok();
    assert_eq!(output.lines(), ["1", "0", "1"]);
}

/// Engines' profiles of containers let signals through from outside of every profile and from their runtimes by name.
fn the_program_s_profile_lets_engines_stop(t: &Test) {
    let peers = "peer={unconfined,runc,crun,podman}";
    let rules = format!("signal (receive) {peers}, signal (send, receive) peer=@{{profile_name}},");
    let engine_s = Profile::load(t, "", &rules);
    // Without what the machine's parser does not know yet, and its kernel does not ask for.
    let text = PROGRAM.replace("abi <abi/4.0>,", "").replace("userns,", "");
    let bin = Host::get().runtime.parent().expect("a directory");
    let text = text.replace("/usr/{,local/}bin", &bin.display().to_string());
    let file = t.file("of-the-program", &text).display().to_string();
    t.host("apparmor_parser", &["--replace", "--skip-cache", &file]);
    let bundle = t.sh(TRAP).set("/process/apparmorProfile", &*engine_s.name);
    let c = bundle.started();
    assert!(wait_until(|| c.stdout().contains("ready")));
    let stopped = c.kill("TERM");
    t.host("apparmor_parser", &["--remove", &file]);
    stopped.ok();
    c.wait_stopped();
}

/// A program that writes the two files each time that it is asked to.
const WRITE_AGAIN: &str =
    "trap 'for f in denied allowed; do (echo x > /$f) 2>/dev/null; echo $? >> /said; done' USR1
    echo ready >> /said; while :; do sleep 0.1; done";

/// Whether each was refused, and how often it was asked before.
#[track_caller]
fn writes(c: &Container<'_>) -> Vec<String> {
    assert!(wait_until(|| said(c).starts_with("ready\n")));
    let before = said(c).lines().count();
    c.kill("USR1").ok();
    assert!(wait_until(|| said(c).lines().count() == before + 2));
    said(c).lines().skip(before).map(str::to_owned).collect()
}

fn of_a_restored_container(t: &Test) {
    let own = Profile::load(t, "", "signal, deny /denied w,");
    let other = Profile::load(t, "-other", "signal, deny /allowed w,");
    need_criu(t);
    let bundle = t
        .sh(WRITE_AGAIN)
        .set("/process/apparmorProfile", &*own.name);
    let c = bundle.started();
    assert_eq!(writes(&c), ["1", "0"]);
    let saved = images(t, "images");
    c.call("checkpoint", &["--image-path", &saved]).ok();
    let again = bundle.restored(&["--image-path", &saved]);
    assert_eq!(label_of(again.pid()), format!("{} (enforce)", own.name));
    assert_eq!(writes(&again), ["1", "0"]);
    again.delete_by_force();
    // With the profile of another configuration, where criu is asked for it.
    let bundle = bundle.set("/process/apparmorProfile", &*other.name);
    let restore = |more: &[&str]| {
        let options = [&["--detach", "--image-path", &saved], more].concat();
        bundle.begin_restore(&options).wait()
    };
    restore(&[]).fails_with(&[&own.name, &other.name, "/process/apparmorProfile"]);
    strict_is_gone(t, &bundle);
    assert!(nobody_is_left(&bundle));
    let asked = format!("apparmor:{}", other.name);
    let again = bundle.restored(&["--image-path", &saved, "--lsm-profile", &asked]);
    assert_eq!(writes(&again), ["0", "1"]);
    again.delete_by_force();
    // Of an unconfined process.
    let bundle = t.sh(WRITE_AGAIN);
    let c = bundle.started();
    assert_eq!(writes(&c), ["0", "0"]);
    let saved = images(t, "unconfined");
    c.call("checkpoint", &["--image-path", &saved]).ok();
    let bundle = bundle.set("/process/apparmorProfile", &*own.name);
    let output = bundle
        .begin_restore(&["--detach", "--image-path", &saved])
        .wait();
    output.fails_with(&["unconfined", &own.name, "/process/apparmorProfile"]);
    strict_is_gone(t, &bundle);
    assert!(nobody_is_left(&bundle));
}
