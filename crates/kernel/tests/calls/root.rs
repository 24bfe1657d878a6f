//! Where paths below a root lead.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use lockstep_kernel::file::{self, NodeKind, OFlags};
use lockstep_kernel::root::{Kind, Root};

use crate::{Case, errno, open};

pub(crate) const CASES: &[Case] = &[
    ("no_path_leads_out", no_path_leads_out),
    ("magic_links_are_refused", magic_links_are_refused),
    ("links_on_the_way_are_refused", links_on_the_way_are_refused),
    ("what_is_no_file_has_no_text", what_is_no_file_has_no_text),
    ("mount_points_are_made_inside", mount_points_are_made_inside),
    ("absolute_paths_without_links", absolute_paths_without_links),
];

fn root(dir: &Path) -> Root {
    std::fs::create_dir_all(dir.join("root/etc")).expect("a directory");
    std::fs::write(dir.join("root/etc/f"), "inside").expect("a file");
    std::fs::create_dir(dir.join("etc")).expect("a directory");
    std::fs::write(dir.join("etc/f"), "outside").expect("a file");
    Root::new(open(&dir.join("root")))
}

fn no_path_leads_out(dir: &Path) {
    let below = root(dir);
    let link = |to: &Path, name: &str| symlink(to, dir.join("root").join(name)).expect("a link");
    link(Path::new("../etc/f"), "up");
    link(&dir.join("etc/f"), "host");
    link(Path::new("/etc/f"), "absolute");
    link(Path::new("../etc"), "etc/way");
    for path in [
        "up",
        "absolute",
        "/../../etc/f",
        "etc/../../etc/f",
        "etc/way/f",
    ] {
        let file = below.open(Path::new(path), OFlags::RDONLY, 0);
        let text = file::read_fd(file.expect(path), 100).expect("text");
        assert_eq!(text, b"inside", "{path}");
    }
    // Below the root there is no such path.
    let host = below.open_if_there(Path::new("host"), OFlags::RDONLY);
    assert!(host.expect("resolved").is_none());
    assert_eq!(
        errno(below.open(Path::new("host"), OFlags::RDONLY, 0)),
        libc::ENOENT
    );
}

fn magic_links_are_refused(_: &Path) {
    let host = Root::new(open(Path::new("/")));
    for path in ["/proc/self/exe", "/proc/self/root/etc", "/proc/self/fd/0"] {
        let opened = host.open(Path::new(path), OFlags::RDONLY, 0);
        assert_eq!(errno(opened), libc::ELOOP, "{path}");
    }
    // The link itself is a location like any other.
    host.locate_nofollow(Path::new("/proc/self/exe"))
        .expect("a link");
}

fn links_on_the_way_are_refused(dir: &Path) {
    let below = root(dir);
    symlink("etc", dir.join("root/way")).expect("a link");
    symlink("f", dir.join("root/etc/end")).expect("a link");
    let open = |path: &str| below.open_without_links(Path::new(path), OFlags::RDONLY);
    assert!(open("etc/f").expect("no link").is_some());
    assert!(open("etc/g").expect("nothing").is_none());
    assert!(open("etc/f/g").expect("nothing").is_none());
    for path in ["way/f", "etc/end"] {
        assert_eq!(errno(open(path)), libc::ELOOP, "{path}");
    }
}

fn what_is_no_file_has_no_text(dir: &Path) {
    let below = root(dir);
    let read = |path: &str| below.read_if_regular(Path::new(path), 6);
    assert_eq!(read("etc/f").expect("a file"), Some(b"inside".to_vec()));
    assert_eq!(read("etc/absent").expect("nothing"), None);
    assert_eq!(read("etc").expect("a directory"), None);
    let fifo = file::mknodat(
        open(&dir.join("root")),
        "fifo",
        NodeKind::Fifo,
        0o600,
        (0, 0),
    );
    fifo.expect("a fifo");
    // Opened without waiting for somebody who writes.
    assert_eq!(read("fifo").expect("a fifo"), None);
    std::fs::write(dir.join("root/etc/f"), "a longer one").expect("a file");
    assert_eq!(errno(read("etc/f")), libc::EFBIG);
}

fn mount_points_are_made_inside(dir: &Path) {
    let below = root(dir);
    let made = |path: &str| std::fs::symlink_metadata(dir.join("root").join(path));
    let point = |path: &str, kind, nofollow| below.mount_point(Path::new(path), kind, nofollow);
    point("/a/b/c", Kind::Directory, false).expect("a directory");
    assert_eq!(made("a/b/c").expect("made").mode(), libc::S_IFDIR | 0o755);
    point("a/b/f", Kind::File, false).expect("a file");
    let file = made("a/b/f").expect("made");
    assert_eq!((file.mode(), file.len()), (libc::S_IFREG | 0o644, 0));
    // What a dangling link promises is made where it leads, inside.
    let outside = dir.join("new");
    symlink(&outside, dir.join("root/dangling")).expect("a link");
    point("dangling/d", Kind::Directory, false).expect("a directory");
    assert!(!outside.exists());
    let inside = outside.strip_prefix("/").expect("absolute").join("d");
    assert!(dir.join("root").join(inside).is_dir());
    symlink("etc", dir.join("root/last")).expect("a link");
    point("last", Kind::Directory, false).expect("the directory");
    let link = point("last", Kind::Directory, true).expect("the link");
    let mode = file::fstat(&link).expect("its status").st_mode;
    assert_eq!(mode & libc::S_IFMT, libc::S_IFLNK);
}

fn absolute_paths_without_links(dir: &Path) {
    std::fs::create_dir(dir.join("real")).expect("a directory");
    std::fs::write(dir.join("real/f"), "").expect("a file");
    symlink("real", dir.join("way")).expect("a link");
    let open = |path: &str| file::open_without_links(dir.join(path), OFlags::RDONLY);
    open("real/f").expect("no link");
    assert_eq!(errno(open("way/f")), libc::ELOOP);
    assert_eq!(errno(open("way")), libc::ELOOP);
    let whole = file::canonicalize(dir.join("way/../way/f")).expect("resolved");
    assert_eq!(whole, dir.canonicalize().expect("resolved").join("real/f"));
}
