//! Types, modes, owners, attributes, sizes, and damage.

use super::case::*;
use super::entry::*;
use super::stage::layout::gzip;

/// The sparse header of old GNU tar: four areas, whether more follow, and the file's size.
fn sparse(name: &str, areas: &[(i64, i64)], real: i64, data: &[u8]) -> Entry {
    let mut bytes = Entry::new(b'S', name).data(data).header();
    bytes[257..265].copy_from_slice(b"ustar  \0");
    for (number, (offset, size)) in areas.iter().enumerate() {
        let at = 386 + 24 * number;
        bytes[at..at + 12].copy_from_slice(&base256::<12>(*offset));
        bytes[at + 12..at + 24].copy_from_slice(&base256::<12>(*size));
    }
    bytes[483..495].copy_from_slice(&base256::<12>(real));
    seal(&mut bytes);
    let mut raw = bytes.to_vec();
    raw.extend(data);
    raw.resize(raw.len().next_multiple_of(512), 0);
    changed(file(name, ""), |entry| entry.raw = Some(raw))
}

fn changed(entry: Entry, change: impl FnOnce(&mut Entry)) -> Entry {
    let mut entry = entry;
    change(&mut entry);
    entry
}

fn blob(kind: &'static str, tar: Vec<u8>, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Image {
    let blob = change(gzip(&tar));
    Image::Blob(kind, tar, blob)
}

fn one() -> Vec<u8> {
    tar(&[file("new", &"n".repeat(3000))])
}

