//! Hostile layers and images: whatever an archive says, nothing outside the layer's directory changes, and what
//! is refused is refused by name.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test arranges the world that the product may not touch, and talks on stdout"
)]

mod escape;
mod form;
mod image;
mod limit;
mod mark;

#[path = "../stage/mod.rs"]
mod stage;

use lockstep_image::unpack::{Destination, Unpacked, unpack};
use lockstep_image::{Kind, Limits};
use lockstep_kernel::file::{self, OFlags};
use stage::Stage;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let tests: Vec<stage::Test> = [
        escape::TESTS,
        form::TESTS,
        image::TESTS,
        limit::TESTS,
        mark::TESTS,
    ]
    .concat();
    stage::main(&tests)
}

/// What must come of an archive.
type Expected<'a> = Result<&'a dyn Fn(&Path), (Kind, &'a str)>;

/// Opens a directory for use as a layer.
fn open(path: &Path) -> OwnedFd {
    file::openat(file::CWD, path, OFlags::RDONLY | OFlags::DIRECTORY, 0).expect("a directory")
}

/// Unpacks an archive upon layers, into `name`.
fn onto(
    stage: &Stage,
    name: &str,
    archive: &[u8],
    below: &[&Path],
    limits: &Limits,
) -> (PathBuf, lockstep_image::Result<Unpacked>) {
    let root = stage.make_dir(name);
    let directory = open(&root);
    let below: Vec<OwnedFd> = below.iter().map(|path| open(path)).collect();
    let owners = stage.caller.owners();
    let done = unpack(
        archive,
        &Destination {
            directory: directory.as_fd(),
            below: &below,
            owners: &owners,
            user_xattrs: stage.caller != stage::Caller::Root,
            limits,
        },
    );
    (root, done)
}

/// Unpacks each archive and compares what comes of it; the outside must not change.
#[track_caller]
fn check(stage: &Stage, cases: &[(&str, Vec<u8>, Expected<'_>)]) {
    check_with(stage, &Limits::default(), cases);
}

#[track_caller]
fn check_with(stage: &Stage, limits: &Limits, cases: &[(&str, Vec<u8>, Expected<'_>)]) {
    let outside = stage.outside();
    let before = stage::picture(&outside);
    let mut wrong = Vec::new();
    for (name, archive, expected) in cases {
        let (root, done) = onto(stage, &format!("layer-{name}"), archive, &[], limits);
        match (done, expected) {
            (Ok(_), Ok(check)) => check(&root),
            (Err(e), Err((kind, text))) if e.kind == *kind && e.to_string().contains(text) => {}
            (Ok(done), Err((kind, text))) => {
                wrong.push(format!(
                    "{name}: unpacked {done:?}, expected {kind:?} {text:?}"
                ));
            }
            (Err(e), expected) => {
                let expected = expected.as_ref().err();
                wrong.push(format!("{name}: {:?} {e}, expected {expected:?}", e.kind));
            }
        }
        if stage::picture(&outside) != before {
            wrong.push(format!("{name}: the outside changed"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Content of a file, as text.
fn text(root: &Path, name: &str) -> String {
    let path = root.join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Whether there is something of that name, not followed.
fn is_there(root: &Path, name: &str) -> bool {
    std::fs::symlink_metadata(root.join(name)).is_ok()
}
