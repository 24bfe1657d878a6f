//! The service manager's notification socket: what reaches it of what the container says.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Bundle, Output, Test, cases, is_alive, short_path, wait_until};

cases! {
    run_passes_readiness_on,
    start_waits_until_the_program_is_ready: "runc 1.1.5 returns at once",
    detached_run_waits_too,
    a_program_that_ends_first: "runc 1.1.5 hangs",
    any_user_of_the_container: "runc 1.1.5 is not compared there",
    nothing_but_readiness: "runc passes the whole line on",
    an_abstract_socket: "runc 1.1.5 is not compared there",
    an_absent_manager_is_a_warning: "runc says nothing",
    a_mount_that_fails_is_no_field_of_the_user_s: "runc names no field",
    without_a_manager_there_is_no_mount,
}

/// A service manager.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(t: &Test) -> Self {
        let path = short_path(t, "manager");
        let socket = UnixDatagram::bind(&path).expect("a socket of the test");
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("own socket");
        Self { socket, path }
    }

    /// What is said within the time, until it is enough.
    fn hears(&self, enough: impl Fn(&str) -> bool) -> String {
        let mut said = String::new();
        let mut bytes = [0; 4096];
        while !enough(&said) {
            match self.socket.recv(&mut bytes) {
                Ok(size) => said.push_str(&String::from_utf8_lossy(&bytes[..size])),
                Err(_) => break,
            }
            if !said.ends_with('\n') {
                said.push('\n');
            }
        }
        said
    }

    fn hears_readiness(&self) -> String {
        self.hears(|said| said.contains("READY=1\n") && said.contains("MAINPID="))
    }

    fn hears_nothing(&self) {
        self.socket.set_nonblocking(true).expect("own socket");
        assert!(
            self.socket.recv(&mut [0; 10]).is_err(),
            "something was passed on"
        );
        self.socket.set_nonblocking(false).expect("own socket");
    }
}

fn bundle<'t>(t: &'t Test, manager: &Manager, script: &str) -> Bundle<'t> {
    t.sh(script)
        .with_probe()
        .runtime_env("NOTIFY_SOCKET", &manager.path.display().to_string())
}

const READY: &str = "/probe tell $NOTIFY_SOCKET READY=1";

fn starting(t: &Test, manager: &Manager, id: &str) -> crate::harness::Running {
    let mut invocation = t.invocation(&["start", id], &crate::harness::View::Plain);
    let path = manager.path.display().to_string();
    invocation.env.push(("NOTIFY_SOCKET".to_owned(), path));
    invocation.start()
}

fn run_passes_readiness_on(t: &Test) {
    let manager = Manager::new(t);
    let bundle = bundle(t, &manager, &format!("{READY}; sleep 1; exit 7"));
    let running = bundle.run_in_background();
    let said = manager.hears_readiness();
    assert!(
        said.contains(&format!("MAINPID={}\n", running.pid())),
        "{said}"
    );
    running.wait().exits(7);
    assert!(!t.state_root().join(&bundle.id).exists());
}

fn start_waits_until_the_program_is_ready(t: &Test) {
    let manager = Manager::new(t);
    let bundle = bundle(
        t,
        &manager,
        &format!("until [ -e /go ]; do sleep 0.05; done; {READY}; sleep 1000"),
    );
    let c = bundle.create();
    let running = starting(t, &manager, &c.id);
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        is_alive(running.pid()),
        "start returned before the program was ready"
    );
    assert_eq!(c.status(), "running");
    std::fs::write(bundle.rootfs().join("go"), "").expect("own root");
    let said = manager.hears_readiness();
    assert!(said.contains(&format!("MAINPID={}\n", c.pid())), "{said}");
    // The barrier of sd_notify(3): its descriptor was closed with the message.
    manager.hears(|said| said.contains("BARRIER=1"));
    running.wait().ok();
    // What the mount shows is the socket alone, and nobody inside can put anything beside it.
    let inside = c.exec(
        &[],
        &["/bin/sh", "-c", "ls /run/notify; touch /run/notify/x"],
    );
    assert!(
        inside.code != 0 && inside.stdout == "notify.sock\n",
        "{inside:?}"
    );
    assert!(
        inside.stderr.contains("Read-only file system"),
        "{inside:?}"
    );
    c.stop();
    c.delete();
}

