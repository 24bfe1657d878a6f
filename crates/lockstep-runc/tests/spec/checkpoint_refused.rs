//! What `checkpoint` and `restore` refuse, and what is there afterwards: the container as it was, or nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::checkpoint::{ask, bundle, images, program, strict_is_gone, wait_ready};
use crate::harness::{Bundle, Test, cases, short_path};

cases! {
    an_id_in_use_is_refused,
    images_of_others_are_refused: "runc 1.1.5 reads them",
    a_directory_without_images_is_refused,
    criu_that_fails_leaves_the_container_running: "words of Lockstep",
    criu_that_is_missing_is_named: "words of Lockstep",
    containers_that_do_not_run_are_refused,
    what_criu_loses_is_refused_by_its_field: "runc 1.1.5 saves them",
    options_that_mean_nothing_are_refused: "words of Lockstep",
    an_ordinary_user_is_refused: "runc 1.1.5 tries",
}

fn an_id_in_use_is_refused(t: &Test) {
    let bundle = bundle(t);
    let c = bundle.started();
    wait_ready(&c);
    let images = images(t, "images");
    c.call("checkpoint", &["--leave-running", "--image-path", &images])
        .ok();
    let pid = c.pid();
    bundle
        .begin_restore(&["--detach", "--image-path", &images])
        .wait()
        .fails_with(&["container with given ID already exists"]);
    assert_eq!((c.pid(), &*c.status()), (pid, "running"));
    ask(&c);
}

fn images_of_others_are_refused(t: &Test) {
    let bundle = t.sleeper();
    let open = t.subdir("open");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).expect("own directory");
    let path = open.display().to_string();
    let output = bundle
        .begin_restore(&["--detach", "--image-path", &path])
        .wait();
    output.fails_with(&["can be written to by other users", &path]);
    strict_is_gone(t, &bundle);
}

fn a_directory_without_images_is_refused(t: &Test) {
    let bundle = t.sleeper();
    let (missing, empty) = (
        images(t, "missing"),
        t.subdir("empty").display().to_string(),
    );
    let restore = |path: &str| {
        bundle
            .begin_restore(&["--detach", "--image-path", path])
            .wait()
    };
    restore(&missing).fails_with(&[&missing, "no such file or directory"]);
    restore(&empty).fails_with(&["descriptors.json"]);
    strict_is_gone(t, &bundle);
}

/// Where criu does not work with the kernel, or does not know what the container has.
fn criu_that_fails_leaves_the_container_running(t: &Test) {
    t.need(Path::new("/usr/sbin/criu").exists(), "no criu here");
    // A socket to outside, which criu takes only with --ext-unix-sk.
    let socket = short_path(t, "outside");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket can be made");
    let bundle = t
        .args(&["/program", "/outside"])
        .file("/input", "onlytwo ")
        .bind(&socket, "/outside", &[]);
    std::fs::copy(program(t), bundle.rootfs().join("program")).expect("the bundle is writable");
    let c = bundle.started();
    let images = images(t, "images");
    wait_ready(&c);
    let output = c.call("checkpoint", &["--image-path", &images]);
    drop(listener);
    {
        let log = Path::new(&images).join("dump.log").display().to_string();
        output.fails_with(&["criu failed: type", "Error (criu/", &log]);
        assert_eq!(c.status(), "running");
    }
    ask(&c);
}

fn criu_that_is_missing_is_named(t: &Test) {
    let c = t.sleeper().started();
    std::fs::create_dir_all(t.dir.join("images")).expect("own directory");
    let images = images(t, "images");
    let mut args = vec![
        "--criu",
        "no-such-criu",
        "checkpoint",
        "--image-path",
        &images,
        &c.id,
    ];
    t.call(&args).fails_with(&[
        "no-such-criu",
        "executable file not found in $PATH",
        "install criu",
    ]);
    args[1] = "/no/such/criu";
    t.call(&args)
        .fails_with(&["/no/such/criu", "no such file or directory"]);
    // A program that is none of criu.
    args[1] = "/bin/true";
    t.call(&args)
        .fails_with(&["criu has ended without an answer"]);
    assert_eq!(c.status(), "running");
    // Nothing is left of a container that was to be restored.
    std::fs::write(t.dir.join("images/descriptors.json"), "[]").expect("own directory");
    let bundle = t.sleeper().globals(&["--criu", "/bin/true"]);
    bundle
        .begin_restore(&["--detach", "--image-path", &images])
        .wait()
        .fails_with(&["criu has ended without an answer"]);
    strict_is_gone(t, &bundle);
}

