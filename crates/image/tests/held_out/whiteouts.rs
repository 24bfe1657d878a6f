//! Names that remove others.

use super::case::*;
use super::entry::*;

const OPAQUE: &str = "d/.wh..wh..opq";

cases! {
    "whiteout" "a file" |_| layer![file("d/.wh.f", "")] => Tree(vec![("d", Names(&["g"]))]);
    "whiteout" "a directory" |_| layer![file(".wh.d", "")] => Tree(vec![("d", Absent)]);
    "whiteout" "nothing" |_| layer![file(".wh.nothing", "")] => Tree(vec![("nothing", Absent), (".wh.nothing", Absent), ("d/f", File("f"))]);
    "whiteout" "before what takes its place" |_| layer![file("d/.wh.f", ""), file("d/f", "n")] => Tree(vec![("d/f", File("n"))]);
    // "Files that are present in the same layer as a whiteout file can only be hidden by whiteout files in subsequent layers."
    "whiteout" "after what takes its place" |_| layer![file("d/f", "n"), file("d/.wh.f", "")] => Tree(vec![("d/f", File("n"))]);
    "whiteout" "of a directory that comes again" |_| Image::Layers(vec![tar(&[file(".wh.d", "")]), tar(&[dir("d"), file("d/new", "n")])]) =>
        Tree(vec![("d", Names(&["new"]))]);
    "whiteout" "of a directory that is in the same layer" |_| layer![file(".wh.d", ""), dir("d"), file("d/new", "n")] =>
        Tree(vec![("d", Names(&["new"]))]);
    "whiteout" "of a directory that is in the same layer before" |_| layer![dir("d"), file("d/new", "n"), file(".wh.d", "")] =>
        Tree(vec![("d", Names(&["new"]))]);
    "whiteout" "of a link out" |_| layer![file(".wh.abs", "")] => Tree(vec![("abs", Absent)]);
    "whiteout of parents" "of the root" |_| layer![file(".wh..", "")] => Either(vec![("d/f", File("f"))]);
    "whiteout of parents" "of the root's parent" |_| layer![file(".wh...", "")] => Either(vec![("d/f", File("f"))]);
    "whiteout of parents" "of a directory, from inside" |_| layer![file("d/.wh..", "")] => Either(vec![("etc/passwd", File("base"))]);
    "whiteout of parents" "of a parent, from inside" |_| layer![file("d/.wh...", "")] => Either(vec![("etc/passwd", File("base"))]);
    "whiteout of parents" "above the root" |at| layer![file(format!("{}.wh.outside", "../".repeat(2)), ""), file(at.climbing(".wh.secret"), "")] => Either(vec![("d/f", File("f"))]);
    "whiteout of parents" "of nothing" |_| layer![file(".wh.", "")] => Either(vec![("d/f", File("f"))]);
    "whiteout through links" "of a lower layer" |_| layer![file("abs/.wh.secret", ""), file("up/.wh.file", "")] => Either(vec![("d/f", File("f"))]);
    "whiteout through links" "of the same layer" |at| layer![symlink("s", at.absolute("")), file("s/.wh.secret", "")] => Either(vec![("d/f", File("f"))]);
    "whiteout through links" "opaque" |at| layer![symlink("s", at.absolute("")), file("s/.wh..wh..opq", ""), file("abs/.wh..wh..opq", "")] => Either(vec![("d/f", File("f"))]);
    "whiteout of other types" "a directory" |_| layer![dir(".wh.d"), file(".wh.d/x", "n")] => Either(vec![("etc/passwd", File("base"))]);
    "whiteout of other types" "a link" |at| layer![symlink(".wh.d", at.absolute("secret"))] => Either(vec![("etc/passwd", File("base"))]);
    "whiteout of other types" "a hard link" |_| layer![hard(".wh.d", "etc/passwd")] => Either(vec![("etc/passwd", File("base"))]);
    "whiteout of other types" "with a child" |_| layer![file(".wh.d/f", "n")] => Either(vec![("etc/passwd", File("base"))]);
    "whiteout of other types" "of aufs" |_| layer![dir(".wh..wh.plnk"), file(".wh..wh.aufs", "n"), file(".wh..wh.plnk/1.2", "n")] => Either(vec![("d/f", File("f"))]);
    "whiteout of other types" "a long name" |_| layer![file(format!(".wh.{}", "n".repeat(251)), ""), file(format!(".wh.{}", "n".repeat(252)), "")] => Either(vec![("d/f", File("f"))]);
    "whiteout of other types" "a device of overlayfs" |_| layer![node(b'3', "d/f", 0, 0)] => Either(vec![("d/g", File("g"))]);
    "opaque" "a directory" |_| layer![dir("d"), file(OPAQUE, "")] => Tree(vec![("d", Names(&[]))]);
    "opaque" "before its siblings" |_| layer![dir("d"), file(OPAQUE, ""), file("d/new", "n")] => Tree(vec![("d", Names(&["new"]))]);
    "opaque" "after its siblings" |_| layer![dir("d"), file("d/new", "n"), file(OPAQUE, "")] => Tree(vec![("d", Names(&["new"]))]);
    "opaque" "before its directory" |_| layer![file(OPAQUE, ""), dir("d").mode(0o700)] => Tree(vec![("d", Names(&[])), ("d", Mode(0o700))]);
    "opaque" "with a whiteout of the same" |_| layer![file("d/f", "n"), file(OPAQUE, ""), file("d/.wh.f", ""), file("d/.wh.g", "")] => Tree(vec![("d", Names(&["f"]))]);
    "opaque" "the root" |_| layer![file(".wh..wh..opq", ""), file("new", "n")] => Tree(vec![(".", Names(&["new"]))]);
    "opaque" "of a lower file" |_| layer![file("etc/passwd/.wh..wh..opq", "")] => Either(vec![("d/f", File("f"))]);
    "opaque" "through a link into the image" |_| layer![file("link/.wh..wh..opq", "")] => Either(vec![]);
    "opaque" "a new directory" |_| layer![file("q/.wh..wh..opq", ""), file("q/x", "n")] => Tree(vec![("q", Names(&["x"]))]);
    "opaque" "and the layer above it" |_| Image::Layers(vec![tar(&[file(OPAQUE, "")]), tar(&[file("d/new", "n")])]) => Tree(vec![("d", Names(&["new"]))]);
}
