//! `lockstep` inside a container: of itself, of Podman and of Docker. With what the outer container's defaults withhold it
//! says so; with that given back it makes a container that is as hard as any other.

use std::process::Command;

use crate::cases;
use crate::stage::{Output, Stage, output, program};

cases![in_itself, as_a_user, in_podman, in_docker];

/// A container of the inner program, and what it says of itself.
const INNER: &str = "--root /tmp/d --runroot /tmp/s run --rm host: sh -c \
                     'id -u; cat /proc/self/uid_map; grep -E \"^(NoNewPrivs|Seccomp):\" /proc/self/status; echo done'";

/// SELinux lets no container make namespaces, and AppArmor lets none mount.
const UNLABELLED: [&str; 4] = [
    "--security-opt",
    "label=disable",
    "--security-opt",
    "apparmor=unconfined",
];

#[track_caller]
fn works(run: Output, map: &str) {
    let said: Vec<&str> = run.stdout.split_whitespace().collect();
    assert_eq!(run.code, 0, "{run:?}");
    let expected = format!("0 {map} NoNewPrivs: 1 Seccomp: 2 done");
    assert_eq!(said.join(" "), expected, "{run:?}");
}

fn in_itself(t: &Stage) {
    // Its own file is nobody's to see; a copy is any program.
    let dir = t.dir.join("programs");
    std::fs::create_dir(&dir).expect("a directory");
    // By another process: what a test beside this one forks has what this one writes open, and that is not executed.
    let mut copy = std::process::Command::new("cp");
    copy.arg(program()).arg(dir.join("inner"));
    assert_eq!(output(copy, b"").code, 0);
    let volume = format!("{}:/programs:ro", dir.display());
    let run = |options: &[&str]| {
        let script = format!("/programs/inner {INNER}");
        let args = [
            &["run", "--rm", "-v", &volume][..],
            &UNLABELLED,
            options,
            &["host:", "sh", "-c", &script],
        ]
        .concat();
        t.call(&args)
    };
    let refusal = run(&[]).refused(125);
    assert!(
        refusal.contains("a sandbox around the runtime withholds it"),
        "{refusal}"
    );
    let calls = ["--security-opt", "seccomp=unconfined"];
    let refusal = run(&calls).refused(125);
    assert!(refusal.contains("CAP_SETFCAP"), "{refusal}");
    let root = [&calls[..], &["--cap-add", "SETFCAP"]].concat();
    let refusal = run(&root).refused(125);
    assert!(
        refusal.contains("partly covered by other mounts"),
        "{refusal}"
    );
    let map = "0 0 1 1 1 65534";
    works(
        run(&[&root[..], &["--security-opt", "unmask=ALL"]].concat()),
        map,
    );
    works(run(&["--privileged"]), map);
}

/// An ordinary user's container has no cgroups mounted where the user may make none.
fn as_a_user(t: &Stage) {
    let dir = t.dir.join("programs");
    std::fs::create_dir(&dir).expect("a directory");
    // By another process: what a test beside this one forks has what this one writes open, and that is not executed.
    let mut copy = std::process::Command::new("cp");
    copy.arg(program()).arg(dir.join("inner"));
    assert_eq!(output(copy, b"").code, 0);
    let volume = format!("{}:/programs:ro", dir.display());
    let run = |script: &str| {
        let options = [
            "run",
            "--rm",
            "-v",
            &volume,
            "--cap-add",
            "SETFCAP",
            "--security-opt",
            "seccomp=unconfined",
            "--security-opt",
            "unmask=ALL",
            "--security-opt",
            "label=disable",
            "--security-opt",
            "apparmor=unconfined",
            "host:",
            "sh",
            "-c",
            script,
        ];
        output(t.user_command(None, &options), b"")
    };
    works(run(&format!("/programs/inner {INNER}")), "0 0 1");
    let doctor = run("/programs/inner --root /tmp/d --runroot /tmp/s doctor");
    assert!(doctor.stdout.contains("- cgroups"), "{doctor:?}");
}

/// An image of busybox and this program, as a tar.
fn image(t: &Stage) -> String {
    t.need(
        std::path::Path::new("/bin/busybox").exists(),
        "no busybox (busybox-static)",
    );
    let dir = t.dir.join("image");
    let script = "mkdir -p bin tmp proc sys dev etc run && cp /bin/busybox bin && cp \"$1\" bin/lockstep && \
                  for name in sh cat id grep; do ln -s busybox bin/$name; done && tar -cf ../image.tar .";
    std::fs::create_dir(&dir).expect("a directory");
    let mut command = Command::new("sh");
    command
        .current_dir(&dir)
        .args(["-c", script, "sh"])
        .arg(program());
    output(command, b"").text();
    t.dir.join("image.tar").display().to_string()
}

