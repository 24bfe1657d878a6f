//! What a new process has, how it ends, and who learns of it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use lockstep_kernel::event::{self, Want};
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::namespace::{self, Map};
use lockstep_kernel::process::{self, Child, Exit, Image, Side};
use lockstep_kernel::socket;

use crate::{Case, errno, open};

pub(crate) const CASES: &[Case] = &[
    ("an_end_is_told_once", an_end_is_told_once),
    (
        "a_process_dies_with_its_parent",
        a_process_dies_with_its_parent,
    ),
    (
        "a_program_has_its_descriptors_alone",
        a_program_has_its_descriptors_alone,
    ),
    ("a_child_keeps_what_is_named", a_child_keeps_what_is_named),
    ("waiting_has_an_end", waiting_has_an_end),
    (
        "maps_of_a_namespace_without_a_process",
        maps_of_a_namespace_without_a_process,
    ),
];

/// For what has to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Forks; the child does `body` and ends with what that returns.
fn fork(body: impl FnOnce() -> i32) -> Child {
    match process::clone(0, None).expect("a process") {
        Side::Parent(child) => child,
        Side::Child => process::exit(body()),
    }
}

fn sleep() -> i32 {
    std::thread::sleep(PATIENCE * 10);
    0
}

fn an_end_is_told_once(_: &Path) {
    let child = fork(|| 7);
    let told = process::wait(child.pid, false).expect("waited");
    assert_eq!(told, Some((child.pid, Exit::Code(7))));
    assert_eq!(process::wait(child.pid, false).expect("nobody"), None);
    let child = fork(sleep);
    assert_eq!(process::wait(child.pid, true).expect("it lives"), None);
    assert!(!event::readable_now(child.pidfd.as_fd()));
    process::pidfd_send_signal(child.pidfd.as_fd(), libc::SIGKILL).expect("killed");
    assert!(event::within(child.pidfd.as_fd(), PATIENCE));
    let told = process::wait(-1, false).expect("waited");
    assert_eq!(told, Some((child.pid, Exit::Signal(9))));
    assert_eq!(Exit::Signal(9).status(), 137);
    // The number may be another's by now; the descriptor is nobody's.
    let late = process::pidfd_send_signal(child.pidfd.as_fd(), libc::SIGKILL);
    assert_eq!(errno(late), libc::ESRCH);
}

fn a_process_dies_with_its_parent(_: &Path) {
    let (read, write) = socket::pipe().expect("a pipe");
    let parent = fork(|| {
        fork(|| {
            process::die_with_parent(true).expect("PR_SET_PDEATHSIG");
            file::write_fd(&write, b"x").expect("room");
            sleep()
        });
        sleep()
    });
    drop(write);
    assert_eq!(file::read_some(&read).expect("it is ready"), b"x");
    process::pidfd_send_signal(parent.pidfd.as_fd(), libc::SIGKILL).expect("killed");
    // Both had the other end, and both are gone.
    assert!(event::within(read.as_fd(), PATIENCE));
    assert_eq!(file::read_some(&read).expect("the end"), b"");
    process::wait(parent.pid, false).expect("waited");
}

fn a_program_has_its_descriptors_alone(_: &Path) {
    let (read, write) = socket::pipe().expect("a pipe");
    let null = file::openat(file::CWD, "/dev/null", OFlags::RDWR, 0).expect("/dev/null");
    // Inherited and not meant for it.
    let _other = file::duplicate(&null).expect("a copy");
    process::keep_on_exec(_other.as_raw_fd()).expect("kept");
    let shell = file::openat(file::CWD, "/bin/sh", OFlags::PATH, 0).expect("a shell");
    let script = "echo $A $1 $(ls /proc/$$/fd)";
    let image = Image::new("/bin/sh", ["sh", "-c", script, "sh", "one two"], ["A=b"]);
    let fds: [BorrowedFd<'_>; 3] = [null.as_fd(), write.as_fd(), null.as_fd()];
    let child = process::spawn(0, shell.as_fd(), &image.expect("no NUL"), &fds).expect("a process");
    drop(write);
    let said = String::from_utf8(file::read_fd(read, 100).expect("text")).expect("UTF-8");
    // The shell has the pipe of $() besides.
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..6], ["b", "one", "two", "0", "1", "2"], "{said}");
    assert!(words.len() <= 7, "{said}");
    process::wait(child.pid, false).expect("waited");
}

