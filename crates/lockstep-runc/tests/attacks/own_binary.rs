//! The runtime's own binary is overwritten by a container (CVE-2019-5736).
//!
//! The image makes the runtime execute itself inside, where it is a process like any other, or a process of
//! the container looks at one of the runtime's before it has executed the program.

use std::path::{Path, PathBuf};

use crate::attack::{self, Attack, attacker, implant, says, victim};
use crate::harness::{Container, Host, Test, cases, is_alive, wait_until};

cases! {
    exec_of_a_link,
    exec_of_a_script,
    mapped_by_a_process,
    entry_in_a_shared_pid_namespace,
    exec_watched_with_ptrace,
}

const FIFO: &str = "/shared/fifo";

/// A container that waits for a program which is not its own, and overwrites it.
fn hostile<'t>(test: &'t Test, way: &str, shared: &Path, capabilities: &[&str]) -> Container<'t> {
    let bundle = test
        .args(&["/attacker", way, FIFO, "/attacker", "/bin/busybox"])
        .bind(shared, "/shared", &["rbind"])
        .capabilities(capabilities);
    implant(test, &bundle.rootfs());
    let container = bundle.started();
    assert!(says(&container, "ready"), "{}", container.stderr());
    container
}

fn shared(test: &Test) -> PathBuf {
    let shared = test.subdir("shared");
    let fifo = shared.join("fifo");
    if !fifo.exists() {
        test.host("mkfifo", &[&fifo.display().to_string()]);
    }
    shared
}

/// Waits for the attacker's last word, if it has caught something. `pid` is its process, asked before: until it
/// has ended it may hold the victim open for writing, which then cannot be executed (ETXTBSY).
fn finish(container: &Container<'_>, pid: u32) {
    if container.stdout().lines().count() > 1 {
        assert!(wait_until(|| !is_alive(pid)), "the attacker does not end");
    } else {
        container.stop();
    }
}

/// Whether the copy that the test used is another file now.
fn overwritten(victim: &Path, before: &[u8]) -> bool {
    std::fs::read(victim).expect("the victim is readable") != before
}

/// Executes `command` in a hostile container until the attacker has caught something; whether it won.
fn by_exec(
    test: &Test,
    way: &str,
    capabilities: &[&str],
    prepare: fn(&Test, &Path),
    command: &[&str],
) -> bool {
    let victim = victim(test);
    let before = std::fs::read(&victim).expect("the victim is readable");
    let container = hostile(test, way, &shared(test), capabilities);
    let pid = container.pid();
    prepare(test, &container.rootfs);
    for _ in 0..20 {
        // It fails in any case, and its end is awaited: a program in use cannot be written.
        container.exec(&[], command);
        if container.stdout().lines().count() > 1 {
            break;
        }
    }
    finish(&container, pid);
    overwritten(&victim, &before)
}

fn link(_: &Test, rootfs: &Path) {
    std::os::unix::fs::symlink("/proc/self/exe", rootfs.join("evil"))
        .expect("the root file system is writable");
}

fn exec_of_a_link(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "unsealed",
            slow: "",
            body: |test| by_exec(test, "binary", &[], link, &["/evil", "--log", FIFO, "list"]),
        },
    );
}

fn exec_of_a_script(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "unsealed",
            slow: "",
            body: |test| {
                let script = |test: &Test, rootfs: &Path| {
                    let path = rootfs.join("bin/tool");
                    std::fs::write(&path, format!("#!/proc/self/exe --log={FIFO}\n"))
                        .expect("the root file system is writable");
                    test.host("chmod", &["755", &path.display().to_string()]);
                };
                by_exec(test, "binary", &[], script, &["tool"])
            },
        },
    );
}

/// What a process maps can be opened too, with CAP_CHECKPOINT_RESTORE: the mechanism must hold for that path.
fn mapped_by_a_process(test: &Test) {
    test.need(Host::get().has_capability(40), "no CAP_CHECKPOINT_RESTORE");
    attack::make(
        test,
        &Attack {
            weak: "unsealed",
            slow: "",
            body: |test| {
                let capabilities = ["CAP_CHECKPOINT_RESTORE", "CAP_SYS_ADMIN"];
                let command = ["/evil", "--log", FIFO, "list"];
                by_exec(test, "mapped", &capabilities, link, &command)
            },
        },
    );
}

/// A container that joins the attacker's pid namespace, and whose program is the runtime itself.
fn entry_in_a_shared_pid_namespace(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "unsealed",
            slow: "",
            body: |test| {
                let victim = victim(test);
                let before = std::fs::read(&victim).expect("the victim is readable");
                let shared = shared(test);
                let container = hostile(test, "binary", &shared, &[]);
                let pid = container.pid();
                let image = test
                    .args(&["/evil", "--log", FIFO, "list"])
                    .bind(&shared, "/shared", &["rbind"])
                    .capabilities(&[])
                    .join("pid", &format!("/proc/{pid}/ns/pid"));
                std::os::unix::fs::symlink("/proc/self/exe", image.rootfs().join("evil"))
                    .expect("the root file system is writable");
                image.run();
                finish(&container, pid);
                overwritten(&victim, &before)
            },
        },
    );
}

/// With CAP_SYS_PTRACE the attacker may look at the runtime's process while it becomes the container's.
fn exec_watched_with_ptrace(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "unsealed",
            slow: "slow-exec",
            body: |test| {
                let nothing = |_: &Test, _: &Path| {};
                attacker(test);
                by_exec(test, "binary", &["CAP_SYS_PTRACE"], nothing, &["/bin/true"])
            },
        },
    );
}
