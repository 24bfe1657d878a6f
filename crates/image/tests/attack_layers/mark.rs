//! Whiteouts, opaque directories, extended attributes: what means something to overlay, and who may say it.

use super::stage::tar_file::{Header, Tar};
use super::stage::{ALL, Caller, Stage, Test};
use super::{check, is_there, onto, text};
use lockstep_image::{Kind, Limits};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

pub(crate) const TESTS: &[Test] = &[
    ("malformed_whiteouts_are_refused", ALL, malformed),
    ("whiteouts_hide_only_layers_below", ALL, below_only),
    ("opaque_hides_only_layers_below", ALL, opaque),
    ("needless_whiteouts_are_not_made", ALL, needless),
    ("opaque_directories_have_no_whiteouts", ALL, opaque_alone),
    ("missing_directories_are_as_below", ALL, implied),
    ("overlays_own_attributes_are_left_out", ALL, attributes),
    ("duplicates_leave_the_last", ALL, duplicates),
    ("times_and_modes_are_kept", ALL, times),
];

fn malformed(stage: &Stage) {
    stage.outside();
    let file = |name: &str| Tar::new().file(name, "").end();
    let no_name = || Err((Kind::Invalid, "whiteout of no name"));
    let nothing = |root: &Path| {
        let left = std::fs::read_dir(root).expect("a directory").count();
        assert_eq!(left, 0);
    };
    check(
        stage,
        &[
            ("empty", file(".wh."), no_name()),
            ("dot", file(".wh.."), no_name()),
            ("dotdot", file(".wh..."), no_name()),
            ("below", file("a/.wh..."), no_name()),
            (
                "directory",
                file(".wh.a/b"),
                Err((Kind::Invalid, "has a whiteout's name")),
            ),
            ("bookkeeping", file(".wh..wh.plnk"), Ok(&nothing)),
            ("as-directory", Tar::new().dir(".wh.x").end(), Ok(&nothing)),
            (
                "as-link",
                Tar::new().symlink(".wh.x", "/").end(),
                Ok(&nothing),
            ),
        ],
    );
}

/// Overlay lists a whiteout in a directory that merges nothing as a file that cannot be opened.
fn opaque_alone(stage: &Stage) {
    stage.outside();
    let (opaque, whiteout) = ("d/.wh..wh..opq", "d/.wh.old");
    for (name, tar) in [
        ("before", Tar::new().file(whiteout, "").file(opaque, "")),
        ("after", Tar::new().file(opaque, "").file(whiteout, "")),
        (
            "replaced",
            Tar::new().file(".wh.d", "").dir("d").file(whiteout, ""),
        ),
        (
            "implied",
            Tar::new()
                .file(whiteout, "")
                .file("d/new", "n")
                .file(".wh.d", ""),
        ),
        (
            "root",
            Tar::new().file(".wh..wh..opq", "").file(whiteout, ""),
        ),
    ] {
        let root = upper(stage, name, tar);
        assert!(root.join("d").is_dir(), "{name}");
        assert!(!is_there(&root, "d/old"), "{name}");
    }
}

/// A layer with `d/{old,keep}` and `f`.
fn lower(stage: &Stage) -> PathBuf {
    let tar = Tar::new()
        .dir("d")
        .file("d/old", "old")
        .file("d/keep", "k")
        .file("f", "f");
    let (root, done) = onto(stage, "lower", &tar.end(), &[], &Limits::default());
    done.expect("a layer");
    root
}

fn is_whiteout(root: &Path, name: &str) -> bool {
    let stat = root.join(name).symlink_metadata();
    stat.is_ok_and(|stat| stat.file_type().is_char_device() && stat.rdev() == 0)
}

fn is_opaque(stage: &Stage, path: &Path) -> bool {
    let name = match stage.caller {
        Caller::Root => "trusted.overlay.opaque",
        Caller::User | Caller::SingleId => "user.overlay.opaque",
    };
    let mut value = [0u8; 1];
    rustix::fs::lgetxattr(path, name, &mut value).is_ok() && value == *b"y"
}

fn upper(stage: &Stage, name: &str, tar: Tar) -> PathBuf {
    let below = lower(stage);
    let (root, done) = onto(stage, name, &tar.end(), &[&below], &Limits::default());
    done.unwrap_or_else(|e| panic!("{name}: {e}"));
    root
}

