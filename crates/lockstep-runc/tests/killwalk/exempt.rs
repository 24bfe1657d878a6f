//! Calls whose failure need not be an error that names them, each with the reason.

use crate::stepper::{Hit, Point};
use crate::verb::Verb;
use crate::walk::Walk;

/// A call that fails without an error of ours; on which object, or on any; and why that is right.
struct Exempt(
    &'static str,
    &'static str,
    #[expect(dead_code, reason = "the reason is for people")] &'static str,
);

const C_START: &str = "start of the C library, before main";
const LET_GO: &str = "what keeps the binary out of reach: a sealed copy is the other way";
const RUST_START: &str = "start of the Rust library, before main";
const ALLOCATOR: &str =
    "the allocator ends the program, which leaves what a kill would, or does without";
const NEVER: &str = "the kernel never fails it";

const EXEMPT: &[Exempt] = &[
    Exempt("brk", "", ALLOCATOR),
    Exempt("mmap", "", ALLOCATOR),
    Exempt("mremap", "", ALLOCATOR),
    Exempt("munmap", "", ALLOCATOR),
    Exempt("madvise", "", "a hint to the kernel"),
    Exempt("mprotect", "", C_START),
    Exempt("arch_prctl", "", C_START),
    Exempt("set_tid_address", "", C_START),
    Exempt("set_robust_list", "", C_START),
    Exempt("rseq", "", C_START),
    Exempt("readlink", "/proc/self/exe", C_START),
    Exempt("getrandom", "", "seed of hash tables, which have another"),
    Exempt("sched_getaffinity", "", RUST_START),
    Exempt("sigaltstack", "", RUST_START),
    Exempt("poll", "", RUST_START),
    Exempt("rt_sigaction", "", RUST_START),
    Exempt("gettid", "", RUST_START),
    Exempt("openat", "/proc/self/maps", RUST_START),
    Exempt("read", "/maps", RUST_START),
    Exempt("newfstatat", "/maps", RUST_START),
    Exempt("fstat", "/maps", RUST_START),
    Exempt("close", "", "the descriptor is closed even so (close(2))"),
    Exempt("exit_group", "", NEVER),
    Exempt("rt_sigreturn", "", NEVER),
    Exempt("umask", "", NEVER),
    Exempt("getpid", "", NEVER),
    Exempt("geteuid", "", NEVER),
    Exempt("getegid", "", NEVER),
    Exempt(
        "clock_nanosleep",
        "",
        "only a wrong argument makes it fail; the Rust library ends the program then",
    ),
    Exempt(
        "landlock_create_ruleset",
        "",
        "asks for the ABI; no Landlock is the answer when it fails",
    ),
    Exempt(
        "keyctl",
        "",
        "a visible downgrade: without a keyring of its own the container keeps the caller's",
    ),
    Exempt(
        "clone3",
        "",
        "into the cgroup where the kernel can; else it is joined afterwards, before anything else",
    ),
    Exempt(
        "readlink",
        "/proc/self/fd/",
        "the path of a descriptor for the text of an error, which then has its number",
    ),
    Exempt(
        "openat",
        "oom_score_adj",
        "EPERM is a visible downgrade, kept in the state",
    ),
    Exempt("write", "oom_score_adj", "as above"),
    Exempt(
        "prlimit64",
        "",
        "EPERM clamps the limit: a visible downgrade, kept in the state",
    ),
    Exempt(
        "accept4",
        "",
        "create has succeeded by then: the container is a stopped one, as `state` and `start` say",
    ),
    Exempt(
        "move_mount",
        "/",
        "by name first, then by what the name resolves to, whose failure is told",
    ),
    Exempt(
        "openat2",
        "etc/passwd",
        "where the home is, which is / when the image does not say",
    ),
    Exempt("fstat", "/etc/passwd", "as above"),
    Exempt("read", "/etc/passwd", "as above"),
    Exempt(
        "openat",
        "cgroup.subtree_control",
        "controllers for children: which are on is read afterwards, and a missing one told",
    ),
    Exempt("write", "cgroup.subtree_control", "as above"),
    Exempt(
        "fchown",
        "stepped.stderr",
        "EPERM: a stream on a file system of another user namespace keeps its owner, as in runc",
    ),
    Exempt("fchown", "/dev/pts/", "as above"),
    Exempt(
        "setsid",
        "",
        "EPERM says that it leads its process group already",
    ),
];

