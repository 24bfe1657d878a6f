//! `checkpoint` and `restore`: what a program has in memory, in files, pipes and sockets is there again, with the same
//! confinement; what cannot be saved is refused by name, and nothing is left behind.
//!
//! criu works on few kernels of a version; where it does not, these tests skip, and what is said then is tested all the
//! same.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::json;

use super::terminal::Console;
use crate::harness::{Bundle, Container, Test, build, cases, cgroup_of, is_alive, wait_until};

cases! {
    a_program_goes_on_where_it_was,
    ambient_capabilities_are_a_downgrade: "runc 1.1.5 says nothing of it",
    confinement_is_the_same: "runc 1.1.5 leaves no_new_privs to criu, which does not restore it",
    every_verb_works_on_a_restored_container,
    a_foreground_restore_ends_with_its_program,
    leave_running_leaves_it_running,
    a_dump_on_top_of_a_pre_dump,
    several_times_in_a_row,
    a_pipe_to_outside_is_the_callers_new_one,
    limits_are_felt_after_a_restore,
    a_terminal_gets_a_new_master,
    mounts_of_the_host_are_mounted_again: "runc 1.1.5 does not name what comes with a bind mount",
    a_paused_container_stays_paused,
    the_loopback_device_is_up: "runc 1.1.5 leaves it down",
    hooks_of_a_restore_and_of_the_end,
    a_failed_restore_leaves_nothing,
    a_killed_restore_is_cleaned_up: "runc 1.1.5 leaves its mount of the root file system",
}

const PROGRAM: &str = include_str!("checkpoint.c");

/// Skips where criu cannot save a process of this kernel.
pub(super) fn need_criu(t: &Test) {
    static WORKS: OnceLock<Result<(), String>> = OnceLock::new();
    let works = WORKS.get_or_init(|| {
        let output = std::process::Command::new("criu").arg("check").output();
        let output = output.map_err(|error| format!("no criu ({error})"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let first = said
            .lines()
            .find(|line| line.contains("Error"))
            .unwrap_or_default();
        output
            .status
            .success()
            .then_some(())
            .ok_or_else(|| format!("criu check: {first}"))
    });
    if let Err(reason) = works {
        t.skip(reason);
    }
}

/// The compiled program, or why there is none.
pub(super) fn program(t: &Test) -> &'static Path {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BUILT.get_or_init(|| build("checkpoint", PROGRAM, &["-static"])) {
        Ok(path) => path,
        Err(reason) => t.skip(reason),
    }
}

/// A bundle of the program.
pub(super) fn bundle(t: &Test) -> Bundle<'_> {
    need_criu(t);
    let bundle = t.args(&["/program"]).file("/input", "onlytwo three four ");
    std::fs::copy(program(t), bundle.rootfs().join("program")).expect("the bundle is writable");
    bundle
}

/// Another bundle with the same files and configuration, but for its cgroup.
fn copy_of<'t>(t: &'t Test, bundle: &Bundle<'_>) -> Bundle<'t> {
    let copy = t.args(&[]);
    let (from, to) = (bundle.rootfs(), copy.rootfs());
    std::fs::remove_dir_all(&to).expect("the test's own");
    t.host(
        "cp",
        &["-a", &from.display().to_string(), &to.display().to_string()],
    );
    let cgroup = copy.cgroup();
    copy.edit(|config| {
        *config = bundle.config.clone();
        config["linux"]["cgroupsPath"] = json!(cgroup);
    })
}

/// What the program has said in its file so far.
pub(super) fn said(c: &Container<'_>) -> String {
    std::fs::read_to_string(c.rootfs.join("said")).unwrap_or_default()
}

#[track_caller]
pub(super) fn wait_ready(c: &Container<'_>) {
    assert!(wait_until(|| said(c).contains("ready\n")), "{}", c.stderr());
}

