//! Namespaces of another container: what is shared, what is not, and whose end is whose.

use crate::cases;
use crate::stage::{Output, Stage, kill, output, status};

cases![
    all_that_can_be_shared,
    an_ordinary_user_shares_too,
    nothing_else_is_lost,
    a_shared_pid_namespace_ends_with_its_first_process,
    a_network_outlives_its_container_and_is_found_anew,
    what_cannot_be_shared_is_refused,
    a_block_of_ids_is_kept_while_anybody_has_it,
    the_host_s_namespaces_come_with_consent,
];

const KINDS: [&str; 5] = ["pid", "ipc", "uts", "net", "user"];
const SHARE: [&str; 8] = [
    "--pid",
    "container:one",
    "--ipc",
    "container:one",
    "--uts",
    "container:one",
    "--network",
    "container:one",
];
const SLEEP: [&str; 3] = ["host:", "sleep", "1000"];
const LINKS: &str =
    "cd /proc/self/ns; readlink pid ipc uts net user mnt cgroup; cat /proc/self/uid_map";

fn run(t: &Stage, options: &[&str]) {
    t.call(&[&["run", "-d"], options, &SLEEP].concat()).text();
}

/// What both see of their namespaces, and what is said of it.
fn compare(call: &dyn Fn(&[&str]) -> Output) {
    let one = call(&["exec", "one", "sh", "-c", LINKS]).text();
    let other =
        call(&[&["run", "--rm"], &SHARE[..], &["host:", "sh", "-c", LINKS]].concat()).text();
    let (one, other): (Vec<_>, Vec<_>) = (one.lines().collect(), other.lines().collect());
    for (n, kind) in KINDS.iter().enumerate() {
        assert_eq!(one[n], other[n], "{kind}");
    }
    for n in [5, 6] {
        assert_ne!(one[n], other[n], "mount and cgroup namespaces are its own");
    }
    assert_eq!(one[7..], other[7..], "the same ids");
    call(&["exec", "one", "sh", "-c", "echo here >/dev/shm/note"]).text();
    let script = "cat /dev/shm/note; echo back >/dev/shm/answer; cat /proc/1/comm; hostname; \
                  awk '$3 == \"mqueue\" {print $2}' /proc/mounts; ls -d /sys/class/net/lo";
    let seen =
        call(&[&["run", "--rm"], &SHARE[..], &["host:", "sh", "-c", script]].concat()).text();
    let name = call(&["exec", "one", "hostname"]).text();
    assert_eq!(
        seen,
        format!("here\nsleep\n{name}\n/dev/mqueue\n/sys/class/net/lo")
    );
    assert_eq!(
        call(&["exec", "one", "cat", "/dev/shm/answer"]).text(),
        "back"
    );
}

fn all_that_can_be_shared(t: &Stage) {
    run(t, &["--name", "one"]);
    compare(&|args| t.call(args));
    run(t, &[&["--name", "two"], &SHARE[..]].concat());
    let id = t.field("one", "{{.Id}}");
    for mode in ["PidMode", "IpcMode", "UTSMode", "NetworkMode", "UsernsMode"] {
        let shown = t.field("two", &format!("{{{{.HostConfig.{mode}}}}}"));
        assert_eq!(shown, format!("container:{id}"), "{mode}");
    }
    let rows = t
        .call(&["ps", "--format", "{{.Names}} {{.Networks}}"])
        .text();
    assert!(rows.contains(&format!("two container:{id}")), "{rows}");
    // A later process is in the same.
    let links = |name| t.call(&["exec", name, "sh", "-c", LINKS]).text();
    assert_eq!(
        links("one").lines().take(5).collect::<Vec<_>>(),
        links("two").lines().take(5).collect::<Vec<_>>()
    );
    let why = t
        .call(&[&["run", "--why"], &SHARE[..], &SLEEP].concat())
        .text();
    assert!(
        why.contains("sees, signals and traces the processes of the other"),
        "{why}"
    );
    assert!(why.contains("root of one is root of both"), "{why}");
    // One who shares can be shared with.
    let third = ["--network", "container:two", "--pid", "container:one"];
    let third = t.call(&[&["run", "--rm"], &third[..], &["host:", "sh", "-c", LINKS]].concat());
    assert_eq!(third.text().lines().nth(3), links("one").lines().nth(3));
}