/// What an engine says, which a script starts as `engine OPTIONS`, with a /run of its own and cgroups of the test's own.
fn engine(t: &Stage, start: &str, name: &str, lines: &[&str]) -> Vec<Output> {
    let at = t.dir.join("engine");
    std::fs::create_dir_all(&at).expect("a directory");
    let inner = format!("exec lockstep {INNER}\n");
    std::fs::write(at.join("inner.sh"), inner).expect("a script");
    let parent = format!("ls-nested-{}-{name}", std::process::id());
    let mut script = format!(
        "mount --make-rshared / && mount -t tmpfs -o mode=755 tmpfs /run && at={} image={} parent=/{parent} || exit 99\n{start}\n",
        at.display(),
        image(t)
    );
    for (n, line) in lines.iter().enumerate() {
        script.push_str(&format!(
            "engine {line} -v $at/inner.sh:/inner.sh:ro inner:1 sh /inner.sh >$at/out{n} 2>$at/err{n} </dev/null; echo $? >$at/code{n}\n"
        ));
    }
    script.push_str("stop\n");
    let mut command = Command::new("timeout");
    command.args([
        "120",
        "unshare",
        "-m",
        "--propagation",
        "private",
        "sh",
        "-c",
        &script,
    ]);
    let run = output(command, b"");
    let clean = format!(
        "find /sys/fs/cgroup -depth -type d -path '*/{parent}*' -exec rmdir {{}} ';' 2>/dev/null"
    );
    drop(Command::new("sh").args(["-c", &clean]).output());
    let read = |name: String| std::fs::read_to_string(at.join(name)).unwrap_or_default();
    let said = (0..lines.len()).map(|n| Output {
        code: read(format!("code{n}")).trim().parse().unwrap_or(-1),
        stdout: read(format!("out{n}")),
        stderr: format!("{}{}", read(format!("err{n}")), run.stderr),
    });
    said.collect()
}

const BLOCK: &str = "0 1879048192 65535";

fn in_podman(t: &Stage) {
    t.need(
        std::path::Path::new("/usr/bin/podman").exists(),
        "no podman",
    );
    let start = "cat >$at/containers.conf <<X\n\
        [containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
        [network]\nnetwork_config_dir = \"$at/networks\"\n\
        [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\ntmp_dir = \"$at/libpod\"\nX\n\
        printf '[storage]\\ndriver = \"overlay\"\\nrunroot = \"%s/run\"\\ngraphroot = \"%s/graph\"\\n' $at $at >$at/storage.conf\n\
        export CONTAINERS_CONF=$at/containers.conf CONTAINERS_STORAGE_CONF=$at/storage.conf\n\
        podman import -q $image inner:1 >&2 || exit 98\n\
        engine() { podman run --rm --network none --cgroup-parent $parent \"$@\"; }\nstop() { :; }";
    let lines = [
        "",
        "--security-opt seccomp=unconfined --security-opt unmask=ALL",
        "--privileged",
    ];
    let said = engine(t, start, "podman", &lines);
    let [plain, given, privileged] = <[Output; 3]>::try_from(said).expect("three answers");
    let refusal = plain.refused(125);
    assert!(
        refusal.contains("partly covered by other mounts"),
        "{refusal}"
    );
    assert!(given.stderr.contains("not enforced"), "{given:?}");
    works(given, BLOCK);
    works(privileged, BLOCK);
}

fn in_docker(t: &Stage) {
    t.need(
        std::path::Path::new("/usr/sbin/dockerd").exists(),
        "no dockerd",
    );
    let start = "dockerd --bridge=none --iptables=false --ip-forward=false --log-level=error --data-root $at/root \
        --exec-root $at/exec --pidfile $at/pid -H unix://$at/s --cgroup-parent $parent >/dev/null 2>&1 </dev/null &\n\
        daemon=$!\nexport DOCKER_HOST=unix://$at/s DOCKER_CONFIG=$at\n\
        n=0; until docker version >/dev/null 2>&1 || [ $n = 150 ]; do n=$((n + 1)); sleep 0.2; done\n\
        docker import $image inner:1 >&2\n\
        engine() { docker run --rm --network none \"$@\"; }\nstop() { kill $daemon; wait $daemon; }";
    let lines = [
        "",
        "--security-opt seccomp=unconfined",
        "--security-opt seccomp=unconfined --security-opt systempaths=unconfined",
    ];
    let said = engine(t, start, "docker", &lines);
    let [plain, calls, given] = <[Output; 3]>::try_from(said).expect("three answers");
    let refusal = plain.refused(125);
    assert!(
        refusal.contains("a sandbox around the runtime withholds it"),
        "{refusal}"
    );
    let refusal = calls.refused(125);
    assert!(
        refusal.contains("partly covered by other mounts"),
        "{refusal}"
    );
    assert!(given.stderr.contains("not enforced"), "{given:?}");
    works(given, BLOCK);
}