/// Calls of the command itself, on whatever object, that fail without an error of ours.
const OF_THE_COMMAND: &[Exempt] = &[
    Exempt(
        "prlimit64",
        "",
        "start of the C library: the size of the stack",
    ),
    Exempt("open_tree", "/proc/self/exe", LET_GO),
    Exempt("openat", "/proc/self/fd/", LET_GO),
    Exempt("memfd_create", "", LET_GO),
    Exempt("fcntl", "memfd:", LET_GO),
    Exempt("prctl", "option 35", LET_GO),
    Exempt(
        "fcntl",
        "lockstep-runc",
        "without an answer the binary is taken for unsealed, and sealed again",
    ),
    Exempt("fstat", "lockstep-runc", "as above"),
    Exempt("fstatfs", "lockstep-runc", "as above"),
    Exempt(
        "openat",
        "/etc/passwd",
        "the owner's name; its number stands for it",
    ),
    Exempt("read", "/etc/passwd", "as above"),
    Exempt(
        "write",
        "stepped.stderr",
        "a warning on standard error: there is no other place to tell it",
    ),
    Exempt(
        "ioctl",
        "/dev/null",
        "whether standard output is a terminal: no is the answer when it fails",
    ),
    Exempt("openat", "lockstep-runc", "as above"),
];

/// Whether the failure of this call need not be told.
pub(crate) fn ignored(walk: &Walk<'_>, name: &str, hit: &Hit, point: Point) -> bool {
    // The library around starting ps(1) does not look; elsewhere it is told.
    if walk.verb == Verb::Ps && name == "rt_sigprocmask" {
        return true;
    }
    let cgroup = hit.object.starts_with("/sys/fs/cgroup/");
    // Whether it is paused: it is thawed in any case.
    let freezer = ["freezer.state", "cgroup.freeze"];
    let asked = freezer.iter().any(|file| hit.object.ends_with(file));
    let deletes = matches!(walk.verb, Verb::Delete | Verb::DeleteForce);
    if deletes && ["openat", "read"].contains(&name) && asked {
        return true;
    }
    // The cgroup's directory, for that clone3.
    if name == "openat" && cgroup && hit.object.ends_with("/walk") {
        return true;
    }
    // The detached tree of the runtime's binary, which has no name: the first that the command makes.
    if name == "mount_setattr" && (point.process, point.occurrence) == (0, 0) {
        return true;
    }
    // A user who asks for no limit gets a cgroup where that is allowed.
    if !walk.setting.has_cgroup() && name == "mkdirat" && cgroup {
        return true;
    }
    let matches = |Exempt(call, object, _): &Exempt| *call == name && hit.object.contains(object);
    // The process that holds an id map's user namespace: it ends, as it would a moment later.
    let holder = point.process > 0 && name == "read" && hit.object.starts_with("pipe:");
    let command = point.process == 0 && OF_THE_COMMAND.iter().any(matches);
    command || holder || EXEMPT.iter().any(matches)
}

/// Calls after whose failure a whole container is there, to be removed later.
pub(crate) fn leaves(call: &str) -> bool {
    // Removing it is what failed; or waiting for it, and then it runs.
    let removing = ["unlinkat", "openat", "getdents64", "newfstatat", "read"];
    let waiting = ["wait4", "rt_sigtimedwait", "rt_sigprocmask"];
    removing.contains(&call) || waiting.contains(&call)
}

/// All that the library does to start ps(1).
const EXECVP: &str = "execvp(";

/// The words for a call in errors, where they are not its name.
pub(crate) fn words(call: &str) -> &[&str] {
    match call {
        "newfstatat" | "statx" | "fstat" => &["fstatat(", "fstat(", "stat("],
        "pread64" => &["read("],
        "wait4" => &["wait4(", "waitpid("],
        "ppoll" => &["poll("],
        "prlimit64" => &["prlimit("],
        // Paths of the command line and starting ps(1), in runc's words.
        "openat" => &["realpath(", "chdir ", "open /", EXECVP],
        // A message of rtnetlink(7) by its name.
        "read" => &["read /", "RTM_", "recv("],
        "write" => &["write /dev/stdout", "RTM_"],
        "readlink" | "readlinkat" | "lstat" => &["realpath(", "chdir "],
        "pipe2" | "clone" | "clone3" | "vfork" | "dup2" | "execve" => &[EXECVP],
        _ => &[],
    }
}
