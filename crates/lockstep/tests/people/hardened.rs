//! What the default container may and may not do, asked from inside.

use crate::stage::{Stage, status, until};

crate::cases![
    little_is_allowed,
    nothing_of_the_host_is_visible,
    nothing_of_the_host_is_writable,
    another_user_holds_no_capability,
    blocks_of_ids_are_of_one_container_each,
    the_supervisor_has_no_rights,
    an_idle_supervisor_sleeps,
    each_protection_has_its_flag,
    privileged_says_what_it_gives,
    no_network_by_default,
    its_own_network_has_no_privileged_ports,
];

fn little_is_allowed(t: &Stage) {
    let script = "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status; cat /proc/self/uid_map";
    let seen = t.sh(&[], script).text();
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID NET_BIND_SERVICE.
    for wanted in [
        "CapEff:\t00000000000004fb",
        "CapBnd:\t00000000000004fb",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(seen.contains(wanted), "{wanted} in {seen}");
    }
    let outside: u64 = seen
        .lines()
        .last()
        .expect("a map")
        .split_whitespace()
        .nth(1)
        .expect("an id")
        .parse()
        .expect("a number");
    assert!(outside >= 0x7000_0000, "{seen}");
    for refused in [
        "unshare -U true",
        "mount -t tmpfs x /tmp",
        "chroot / true",
        "mknod /tmp/d c 1 1",
        "hostname x",
    ] {
        assert_ne!(t.sh(&[], refused).code, 0, "{refused}");
    }
}

fn nothing_of_the_host_is_visible(t: &Stage) {
    let canary = format!("canary-{}", std::process::id());
    let places = ["/root", "/tmp", "/var/tmp", "/run", "/home", "/srv", "/mnt"];
    let mut planted = Vec::new();
    for place in places {
        let path = format!("{place}/{canary}");
        if std::fs::write(&path, "secret").is_ok() {
            planted.push(path);
        }
    }
    let script = format!(
        "find / -xdev -name '{canary}' 2>/dev/null; for d in {}; do ls -a $d 2>/dev/null; done",
        places.join(" ")
    );
    let seen = t.sh(&[], &script).stdout;
    let shadow = t.sh(&[], "cat /etc/shadow");
    for path in &planted {
        drop(std::fs::remove_file(path));
    }
    assert!(planted.len() > 3, "{planted:?}");
    assert!(!seen.contains(&canary), "{seen}");
    assert_ne!(shadow.code, 0);
    assert_eq!(shadow.stdout, "");
    // The store is not there either.
    let data = t.dir.join("root-data").display().to_string();
    assert_ne!(t.sh(&[], &format!("ls {data}")).code, 0);
}

fn nothing_of_the_host_is_writable(t: &Stage) {
    for path in [
        "/usr/x",
        "/etc/x",
        "/opt/x",
        "/x",
        "/proc/sys/kernel/hostname",
        "/sys/x",
        "/sys/fs/cgroup/x",
    ] {
        let tried = t.sh(&[], &format!("echo x > {path}"));
        assert_ne!(tried.code, 0, "{path}");
    }
    for path in [
        "/tmp", "/var/tmp", "/run", "/home", "/root", "/dev/shm", "/var/log",
    ] {
        assert_eq!(
            t.sh(&[], &format!("echo x > {path}/x && cat {path}/x"))
                .text(),
            "x",
            "{path}"
        );
    }
    let mounts = t.sh(&[], "cat /proc/self/mountinfo").text();
    for directory in ["/usr", "/etc"] {
        let line = mounts
            .lines()
            .find(|line| line.split(' ').nth(4) == Some(directory))
            .expect("a mount");
        let options = line.split(' ').nth(5).expect("options");
        for wanted in ["ro", "nosuid", "nodev"] {
            assert!(options.split(',').any(|option| option == wanted), "{line}");
        }
    }
}

fn another_user_holds_no_capability(t: &Stage) {
    let seen = t
        .sh(
            &["-u", "daemon"],
            "grep -E 'Uid|CapEff|CapPrm|CapAmb' /proc/self/status",
        )
        .text();
    assert_eq!(seen.matches("0000000000000000").count(), 3, "{seen}");
    let seen = t
        .sh(
            &["-u", "1234", "--cap-add", "net_raw"],
            "grep CapEff /proc/self/status",
        )
        .text();
    assert!(seen.ends_with("0000000000002000"), "{seen}");
}

fn blocks_of_ids_are_of_one_container_each(t: &Stage) {
    for name in ["one", "two"] {
        t.call(&["run", "-d", "--name", name, "host:", "sleep", "1000"])
            .text();
    }
    let map =
        |name| std::fs::read_to_string(format!("/proc/{}/uid_map", t.pid(name))).expect("a map");
    let start = |name| {
        map(name)
            .split_whitespace()
            .nth(1)
            .expect("an id")
            .parse::<u32>()
            .expect("a number")
    };
    assert!(start("one").abs_diff(start("two")) >= 65_536);
    let first = start("one");
    t.call(&["rm", "-f", "one"]).text();
    t.call(&["run", "-d", "--name", "three", "host:", "sleep", "1000"])
        .text();
    assert_eq!(start("three"), first);
}

