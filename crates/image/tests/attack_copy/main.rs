//! Hostile streams as one side of a copy: whatever an archive says, nothing outside of what was named changes.
//!
//! The other side of `cp` is a process in a container. Here it says what it likes.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test arranges the world that the product may not touch, and talks on stdout"
)]

#[path = "../stage/mod.rs"]
mod stage;

#[path = "../fuzz_site/mod.rs"]
mod fuzz_site;
mod mount;
#[path = "../fuzz_site/mutation.rs"]
mod mutation;

use lockstep_image::transfer::{Ownership, Place, Stream, Summary, place};
use lockstep_image::{Kind, Result};
use lockstep_kernel::file;
use lockstep_kernel::root::Root;
use stage::tar_file::{Header, Tar};
use stage::{ALL, ROOT, Stage, Test, picture};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

const TESTS: &[Test] = &[
    ("names_lead_nowhere", ALL, names_lead_nowhere),
    ("links_lead_nowhere", ALL, links_lead_nowhere),
    (
        "what_is_not_below_the_top_is_refused",
        ALL,
        what_is_not_below_the_top_is_refused,
    ),
    (
        "what_was_cut_off_is_not_there",
        ALL,
        what_was_cut_off_is_not_there,
    ),
    (
        "what_is_there_is_no_way_out",
        ALL,
        what_is_there_is_no_way_out,
    ),
    ("no_privilege_comes_along", ROOT, no_privilege_comes_along),
    ("devices_are_not_made", ALL, devices_are_not_made),
    ("everything_has_a_limit", ALL, everything_has_a_limit),
    ("the_same_name_twice", ALL, the_same_name_twice),
    (
        "an_archive_follows_links_of_its_own_root",
        ALL,
        an_archive_follows_links_of_its_own_root,
    ),
    (
        "no_link_of_a_hidden_tree_is_followed",
        ALL,
        no_link_of_a_hidden_tree_is_followed,
    ),
    (
        "what_links_and_fifos_lose_is_counted",
        ALL,
        what_links_and_fifos_lose_is_counted,
    ),
    ("mutated_streams_lead_nowhere", ROOT, mutated_streams),
    (
        "as_many_mounts_as_there_are",
        ROOT,
        mount::as_many_as_there_are,
    ),
    ("a_mount_that_passes", ROOT, mount::that_passes),
    (
        "whoever_is_left_tidies_up_on_every_mount",
        ROOT,
        mount::whoever_is_left_tidies_up_on_every_one,
    ),
];

fn main() -> ExitCode {
    stage::main(TESTS)
}

/// The fuzz target `place` for a few seconds, without libFuzzer.
fn mutated_streams(stage: &Stage) {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/place");
    let site = fuzz_site::Site::new(&stage.make_dir("site"));
    let mut random = mutation::Random(0x10c5_7e9d);
    for seed in std::fs::read_dir(seeds).expect("seeds") {
        let seed = std::fs::read(seed.expect("a seed").path()).expect("a seed");
        site.play(&seed);
        for _ in 0..300 {
            let how = u8::try_from(random.next(256)).expect("a byte");
            let mut stream = seed[1..].to_vec();
            mutation::mutate(&mut random, &mut stream);
            stream.insert(0, how);
            site.play(&stream);
        }
    }
}

/// How this side is made if nothing else is said.
fn plain<'a>() -> Place<'a> {
    Place {
        stream: Stream::Copy,
        owners: Ownership::Maker,
        privileges: false,
        overwrite: false,
        follow: false,
        passing: &[],
        ready: &|_| Ok(()),
    }
}

/// Makes what a stream says at `path`, below a root that is the test's directory.
fn make(stage: &Stage, how: &Place<'_>, path: &str, archive: &[u8]) -> Result<Summary> {
    let root = Root::new(file::open_dir(file::CWD, &stage.dir).expect("the directory"));
    place(&root, Path::new(path), how, archive)
}

