//! Where the containers' state lies when `--root` does not say it.
//!
//! The rule is runc's: root of the host uses /run whatever its environment says; everyone else, and root
//! of a user namespace that rootless engines made, uses the user's runtime directory. Without one, a
//! directory in /tmp stands in, which anyone could have made first: its owner and mode are checked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lockstep_abi::inode::{S_IFDIR, S_IFMT};
use lockstep_kernel::{credential, file};

use crate::failure::Failure;

const NAME: &str = "lockstep-runc";

/// What the choice depends on.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    pub(crate) euid: u32,
    /// Whether this is not the host's first user namespace.
    pub(crate) user_namespace: bool,
    /// `--rootless`; `None` is auto.
    pub(crate) rootless: Option<bool>,
    /// `$XDG_RUNTIME_DIR`.
    pub(crate) runtime_dir: Option<OsString>,
    /// `$USER`.
    pub(crate) user: Option<OsString>,
}

/// A default directory and how it has to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// Root's; made when a container is.
    System(PathBuf),
    /// In the user's runtime directory.
    Runtime(PathBuf),
    /// In /tmp, shared with other users.
    Shared(PathBuf),
}

/// Chooses the default directory.
pub(crate) fn choose(caller: &Caller) -> Root {
    let user_is_root = caller.user.as_deref().is_some_and(|user| user == "root");
    let personal = caller.euid != 0
        || caller.rootless == Some(true)
        || (caller.user_namespace && !user_is_root);
    let runtime_dir = caller.runtime_dir.as_deref().map(Path::new);
    match runtime_dir.filter(|dir| personal && dir.is_absolute()) {
        Some(dir) => Root::Runtime(dir.join(NAME)),
        None if caller.euid == 0 => Root::System(Path::new("/run").join(NAME)),
        None => Root::Shared(Path::new("/tmp").join(format!("{NAME}-{}", caller.euid))),
    }
}

impl Root {
    /// Makes the directory where it is the caller's own, and returns its path.
    pub(crate) fn prepare(self, euid: u32) -> Result<PathBuf, Failure> {
        match self {
            Root::System(path) => Ok(path),
            Root::Runtime(path) => {
                // The sticky bit keeps clean-up of the runtime directory away (XDG base directories).
                make(&path, 0o1700)?;
                Ok(path)
            }
            Root::Shared(path) => {
                make(&path, 0o700)?;
                check_private(&path, euid)?;
                Ok(path)
            }
        }
    }
}

fn make(path: &Path, mode: u32) -> Result<(), Failure> {
    match file::mkdirat(file::CWD, path, mode) {
        Err(error) if !error.is(&[lockstep_abi::errno::Errno::EEXIST.0]) => {
            Err(Failure::path("mkdir", path, &error))
        }
        _ => Ok(()),
    }
}

/// Refuses a directory that another user made or may write to.
fn check_private(path: &Path, euid: u32) -> Result<(), Failure> {
    let stat = file::stat(file::CWD, path, false).map_err(|e| Failure::path("stat", path, &e))?;
    let wrong = if stat.st_mode & S_IFMT != S_IFDIR {
        "is not a directory"
    } else if stat.st_uid != euid {
        "belongs to another user"
    } else if stat.st_mode & 0o077 != 0 {
        "is open to other users"
    } else {
        return Ok(());
    };
    let text = format!("state directory {} {wrong}", path.display());
    let hint = "hint: set $XDG_RUNTIME_DIR or give --root";
    Err(Failure::new(text).with_detail(hint.to_owned()))
}

/// Whether the process is in a user namespace other than the host's first (user_namespaces(7)).
pub(crate) fn in_user_namespace() -> bool {
    // Unreadable only without /proc, where nothing works; the host is the stricter assumption.
    let map = file::read(file::CWD, "/proc/self/uid_map", 1 << 16).unwrap_or_default();
    let map = String::from_utf8_lossy(&map);
    let fields: Vec<&str> = map.split_whitespace().collect();
    !map.is_empty() && fields != ["0", "0", "4294967295"]
}

/// The caller as the kernel sees it; the environment is given.
pub(crate) fn caller(rootless: Option<bool>, env: impl Fn(&str) -> Option<OsString>) -> Caller {
    let euid = credential::euid();
    let runtime_dir = env("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    Caller {
        euid,
        // Only root's choice depends on it, where there is one; the file is not read for nothing.
        user_namespace: euid == 0 && runtime_dir.is_some() && in_user_namespace(),
        rootless,
        runtime_dir,
        user: env("USER"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_of(euid: u32, user_namespace: bool, dir: Option<&str>, user: &str) -> Root {
        choose(&Caller {
            euid,
            user_namespace,
            rootless: None,
            runtime_dir: dir.map(OsString::from),
            user: Some(user.into()),
        })
    }

    #[test]
    fn root_of_the_host_ignores_the_environment() {
        let system = Root::System("/run/lockstep-runc".into());
        assert_eq!(root_of(0, false, Some("/run/user/0"), "root"), system);
        assert_eq!(root_of(0, true, Some("/run/user/0"), "root"), system);
        assert_eq!(root_of(0, true, None, "u"), system);
    }

    #[test]
    fn users_and_their_namespaces_have_their_own() {
        let own = || Root::Runtime("/run/user/7/lockstep-runc".into());
        assert_eq!(root_of(7, false, Some("/run/user/7"), "u"), own());
        assert_eq!(root_of(0, true, Some("/run/user/7"), "u"), own());
        let forced = Caller {
            rootless: Some(true),
            runtime_dir: Some("/run/user/7".into()),
            ..Caller::default()
        };
        assert_eq!(choose(&forced), own());
    }

    #[test]
    fn without_a_runtime_directory_tmp_stands_in() {
        let shared = Root::Shared("/tmp/lockstep-runc-7".into());
        assert_eq!(root_of(7, false, None, "u"), shared);
        assert_eq!(root_of(7, false, Some("relative"), "u"), shared);
    }

    #[test]
    fn a_shared_directory_must_be_private() {
        let euid = credential::euid();
        let path = PathBuf::from(format!("/tmp/lockstep-runc-test-{}", std::process::id()));
        file::mkdirat(file::CWD, &path, 0o700).expect("a new directory");
        let answers = [
            check_private(&path, euid),
            check_private(&path, euid + 1),
            check_private(Path::new("/tmp"), 0),
            check_private(Path::new("/proc/self/exe"), euid),
        ];
        file::rmdir(file::CWD, &path).expect("removed");
        let texts = answers.map(|answer| answer.err().map(|failure| failure.text));
        assert_eq!(texts[0], None);
        for (text, wrong) in texts[1..].iter().zip([
            "belongs to another user",
            "is open to other users",
            "is not a directory",
        ]) {
            assert!(
                text.as_deref().is_some_and(|text| text.contains(wrong)),
                "{text:?}"
            );
        }
    }
}
