//! Attempts to leave: absolute names, `..`, links in every order, hard links, devices.

use super::stage::tar_file::{Header, Tar};
use super::stage::{ALL, Caller, Stage, Test};
use super::{check, is_there, text};
use lockstep_image::Kind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

pub(crate) const TESTS: &[Test] = &[
    ("absolute_names_stay_inside", ALL, absolute),
    ("dotdot_is_refused", ALL, dotdot),
    ("no_file_is_written_through_a_link", ALL, through_links),
    (
        "directories_do_not_follow_links",
        ALL,
        directories_over_links,
    ),
    ("hard_links_reach_only_the_layer", ALL, hard_links),
    ("hard_links_do_not_open_links", ALL, hard_links_to_links),
    ("devices_are_made_by_root_alone", ALL, devices),
    ("setuid_files_keep_their_bits", ALL, setuid),
    ("order_does_not_matter", ALL, orders),
];

fn absolute(stage: &Stage) {
    let outside = stage.outside();
    let secret = outside.join("secret").display().to_string();
    let inside = secret.trim_start_matches('/').to_owned();
    let holds = |root: &Path| assert_eq!(text(root, &inside), "pwned");
    let long = |name: &str| {
        Tar::new()
            .pax(&[("path", name.as_bytes())])
            .file("x", "pwned")
            .end()
    };
    check(
        stage,
        &[
            ("absolute", long(&secret), Ok(&holds)),
            ("slashes", long(&format!("////{secret}")), Ok(&holds)),
            ("dots", long(&format!("./././{secret}")), Ok(&holds)),
            (
                "slash",
                Tar::new().file("/", "x").end(),
                Err((Kind::Invalid, "root is not a directory")),
            ),
            (
                "dot",
                Tar::new().file(".", "x").end(),
                Err((Kind::Invalid, "root is not a directory")),
            ),
        ],
    );
}

fn dotdot(stage: &Stage) {
    stage.outside();
    let refused = || Err((Kind::Invalid, "leaves its directory"));
    let file = |name: &str| Tar::new().file(name, "pwned").end();
    check(
        stage,
        &[
            ("plain", file("../outside/secret"), refused()),
            (
                "later",
                Tar::new()
                    .dir("a")
                    .file("a/../../outside/secret", "x")
                    .end(),
                refused(),
            ),
            ("alone", file(".."), refused()),
            ("last", file("a/.."), refused()),
            ("slash", file("/../outside/secret"), refused()),
            ("dir", Tar::new().dir("../outside/dir").end(), refused()),
            (
                "symlink",
                Tar::new().symlink("../outside/secret", "/").end(),
                refused(),
            ),
            ("whiteout", file("../outside/.wh.secret"), refused()),
            ("opaque", file("../outside/.wh..wh..opq"), refused()),
            (
                "pax",
                Tar::new()
                    .pax(&[("path", b"../outside/secret")])
                    .file("ok", "x")
                    .end(),
                refused(),
            ),
            (
                "gnu",
                Tar::new()
                    .extension(b'L', b"../outside/secret\0")
                    .file("ok", "x")
                    .end(),
                refused(),
            ),
            (
                "node",
                Tar::new().node(b'6', "../outside/fifo", (0, 0)).end(),
                refused(),
            ),
        ],
    );
}

fn through_links(stage: &Stage) {
    let outside = stage.outside().display().to_string();
    let link = |name: &str, target: &str| {
        Tar::new()
            .pax(&[("linkpath", target.as_bytes())])
            .symlink(name, "x")
    };
    let nowhere = || Err((Kind::Kernel, "is no directory, or leads nowhere"));
    let replaced = |root: &Path| {
        assert!(
            root.join("out")
                .symlink_metadata()
                .expect("a file")
                .is_file()
        );
        assert_eq!(text(root, "out"), "pwned");
    };
    let clamped = |root: &Path| assert_eq!(text(root, "outside/new"), "x");
    check(
        stage,
        &[
            (
                "parent",
                link("out", &outside).file("out/secret", "pwned").end(),
                nowhere(),
            ),
            (
                "relative",
                link("out", "../outside").file("out/secret", "pwned").end(),
                nowhere(),
            ),
            (
                "clamped",
                link("out", "../../outside")
                    .dir("outside")
                    .file("out/new", "x")
                    .end(),
                Ok(&clamped),
            ),
            (
                "last",
                link("out", &format!("{outside}/secret"))
                    .file("out", "pwned")
                    .end(),
                Ok(&replaced),
            ),
            (
                "dangling",
                link("out", &format!("{outside}/new"))
                    .file("out", "pwned")
                    .end(),
                Ok(&replaced),
            ),
            (
                "chain",
                link("a", "b")
                    .symlink("b", "c")
                    .pax(&[("linkpath", outside.as_bytes())])
                    .symlink("c", "x")
                    .file("a/secret", "pwned")
                    .end(),
                nowhere(),
            ),
            (
                "loop",
                link("a", "a").file("a/b", "x").end(),
                Err((Kind::Kernel, "ELOOP")),
            ),
            (
                "magic",
                link("p", "/proc/self/cwd").file("p/x", "x").end(),
                nowhere(),
            ),
            (
                "node",
                link("out", &outside).node(b'6', "out/fifo", (0, 0)).end(),
                nowhere(),
            ),
            (
                "symlink",
                link("out", &outside).symlink("out/new", "/").end(),
                nowhere(),
            ),
            (
                "whiteout",
                link("out", &outside).file("out/.wh.secret", "").end(),
                nowhere(),
            ),
        ],
    );
}