/// A directory for copies, beside which lies what must not change; whatever is done, that does not.
fn guarded(stage: &Stage, act: impl FnOnce(&Path)) {
    let outside = stage.outside();
    let into = stage.make_dir("into");
    let before = picture(&outside);
    act(&into);
    assert_eq!(picture(&outside), before);
    let left = std::fs::read_dir(&into).expect("it").flatten();
    let left: Vec<_> = left
        .map(|entry| entry.file_name().into_string().expect("text"))
        .filter(|name| name.starts_with(".lockstep"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Refused with this kind, and nothing of it is there.
#[track_caller]
fn refused(stage: &Stage, archive: &[u8], kind: Kind, word: &str) {
    guarded(stage, |into| {
        let error = make(stage, &plain(), "into/new", archive).expect_err(word);
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(std::fs::read_dir(into).expect("it").count(), 0, "{error}");
    });
}

fn names_lead_nowhere(stage: &Stage) {
    for name in ["../outside/x", "d/../../outside/x", "d/..", "..", "d/x\0y"] {
        let header = Header {
            name: name.as_bytes(),
            ..Header::default()
        };
        // A NUL ends the name in a header; in a record it is refused.
        let archive = match name.contains('\0') {
            true => Tar::new()
                .dir("d")
                .pax(&[("path", name.as_bytes())])
                .file("d/x", ""),
            false => Tar::new().dir("d").entry(&header, b""),
        };
        refused(
            stage,
            &archive.end(),
            Kind::Invalid,
            if name.contains('\0') { "pax" } else { ".." },
        );
    }
    // An absolute name is one below the top like any other.
    guarded(stage, |into| {
        let archive = Tar::new().dir("/d").file("//d/x", "x").end();
        make(stage, &plain(), "into/new", &archive).expect("a copy");
        assert_eq!(std::fs::read(into.join("new/x")).expect("it"), b"x");
    });
}

fn links_lead_nowhere(stage: &Stage) {
    let outside = stage.outside().display().to_string();
    for target in [&*outside, "../../outside", "../outside", "/outside"] {
        let through = Tar::new()
            .dir("d")
            .symlink("d/l", target)
            .file("d/l/dir/new", "x");
        refused(stage, &through.clone().end(), Kind::Kernel, "no directory");
        let directory = Tar::new()
            .dir("d")
            .symlink("d/l", target)
            .dir("d/l")
            .file("d/l/new", "x");
        guarded(stage, |into| {
            // A directory of the same name takes the link's place, in a tree that nobody has seen yet.
            drop(make(stage, &plain(), "into/new", &directory.end()));
            drop(std::fs::remove_dir_all(into.join("new")));
        });
        let top = Tar::new().symlink("d", target).file("d/new", "x");
        guarded(stage, |into| {
            make(stage, &plain(), "into/new", &top.end()).expect_err("refused");
            drop(std::fs::remove_file(into.join("new")));
        });
    }
    for target in [
        "d/l/secret",
        "d/../../outside/secret",
        "/outside/secret",
        "secret",
    ] {
        let archive = Tar::new()
            .dir("d")
            .symlink("d/l", &outside)
            .hard("d/h", target);
        guarded(stage, |into| {
            make(stage, &plain(), "into/new", &archive.end()).expect_err(target);
            assert_eq!(std::fs::read_dir(into).expect("it").count(), 0, "{target}");
        });
    }
}

fn what_is_not_below_the_top_is_refused(stage: &Stage) {
    refused(
        stage,
        &Tar::new().dir("d").file("e", "x").end(),
        Kind::Invalid,
        "not below",
    );
    refused(
        stage,
        &Tar::new().file("d", "x").file("into", "x").end(),
        Kind::Invalid,
        "not below",
    );
    // Nor may a file of the caller's get another name by it.
    guarded(stage, |into| {
        std::fs::write(into.join("mine"), "mine").expect("a file");
        let archive = Tar::new().dir("d").hard("d/h", "mine").end();
        make(stage, &plain(), "into/new", &archive).expect_err("refused");
        assert_eq!(std::fs::metadata(into.join("mine")).expect("it").nlink(), 1);
        std::fs::remove_file(into.join("mine")).expect("it goes");
    });
}

fn what_was_cut_off_is_not_there(stage: &Stage) {
    let tree = Tar::new().dir("d").file("d/x", "x");
    refused(stage, &tree.clone().cut(), Kind::Invalid, "too early");
    refused(
        stage,
        &Tar::new().file("f", "x").cut(),
        Kind::Invalid,
        "too early",
    );
    refused(stage, &Tar::new().cut(), Kind::Invalid, "too early");
    refused(stage, &Tar::new().end(), Kind::Invalid, "too early");
    let mut half = tree.end();
    half.truncate(1100);
    refused(stage, &half, Kind::Invalid, "middle of an entry");
    // What was there before is there still.
    guarded(stage, |into| {
        std::fs::write(into.join("f"), "old").expect("a file");
        let archive = Tar::new().file("f", "new").cut();
        make(stage, &plain(), "into/f", &archive).expect_err("cut off");
        assert_eq!(std::fs::read(into.join("f")).expect("it"), b"old");
        std::fs::remove_file(into.join("f")).expect("it goes");
    });
}

/// The caller's own links below a destination that is there.
fn what_is_there_is_no_way_out(stage: &Stage) {
    guarded(stage, |into| {
        let there = into.join("there");
        std::fs::create_dir(&there).expect("a directory");
        std::os::unix::fs::symlink(stage.outside(), there.join("l")).expect("a link");
        for archive in [
            Tar::new().dir("d").dir("d/l").file("d/l/new", "x"),
            Tar::new().dir("d").file("d/l/new", "x"),
            Tar::new().dir("d").hard("d/h", "d/l/secret"),
        ] {
            let archive = archive.end();
            std::fs::create_dir_all(into.join("d")).expect("a directory");
            drop(std::fs::remove_dir_all(into.join("d")));
            std::fs::rename(&there, into.join("d")).expect("its name");
            make(stage, &plain(), "into", &archive).expect_err("no way");
            std::fs::rename(into.join("d"), &there).expect("its name");
        }
        // A file takes the place of a link, and is not written through it.
        std::fs::rename(&there, into.join("d")).expect("its name");
        let archive = Tar::new().dir("d").file("d/l", "x").end();
        make(stage, &plain(), "into", &archive).expect("a copy");
        assert!(
            std::fs::symlink_metadata(into.join("d/l"))
                .expect("it")
                .is_file()
        );
        std::fs::remove_dir_all(into.join("d")).expect("it goes");
    });
}

fn no_privilege_comes_along(stage: &Stage) {
    let capability = [
        1, 0, 0, 2, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let program = |name: &'static str| Header {
        name: name.as_bytes(),
        mode: 0o6755,
        owner: (0, 0),
        ..Header::default()
    };
    let archive = || {
        Tar::new()
            .dir("d")
            .entry(&program("d/setuid"), b"")
            .pax(&[
                ("SCHILY.xattr.security.capability", &capability),
                ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
            ])
            .file("d/capable", "")
            .end()
    };
    let names = |path: &Path| {
        let opened = std::fs::File::open(path).expect("it");
        let mut names = lockstep_kernel::metadata::xattrs(opened).expect("attributes");
        // The host's own, which every file has where SELinux is on.
        names.retain(|name| name != "security.selinux");
        names
    };
    guarded(stage, |into| {
        let done = make(stage, &plain(), "into/new", &archive()).expect("a copy");
        let mode = std::fs::metadata(into.join("new/setuid"))
            .expect("it")
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert_eq!(names(&into.join("new/capable")), [] as [&str; 0]);
        assert_eq!(done.left.xattrs, 2);
        let kept = Place {
            owners: Ownership::Kept,
            privileges: true,
            ..plain()
        };
        make(stage, &kept, "into/kept", &archive()).expect("a copy");
        let mode = std::fs::metadata(into.join("kept/setuid"))
            .expect("it")
            .mode();
        assert_eq!(mode & 0o7777, 0o6755);
        assert_eq!(names(&into.join("kept/capable")), ["security.capability"]);
    });
}

fn devices_are_not_made(stage: &Stage) {
    guarded(stage, |into| {
        let archive = Tar::new()
            .dir("d")
            .node(b'3', "d/mem", (1, 1))
            .node(b'4', "d/disk", (8, 0))
            .node(b'6', "d/fifo", (0, 0))
            .end();
        let done = make(stage, &plain(), "into/new", &archive).expect("a copy");
        assert_eq!(done.left.devices, 2);
        let names = std::fs::read_dir(into.join("new")).expect("it").flatten();
        let names: Vec<_> = names.map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["fifo"]);
        let kind = std::fs::metadata(into.join("new/fifo"))
            .expect("it")
            .file_type();
        assert!(kind.is_fifo());
        std::fs::remove_dir_all(into.join("new")).expect("it goes");
    });
    let alone = Tar::new().node(b'3', "null", (1, 3)).end();
    refused(stage, &alone, Kind::Unsupported, "device");
}

fn everything_has_a_limit(stage: &Stage) {
    let deep = "d/".repeat(300);
    let archive = Tar::new()
        .dir("d")
        .pax(&[("path", deep.as_bytes())])
        .dir("d/x")
        .end();
    refused(stage, &archive, Kind::Limit, "depth");
    let long = format!("d/{}", "x".repeat(256));
    let archive = Tar::new()
        .dir("d")
        .pax(&[("path", long.as_bytes())])
        .file("d/x", "")
        .end();
    refused(stage, &archive, Kind::Limit, "name_bytes");
    let path = format!("d/{}", "x/".repeat(2100));
    let archive = Tar::new()
        .dir("d")
        .pax(&[("path", path.as_bytes())])
        .file("d/x", "")
        .end();
    refused(stage, &archive, Kind::Limit, "path_bytes");
    let huge = Header {
        name: b"x",
        kind: b'x',
        size: 1 << 40,
        ..Header::default()
    };
    refused(
        stage,
        &Tar::new().dir("d").entry(&huge, b"").end(),
        Kind::Limit,
        "header_bytes",
    );
}

fn the_same_name_twice(stage: &Stage) {
    let outside = stage.outside().display().to_string();
    guarded(stage, |into| {
        let archive = Tar::new()
            .dir("d")
            .file("d/x", "first")
            .hard("d/y", "d/x")
            .file("d/x", "second")
            .symlink("d/l", &outside)
            .file("d/l", "file")
            .dir("d/s")
            .file("d/s/f", "f")
            .file("d/s", "no directory any more")
            .hard("d/y", "d/y")
            .end();
        make(stage, &plain(), "into/new", &archive).expect("a copy");
        for (name, text) in [
            ("x", "second"),
            ("y", "first"),
            ("l", "file"),
            ("s", "no directory any more"),
        ] {
            let found = std::fs::read_to_string(into.join("new").join(name)).expect("it");
            assert_eq!(found, text, "{name}");
        }
        std::fs::remove_dir_all(into.join("new")).expect("it goes");
    });
}

fn an_archive_follows_links_of_its_own_root(stage: &Stage) {
    let how = Place {
        stream: Stream::Archive,
        follow: true,
        ..plain()
    };
    guarded(stage, |into| {
        // `/into/usr` from the root that is the test's directory; there is none of that name on the host.
        std::fs::create_dir(into.join("usr")).expect("a directory");
        std::os::unix::fs::symlink("/into/usr", into.join("lib")).expect("a link");
        std::os::unix::fs::symlink("../../../../into/usr", into.join("up")).expect("a link");
        let archive = Tar::new()
            .dir("lib")
            .file("lib/a", "a")
            .file("up/b", "b")
            .end();
        make(stage, &how, "into", &archive).expect("a copy");
        for name in ["a", "b"] {
            assert_eq!(
                std::fs::read_to_string(into.join("usr").join(name)).expect("it"),
                name
            );
        }
        assert!(into.join("lib").is_symlink() && into.join("up").is_symlink());
        let mode = std::fs::metadata(into.join("usr"))
            .expect("it")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
    });
}

/// In a tree that is not at its place yet the stream itself has made the links, and its paths are not those of the root.
fn no_link_of_a_hidden_tree_is_followed(stage: &Stage) {
    let how = Place {
        follow: true,
        ..plain()
    };
    for target in ["/into/there", "../there", "/outside/dir"] {
        guarded(stage, |into| {
            std::fs::create_dir_all(into.join("there")).expect("a directory");
            let link = Tar::new().dir("d").symlink("d/l", target);
            for archive in [
                link.clone().file("d/l/f", "f").end(),
                link.clone().dir("d/l/s").end(),
            ] {
                let error = make(stage, &how, "into/new", &archive).expect_err("a link");
                assert!(
                    error.to_string().contains("\"l\" is no directory"),
                    "{error}"
                );
            }
            assert_eq!(
                std::fs::read_dir(into.join("there")).expect("it").count(),
                0
            );
        });
    }
}

fn what_links_and_fifos_lose_is_counted(stage: &Stage) {
    guarded(stage, |_| {
        let xattr = [("SCHILY.xattr.user.a", &b"a"[..])];
        let fifo = Header {
            name: b"d/fifo",
            kind: b'6',
            ..Header::default()
        };
        let archive = Tar::new()
            .dir("d")
            .pax(&xattr)
            .symlink("d/l", "nowhere")
            .pax(&xattr)
            .entry(&fifo, b"")
            .end();
        let done = make(stage, &plain(), "into/new", &archive).expect("a copy");
        assert_eq!(done.left.xattrs, 2);
    });
}
