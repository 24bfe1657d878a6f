//! `cp` against a container that is hostile: nothing of the host but what was named is read or changed.
//!
//! CVE-2018-15664 (a link takes a directory's place while it is copied), CVE-2019-14271 (a library of the container is loaded
//! by the copying process: the binary is static), CVE-2022-1227 (the copying process runs what the container says).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::stage::{Background, Stage, output, processes_naming, until};

crate::cases![
    links_lead_nowhere_but_in_the_container,
    links_that_change_places_meanwhile,
    names_of_processes_are_no_way_out,
    a_procfs_of_the_container_s_own,
    special_files_are_not_opened,
    names_are_hostile_text,
    a_giant_of_nothing,
    the_store_is_out_of_reach,
    the_copying_processes_are_confined,
    a_kernel_without_landlock,
    killed_at_any_moment,
];

const CANARY: &str = "canary-of-the-host";

/// A file of the host that only root may read, outside of everything that is named.
fn canary(t: &Stage) -> String {
    let path = t.dir.join("canary");
    std::fs::write(&path, CANARY).expect("a file");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("a mode");
    path.display().to_string()
}

fn up(t: &Stage, name: &str, options: &[&str]) {
    let mut args = vec!["run", "-d", "--name", name];
    args.extend(options);
    args.extend(["host:", "sleep", "1000"]);
    t.call(&args).text();
}

fn inside(t: &Stage, name: &str, script: &str) -> String {
    t.call(&["exec", name, "sh", "-c", script]).text()
}

/// Whether any file below a directory has the canary in it.
fn has_canary(dir: &Path) -> bool {
    let found = Command::new("grep")
        .args(["-r", "-q", CANARY])
        .arg(dir)
        .status();
    found.expect("grep").success()
}

fn links_lead_nowhere_but_in_the_container(t: &Stage) {
    let canary = canary(t);
    up(t, "c", &[]);
    let ways = [
        canary.clone(),
        format!("../../../../../../../..{canary}"),
        format!("/proc/self/root{canary}"),
        format!("/proc/1/root{canary}"),
        format!("/proc/1/cwd/../../../../../..{canary}"),
    ];
    std::fs::write(t.dir.join("f"), "of the caller").expect("a file");
    let own = t.dir.join("f").display().to_string();
    for (n, way) in ways.iter().enumerate() {
        let directory = Path::new(way).parent().expect("it").display().to_string();
        inside(
            t,
            "c",
            &format!("cd /tmp; ln -s {way} f{n}; ln -s {directory} d{n}"),
        );
        let out = t.dir.join("out");
        std::fs::create_dir(&out).expect("a directory");
        let to = out.display().to_string();
        for from in [
            format!("c:/tmp/f{n}"),
            format!("c:/tmp/d{n}/canary"),
            format!("c:/tmp/d{n}/."),
            format!("c:/tmp/d{n}/"),
        ] {
            for args in [&["cp"][..], &["cp", "-L"], &["cp", "-a"]] {
                let mut args = args.to_vec();
                args.extend([&*from, &*to]);
                // Refused, or the container's own file of that name, which it has not.
                t.call(&args);
            }
        }
        // As an archive too.
        let tar = t.call(&["cp", "-L", &format!("c:/tmp/f{n}"), "-"]);
        assert!(!tar.stdout.contains(CANARY), "{way}");
        for to in [
            format!("c:/tmp/f{n}"),
            format!("c:/tmp/d{n}/canary"),
            format!("c:/tmp/d{n}/new"),
        ] {
            t.call(&["cp", &own, &to]);
            t.call(&["cp", "--overwrite", &own, &to]);
        }
        // What is a link here now, is a link to a name and nothing of what that name is.
        for entry in std::fs::read_dir(&out).expect("it").flatten() {
            if entry.path().is_symlink() {
                std::fs::remove_file(entry.path()).expect("it goes");
            }
        }
        assert!(!has_canary(&out), "{way}");
        std::fs::remove_dir_all(&out).expect("it goes");
    }
    assert_eq!(std::fs::read_to_string(&canary).expect("it"), CANARY);
    assert!(!t.dir.join("new").exists());
}