/// What the program says of itself, and its counter.
#[track_caller]
pub(super) fn ask(c: &Container<'_>) -> (u64, String) {
    let before = said(c).lines().count();
    c.kill("USR1").ok();
    assert!(
        wait_until(|| said(c).lines().count() > before && said(c).ends_with('\n')),
        "no answer: {}{}",
        said(c),
        c.stderr()
    );
    let said = said(c);
    let last = said.lines().last().expect("a line");
    let (counter, rest) = last
        .strip_prefix("counter=")
        .and_then(|rest| rest.split_once(' '))
        .unwrap_or_else(|| panic!("{said}"));
    (counter.parse().expect("a number"), rest.to_owned())
}

/// The images of a checkpoint.
pub(super) fn images(t: &Test, name: &str) -> String {
    t.dir.join(name).display().to_string()
}

#[track_caller]
fn assert_gone(t: &Test, c: &Container<'_>, pid: u32) {
    assert!(
        wait_until(|| !is_alive(pid)),
        "the saved process still runs"
    );
    c.call("state", &[])
        .fails_with(&["container does not exist"]);
    assert!(!t.state_root().join(&c.id).exists());
}

/// Saves the container, which must succeed, and makes sure that it has gone.
#[track_caller]
fn save(t: &Test, c: &Container<'_>, options: &[&str]) {
    let pid = c.pid();
    c.call("checkpoint", options).ok();
    assert_gone(t, c, pid);
}

fn a_program_goes_on_where_it_was(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    let (counter, said) = ask(&c);
    assert_eq!(said, "input=two  pipe=in p pair=in p pid=1");
    let images = images(t, "deep/images");
    save(t, &c, &["--image-path", &images]);
    let mode = std::fs::metadata(&images)
        .expect("images")
        .permissions()
        .mode();
    assert_eq!(
        mode & 0o777,
        0o700,
        "others can read the memory of the container"
    );

    let copy = copy_of(t, &bundle);
    let pid_file = t.dir.join("pid");
    let options = [
        "--image-path",
        &images,
        "--pid-file",
        &pid_file.display().to_string(),
    ];
    let again = copy.restored(&options);
    assert_eq!(again.status(), "running");
    let written = std::fs::read_to_string(&pid_file).expect("a pid file");
    assert_eq!(written, again.pid().to_string());
    let (later, said) = ask(&again);
    assert!(later > counter, "{later} after {counter}");
    assert_eq!(said, "input=thre pipe=ipe  pair=air  pid=1");
    let written = std::fs::read_to_string(copy.rootfs().join("written"));
    assert_eq!(written.expect("its file"), "one two two ");
}

/// What a process may do, as the kernel knows it.
fn confinement(pid: u32) -> Vec<String> {
    let read =
        |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let kept = |line: &&str| {
        let names = [
            "Uid:",
            "Gid:",
            "Groups:",
            "NStgid:",
            "CapInh:",
            "CapPrm:",
            "CapEff:",
            "CapBnd:",
            "CapAmb:",
            "NoNewPrivs:",
            "Seccomp:",
            "Seccomp_filters:",
            "SigIgn:",
            "SigCgt:",
        ];
        names.iter().any(|name| line.starts_with(name))
    };
    let status = read("status");
    let mut all: Vec<String> = status
        .lines()
        .filter(kept)
        // The first of these is the host's number of the process.
        .map(|line| match line.strip_prefix("NStgid:") {
            Some(ids) => format!("NStgid: {:?}", ids.split_whitespace().last()),
            None => line.to_owned(),
        })
        .collect();
    all.extend(["attr/current", "limits", "oom_score_adj", "personality"].map(read));
    all
}

