//! Messages, the descriptors in them, and names of sockets.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::{process, socket};

use crate::{Case, open};

pub(crate) const CASES: &[Case] = &[
    ("messages_keep_their_ends_and_descriptors", messages),
    (
        "a_full_queue_is_not_waited_for",
        a_full_queue_is_not_waited_for,
    ),
    (
        "a_name_may_be_deep_in_the_tree",
        a_name_may_be_deep_in_the_tree,
    ),
];

fn messages(dir: &Path) {
    std::fs::write(dir.join("f"), "content").expect("a file");
    let (one, other) = socket::pair().expect("a pair");
    let sent = file::openat(open(dir), "f", OFlags::RDONLY, 0).expect("a file");
    socket::send(one.as_fd(), b"with", &[sent.as_fd(), sent.as_fd()]).expect("sent");
    socket::send(one.as_fd(), b"without", &[]).expect("sent");
    drop((one, sent));
    let (text, fds) = socket::receive(other.as_fd()).expect("a message");
    assert_eq!((&text[..], fds.len()), (&b"with"[..], 2));
    let info = format!("/proc/self/fdinfo/{}", fds[0].as_raw_fd());
    let info = std::fs::read_to_string(info).expect("procfs");
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = i32::from_str_radix(flags.expect("flags").trim(), 8).expect("octal");
    assert_ne!(flags & libc::O_CLOEXEC, 0, "no program inherits it: {info}");
    assert_eq!(file::read_fd(&fds[1], 100).expect("text"), b"content");
    let (text, fds) = socket::receive(other.as_fd()).expect("a message");
    assert_eq!((&text[..], fds.len()), (&b"without"[..], 0));
    let (text, _) = socket::receive(other.as_fd()).expect("the end");
    assert!(text.is_empty());
    // The other end is gone: an error, and no signal.
    let (one, other) = socket::pair().expect("a pair");
    drop(other);
    let sent = socket::send(one.as_fd(), b"late", &[]);
    assert!(sent.expect_err("nobody").is(&[libc::EPIPE]));
}

fn a_full_queue_is_not_waited_for(_: &Path) {
    let (one, other) = socket::pair().expect("a pair");
    let send = || socket::try_send(one.as_fd(), &[1; 1000]).expect("a queue");
    let room = (0..10_000).take_while(|_| send()).count();
    assert!((1..10_000).contains(&room), "{room}");
    // Room comes a page at a time.
    for _ in 0..room {
        socket::receive(other.as_fd()).expect("a message");
    }
    assert!(send());
}

fn a_name_may_be_deep_in_the_tree(dir: &Path) {
    let deep = dir.join("d".repeat(100)).join("e".repeat(100));
    std::fs::create_dir_all(&deep).expect("a directory");
    let deep = open(&deep);
    let listener = socket::listen(deep.as_fd(), "name").expect("a listener");
    let client = socket::connect(deep.as_fd(), "name").expect("connected");
    let server = socket::accept(listener.as_fd()).expect("accepted");
    assert_eq!(
        socket::listener_of(client.as_fd()).expect("a process"),
        process::id()
    );
    socket::send(client.as_fd(), b"hello", &[]).expect("sent");
    assert_eq!(
        socket::receive(server.as_fd()).expect("a message").0,
        b"hello"
    );
}
