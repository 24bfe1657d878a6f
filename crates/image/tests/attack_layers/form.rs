//! Malformed archives: headers, extensions, sparse maps, compressed streams.

use super::stage::tar_file::{Header, Tar, seal};
use super::stage::{ALL, Stage, Test};
use super::{check, text};
use lockstep_image::Kind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(crate) const TESTS: &[Test] = &[
    ("malformed_headers_are_refused", ALL, headers),
    ("malformed_extensions_are_refused", ALL, extensions),
    ("readers_agree_about_extensions", ALL, agreement),
    ("malformed_sparse_files_are_refused", ALL, sparse),
    ("sparse_files_have_their_holes", ALL, holes),
];

fn changed(header: &Header<'_>, change: impl FnOnce(&mut [u8; 512])) -> Tar {
    let mut block = header.block();
    change(&mut block);
    seal(&mut block);
    Tar::new().raw(&block)
}

fn headers(stage: &Stage) {
    stage.outside();
    let file = || Header {
        name: b"f",
        size: 4,
        ..Header::default()
    };
    let mut wrong = file().block();
    wrong[0] ^= 1;
    let negative = changed(&file(), |block| block[124..136].fill(0xff));
    let huge = changed(&file(), |block| {
        block[124..136].copy_from_slice(&[
            0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ]);
    });
    let letters = changed(&file(), |block| {
        block[124..135].copy_from_slice(b"hello world")
    });
    let invalid = |text: &'static str| Err((Kind::Invalid, text));
    check(
        stage,
        &[
            (
                "checksum",
                Tar::new().raw(&wrong).end(),
                invalid("wrong checksum"),
            ),
            (
                "letters",
                letters.end(),
                invalid("`size` of a header is no number"),
            ),
            (
                "negative",
                negative.end(),
                Err((Kind::Invalid, "is negative")),
            ),
            ("huge", huge.end(), Err((Kind::Limit, "file_bytes"))),
            (
                "cut-header",
                b"short".to_vec(),
                invalid("ends in the middle"),
            ),
            (
                "cut-data",
                Tar::new()
                    .entry(
                        &Header {
                            size: 5000,
                            ..file()
                        },
                        b"abc",
                    )
                    .cut(),
                invalid("ends in the middle"),
            ),
            (
                "lone-zeroes",
                Tar::new().raw(&[0; 512]).file("f", "x").end(),
                invalid("one block of zeroes"),
            ),
            (
                "unknown",
                Tar::new()
                    .entry(
                        &Header {
                            kind: b'V',
                            ..file()
                        },
                        b"data",
                    )
                    .end(),
                Err((Kind::Unsupported, "unknown type")),
            ),
            (
                "no-name",
                Tar::new()
                    .entry(
                        &Header {
                            name: b"",
                            ..file()
                        },
                        b"data",
                    )
                    .end(),
                invalid("name is empty"),
            ),
            (
                "no-end",
                Tar::new().file("f", "x").cut(),
                Ok(&|root: &Path| assert_eq!(text(root, "f"), "x")),
            ),
            (
                "garbage-after",
                [Tar::new().file("f", "x").end(), vec![7; 5000]].concat(),
                Ok(&|root: &Path| assert_eq!(text(root, "f"), "x")),
            ),
            (
                "symlink-to-nothing",
                Tar::new().symlink("l", "").end(),
                invalid("without a target"),
            ),
        ],
    );
}

