//! Limits: each is felt, and the error says its name.

use super::stage::layout::Layout;
use super::stage::tar_file::Tar;
use super::stage::{ALL, ROOT, Stage, Test};
use super::{check, check_with, image};
use lockstep_image::{Kind, Limits};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

pub(crate) const TESTS: &[Test] = &[
    ("names_have_limits", ALL, names),
    ("numbers_have_limits", ALL, numbers),
    ("attributes_have_limits", ALL, attributes),
    ("bombs_are_stopped", ROOT, bombs),
    ("documents_have_limits", ROOT, documents),
    ("a_million_entries_are_stopped", ROOT, million),
];

fn names(stage: &Stage) {
    stage.outside();
    let long = |name: &str| {
        Tar::new()
            .pax(&[("path", name.as_bytes())])
            .file("f", "x")
            .end()
    };
    let limit = |name: &'static str| Err((Kind::Limit, name));
    let deep = |root: &Path| assert!(root.join("d/".repeat(254) + "f").exists());
    check(
        stage,
        &[
            ("name", long(&"n".repeat(256)), limit("name_bytes")),
            ("name-fits", long(&"n".repeat(255)), Ok(&|_: &Path| {})),
            ("path", long(&"p/".repeat(3000)), limit("path_bytes")),
            ("depth", long(&("d/".repeat(255) + "f")), limit("depth")),
            ("depth-fits", long(&("d/".repeat(254) + "f")), Ok(&deep)),
            (
                "target",
                Tar::new()
                    .pax(&[("linkpath", &b"t".repeat(4096))])
                    .symlink("l", "x")
                    .end(),
                limit("path_bytes"),
            ),
            (
                "gnu-name",
                Tar::new()
                    .extension(b'L', &vec![b'n'; 2 << 20])
                    .file("f", "x")
                    .end(),
                limit("header_bytes"),
            ),
            (
                "gnu-link",
                Tar::new()
                    .extension(b'K', &vec![b'n'; 2 << 20])
                    .symlink("f", "x")
                    .end(),
                limit("header_bytes"),
            ),
            (
                "pax",
                Tar::new()
                    .pax(&[("comment", &vec![b'n'; 2 << 20])])
                    .file("f", "x")
                    .end(),
                limit("header_bytes"),
            ),
            (
                "global",
                Tar::new()
                    .extension(b'g', &vec![b'n'; 2 << 20])
                    .file("f", "x")
                    .end(),
                limit("header_bytes"),
            ),
        ],
    );
}

fn numbers(stage: &Stage) {
    stage.outside();
    let limits = Limits {
        entries: 100,
        file_bytes: 1000,
        ..Limits::default()
    };
    let many = |count: u32| {
        (0..count)
            .fold(Tar::new(), |tar, n| tar.file(&format!("f{n}"), ""))
            .end()
    };
    let same = (0..101).fold(Tar::new(), |tar, _| tar.file("f", "")).end();
    check_with(
        stage,
        &limits,
        &[
            ("fits", many(100), Ok(&|_: &Path| {})),
            ("entries", many(101), Err((Kind::Limit, "entries"))),
            ("same", same, Err((Kind::Limit, "entries"))),
            (
                "file",
                Tar::new().file("f", &"x".repeat(1001)).end(),
                Err((Kind::Limit, "file_bytes")),
            ),
        ],
    );
}

fn attributes(stage: &Stage) {
    stage.outside();
    let many: Vec<String> = (0..200)
        .map(|n| format!("SCHILY.xattr.user.n{n}"))
        .collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"v"[..])).collect();
    let big = vec![b'v'; (64 << 10) + 1];
    let big: &[(&str, &[u8])] = &[("SCHILY.xattr.user.big", &big)];
    check(
        stage,
        &[
            (
                "many",
                Tar::new().pax(&many).file("f", "x").end(),
                Err((Kind::Limit, "xattrs")),
            ),
            (
                "big",
                Tar::new().pax(big).file("f", "x").end(),
                Err((Kind::Limit, "xattr_bytes")),
            ),
        ],
    );
}

/// A file of zeroes, as an archive.
fn zeroes(bytes: usize) -> Vec<u8> {
    Tar::new().file("zeroes", &"\0".repeat(bytes)).end()
}