fn an_ordinary_user_shares_too(t: &Stage) {
    for first in [Some(1_400_000_000), None] {
        let call = |args: &[&str]| output(t.user_command(first, args), b"");
        call(&["run", "-d", "--name", "one", "host:", "sleep", "1000"]).text();
        compare(&call);
        call(&["rm", "-f", "one"]).text();
    }
}

fn nothing_else_is_lost(t: &Stage) {
    run(t, &["--name", "one"]);
    let script = "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; ls /proc/sys/kernel | wc -l; \
                  cat /proc/kcore 2>&1 | wc -c; grep -c ' ro[, ]' /proc/self/mountinfo";
    let hardened = |options: &[&str]| {
        t.call(&[&["run", "--rm"], options, &["host:", "sh", "-c", script]].concat())
            .text()
    };
    assert_eq!(hardened(&SHARE), hardened(&[]));
    // Files of the host have the owners that they have there.
    let dir = t.dir.join("data");
    std::fs::create_dir(&dir).expect("a directory");
    let volume = format!("{}:/data", dir.display());
    let network = ["--network", "container:one", "-v", &volume];
    t.call(
        &[
            &["run", "--rm"],
            &network[..],
            &["host:", "touch", "/data/f"],
        ]
        .concat(),
    )
    .text();
    let made = std::fs::metadata(dir.join("f")).expect("the file");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 0);
    // The supervisors are confined, and can end their own container.
    run(t, &[&["--name", "two"], &SHARE[..]].concat());
    let supervisor = t.supervisor("two");
    assert_eq!(status(supervisor, "CapEff"), "0000000000000000");
    assert_eq!(
        status(supervisor, "Uid"),
        status(t.supervisor("one"), "Uid")
    );
    t.call(&["stop", "-t", "0", "two"]).text();
    assert_eq!(t.field("one", "{{.State.Status}}"), "running");
    // Nor does the death of one supervisor go further.
    run(t, &[&["--name", "three"], &SHARE[..]].concat());
    let first = t.pid("three");
    kill(t.supervisor("three"), "KILL");
    let next = || drop(t.call(&["ps"]).text());
    assert!(t.ends_without_supervisor(first, next));
    assert_eq!(t.field("one", "{{.State.Status}}"), "running");
}

fn a_shared_pid_namespace_ends_with_its_first_process(t: &Stage) {
    run(t, &["--name", "one"]);
    run(t, &["--name", "two", "--pid", "container:one"]);
    t.call(&["kill", "one"]).text();
    assert_eq!(t.call(&["wait", "two"]).text(), "137");
    // Its supervisor may be about to say that it has ended.
    t.call(&["wait", "one"]).text();
    let refusal = t.call(&["start", "two"]).refused(125);
    assert!(refusal.contains("does not run"), "{refusal}");
    t.call(&["start", "one"]).text();
    t.call(&["start", "two"]).text();
    let space = |name: &str| {
        let path = format!("/proc/{}/ns/pid", t.pid(name));
        std::fs::read_link(path).expect("a namespace")
    };
    assert_eq!(space("one"), space("two"));
}

fn a_network_outlives_its_container_and_is_found_anew(t: &Stage) {
    run(t, &["--name", "one"]);
    run(t, &["--name", "two", "--network", "container:one"]);
    let space = |name: &str| {
        let path = format!("/proc/{}/ns/net", t.pid(name));
        std::fs::read_link(path).expect("a namespace")
    };
    let before = space("two");
    t.call(&["kill", "one"]).text();
    t.call(&["wait", "one"]).text();
    assert_eq!(t.field("two", "{{.State.Status}}"), "running");
    t.call(&["start", "one"]).text();
    assert_eq!(space("two"), before);
    assert_ne!(space("one"), before);
    t.call(&["restart", "-t", "0", "two"]).text();
    assert_eq!(space("two"), space("one"));
    t.call(&["rm", "-f", "one"]).text();
    t.call(&["stop", "-t", "0", "two"]).text();
    let refusal = t.call(&["start", "two"]).refused(125);
    assert!(refusal.contains("was removed"), "{refusal}");
}