fn extensions(stage: &Stage) {
    stage.outside();
    let pax = |text: &[u8]| Tar::new().extension(b'x', text).file("f", "x").end();
    let record = |key: &str, value: &[u8]| Tar::new().pax(&[(key, value)]).file("f", "x").end();
    let malformed = || Err((Kind::Invalid, "malformed record"));
    let value = || Err((Kind::Invalid, "has the value"));
    check(
        stage,
        &[
            ("length-lies", pax(b"99 path=a\n"), malformed()),
            ("length-short", pax(b"5 path=a\n"), malformed()),
            ("no-length", pax(b"path=a\n"), malformed()),
            ("no-equals", pax(b"9 path_a\n"), malformed()),
            (
                "length-huge",
                pax(b"99999999999999999999 path=a\n"),
                malformed(),
            ),
            ("nul", record("path", b"a\0b"), value()),
            ("size", record("size", b"-1"), value()),
            (
                "size-cut",
                record("size", b"99999"),
                Err((Kind::Invalid, "ends in the middle")),
            ),
            (
                "uid",
                record("uid", b"4294967296"),
                Err((Kind::Invalid, "is no id")),
            ),
            ("mtime", record("mtime", b"never"), value()),
            (
                "xattr",
                record("SCHILY.xattr.", b"x"),
                Err((Kind::Invalid, "extended attribute named")),
            ),
            (
                "cut",
                Tar::new().extension(b'x', b"9 path=a").cut()[..514].to_vec(),
                Err((Kind::Invalid, "ends in the middle")),
            ),
            (
                "dangling",
                Tar::new().pax(&[("path", b"a")]).end(),
                Ok(&|_: &Path| {}),
            ),
        ],
    );
}

fn agreement(stage: &Stage) {
    stage.outside();
    let named = |name: &'static str| move |root: &Path| assert_eq!(text(root, name), "x");
    let (pax, gnu, plain) = (named("pax"), named("gnu"), named("f"));
    let both = Tar::new()
        .extension(b'L', b"gnu\0")
        .pax(&[("path", b"pax")])
        .file("f", "x");
    let long = "long/".repeat(40) + "name";
    let of_long = |root: &Path| assert_eq!(text(root, &long), "x");
    let with_size = Tar::new().pax(&[("size", b"1")]);
    let overridden = with_size.entry(
        &Header {
            name: b"f",
            size: 0,
            ..Header::default()
        },
        b"x",
    );
    let in_dir = Tar::new().entry(
        &Header {
            name: b"d",
            kind: b'5',
            size: 512,
            mode: 0o755,
            ..Header::default()
        },
        b"",
    );
    check(
        stage,
        &[
            ("pax-before-gnu", both.end(), Ok(&pax)),
            (
                "gnu",
                Tar::new()
                    .extension(b'L', b"gnu\0rest")
                    .file("f", "x")
                    .end(),
                Ok(&gnu),
            ),
            (
                "long",
                Tar::new()
                    .extension(b'L', long.as_bytes())
                    .file("f", "x")
                    .end(),
                Ok(&of_long),
            ),
            (
                "global",
                Tar::new()
                    .extension(b'g', b"13 path=pax\n\n")
                    .file("f", "x")
                    .end(),
                Ok(&plain),
            ),
            (
                "taken-back",
                Tar::new()
                    .pax(&[("path", b"pax"), ("path", b"")])
                    .file("f", "x")
                    .end(),
                Ok(&plain),
            ),
            ("size", overridden.end(), Ok(&plain)),
            (
                "directory-with-size",
                in_dir.file("f", "x").end(),
                Ok(&plain),
            ),
        ],
    );
}

/// A file in GNU's oldest sparse form.
fn old(pieces: &[(u64, u64)], real: u64, data: &[u8], more: bool) -> Tar {
    let header = Header {
        kind: b'S',
        size: data.len() as u64,
        ..Header::default()
    };
    changed(&header, |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        block[345..512].fill(0);
        for (n, (offset, length)) in pieces.iter().enumerate() {
            let at = 386 + 24 * n;
            block[at..at + 12].copy_from_slice(format!("{offset:011o}\0").as_bytes());
            block[at + 12..at + 24].copy_from_slice(format!("{length:011o}\0").as_bytes());
        }
        block[482] = u8::from(more);
        block[483..495].copy_from_slice(format!("{real:011o}\0").as_bytes());
    })
    .raw(data)
}

/// A file in the newest form: `map` stands in front of the data.
fn newest(map: &str, size: &str, data: &[u8]) -> Tar {
    let mut content = map.as_bytes().to_vec();
    content.resize(map.len().next_multiple_of(512), 0);
    content.extend(data);
    let tar = Tar::new().pax(&[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"f"),
        ("GNU.sparse.realsize", size.as_bytes()),
    ]);
    let header = Header {
        name: b"GNUSparseFile.0/f",
        size: content.len() as u64,
        ..Header::default()
    };
    tar.entry(&header, &content)
}