fn confinement_is_the_same(t: &Test) {
    let bundle = bundle(t)
        .set("/process/user", json!({"uid": 1234, "gid": 4321, "additionalGids": [77]}))
        .capabilities(&["CAP_CHOWN", "CAP_KILL"])
        .set("/process/capabilities/inheritable", json!(["CAP_KILL"]))
        .set("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}]))
        .set("/process/oomScoreAdj", 321)
        .set("/linux/seccomp", json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]
        }));
    for name in ["written", "said"] {
        let path = bundle.rootfs().join(name);
        std::fs::write(&path, "").expect("own rootfs");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))
            .expect("own rootfs");
    }
    let c = bundle.started();
    wait_ready(&c);
    let before = confinement(c.pid());
    assert!(
        before.iter().any(|line| line == "NoNewPrivs:\t1"),
        "{before:?}"
    );
    assert!(
        before.iter().any(|line| line == "Seccomp:\t2"),
        "{before:?}"
    );
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    let again = bundle.restored(&["--image-path", &images]);
    assert_eq!(confinement(again.pid()), before);
    // A further process has them of the configuration.
    let refused = again.exec(&[], &["mkdir", "/new"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("assign requested address"),
        "{refused:?}"
    );
    // What the images bring must not be less than the configuration promises.
    save(t, &again, &["--image-path", &images]);
    let lax = copy_of(t, &bundle);
    lax.restored(&["--image-path", &images]).delete_by_force();
    let unfiltered = copy_of(t, &bundle)
        .remove("/linux/seccomp")
        .set("/process/noNewPrivileges", false);
    let c = unfiltered.started();
    wait_ready(&c);
    save(t, &c, &["--image-path", &images]);
    let strict = copy_of(t, &bundle);
    let output = strict
        .begin_restore(&["--detach", "--image-path", &images])
        .wait();
    output.fails_with(&["process without", "Seccomp: 2", "/linux/seccomp"]);
    strict_is_gone(t, &strict);
}

fn ambient_capabilities_are_a_downgrade(t: &Test) {
    let caps = json!(["CAP_KILL"]);
    let bundle = bundle(t)
        .set("/process/capabilities/inheritable", caps.clone())
        .set("/process/capabilities/ambient", caps);
    let c = bundle.started();
    wait_ready(&c);
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    let log = t.dir.join("log").display().to_string();
    let options = ["--detach", "--image-path", &images];
    let logged = copy_of(t, &bundle).globals(&["--log", &log]);
    logged.begin_restore(&options).wait().ok();
    let pid = t.call(&["state", &logged.id]).ok().json()["pid"].as_u64();
    let ambient = confinement(u32::try_from(pid.expect("a pid")).expect("a pid"));
    let ambient = ambient.iter().find(|line| line.starts_with("CapAmb:"));
    let told = std::fs::read_to_string(&log).expect("a log");
    // A criu that restores them says nothing.
    match ambient.expect("a line").ends_with("0000000000000000") {
        true => assert!(told.contains("/process/capabilities/ambient"), "{told}"),
        false => assert!(!told.contains("ambient"), "{told}"),
    }
}

#[track_caller]
pub(super) fn strict_is_gone(t: &Test, bundle: &Bundle<'_>) {
    assert!(
        !t.state_root().join(&bundle.id).exists(),
        "state of {} left",
        bundle.id
    );
}

/// Whether no process is in the container's cgroup, soon.
pub(super) fn nobody_is_left(bundle: &Bundle<'_>) -> bool {
    let of_container = |pid: u32| {
        let path = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
        path.is_ok_and(|path| path.contains(&bundle.id))
    };
    wait_until(|| {
        let all = std::fs::read_dir("/proc").expect("/proc").flatten();
        let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        !pids.any(of_container)
    })
}