/// CVE-2018-15664: a loop in the container exchanges a directory for a link to the host's, at every moment of a copy.
fn links_that_change_places_meanwhile(t: &Stage) {
    let canary = canary(t);
    let dir = t.dir.join("host");
    std::fs::create_dir(&dir).expect("a directory");
    std::fs::write(dir.join("f"), CANARY).expect("a file");
    let target = dir.display();
    let script = format!(
        "cd /tmp; mkdir -p a/x; echo harmless > a/x/f; ln -s {target} link; mkdir b; \
         while :; do mv a/x b/x; mv link a/x; mv a/x link; mv b/x a/x; done"
    );
    t.call(&["run", "-d", "--name", "c", "host:", "sh", "-c", &script])
        .text();
    assert!(until(|| t
        .call(&["exec", "c", "test", "-e", "/tmp/b"])
        .code
        == 0));
    std::fs::write(t.dir.join("f"), "written").expect("a file");
    let own = t.dir.join("f").display().to_string();
    let mut done = 0;
    for n in 0..60 {
        let out = t.dir.join(format!("out{n}"));
        let to = out.display().to_string();
        let from = ["c:/tmp/a/x/f", "c:/tmp/a/x/.", "c:/tmp/a", "c:/tmp/a/x/"][n % 4];
        t.call(&["cp", from, &to]);
        done += usize::from(out.exists());
        // A link that was copied as one is not to be followed by the looking.
        if out.exists() && !out.is_symlink() {
            assert!(!has_canary(&out), "{from}");
        }
        t.call(&["cp", &own, "c:/tmp/a/x/f"]);
        t.call(&["cp", &own, "c:/tmp/a/x/new"]);
    }
    assert!(done > 0, "nothing was ever copied");
    assert_eq!(std::fs::read_to_string(dir.join("f")).expect("it"), CANARY);
    assert!(!dir.join("new").exists());
    assert_eq!(std::fs::read_to_string(canary).expect("it"), CANARY);
}

/// A container that shares the host's processes and users sees /proc/PID/root of each: links that lead out of any root.
fn names_of_processes_are_no_way_out(t: &Stage) {
    let canary = canary(t);
    up(t, "c", &["--pid", "host", "--userns", "host"]);
    // Of a process that is root of the host, outside of the container.
    let outside = std::process::id();
    let way = format!("/proc/{outside}/root{canary}");
    let directory = format!("/proc/{outside}/root{}", t.dir.display());
    inside(
        t,
        "c",
        &format!("cd /tmp; ln -s {way} f; ln -s {directory} d; ln -s /proc/{outside}/cwd w"),
    );
    let out = t.dir.join("out").display().to_string();
    std::fs::write(t.dir.join("f"), "of the caller").expect("a file");
    let own = t.dir.join("f").display().to_string();
    // EACCES comes before ELOOP: who may not look into that process may not follow its links anyway.
    let refusals = ["ELOOP", "EXDEV", "EACCES"];
    for args in [
        &["cp", "-L", "c:/tmp/f", &*out][..],
        &["cp", "c:/tmp/d/canary", &out],
        &["cp", "c:/tmp/w/.", &out],
        &["cp", &format!("c:{way}"), &out],
        &["cp", &own, "c:/tmp/f"],
        &["cp", &own, "c:/tmp/d/new"],
        &["cp", &own, &format!("c:{directory}/new")],
    ] {
        let text = t.call(args).refused(125);
        assert!(
            refusals.iter().any(|errno| text.contains(errno)),
            "{args:?}: {text}"
        );
    }
    let bytes = tar(&[("d/new", "x")]);
    t.call_with(&bytes, &["cp", "-", "c:/tmp"]).refused(125);
    assert!(!t.dir.join("new").exists() && !t.dir.join("out").exists());
    assert_eq!(std::fs::read_to_string(&canary).expect("it"), CANARY);
}

/// An archive of files, by tar(1).
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let dir = crate::stage::run_directory().join("tar");
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("it")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    let mut command = Command::new("tar");
    command.arg("-C").arg(&dir).arg("-cf").arg("-");
    command.args(files.iter().map(|(name, _)| name));
    let made = command.output().expect("tar");
    drop(std::fs::remove_dir_all(dir));
    made.stdout
}

