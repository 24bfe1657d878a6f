//! Names, links, and members that are there twice.

use super::case::*;
use super::entry::*;

/// The words with which a size is refused.
const TOO_LONG: &[&str] = &["long", "limit", "most", "ENAMETOOLONG"];

cases! {
    "absolute" "a file" |_| layer![file("/new", "n")] => Either(vec![("new", File("n"))]);
    "absolute" "a file of the host" |at| layer![file(at.absolute("secret"), "n")] => Either(vec![]);
    "absolute" "two slashes" |at| layer![file(format!("/{}", at.absolute("new")), "n")] => Either(vec![]);
    "absolute" "a directory of the host" |at| layer![dir(at.absolute("dir")).mode(0o777), file(at.absolute("dir/file"), "n")] => Either(vec![]);
    "dot-dot" "climbing" |at| layer![file(at.climbing("secret"), "n")] => Either(vec![]);
    "dot-dot" "after a name" |at| layer![file(format!("d/{}", at.climbing("new")), "n")] => Either(vec![]);
    "dot-dot" "after a slash" |at| layer![file(format!("/{}", at.climbing("new")), "n")] => Either(vec![]);
    "dot-dot" "within the root" |_| layer![file("d/../new", "n")] => Either(vec![("new", File("n")), ("d/f", File("f"))]);
    "dot-dot" "the parent itself" |_| layer![dir("..").mode(0o777)] => Either(vec![]);
    "dot-dot" "the parent of a directory, as a link" |at| layer![symlink("d/..", at.absolute(""))] => Either(vec![("d/f", File("f"))]);
    "dot-dot" "names that only look so" |_| layer![file("...", "n"), file("..x", "n"), file("d/x..", "n")] =>
        Tree(vec![("...", File("n")), ("..x", File("n")), ("d/x..", File("n"))]);
    "root entry" "its mode" |_| layer![dir("./").mode(0o711), file("./new", "n")] => Tree(vec![(".", Mode(0o711)), ("new", File("n")), ("d/f", File("f"))]);
    "root entry" "open to all" |_| layer![dir(".").mode(0o6777)] => Either(vec![("d/f", File("f"))]);
    "root entry" "as a link" |at| layer![symlink(".", at.absolute("")), file("./secret", "n")] => Either(vec![]);
    "root entry" "as a file" |_| layer![file("/", "n")] => Either(vec![("d/f", File("f"))]);
    "root entry" "no name" |_| layer![file("", "n")] => Either(vec![("d/f", File("f"))]);
    "symlink" "to a directory of the host, and a file in it" |at| layer![symlink("s", at.absolute("")), file("s/secret", "n")] => Either(vec![]);
    "symlink" "climbing" |at| layer![symlink("s", at.climbing("")), file("s/new", "n")] => Either(vec![]);
    "symlink" "to a link" |at| layer![symlink("a", "b"), symlink("b", at.absolute("")), file("a/new", "n")] => Either(vec![]);
    "symlink" "of a lower layer" |_| layer![file("abs/new", "n")] => Either(vec![]);
    "symlink" "of a lower layer, climbing" |_| layer![file("up/new", "n"), dir("up/more")] => Either(vec![]);
    "symlink" "then a file of its name" |at| layer![symlink("s", at.absolute("secret")), file("s", "n")] => Either(vec![("s", File("n"))]);
    "symlink" "then a directory of its name" |at| layer![symlink("s", at.absolute("dir")), dir("s/").mode(0o777), file("s/file", "n")] =>
        Either(vec![("s", Dir), ("s/file", File("n"))]);
    "symlink" "of a lower layer, then a directory of its name" |_| layer![dir("abs/").mode(0o777), file("abs/new", "n")] =>
        Tree(vec![("abs", Dir), ("abs/new", File("n"))]);
    "symlink" "in the place of a file, with a mode" |at| layer![file("s", "1"), symlink("s", at.absolute("secret")).mode(0o4777)] => Either(vec![]);
    "symlink" "a loop" |_| layer![symlink("a", "b"), symlink("b", "a"), file("a/x", "n")] => Either(vec![]);
    "symlink" "no target" |_| layer![symlink("s", "")] => Either(vec![]);
    "symlink" "a slash behind its name" |at| layer![symlink("s/", at.absolute("")), file("s/secret", "n")] => Either(vec![]);
    "symlink" "an honest absolute one" |_| layer![symlink("etc/alias", "/etc/passwd")] => Tree(vec![("etc/alias", Link("/etc/passwd"))]);
    "symlink" "to the process's own root" |_| layer![symlink("s", "/proc/self/root"), file("s/tmp/held-out-new", "n")] => Either(vec![]);
    "hard link" "absolute" |at| layer![hard("h", at.absolute("secret"))] => Either(vec![]);
    "hard link" "climbing" |at| layer![hard("h", at.climbing("secret")), file("h", "n")] => Either(vec![]);
    "hard link" "to a link out" |at| layer![symlink("s", at.absolute("secret")), hard("h", "s"), file("h", "n")] => Either(vec![]);
    "hard link" "through a link out" |at| layer![symlink("s", at.absolute("")), hard("h", "s/secret"), file("h", "n")] => Either(vec![]);
    "hard link" "through a link of a lower layer" |_| layer![hard("h", "abs/secret")] => Either(vec![]);
    "hard link" "to a lower layer's file, which is then written" |_| layer![hard("h", "d/f"), file("h", "n")] =>
        Either(vec![("h", File("n")), ("d/f", File("f"))]);
    "hard link" "to itself" |_| layer![hard("h", "h")] => Either(vec![]);
    "hard link" "to a directory" |_| layer![dir("new"), hard("h", "new")] => Either(vec![]);
    "hard link" "to what comes later" |_| layer![hard("h", "later"), file("later", "n")] => Either(vec![("later", File("n"))]);
    "hard link" "an honest one" |_| layer![file("a", "n"), hard("d/b", "a"), hard("./c", "./d/b")] =>
        Tree(vec![("a", File("n")), ("d/b", File("n")), ("c", File("n"))]);
    "hard link" "whose target is replaced" |_| layer![file("a", "1"), hard("b", "a"), file("a", "2")] =>
        Either(vec![("a", File("2")), ("b", File("1"))]);
    "hard link" "with content" |_| layer![file("a", "1"), hard("b", "a").data("2")] => Either(vec![]);
    "links in every order" "hard, soft, file" |at| layer![hard("h", "s"), symlink("s", at.absolute("secret")), file("h", "n")] => Either(vec![]);
    "links in every order" "soft, file, hard" |at| layer![symlink("s", at.absolute("secret")), file("s", "n"), hard("h", "s"), symlink("h", at.absolute("secret")), file("h", "m")] => Either(vec![]);
    "links in every order" "soft directory, hard, soft" |at| layer![symlink("s", at.absolute("dir")), hard("h", "s"), file("h/file", "n"), symlink("s", "d"), file("s/file", "n")] => Either(vec![]);
    "links in every order" "file, hard, soft, hard again" |at| layer![file("f", "n"), hard("h", "f"), symlink("f", at.absolute("secret")), hard("g", "f"), file("g", "n").mode(0o777)] => Either(vec![]);
    "links in every order" "directory, soft in its place, file in it" |at| layer![dir("x"), symlink("x", at.absolute("dir")), file("x/file", "n"), hard("y", "x/file")] => Either(vec![]);
    "long names" "a component of 255" |_| layer![file("n".repeat(255), "n")] => Tree(vec![("d/f", File("f"))]);
    "long names" "a component of 256" |_| layer![file("n".repeat(256), "n")] => Refused(TOO_LONG);
    "long names" "a path of 9,000" |_| layer![file("n/".repeat(4500), "n")] => Either(vec![("d/f", File("f"))]);
    "long names" "a GNU name of a megabyte" |_| layer![Entry::new(b'L', "././@LongLink").data("n".repeat(1 << 20)), file("x", "n")] => Refused(TOO_LONG);
    "long names" "a target of 5,000" |_| layer![symlink("s", "n".repeat(5000))] => Refused(TOO_LONG);
    "long names" "a NUL in it" |at| layer![file("x", "n").pax("path", format!("new\0{}", at.absolute("secret")))] => Either(vec![("d/f", File("f"))]);
    "long names" "of a terminal" |_| layer![file("\u{1b}[2J\nx", "n"), hard("\u{1b}]0;x\u{7}", "\u{1b}[2J\nno")] => Either(vec![]);
    "long names" "no UTF-8" |_| layer![file(b"\xff\xfe", "n")] => Tree(vec![("d/f", File("f"))]);
    "duplicates" "a file" |_| layer![file("x", "1"), file("x", "2")] => Either(vec![("x", File("2"))]);
    "duplicates" "a directory, then a file" |_| layer![dir("x"), file("x/y", "1"), file("x", "2")] => Either(vec![("x", File("2"))]);
    "duplicates" "a file, then a directory" |_| layer![file("x", "1"), dir("x"), file("x/y", "2")] => Either(vec![("x/y", File("2"))]);
    "duplicates" "a link into the image, then a directory" |_| layer![symlink("x", "d"), dir("x/"), file("x/f", "n")] =>
        Either(vec![("x", Dir), ("x/f", File("n")), ("d/f", File("f"))]);
    "duplicates" "a lower directory becomes a file" |_| layer![file("d", "n")] => Tree(vec![("d", File("n"))]);
    "duplicates" "a lower file becomes a directory" |_| layer![dir("etc/passwd"), file("etc/passwd/x", "n")] => Tree(vec![("etc/passwd", Dir), ("etc/passwd/x", File("n"))]);
    "duplicates" "a lower link becomes a directory" |_| layer![dir("link"), file("link/n", "n")] =>
        Tree(vec![("link", Names(&["n"])), ("d", Names(&["f", "g"]))]);
    "duplicates" "a lower directory gets another mode" |_| layer![dir("d").mode(0o700)] => Tree(vec![("d", Mode(0o700)), ("d/f", File("f"))]);
}