fn the_supervisor_has_no_rights(t: &Stage) {
    t.call(&["run", "-d", "--name", "s", "host:", "sleep", "1000"])
        .text();
    let (supervisor, first) = (t.supervisor("s"), t.pid("s"));
    for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
        assert_eq!(status(supervisor, set), "0000000000000000", "{set}");
    }
    assert_eq!(status(supervisor, "NoNewPrivs"), "1");
    assert_eq!(status(supervisor, "Seccomp"), "2");
    assert_eq!(status(supervisor, "Groups"), "");
    let user = |pid| {
        status(pid, "Uid")
            .split(' ')
            .next()
            .expect("an id")
            .parse::<u32>()
            .expect("a number")
    };
    assert_eq!(user(supervisor), user(first) + 65_535);
    // Not dumpable: what it holds belongs to root.
    let owner = std::fs::metadata(format!("/proc/{supervisor}/environ")).expect("metadata");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), 0);
    assert_eq!(
        std::fs::read(format!("/proc/{supervisor}/environ")).expect("environment"),
        b""
    );
}

fn an_idle_supervisor_sleeps(t: &Stage) {
    t.call(&["run", "-d", "--name", "i", "host:", "sleep", "1000"])
        .text();
    let supervisor = t.supervisor("i");
    let switches = || status(supervisor, "voluntary_ctxt_switches");
    // It may still be telling the front that the program runs.
    let mut before = String::new();
    until(|| {
        let now = switches();
        std::mem::replace(&mut before, now.clone()) == now
    });
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(switches(), before);
}

fn each_protection_has_its_flag(t: &Stage) {
    let field = |options: &[&str], name: &str| {
        let seen = t
            .sh(options, &format!("grep {name}: /proc/self/status"))
            .text();
        seen.split_whitespace().nth(1).expect("a value").to_owned()
    };
    assert_eq!(
        field(&["--security-opt", "no-new-privileges=false"], "NoNewPrivs"),
        "0"
    );
    assert_eq!(
        field(
            &[
                "--security-opt",
                "seccomp=unconfined",
                "--security-opt",
                "no-new-privileges=false"
            ],
            "Seccomp"
        ),
        "0"
    );
    assert_eq!(field(&["--cap-drop", "all"], "CapBnd"), "0000000000000000");
    assert_eq!(
        field(&["--cap-add", "sys_time"], "CapBnd"),
        "00000000020004fb"
    );
    let timers = |options: &[&str]| t.sh(options, "wc -c < /proc/interrupts").text();
    assert_eq!(timers(&[]), "0");
    assert_ne!(timers(&["--security-opt", "unmask=/proc/interrupts"]), "0");
    assert_eq!(
        t.sh(
            &["--security-opt", "mask=/etc/passwd"],
            "wc -c < /etc/passwd"
        )
        .text(),
        "0"
    );
    assert_eq!(
        t.sh(
            &["--uidmap", "0:3000000:1000", "--gidmap", "0:3000000:1000"],
            "cut -c-60 /proc/self/uid_map"
        )
        .text()
        .split_whitespace()
        .nth(1),
        Some("3000000")
    );
    let shared = t
        .sh(
            &["--pid", "host", "--uts", "host", "--ipc", "host"],
            "readlink /proc/self/ns/uts",
        )
        .text();
    let own = std::fs::read_link("/proc/self/ns/uts").expect("a namespace");
    assert_eq!(shared, own.display().to_string());
}

fn privileged_says_what_it_gives(t: &Stage) {
    let output = t.sh(
        &["--privileged"],
        "grep -E 'CapEff|Seccomp:' /proc/self/status; cat /proc/self/uid_map",
    );
    assert!(output.stderr.contains("--privileged gives"), "{output:?}");
    assert!(output.stdout.contains("Seccomp:\t0"), "{output:?}");
    // Over its own user namespace, and of nothing else.
    assert!(!output.stdout.contains("4294967295"), "{output:?}");
}

fn no_network_by_default(t: &Stage) {
    assert_eq!(t.sh(&[], "ls /sys/class/net").text(), "lo");
    assert_eq!(
        t.sh(&[], "cat /sys/class/net/lo/operstate").text(),
        "unknown"
    );
    let own = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
    let inside = |options: &[&str]| t.sh(options, "readlink /proc/self/ns/net").text();
    assert_ne!(inside(&[]), own.display().to_string());
    assert_eq!(inside(&["--network", "host"]), own.display().to_string());
    assert!(
        t.call(&["run", "--rm", "--network", "bridge", "host:", "true"])
            .refused(125)
            .contains("refused")
    );
}

/// Where the network is the container's own, ports below 1024 are everyone's, as in Docker.
fn its_own_network_has_no_privileged_ports(t: &Stage) {
    t.need(
        std::path::Path::new("/usr/bin/python3").exists(),
        "no python3",
    );
    let listen = "import socket; socket.socket().bind(('127.0.0.1', 80))";
    let run = |options: &[&str]| {
        let mut args = vec!["run", "--rm", "--cap-drop", "all", "-u", "daemon"];
        args.extend(options);
        args.extend(["host:", "python3", "-c", listen]);
        t.call(&args)
    };
    assert_eq!(run(&[]).text(), "");
    for separator in [".", "/"] {
        let name = ["net", "ipv4", "ip_unprivileged_port_start=1024"].join(separator);
        let refused = run(&["--sysctl", &name]);
        assert_eq!(refused.code, 1, "{name}: {refused:?}");
        assert!(refused.stderr.contains("PermissionError"), "{refused:?}");
    }
    // The host's is the host's.
    let start = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
    let own = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let seen = t.sh(&["--network", "host"], start).text();
    assert_eq!(own.expect("a sysctl").trim_end(), seen);
}