/// The copying process opens files through /proc/self/fd. What the container has at /proc means nothing to it.
fn a_procfs_of_the_container_s_own(t: &Stage) {
    up(t, "c", &["--privileged"]);
    let script = "mkdir -p /tmp/false/self/fd; for n in $(seq 0 40); do echo false > /tmp/false/self/fd/$n; done; \
                  echo true > /tmp/f; mount --bind /tmp/false /proc";
    inside(t, "c", script);
    let out = t.dir.join("out");
    t.call(&["cp", "c:/tmp/f", &out.display().to_string()])
        .text();
    assert_eq!(std::fs::read_to_string(&out).expect("it"), "true\n");
    t.call(&["cp", &out.display().to_string(), "c:/tmp/g"])
        .text();
    assert_eq!(inside(t, "c", "cat /tmp/g"), "true");
}

fn special_files_are_not_opened(t: &Stage) {
    up(
        t,
        "c",
        &[
            "--userns",
            "host",
            "--cap-add",
            "mknod",
            "--device",
            "/dev/null",
        ],
    );
    let script = "mkdir /tmp/d; cd /tmp/d; mkfifo fifo; mknod disk b 8 0; mknod mem c 1 1; echo f > f; \
                  perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"socket\", Listen => 1)' || true";
    inside(t, "c", script);
    let out = t.dir.join("out").display().to_string();
    let done = t.call(&["cp", "c:/tmp/d", &out]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("without 2 device nodes"), "{done:?}");
    let names = std::fs::read_dir(&out).expect("it").flatten();
    let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["f", "fifo"]);
    for name in ["disk", "mem"] {
        let text = t
            .call(&["cp", &format!("c:/tmp/d/{name}"), &format!("{out}/x")])
            .refused(125);
        assert!(text.contains("device"), "{text}");
    }
    // Nor is one of this side overwritten, or one made in the container.
    for to in ["/dev/null", "/dev/full"] {
        t.call(&["cp", "c:/tmp/d/f", to]).refused(125);
        t.call(&["cp", to, "c:/tmp/d/new"]).refused(125);
    }
    // A FIFO is one over there and blocks nobody here.
    t.call(&["cp", "c:/tmp/d/fifo", &format!("{out}/again")])
        .text();
}

fn names_are_hostile_text(t: &Stage) {
    up(t, "c", &[]);
    let script = r#"mkdir /tmp/d; cd /tmp/d; for n in "$(printf 'a\nb')" "$(printf 'esc\033[2J')" "--help" "-" "a:b" " " "$(printf '\377\376')" ".lockstep-cp-x" ".wh.a" "$(head -c 255 /dev/zero | tr '\0' x)"; do echo x > "$n"; done; ls | wc -l"#;
    let count = inside(t, "c", script);
    let out = t.dir.join("out");
    t.call(&["cp", "c:/tmp/d", &out.display().to_string()])
        .text();
    assert_eq!(
        std::fs::read_dir(&out).expect("it").count().to_string(),
        "10"
    );
    // ls shows eight of them, one on two lines.
    assert_eq!(count, "9");
    t.call(&["cp", &out.display().to_string(), "c:/tmp/e"])
        .text();
    assert_eq!(inside(t, "c", "cd /tmp; diff -r d e && echo same"), "same");
    // An error that names one does not drive the terminal.
    let text = t
        .call(&["cp", "c:/tmp/no\u{1b}[2J", &out.display().to_string()])
        .refused(125);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    inside(
        t,
        "c",
        r#"mkdir "$(printf '/tmp/d/\033]0;x\007')"; chmod 0 /tmp/d"#,
    );
    t.call(&["cp", "c:/tmp/d", &format!("{}/x", out.display())])
        .text();
}

