//! How far long work is: one line of a terminal that is written anew, and nothing anywhere else.

use std::path::Path;
use std::process::Command;

use crate::stage::{Stage, output};

crate::cases![
    a_load_says_how_far_it_is,
    a_save_says_how_far_it_is,
    a_copy_says_how_far_it_is,
];

/// Takes the line back.
const AGAIN: &str = "\r\x1b[K";

/// A shell's line on a terminal, with the program for every `LOCKSTEP`.
fn on_terminal(t: &Stage, line: &str) -> String {
    let words = format!("{:?}", t.command(&[])).replace('"', "'");
    let mut script = Command::new("script");
    script.args(["-qec", &line.replace("LOCKSTEP", &words), "/dev/null"]);
    output(script, b"").stdout
}

/// An archive in the store and as a file.
fn archive(t: &Stage) -> String {
    let layout = crate::image::layout(t);
    t.call(&["load", &layout]).text();
    let id = t.call(&["images", "-q"]).text();
    t.call(&["tag", &id, "box:1"]).text();
    let archive = t.dir.join("box.tar").display().to_string();
    let saved = t.call(&["save", "-o", &archive, "box:1"]);
    assert_eq!((saved.stdout.as_str(), saved.stderr.as_str()), ("", ""));
    archive
}

fn a_load_says_how_far_it_is(t: &Stage) {
    let archive = archive(t);
    t.call(&["rmi", "-f", "box:1"]).text();
    let slowly = format!("(head -c 700000 {archive}; sleep 1; tail -c +700001 {archive})");
    let seen = on_terminal(t, &format!("{slowly} | LOCKSTEP load"));
    assert!(seen.contains(&format!("{AGAIN}layer 1 of ")), "{seen:?}");
    assert!(seen.contains(" %)"), "{seen:?}");
    // The line is not left behind.
    assert!(seen.contains(&format!("{AGAIN}Loaded image: ")), "{seen:?}");
    for silent in ["LOCKSTEP load -q", "LOCKSTEP load 2>/dev/null"] {
        t.call(&["rmi", "-f", "box:1"]).text();
        let seen = on_terminal(t, &format!("{slowly} | {silent}"));
        assert!(!seen.contains('\x1b'), "{silent}: {seen:?}");
    }
}

fn a_save_says_how_far_it_is(t: &Stage) {
    archive(t);
    let seen = on_terminal(t, "LOCKSTEP save box:1 | (sleep 1; cat >/dev/null)");
    assert!(seen.contains(&format!("{AGAIN}written: ")), "{seen:?}");
    assert!(seen.ends_with(AGAIN), "{seen:?}");
    for silent in ["LOCKSTEP save -q box:1", "LOCKSTEP save box:1 2>/dev/null"] {
        let seen = on_terminal(t, &format!("{silent} | (sleep 1; cat >/dev/null)"));
        assert_eq!(seen, "", "{silent}");
    }
}

fn a_copy_says_how_far_it_is(t: &Stage) {
    t.need(Path::new("/usr/bin/strace").exists(), "no strace(1)");
    let script = "head -c 4000000 /dev/urandom > /tmp/big; touch /tmp/ready; exec sleep 1000";
    t.call(&["run", "-d", "--name", "c", "host:", "sh", "-c", script])
        .text();
    let ready = || t.call(&["exec", "c", "test", "-e", "/tmp/ready"]).code == 0;
    assert!(crate::stage::until(ready));
    let to = t.dir.join("big").display().to_string();
    let slow = "strace -o /dev/null -e trace=splice -e inject=splice:delay_enter=20000";
    let seen = on_terminal(t, &format!("{slow} LOCKSTEP cp c:/tmp/big {to}"));
    assert!(seen.contains(&format!("{AGAIN}copied: ")), "{seen:?}");
    assert!(
        seen.contains(&format!("{AGAIN}copied 1 entries")),
        "{seen:?}"
    );
    let inside = t.call(&["exec", "c", "md5sum", "/tmp/big"]).text();
    let mut here = Command::new("md5sum");
    here.arg(&to);
    assert_eq!(inside[..32], output(here, b"").text()[..32]);
    let seen = on_terminal(t, &format!("LOCKSTEP cp -q c:/tmp/big {to}"));
    assert_eq!(seen, "");
    // One that ends before everything is there takes the other along, and says why.
    let seen = on_terminal(t, "LOCKSTEP cp c:/tmp/big /no/such/place; echo code=$?");
    assert!(seen.contains("no/such"), "{seen:?}");
    assert!(
        seen.contains("code=125") || seen.contains("code=1"),
        "{seen:?}"
    );
}