cases! {
    "devices" "memory" |_| layer![node(b'3', "mem", 1, 1).mode(0o666)] => Either(vec![("mem", NoDevice)]);
    "devices" "a disk" |_| layer![node(b'4', "disk", 8, 0).mode(0o666)] => Either(vec![("disk", NoDevice)]);
    "devices" "numbers beyond all" |_| layer![changed(node(b'3', "x", 0, 0), |x| x.device = [base256(i64::MAX), base256(-1)])] => Either(vec![]);
    "devices" "behind a link out" |_| layer![node(b'3', "abs/null", 1, 3)] => Either(vec![]);
    "devices" "a fifo" |_| layer![node(b'6', "fifo", 0, 0)] => Tree(vec![("fifo", Fifo)]);
    "setuid" "a file" |_| layer![file("su", "n").mode(0o4755), file("sg", "n").mode(0o2755)] => Tree(vec![("su", Mode(0o4755)), ("sg", Mode(0o2755))]);
    "setuid" "a directory" |_| layer![dir("t").mode(0o3777)] => Tree(vec![("t", Mode(0o3777))]);
    "setuid" "upon a link out" |at| layer![symlink("s", at.absolute("secret")), file("s", "n").mode(0o6777)] => Either(vec![("s", File("n"))]);
    "setuid" "bits beyond the mode" |_| layer![file("x", "n").mode(0o1_7777)] => Either(vec![("x", File("n"))]);
    "attributes" "a redirect of overlayfs" |_| layer![dir("r").pax("SCHILY.xattr.trusted.overlay.redirect", "/d").pax("SCHILY.xattr.user.overlay.redirect", "/d")] =>
        Either(vec![("r", Names(&[]))]);
    "attributes" "opaque of overlayfs" |_| layer![dir("d").pax("SCHILY.xattr.trusted.overlay.opaque", "y").pax("SCHILY.xattr.user.overlay.opaque", "y")] =>
        Either(vec![("d/f", File("f"))]);
    "attributes" "a file of no data" |_| layer![file("d/g", "n").pax("SCHILY.xattr.trusted.overlay.metacopy", "").pax("SCHILY.xattr.user.overlay.metacopy", "")
            .pax("SCHILY.xattr.trusted.overlay.redirect", "/etc/passwd").pax("SCHILY.xattr.user.overlay.redirect", "/etc/passwd")] => Either(vec![("d/g", File("n"))]);
    "attributes" "a whiteout of overlayfs" |_| layer![file("d/f", "").pax("SCHILY.xattr.trusted.overlay.whiteout", "y").pax("SCHILY.xattr.user.overlay.whiteout", "y"),
            dir("d").pax("SCHILY.xattr.trusted.overlay.opaque", "x").pax("SCHILY.xattr.user.overlay.opaque", "x")] => Either(vec![("d/f", File(""))]);
    "attributes" "capabilities" |_| layer![file("x", "n").pax("SCHILY.xattr.security.capability", b"\x01\x00\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")] => Either(vec![("x", File("n"))]);
    "attributes" "a value of 70,000" |_| layer![file("x", "n").pax("SCHILY.xattr.user.x", vec![b'n'; 70_000])] => Either(vec![("d/f", File("f"))]);
    "attributes" "a name of 300" |_| layer![file("x", "n").pax(&format!("SCHILY.xattr.user.{}", "n".repeat(300)), "n")] => Either(vec![("d/f", File("f"))]);
    "attributes" "an access list that is none" |_| layer![file("x", "n").pax("SCHILY.xattr.system.posix_acl_access", "n")] => Either(vec![("d/f", File("f"))]);
    "owners" "beyond all" |_| layer![changed(file("x", "n"), |x| x.ids = [base256(0xffff_ffff); 2])] => Either(vec![("d/f", File("f"))]);
    "owners" "beyond 32 bits" |_| layer![changed(file("x", "n"), |x| x.ids = [base256(0x1_0000_0000); 2])] => Either(vec![("d/f", File("f"))]);
    "owners" "negative" |_| layer![changed(file("x", "n"), |x| x.ids = [base256(-2); 2])] => Either(vec![("d/f", File("f"))]);
    "owners" "words" |_| layer![file("x", "n").pax("uid", "root").pax("gid", "-1")] => Either(vec![("d/f", File("f"))]);
    "times" "negative" |_| layer![file("x", "n").pax("mtime", "-99999999999.5")] => Either(vec![("x", File("n"))]);
    "times" "beyond all" |_| layer![file("x", "n").pax("mtime", "99999999999999999999.123456789123")] => Either(vec![("d/f", File("f"))]);
    "times" "in base 256" |_| layer![changed(file("x", "n"), |x| x.mtime = base256(i64::MIN))] => Either(vec![("d/f", File("f"))]);
    "types" "unknown" |_| layer![changed(file("x", "n"), |x| x.kind = b'Z')] => Either(vec![("d/f", File("f"))]);
    "types" "contiguous" |_| layer![changed(file("x", "n"), |x| x.kind = b'7')] => Either(vec![("x", File("n"))]);
    "types" "old" |_| layer![changed(file("x", "n"), |x| x.kind = 0), changed(file("y/", ""), |y| y.kind = 0)] => Either(vec![("x", File("n"))]);
    "types" "a directory with content" |_| layer![dir("x").data("n".repeat(700)), file("y", "n")] => Either(vec![("x", Dir), ("y", File("n"))]);
    "types" "a link with content" |_| layer![symlink("x", "d").data("n".repeat(700)), file("y", "n")] => Either(vec![("y", File("n"))]);
    "sparse" "an honest one" |_| layer![sparse("x", &[(1 << 19, 512)], 1 << 20, &[b'n'; 512]), file("y", "n")] => Either(vec![("x", Size(1 << 20)), ("y", File("n"))]);
    "sparse" "a giant of nothing" |_| layer![sparse("x", &[((1 << 62) - 512, 512)], 1 << 62, &[b'n'; 512]), file("y", "n")] => Either(vec![("y", File("n"))]);
    "sparse" "beyond its end" |_| layer![sparse("x", &[(1 << 40, 512)], 512, &[b'n'; 512]), file("y", "n")] => Either(vec![("d/f", File("f"))]);
    "sparse" "negative and overlapping" |_| layer![sparse("x", &[(-512, 512), (0, 512), (0, 512)], 1 << 20, &[b'n'; 1536]), file("y", "n")] => Either(vec![("d/f", File("f"))]);
    "sparse" "of pax, a giant" |_| layer![file("x", "1\n0\n0\n").pax("GNU.sparse.major", "1").pax("GNU.sparse.minor", "0").pax("GNU.sparse.name", "x").pax("GNU.sparse.realsize", "9223372036854775807")] => Either(vec![("d/f", File("f"))]);
    "sparse" "of pax, a map beyond all" |_| layer![file("x", "99999999999\n0\n0\n").pax("GNU.sparse.major", "1").pax("GNU.sparse.minor", "0").pax("GNU.sparse.name", "x").pax("GNU.sparse.realsize", "512")] => Either(vec![("d/f", File("f"))]);
    "sparse" "of pax, another name" |at| layer![file("x", "1\n0\n0\n").pax("GNU.sparse.major", "1").pax("GNU.sparse.minor", "0").pax("GNU.sparse.name", at.climbing("new")).pax("GNU.sparse.realsize", "0")] => Either(vec![("d/f", File("f"))]);
    "sizes" "more than there is" |_| layer![file("x", "n").size(base256(1 << 62))] => Refused(&["limit", "most", "more than", "ends", "end of", "short", "truncated", "large"]);
    "sizes" "negative" |_| layer![file("x", "n").size(base256(-512))] => Refused(&["size", "number", "header", "negative"]);
    "sizes" "no number" |_| layer![file("x", "n").size(*b"99zzzzzzzzz\0")] => Refused(&["size", "number", "octal", "header", "digit"]);
    "sizes" "another of pax" |_| layer![file("x", "nnnn").pax("size", "18446744073709551615")] => Refused(&["size", "number", "limit", "most", "ends", "end of", "large"]);
    "damage" "a wrong checksum" |_| { let mut bytes = one(); bytes[0] ^= 1; Image::Layers(vec![bytes]) } => Refused(&["checksum", "header"]);
    "damage" "cut in a header" |_| Image::Layers(vec![one()[..300].to_vec()]) => Refused(&["end", "short", "truncated", "header"]);
    "damage" "cut in a file" |_| Image::Layers(vec![one()[..1200].to_vec()]) => Refused(&["end", "short", "truncated"]);
    "damage" "no archive at all" |_| Image::Layers(vec![b"nothing of the kind, but long enough to be looked at".repeat(40)]) => Refused(&["checksum", "header", "archive"]);
    "damage" "empty" |_| Image::Layers(vec![vec![]]) => Either(vec![("d/f", File("f"))]);
    "damage" "gzip cut off" |_| blob("tar+gzip", one(), |blob| blob[..blob.len() - 10].to_vec()) => Refused(&["gzip", "end", "decompress", "corrupt", "deflate"]);
    "damage" "gzip with another sum" |_| blob("tar+gzip", one(), |mut blob| { let at = blob.len() - 6; blob[at] ^= 1; blob }) => Refused(&["gzip", "corrupt", "decompress", "CRC", "checksum", "digest"]);
    "damage" "rubbish behind gzip" |_| blob("tar+gzip", one(), |mut blob| { blob.extend(b"rubbish"); blob }) => Either(vec![("d/f", File("f"))]);
    "damage" "zstd that is none" |_| blob("tar+zstd", one(), |_| b"\x28\xb5\x2f\xfd rubbish".to_vec()) => Refused(&["zstd", "decompress", "corrupt", "end", "data", "frame", "Unknown"]);
    "damage" "an unknown compression" |_| blob("tar+lzip", one(), |blob| blob) => Refused(&["media type", "mediaType", "lzip"]);
}