fn a_giant_of_nothing(t: &Stage) {
    up(t, "c", &["--tmpfs", "/mnt:size=4m"]);
    inside(t, "c", "cd /tmp; truncate -s 4T giant; echo end >> giant");
    let out = t.dir.join("out").display().to_string();
    t.call(&["cp", "c:/tmp/giant", &out]).text();
    let found = std::fs::metadata(&out).expect("it");
    assert_eq!(found.len(), (4 << 40) + 4);
    let tar = t
        .command(&["cp", "c:/tmp/giant", "-"])
        .output()
        .expect("an archive");
    assert!(tar.stdout.len() < 1 << 20, "{} bytes", tar.stdout.len());
    // Through it the container cannot have more than its own disk has room for.
    t.call(&["cp", &out, "c:/mnt/giant"]).text();
    std::fs::remove_file(&out).expect("it goes");
}

/// What `host:` does not have, `cp` does not find: above all the store, in which all other containers are.
fn the_store_is_out_of_reach(t: &Stage) {
    let canary = canary(t);
    up(t, "c", &[]);
    let out = t.dir.join("out").display().to_string();
    let store = t.dir.join("root-data").display().to_string();
    let state = t.dir.join("root-state").display().to_string();
    for path in [&store, &state, &canary] {
        for args in [&["cp"][..], &["cp", "-L"]] {
            let mut args = args.to_vec();
            let from = format!("c:{path}");
            args.extend([&*from, &*out]);
            let text = t.call(&args).refused(125);
            assert!(text.contains("no such file"), "{text}");
        }
    }
    // An image whose links and mount points mean the store's directories.
    let root = t.dir.join("root");
    for below in ["bin", "tmp", "proc", "dev", "sys"] {
        std::fs::create_dir_all(root.join(below)).expect("a directory");
    }
    for (name, target) in [("store", &store), ("state", &state)] {
        std::os::unix::fs::symlink(target, root.join(name)).expect("a link");
    }
    std::os::unix::fs::symlink("../../../../../../../..", root.join("up")).expect("a link");
    let image = format!("rootfs:{}", root.display());
    t.call(&["create", "--name", "r", &image, "/no/program"])
        .text();
    let file = t.dir.join("f");
    std::fs::write(&file, "f").expect("a file");
    for path in [
        "/store/containers",
        "/store/.",
        "/state/.",
        &format!("/up{store}"),
        &format!("/up{canary}"),
    ] {
        t.call(&["cp", &format!("r:{path}"), &out]).refused(125);
        t.call(&["cp", &file.display().to_string(), &format!("r:{path}/new")])
            .refused(125);
    }
    assert!(!Path::new(&out).exists());
    assert!(!Path::new(&store).join("new").exists());
}

/// Each of the two has the descriptors and rights that its side needs, as /proc shows them.
fn the_copying_processes_are_confined(t: &Stage) {
    up(t, "c", &[]);
    // The stream is held up, so that both can be looked at.
    inside(t, "c", "head -c 3000000 /dev/urandom > /tmp/f");
    let mut command = t.command(&["cp", "c:/tmp/f", "-"]);
    let (read, write) = std::io::pipe().expect("a pipe");
    command.stdout(write);
    let mut child = command.spawn().expect("it starts");
    drop(command);
    let mark = t.dir.display().to_string();
    let worker = || {
        processes_naming(&mark)
            .into_iter()
            .find(|pid| crate::stage::status(*pid, "PPid") == child.id().to_string())
    };
    assert!(until(
        || worker().is_some_and(|pid| crate::stage::status(pid, "Seccomp") == "2")
    ));
    let pid = worker().expect("a side of the copy");
    assert_eq!(crate::stage::status(pid, "NoNewPrivs"), "1");
    let over_files = 0b1_1111_u64 | 1 << 31;
    let effective = u64::from_str_radix(&crate::stage::status(pid, "CapEff"), 16).expect("a mask");
    assert_eq!(effective & !over_files, 0, "{effective:x}");
    // Not the host's root, and in the container's file systems.
    assert_ne!(
        crate::stage::status(pid, "Uid").split(' ').next(),
        Some("0")
    );
    let link =
        |pid: u32, name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).expect("a link");
    assert_eq!(link(pid, "ns/mnt"), link(t.pid("c"), "ns/mnt"));
    assert_eq!(link(pid, "ns/user"), link(t.pid("c"), "ns/user"));
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("it")
        .flatten()
    {
        let target = std::fs::read_link(entry.path()).expect("a link");
        assert!(
            !target.starts_with(t.dir.join("root-data"))
                && !target.starts_with(t.dir.join("root-state"))
                // From which `..` would lead through the host's.
                && !target.starts_with("/proc"),
            "{target:?}"
        );
        let number = entry.file_name().to_string_lossy().parse::<u32>();
        assert!(
            number.expect("a number") > 2 || target == Path::new("/dev/null"),
            "{target:?}"
        );
    }
    assert!(
        !link(pid, "exe").starts_with("/tmp/ls-people"),
        "{:?}",
        link(pid, "exe")
    );
    drop(read);
    drop(child.wait());
}