fn what_cannot_be_shared_is_refused(t: &Stage) {
    run(t, &["--name", "one"]);
    run(t, &["--name", "two"]);
    t.call(&["create", "--name", "idle", "host:", "true"])
        .text();
    let lines: &[(&[&str], &str)] = &[
        (&["--pid", "container:nobody"], "no container \"nobody\""),
        (&["--pid", "container:"], "no container"),
        (
            &["--pid", "container:one", "--userns", "auto"],
            "brings that container's user namespace",
        ),
        (
            &["--pid", "container:one", "--userns", "host"],
            "brings that container's user namespace",
        ),
        (
            &["--pid", "container:one", "--uidmap", "0:5:7"],
            "brings that container's user namespace",
        ),
        (
            &["--pid", "container:one", "--ipc", "container:two"],
            "user namespaces of their own",
        ),
        (
            &["--uts", "container:one", "--hostname", "x"],
            "exclude each other",
        ),
        (
            &["--ipc", "container:one", "--shm-size", "1m"],
            "exclude each other",
        ),
        (&["--cgroupns", "container:one"], "is refused"),
        (&["--network", "container:idle"], "does not run"),
    ];
    for (options, text) in lines {
        let refusal = t
            .call(&[&["run", "--rm"], *options, &["host:", "true"]].concat())
            .refused(125);
        assert!(refusal.contains(text), "{options:?}: {refusal}");
    }
}

fn a_block_of_ids_is_kept_while_anybody_has_it(t: &Stage) {
    let blocks = || {
        let names = std::fs::read_dir(t.dir.join("root-data/blocks")).expect("blocks");
        let mut names: Vec<_> = names
            .map(|entry| {
                entry
                    .expect("a name")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort();
        names
    };
    let map = |name| t.call(&["exec", name, "cat", "/proc/self/uid_map"]).text();
    run(t, &["--name", "one"]);
    run(t, &["--name", "two", "--network", "container:one"]);
    run(t, &["--name", "three", "--uts", "container:two"]);
    assert_eq!(blocks().len(), 3);
    t.call(&["rm", "-f", "three"]).text();
    assert_eq!(blocks().len(), 2);
    t.call(&["rm", "-f", "one"]).text();
    assert_eq!(blocks().len(), 1, "the other is its holder");
    t.call(&["ps"]).text();
    run(t, &["--name", "next"]);
    assert_ne!(map("two"), map("next"), "ids of a container that lives");
    t.call(&["rm", "-f", "two", "next"]).text();
    assert!(blocks().is_empty(), "{:?}", blocks());
}

fn the_host_s_namespaces_come_with_consent(t: &Stage) {
    run(
        t,
        &["--name", "one", "--userns", "host", "--network", "host"],
    );
    let refusal = t
        .call(&["run", "--rm", "--pid", "container:one", "host:", "true"])
        .refused(125);
    assert!(refusal.contains("the host's user namespace"), "{refusal}");
    let shared = [
        "--pid",
        "container:one",
        "--ipc",
        "container:one",
        "--userns",
        "host",
    ];
    let links = t.call(&[&["run", "--rm"], &shared[..], &["host:", "sh", "-c", LINKS]].concat());
    let links = links.text();
    let one = t.call(&["exec", "one", "sh", "-c", LINKS]).text();
    assert_eq!(
        links.lines().take(2).collect::<Vec<_>>(),
        one.lines().take(2).collect::<Vec<_>>()
    );
    let network = ["--network", "container:one", "--userns", "host"];
    let links = t.call(
        &[
            &["run", "--rm"],
            &network[..],
            &["host:", "readlink", "/proc/self/ns/net"],
        ]
        .concat(),
    );
    let host = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
    assert_eq!(links.text(), host.display().to_string());
}