fn every_verb_works_on_a_restored_container(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    let again = bundle.restored(&["--image-path", &images]);
    let pid = again.pid();
    // Where version 2 was mounted once and is not, everybody is in its root.
    let unified = cgroup_of(pid, "").filter(|path| path != "/");
    let path = unified.or_else(|| cgroup_of(pid, "pids"));
    let path = path.expect("a cgroup of version 2 or 1");
    assert!(path.ends_with(&again.id), "{path}");
    assert_eq!(
        again
            .exec(&[], &["sh", "-c", "hostname; cat /written"])
            .ok()
            .lines(),
        ["lockstep", "one "]
    );
    let inside = again.exec(&[], &["readlink", "/proc/1/exe"]).ok();
    assert_eq!(inside.text(), "/program");
    let listed = again.call("ps", &["--format", "json"]).ok().json();
    assert_eq!(listed, json!([pid]));
    let listed = t.call(&["list", "--quiet"]).ok();
    assert_eq!(listed.lines(), [&*again.id]);
    again.call("pause", &[]).ok();
    assert_eq!(again.status(), "paused");
    again.call("resume", &[]).ok();
    let (counter, _) = ask(&again);
    assert!(counter > 0);
    again.call("delete", &[]).fails_with(&["not stopped"]);
    again.kill("USR2").ok();
    again.wait_stopped();
    assert_eq!(again.status(), "stopped");
    again.delete();
}

fn a_foreground_restore_ends_with_its_program(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    let running = bundle.begin_restore(&["--image-path", &images]);
    assert!(wait_until(|| t.call(&["state", &bundle.id]).code == 0
        && t.call(&["ps", &bundle.id]).stdout.contains("/program")));
    // The restored process has its handlers by now, or dies of the signal: code 140.
    crate::harness::kill(running.pid(), rustix::process::Signal::USR2);
    running.wait().exits(7);
    assert!(said(&c).ends_with("end\n"), "{}", said(&c));
    strict_is_gone(t, &bundle);
}

fn leave_running_leaves_it_running(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    let (counter, _) = ask(&c);
    let (pid, images) = (c.pid(), images(t, "images"));
    c.call("checkpoint", &["--leave-running", "--image-path", &images])
        .ok();
    assert_eq!((c.pid(), &*c.status()), (pid, "running"));
    // Files are not saved: they are to be as they were at that moment.
    let copy = copy_of(t, &bundle);
    let (later, said) = ask(&c);
    assert!(later > counter);
    assert_eq!(said, "input=thre pipe=ipe  pair=air  pid=1");
    // The twin of the saved moment beside it.
    let twin = copy.restored(&["--image-path", &images]);
    assert_eq!(ask(&twin).1, said);
    assert_eq!(c.status(), "running");
}

fn a_dump_on_top_of_a_pre_dump(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    let (counter, _) = ask(&c);
    let (first, second) = (images(t, "first"), images(t, "second"));
    c.call("checkpoint", &["--pre-dump", "--image-path", &first])
        .ok();
    assert_eq!(c.status(), "running");
    let refuse = |parent: &str, words: &[&str]| {
        let options = ["--image-path", &second, "--parent-path", parent];
        c.call("checkpoint", &options).fails_with(words);
        assert_eq!(c.status(), "running");
    };
    refuse(&first, &["--parent-path must be relative"]);
    refuse(
        "../nothing",
        &["invalid --parent-path", "no such file or directory"],
    );
    let work = images(t, "work");
    save(
        t,
        &c,
        &[
            "--image-path",
            &second,
            "--parent-path",
            "../first",
            "--work-path",
            &work,
        ],
    );
    assert!(Path::new(&work).join("dump.log").exists());
    let parent = std::fs::read_link(Path::new(&second).join("parent"));
    assert_eq!(
        parent.expect("a link to the dump before"),
        Path::new("../first")
    );
    let again = bundle.restored(&["--image-path", &second]);
    let (later, said) = ask(&again);
    assert!(later > counter);
    assert_eq!(said, "input=thre pipe=ipe  pair=air  pid=1");
}

