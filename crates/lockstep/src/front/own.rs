//! Which of the host's files are Lockstep's own: this user's, and those of the other users whom root's containers could
//! reach. Known places alone are looked at, because this stands before every container with a volume.

use std::path::{Component, Path, PathBuf};

use lockstep_abi::errno::Errno;
use lockstep_kernel::file::OFlags;
use lockstep_kernel::{credential, file};

use super::Front;
use super::place::{
    CONFIGURATION, standard_data, standard_state, states_of_runtime, user_configuration,
};
use crate::container::Locations;
use crate::failure::{Doing, Failure};
use crate::resolve::Mounts;

/// Both programs, and where they are installed beside where this one is.
const PROGRAMS: [&str; 2] = [crate::cli::NAME, "lockstep-runc"];
const INSTALLED: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

impl Front {
    /// This user's directories of Lockstep, which no container may reach, without links in the names: these places and
    /// the usual ones, and the configuration.
    pub(super) fn own(&self, at: &Locations) -> Vec<PathBuf> {
        let mut own = vec![
            at.data.clone(),
            at.state.clone(),
            standard_state(),
            CONFIGURATION.into(),
        ];
        own.extend(states_of_runtime());
        own.extend(standard_data());
        own.extend(user_configuration());
        // Most are the usual ones, and every look costs.
        own.sort();
        own.dedup();
        // ENOENT and EACCES: what cannot be looked at keeps its name.
        let plain = |path: PathBuf| file::canonicalize(&path).unwrap_or(path);
        let mut own: Vec<PathBuf> = own.into_iter().map(plain).collect();
        own.sort();
        own.dedup();
        own
    }
}

/// Where the programs are that there are. A container that may write to one of them would have whoever calls it next.
pub(super) fn programs() -> Vec<PathBuf> {
    let own = file::readlink(file::CWD, "/proc/self/exe").ok();
    let beside = own.as_deref().and_then(Path::parent);
    let places = INSTALLED.iter().map(Path::new).chain(beside);
    let named = places.flat_map(|place| PROGRAMS.map(|name| place.join(name)));
    existing(named.chain(own.clone()))
}

/// Stores, states and configurations of the host's other users, where they are unless somebody has chosen another place.
/// Root of root's containers acts as root of the host on what it is given; an ordinary user cannot reach them anyhow.
/// With `shown`, only those in one of these directories, and what cannot be there is not looked for.
pub(super) fn of_others(
    mounts: &Mounts,
    shown: Option<&[String]>,
) -> Result<Vec<PathBuf>, Failure> {
    if credential::euid() != 0 {
        return Ok(Vec::new());
    }
    let text = crate::caller::read("/etc/passwd")?;
    // Users whom another service than that file knows have at least a runtime directory while they are there.
    let present = match file::list(file::CWD, "/run/user") {
        Err(e) if e.is(&[Errno::ENOENT.0]) => Vec::new(),
        other => other.doing(|| "/run/user".into())?,
    };
    Ok(found(&places(&text, &present), shown, mounts))
}

