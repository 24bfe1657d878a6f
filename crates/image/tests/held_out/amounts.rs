//! Amounts that no image has a use for.

use super::case::*;
use super::entry::*;
use super::stage::layout::gzip;

/// The words with which an amount is refused.
const TOO_MUCH: &[&str] = &["limit", "most", "more than", "too ", "larger", "exceed"];

cases! {
    "bombs" "a record of pax" |_| layer![file("x", "n").pax("comment", vec![b'n'; 64 << 20])] => Refused(TOO_MUCH);
    "bombs" "many records of pax" |_| layer![(0..200_000).fold(file("x", "n"), |entry, n| entry.pax(&format!("k{n}"), "nnnnnnnnnn"))] => Refused(TOO_MUCH);
    "bombs" "terabytes of nothing" |_| zeros() => Refused(TOO_MUCH);
    "bombs" "nothing without end behind the archive" |_| tail() => Refused(&["limit", "most", "more than", "too ", "larger", "exceed", "behind", "after", "digest"]);
    "bombs" "a window of two gigabytes" |_| Image::Blob("tar+zstd", one(), b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00".to_vec()) => Refused(&["zstd", "window", "memory", "limit", "decompress"]);
    "millions" "of files" |_| millions() => Either(vec![("d/f", File("f"))]);
    "millions" "of directories, one in the other" |_| Image::Layers(vec![tar(&(1..400).map(|n| dir("n/".repeat(n * 5))).collect::<Vec<_>>())]) => Either(vec![("d/f", File("f"))]);
}

fn one() -> Vec<u8> {
    tar(&[file("new", "n")])
}

/// One gzip member of 64 MiB of zeros, which may follow itself as often as one likes.
fn member() -> Vec<u8> {
    gzip(&vec![0; 64 << 20])
}

/// A file of 8 TiB, in 32 GiB of zeros: whoever believes its header has no room, whoever does not stops in time.
fn zeros() -> Image {
    let mut head = file("x", "").size(base256(8 << 40)).bytes();
    head.truncate(512);
    let mut blob = gzip(&head);
    let member = member();
    (0..512).for_each(|_| blob.extend(&member));
    Image::Blob("tar+gzip", Vec::new(), blob)
}

fn tail() -> Image {
    let mut blob = gzip(&one());
    let member = member();
    (0..512).for_each(|_| blob.extend(&member));
    Image::Blob("tar+gzip", Vec::new(), blob)
}

/// Three millions of empty files: their headers alone are 1.5 GB.
fn millions() -> Image {
    let mut blob = Vec::new();
    for part in 0..60 {
        let mut bytes = Vec::with_capacity(50_000 * 512);
        for n in 0..50_000 {
            bytes.extend(file(format!("m{part}/{n}"), "").header());
        }
        blob.extend(gzip(&bytes));
    }
    blob.extend(gzip(&[0; 1024]));
    Image::Blob("tar+gzip", Vec::new(), blob)
}