/// Executes its arguments under a filter that answers landlock_create_ruleset(2) with ENOSYS: BPF_LD of the number,
/// BPF_JEQ, two BPF_RET (linux/seccomp.h).
const WITHOUT_LANDLOCK: &str = r#"
import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050026), (0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(program)))
assert ctypes.CDLL(None).prctl(22, 2, ctypes.c_void_p(ctypes.addressof(filter)), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"#;

fn a_kernel_without_landlock(t: &Stage) {
    let python = Path::new("/usr/bin/python3").exists();
    t.need(python, "no python3(1)");
    up(t, "c", &[]);
    std::fs::write(t.dir.join("f"), "f").expect("a file");
    let own = t.dir.join("f").display().to_string();
    let copy = t.command(&["cp", &own, "c:/tmp/f"]);
    let mut command = Command::new("python3");
    command.args(["-c", WITHOUT_LANDLOCK]);
    command.arg(copy.get_program()).args(copy.get_args());
    let done = output(command, b"");
    assert!(
        done.stderr
            .contains("no Landlock: the processes of the copy have no domain"),
        "{done:?}"
    );
    assert_eq!(done.code, 0, "{done:?}");
    let done = t.call(&["cp", &own, "c:/tmp/f"]);
    assert_eq!(done.stderr, "");
}

/// Directories in which something of an unfinished copy would be.
fn unfinished(t: &Stage, dir: &Path) -> Vec<String> {
    let here = std::fs::read_dir(dir).expect("it").flatten();
    let here = here.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut all: Vec<String> = here.collect();
    let there = t.call(&["exec", "c", "ls", "-A", "/tmp/into"]).stdout;
    all.extend(there.lines().map(str::to_owned));
    all.retain(|name| name.starts_with(".lockstep"));
    all
}

fn tree(t: &Stage) -> String {
    let tree = t.dir.join("tree");
    for n in 0..30 {
        let dir = tree.join(format!("d{n}"));
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("f"), vec![b'x'; 100_000]).expect("a file");
    }
    tree.display().to_string()
}

fn killed_at_any_moment(t: &Stage) {
    up(t, "c", &[]);
    let tree = tree(t);
    inside(t, "c", "mkdir /tmp/into");
    t.call(&["cp", &tree, "c:/tmp/tree"]).text();
    let out = t.dir.join("out");
    std::fs::create_dir(&out).expect("a directory");
    let to = format!("{}/new", out.display());
    for round in 0..40_u64 {
        for args in [
            ["cp", "c:/tmp/tree", &*to],
            ["cp", &*tree, "c:/tmp/into/new"],
        ] {
            let front = Background::start(t.command(&args));
            std::thread::sleep(std::time::Duration::from_micros(700 * round));
            crate::stage::kill(front.pid(), "KILL");
            drop(front);
        }
        assert!(
            until(|| unfinished(t, &out).is_empty()),
            "{:?}",
            unfinished(t, &out)
        );
        // All of it or nothing.
        let whole = |count: usize| count == 0 || count == 30;
        let count = std::fs::read_dir(&to).map_or(0, |dir| dir.count());
        assert!(whole(count), "{count} of 30 in round {round}");
        let count: usize = inside(t, "c", "ls /tmp/into/new 2>/dev/null | wc -l")
            .parse()
            .expect("a number");
        assert!(whole(count), "{count} of 30 in round {round}");
        drop(std::fs::remove_dir_all(&to));
        inside(t, "c", "rm -rf /tmp/into/new");
    }
}