/// A second dump of a restored container was where runtimes failed: <https://github.com/containers/crun/issues/538>,
/// <https://github.com/checkpoint-restore/criu/issues/1034>, <https://github.com/opencontainers/runc/pull/2335>.
fn several_times_in_a_row(t: &Test) {
    let bundle = bundle(t);
    let mut c = bundle.started();
    wait_ready(&c);
    let mut counter = ask(&c).0;
    for n in 0..3 {
        let images = images(t, &format!("images-{n}"));
        save(t, &c, &["--image-path", &images]);
        c = bundle.restored(&["--image-path", &images]);
        assert_eq!(c.status(), "running");
        let (later, _) = ask(&c);
        assert!(later > counter, "{later} after {counter} in round {n}");
        counter = later;
    }
}

fn a_pipe_to_outside_is_the_callers_new_one(t: &Test) {
    need_criu(t);
    let bundle = t.sh("while :; do echo tick; sleep 0.1; done");
    bundle.write();
    let images = images(t, "images");
    let piped = |verb: &str, more: &str, to: &Path| {
        let script = format!(
            "{} --root {} {verb} --detach --bundle {} {more} {} 2>{}.err | cat > {} 2>/dev/null &",
            crate::harness::Host::get().runtime.display(),
            t.state_root().display(),
            bundle.dir().display(),
            bundle.id,
            to.display(),
            to.display(),
        );
        t.host("bash", &["-c", &script]);
        let heard = wait_until(|| {
            std::fs::read_to_string(to).is_ok_and(|text| text.contains("tick\ntick\n"))
        });
        let error = std::fs::read_to_string(format!("{}.err", to.display()));
        assert!(heard, "nothing of {verb}: {error:?}");
    };
    piped("run", "", &t.dir.join("first"));
    t.call(&["checkpoint", "--image-path", &images, &bundle.id])
        .ok();
    strict_is_gone(t, &bundle);
    piped(
        "restore",
        &format!("--image-path {images}"),
        &t.dir.join("second"),
    );
    t.call(&["delete", "--force", &bundle.id]).ok();
}