fn sparse(stage: &Stage) {
    stage.outside();
    let invalid = |text: &'static str| Err((Kind::Invalid, text));
    let map01 = |map: &[u8], size: &[u8]| {
        Tar::new()
            .pax(&[("GNU.sparse.map", map), ("GNU.sparse.size", size)])
            .file("f", "data")
            .end()
    };
    let endless = (0..4000).fold(old(&[(0, 4)], 4, b"", true), |tar, _| {
        let mut block = [0u8; 512];
        block[504] = 1;
        tar.raw(&block)
    });
    check(
        stage,
        &[
            (
                "overlap",
                old(&[(0, 3), (2, 1)], 10, b"data", false).end(),
                invalid("overlap"),
            ),
            (
                "descending",
                old(&[(5, 2), (0, 2)], 10, b"data", false).end(),
                invalid("overlap"),
            ),
            (
                "past-end",
                old(&[(8, 4)], 10, b"data", false).end(),
                invalid("past its end"),
            ),
            (
                "too-much",
                old(&[(0, 2)], 10, b"data", false).end(),
                invalid("more or less data"),
            ),
            (
                "too-little",
                old(&[(0, 9)], 10, b"data", false).end(),
                invalid("more or less data"),
            ),
            (
                "giant",
                map01(b"0,4", b"9223372036854775807"),
                Err((Kind::Limit, "file_bytes")),
            ),
            (
                "wraps",
                map01(b"18446744073709551615,4", b"5"),
                invalid("past all numbers"),
            ),
            ("odd", map01(b"0,4,5", b"9"), invalid("has the value")),
            (
                "endless",
                endless.end(),
                Err((Kind::Limit, "sparse_pieces")),
            ),
            (
                "map-words",
                newest("one\n", "4", b"data").end(),
                invalid("malformed"),
            ),
            (
                "map-endless",
                newest("9999999\n", "4", b"data").end(),
                Err((Kind::Limit, "sparse_pieces")),
            ),
            (
                "map-short",
                newest("4\n0\n4\n", "4", b"").end(),
                invalid("malformed"),
            ),
            (
                "half-piece",
                Tar::new()
                    .pax(&[("GNU.sparse.offset", b"0")])
                    .file("f", "data")
                    .end(),
                invalid("without a length"),
            ),
            (
                "name-leaves",
                Tar::new()
                    .pax(&[
                        ("GNU.sparse.map", b"0,4"),
                        ("GNU.sparse.name", b"../outside/secret"),
                    ])
                    .file("f", "data")
                    .end(),
                invalid("leaves its directory"),
            ),
        ],
    );
}

fn holes(stage: &Stage) {
    stage.outside();
    let whole = |root: &Path| {
        let stat = root.join("f").metadata().expect("a file");
        assert_eq!(stat.size(), 1 << 24);
        assert!(stat.blocks() < 64, "{} blocks", stat.blocks());
        let content = std::fs::read(root.join("f")).expect("a file");
        assert_eq!(&content[1 << 20..][..4], b"data");
        assert_eq!(content.iter().filter(|byte| **byte != 0).count(), 4);
    };
    let old = old(&[(1 << 20, 4), (1 << 24, 0)], 1 << 24, b"data", false);
    let newest = newest("2\n1048576\n4\n16777216\n0\n", "16777216", b"data");
    let records: &[(&str, &[u8])] = &[
        ("GNU.sparse.map", b"1048576,4"),
        ("GNU.sparse.size", b"16777216"),
    ];
    let numbers: &[(&str, &[u8])] = &[
        ("GNU.sparse.size", b"16777216"),
        ("GNU.sparse.offset", b"1048576"),
        ("GNU.sparse.numbytes", b"4"),
    ];
    check(
        stage,
        &[
            ("old", old.end(), Ok(&whole)),
            ("newest", newest.end(), Ok(&whole)),
            (
                "records",
                Tar::new().pax(records).file("f", "data").end(),
                Ok(&whole),
            ),
            (
                "numbers",
                Tar::new().pax(numbers).file("f", "data").end(),
                Ok(&whole),
            ),
        ],
    );
}
