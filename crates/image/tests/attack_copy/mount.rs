//! Copies that cross mounts, in a mount namespace of the test's own.

use super::{make, plain};
use crate::stage::Stage;
use crate::stage::tar_file::Tar;
use lockstep_image::Kind;
use lockstep_image::transfer::{Place, Stream, place};
use lockstep_kernel::root::Root;
use lockstep_kernel::{file, mount, namespace, process};
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;

/// CLONE_NEWNS.
const NEWNS: u64 = 0x2_0000;

fn run(line: &str) {
    let done = Command::new("sh").args(["-c", line]).status();
    assert!(done.expect("sh").success(), "{line}");
}

/// A directory with another file system in it, at `m`.
fn crossed(stage: &Stage) -> std::path::PathBuf {
    namespace::unshare(NEWNS).expect("a mount namespace");
    run("mount --make-rprivate /");
    let into = stage.make_dir("into");
    stage.make_dir("into/m");
    run(&format!("mount -t tmpfs none {}/m", into.display()));
    into
}

fn unfinished(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir).expect("it").flatten();
    let hidden = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(".lockstep");
    names.filter(|entry| hidden(&entry.file_name())).count()
}

/// One stage for each, however often the stream goes from one to the other.
pub(super) fn as_many_as_there_are(stage: &Stage) {
    let into = crossed(stage);
    let mut archive = Tar::new();
    for n in 0..300 {
        let text = n.to_string();
        archive = archive.file(&text, &text).file(&format!("m/{n}"), &text);
    }
    let how = Place {
        stream: Stream::Archive,
        ..plain()
    };
    make(stage, &how, "into", &archive.end()).expect("a copy");
    assert_eq!(std::fs::read_dir(into.join("m")).expect("it").count(), 300);
    assert_eq!(std::fs::read_dir(&into).expect("it").count(), 301);
}

/// Nothing is made on it, neither whole things nor directories on the way to them.
pub(super) fn that_passes(stage: &Stage) {
    let into = crossed(stage);
    let point = file::open_dir(file::CWD, into.join("m")).expect("it");
    let passing = [mount::mount_id(&point).expect("an id")];
    for (path, archive) in [
        ("into", Tar::new().file("m/f", "f")),
        ("into", Tar::new().file("m/d/f", "f")),
        ("into", Tar::new().dir("m").dir("m/d")),
        ("into", Tar::new().symlink("m/l", "nowhere")),
        ("into", Tar::new().file("f", "f").hard("m/h", "f")),
        ("into/m", Tar::new().file("f", "f")),
    ] {
        let how = Place {
            stream: Stream::Archive,
            passing: &passing,
            ..plain()
        };
        let error = make(stage, &how, path, &archive.end()).expect_err("in memory");
        assert_eq!(error.kind, Kind::Unsupported, "{error}");
        assert!(error.to_string().contains("in memory"), "{error}");
        assert_eq!(std::fs::read_dir(into.join("m")).expect("it").count(), 0);
    }
    let how = Place {
        passing: &passing,
        ..plain()
    };
    let tree = Tar::new().dir("d").file("d/f", "f").end();
    let error = make(stage, &how, "into/m", &tree).expect_err("in memory");
    assert!(error.to_string().contains("in memory"), "{error}");
}

/// A stream that does something when so many bytes of it were read.
struct Then<F: FnMut()> {
    stream: Cursor<Vec<u8>>,
    at: u64,
    then: F,
}

impl<F: FnMut()> Read for Then<F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.stream.position() >= self.at {
            (self.then)();
        }
        let most = buffer.len().min(512);
        self.stream.read(&mut buffer[..most])
    }
}

/// The copier is killed, and one of its stages cannot be removed: the other one is all the same.
pub(super) fn whoever_is_left_tidies_up_on_every_one(stage: &Stage) {
    let into = crossed(stage);
    let large = "x".repeat(1 << 20);
    let archive = Tar::new()
        .file("a", "a")
        .file("m/b", "b")
        .file("m/c", &large);
    let stream = Then {
        stream: Cursor::new(archive.end()),
        at: 512 << 10,
        then: || {
            run(&format!(
                "mount -t tmpfs none {}/.lockstep-cp-*",
                into.display()
            ));
            process::exit(9);
        },
    };
    let process::Side::Parent(child) = process::clone(0, None).expect("a process") else {
        let root = Root::new(file::open_dir(file::CWD, &stage.dir).expect("the directory"));
        let how = Place {
            stream: Stream::Archive,
            ..plain()
        };
        drop(place(&root, Path::new("into"), &how, stream));
        process::exit(1);
    };
    let (_, ended) = process::wait(child.pid, false)
        .expect("it")
        .expect("its end");
    assert_eq!(ended.status(), 9);
    let gone = || unfinished(&into.join("m")) == 0;
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !gone() && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(gone());
    assert_eq!(unfinished(&into), 1, "what is mounted on cannot go");
}
