//! Runs each test in a process of its own, as root and in user namespaces, and counts.
//!
//! No libtest: its threads forbid a user namespace. Three callers are shown: root of the host; a user with
//! subordinate ids, inside their user namespace; and a user without any, whose one id is all there is.

#![allow(dead_code, reason = "each test program uses another part of it")]

pub(crate) mod layout;
pub(crate) mod tar_file;
#[allow(
    clippy::duplicate_mod,
    reason = "one of the test programs has the harness of the live tests too"
)]
#[path = "../../../lockstep-runc/tests/harness/told.rs"]
mod told;

use lockstep_image::{Owners, Store};
use lockstep_kernel::namespace::{self, Map, Mapper};
use lockstep_kernel::{credential, file, process};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// First host id of the users of these tests, whom no account has.
const USER: u32 = 2_000_000;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Root,
    User,
    SingleId,
}

pub(crate) const ALL: &[Caller] = &[Caller::Root, Caller::User, Caller::SingleId];
pub(crate) const ROOT: &[Caller] = &[Caller::Root];

impl Caller {
    fn name(self) -> &'static str {
        match self {
            Caller::Root => "root",
            Caller::User => "user",
            Caller::SingleId => "single-id",
        }
    }

    pub(crate) fn owners(self) -> Owners {
        match self {
            Caller::Root | Caller::User => Owners::Kept,
            Caller::SingleId => Owners::Squashed,
        }
    }
}

/// What a test has: a directory, and who it is.
pub(crate) struct Stage {
    pub(crate) dir: PathBuf,
    pub(crate) caller: Caller,
}

/// A test, and the callers for whom it runs.
pub(crate) type Test = (&'static str, &'static [Caller], fn(&Stage));

impl Stage {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn make_dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("a directory");
        path
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.path("store")).expect("a store")
    }

    /// A directory beside everything, with what must not change.
    pub(crate) fn outside(&self) -> PathBuf {
        let outside = self.path("outside");
        if !outside.exists() {
            std::fs::create_dir_all(outside.join("dir")).expect("a directory");
            std::fs::write(outside.join("secret"), "secret").expect("a file");
            std::fs::write(outside.join("dir/file"), "file").expect("a file");
            let mode = std::fs::Permissions::from_mode(0o640);
            std::fs::set_permissions(outside.join("secret"), mode).expect("a mode");
        }
        outside
    }
}

/// Path to type, mode, owner, links, times and content of everything below a directory.
pub(crate) fn picture(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut queue = vec![dir.to_owned()];
    while let Some(path) = queue.pop() {
        let stat = std::fs::symlink_metadata(&path).expect("metadata");
        let content = if stat.is_file() {
            format!("{:?}", std::fs::read(&path))
        } else if stat.is_symlink() {
            format!("{:?}", std::fs::read_link(&path))
        } else {
            String::new()
        };
        if stat.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a directory");
            queue.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        let line = format!(
            "{:o} {}:{} {} {} {}.{} {content}",
            stat.mode(),
            stat.uid(),
            stat.gid(),
            stat.nlink(),
            stat.rdev(),
            stat.mtime(),
            stat.mtime_nsec()
        );
        found.insert(path, line);
    }
    found
}

/// Runs the tests whose name has the filter in it.
pub(crate) fn main(tests: &[Test]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--inside", caller, name, dir] => inside(tests, caller, name, Path::new(dir)),
        ["--list", ..] => ExitCode::SUCCESS,
        _ => {
            let filter = words.iter().find(|word| !word.starts_with('-'));
            outside(tests, filter.copied().unwrap_or(""))
        }
    }
}

fn outside(tests: &[Test], filter: &str) -> ExitCode {
    if credential::euid() != 0 {
        println!("SKIP all: needs root to make users and namespaces");
        println!(
            "test result: ok. 0 passed; 0 failed; {} ignored",
            tests.len()
        );
        return ExitCode::SUCCESS;
    }
    let top = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("i{}", process::id()));
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, callers, _) in tests {
        for caller in *callers {
            let full = format!("{}::{name}", caller.name());
            if !full.contains(filter) {
                continue;
            }
            let dir = top.join(caller.name()).join(name);
            std::fs::create_dir_all(&dir).expect("a directory of the test");
            let _told = told::Told::begin(&full);
            let good = one(*caller, name, &dir);
            println!("test {full} ... {}", if good { "ok" } else { "FAILED" });
            if good {
                passed += 1;
                std::fs::remove_dir_all(&dir).expect("the directory is removed");
            } else {
                failed.push(format!("{full} (left in {})", dir.display()));
            }
        }
    }
    for name in &failed {
        println!("failed: {name}");
    }
    if failed.is_empty() {
        drop(std::fs::remove_dir_all(&top));
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored",
        failed.len()
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// A process in a private mount namespace.
fn one(caller: Caller, name: &str, dir: &Path) -> bool {
    let program = std::env::current_exe().expect("this program");
    let status = Command::new("unshare")
        .args(["-m", "--propagation", "private"])
        .arg(program)
        .args(["--inside", caller.name(), name])
        .arg(dir)
        .status();
    status.is_ok_and(|status| status.success())
}

fn inside(tests: &[Test], caller: &str, name: &str, dir: &Path) -> ExitCode {
    let caller = *ALL.iter().find(|c| c.name() == caller).expect("a caller");
    let (_, _, test) = tests.iter().find(|test| test.0 == name).expect("a test");
    let stage = Stage {
        dir: dir.to_owned(),
        caller,
    };
    let run = || {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&stage)));
        if ran.is_ok() {
            b"ok".to_vec()
        } else {
            Vec::new()
        }
    };
    let good = match caller {
        Caller::Root => run() == b"ok",
        Caller::User | Caller::SingleId => as_user(caller, dir, run),
    };
    ExitCode::from(u8::from(!good))
}

fn as_user(caller: Caller, dir: &Path, run: impl FnOnce() -> Vec<u8>) -> bool {
    std::os::unix::fs::chown(dir, Some(USER), Some(USER)).expect("the directory is the user's");
    let proc = file::open_dir(file::CWD, "/proc").expect("/proc");
    let size = if caller == Caller::User { 65_536 } else { 1 };
    let map = [Map {
        inside: 0,
        outside: USER,
        size,
    }];
    let mapper = if caller == Caller::User {
        Mapper::Privileged
    } else {
        credential::setgroups(&[]).expect("no groups");
        credential::setgid(USER).expect("the user's group");
        credential::setuid(USER).expect("the user");
        process::set_dumpable(true).expect("a /proc of its own");
        Mapper::OwnIds
    };
    // CLONE_NEWNS: mounts of the tests.
    let users = namespace::detached(&proc, (&map, &map), mapper);
    let answer = users.and_then(|users| namespace::within(users, 0x0002_0000, run));
    matches!(answer, Ok((said, process::Exit::Code(0))) if said == b"ok")
}