fn limits_are_felt_after_a_restore(t: &Test) {
    let bundle = bundle(t).with_probe().edit(|config| {
        config["linux"]["resources"] = json!({
            "pids": {"limit": 15}, "memory": {"limit": 64 << 20},
            "devices": [{"allow": false, "access": "rwm"},
                        {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm"}]
        });
        config["linux"]["devices"] =
            json!([{"type": "c", "path": "/dev/probed", "major": 10, "minor": 229}]);
    });
    let c = bundle.started();
    wait_ready(&c);
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    let opened = |again: &Container<'_>| {
        let output = again.exec(&[], &["/probe", "open", "/dev/probed", "0"]);
        output.ok().value("open").to_owned()
    };
    // Of the new configuration, in the new cgroup.
    let copy = copy_of(t, &bundle).set("/linux/resources/pids/limit", 9);
    let again = copy.restored(&["--image-path", &images]);
    let output = again.exec(&[], &["/probe", "fork", "30"]).ok();
    let forked: u32 = output.value("forked").parse().expect("a number");
    assert!(
        (4..9).contains(&forked),
        "{forked} children under a limit of 9"
    );
    let killed = again.exec(&[], &["/probe", "memory", "200"]);
    assert_ne!(killed.code, 0, "{killed:?}");
    assert_eq!(again.status(), "running");
    assert_eq!(opened(&again), "-1", "no rule allows it");
    again.exec(&[], &["head", "-c", "1", "/dev/zero"]).ok();
    again.delete_by_force();
    let rule = json!({"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"});
    let copy = copy_of(t, &bundle).push("/linux/resources/devices", rule);
    assert_eq!(opened(&copy.restored(&["--image-path", &images])), "0");
}

fn a_terminal_gets_a_new_master(t: &Test) {
    need_criu(t);
    let bundle = t.sh(r#"n=0; while read line; do n=$((n+1)); echo "$n:$line"; done"#);
    let bundle = bundle.set("/process/terminal", true);
    let console = Console::listen(t, "first");
    let option = console.option();
    let bundle = bundle.options(&["--console-socket", &option]);
    let c = bundle.started();
    let terminal = console.terminal();
    terminal.write("one\n");
    terminal.wait_for("1:one");
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    let console = Console::listen(t, "second");
    let option = console.option();
    let again = bundle.restored(&["--image-path", &images, "--console-socket", &option]);
    let terminal = console.terminal();
    terminal.write("two\n");
    terminal.wait_for("2:two");
    assert_eq!(again.status(), "running");
    bundle
        .begin_restore(&["--detach", "--image-path", &images])
        .wait()
        .fails_with(&["cannot allocate tty if runc will detach without setting console socket"]);
}

fn mounts_of_the_host_are_mounted_again(t: &Test) {
    let outside = t.subdir("outside");
    std::fs::create_dir_all(outside.join("more")).expect("own directory");
    std::fs::write(outside.join("a file"), "of the host").expect("own directory");
    let below = t.subdir("below");
    std::fs::write(below.join("deep"), "from below").expect("own directory");
    t.host(
        "mount",
        &[
            "--bind",
            &below.display().to_string(),
            &outside.join("more").display().to_string(),
        ],
    );
    let mounted = Unmount(outside.join("more"));
    t.host(
        "mount",
        &[
            "-t",
            "tmpfs",
            "none",
            &outside.join("more").display().to_string(),
        ],
    );
    let second = Unmount(outside.join("more"));
    std::fs::write(outside.join("more/deep"), "from below").expect("own directory");
    let file = outside.join("a file");
    let bundle = bundle(t)
        .bind(&outside, "/link/data", &["rbind", "ro"])
        .bind(&file, "/etc/one", &[])
        .set(
            "/linux/maskedPaths",
            json!(["/proc/kcore", "/proc/keys", "/sys/firmware", "/hidden"]),
        )
        .set("/linux/readonlyPaths", json!(["/proc/sys", "/fixed"]))
        .file("/hidden", "secret")
        .file("/fixed/x", "x")
        .file("/real/x", "x");
    std::os::unix::fs::symlink("real", bundle.rootfs().join("link")).expect("own rootfs");
    let c = bundle.started();
    wait_ready(&c);
    let look = |c: &Container<'_>| {
        let script = r#"cat '/link/data/a file' /real/data/more/deep /etc/one; wc -c < /hidden
            touch /fixed/x 2>/dev/null || echo ro; touch /real/data/x 2>/dev/null || echo ro
            wc -c < /proc/keys; ls -l /dev/null /dev/pts/ptmx; ls /dev | sort
            awk '{print $5, $6}' /proc/self/mountinfo | sort"#;
        c.exec(&[], &["sh", "-c", script]).ok().stdout
    };
    let before = look(&c);
    assert!(
        before.starts_with("of the hostfrom belowof the host0\nro\nro\n0\n"),
        "{before}"
    );
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    let copy = copy_of(t, &bundle);
    let again = copy.restored(&["--image-path", &images]);
    assert_eq!(look(&again), before);
    let lacking = copy_of(t, &bundle).unmount("/etc/one");
    lacking
        .begin_restore(&["--detach", "--image-path", &images])
        .wait()
        .fails_with(&["bind mount at", "/etc/one", "/mounts"]);
    strict_is_gone(t, &lacking);
    again.delete_by_force();
    drop((second, mounted));
}

/// A mount of the test.
struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH).ok();
    }
}

fn a_paused_container_stays_paused(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    c.call("pause", &[]).ok();
    let images = images(t, "images");
    c.call("checkpoint", &["--leave-running", "--image-path", &images])
        .ok();
    assert_eq!(c.status(), "paused");
    c.call("resume", &[]).ok();
    ask(&c);
    c.call("pause", &[]).ok();
    save(t, &c, &["--image-path", &images]);
    let again = bundle.restored(&["--image-path", &images]);
    assert_eq!(again.status(), "running");
    ask(&again);
}

