//! `cp` against a hostile container: an attack fails, also where but one of the protections is left, and it succeeds
//! without any of them, or it would prove nothing.
//!
//! CVE-2018-15664: a link leads out, or takes a directory's place while it is copied.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests act on the machine and print skips; the rules are for what is shipped"
)]

#[path = "../stage/mod.rs"]
mod stage;
#[path = "../../../lockstep-runc/tests/harness/suite.rs"]
mod suite;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use stage::{Stage, output, until};
use suite::Sample;

const CANARY: &str = "canary-of-the-host";

/// How `cp` is called.
type Call<'a> = &'a dyn Fn(&[&str]) -> Command;

struct Attack {
    name: &'static str,
    /// The protections: each alone stops the attack.
    weak: &'static [&'static str],
    /// Arranges the container.
    begin: fn(&Stage),
    /// Whether the attacker has won.
    body: fn(&Stage, Call<'_>) -> bool,
}

/// A side that is in its container; that has a Landlock domain and a filter; that resolves paths below its root.
const ALL: &[&str] = &["copy-outside", "copy-domain", "plain-open"];

const ATTACKS: &[Attack] = &[
    Attack {
        name: "a_link_is_read_through",
        weak: ALL,
        begin: links,
        body: |t, call| reads(t, call, "c:/tmp/d/secret", 1),
    },
    Attack {
        name: "a_link_is_written_through",
        weak: ALL,
        begin: links,
        body: |t, call| writes(t, call, "c:/tmp/d/new"),
    },
    Attack {
        name: "a_link_takes_a_directory_s_place",
        weak: ALL,
        begin: swapped,
        body: |t, call| reads(t, call, "c:/tmp/a/x/secret", 60),
    },
    Attack {
        name: "an_image_s_link_means_the_store",
        weak: ALL,
        begin: image,
        body: |t, call| reads(t, call, "c:/store/secret", 1),
    },
];

fn main() -> ExitCode {
    let taken = ATTACKS.iter().filter(|it| Sample::takes_point(it.name));
    let trials = taken.map(|attack| stage::trial(attack.name.to_owned(), |t| make(t, attack)));
    stage::run(trials.collect())
}

fn make(t: &Stage, attack: &Attack) {
    for name in ["host", "root-data"] {
        let dir = t.dir.join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("secret"), CANARY).expect("a file");
    }
    std::fs::write(t.dir.join("f"), "written").expect("a file");
    (attack.begin)(t);
    assert!(
        !(attack.body)(t, &|args| t.command(args)),
        "the attack succeeds"
    );
    let weak = variant();
    t.need(
        weak.is_file(),
        "no build without protections: cargo xtask variant lockstep_weak",
    );
    let without = |list: &[&str]| {
        (attack.body)(t, &|args| {
            let mut command = Command::new(&weak);
            command.args(t.command(args).get_args());
            command.env("LOCKSTEP_WEAK", list.join(","));
            command
        })
    };
    for left in attack.weak {
        let list: Vec<&str> = attack
            .weak
            .iter()
            .copied()
            .filter(|one| one != left)
            .collect();
        assert!(!without(&list), "the attack succeeds with {left} alone");
    }
    assert!(
        without(attack.weak),
        "the attack fails without all of them too"
    );
    drop(std::fs::remove_file(t.dir.join("root-data/secret")));
}

fn variant() -> PathBuf {
    let folder = std::env::var_os("LOCKSTEP_TEST_VARIANTS").map_or_else(
        || {
            // TARGET/TRIPLE/debug/lockstep
            let binary = Path::new(env!("CARGO_BIN_EXE_lockstep"));
            let target = binary.ancestors().nth(3).expect("a target directory");
            target.join("variants")
        },
        PathBuf::from,
    );
    folder.join("lockstep_weak/lockstep")
}

fn up(t: &Stage, script: &str) {
    let script = format!("{script}; sleep 1000");
    t.call(&["run", "-d", "--name", "c", "host:", "sh", "-c", &script])
        .text();
}

/// A link to the host's directory.
fn links(t: &Stage) {
    let host = t.dir.join("host").display().to_string();
    up(t, &format!("ln -s {host} /tmp/d; touch /tmp/there"));
    assert!(until(|| t
        .call(&["exec", "c", "test", "-e", "/tmp/there"])
        .code
        == 0));
}

/// A loop that exchanges a directory for a link to the host's.
fn swapped(t: &Stage) {
    let host = t.dir.join("host").display().to_string();
    let script = format!(
        "cd /tmp; mkdir -p a/x; echo harmless > a/x/secret; ln -s {host} link; mkdir b; \
         while :; do mv a/x b/x; mv link a/x; mv a/x link; mv b/x a/x; done"
    );
    up(t, &script);
    assert!(until(|| t
        .call(&["exec", "c", "test", "-e", "/tmp/b"])
        .code
        == 0));
}

/// A root file system whose link means the store, in which all other containers are.
fn image(t: &Stage) {
    let root = t.dir.join("root");
    for below in ["bin", "tmp", "proc", "dev", "sys"] {
        std::fs::create_dir_all(root.join(below)).expect("a directory");
    }
    std::os::unix::fs::symlink(t.dir.join("root-data"), root.join("store")).expect("a link");
    let image = format!("rootfs:{}", root.display());
    t.call(&["create", "--name", "c", &image, "/no/program"])
        .text();
}

fn reads(t: &Stage, call: Call<'_>, from: &str, tries: u32) -> bool {
    let out = t.dir.join("out");
    let won = (0..tries).any(|_| {
        drop(std::fs::remove_file(&out));
        output(call(&["cp", from, &out.display().to_string()]), b"");
        std::fs::read_to_string(&out).is_ok_and(|text| text == CANARY)
    });
    drop(std::fs::remove_file(&out));
    won
}

fn writes(t: &Stage, call: Call<'_>, to: &str) -> bool {
    let made = t.dir.join("host/new");
    let from = t.dir.join("f").display().to_string();
    output(call(&["cp", &from, to]), b"");
    let won = made.exists();
    drop(std::fs::remove_file(made));
    won
}