fn directories_over_links(stage: &Stage) {
    let outside = stage.outside().join("dir").display().to_string();
    let link = || {
        Tar::new()
            .pax(&[("linkpath", outside.as_bytes())])
            .symlink("d", "x")
    };
    let made = |root: &Path| {
        let stat = root.join("d").symlink_metadata().expect("a directory");
        assert!(stat.is_dir());
        assert_eq!(stat.mode() & 0o7777, 0o700);
    };
    let filled = |root: &Path| {
        made(root);
        assert_eq!(text(root, "d/file"), "x");
    };
    check(
        stage,
        &[
            (
                "directory",
                link().dir_of("d", 0o700, (0, 0)).end(),
                Ok(&made),
            ),
            ("slash", link().dir_of("d/", 0o700, (0, 0)).end(), Ok(&made)),
            (
                "filled",
                link().dir_of("d", 0o700, (0, 0)).file("d/file", "x").end(),
                Ok(&filled),
            ),
        ],
    );
}

fn hard_links(stage: &Stage) {
    let outside = stage.outside();
    let secret = outside.join("secret").display().to_string();
    let hard = |target: &str| {
        Tar::new()
            .pax(&[("linkpath", target.as_bytes())])
            .hard("h", "x")
    };
    let absent = || Err((Kind::Kernel, "ENOENT"));
    let linked = |root: &Path| {
        assert_eq!(root.join("h").metadata().expect("a file").nlink(), 2);
    };
    let own = |root: &Path| assert_eq!(text(root, "f"), "mine");
    let apart = |root: &Path| {
        assert_eq!(text(root, "f"), "mine");
        assert_eq!(text(root, "h"), "other");
    };
    let file = || Tar::new().file("f", "mine");
    check(
        stage,
        &[
            ("absolute", hard(&secret).end(), absent()),
            (
                "dotdot",
                hard("../outside/secret").end(),
                Err((Kind::Invalid, "leaves its directory")),
            ),
            ("nothing", hard("nothing").end(), absent()),
            (
                "empty",
                Tar::new().hard("h", "").end(),
                Err((Kind::Invalid, "name is empty")),
            ),
            (
                "root",
                hard("/").end(),
                Err((Kind::Invalid, "hard link to the root")),
            ),
            (
                "directory",
                Tar::new().dir("d").hard("h", "d").end(),
                Err((Kind::Invalid, "hard link to a directory")),
            ),
            ("good", file().hard("h", "/f").end(), Ok(&linked)),
            ("itself", file().hard("f", "f").end(), Ok(&own)),
            (
                "overwritten",
                file().hard("h", "f").file("h", "other").end(),
                Ok(&apart),
            ),
            (
                "sized",
                file()
                    .entry(
                        &Header {
                            name: b"h",
                            kind: b'1',
                            link: b"f",
                            size: 512,
                            ..Header::default()
                        },
                        b"",
                    )
                    .end(),
                Ok(&linked),
            ),
        ],
    );
}

fn hard_links_to_links(stage: &Stage) {
    let outside = stage.outside();
    let secret = outside.join("secret").display().to_string();
    let link = |name: &str, target: &str| {
        Tar::new()
            .pax(&[("linkpath", target.as_bytes())])
            .symlink(name, "x")
    };
    let still_link = |root: &Path| {
        assert!(
            root.join("h")
                .symlink_metadata()
                .expect("a link")
                .is_symlink()
        );
    };
    let written = |root: &Path| assert_eq!(text(root, "h"), "pwned");
    let parent = outside.display().to_string();
    check(
        stage,
        &[
            (
                "of-a-link",
                link("s", &secret).hard("h", "s").end(),
                Ok(&still_link),
            ),
            (
                "then-written",
                link("s", &secret).hard("h", "s").file("h", "pwned").end(),
                Ok(&written),
            ),
            (
                "through",
                link("s", &parent).hard("h", "s/secret").end(),
                Err((Kind::Kernel, "ENOENT")),
            ),
            (
                "into",
                link("s", &parent).file("f", "x").hard("s/h", "f").end(),
                Err((Kind::Kernel, "leads nowhere")),
            ),
        ],
    );
}