fn below_only(stage: &Stage) {
    let outside = super::stage::picture(&stage.outside());
    let root = upper(
        stage,
        "hides",
        Tar::new().file(".wh.f", "").file("d/.wh.old", ""),
    );
    assert!(is_whiteout(&root, "f") && is_whiteout(&root, "d/old"));
    // The same layer's own file stays, in either order.
    let root = upper(
        stage,
        "before",
        Tar::new().file("f", "new").file(".wh.f", ""),
    );
    assert_eq!(text(&root, "f"), "new");
    let root = upper(
        stage,
        "after",
        Tar::new().file(".wh.f", "").file("f", "new"),
    );
    assert_eq!(text(&root, "f"), "new");
    // A directory that replaces one below must not show what that had.
    for (name, tar) in [
        (
            "dir-after",
            Tar::new().file(".wh.d", "").dir("d").file("d/new", "n"),
        ),
        (
            "dir-before",
            Tar::new().dir("d").file("d/new", "n").file(".wh.d", ""),
        ),
        ("implied", Tar::new().file(".wh.d", "").file("d/new", "n")),
    ] {
        let root = upper(stage, name, tar);
        assert_eq!(text(&root, "d/new"), "n", "{name}");
        assert!(is_opaque(stage, &root.join("d")), "{name}");
    }
    assert_eq!(super::stage::picture(&stage.outside()), outside);
}

fn opaque(stage: &Stage) {
    stage.outside();
    for (name, tar) in [
        (
            "first",
            Tar::new()
                .dir("d")
                .file("d/.wh..wh..opq", "")
                .file("d/new", "n"),
        ),
        (
            "last",
            Tar::new()
                .dir("d")
                .file("d/new", "n")
                .file("d/.wh..wh..opq", ""),
        ),
        (
            "alone",
            Tar::new().file("d/.wh..wh..opq", "").file("d/new", "n"),
        ),
    ] {
        let root = upper(stage, name, tar);
        assert_eq!(text(&root, "d/new"), "n");
        assert!(is_opaque(stage, &root.join("d")), "{name}");
        assert!(!is_opaque(stage, &root), "{name}");
    }
    let root = upper(
        stage,
        "root",
        Tar::new().file(".wh..wh..opq", "").file("n", "n"),
    );
    assert!(is_opaque(stage, &root));
    // A mark that comes as a link or a device is the same mark, and no link is made.
    let root = upper(
        stage,
        "link",
        Tar::new().dir("d").symlink("d/.wh..wh..opq", "/"),
    );
    assert!(is_opaque(stage, &root.join("d")) && !is_there(&root, "d/.wh..wh..opq"));
}

fn needless(stage: &Stage) {
    stage.outside();
    let root = upper(
        stage,
        "upper",
        Tar::new().file(".wh.nothing", "").file("new/.wh.x", ""),
    );
    assert!(!is_there(&root, "nothing") && !is_there(&root, "new/x"));
    let (root, done) = onto(
        stage,
        "base",
        &Tar::new().file(".wh.f", "").end(),
        &[],
        &Limits::default(),
    );
    done.expect("a layer");
    assert!(!is_there(&root, "f"));
}

fn implied(stage: &Stage) {
    stage.outside();
    let owner = if stage.caller == Caller::SingleId {
        (0, 0)
    } else {
        (7, 8)
    };
    let tar = Tar::new()
        .dir_of("./", 0o711, owner)
        .dir_of("a", 0o1777, owner)
        .dir_of("a/b", 0o750, owner);
    let (below, done) = onto(stage, "below", &tar.end(), &[], &Limits::default());
    done.expect("a layer");
    let (root, done) = onto(
        stage,
        "above",
        &Tar::new().file("a/b/c/f", "x").end(),
        &[&below],
        &Limits::default(),
    );
    done.expect("a layer");
    for (name, mode, of) in [
        ("", 0o711, owner),
        ("a", 0o1777, owner),
        ("a/b", 0o750, owner),
        ("a/b/c", 0o755, (0, 0)),
    ] {
        let stat = root.join(name).metadata().expect("a directory");
        assert_eq!(stat.mode() & 0o7777, mode, "{name}");
        assert_eq!((u64::from(stat.uid()), u64::from(stat.gid())), of, "{name}");
    }
    assert_eq!(root.join("a").metadata().expect("a").mtime(), 1_000_000_000);
}