fn a_child_keeps_what_is_named(_: &Path) {
    let (read, write) = socket::pipe().expect("a pipe");
    let others: Vec<OwnedFd> = (0..5)
        .map(|_| file::duplicate(&write).expect("a copy"))
        .collect();
    let child = fork(|| {
        process::close_all_but(&[write.as_fd()]).expect("close_range");
        let names = file::list(file::CWD, "/proc/self/fd").expect("descriptors");
        file::write_fd(&write, names.join(" ").as_bytes()).expect("room");
        0
    });
    let wanted = write.as_raw_fd();
    drop((write, others));
    let said = String::from_utf8(file::read_fd(read, 1000).expect("text")).expect("UTF-8");
    let mut open: Vec<i32> = said.split(' ').flat_map(str::parse).collect();
    // The directory itself is open while it is read.
    open.retain(|fd| *fd > 2 && *fd != wanted);
    assert!(said.split(' ').any(|fd| fd == wanted.to_string()), "{said}");
    assert!(open.len() <= 1, "{said}");
    process::wait(child.pid, false).expect("waited");
}

fn waiting_has_an_end(_: &Path) {
    let (read, write) = socket::pipe().expect("a pipe");
    let ask = |timeout| {
        let fds = [(read.as_fd(), Want::Read), (write.as_fd(), Want::Write)];
        let ready = event::ready(&fds, timeout).expect("poll");
        (ready[0].read, ready[1].write)
    };
    assert_eq!(ask(None), (false, true));
    let fds = [(read.as_fd(), Want::Read)];
    let before = std::time::Instant::now();
    let ready = event::ready(&fds, Some(30)).expect("poll");
    assert!(!ready[0].read && before.elapsed() >= Duration::from_millis(30));
    assert!(!event::within(read.as_fd(), Duration::from_millis(1)));
    file::write_fd(&write, b"x").expect("room");
    assert_eq!(ask(None), (true, true));
    let none = None::<BorrowedFd<'_>>;
    let which = event::readable(&[none, Some(read.as_fd())]).expect("poll");
    assert_eq!(which, [false, true]);
    // Who waits for room alone is not woken by what there is to read, and is by an end.
    let (ours, theirs) = socket::pair().expect("a pair");
    socket::send(theirs.as_fd(), b"x", &[]).expect("room");
    let of = |want| event::ready(&[(ours.as_fd(), want)], Some(0)).expect("poll")[0];
    let both = |ready: event::Ready| (ready.read, ready.write);
    assert_eq!(both(of(Want::Write)), (false, true));
    assert_eq!(both(of(Want::Both)), (true, true));
    drop(read);
    let write = event::ready(&[(write.as_fd(), Want::Write)], Some(0)).expect("poll")[0];
    assert_eq!(both(write), (false, true));
}

fn maps_of_a_namespace_without_a_process(_: &Path) {
    let map = Map {
        inside: 0,
        outside: 100_000,
        size: 1000,
    };
    let proc = open(Path::new("/proc"));
    let users = namespace::detached_user_namespace(&proc, &[map], &[map]).expect("a namespace");
    let (answer, exit) = namespace::within(&users, 0, || {
        file::read(file::CWD, "/proc/self/uid_map", 100).expect("a map")
    })
    .expect("a process in it");
    assert_eq!(exit, Exit::Code(0));
    let text = String::from_utf8(answer).expect("UTF-8");
    let numbers: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(numbers, ["0", "100000", "1000"]);
    let much = namespace::within(&users, 0, || vec![0; (1 << 20) + 1]);
    assert_eq!(errno(much), libc::EFBIG);
}
