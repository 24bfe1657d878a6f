//! What is left of a file that is replaced, and who has a lock.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lockstep_kernel::durable::{self, Lock};
use lockstep_kernel::file::{self, OFlags};

use crate::{Case, errno, open, tmpfs};

pub(crate) const CASES: &[Case] = &[
    ("names_change_at_once", names_change_at_once),
    (
        "a_file_is_replaced_as_a_whole",
        a_file_is_replaced_as_a_whole,
    ),
    ("a_full_disk_leaves_the_old", a_full_disk_leaves_the_old),
    ("a_lock_is_of_the_open_file", a_lock_is_of_the_open_file),
];

fn names_change_at_once(dir: &Path) {
    let text = |name: &str| std::fs::read_to_string(dir.join(name)).expect("a file");
    for name in ["a", "b"] {
        std::fs::write(dir.join(name), name).expect("a file");
    }
    let fd = open(dir);
    assert_eq!(errno(durable::rename_new(&fd, "a", &fd, "b")), libc::EEXIST);
    assert_eq!((text("a"), text("b")), ("a".into(), "b".into()));
    durable::exchange(&fd, "a", &fd, "b").expect("both are there");
    assert_eq!((text("a"), text("b")), ("b".into(), "a".into()));
    durable::rename(&fd, "a", &fd, "b").expect("replaced");
    assert_eq!(text("b"), "b");
    durable::rename_new(&fd, "b", &fd, "c").expect("nothing is there");
    assert_eq!(file::list(&fd, ".").expect("names"), ["c"]);
}

type Replace = fn(&std::os::fd::OwnedFd, &str, &[u8]) -> lockstep_kernel::Result<()>;

/// Both ways to replace a file: one outlives the machine, the other the process.
const WAYS: [Replace; 2] = [
    |dir, name, bytes| durable::replace(dir, name, bytes, 0o640),
    |dir, name, bytes| file::replace(dir, name, bytes, 0o640),
];

fn a_file_is_replaced_as_a_whole(dir: &Path) {
    for replace in WAYS {
        std::fs::write(dir.join("f"), "old").expect("a file");
        let before = file::openat(open(dir), "f", OFlags::RDONLY, 0).expect("the old one");
        replace(&open(dir), "f", b"new").expect("replaced");
        let now = std::fs::metadata(dir.join("f")).expect("a file");
        assert_eq!(now.mode() & 0o7777, 0o640);
        assert_eq!(std::fs::read(dir.join("f")).expect("a file"), b"new");
        // Who has it open still has the whole of the old one.
        assert_eq!(file::read_fd(before, 10).expect("text"), b"old");
        assert_eq!(file::list(open(dir), ".").expect("names"), ["f"]);
    }
}

fn a_full_disk_leaves_the_old(dir: &Path) {
    let disk = tmpfs(dir, "disk", 16 << 10);
    for replace in WAYS {
        std::fs::write(disk.join("f"), "old").expect("a file");
        let replaced = replace(&open(&disk), "f", &[1; 64 << 10]);
        assert_eq!(errno(replaced), libc::ENOSPC);
        assert_eq!(std::fs::read(disk.join("f")).expect("a file"), b"old");
        // Nor is there less room than before.
        assert_eq!(file::list(open(&disk), ".").expect("names"), ["f"]);
    }
}

fn a_lock_is_of_the_open_file(dir: &Path) {
    let open = || {
        let flags = OFlags::RDWR | OFlags::CREATE;
        file::openat(open(dir), "lock", flags, 0o600).expect("a file")
    };
    let take = |file: &std::os::fd::OwnedFd, how| durable::lock(file, how, false).expect("flock");
    let (one, other) = (open(), open());
    assert!(take(&one, Lock::Exclusive));
    assert!(!take(&other, Lock::Exclusive) && !take(&other, Lock::Shared));
    // A copy of the descriptor keeps it.
    let copy = file::duplicate(&one).expect("a copy");
    drop(one);
    assert!(!take(&other, Lock::Shared));
    drop(copy);
    assert!(take(&other, Lock::Shared) && take(&open(), Lock::Shared));
    let third = open();
    assert!(!take(&third, Lock::Exclusive));
    durable::unlock(&other).expect("let go");
    assert!(take(&third, Lock::Exclusive));
}