fn attributes(stage: &Stage) {
    stage.outside();
    let capability: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let records: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.trusted.overlay.redirect", b"/../../outside"),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.user.lockstep.owner", b"0:0"),
        ("SCHILY.xattr.security.selinux", b"unconfined"),
        ("SCHILY.xattr.security.ima", b"x"),
        ("SCHILY.xattr.user.mine", b"line\nline\0end"),
        ("SCHILY.xattr.security.capability", capability),
    ];
    let tar = Tar::new().pax(records).file("f", "x").pax(records).dir("d");
    let (root, done) = onto(stage, "layer", &tar.end(), &[], &Limits::default());
    // Seven each, and of the directory also the capability, which only files have.
    let skipped = done.expect("a layer").skipped.xattrs;
    assert!((14..=15).contains(&skipped), "{skipped} left out");
    let mut names = [0u8; 4096];
    for name in ["f", "d"] {
        let size = rustix::fs::llistxattr(root.join(name), &mut names).expect("a list");
        let list = String::from_utf8_lossy(&names[..size]).into_owned();
        let stranger = ["overlay", "lockstep", "ima", "trusted"]
            .into_iter()
            .find(|w| list.contains(w));
        assert_eq!(stranger, None, "{list:?}");
        assert!(list.contains("user.mine"), "{list:?}");
        assert!(
            name == "d" || list.contains("security.capability"),
            "{list:?}"
        );
    }
    let mut value = [0u8; 64];
    let size = rustix::fs::getxattr(root.join("f"), "user.mine", &mut value).expect("a value");
    assert_eq!(&value[..size], b"line\nline\0end");
}

fn duplicates(stage: &Stage) {
    stage.outside();
    let last = |root: &Path| assert_eq!(text(root, "f"), "2");
    let emptied = |root: &Path| {
        assert_eq!(text(root, "d"), "file");
    };
    let kept = |root: &Path| {
        assert_eq!(text(root, "d/f"), "x");
        assert_eq!(root.join("d").metadata().expect("d").mode() & 0o7777, 0o711);
    };
    let deep: Tar = (0..200).fold(Tar::new(), |tar, n| tar.dir(&"d/".repeat(n % 40 + 1)));
    check(
        stage,
        &[
            (
                "files",
                Tar::new().file("f", "1").file("f", "2").end(),
                Ok(&last),
            ),
            (
                "spelled",
                Tar::new().file("f", "1").file("./f", "2").end(),
                Ok(&last),
            ),
            ("directory", deep.file("d", "file").end(), Ok(&emptied)),
            (
                "again",
                Tar::new()
                    .dir("d")
                    .file("d/f", "x")
                    .dir_of("d", 0o711, (0, 0))
                    .end(),
                Ok(&kept),
            ),
            (
                "file-as-parent",
                Tar::new().file("f", "1").file("f/x", "2").end(),
                Err((Kind::Kernel, "is no directory")),
            ),
        ],
    );
}

fn times(stage: &Stage) {
    stage.outside();
    let of = |name: &'static [u8], kind, modified| Header {
        name,
        kind,
        modified,
        mode: 0o2500,
        ..Header::default()
    };
    let tar = Tar::new()
        .entry(&of(b"d", b'5', 10), b"")
        .entry(&of(b"d/f", b'0', 20), b"")
        .entry(&of(b"e/g", b'0', 30), b"")
        .entry(&of(b"e", b'5', 40), b"")
        .pax(&[("mtime", b"-1.5")])
        .entry(&of(b"d/h", b'0', 0), b"")
        .entry(&of(b"d/e", b'5', 50), b"")
        .entry(&of(b"./", b'5', 60), b"");
    let times = |root: &Path| {
        for (name, time) in [
            ("d", 10),
            ("d/f", 20),
            ("e/g", 30),
            ("e", 40),
            ("d/h", -2),
            ("d/e", 50),
            ("", 60),
        ] {
            let stat = root.join(name).metadata().expect("it is there");
            assert_eq!(stat.mtime(), time, "{name}");
            assert_eq!(stat.mode() & 0o7777, 0o2500, "{name}");
        }
        assert_eq!(
            root.join("d/h").metadata().expect("h").mtime_nsec(),
            500_000_000
        );
    };
    check(stage, &[("times", tar.end(), Ok(&times))]);
}
