//! Files with all that they have: holes, times, attributes, and how trees go.

use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::{metadata, sparse, tree};

use crate::{Case, errno, open, tmpfs};

pub(crate) const CASES: &[Case] = &[
    (
        "trees_go_as_far_as_their_mount",
        trees_go_as_far_as_their_mount,
    ),
    ("a_mount_is_not_entered", a_mount_is_not_entered),
    ("holes_stay_holes", holes_stay_holes),
    ("a_link_has_times_of_its_own", a_link_has_times_of_its_own),
    (
        "a_link_has_attributes_of_its_own",
        a_link_has_attributes_of_its_own,
    ),
];

fn trees_go_as_far_as_their_mount(dir: &Path) {
    let outside = dir.join("outside");
    std::fs::create_dir(&outside).expect("a directory");
    std::fs::write(outside.join("f"), "kept").expect("a file");
    // Deeper than a path may be long, and than descriptors may be many.
    let mut at = open(dir);
    file::mkdirat(&at, "tree", 0o700).expect("a directory");
    symlink(&outside, dir.join("tree/link")).expect("a link");
    at = file::open_dir(&at, "tree").expect("it");
    for _ in 0..2000 {
        file::mkdirat(&at, "deeper", 0o700).expect("a directory");
        at = file::open_dir(&at, "deeper").expect("it");
    }
    tree::remove(open(dir), "tree").expect("removed");
    assert!(!dir.join("tree").exists());
    assert_eq!(std::fs::read(outside.join("f")).expect("kept"), b"kept");
    tree::remove(open(dir), "tree").expect("that it is not there is fine");
    // A link goes, and not what it leads to.
    symlink(&outside, dir.join("alone")).expect("a link");
    tree::remove(open(dir), "alone").expect("removed");
    assert_eq!(file::list(open(dir), ".").expect("names"), ["outside"]);
    assert_eq!(std::fs::read(outside.join("f")).expect("kept"), b"kept");
}

fn a_mount_is_not_entered(dir: &Path) {
    std::fs::create_dir(dir.join("tree")).expect("a directory");
    let mounted = tmpfs(&dir.join("tree"), "mounted", 1 << 20);
    std::fs::write(mounted.join("f"), "kept").expect("a file");
    let within = open(&dir.join("tree"));
    let entered = tree::open_in_mount(&within, Path::new("mounted"));
    assert_eq!(errno(entered), libc::EXDEV);
    assert_eq!(errno(tree::remove(open(dir), "tree")), libc::EXDEV);
    assert_eq!(std::fs::read(mounted.join("f")).expect("kept"), b"kept");
}

fn holes_stay_holes(dir: &Path) {
    let place = tmpfs(dir, "sparse", 16 << 20);
    let create = |name: &str| {
        let flags = OFlags::RDWR | OFlags::CREATE;
        file::openat(open(&place), name, flags, 0o600).expect("a file")
    };
    let from = std::fs::File::from(create("from"));
    from.write_at(&[1; 4096], 0).expect("the beginning");
    from.write_at(&[2; 4096], 4 << 20).expect("the middle");
    from.set_len(8 << 20).expect("a hole at the end");
    sparse::copy(&from, create("to")).expect("copied");
    let [a, b] = ["from", "to"].map(|name| std::fs::metadata(place.join(name)).expect("a file"));
    assert_eq!((a.len(), a.blocks()), (b.len(), b.blocks()));
    let text = |name: &str| std::fs::read(place.join(name)).expect("a file");
    assert!(text("from") == text("to"), "the same bytes");
    let pieces = sparse::pieces(&from, 8 << 20, 2).expect("pieces");
    assert_eq!(pieces, [(0, 4096), (4 << 20, 4096)]);
    assert_eq!(errno(sparse::pieces(&from, 8 << 20, 1)), libc::EFBIG);
}

fn a_link_has_times_of_its_own(dir: &Path) {
    std::fs::write(dir.join("f"), "").expect("a file");
    symlink("f", dir.join("link")).expect("a link");
    let (accessed, modified) = ((1, 2), (-3, 999_999_999));
    metadata::set_times_at(open(dir), Path::new("link"), accessed, modified).expect("set");
    let link = std::fs::symlink_metadata(dir.join("link")).expect("a link");
    assert_eq!((link.atime(), link.atime_nsec()), (1, 2));
    assert_eq!((link.mtime(), link.mtime_nsec()), (-3, 999_999_999));
    assert!(std::fs::metadata(dir.join("f")).expect("a file").mtime() > 0);
    let opened = file::openat(open(dir), "f", OFlags::RDWR, 0).expect("a file");
    metadata::set_times(&opened, accessed, modified).expect("set");
    let file = std::fs::metadata(dir.join("f")).expect("a file");
    assert_eq!((file.mtime(), file.mtime_nsec()), (-3, 999_999_999));
}

fn a_link_has_attributes_of_its_own(dir: &Path) {
    std::fs::write(dir.join("f"), "").expect("a file");
    symlink("f", dir.join("link")).expect("a link");
    let at = open(dir);
    let (name, link) = ("trusted.lockstep", Path::new("link"));
    let value = |name: &str, file: &str| metadata::xattr_at(open(dir), Path::new(file), name);
    metadata::set_xattr_at(&at, link, name, b"\0of the link").expect("set");
    assert_eq!(
        value(name, "link").expect("it"),
        Some(b"\0of the link".to_vec())
    );
    assert_eq!(value(name, "f").expect("none"), None);
    let mut names = metadata::xattrs_at(&at, link).expect("names");
    // A security module has one on every file.
    names.retain(|name| !name.starts_with("security."));
    assert_eq!(names, [name]);
    let flags = OFlags::PATH | OFlags::NOFOLLOW;
    let location = file::openat(&at, "link", flags, 0).expect("a location");
    metadata::set_xattr_opened(&location, name, b"again").expect("set");
    assert_eq!(value(name, "link").expect("it"), Some(b"again".to_vec()));
    metadata::chown_opened(&location, 12, 34).expect("given");
    let owner = |file: std::fs::Metadata| (file.uid(), file.gid());
    let of_link = std::fs::symlink_metadata(dir.join("link")).expect("a link");
    let of_file = std::fs::metadata(dir.join("f")).expect("a file");
    assert_eq!((owner(of_link), owner(of_file)), ((12, 34), (0, 0)));
}