fn the_loopback_device_is_up(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    let flags = |c: &Container<'_>| {
        c.exec(&[], &["cat", "/sys/class/net/lo/flags"])
            .ok()
            .text()
            .to_owned()
    };
    assert_eq!(flags(&c), "0x9");
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    assert_eq!(flags(&bundle.restored(&["--image-path", &images])), "0x9");
}

fn hooks_of_a_restore_and_of_the_end(t: &Test) {
    let log = t.dir.join("hooks");
    let hook = |name: &str| {
        let body = format!(
            "echo {name} >> {0}; jq -c '[.id, .status, .pid]' >> {0}",
            log.display()
        );
        json!([{"path": "/bin/sh", "args": ["sh", "-c", body], "env": ["PATH=/bin:/usr/bin"]}])
    };
    let bundle = bundle(t).edit(|config| {
        config["hooks"] = json!({
            "prestart": hook("prestart"), "createRuntime": hook("createRuntime"), "poststop": hook("poststop")
        });
    });
    let c = bundle.started();
    wait_ready(&c);
    std::fs::write(&log, "").expect("own file");
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.starts_with("poststop\n"), "{said}");
    std::fs::write(&log, "").expect("own file");
    let again = bundle.restored(&["--image-path", &images]);
    let said = std::fs::read_to_string(&log).expect("a log");
    let told = format!("[\"{}\",\"creating\",{}]", again.id, again.pid());
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        ["prestart", &told, "createRuntime", &told]
    );
    let failing = copy_of(t, &bundle).edit(|config| {
        config["hooks"]["createRuntime"] = json!([{"path": "/bin/false"}]);
    });
    failing
        .begin_restore(&["--detach", "--image-path", &images])
        .wait()
        .fails_with(&["createRuntime hook #0", "/hooks/createRuntime/0"]);
    strict_is_gone(t, &failing);
}

fn a_failed_restore_leaves_nothing(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    for name in [
        "core-1.img",
        "mountpoints-",
        "pagemap-1.img",
        "inventory.img",
    ] {
        let broken = t.dir.join(format!("broken-{name}"));
        t.host("cp", &["-a", &images, &broken.display().to_string()]);
        let found = std::fs::read_dir(&broken).expect("images").flatten();
        let found = found.map(|entry| entry.path()).find(|path| {
            path.file_name()
                .is_some_and(|file| file.to_string_lossy().starts_with(name))
        });
        let Some(file) = found else { continue };
        std::fs::write(file, "no image").expect("own file");
        let copy = copy_of(t, &bundle);
        let path = broken.display().to_string();
        let output = copy
            .begin_restore(&["--detach", "--image-path", &path])
            .wait();
        output.fails_with(&["criu failed: type RESTORE", "log file: ", "restore.log"]);
        strict_is_gone(t, &copy);
    }
    // The images are as they were.
    ask(&bundle.restored(&["--image-path", &images]));
}

/// At many moments of the restore; what is there then is found by the next `delete --force`.
fn a_killed_restore_is_cleaned_up(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    let images = images(t, "images");
    save(t, &c, &["--image-path", &images]);
    let begun = std::time::Instant::now();
    let whole = bundle.restored(&["--image-path", &images]);
    let time = begun.elapsed();
    whole.delete_by_force();
    let count = crate::harness::Sample::share(12) as u32;
    for n in 0..count {
        let copy = copy_of(t, &bundle);
        let running = copy.begin_restore(&["--detach", "--image-path", &images]);
        std::thread::sleep(time * n / count);
        crate::harness::kill(running.pid(), rustix::process::Signal::KILL);
        drop(running.wait());
        t.call(&["delete", "--force", &copy.id]).ok();
        strict_is_gone(t, &copy);
        assert!(
            nobody_is_left(&copy),
            "a process of {} is left after moment {n}",
            copy.id
        );
    }
    ask(&bundle.restored(&["--image-path", &images]));
}