fn detached_run_waits_too(t: &Test) {
    let manager = Manager::new(t);
    let bundle =
        bundle(t, &manager, &format!("sleep 0.5; {READY}; sleep 1000")).options(&["--detach"]);
    let running = bundle.run_in_background();
    let said = manager.hears_readiness();
    manager.hears(|said| said.contains("BARRIER=1"));
    running.wait().ok();
    let pid = t.call(&["state", &bundle.id]).ok().json()["pid"].clone();
    assert!(said.contains(&format!("MAINPID={pid}\n")), "{said}");
}

fn a_program_that_ends_first(t: &Test) {
    let manager = Manager::new(t);
    let c = bundle(t, &manager, "exit 3").create();
    starting(t, &manager, &c.id).wait().ok();
    manager.hears_nothing();
    bundle(t, &manager, "exit 3").run().exits(3);
    manager.hears_nothing();
}

fn any_user_of_the_container(t: &Test) {
    let manager = Manager::new(t);
    let plain = bundle(t, &manager, &format!("{READY}; sleep 0.5")).set("/process/user/uid", 1000);
    let mapped =
        bundle(t, &manager, &format!("{READY}; sleep 0.5")).user_namespace(100_000, 65_536);
    // The root file system is not theirs, so they cannot make the mount point.
    std::fs::create_dir_all(mapped.rootfs().join("run/notify")).expect("own root");
    for bundle in [plain, mapped] {
        let running = bundle.run_in_background();
        let said = manager.hears_readiness();
        let output = running.wait().ok();
        assert!(said.contains("READY=1"), "{said} {output:?}");
    }
}

fn a_mount_that_fails_is_no_field_of_the_user_s(t: &Test) {
    let manager = Manager::new(t);
    let bundle = bundle(t, &manager, "true");
    std::fs::create_dir_all(bundle.rootfs().join("run")).expect("own root");
    std::fs::write(bundle.rootfs().join("run/notify"), "no directory").expect("own root");
    let refused = bundle.run().fails_with(&["/run/notify"]);
    assert!(!refused.stderr.contains("/mounts/"), "{refused:?}");
}

/// A container does not speak for the unit.
fn nothing_but_readiness(t: &Test) {
    let manager = Manager::new(t);
    let script = "for text in STATUS=x STOPPING=1 MAINPID=1 READY=0 XREADY=1 'FDSTORE=1\\nREADY=no' ''; do \
        /probe tell $NOTIFY_SOCKET \"$text\"; done; \
        /probe tell $NOTIFY_SOCKET 'STATUS=up\\nREADY=1\\nMAINPID=1\\nSTOPPING=1'; sleep 0.5";
    let bundle = bundle(t, &manager, script);
    let running = bundle.run_in_background();
    let said = manager.hears_readiness();
    assert_eq!(said, format!("READY=1\nMAINPID={}\n", running.pid()));
    running.wait().ok();
    manager.hears_nothing();
}

fn an_abstract_socket(t: &Test) {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("lockstep-test-{}", t.dir.display());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a short name");
    let socket = UnixDatagram::bind_addr(&address).expect("a socket of the test");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("own socket");
    let manager = Manager {
        socket,
        path: format!("@{name}").into(),
    };
    let running = bundle(t, &manager, &format!("{READY}; sleep 0.5")).run_in_background();
    let said = manager.hears_readiness();
    assert!(said.contains("READY=1"), "{said}");
    running.wait().ok();
}

fn an_absent_manager_is_a_warning(t: &Test) {
    let manager = Manager::new(t);
    std::fs::remove_file(&manager.path).expect("own socket");
    let output: Output = bundle(t, &manager, &format!("{READY}; sleep 0.3; exit 4")).run();
    output.exits(4).warns("that the program is ready: connect(");
}

fn without_a_manager_there_is_no_mount(t: &Test) {
    let output = t.sh("echo \"[$NOTIFY_SOCKET]\"; ls /run").run().ok();
    assert_eq!(output.text(), "[]");
    // Nor when only `start` has one.
    let manager = Manager::new(t);
    let c = t.sleeper().set("/annotations", json!({"a": "b"})).create();
    if !t.peer_is_other() {
        starting(t, &manager, &c.id).wait().ok();
        assert!(wait_until(|| c.status() == "running"));
    }
}
