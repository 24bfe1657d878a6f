//! Levels: the pairs of categories by which SELinux tells containers apart, of which each container has one to itself.
//!
//! A level is claimed by a link `levels/LEVEL` to the container's directory, and free when that is gone. Root's links are in
//! one place of the host, whichever store their containers are in. What others have, users and other engines, no link
//! says: there the labels of what runs are asked.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;

use lockstep_abi::errno::Errno;
use lockstep_kernel::durable::{self, Lock};
use lockstep_kernel::{file, random};
use lockstep_profile::selinux;

use super::Store;
use super::store::{below, own_directory};
use crate::failure::{Doing, Failure};
use crate::resolve::Caller;

/// Where root's links are.
const HOST: &str = "/var/lib/lockstep";
/// Draws before none is taken for free: where half of them are, that is wrong once in 2^64.
const DRAWS: u32 = 64;

impl Store {
    /// Claims `wanted` for the container whose directory is at `path`, or where another has it one out of the others.
    pub(crate) fn claim_level(
        &self,
        path: &Path,
        wanted: String,
        caller: &Caller,
    ) -> Result<String, Failure> {
        let levels = match caller.is_root_of_host() {
            true => below(&own_directory(Path::new(HOST))?, Path::new(HOST), "levels")?,
            false => below(&own_directory(&self.at.data)?, &self.at.data, "levels")?,
        };
        claim_in(&levels, path, wanted, &running()?)
    }
}

fn claim_in(
    levels: &OwnedFd,
    path: &Path,
    wanted: String,
    running: &BTreeSet<String>,
) -> Result<String, Failure> {
    let what = || "levels of SELinux".to_owned();
    // Opened anew: a lock is an open file's.
    let flags = file::OFlags::RDONLY | file::OFlags::DIRECTORY;
    let held = file::openat(levels, ".", flags, 0).doing(what)?;
    durable::lock(&held, Lock::Exclusive, true).doing(what)?;
    let mut level = wanted;
    sweep(levels)?;
    for _ in 0..DRAWS {
        if !running.contains(&level) {
            match file::symlink(path, levels, &level) {
                Ok(()) => return Ok(level),
                Err(e) if e.is(&[Errno::EEXIST.0]) => {}
                Err(e) => return Err(Failure::call(what(), &e)),
            }
        }
        level = selinux::level_at_random(u32::from_ne_bytes(random::bytes().doing(what)?));
    }
    Err(Failure::new("no pair of SELinux categories is free")
        .hint("remove containers with lockstep rm"))
}

/// Takes the links away whose containers are gone.
fn sweep(levels: &OwnedFd) -> Result<(), Failure> {
    let what = || "levels of SELinux".to_owned();
    for level in file::list(levels, ".").doing(what)? {
        let holder = file::readlink(levels, &level).doing(what)?;
        match file::stat(file::CWD, &holder, false) {
            Err(e) if e.is(&[Errno::ENOENT.0, Errno::ENOTDIR.0]) => {
                file::unlink(levels, &level).doing(what)?;
            }
            // What cannot be looked up may be there.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// The levels of all processes that this one may ask.
fn running() -> Result<BTreeSet<String>, Failure> {
    let processes = file::list(file::CWD, "/proc").doing(|| "processes".into())?;
    let numbers = processes
        .iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    // A process that has ended or may not be asked tells nothing.
    let labels = numbers.filter_map(|number| {
        let label = format!("/proc/{number}/attr/current");
        file::read_at_once(file::CWD, label, 4096).ok()
    });
    Ok(labels
        .filter_map(|label| selinux::level(&String::from_utf8_lossy(&label)))
        .collect())
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "tests make what they look at; the rules are for what is shipped"
)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_container_s_until_its_directory_is_gone() {
        let at = std::env::temp_dir().join(format!("lockstep-levels-{}", std::process::id()));
        let (first, second) = (at.join("first"), at.join("second"));
        for directory in [&first, &second, &at.join("levels")] {
            std::fs::create_dir_all(directory).expect("a scratch directory");
        }
        let levels = file::open_dir(file::CWD, at.join("levels")).expect("it is there");
        let claim = |path: &Path, running: &[&str]| {
            let running = running.iter().map(|level| (*level).to_owned()).collect();
            claim_in(&levels, path, "s0:c0,c1".into(), &running).expect("a level")
        };
        assert_eq!(claim(&first, &[]), "s0:c0,c1");
        let other = claim(&second, &[]);
        assert_ne!(other, "s0:c0,c1");
        std::fs::remove_dir(&first).expect("own directory");
        // Of another store or engine, whose link is nowhere here.
        assert_ne!(claim(&second, &["s0:c0,c1"]), "s0:c0,c1");
        assert_eq!(claim(&second, &[other.as_str()]), "s0:c0,c1");
        drop(std::fs::remove_dir_all(&at));
    }

    #[test]
    fn many_that_want_one_level_at_once_have_different_ones() {
        let at = std::env::temp_dir().join(format!("lockstep-many-{}", std::process::id()));
        std::fs::create_dir_all(at.join("levels")).expect("a scratch directory");
        let claim = || {
            let levels = file::open_dir(file::CWD, at.join("levels")).expect("it is there");
            claim_in(&levels, &at, "s0:c0,c1".into(), &BTreeSet::new()).expect("a level")
        };
        let all: BTreeSet<String> = std::thread::scope(|scope| {
            let claims: Vec<_> = (0..50).map(|_| scope.spawn(claim)).collect();
            claims
                .into_iter()
                .map(|claim| claim.join().expect("it ends"))
                .collect()
        });
        assert_eq!(all.len(), 50);
        drop(std::fs::remove_dir_all(&at));
    }
}