/// A zstd frame (RFC 8878, section 3.1.1) of blocks that are not compressed. An encoder that has such a window needs the
/// memory too.
fn with_window_of_2_gib(bytes: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    let exponent = 31 - 10;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3];
    let blocks = bytes.len().div_ceil(BLOCK);
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        let last = u32::from(number + 1 == blocks);
        let header = last | (block.len() as u32) << 3;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}

fn bombs(stage: &Stage) {
    let tar = zeroes(80 << 20);
    let refused = |name: &str, layout: Layout, kind: Kind, text: &str| {
        image::refused(
            stage,
            &Limits::default(),
            name,
            &layout.honest(),
            kind,
            text,
        );
    };
    let best = |tar: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(tar).expect("compression");
        out.finish().expect("compression")
    };
    let gz = "layer.v1.tar+gzip";
    refused(
        "gzip",
        Layout::new().compressed(&tar, best(&tar), gz),
        Kind::Limit,
        "compression_ratio",
    );
    let zstd = zstd::encode_all(&tar[..], 3).expect("compression");
    let zst = "layer.v1.tar+zstd";
    refused(
        "zstd",
        Layout::new().compressed(&tar, zstd, zst),
        Kind::Limit,
        "compression_ratio",
    );
    // What follows the archive's end is bounded too.
    let mut trailing = Tar::new().file("f", "x").end();
    trailing.resize(80 << 20, 0);
    let packed = best(&trailing);
    refused(
        "trailing",
        Layout::new().compressed(&trailing, packed, gz),
        Kind::Limit,
        "tail_bytes",
    );
    // A window of 2 GiB makes the reader allocate as much.
    refused(
        "window",
        Layout::new().compressed(&tar[..1 << 20], with_window_of_2_gib(&tar[..1 << 20]), zst),
        Kind::Invalid,
        "zstd",
    );
    let limits = Limits {
        layer_bytes: 1 << 20,
        ..Limits::default()
    };
    let small = zeroes(2 << 20);
    let layout = Layout::new()
        .compressed(&small, small.clone(), "layer.v1.tar")
        .honest();
    image::refused(stage, &limits, "layer", &layout, Kind::Limit, "layer_bytes");
}

fn documents(stage: &Stage) {
    let layer = Tar::new().file("f", "x").end();
    let big = "x".repeat(9 << 20);
    let layout = Layout::new()
        .layer(&layer)
        .finish(|config| config["author"] = big.clone().into(), |_| {});
    image::refused(
        stage,
        &Limits::default(),
        "config",
        &layout,
        Kind::Limit,
        "document_bytes",
    );
    let layout = Layout::new()
        .layer(&layer)
        .finish(|_| {}, |manifest| manifest["x"] = big.clone().into());
    image::refused(
        stage,
        &Limits::default(),
        "manifest",
        &layout,
        Kind::Limit,
        "document_bytes",
    );
    let mut layout = Layout::new().layer(&layer).honest();
    layout
        .files
        .insert("index.json".into(), vec![b' '; 9 << 20]);
    image::refused(
        stage,
        &Limits::default(),
        "index",
        &layout,
        Kind::Limit,
        "document_bytes",
    );
}

/// The default limit, with the cheapest entries that there are: nothing is remembered for each.
fn million(stage: &Stage) {
    stage.outside();
    let entry = Tar::new().file(".wh..wh.nothing", "").cut();
    let root = super::open(&stage.make_dir("layer"));
    let endless = std::io::BufReader::new(Endless { entry, at: 0 });
    let error = lockstep_image::unpack::unpack(
        endless,
        &lockstep_image::unpack::Destination {
            directory: root.as_fd(),
            below: &[],
            owners: &stage.caller.owners(),
            user_xattrs: false,
            limits: &Limits::default(),
        },
    )
    .expect_err("without end");
    assert_eq!(error.kind, Kind::Limit);
    assert!(
        error
            .to_string()
            .contains("1048577 exceeds the limit of 1048576 (entries)"),
        "{error}"
    );
}

/// One entry for ever.
struct Endless {
    entry: Vec<u8>,
    at: usize,
}

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let there = &self.entry[self.at..];
        let n = there.len().min(buffer.len());
        buffer[..n].copy_from_slice(&there[..n]);
        self.at = (self.at + n) % self.entry.len();
        Ok(n)
    }
}