fn devices(stage: &Stage) {
    stage.outside();
    let root = stage.caller == Caller::Root;
    let null = |root_dir: &Path| {
        assert_eq!(is_there(root_dir, "null"), root);
        if root {
            let stat = root_dir.join("null").symlink_metadata().expect("a device");
            assert!(stat.file_type().is_char_device());
            assert_eq!(stat.rdev(), 0x103);
        }
    };
    let no_whiteout = |root: &Path| assert!(!is_there(root, "gone"));
    let fifo = |root: &Path| {
        assert!(
            root.join("p")
                .symlink_metadata()
                .expect("a fifo")
                .file_type()
                .is_fifo()
        );
    };
    check(
        stage,
        &[
            (
                "char",
                Tar::new().node(b'3', "null", (1, 3)).end(),
                Ok(&null),
            ),
            (
                "block",
                Tar::new().node(b'4', "disk", (8, 0)).end(),
                Ok(&|_: &Path| {}),
            ),
            (
                "whiteout",
                Tar::new().node(b'3', "gone", (0, 0)).end(),
                Ok(&no_whiteout),
            ),
            ("fifo", Tar::new().node(b'6', "p", (0, 0)).end(), Ok(&fifo)),
            (
                "below-fifo",
                Tar::new().node(b'6', "p", (0, 0)).file("p/x", "x").end(),
                Err((Kind::Kernel, "is no directory")),
            ),
            (
                "over-fifo",
                Tar::new().node(b'6', "p", (0, 0)).file("p", "x").end(),
                Ok(&|root: &Path| assert_eq!(text(root, "p"), "x")),
            ),
        ],
    );
}

fn setuid(stage: &Stage) {
    stage.outside();
    let header = |owner| Header {
        name: b"su",
        mode: 0o6755,
        owner,
        size: 1,
        ..Header::default()
    };
    let bits = |root: &Path| {
        let stat = root.join("su").metadata().expect("a file");
        assert_eq!(stat.mode() & 0o7777, 0o6755);
    };
    let owned = |root: &Path| {
        bits(root);
        let stat = root.join("su").metadata().expect("a file");
        let squashed = stage.caller == Caller::SingleId;
        let expected = if squashed { (0, 0) } else { (33, 44) };
        assert_eq!((stat.uid(), stat.gid()), expected);
        let mut noted = [0u8; 16];
        let read = rustix::fs::getxattr(root.join("su"), "user.lockstep.owner", &mut noted);
        assert_eq!(read.is_ok(), squashed);
        assert!(!squashed || noted.starts_with(b"33:44\0"));
    };
    let unmapped = Header {
        name: b"f",
        owner: (100_000, 0),
        ..Header::default()
    };
    let far = Tar::new().entry(&unmapped, b"").end();
    let far_expected: super::Expected<'_> = match stage.caller {
        Caller::User => Err((Kind::Kernel, "its owner 100000:0")),
        _ => Ok(&|_: &Path| {}),
    };
    check(
        stage,
        &[
            (
                "root",
                Tar::new().entry(&header((0, 0)), b"x").end(),
                Ok(&bits),
            ),
            (
                "owner",
                Tar::new().entry(&header((33, 44)), b"x").end(),
                Ok(&owned),
            ),
            (
                "no-id",
                Tar::new()
                    .entry(&header((u64::from(u32::MAX), 0)), b"x")
                    .end(),
                Err((Kind::Invalid, "is no id")),
            ),
            ("far", far, far_expected),
        ],
    );
}

/// A name that is a directory, a link and a file in turn, in all orders, with a child between.
fn orders(stage: &Stage) {
    let outside = stage.outside().display().to_string();
    let step = |tar: Tar, what: char| match what {
        'd' => tar.dir("n"),
        'l' => tar
            .pax(&[("linkpath", outside.as_bytes())])
            .symlink("n", "x"),
        'f' => tar.file("n", "file"),
        'c' => tar.file("n/secret", "pwned"),
        'h' => tar.file("t", "t").hard("n", "t"),
        'w' => tar.file(".wh.n", ""),
        _ => unreachable!("a step"),
    };
    let mut cases = Vec::new();
    let letters = ['d', 'l', 'f', 'c', 'h', 'w'];
    for a in letters {
        for b in letters {
            for c in letters {
                let tar = [a, b, c].into_iter().fold(Tar::new(), step);
                cases.push((format!("{a}{b}{c}"), tar.end()));
            }
        }
    }
    let before = super::stage::picture(&stage.outside());
    for (name, archive) in &cases {
        // Refused or not: either is right, as long as it stays inside.
        let limits = lockstep_image::Limits::default();
        let (_, done) = super::onto(stage, &format!("layer-{name}"), archive, &[], &limits);
        if let Err(e) = done {
            assert!(
                matches!(e.kind, Kind::Kernel | Kind::Invalid),
                "{name}: {e}"
            );
        }
        assert_eq!(super::stage::picture(&stage.outside()), before, "{name}");
    }
}