fn containers_that_do_not_run_are_refused(t: &Test) {
    let c = t.sleeper().create();
    let images = images(t, "images");
    let refuse = |status: &str| {
        let words = format!("Container cannot be checkpointed in {status} state");
        c.call("checkpoint", &["--image-path", &images])
            .fails_with(&[&words]);
    };
    refuse("created");
    assert_eq!(c.status(), "created");
    c.start();
    c.stop();
    refuse("stopped");
    c.delete();
    c.call("checkpoint", &["--image-path", &images])
        .fails_with(&["container does not exist"]);
}

fn what_criu_loses_is_refused_by_its_field(t: &Test) {
    let images = images(t, "images");
    let refuse = |bundle: Bundle<'_>, field: &str| {
        let c = bundle.started();
        c.call("checkpoint", &["--image-path", &images])
            .fails_with(&["cannot be checkpointed or restored", field]);
        assert_eq!(c.status(), "running");
        c.delete_by_force();
        std::fs::create_dir_all(&images).expect("own directory");
        let output = bundle
            .begin_restore(&["--detach", "--image-path", &images])
            .wait();
        output.fails_with(&["cannot be checkpointed or restored", field]);
    };
    refuse(
        t.sleeper().edit(|config| {
            config["annotations"] = json!({"org.criu.config": "/tmp/x"});
        }),
        "/annotations/org.criu.config",
    );
    refuse(
        t.sleeper().set(
            "/process/ioPriority",
            json!({"class": "IOPRIO_CLASS_BE", "priority": 7}),
        ),
        "/process/ioPriority",
    );
    refuse(
        t.sleeper().user_namespace(100_000, 65_536),
        "/linux/namespaces/5/type",
    );
    let landlock = json!({"ruleset": {"handledAccessFS": ["make_sock"]}, "rules": {}}).to_string();
    if crate::harness::Host::get()
        .lsms
        .iter()
        .any(|lsm| lsm == "landlock")
    {
        refuse(
            t.sleeper().edit(|config| {
                config["annotations"] = json!({"org.lockstep.landlock": landlock});
            }),
            "/annotations/org.lockstep.landlock",
        );
    }
    assert!(
        !Path::new(&images).join("dump.log").exists(),
        "criu was asked"
    );
}

fn options_that_mean_nothing_are_refused(t: &Test) {
    let c = t.sleeper().started();
    for (options, words) in [
        (
            &["--manage-cgroups-mode", "loose"][..],
            "Invalid manage-cgroups-mode value",
        ),
        (&["--empty-ns", "mount"], "is not supported"),
        (&["--page-server", "1234"], "ADDRESS:PORT"),
        (&["--page-server", "localhost:x"], "Invalid port number"),
        (
            &["--status-fd", "77"],
            "--status-fd is told of --lazy-pages alone",
        ),
        (
            &["--status-fd", "77", "--lazy-pages"],
            "invalid --status-fd argument 77",
        ),
    ] {
        c.call("checkpoint", options).fails_with(&[words]);
    }
    assert_eq!(c.status(), "running");
    t.sleeper()
        .begin_restore(&["--no-pivot"])
        .wait()
        .fails_with(&["pivot_root(2) always"]);
}

fn an_ordinary_user_is_refused(t: &Test) {
    let c = t.sleeper().started();
    t.call(&["--rootless", "true", "checkpoint", &c.id])
        .fails_with(&["need root of the host", "CAP_SYS_ADMIN"]);
    let bundle = t.sleeper();
    bundle.write();
    let dir = bundle.dir().display().to_string();
    t.call(&[
        "--rootless",
        "true",
        "restore",
        "--bundle",
        &dir,
        &bundle.id,
    ])
    .fails_with(&["need root of the host"]);
    assert_eq!(c.status(), "running");
}