/// What there is of some places.
fn found(places: &[(PathBuf, String)], shown: Option<&[String]>, mounts: &Mounts) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for places in places.chunk_by(|one, next| one.0 == next.0) {
        let base = &places[0].0;
        if shown.is_none_or(|shown| leads_into(base, shown, mounts)) {
            let there = places
                .iter()
                .filter_map(|(_, below)| theirs(base, below, mounts));
            found.extend(there);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Whether a directory may be in one of some others: by its name, or by links in it.
fn leads_into(path: &Path, others: &[String], mounts: &Mounts) -> bool {
    let is_in = |path: &Path| others.iter().any(|other| path.starts_with(other));
    let has_links = || {
        let opened = file::open_without_links(path, OFlags::PATH);
        mounts.answers(path) && matches!(opened, Err(e) if e.is(&[Errno::ELOOP.0]))
    };
    is_in(path) || (has_links() && unlinked(path, mounts).is_some_and(|path| is_in(&path)))
}

/// The usual places of the users of passwd(5)'s `text`, and of those `present`: all who have a runtime directory, by number.
/// Each is a directory that root has made, and a path below it that its user has.
fn places(text: &str, present: &[String]) -> Vec<(PathBuf, String)> {
    let is_uid = |name: &&str| name.parse::<u32>().is_ok();
    let present = present.iter().map(String::as_str).filter(is_uid);
    let mut users: Vec<&str> = present.collect();
    let runtime = |uid: &&str| {
        let base = PathBuf::from(format!("/run/user/{uid}"));
        PROGRAMS.map(|name| (base.clone(), name.to_owned()))
    };
    let mut all: Vec<(PathBuf, String)> = users.iter().flat_map(runtime).collect();
    for line in text.lines() {
        let mut fields = line.split(':').skip(2);
        let (Some(uid), Some(home)) = (fields.next().filter(is_uid), fields.nth(2)) else {
            continue;
        };
        users.push(uid);
        // Every service without a home has the same one.
        if home.starts_with('/') && home != "/" {
            let below = [".local/share/lockstep", ".config/lockstep"];
            all.extend(below.map(|below| (PathBuf::from(home), below.to_owned())));
        }
    }
    let shared = |uid: &&str| PROGRAMS.map(|name| ("/tmp".into(), format!("{name}-{uid}")));
    all.extend(users.iter().flat_map(shared));
    all.sort();
    all.dedup();
    all
}

/// What is `below` a directory under just that name. A link there is its user's choice, who would else choose what root's
/// containers are refused, or what is masked in them.
fn theirs(base: &Path, below: &str, mounts: &Mounts) -> Option<PathBuf> {
    let look = |path: PathBuf| {
        // Only what the kernel answers itself: a server, a daemon or an automounter may never answer.
        if !mounts.answers(&path) {
            return Ok(None);
        }
        match file::open_without_links(&path, OFlags::PATH) {
            Ok(_) => Ok(Some(path)),
            Err(e) if e.is(&[Errno::ENOENT.0, Errno::ENOTDIR.0]) => Ok(None),
            Err(e) if e.is(&[Errno::ELOOP.0]) => Err(e),
            // EACCES: it may be there.
            Err(_) => Ok(Some(path)),
        }
    };
    look(base.join(below)).unwrap_or_else(|_link| look(unlinked(base, mounts)?.join(below)).ok()?)
}

/// A directory without links in its name, which are followed one by one, so that none leads to where nobody answers.
fn unlinked(path: &Path, mounts: &Mounts) -> Option<PathBuf> {
    // As the kernel does (path_resolution(7)).
    let mut links = 40;
    let (mut done, mut rest) = (PathBuf::from("/"), path.to_owned());
    loop {
        let mut parts = rest.components();
        let Some(part) = parts.next() else {
            return Some(done);
        };
        if matches!(part, Component::CurDir | Component::ParentDir) {
            if part == Component::ParentDir {
                done.pop();
            }
            rest = parts.as_path().to_owned();
            continue;
        }
        let next = done.join(part);
        if !mounts.answers(&next) {
            return None;
        }
        rest = match file::readlink(file::CWD, &next) {
            Ok(target) if links > 0 => {
                links -= 1;
                target.join(parts.as_path())
            }
            Err(e) if e.is(&[Errno::EINVAL.0]) => {
                done = next;
                parts.as_path().to_owned()
            }
            _ => return None,
        };
    }
}

/// Those of some paths where something is, without links in the names.
fn existing(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = paths
        .filter_map(|path| match file::canonicalize(&path) {
            Ok(plain) => Some(plain),
            Err(e) if e.is(&[Errno::ENOENT.0, Errno::ENOTDIR.0]) => None,
            // EACCES: it may be there.
            Err(_) => Some(path),
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_a_home_and_a_number() {
        let text = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000:Ann:/home/ann:/bin/sh\nno:x:7:7::/:/bin/false\nbroken\n";
        let found = places(text, &["1001".into(), "sock".into()]);
        let found: Vec<PathBuf> = found
            .into_iter()
            .map(|(base, below)| base.join(below))
            .collect();
        let has = |path: &str| found.contains(&PathBuf::from(path));
        assert!(has("/home/ann/.local/share/lockstep") && has("/home/ann/.config/lockstep"));
        assert!(has("/run/user/1001/lockstep-runc") && has("/tmp/lockstep-1001"));
        assert!(has("/tmp/lockstep-1000") && has("/tmp/lockstep-runc-7"));
        assert!(!has("/.config/lockstep") && !has("/run/user/sock/lockstep"));
        assert_eq!(found.len(), 2 + 2 * 2 + 4 * 2);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's own directory")]
    fn a_home_is_found_through_links_and_nothing_below_it() {
        use std::os::unix::fs::symlink;
        let dir = std::env::temp_dir().join(format!("lockstep-homes-{}", std::process::id()));
        let dir = dir.canonicalize().unwrap_or(dir);
        std::fs::create_dir_all(dir.join("disk/ann/.config/lockstep")).expect("a home");
        std::fs::create_dir_all(dir.join("disk/eve")).expect("a home");
        symlink("./../disk", dir.join("disk/again")).expect("a link");
        symlink(dir.join("disk/again"), dir.join("homes")).expect("a link");
        symlink(dir.join("disk/ann/.config"), dir.join("disk/eve/.config")).expect("a link");
        let local = Mounts::parse("20 1 8:1 / / rw - ext4 /dev/sda1 rw\n", |_| true);
        let remote = format!(
            "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:9 / {} rw - nfs4 s:/ rw\n",
            dir.join("disk").display()
        );
        let remote = Mounts::parse(&remote, |_| true);
        let found = |user: &str, mounts| theirs(&dir.join(user), ".config/lockstep", mounts);
        let ann = dir.join("disk/ann/.config/lockstep");
        assert_eq!(found("disk/ann", &local), Some(ann.clone()));
        assert_eq!(found("homes/ann", &local), Some(ann));
        for user in ["disk/eve", "homes/eve", "homes/nobody"] {
            assert_eq!(found(user, &local), None, "{user}");
        }
        for user in ["disk/ann", "homes/ann"] {
            assert_eq!(found(user, &remote), None, "{user}");
        }
        let shown = |user: &str, below: &str| {
            let places = [(dir.join(user), ".config/lockstep".to_owned())];
            let directories = [dir.join(below).display().to_string()];
            super::found(&places, Some(&directories), &local)
        };
        let ann = dir.join("disk/ann/.config/lockstep");
        for user in ["disk/ann", "homes/ann"] {
            assert_eq!(shown(user, "disk"), [ann.as_path()], "{user}");
            assert!(shown(user, "disk/eve").is_empty(), "{user}");
        }
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
